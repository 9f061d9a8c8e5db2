"""The server's answers and errors, asked over a socket and answered without a model."""

import base64
import http.client
import io
import json
import logging
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import jsonschema
import numpy as np
import pytest
import soundfile

import asrkit.serve
from asrkit import Canned, Segment, Transcript, Word
from asrkit.backends.base import Preferences
from asrkit.cloudflare.codes import CODES
from asrkit.cloudflare.models import MODELS, schema
from asrkit.errors import BackendError, MissingExtraError, OptionError
from asrkit.serve import Settings

ACCOUNT = "0123456789abcdef0123456789abcdef"
RUN = f"/client/v4/accounts/{ACCOUNT}/ai/run"
WHISPER, TINY = "@cf/openai/whisper", "@cf/openai/whisper-tiny-en"
TURBO, NOVA = "@cf/openai/whisper-large-v3-turbo", "@cf/deepgram/nova-3"
TOKEN = "a-token-of-this-test"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def result(self) -> Any:
        assert self.status == 200, self.body
        assert self.json["success"] is True
        return self.json["result"]

    @property
    def code(self) -> int:
        [error, *_] = self.json["errors"]
        return error["code"]

    @property
    def message(self) -> str:
        return self.json["errors"][0]["message"]


def ask(server, path, body=None, headers=None, method=None) -> Answer:
    method = method or ("GET" if body is None else "POST")
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as connection:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def settle(server) -> None:
    """Until the server has done with all requests: it writes its log after the answer."""
    while server.service.inside:
        time.sleep(0.001)


def clip(pitch=440.0, seconds=1.0, kind="WAV") -> bytes:
    """A file with one tone."""
    file = io.BytesIO()
    tone = 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * 16_000)) / 16_000)
    soundfile.write(file, tone, 16_000, format=kind)
    return file.getvalue()


def pitch_of(audio) -> str:
    """What the server hears in a tone: its pitch."""
    spectrum = np.abs(np.fft.rfft(audio.samples))
    return f"tone of {round(np.argmax(spectrum) * 16_000 / len(audio.samples))}"


def as_array(data: bytes, **more) -> bytes:
    return json.dumps({"audio": list(data), **more}).encode()


def as_base64(data: bytes, **more) -> bytes:
    return json.dumps({"audio": base64.b64encode(data).decode(), **more}).encode()


def body_for(model: str, data: bytes) -> bytes:
    return as_base64(data) if model == TURBO else data


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def guarded():
    with asrkit.serve.background(Settings(model="canned:come in", port=0, token=TOKEN)) as running:
        yield running


def is_envelope(answer: Answer, *, success: bool) -> bool:
    whole = answer.json
    return (
        set(whole) == {"result", "success", "errors", "messages"}
        and whole["success"] is success
        and bool(whole["errors"]) is not success
        and whole["messages"] == []
        and answer.headers["content-type"] == "application/json"
    )


# -- answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_every_answer_is_what_the_models_schema_says(server, model):
    answer = ask(server, f"{RUN}/{model}", body_for(model, clip()))

    assert is_envelope(answer, success=True)
    jsonschema.validate(answer.result, schema(MODELS[model].schema, "output"))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_sound_is_known_by_its_bytes(server, kind):
    answer = ask(server, f"{RUN}/{WHISPER}", clip(kind=kind), {"Content-Type": "application/x-www-form-urlencoded"})

    assert answer.result["text"] == "tone of 440"


@pytest.mark.parametrize(
    "path",
    [
        f"{RUN}/{WHISPER}",
        f"{RUN}/@cf%2Fopenai%2Fwhisper",
        f"{RUN}/%40cf%2Fopenai%2Fwhisper",
        f"/accounts/{ACCOUNT}/ai/run/{WHISPER}",
        f"/v1/{ACCOUNT}/my-gateway/workers-ai/{WHISPER}",
        f"/v1/{ACCOUNT}/my-gateway/workers-ai/run/{WHISPER}",
        f"/v1/{ACCOUNT}/my-gateway/workers-ai/@cf%2Fopenai%2Fwhisper",
        f"/workers-ai/run/{WHISPER}",
    ],
)
def test_all_paths_lead_to_the_model(server, path):
    assert ask(server, path, clip()).result["text"] == "tone of 440"


