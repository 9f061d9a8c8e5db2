"""What Workers AI is asked for beside the text, how that is paid, and what becomes of the answer."""

from __future__ import annotations

import json
import warnings
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import httpx2
import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit
from asrkit.cloudflare import prices
from asrkit.cloudflare.answers import transcript_of
from asrkit.cloudflare.models import MODELS, check_options, model_of, schema
from asrkit.cloudflare.prices import price_of, warn_if_old
from asrkit.errors import DecodeError, OptionError, QuotaError
from asrkit.transcript import Segment, Transcript, Word, join
from asrkit.upload import Upload, uploads

NOVA, TURBO, WHISPER = "@cf/deepgram/nova-3", "@cf/openai/whisper-large-v3-turbo", "@cf/openai/whisper"
NEMOTRON = "@cf/nvidia/nemotron-speech-streaming-en-0.6b"
LISTS = ("keyterm", "keywords", "redact", "replace", "search", "custom_topic", "custom_intent")
ACCOUNT = "0123456789abcdef" * 2


def tone(seconds: float = 0.2, channels: int = 1, rate: int = 16_000) -> tuple[np.ndarray, int]:
    """A tone in each channel, each of its own loudness."""
    wave = np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    samples = np.stack([wave * 0.1 * (number + 1) for number in range(channels)], axis=1).astype(np.float32)
    return (samples[:, 0] if channels == 1 else samples), rate


def file_of(seconds: float = 0.2, channels: int = 1) -> bytes:
    samples, rate = tone(seconds, channels)
    file = BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def word(text: str, start: float, **more: Any) -> dict[str, Any]:
    told = {"word": text.strip(".,?").lower(), "punctuated_word": text, "start": start, "end": start + 0.1}
    return {**told, "confidence": 0.9, **more}


def answer(*channels: list[dict[str, Any]], **results: Any) -> dict[str, Any]:
    heard = [
        {"alternatives": [{"transcript": " ".join(w["punctuated_word"] for w in own), "confidence": 0.9, "words": own}]}
        for own in channels
    ]
    return {"results": {"channels": heard, **results}}


class Service:
    """Answers the same to every request, and keeps the requests."""

    def __init__(self, told: dict[str, Any] | httpx2.Response | None = None) -> None:
        self.told = {"text": "hi", **answer([word("hi", 0.0)])} if told is None else told
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.requests.append(request)
        if isinstance(self.told, httpx2.Response):
            return httpx2.Response(self.told.status_code, content=self.told.content, headers=self.told.headers)
        return httpx2.Response(200, json={"result": self.told, "success": True, "errors": [], "messages": []})

    def backend(self, model: str = NOVA, **options: Any) -> asrkit.WorkersAI:
        given = {"account_id": ACCOUNT, "api_token": "token", "per_minute": None, **options}
        return asrkit.WorkersAI(model, transport=httpx2.MockTransport(self), **given)


def heard_by(backend: asrkit.WorkersAI, *cells: object, **options: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"audio": list(cells) or [tone()]})
    return frame.asr.transcribe(
        "audio", model=backend, **{"progress": False, "details": True, "journal": False, **options}
    )


def asked(service: Service) -> list[tuple[str, str]]:
    return sorted(service.requests[-1].url.params.multi_items())


