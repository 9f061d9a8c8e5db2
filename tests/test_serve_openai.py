"""OpenAI's dialect, asked by hand and by OpenAI's own client."""

import contextlib
import io
import json
import logging
from urllib.parse import quote

import pytest
from test_serve import TOKEN, TURBO, WHISPER, Timed, ask, clip, pitch_of, settle

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


@pytest.mark.parametrize(
    "model",
    [
        "whisper-1",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe-diarize",
        "canned",
        WHISPER,
        TURBO,
    ],
)
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


# -- forms as clients send them ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        # the AI SDK, for gpt-4o-transcribe
        {"model": "gpt-4o-transcribe", "response_format": "json", "timestamp_granularities[]": "segment"},
        {"response_format": "text", "timestamp_granularities[]": ["word", "segment"]},
        {"response_format": "srt", "timestamp_granularities": "word"},
        {"include[]": "logprobs"},
        {"chunking_strategy": "auto"},
        {"chunking_strategy": '{"type": "server_vad"}'},
        {"known_speaker_names[]": ["Anne", "Diana"], "known_speaker_references[]": "data:audio/wav;," + "A" * 400_000},
        {"temperature": "0"},
        {"temperature": "0.2"},
        {"temperature": "1e-1"},
        {"temperature": ""},
        {"language": "en"},
        {"language": "en-US"},
        {"language": "German"},
        {"language": "auto"},
        {"language": ""},
        {"stream": "false"},
        {"user": "me", "metadata": "{}", "tomorrow": "something new", "": "no name"},
        {"prompt": "x" * 99_000},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_has_no_effect_is_ignored(server, fields):
    answer = transcribe(server, **fields)

    assert answer.status == 200, answer.body
    assert b"tone of 440" in answer.body


@pytest.mark.parametrize("style", ["json", "text"])
def test_a_stream_of_events_ends_with_the_whole_text(timed, style):
    answer = transcribe(timed, model="gpt-4o-transcribe", stream="true", response_format=style)

    events = [json.loads(line.removeprefix("data: ")) for line in answer.body.decode().split("\n\n") if line]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "".join(event["delta"] for event in events[:-1]) == events[-1]["text"] == "Good day"
    assert {event["type"] for event in events[:-1]} == {"transcript.text.delta"}
    assert events[-1]["type"] == "transcript.text.done"
    assert events[-1]["usage"] == {"type": "duration", "seconds": 1}


def test_whisper_1_streams_nothing_as_at_openai(timed):
    assert transcribe(timed, model="whisper-1", stream="true").json["text"] == "Good day"


def test_openais_client_reads_the_stream(timed):
    openai = pytest.importorskip("openai")
    with contextlib.closing(openai.OpenAI(api_key="any", base_url=f"{timed.url}/v1", max_retries=0)) as client:
        file = ("a.wav", clip(seconds=2))
        events = list(client.audio.transcriptions.create(model="gpt-4o-transcribe", file=file, stream=True))

    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.done"]
    assert events[-1].text == "Good day"


@pytest.mark.parametrize("field", ["model", "prompt", "language", "response_format", "temperature"])
def test_a_field_that_is_no_text_at_all_is_refused(server, field):
    answer = transcribe(server, **{field: "x" * 200_000})

    assert answer.status == 400
    assert answer.json["error"]["param"] == field
    assert len(answer.body) < 2_000


NAMES = [
    "org/model name",
    "модель-语音",
    'quotes " and \\ backslashes',
    "two\nlines",
    "a{b}c",
    "100%",
    "question?mark#hash",
    "../up",
    "<b>bold</b>",
    "k\udcfcche",
    "-",
    "x" * 900,
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_model_may_have_any_name(name, caplog):
    backend = Canned(pitch_of, name=name)
    with (
        caplog.at_level(logging.INFO, "asrkit.serve.access"),
        asrkit.serve.background(Settings(model=backend, port=0)) as server,
    ):
        listed = [model["id"] for model in ask(server, "/v1/models").json["data"]]
        [own] = set(server.service.catalogue.table.values())
        shown = ask(server, f"/v1/models/{quote(own, safe='')}").json
        heard = transcribe(server, model=own).json
        settle(server)
        counters = ask(server, "/metrics")
        pages = [ask(server, path).status for path in ("/docs", "/openapi.json", "/healthz")]

    assert own in listed
    assert shown["id"] == own
    assert heard["text"] == "tone of 440"
    assert counters.status == 200
    assert pages == [200, 200, 200]
    assert any(
        json.loads(record.message)["model"] == own for record in caplog.records if "transcriptions" in record.message
    )


@pytest.mark.parametrize(
    "name", ["whisper-9", "gpt-4o", "gpt-4o-transcribe-2025", "тест", "a/b c", "x" * 5_000, "../x"], ids=ascii
)
def test_a_model_that_is_not_served_is_404_and_is_not_counted_by_name(server, name):
    answer = transcribe(server, model=name)

    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
    assert len(answer.body) < 2_000
    assert f'model="{name}"' not in ask(server, "/metrics").body.decode()


def test_a_served_name_of_openai_is_counted_under_a_short_list(server):
    for day in ("2025-01-01", "2025-01-02"):
        assert transcribe(server, model=f"gpt-4o-transcribe-{day}").status == 200

    counters = ask(server, "/metrics").body.decode()
    assert "2025-01" not in counters
    assert 'model="openai"' in counters