def test_whisper_takes_the_file_or_an_array_of_its_bytes(server):
    data = clip(pitch=600)

    assert ask(server, f"{RUN}/{WHISPER}", data).result == ask(server, f"{RUN}/{WHISPER}", as_array(data)).result


def test_turbo_takes_base64_with_the_line_breaks_of_gnu_base64(server):
    lines = base64.encodebytes(clip(pitch=700)).decode()

    answer = ask(server, f"{RUN}/{TURBO}", f'{{"audio": "{lines}", "language": "en"}}'.encode())

    assert "\n" in lines
    assert answer.result["text"] == "tone of 700"


def test_turbo_takes_base64_without_its_padding(server):
    data = clip() + b"\0"  # whatever the length
    for extra in (b"", b"\0", b"\0\0"):
        padded = base64.b64encode(data + extra).decode().rstrip("=")
        assert ask(server, f"{RUN}/{TURBO}", json.dumps({"audio": padded}).encode()).status == 200


def test_a_model_named_in_the_body_is_run(server):
    given = {"model": TURBO, "input": json.loads(as_base64(clip(pitch=800))), "options": {"gateway": {"id": "a"}}}

    answer = ask(server, RUN, json.dumps(given).encode(), {"cf-aig-gateway-id": "default"})

    assert answer.result["text"] == "tone of 800"


class Timed:
    """Answers with words whose times a test has chosen."""

    name = "timed"
    fingerprint: ClassVar[dict[str, Any]] = {}
    preferred = Preferences(batch_size=4)

    def __init__(self, *words: Word) -> None:
        self.words = words

    def transcribe(self, batch, *, languages):
        text = " ".join(word.word for word in self.words)
        segments = (Segment(text, 0.0, 120.0, self.words),) if self.words else ()
        return [Transcript(text, language, segments) for language in languages]


def test_whisper_writes_five_words_a_cue_and_seconds_only_below_a_minute():
    words = [Word(f"w{at}", 58 + 0.3 * at, 58.3 + 0.3 * at) for at in range(8)]
    with asrkit.serve.background(Settings(model=Timed(*words), port=0)) as server:
        result = ask(server, f"{RUN}/{WHISPER}", clip(seconds=120)).result

    assert result["vtt"] == ("WEBVTT\n\n58.000 --> 59.500\nw0 w1 w2 w3 w4\n\n59.500 --> 01:00.400\nw5 w6 w7")
    assert result["word_count"] == 8


def test_times_are_float32_written_as_float64():
    with asrkit.serve.background(Settings(model=Timed(Word("Hello,", 0.58, 1.0)), port=0)) as server:
        [word] = ask(server, f"{RUN}/{WHISPER}", clip(seconds=2)).result["words"]

    assert word == {"word": "Hello,", "start": 0.5799999833106995, "end": 1.0}


@pytest.mark.parametrize("model", MODELS)
def test_silence_is_an_empty_answer_of_the_same_shape(model):
    with asrkit.serve.background(Settings(model=Timed(), port=0)) as server:
        result = ask(server, f"{RUN}/{model}", body_for(model, clip())).result

    jsonschema.validate(result, schema(MODELS[model].schema, "output"))
    if model == NOVA:
        assert result["results"]["channels"][0]["alternatives"][0]["transcript"] == ""
    else:
        assert (result["text"], result["word_count"], result["vtt"]) == ("", 0, "WEBVTT")


def test_turbo_tells_language_and_duration(server):
    info = ask(server, f"{RUN}/{TURBO}", as_base64(clip(seconds=2.5), language="de")).result["transcription_info"]

    assert info == {"language": "de", "language_probability": 1.0, "duration": 2.5, "duration_after_vad": 2.5}


class Echo:
    """Answers with the language that it was asked for."""

    name = "echo"
    fingerprint: ClassVar[dict[str, Any]] = {}
    preferred = Preferences(batch_size=4)

    def transcribe(self, batch, *, languages):
        return [Transcript(f"language {language}", language or "fr") for language in languages]


