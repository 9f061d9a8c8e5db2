"""Version 1 of our normalizer for English, as asrkit 0.1.0 had it. Do not mend it: old scores depend on it.

Text becomes tokens, and rules read tokens, never the string: `1.10.1` is one token, so no rule for full stops can
break it. What the rules produce, they leave alone: no number word is left that a second reading could take for
something else. ``numbers.py`` reads the numbers.
"""

# ruff: noqa: RUF001, RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import functools
import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from ..characters import clean, lower, settled, unify
from ..compounds import merge_compounds
from ..whisper import spelling
from . import numbers
from .remarks import without_remarks

__all__ = ["English"]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Sounds that say nothing: uh, uhh, um, umm, uhm, er, erm, hm, hmm, mm, mhm, mmhm; mm-hmm and uh-huh in two words.
_FILLER = re.compile(r"u+h+|u+m+|u+h+m+|e+r+m+|er|h+m+|m+h+m+|mm+")

_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "sgt": "sergeant",
    "gov": "governor",
    "gen": "general",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "rev": "reverend",
    "hon": "honorable",
    "asst": "assistant",
    "assoc": "associate",
    "lt": "lieutenant",
    "col": "colonel",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
    "mt": "mount",
    "dept": "department",
    "vs": "versus",
    "etc": "et cetera",
}
_SPOKEN = {  # how it is said, and how it is written in full
    "ok": "okay",
    "y'all": "you all",
    "ma'am": "madam",
    "wanna": "want to",
    "gotta": "got to",
    "gonna": "going to",
    "kinda": "kind of",
    "sorta": "sort of",
    "gimme": "give me",
    "lemme": "let me",
    "dunno": "do not know",
    "y'know": "you know",
    "yknow": "you know",
    "i'ma": "i am going to",
    "imma": "i am going to",
    "woulda": "would have",
    "coulda": "could have",
    "shoulda": "should have",
    "won't": "will not",
    "can't": "can not",
    "cannot": "can not",
    "shan't": "shall not",
    "aint": "ain't",
    "let's": "let us",
    "i'm": "i am",
    "im": "i am",
    "ive": "i have",
    "youre": "you are",
    "youve": "you have",
    "theyre": "they are",
    "theyve": "they have",
    "weve": "we have",
    "how'd": "how did",
    "why'd": "why did",
    "where'd": "where did",
    "what'd": "what did",
    "oclock": "o'clock",
}
_NEGATED = _set("do does did is are was were have has had could would should must need might dare ought may")
_SPOKEN |= {f"{verb}n't": f"{verb} not" for verb in _NEGATED}
_SPOKEN |= {f"{verb}nt": f"{verb} not" for verb in _set("do does did is are was were have has had could would should")}
_ENDINGS = {"'re": "are", "'ve": "have", "'ll": "will"}
# Only after these is 's surely a verb: Mario's castle is not Mario is castle.
_SUBJECTS = _set("it he she that there here what who where how when why")
_HAVING = _set("been got gotten gone had become")  # she's been: she has been
_WOULD = _set("i you he she it we they who there that")
_ADVERBS = _set("never always already just not also ever only really probably now still even all")
# After 'd these make it had; words that are infinitives too (come, cut) do not tell.
_PARTICIPLES = _set(
    "been gone done had better seen taken given known made said got gotten begun left lost found heard told thought "
    "brought caught bought kept felt met spent written fallen forgotten chosen broken spoken driven eaten grown shown "
    "flown drawn worn"
)
_ED = _set("need feed bleed breed speed succeed proceed exceed heed seed shed embed")

# Spelled letters are joined. At its ends a run may have the article or the pronoun: "a b m w", "i b m".
_INITIALS_OF_TWO = _set("ai am ac ad ap ar id ip iq ca la pa ma")
_INITIALS = _set("abc abcs atm api apa apr acl aclu adhd apb atv")
_VOWEL_NAMED = frozenset("aefhilmnorsx")  # before these the article is "an"

_SIGNS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "\u00b0": "degrees"}
_KEPT = "\u00a2\u00a3\u00a5\u20ac\u20b9\u00b0"  # outside ASCII
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
        "\u00d7": " by ",
        "\u2044": "/",
    }
)
_FOLDED = str.maketrans(
    {"œ": "oe", "ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h"}
)

