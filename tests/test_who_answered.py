"""A result says who made its texts, and no price of a service that was not asked."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.cloudflare.account import API, host_elsewhere
from asrkit.costs import estimate
from asrkit.errors import BackendError
from asrkit.evaluate.report import report
from asrkit.serve import Settings, background

pytest.importorskip("starlette")

WHISPER = "@cf/openai/whisper"
PLAYED = f"{WHISPER} (played here by canned:so it is)"


@pytest.fixture(scope="module")
def server():
    with background(Settings(model="canned:so it is", port=0)) as running:
        yield running


@pytest.fixture
def frame():
    samples = np.random.default_rng(0).normal(0, 3_000, (4, 8_000)).astype(np.int16)
    return pd.DataFrame({"audio": [(row, 16_000) for row in samples], "text": ["so it is", "so is it", "it is", "so"]})


def backend(server, **options):
    return asrkit.WorkersAI(base_url=f"{server.url}/client/v4", per_minute=None, **options)


def read(page):
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", page))


def test_a_benchmark_names_who_answered_and_gives_no_price_in_any_view(server, frame):
    local = asrkit.Canned(["so it is", "so is it", "it is", "so"])
    made = frame.asr.benchmark("audio", reference="text", models=[local, backend(server)], progress=False)
    page, plotted = read(report(made)), made.plot("systems")

    assert made.names[1] == PLAYED
    assert made.frame["model"][PLAYED] == "canned:so it is"
    assert made[PLAYED].system["answered_by"] == "canned:so it is"
    assert [name.get_text() for name in plotted.axes[0].get_yticklabels()][1].endswith("canned:so it is)")
    told = json.loads(made.to_json(rows=False))
    views = (str(made), read(made._repr_html_()), page, json.dumps(told), made.frame.to_string())
    for view in views:
        assert PLAYED in view
        assert (
            not re.search(rf"{WHISPER}(?! \(played here by)", view.replace(f'"model": "{WHISPER}"', "")) or view is page
        )
        assert "$ per audio hour" not in view
        assert not re.search(r"\$\d", view)
    for view in views[:2]:
        assert view.count(WHISPER) == view.count(PLAYED)
    assert told["scores"][1]["dollars_per_hour"] is None
    assert np.isnan(made[PLAYED].dollars_per_hour)


def test_the_columns_of_a_row_have_no_cost_and_the_attributes_say_who_answered(server, frame):
    client = backend(server)
    heard = frame.asr.transcribe("audio", model=client, details=True, progress=False)

    assert heard["hypothesis"].tolist() == ["so it is"] * 4
    assert heard["hypothesis_cost"].isna().all()
    assert heard.attrs["asrkit"]["hypothesis"]["answered_by"] == "canned:so it is"
    assert client.label == PLAYED
    host = server.url.removeprefix("http://")
    assert str(client.spending).endswith(f"answered by {host} and not by Cloudflare, so what they cost is not known")
    assert "$" not in str(client.spending)


def test_a_cap_holds_at_the_list_price_where_somebody_else_answers(server, frame):
    second = asrkit.cloudflare.prices.price_of(WHISPER).dollars(0.5)
    client = backend(server, max_cost=2.5 * second, at_once=1)
    heard = frame.asr.transcribe("audio", model=client, progress=False)

    assert heard["hypothesis"].notna().sum() == 2
    assert heard["hypothesis_error"].str.startswith("max-cost").sum() == 2
    assert client.ledger.spending.dollars == pytest.approx(2 * second)


def test_a_server_that_does_not_say_what_it_runs_is_named_by_its_host(frame):
    import httpx2

    def answer(request):
        return httpx2.Response(200, json={"success": True, "result": {"text": "so it is"}})

    client = asrkit.WorkersAI(
        base_url="https://proxy.example.org/cf", account_id="a", api_token="t", transport=httpx2.MockTransport(answer)
    )
    made = frame.asr.benchmark("audio", reference="text", models=[client], progress=False, journal=False)

    assert made.names == [f"{WHISPER} (answered by proxy.example.org)"]
    assert made.frame["model"].tolist() == ["proxy.example.org"]
    assert np.isnan(made.scores[0].dollars_per_hour)


def test_cloudflare_itself_keeps_its_name_and_its_price_whatever_header_comes(frame):
    import httpx2

    def answer(request):
        headers = {"x-asrkit-model": "another"}
        return httpx2.Response(200, json={"success": True, "result": {"text": "so it is"}}, headers=headers)

    for options in ({}, {"gateway": "mine"}):
        client = asrkit.WorkersAI(account_id="a", api_token="t", transport=httpx2.MockTransport(answer), **options)
        made = frame.asr.benchmark("audio", reference="text", models=[client], progress=False, journal=False)
        assert made.names == [WHISPER]
        assert made.scores[0].dollars_per_hour == pytest.approx(0.0271524)
        assert "answered_by" not in made.scores[0].system
        assert "0.0272" in read(report(made))


def test_two_servers_of_one_model_have_two_names(server, frame):
    made = frame.asr.benchmark("audio", reference="text", models=[backend(server), backend(server)], progress=False)

    assert made.names == [PLAYED, f"{PLAYED} (2)"]


def test_a_failed_benchmark_says_what_failed(frame):
    client = asrkit.WorkersAI(base_url="http://127.0.0.1:9/client/v4", per_minute=None)

    with pytest.raises(BackendError, match=f"none of the models could be run: {WHISPER}"):
        frame.asr.benchmark("audio", reference="text", models=[client], progress=False)


@pytest.mark.parametrize("by", ["argument", "environment", "backend"])
def test_an_estimate_for_another_host_has_no_price(by, frame, monkeypatch):
    url = "http://127.0.0.1:9/client/v4"
    options = {"model": WHISPER}
    if by == "argument":
        options["base_url"] = url
    elif by == "environment":
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", url)
    else:
        options["model"] = asrkit.WorkersAI(base_url=url)

    told = estimate(frame, "audio", progress=False, **options)
    assert (told.dollars, told.neurons) == (None, None)
    assert "127.0.0.1:9 answers in Cloudflare's place, and what it asks for is not known" in str(told)
    assert "$" not in str(told)


@pytest.mark.parametrize(
    "url, host",
    [
        (API, None),
        ("https://gateway.ai.cloudflare.com/v1", None),
        ("https://API.Cloudflare.com/client/v4", None),
        ("http://localhost:8000/client/v4", "localhost:8000"),
        ("https://user:secret@proxy.example.org/cf", "proxy.example.org"),
        ("https://api.cloudflare.com.example.org/client/v4", "api.cloudflare.com.example.org"),
    ],
)
def test_only_cloudflares_own_hosts_are_cloudflare(url, host):
    assert host_elsewhere(url) == host