@pytest.mark.parametrize(
    "query, language",
    [("", "en"), ("?language=de", "de"), ("?detect_language=true", "None"), ("?language=multi", "None")],
)
def test_nova_hears_english_unless_told(query, language):
    with asrkit.serve.background(Settings(model=Echo(), port=0)) as server:
        channel = ask(server, f"{RUN}/{NOVA}{query}", clip()).result["results"]["channels"][0]

    assert channel["alternatives"][0]["transcript"] == f"language {language}"
    assert ("detected_language" in channel) is (query == "?detect_language=true")


@pytest.mark.parametrize(
    "more",
    [
        b'"a\\r\\nX-Evil: yes": 1',
        '"ü€": 1'.encode(),
        b'"\\ud800": 1',
        b'"x": "\\ud800"',
        b'"external_reference": 1000000000000000000000000000000',
        b'"model": NaN, "options": Infinity',
    ],
)
@pytest.mark.parametrize("model", [WHISPER, TURBO])
def test_odd_names_and_values_beside_the_audio_do_no_harm(server, model, more):
    whole = as_base64(clip()) if model == TURBO else as_array(clip())

    answer = ask(server, f"{RUN}/{model}", whole[:-1] + b", " + more + b"}")

    assert answer.status in (200, 400)
    assert "x-evil" not in answer.headers


def test_odd_references_come_back_from_a_batch(server):
    requests = b'{"requests": [{"audio": "", "external_reference": 1000000000000000000000000000000}]}'

    queued = ask(server, f"{RUN}/{TURBO}?queueRequest=true", requests).result

    assert fetched(server, TURBO, queued["request_id"])["responses"][0]["external_reference"] == 1e30


@pytest.mark.parametrize("model", ['"@cf/\\ud800"', '"@cf/\\u20ac\\r\\n"'])
def test_odd_names_of_models_are_refused(server, model):
    assert ask(server, RUN, f'{{"model": {model}, "input": {{}}}}'.encode()).status == 400


def test_a_string_in_place_of_a_boolean_is_understood(server):
    assert ask(server, f"{RUN}/{TURBO}", as_base64(clip(), vad_filter="false")).status == 200


def test_options_without_effect_are_named_in_a_header(server):
    answer = ask(server, f"{RUN}/{TURBO}", as_base64(clip(), prefix="So", no_speech_threshold=0.5))

    assert answer.headers["x-asrkit-ignored"] == "no_speech_threshold, prefix"


def test_different_names_may_lead_to_different_models():
    settings = Settings(model="canned:default", map={TURBO: "canned:turbo"}, port=0)
    with asrkit.serve.background(settings) as server:
        texts = [ask(server, f"{RUN}/{model}", body_for(model, clip())).result["text"] for model in (WHISPER, TURBO)]

    assert texts == ["default", "turbo"]


def test_long_recordings_are_heard_in_windows_and_joined():
    backend = Canned([f"part {number}" for number in range(10)], preferred=Preferences(batch_size=2, longest=5.0))
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        result = ask(server, f"{RUN}/{WHISPER}", clip(seconds=21)).result

    numbers = [int(text) for text in result["text"].split() if text != "part"]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= 5
    times = [word["start"] for word in result["words"]]
    assert times == sorted(times)
    assert 15 < times[-1] < 21


# -- the batch API ----------------------------------------------------------------------------------------------


def fetched(server, model, number):
    for _ in range(15_000):  # five minutes at least: the machine may be busy
        result = ask(server, f"{RUN}/{model}?queueRequest=true", json.dumps({"request_id": number}).encode()).result
        if result.get("status") not in ("queued", "running"):
            return result
        time.sleep(0.02)
    raise AssertionError("the batch was never done")


def test_a_queued_batch_gives_every_request_its_own_answer(server):
    requests = [
        {**json.loads(as_base64(clip(pitch=500))), "external_reference": "first"},
        {"audio": "bm8gc291bmQ="},
        json.loads(as_base64(clip(pitch=900))),
    ]
    path = f"{RUN}/{TURBO}?queueRequest=true"

    queued = ask(server, path, json.dumps({"requests": requests}).encode()).result
    first, second, third = fetched(server, TURBO, queued["request_id"])["responses"]

    assert (queued["status"], queued["model"]) == ("queued", TURBO)
    assert (first["id"], first["external_reference"], first["result"]["text"]) == (0, "first", "tone of 500")
    assert (second["success"], second["errors"][0]["code"]) == (False, 3010)
    assert (third["success"], third["result"]["text"]) == (True, "tone of 900")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"requests": []}', b'{"request_id": "unknown"}', b"[1]"])
