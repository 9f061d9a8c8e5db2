"""The language of real recordings where nobody told it: window by window, and by stretches of a window."""

from __future__ import annotations

import numpy as np
import pytest

import asrkit
from asrkit.audio import load
from asrkit.backends.identify import likeliest_path
from asrkit.journal.keys import question
from asrkit.normalizers import Basic

pytestmark = [pytest.mark.model, pytest.mark.speech]

BASE = "openai/whisper-base"
GERMAN = {"die", "der", "das", "und", "ist", "ein", "eine", "auf", "mit", "sind", "am", "ort", "ärzte", "strecke"}


@pytest.fixture(scope="module")
def clip(recordings):
    """The sound of the n-th short recording in a language."""

    def take(language: str, number: int = 0) -> np.ndarray:
        chosen = recordings[(recordings.language == language) & recordings.duration_s.between(2.5, 7)]
        return load(chosen.path.iloc[number]).samples

    return take


def pause(seconds: float) -> np.ndarray:
    return np.zeros(int(16_000 * seconds), np.float32)


def heard(*pieces: np.ndarray, **options: object) -> asrkit.Transcript:
    backend = asrkit.Whisper(BASE, precision="float32", temperature_fallback=False, **options)
    [transcript] = asrkit.transcribe([(np.concatenate(pieces), 16_000)], model=backend, progress=False, journal=False)
    return transcript


@pytest.mark.parametrize("between", [4.0, 0.8], ids=["in another window", "in the same window"])
def test_a_greeting_does_not_decide_for_what_follows(clip, between):
    greeting, german = clip("en")[:22_000], clip("de", 1)

    transcript = heard(greeting, pause(between), german)
    alone = heard(german)

    assert transcript.language == alone.language == "de"
    assert len(GERMAN & set(Basic()(transcript.text).split())) >= 2
    assert all(word in Basic()(transcript.text) for word in Basic()(alone.text).split()[-2:])


@pytest.mark.parametrize(
    "first, between, second",
    [("de", 4.0, "fr"), ("en", 0.8, "de"), ("es", 0.8, "fr")],
    ids=["in two windows", "in one window", "in one window, of one family"],
)
def test_two_languages_are_both_written_and_flagged(clip, first, between, second):
    transcript = heard(clip(first), pause(between), clip(second))

    assert [segment.language for segment in transcript.segments] == [first, second]
    assert "language-changes" in transcript.flags
    assert transcript.segments[1].start > transcript.segments[0].start


def test_half_a_second_of_speech_does_not_make_a_language(clip):
    german = clip("de", 1)
    begin = int(np.argmax(np.abs(german) > 0.05))

    transcript = heard(german[begin : begin + 8_000], pause(4.0), german)

    assert (transcript.language, transcript.flags) == ("de", ())
    assert {segment.language for segment in transcript.segments} == {"de"}


def test_a_language_that_is_given_is_that_of_everything(clip):
    transcript = heard(clip("en"), pause(0.8), clip("de"), language="de")

    assert {segment.language for segment in transcript.segments} == {"de"}
    assert transcript.detected_language is None
    assert "language-changes" not in transcript.flags


def test_a_text_in_two_languages_is_the_same_in_any_batch(clip):
    mixed, german, french = np.concatenate([clip("de"), pause(0.8), clip("fr")]), clip("de"), clip("fr")
    cells = [(sound, 16_000) for sound in (german, mixed, french)]

    def texts(order, size):
        backend = asrkit.Whisper(BASE, precision="float32", batch_size=size, temperature_fallback=False)
        outcomes = asrkit.transcribe([cells[at] for at in order], model=backend, progress=False, journal=False)
        return dict(zip(order, [(one.text, one.language, one.flags) for one in outcomes], strict=True))

    assert texts([0, 1, 2], 1) == texts([2, 1, 0], 8)


def test_translating_keeps_the_language_of_each_window(clip):
    transcript = heard(clip("de"), pause(4.0), clip("fr"), task="translate")

    assert (transcript.language, {segment.language for segment in transcript.segments}) == ("en", {"en"})
    assert "language-changes" in transcript.flags


def test_texts_in_a_language_that_is_given_stay_valid_in_a_journal():
    found, given, english = (
        asrkit.Whisper(BASE),
        asrkit.Whisper(BASE, language="de"),
        asrkit.Whisper("openai/whisper-tiny.en"),
    )

    assert "language_version" in found.fingerprint
    assert "language_version" not in given.fingerprint
    assert "language_version" not in english.fingerprint
    assert "language_version" not in str(question(found, is_language_given=True))
    assert "language_version" in str(question(found))


def test_a_change_of_language_has_to_be_paid_for_by_evidence():
    rng = np.random.default_rng(3)
    for _ in range(200):
        shares = rng.dirichlet(np.ones(4), size=int(rng.integers(2, 6)))
        free, dear = likeliest_path(np.log(shares), 0.0), likeliest_path(np.log(shares), 1e6)
        assert free == shares.argmax(axis=1).tolist()
        assert set(dear) == {int(np.log(shares).sum(axis=0).argmax())}
