// Runs src/index.ts in Cloudflare's own runtime (workerd), with env.AI going to `asrkit serve`.
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { fileURLToPath } from "node:url";

const {
  ASRKIT_URL = "http://127.0.0.1:8000",
  ACCOUNT_ID = "0".repeat(32),
  API_TOKEN = "",
  SAMPLE_URL,
  PORT = "8788",
} = process.env;
if (!SAMPLE_URL) {
  console.error("SAMPLE_URL is not set: the address of a recording, such as http://127.0.0.1:9000/speech.wav");
  process.exit(2);
}

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { outputFiles } = await build({
  entryPoints: [here("src/index.ts")],
  bundle: true,
  format: "esm",
  target: "es2022",
  outdir: "out",
  write: false,
});

const miniflare = new Miniflare({
  host: "127.0.0.1",
  port: Number(PORT),
  cf: false, // ask nobody where this machine is
  workers: [
    {
      name: "sample",
      compatibilityDate: "2024-03-01",
      modules: [{ type: "ESModule", path: "index.js", contents: outputFiles[0].text }],
      bindings: { SAMPLE_URL },
      wrappedBindings: { AI: { scriptName: "binding", bindings: { ASRKIT_URL, ACCOUNT_ID, API_TOKEN } } },
    },
    // The module behind a wrapped binding must not have a compatibility date of its own.
    { name: "binding", modules: true, scriptPath: here("src/binding.js") },
  ],
});
console.log(`listening on ${(await miniflare.ready).origin}`);

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => miniflare.dispose());