def test_a_batch_that_is_none_is_refused(server, body):
    answer = ask(server, f"{RUN}/{TURBO}?queueRequest=true", body, method="POST")

    assert (answer.status, answer.code) == (400, 5006)


# -- lists ------------------------------------------------------------------------------------------------------

LISTS = f"/client/v4/accounts/{ACCOUNT}/ai"


def test_the_list_of_models_ends_with_an_empty_page(server):
    pages = [ask(server, f"{LISTS}/models/search?per_page=3&page={page}").result for page in (1, 2, 3)]

    assert [len(page) for page in pages] == [3, 1, 0]
    assert [model["name"] for page in pages for model in page] == list(MODELS)
    assert pages[0][0]["task"]["name"] == "Automatic Speech Recognition"


@pytest.mark.parametrize(
    "query, names",
    [
        ("task=Automatic+Speech+Recognition", list(MODELS)),
        ("task=Text%20Generation", []),
        ("search=turbo", [TURBO]),
        ("author=deepgram", [NOVA]),
        ("hide_experimental=true", [WHISPER, TURBO, NOVA]),
    ],
)
def test_the_list_of_models_can_be_searched(server, query, names):
    assert [model["name"] for model in ask(server, f"{LISTS}/models/search?{query}").result] == names


@pytest.mark.parametrize("model", MODELS)
def test_the_schemas_of_a_model_are_told(server, model):
    told = ask(server, f"{LISTS}/models/schema?model={model.replace('@', '%40').replace('/', '%2F')}").result

    assert told == {side: schema(MODELS[model].schema, side) for side in ("input", "output")}


def test_the_tasks_are_listed(server):
    [task] = ask(server, f"{LISTS}/tasks/search").result

    assert task["name"] == "Automatic Speech Recognition"


# -- errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, body, status, code, said",
    [
        (WHISPER, b"", 400, 3003, "body"),
        (WHISPER, b"@talking-llama.mp3", 400, 3010, "not audio"),
        (WHISPER, clip()[:30], 400, 3010, ""),
        (WHISPER, clip(seconds=0), 400, 3010, ""),
        (WHISPER, b"{}", 400, 5006, "required properties at '/' are 'audio'"),
        (WHISPER, b'{"audio": "UklGRg=="}', 400, 5006, "'string' not in 'array','binary'"),
        (WHISPER, b'{"audio": {"0": 82, "1": 73}}', 400, 5006, "Uint8Array"),
        (WHISPER, b'{"audio": {"body": {}}}', 400, 5006, "'object' not in 'array','binary'"),
        (WHISPER, b'{"audio": [82, "73"]}', 400, 5006, "'/audio/1', 'string' not in 'number'"),
        (WHISPER, b'{"audio": [82, 256]}', 400, 5006, "'/audio/1' is 256"),
        (WHISPER, b'{"audio": [82.5]}', 400, 5006, "'/audio/0' is 82.5"),
        (WHISPER, b'{"audio": []}', 400, 3010, "empty"),
        (WHISPER, b'{"audio": null}', 400, 5006, "'null' not in"),
        (WHISPER, b'{"audio": [1, 2', 400, 5006, "no JSON"),
        (WHISPER, b"[82, 73]", 400, 5006, "'array' not in 'object'"),
        (WHISPER, b"[" * 100_000, 400, 5006, "no JSON"),
        (TURBO, b"", 400, 3003, "Base64"),
        (TURBO, clip(), 400, 5006, "'binary' not in 'object'"),
        (TURBO, as_array(clip()), 400, 5006, "'array' not in 'string'"),
        (TURBO, b'{"audio": {"0": 82}}', 400, 5006, "Uint8Array"),
        (TURBO, b'{"audio": {}}', 400, 5006, "'body,contentType'"),
        (TURBO, b'{"audio": "not/base64!"}', 400, 5006, "not Base64"),
        (TURBO, '{"audio": "ä"}'.encode(), 400, 5006, "not Base64"),
        (TURBO, b'{"audio": "data:audio/wav;base64,UklG"}', 400, 5004, "data URL"),
        (TURBO, b'{"audio": "bm8gc291bmQ="}', 400, 3010, "not audio"),
        (TURBO, b'{"audio": ""}', 400, 3010, "empty"),
        (TURBO, as_base64(clip(), beam_size="many"), 400, 5006, "'/beam_size', 'string' not in 'integer'"),
        (TURBO, as_base64(clip(), beam_size=1_000), 400, 5006, "'/beam_size' is 1000"),
        (TURBO, as_base64(clip(), task="sing"), 400, 5006, "'/task'"),
        (TURBO, as_base64(clip(), vad_filter=[]), 400, 5006, "'/vad_filter', 'array' not in 'boolean'"),
        (NOVA, as_base64(clip()), 400, 5006, "'body,contentType'"),
        (NOVA, b"no sound", 400, 3010, "not audio"),
        (f"{NOVA}?mode=odd", clip(), 400, 5006, "'/mode' is none of general"),
        (f"{NOVA}?diarize=perhaps", clip(), 400, 5006, "'/diarize', 'string' not in 'boolean'"),
        ("@cf/openai/whisper-9", clip(), 400, 5007, "No such model @cf/openai/whisper-9 or task"),
        ("@cf/deepgram/flux", clip(), 400, 5007, "No such model"),
    ],
)
def test_what_is_wrong_is_said_with_its_code_and_status(server, model, body, status, code, said):
    answer = ask(server, f"{RUN}/{model}", body, method="POST")

    assert is_envelope(answer, success=False)
    assert (answer.status, answer.code, answer.json["result"]) == (status, code, {})
    assert said in answer.message


