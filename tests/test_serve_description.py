"""The OpenAPI description, and what a machine that reads it can make the server do."""

import json
import random

import hypothesis
import pytest
from test_serve import ACCOUNT, clip

import asrkit.serve
from asrkit.cloudflare.models import MODELS
from asrkit.serve import Settings
from asrkit.serve.openapi import description

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 25  # of each operation


def test_the_description_is_openapi():
    from jsonschema import Draft202012Validator

    told = description(True)

    assert told["openapi"].startswith("3.1")
    assert json.loads(json.dumps(told)) == told
    for verbs in told["paths"].values():
        for operation in verbs.values():
            for kind in operation.get("requestBody", {}).get("content", {}).values():
                Draft202012Validator.check_schema(kind["schema"])
            for answer in operation["responses"].values():
                for kind in answer["content"].values():
                    Draft202012Validator.check_schema(kind["schema"])


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_described(model):
    assert f"/client/v4/accounts/{{account_id}}/ai/run/{model}" in description(False)["paths"]


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model="canned:found by chance", port=0)) as running:
        yield running


OPERATIONS = [(path, verb) for path, verbs in description(False)["paths"].items() for verb in verbs]


@pytest.mark.parametrize("path, verb", OPERATIONS)
def test_no_request_of_the_description_breaks_the_server(server, path, verb):
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    operation = schemathesis.openapi.from_url(f"{server.url}/openapi.json")[path][verb.upper()]

    @hypothesis.given(case=operation.as_strategy())
    @hypothesis.settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    def check(case):
        # Random bytes are no sound, so what the description allows may still be refused.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    check()


@pytest.mark.parametrize("seed", range(4))
def test_no_json_breaks_the_server(server, seed):
    from test_serve import ask

    dice = random.Random(seed)

    def anything(depth=0):
        kinds = [None, True, 0, -1, 256, 1e308, 10**30, "", "x", "UklG\n", "\x00", clip(seconds=0.01).hex()]
        kind = dice.randrange(8 if depth < 4 else 6)
        if kind == 6:
            return [anything(depth + 1) for _ in range(dice.randrange(4))]
        if kind == 7:
            names = (
                "audio",
                "model",
                "input",
                "options",
                "language",
                "beam_size",
                "requests",
                "body",
                "request_id",
                "0",
            )
            return {dice.choice(names): anything(depth + 1) for _ in range(dice.randrange(4))}
        return dice.choice(kinds)

    paths = [
        "ai/run",
        *(f"ai/run/{model}" for model in MODELS),
        *(f"ai/run/{model}?queueRequest=true" for model in MODELS),
    ]
    for _ in range(60):
        body = json.dumps({"audio": anything(), "model": dice.choice(list(MODELS)), "input": anything()}).encode()
        answer = ask(server, f"/accounts/{ACCOUNT}/{dice.choice(paths)}", body)
        assert answer.status < 500, (body, answer.body)
        assert set(answer.json) == {"result", "success", "errors", "messages"}