class TestTheLanguage:
    def test_nova_is_asked_to_find_it_out_where_none_is_told(self):
        heard_by((service := Service()).backend())

        assert asked(service) == [("detect_language", "true")]

    def test_nova_is_told_a_language_alone(self):
        heard_by((service := Service()).backend(language="de"))
        assert asked(service) == [("language", "de")]

        heard_by((service := Service()).backend(), language="fr")
        assert asked(service) == [("language", "fr")]

    @pytest.mark.parametrize("given, sent", [("German", "de"), ("multi", "multi"), ("en-US", "en-US"), ("taq", "taq")])
    def test_a_name_becomes_the_code_that_nova_takes(self, given, sent):
        heard_by((service := Service()).backend(language=given))

        assert asked(service) == [("language", sent)]

    def test_a_language_that_is_none_is_refused_before_anything_is_sent(self):
        with pytest.raises(OptionError, match="unknown language 'Klingonish'"):
            Service().backend(language="Klingonish")

    def test_who_asks_not_to_find_it_out_is_obeyed(self):
        heard_by((service := Service()).backend(detect_language=False))

        assert asked(service) == [("detect_language", "false")]

    def test_each_row_is_asked_as_its_language_says(self):
        service = Service()
        frame = pd.DataFrame({"audio": [tone(0.3), tone(0.2)], "language": ["de", None]})

        frame.asr.transcribe("audio", model=service.backend(at_once=1), language="language", progress=False)

        assert {str(request.url.params) for request in service.requests} == {"language=de", "detect_language=true"}

    def test_it_is_in_the_fingerprint_of_nova_alone(self):
        backend = Service().backend

        assert backend().fingerprint["options"] == {"detect_language": True}
        assert backend(language="de").fingerprint["options"] == {}
        assert backend(detect_language=False).fingerprint["options"] == {"detect_language": False}
        assert backend(TURBO).fingerprint["options"] == {}
        assert (backend().fingerprint["version"], backend(TURBO).fingerprint["version"]) == (2, 1)


class TestOptions:
    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize("given", [["Ærø & Fünen", "b=c"], ("Ærø & Fünen", "b=c")])
    def test_a_list_is_a_parameter_for_each_of_its_items(self, name, given):
        heard_by((service := Service()).backend(language="en", **{name: given}))

        assert asked(service) == sorted([("language", "en"), (name, "Ærø & Fünen"), (name, "b=c")])

    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize("given", [[1], ["a", None], 3, {"a": 1}, [["a"]]])
    def test_items_that_are_no_text_are_refused(self, name, given):
        with pytest.raises(OptionError, match=f"{name} is a string or a list of strings, got"):
            Service().backend(**{name: given})

    @pytest.mark.parametrize("model", [*MODELS, NEMOTRON])
    def test_every_documented_option_is_sent_as_documented_or_refused_by_name(self, model):
        told = schema(model_of(model).schema, "input")
        properties: dict[str, Any] = {}
        for form in told.get("oneOf", [told]):
            properties |= form.get("properties", {})
        values = {"string": "value", "boolean": True, "integer": 3, "number": 0.5}
        for name in properties.keys() - {"audio"}:
            value = "de" if name == "language" else properties[name].get("enum", [values[properties[name]["type"]]])[0]
            service = Service()
            try:
                backend = service.backend(model, **{name: value})
            except OptionError as error:
                assert f"{name!r}" in str(error)  # noqa: PT017 - either one or the other
                assert name in model_of(model).refused
                continue
            heard_by(backend)
            [request] = service.requests
            sent = dict(request.url.params) if model == NOVA else json.loads(request.content)
            assert sent[name] == (str(value).lower() if model == NOVA and value is True else str(value)) or (
                model != NOVA and sent[name] == value
            )

    @pytest.mark.parametrize("name, why", [("encoding", "without headers"), ("vad_events", "over a WebSocket")])
    def test_what_nova_takes_from_others_alone_is_refused_with_the_reason(self, name, why):
        with pytest.raises(OptionError, match=f"no option '{name}' here: it is for .*{why}"):
            check_options(MODELS[NOVA], {name: "linear16"})


class TestNemotron:
    def test_it_gets_base64_and_is_told_which_container_it_is(self):
        heard_by((service := Service()).backend(NEMOTRON), file_of())

        body = json.loads(service.requests[0].content)
        assert body.keys() == {"audio", "encoding"}
        assert body["encoding"] == "wav"

    def test_other_containers_are_sent_as_flac(self, tmp_path):
        samples, rate = tone()
        soundfile.write(tmp_path / "a.mp3", samples, rate)

        heard_by((service := Service()).backend(NEMOTRON), tmp_path / "a.mp3")

        assert json.loads(service.requests[0].content)["encoding"] == "flac"

    def test_it_takes_no_language_and_its_price_is_unknown(self):
        with pytest.raises(OptionError, match="takes no language"):
            Service().backend(NEMOTRON, language="de")
        with pytest.raises(OptionError, match="no price is published"):
            Service().backend(NEMOTRON, max_cost=1.0)

    def test_its_answer_is_a_text_whose_length_is_checked(self):
        model = model_of(NEMOTRON)

        assert transcript_of(model, {"text": " hi ", "duration": 9.9}, 10.0).flags == ()
        assert transcript_of(model, {"text": "hi", "duration": 3.0}, 10.0).flags == ("truncated",)


