"""Values of options, in a shell and in Python, and what a spend limit looks like."""

import json

import httpx2
import numpy as np
import pytest
import soundfile

import asrkit
from asrkit.cli import main
from asrkit.errors import OptionError, QuotaError, RateLimitError
from asrkit.shell_options import further_options, joined_options

NOVA, TURBO, TINY = "@cf/deepgram/nova-3", "@cf/openai/whisper-large-v3-turbo", "openai/whisper-tiny.en"


@pytest.mark.parametrize(
    "model, given, expected",
    [
        (NOVA, ["keyterm=a", "keyterm=b", "keyterm=c"], {"keyterm": ["a", "b", "c"]}),
        (NOVA, ['keyterm=["a","b"]', "keyterm=c"], {"keyterm": ["a", "b", "c"]}),
        (NOVA, ["keyterm=2024"], {"keyterm": "2024"}),
        (NOVA, ["keyterm=2024", "keyterm=true", "search=1.50"], {"keyterm": ["2024", "true"], "search": "1.50"}),
        (NOVA, ["diarize=true", "language=multi"], {"diarize": True, "language": "multi"}),
        (TURBO, ["initial_prompt=007", "beam_size=5"], {"initial_prompt": "007", "beam_size": 5}),
        (TURBO, ["account_id=123", "max_cost=0.5", "at_once=4"], {"account_id": "123", "max_cost": 0.5, "at_once": 4}),
        (TINY, ["prompt=1984", "window=8", "speech_gate=false"], {"prompt": "1984", "window": 8, "speech_gate": False}),
        (TINY, ['generate_kwargs={"num_beams": 5}'], {"generate_kwargs": {"num_beams": 5}}),
        ("@cf/someone/new-model", ["x=1", "x=a=b", "gateway=1"], {"x": [1, "a=b"], "gateway": "1"}),
    ],
)
def test_values_in_a_shell_are_what_the_model_takes_under_the_name(model, given, expected):
    assert further_options(given, model) == expected


@pytest.mark.parametrize(
    "given", ["keyterm", "=a", " =a", "model=x", "start=1", "progress=false", "out=x", "transport=1"]
)
def test_what_is_no_option_of_a_model_is_refused_in_a_shell(given):
    with pytest.raises(OptionError, match=r"--option"):
        further_options([given], NOVA)


def test_an_option_is_given_in_one_way():
    assert joined_options({"timestamps": None, "task": "transcribe"}, {"timestamps": "word"})["timestamps"] == "word"
    with pytest.raises(OptionError, match="timestamps was given twice: by --timestamps and by --option timestamps="):
        joined_options({"timestamps": "word"}, {"timestamps": "word"})


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--timestamps", "word", "--option", "timestamps=word"], "given twice"),
        (["--option", "timestamps=bad"], "timestamps"),
        (["--option", "model=x"], "no option of a model"),
        (["--dry-run", "--option", "progress=true"], "no option of a model"),
        (["--option", "window=bad"], "expected window to be a number, got 'bad', a str"),
        (["--option", "batch_size=x"], "expected batch_size to be a whole number"),
        (["--option", "generate_kwargs=5"], "expected generate_kwargs to be a dict"),
        (["--option", "speech_gate=maybe"], "expected speech_gate to be True or False"),
    ],
)
@pytest.mark.parametrize("command", ["transcribe", "transcribe-files"])
def test_odd_options_in_a_shell_are_errors_of_ours(tmp_path, capsys, arguments, expected, command):
    if command == "transcribe-files" and "--dry-run" in arguments:
        return
    soundfile.write(tmp_path / "a.wav", np.zeros(8_000), 16_000)
    into = ["--out", str(tmp_path / "out")] if command == "transcribe-files" else ["--no-journal"]

    assert main([command, str(tmp_path / "a.wav"), *into, "-q", "--model", TINY, *arguments]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, value",
    [
        *[("window", value) for value in ("bad", [8], True, {})],
        *[("batch_size", value) for value in ("x", 2.5, True, [1])],
        *[("generate_kwargs", value) for value in (5, "num_beams", [("num_beams", 5)])],
        *[(name, value) for name in ("speech_gate", "temperature_fallback") for value in ("maybe", 5, "true")],
        *[(name, 5) for name in ("revision", "device", "language", "prompt", "task", "timestamps", "precision")],
    ],
)
def test_a_value_of_another_type_is_refused_by_whisper(name, value):
    with pytest.raises(OptionError, match=f"expected {name} to be"):
        asrkit.Whisper("openai/whisper-no-such", **{name: value})


