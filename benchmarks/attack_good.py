"""Well-behaved clients: clips whose right answer is known, and a process that asks for it again and again."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import multiprocessing
import os
import re
import struct
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path

from attack_client import HOST, TURBO, WHISPER, Reply, Target, exchange, post

CLIPS = Path(__file__).parent.parent / "datasets" / "demo" / "clips"
CANNED = "canned:"
TEXT = "every good request has this answer"
EVERY = 0.25  # seconds between two requests of a probe
PATIENCE = 120.0  # seconds after which a request counts as lost
LONGEST_PAUSE = 30.0  # seconds that a client which got 429 waits, whatever the server says
DURATION_ERROR = 0.03  # seconds


@dataclass(frozen=True)
class Clip:
    """Sound and its right answer.

    Args:
        data: of a file.
        text: the answer.
        seconds: of sound; None where it is not checked.
    """

    data: bytes
    text: str
    seconds: float | None = None

    def request(self, number: int, *headers: str) -> bytes:
        """Every second request has a raw body, the others are JSON with Base64, whose answer has the duration."""
        if number % 2 == 0:
            return b"".join(post(WHISPER, self.data, *headers))
        body = b'{"audio":"%s"}' % base64.b64encode(self.data)
        return b"".join(post(TURBO, body, "Content-Type: application/json", *headers))

    def is_right(self, reply: Reply) -> bool:
        """Whether this clip, and no other, was answered."""
        try:
            result = json.loads(reply.body)["result"]
            duration = result.get("transcription_info", {}).get("duration", self.seconds)
            is_text = letters(result["text"]) == letters(self.text)
        except (ValueError, TypeError, KeyError, AttributeError):
            return False
        return (
            reply.status == 200 and is_text and (self.seconds is None or abs(duration - self.seconds) < DURATION_ERROR)
        )


def letters(text: str) -> str:
    """Without case and punctuation."""
    return re.sub(r"[^a-z0-9 ]", "", text.lower()).strip()


def tone(seconds: float, rate: int = 16_000) -> bytes:
    """A WAV with a tone of 440 Hz."""
    samples = [round(8_000 * math.sin(math.tau * 440 * at / rate)) for at in range(round(seconds * rate))]
    return wav(struct.pack(f"<{len(samples)}h", *samples), rate=rate)


def wav(data: bytes, *, rate: int = 16_000, channels: int = 1, bits: int = 16, claimed: int | None = None) -> bytes:
    """A WAV whose header may claim another length than the data has."""
    claimed = len(data) if claimed is None else claimed
    step = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, min(rate * step, 2**32 - 1), step & 0xFFFF, bits)
    head = b"RIFF" + struct.pack("<I", min(claimed + 36, 2**32 - 1)) + b"WAVEfmt \x10\0\0\0" + form
    return head + b"data" + struct.pack("<I", min(claimed, 2**32 - 1)) + data


def clips(target: Target, token: str | None) -> list[Clip]:
    """Clips with their right answers. A real model's are what it answers before it is attacked."""
    if target.model.startswith(CANNED):
        return [Clip(tone(seconds), TEXT, seconds) for seconds in (0.5, 0.75, 1.0)]
    found = []
    for path in sorted(CLIPS.glob("*.flac"), key=lambda path: path.stat().st_size)[:3]:
        data = path.read_bytes()
        reply = exchange(target, *post(WHISPER, data, *credentials(token)))
        if reply.status != 200:
            raise RuntimeError(f"expected a transcript of {path.name} before the attack, got {reply}")
        found.append(Clip(data, json.loads(reply.body)["result"]["text"]))
    return found


def credentials(token: str | None) -> list[str]:
    return [f"Authorization: Bearer {token}"] if token else []


