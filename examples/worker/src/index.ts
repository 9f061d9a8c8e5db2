import { Ai } from "@cloudflare/ai";

export interface Env {
  AI: any;
  SAMPLE_URL: string;
}

export default {
  async fetch(request: Request, env: Env) {
    const res: any = await fetch(env.SAMPLE_URL);
    const blob = await res.arrayBuffer();

    const ai = new Ai(env.AI);
    const input = {
      audio: [...new Uint8Array(blob)],
    };

    const response = await ai.run("@cf/openai/whisper", input);

    return Response.json({ input: { audio: [] }, response });
  },
};
