"""The languages of many texts at once are those of each alone, and those that py3langid finds."""

from __future__ import annotations

import random

import numpy as np
import pytest
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from asrkit.evaluate.identifier import Identifier
from asrkit.evaluate.languages import LATIN, identify, identify_all

TEXTS = [
    "das ist ein Haus",
    "merci beaucoup",
    "x n k u eight",
    "two two six",
    "privet kak dela",
    "привіт як справи",
    "мне нужно идти",
    "یہ کیا ہے",
    "東京に行きます",
    "olá, tudo bem?",
    "grazie mille",
    "unear\u2019d",
    "42",
    "",
    "a",
]


def texts(seed, count=400):
    rng = random.Random(seed)
    words = " ".join(TEXTS).split()
    made = [" ".join(rng.choice(words) for _ in range(rng.randint(0, 6))) for _ in range(count)]
    odd = ["".join(chr(rng.randrange(32, 0x700)) for _ in range(rng.randint(0, 15))) for _ in range(count)]
    return [*TEXTS, *made, *odd, "ha " * 900]


@pytest.mark.parametrize("seed", range(3))
def test_a_text_has_the_same_language_alone_and_among_others_in_any_order(seed):
    some = texts(seed)
    shuffled = random.Random(seed).sample(some, len(some))

    together = dict(zip(shuffled, identify_all(shuffled), strict=True))

    assert [together[text] for text in some] == identify_all(some)
    assert [together[text] for text in some[:60]] == [identify(text) for text in some[:60]]


def test_probabilities_are_those_of_py3langid():
    own = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = set(own.labels)
    own.set_languages([code for code in LATIN if code in known])
    found = Identifier(LATIN)
    some = [text.lower() for text in texts(7, count=60)]

    probabilities = found.probabilities(some)

    for text, row in zip(some, probabilities, strict=True):
        expected = dict(own.rank(text))
        assert row == pytest.approx([expected[code] for code in found.codes], abs=2e-4)
    assert probabilities.shape == (len(some), len(found.codes))
    assert np.array_equal(found.probabilities(some[::-1]), probabilities[::-1])


def test_no_texts_have_no_languages():
    assert identify_all([]) == []
    assert Identifier(LATIN).probabilities([]).shape[0] == 0
