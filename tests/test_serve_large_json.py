"""Large JSON bodies: the same values and refusals as small ones, in little memory and in short pieces."""

import asyncio
import base64
import json
import random
import tracemalloc

import pytest
from test_serve import NOVA, RUN, TURBO, WHISPER, ask, clip, pitch_of

import asrkit.serve
from asrkit import Canned
from asrkit.cloudflare.models import MODELS
from asrkit.serve import Settings, requests
from asrkit.serve.answers import Refusal
from asrkit.serve.requests import from_body

LETTERS = ["a", '"', "\\", "\n", "/", "é", "€", "😀", "\x7f", " ", "A", "0", "\u2028", "\ud83d", "{", "]", ","]
SPOILERS = b'",[]{}:\\ \n0e-u\xc3\x80'
FLOOD = 1_500_000  # bytes


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0)) as running:
        yield running


# -- the same as small ones -------------------------------------------------------------------------------------


class NoBytesError(Exception):
    """Numbers among which is one that is no byte are not kept."""


def whole(value):
    """A parsed value, what was cut out put back as the objects that a small body has."""
    from asrkit.serve.large_json import LongString, Numbers

    if isinstance(value, LongString):
        return b"".join(value.blocks()).decode()
    if isinstance(value, Numbers):  # in the place of one
        return value.data[0] if value.data else value.fault[1]
    if isinstance(value, list):
        items = []
        for item in value:
            if isinstance(item, Numbers) and item.data is None:
                raise NoBytesError
            items += list(item.data) if isinstance(item, Numbers) else [whole(item)]
        return items
    return {name: whole(own) for name, own in value.items()} if isinstance(value, dict) else value


def outcome(parse, body):
    try:
        return whole(parse(body))
    except (ValueError, RecursionError):
        return "no JSON"
    except NoBytesError:
        return NoBytesError


