"""An English text as tokens: small Latin letters without accents, figures with their signs, and the stops between."""

# ruff: noqa: RUF001 -- letters that look like others are what this is about

from __future__ import annotations

import functools
import re
import unicodedata

from . import numbers
from .characters import clean, lower, unify, without_remarks
from .figures import MONEY, read_signs

__all__ = ["FILLER", "capitals_marked", "dotted", "latin", "tokenized"]

# Sounds that say nothing: uh, uhh, um, umm, uhm, er, erm, hm, hmm, mm, mhm, mmhm; mm-hmm and uh-huh in two words.
FILLER = re.compile(r"u+h+|u+m+|u+h+m+|e+r+m+|er|h+m+|m+h+m+|mm+")
_ACRONYM = re.compile(r"(?<![\w.'-])(ER|HM|UM|UH)(?![\w'-]|\.\w)")
_MILLIONS = re.compile(r"(?<=[0-9])M(?![\w'])")
_SMALL = re.compile("[a-z]")

_SIGNS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "\u00b0": "degrees"}
_KEPT = "\u00a2\u00a3\u00a5\u20ac\u20b9\u00b0"  # outside ASCII
_OTHER_MONEY = {  # signs of money that we know by the name of the money alone
    "\u20a9": "won",
    "\u20bd": "rubles",
    "\u20ba": "lira",
    "\u20aa": "shekels",
    "\u20a6": "naira",
    "\u0e3f": "baht",
    "\u20b4": "hryvnia",
    "\u20ab": "dong",
    "\u20b1": "pesos",
}
_OTHER_AMOUNT = re.compile(f"([{''.join(_OTHER_MONEY)}])\\s?([0-9][0-9.,]*)")
_OTHER_SIGN = str.maketrans({sign: f" {name} " for sign, name in _OTHER_MONEY.items()})
_BEFORE_UNIFYING = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
        "\u2014": ", ",
        "\u2026": ". ",
        "\u00b2": " squared ",
        "\u00b3": " cubed ",
        "\u00bd": " 1/2 ",
        "\u2153": " 1/3 ",
        "\u2154": " 2/3 ",
        "\u00bc": " 1/4 ",
        "\u00be": " 3/4 ",
        "\u2150": " 1/7 ",
        "\u2151": " 1/9 ",
        "\u2152": " 1/10 ",
        "\u2155": " 1/5 ",
        "\u2156": " 2/5 ",
        "\u2157": " 3/5 ",
        "\u2158": " 4/5 ",
        "\u2159": " 1/6 ",
        "\u215a": " 5/6 ",
        "\u215b": " 1/8 ",
        "\u215c": " 3/8 ",
        "\u215d": " 5/8 ",
        "\u215e": " 7/8 ",
        "\u00d7": " by ",
        "\u2044": "/",
        "\u00a7": " section ",
    }
)
_FOLDED = str.maketrans(
    {"œ": "oe", "ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"}
)

_M = re.escape(MONEY)
_WORD = r"[^\s\x00-@\[-`{-\x7f\u00a2\u00a3\u00a5\u20ac\u20b9\u00b0]"  # one character of a word
_END = rf"(?!{_WORD}|[0-9])"
_TOKEN = re.compile(
    rf"""
    (?P<word> {_WORD}{{2,}}+(?!\.{_WORD})(?:'{_WORD}+)* )
    | (?P<number>
        (?:(?<!\S)-(?=[{_M}¢]?[0-9]))? (?P<money>[{_M}¢]\s?(?=[0-9]))?
        [0-9]+ (?: (?::[0-5][0-9]){{1,2}}(?![0-9:]) | /[0-9]+(?![0-9/]) | (?:\.[0-9]+)* )
        (?: \s?% | \s?¢(?!\s?[0-9]) | p{_END}(?!') | (?:(?:st|nd|rd|th)(?:'s)?|'?s){_END}
          | (?:(?(money)(?:k|mm?|mn|bn?|tn?)|(?:k|mn|bn)){_END})? (?:\s?[{_M}](?!\s?[0-9]))? )
    )
    | (?P<initials> (?<!{_WORD})(?<!')(?:[a-z](?:\.[a-z])+|ph\.d)(?:\.(?!{_WORD}))?(?:'?s)?(?!{_WORD}) )
    | (?P<other> {_WORD}+(?:'{_WORD}+)* )
    | (?P<host> (?:(?<={_WORD})|(?<!\S))\.(?=(?:com|org|net|edu|gov|io|co|uk|tv|info)(?!{_WORD}))
        | (?<=www)\.(?={_WORD}) )
    | (?P<sign> [&+=@°%] )
    | (?P<stop> [.,;:!?\n] )
    """,
    re.VERBOSE,
)
_SHARP = re.compile(r"\b([a-g])#")
_HYPHENED = re.compile(r"\b(on|off|to)-(line|day|night|morrow)\b")  # online, today: with a blank they are other words
_SEPARATE_ENDING = re.compile(r"(?<=[a-z])\s+('(?:s|re|ve|ll|d|m)|n't)(?![a-z0-9'])")  # it 's, do n't


