"""The client of Workers AI against services that are made here: what it sends, and what it makes of all they do."""

from __future__ import annotations

import base64
import json
import logging
import random
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import jsonschema
import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit
from asrkit import batch
from asrkit.backends import traffic, workers_ai
from asrkit.cloudflare.codes import CODES, Then
from asrkit.cloudflare.models import MODELS, schema
from asrkit.cloudflare.prices import price_of
from asrkit.errors import (
    AsrkitError,
    BackendError,
    CredentialsError,
    DecodeError,
    Interrupted,
    OptionError,
    QuotaError,
    RateLimitError,
    RefusedError,
    UnavailableError,
)

WHISPER, TINY, TURBO, NOVA = MODELS
NEW = "@cf/someone/listens-well"
ACCOUNT = "0123456789abcdef" * 2
ELEVEN = {
    "task": "translate",
    "language": "de",
    "vad_filter": True,
    "initial_prompt": "Namen: Anna",
    "prefix": "So",
    "beam_size": 3,
    "condition_on_previous_text": False,
    "no_speech_threshold": 0.5,
    "compression_ratio_threshold": 2,
    "log_prob_threshold": -0.8,
    "hallucination_silence_threshold": 1.5,
}
PATIENCE = 10.0  # seconds after which a run that should take one is stuck

Answer = Callable[[int, httpx2.Request], httpx2.Response]


def clip(seconds: float = 0.1, hertz: float = 440.0) -> tuple[np.ndarray, int]:
    times = np.arange(round(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32), 16_000


def different(count: int, seconds: float) -> list[tuple[np.ndarray, int]]:
    """Clips of one length; the same twice would be asked for once."""
    return [clip(seconds, 440.0 + 0.1 * number) for number in range(count)]


def clips(count: int, **columns: Any) -> pd.DataFrame:
    """So many rows whose sounds grow shorter, as they are then sent."""
    return pd.DataFrame({"audio": [clip(0.5 - 0.01 * number) for number in range(count)], **columns})


def heard(text: str = "hi", headers: dict[str, str] | None = None) -> httpx2.Response:
    words = [{"word": word, "start": 0.01 * n, "end": 0.01 * n + 0.01} for n, word in enumerate(text.split())]
    result = {"text": text, "word_count": len(words), "words": words}
    return httpx2.Response(200, json={"result": result, "success": True, "errors": [], "messages": []}, headers=headers)


def refusal(
    status: int, code: int | None = None, message: str = "no", headers: dict[str, str] | None = None
) -> httpx2.Response:
    errors = [] if code is None else [{"code": code, "message": message}]
    body = {"result": {}, "success": False, "errors": errors, "messages": []}
    return httpx2.Response(status, json=body, headers=headers)


def sound_of(request: httpx2.Request) -> bytes:
    """The file in a request of any shape."""
    if request.headers["content-type"] != "application/json":
        return request.content
    audio = json.loads(request.content)["audio"]
    return bytes(audio) if isinstance(audio, list) else base64.b64decode(audio, validate=True)


def seconds_of(request: httpx2.Request) -> float:
    return float(soundfile.info(BytesIO(sound_of(request))).duration)


def is_row(number: int) -> Callable[[httpx2.Request], bool]:
    """Whether a request carries this row of ``clips``."""
    return lambda request: abs(seconds_of(request) - (0.5 - 0.01 * number)) < 0.005


class Service:
    """A service that writes down what it is asked, and answers by ``answer(number, request)``."""

    def __init__(self, answer: Answer = lambda number, request: heard()) -> None:
        self.answer = answer
        self.requests: list[httpx2.Request] = []
        self.lock = threading.Lock()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        with self.lock:
            number = len(self.requests)
            self.requests.append(request)
        return self.answer(number, request)

    def backend(self, model: str = WHISPER, **options: Any) -> asrkit.WorkersAI:
        given = {"account_id": ACCOUNT, "api_token": "token", "per_minute": None, **options}
        return asrkit.WorkersAI(model, transport=httpx2.MockTransport(self), **given)


def transcribed(df: pd.DataFrame, backend: Any, **options: Any) -> pd.DataFrame:
    return df.asr.transcribe("audio", model=backend, **{"progress": False, "details": True, **options})


def errors_of(result: pd.DataFrame) -> list[str]:
    """The code of each row's error, empty where there is none."""
    return [error.split(":")[0] for error in result.hypothesis_error.fillna("")]


def stopped(df: pd.DataFrame, backend: Any, kind: type[BaseException] = BackendError, **options: Any) -> Any:
    with pytest.raises(kind) as caught:
        transcribed(df, backend, **options)
    return caught.value


@pytest.fixture(autouse=True)
def no_jitter(monkeypatch):
    """What is left to chance takes its least: no waiting before another try."""
    monkeypatch.setattr(traffic, "random", SimpleNamespace(uniform=lambda low, high: low))
    monkeypatch.setattr(traffic, "FIRST_PAUSE", 0.002)


class Clock:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """In place of the clock, for one request at a time: waiting takes no time."""
    clock = Clock()

    class Hurried(threading.Condition):
        def wait(self, timeout=None):
            clock.now += timeout or 0.0
            return super().wait(0.0001)

    monkeypatch.setattr(traffic, "threading", SimpleNamespace(Condition=Hurried, Lock=threading.Lock))
    monkeypatch.setitem(traffic.Traffic.__init__.__kwdefaults__, "clock", clock)
    monkeypatch.setattr(workers_ai, "time", SimpleNamespace(monotonic=clock, perf_counter=time.perf_counter))
    return clock


class TestRequests:
    def test_go_to_the_account_and_the_model_with_the_token(self):
        service = Service()

        transcribed(clips(1), service.backend())

        [request] = service.requests
        assert request.method == "POST"
        assert str(request.url) == f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/run/{WHISPER}"
        assert request.headers["authorization"] == "Bearer token"
        assert request.headers["user-agent"].startswith("asrkit/")
        assert request.headers["accept"] == "application/json"

    def test_carry_the_key_and_the_email_in_place_of_a_token(self):
        service = Service()

        transcribed(clips(1), service.backend(api_token=None, api_key="key", api_email="a@example.org"))

        headers = service.requests[0].headers
        assert (headers["x-auth-key"], headers["x-auth-email"]) == ("key", "a@example.org")
        assert "authorization" not in headers

    def test_go_through_a_gateway_with_its_headers(self):
        service = Service()
        gateway = {
            "gateway": "mine",
            "gateway_token": "gate",
            "cache_ttl": 60,
            "skip_cache": True,
            "metadata": {"n": 1},
        }

        transcribed(clips(1), service.backend(**gateway))

        [request] = service.requests
        assert str(request.url) == f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/mine/workers-ai/{WHISPER}"
        assert {name: value for name, value in request.headers.items() if name.startswith("cf-aig")} == {
            "cf-aig-authorization": "Bearer gate",
            "cf-aig-cache-ttl": "60",
            "cf-aig-skip-cache": "true",
            "cf-aig-max-attempts": "1",
            "cf-aig-metadata": '{"n": 1}',
        }

    @pytest.mark.parametrize("option", ["gateway_token", "cache_ttl", "skip_cache", "metadata"])
    def test_options_of_a_gateway_need_one(self, option):
        with pytest.raises(OptionError, match="are for a gateway; name one"):
            Service().backend(**{option: "x"})

    @pytest.mark.parametrize("model", [WHISPER, TINY])
    def test_raw_the_body_is_the_file(self, model, tone_file):
        service, path = Service(), tone_file()

        transcribed(pd.DataFrame({"audio": [path]}), service.backend(model))

        [request] = service.requests
        assert request.content == path.read_bytes()
        assert request.headers["content-type"] == "audio/wav"
        assert request.url.query == b""

    def test_samples_go_as_flac_and_say_so(self):
        service = Service()

        transcribed(clips(1), service.backend())

        assert service.requests[0].content[:4] == b"fLaC"
        assert service.requests[0].headers["content-type"] == "audio/flac"

    @pytest.mark.parametrize("model", [WHISPER, TINY])
    def test_as_an_array_they_keep_to_the_schema(self, model, tone_file):
        service, path = Service(), tone_file()

        transcribed(pd.DataFrame({"audio": [path]}), service.backend(model, shape="array"))

        body = json.loads(service.requests[0].content)
        jsonschema.validate(body, schema(MODELS[model].schema, "input"))
        assert bytes(body["audio"]) == path.read_bytes()
        assert service.requests[0].headers["content-type"] == "application/json"

    def test_turbo_gets_base64_with_all_its_eleven_options(self, tone_file):
        service, path = Service(), tone_file()

        transcribed(pd.DataFrame({"audio": [path]}), service.backend(TURBO, **ELEVEN))

        body = json.loads(service.requests[0].content)
        jsonschema.validate(body, {**schema(MODELS[TURBO].schema, "input"), "additionalProperties": False})
        assert base64.b64decode(body.pop("audio"), validate=True) == path.read_bytes()
        assert body == ELEVEN
        assert service.requests[0].url.query == b""

    def test_nothing_is_sent_that_was_not_asked_for(self):
        service = Service()

        transcribed(clips(1), service.backend(TURBO))

        assert json.loads(service.requests[0].content).keys() == {"audio"}

    def test_nova_gets_its_options_in_the_query(self, tone_file):
        service, path = Service(), tone_file()
        options = {"diarize": True, "punctuate": False, "keyterm": "Ærø & Fünen", "utt_split": 0.8, "language": "da"}

        transcribed(pd.DataFrame({"audio": [path]}), service.backend(NOVA, **options))

        [request] = service.requests
        assert request.content == path.read_bytes()
        assert request.headers["content-type"] == "audio/wav"
        assert dict(request.url.params) == {
            "diarize": "true",
            "punctuate": "false",
            "keyterm": "Ærø & Fünen",
            "utt_split": "0.8",
            "language": "da",
        }

    def test_an_unknown_model_gets_base64_and_its_options_as_they_are(self):
        service = Service()

        transcribed(clips(1), service.backend(NEW, anything=[1, 2], language="de"))

        body = json.loads(service.requests[0].content)
        assert sound_of(service.requests[0])[:4] == b"fLaC"
        assert (body["anything"], body["language"]) == ([1, 2], "de")

    def test_a_prompt_goes_into_the_option_that_the_model_has_for_it(self):
        service = Service()

        transcribed(clips(1), service.backend(TURBO, prompt="Namen: Anna"))

        assert json.loads(service.requests[0].content)["initial_prompt"] == "Namen: Anna"

    def test_each_row_has_its_language(self):
        service = Service()

        transcribed(clips(3, lang=["de", None, "EN "]), service.backend(TURBO), language="lang")

        languages = {
            round(seconds_of(request), 2): json.loads(request.content).get("language") for request in service.requests
        }
        assert languages == {0.5: "de", 0.49: None, 0.48: "en"}

    def test_a_language_may_be_named(self):
        service = Service()

        transcribed(clips(1), service.backend(TURBO), language="German")

        assert json.loads(service.requests[0].content)["language"] == "de"

    def test_the_model_may_be_a_name_in_the_call(self, monkeypatch):
        service = Service()
        monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", ACCOUNT)
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "token")

        result = transcribed(clips(2), TURBO, transport=httpx2.MockTransport(service), beam_size=2, per_minute=None)

        assert result.hypothesis.tolist() == ["hi", "hi"]
        assert json.loads(service.requests[0].content)["beam_size"] == 2