def made_up(dice, depth=0):
    """A value such as clients send, and such as they do not."""

    def text(length):
        return "".join(dice.choices(LETTERS, k=length))

    kind = dice.choice(["text", "bytes", "mixed", "number", "list", "object"] if depth < 4 else ["number"])
    if kind == "text":
        return text(dice.choice([0, 3, 600, 70_000]))
    if kind == "bytes":
        return [dice.randrange(256) for _ in range(dice.choice([0, 3, 300, 2_000]))]
    if kind == "mixed":
        odd = [dice.choice([None, True, False, 7, "text", [], {}]) for _ in range(9)]
        return odd + [dice.randrange(256) for _ in range(300)] + odd[: dice.randrange(2)]
    if kind == "list":
        return [made_up(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == "object":
        return {text(dice.choice([1, 5])): made_up(dice, depth + 1) for _ in range(dice.randrange(4))}
    return dice.choice([0, 255, None, True])


@pytest.mark.parametrize("seed", range(12))
def test_a_text_is_parsed_alike_as_a_whole_and_in_blocks(seed):
    from asrkit.serve.large_json import parse_json, parse_large_json

    dice = random.Random(seed)
    for _ in range(25):
        value = {"audio": made_up(dice), "more": made_up(dice)}
        style = dice.choice([{}, {"indent": 1}, {"separators": (",", ":")}])
        body = json.dumps(value, ensure_ascii=dice.random() < 0.5, **style).encode(errors="replace")
        block = dice.choice([64, 100, 1_000, 1 << 18])
        spoilt = bytearray(body)
        spoilt[dice.randrange(len(spoilt))] = dice.choice(SPOILERS)

        for given in (body, bytes(spoilt)):
            expected = outcome(parse_json, given)
            found = outcome(lambda text, block=block: parse_large_json(text, block=block, most_rest=10**7), given)
            assert found in (expected, NoBytesError)


def said_of(model, body):
    """What becomes of a body: its audio, or code and message without what counts letters."""
    try:
        ask_ = from_body(MODELS[model], body, {})
        return ask_.audio, ask_.wish, ask_.ignored
    except Refusal as refusal:
        return refusal.code, refusal.message.split(" (")[0].split(": ")[-1] if refusal.code != 5006 else refusal.code


DATA = bytes(range(256)) * 8
B64 = base64.b64encode(DATA).decode()
BODIES = {
    "bytes": (WHISPER, json.dumps({"audio": list(DATA)})),
    "bytes with blanks": (WHISPER, json.dumps({"audio": list(DATA)}, indent=4)),
    "floats that are bytes": (WHISPER, json.dumps({"audio": [float(byte) for byte in DATA]})),
    "exponents": (WHISPER, '{"audio": [' + ",".join(["8.2e1"] * 999) + "]}"),
    "a byte too many": (WHISPER, json.dumps({"audio": [*DATA, 256]})),
    "a fraction": (WHISPER, json.dumps({"audio": [*DATA, 1.5, *DATA]})),
    "below 0": (WHISPER, json.dumps({"audio": [*DATA, -1]})),
    "a text among bytes": (WHISPER, json.dumps({"audio": [*DATA, "73", *DATA]})),
    "nothing among bytes": (WHISPER, json.dumps({"audio": [*DATA, None]})),
    "a list among bytes": (WHISPER, json.dumps({"audio": [*DATA, [], *DATA]})),
    "many digits": (WHISPER, '{"audio": [' + "9" * 900 + "]}"),
    "a comma too many": (WHISPER, json.dumps({"audio": list(DATA)})[:-2] + ",]}"),
    "two commas": (WHISPER, '{"audio": [' + "1," * 600 + "," + "1," * 600 + "1]}"),
    "no end": (WHISPER, json.dumps({"audio": list(DATA)})[:-2]),
    "leading zeros": (WHISPER, '{"audio": [' + "01," * 600 + "1]}"),
    "Base64": (TURBO, json.dumps({"audio": B64})),
    "Base64 of PHP": (TURBO, json.dumps({"audio": B64}).replace("/", "\\/")),
    "Base64 in lines": (TURBO, json.dumps({"audio": base64.encodebytes(DATA).decode()})),
    "Base64 in raw lines": (TURBO, '{"audio": "' + base64.encodebytes(DATA).decode() + '"}'),
    "Base64 all escaped": (TURBO, '{"audio": "' + "".join(f"\\u{ord(letter):04x}" for letter in B64) + '"}'),
    "Base64 without padding": (TURBO, json.dumps({"audio": B64.rstrip("=")})),
    "text after padding": (TURBO, json.dumps({"audio": B64 + "====" + B64})),
    "a letter too many": (TURBO, json.dumps({"audio": B64.rstrip("=") + "AAA"})),
    "no Base64": (TURBO, json.dumps({"audio": "ü" * 999})),
    "a data URL": (TURBO, json.dumps({"audio": f"data:audio/wav;base64,{B64}"})),
    "half a character": (TURBO, '{"audio": "' + B64 + '", "prefix": "' + "x" * 600 + '\\ud800"}'),
    "an unknown escape": (TURBO, '{"audio": "' + B64 + '\\x"}'),
    "bytes for Base64": (TURBO, json.dumps({"audio": list(DATA)})),
    "Base64 for bytes": (WHISPER, json.dumps({"audio": B64})),
    "a prompt": (TURBO, json.dumps({"audio": B64, "initial_prompt": "Avonlea. " * 90})),
    "names twice": (WHISPER, '{"audio": [9], "audio": ' + json.dumps(list(DATA)) + "}"),
    "an escaped name": (TURBO, '{"\\u0061udio": "' + B64 + '"}'),
    "of Deepgram": (NOVA, json.dumps({"audio": {"body": B64, "contentType": "audio/wav"}})),
    "a long name": (TURBO, json.dumps({"x" * 600: 1, "audio": B64})),
    "a list": (WHISPER, json.dumps(list(DATA))),
    "brackets": (WHISPER, "[" * 5_000),
    "in UTF-16": (TURBO, json.dumps({"audio": B64}).encode("utf-16-le")),
    "with a mark": (TURBO, b"\xef\xbb\xbf" + json.dumps({"audio": B64}).encode()),
}


@pytest.mark.parametrize("model, body", BODIES.values(), ids=list(BODIES))
def test_a_large_body_gets_the_answer_of_a_small_one(model, body, monkeypatch):
    body = body if isinstance(body, bytes) else body.encode()
    as_small = said_of(model, body)
    monkeypatch.setattr(requests, "IN_LOOP", 100)

    assert said_of(model, body) == as_small


def test_large_bodies_are_heard(server):
    data = clip(pitch=700, seconds=12)
    array = json.dumps({"audio": list(data)}).encode()
    text = json.dumps({"audio": base64.b64encode(data).decode(), "language": "en"}).encode()
    named = json.dumps({"model": TURBO, "input": json.loads(text)}).encode()

    assert len(text) > requests.IN_LOOP
    assert ask(server, f"{RUN}/{WHISPER}", array).result["text"] == "tone of 700"
    assert ask(server, f"{RUN}/{TURBO}", text).result["text"] == "tone of 700"
    assert ask(server, RUN, named).result["text"] == "tone of 700"


def test_an_option_longer_than_any_prompt_is_refused_with_the_limit(server):
    for length in (10_001, 300_000):
        whole = json.dumps({"audio": base64.b64encode(clip()).decode(), "initial_prompt": "x" * length}).encode()
        answer = ask(server, f"{RUN}/{TURBO}", whole)

        assert (answer.status, answer.code) == (400, 5006)
        assert f"'/initial_prompt' has {length} characters; this server takes 10000" in answer.message


# -- little memory, short pieces --------------------------------------------------------------------------------


def flood(unit, before=b'{"audio":[', after=b"]}"):
    return before + unit * (FLOOD // len(unit)) + after


FLOODS = {
    "bytes": flood(b"1,", after=b"1]}"),
    "floats": flood(b"1.0,", after=b"1]}"),
    "large numbers": flood(b"9" * 4_000 + b",", after=b"1]}"),
    "one number": flood(b"9"),
    "lists": flood(b"[],", after=b"[]]}"),
    "objects": flood(b"{},", after=b"{}]}"),
    "texts": flood(b'"",', after=b'""]}'),
    "texts of 600 letters": flood(b'"' + b"x" * 600 + b'",', after=b'""]}'),
    "names": flood(b'"a":1,', b"{", b'"a":1}'),
    "different names": b"{%b}" % b",".join(b'"%d":1' % number for number in range(FLOOD // 11)),
    "opening brackets": flood(b"[", b"", b""),
    "nested objects": flood(b'{"a":', b"", b""),
    "blanks": flood(b" ", b"{", b'"audio":[1]}'),
    "escapes": flood(b"\\u0041", b'{"audio":"', b'"}'),
    "backslashes": flood(b"\\\\", b'{"audio":"', b'"}'),
    "escaped quotes": flood(b'\\"', b'{"audio":"', b'"}'),
    "wide characters": flood("😀".encode(), b'{"audio":"', b'"}'),
    "a text without its end": flood(b"A", b'{"audio":"', b""),
    "words": flood(b"true,", after=b"true]}"),
    "bytes and texts by turns": flood(b"1," * 300 + b'"",', after=b"1]}"),
}


@pytest.mark.parametrize("body", FLOODS.values(), ids=list(FLOODS))
def test_a_flood_takes_little_more_memory_than_it_has_bytes(body):
    said_of(WHISPER, b'{"audio": []}')  # what is imported once is not counted
    tracemalloc.start()
    try:
        said_of(WHISPER, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 3 * len(body) + 12_000_000


@pytest.mark.parametrize("body", FLOODS.values(), ids=list(FLOODS))
def test_nothing_large_is_parsed_in_one_piece(body, monkeypatch):
    from asrkit.serve import large_json

    sizes = []
    real = large_json.parse_json

    def measured(text):
        sizes.append(len(text))
        return real(text)

    monkeypatch.setattr(large_json, "parse_json", measured)
    said_of(WHISPER, body)

    assert max(sizes, default=0) <= large_json.MOST_REST


def test_more_json_than_a_recording_needs_is_refused_with_the_limit(server):
    answer = ask(server, f"{RUN}/{WHISPER}", FLOODS["objects"])

    assert (answer.status, answer.code) == (413, 3006)
    assert "more than 1000000 bytes beside long strings and arrays of numbers" in answer.message
    assert server.service.bodies.held == 0


def test_a_body_is_counted_until_its_sound_has_taken_its_place():
    from asrkit.serve.bodies import Bodies
    from asrkit.serve.service import Body

    async def held() -> list[float]:
        bodies = Bodies(1_000, idle=60.0, least_rate=0.0)
        with bodies.upload() as upload:
            await upload.take(900)
            body = Body(b"x" * 900, upload)
            body.becomes(300)
            inside = bodies.held
            assert body.data == b""
        return [inside, bodies.held]

    assert asyncio.run(held()) == [300, 0]
