"""Attacks below HTTP's handlers: floods without an end, clients that stall, requests that are none."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import BinaryIO

import psutil
from attack_client import (
    MEGABYTE,
    OPENAI,
    PIECE,
    RUN,
    WHISPER,
    Crowd,
    Target,
    exchange,
    fill,
    head,
    read_reply,
    together,
)
from attack_good import tone

CHUNKED = head(WHISPER, "Transfer-Encoding: chunked")
OPEN_CHUNKED = head("/healthz", "Transfer-Encoding: chunked", method="GET")
TRAILERS = b"1\r\nx\r\n0\r\n"
FLOOD_BYTES = 20_000 * MEGABYTE  # as good as endless
ROOM = 400 * MEGABYTE + 20_000  # bytes of bodies that the server takes at once, and the last read that passes it
UNREAD_BYTES = 30_000  # of requests, less than a server allows headers
KEPT_AFTER = 60.0  # seconds after which a client that does not read has lost its connection
LETTERS = b"a" * 65_536

# What is sent once on each connection, and what is sent again and again behind it.
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "method-endless": (b"A", LETTERS),
    "path-endless": (b"GET /", LETTERS),
    "query-endless": (b"GET /healthz?", fill(b"a=b&")),
    "version-endless": (b"GET / HTTP/1.1", LETTERS),
    "header-name-endless": (b"GET / HTTP/1.1\r\n", LETTERS),
    "header-value-endless": (b"GET / HTTP/1.1\r\nHost: ", LETTERS),
    "headers-endless": (b"GET / HTTP/1.1\r\n", fill(b"a: b\r\n")),
    "header-folded-endless": (b"GET / HTTP/1.1\r\na: b", fill(b"\r\n b")),
    "leading-crlf": (b"", fill(b"\r\n")),
    "leading-lf": (b"", fill(b"\n")),
    "chunk-size-endless": (CHUNKED, b"0" * 65_536),
    "chunk-extension-endless": (CHUNKED + b"1;", LETTERS),
    "chunk-extensions-many": (CHUNKED, fill(b"1;" + b"a" * 1_000 + b"\r\nx\r\n")),
    "chunk-extension-quoted": (CHUNKED + b'1;a="', fill(b'\\"')),
    "chunks-of-one-byte": (CHUNKED, fill(b"1\r\nx\r\n")),
    "trailers-many": (CHUNKED + TRAILERS, fill(b"a: b\r\n")),
    "trailer-value-endless": (CHUNKED + TRAILERS + b"a: ", LETTERS),
    "trailer-name-endless": (CHUNKED + TRAILERS, LETTERS),
    "trailer-folded": (CHUNKED + TRAILERS + b"a: b", fill(b"\r\n b")),
    "trailers-of-health": (OPEN_CHUNKED + TRAILERS, fill(b"a: b\r\n")),
    "trailers-after-expect": (head(WHISPER, "Transfer-Encoding: chunked", "Expect: 100-continue") + TRAILERS, LETTERS),
    "body-of-unknown-path": (head("/nothing", "Transfer-Encoding: chunked"), b"10000\r\n" + LETTERS + b"\r\n"),
    "body-of-wrong-method": (head("/healthz", "Content-Length: 99999999999", method="POST"), LETTERS),
    "body-of-get": (head("/healthz", "Content-Length: 99999999999", method="GET"), LETTERS),
    "body-without-length": (head(WHISPER, version="1.0"), LETTERS),
    "body-after-close": (head("/healthz", "Connection: close", method="GET"), LETTERS),
    "body-after-upgrade": (head(WHISPER, "Connection: Upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked"), LETTERS),
    "connect-tunnel": (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", LETTERS),
    "http2-preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\0\0\4\0\0\0\0\0" * 7_000),
    "tls-hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x16\x03\x03" * 20_000),
    "nul-bytes": (b"", b"\0" * 65_536),
    "pipelined-health": (b"", fill(head("/healthz", method="GET"))),
    "pipelined-posts": (b"", fill(head(WHISPER, "Content-Length: 1") + b"x")),
    "pipelined-options": (b"", fill(head("*", method="OPTIONS"))),
    "pipelined-head": (b"", fill(head("/docs", method="HEAD"))),
    "pipelined-expect": (b"", fill(head(WHISPER, "Content-Length: 1", "Expect: 100-continue") + b"x")),
    "pipelined-http-1.0": (b"", fill(head("/healthz", "Connection: keep-alive", method="GET", version="1.0"))),
    "pipelined-upgrades": (b"", fill(head("/healthz", "Connection: Upgrade", "Upgrade: h2c", method="GET"))),
}
UNREAD = {
    "pipelined-health": head("/healthz", method="GET"),
    "openapi": head("/openapi.json", method="GET"),
    "docs": head("/docs", method="GET"),
    "errors": head(WHISPER, "Content-Length: 1") + b"x",
    "metrics": head("/metrics", method="GET"),
}


def flood(name: str, target: Target, connections: int = 1) -> None:
    """One endless thing on a few connections, with all answers read."""
    opening, piece = FLOODS[name]
    with Crowd(target, connections) as crowd:
        sent = crowd.pour(opening, piece, target.size(FLOOD_BYTES))
        left = crowd.count_open(1.0)
        _note_sent(target, sent)
        target.notes.append("refused" if not left else f"{left} still open")
        target.note_statuses(set(crowd.statuses))


def never_read(name: str, target: Target, connections: int = 20) -> None:
    """Enough requests for more than the kernel's buffers, whose answers nobody receives: the server has to give up."""
    with Crowd(target, target.size(connections, 2), buffer=4_096) as crowd:
        crowd.pour(fill(UNREAD[name], UNREAD_BYTES), reading=False)
        if target.scale == 1:
            _expect_end(target, crowd, "that never read")