class TestVoices:
    two = answer(
        [word("Good", 0.0, speaker=0), word("day.", 0.2, speaker=0), word("Bye.", 3.0, speaker=1)],
        [word("Hello.", 1.0, speaker=0)],
    )

    def test_words_and_segments_have_speaker_and_channel(self):
        heard = transcript_of(MODELS[NOVA], self.two, 5.0)

        assert [(s.text, s.channel, s.speaker) for s in heard.segments] == [
            ("Good day.", 0, "0"),
            ("Hello.", 1, "0"),
            ("Bye.", 0, "1"),
        ]
        assert [(w.channel, w.speaker) for w in heard.words] == [(0, "0"), (0, "0"), (1, "0"), (0, "1")]
        assert "[Channel 0] Speaker 0: Good day." in heard.to_srt()
        assert "<v Channel 1, Speaker 0>Hello." in heard.to_vtt()

    def test_a_segment_ends_where_another_speaks(self):
        told = answer([word("so", 0.0, speaker=0), word("yes", 0.1, speaker=1), word("no", 0.2, speaker=1)])

        heard = transcript_of(MODELS[NOVA], told, 1.0)

        assert [(s.text, s.speaker, s.channel) for s in heard.segments] == [("so", "0", None), ("yes no", "1", None)]

    def test_utterances_are_the_segments_where_they_come(self):
        words = [word("Good", 0.0, speaker=1), word("day.", 0.2, speaker=1)]
        told = answer(words, utterances=[{"start": 0.0, "end": 0.3, "channel": 0, "transcript": "Good day.",
                                          "words": words, "speaker": 1, "id": "x", "confidence": 0.9}])  # fmt: skip

        [segment] = transcript_of(MODELS[NOVA], told, 1.0).segments

        assert (segment.text, segment.speaker, len(segment.words)) == ("Good day.", "1", 2)

    @pytest.mark.parametrize("odd", [True, None, "", [], {}, 1.5])
    def test_a_speaker_that_is_none_is_unknown(self, odd):
        assert transcript_of(MODELS[NOVA], answer([word("hi", 0.0, speaker=odd)]), 1.0).words[0].speaker is None

    def test_the_frame_has_them_in_its_segments(self):
        heard = heard_by(Service(self.two).backend(multichannel=True, diarize=True), file_of(5.0, 2))

        [segments] = heard.hypothesis_segments
        assert [(segment["channel"], segment["speaker"]) for segment in segments] == [(0, "0"), (1, "0"), (0, "1")]
        assert segments[0]["words"][0]["speaker"] == "0"

    def test_numbers_of_several_parts_are_not_taken_for_one_person(self):
        parts = [Transcript("a", segments=(Segment("a", 0, 1, (Word("a", 0, 1, speaker="0"),), speaker="0"),))] * 2

        whole = join(parts, [0.0, 60.0], 120.0)

        assert [segment.speaker for segment in whole.segments] == ["0 (part 1)", "0 (part 2)"]
        assert [w.speaker for w in whole.words] == ["0 (part 1)", "0 (part 2)"]
        assert join(parts[:1], [0.0], 60.0).segments[0].speaker == "0"


ASKED_FOR: dict[str, Any] = {
    "summary": {"result": "success", "short": "A talk."},
    "topics": {"segments": [{"text": "x", "topics": [{"topic": "Weather", "confidence_score": 0.5}]}]},
    "intents": {"segments": [{"text": "x", "intents": []}]},
    "sentiments": {"average": {"sentiment": "positive", "sentiment_score": 0.4}},
    "something_new": [1, 2],
}