class TestRefusedBeforeAnythingIsSent:
    @pytest.mark.parametrize(
        "model, options, complaint",
        [
            (TURBO, {"beam_sice": 5}, "no option 'beam_sice'; did you mean 'beam_size'"),
            (WHISPER, {"vad_filter": True}, "no option 'vad_filter'"),
            (WHISPER, {"language": "de"}, "takes no language; @cf/openai/whisper-large-v3-turbo does"),
            (WHISPER, {"prompt": "x"}, "takes no prompt; @cf/openai/whisper-large-v3-turbo does"),
            (NOVA, {"prompt": "x"}, "takes no prompt"),
            (TURBO, {"shape": "raw"}, "takes sound as base64, not as 'raw'"),
            (TINY, {"max_cost": 1.0}, "no price is published for @cf/openai/whisper-tiny-en"),
            (NEW, {"max_cost": 1.0}, "no price is published for @cf/someone/listens-well"),
            (TURBO, {"max_cost": -1}, "expected max_cost in dollars"),
            (WHISPER, {"at_once": 0}, "at_once"),
            (WHISPER, {"timeout": 0}, "timeout above 0"),
            (WHISPER, {"per_minute": -1}, "above 0"),
        ],
    )
    def test_an_option_that_cannot_be_meant(self, model, options, complaint):
        service = Service()

        with pytest.raises(OptionError, match=complaint):
            transcribed(clips(1), service.backend(model, **options))
        assert not service.requests

    def test_a_language_of_the_call_that_the_model_cannot_be_told(self):
        service = Service()

        with pytest.raises(OptionError, match="takes no language"):
            transcribed(clips(1), service.backend(), language="de")
        assert not service.requests

    def test_no_requests_a_minute(self):
        with pytest.raises(OptionError, match="above 0"):
            Service().backend(per_minute=0)

    def test_a_shape_that_is_none(self):
        with pytest.raises(OptionError, match="xml"):
            Service().backend(NEW, shape="xml")

    def test_missing_credentials(self):
        with pytest.raises(CredentialsError, match="set CLOUDFLARE_ACCOUNT_ID"):
            transcribed(clips(1), WHISPER)

    def test_a_broken_recording_costs_no_request(self, tmp_path):
        service = Service()
        (tmp_path / "broken.wav").write_bytes(b"RIFF" + bytes(100))
        df = pd.DataFrame({"audio": [tmp_path / "broken.wav", "no/such.wav", b"", clip(), None]})

        result = transcribed(df, service.backend())

        assert len(service.requests) == 1
        assert result.hypothesis.isna().tolist() == [True, True, True, False, True]
        assert errors_of(result)[1:] == ["not-found", "empty", "", ""]


