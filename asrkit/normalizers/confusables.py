"""One letter, several code points: what keyboards and fonts mix up, as each language writes it.

Unicode composes ``é`` from its parts, but it does not know that a Persian text with the Arabic ``ي`` means ``ی``. The
rules here are those of the languages that Whisper knows; a language that is not here has no such letters that we know
of. They never make one word of a language another: letters that a language tells apart stay, ``ى`` and ``ي`` in Arabic.
"""

# ruff: noqa: RUF001, RUF002 -- letters that look like others are what this is about

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

__all__ = ["code_of", "has_rules", "unmixed", "with_one_code"]

_CODES = {  # ISO 639-2 and -3, codes and names in use besides those of ISO 639-1
    **dict.fromkeys(("ara", "arb", "arabic"), "ar"),
    **dict.fromkeys(("asm", "assamese"), "as"),
    **dict.fromkeys(("aze", "azj", "azerbaijani"), "az"),
    **dict.fromkeys(("bak", "bashkir"), "ba"),
    **dict.fromkeys(("bel", "belarusian"), "be"),
    **dict.fromkeys(("ben", "bengali"), "bn"),
    **dict.fromkeys(("bos", "bosnian"), "bs"),
    **dict.fromkeys(("cat", "catalan", "valencian"), "ca"),
    **dict.fromkeys(("fao", "faroese"), "fo"),
    **dict.fromkeys(("fra", "fre", "french"), "fr"),
    **dict.fromkeys(("hawaiian",), "haw"),
    **dict.fromkeys(("hrv", "croatian"), "hr"),
    **dict.fromkeys(("isl", "ice", "icelandic"), "is"),
    **dict.fromkeys(("ita", "italian"), "it"),
    **dict.fromkeys(("jpn", "japanese"), "ja"),
    **dict.fromkeys(("kaz", "kazakh"), "kk"),
    **dict.fromkeys(("lat", "latin"), "la"),
    **dict.fromkeys(("lin", "lingala"), "ln"),
    **dict.fromkeys(("mri", "mao", "maori"), "mi"),
    **dict.fromkeys(("mon", "khk", "mongolian"), "mn"),
    **dict.fromkeys(("oci", "occitan"), "oc"),
    **dict.fromkeys(("pus", "pashto", "pushto"), "ps"),
    **dict.fromkeys(("por", "portuguese"), "pt"),
    **dict.fromkeys(("ron", "rum", "mo", "mol", "romanian", "moldavian", "moldovan"), "ro"),
    **dict.fromkeys(("snd", "sindhi"), "sd"),
    **dict.fromkeys(("slv", "slovenian"), "sl"),
    **dict.fromkeys(("spa", "spanish", "castilian"), "es"),
    **dict.fromkeys(("srp", "serbian"), "sr"),
    **dict.fromkeys(("tat", "tatar"), "tt"),
    **dict.fromkeys(("tur", "turkish"), "tr"),
    **dict.fromkeys(("ukr", "ukrainian"), "uk"),
    **dict.fromkeys(("urd", "urdu"), "ur"),
    **dict.fromkeys(("fas", "per", "pes", "prs", "persian", "farsi"), "fa"),
    **dict.fromkeys(("uzb", "uzn", "uzbek"), "uz"),
    **dict.fromkeys(("vie", "vietnamese"), "vi"),
    **dict.fromkeys(("yor", "yoruba"), "yo"),
    **dict.fromkeys(("zho", "chi", "cmn", "chinese", "mandarin"), "zh"),
    **dict.fromkeys(("cantonese",), "yue"),
}


class _Rules(NamedTuple):
    letters: dict[int, str]
    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()


def _letters(pairs: str) -> dict[int, str]:
    """``"ş ș"`` says that the first is written as the second."""
    listed = pairs.split()
    return {ord(one): other for one, other in zip(listed[::2], listed[1::2], strict=True)}


def _equal(pairs: str) -> dict[str, str]:
    """``"अा=आ"``: the same, for letters in parts."""
    return dict(pair.split("=") for pair in pairs.split())


def _patterns(*pairs: tuple[str, str]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), replaced) for pattern, replaced in pairs)


