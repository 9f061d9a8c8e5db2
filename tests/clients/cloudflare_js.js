// Cloudflare's own JavaScript SDK.
import Cloudflare, { APIError } from "cloudflare";
import { VERSION } from "cloudflare/version.js";
import { readFile } from "node:fs/promises";
import { noting, serve } from "./lines.js";

async function run(client, { form, account, model, audio, options }) {
  const sound = audio && (await readFile(audio));
  switch (form) {
    case "array":
      return client.ai.run(model, { account_id: account, audio: [...sound] });
    case "typed array":
      return client.ai.run(model, { account_id: account, audio: new Uint8Array(sound) });
    case "base64":
      return client.ai.run(model, { account_id: account, audio: sound.toString("base64"), ...options });
    case "raw":
      return client.ai.run(model, { account_id: account }, { body: sound, headers: { "Content-Type": "audio/wav" } });
    case "models": {
      const names = [];
      for await (const found of client.ai.models.list({ account_id: account, ...options })) names.push(found.name);
      return names;
    }
    case "schema":
      return client.ai.models.schema.get({ account_id: account, model });
  }
}

await serve(VERSION, async (job) => {
  const paths = [];
  const client = new Cloudflare({
    baseURL: `${job.url}/client/v4`,
    apiToken: job.token,
    maxRetries: job.retries ?? 0,
    defaultHeaders: job.fault ? { "x-asrkit-fault": job.fault } : {},
    fetch: noting(paths),
  });
  try {
    return { result: await run(client, job), paths };
  } catch (error) {
    if (!(error instanceof APIError)) return { error: `no error of its own: ${error}`, paths };
    const errors = (error.errors ?? []).map(({ code, message }) => [code, message]);
    return { error: error.constructor.name, status: error.status ?? null, errors, paths };
  }
});
