"""What was paid for and never answered is told, counted, and sent again only as the policy says; no token is kept."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import httpx2
import numpy as np
import pytest

import asrkit
from asrkit import cli
from asrkit.audio import Audio, encode
from asrkit.cloudflare.prices import price_of


def wav(samples: int) -> bytes:
    return encode(Audio((0.3 * np.sin(np.arange(samples) / 8)).astype(np.float32)), "wav").data


class TestPaid:
    """Requests of Workers AI; a process that dies while one is on its way."""

    CODE = """
import os, sys, httpx2, numpy as np, asrkit
def answer(request):
    request.read()
    if len(asked) == 2:
        os._exit(9)
    asked.append(request)
    result = {"text": "hi", "word_count": 1, "words": []}
    return httpx2.Response(200, json={"result": result, "success": True, "errors": [], "messages": []})
asked = []
model = asrkit.WorkersAI("@cf/openai/whisper", account_id="0" * 32, api_token="planted-token", per_minute=None,
    at_once=1, transport=httpx2.MockTransport(answer))
tones = [(np.sin(np.arange(16_000) / (10 + n)).astype("f4"), 16_000) for n in range(4)]
list(asrkit.transcribe(tones, model=model, journal=sys.argv[1], progress=False))
"""

    @pytest.fixture
    def dead(self, tmp_path_factory) -> Path:
        path = tmp_path_factory.mktemp("paid") / "kept.sqlite"
        ended = subprocess.run([sys.executable, "-c", self.CODE, str(path)], timeout=120, check=False)
        assert ended.returncode == 9
        return path

    def test_what_was_never_answered_is_told_counted_and_sent_again_as_the_policy_says(self, dead, capsys, tmp_path):
        assert cli.main(["journal", "show", "--journal", str(dead)]) == 0
        shutil.copytree(dead.parent, tmp_path / "copy")
        copy = tmp_path / "copy" / dead.name

        backend, asked = self.model()
        outcomes = list(asrkit.transcribe(self.tones(), model=backend, journal=copy, progress=True))
        told = capsys.readouterr()

        assert "1 requests of earlier runs were never answered and may have been billed" in told.err
        assert [row.text for row in outcomes] == ["hi"] * 4
        assert len(asked) == 2  # two were answered before: never again
        assert backend.spending.doubtful > 0

        backend, asked = self.model()
        kept = asrkit.transcribe(self.tones(), model=backend, journal=dead, resend_unsettled=False, progress=False)
        codes = [getattr(row, "code", "") for row in kept]
        assert sorted(codes) == ["", "", "", "unsettled"]
        assert len(asked) == 1

    def test_counts_against_max_cost(self, dead):
        price = price_of("@cf/openai/whisper").dollars(1.0)
        backend, asked = self.model(max_cost=1.5 * price)

        outcomes = list(asrkit.transcribe(self.tones(), model=backend, journal=dead, progress=False))

        assert not asked  # one that may have been billed leaves nothing for a second
        assert sum(getattr(row, "code", "") == "max-cost" for row in outcomes) == 2

    def test_no_token_is_in_what_is_kept(self, dead, capsys):
        backend, _ = self.model()
        with fsspec.open("memory://clip.wav?signature=planted-signature", "wb") as file:
            file.write(wav(16_000))
        with fsspec.open("memory://broken.wav?signature=planted-signature", "wb") as file:
            file.write(b"no audio at all")
        cells = [
            *self.tones(),
            "memory://clip.wav?signature=planted-signature",
            "memory://broken.wav?signature=planted-signature",
        ]
        outcomes = list(asrkit.transcribe(cells, model=backend, journal=dead, progress=False))
        assert outcomes[4].text == "hi"
        assert outcomes[5].code == "not-audio"
        cli.main(["journal", "export", "--journal", str(dead)])
        cli.main(["journal", "show", "--journal", str(dead)])
        told = capsys.readouterr()

        assert "planted" not in told.out + told.err
        for file in [dead, *dead.parent.rglob("*")]:
            assert file.is_dir() or b"planted" not in file.read_bytes(), file

    @staticmethod
    def tones():
        return [(np.sin(np.arange(16_000) / (10 + n)).astype("f4"), 16_000) for n in range(4)]

    @staticmethod
    def model(**options):
        asked = []

        def answer(request):
            request.read()
            asked.append(request)
            result = {"text": "hi", "word_count": 1, "words": []}
            return httpx2.Response(200, json={"result": result, "success": True, "errors": [], "messages": []})

        given = {"account_id": "0" * 32, "api_token": "planted-token", "per_minute": None, "at_once": 1, **options}
        return asrkit.WorkersAI("@cf/openai/whisper", transport=httpx2.MockTransport(answer), **given), asked


ASK = """
import hashlib, sys
from pathlib import Path
import asrkit
from asrkit.batch import transcribe_cells

url, journal, told, folder = sys.argv[1:]
model = asrkit.WorkersAI(base_url=f"{url}/client/v4", per_minute=None, at_once=8)
cells = sorted(Path(folder).iterdir())
with open(told, "a", buffering=1) as file:
    def done(row, outcome):
        if isinstance(outcome, asrkit.Transcript):
            file.write(hashlib.sha256(cells[row].read_bytes()).hexdigest() + "\\n")
    print("begun", flush=True)
    for _ in transcribe_cells(cells, model, journal=journal, done=done, progress=False):
        pass
"""


def test_a_killed_run_asks_a_failing_service_for_nothing_again_that_was_handed_over(tmp_path):
    pytest.importorskip("starlette")
    from asrkit.serve import Settings, background

    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(150):
        (folder / f"{number:03}.wav").write_bytes(wav(1_000 + number))
    told = tmp_path / "told"
    told.touch()
    kills, draw = 4, random.Random(5)
    with background(Settings(model="canned:yes", port=0, faults="mix=0.1,seed=3,delay=0.05", queue=64)) as server:
        command = [sys.executable, "-c", ASK, server.url, str(tmp_path / "kept.sqlite"), str(told), str(folder)]
        handed_over: list[tuple[int, set[str]]] = []  # requests so far, and clips that were handed over by then
        for kill in range(kills + 1):
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "begun\n"
                if kill < kills:
                    enough = told.stat().st_size + 65 * draw.randint(1, 25)  # a line is a digest and its end
                    while told.stat().st_size < enough and process.poll() is None:
                        time.sleep(0.001)
                    time.sleep(draw.uniform(0.0, 0.1))
                    process.kill()
                assert process.wait(120) == (-signal.SIGKILL if kill < kills else 0)
            handed_over.append((len(requests_of(server.url)), set(told.read_text().split())))
        log = requests_of(server.url)

    for count, digests in handed_over:
        assert not digests & {entry["digest"] for entry in log[count:]}
    assert 0 < len(handed_over[0][1]) < 150
    assert len(handed_over[-1][1]) >= 147  # two answers lost in a row are not asked for again: they may have been paid
    answers = Counter(entry["digest"] for entry in log if entry["answered"])
    assert sum(count - 1 for count in answers.values()) <= kills * (8 + 16)  # on their way, or not yet written


def requests_of(url: str) -> list[dict[str, Any]]:
    answer = json.loads(httpx2.get(f"{url}/faults/log").text)
    return answer if isinstance(answer, list) else answer["requests"]