class TestAnswers:
    def test_become_columns(self):
        service = Service(lambda number, request: heard("so it is."))

        result = transcribed(clips(1), service.backend())

        [row] = result.itertuples()
        assert row.hypothesis == "so it is."
        assert [word["word"] for word in row.hypothesis_segments[0]["words"]] == ["so", "it", "is."]
        assert row.hypothesis_duration == pytest.approx(0.5)
        assert row.hypothesis_cost == pytest.approx(price_of(WHISPER).dollars(0.5))
        assert row.hypothesis_elapsed > 0

    def test_what_made_the_text_is_told_without_the_credentials(self):
        backend = Service().backend(TURBO, beam_size=2, api_token="SECRET")

        made = transcribed(clips(1), backend).attrs["asrkit"]["hypothesis"]

        assert (made["backend"], made["model"], made["options"]) == ("workers-ai", TURBO, {"beam_size": 2})
        assert json.loads(json.dumps(made)) == made
        assert "SECRET" not in str(made)

    def test_an_empty_frame_gives_its_columns_and_sends_nothing(self):
        service = Service()

        result = transcribed(clips(2).iloc[:0], service.backend())

        assert not service.requests
        assert result.columns.tolist() == transcribed(clips(1), service.backend()).columns.tolist()

    def test_without_pandas_they_are_transcripts(self):
        service = Service(lambda number, request: heard(f"{seconds_of(request):.1f}"))

        outcomes = asrkit.transcribe([clip(0.2), None, clip(0.4), b""], model=service.backend(), progress=False)

        first, missing, third, failed = outcomes
        assert (first.text, missing, third.text, failed.code) == ("0.2", None, "0.4", "empty")
        assert third.cost == pytest.approx(price_of(WHISPER).dollars(0.4))
        assert third.words[0].word == "0.4"

    def test_a_cell_that_is_a_service_of_raw_text_in_an_envelope_without_result_is_read_too(self):
        """As behind a Worker, which gives the inner result alone."""
        service = Service(lambda number, request: httpx2.Response(200, json={"text": "bare"}))

        assert transcribed(clips(1), service.backend()).hypothesis.tolist() == ["bare"]


class TestParts:
    def service(self) -> Service:
        """Hears the length of what it is sent, from the first second to the last."""

        def answer(number, request):
            seconds = seconds_of(request)
            words = [{"word": f"{seconds:.3f}", "start": 0.0, "end": seconds}]
            return httpx2.Response(200, json={"result": {"text": f"{seconds:.3f}", "words": words}, "success": True})

        return Service(answer)

    def one(self, cell, **options) -> tuple[Service, asrkit.Transcript]:
        service = self.service()
        [outcome] = asrkit.transcribe([cell], model=service.backend(**options), progress=False)
        return service, outcome

    @pytest.mark.parametrize("options", [{"longest": 3.0}, {"max_bytes": 60_000}], ids=["too long", "too large"])
    def test_are_joined_with_the_times_of_the_recording(self, options):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, 16_000 * 12).astype(np.float32)

        service, outcome = self.one((noise, 16_000), **options)

        words = outcome.words
        assert len(service.requests) == len(words) > 3
        assert all(len(request.content) <= 60_000 for request in service.requests) or "longest" in options
        assert words[0].start == 0.0
        assert all(word.end == following.start for word, following in pairwise(words))
        assert words[-1].end == outcome.duration == 12.0
        assert sum(seconds_of(request) for request in service.requests) == pytest.approx(12.0)
        assert outcome.text == " ".join(word.word for word in words)

    def test_a_real_recording_is_cut_and_joined(self, recordings):
        row = recordings[recordings.duration_s.between(20, 30)].iloc[0]

        service, outcome = self.one(row.path, longest=8.0)

        assert len(service.requests) >= 3
        assert outcome.words[-1].end == pytest.approx(row.duration_s, abs=0.1)
        assert all(word.end == pytest.approx(later.start, abs=0.002) for word, later in pairwise(outcome.words))

    def test_cost_what_all_of_them_cost(self):
        _, outcome = self.one(clip(7.0), longest=3.0)

        assert outcome.cost == pytest.approx(price_of(WHISPER).dollars(7.0))

    def test_if_one_fails_the_row_fails(self):
        def answer(number, request):
            return refusal(400, 3010) if number == 1 else heard()

        result = transcribed(pd.DataFrame({"audio": [clip(7.0), clip()]}), Service(answer).backend(longest=3.0))

        assert errors_of(result) == ["refused", ""]

    def test_if_one_fails_those_before_are_paid_all_the_same(self):
        backend = Service(lambda number, request: refusal(400, 3010) if number == 1 else heard()).backend(
            longest=3.0, at_once=1
        )

        result = transcribed(pd.DataFrame({"audio": [clip(7.0)]}), backend)

        assert backend.spending.dollars > 0
        assert result.hypothesis_cost.sum() == pytest.approx(backend.spending.dollars + backend.spending.doubtful)


class TestCodes:
    """Each row of the table through a whole run of six rows, one request at a time."""

    ROW = 2

    def run(self, code: int, times: int) -> tuple[Service, asrkit.WorkersAI]:
        failed = 0

        def answer(number, request):
            nonlocal failed
            if is_row(self.ROW)(request) and failed < times:
                failed += 1
                return refusal(CODES[code].status, code, CODES[code].message)
            return heard()

        service = Service(answer)
        return service, service.backend(at_once=1)

    @staticmethod
    def codes(*wanted: Then) -> list[int]:
        return [code for code, told in CODES.items() if told.then in wanted]

    @pytest.mark.parametrize("code", codes(Then.ROW))
    def test_the_rows_own_fault_costs_that_row(self, code):
        service, backend = self.run(code, times=99)

        result = transcribed(clips(6), backend)

        assert errors_of(result) == ["", "", "refused", "", "", ""]
        assert f"HTTP {CODES[code].status} / {code}: {CODES[code].message}" in result.hypothesis_error[self.ROW]
        assert result.hypothesis.notna().sum() == 5
        assert len(service.requests) == 6
        assert result.hypothesis_cost[self.ROW] == 0.0

    @pytest.mark.parametrize("code", codes(Then.AGAIN))
    def test_a_failing_service_is_asked_as_often_as_the_policy_says(self, code):
        service, backend = self.run(code, times=99)
        is_timeout = CODES[code].status == 408  # sent, and not answered in time

        result = transcribed(clips(6), backend)

        assert errors_of(result) == ["", "", "timed-out" if is_timeout else "unavailable", "", "", ""]
        assert len(service.requests) == 5 + (2 if is_timeout else 4)

    @pytest.mark.parametrize("code", codes(Then.AGAIN))
    def test_a_service_that_fails_once_costs_no_row(self, code):
        service, backend = self.run(code, times=1)

        result = transcribed(clips(6), backend)

        assert result.hypothesis.tolist() == ["hi"] * 6
        assert len(service.requests) == 7

    @pytest.mark.parametrize("code", codes(Then.WAIT))
    def test_a_full_service_is_waited_for(self, code, clock):
        service, backend = self.run(code, times=20)

        result = transcribed(clips(6), backend)

        assert result.hypothesis.tolist() == ["hi"] * 6
        assert len(service.requests) == 26

    @pytest.mark.parametrize("code", codes(Then.STOP_CREDENTIALS, Then.STOP_QUOTA, Then.STOP_MODEL))
    def test_what_every_row_would_meet_stops_the_run_and_keeps_what_is_done(self, code):
        service = Service(lambda n, r: heard() if n < 2 else refusal(CODES[code].status, code))
        kinds = {Then.STOP_CREDENTIALS: CredentialsError, Then.STOP_QUOTA: QuotaError, Then.STOP_MODEL: RefusedError}

        error = stopped(clips(6), service.backend(at_once=1), kinds[CODES[code].then])

        assert error.stops_run
        assert len(service.requests) == 3
        assert error.partial.hypothesis.notna().sum() == 2
        assert sorted(errors_of(error.partial)) == ["", "", *["interrupted"] * 4]
        assert f"HTTP {CODES[code].status} / {code}" in str(error)
        assert "2 of 6 rows are done: this error's .partial" in str(error)

    @pytest.mark.parametrize("code", codes(Then.STOP_CREDENTIALS, Then.STOP_QUOTA, Then.STOP_MODEL))
    def test_many_at_once_stop_before_the_second_request(self, code):
        service = Service(lambda number, request: refusal(CODES[code].status, code))

        error = stopped(clips(20), service.backend(at_once=16))

        assert len(service.requests) == 1
        assert error.partial.hypothesis.isna().all()

    @pytest.mark.parametrize(
        "status, code, requests",
        [
            *[(status, "refused", 1) for status in (400, 413, 415, 422)],
            *[(status, "unavailable", 4) for status in (409, 500, 502, 503, 504, 520, 524)],
            (408, "timed-out", 2),
        ],
    )
    @pytest.mark.parametrize("body", [b"<html><b>Error</b></html>", b"", b"null", b"[]", b'{"error": "x"}'])
    def test_an_error_without_a_code_is_judged_by_its_status(self, status, code, requests, body):
        service = Service(lambda number, request: httpx2.Response(status, content=body))

        result = transcribed(clips(1), service.backend())

        assert errors_of(result) == [code]
        assert f"HTTP {status}" in result.hypothesis_error[0]
        assert len(service.requests) == requests

    @pytest.mark.parametrize("status, kind", [(401, CredentialsError), (403, CredentialsError), (402, QuotaError)])
    def test_a_refusal_in_html_stops_the_run_too(self, status, kind):
        service = Service(lambda number, request: httpx2.Response(status, html="<h1>no</h1>"))

        stopped(clips(5), service.backend(), kind)

        assert len(service.requests) == 1

    @pytest.mark.parametrize(
        "body",
        [
            {"success": False, "result": [], "error": [{"code": 2009, "message": "Unauthorized"}]},
            {"name": "AiGatewayError", "internalCode": 2009, "message": "Unauthorized"},
        ],
    )
    def test_a_gateways_refusal_is_told_in_its_words(self, body):
        service = Service(lambda number, request: httpx2.Response(401, json=body))

        error = stopped(clips(1), service.backend(gateway="mine", gateway_token="gate"))

        assert "Unauthorized" in str(error)

    def test_a_gateways_refusal_tells_of_the_gateways_token(self):
        service = Service(lambda number, request: refusal(401, 2009, "Unauthorized"))

        assert "gateway" in str(stopped(clips(1), service.backend(gateway="mine")))

    def test_missing_credit_is_not_promised_for_midnight(self):
        service = Service(lambda number, request: refusal(402, 2021, "No credit"))

        assert "00:00 UTC" not in str(stopped(clips(1), service.backend(gateway="mine")))