@pytest.mark.parametrize(
    "model, shape",
    [(WHISPER, '{"audio": [82, 73, ...]}'), (TURBO, '{"audio": "<Base64 of the file>"}'), (NOVA, "the file's bytes")],
)
def test_a_wrong_shape_is_told_the_right_one(server, model, shape):
    answer = ask(server, f"{RUN}/{model}", b'{"audio": true}')

    assert answer.code == 5006
    assert shape in answer.message


@pytest.mark.parametrize(
    "body, code",
    [
        (b"", 3003),
        (b"{", 5006),
        (b"[]", 5006),
        (b"{}", 5006),
        (b'{"model": 7, "input": {}}', 5006),
        (json.dumps({"model": WHISPER}).encode(), 5006),
        (b'{"model": "@cf/a/b", "input": {}}', 5007),
        (b'{"model": "gpt-4o", "input": {}}', 7003),
    ],
)
def test_a_model_named_in_the_body_is_checked(server, body, code):
    assert ask(server, RUN, body, method="POST").code == code


@pytest.mark.parametrize(
    "method, path, status, codes",
    [
        ("POST", f"/client/v4/accounts//ai/run/{WHISPER}", 404, [7003, 7000]),
        ("POST", f"/client/v4/accounts/no%20account/ai/run/{WHISPER}", 404, [7003, 7000]),
        ("POST", f"{RUN}/whisper", 404, [7003, 7000]),
        ("GET", f"/client/v4/accounts/{ACCOUNT}/ai/nothing", 404, [7003, 7000]),
        ("GET", "/client/v4/user/tokens", 404, [7000]),
        ("GET", "/nothing", 404, [7000]),
        ("GET", f"{RUN}/{WHISPER}", 405, [7001]),
        ("DELETE", f"{RUN}/{WHISPER}", 405, [7001]),
        ("POST", f"/client/v4/accounts/{ACCOUNT}/ai/models/search", 405, [7001]),
    ],
)
def test_what_cloudflares_api_itself_refuses_has_no_result(server, method, path, status, codes):
    answer = ask(server, path, method=method)

    assert is_envelope(answer, success=False)
    assert answer.json["result"] is None
    assert (answer.status, [error["code"] for error in answer.json["errors"]]) == (status, codes)


def test_too_much_is_refused_before_it_is_sent():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, max_body=50_000)) as server:
        large = ask(server, f"{RUN}/{WHISPER}", clip(seconds=3))
        small = ask(server, f"{RUN}/{WHISPER}", clip(seconds=1))

    assert (large.status, large.code) == (413, 3006)
    assert small.status == 200