@pytest.mark.parametrize(
    "name, value",
    [
        *[
            (name, "x")
            for name in ("at_once", "max_bytes", "cache_ttl", "max_cost", "per_minute", "longest", "timeout")
        ],
        *[(name, "maybe") for name in ("speech_gate", "skip_cache")],
        *[(name, 5) for name in ("language", "prompt", "gateway", "base_url", "account_id", "shape", "metadata")],
    ],
)
def test_a_value_of_another_type_is_refused_by_workers_ai(name, value):
    with pytest.raises(OptionError, match=f"expected {name} to be"):
        asrkit.WorkersAI(NOVA, **{"account_id": "0" * 32, "api_token": "t", "gateway": "g", name: value})


def test_a_secret_of_another_type_is_not_shown():
    with pytest.raises(OptionError, match="expected api_token to be text, got a bytes") as refused:
        asrkit.WorkersAI(NOVA, account_id="0" * 32, api_token=b"hidden")
    assert "hidden" not in str(refused.value)


def heard(body, status=429, headers=None):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    wire = httpx2.MockTransport(lambda request: httpx2.Response(status, content=content, headers=headers or {}))
    backend = asrkit.WorkersAI(
        NOVA,
        account_id="0" * 32,
        api_token="t",
        base_url="http://127.0.0.1:1/client/v4",
        transport=wire,
    )
    backend.begin()
    backend.traffic.refused = lambda retry_after: backend.traffic.stop()  # a full service is waited for
    return backend._one(asrkit.audio.encode(asrkit.audio.Audio(np.full(16_000, 0.1, np.float32))), None)


@pytest.mark.parametrize("status", [402, 403, 429])
@pytest.mark.parametrize(
    "body",
    [
        {"error": "Spend limit exceeded"},
        {"error": "spend_limit_exceeded"},
        {"error": "SpendLimitExceeded"},
        {"error": "spend-limit", "message": "no more"},
        {"error": ["Spending limit reached"]},
        {"errors": ["Your budget of $5 is exhausted"]},
        {"error": {"message": "spending_cap reached"}},
        {"errors": [{"code": 2050, "message": "Cost limit of the gateway"}]},
        {"message": "budget_exceeded"},
        {"error": "The limit of spending is reached"},
        b"Spend limit exceeded",
    ],
)
def test_a_spend_limit_is_known_however_it_is_spelled(status, body):
    with pytest.raises(QuotaError, match="a spend limit of the AI Gateway is reached"):
        heard(body, status)


@pytest.mark.parametrize("headers, when", [({}, "when its window"), ({"retry-after": "0"}, "when its window")])
def test_a_spend_limit_says_when_to_call_again(headers, when):
    with pytest.raises(QuotaError, match=f"call again {when}"):
        heard({"error": "Spend limit exceeded"}, headers=headers)
    with pytest.raises(QuotaError, match="call again in 0 h 01 min"):
        heard({"error": "Spend limit exceeded"}, headers={"retry-after": "20"})


@pytest.mark.parametrize(
    "message", ["Rate limited", "Capacity temporarily exceeded", "cost capability", "dispense limit"]
)
def test_another_refusal_is_no_spend_limit(message):
    with pytest.raises((RateLimitError, asrkit.errors.BackendError)) as refused:
        heard({"error": message})
    assert not isinstance(refused.value, QuotaError)


def test_a_row_without_money_says_once_that_it_was_not_sent():
    answer = {"result": {"results": {"channels": [{"alternatives": [{"transcript": "so", "words": []}]}]}}}
    wire = httpx2.MockTransport(lambda request: httpx2.Response(200, json=answer))
    backend = asrkit.WorkersAI(
        NOVA,
        account_id="0" * 32,
        api_token="t",
        base_url="http://127.0.0.1:1/client/v4",
        transport=wire,
        max_cost=0.0003,
    )
    cells = [(np.full(16_000 + 100 * number, 0.1), 16_000) for number in range(12)]

    rows = list(asrkit.transcribe(cells, model=backend, progress=False, journal=False))

    assert {"max-cost"} == {row.code for row in rows if hasattr(row, "code")}
    assert not [row for row in rows if "not sent: not sent" in str(row)]