class TestAnswersThatAreNone:
    @pytest.mark.parametrize(
        "response, code, told",
        [
            (httpx2.Response(200, html="<html>Sign in</html>"), "not-json", "expected JSON, got '<html>Sign in"),
            (httpx2.Response(200, content=b""), "not-json", "expected JSON, got ''"),
            (httpx2.Response(200, content=b'{"result": {"te'), "not-json", "expected JSON"),
            (httpx2.Response(302, headers={"location": "https://elsewhere.example"}), "not-json", "HTTP 302"),
            (httpx2.Response(200, json={"result": {}, "success": True}), "answer", "answered without a text"),
            (httpx2.Response(200, json={"result": {"text": None}, "success": True}), "answer", "without a text"),
            (httpx2.Response(200, json={"result": None, "success": True}), "answer", "neither a result nor an error"),
            (httpx2.Response(200, json={"result": {}, "success": False}), "answer", "neither a result nor an error"),
            (httpx2.Response(200, json=[1]), "not-json", "expected JSON"),
        ],
        ids=range(9),
    )
    def test_cost_their_row_and_are_not_asked_for_again(self, response, code, told):
        backend = (service := Service(lambda number, request: response)).backend()

        result = transcribed(clips(2), backend)

        assert errors_of(result) == [code, code]
        assert told in result.hypothesis_error[0]
        assert len(service.requests) == 2

    def test_success_false_at_200_means_what_its_code_means(self):
        assert errors_of(transcribed(clips(1), Service(lambda n, r: refusal(200, 5006)).backend())) == ["refused"]
        stopped(clips(1), Service(lambda n, r: refusal(200, 4006)).backend(), QuotaError)

    def test_an_answer_of_silence_is_an_empty_text(self):
        result = transcribed(clips(1), Service(lambda number, request: heard("")).backend())

        assert result.hypothesis.tolist() == [""]
        assert result.hypothesis_flags.tolist() == ["silence"]

    def test_junk_that_is_deeply_nested_costs_its_row(self):
        deep = b'{"result": ' + b"[" * 100_000
        backend = Service(lambda number, request: httpx2.Response(200, content=deep)).backend()

        result = transcribed(clips(2), backend)

        assert result.hypothesis.isna().all()

    def test_junk_that_no_one_foresaw_gives_its_reservation_back(self):
        deep = b'{"result": ' + b"[" * 100_000
        backend = Service(lambda number, request: httpx2.Response(200, content=deep)).backend(max_cost=1.0)

        transcribed(clips(2), backend)

        assert backend.ledger._reserved == pytest.approx(0.0)


class TestTries:
    """How often one row is sent, by what came of each."""

    def sent(self, *outcomes: Any, **options: Any) -> tuple[int, str]:
        """The number of requests, and the error of the row."""

        def answer(number, request):
            outcome = outcomes[min(number, len(outcomes) - 1)]
            if isinstance(outcome, type):
                raise outcome("as the test wants it", request=request)
            return outcome

        service = Service(answer)
        result = transcribed(clips(1), service.backend(at_once=1, **options))
        return len(service.requests), errors_of(result)[0]

    def test_four_where_the_service_fails(self):
        assert self.sent(refusal(503)) == (4, "unavailable")

    def test_three_failures_cost_no_row(self):
        assert self.sent(refusal(503), refusal(500), refusal(502), heard()) == (4, "")

    @pytest.mark.parametrize("kind", [httpx2.ConnectError, httpx2.ConnectTimeout])
    def test_four_where_nothing_was_sent(self, kind):
        assert self.sent(kind) == (4, "no-connection")

    @pytest.mark.parametrize(
        "kind, code",
        [
            (httpx2.ReadTimeout, "timed-out"),
            (httpx2.WriteTimeout, "timed-out"),
            (httpx2.ReadError, "connection"),
            (httpx2.WriteError, "connection"),
            (httpx2.RemoteProtocolError, "connection"),
        ],
    )
    def test_two_where_it_was_sent_and_not_answered(self, kind, code):
        """Each may have been billed."""
        assert self.sent(kind) == (2, code)

    def test_unanswered_ones_count_whatever_came_between(self):
        assert self.sent(httpx2.ReadTimeout, refusal(503), httpx2.ReadError, heard()) == (3, "connection")

    def test_one_unanswered_costs_no_row(self):
        assert self.sent(httpx2.ReadTimeout, heard()) == (2, "")

    def test_a_full_service_uses_up_none_of_them(self, clock):
        full = refusal(429, 3040)

        assert self.sent(*[refusal(503), full] * 3, full, full, heard()) == (9, "")

    def test_what_is_refused_is_not_sent_again(self):
        assert self.sent(refusal(503), refusal(400, 5006), heard()) == (2, "refused")