def never_read_flood(name: str, target: Target, connections: int = 200) -> None:
    """The same without an end."""
    with Crowd(target, target.size(connections, 2), buffer=4_096) as crowd:
        sent = crowd.pour(b"", fill(UNREAD[name]), target.size(FLOOD_BYTES), reading=False)
        _note_sent(target, sent)


def paced(name: str, target: Target, connections: int = 8, window: int = 20) -> None:
    """Requests in small bunches, the next as soon as the last is answered."""
    until = time.monotonic() + target.seconds

    def ask(_: int) -> int:
        answers = 0
        with target.connect() as connection:
            reader = connection.makefile("rb")
            with contextlib.suppress(OSError):
                while time.monotonic() < until:
                    connection.sendall(UNREAD[name] * window)
                    for _ in range(window):
                        if not _skip_answer(reader):
                            return answers
                        answers += 1
        return answers

    target.notes.append(f"{sum(together(connections, ask)):,} answers")


def _skip_answer(reader: BinaryIO) -> bool:
    length = 0
    while (line := reader.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return len(reader.read(length)) == length and line != b""


def stalled_uploads(count: int, target: Target, *, every: float = 5.0, sources: Sequence[str] = ()) -> None:
    """Uploads that fill all the room together, not more, and then go on byte by byte."""
    size = target.size(ROOM // count)
    with Crowd(target, count, sources) as crowd:
        sent = crowd.pour(head(WHISPER, f"Content-Length: {size + MEGABYTE}"), b"\0" * PIECE, size)
        _note_sent(target, sent)
        crowd.drip(b"\0", every, 2 * target.seconds)
        target.notes.append(f"{len(crowd.sockets)} of {count} still open")
        target.note_statuses(crowd.statuses)


def greedy_uploads(target: Target, clients: int = 14) -> None:
    """Uploads that take whatever room is free, hold it, and begin again when they are refused."""
    until = time.monotonic() + 2 * target.seconds

    def upload(client: int) -> int:
        chance, tries = random.Random(client), 0
        while (left := until - time.monotonic()) > 0:
            tries += 1
            with Crowd(target, 1) as crowd:
                size = target.size(chance.randrange(MEGABYTE, 95 * MEGABYTE))
                crowd.pour(head(WHISPER, "Content-Length: 99000000"), b"\0" * PIECE, size, seconds=left)
                crowd.drip(b"\0", 0.2, until - time.monotonic())
        return tries

    target.notes.append(f"{sum(together(clients, upload))} uploads")


def unbegun_uploads(count: int, target: Target) -> None:
    """Uploads that promise much and send nothing."""
    with Crowd(target, target.size(count)) as crowd:
        crowd.pour(head(WHISPER, "Content-Length: 99000000"))
        crowd.drip(b"", 1.0)
        target.notes.append(f"{len(crowd.sockets)} still open")


def slow(opening: bytes, piece: bytes, count: int, target: Target, every: float = 0.5) -> None:
    """Many connections on each of which one thing never ends, slowly."""
    with Crowd(target, target.size(count)) as crowd:
        crowd.pour(opening)
        crowd.drip(piece, every)
        target.notes.append(f"{len(crowd.sockets)} of {target.size(count)} still open")


def idle(opening: bytes, count: int, target: Target) -> None:
    """Connections that are held after one request, or after nothing."""
    slow(opening, b"", count, target, every=1.0)


def half_closed(target: Target) -> None:
    """Clients that close their half once the request is written, as ``nc -N`` does, and wait for the answer."""
    request = head(WHISPER, f"Content-Length: {len(tone(0.5))}") + tone(0.5)

    def ask(number: int) -> int:
        with target.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return read_reply(connection).status

    statuses = [status for _ in range(5) for status in together(target.size(20), ask)]
    target.note_statuses(statuses)


def resets(target: Target) -> None:
    """RST in the headers, in the body, before and while the answer comes; again and again."""
    body = tone(0.5)
    whole = head(WHISPER, f"Content-Length: {len(body)}") + body
    until, count = time.monotonic() + target.seconds, 0
    chance = random.Random(7)
    while time.monotonic() < until:
        with Crowd(target, 20) as crowd:
            crowd.pour(whole[: chance.choice([1, 50, 100, len(whole) // 2, len(whole) - 1, len(whole)])], seconds=2.0)
            time.sleep(chance.choice([0.0, 0.0, 0.01, 0.05]))
            count += len(crowd.sockets)
            crowd.reset()
    target.notes.append(f"{count} resets")


def connection_churn(target: Target) -> None:
    """Connections that come and go without a word."""
    until, count = time.monotonic() + target.seconds, 0
    while time.monotonic() < until:
        with Crowd(target, 50) as crowd:
            count += len(crowd.sockets)
    target.notes.append(f"{count} connections")


def expect_continue(target: Target) -> None:
    """Clients that ask whether they may send, and never do."""
    slow(head(WHISPER, "Content-Length: 99000000", "Expect: 100-continue"), b"", 500, target, every=1.0)


MALFORMED: dict[str, bytes] = {
    "two lengths": head(WHISPER, "Content-Length: 5", "Content-Length: 6") + b"abcdef",
    "length and chunks": head(WHISPER, "Content-Length: 4", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "negative length": head(WHISPER, "Content-Length: -1"),
    "length with sign": head(WHISPER, "Content-Length: +5") + b"abcde",
    "length in hex": head(WHISPER, "Content-Length: 0x5") + b"abcde",
    "length past 64 bits": head(WHISPER, "Content-Length: 99999999999999999999999999"),
    "length of 10,000 digits": head(WHISPER, "Content-Length: " + "1" * 10_000),
    "length that is a list": head(WHISPER, "Content-Length: 5, 5") + b"abcde",
    "empty length": head(WHISPER, "Content-Length: ") + b"abcde",
    "unknown coding": head(WHISPER, "Transfer-Encoding: gzip") + b"abcde",
    "chunked twice": head(WHISPER, "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "chunked and then identity": head(WHISPER, "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "negative chunk": CHUNKED + b"-1\r\nx\r\n0\r\n\r\n",
    "chunk past 64 bits": CHUNKED + b"fffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "chunk without a size": CHUNKED + b"\r\nx\r\n0\r\n\r\n",
    "chunk longer than it says": CHUNKED + b"1\r\nxyz\r\n0\r\n\r\n",
    "space before the colon": head(WHISPER, "Content-Length : 5") + b"abcde",
    "header without a colon": head(WHISPER, "nothing"),
    "NUL in a header": head(WHISPER, "a: b\0c"),
    "CR in a header": head(WHISPER, "a: b\rc"),
    "header in UTF-8": head(WHISPER, "a: ünïcödé"),
    "no version": b"GET /healthz\r\n\r\n",
    "version 3.0": b"GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "version x": b"GET /healthz HTTP/x.y\r\nHost: localhost\r\n\r\n",
    "other protocol": b"RTSP/1.0 200 OK\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: example.org\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "host of 60 kB": b"GET /healthz HTTP/1.1\r\nHost: " + b"a" * 60_000 + b"\r\n\r\n",
    "host that is none": b"GET /healthz HTTP/1.1\r\nHost: [::1]]]:80:80\r\n\r\n",
    "path with half an escape": head("/%", method="GET"),
    "path that is no UTF-8": head("/%ff%fe", method="GET"),
    "path with NUL": head("/%00", method="GET"),
    "path out of the folder": head("/static/../../../../etc/passwd", method="GET"),
    "path of 60 kB": head("/" + "a" * 60_000, method="GET"),
    "account of 60 kB": head(f"/client/v4/accounts/{'a' * 60_000}/ai/run/@cf/openai/whisper", "Content-Length: 0"),
    "unknown method": head("/healthz", method="BREW"),
    "no body": head(WHISPER, "Content-Length: 0"),
    "no model": head(f"{RUN}/", "Content-Length: 0"),
    "form without a boundary": head(OPENAI, "Content-Type: multipart/form-data", "Content-Length: 1") + b"x",
    "form with an endless boundary": head(
        OPENAI, "Content-Type: multipart/form-data; boundary=" + "a" * 50_000, "Content-Length: 1"
    )
    + b"x",
    "content type that is none": head(OPENAI, 'Content-Type: ;;;=="', "Content-Length: 1") + b"x",
    "credentials of 60 kB": head(WHISPER, "Authorization: Bearer " + "a" * 60_000, "Content-Length: 0"),
    "cookies": head("/healthz", "Cookie: " + "a=b; " * 5_000, method="GET"),
    "range of nonsense": head("/", "Range: bytes=9-1,-,x", method="GET"),
}


def malformed(target: Target) -> None:
    """Requests that are none: each is answered or its connection is ended, none is an error of the server."""
    statuses = {name: exchange(target, request, patience=10.0).status for name, request in MALFORMED.items()}
    target.note_statuses(statuses.values())
    target.complaints += [f"{name!r} was answered {status}" for name, status in statuses.items() if status >= 500]
    chance = random.Random(11)
    whole = head(WHISPER, "Content-Length: 100", "Content-Type: application/json") + b"x" * 100
    until = time.monotonic() + target.seconds / 2
    while time.monotonic() < until:
        mutated = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        with Crowd(target, 1) as crowd:
            crowd.pour(bytes(mutated), seconds=1.0)
            crowd.count_open(0.0)
            if 500 in crowd.statuses:
                target.complaints.append(f"500 for {bytes(mutated)[:100]!r}")


def many_sources(count: int) -> list[str]:
    """Addresses of this machine that look like many clients."""
    return [f"127.0.{number // 200}.{number % 200 + 2}" for number in range(1, count + 1)]


def _note_sent(target: Target, sent: int) -> None:
    target.notes.append(f"{sent / MEGABYTE:,.0f} MB sent" if sent >= MEGABYTE else f"{sent / 1_000:,.0f} kB sent")


def _expect_end(target: Target, crowd: Crowd, which: str) -> None:
    """Wait without receiving anything until the server has ended all of these connections."""
    until = time.monotonic() + KEPT_AFTER
    while (left := _held_by_server(target, crowd)) and time.monotonic() < until:
        time.sleep(2.0)
    if left:
        target.complaints.append(f"{left} connections {which} are open after {KEPT_AFTER:.0f} s")


def _held_by_server(target: Target, crowd: Crowd) -> int:
    """Connections that the server has open. This end cannot know: what is unread hides the end from it."""
    ports = {connection.getsockname()[1] for connection in crowd.sockets}
    return sum(
        1
        for each in psutil.net_connections("tcp")
        if each.pid and each.laddr and each.laddr.port == target.port and each.raddr and each.raddr.port in ports
    )


def attacks() -> dict[str, Callable[[Target], None]]:
    """Every attack of this module, by name."""
    slow_head = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
    return {
        **{name: partial(flood, name) for name in FLOODS},
        "floods-20-at-once": partial(flood, "trailers-many", connections=20),
        "malformed": malformed,
        **{f"never-read-{name}": partial(never_read, name) for name in UNREAD},
        "never-read-200": partial(never_read, "openapi", connections=200),
        "never-read-flood": partial(never_read_flood, "openapi"),
        "never-read-flood-docs": partial(never_read_flood, "docs", connections=20),
        **{f"paced-{name}": partial(paced, name) for name in UNREAD},
        "stalled-uploads-5": partial(stalled_uploads, 5),
        "stalled-uploads-50": partial(stalled_uploads, 50),
        "stalled-uploads-500": partial(stalled_uploads, 500),
        "stalled-uploads-dripping": partial(stalled_uploads, 5, every=0.2),
        "stalled-uploads-of-many": partial(stalled_uploads, 50, sources=many_sources(50)),
        "greedy-uploads": greedy_uploads,
        "unbegun-uploads": partial(unbegun_uploads, 500),
        "slow-headers": partial(slow, slow_head, b"a: b\r\n", 500),
        "slow-header-value": partial(slow, slow_head + b"a: ", b"b", 500),
        "slow-first-line": partial(slow, b"G", b"E", 500),
        "slow-crlf": partial(slow, b"", b"\r\n", 500),
        "slow-chunks": partial(slow, CHUNKED, b"1\r\nx\r\n", 500),
        "slow-chunk-size": partial(slow, CHUNKED, b"0", 500),
        "slow-trailers": partial(slow, CHUNKED + TRAILERS, b"a: b\r\n", 500),
        "slow-body": partial(slow, head(WHISPER, "Content-Length: 99000000"), b"x", 500),
        "slow-body-of-get": partial(slow, head("/healthz", "Content-Length: 99999", method="GET"), b"x", 500),
        "slow-pipelined": partial(slow, b"", head("/healthz", method="GET"), 500),
        "silent-1000": partial(idle, b"", 1_000),
        "silent-1950": partial(idle, b"", 1_950),
        "kept-alive-500": partial(idle, head("/healthz", method="GET"), 500),
        "expect-continue": expect_continue,
        "half-closed": half_closed,
        "resets": resets,
        "connection-churn": connection_churn,
    }