# No language that we know tells these apart, or the one that does says so in its own rules.
_EVERYWHERE = _letters("ț ţ ș ş ǝ ə ʻ ' ʿ ' ʾ ' ʽ ' ឣ អ ឤ អា") | {
    ord("œ"): "oe",
    ord("\u05f0"): "\u05d5\u05d5",  # Yiddish digraphs: two vavs,
    ord("\u05f1"): "\u05d5\u05d9",  # vav and yod,
    ord("\u05f2"): "\u05d9\u05d9",  # two yods
}
# What looks like one letter, from its parts or from another order of its signs.
_SEQUENCES = _equal(
    "अा=आ अो=ओ अौ=औ अॉ=ऑ अॊ=ऒ अॆ=ऄ अॅ=ॲ एे=ऐ एॆ=ऎ एॅ=ऍ उु=ऊ आे=ओ आै=औ "
    "অা=আ ঋৃ=ৠ ত\u09cd\u200d=ৎ "
    "ਅਾ=ਆ ੲਿ=ਇ ੲੀ=ਈ ੳੁ=ਉ ੳੂ=ਊ ੲੇ=ਏ ਅੈ=ਐ ੳੋ=ਓ ਅੌ=ਔ "
    "અા=આ અે=એ અૈ=ઐ અો=ઓ અૌ=ઔ અૅ=ઍ અૉ=ઑ "
    "ஶ்ரீ=ஸ்ரீ "
    "ఒౌ=ఔ ఒౕ=ఓ ಒೌ=ಔ ಅಾ=ಆ "
    "ഇൗ=ഈ ഉൗ=ഊ എെ=ഐ ഒാ=ഓ ഒൗ=ഔ ൻറ=ന്റ ൻ്റ=ന്റ "
    "අා=ආ අැ=ඇ අෑ=ඈ උෟ=ඌ එෙ=ඓ ඔෟ=ඖ "
    "र\u094d\u200d=ऱ\u094d "
    "\u102f\u102d=\u102d\u102f \u1025\u103a=\u1009\u103a "
    "\u17d2\u178a=\u17d2\u178f "
    "ฤา=ฤๅ \u0ec0\u0ec0=\u0ec1 \u0ecd\u0eb2=\u0eb3"
)
_SEQUENCE = re.compile("|".join(sorted(_SEQUENCES, key=len, reverse=True)))
_BURMESE_WA = re.compile("\u1040(?=[\u102b-\u103e])|(?<=[\u1000-\u103e])\u1040(?![0-9\u1040-\u1049])")
# In acronyms, gershayim stand before the last letter; most keyboards have the quotation mark only.
_GERSHAYIM = re.compile("(?<=[\u05d0-\u05ea])(?:[\"\u201c-\u201f\u05f4]|'')(?=[\u05d0-\u05ea])")
_QUOTES = re.compile("[\"\u201c-\u201f\u05f4]|''")
_HERE = [parts for parts in _SEQUENCES if "\u200d" not in parts]
_IN_PARTS = re.compile("[{}][{}]".format(*("".join({parts[place] for parts in _HERE}) for place in (0, 1))))

_D = _letters("ð đ ɖ đ")
_ETH = _letters("đ ð ɖ ð")
_AE = {ord("æ"): "ae"}
_SCHWA = _letters("ə ә")
_GEMINATED = _Rules({ord("ŀ"): "l·"}, _patterns(("[\u2022\u2027\u2219\u22c5.](?<=l.)(?=l)", "·")))
_APOSTROPHE = _patterns(('["\u201c\u201d\u201f*](?<=[а-яєіїґў].)(?=[яюєїеё])', "'"))
_HEH = "ہ ه ھ ه ە ه "
_ZERO = _patterns(("[○◯](?:(?<=[一二三四五六七八九〇].)|(?=[一二三四五六七八九〇]))", "〇"))

_RULES: dict[str, _Rules] = {
    "ar": _Rules(_letters("ی ي ک ك " + _HEH)),
    "as": _Rules(_letters("র ৰ")),
    "az": _Rules(_letters("ә ə")),
    "ba": _Rules(_SCHWA),
    "be": _Rules({}, _APOSTROPHE),
    "bn": _Rules(_letters("ৰ র")),
    "bs": _Rules(_D),
    "ca": _GEMINATED,
    "es": _Rules(_AE),
    "fa": _Rules(_letters("ي ی ى ی ك ک " + _HEH) | {ord("ۀ"): "ه\u0654", ord("ۂ"): "ه\u0654"}),
    "fo": _Rules(_ETH),
    "fr": _Rules(_AE),
    "haw": _Rules({}, _patterns(("'(?=[aeiouāēīōū])", "ʻ"))),
    "hr": _Rules(_D),
    "is": _Rules(_ETH),
    "it": _Rules(_AE),
    "ja": _Rules(_letters("ヘ へ ベ べ ペ ぺ"), (*_patterns(("[\u2010-\u2015\u2212-](?<=[ァ-ヺ].)", "ー")), *_ZERO)),
    "kk": _Rules(_SCHWA),
    "la": _Rules(_AE),
    "ln": _Rules(_letters("ε ɛ")),
    "mi": _Rules(_letters("ä ā ë ē ï ī ö ō ü ū")),
    "mn": _Rules(_letters("ѳ ө ɵ ө є ө ї ү")),
    "oc": _GEMINATED,
    "ps": _Rules(_letters("ك ک گ ګ " + _HEH)),
    "pt": _Rules(_AE),
    "ro": _Rules(_letters("ş ș ţ ț")),
    "sd": _Rules(_letters("ی ي ى ي ہ ه ە ه")),
    "sl": _Rules(_D),
    "sr": _Rules(_D),
    "tt": _Rules(_SCHWA),
    "uk": _Rules({}, _APOSTROPHE),
    "ur": _Rules(_letters("ي ی ى ی ك ک ه ہ ە ہ ة ۃ ۀ ۂ")),
    "uz": _Rules({}, _patterns(("'(?<=[og].)", "ʻ"))),
    "vi": _Rules(_D),
    "yo": _Rules({0x0329: "\u0323"}),
    "yue": _Rules({}, _ZERO),
    "zh": _Rules({}, _ZERO),
}


