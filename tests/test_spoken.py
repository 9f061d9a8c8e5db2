"""Languages of the windows of a recording: what is certain stays, what is doubtful follows the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from asrkit import transcribe
from asrkit.backends.base import Preferences
from asrkit.errors import BackendError
from asrkit.outcomes import Failure
from asrkit.spoken import likely_languages
from asrkit.transcript import Segment, Transcript, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asrkit.audio import Audio


def window(language: str | None, probability: float | None, seconds: float, text: str = "words") -> Transcript:
    segments = (Segment(text, 0.0, seconds),) if text else ()
    found = language if probability is not None else None
    return Transcript(
        text, language, segments, duration=seconds, detected_language=found, language_probability=probability
    )


@pytest.mark.parametrize(
    "windows, expected",
    [
        ([("de", 0.99, 20)], {}),
        ([("hi", 0.5, 0.5), ("de", 0.9, 20)], {0: "de"}),
        ([("hi", 0.99, 0.5), ("de", 0.9, 20)], {0: "de"}),  # half a second is no evidence
        ([("en", 0.99, 1.9), ("de", 0.9, 20)], {}),
        ([("en", 0.8, 1.9), ("de", 0.9, 20)], {0: "de"}),
        ([("de", 0.9, 20), ("fr", 0.97, 3)], {}),
        ([("de", 0.9, 20), ("nl", 0.5, 20), ("de", 0.9, 20)], {1: "de"}),
        ([("de", 0.9, 20), ("nl", 0.5, 20), ("fr", 0.9, 20), ("es", 0.4, 9)], {1: "de", 3: "fr"}),
        ([("nl", 0.5, 20), ("de", 0.55, 20), ("nl", 0.4, 2)], {0: "de", 2: "de"} | {}),
        ([("nl", 0.5, 2), ("de", 0.55, 20)], {0: "de"}),
        ([(None, None, 20), (None, None, 20)], {}),
        ([("en", None, 20), ("de", None, 20)], {}),
    ],
)
def test_a_doubtful_window_takes_the_language_of_the_certain_ones(windows, expected):
    assert likely_languages([window(*one) for one in windows]) == expected


def test_a_window_without_words_says_nothing_and_is_not_heard_again():
    assert likely_languages([window("ja", 0.99, 20, ""), window("nn", 0.3, 9, ""), window("de", 0.9, 9)]) == {}


def test_what_was_settled_once_stays_so():
    rng = np.random.default_rng(5)
    for _ in range(300):
        count = int(rng.integers(1, 7))
        heard = [
            window(str(rng.choice(["de", "en", "nl"])), float(rng.random()), float(rng.choice([0.4, 1.5, 4.0, 20.0])))
            for _ in range(count)
        ]
        likely = likely_languages(heard)
        again = [
            window(likely[number], None, one.duration) if number in likely else one for number, one in enumerate(heard)
        ]
        assert likely_languages(again) == {}


def test_the_language_of_a_recording_is_that_of_most_of_its_seconds():
    whole = join([window("en", 0.99, 2.0), window("de", 0.9, 20.0)], [0.0, 5.0], 25.0)

    assert whole.language == "de"
    assert [segment.language for segment in whole.segments] == ["en", "de"]
    assert whole.flags == ("language-changes",)


def test_one_language_is_no_change():
    whole = join([window("de", 0.99, 2.0), window("en", 0.9, 20.0, "")], [0.0, 5.0], 25.0)

    assert (whole.language, whole.flags) == ("de", ())


class Guesser:
    """Takes a clip for German if it is loud, else for English, and for doubtful if it is very quiet."""

    name = "guesser"
    fingerprint: dict[str, Any] = {}  # noqa: RUF012  a class as a user may write it

    def __init__(self, **preferred: Any) -> None:
        self.preferred = Preferences(longest=6.0, **preferred)
        self.batches: list[list[str | None]] = []

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        self.batches.append(list(languages))
        result = []
        for audio, told in zip(batch, languages, strict=True):
            seconds = audio.duration
            loudness = float(np.abs(audio.samples).max())
            found = told or ("de" if loudness > 0.3 else "en")
            segments = (Segment(f"in {found}", 0.0, seconds),)
            finding: dict[str, Any] = {}
            if told is None:
                finding = {"detected_language": found, "language_probability": 0.97 if loudness > 0.15 else 0.5}
            result.append(Transcript(f"in {found}", found, segments, seconds, 0.1, **finding))
        return result


def recording(*parts: tuple[float, float]) -> tuple[np.ndarray, int]:
    """Tones of these seconds and loudnesses."""
    return np.concatenate([gain * np.sin(np.arange(int(16_000 * seconds)) * 0.2) for seconds, gain in parts]).astype(
        np.float32
    ), 16_000


CHANGING = recording((9.0, 0.5), (12.0, 0.2), (12.0, 0.1), (9.0, 0.5), (12.0, 0.1))
DOUBTFUL = recording((9.0, 0.5), (12.0, 0.1))


def outcomes(cells: list[Any], **options: Any) -> list[Any]:
    return list(transcribe(cells, model=Guesser(**options), progress=False))


def test_a_text_is_the_same_alone_and_among_others_in_batches_of_any_size():
    cells = [CHANGING, recording((2.0, 0.2)), DOUBTFUL, CHANGING]
    alone = [outcomes([cell], batch_size=1)[0] for cell in cells]

    for size in (1, 2, 5, 64):
        for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
            heard = outcomes([cells[at] for at in order], batch_size=size)
            assert [(one.text, one.language, one.flags) for one in heard] == [
                (alone[at].text, alone[at].language, alone[at].flags) for at in order
            ]


def test_a_doubtful_window_is_heard_again_in_the_language_of_the_others():
    backend = Guesser(batch_size=64)

    [heard] = transcribe([DOUBTFUL], model=backend, progress=False)

    assert backend.batches[0] == [None] * len(backend.batches[0])
    assert len(backend.batches) == 2
    assert set(backend.batches[1]) == {"de"}
    assert {segment.language for segment in heard.segments} == {"de"}
    assert heard.flags == ()


def test_a_given_language_is_never_heard_again():
    backend = Guesser(batch_size=64)

    [heard] = transcribe([CHANGING], model=backend, language="fr", progress=False)

    assert {language for batch in backend.batches for language in batch} == {"fr"}
    assert (heard.language, heard.flags) == ("fr", ())


def test_a_window_that_fails_when_it_is_heard_again_fails_its_row_only():
    class Fails(Guesser):
        def transcribe(self, batch, *, languages):
            if "de" in languages:
                raise BackendError("no")
            return super().transcribe(batch, languages=languages)

    failed, heard = transcribe([DOUBTFUL, recording((5.0, 0.2))], model=Fails(batch_size=4), progress=False)

    assert isinstance(failed, Failure)
    assert heard.text == "in en"


def test_a_run_that_is_resumed_gives_the_same_text(tmp_path):
    class Stops(Guesser):
        def transcribe(self, batch, *, languages):
            if len(self.batches) == 3:
                raise KeyboardInterrupt
            return super().transcribe(batch, languages=languages)

    [whole] = outcomes([CHANGING], batch_size=1)
    path = tmp_path / "texts.sqlite"
    with pytest.raises(KeyboardInterrupt):
        list(transcribe([CHANGING], model=Stops(batch_size=1), progress=False, journal=path))

    [resumed] = transcribe([CHANGING], model=Guesser(batch_size=1), progress=False, journal=path)

    assert (resumed.text, resumed.language, resumed.flags) == (whole.text, whole.language, whole.flags)
