// Cloudflare's provider for the AI SDK. Its hosts are fixed, so `fetch` is sent to another one.
import { transcribe } from "ai";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createWorkersAI } from "workers-ai-provider";
import { noting, serve } from "./lines.js";

globalThis.AI_SDK_LOG_WARNINGS = false;
const { version } = createRequire(import.meta.url)("workers-ai-provider/package.json");
const real = globalThis.fetch;

await serve(version, async (job) => {
  const paths = [];
  const moved = (input, init) => {
    const url = String(input).replace(/^https:\/\/(api|gateway\.ai)\.cloudflare\.com/, job.url);
    const headers = { ...init.headers, ...(job.fault ? { "x-asrkit-fault": job.fault } : {}) };
    globalThis.fetch = real; // what `noting` calls
    const answer = noting(paths)(url, { ...init, headers });
    globalThis.fetch = moved; // nova-3 takes the global one
    return answer;
  };
  globalThis.fetch = moved;
  const provider = createWorkersAI({
    accountId: job.account,
    apiKey: job.token,
    fetch: moved,
    ...(job.gateway ? { gateway: { id: job.gateway } } : {}),
  });
  try {
    const { text, segments, language, durationInSeconds } = await transcribe({
      model: provider.transcription(job.model, job.options),
      audio: await readFile(job.audio),
      maxRetries: job.retries ?? 0,
    });
    return { result: { text, segments, language, durationInSeconds }, paths };
  } catch (error) {
    const { name, statusCode = null, responseBody = null, reason, lastError } = error;
    return { error: name, status: statusCode, body: responseBody, reason, last: lastError?.statusCode, paths };
  } finally {
    globalThis.fetch = real;
  }
});
