"""What a call pays is capped over all of its repetitions, however often its process is killed."""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

import asrkit
from asrkit import cli
from asrkit.audio import Audio, encode
from asrkit.cloudflare.prices import price_of
from asrkit.journal.payments import row_number
from asrkit.outcomes import Failure

WHISPER = "@cf/openai/whisper"
SECOND = price_of(WHISPER).dollars(1.0)


def tones(count: int, first: int = 0) -> list[tuple[np.ndarray, int]]:
    """Sounds of one second each."""
    return [(np.sin(np.arange(16_000) / (10 + n)).astype("f4"), 16_000) for n in range(first, first + count)]


class Service:
    """Bills a second for each request that it answers, and dies, as far as the client can see, after ``most``."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.requests = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        if self.requests == self.most:
            raise KeyboardInterrupt
        self.requests += 1
        result = {"text": f"text {self.requests}", "word_count": 1, "words": []}
        return httpx2.Response(200, json={"result": result, "success": True, "errors": [], "messages": []})

    def hear(self, cells: list[Any], journal: Any, cap: float | None = None, **options: Any) -> list[Any]:
        """One call; the rows that it gave, all of them unless it was stopped."""
        progress = options.pop("progress", False)
        given = {"account_id": "0" * 32, "api_token": "token", "per_minute": None, "at_once": 1, **options}
        model = asrkit.WorkersAI(WHISPER, transport=httpx2.MockTransport(self), max_cost=cap, **given)
        rows = []
        try:
            rows.extend(asrkit.transcribe(cells, model=model, journal=journal, progress=progress))
        except KeyboardInterrupt:
            model.abandon()
        return rows


def codes(rows: list[Any]) -> list[str]:
    return [row.code if isinstance(row, Failure) else "text" for row in rows]


class TestTheSameCall:
    @pytest.fixture
    def journal(self, tmp_path) -> Path:
        return tmp_path / "kept.sqlite"

    def stopped(self, journal: Path, cells: list[Any], after: int) -> Service:
        service = Service(after)
        service.hear(cells, journal, cap=10 * SECOND)
        assert service.requests == after
        return service

    def test_counts_what_it_has_paid_before_it_was_stopped(self, journal, capsys):
        self.stopped(journal, tones(8), 3)

        again = Service()
        rows = again.hear(tones(8), journal, cap=5 * SECOND, progress=True)

        # The request that was on its way when the first was stopped may have been billed: 3 + 1 + 1 are 5.
        assert again.requests == 1
        assert codes(rows).count("max-cost") == 4
        told = capsys.readouterr().err
        assert re.search(r"\$[0-9.]+ of max_cost=\$[0-9.]+ was paid before, by runs over these rows", told)

    def test_says_on_the_rows_who_has_paid_what(self, journal):
        self.stopped(journal, tones(8), 3)

        rows = Service().hear(tones(8), journal, cap=3 * SECOND)

        [message, *_] = {str(row.message) for row in rows if isinstance(row, Failure)}
        assert "by other runs over these rows" in message
        assert "of max_cost=" in message

    def test_goes_on_to_a_cap_that_was_raised(self, journal):
        first = Service()
        assert codes(first.hear(tones(8), journal, cap=2 * SECOND)).count("max-cost") == 6
        second = Service()
        assert codes(second.hear(tones(8), journal, cap=5 * SECOND)).count("max-cost") == 3
        third = Service()
        assert codes(third.hear(tones(8), journal, cap=5 * SECOND)).count("max-cost") == 3

        assert (first.requests, second.requests, third.requests) == (2, 3, 0)

    @pytest.mark.parametrize("cells", [lambda: tones(8)[::-1], lambda: tones(12), lambda: tones(6)])
    def test_is_known_by_its_rows_in_any_order_with_more_of_them_or_fewer(self, journal, cells):
        first = Service()
        first.hear(tones(8), journal, cap=4 * SECOND)
        again = Service()
        again.hear(cells(), journal, cap=4 * SECOND)

        assert first.requests == 4
        assert again.requests == 0

    def test_is_another_with_other_rows(self, journal):
        Service().hear(tones(8), journal, cap=4 * SECOND)
        other = Service()
        rows = other.hear(tones(8, first=100), journal, cap=4 * SECOND)

        assert other.requests == 4
        assert codes(rows).count("max-cost") == 4

    def test_is_another_with_another_model(self, journal):
        Service().hear(tones(8), journal, cap=4 * SECOND)
        other = Service()
        other.hear(tones(8), journal, cap=4 * SECOND, longest=60)

        assert other.requests == 4

    def test_is_over_when_all_of_its_rows_are_done_and_may_then_spend_again(self, journal):
        first, second, third = Service(), Service(), Service()
        first.hear(tones(4), journal, cap=2 * SECOND)
        assert codes(second.hear(tones(4), journal, cap=4 * SECOND)) == ["text"] * 4
        rows = third.hear(tones(8), journal, cap=4 * SECOND)  # next month, with four new rows

        assert (first.requests, second.requests, third.requests) == (2, 2, 4)
        assert codes(rows) == ["text"] * 8

    def test_counts_what_was_paid_without_a_cap(self, journal):
        service = Service(3)
        service.hear(tones(8), journal)
        again = Service()
        again.hear(tones(8), journal, cap=4 * SECOND)

        assert service.requests == 3
        assert again.requests == 0

    def test_forgets_what_the_user_has_it_forget(self, journal, capsys):
        Service().hear(tones(8), journal, cap=4 * SECOND)
        assert cli.main(["journal", "show", "--journal", str(journal)]) == 0
        assert "paid by runs that did not finish: $" in capsys.readouterr().out
        assert cli.main(["journal", "prune", "--paid", "--journal", str(journal)]) == 0
        again = Service()
        again.hear(tones(8), journal, cap=4 * SECOND)

        assert again.requests == 4

    def test_does_not_count_what_was_refused_or_came_from_a_cache(self, journal):
        answers = iter([httpx2.Response(400, json={"errors": [{"code": 5006, "message": "no"}]}) for _ in range(3)])

        class Refusing(Service):
            def __call__(self, request: httpx2.Request) -> httpx2.Response:
                if (refusal := next(answers, None)) is not None:
                    request.read()
                    return refusal
                response = super().__call__(request)
                response.headers["cf-aig-cache-status"] = "HIT"
                return response

        Refusing(2).hear(tones(8), journal, cap=10 * SECOND)
        again = Service()
        again.hear(tones(8), journal, cap=3 * SECOND)

        assert again.requests == 2  # one was on its way when the first was stopped, and may have been billed

    def test_of_one_object_counts_its_own_payments_once(self, journal):
        service = Service()
        model = asrkit.WorkersAI(
            WHISPER,
            account_id="0" * 32,
            api_token="token",
            per_minute=None,
            at_once=1,
            transport=httpx2.MockTransport(service),
            max_cost=5 * SECOND,
        )
        for count in (3, 4):
            rows = asrkit.transcribe([*tones(count), "gone.wav"], model=model, journal=journal, progress=False)
            assert codes(list(rows)) == ["text"] * count + ["not-found"]
        rows = list(asrkit.transcribe(tones(9), model=model, journal=journal, progress=False))

        assert service.requests == 5
        assert codes(rows).count("max-cost") == 4

    def test_says_without_a_journal_that_it_cannot_know(self, capsys):
        Service().hear(tones(1), False, cap=4 * SECOND, progress=True)

        assert "without a journal nobody knows what earlier runs of this call have paid" in capsys.readouterr().err


@pytest.mark.parametrize(
    "same",
    [
        lambda path: (str(path), path),
        lambda path: (path, path.as_uri()),
        lambda path: (path, path.parent / "." / path.name),
        lambda path: ({"path": str(path)}, path),
        lambda path: (path.read_bytes(), {"bytes": path.read_bytes(), "path": None}),
        lambda path: ((np.ones(9), 8_000), {"array": np.ones(9), "sampling_rate": 8_000}),
    ],
)
def test_a_row_is_known_however_its_cell_is_written(tone_file, same):
    one, other = same(tone_file())

    assert row_number(one) == row_number(other) != 0
    assert row_number(one, 1.0, 2.0) not in (row_number(one), row_number(one, 1.0, 3.0))


AGAIN_AND_AGAIN = """
import json, os, random, signal, sys, time
from pathlib import Path
import asrkit
from asrkit.outcomes import Failure

