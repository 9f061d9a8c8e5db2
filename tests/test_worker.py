"""The Worker of Cloudflare's page on speech recognition, as printed there, in Cloudflare's own runtime."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clients.programs import node_packages

from asrkit.normalizers import Basic
from asrkit.serve import Settings, background

BASIC = Basic()

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

pytestmark = [pytest.mark.model, pytest.mark.speech]

EXAMPLE = Path(__file__).parent.parent / "examples" / "worker"
PATIENCE = 60  # seconds until a Worker that says nothing is taken for dead


class Samples(SimpleHTTPRequestHandler):
    """Serves one file of the recordings, whatever is asked for."""

    def log_message(self, *_: object) -> None:
        pass

    def translate_path(self, path: str) -> str:
        return str(self.server.sample)


@pytest.fixture(scope="module")
def samples() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Samples) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def worker(samples: ThreadingHTTPServer) -> Iterator[str]:
    """The address of the example, run with `npm start`."""
    with (
        node_packages(EXAMPLE) as folder,
        background(Settings(model="openai/whisper-tiny.en", port=0)) as server,
    ):
        settings = {
            "ASRKIT_URL": server.url,
            "SAMPLE_URL": f"http://127.0.0.1:{samples.server_port}/enrollment_audio_katie.wav",
            "PORT": "0",
        }
        process = subprocess.Popen(
            ["npm", "start"],
            cwd=folder,
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # npm, node and the runtime end together
        )
        said: queue.Queue[str] = queue.Queue()
        assert process.stdout is not None
        reader = threading.Thread(target=lambda out: [said.put(line) for line in out], args=(process.stdout,))
        reader.start()
        try:
            while not (found := re.search(r"listening on (\S+)", said.get(timeout=PATIENCE))):
                pass
            yield found[1]
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(PATIENCE)
            reader.join(PATIENCE)
            process.stdout.close()


def get(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_printed_worker_hears_a_recording(worker, samples, recordings: pd.DataFrame):
    samples.sample = recordings.set_index("id")["path"]["cmu-arctic-bdl_arctic_a0103_wav"]

    status, body = get(worker)

    answer = json.loads(body)
    assert status == 200
    assert answer["input"] == {"audio": []}
    assert BASIC(answer["response"]["text"]) == "but there came no promise from the bow of the canoe"
    assert answer["response"]["word_count"] == len(answer["response"]["words"]) == 11


def test_the_printed_worker_sees_the_error_as_the_binding_tells_it(worker, samples):
    samples.sample = EXAMPLE / "README.md"

    status, body = get(worker)

    assert status == 500
    assert "InferenceUpstreamError: 3010: " in body


def test_the_example_is_the_printed_worker_but_for_the_address_of_the_sample():
    printed = """
        import { Ai } from "@cloudflare/ai";
        export interface Env { AI: any; }
        export default {
          async fetch(request: Request, env: Env) {
            const res: any = await fetch("https://github.com/Azure-Samples/cognitive-services-speech-sdk/raw/master/samples/cpp/windows/console/samples/enrollment_audio_katie.wav");
            const blob = await res.arrayBuffer();
            const ai = new Ai(env.AI);
            const input = { audio: [...new Uint8Array(blob)], };
            const response = await ai.run("@cf/openai/whisper", input);
            return Response.json({ input: { audio: [] }, response });
          },
        };
    """
    expected = re.sub(r'fetch\("https://[^"]+"\)', "fetch(env.SAMPLE_URL)", printed).replace(
        "AI: any;", "AI: any; SAMPLE_URL: string;"
    )

    assert (EXAMPLE / "src" / "index.ts").read_text().split() == expected.split()