class TestWaits:
    def waited(self, clock: Clock, *answers: httpx2.Response) -> list[float]:
        """Seconds between the requests of one row."""
        times = []

        def answer(number, request):
            times.append(clock())
            return answers[min(number, len(answers) - 1)]

        transcribed(clips(1), Service(answer).backend(at_once=1))
        return [later - earlier for earlier, later in pairwise(times)]

    def test_grow_with_each_failure_by_full_jitter(self, clock, monkeypatch):
        drawn = []

        def highest(low, high):
            drawn.append((low, high))
            return high

        monkeypatch.setattr(traffic, "random", SimpleNamespace(uniform=highest))

        assert self.waited(clock, refusal(503)) == pytest.approx([1.0, 2.0, 4.0])
        assert [low for low, _ in drawn] == [0, 0, 0]

    @pytest.mark.parametrize(
        "headers, seconds",
        [({"retry-after": "7"}, 7.0), ({"Retry-After": "0.5"}, 0.5), ({"retry-after-ms": "2500"}, 2.5)],
    )
    def test_are_as_long_as_a_full_service_asks(self, clock, headers, seconds):
        assert self.waited(clock, refusal(429, 3040, headers=headers), heard()) == [pytest.approx(seconds)]

    def test_may_be_asked_for_as_a_date(self, clock):
        when = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

        assert self.waited(clock, refusal(429, 3040, headers={"retry-after": when}), heard()) == [
            pytest.approx(60, abs=3)
        ]

    @pytest.mark.parametrize("junk", ["soon", "-5", "", "Mon, 99 Foo 2026"])
    def test_that_nobody_can_read_are_our_own(self, clock, junk):
        [wait] = self.waited(clock, refusal(429, 3040, headers={"retry-after": junk}), heard())

        assert 0 <= wait < 1

    def test_are_as_long_as_a_failing_service_asks_too(self, clock):
        assert self.waited(clock, refusal(503, headers={"retry-after": "7"}), heard())[0] >= 7.0

    def test_of_two_minutes_are_obeyed(self, clock):
        assert self.waited(clock, refusal(429, 3040, headers={"retry-after": "120"}), heard()) == [pytest.approx(120)]

    def test_beyond_two_minutes_stop_the_run_and_say_for_how_long(self):
        service = Service(lambda n, r: heard() if n < 2 else refusal(429, 3040, headers={"retry-after": "121"}))

        error = stopped(clips(5), service.backend(at_once=1), RateLimitError)

        assert len(service.requests) == 3
        assert error.partial.hypothesis.notna().sum() == 2
        assert "the service asks to wait 121 s, so the run was stopped: call again then" in str(error)

    def test_beyond_two_minutes_leave_the_service_alone(self):
        def answer(number, request):
            time.sleep(0.2)  # so that others wait for their place
            return refusal(429, 3040, headers={"retry-after": "300"})

        service = Service(answer)

        with soon():
            stopped(clips(40), service.backend(at_once=4), RateLimitError)

        assert len(service.requests) == 1

    @pytest.mark.parametrize("rows", [1, 20])
    def test_for_a_service_that_stays_full_end_the_run_after_ten_minutes(self, clock, rows):
        began = clock()
        service = Service(lambda n, r: refusal(429, 3040))

        error = stopped(clips(rows), service.backend(at_once=1), RateLimitError)

        assert "for 10 minutes now" in str(error)
        assert 600 < clock() - began < 700

    def test_for_a_full_service_are_forgotten_with_its_next_answer(self, clock):
        """Two crowds of six minutes are not one of twelve."""
        crowded = iter([True] * 30 + [False] + [True] * 30 + [False])
        service = Service(lambda n, r: refusal(429, 3040, headers={"retry-after": "12"}) if next(crowded) else heard())

        assert transcribed(clips(2), service.backend(at_once=1)).hypothesis.tolist() == ["hi", "hi"]

    def test_beyond_two_minutes_stop_the_run_of_a_failing_service_too(self, clock):
        service = Service(lambda n, r: refusal(503, headers={"retry-after": "3600"}))

        stopped(clips(3), service.backend(at_once=1), UnavailableError)

        assert len(service.requests) == 1


class TestOutage:
    @pytest.mark.parametrize(
        "answer",
        [
            lambda n, r: refusal(503),
            lambda n, r: heard() if n < 50 else refusal(503),
            lambda n, r: httpx2.Response(502, html="<h1>Bad gateway</h1>"),
        ],
        ids=["from the start", "later", "in html"],
    )
    def test_ends_a_run_of_a_thousand_rows_soon(self, answer):
        service = Service(answer)
        df = pd.DataFrame({"audio": different(1_000, 0.02)})

        error = stopped(df, service.backend(), UnavailableError)

        assert len(service.requests) <= 50 + 35 + 32 * 4
        assert len(error.partial) == 1_000
        assert error.partial.hypothesis.notna().sum() == sum(answer(n, None).is_success for n in range(50))
        assert "nothing has been answered for long, so the run was stopped" in str(error)

    @pytest.mark.parametrize("kind", [httpx2.ConnectError, httpx2.ReadTimeout, httpx2.ReadError])
    def test_of_the_connection_too(self, kind):
        def answer(number, request):
            raise kind("down", request=request)

        service = Service(answer)

        stopped(pd.DataFrame({"audio": different(300, 0.02)}), service.backend(), UnavailableError)

        assert len(service.requests) <= 35 + 32 * 4

    def test_is_not_what_single_faults_are(self):
        chance = random.Random(7)
        faults = [chance.random() < 0.1 for _ in range(2_000)]
        service = Service(lambda n, r: refusal(503) if faults[n] else heard())

        result = transcribed(pd.DataFrame({"audio": different(400, 0.02)}), service.backend())

        assert result.hypothesis.notna().sum() >= 398

    def test_is_forgotten_by_the_next_run(self):
        is_down = True
        faults = iter([True])
        service = Service(lambda n, r: refusal(503) if is_down or next(faults, False) else heard())
        backend = service.backend(at_once=1)
        stopped(clips(40), backend, UnavailableError)
        is_down = False

        result = transcribed(clips(5), backend)

        assert result.hypothesis.notna().all()


class TestManyAtOnce:
    def test_rows_keep_their_order_and_index_whatever_comes_first(self):
        chance = random.Random(7)
        delays = [chance.uniform(0, 0.03) for _ in range(200)]

        def answer(number, request):
            time.sleep(delays[number])
            return heard(str(round(seconds_of(request) * 16_000)))

        lengths = chance.sample(range(160, 4_000), 200)
        df = pd.DataFrame(
            {"audio": [clip(length / 16_000) for length in lengths]}, index=chance.sample(range(1_000), 200)
        )

        result = transcribed(df, Service(answer).backend())

        assert result.hypothesis.tolist() == [str(length) for length in lengths]
        pd.testing.assert_index_equal(result.index, df.index)

    def test_they_are_as_many_as_was_asked_for_and_never_more(self):
        inside = most = 0
        lock = threading.Lock()

        def answer(number, request):
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.02)
            with lock:
                inside -= 1
            return heard()

        df = pd.DataFrame({"audio": different(100, 0.02)})
        transcribed(df, Service(answer).backend(at_once=12), journal=False)

        assert most == 12

    def test_the_first_goes_alone_until_it_is_answered(self):
        begun: list[int] = []

        def answer(number, request):
            begun.append(number)
            if number == 0:
                time.sleep(0.1)
                assert begun == [0]
            return heard()

        transcribed(clips(20), Service(answer).backend())

    def test_without_a_limit_of_ours_the_pace_is_that_of_the_account(self):
        assert Service().backend(per_minute=720).traffic.interval == pytest.approx(60 / 720 / 0.95)
        assert asrkit.WorkersAI(account_id="a", api_token="t").traffic.interval == pytest.approx(60 / 684)

    def test_a_burst_of_refusals_costs_no_row(self):
        chance = random.Random(7)
        refusals = [chance.random() < 0.2 for _ in range(5_000)]

        def answer(number, request):
            return refusal(429, 3040, headers={"retry-after": "0.001"}) if refusals[number] else heard()

        result = transcribed(pd.DataFrame({"audio": different(200, 0.02)}), Service(answer).backend())

        assert result.hypothesis.notna().all()


