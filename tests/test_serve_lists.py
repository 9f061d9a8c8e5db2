"""asrkit's client of nova-3 against asrkit's server: repeated parameters and the language that is found out."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
import soundfile

import asrkit

pytest.importorskip("starlette")

from starlette.datastructures import QueryParams

from asrkit.backends.base import Preferences
from asrkit.cloudflare.models import MODELS
from asrkit.serve.answers import Refusal
from asrkit.serve.requests import from_body, from_input
from asrkit.serve.settings import Settings
from asrkit.transcript import Transcript

NOVA = MODELS["@cf/deepgram/nova-3"]


class Echo:
    """Answers with the language that it was asked for."""

    name = "echo"
    fingerprint = {"backend": "echo"}  # noqa: RUF012 - never changed
    preferred = Preferences(batch_size=4)

    def transcribe(self, batch, *, languages):
        return [Transcript(f"language {language}", language or "fr") for language in languages]


def wav() -> bytes:
    file = BytesIO()
    soundfile.write(file, np.zeros(1_600), 16_000, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize(
    "query, prompt, searched",
    [
        ("keyterm=Anna&keyterm=B%26C&search=a&search=b", "Anna, B&C", ["a", "b"]),
        ("keyterm=Anna&search=a", "Anna", "a"),
        ("search=a&diarize=true&search=b&diarize=true", None, ["a", "b"]),
    ],
)
def test_repeated_parameters_are_all_taken(query, prompt, searched):
    ask = from_body(NOVA, wav(), QueryParams(query))

    assert (ask.wish.prompt, ask.options["search"]) == (prompt, searched)


def test_json_may_hold_lists_too():
    given = {"audio": {"body": "UklGRg==", "contentType": "audio/wav"}, "keyterm": ["Anna", "Ben"]}

    assert from_input(NOVA, given).wish.prompt == "Anna, Ben"


@pytest.mark.parametrize("odd", [[1], ["x" * 10_001], [{}]])
def test_an_item_that_is_no_short_text_is_refused(odd):
    given = {"audio": {"body": "UklGRg==", "contentType": "audio/wav"}, "keyterm": odd}

    with pytest.raises(Refusal, match="keyterm"):
        from_input(NOVA, given)


def test_the_client_and_the_server_understand_one_another():
    frame = pd.DataFrame({"audio": [wav()]})
    with asrkit.serve.background(Settings(model=Echo(), port=0)) as server:
        options = {
            "base_url": f"{server.url}/client/v4",
            "keyterm": ["a", "b"],
            "redact": ["pci", "ssn"],
            "diarize": True,
        }
        found_out = frame.asr.transcribe(
            "audio", model=asrkit.WorkersAI(NOVA.name, **options), details=True, progress=False
        )
        told = asrkit.WorkersAI(NOVA.name, language="de", **options)
        german = frame.asr.transcribe("audio", model=told, progress=False)

    assert (found_out.hypothesis[0], found_out.hypothesis_language[0]) == ("language None", "fr")
    assert german.hypothesis[0] == "language de"
    assert json.loads(json.dumps(told.fingerprint))["options"]["redact"] == ["pci", "ssn"]
