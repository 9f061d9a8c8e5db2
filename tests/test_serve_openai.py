"""OpenAI's dialect, asked by hand and by OpenAI's own client."""

import contextlib
import io

import pytest
from test_serve import TOKEN, TURBO, WHISPER, Timed, ask, clip, pitch_of

import asrkit.serve
from asrkit import Canned, Word
from asrkit.serve import Settings

TRANSCRIPTIONS = "/v1/audio/transcriptions"
BOUNDARY = "-----------------------------735323031399963166993862150"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def form(file=None, **fields) -> bytes:
    body = io.BytesIO()
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            body.write(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    if file is not None:
        body.write(f"--{BOUNDARY}\r\n".encode())
        body.write(b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n')
        body.write(file + b"\r\n")
    body.write(f"--{BOUNDARY}--\r\n".encode())
    return body.getvalue()


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def timed():
    words = Word("Good", 0.5, 1.0), Word("day", 1.25, 1.5)
    with asrkit.serve.background(Settings(model=Timed(*words), port=0)) as running:
        yield running


def transcribe(server, file=None, **fields):
    return ask(server, TRANSCRIPTIONS, form(clip() if file is None else file, **{"model": "whisper-1", **fields}), FORM)


@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe", "canned", WHISPER, TURBO])
def test_the_models_names_of_both_worlds_are_known(server, model):
    assert transcribe(server, model=model).json["text"] == "tone of 440"


@pytest.mark.parametrize(
    "style, media_type, said",
    [
        ("json", "application/json", '{"text":"Good day","usage":{"type":"duration","seconds":3}}'),
        ("text", "text/plain; charset=utf-8", "Good day\n"),
        ("srt", "text/plain; charset=utf-8", "1\n00:00:00,500 --> 00:00:01,500\nGood day\n"),
        ("vtt", "text/plain; charset=utf-8", "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nGood day\n"),
    ],
)
def test_the_answer_comes_as_it_was_asked_for(timed, style, media_type, said):
    answer = transcribe(timed, clip(seconds=2.5), response_format=style)

    assert (answer.status, answer.headers["content-type"]) == (200, media_type)
    assert answer.body.decode() == said


def test_the_long_answer_has_segments_unless_only_words_are_wanted(timed):
    plain = transcribe(timed, response_format="verbose_json", language="en").json
    words = transcribe(timed, response_format="verbose_json", **{"timestamp_granularities[]": "word"}).json
    both = transcribe(timed, response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]}).json

    assert (plain["task"], plain["language"], plain["duration"]) == ("transcribe", "english", 1.0)
    assert "words" not in plain
    assert plain["segments"][0]["text"] == "Good day"
    assert "segments" not in words
    assert words["words"] == [{"word": "Good", "start": 0.5, "end": 1.0}, {"word": "day", "start": 1.0, "end": 1.0}]
    assert {"words", "segments"} <= set(both)


def test_a_translation_is_english(server):
    fields = form(clip(), model="whisper-1", response_format="verbose_json")

    answer = ask(server, "/v1/audio/translations", fields, FORM).json

    assert (answer["task"], answer["language"], answer["text"]) == ("translate", "english", "tone of 440")


def test_a_file_of_many_parts_of_the_boundary_stays_whole(server):
    data = clip(seconds=2) + f"\r\n--{BOUNDARY[:-3]}\r\n-".encode() * 50

    assert transcribe(server, data).json["text"] == "tone of 440"


@pytest.mark.parametrize(
    "body, headers, status, param, said",
    [
        (b"", FORM, 400, None, "form"),
        (clip(), {"Content-Type": "audio/wav"}, 400, None, "expected a form"),
        (form(clip(), model="whisper-1"), {"Content-Type": "multipart/form-data"}, 400, None, "boundary"),
        (form(clip(), model="whisper-1")[:-10], FORM, 400, None, "end"),
        (b"nonsense", FORM, 400, None, "cannot be read"),
        (form(model="whisper-1"), FORM, 400, "file", "must provide a file"),
        (form(clip()), FORM, 400, "model", "model"),
        (form(b"", model="whisper-1"), FORM, 400, "file", "Invalid file format"),
        (form(b"no sound", model="whisper-1"), FORM, 400, "file", "Invalid file format"),
        (form(clip(), model="whisper-9"), FORM, 404, "model", "`whisper-9` does not exist"),
        (form(clip(), model="whisper-1", response_format="poem"), FORM, 400, "response_format", "'poem'"),
        (form(clip(), model="whisper-1", temperature="hot"), FORM, 400, "temperature", "between 0 and 1"),
        (form(clip(), model="whisper-1", temperature="7"), FORM, 400, "temperature", "between 0 and 1"),
        (
            form(clip(), model="whisper-1", response_format="verbose_json", **{"timestamp_granularities[]": "day"}),
            FORM,
            400,
            "timestamp_granularities",
            "'day'",
        ),
        (form(clip(), model="whisper-1", more=["x"] * 101), FORM, 400, None, "100 parts"),
        (form(clip(), model="whisper-1", prompt="x" * 100_001), FORM, 400, "prompt", "100000 bytes"),
    ],
)
def test_what_is_wrong_is_said_in_openais_way(server, body, headers, status, param, said):
    answer = ask(server, TRANSCRIPTIONS, body, headers, method="POST")

    assert answer.status == status
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert said in error["message"]


def test_too_large_a_file_is_413():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, max_body=10_000)) as server:
        assert transcribe(server).status == 413


@pytest.mark.parametrize(
    "headers, code",
    [({}, None), ({"Authorization": "Bearer sk-wrong"}, "invalid_api_key"), ({"Authorization": TOKEN}, None)],
)
@pytest.mark.parametrize("path", [TRANSCRIPTIONS, "/v1/audio/translations", "/v1/models", "/v1/models/whisper-1"])
def test_a_token_is_needed_where_there_is_one(headers, code, path):
    with asrkit.serve.background(Settings(model="canned:hi", port=0, token=TOKEN)) as server:
        answer = ask(server, path, b"x" if "audio" in path else None, headers)

    assert (answer.status, answer.json["error"]["code"]) == (401, code)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files/7", "/v1/models/gpt-9"])
def test_what_is_not_here_is_404_in_openais_words(server, path):
    answer = ask(server, path)

    assert answer.status == 404
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_the_models_are_listed(server):
    listed = ask(server, "/v1/models").json

    assert listed["object"] == "list"
    assert {"whisper-1", WHISPER} <= {model["id"] for model in listed["data"]}
    assert ask(server, f"/v1/models/{WHISPER}").json["id"] == WHISPER


def test_openais_client_works(timed):
    openai = pytest.importorskip("openai")
    with contextlib.closing(openai.OpenAI(api_key="any", base_url=f"{timed.url}/v1", max_retries=0)) as client:
        file = ("a.wav", clip(seconds=2))
        text = client.audio.transcriptions.create(model="whisper-1", file=file).text
        captions = client.audio.transcriptions.create(model="whisper-1", file=file, response_format="vtt")
        whole = client.audio.transcriptions.create(
            model="whisper-1", file=file, response_format="verbose_json", timestamp_granularities=["word"]
        )
        names = [model.id for model in client.models.list()]
        with pytest.raises(openai.BadRequestError, match="Invalid file format"):
            client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound"))

    assert text == "Good day"
    assert captions.startswith("WEBVTT")
    assert [word.word for word in whole.words] == ["Good", "day"]
    assert "whisper-1" in names
