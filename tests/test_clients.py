"""`asrkit serve` and the clients that people have: nobody here wrote them, and they take it for the real one."""

from __future__ import annotations

import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from clients.programs import ACCOUNT, HERE, TOKEN, Program, node_packages, python_packages

from asrkit import Canned
from asrkit.normalizers import Basic
from asrkit.serve import Settings, background

BASIC = Basic()

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from asrkit.audio import Audio

pytestmark = [pytest.mark.model, pytest.mark.speech]

WHISPER = "@cf/openai/whisper"
TURBO = "@cf/openai/whisper-large-v3-turbo"
NOVA = "@cf/deepgram/nova-3"
SAID = "but there came no promise from the bow of the canoe"

# fault -> what each client makes of it
CODES = {"401-10000": [10000], "404-7003": [7003, 7000], "413-3006": [3006], "429-3040": [3040], "500-html": []}
SDK = {
    "401-10000": "AuthenticationError",
    "404-7003": "NotFoundError",
    "429-3040": "RateLimitError",
    "500-json": "InternalServerError",
    "500-html": "InternalServerError",
}
PYTHON = {**SDK, "413-3006": "APIStatusError"}
JAVASCRIPT = {**SDK, "413-3006": "APIError"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(Settings(model="openai/whisper-tiny.en", port=0, grace=2, faults="header")) as server:
        yield server.url


@pytest.fixture(scope="module")
def recording(recordings: pd.DataFrame) -> str:
    return recordings.set_index("id")["path"]["cmu-arctic-bdl_arctic_a0103_wav"]


@pytest.fixture(scope="module")
def python_5(url: str) -> Iterator[Program]:
    pytest.importorskip("cloudflare", minversion="5")
    client = Program([sys.executable, str(HERE / "cloudflare_python.py")], url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def python_4(url: str) -> Iterator[Program]:
    with python_packages("cloudflare==4.3.1") as folder:
        shutil.copy(HERE / "cloudflare_python.py", folder)  # its own folder comes before all others
        client = Program([sys.executable, str(folder / "cloudflare_python.py")], url)
        yield client
        client.close()


@pytest.fixture(scope="module")
def packages() -> Iterator[Path]:
    with node_packages(HERE) as folder:
        yield folder


@pytest.fixture(scope="module")
def javascript(packages: Path, url: str) -> Iterator[Program]:
    client = Program(["node", "cloudflare_js.js"], url, cwd=packages)
    yield client
    client.close()


@pytest.fixture(scope="module")
def provider(packages: Path, url: str) -> Iterator[Program]:
    client = Program(["node", "workers_ai_provider.js"], url, cwd=packages)
    yield client
    client.close()


@pytest.fixture(params=["python_5", "python_4", "javascript"])
def sdk(request: pytest.FixtureRequest) -> Program:
    program: Program = request.getfixturevalue(request.param)
    program.expected = JAVASCRIPT if request.param == "javascript" else PYTHON
    return program


def heard(answer: dict[str, Any]) -> str:
    assert "result" in answer, answer
    return BASIC(answer["result"]["text"])


# ---- Cloudflare's own SDKs


def test_an_sdk_sends_a_list_of_bytes_and_gets_text_and_words(sdk, recording):
    answer = sdk.ask("array", model=WHISPER, audio=recording)

    assert heard(answer) == SAID
    words = answer["result"]["words"]
    assert BASIC(" ".join(word["word"] for word in words)) == SAID
    assert answer["result"]["word_count"] == len(words) == 11
    assert all(0 <= word["start"] <= word["end"] <= 3 for word in words)


def test_an_sdk_sends_base64_to_turbo_and_gets_segments_and_the_language(sdk, recording):
    answer = sdk.ask("base64", model=TURBO, audio=recording, options={"language": "en", "vad_filter": True})

    assert heard(answer) == SAID
    result = answer["result"]
    assert result["transcription_info"]["language"] == "en"
    assert result["transcription_info"]["duration"] == pytest.approx(2.735, abs=0.01)
    assert len([word for segment in result["segments"] for word in segment["words"]]) == 11


@pytest.mark.parametrize("client", ["python_5", "javascript"])
def test_an_sdk_sends_the_file_as_the_body(client, recording, request):
    answer = request.getfixturevalue(client).ask("raw", model=WHISPER, audio=recording)

    assert heard(answer) == SAID


@pytest.mark.parametrize("fault", PYTHON)
def test_an_sdk_raises_its_own_error_for_each_status(sdk, fault, recording):
    answer = sdk.ask("array", model=WHISPER, audio=recording, fault=fault)

    assert (answer["error"], answer["status"]) == (sdk.expected[fault], int(fault[:3]))
    if fault in CODES:
        assert [code for code, _ in answer["errors"]] == CODES[fault]
    else:
        assert [type(code) for code, _ in answer["errors"]] == [int]


def test_an_sdk_says_that_the_connection_was_lost(sdk, recording):
    answer = sdk.ask("array", model=WHISPER, audio=recording, fault="cut-early")

    assert (answer["error"], answer["status"]) == ("APIConnectionError", None)


def test_an_sdk_tries_again_where_the_server_asks_it_to(sdk, recording):
    answer = sdk.ask("array", model=WHISPER, audio=recording, fault="429-3040:1", retries=1)

    assert answer["error"] == "RateLimitError"
    assert len(answer["paths"]) == 2


def test_an_sdk_does_not_try_again_what_is_lost(sdk, recording):
    answer = sdk.ask("array", model=WHISPER, audio=recording, fault="413-3006", retries=2)

    assert answer["status"] == 413
    assert len(answer["paths"]) == 1


def test_an_sdk_is_told_that_a_text_is_no_sound(sdk):
    answer = sdk.ask("array", model=WHISPER, audio=HERE / "package.json")

    assert (answer["error"], answer["status"]) == ("BadRequestError", 400)
    assert [code for code, _ in answer["errors"]] == [3010]


def test_an_sdk_is_told_of_a_model_that_is_not_there(sdk, recording):
    answer = sdk.ask("array", model="@cf/openai/wisper", audio=recording)

    assert (answer["error"], answer["status"]) == ("BadRequestError", 400)
    assert answer["errors"] == [[5007, "No such model @cf/openai/wisper or task"]]


def test_base64_for_whisper_is_refused_as_the_real_one_refuses_it(sdk, recording):
    answer = sdk.ask("base64", model=WHISPER, audio=recording)

    [[code, message]] = answer["errors"]
    assert (answer["error"], code) == ("BadRequestError", 5006)
    assert "array" in message


def test_a_typed_array_in_json_is_refused_with_a_hint(javascript, recording):
    answer = javascript.ask("typed array", model=WHISPER, audio=recording)

    [[code, message]] = answer["errors"]
    assert (answer["error"], code) == ("BadRequestError", 5006)
    assert "array" in message


def test_an_sdk_pages_through_the_models_and_comes_to_an_end(sdk):
    answer = sdk.ask("models", options={"task": "Automatic Speech Recognition"})

    assert {WHISPER, TURBO} <= set(answer["result"])
    assert len(answer["result"]) == len(set(answer["result"]))
    assert "page=" in answer["paths"][-1]


def test_an_sdk_reads_a_models_schema(sdk):
    answer = sdk.ask("schema", model=TURBO)

    assert "language" in answer["result"]["input"]["properties"]
    assert "text" in answer["result"]["output"]["properties"]


def test_newer_sdks_escape_the_slashes_of_the_model_and_older_ones_do_not(python_5, python_4, javascript, recording):
    asked = {"model": WHISPER, "audio": recording, "fault": "500-json"}  # the path is all that matters
    paths = [client.ask("array", **asked)["paths"] for client in (python_5, python_4, javascript)]

    run = f"/client/v4/accounts/{ACCOUNT}/ai/run/@cf"
    assert paths == [[f"{run}%2Fopenai%2Fwhisper"], [f"{run}/openai/whisper"], [f"{run}%2Fopenai%2Fwhisper"]]
    assert (python_5.version[0], python_4.version, javascript.version) == ("5", "4.3.1", "7.3.0")


# ---- the AI SDK, by way of Cloudflare's provider


@pytest.mark.parametrize("model", [WHISPER, "@cf/openai/whisper-tiny-en", TURBO, NOVA])
def test_the_ai_sdk_transcribes_with_every_model(provider, model, recording):
    answer = provider.ask("transcribe", model=model, audio=recording)

    assert heard(answer) == SAID
    spoken = " ".join(segment["text"] for segment in answer["result"]["segments"])
    assert BASIC(spoken) == SAID
    assert answer["result"]["segments"][-1]["endSecond"] <= 3
    assert (answer["result"].get("language") == "en") == (model == TURBO)


def test_the_ai_sdk_goes_through_a_gateway(provider, recording):
    answer = provider.ask("transcribe", model=WHISPER, audio=recording, gateway="home")

    assert heard(answer) == SAID
    assert answer["paths"] == [f"/v1/{ACCOUNT}/home/workers-ai/run/{WHISPER}"]


@pytest.mark.parametrize("fault", [*CODES, "500-json"])
def test_the_ai_sdk_raises_its_own_error_for_each_status(provider, fault, recording):
    answer = provider.ask("transcribe", model=WHISPER, audio=recording, fault=fault)

    assert (answer["error"], answer["status"]) == ("AI_APICallError", int(fault[:3]))
    for code in CODES.get(fault, []):
        assert f'"code":{code}' in answer["body"].replace(" ", "")


def test_the_ai_sdk_tries_again_and_says_so_in_the_end(provider, recording):
    answer = provider.ask("transcribe", model=WHISPER, audio=recording, fault="429-3040:1", retries=1)

    assert (answer["error"], answer["reason"], answer["last"]) == ("AI_RetryError", "maxRetriesExceeded", 429)
    assert len(answer["paths"]) == 2


# ---- OpenAI's SDK, against /v1


@pytest.fixture(scope="module")
def openai_client(url: str) -> Iterator[Any]:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key=TOKEN, max_retries=0, timeout=60) as client:
        yield client


def test_the_openai_sdk_transcribes(openai_client, recording):
    answer = openai_client.audio.transcriptions.create(model="whisper-1", file=Path(recording))

    assert BASIC(answer.text) == SAID


def test_the_openai_sdk_gets_words_and_segments_when_it_asks_for_them(openai_client, recording):
    answer = openai_client.audio.transcriptions.create(
        model="whisper-1",
        file=Path(recording),
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )

    assert BASIC(" ".join(word.word for word in answer.words)) == SAID
    assert BASIC(" ".join(segment.text for segment in answer.segments)) == SAID
    assert answer.duration == pytest.approx(2.735, abs=0.01)


@pytest.mark.parametrize("kind, opening", [("text", "but there"), ("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")])
def test_the_openai_sdk_gets_plain_text_and_captions(openai_client, kind, opening, recording):
    answer = openai_client.audio.transcriptions.create(model="whisper-1", file=Path(recording), response_format=kind)

    assert answer.lower().startswith(opening.lower())
    assert "canoe" in answer


class Listener:
    """What answers behind a small, guarded server: at once, when it is let, or never."""

    def __init__(self) -> None:
        self.is_broken = False
        self.heard, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def __call__(self, audio: Audio) -> str:
        self.heard.set()
        assert self.may_answer.wait(60)
        if self.is_broken:
            raise RuntimeError("broken on purpose")
        return "hello"


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def guarded(listener: Listener) -> Iterator[Any]:
    """Makes clients of a server that wants a token, takes little and has one place."""
    openai = pytest.importorskip("openai")
    settings = Settings(model=Canned(listener), port=0, token=TOKEN, max_body=50_000, queue=1, grace=2)
    with (
        background(settings) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=TOKEN, max_retries=0, timeout=60) as client,
    ):
        yield client
        listener.may_answer.set()


