// env.AI on your own machine: the binding's `run`, over the REST interface of `asrkit serve`.

class InferenceUpstreamError extends Error {
  name = "InferenceUpstreamError";
}

class Ai {
  lastRequestId = null;
  #base;
  #headers;

  constructor({ ASRKIT_URL, ACCOUNT_ID, API_TOKEN }) {
    this.#base = `${ASRKIT_URL.replace(/\/+$/, "")}/client/v4/accounts/${ACCOUNT_ID}/ai/run`;
    this.#headers = API_TOKEN ? { Authorization: `Bearer ${API_TOKEN}` } : {};
  }

  async run(model, inputs, { returnRawResponse = false, extraHeaders = {}, signal } = {}) {
    const url = new URL(`${this.#base}/${model}`);
    const headers = { ...this.#headers, "Content-Type": "application/json", ...extraHeaders };
    const { audio, ...options } = inputs;
    let body;
    if (audio?.body && audio.contentType) {
      // bytes or a stream with their media type: over REST the sound is the body, the options are the query
      body = await new Response(audio.body).arrayBuffer();
      headers["Content-Type"] = audio.contentType;
      for (const [name, value] of Object.entries(options)) url.searchParams.append(name, value);
    } else {
      body = JSON.stringify(inputs);
    }
    const response = await fetch(url, { method: "POST", headers, body, signal });
    this.lastRequestId = response.headers.get("cf-ai-req-id");
    if (returnRawResponse) return response;
    const text = await response.text();
    let answer = {};
    try {
      answer = JSON.parse(text);
    } catch {
      // an error of whatever stands in front: not JSON, told below by its status
    }
    if (response.ok && answer.success) return answer.result;
    // like the real one: the number is in the message and nowhere else
    const { code, message } = answer.errors?.[0] ?? { code: response.status, message: text.slice(0, 200) };
    throw new InferenceUpstreamError(`${code}: ${message}`);
  }

  getLogs() {
    return [];
  }
}

export default (env) => new Ai(env);