class TestMoney:
    def test_the_cap_is_never_passed_by_a_service_that_bills_all_it_is_sent(self):
        """32 at once, random lengths, faults of all kinds: what the service counts stays below."""
        price, cap = price_of(WHISPER), 0.0004
        chance = random.Random(7)
        lock = threading.Lock()
        billed = 0.0
        kinds = [chance.choice(["well"] * 6 + ["503", "time-out", "cut", "429", "400", "html"]) for _ in range(5_000)]

        def answer(number, request):
            nonlocal billed
            kind = kinds[number]
            time.sleep(0.001 * (number % 5))
            if kind in ("429", "400"):
                return refusal(429, 3040, headers={"retry-after": "0"}) if kind == "429" else refusal(400, 3010)
            with lock:
                billed += price.dollars(seconds_of(request))
                assert billed <= cap + 1e-9
            if kind == "time-out":
                raise httpx2.ReadTimeout("slow", request=request)
            if kind == "cut":
                raise httpx2.ReadError("cut", request=request)
            return {"503": refusal(503), "html": httpx2.Response(200, html="<p>")}.get(kind) or heard()

        backend = Service(answer).backend(max_cost=cap)
        df = pd.DataFrame({"audio": [clip(chance.uniform(0.1, 1.0)) for _ in range(200)]})

        result = transcribed(df, backend)

        assert 0.9 * cap < billed <= cap + 1e-9
        assert "max-cost" in errors_of(result)
        assert billed == pytest.approx(backend.spending.dollars + backend.spending.doubtful)

    def test_at_the_cap_the_run_ends_and_says_so_on_the_rows(self):
        service = Service()
        price = price_of(WHISPER).dollars(0.1)

        result = transcribed(pd.DataFrame({"audio": different(10, 0.1)}), service.backend(max_cost=3.5 * price))

        assert result.hypothesis.notna().sum() == len(service.requests) == 3
        assert errors_of(result).count("max-cost") == 7
        assert result.hypothesis_cost.sum() == pytest.approx(3 * price)

    def test_at_the_cap_a_missing_cell_stays_missing(self):
        df = pd.DataFrame({"audio": different(60, 0.1) + [None] * 60})

        result = transcribed(df, Service().backend(max_cost=0.0, at_once=1))

        assert result.hypothesis_error[60:].isna().all()

    def test_at_the_cap_those_who_wait_for_their_place_are_told_why(self):
        backend = Service().backend(max_cost=price_of(WHISPER).dollars(0.1), at_once=8, per_minute=300)

        result = transcribed(pd.DataFrame({"audio": different(8, 0.1)}), backend)

        assert sorted(errors_of(result)) == ["", *["max-cost"] * 7]

    def test_nothing_is_sent_for_nothing(self):
        service = Service()

        result = transcribed(clips(3), service.backend(max_cost=0, at_once=1))

        assert errors_of(result) == ["max-cost"] * 3
        assert not service.requests

    def test_each_row_tells_what_it_has_cost_its_failed_tries_included(self):
        faults = iter([True])

        def answer(number, request):
            if is_row(1)(request) and next(faults, False):
                raise httpx2.ReadTimeout("slow", request=request)
            return refusal(400, 3010) if is_row(2)(request) else heard()

        backend = Service(answer).backend(at_once=1)
        result = transcribed(clips(4), backend)

        price = price_of(WHISPER).dollars
        assert result.hypothesis_cost.tolist() == pytest.approx([price(0.5), 2 * price(0.49), 0.0, price(0.47)])
        assert backend.spending.doubtful == pytest.approx(price(0.49))
        assert result.hypothesis_cost.sum() == pytest.approx(backend.spending.dollars + backend.spending.doubtful)

    def test_a_row_that_was_sent_before_the_run_was_stopped_tells_what_it_may_have_cost(self):
        def answer(number, request):
            backend.traffic.stop()
            raise httpx2.ReadTimeout("slow", request=request)

        backend = Service(answer).backend(at_once=1)
        result = transcribed(clips(1), backend)

        assert errors_of(result) == ["interrupted"]
        assert result.hypothesis_cost.sum() == pytest.approx(backend.spending.doubtful) != 0.0

    def test_a_price_that_is_unknown_is_missing_and_not_zero(self):
        result = transcribed(clips(2), Service().backend(TINY))

        assert result.hypothesis.notna().all()
        assert result.hypothesis_cost.isna().all()

    def test_what_a_gateways_cache_gives_is_free(self):
        backend = Service(lambda n, r: heard(headers={"cf-aig-cache-status": "HIT"})).backend(gateway="mine")

        assert transcribed(clips(2), backend).hypothesis_cost.tolist() == [0.0, 0.0]
        assert backend.spending.dollars == 0.0

    def test_the_run_ends_with_what_was_spent(self, capsys):
        transcribed(clips(3), Service().backend(), progress=True)

        told = capsys.readouterr().err
        assert f"{WHISPER}: $" in told
        assert "in 3 requests (list price; a free allocation is not counted)" in told

    def test_it_does_so_when_it_is_stopped_too(self, capsys):
        service = Service(lambda n, r: heard() if n < 2 else refusal(429, 4006))

        stopped(clips(5), service.backend(at_once=1), QuotaError, progress=True)

        assert "in 3 requests" in capsys.readouterr().err

    def test_each_run_tells_its_own(self, capsys):
        backend = Service().backend()
        transcribed(clips(3), backend, progress=True)
        capsys.readouterr()
        transcribed(clips(2), backend, progress=True, journal=False)

        assert "in 2 requests" in capsys.readouterr().err


class TestStops:
    def spent(self, after: int) -> Service:
        return Service(lambda n, r: heard() if n < after else refusal(429, 4006))

    def test_spent_quota_keeps_what_many_at_once_have_done(self):
        service = self.spent(after=30)

        error = stopped(clips(45), service.backend(), QuotaError)

        assert error.partial.hypothesis.notna().sum() == 30
        assert len(service.requests) <= 30 + 32
        assert error.partial.index.equals(clips(45).index)

    def test_the_message_counts_what_is_done(self):
        def answer(number, request):
            time.sleep(0.2)  # so that others wait for their place
            return refusal(401, 10000)

        error = stopped(clips(45), Service(answer).backend(), CredentialsError)

        assert error.partial.hypothesis.isna().all()
        assert "rows are done" not in str(error)

    def test_without_pandas_what_is_done_comes_with_the_error_too(self):
        service = self.spent(after=3)
        run = asrkit.transcribe([clip(0.1), clip(0.3), clip(0.4), clip(0.5)], model=service.backend(), progress=False)

        with pytest.raises(QuotaError) as caught:
            list(run)

        assert caught.value.partial is not None

    def test_the_same_backend_works_again(self):
        service = self.spent(after=2)
        backend = service.backend()
        stopped(clips(5), backend, QuotaError)
        service.answer = lambda number, request: heard()

        assert transcribed(clips(5), backend).hypothesis.tolist() == ["hi"] * 5

    def test_an_error_that_is_raised_names_the_row_and_nothing_else_is_lost(self):
        service = Service(lambda n, r: refusal(400, 3010) if is_row(2)(r) else heard())

        error = stopped(clips(4), service.backend(at_once=1), RefusedError, errors="raise")

        assert str(error).startswith("row 2 (<array")
        assert error.partial.hypothesis.notna().sum() == len(service.requests) - 1

    def test_no_thread_outlives_the_run(self):
        before = set(threading.enumerate())
        df = pd.DataFrame({"audio": different(4_000, 0.02)})
        error = stopped(df, self.spent(after=10).backend(), QuotaError)  # held, as a notebook holds the last error

        assert error.partial.hypothesis.notna().sum() == 10
        limit = time.monotonic() + 1.0
        while left := [t for t in set(threading.enumerate()) - before if t.name.startswith("asrkit-")]:
            assert time.monotonic() < limit, left
            time.sleep(0.01)


