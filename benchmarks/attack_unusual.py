"""Requests that are unusual and yet right: what defends a server must answer each of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attack_bodies import BOUNDARY, FORM, part
from attack_client import OPENAI, WHISPER, Reply, Target, head, post, read_reply
from attack_good import CANNED, TEXT, tone

SOUND = tone(0.5)
LENGTH = f"Content-Length: {len(SOUND)}"
CHUNKED = "Transfer-Encoding: chunked"
# As the HTTP client of the JDK, and what is built on it, begins each connection.
H2C = (
    "Connection: Upgrade, HTTP2-Settings",
    "Upgrade: h2c",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
)


@dataclass(frozen=True)
class Unusual:
    """A request in parts.

    Args:
        parts: what is sent.
        pause: seconds between two parts.
        answers: how many are expected.
    """

    parts: Sequence[bytes]
    pause: float = 0.0
    answers: int = 1


def chunks(data: bytes, size: int, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    body = b"".join(b"%X%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces)
    return body + b"0\r\n" + trailers + b"\r\n"


def sound_with(*headers: str, path: str = WHISPER) -> Unusual:
    return Unusual([head(path, LENGTH, *headers) + SOUND])


def host(name: str) -> Unusual:
    return Unusual([f"POST {WHISPER} HTTP/1.1\r\nHost: {name}\r\n{LENGTH}\r\n\r\n".encode() + SOUND])


def form(**fields: str) -> Unusual:
    parts = [part(name.encode(), value.encode()) for name, value in fields.items()]
    sound = part(b'file"; filename="a.wav', SOUND, b"Content-Type: audio/wav")
    return Unusual([b"".join(post(OPENAI, sound + b"".join(parts) + f"--{BOUNDARY}--\r\n".encode(), FORM))])


def unusual() -> dict[str, Unusual]:
    """By name."""
    whole = head(WHISPER, LENGTH) + SOUND
    chunked = head(WHISPER, CHUNKED)
    slowly = [SOUND[at : at + 1_000] for at in range(0, len(SOUND), 1_000)]
    return {
        "upgrade to h2c": sound_with(*H2C),
        "upgrade to h2c, chunked": Unusual([head(WHISPER, CHUNKED, *H2C) + chunks(SOUND, 4_000)]),
        "upgrade to h2c, body later": Unusual([head(WHISPER, LENGTH, *H2C), SOUND], pause=0.3),
        "upgrade to h2c, Expect": Unusual([head(WHISPER, LENGTH, "Expect: 100-continue", *H2C), SOUND], pause=0.3),
        "upgrade to h2c, then another": Unusual([head(WHISPER, LENGTH, *H2C) + SOUND, whole], pause=0.5, answers=2),
        "upgrade to h2c in a form": Unusual([form(model="whisper-1").parts[0].replace(b"\r\n", _h2c(), 1)]),
        "upgrade to a WebSocket": sound_with("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        "upgrade to TLS": sound_with("Connection: upgrade", "Upgrade: TLS/1.0"),
        "upgrade to several": sound_with("Connection: keep-alive, Upgrade", "Upgrade: foo/1, h2c, websocket"),
        "upgrade not in Connection": sound_with("Upgrade: h2c"),
        "host LOCALHOST": host("LOCALHOST"),
        "host with a dot": host("localhost."),
        "host with dot and port": host("LocalHost.:8000"),
        "host ::1": host("[::1]"),
        "host 127.0.0.1 with port": host("127.0.0.1:80"),
        "HTTP/1.0": Unusual([head(WHISPER, LENGTH, version="1.0") + SOUND]),
        "HTTP/1.0 kept alive": Unusual([head(WHISPER, LENGTH, "Connection: keep-alive", version="1.0") + SOUND]),
        "address in full": sound_with(path=f"http://localhost{WHISPER}"),
        "escaped slashes": sound_with(path=WHISPER.replace("openai/", "openai%2F").replace("@cf/", "@cf%2F")),
        "empty lines first": Unusual([b"\r\n\r\n" + whole]),
        "headers in lower case": Unusual([whole.replace(b"Content-Length: ", b"content-length:")]),
        "30 kB of cookies": sound_with("Cookie: " + "a=b; " * 6_000),
        "100 headers": sound_with(*(f"x-{number}: y" for number in range(100))),
        "chunks": Unusual([chunked + chunks(SOUND, 1_000)]),
        "chunks of 7 bytes": Unusual([chunked + chunks(SOUND, 7)]),
        "chunks with extensions": Unusual([chunked + chunks(SOUND, 1_000, b';name="a value"')]),
        "trailers": Unusual([chunked + chunks(SOUND, 4_000, trailers=b"x-checksum: 1\r\nx-b: 2\r\n")]),
        "Expect": Unusual([head(WHISPER, LENGTH, "Expect: 100-continue"), SOUND], pause=0.5),
        "Expect, chunked": Unusual([head(WHISPER, CHUNKED, "Expect: 100-continue"), chunks(SOUND, 4_000)], pause=0.5),
        "two at once": Unusual([whole + whole], answers=2),
        "ten at once": Unusual([whole * 10], answers=10),
        "head byte by byte": Unusual([bytes([value]) for value in head(WHISPER, LENGTH)] + [SOUND], pause=0.002),
        "body at 10 kB/s": Unusual([head(WHISPER, LENGTH), *slowly], pause=0.1),
        "body after a second": Unusual([head(WHISPER, LENGTH), SOUND], pause=1.0),
        "any content type": sound_with("Content-Type: ;;;"),
        "form of the AI SDK": form(
            **{"model": "gpt-4o-transcribe", "response_format": "json", "timestamp_granularities[]": "segment"}
        ),
        "form with words and json": form(
            **{"model": "whisper-1", "response_format": "json", "timestamp_granularities[]": "word"}
        ),
        "form with more than is known": form(model="whisper-1", stream="false", chunking_strategy="auto", user="me"),
        "form with a prompt": form(model="whisper-1", prompt="names and spelling", temperature="0"),
    }


def _h2c() -> bytes:
    return ("\r\n" + "\r\n".join(H2C) + "\r\n").encode()


def send_all(target: Target) -> None:
    """Each of them once, and what was not answered right."""
    requests = unusual()
    for name, request in requests.items():
        replies = _replies(target, request)
        right = sum(_is_right(target, reply) for reply in replies)
        if right != request.answers:
            target.complaints.append(f"{name}: {', '.join(str(reply.status or 'no answer') for reply in replies)}")
    target.notes.append(f"{len(requests)} requests")


def _replies(target: Target, request: Unusual) -> list[Reply]:
    try:
        with target.connect() as connection:
            connection.settimeout(20)
            for part_of_it in request.parts:
                connection.sendall(part_of_it)
                time.sleep(request.pause)
            return _read(connection, request.answers)
    except OSError:
        return [Reply(0)]


def _read(connection: socket.socket, count: int) -> list[Reply]:
    """So many answers. One buffer for all, since each alone would read ahead and lose the next."""
    if count == 1:
        return [read_reply(connection)]
    replies = []
    reader = connection.makefile("rb")
    for _ in range(count):
        status, length = 0, 0
        while (line := reader.readline()) not in (b"\r\n", b""):
            status = int(line[9:12]) if line.startswith(b"HTTP/1.1 ") else status
            length = int(line[15:]) if line.lower().startswith(b"content-length:") else length
        replies.append(Reply(status, reader.read(length)))
    return replies


def _is_right(target: Target, reply: Reply) -> bool:
    return reply.status == 200 and (not target.model.startswith(CANNED) or TEXT.encode() in reply.body)


def attacks() -> dict[str, Callable[[Target], None]]:
    """Every attack of this module, by name."""
    return {"unusual": send_all}
