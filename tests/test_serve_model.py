"""Real weights and real recordings: through the server, in batches, the text is that of the model alone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from test_serve import RUN, TURBO, WHISPER, as_base64, ask, body_for
from test_serve_openai import FORM, form

import asrkit
import asrkit.serve
from asrkit.serve import Settings

pytestmark = [pytest.mark.model, pytest.mark.speech]

TINY, BASE = "openai/whisper-tiny.en", "openai/whisper-base"


@pytest.fixture(scope="module")
def english(recordings):
    short = recordings[(recordings.source == "librispeech-test-other") & (recordings.duration_s < 8)]
    long = recordings[recordings.source == "librispeech-long"].sort_values("duration_s")
    return [*short.path.iloc[:14], long.path.iloc[0]]


@pytest.fixture(scope="module")
def tiny():
    with asrkit.serve.background(Settings(model=TINY, precision="float32", port=0, window=0.2)) as running:
        yield running


def test_the_text_through_the_server_is_that_of_the_model_alone(tiny, english):
    alone = asrkit.Whisper(TINY, precision="float32", timestamps="word", batch_size=1)
    expected = [outcome.text for outcome in asrkit.transcribe(english, model=alone, progress=False)]
    models = [WHISPER, TURBO]

    def through(at):
        model = models[at % 2]
        return ask(tiny, f"{RUN}/{model}", body_for(model, Path(english[at]).read_bytes())).result["text"]

    with ThreadPoolExecutor(len(english)) as pool:
        heard = list(pool.map(through, range(len(english))))

    assert heard == expected
    sizes = ask(tiny, "/metrics").body.decode()
    assert 'asrkit_batch_size_bucket{le="1.0"} 15.0' not in sizes  # some were heard together


def test_words_lie_within_the_recording_and_make_up_the_text(tiny, english):
    result = ask(tiny, f"{RUN}/{WHISPER}", Path(english[0]).read_bytes()).result

    times = [time for word in result["words"] for time in (word["start"], word["end"])]
    assert " ".join(word["word"] for word in result["words"]) == result["text"]
    assert times == sorted(times)
    assert times[-1] < 8.1


def test_silence_is_silence(tiny):
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.zeros(80_000), 16_000, format="WAV")

    result = ask(tiny, f"{RUN}/{TURBO}", as_base64(file.getvalue(), vad_filter=True)).result

    assert (result["text"], result["segments"]) == ("", [])
    assert result["transcription_info"]["duration_after_vad"] == 0


def test_beams_and_prompts_are_the_request_s_own(tiny, english):
    data = Path(english[0]).read_bytes()

    plain = ask(tiny, f"{RUN}/{TURBO}", as_base64(data)).result
    searched = ask(tiny, f"{RUN}/{TURBO}", as_base64(data, beam_size=2, initial_prompt="A novel.")).result
    again = ask(tiny, f"{RUN}/{TURBO}", as_base64(data)).result

    assert searched["text"]
    assert again == plain


@pytest.mark.parametrize(
    "more, said",
    [
        ({"language": "de"}, "knows English only"),
        ({"task": "translate"}, "cannot translate"),
        ({"language": "xx"}, "'xx'"),
    ],
)
def test_what_the_model_cannot_do_is_said(tiny, english, more, said):
    answer = ask(tiny, f"{RUN}/{TURBO}", as_base64(Path(english[0]).read_bytes(), **more))

    assert (answer.status, answer.code) == (400, 5006)
    assert said in answer.message


@pytest.fixture(scope="module")
def german(recordings):
    clips = recordings[(recordings.language == "de") & recordings.duration_s.between(2, 6)]
    return Path(clips.path.iloc[0]).read_bytes()


@pytest.fixture(scope="module")
def base():
    with asrkit.serve.background(Settings(model=BASE, port=0)) as running:
        yield running


def test_the_language_is_found_out(base, german):
    assert ask(base, f"{RUN}/{TURBO}", as_base64(german)).result["transcription_info"]["language"] == "de"


def test_a_translation_is_another_text(base, german):
    heard = ask(base, "/v1/audio/transcriptions", form(german, model="whisper-1", response_format="verbose_json"), FORM)
    translated = ask(base, "/v1/audio/translations", form(german, model="whisper-1"), FORM)

    assert heard.json["language"] == "german"
    assert translated.json["text"] != heard.json["text"]
