"""The client of Workers AI against a server of the same API, on good days and bad ones."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from collections import Counter

import numpy as np
import pandas as pd
import pytest

import asrkit
import asrkit.cloudflare.models
import asrkit.cloudflare.prices
from asrkit.audio import Audio, encode
from asrkit.errors import CredentialsError, QuotaError

pytest.importorskip("starlette")
from asrkit.serve import Settings, background

ROWS = 2_000


@pytest.fixture(scope="module")
def clips() -> list[bytes]:
    """Short WAVs, each different."""
    draw = np.random.default_rng(0)
    return [
        encode(Audio(draw.uniform(-0.1, 0.1, int(draw.uniform(800, 4_000))).astype(np.float32)), "wav").data
        for _ in range(ROWS)
    ]


def _client(url: str, **options):
    return asrkit.WorkersAI(base_url=f"{url}/client/v4", per_minute=None, **options)


def _log(url: str) -> list[dict]:
    with urllib.request.urlopen(f"{url}/faults/log") as answer:
        told = json.load(answer)
    return told if isinstance(told, list) else told["requests"]


def test_of_two_thousand_requests_with_mixed_faults_every_row_ends_and_none_is_sent_again_after_its_answer(
    clips, monkeypatch
):
    monkeypatch.setattr("asrkit.backends.workers_ai.full_jitter", lambda attempt: 0.01 * attempt)
    with background(Settings(model="canned:so it is", port=0, faults="mix=0.1,seed=3,delay=0.001", queue=64)) as server:
        client = _client(server.url)
        df = pd.DataFrame({"audio": clips}).asr.transcribe("audio", model=client, details=True, progress=False)
        log = _log(server.url)

    texts, errors = df["hypothesis"], df["hypothesis_error"]
    assert len(df) == ROWS
    assert (texts.notna() ^ errors.notna()).all()
    assert set(texts.dropna()) == {"so it is"}
    assert texts.isna().mean() < 0.01  # two answers lost in a row are not asked for again: they may have been paid
    assert sum(entry["fault"] is not None for entry in log) > 0.08 * ROWS
    answered = Counter()
    for entry in log:
        assert not answered[entry["digest"]]
        answered[entry["digest"]] += entry["answered"]
    heard = {hashlib.sha256(clip).hexdigest() for clip, text in zip(clips, texts, strict=True) if isinstance(text, str)}
    assert {digest for digest, count in answered.items() if count} == heard


def test_what_the_service_may_bill_never_passes_the_cap(clips, monkeypatch):
    monkeypatch.setattr("asrkit.backends.workers_ai.full_jitter", lambda attempt: 0.01 * attempt)
    cap = 0.0003
    with background(
        Settings(model="canned:yes", port=0, faults="mix=0.3,seed=5,cut,cut-early,500-html,slow")
    ) as server:
        client = _client(server.url, max_cost=cap)
        df = pd.DataFrame({"audio": clips}).asr.transcribe("audio", model=client, progress=False)
        log = _log(server.url)

    price = asrkit.cloudflare.prices.price_of("@cf/openai/whisper")
    billed = sum(price.dollars(entry["seconds"] or 0.0) for entry in log)
    spent = client.spending.dollars + client.spending.doubtful
    assert 0.9 * cap < spent <= cap
    assert billed <= spent + 1e-9
    assert df["hypothesis"].notna().sum() > 100
    left = df["hypothesis_error"].dropna()
    assert left.str.startswith("max-cost").mean() > 0.9


@pytest.mark.parametrize(
    "fault, error", [("401-10000", CredentialsError), ("429-4006", QuotaError), ("429-3036", QuotaError)]
)
def test_what_no_row_can_pass_stops_the_run_at_the_first_request(clips, fault, error):
    with background(Settings(model="canned:no", port=0, faults=f"mix=1,{fault}")) as server:
        with pytest.raises(error) as raised:
            pd.DataFrame({"audio": clips[:50]}).asr.transcribe("audio", model=_client(server.url), progress=False)
        log = _log(server.url)

    assert len(log) == 1
    assert raised.value.partial["hypothesis"].isna().all()


@pytest.mark.parametrize("model", list(asrkit.cloudflare.models.MODELS))
def test_every_model_gives_text_words_and_captions(clips, model):
    with background(Settings(model="canned:so it is", port=0)) as server:
        [heard] = asrkit.transcribe(
            clips[:1], model=asrkit.WorkersAI(model, base_url=f"{server.url}/client/v4"), progress=False
        )

    assert heard.text == "so it is"
    assert heard.to_vtt().startswith("WEBVTT")
    assert "so it is" in heard.to_srt()


def test_a_token_is_asked_for_where_the_server_has_one(clips):
    with background(Settings(model="canned:hello", port=0, token="a-long-token")) as server:
        with pytest.raises(CredentialsError, match="10000"):
            list(asrkit.transcribe(clips[:1], model=_client(server.url, api_token="another"), progress=False))
        [heard] = asrkit.transcribe(clips[:1], model=_client(server.url, api_token="a-long-token"), progress=False)
        [by_gateway] = asrkit.transcribe(
            clips[:1], model=_client(server.url, api_token="a-long-token", gateway="mine"), progress=False
        )

    assert heard.text == by_gateway.text == "hello"


def test_a_recording_over_the_limit_goes_in_parts_and_comes_back_whole(clips):
    draw = np.random.default_rng(1)
    long = (0.1 * draw.standard_normal(16_000 * 70), 16_000)
    with background(Settings(model="canned:part", port=0)) as server:
        client = _client(server.url, longest=30.0)
        [heard] = asrkit.transcribe([long], model=client, progress=False)

    assert client.spending.requests == len(heard.text.split()) >= 3
    assert client.spending.seconds == pytest.approx(70.0)
    starts = [segment.start for segment in heard.segments]
    assert starts == sorted(starts)
    assert heard.duration == pytest.approx(70.0)
