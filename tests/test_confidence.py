"""A confidence is a probability in [0, 1] wherever a user meets the word; intervals have a level, tokens a logprob."""

from __future__ import annotations

import inspect
import io
import json
import math
import pkgutil
from dataclasses import asdict, is_dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scale_backends import Telling

import asrkit
from asrkit import evaluate
from asrkit.audio import Audio
from asrkit.backends.base import Preferences
from asrkit.errors import OptionError
from asrkit.evaluate import bootstrap, comparison, frames, paired, paired_bootstrap, sample_size
from asrkit.evaluate import score as scoring
from asrkit.evaluate.calibration import calibrate, calibration
from asrkit.evaluate.combine import rover, vote
from asrkit.serve import dialects, openai
from asrkit.serve.recogniser import Heard
from asrkit.transcript import Segment, Transcript, Word, join
from asrkit.upload import encode

LOGPROB = -0.25
SURE = math.exp(LOGPROB)


def said(text: str = "so it is", duration: float = 1.0) -> Transcript:
    words = tuple(Word(word, place / 4, place / 4 + 0.2, 0.9) for place, word in enumerate(text.split()))
    segment = Segment(text, 0.0, duration, words, SURE, 0.1, 0.9, 0.0, logprob=LOGPROB)
    return Transcript(text, "en", (segment,), duration=duration, confidence=SURE, logprob=LOGPROB)


class Sure:
    """Knows how sure it is of its tokens, as Whisper does."""

    name, batch_size, fingerprint, preferred = "sure", 4, {"backend": "sure"}, Preferences()  # constants

    def transcribe(self, batch: Any, *, languages: Any = None) -> list[Transcript]:
        return [said(duration=audio.duration) for audio in batch]


def clip(seconds: float = 1.0) -> bytes:
    return encode(Audio(np.full(round(16_000 * seconds), 0.01, np.float32)), "wav").data


def as_0_1_0_wrote_it(heard: Transcript) -> dict[str, Any]:
    """Without logprob, which was called confidence."""

    def old(one: dict[str, Any]) -> dict[str, Any]:
        return {**{name: value for name, value in one.items() if name != "logprob"}, "confidence": one["logprob"]}

    told = asdict(heard)
    return old({**told, "segments": [old(segment) for segment in told["segments"]]})


# Transcripts


@pytest.mark.parametrize("value", [-0.1, 1.001, -math.inf, math.nan])
@pytest.mark.parametrize("kind", [Transcript, Segment, Word])
def test_a_confidence_outside_of_0_to_1_is_refused_where_it_is_made(kind, value):
    places = {Transcript: ("a",), Segment: ("a", 0.0, 1.0), Word: ("a", 0.0, 1.0)}[kind]
    for fine in (None, 0, 0.0, 1, 1.0, np.float32(0.5)):
        assert kind(*places, confidence=fine).confidence == fine
    with pytest.raises(OptionError, match=rf"{kind.__name__}.confidence is a probability in \[0, 1\] .* logprob"):
        kind(*places, confidence=value)


def test_a_transcript_of_0_1_0_is_read_as_what_it_meant():
    heard = said()

    again = Transcript.from_dict(as_0_1_0_wrote_it(heard))

    assert again == heard


def test_a_transcript_of_0_1_0_without_any_confidence_has_none_now():
    silent = Transcript("", flags=("silence",), segments=(Segment("", 0.0, 1.0),))

    assert Transcript.from_dict(as_0_1_0_wrote_it(silent)) == silent


def test_the_probability_of_a_service_is_read_from_0_1_0_as_a_probability_alone():
    words = (Word("so", 0.0, 0.2, 0.8),)
    heard = Transcript("so", segments=(Segment("so", 0.0, 0.2, words),), confidence=0.9)

    again = Transcript.from_dict({**as_0_1_0_wrote_it(heard), "confidence": math.log(0.9)})

    assert (again.confidence, again.logprob) == (pytest.approx(0.9), None)


def test_rows_in_a_journal_of_0_1_0_read_correctly(tmp_path, monkeypatch):
    df = pd.DataFrame({"audio": [clip()]})
    options = {"model": Sure(), "details": True, "journal": tmp_path / "kept.sqlite", "progress": False}
    with monkeypatch.context() as earlier:
        earlier.setattr(Transcript, "to_dict", as_0_1_0_wrote_it)
        list(asrkit.transcribe(df.audio, model=Sure(), journal=options["journal"], progress=False))

    class Asleep(Sure):
        def transcribe(self, batch: Any, *, languages: Any = None) -> list[Transcript]:
            raise AssertionError("the journal has the row")

    again = df.asr.transcribe("audio", **{**options, "model": Asleep()})

    assert again.hypothesis_confidence[0] == pytest.approx(SURE)
    assert again.hypothesis_logprob[0] == LOGPROB
    assert again.hypothesis_segments[0][0]["confidence"] == pytest.approx(SURE)


