"""Attacks by what a body says: JSON, forms, batches for later, prompts. Each is a whole and valid HTTP request."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from functools import partial

from attack_client import (
    MEGABYTE,
    NOVA,
    OPENAI,
    RUN,
    TURBO,
    WHISPER,
    Reply,
    Target,
    exchange,
    fill,
    head,
    post,
    together,
)
from attack_good import CLIPS, tone, wav

LARGE = 99 * MEGABYTE  # bytes of a body, just under what the server takes
QUEUED = 9_600_000  # bytes of a batch for later, just under what the server takes
QUEUE = "?queueRequest=true"
BOUNDARY = "xxx"
JSON = "Content-Type: application/json"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
UNREADY = (400, 401, 404, 408, 413, 429, 503)


# -- JSON ---------------------------------------------------------------------------------------------------------

Pattern = tuple[bytes, bytes, bytes]  # what begins a body, what is repeated, what ends it
PATTERNS: dict[str, Pattern] = {
    "bytes-bad-last": (b'{"audio":[', b"255,", b'"x"]}'),
    "bytes-too-large-last": (b'{"audio":[', b"255,", b"256]}"),
    "bytes-no-end": (b'{"audio":[', b"255,", b"255"),
    "bytes-then-garbage": (b'{"audio":[', b"255,", b"255]}garbage"),
    "zeros": (b'{"audio":[', b"0,", b"0]}"),
    "spaced-bytes": (b'{"audio":[', b"255 , ", b"255]}"),
    "floats": (b'{"audio":[', b"1.5,", b"1.5]}"),
    "whole-floats": (b'{"audio":[', b"1e2,", b"1e2]}"),
    "negative-numbers": (b'{"audio":[', b"-1,", b"-1]}"),
    "large-numbers": (b'{"audio":[', b"12345678901234567,", b"0]}"),
    "true": (b'{"audio":[', b"true,", b"true]}"),
    "null": (b'{"audio":[', b"null,", b"null]}"),
    "empty-objects": (b'{"audio":[', b"{},", b"{}]}"),
    "empty-arrays": (b'{"audio":[', b"[],", b"[]]}"),
    "empty-strings": (b'{"audio":[', b'"",', b'""]}'),
    "short-strings": (b'{"audio":[', b'"ab",', b'""]}'),
    "arrays-beside-audio": (b'{"audio":[1],"x":[', b"[],", b"[]]}"),
    "objects-beside-audio": (b'{"audio":[1],"x":[', b'{"a":0},', b"0]}"),
    "objects-before-audio": (b'{"x":[', b"{},", b'0],"audio":[1]}'),
    "no-audio": (b"[", b"{},", b"{}]"),
    "deep-arrays": (b'{"audio":', b"[", b""),
    "deep-objects": (b'{"audio":', b'{"a":', b""),
    "deep-arrays-top": (b"[", b"[", b"]"),
    "same-key": (b"{", b'"audio":[1],', b'"audio":[1]}'),
    "whitespace-first": (b"", b" ", b'{"audio":[1]}'),
    "whitespace-inside": (b'{"audio":[', b" \n", b"1]}"),
    "whitespace-last": (b'{"audio":[1]}', b" \n", b""),
    "escapes": (b'{"audio":"', b"\\u0041", b'"}'),
    "half-surrogates": (b'{"audio":"', b"\\ud800", b'"}'),
    "surrogate-pairs": (b'{"audio":"', b"\\ud83d\\ude00", b'"}'),
    "backslashes": (b'{"audio":"', b"\\\\", b'"}'),
    "newlines-in-string": (b'{"audio":"', b"QUJD\n", b'"}'),
    "broken-utf8": (b'{"audio":"', b"\xff", b'"}'),
    "wide-letters": (b'{"audio":"', "\U0001f600".encode(), b'"}'),
    "string-without-end": (b'{"audio":"', b"A", b""),
    "huge-number": (b'{"audio":[', b"9", b"]}"),
    "huge-fraction": (b'{"audio":[0.', b"9", b"]}"),
    "huge-exponent": (b'{"audio":[1e', b"9", b"]}"),
    "huge-key": (b'{"', b"k", b'":1,"audio":[1]}'),
    "commas": (b'{"audio":[', b",", b"]}"),
    "wrong-type": (b'{"audio":"', b"A", b'"}'),
}


def pattern_body(pattern: Pattern, size: int) -> bytes:
    begin, piece, end = pattern
    return begin + piece * (max(1, size - len(begin) - len(end)) // len(piece)) + end


def json_pattern(pattern: Pattern, target: Target, path: str = WHISPER, at_once: int = 1, size: int = LARGE) -> None:
    """One large body, sent by several at once."""
    body = pattern_body(pattern, target.size(size))
    _send(target, path, body, JSON, at_once=at_once)


def many_keys(target: Target) -> None:
    """An object of millions of different keys."""
    count = target.size(LARGE) // 15
    body = b'{"audio":[1],' + ",".join(f'"k{number:08d}":0' for number in range(count)).encode() + b"}"
    _send(target, WHISPER, body, JSON)


def valid_bytes(target: Target, at_once: int = 1, path: str = WHISPER) -> None:
    """A WAV as an array of numbers, as large as the server takes: it has to be answered."""
    sound = wav(b"\0\1" * (target.size(LARGE) // 5))
    body = b'{"audio":[' + b",".join(_NUMBERS[value] for value in sound) + b"]}"
    if path == RUN:
        body = b'{"model":"@cf/openai/whisper","input":' + body + b"}"
    _send(target, path, body, JSON, at_once=at_once)


_NUMBERS = [str(value).encode() for value in range(256)]


def base64_body(target: Target, *, line: int = 0, ending: bytes = b"", at_once: int = 1, path: str = TURBO) -> None:
    """Base64 of about 90 MB, in lines or in one piece."""
    packed = base64.b64encode(wav(b"\0\1" * (target.size(90 * MEGABYTE) * 3 // 8)))
    if line:
        packed = b"\n".join(packed[at : at + line] for at in range(0, len(packed), line))
    body = b'{"audio":"%s%s"}' % (packed, ending)
    if path == NOVA:
        body = b'{"audio":{"body":"%s","contentType":"audio/wav"}}' % packed
    _send(target, path, body, JSON, at_once=at_once)


def many_small(target: Target) -> None:
    """Bodies of a few hundred kB of little objects, one after the other, from 20 clients."""
    body = pattern_body(PATTERNS["empty-objects"], 190_000)
    until = time.monotonic() + target.seconds

    def send(_: int) -> list[int]:
        statuses = []
        while time.monotonic() < until:
            statuses.append(exchange(target, *post(WHISPER, body, JSON)).status)
        return statuses

    target.note_statuses(status for statuses in together(20, send) for status in statuses)


# -- forms --------------------------------------------------------------------------------------------------------


def form(target: Target, *parts: bytes, ending: bytes = b"--xxx--\r\n", at_once: int = 1) -> None:
    _send(target, OPENAI, b"".join(parts) + ending, FORM, at_once=at_once)


def part(name: bytes, value: bytes, *headers: bytes) -> bytes:
    lines = [b"--xxx", b'Content-Disposition: form-data; name="' + name + b'"', *headers, b"", value, b""]
    return b"\r\n".join(lines)


def form_attacks() -> dict[str, Callable[[Target], None]]:
    opening = b'--xxx\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'

    def sized(begin: bytes, piece: bytes, end: bytes = b"", full: int = 90 * MEGABYTE) -> Callable[[Target], None]:
        return lambda target: form(target, begin, fill(piece, target.size(full)), end)

    return {
        "form-100000-parts": lambda target: form(target, part(b"a", b"b") * target.size(100_000)),
        "form-many-files": lambda target: form(target, part(b"file", b"\0" * target.size(MEGABYTE)) * 90),
        "form-many-models": lambda target: form(target, part(b"model", b"m" * 90_000) * target.size(1_000)),
        "form-large-text": sized(b'--xxx\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n', b"a", b"\r\n"),
        "form-part-header": sized(opening + b"a: ", b"b", b"\r\n\r\n\r\n"),
        "form-part-headers": sized(opening, b"a: b\r\n", b"\r\n\r\n"),
        "form-part-header-names": sized(opening, b"a", b": b\r\n\r\n\r\n"),
        "form-field-name": sized(b'--xxx\r\nContent-Disposition: form-data; name="', b"a", b'"\r\n\r\nb\r\n'),
        "form-file-name": sized(opening[:-7] + b"a", b"a", b'"\r\n\r\nb\r\n'),
        "form-parameters": sized(b"--xxx\r\nContent-Disposition: form-data", b"; a=b", b"\r\n\r\nb\r\n"),
        "form-half-boundaries": sized(opening + b"\r\n", b"\r\n--xx", b"\r\n"),
        "form-line-ends": sized(opening + b"\r\n", b"\r\n", b"\r\n"),
        "form-preamble": sized(b"", b"a", b"\r\n"),
        "form-epilogue": lambda target: form(target, ending=b"--xxx--\r\n" + b"a" * target.size(90 * MEGABYTE)),
        "form-no-end": lambda target: form(target, opening, b"\r\n", b"a" * target.size(90 * MEGABYTE), ending=b""),
        "form-large-file": lambda target: form(
            target, opening, b"\r\n", wav(b"\0\1" * target.size(45 * MEGABYTE)), b"\r\n", part(b"model", b"whisper-1")
        ),
    }


# -- batches for later --------------------------------------------------------------------------------------------


def queue_pattern(pattern: Pattern, target: Target, at_once: int = 1) -> None:
    """One batch of millions of entries."""
    _send(target, WHISPER + QUEUE, pattern_body(pattern, target.size(QUEUED)), JSON, at_once=at_once)


def queue_references(target: Target, reference: Pattern = (b'"', b"r", b'"'), entries: int = 1) -> None:
    """Batch after batch whose results keep what the client calls them, as long as the server takes it."""
    until, statuses = time.monotonic() + 6 * target.seconds, []
    size = target.size(QUEUED) // entries - 100
    while statuses.count(200) < target.size(256, 8) and time.monotonic() < until:
        entry = b'{"external_reference":%s}' % pattern_body(reference, size)
        body = b'{"requests":[%s]}' % b",".join([entry] * entries)
        statuses.append(exchange(target, *post(WHISPER + QUEUE, body, JSON)).status)
        if statuses[-1] == 429:
            time.sleep(0.1)
        elif statuses[-1] != 200 and 200 not in statuses and size > 10:
            size //= 4  # too long for this server
    target.notes.append(f"{entries} x {size:,} bytes")
    target.note_statuses(statuses)


def queue_errors(target: Target) -> None:
    """Batches of many entries that each fail with a long message, whose results are kept."""
    entry = b'{"audio":"%s","x":1}' % (b"y" * 100)
    body = b'{"requests":[' + b",".join([entry] * (target.size(QUEUED) // len(entry))) + b"]}"
    statuses = [exchange(target, *post(WHISPER + QUEUE, body, JSON)).status for _ in range(target.size(20, 2))]
    target.note_statuses(statuses)


def queue_clips(target: Target) -> None:
    """Batches of many good clips: work for a long time, and interactive requests come between."""
    sound = speech(target) if not target.model.startswith("canned:") else tone(0.5)
    entry = b'{"audio":"%s"}' % base64.b64encode(sound)
    body = b'{"requests":[' + b",".join([entry] * min(500, target.size(QUEUED) // len(entry))) + b"]}"
    replies = [exchange(target, *post(TURBO + QUEUE, body, JSON)) for _ in range(8)]
    target.note_statuses(reply.status for reply in replies)
    _poll(target, replies, 3 * target.seconds)


def queue_polls(target: Target) -> None:
    """Clients that ask for results again and again."""
    until = time.monotonic() + target.seconds
    body = b'{"request_id":"%s"}' % (b"0" * 1_000)

    def ask(_: int) -> int:
        while time.monotonic() < until:
            exchange(target, *post(WHISPER + QUEUE, body, JSON))
        return exchange(target, *post(WHISPER + QUEUE, body, JSON)).status

    target.note_statuses(together(10, ask))


def _poll(target: Target, replies: list[Reply], seconds: float) -> None:
    numbers = [json.loads(reply.body)["result"]["request_id"] for reply in replies if reply.status == 200]
    until = time.monotonic() + seconds
    while numbers and time.monotonic() < until:
        body = json.dumps({"request_id": numbers[0]}).encode()
        if b'"responses"' in exchange(target, *post(TURBO + QUEUE, body, JSON)).body:
            numbers.pop(0)
        time.sleep(0.5)
    target.notes.append(f"{len(numbers)} batches unfinished")


# -- prompts ------------------------------------------------------------------------------------------------------


def prompts(size: int, target: Target, *, beams: int = 0, openai: bool = False, count: int = 24) -> None:
    """Short clips whose prompts differ, so that no two can be decoded together, from four clients."""
    sound, asked = speech(target), target.size(count, 4)

    def ask(client: int) -> list[int]:
        return [exchange(target, *request(number)).status for number in range(client, asked, 4)]

    def request(number: int) -> tuple[bytes, bytes]:
        prompt = f"{number} " + " ".join(f"word{number * 7919 + at}" for at in range(size // 8 + 1))[:size]
        if openai:
            body = part(b"prompt", prompt.encode()) + part(b"model", b"whisper-1") + part(b"file", sound)
            return post(OPENAI, body + b"--xxx--\r\n", FORM)
        wish = {"audio": base64.b64encode(sound).decode(), "initial_prompt": prompt}
        return post(TURBO, json.dumps(wish | ({"beam_size": beams} if beams else {})).encode(), JSON)

    target.note_statuses(status for statuses in together(4, ask) for status in statuses)


def wishes(target: Target) -> None:
    """All combinations of beams, tasks and languages: each may cost a recogniser of its own."""
    sound = base64.b64encode(speech(target)).decode()
    wishes = [
        {"beam_size": beams, "task": task, "language": language}
        for beams in range(1, 11)
        for task in ("transcribe", "translate")
        for language in ("en", "de", "xx")
    ][: target.size(60, 6)]

    def ask(client: int) -> list[int]:
        mine = [json.dumps({"audio": sound, **wish}).encode() for wish in wishes[client::4]]
        return [exchange(target, *post(TURBO, body, JSON)).status for body in mine]

    target.note_statuses(status for statuses in together(4, ask) for status in statuses)


def keyterms(target: Target) -> None:
    """Prompts in the query, as Deepgram's clients send them, all different."""
    sound = speech(target)

    def ask(number: int) -> int:
        query = "&".join(f"keyterm=word{number}x{at}" for at in range(1_500))
        return exchange(target, head(f"{NOVA}?{query}", f"Content-Length: {len(sound)}"), sound).status

    target.note_statuses(together(target.size(16, 2), ask))