@dataclass
class Tally:
    """What became of the requests of one kind.

    Args:
        answered: when each request was begun, by the monotonic clock, and the seconds until its answer. A 429 is
            tried again, and the time goes on counting.
        refused: 429s.
        wrong: answers with another text or another status.
        lost: connections that ended, or nothing within ``PATIENCE``.
        since: when the request in flight was begun, by the clock of the probe's process.
        waiting: seconds that the request in flight had waited when this was reported.
    """

    answered: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    wrong: int = 0
    lost: int = 0
    since: float | None = None
    waiting: float = 0.0

    @property
    def longest(self) -> float:
        return max([self.waiting, *(waited for _, waited in self.answered)])

    def snapshot(self) -> Tally:
        """A copy that does not change any more."""
        waiting = 0.0 if self.since is None else time.monotonic() - self.since
        return replace(self, answered=list(self.answered), waiting=waiting)

    def is_calm(self, since: float, wait: float, count: int = 3) -> bool:
        """Whether the last requests were all begun since then and answered within ``wait`` seconds."""
        last = self.answered[-count:]
        return len(last) == count and all(begun >= since and waited < wait for begun, waited in last)


class Probe:
    """A process that asks for ``/healthz`` and for transcripts while something else attacks."""

    def __init__(self, port: int, clips: Sequence[Clip], token: str | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_probe, args=(other, port, clips, token), daemon=True)
        self._process.start()
        self._pipe.recv()  # its first answers are there

    def report(self) -> tuple[Tally, Tally]:
        """Health, then transcripts, so far."""
        self._pipe.send("report")
        health, good = self._pipe.recv()
        return health, good

    def wait_until_calm(self, patience: float, wait: float = 2.0) -> bool:
        """Wait until answers come within ``wait`` seconds again; gives whether they do."""
        began = time.monotonic()
        while time.monotonic() - began < patience:
            if all(tally.is_calm(began, wait) for tally in self.report()):
                return True
            time.sleep(EVERY)
        return False

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _probe(pipe: Connection, port: int, clips: Sequence[Clip], token: str | None) -> None:
    health, good = Tally(), Tally()

    def answer_parent() -> None:
        try:
            while pipe.recv() == "report":
                pipe.send((health.snapshot(), good.snapshot()))
        finally:
            os._exit(0)  # the parent has gone, and nobody wants more answers

    async def ask_both() -> None:
        requests = [(clip.request(number, *credentials(token)), clip) for number in range(2) for clip in clips]
        asking = asyncio.gather(_ask_health(port, health), _ask_good(port, good, requests))
        while not (health.answered and good.answered) and not asking.done():
            await asyncio.sleep(0.05)
        pipe.send("ready")
        threading.Thread(target=answer_parent, daemon=True).start()
        await asking

    asyncio.run(ask_both())


async def _ask_health(port: int, tally: Tally) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    while True:
        await _count(port, tally, request, lambda reply: reply.status == 200)
        await asyncio.sleep(EVERY)


async def _ask_good(port: int, tally: Tally, requests: Sequence[tuple[bytes, Clip]]) -> None:
    number = 0
    while True:
        request, clip = requests[number % len(requests)]
        await _count(port, tally, request, clip.is_right)
        number += 1
        await asyncio.sleep(EVERY)


async def _count(port: int, tally: Tally, request: bytes, is_right: Callable[[Reply], bool]) -> None:
    """One request until it is answered, lost or wrong; what is refused is tried again when the server says."""
    tally.since = began = time.monotonic()
    reply = await ask(port, request)
    while reply.status == 429 and time.monotonic() - began < PATIENCE:
        tally.refused += 1
        await asyncio.sleep(min(reply.retry_after, LONGEST_PAUSE))
        reply = await ask(port, request)
    tally.since = None
    if reply.status == 0:
        tally.lost += 1
    elif not is_right(reply):
        tally.wrong += 1
    tally.answered.append((began, time.monotonic() - began))


async def ask(port: int, request: bytes, source: str = HOST) -> Reply:
    """One request on a connection of its own, without threads."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(HOST, port, local_addr=(source, 0))
            try:
                writer.write(request)
                return await read_answer(reader, began)
            finally:
                writer.close()
    except (OSError, TimeoutError, EOFError, ValueError, asyncio.LimitOverrunError):
        return Reply(0, elapsed=time.monotonic() - began)


async def read_answer(reader: asyncio.StreamReader, began: float) -> Reply:
    """The next answer, which has a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = int(head[9:12])
    length = re.search(rb"content-length: (\d+)", head)
    body = await (reader.readexactly(int(length[1])) if length else reader.read())
    after = re.search(rb"retry-after: (\d+)", head)
    return Reply(status, body, time.monotonic() - began, float(after[1]) if after else 1.0)