def test_of_windows_the_confidence_is_that_of_all_their_tokens():
    parts = [said("so"), replace(said("it is"), confidence=math.exp(-1.0), logprob=-1.0)]

    whole = join(parts, starts=[0, 1], duration=2.0)

    assert whole.logprob == pytest.approx((3 * LOGPROB + 6 * -1.0) / 9)
    assert whole.confidence == pytest.approx(math.exp(whole.logprob))


# Where users meet them


def test_a_frame_a_csv_and_a_parquet_of_shards_say_the_same(tmp_path):
    df = pd.DataFrame({"audio": [clip(), None]})
    frame = df.asr.transcribe("audio", model=Sure(), details=True, progress=False)
    df.to_parquet(tmp_path / "in.parquet")
    asrkit.transcribe_shard(tmp_path / "in.parquet", "audio", out=tmp_path / "out", model=Sure(), details=True)
    shard = pd.read_parquet(tmp_path / "out" / "in.parquet")
    table = pd.read_csv(io.StringIO(frame.drop(columns="audio").to_csv(index=False)))

    for one in (frame, shard, table):
        np.testing.assert_allclose(one.hypothesis_confidence, [SURE, np.nan])
        np.testing.assert_allclose(one.hypothesis_logprob, [LOGPROB, np.nan])
    for one in (frame, shard):
        [segment] = one.hypothesis_segments[0]
        assert (segment["confidence"], segment["logprob"], segment["words"][0]["confidence"]) == (SURE, LOGPROB, 0.9)


def test_results_of_shards_that_0_1_0_wrote_are_refused_not_mixed_with_new_ones(tmp_path):
    pd.DataFrame({"audio": [clip()]}).to_parquet(tmp_path / "in.parquet")
    options: dict[str, Any] = {"out": tmp_path / "out", "model": Telling(), "journal": False, "progress": False}
    asrkit.transcribe_files(tmp_path / "in.parquet", "audio", details=True, **options)
    made = pq.read_table(tmp_path / "out" / "in.parquet")
    pq.write_table(made.drop_columns("hypothesis_logprob"), tmp_path / "out" / "in.parquet")

    with pytest.raises(OptionError, match=r"made by 0\.1\.0, which wrote log-probabilities into hypothesis_confidence"):
        asrkit.transcribe_files(tmp_path / "in.parquet", "audio", details=True, **options)


def test_a_server_tells_log_probabilities_and_probabilities_as_what_they_are():
    heard = Heard(said(), 1.0, 1.0, "en")

    [turbo] = dialects.turbo(heard, {})["segments"]
    [nova] = dialects.deepgram(heard, {})["results"]["channels"]

    assert turbo["avg_logprob"] == LOGPROB
    assert openai._segment(0, heard.transcript.segments[0])["avg_logprob"] == LOGPROB
    assert nova["alternatives"][0]["confidence"] == SURE


def test_a_service_that_gives_only_a_probability_has_its_logarithm_where_one_is_asked_for():
    assert dialects.logprob_of(Segment("a", 0.0, 1.0, confidence=0.5)) == pytest.approx(math.log(0.5))
    assert dialects.logprob_of(Segment("a", 0.0, 1.0)) == 0.0


# Scores


@pytest.fixture
def scored() -> pd.DataFrame:
    rows = {"text": ["a b c d"] * 12, "one": ["a b c d", "a b c x"] * 6, "two": ["a b x y"] * 12}
    return pd.DataFrame({**rows, "one_confidence": [0.9, 0.4] * 6, "room": ["r", "s", "s"] * 4})


def numbers_under(told: Any, word: str, inside: bool = False) -> list[float]:
    """All numbers under names with the word."""
    if isinstance(told, dict):
        return [n for name, value in told.items() for n in numbers_under(value, word, inside or word in name)]
    if isinstance(told, list):
        return [number for value in told for number in numbers_under(value, word, inside)]
    return [told] if inside and isinstance(told, int | float) else []


def test_in_the_json_of_a_comparison_confidences_are_those_of_rows_and_intervals_have_levels(scored):
    both = scored.asr.compare(reference="text", hypotheses=["one", "two"], level=0.9, replicates=50)

    told = json.loads(both.to_json())

    assert numbers_under(told, "confidence") == [0.9, 0.4] * 6
    assert [one["interval"]["level"] for one in told["scores"]] == [0.9, 0.9]
    assert told["differences"][0]["joint_level"] == 0.9


def test_pages_speak_of_levels_of_intervals(scored):
    both = scored.asr.compare(reference="text", hypotheses=["one", "two"], by="room", level=0.9, replicates=50)

    for page in (str(both), both._repr_html_(), both.to_html(), both.plot("slices").caption):
        assert "% confidence" not in page
        assert "confidence 90%" not in page.replace(", confidence 90%", "")  # of a row of the first system


def test_a_calibration_takes_confidences_as_they_are(scored):
    found = calibration(scored.asr.score(reference="text", hypothesis="one", replicates=50))

    assert found.frame[found.frame["count"] > 0].confidence.tolist() == pytest.approx([0.4, 0.9])