class TestFurtherAnswers:
    def test_what_was_asked_beside_the_text_is_kept_as_json(self):
        told = answer([word("hi", 0.0, sentiment="positive"), word("you", 0.5)], **ASKED_FOR)
        channel = told["results"]["channels"][0]
        channel["search"] = [{"query": "hi", "hits": [{"confidence": 1.0, "start": 0.0, "end": 0.1, "snippet": "hi"}]}]
        channel["alternatives"][0]["entities"] = [{"label": "NAME", "value": "Hi"}]

        [kept] = heard_by(Service(told).backend(topics=True)).hypothesis_answer

        results = json.loads(kept)["results"]
        [rest] = results.pop("channels")
        assert results == ASKED_FOR
        assert rest["search"] == channel["search"]
        assert rest["alternatives"][0] == {
            "entities": [{"label": "NAME", "value": "Hi"}],
            "words": [{"start": 0.0, "end": 0.1, "sentiment": "positive"}],
        }

    def test_a_plain_answer_leaves_nothing(self):
        heard = heard_by(Service(answer([word("hi", 0.0)])).backend(), tone(), b"no sound")

        assert heard.hypothesis_answer.isna().tolist() == [True, True]

    def test_models_that_tell_no_more_have_no_column(self):
        assert "hypothesis_answer" not in heard_by(Service({"text": "hi"}).backend(WHISPER)).columns

    def test_a_later_text_takes_the_answer_of_an_earlier_one_away(self):
        first = heard_by(Service(answer([word("hi", 0.0)], **ASKED_FOR)).backend())

        again = first.asr.transcribe(
            "audio", model=Service({"text": "ho"}).backend(WHISPER), progress=False, overwrite=True
        )

        assert "hypothesis_answer" not in again.columns

    def test_the_journal_keeps_it(self, tmp_path):
        service = Service(answer([word("hi", 0.0)], **ASKED_FOR))

        first = heard_by(service.backend(), journal=tmp_path / "j.sqlite")
        again = heard_by(service.backend(), journal=tmp_path / "j.sqlite")

        assert len(service.requests) == 1
        assert json.loads(again.hypothesis_answer[0])["results"] == ASKED_FOR
        assert again.hypothesis_answer[0] == first.hypothesis_answer[0]

    def test_of_a_recording_in_parts_each_says_where_it_begins(self):
        service = Service(answer([word("hi", 0.0)], **ASKED_FOR))

        [kept] = heard_by(service.backend(longest=2.0), tone(5.0)).hypothesis_answer

        parts = json.loads(kept)["parts"]
        assert len(parts) == len(service.requests) > 1
        assert parts[0]["start"] == 0.0
        assert all(part["results"] == ASKED_FOR for part in parts)
        assert [part["start"] for part in parts] == sorted(part["start"] for part in parts)

    def test_tables_of_shards_have_the_column(self, tmp_path):
        from asrkit.scale.job import Job
        from asrkit.scale.shard import _columns

        job = Job(audio="audio", out=str(tmp_path), model=NOVA, details=True)

        assert "hypothesis_answer" in _columns(job, is_paid=True, answers=True)
        assert "hypothesis_answer" not in _columns(job, is_paid=True, answers=False)