def speech(target: Target) -> bytes:
    """A short recording of speech, where a model would hear it."""
    if target.model.startswith("canned:"):
        return tone(2.0)
    return min((path.read_bytes() for path in CLIPS.glob("*.flac")), key=len)


# -----------------------------------------------------------------------------------------------------------------


def _send(target: Target, path: str, body: bytes, *headers: str, at_once: int = 1) -> None:
    request = post(path, body, *headers)
    target.note_statuses(reply.status for reply in together(at_once, lambda _: exchange(target, *request)))


def attacks() -> dict[str, Callable[[Target], None]]:
    """Every attack of this module, by name."""
    empty = (b'{"requests":[', b"{},", b"{}]}")
    return {
        **{f"json-{name}": partial(json_pattern, pattern) for name, pattern in PATTERNS.items()},
        "json-bytes-valid": valid_bytes,
        "json-bytes-valid-4": partial(valid_bytes, at_once=4),
        "json-bytes-valid-any": partial(valid_bytes, path=RUN),
        "json-empty-objects-4": partial(json_pattern, PATTERNS["empty-objects"], at_once=4),
        "json-no-end-4": partial(json_pattern, PATTERNS["bytes-no-end"], at_once=4),
        "json-empty-objects-any": partial(json_pattern, PATTERNS["empty-objects"], path=RUN),
        "json-empty-arrays-turbo": partial(json_pattern, PATTERNS["empty-arrays"], path=TURBO),
        "json-empty-arrays-nova": partial(json_pattern, PATTERNS["empty-arrays"], path=NOVA),
        **{
            f"json-{name}-turbo": partial(json_pattern, PATTERNS[name], path=TURBO)
            for name in ("escapes", "half-surrogates", "newlines-in-string", "wide-letters", "huge-number")
        },
        "json-small-20": many_small,
        "json-many-keys": many_keys,
        "base64": base64_body,
        "base64-4": partial(base64_body, at_once=4),
        "base64-lines": partial(base64_body, line=76),
        "base64-bad-last": partial(base64_body, ending=b"*"),
        "base64-nova": partial(base64_body, path=NOVA),
        **form_attacks(),
        "queue-empty-objects": partial(queue_pattern, empty),
        "queue-empty-objects-8": partial(queue_pattern, empty, at_once=8),
        "queue-zeros": partial(queue_pattern, (b'{"requests":[', b"0,", b"0]}")),
        "queue-empty-arrays": partial(queue_pattern, (b'{"requests":[', b"[],", b"[]]}")),
        "queue-empty-audio": partial(queue_pattern, (b'{"requests":[', b'{"audio":[]},', b"0]}")),
        "queue-numbered": partial(queue_pattern, (b'{"requests":[', b'{"external_reference":1},', b"0]}")),
        "queue-deep": partial(queue_pattern, (b'{"requests":', b"[", b"")),
        "queue-without-requests": partial(queue_pattern, (b'{"x":[', b"{},", b"{}]}")),
        "queue-references": queue_references,
        "queue-references-nested": partial(queue_references, reference=(b"[", b"{},", b"{}]")),
        "queue-references-100": partial(queue_references, entries=100),
        "queue-errors": queue_errors,
        "queue-clips": queue_clips,
        "queue-polls": queue_polls,
        "prompts-1kB": partial(prompts, 1_000),
        "prompts-1kB-openai": partial(prompts, 1_000, openai=True),
        "prompts-99kB-openai": partial(prompts, 99_000, openai=True),
        "prompts-1MB": partial(prompts, MEGABYTE),
        "prompts-30MB": partial(prompts, 30 * MEGABYTE, count=64),
        "prompts-beams": partial(prompts, 1_000, beams=10, count=8),
        "wishes": wishes,
        "keyterms": keyterms,
    }
