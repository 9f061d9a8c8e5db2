from __future__ import annotations

import math
import random

import jiwer
import numpy as np
import pytest

from asrkit.evaluate import ErrorCounts, align_all, count_errors, tokenize


def measures(counts: ErrorCounts) -> tuple[float, float, float, float]:
    return counts.wer, counts.mer, counts.wil, counts.wip


@pytest.mark.parametrize(
    "reference, hypothesis, expected",
    [
        ("the cat sat", "the bat sat", ErrorCounts(hits=2, substitutions=1)),
        ("the cat sat", "", ErrorCounts(deletions=3)),
        ("", "uh huh", ErrorCounts(insertions=2)),
        ("", "", ErrorCounts()),
    ],
)
def test_counts_word_errors(reference, hypothesis, expected):
    assert count_errors([reference], [hypothesis]).total == expected


@pytest.mark.parametrize("dialect", ["levenshtein", "sclite"])
def test_counts_are_those_of_the_alignments(dialect):
    rng = random.Random(1)
    references, hypotheses = ([" ".join(rng.choices("abcd", k=rng.randint(0, 9))) for _ in range(500)] for _ in "ab")

    counts = count_errors(references, hypotheses, dialect=dialect)

    alignments = align_all(references, hypotheses, dialect)
    assert [counts[row] for row in range(len(counts))] == [alignment.counts for alignment in alignments]
    assert counts.total == sum((alignment.counts for alignment in alignments), start=ErrorCounts())
    assert counts.errors.tolist() == [alignment.counts.errors for alignment in alignments]
    assert counts.reference_words.tolist() == [len(text.split()) for text in references]
    assert counts.sentence_errors == sum(alignment.counts.errors > 0 for alignment in alignments)
    assert counts.sentence_error_rate == counts.sentence_errors / 500


def test_counts_add_in_any_grouping():
    rng = random.Random(2)
    counts = [ErrorCounts(*(rng.randint(0, 9) for _ in range(4))) for _ in range(20)]
    shuffled = rng.sample(counts, len(counts))

    whole = sum(counts, start=ErrorCounts())

    assert sum(shuffled[7:], start=sum(shuffled[:7], start=ErrorCounts())) == whole
    assert whole + ErrorCounts() == whole


def test_without_reference_words_the_rate_is_missing_and_the_insertions_are_not():
    counts = count_errors(["", "a b"], ["c", "a b"])

    assert math.isnan(counts[0].wer)
    assert counts[0].mer == 1.0
    assert counts.total.wer == 0.5
    assert all(math.isnan(measure) for measure in measures(ErrorCounts()))


def test_no_rows_are_no_errors():
    counts = count_errors([], [])

    assert counts.total == ErrorCounts()
    assert len(counts) == 0
    assert counts.errors.dtype == np.int64
    assert math.isnan(counts.sentence_error_rate)


def test_rows_of_one_length_or_of_many_are_told_apart():
    counts = count_errors(["a", "", "b c"], ["x", "", "b"])

    assert counts.substitutions.tolist() == [1, 0, 0]
    assert counts.deletions.tolist() == [0, 0, 1]
    assert counts.hits.tolist() == [0, 0, 1]


def test_only_counts_can_be_added():
    with pytest.raises(TypeError):
        ErrorCounts() + 1  # type: ignore[operator]  # what is tested


# The cases of jiwer's own tests (https://github.com/jitsi/jiwer, Apache 2.0: test_measures, test_empty_ref, test_cer,
# test_large_vocab), with what asrkit says on purpose where there are no reference words: NaN, not a number of words.


@pytest.mark.parametrize(
    "references, hypotheses, expected",
    [
        (["This is a test"], ["This is a test"], (0, 0, 0, 1)),
        (["This is a test"], [""], (1, 1, 1, 0)),
        (["This is a test"], ["This test"], (0.5, 0.5, 0.5, 0.5)),
        (["hello this sentence is fractured"], ["this sentence"], (0.6, 0.6, 0.6, 0.4)),
        (
            ["i am a short ground truth"],
            ["i am a considerably longer and very much incorrect hypothesis"],
            (7 / 6, 0.7, 0.85, 0.15),
        ),
        (["X"], ["X"], (0, 0, 0, 1)),
        (["X"], ["X X Y Y"], (3, 0.75, 0.75, 0.25)),
        (["X Y X"], ["X Z"], (2 / 3, 2 / 3, 5 / 6, 1 / 6)),
        (["X"], ["Y"], (1, 1, 1, 0)),
        (["X"], ["Y Z"], (2, 1, 1, 0)),
        (["i", "am i good"], ["i am", "i good"], (0.5, 0.4, 7 / 16, 9 / 16)),
        (["am i good", "i"], ["i good", "i am"], (0.5, 0.4, 7 / 16, 9 / 16)),
        (["hello"], [""], (1, 1, 1, 0)),
        (["hello world", ""], ["hello world", "done"], (1 / 2, 1 / 3, 1 / 3, 2 / 3)),
        (["hello world", ""], ["hello world", ""], (0, 0, 0, 1)),
        ([""] * 3, [""] * 3, (math.nan,) * 4),
        ([""], ["hello"], (math.nan, 1, math.nan, math.nan)),
        ([""], ["0 1 2 3"], (math.nan, 1, math.nan, math.nan)),
        (["same"] * 50 + ["ref_only"] * 50, ["same"] * 50 + ["hyp_only"] * 50, (0.5, 0.5, 0.75, 0.25)),
    ],
)
def test_measures_are_those_of_jiwers_tests(references, hypotheses, expected):
    total = count_errors(references, hypotheses).total

    assert measures(total) == pytest.approx(expected, abs=1e-12, nan_ok=True)
    if total.reference_length:
        theirs = jiwer.process_words(references, hypotheses)
        assert measures(total) == pytest.approx((theirs.wer, theirs.mer, theirs.wil, theirs.wip), abs=1e-12)


@pytest.mark.parametrize(
    "references, hypotheses, expected",
    [
        (["This is a test"], ["This is a test"], 0 / 14),
        (["This is a test"], [""], 14 / 14),
        (["This is a test"], ["This test"], 5 / 14),
        (["X"], ["X X Y Y"], 6),
        (["X Y X"], ["X Z"], 3 / 5),
        (["X"], ["Y Z"], 3),
        (["i", "am i good"], ["i am", "i good"], 0.6),
        (["am i good", "i"], ["i good", "i am"], 0.6),
    ],
)
def test_character_error_rates_are_those_of_jiwers_tests(references, hypotheses, expected):
    cut = [[tokenize(text, "character") for text in texts] for texts in (references, hypotheses)]

    assert count_errors(*cut).total.wer == pytest.approx(expected, abs=1e-12) == jiwer.cer(references, hypotheses)


def test_more_words_than_there_are_letters_are_told_apart():
    many = 0x110000  # one more than Unicode has code points
    references = [
        [f"word{number}" for number in range(start, start + many // 8)] for start in range(0, many, many // 4)
    ]
    hypotheses = [
        [f"word{number}" for number in range(start + many // 8, start + many // 4)]
        for start in range(0, many, many // 4)
    ]
    short = [row[:200] for row in references], [row[:200] for row in hypotheses]

    assert len({word for row in references + hypotheses for word in row}) == many
    assert count_errors(*short).total == ErrorCounts(substitutions=800)


def test_words_that_grow_letter_by_letter_are_told_apart():
    references = [["a" * length] for length in range(1, 1_001)]
    hypotheses = [["b" * length] for length in range(1, 1_001)]

    assert count_errors(references, hypotheses).total == ErrorCounts(substitutions=1_000)