_WORD = r"[^\s\x00-@\[-`{-\x7f\u00a2\u00a3\u00a5\u20ac\u20b9\u00b0]"  # one character of a word
_TOKEN = re.compile(
    rf"""
    (?P<number>
        (?:(?<!\S)-(?=[$£€¥₹¢]?[0-9]))? (?:[$£€¥₹¢]\s?(?=[0-9]))?
        [0-9]+ (?: (?::[0-5][0-9]){{1,2}}(?![0-9:]) | /[0-9]+(?![0-9/]) | (?:\.[0-9]+)* )
        (?: \s?% | \s?¢(?!\s?[0-9]) | (?:st|nd|rd|th|'?s)(?!{_WORD}|[0-9]) )?
    )
    | (?P<initials> (?<!{_WORD})(?<!')(?:[a-z](?:\.[a-z])+|ph\.d)(?:\.(?!{_WORD}))?(?:'?s)?(?!{_WORD}) )
    | (?P<word> {_WORD}+(?:'{_WORD}+)* )
    | (?P<host> (?<={_WORD})\.(?=(?:com|org|net|edu|gov|io)(?!{_WORD})) )
    | (?P<point> (?<!\S)\.(?=[0-9]) )
    | (?P<sign> [&+=@°%] )
    | (?P<stop> [.,;:!?\n] )
    """,
    re.VERBOSE,
)
_THOUSANDS = re.compile(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?![0-9]|,[0-9])")
_SEPARATE_ENDING = re.compile(r"(?<=[a-z])\s+('(?:s|re|ve|ll|d|m)|n't)(?![a-z0-9'])")  # it 's, do n't
_BARE_CENTS = re.compile(r"(?<=[$£€])\.(?=[0-9])")  # $.50
_NUMBER_SIGN = re.compile(r"\bno\.\s?(?=[0-9])|#\s?(?=[0-9])")  # No. 5, #5


@dataclass(frozen=True)
class English:
    """English as it is said and as it is written: the same text for ``twenty-five dollars`` and ``$25``.

    Args:
        compounds: ``pair`` also folds ``white paper`` and ``whitepaper``.

    What it does, in this order:

    - Remarks in brackets go, and so do tags (``<unk>``). Accents on Latin letters go (``café``, ``cafe``), marks of
      other scripts stay.
    - Fillers go: uh, um, uhm, er, erm, hm, mm, mhm and their longer forms, mm-hmm and uh-huh.
    - Spelled letters are joined: ``b b c``, ``B.B.C.``, ``b-b-c`` to ``bbc``.
    - Contractions are written out where only one reading is likely: ``it's``, ``won't``, ``they'd gone``, ``gonna``.
      After a noun ``'s`` stays (``mario's castle``). Titles are written out.
    - Numbers become digits, see ``numbers``: ``$5.20``, ``1999``, ``21st``, ``3.14``, ``1.10.1``, ``-5``, ``50%``.
      Spoken digits and single written ones that stand side by side are joined: ``nine one six nine``, ``9 1 6 9``
      and ``9169`` are equal. ``one`` is always ``1``. No leading zero is lost.
    - British spellings become American (the list of Whisper).

    A text normalised twice is the same text, for every text.

    >>> english = English()
    >>> english("Mr. O’Brien's agent 007 paid five dollars and twenty cents, um, on the twenty-first.")
    "mister o'brien's agent 007 paid $5.20 on the 21st"
    >>> english("ENTER NINE ONE SIX NINE"), english("Enter 9169."), english("B.B.C. version 1.10.1")
    ('enter 9169', 'enter 9169', 'bbc version 1.10.1')
    """

    compounds: bool = False

    version = "1"

    @property
    def name(self) -> str:
        """``english``, or ``english-compounds``."""
        return "english-compounds" if self.compounds else "english"

    def __call__(self, text: str) -> str:
        """The text in a form that can be compared."""
        text = lower(text)
        quick = _quick(text)
        return settled(_step, text) if quick is None else quick

    def pair(self, reference: str, hypothesis: str) -> tuple[str, str]:
        """Both texts; with ``compounds``, the hypothesis' compounds as the reference writes them.

        >>> English(compounds=True).pair("The white paper", "the Whitepaper")
        ('the white paper', 'the white paper')
        """
        reference, hypothesis = self(reference), self(hypothesis)
        return merge_compounds(reference, hypothesis) if self.compounds else (reference, hypothesis)


