"""The language of a text, found in the text itself.

A score depends on its normalizer, and the normalizer on the language of the row. So the language of a row has to come
from the row: a table that lost a column, or was put beside another system's, is scored as it was before.

Most scripts belong to one language, or to a few. What is left is decided by py3langid (Lui and Baldwin 2012,
"langid.py: An off-the-shelf language identification tool", ACL demonstrations, pages 25 to 30; Barbaresi's fork),
weighted by how much speech there is in each language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

import numpy as np

from .identifier import Identifier

__all__ = ["has_letters", "identify", "identify_all"]


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


# Words that English text is full of and that other languages of the Latin script lack; "in", "is", "on" or "six"
# are words of several. Spoken digits are among them: "two two six" is all that some recordings hold.
ENGLISH = frozenset(
    _split(
        "the and that this these those with you your yours it's its for from are have has had not but they their "
        "them his her she him my our what which who whose where when why how there here would could should can't "
        "don't didn't isn't been being were than then because about into through after before other only very "
        "much many some any every think know said just like people time good way make i'm i'll i've we're they're "
        "you're that's what's there's yes yeah thank thanks please zero one two three four five seven eight nine "
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty "
        "fifty sixty seventy eighty ninety hundred thousand million oh uh um"
    )
)
MINIMUM = 0.2  # probability below which a language is unknown
LONGEST = 2_000  # letters of a text that are looked at

# Hours of speech in Whisper's training data (Radford et al. 2022, appendix E), in three steps: a short text that could
# be of several languages is most likely of the one that is recorded most.
WEIGHTS = {
    "en": 8.0,
    **dict.fromkeys(_split("zh de es ru ko fr ja pt tr pl it sv nl ca fi id"), 4.0),
    **dict.fromkeys(_split("ar uk vi he el da ms hu ro no th cs ta hr ur"), 2.0),
}
WHISPER_CODES = {"jv": "jw"}  # py3langid's code -> Whisper's

# Scripts that are written in few languages; the first is the usual one.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "Hiragana": ("ja",),
    "Katakana": ("ja",),
    "Hangul": ("ko",),
    "Han": ("zh",),
    "Thai": ("th",),
    "Lao": ("lo",),
    "Khmer": ("km",),
    "Myanmar": ("my",),
    "Tibetan": ("bo",),
    "Georgian": ("ka",),
    "Armenian": ("hy",),
    "Greek": ("el",),
    "Hebrew": ("he", "yi"),
    "Bengali": ("bn", "as"),
    "Gujarati": ("gu",),
    "Gurmukhi": ("pa",),
    "Tamil": ("ta",),
    "Telugu": ("te",),
    "Kannada": ("kn",),
    "Malayalam": ("ml",),
    "Sinhala": ("si",),
    "Ethiopic": ("am",),
    "Devanagari": ("hi", "mr", "ne", "sa"),
    "Arabic": ("ar", "fa", "ur", "ps", "sd"),
    "Cyrillic": ("ru", "uk", "be", "bg", "mk", "sr", "kk", "mn", "tg", "tt", "ba"),
}
DENSE = ("Han", "Hiragana", "Katakana", "Hangul")  # scripts in which a letter is a syllable or a word
LETTERS_OF_A_WORD = 3
LATIN = _split(
    "en de es fr pt tr pl ca nl sv it id fi vi ms cs ro da hu no hr lt la mi cy sk lv sr az sl et br eu is bs sq sw gl "
    "sn yo so af oc uz fo ht tk nn mt lb tl mg haw ln ha jw su"
)
# Letters that tell languages of one script apart where the identifier is weak or does not know the language.
MARKS = {
    "yi": "\u05f0\u05f1\u05f2\ufb1d\ufb1f\ufb2b",
    "as": "\u09f0\u09f1",
    "ur": "\u0679\u0688\u0691\u06ba\u06d2",
    "ps": "\u067c\u0681\u0685\u0689\u0693\u0696\u069a\u06d0\u06cd\u06ab\u06bc",
    "sd": "\u067a\u067b\u067d\u067f\u0680\u0683\u0684\u0687\u068a\u068c\u068d\u068f\u0699\u06a6\u06aa\u06b3\u06b1"
    "\u06bb",
}


def has_letters(text: str) -> bool:
    """Whether a text has a letter, by which its language could be told."""
    return any(map(str.isalpha, text))


@lru_cache(maxsize=100_000)
def identify(text: str) -> str | None:
    """Whisper's code of the language that a text is written in; None if it cannot be told.

    The same text gives the same code wherever it stands. Of the 328 references of the test recordings that have three
    words or more, in 12 languages, over 99 % are right.

    Args:
        text: as it is written or as a normalizer left it. Only its first 2,000 characters count.

    >>> identify("THE BIRCH CANOE SLID ON THE SMOOTH PLANKS"), identify("Das ist ein Haus"), identify("こんにちは")
    ('en', 'de', 'ja')
    >>> identify("42"), identify("")
    (None, None)
    """
    return identify_all([text])[0]


def identify_all(texts: Sequence[str]) -> list[str | None]:
    """``identify`` of many texts, in less than a third of the time.

    >>> identify_all(["one two three", "un deux trois", "42"])
    ['en', 'fr', None]
    """
    found: list[str | None] = [None] * len(texts)
    unclear: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for row, text in enumerate(texts):
        code, languages, lowered = _by_rules(text)
        if languages:
            unclear.setdefault(languages, []).append((row, lowered))
        else:
            found[row] = code
    for languages, rows in unclear.items():
        fallback = None if languages is LATIN else languages[0]
        codes = _likeliest([lowered for _, lowered in rows], languages)
        for (row, _), code in zip(rows, codes, strict=True):
            found[row] = code or fallback
    return found


def _by_rules(text: str) -> tuple[str | None, tuple[str, ...], str]:
    """The language; where several are possible, these and the text that is to tell them apart."""
    lowered = text[:LONGEST].lower()
    script = "Latin" if lowered.isascii() else _script(lowered)
    if script is None:
        return None, (), ""
    if script != "Latin":
        return _of_script(lowered, SCRIPTS.get(script, ()))
    pieces = lowered.replace("\u2019", "'").split()
    kinds = [_KINDS[piece] for piece in pieces]
    whole = len(kinds) - kinds.count(_LETTER)  # letters that somebody spells belong to no language
    common = kinds.count(_COMMON)
    if whole and (common == whole or (common >= 2 and 3 * common >= whole)):
        return "en", (), ""
    if 2 * whole < len(kinds):
        lowered = " ".join(_stripped(piece) for piece in pieces if _KINDS[piece] != _LETTER)
    return None, LATIN if has_letters(lowered) else (), lowered


_LETTER, _WORD, _COMMON = range(3)  # what a piece between blanks is: a letter, a word, a common English word
_PIECES_KEPT = 200_000


class _Kinds(dict[str, int]):
    """What pieces are, each looked up once."""

    def __missing__(self, piece: str) -> int:
        if len(self) >= _PIECES_KEPT:
            self.clear()
        word = _stripped(piece)
        self[piece] = kind = _LETTER if len(word) < 2 else _COMMON if word in ENGLISH else _WORD
        return kind


_KINDS = _Kinds()


def _stripped(piece: str) -> str:
    return piece.strip('.,;:!?"()-')


def _script(text: str) -> str | None:
    """The script of most letters; None without letters. Japanese is kana, however much Han stands among it."""
    counts = Counter(map(_script_of, filter(str.isalpha, text)))
    counts.pop(None, None)
    if not counts:
        return None
    for name in DENSE:
        counts[name] *= LETTERS_OF_A_WORD
    kana = counts["Hiragana"] + counts["Katakana"]
    if kana and kana + counts["Han"] >= counts.total() / 2:
        return "Hiragana"
    return max(counts, key=lambda name: counts[name])


@cache
def _script_of(letter: str) -> str | None:
    return next((name for name, is_of in _matchers() if is_of(letter)), None)


@cache
def _matchers() -> list[tuple[str, Callable[[str], object]]]:
    import regex  # type: ignore[import-untyped]  # it has no types of its own

    return [(name, regex.compile(rf"\p{{Script={name}}}").match) for name in ("Latin", *SCRIPTS)]


def _of_script(text: str, languages: tuple[str, ...]) -> tuple[str | None, tuple[str, ...], str]:
    if len(languages) < 2:
        return (languages[0] if languages else None), (), ""
    for language in languages:
        if any(mark in text for mark in MARKS.get(language, "")):
            return language, (), ""
    return None, languages, text


def _likeliest(texts: Sequence[str], languages: tuple[str, ...]) -> list[str | None]:
    """Of some languages the one with the highest weighted probability, None below ``MINIMUM``; one per text."""
    identifier = _identifier(languages)
    codes = [WHISPER_CODES.get(code, code) for code in identifier.codes]
    weighted = identifier.probabilities(texts) * np.array([WEIGHTS.get(code, 1.0) for code in identifier.codes])
    best = weighted.argmax(axis=1)
    is_clear = weighted.max(axis=1) >= MINIMUM * weighted.sum(axis=1)
    return [codes[at] if clear else None for at, clear in zip(best.tolist(), is_clear.tolist(), strict=True)]


@cache
def _identifier(languages: tuple[str, ...]) -> Identifier:
    own_codes = {whisper: own for own, whisper in WHISPER_CODES.items()}
    return Identifier([own_codes.get(code, code) for code in languages])