def capitals_marked(text: str) -> str:
    """``ER`` as ``e.r.`` where capitals tell it from the filler: in a text with small letters, and alone.

    An ``M`` on a figure is millions; ``m`` may be meters.

    >>> capitals_marked("Er, take him to the ER"), capitals_marked("SO ER YES"), capitals_marked("ER")
    ('Er, take him to the e.r.', 'SO ER YES', 'e.r.')
    >>> capitals_marked("1.2M people, 1.8 m")
    '1.2mn people, 1.8 m'
    """
    if "M" in text:
        text = _MILLIONS.sub("mn", text)
    found = _ACRONYM.search(text)
    if found is None or not (_SMALL.search(text) or (text.strip(" .,!?") == found[0] and found[0] in ("ER", "HM"))):
        return text
    return _ACRONYM.sub(lambda found: dotted(found[0].lower()), text)


def dotted(letters: str) -> str:
    """Spelled letters as one word, with points where it would be taken for a filler: ``er`` as ``e.r.``."""
    return f"{'.'.join(letters)}." if FILLER.fullmatch(letters) else letters


def latin(text: str) -> str:
    """Small letters without accents if they are Latin; ASCII's punctuation; signs between figures as words."""
    if not text.isascii():
        text = lower(unify(text.translate(_BEFORE_UNIFYING)))
        text = _OTHER_AMOUNT.sub(lambda found: f"{found[2]} {_OTHER_MONEY[found[1]]} ", text).translate(_OTHER_SIGN)
        text = clean(text, keep=_KEPT, aside=_aside).translate(_FOLDED)
        if not text.isascii():
            text = _without_accents(text)
    text = lower(text.replace("`", "'"))
    text = without_remarks(text)
    if "'" in text and (" '" in text or " n't" in text or not text.isprintable()):
        text = _SEPARATE_ENDING.sub(r"\1", text)
    if "-" in text:
        text = _HYPHENED.sub(r"\1\2", text)
    if "#" in text:
        text = _SHARP.sub(r"\1 sharp", text)
    return read_signs(text)


def _aside(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Pd":
        return "-"
    return " ; " if category == "Po" else " "


def _without_accents(text: str) -> str:
    out: list[str] = []
    is_latin = False
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.category(char) == "Mn":
            if is_latin:
                continue
        else:
            is_latin = _is_latin(char)
        out.append(char)
    return unicodedata.normalize("NFC", "".join(out)).translate(_FOLDED)


@functools.lru_cache(maxsize=4096)
def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN ") or char.isascii()


def tokenized(text: str) -> tuple[list[str], list[str]]:
    """Tokens, and before each the stops that part it from the one before."""
    if "\n" in text:  # a stop of its own
        return _matched(text)[:2]
    pieces = text.split()
    if _WORDS.issuperset(pieces):
        return pieces, [""] * len(pieces)
    tokens: list[str] = []
    stops: list[str] = []
    stop = ""
    for piece in pieces:
        read = _PIECES[piece]
        if read is None:
            return _matched(text)[:2]
        words, before, after = read
        if words:
            tokens += words
            stops.append(stop + before[0])
            if len(words) > 1:
                stops += before[1:]
            stop = after
        else:
            stop += after
    return tokens, stops


# Pieces between blanks that are cut alike whatever is beside them. Others may belong to the next: "$ 5", "50 %".
_INDEPENDENT = re.compile(rf"[a-z0-9'.,;:!?-]+|-?[{_M}\u00a2]?[0-9][0-9.,:]*%?[.,;:!?]*")
_PIECES_KEPT = 200_000


class _Pieces(dict[str, tuple[list[str], list[str], str] | None]):
    """Tokens of a piece, the stops before each, and the stops at its end; None if it may belong to its neighbours."""

    def __missing__(self, piece: str) -> tuple[list[str], list[str], str] | None:
        if len(self) >= _PIECES_KEPT:
            self.clear()
            _WORDS.clear()
        self[piece] = read = _matched(piece) if _INDEPENDENT.fullmatch(piece) else None
        if read == ([piece], [""], ""):
            _WORDS.add(piece)
        return read


_PIECES = _Pieces()
_WORDS: set[str] = set()  # those pieces that are one token as they stand


def _matched(text: str) -> tuple[list[str], list[str], str]:
    """Tokens, the stops before each, and the stops after the last."""
    tokens: list[str] = []
    stops: list[str] = []
    stop = ""
    for found in _TOKEN.finditer(text):
        kind, token = found.lastgroup, found[0]
        if kind == "word" or kind == "other":
            tokens.append(token)
            stops.append(stop)
            stop = ""
        elif kind == "stop":
            stop += token
        else:
            for word in _token(kind, token):
                tokens.append(word)
                stops.append(stop)
                stop = ""
    return tokens, stops, stop


def _token(kind: str | None, token: str) -> list[str]:
    if kind == "initials":
        return [dotted(token.replace(".", ""))]
    if kind == "host":
        return ["dot"]
    if kind == "sign":
        return [_SIGNS[token]]
    return numbers.canonical(token)