def code_of(language: str | None) -> str:
    """The ISO 639-1 code of a language; what is not known comes back in small letters.

    >>> code_of("Romanian"), code_of("uz-Latn"), code_of("xx"), code_of(None)
    ('ro', 'uz', 'xx', '')
    """
    said = (language or "").strip().lower().replace("_", "-")
    said = said.split("-")[0]
    return _CODES.get(said, said)


def has_rules(code: str) -> bool:
    """Whether a language has letters of its own to unite."""
    return code in _RULES


def with_one_code(text: str, code: str) -> str:
    """The text, in small letters, with one code point for each letter of the language.

    >>> with_one_code("Şi ţară".lower(), "ro"), with_one_code("o'zbek", "uz"), with_one_code("cœur", "fr")
    ('și țară', 'oʻzbek', 'coeur')
    """
    given = text
    table, suspect, patterns = _united(code)
    if not text.isascii():
        if suspect.search(text):
            text = text.translate(table)
        if _QUOTES.search(text):
            text = _GERSHAYIM.sub("", text)
        if _IN_PARTS.search(text) or "\u200d" in text:
            text = _SEQUENCE.sub(lambda found: _SEQUENCES[found[0]], text)
        if "\u1040" in text:
            text = _BURMESE_WA.sub("\u101d", text)
    for pattern, replaced in patterns:
        text = pattern.sub(replaced, text)
    return text if text == given else unicodedata.normalize("NFC", text)


@functools.lru_cache(maxsize=256)
def _united(code: str) -> tuple[dict[int, str], re.Pattern[str], tuple[tuple[re.Pattern[str], str], ...]]:
    """The letters of a language in one table, what to look for before it is used, and the patterns."""
    rules = _RULES.get(code, _Rules({}))
    table = {letter: drawn.translate(rules.letters) for letter, drawn in _EVERYWHERE.items()} | rules.letters
    table = {letter: drawn for letter, drawn in table.items() if drawn != chr(letter)}
    return table, re.compile(f"[{''.join(map(chr, table))}]"), rules.patterns


# Letters of two scripts that look the same, in words that have letters of both.
_CYRILLIC = dict(
    zip(
        "ABCEHIJKMOPSTXYaceijopsxyhə",
        "АВСЕНІЈКМОРЅТХУасеіјорѕхуһә",
        strict=True,
    )
)
_GREEK = dict(zip("ABEZHIKMNOPTYXov", "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧον", strict=True))
_LATIN = {other: letter for table in (_CYRILLIC, _GREEK) for letter, other in table.items()} | {"ε": "ɛ"}
_MIXED = re.compile("[A-Za-zə][\u0370-\u052f]|[\u0370-\u052f][A-Za-zə]")
_WORD = re.compile(r"\w+")


def unmixed(text: str) -> str:
    """Words in the letters of one script: a Latin ``c`` within a Cyrillic word is a Cyrillic ``с``.

    The script of most letters of the word wins, if all others look like letters of it.

    >>> unmixed("Mосква") == "Москва", unmixed("iPhoneы")
    (True, 'iPhoneы')
    """
    if text.isascii() or not _MIXED.search(text):
        return text
    return _WORD.sub(_in_one_script, text)


def _in_one_script(found: re.Match[str]) -> str:
    word = found[0]
    if not _MIXED.search(word):
        return word
    latin = [char for char in word if (char.isascii() and char.isalpha()) or char == "ə"]
    others = [char for char in word if "\u0370" <= char <= "\u052f"]
    table = _GREEK if others[0] < "\u0400" else _CYRILLIC
    choices = [(latin, table), (others, _LATIN)]
    if len(latin) > len(others):
        choices.reverse()
    for minority, drawn in choices:
        if all(char in drawn for char in minority):
            return "".join(drawn[char] if char in minority else char for char in word)
    return word
