from __future__ import annotations

import gc
import random
from collections.abc import Sequence
from pathlib import Path

import jiwer
import pandas as pd
import pytest
import sctk
from rapidfuzz.distance import Levenshtein

from asrkit.errors import OptionError
from asrkit.evaluate import Alignment, Sclite, align, align_all

LETTERS = ["a", "b", "c", "d", "e", "f", "é", "猫", "🙂", "ab", "किताब"]
CHUNKS = {"equal": "C", "substitute": "S", "delete": "D", "insert": "I"}


def words(rng: random.Random, vocabulary: Sequence[str], longest: int) -> list[str]:
    return rng.choices(vocabulary, k=rng.randint(0, longest))


def noisy(rng: random.Random, tokens: Sequence[str], vocabulary: Sequence[str], errors: float = 0.2) -> list[str]:
    heard: list[str] = []
    for token in tokens:
        chance = rng.random() / errors
        if chance >= 0.7:  # else deleted or substituted
            heard.append(token)
        elif chance >= 0.3:
            heard.append(rng.choice(vocabulary))
        if chance > 1 / errors - 0.3:
            heard.append(rng.choice(vocabulary))
    return heard


def pairs(seed: int, count: int) -> tuple[list[str], list[str]]:
    """Unrelated texts and texts with errors, over few words and over many; a few of them empty or long."""
    rng = random.Random(seed)
    references, hypotheses = [], []
    for _ in range(count):
        vocabulary = LETTERS[: rng.choice([2, 4, 11])]
        longest = rng.choice([3, 12, 12, 40] + [200] * (rng.random() < 0.02))
        reference = words(rng, vocabulary, longest)
        related = rng.random() < 0.6
        references.append(" ".join(reference))
        hypotheses.append(" ".join(noisy(rng, reference, vocabulary) if related else words(rng, vocabulary, longest)))
    return references, hypotheses


def edits(alignment: Alignment) -> list[tuple[str, str | None, str | None]]:
    """The alignment as sclite prints it: the words of both sides, empty where an optional word is left out."""
    return [
        (
            op,
            alignment.reference[at] if at is not None else "" if op == "C" else None,
            alignment.hypothesis[heard] if heard is not None else "" if op == "C" else None,
        )
        for op, at, heard in alignment.ops
    ]


# Levenshtein, as jiwer does it


def test_is_that_of_jiwer_in_counts_and_places():
    references, hypotheses = pairs(seed=1, count=20_000)

    found = align_all(references, hypotheses)

    theirs = jiwer.process_words(references, hypotheses)
    for ours, chunks in zip(found, theirs.alignments, strict=True):
        expected = "".join(
            CHUNKS[c.type] * max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx) for c in chunks
        )
        assert ours.codes == expected
    assert [list(a.reference) for a in found] == [[w for w in r if w] for r in theirs.references]
    total = sum((a.counts for a in found[1:]), start=found[0].counts)
    assert (total.hits, total.substitutions) == (theirs.hits, theirs.substitutions)
    assert (total.deletions, total.insertions) == (theirs.deletions, theirs.insertions)


def test_has_as_many_errors_as_the_distance():
    references, hypotheses = pairs(seed=2, count=2_000)

    for alignment in align_all(references, hypotheses):
        assert alignment.counts.errors == Levenshtein.distance(alignment.reference, alignment.hypothesis)


def test_words_of_equal_hash_are_told_apart():
    class Unlucky(str):
        def __hash__(self) -> int:
            return 7

    one, other = Unlucky("one"), Unlucky("other")

    assert align([one, "a"], [other, "a"]).codes == "SC"


# The laws of both


@pytest.mark.parametrize("dialect", ["levenshtein", "sclite"])
def test_every_word_is_told_once_and_in_order(dialect):
    references, hypotheses = pairs(seed=3, count=1_000)

    for alignment in align_all(references, hypotheses, dialect):
        said = [at for _, at, _ in alignment.ops if at is not None]
        heard = [at for _, _, at in alignment.ops if at is not None]
        assert said == list(range(len(alignment.reference)))
        assert heard == list(range(len(alignment.hypothesis)))
        assert alignment.counts.reference_length == len(said)
        assert alignment.counts.hypothesis_length == len(heard)
        for op, at, other in alignment.ops:
            same = at is not None and other is not None and alignment.reference[at] == alignment.hypothesis[other]
            assert (op == "C") == same