url, journal, folder, cap, kills, seed, together = json.loads(sys.argv[1])
cells = sorted(Path(folder).iterdir())
notes = Path(journal + "-notes")
notes.touch()

def hear():
    file = os.open(notes, os.O_WRONLY | os.O_APPEND)
    model = asrkit.WorkersAI(base_url=url + "/client/v4", per_minute=None, at_once=1, max_cost=cap)
    rows = []
    send = model._exchange
    def noted(*args):
        os.write(file, b"sent\\n")
        return send(*args)
    model._exchange = noted
    return [getattr(row, "code", "text") for row in
            asrkit.transcribe(cells, model=model, journal=journal, progress=False)]

def child():
    number = os.fork()
    if number == 0:
        hear()
        os._exit(0)
    return number

draw = random.Random(seed)
for _ in range(kills):
    enough = notes.stat().st_size // 5 + draw.randint(2, 9)
    children = [child() for _ in range(together)]
    limit = time.monotonic() + 20
    while notes.stat().st_size // 5 < enough and time.monotonic() < limit:
        if os.waitid(os.P_PID, children[0], os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.002)
    time.sleep(draw.uniform(0, 0.05))
    for number in children:
        os.kill(number, signal.SIGKILL)
        os.waitpid(number, 0)
beside = [child() for _ in range(together - 1)]
print(json.dumps(hear()))
for number in beside:
    os.waitpid(number, 0)