def test_audio_longer_than_allowed_is_too_large():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, max_seconds=2)) as server:
        answers = [ask(server, f"{RUN}/{WHISPER}", clip(seconds=3, kind=kind)) for kind in ("WAV", "FLAC", "MP3")]

    assert [(answer.status, answer.code) for answer in answers] == [(413, 3006)] * 3


class Broken:
    name = "broken"
    fingerprint: ClassVar[dict[str, Any]] = {}
    preferred = Preferences(batch_size=4)

    def __init__(self, error: Exception) -> None:
        self.error = error

    def transcribe(self, batch, *, languages):
        raise self.error


@pytest.mark.parametrize("error", [BackendError("secret path /home/me"), ZeroDivisionError("secret path /home/me")])
def test_a_model_that_fails_is_an_internal_error_without_details(error, caplog):
    with asrkit.serve.background(Settings(model=Broken(error), port=0)) as server:
        answer = ask(server, f"{RUN}/{WHISPER}", clip())

    assert (answer.status, answer.code) == (500, 3001)
    assert b"secret" not in answer.body


def test_an_option_that_the_model_refuses_is_a_wrong_input():
    with asrkit.serve.background(Settings(model=Broken(OptionError("no such language")), port=0)) as server:
        answer = ask(server, f"{RUN}/{WHISPER}", clip())

    assert (answer.status, answer.code) == (400, 5006)
    assert "no such language" in answer.message


# -- who may come in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer  {TOKEN}"},
        {"X-Auth-Email": "me@example.org", "X-Auth-Key": TOKEN},
        {"X-Auth-User-Service-Key": TOKEN},
    ],
)
def test_the_token_opens(guarded, headers):
    assert ask(guarded, f"{RUN}/{WHISPER}", clip(), headers).result["text"] == "come in"


@pytest.mark.parametrize(
    "headers, status, code",
    [
        ({}, 401, 10000),
        ({"Authorization": "Bearer wrong-token"}, 401, 10000),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401, 10000),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401, 10000),
        ({"X-Auth-Email": "me@example.org", "X-Auth-Key": "wrong"}, 401, 10000),
        ({"X-Auth-User-Service-Key": "wrong"}, 401, 10000),
        ({"Authorization": "Bearer "}, 400, 6003),
        ({"Authorization": "Bearer {API_TOKEN}"}, 400, 6003),
        ({"Authorization": "Basic abc"}, 400, 6003),
        ({"Authorization": TOKEN}, 400, 6003),
        ({"X-Auth-Key": TOKEN}, 400, 6003),
    ],
)
def test_everybody_else_is_refused(guarded, headers, status, code):
    answer = ask(guarded, f"{RUN}/{WHISPER}", clip(), headers)

    assert is_envelope(answer, success=False)
    assert (answer.status, answer.code, answer.json["result"]) == (status, code, None)
    assert TOKEN.encode() not in answer.body


@pytest.mark.parametrize("path", [f"{LISTS}/models/search", "/metrics", "/faults/log"])
def test_the_token_guards_the_rest_too(guarded, path):
    assert ask(guarded, path).status == 401


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/docs"])
def test_some_pages_are_open(guarded, path):
    assert ask(guarded, path).status == 200


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example:80"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "127.0.0.1.nip.io"}],
)
def test_without_a_token_no_page_of_elsewhere_may_ask(server, headers):
    answer = ask(server, f"{RUN}/{WHISPER}", clip(), headers)

    assert (answer.status, answer.code) == (403, 9109)


@pytest.mark.parametrize(
    "headers", [{"Host": "localhost:80"}, {"Host": "[::1]:80"}, {"Origin": "http://localhost:3000"}]
)
def test_without_a_token_this_machine_may_ask(server, headers):
    assert ask(server, f"{RUN}/{WHISPER}", clip(), headers).status == 200


def test_other_machines_need_a_token():
    with pytest.raises(OptionError, match=r"0\.0\.0\.0 can be reached from other machines, so a token is needed"):
        Settings(host="0.0.0.0")

    assert Settings(host="0.0.0.0", token=TOKEN).token == TOKEN


@pytest.mark.parametrize("token", ["", "short", "two words here", "umläute-im-token", "line\nbreak"])
def test_a_token_that_no_header_could_carry_is_refused(token):
    with pytest.raises(OptionError):
        Settings(token=token)