def _step(text: str) -> str:
    """One reading of the text."""
    tokens, stops = _tokens(_latin(text))
    tokens, stops = _without_fillers(tokens, stops)
    tokens, stops = _letters_joined(tokens, stops)
    tokens, stops = _written_out(tokens, stops)
    tokens = numbers.written(tokens, stops)
    american = _american()
    return " ".join([american.get(token) or _american_possessive(token, american) for token in tokens])


def _latin(text: str) -> str:
    """Small letters without accents if they are Latin; ASCII's punctuation."""
    if not text.isascii():
        text = lower(unify(text.translate(_BEFORE_UNIFYING)))
        text = clean(text, keep=_KEPT, aside=_aside).translate(_FOLDED)
        if not text.isascii():
            text = _without_accents(text)
    text = lower(text.replace("`", "'"))
    text = without_remarks(text)
    if "'" in text:
        text = _SEPARATE_ENDING.sub(r"\1", text)
    if "," in text:
        text = _THOUSANDS.sub(lambda found: found[0].replace(",", ""), text)
    text = _BARE_CENTS.sub("0.", text)
    return _NUMBER_SIGN.sub("number ", text)


def _aside(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Pd":
        return "-"
    return " ; " if category == "Po" else " "


def _without_accents(text: str) -> str:
    out: list[str] = []
    latin = False
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.category(char) == "Mn":
            if latin:
                continue
        else:
            latin = _is_latin(char)
        out.append(char)
    return unicodedata.normalize("NFC", "".join(out)).translate(_FOLDED)


@functools.lru_cache(maxsize=4096)
def _is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN ") or char.isascii()


def _tokens(text: str) -> tuple[list[str], list[str]]:
    """Tokens, and before each the stops that part it from the one before."""
    tokens: list[str] = []
    stops: list[str] = []
    stop = ""
    for found in _TOKEN.finditer(text):
        kind, token = found.lastgroup, found[0]
        if kind == "stop":
            stop += token
            continue
        if kind == "number":
            new = numbers.canonical(token)
        elif kind == "initials":
            new = [token.replace(".", "")]
        elif kind == "host":
            new = ["dot"]
        elif kind == "point":
            new = ["point"]
        elif kind == "sign":
            new = [_SIGNS[token]]
        else:
            new = [token]
        for token in new:
            tokens.append(token)
            stops.append(stop)
            stop = ""
    return tokens, stops


def _without_fillers(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    if not any(_FILLER.fullmatch(token) for token in tokens):
        return tokens, stops
    kept: list[str] = []
    parted: list[str] = []
    stop = ""
    skip = False
    for place, word in enumerate(tokens):
        stop += stops[place]
        if skip:
            skip = False
            continue
        if _FILLER.fullmatch(word) and not (word == "mm" and kept and numbers.is_number(kept[-1])):
            skip = word == "uh" and tokens[place + 1 : place + 2] == ["huh"]
            continue
        kept.append(word)
        parted.append(stop)
        stop = ""
    return kept, parted


def _letters_joined(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    """``b b c`` to ``bbc``; a stop within does not matter (J. R. R. Tolkien)."""
    if not any(len(a) == 1 and len(b) in (1, 3) for a, b in pairwise(tokens)):
        return tokens, stops
    joined: list[str] = []
    parted: list[str] = []
    start = 0
    while start < len(tokens):
        end = start
        while end < len(tokens) and _is_letter(tokens[end]):
            end += 1
        if end - start >= 1 and end < len(tokens) and _is_letter(tokens[end].removesuffix("'s")):
            end += 1  # "b b c's"
        if end - start < 2:
            end = start + 1
            joined.append(tokens[start])
            parted.append(stops[start])
        else:
            for first, last in _runs(tokens, start, end):
                joined.append("".join(tokens[first:last]))
                parted.append(stops[first])
        start = end
    return joined, parted


def _is_letter(token: str) -> bool:
    return len(token) == 1 and "a" <= token <= "z"


def _runs(tokens: list[str], start: int, end: int) -> list[tuple[int, int]]:
    """How the letters fall into words: the article and the pronoun may stand at either end."""
    letters = "".join(tokens[start:end]).removesuffix("'s")
    first, last = start, end
    if (
        end - start == 2
        and letters not in _INITIALS_OF_TWO
        and not {tokens[start], tokens[start + 1][0]}.isdisjoint("ai")
    ):
        return [(start, start + 1), (start + 1, end)]
    if end - start > 2 and tokens[start] == "a" and letters not in _INITIALS and tokens[start + 1] not in _VOWEL_NAMED:
        first = start + 1
    return ([(start, first)] if first > start else []) + [(first, last)]


def _written_out(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    out: list[str] = []
    parted: list[str] = []
    for place, token in enumerate(tokens):
        full = _full(token, tokens, stops, place)
        stop = stops[place]
        if stop == "." and place and (tokens[place - 1] in _TITLES or tokens[place - 1] == "st"):
            stop = ""  # that of the abbreviation
        for word in full:
            out.append(word)
            parted.append(stop)
            stop = ""
    return out, parted


def _full(said: str, tokens: list[str], stops: list[str], place: int) -> list[str]:
    if "'" not in said:
        if said == "st":
            if place and numbers.takes(tokens[place - 1], said):
                return [said]
            return ["saint" if place + 1 < len(tokens) and stops[place + 1] in ("", ".") else "street"]
        written = _TITLES.get(said) or _SPOKEN.get(said)
        return written.split() if written else [said]
    if said in _SPOKEN:
        return _SPOKEN[said].split()
    ending = said[said.rfind("'") :]
    stem = said[: -len(ending)]
    if ending in _ENDINGS:
        return [*_full(stem, tokens, stops, place), _ENDINGS[ending]]
    if ending == "'s" and stem in _SUBJECTS:
        return [stem, "has" if _next(tokens, place) in _HAVING else "is"]
    if ending == "'d" and stem in _WOULD:
        verb = _next(tokens, place)
        had = verb in _PARTICIPLES or (verb.endswith("ed") and len(verb) > 4 and verb not in _ED)
        return [stem, "had" if had else "would"]
    return [said]


def _next(tokens: list[str], place: int) -> str:
    """The next word that is no adverb."""
    return next((token for token in tokens[place + 1 : place + 4] if token not in _ADVERBS), "")


@functools.cache
def _american() -> dict[str, str]:
    slips = {"archaeology": "archeology"}  # the list has "archeology</span>"
    usable = {british: american for british, american in spelling().items() if (british + american).isalpha()}
    return usable | slips


def _american_possessive(token: str, american: dict[str, str]) -> str:
    if token.endswith("'s"):
        return american.get(token[:-2], token[:-2]) + "'s"
    return token


# The short way: pieces that no rule looks at are normalised one by one, each once.

# Rules read these beside a number or a letter, and where one is, nothing is read alone.
_CAUTIOUS = _set("a i o oh and half halves quarter point dot per percent minus negative no th nd rd")
_NEIGHBOURLY = _set("st huh n't o'clock double triple")
_PIECES_KEPT = 200_000
_pieces: dict[str, str | None] = {}


def _quick(text: str) -> str | None:
    """The text if each of its pieces can be read alone, else None."""
    out: list[str] = []
    letter = False
    for piece in text.split():
        try:
            read = _pieces[piece]
        except KeyError:
            if len(_pieces) >= _PIECES_KEPT:
                _pieces.clear()
            read = _pieces[piece] = _read_alone(piece)
        if read is None:
            return None
        if read:
            if letter and (len(read) == 1 or read[1] == " "):
                return None  # perhaps spelled
            letter = len(read) == 1 or read[-2] == " "
            out.append(read)
    return " ".join(out)


_ALONE = re.compile(r"[\"(]?[a-z]+(?:['-][a-z]+)*[.,;:!?\")]*")


def _read_alone(piece: str) -> str | None:
    if not _ALONE.fullmatch(piece) or "(" in piece or ")" in piece:
        return None
    tokens = _tokens(piece)[0]
    if any(_depends(token) for token in tokens) or (len(tokens) > 1 and not _CAUTIOUS.isdisjoint(tokens)):
        return None  # of "o-o" it can be seen no more, once it is joined, that its letters may belong to others
    read = settled(_step, piece)
    return None if any(_depends(token) for token in read.split()) else read


def _depends(word: str) -> bool:
    """Whether what becomes of the word depends on its neighbours."""
    if word in _CAUTIOUS:
        return False
    if word in _NEIGHBOURLY or _FILLER.fullmatch(word) or numbers.is_number_word(word):
        return True
    stem = word.removesuffix("'s").removesuffix("'d")
    return _is_letter(stem) or (stem != word and (stem in _SUBJECTS or stem in _WOULD))