def test_the_openai_sdk_knows_a_wrong_token(guarded, tone_file):
    import openai

    with pytest.raises(openai.AuthenticationError) as raised:
        guarded.with_options(api_key="wrong").audio.transcriptions.create(model="whisper-1", file=tone_file())

    assert raised.value.status_code == 401
    assert guarded.audio.transcriptions.create(model="whisper-1", file=tone_file()).text == "hello"


def test_the_openai_sdk_knows_a_model_that_is_not_there(guarded, tone_file):
    import openai

    with pytest.raises(openai.NotFoundError, match="whisper-9") as raised:
        guarded.audio.transcriptions.create(model="whisper-9", file=tone_file())

    assert raised.value.code == "model_not_found"


def test_the_openai_sdk_knows_a_file_that_is_too_large(guarded, tone_file):
    import openai

    with pytest.raises(openai.APIStatusError) as raised:
        guarded.audio.transcriptions.create(model="whisper-1", file=tone_file(seconds=3))

    assert raised.value.status_code == 413


def test_the_openai_sdk_knows_a_server_that_is_busy(guarded, listener, tone_file):
    import openai

    listener.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(guarded.audio.transcriptions.create, model="whisper-1", file=tone_file())
        assert listener.heard.wait(60)
        with pytest.raises(openai.RateLimitError) as raised:
            guarded.audio.transcriptions.create(model="whisper-1", file=tone_file(pitch=660))
        listener.may_answer.set()

    assert first.result().text == "hello"
    assert int(raised.value.response.headers["retry-after"]) >= 1


def test_the_openai_sdk_knows_a_server_that_is_broken(guarded, listener, tone_file):
    import openai

    listener.is_broken = True

    with pytest.raises(openai.InternalServerError) as raised:
        guarded.audio.transcriptions.create(model="whisper-1", file=tone_file())

    assert raised.value.status_code == 500


def test_the_openai_sdk_is_told_that_a_text_is_no_sound(openai_client):
    import openai

    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.audio.transcriptions.create(model="whisper-1", file=HERE / "package.json")

    assert raised.value.body["message"]