@pytest.mark.parametrize("dialect", ["levenshtein", "sclite"])
def test_a_text_against_itself_has_no_errors(dialect):
    references, _ = pairs(seed=4, count=300)

    assert all(alignment.counts.errors == 0 for alignment in align_all(references, references, dialect))


@pytest.mark.parametrize("dialect", ["levenshtein", "sclite"])
def test_swapping_the_sides_swaps_deletions_and_insertions_in_number(dialect):
    references, hypotheses = pairs(seed=5, count=500)

    for one, other in zip(
        align_all(references, hypotheses, dialect), align_all(hypotheses, references, dialect), strict=True
    ):
        cost = [4 * c.substitutions + 3 * (c.deletions + c.insertions) for c in (one.counts, other.counts)]
        assert one.counts.errors == other.counts.errors if dialect == "levenshtein" else cost[0] == cost[1]


@pytest.mark.parametrize("dialect", ["levenshtein", "sclite"])
def test_one_by_one_is_as_all_together(dialect):
    references, hypotheses = pairs(seed=6, count=200)

    together = align_all(references, hypotheses, dialect)

    assert together == [align(r, h, dialect) for r, h in zip(references, hypotheses, strict=True)]


# sclite, token for token


@sctk.needs_sctk
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_is_that_of_sclite_word_for_word(tmp_path: Path, seed: int):
    references, hypotheses = pairs(seed, count=4_000)

    found = align_all(references, hypotheses, Sclite(case_sensitive=True))

    assert [edits(alignment) for alignment in found] == sctk.sclite(tmp_path, references, hypotheses)


@sctk.needs_sctk
@pytest.mark.speech
def test_is_that_of_sclite_on_what_people_said(tmp_path: Path, recordings: pd.DataFrame):
    rng = random.Random(21)
    references = [" ".join(text.split()) for text in recordings["text"].astype(str) if not set(text) & set("{}()/@;:*")]
    vocabulary = sorted({word for text in references for word in text.split()})
    hypotheses = [" ".join(noisy(rng, text.split(), vocabulary)) for text in references]

    found = align_all(references, hypotheses, Sclite(case_sensitive=True))

    assert len(references) > 200
    assert [edits(alignment) for alignment in found] == sctk.sclite(tmp_path, references, hypotheses)


def alternatives(rng: random.Random, depth: int = 0) -> str:
    options = []
    for _ in range(rng.randint(1, 4)):
        option = words(rng, "abcd", 3) or ["@"]
        if depth < 2 and rng.random() < 0.3:
            option.insert(rng.randint(0, len(option)), alternatives(rng, depth + 1))
        options.append(" ".join(option))
    return "{ " + " / ".join(options) + " }"


def marked(rng: random.Random, shares: Sequence[float]) -> str:
    """A text with alternatives, optional words, fragments, and nothings."""
    alternative, optional, fragment, nothing = shares
    text = []
    for word in words(rng, ["ab", "ac", "bc", "abc", "b", "c", "Ab"], 9):
        [kind] = rng.choices(
            [word, alternatives(rng), f"({word})", rng.choice([f"{word}-", f"-{word}", "-"]), "@"],
            [1 - sum(shares), alternative, optional, fragment, nothing],
        )
        text.append(kind)
    return " ".join(text)


@sctk.needs_sctk
@pytest.mark.parametrize(
    "dialect, flags, in_reference, in_hypothesis",
    [
        pytest.param(Sclite(case_sensitive=True), ["-s"], (0.3, 0, 0, 0), (0, 0, 0, 0), id="alternatives"),
        pytest.param(Sclite(case_sensitive=True), ["-s"], (0.2, 0, 0, 0.1), (0.2, 0, 0, 0.1), id="on both sides"),
        pytest.param(Sclite(fragments=True), ["-F"], (0, 0, 0.3, 0), (0, 0, 0.2, 0), id="fragments"),
        pytest.param(Sclite(optional=True), ["-D"], (0, 0.3, 0, 0), (0, 0.2, 0, 0), id="optional words"),
        pytest.param(
            Sclite(optional=True, fragments=True), ["-D", "-F"], (0.2, 0.2, 0.2, 0), (0.1, 0.2, 0.1, 0.05), id="all"
        ),
        pytest.param("sclite", [], (0.2, 0.2, 0.2, 0), (0.1, 0.2, 0.1, 0.05), id="marks that are not asked for"),
    ],
)
def test_is_that_of_sclite_with_markup(tmp_path: Path, dialect, flags, in_reference, in_hypothesis):
    rng = random.Random(31)
    references = [marked(rng, in_reference) for _ in range(600)]
    hypotheses = [marked(rng, in_hypothesis) for _ in references]

    found = align_all(references, hypotheses, dialect)

    expected = sctk.sclite(tmp_path, references, hypotheses, flags)
    if "-s" in flags:
        assert [edits(alignment) for alignment in found] == expected
    else:  # sclite prints in lower case what it compares in lower case
        lowered = [[(op, a and a.lower(), b and b.lower()) for op, a, b in edits(alignment)] for alignment in found]
        assert lowered == expected