"""


def billed(url: str, seconds: dict[str, float]) -> float:
    """Dollars for everything that the service has heard, answered or not."""
    told = json.loads(httpx2.get(f"{url}/faults/log").text)
    entries = told if isinstance(told, list) else told["requests"]
    return sum(price_of(WHISPER).dollars(seconds[entry["digest"]]) for entry in entries if entry["billed"])


@pytest.mark.parametrize(
    "kills, together, faults", [(20, 1, "delay=0.02"), (3, 3, "mix=0.2,seed=4,delay=0.02,cut,500-html")]
)
def test_kills_do_not_make_a_run_or_two_at_once_pay_more_than_they_said(tmp_path, kills, together, faults):
    pytest.importorskip("starlette")
    from asrkit.serve import Settings, background

    draw = random.Random(together)
    folder = tmp_path / "clips"
    folder.mkdir()
    seconds = {}
    for number in range(120):
        samples = np.sin(np.arange(draw.randint(1_600, 8_000)) / 8).astype(np.float32)
        samples[-1] = number / 200
        data = encode(Audio(samples), "wav").data
        (folder / f"{number:03}.wav").write_bytes(data)
        seconds[hashlib.sha256(data).hexdigest()] = len(samples) / 16_000
    cap = 0.6 * price_of(WHISPER).dollars(sum(seconds.values()))
    with background(Settings(model="canned:yes", port=0, faults=faults, queue=64)) as server:
        told = json.dumps([server.url, str(tmp_path / "kept.sqlite"), str(folder), cap, kills, 7, together])
        ended = subprocess.run(
            [sys.executable, "-c", AGAIN_AND_AGAIN, told], capture_output=True, text=True, timeout=240, check=False
        )
        assert ended.returncode == 0, ended.stderr
        paid = billed(server.url, seconds)

    rows = json.loads(ended.stdout)
    assert paid <= cap + 1e-12
    assert paid > 0.3 * cap
    assert "max-cost" in rows