@pytest.mark.parametrize(
    "use",
    [
        lambda df: calibration(df.asr.score(reference="text", hypothesis="one", replicates=50)),
        lambda df: df.asr.score(reference="text", hypothesis="one", replicates=50).plot("confidence"),
        lambda df: rover(df.assign(two_confidence=0.5), hypotheses=["one", "two"], alpha=0.5),
        lambda df: vote([["a"], ["b"]], confidences=[-0.1, 0.5], alpha=0.5),
        lambda df: calibrate([-0.1], [0.0]),
        lambda df: df.asr.label("text", hypothesis="one", order="confidence"),
    ],
    ids=["calibration", "plot", "rover", "vote", "calibrate", "labeler"],
)
def test_a_log_probability_is_refused_where_a_confidence_counts(scored, use):
    scored["one_confidence"] = -0.1

    with pytest.raises(OptionError, match=r"confidence.*: expected probabilities in \[0, 1\], got -0.1 .* np.exp"):
        use(scored)


def test_a_log_probability_is_not_shown_as_a_confidence_and_keeps_no_row_from_its_score(scored):
    old = scored.assign(one_confidence=-0.1)

    score = old.asr.score(reference="text", hypothesis="one", replicates=50)

    assert score.wer == scored.asr.score(reference="text", hypothesis="one", replicates=50).wer
    assert "confidence" not in score.frame
    assert numbers_under(json.loads(score.to_json()), "confidence") == []
    assert "confidence" not in score._repr_html_()


TAKE_A_LEVEL = {
    "DataFrame.asr.score": lambda df, **o: df.asr.score(reference="text", hypothesis="one", **o),
    "DataFrame.asr.compare": lambda df, **o: df.asr.compare(reference="text", hypotheses=["one"], **o),
    "DataFrame.asr.benchmark": lambda df, **o: df.asr.benchmark(
        "one", reference="text", models=[asrkit.Canned(["a"])], **o
    ),
    "frames.score": lambda df, **o: frames.score(df, reference="text", hypothesis="one", **o),
    "frames.compare": lambda df, **o: frames.compare(df, reference="text", hypotheses=["one"], **o),
    "bootstrap.bootstrap": lambda df, **o: bootstrap([1, 0], [3, 3], **o),
    "bootstrap.paired_bootstrap": lambda df, **o: paired_bootstrap([1, 0], [0, 0], [3, 3], **o),
    "bootstrap.sample_size": lambda df, **o: sample_size([1, 0], [0, 0], [3, 3], **o),
    "paired.paired_difference": lambda df, **o: paired.paired_difference([1, 0], [0, 0], [3, 3], **o),
    "paired.paired_differences": lambda df, **o: paired.paired_differences([([1, 0], [0, 0])], [3, 3], **o),
    "score.score_texts": lambda df, **o: scoring.score_texts(None, "one", **o),
    "score.slices": lambda df, **o: scoring.slices(None, {}, **o),
    "comparison.compare_scores": lambda df, **o: comparison.compare_scores([], **o),
}


def of_the_evaluation() -> list[tuple[str, Any]]:
    """Every public function and data class of it."""
    modules = [import_module(one.name) for one in pkgutil.iter_modules(evaluate.__path__, "asrkit.evaluate.")]
    return [
        (name, one)
        for module in modules
        for name, one in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(one) or (inspect.isclass(one) and is_dataclass(one)))
        and one.__module__ == module.__name__
    ]


@pytest.mark.parametrize("call", TAKE_A_LEVEL.values(), ids=list(TAKE_A_LEVEL))
def test_the_old_keyword_is_refused_with_the_new_ones_name(scored, call):
    with pytest.raises(OptionError, match=r"takes no confidence=; it is called level now: pass level=0.9"):
        call(scored, confidence=0.9)


def test_every_function_that_takes_a_level_is_among_them():
    taking = {
        f"{function.__module__.rpartition('.')[2]}.{name}"
        for name, function in of_the_evaluation()
        if (parameter := inspect.signature(function).parameters.get("level")) and parameter.default == 0.95
    }

    assert taking == {name for name in TAKE_A_LEVEL if not name.startswith("DataFrame")}


def test_no_parameter_and_no_field_of_the_evaluation_is_called_confidence_but_that_of_a_row():
    """Walks all of it: a new interval with a ``confidence`` is found."""
    found = {
        (name, "confidence") for name, one in of_the_evaluation() if "confidence" in inspect.signature(one).parameters
    }
    for name, function in inspect.getmembers(pd.DataFrame({"a": []}).asr, inspect.ismethod):
        found |= {(name, one) for one in inspect.signature(function).parameters if one == "confidence"}

    assert found == {("Score", "confidence")}


def test_the_documents_of_the_folder_use_the_word_for_probabilities_only():
    readme = Path(__file__).parent.parent / "README.md"
    if not readme.is_file():
        pytest.skip("no README here")

    assert "confidence=0." not in readme.read_text()
    assert "% confidence" not in readme.read_text()