class TestChannelsArePaid:
    minute = price_of(NOVA).dollars(60.0)

    def test_each_for_all_of_its_seconds(self):
        backend = Service().backend(multichannel=True)

        heard = heard_by(backend, file_of(0.5, 2), file_of(0.5, 1))

        assert heard.hypothesis_cost.tolist() == pytest.approx([2 * self.minute / 120, self.minute / 120])

    def test_without_multichannel_a_recording_is_paid_once(self):
        assert heard_by(Service().backend(), file_of(0.5, 2)).hypothesis_cost[0] == pytest.approx(self.minute / 120)

    def test_they_count_against_the_cap_before_anything_is_sent(self):
        service = Service()

        heard = heard_by(service.backend(multichannel=True, max_cost=1.5 * self.minute / 120), file_of(0.5, 2))

        assert service.requests == []
        assert heard.hypothesis_error[0].startswith("max-cost")

    @pytest.mark.parametrize("cell", [file_of(0.5, 2), tone(0.5, 2)])
    def test_the_estimate_counts_them_too(self, cell):
        told = asrkit.estimate([cell], model=NOVA, multichannel=True, progress=False)

        assert told.dollars == pytest.approx(2 * self.minute / 120)
        assert "each channel is heard and paid by itself" in str(told)
        assert asrkit.estimate([cell], model=NOVA, progress=False).dollars == pytest.approx(self.minute / 120)
        backend = Service().backend(multichannel=True)
        assert asrkit.estimate([cell], model=backend, progress=False).dollars == pytest.approx(2 * self.minute / 120)

    @pytest.mark.parametrize("cell", [tone(0.5, 3), file_of(5.0, 3)])
    def test_what_cannot_go_as_it_is_keeps_its_channels(self, cell):
        service = Service()

        heard_by(service.backend(multichannel=True, longest=2.0), cell)

        assert service.requests
        for request in service.requests:
            samples, rate = soundfile.read(BytesIO(request.content))
            assert (samples.shape[1], rate) == (3, 16_000)
            assert np.abs(samples).max(axis=0) == pytest.approx([0.1, 0.2, 0.3], abs=0.01)

    def test_parts_that_are_too_large_are_cut_and_keep_their_place(self):
        samples = np.random.default_rng(0).uniform(-0.5, 0.5, (16_000 * 6, 2)).astype(np.float32)
        samples[:, 1] = np.linspace(0, 0.5, len(samples))

        cut = list(
            uploads(asrkit.source.locate((samples, 16_000)), Upload(frozenset(), 70_000, keeps_channels=True), 4.0)
        )

        assert len(cut) > 2
        assert all(len(window.audio.data) <= 70_000 for window in cut)
        for window in cut:
            first = soundfile.read(BytesIO(window.audio.data))[0][0, 1]
            assert first == pytest.approx(0.5 * window.start / 6.0, abs=0.001)

    def test_more_channels_than_a_request_holds_are_an_error_with_a_way_out(self):
        heard = heard_by(Service().backend(multichannel=True), tone(0.2, 9))

        assert heard.hypothesis_error[0].startswith("too-many-channels")
        assert "channel=" in heard.hypothesis_error[0]

    def test_one_channel_that_is_named_is_sent_and_paid_alone(self):
        service = Service()

        heard = heard_by(service.backend(multichannel=True), file_of(0.5, 2), channel=1)

        assert soundfile.info(BytesIO(service.requests[0].content)).channels == 1
        assert heard.hypothesis_cost[0] == pytest.approx(self.minute / 120)


class TestGateway:
    @pytest.mark.parametrize(
        "body",
        [
            {"success": False, "error": [{"code": 2041, "message": "Spend limit exceeded"}], "internalCode": 2041},
            {"success": False, "error": {"code": 2041, "message": "no"}},
            {"success": False, "errors": [{"code": 9999, "message": "Spending limit reached for this gateway"}]},
            {"success": False, "errors": [{"message": "budget exceeded"}]},
            "Your spend limit is reached",
        ],
        ids=range(5),
    )
    def test_a_spend_limit_stops_the_run_with_what_was_done(self, body):
        content = body if isinstance(body, str) else json.dumps(body)
        spent = httpx2.Response(429, content=content, headers={"retry-after": "7260"})
        service = Service()

        def respond(request: httpx2.Request) -> httpx2.Response:
            response = service(request)
            if len(service.requests) == 2:
                service.told = spent
            return response

        backend = service.backend(gateway="mine", at_once=1)
        backend._transport = httpx2.MockTransport(respond)
        with pytest.raises(
            QuotaError, match=r"spend limit of the AI Gateway is reached: raise it.* in 2 h 01 min"
        ) as caught:
            heard_by(backend, *(tone(0.1 + 0.01 * number) for number in range(20)))

        assert len(service.requests) == 3
        assert caught.value.partial.hypothesis.notna().sum() == 2

    def test_no_attempts_are_made_that_are_not_counted_here(self):
        heard_by((service := Service()).backend(gateway="mine"))

        assert service.requests[0].headers["cf-aig-max-attempts"] == "1"

    def test_its_token_comes_from_the_environment(self, monkeypatch):
        monkeypatch.setenv("CF_AIG_TOKEN", " from-environment ")

        heard_by((service := Service()).backend(gateway="mine"))
        heard_by((given := Service()).backend(gateway="mine", gateway_token="given"), tone(0.3))
        heard_by((direct := Service()).backend(), tone(0.4))

        assert service.requests[0].headers["cf-aig-authorization"] == "Bearer from-environment"
        assert given.requests[0].headers["cf-aig-authorization"] == "Bearer given"
        assert not [name for name in direct.requests[0].headers if name.startswith("cf-aig")]


