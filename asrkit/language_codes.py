"""Codes of one language: ``en``, ``eng``, ``en-US`` and ``EN_us`` are English."""

from __future__ import annotations

from .source import is_missing

__all__ = ["known_language", "main_code"]

UNKNOWN = frozenset({"", "auto", "detect", "mis", "mul", "multi", "none", "und", "unknown", "zxx"})

# ISO 639-1 and the codes of ISO 639-2 that files have.
LANGUAGES = (
    "ar ara, bg bul, ca cat, cs ces cze, da dan, de deu ger, el ell gre, en eng, es spa, et est, eu eus baq, "
    "fa fas per, fi fin, fr fra fre, gl glg, he heb, hi hin, hr hrv, hu hun, id ind, is isl ice, it ita, ja jpn, "
    "ka kat geo, ko kor, lt lit, lv lav, mk mkd mac, ms msa may, nl nld dut, no nor nob nno, pl pol, pt por, "
    "ro ron rum, ru rus, sk slk slo, sl slv, sq sqi alb, sr srp, sv swe, ta tam, te tel, th tha, tr tur, uk ukr, "
    "ur urd, vi vie, zh zho chi cmn"
)
SAME_LANGUAGE = {code: group.split()[0] for group in LANGUAGES.split(", ") for code in group.split()}


def main_code(code: str) -> str:
    """The code of ISO 639-1 without region and script; a code that is not known, in lower case.

    >>> main_code("ger"), main_code("en-US"), main_code("xx")
    ('de', 'en', 'xx')
    """
    main = code.strip().lower().replace("_", "-").split("-")[0]
    return SAME_LANGUAGE.get(main, main)


def known_language(cell: object) -> str | None:
    """What a cell says of a language; None if it is missing or says that nobody knows.

    >>> known_language("en"), known_language(" German "), known_language("und"), known_language(float("nan"))
    ('en', 'German', None, None)
    """
    if is_missing(cell):
        return None
    text = str(cell).strip()
    return None if text.lower() in UNKNOWN else text
