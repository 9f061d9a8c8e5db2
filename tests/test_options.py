"""What a score is labelled with is what made it: every option of the evaluation changes a number, or is refused."""

from __future__ import annotations

import dataclasses
import inspect
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.errors import OptionError
from asrkit.evaluate import (
    Sclite,
    align,
    align_all,
    bootstrap,
    count_errors,
    frames,
    mapsswe,
    paired_bootstrap,
    paired_difference,
    paired_differences,
    sample_size,
)
from asrkit.evaluate.annotators import agreement
from asrkit.evaluate.benchmark import benchmark
from asrkit.evaluate.calibration import calibrate, calibration
from asrkit.evaluate.combine import oracle, rover, vote
from asrkit.evaluate.score import slices
from asrkit.evaluate.suspicious import suspicious_references
from asrkit.normalizers import Basic, English, Multilingual, Unchanged

# A corpus on which every option counts: markup, fragments, capitals, compounds, numbers, failed rows, speakers.
ROWS = [
    ("So {uh / @} it is", "So it is", "so uh it is"),
    ("The White paper", "the whitepaper", "the white paper"),
    ("twenty five dollars", "$25", "twenty five"),
    ("a wor- (uh) b", "a working b", "a b"),
    ("a b c d e", "d e x y z", "a b c d e"),
    ("one two three", None, "one two"),
    ("the cat sat", "the bat sat", "the cat sat"),
    ("good day", "good night", "good day sir"),
] * 3
FRAME = pd.DataFrame(ROWS, columns=["text", "one", "two"]).assign(
    speaker=[f"s{row // 3}" for row in range(len(ROWS))],
    room=["r", "s"] * (len(ROWS) // 2),
    path=[f"{row}.wav" for row in range(len(ROWS))],
    tongue="de",
    one_confidence=np.linspace(0.2, 0.9, len(ROWS)),
    two_confidence=np.linspace(0.9, 0.1, len(ROWS)),
)
CHINESE = pd.DataFrame({"text": ["我喜欢猫"] * 4, "one": ["我喜欢 狗"] * 4, "two": ["我 喜欢猫"] * 4})
WRONG = pd.DataFrame(
    {
        "text": ["so it is", "the cat sat on the mat", "good day to you all"],
        "one": ["so it was", "what a lovely long day it is", "good day to you all"],
        "two": ["so it is", "what a lovely long day it was", "good day to you"],
    }
)
NUMBERS = {"errors": [3, 1, 2, 0, 1, 4] * 2, "other": [1, 1, 0, 0, 2, 2] * 2, "words": [9, 8, 7, 9, 4, 6] * 2}
SPEAKERS = ["a", "a", "b", "c", "c", "d"] * 2

Call = Callable[..., Any]


def numbers_of(result: Any) -> Any:
    """All that a result says, without what it is labelled with."""
    if isinstance(result, pd.DataFrame):
        return result.to_json(default_handler=str)
    if hasattr(result, "to_json"):
        told = json.loads(result.to_json())
        for one in (told, *told.get("scores", [])):
            for label in ("aligner", "normalizer", "versions", "unit", "rate"):
                one.pop(label, None)
            one.get("interval", {}).pop("seed", None)
            one.get("interval", {}).pop("level", None)
            one.get("interval", {}).pop("replicates", None)
        return told, getattr(result, "paths", None)
    if dataclasses.is_dataclass(result) and not hasattr(result, "frame"):
        return repr(result)
    return repr(getattr(result, "frame", result))


def score(**options: Any) -> Any:
    return frames.score(**{"frame": FRAME, "reference": "text", "hypothesis": "one", "replicates": 200, **options})


def compare(**options: Any) -> Any:
    given = {"frame": FRAME, "reference": "text", "hypotheses": ["one", "two"], "replicates": 200, **options}
    return frames.compare(**given)


SCORING: dict[str, dict[str, Any]] = {
    "by": {"by": "room"},
    "block": {"block": "speaker"},
    "language": {"language": "de"},
    "normalizer": {"normalizer": "none"},
    "unit": {"unit": "character"},
    "dialect": {"dialect": "sclite"},
    "failed": {"failed": "deletions"},
    "level": {"level": 0.8},
    "replicates": {"replicates": 300},
    "seed": {"seed": 1},
}

LABELS = pd.DataFrame(
    {
        "item": [1, 2, 3, 4] * 2,
        "annotator": ["ann"] * 4 + ["ben"] * 4,
        "text": ["the cat sat", "25 dollars", "So it is", "a b", "the bat sat", "$25", "so it is", "a b c"],
        "status": ["accepted"] * 7 + ["skipped"],
        "room": ["r", "s"] * 4,
    }
)


def agree(**options: Any) -> Any:
    found = agreement(**{"labels": LABELS, "status": ("accepted", "skipped"), **options})
    return repr((found.alpha, found.wer, found.cer, found.rows.to_json(default_handler=str), found.slices))


def voted(**options: Any) -> Any:
    texts = [["a", "cat"], ["a", "hat"], ["the", "hat"]]
    return vote(**{"texts": texts, "confidences": [[0.1, 0.9], [0.1, 0.1], [0.9, 0.2]], "alpha": 0.5, **options})


def rovered(**options: Any) -> Any:
    frame = FRAME.assign(three=FRAME.two.str.upper(), three_confidence=0.3)
    given = {"frame": frame, "hypotheses": ["one", "two", "three"], "language": "en", **options}
    return rover(**given).to_json(default_handler=str)


def benched(**options: Any) -> Any:
    clip = (np.full(8_000, 0.01, np.float32), 16_000)
    frame = pd.DataFrame({"audio": [clip] * 6, "text": [row[0] for row in ROWS[:6]], "room": ["r", "s"] * 3})
    frame["until"], frame["from"] = 0.25, 0.1
    given = {"models": [asrkit.Canned(["so it is"]), asrkit.Canned(["a working b"])], "compare_options": {}}
    made = benchmark(**{"frame": frame, "audio": "audio", "reference": "text", "progress": False, **given, **options})
    return [numbers_of(made), [own.audio.tolist() for own in made.scores]]


def sized(**options: Any) -> Any:
    first, second, words = NUMBERS.values()
    return sample_size(first, second, words, **options)


# function -> how it is called, and for each of its options what the call is changed by
CALLS: dict[Call, tuple[Call, dict[str, dict[str, Any]]]] = {
    frames.score: (score, {**SCORING, "hypothesis": {"hypothesis": "two"}, "reference": {"reference": "two"}}),
    frames.compare: (
        compare,
        {
            **SCORING,
            "hypotheses": {"hypotheses": ["two", "one"]},
            "reference": {"reference": "room"},
            "audio": {"audio": "path"},
            "failures": {"failures": {"three": "no weights"}},
        },
    ),
    benchmark: (
        benched,
        {
            "reference": {"reference": "room"},
            "models": {"models": [asrkit.Canned(["twenty five dollars"])]},
            "by": {"by": "room"},
            "block": {"block": "room"},
            "language": {"language": "xx-not-one"},
            "start": {"start": "from"},
            "end": {"end": "until"},
            "compare_options": {"compare_options": {"normalizer": "none"}},
        },
    ),
    agreement: (
        agree,
        {
            "by": {"by": "room"},
            "frame": {"frame": pd.DataFrame({"audio": ["x"]})},
            "language": {"language": "en"},
            "normalizer": {"normalizer": "none"},
            "unit": {"unit": "character"},
            "status": {"status": ("accepted",)},
        },
    ),
    rover: (
        rovered,
        {
            "hypotheses": {"hypotheses": ["two", "one"]},
            "into": {"into": "best"},
            "weights": {"weights": [9.0, 1.0, 1.0]},
            "alpha": {"alpha": 0.0},
            "null_confidence": {"alpha": 0.1, "null_confidence": 1.0},
            "pool": {"alpha": 0.1, "pool": "max"},
            "spelling": {"spelling": "normalised"},
            "normalizer": {"normalizer": "none"},
            "language": {"language": "de"},
            "unit": {"unit": "character"},
            "overwrite": {"into": "one", "overwrite": True},
        },
    ),
    vote: (
        voted,
        {
            "weights": {"weights": [9, 1, 1]},
            "confidences": {"confidences": [0.1, 0.9, 0.9]},
            "alpha": {"alpha": 1.0},
            "null_confidence": {
                "null_confidence": 1.0,
                "texts": [["a", "b"], ["a"], ["a", "c"]],
                "confidences": [0.9] * 3,
            },
            "pool": {"pool": "max", "alpha": 0.0, "confidences": [[0.9, 0.5], [0.4, 0.9], [0.2, 0.05]]},
        },
    ),
    oracle: (
        lambda **options: oracle(compare(), **options),
        {
            "name": {"name": "best"},
            "blocks": {"blocks": SPEAKERS + list("efghijklm")},
            "replicates": {"replicates": 77},
            "seed": {"seed": 7},
        },
    ),
    align: (lambda **options: align("a b c d e", "d e x y z", **options).codes, {"dialect": {"dialect": "sclite"}}),
    align_all: (
        lambda **options: align_all(["a b c d e"], ["d e x y z"], **options)[0].codes,
        {"dialect": {"dialect": "sclite"}},
    ),
    count_errors: (
        lambda **options: count_errors(["a b c d e"], ["d e x y z"], **options).errors.tolist(),
        {"dialect": {"dialect": "sclite"}},
    ),
    bootstrap: (
        lambda **options: bootstrap(NUMBERS["errors"], NUMBERS["words"], **options),
        {
            "blocks": {"blocks": SPEAKERS},
            "replicates": {"replicates": 77},
            "level": {"level": 0.8},
            "method": {"method": "bca"},
            "seed": {"seed": 7},
        },
    ),
    paired_bootstrap: (
        lambda **options: paired_bootstrap(*NUMBERS.values(), **options),
        {
            "blocks": {"blocks": SPEAKERS},
            "replicates": {"replicates": 77},
            "level": {"level": 0.8},
            "method": {"method": "t"},
            "seed": {"seed": 7},
        },
    ),
    paired_difference: (
        lambda **options: paired_difference(*[2 * own for own in NUMBERS.values()], **options),
        {
            "blocks": {"blocks": SPEAKERS * 2},
            "replicates": {"replicates": 77},
            "level": {"level": 0.8},
            "seed": {"seed": 7},
        },
    ),
    paired_differences: (
        lambda **options: paired_differences(
            [(NUMBERS["errors"] * 2, NUMBERS["other"] * 2)], NUMBERS["words"] * 2, **options
        ),
        {
            "blocks": {"blocks": SPEAKERS * 2},
            "replicates": {"replicates": 77},
            "level": {"level": 0.8},
            "seed": {"seed": 7},
        },
    ),
    sample_size: (
        sized,
        {
            "blocks": {"blocks": SPEAKERS},
            "power": {"power": 0.99},
            "level": {"level": 0.8},
            "replicates": {"replicates": 77},
            "seed": {"seed": 7},
        },
    ),
    mapsswe: (
        lambda **options: mapsswe(
            ["a b c d e", "a b c d e f"] * 9,
            ["d e x y z", "x b y d e f"] * 9,
            ["a b c d e", "a b c d e f"] * 9,
            **options,
        ),
        {"dialect": {"dialect": "levenshtein"}, "min_good": {"min_good": 1}},
    ),
    slices: (
        lambda **options: slices(score(), {"room": [FRAME.room[row] for row in score().texts.rows]}, **options),
        {
            "blocks": {"blocks": [FRAME.speaker[row] for row in range(len(ROWS) - 3)]},
            "level": {"level": 0.8},
            "replicates": {"replicates": 77},
            "seed": {"seed": 7},
        },
    ),
    calibration: (
        lambda **options: str(calibration(score(), **options).frame),
        {"bins": {"bins": 3}, "equal": {"equal": "count"}},
    ),
    calibrate: (
        lambda **options: str(calibrate([0.9, 0.5, 0.55], [0.0, 1.0, 0.5], **options).frame),
        {"bins": {"bins": 3}, "equal": {"equal": "count"}},
    ),
    suspicious_references: (
        lambda **options: suspicious_references(compare(frame=WRONG), **options),
        {"threshold": {"threshold": 1.0}},
    ),
}
INPUTS = {  # what is scored, and what the run shows; the options of transcribe are tested there
    "frame", "labels", "reference_words", "references", "hypotheses_a", "hypotheses_b", "texts", "comparison", "score",
    "errors", "errors_a", "errors_b", "pairs", "probabilities", "rates", "groups", "audio", "progress", "options",
    "hypothesis", "missing",
}  # fmt: skip
CHANGES = [(function, option) for function, (_, changes) in CALLS.items() for option in changes]


@pytest.mark.parametrize("function, option", CHANGES, ids=[f"{one.__name__}-{option}" for one, option in CHANGES])
def test_an_option_changes_what_is_told_or_is_refused(function, option):
    call, changes = CALLS[function]
    base = {name: value for name, value in changes[option].items() if name != option}
    before = None if option == "overwrite" else numbers_of(call(**base))

    try:
        after = numbers_of(call(**changes[option]))
    except OptionError:
        return
    assert before != after


@pytest.mark.parametrize("function", CALLS, ids=[one.__name__ for one in CALLS])
def test_an_option_without_a_change_above_is_found(function):
    parameters = set(inspect.signature(function).parameters)
    here = set(CALLS[function][1])

    texts = (
        {"reference", "references", "hypothesis", "hypotheses"}
        if function in (align, align_all, count_errors)
        else set()
    )
    assert parameters - here <= INPUTS | texts
    assert here <= parameters


@pytest.mark.parametrize(
    "dataclass, base, changes",
    [
        (Sclite, {"normalizer": "none"}, {"case_sensitive": True, "fragments": True, "optional": True}),
        (Sclite, {"normalizer": "english"}, {"fragments": True}),
        (English, {}, {"compounds": True}),
        (Multilingual, {}, {"language": "tr", "harakat": False, "niqqud": False, "chinese": "traditional"}),
        (Basic, {}, {}),
        (Unchanged, {}, {}),
    ],
    ids=["sclite", "sclite after english", "english", "multilingual", "basic", "none"],
)
def test_every_field_of_a_dialect_and_of_a_normalizer_changes_the_number(dataclass, base, changes):
    if "chinese" in changes:
        pytest.importorskip("opencc")
    extra = pd.DataFrame(
        [("IRMAK", "\u0131rmak", None), ("كِتَاب", "كتاب", None), ("שָׁלוֹם", "שלום", None), ("国", "國", None)],
        columns=["text", "one", "two"],
    )
    frame = pd.concat([FRAME, extra], ignore_index=True)
    option = "dialect" if dataclass is Sclite else "normalizer"
    if base.get("normalizer") != "english":  # which makes small letters of all, and fillers empty
        assert set(changes) == {field.name for field in dataclasses.fields(dataclass)}

    for name, value in changes.items():
        before = score(frame=frame, **{**base, option: dataclass()})
        after = score(frame=frame, **{**base, option: dataclass(**{name: value})})
        assert before.counts != after.counts, name


def test_a_score_and_its_parts_count_what_align_counts():
    """In the frame, slices, a comparison, the table of words and the alignments."""
    df = FRAME.dropna(ignore_index=True)
    expected = [align(text, heard, dialect="sclite").counts for text, heard in zip(df.text, df.one, strict=True)]
    total = sum(one.errors for one in expected)
    options: dict[str, Any] = {"normalizer": "none", "dialect": "sclite"}

    found = score(frame=df, **options)
    both = compare(frame=df, **options)

    assert found.frame.errors.tolist() == [one.errors for one in expected]
    assert [one.counts for one in found.alignments] == expected
    assert score(frame=df, by="room", **options)[["substitutions", "deletions", "insertions"]].sum().sum() == total
    assert both.scores[0].counts.errors == total
    assert found.confusions()["count"].sum() == total
    assert both.disagreements["one_errors"].sum() <= total
    assert both.differences[0].matched_pairs == mapsswe(
        df.text.tolist(), df.one.tolist(), df.two.tolist(), dialect="sclite"
    )


def random_marked(rng: random.Random, depth: int = 0) -> str:
    words = [rng.choice("abcde") for _ in range(rng.randint(1, 4))]
    if depth < 2 and rng.random() < 0.6:
        parts = [rng.choice(["@", random_marked(rng, depth + 1)]) for _ in range(rng.randint(1, 3))]
        blank = rng.choice(["", " "])
        words.insert(rng.randint(0, len(words)), "{" + blank + f"{blank}/{blank}".join(parts) + blank + "}")
    return " ".join(words)


@pytest.mark.parametrize("seed", range(4))
def test_marked_texts_score_as_they_align(seed):
    rng = random.Random(seed)
    texts, heard = ([random_marked(rng) for _ in range(60)] for _ in range(2))
    df = pd.DataFrame({"text": texts, "one": heard})

    found = score(frame=df, dialect="sclite", normalizer="none", language="en")

    assert found.alignments == align_all(texts, heard, dialect="sclite")
    assert found.frame.errors.tolist() == [one.counts.errors for one in found.alignments]


@pytest.mark.parametrize(
    "reference, heard, errors",
    [
        ("The {Cat / Dog} sat.", "the dog sat", 0),
        ("It cost {twenty five / thirty} dollars", "it cost 25 dollars", 0),
        ("So {uh / @} it is", "so it is", 0),
        ("{colour/color}", "Color!", 0),
        ("{a / b", None, "a brace is not closed"),
    ],
)
def test_markup_survives_the_normalizer(reference, heard, errors):
    df = pd.DataFrame({"text": [reference], "one": [heard or "a"]})
    options: dict[str, Any] = {"frame": df, "dialect": "sclite", "normalizer": "english"}

    if isinstance(errors, str):
        with pytest.raises(OptionError, match=errors):
            score(**options)
    else:
        assert score(**options).counts.errors == errors


def test_alternatives_are_counted_by_letters_where_letters_are_counted():
    df = pd.DataFrame({"text": ["我{喜欢 / 爱}猫"], "one": ["我爱猫"]})

    found = score(frame=df, dialect="sclite", language="zh")

    assert (found.texts.unit, found.counts.errors, found.counts.reference_length) == ("character", 0, 3)


def test_characters_are_counted_of_the_alternative_that_was_chosen():
    df = pd.DataFrame({"text": ["the {cat / dog} sat"], "one": ["the dog sat"]})

    assert score(frame=df, dialect="sclite", language="en").cer == 0.0


def test_braces_are_text_where_no_markup_is_read():
    df = pd.DataFrame({"text": ["a { b"], "one": ["a { b"]})

    assert score(frame=df, normalizer="none").counts.hits == 3


def test_compounds_count_right_in_every_result_that_is_labelled_with_them():
    df = pd.DataFrame({"text": ["the white paper"] * 2, "one": ["the whitepaper"] * 2, "two": ["the white paper"] * 2})

    both = compare(frame=df, normalizer="english-compounds")

    assert "english-compounds" in both.scores[0].texts.normalizer
    assert [one.wer for one in both.scores] == [0.0, 0.0]
    for use in (
        lambda: agreement(LABELS, normalizer=English(compounds=True), language="en"),
        lambda: rovered(normalizer="english-compounds"),
    ):
        with pytest.raises(OptionError, match="compounds are written as the reference writes them"):
            use()


@pytest.mark.parametrize(
    "option, message",
    [
        ({"levle": 0.9}, "no option 'levle'"),
        ({"dialect": "sclit"}, "dialect is"),
        ({"normalizer": "nope"}, "no normalizer"),
    ],
)
def test_a_benchmark_refuses_its_options_before_it_runs_a_model(option, message):
    class Untouched(asrkit.Canned):
        def transcribe(self, batch: Any, *, languages: Any = None) -> Any:
            raise AssertionError("no model is to run")

    with pytest.raises(OptionError, match=message):
        benched(models=[Untouched(["a"])], compare_options=option)
