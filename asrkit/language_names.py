"""Which texts name a language: codes of two or three letters, also with a region or a script, and English names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from functools import cache, lru_cache

from .backends.whisper_languages import CODES, NAMES
from .errors import OptionError
from .language_codes import SAME_LANGUAGE, known_language

__all__ = ["check_language", "is_language", "language_like", "read_language", "refuse_many_languages"]


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


# All codes of ISO 639-1, with those that were replaced and are still written.
TWO_LETTERS = frozenset(
    _split(
        "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de "
        "dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id "
        "ie ig ii ik in io is it iu iw ja ji jv jw ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li "
        "ln lo lt lu lv mg mh mi mk ml mn mo mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa "
        "pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th "
        "ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu"
    )
)
# Codes of ISO 639-2 and 639-3 that data sets of speech have (Common Voice, FLEURS, VoxLingua, OpenSLR).
THREE_LETTERS = frozenset(
    _split(
        "ace afr aka amh arc arz asm ast aze bak bam bas bel bem ben ber bho bod bos bre cat ceb ces chv ckb "
        "cmn cnh cor cos crh csb cym div dyu dzo epo ewe fao fij fil fon frr fry ful fur gaa gla gle glk glv "
        "gom grc grn gsw guj hak hat hau haw hmn hne hsb dsb hye ibo ido ilo ina jav kab kal kam kan kas kaz "
        "kbd kea khm kik kin kir kmb kmr kok kon kua kur lad lao lat lbe lez lij lim lin lmo ltg ltz lua lug "
        "luo lus mai mal mar mdf mhr mlg mlt mni mon mos mri mrj mya myv nan nap nbl nde nds nep new nia nso "
        "nya oci ori orm oss pam pan pap pcm pms pnb prs pus que rmy roh run sah san sat sco scn sdh shn sin "
        "skr sme sna snd som sot srd ssw sun swa swh swg syr szl tat tgk tgl tig tir tok ton tpi tsn tso tuk "
        "tum twi tyv uig umb uzb vec vep vot wal war wln wol wuu xal xho yid yor yue zgh zul zza bcl ext gcf "
        "gug hbo gcr guw uzs arb ary arq apc acm acw aeb afb ajp azj azb ekk lvs npi ory pes plt uzn ydd zsm "
        "khk gaz als hrx bar sgs vls zea stq pfl ksh quz quy aym cjk fuv sag taq tzm bjn bug ban min mad"
    )
)
LANGUAGE_NAMES = _split(  # of languages that have a code above and that Whisper does not know
    "amharic aragonese asturian aymara bambara basque breton cebuano chechen chuvash cornish corsican dhivehi "
    "dzongkha esperanto ewe filipino frisian friulian fula galician ganda gaelic greenlandic guarani hausa "
    "igbo ilocano interlingua inuktitut irish kabyle kannada kinyarwanda kurdish kyrgyz lingala luganda luo "
    "manx maori mongolian norwegian bokmal bokmål odia oriya oromo ossetian quechua romansh samoan sami "
    "sardinian scots sesotho setswana sicilian sinhala sorbian swati tigrinya tongan tsonga tswana tetum "
    "tuvan twi uyghur uighur venda volapük walloon wolof xhosa yakut sakha zulu farsi taiwanese hokkien hakka "
    "shanghainese montenegrin serbo-croatian azeri bangla gujarati panjabi"
)


def is_language(text: str) -> bool:
    """Whether a text names a language: a code of two or three letters, also with a region or script, or a name.

    >>> is_language("en"), is_language("zh-Hans-CN"), is_language("deu"), is_language("German"), is_language("englsh")
    (True, True, True, True, False)
    """
    main = text.strip().lower().replace("_", "-")
    return main in _names() or main.split("-")[0] in _known()


def read_language(cell: object) -> str | None:
    """The language that a cell names; None if it is missing, says that nobody knows, or is no language.

    >>> read_language("en"), read_language("und"), read_language("lingau"), read_language(5)
    ('en', None, None, None)
    """
    return _read(cell if isinstance(cell, str) else str(known_language(cell) or ""))


@lru_cache(maxsize=10_000)
def _read(cell: str) -> str | None:
    text = known_language(cell)
    return text if text is not None and is_language(text) else None


def check_language(language: object, columns: Sequence[object] = ()) -> None:
    """Refuse what is neither a language nor unknown; ``columns`` are names that may have been meant.

    Raises:
        OptionError: with what may have been meant.
    """
    if isinstance(language, str) and (known_language(language) is None or is_language(language)):
        return
    hint = ""
    if isinstance(language, str):
        near = difflib.get_close_matches(language, [str(column) for column in columns], n=1)
        meant = near[0] if near else language_like(language)
        hint = f"; did you mean {meant!r}?" if meant else ""
    elif isinstance(language, list | tuple | set):
        hint = "; languages of rows are read from a column of the frame"
    raise OptionError(
        f"language= is a column, a code such as 'de' or a name such as 'german', not {repr(language)[:60]}{hint}"
    )


def refuse_many_languages(language: object) -> None:
    """Refuse a list or another value that cannot be the name of a column.

    Raises:
        OptionError: it is one.
    """
    try:
        hash(language)
    except TypeError:
        check_language(language)


def language_like(text: str) -> str | None:
    """The language that was probably meant; None if there is none like it.

    >>> language_like("englsh"), language_like("lingau")
    ('english', 'lingala')
    """
    near = difflib.get_close_matches(text.strip().lower(), sorted(_names()), n=1, cutoff=0.7)
    return near[0] if near else None


@cache
def _known() -> frozenset[str]:
    return _names() | TWO_LETTERS | THREE_LETTERS | {*SAME_LANGUAGE} | {*NAMES}


@cache
def _names() -> frozenset[str]:
    return frozenset({*CODES, *LANGUAGE_NAMES})