class TestOldPrices:
    as_of = date.fromisoformat(prices.AS_OF)

    @pytest.fixture(autouse=True)
    def a_new_process(self, monkeypatch):
        monkeypatch.setattr(prices, "_warned", set())

    def test_are_warned_of_once_after_ninety_days(self):
        warn_if_old(price_of(NOVA), self.as_of + timedelta(days=90))
        with pytest.warns(UserWarning, match=f"91 days old .{prices.AS_OF}"):
            warn_if_old(price_of(NOVA), self.as_of + timedelta(days=91))
        warn_if_old(price_of(WHISPER), self.as_of + timedelta(days=400))

    def test_are_not_spoken_of_where_nothing_is_paid_or_no_price_is_known(self):
        warn_if_old(None, self.as_of + timedelta(days=400))
        warn_if_old(price_of(NEMOTRON), self.as_of + timedelta(days=400))

    @pytest.mark.parametrize(
        "spend",
        [
            lambda: heard_by(Service().backend()),
            lambda: asrkit.estimate([tone()], model=NOVA, progress=False),
            lambda: asrkit.plan(10, model=NOVA),
        ],
        ids=["run", "estimate", "plan"],
    )
    def test_are_looked_at_where_money_is_spent_or_estimated(self, spend, monkeypatch):
        monkeypatch.setattr(prices, "OLD_DAYS", -(10**6))

        with pytest.warns(UserWarning, match="prices of Workers AI are"):
            spend()

    def test_are_not_looked_at_by_who_only_makes_a_backend(self, monkeypatch):
        monkeypatch.setattr(prices, "OLD_DAYS", -(10**6))

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Service().backend()
            asrkit.estimate([tone()], model="openai/whisper-tiny.en", progress=False)


def test_a_flac_file_that_cannot_hold_the_channels_is_an_error_of_the_row():
    with pytest.raises(DecodeError, match="12 channels, and a request holds 8"):
        list(uploads(asrkit.source.locate(tone(0.2, 12)), Upload(frozenset(), 10**6, keeps_channels=True), 60.0))


def test_the_shells_estimate_counts_the_channels_that_an_option_asks_for(tmp_path, capsys):
    from asrkit.cli import main

    (tmp_path / "call.wav").write_bytes(file_of(60.0, 2))
    given = ["transcribe", str(tmp_path / "call.wav"), "--model", NOVA, "--dry-run", "-q"]

    assert main([*given, "--option", "multichannel=true"]) == 0
    assert "2.0 min" in capsys.readouterr().out
    assert main([*given, "--option", "multichanel=true"]) == 2
    assert "did you mean 'multichannel'" in capsys.readouterr().err


def test_a_stretch_of_a_recording_keeps_its_channels_and_its_place():
    samples = np.stack([np.zeros(96_000), np.linspace(0, 0.6, 96_000)], axis=1).astype(np.float32)
    source = asrkit.source.locate((samples, 16_000))

    [window] = uploads(source, Upload(frozenset(), 10**6, keeps_channels=True), 60.0, start=2.0, end=4.0)

    sent = soundfile.read(BytesIO(window.audio.data))[0]
    assert (window.start, window.audio.channels, window.audio.duration) == (0.0, 2, 2.0)
    assert sent[[0, -1], 1] == pytest.approx([0.2, 0.4], abs=0.001)
