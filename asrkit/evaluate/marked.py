"""Texts with sclite's markup: normalised around the markup, and cut into tokens that the aligner still knows for it.

``{a / b c / @}`` lists what may have been said. What stands between braces and slashes is normalised piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from .dialects import Dialect, Sclite, sclite_options
from .networks import NOTHING, Mark, Tokens, is_fragment, is_optional, readings_of
from .tokens import Unit, tokenize

__all__ = ["has_marks", "markup_of", "normalised", "tokens_of", "without_marks"]

MOST_READINGS = 64  # of one text that are normalised each by itself
_BRACED = re.compile(r"([{}])")
_IN_BRACES = re.compile(r"([{}/])")


def markup_of(dialect: Dialect) -> Sclite | None:
    """The options by which texts are read for markup; None where the dialect has none.

    >>> markup_of("levenshtein"), markup_of("sclite")
    (None, Sclite(case_sensitive=False, fragments=False, optional=False))
    """
    return sclite_options(dialect)


def normalised(text: str, normalizer: Callable[[str], str], options: Sclite) -> str:
    """The text with its words normalised and its markup kept, blanks around each sign of it.

    Where a rule of the normalizer reads over a brace, every way to read the text is normalised by itself and becomes
    an alternative, up to 64. A piece that the normalizer leaves nothing of, such as a filler, becomes ``@``.

    >>> from asrkit.normalizers import English
    >>> normalised("The {Cat/ dog, / uh} sat.", English(), Sclite())
    'the { cat / dog / @ } sat'
    >>> normalised("{twenty / thirty} dollars", English(), Sclite())
    '{ $20 / $30 }'
    """
    if not _may_be_marked(text, options):
        return normalizer(text)
    written = _by_pieces(text, normalizer, options)
    if "{" not in written or options.fragments or options.optional:
        return written
    readings = readings_of(text, MOST_READINGS)
    made = readings_of(written, MOST_READINGS)
    if readings is None or made is None:
        return written
    whole = [normalizer(reading) for reading in readings]
    if whole == made:
        return written
    # A rule looks over a brace, as in "{twenty / thirty} dollars": every reading is normalised as a whole.
    return "{ " + " / ".join(dict.fromkeys(reading or NOTHING for reading in whole)) + " }"


def _by_pieces(text: str, normalizer: Callable[[str], str], options: Sclite) -> str:
    written: list[str] = []
    for piece in _pieces(text):
        if isinstance(piece, Mark):
            written.append(piece)
        elif piece.strip():
            words = " ".join(_words(piece, normalizer, options))
            written.append(words or (NOTHING if written and written[-1] in ("{", "/") else ""))
    return " ".join(filter(None, written))


def tokens_of(text: str, unit: Unit, language: str | None) -> Tokens:
    """A normalised text cut into what is counted; braces, slashes within them and ``@`` are ``Mark``.

    >>> tokens_of("ab { c / @ }", "character", "en")
    ('a', 'b', '{', 'c', '/', '@', '}')
    """
    if "{" not in text and NOTHING not in text:
        return tokenize(text, unit, language)
    tokens: list[str] = []
    for piece in _pieces(text):
        if isinstance(piece, Mark):
            tokens.append(piece)
        else:
            for part in _around_nothing(piece):
                tokens.extend([part] if isinstance(part, Mark) else tokenize(part, unit, language))
    return tuple(tokens)


def has_marks(tokens: Sequence[str]) -> bool:
    """Whether some of the tokens are markup."""
    return any(isinstance(token, Mark) for token in tokens)


def without_marks(tokens: Sequence[str], chosen: Sequence[str]) -> Tokens:
    """The tokens, or where there is markup among them those that the alignment chose.

    >>> without_marks(("a", Mark("@")), ("a",)), without_marks(("a", "@"), ())
    (('a',), ('a', '@'))
    """
    return tuple(chosen) if has_marks(tokens) else tuple(tokens)


def _may_be_marked(text: str, options: Sclite) -> bool:
    return "{" in text or NOTHING in text or (options.fragments and "-" in text) or (options.optional and "(" in text)


def _pieces(text: str) -> Iterator[str]:
    """The text cut at its braces, and within them at slashes; the signs as ``Mark``."""
    depth = 0
    for piece in _BRACED.split(text):
        if piece == "{" or (piece == "}" and depth):
            depth += 1 if piece == "{" else -1
            yield Mark(piece)
        elif depth:
            yield from (Mark(part) if part == "/" else part for part in _IN_BRACES.split(piece))
        else:
            yield piece


def _around_nothing(piece: str) -> Iterator[str]:
    """The piece cut at ``@`` where that stands alone."""
    words: list[str] = []
    for word in piece.split():
        if word == NOTHING:
            if words:
                yield " ".join(words)
            yield Mark(word)
            words = []
        else:
            words.append(word)
    if words:
        yield " ".join(words)


def _words(piece: str, normalizer: Callable[[str], str], options: Sclite) -> Iterator[str]:
    """Normalised words; what is marked alone, as it is: ``@``, and by options ``(uh)`` and ``wor-``."""
    words: list[str] = []

    def rest() -> str:
        text = normalizer(" ".join(words)) if words else ""
        words.clear()
        return text

    for word in piece.split():
        kept = _kept(word, normalizer, options)
        if kept is None:
            words.append(word)
        else:
            yield from filter(None, (rest(), kept))
    yield from filter(None, (rest(),))


def _kept(word: str, normalizer: Callable[[str], str], options: Sclite) -> str | None:
    """The word normalised inside of its mark, empty if nothing is left; None if it has no mark."""
    if word == NOTHING:
        return word
    if options.optional and is_optional(word):
        core = _fragment(word[1:-1], normalizer, options) or normalizer(word[1:-1])
        return " ".join(f"({part})" for part in core.split())
    return _fragment(word, normalizer, options)


def _fragment(word: str, normalizer: Callable[[str], str], options: Sclite) -> str | None:
    if not (options.fragments and is_fragment(word)):
        return None
    core = normalizer(word.strip("-"))
    return f"{'-' * (word[0] == '-')}{core}{'-' * (word[-1] == '-')}" if core and " " not in core else None