def test_the_token_is_in_no_repr_and_no_log(guarded, caplog):
    with caplog.at_level(logging.DEBUG):
        ask(guarded, f"{RUN}/{WHISPER}?token={TOKEN}", clip(), {"Authorization": f"Bearer {TOKEN}"})
        ask(guarded, f"/{TOKEN}", headers={"Authorization": f"Bearer {TOKEN}"})

    assert TOKEN not in repr(guarded.settings)
    assert caplog.records
    assert TOKEN not in caplog.text


# -- around it --------------------------------------------------------------------------------------------------


def test_the_log_says_one_line_of_json_for_a_request(server, caplog):
    with caplog.at_level(logging.INFO, "asrkit.serve.access"):
        ask(server, f"{RUN}/{WHISPER}", clip(seconds=2))
        settle(server)

    line = json.loads(caplog.records[-1].message)
    assert line["route"] == "run"
    assert (line["model"], line["status"], line["audio_seconds"]) == (WHISPER, 200, 2.0)
    assert "tone" not in caplog.text


def test_the_counters_count(server):
    ask(server, f"{RUN}/{WHISPER}", b"no sound")

    text = ask(server, "/metrics").body.decode()

    assert 'asrkit_requests_total{code="3010",model="@cf/openai/whisper",route="run",status="400"}' in text
    for name in ("asrkit_request_seconds_bucket", "asrkit_queue_depth 0.0", "asrkit_batch_size_bucket", "asrkit_rtfx"):
        assert name in text


def test_names_that_clients_make_up_are_not_counted_apart(server):
    for number in range(3):
        ask(server, f"{RUN}/@cf/made/up-{number}", clip())

    assert "up-1" not in ask(server, "/metrics").body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/../settings.py",
        "/static/../settings.py",
        "/..%2fsettings.py",
        "/static/%2e%2e/settings.py",
        "/static//etc/passwd",
        "//etc/passwd",
        "/static/",
        "/settings.py",
        "/%00",
    ],
)
def test_no_name_leads_out_of_the_folder_of_the_page(server, path):
    assert ask(server, path).status == 404


def test_the_page_is_served_if_it_is_there(server):
    from asrkit.serve.pages import STATIC

    answer = ask(server, "/")

    assert answer.status == (200 if (STATIC / "index.html").is_file() else 404)


def test_the_description_has_a_page_that_loads_nothing_from_elsewhere(server):
    page = ask(server, "/docs").body.decode()

    assert WHISPER in page
    assert "http://" not in page.replace("http://json-schema", "")
    assert "<script" not in page


def test_health_is_told(server):
    assert ask(server, "/healthz").json == {"status": "ok"}


def test_a_missing_package_is_named(monkeypatch):
    import sys

    for name in [name for name in sys.modules if name.startswith(("asrkit.serve.app", "starlette"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)

    with pytest.raises(
        MissingExtraError, match=r"starlette is not installed; run: pip install 'asrkit-pandas\[serve\]'"
    ):
        asrkit.serve.create_app(Settings(model="canned:hi"))


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"map": {"@cf/a/b": "canned:hi"}}, "@cf/a/b: no such model"),
        ({"faults": "thunder"}, "no fault 'thunder'"),
        ({"faults": "mix=2"}, "mix= between 0 and 1"),
        ({"faults": "mix=often"}, "not a number"),
        ({"faults": "slow:soon"}, "seconds after the colon"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, said):
    with pytest.raises(OptionError, match=said):
        asrkit.serve.create_app(Settings(model="canned:hi", **settings))


def test_a_model_that_is_not_there_is_said_before_anything_listens():
    from asrkit.errors import WeightsError

    with pytest.raises(WeightsError, match="no model 'nonsense'"):
        with asrkit.serve.background(Settings(model="nonsense", port=0)):
            pass


def test_a_port_in_use_is_said(server):
    with pytest.raises(OptionError, match="cannot listen on 127"):
        asrkit.serve.background(Settings(model="canned:hi", port=server.port))


def test_every_code_of_the_table_is_known_to_the_faults():
    from asrkit.serve.faults import NAMES

    assert {f"{code.status}-{code.code}" for code in CODES.values()} <= set(NAMES)
