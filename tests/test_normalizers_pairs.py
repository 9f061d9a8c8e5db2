"""English as it is written and as it is spoken, in pairs: what must meet, and what must not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from asrkit.normalizers import find

DATA = Path(__file__).parent / "data"
ENOUGH = 0.95  # of the pairs that say the same


def _pairs(name: str) -> list[tuple[str, str, str]]:
    header, *lines = (DATA / name).read_text("utf-8").splitlines()
    assert header == "kind\tone\tother"
    return [(kind, one, other) for kind, one, other in (line.split("\t") for line in lines)]


SAME = _pairs("english_pairs.tsv")
DIFFERENT = _pairs("english_different.tsv")
KINDS = sorted({kind for kind, _, _ in SAME} - {"hard"})  # hard: what cannot be told without more context


def test_the_lists_are_long_and_hold_no_pair_twice():
    assert len(SAME) >= 500
    assert len(DIFFERENT) >= 300
    assert max(Counter(SAME + DIFFERENT).values()) == 1
    assert not {frozenset(pair[1:]) for pair in SAME} & {frozenset(pair[1:]) for pair in DIFFERENT}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_and_what_is_spoken_meet(kind):
    english = find("english")
    pairs = [(one, other) for of, one, other in SAME if of == kind]
    apart = [(one, other, english(one), english(other)) for one, other in pairs if english(one) != english(other)]

    assert len(apart) <= (1 - ENOUGH) * len(pairs), apart


def test_nineteen_of_twenty_pairs_meet_and_more_than_in_version_1():
    english, english_1 = find("english"), find("english-1")
    meet = sum(english(one) == english(other) for _, one, other in SAME)
    met = sum(english_1(one) == english_1(other) for _, one, other in SAME)

    assert meet >= ENOUGH * len(SAME) > met


@pytest.mark.parametrize("kind, one, other", DIFFERENT)
def test_what_says_something_else_stays_different(kind, one, other):
    english = find("english")

    assert english(one) != english(other), kind


def test_every_text_of_the_lists_is_the_same_when_it_is_normalised_again():
    english = find("english")
    for _, *texts in SAME + DIFFERENT:
        for text in texts:
            assert english(english(text)) == english(text), text
