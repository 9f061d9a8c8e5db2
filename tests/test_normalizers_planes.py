"""What holds of the normalizers for every text: texts of all planes of Unicode, and of the words of the rules."""

from __future__ import annotations

import random
import unicodedata

import pytest

from asrkit.normalizers import Basic, English, Multilingual

LANGUAGES = (None, "ar", "bn", "ca", "de", "el", "fa", "fr", "he", "hi", "ja", "kk", "ro", "sd", "tr", "uk", "ur", "uz")
LANGUAGES += ("vi", "yo", "zh")
BLOCKS = [
    *((0x0, 0x80), (0x80, 0x250), (0x250, 0x370), (0x300, 0x370), (0x370, 0x530), (0x530, 0x700), (0x700, 0x900)),
    *((0x900, 0xE00), (0xE00, 0x1200), (0x1200, 0x1800), (0x1800, 0x2000), (0x2000, 0x2C00), (0x2C00, 0x3200)),
    *((0x3000, 0xA000), (0xA000, 0xAC00), (0xAC00, 0xD800), (0xE000, 0x10000), (0x10000, 0x12000)),
    *((0x12000, 0x20000), (0x20000, 0x32000), (0xE0000, 0xE0200), (0xF0000, 0x110000)),
]
RULES = (
    "one two twenty hundred thousand and a half point five oh dollars cents pence percent january may 4th past three "
    "o'clock to won nil i b c st dr no. 5 5-6 3:1 $5 £2m 1/2 50% km/h x 2020 double triple minus quarter euro € ° ² ½ "
    "m k er uh e.r. iv henry chapter first second it's they'd gonna , . - : ; ! ? ( ) [ ] / & + 's mm mm-hmm a.m. pm "
    "12 7 0 00 007 1,000"
)
WORDS = RULES.split()


def text(rng: random.Random) -> str:
    """Words of the rules, letters of some block, or both."""
    low, high = rng.choice(BLOCKS)
    letters = ["".join(chr(rng.randrange(low, high)) for _ in range(rng.randint(1, 4))) for _ in range(3)]
    pieces = rng.choice([WORDS, letters, WORDS + 20 * letters])
    return "".join(rng.choice(pieces) + rng.choice(["", " ", " "]) for _ in range(rng.randint(1, 8)))


@pytest.mark.parametrize("seed", range(8))
def test_a_text_normalised_twice_or_decomposed_before_is_the_same_text(seed):
    rng = random.Random(seed)
    for _ in range(150):
        written = text(rng)
        options = {"harakat": rng.random() < 0.8, "niqqud": rng.random() < 0.8}
        for normalizer in (English(), Basic(), Multilingual(rng.choice(LANGUAGES), **options)):
            once = normalizer(written)

            assert normalizer(once) == once, (normalizer, written)
            for form in ("NFC", "NFD"):
                assert normalizer(unicodedata.normalize(form, written)) == once, (normalizer, form, written)
