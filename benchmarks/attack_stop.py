"""What a stop costs while each kind of client is connected, and a minute of many clients of all kinds."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from attack_bodies import QUEUE
from attack_client import (
    HOST,
    TURBO,
    WHISPER,
    Crowd,
    Target,
    exchange,
    fill,
    head,
    post,
    read_reply,
)
from attack_good import CANNED, Clip, ask, clips, credentials, read_answer
from attack_server import Server
from attack_sound import flac
from attack_wire import CHUNKED, FLOODS, TRAILERS

GRACE = 8.0  # seconds that the server gives to work in flight
MARGIN = 4.0  # seconds beyond them until its process has ended
IN_FLIGHT = 8  # good requests whose answers may not be lost
DELAY = 2.0  # seconds that each answer without a model takes

Work = Callable[[Target], None]


def _held(opening: bytes, piece: bytes = b"", most: int = 0, *, count: int = 20, reading: bool = True) -> Work:
    """Connections that send and then stay, dripping a byte now and then, until the server ends them."""

    def hold(target: Target) -> None:
        with Crowd(target, count) as crowd:
            crowd.pour(opening, piece, most, seconds=3.0, reading=reading)
            if reading:
                crowd.drip(b"x", 0.5, GRACE + MARGIN + 3)
            else:
                time.sleep(GRACE + MARGIN + 3)

    return hold


def _poured(name: str) -> Work:
    def pour(target: Target) -> None:
        with Crowd(target, 1) as crowd:
            crowd.pour(*FLOODS[name], 10**10, seconds=GRACE + MARGIN + 3)

    return pour


def _asked_again(target: Target) -> None:
    """A client that goes on asking on the connection that it has."""
    with contextlib.suppress(OSError), Crowd(target, 10) as crowd:
        crowd.drip(head("/healthz", method="GET"), 0.2, GRACE + MARGIN + 3)


def _queued(target: Target) -> None:
    body = b'{"requests":[%s]}' % b",".join([b'{"audio":"AAAA"}'] * 500)
    exchange(target, *post(TURBO + QUEUE, body), patience=GRACE + MARGIN + 3)


def _tarpit(target: Target) -> None:
    exchange(target, *post(WHISPER, flac(1.4 * 3_600)), patience=GRACE + MARGIN + 3)


def _newcomers(target: Target) -> None:
    """Requests that begin all the time, also after the signal: they are told 503, or nobody listens any more."""
    until = time.monotonic() + GRACE + MARGIN
    while time.monotonic() < until and exchange(target, head("/healthz", method="GET"), patience=5.0).status:
        time.sleep(0.05)


PRESENT: dict[str, Work] = {
    "nobody": lambda target: None,
    "kept-alive": _held(head("/healthz", method="GET")),
    "silent": _held(b"", count=200),
    "slow-headers": _held(b"POST / HTTP/1.1\r\nHost: "),
    "stalled-uploads": _held(head(WHISPER, "Content-Length: 9000000"), b"\0" * 65_536, 1_000_000),
    "stalled-chunks": _held(CHUNKED + b"10000\r\n"),
    "stalled-trailers": _held(CHUNKED + TRAILERS + b"a: "),
    "expect-continue": _held(head(WHISPER, "Content-Length: 9000000", "Expect: 100-continue")),
    "refused-upload": _held(head("/nothing", "Content-Length: 99999999"), b"\0" * 65_536, 1_000_000),
    "never-read": _held(b"", fill(head("/openapi.json", method="GET")), 10**9, reading=False),
    "never-read-one": _held(head("/docs", method="GET"), reading=False),
    "trailers-many": _poured("trailers-many"),
    "pipelined-health": _poured("pipelined-health"),
    "asked-again": _asked_again,
    "newcomers": _newcomers,
    "queued-batch": _queued,
    "tarpit": _tarpit,
}


@dataclass
class Stop:
    """How one stop went.

    Args:
        seconds: from SIGTERM to the end of the process; None where it had to be killed.
        answered: good requests in flight that got their answer.
        asked: how many there were.
    """

    seconds: float | None
    answered: int
    asked: int

    @property
    def is_well(self) -> bool:
        return self.seconds is not None and self.seconds <= GRACE + MARGIN and self.answered == self.asked


def stop_beside(name: str, model: str, token: str | None = None) -> Stop:
    """SIGTERM while clients of one kind are connected and good requests are in flight."""
    delay = ["--faults", f"delay={DELAY}"] if model.startswith(CANNED) else []
    with Server(model, "--grace", f"{GRACE:g}", *delay, token=token) as server:
        target = Target(server.port, model)
        known = clips(target, token)
        others = threading.Thread(target=PRESENT[name], args=(target,), daemon=True)
        others.start()
        time.sleep(1.5)
        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            asked = [pool.submit(_ask, target, known, number, token) for number in range(IN_FLIGHT)]
            time.sleep(DELAY / 2)
            began = time.monotonic()
            server.terminate()
            seconds: float | None = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(60)
                seconds = time.monotonic() - began
            if seconds is None:
                server.stop()
            answered = sum(each.result() for each in asked)
        others.join(GRACE + MARGIN + 10)
    return Stop(seconds, answered, IN_FLIGHT)


def _ask(target: Target, known: Sequence[Clip], number: int, token: str | None) -> bool:
    """One good request. Every fourth is half sent before the signal, and half after it."""
    clip = known[number % len(known)]
    request = clip.request(number, *credentials(token))
    if number % 4:
        return clip.is_right(exchange(target, request, patience=60))
    with target.connect() as connection:
        connection.settimeout(60)
        with contextlib.suppress(OSError):
            connection.sendall(request[: len(request) // 2])
            time.sleep(DELAY)
            connection.sendall(request[len(request) // 2 :])
        return clip.is_right(read_reply(connection))


# -- many clients of all kinds --------------------------------------------------------------------------------------


@dataclass
class Soak:
    """What the clients of a soak got.

    Args:
        right: good requests with the right answer.
        wrong: with another one.
        lost: without one.
        refused: 429s, after which a client tried again.
        longest: seconds of the longest of all.
        growth: bytes that the server held more afterwards.
        peak: bytes above the beginning.
    """

    right: int = 0
    wrong: int = 0
    lost: int = 0
    refused: int = 0
    longest: float = 0.0
    growth: float = 0.0
    peak: float = 0.0
    others: list[int] = field(default_factory=lambda: [0, 0])


def soak(server: Server, target: Target, known: Sequence[Clip], count: int, seconds: float) -> Soak:
    """Of the clients a tenth cuts its connections, a tenth sends garbage, the others want what is right.

    The same good clients warm the server up before: threads and decoders that are kept are no growth.
    """
    asyncio.run(_clients(target, known, count - count // 5, 0, 0, min(5.0, seconds), Soak()))
    rest = min(10.0, seconds / 2)
    before = server.settled_memory(rest)
    server.peak = 0.0
    found = Soak()
    asyncio.run(_clients(target, known, count - 2 * (count // 10), count // 10, count // 10, seconds, found))
    found.peak = server.peak - before
    found.growth = server.settled_memory(rest) - before
    return found


async def _clients(
    target: Target, known: Sequence[Clip], good: int, cutting: int, garbage: int, seconds: float, found: Soak
) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(_good(target, known, number, until, found) for number in range(good)),
        *(_cut(target, known, number, until, found) for number in range(cutting)),
        *(_garbage(target, number, until, found) for number in range(garbage)),
    )


async def _good(target: Target, known: Sequence[Clip], number: int, until: float, found: Soak) -> None:
    while time.monotonic() < until:
        number += 1
        clip = known[number % len(known)]
        reply = await ask(target.port, clip.request(number))
        if reply.status == 429:
            found.refused += 1
            await asyncio.sleep(min(1.0, reply.retry_after))
            continue
        found.longest = max(found.longest, reply.elapsed)
        found.right += (is_right := clip.is_right(reply))
        found.lost += reply.status == 0
        found.wrong += not is_right and reply.status != 0


async def _cut(target: Target, known: Sequence[Clip], number: int, until: float, found: Soak) -> None:
    """Somewhere in the request, or behind it."""
    chance = random.Random(number)
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, target.port)
            whole = chance.choice(known).request(number)
            writer.write(whole[: chance.choice([chance.randrange(len(whole)), len(whole)])])
            await asyncio.sleep(chance.random() * 0.1)
            writer.transport.abort()
            found.others[0] += 1


async def _garbage(target: Target, number: int, until: float, found: Soak) -> None:
    """Noise, and requests whose sound is noise."""
    chance = random.Random(number)
    while time.monotonic() < until:
        noise = chance.randbytes(chance.choice([10, 1_000, 50_000]))
        request = chance.choice([noise, b"".join(post(WHISPER, noise)), CHUNKED + noise])
        with contextlib.suppress(OSError, ValueError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            reader, writer = await asyncio.open_connection(HOST, target.port)
            writer.write(request)
            async with asyncio.timeout(2.0):
                await read_answer(reader, time.monotonic())
            writer.close()
        found.others[1] += 1
        await asyncio.sleep(0.01)
