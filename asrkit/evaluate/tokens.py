"""What is counted: words, letters, or both where a text mixes scripts with and without blanks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import Literal, TypeAlias

from ..errors import OptionError

__all__ = ["Unit", "tokenize", "unit_for"]

Unit: TypeAlias = Literal["word", "character", "mixed"]
Cutter: TypeAlias = Callable[[str], list[str]]

# Languages written without blanks between words: Chinese with its relatives, Japanese, Thai, Lao, Burmese, Khmer,
# Tibetan, Dzongkha; by code and by the name that Whisper gives them.
UNSPACED_LANGUAGES = frozenset(
    {"zh", "cmn", "yue", "wuu", "nan", "hak", "lzh", "ja", "th", "lo", "my", "km", "bo", "dz", "chinese", "mandarin"}
    | {"cantonese", "japanese", "thai", "lao", "myanmar", "burmese", "khmer", "tibetan"}
)
LOOK_AT = 1_000  # texts, which are enough to see what scripts they are in
# Their scripts, and the punctuation that goes with them, full-width forms of ASCII letters and digits excepted.
_UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}\p{Tibetan}"
    r"\u3001-\u303F\u30FB\u30FC\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF9F"
)


def tokenize(text: str, unit: Unit = "word", language: str | None = None) -> tuple[str, ...]:
    r"""Cut a text into the tokens that are counted.

    Args:
        text: as it is to be compared; nothing is normalised.
        unit: ``"word"`` splits at white space, whatever Unicode calls so. ``"character"`` takes grapheme clusters,
            what a reader calls a letter, with its marks. ``"mixed"`` takes a grapheme of Chinese, Japanese, Thai,
            Lao, Burmese, Khmer or Tibetan, and a word of anything else, whether blanks part them or not.
        language: ISO 639-1 code. In one written without blanks, blanks are no characters.

    A character error rate of jiwer's differs in this: it counts code points, so that a vowel sign that is missing
    from a Hindi syllable is a deletion there and a substitution of the syllable here, and é written as two code
    points counts twice; and it counts every blank of several, here they are one.

    >>> tokenize("so  it\tis"), tokenize("ab c", "character")
    (('so', 'it', 'is'), ('a', 'b', ' ', 'c'))
    >>> tokenize("我用 Python 写", "mixed"), tokenize("我 用", "character", language="zh")
    (('我', '用', 'Python', '写'), ('我', '用'))
    """
    if unit == "word":
        return tuple(text.split())
    if unit == "mixed":
        return tuple(_patterns()[0](text))
    if unit != "character":
        raise OptionError(f'unit is "word", "character" or "mixed", not {unit!r}')
    text = ("" if is_unspaced(language) else " ").join(text.split())
    return tuple(text) if text.isascii() else tuple(_patterns()[1](text))


def unit_for(language: str | None, texts: Iterable[str] = ()) -> Unit:
    """Which unit suits texts of a language.

    Where words are parted by blanks, words. In a language written without, characters; mixed where words of other
    scripts stand among them. Without a language the texts decide: the first thousand, by what most of them is.

    >>> unit_for("en"), unit_for("zh"), unit_for("zh", ["我用 Python"]), unit_for(None, ["ありがとう"])
    ('word', 'character', 'mixed', 'character')
    """
    if language is not None and not is_unspaced(language):
        return "word"
    letters = words = 0
    is_letter = _patterns()[2]
    for text in islice(texts, LOOK_AT):
        for token in tokenize(text, "mixed"):
            if is_letter(token):
                letters += 1
            elif any(letter.isalpha() for letter in token):
                words += 1
    if language is None and letters <= words:
        return "word"
    return "mixed" if words else "character"


def is_unspaced(language: str | None) -> bool:
    """Whether a language is written without blanks between words: ``"zh"``, ``"zh-TW"``, ``"Japanese"``."""
    return language is not None and language.lower().replace("_", "-").split("-")[0] in UNSPACED_LANGUAGES


@cache
def _patterns() -> tuple[Cutter, Cutter, Callable[[str], object]]:
    """Tokens of mixed text, graphemes, and whether a token is of a script without blanks."""
    import regex  # type: ignore[import-untyped]  # it has no types of its own

    return (
        regex.compile(rf"(?=[{_UNSPACED}])\X|(?:(?![{_UNSPACED}\s])\X)+").findall,
        regex.compile(r"\X").findall,
        regex.compile(rf"[{_UNSPACED}]").match,
    )