def test_the_reference_is_the_alternative_that_fits_best():
    alignment = align("{i am / i'm / @} here {now / right now}", "i am here right", "sclite")

    assert alignment.reference == ("i", "am", "here", "right", "now")
    assert alignment.codes == "CCCCD"


def test_tokens_are_taken_as_they_are():
    tokens = ["{", "a", "/", "@", "}"]

    assert align(tokens, tokens, "sclite").codes == "CCCCC"
    assert align(tokens, ["{", "a", "/", "}"], "sclite").codes == "CCCDC"


def test_an_optional_word_that_is_left_out_is_right():
    alignment = align("(uh) so it is", "so it is", Sclite(optional=True))

    assert alignment.ops[0] == ("C", 0, None)
    assert alignment.counts.errors == 0
    assert align("(uh) so it is", "so it is", "sclite").counts.deletions == 1


def test_a_fragment_matches_every_word_that_it_may_be_part_of():
    assert align("wor- -ord", "words sword", Sclite(fragments=True)).codes == "CC"
    assert align("wor- -ord", "words sword", "sclite").codes == "SS"


def test_the_case_of_ascii_letters_is_ignored_unless_asked_for():
    assert align("IT É", "it é", "sclite").codes == "CS"
    assert align("IT É", "it é", Sclite(case_sensitive=True)).codes == "SS"
    assert align("IT É", "it É", "sclite").reference == ("IT", "É")


def test_long_texts_fit_into_memory():
    rng = random.Random(41)
    reference = words(rng, ["a", "b", "c"], 0) + rng.choices([f"w{n}" for n in range(300)], k=3_000)
    hypothesis = noisy(rng, reference, reference)

    counts = align(reference, hypothesis, "sclite").counts

    assert counts.reference_length == 3_000
    assert counts.hypothesis_length == len(hypothesis)


# How it looks, and what cannot be aligned


@pytest.mark.parametrize(
    "reference, hypothesis, expected",
    [
        ("this is a", "this is a test", "this is a ****\nthis is a test\n          I"),
        ("this is a test", "this is a", "this is a test\nthis is a ****\n          D"),
        ("this is a test", "this was a test", "this is  a test\nthis was a test\n     S"),
        ("empty", "", "empty\n*****\nD"),
        ("", "inserted", "********\ninserted\nI"),
        ("a b", "a b", "a b\na b"),
        ("我 爱 你", "我 你", "我 爱 你\n我 ** 你\n   D"),
        ("", "", "\n"),
    ],
)
def test_columns_line_up(reference, hypothesis, expected):
    assert str(align(reference, hypothesis)) == expected


@pytest.mark.parametrize(
    "references, hypotheses, dialect, message",
    [
        (["a", "b"], ["a"], "levenshtein", "2 references, but 1 hypotheses"),
        ("a b", ["a b"], "levenshtein", "references is one text; a list of texts is expected"),
        (["a", None], ["a", "b"], "levenshtein", "references, row 1: a text or a list of tokens is expected, not None"),
        (["a"], [float("nan")], "sclite", "hypotheses, row 0: .* not nan"),
        (["a"], ["b"], "kaldi", "dialect is .*, not 'kaldi'"),
        (["a", "b {c / d"], ["a", "b"], "sclite", "reference of row 1: a brace is not closed"),
        (["a { / } b"], ["a"], "sclite", "reference of row 0: braces without alternatives"),
    ],
)
def test_what_cannot_be_meant_is_refused(references, hypotheses, dialect, message):
    with pytest.raises(OptionError, match=message):
        align_all(references, hypotheses, dialect)


def test_the_collector_is_on_again_whatever_happens():
    assert gc.isenabled()
    align_all(["a"], ["b"])
    with pytest.raises(OptionError):
        align_all(["a {b"], ["a"], "sclite")
    assert gc.isenabled()