@contextmanager
def soon() -> Iterator[None]:
    """What hangs fails its test and not the whole test run."""

    def end(*_):
        raise AssertionError(f"still not done after {PATIENCE / 2} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE / 2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class TestCtrlC:
    def interrupting(self, at: int) -> Service:
        """Ctrl-C while this request and others are on their way; all are answered."""

        def answer(number, request):
            if number == at:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            time.sleep(0.1 if number >= at else 0.0)
            return heard()

        return Service(answer)

    def test_keeps_all_that_was_answered(self):
        service = self.interrupting(at=12)

        with soon(), pytest.raises(Interrupted) as caught:
            transcribed(clips(45), service.backend(at_once=6))

        partial = caught.value.partial
        assert 13 <= partial.hypothesis.notna().sum() == len(service.requests) < 45
        assert set(errors_of(partial)) == {"", "interrupted"}
        assert partial.hypothesis_cost.notna().sum() == len(service.requests)

    def test_leaves_the_backend_ready_for_another_run(self):
        backend = (service := self.interrupting(at=3)).backend(at_once=4)
        with soon(), pytest.raises(Interrupted):
            transcribed(clips(20), backend)
        service.answer = lambda number, request: heard()

        assert transcribed(clips(20), backend).hypothesis.notna().all()

    def test_sends_nothing_more(self):
        service = self.interrupting(at=2)

        with soon(), pytest.raises(Interrupted):
            transcribed(clips(45), service.backend(at_once=8, per_minute=1_200))

        assert len(service.requests) <= 4

    def test_may_come_just_when_an_answer_has_come(self, monkeypatch):
        """Between its leaving the queue and its being counted."""
        following = batch._Run._next
        interrupts = iter([KeyboardInterrupt])

        def interrupted(*args, **options):
            item = following(*args, **options)
            if isinstance(item, batch._Call) and (kind := next(interrupts, None)):
                raise kind
            return item

        monkeypatch.setattr(batch._Run, "_next", interrupted)

        assert self.ends(Service().backend(at_once=4))

    def test_may_come_just_when_a_call_begins(self, monkeypatch):
        """Between its being counted and its being given to a thread."""
        submit = batch.ThreadPoolExecutor.submit
        interrupts = iter([None, None, KeyboardInterrupt])

        def interrupted(pool, *args, **options):
            if pool._thread_name_prefix == "asrkit-call" and (kind := next(interrupts, None)):
                raise kind
            return submit(pool, *args, **options)

        monkeypatch.setattr(batch.ThreadPoolExecutor, "submit", interrupted)

        assert self.ends(Service().backend(at_once=4))

    @staticmethod
    def ends(backend: asrkit.WorkersAI) -> bool:
        """Whether a run that is interrupted ends; in a thread, for it may hang."""
        caught: list[BaseException] = []

        def run():
            try:
                transcribed(clips(6), backend)
            except Interrupted as error:
                caught.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        thread.join(2.0)
        return bool(caught)


# -- a real server ------------------------------------------------------------------------------------------------


Talk = Callable[[socket.socket, bytes], None]


class Server:
    """A server on a real socket. ``talk(connection, request)`` may do with the connection what it likes."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.requests: list[bytes] = []
        self.connections = 0
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}/client/v4"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while request := self._one(connection):
                    self.requests.append(request)
                    self.talk(connection, request)
            except OSError:
                return

    @staticmethod
    def _one(connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65_536)):
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        while len(body) < length:
            body += connection.recv(65_536)
        return head

    def close(self) -> None:
        self.listening.close()
        for connection in self.open:
            connection.close()


def http(body: bytes, *, status: str = "200 OK", length: int | None = None, kind: str = "application/json") -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n".encode() + body


WELL = heard().content


@contextmanager
def served(talk: Talk, **options: Any) -> Iterator[tuple[Server, asrkit.WorkersAI]]:
    server = Server(talk)
    backend = asrkit.WorkersAI(base_url=server.url, per_minute=None, **{"api_token": "token", **options})
    try:
        yield server, backend
    finally:
        backend.abandon()
        server.close()


def after(*talks: Talk) -> Talk:
    """The first request gets the first, and so on; the last is for all that follow."""
    rest = list(talks)
    return lambda connection, request: (rest.pop(0) if len(rest) > 1 else rest[0])(connection, request)


def well(connection: socket.socket, request: bytes) -> None:
    connection.sendall(http(WELL))


def hang_up(connection: socket.socket, request: bytes) -> None:
    connection.close()


def half(connection: socket.socket, request: bytes) -> None:
    connection.sendall(http(WELL[:20], length=len(WELL)))
    connection.close()


def silence(connection: socket.socket, request: bytes) -> None:
    time.sleep(1.0)


def drip(connection: socket.socket, request: bytes) -> None:
    connection.sendall(http(b"", length=len(WELL)))
    for number in range(len(WELL)):
        connection.sendall(WELL[number : number + 1])
        time.sleep(0.02)


def no_http(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"220 mail.example.org ESMTP\r\n")
    connection.close()


def brief() -> pd.DataFrame:
    """One row that is waited for no longer than the time-out says."""
    return pd.DataFrame({"audio": [clip(0.02)]})


def not_zipped(connection: socket.socket, request: bytes) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot a zip")


class TestOnTheWire:
    @pytest.mark.parametrize(
        "talk, code",
        [
            (hang_up, "connection"),
            (half, "connection"),
            (no_http, "connection"),
            (not_zipped, "connection"),
            (silence, "timed-out"),
            (drip, "timed-out"),
        ],
        ids=lambda value: value if isinstance(value, str) else value.__name__,
    )
    def test_what_was_sent_and_not_answered_is_sent_twice_at_most(self, talk, code):
        with served(talk, timeout=0.2) as (server, backend):
            result = transcribed(brief(), backend)

        assert errors_of(result) == [code]
        assert len(server.requests) == 2
        assert backend.spending.doubtful == pytest.approx(2 * price_of(WHISPER).dollars(0.02))

    @pytest.mark.parametrize("talk", [hang_up, half, silence, drip, not_zipped], ids=lambda talk: talk.__name__)
    def test_once_costs_no_row(self, talk):
        with served(after(talk, well), timeout=0.3) as (server, backend):
            result = transcribed(brief(), backend)

        assert result.hypothesis.tolist() == ["hi"]
        assert len(server.requests) == 2

    def test_a_server_that_is_not_there_is_no_connection_and_costs_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as once:
            port = once.getsockname()[1]
        backend = asrkit.WorkersAI(base_url=f"http://127.0.0.1:{port}/client/v4")

        result = transcribed(brief(), backend)

        assert errors_of(result) == ["no-connection"]
        assert "127.0.0.1" in result.hypothesis_error[0]
        assert result.hypothesis_cost.tolist() == [0.0]

    def test_connections_are_kept_and_are_as_many_as_requests_at_once(self):
        with served(well) as (server, backend):
            result = transcribed(pd.DataFrame({"audio": different(150, 0.02)}), backend)

        assert result.hypothesis.notna().all()
        assert len(server.requests) == 150
        assert server.connections <= 32

    def test_one_that_the_server_has_closed_meanwhile_is_opened_again(self):
        def then_close(connection, request):
            well(connection, request)
            connection.close()

        with served(then_close, at_once=1) as (server, backend):
            for _ in range(3):
                assert transcribed(clips(2), backend).hypothesis.tolist() == ["hi", "hi"]

        assert server.connections == len(server.requests) == 6

    def test_the_path_is_the_one_that_the_service_knows(self):
        with served(well, account_id="acc") as (server, backend):
            transcribed(brief(), backend)

        assert server.requests[0].split(b"\r\n")[0] == b"POST /client/v4/accounts/acc/ai/run/" + WHISPER.encode() + (
            b" HTTP/1.1"
        )

    def test_a_redirect_is_not_followed_so_the_token_stays_here(self):
        elsewhere = Server(well)

        def redirect(connection, request):
            connection.sendall(f"HTTP/1.1 307 Go\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n".encode())

        with served(redirect) as (_, backend):
            result = transcribed(brief(), backend)
        elsewhere.close()

        assert errors_of(result) == ["not-json"]
        assert not elsewhere.requests

    def test_an_answer_that_never_ends_is_given_up(self, monkeypatch):
        monkeypatch.setattr(workers_ai, "MAX_ANSWER", 100_000)

        def endless(connection, request):
            connection.sendall(http(b"", length=10**9))
            while True:
                connection.sendall(bytes(10_000))

        with served(endless) as (_, backend):
            result = transcribed(brief(), backend)

        assert errors_of(result) == ["too-large"]


SECRETS = ("SECRET-token", "SECRET-key", "SECRET-gate")


def raising(kind: type[Exception]) -> Answer:
    def answer(number, request):
        raise kind("as the test wants it", request=request)

    return answer


class TestSecrets:
    """Every way to fail, and nowhere a token."""

    WAYS = {  # noqa: RUF012  read only
        **{f"code {code}": lambda n, r, code=code: refusal(CODES[code].status, code) for code in CODES},
        **{f"status {status}": lambda n, r, status=status: httpx2.Response(status, html="x") for status in (403, 500)},
        **{kind.__name__: raising(kind) for kind in (httpx2.ConnectError, httpx2.ReadTimeout, httpx2.ReadError)},
        "html": lambda n, r: httpx2.Response(200, html="<p>"),
        "no text": lambda n, r: httpx2.Response(200, json={"result": {}, "success": True}),
        "a bug of ours": lambda n, r: (_ for _ in ()).throw(KeyError("odd")),
        "retry-after": lambda n, r: refusal(429, 3040, headers={"retry-after": "999"}),
        "well": lambda n, r: heard(),
    }

    @pytest.mark.parametrize(
        "way, credentials", [*((way, "token") for way in WAYS), ("code 10000", "key"), ("a bug of ours", "key")]
    )
    def test_none_in_anything_that_a_user_may_see(self, way, credentials, clock, capfd, caplog):
        caplog.set_level(logging.DEBUG)
        given = (
            {"api_token": "SECRET-token"}
            if credentials == "token"
            else {"api_token": None, "api_key": "SECRET-key", "api_email": "me@example.org"}
        )
        service = Service(self.WAYS[way])
        backend = service.backend(at_once=1, gateway="mine", gateway_token="SECRET-gate", **given)
        shown = [repr(backend), str(backend), repr(backend.account), str(dict(backend.fingerprint))]

        try:
            result = transcribed(clips(3), backend, progress=True)
        except BackendError as error:
            shown += traceback.format_exception(error)
            shown += [repr(error), str(vars(error))]
            result = error.partial
        shown += [result.to_csv(), str(result.attrs), caplog.text, *capfd.readouterr()]
        for outcome in _outcomes(service.backend(at_once=1, **given)):
            shown += [repr(outcome), *(traceback.format_exception(outcome.error) if hasattr(outcome, "error") else [])]

        sent = str(service.requests[0].headers.raw)
        assert "SECRET-gate" in sent
        assert f"SECRET-{credentials}" in sent
        assert len(shown) > 8
        assert [text for text in shown if any(secret in text for secret in SECRETS)] == []

    @pytest.mark.parametrize("talk", [well, hang_up, half, no_http, silence], ids=lambda talk: talk.__name__)
    def test_none_in_the_logs_of_the_wire(self, talk, caplog, capfd):
        caplog.set_level(logging.DEBUG)
        secret = {"api_token": "SECRET-token", "gateway": "mine", "gateway_token": "SECRET-gate"}

        with served(talk, timeout=0.2, **secret) as (server, backend):
            result = transcribed(brief(), backend, progress=True)

        assert b"SECRET-token" in server.requests[0]
        assert b"SECRET-gate" in server.requests[0]
        assert caplog.text
        assert "SECRET" not in caplog.text + result.to_csv() + "".join(capfd.readouterr())

    def test_none_in_the_words_of_a_header_that_cannot_be_sent(self):
        with pytest.raises(CredentialsError) as caught:
            Service().backend(gateway="mine", gateway_token="SECRET\ngate")

        assert "SECRET" not in str(caught.value)

    def test_none_in_the_words_of_a_header_that_slips_through_all_checks(self):
        with served(well) as (_, backend):
            backend.account = replace(backend.account, api_token="SECRET\ntoken")
            result = transcribed(brief(), backend)

        assert errors_of(result) == ["connection"]
        assert "SECRET" not in result.to_csv()


def _outcomes(backend: Any) -> list[Any]:
    try:
        return list(asrkit.transcribe([clip(0.1)], model=backend, progress=False))
    except AsrkitError:
        return []


class TestWholeRecordings:
    def test_a_second_that_is_too_large_is_told_with_its_limit(self):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, 32_000).astype(np.float32)

        [failed] = asrkit.transcribe([(noise, 16_000)], model=Service().backend(max_bytes=5_000), progress=False)

        assert isinstance(failed.error, DecodeError)
        assert failed.code == "too-large"

    @pytest.mark.parametrize("shape, room", [("raw", 1.0), ("array", 4.0)])
    def test_no_request_is_larger_than_it_may_be(self, shape, room):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, 16_000 * 20).astype(np.float32)
        service = Service()

        transcribed(
            pd.DataFrame({"audio": [(noise, 16_000)]}), service.backend(shape=shape, max_bytes=int(room * 150_000))
        )

        assert len(service.requests) >= 3
        assert all(len(request.content) <= room * 150_000 for request in service.requests)

    def test_the_same_file_goes_unchanged_through_a_whole_run(self, recordings):
        some = recordings[recordings.path.str.endswith((".mp3", ".ogg", ".webm", ".m4a"))]
        some = some[some.duration_s < 20].groupby("format").head(1)
        service = Service()

        for model in (WHISPER, TURBO):
            result = some.asr.transcribe("path", model=service.backend(model), progress=False)
            assert result.hypothesis.notna().all()

        originals = {Path(path).read_bytes() for path in some.path}
        assert {sound_of(request) for request in service.requests} == originals
        types = {request.headers["content-type"] for request in service.requests}
        assert types == {"application/json", "audio/mpeg", "audio/ogg", "audio/webm", "audio/mp4"}
