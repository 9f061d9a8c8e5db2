"""The words of English texts: fillers, spelled letters, contractions, abbreviations, compounds and spelling."""

from __future__ import annotations

import functools
from itertools import pairwise

from . import numbers
from .english_contexts import ABBREVIATIONS, MONTHS, MONTHS_SHORT, words_of
from .english_text import FILLER, dotted
from .number_words import WORDS
from .whisper import spelling

__all__ = [
    "COMPOUNDS",
    "FIRST_PARTS",
    "SHORT",
    "SHORTENED",
    "SUBJECTS",
    "WOULD",
    "american",
    "compounds_merged",
    "is_letter",
    "letters_joined",
    "spelled",
    "without_fillers",
    "written_out",
]

_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "messrs": "misters",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "cmdr": "commander",
    "cpl": "corporal",
    "sgt": "sergeant",
    "maj": "major",
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
    "adm": "admiral",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
    "mt": "mount",
    "dept": "department",
    "pkwy": "parkway",
    "vs": "versus",
    "etc": "et cetera",
}
_SPOKEN = {  # how it is said, and how it is written in full
    "ok": "okay",
    "y'all": "you all",
    "yall": "you all",
    "ma'am": "madam",
    "wanna": "want to",
    "gotta": "got to",
    "gonna": "going to",
    "kinda": "kind of",
    "sorta": "sort of",
    "lotta": "lot of",
    "outta": "out of",
    "hafta": "have to",
    "gimme": "give me",
    "lemme": "let me",
    "dunno": "do not know",
    "y'know": "you know",
    "yknow": "you know",
    "c'mon": "come on",
    "d'you": "do you",
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
    "alright": "all right",
    "cuz": "because",
    "centigrade": "celsius",
    "pct": "percent",
    "wwi": "world war one",
    "wwii": "world war two",
}
_SPOKEN |= {
    f"{stem}in": f"{stem}ing"
    for stem in words_of(
        "go do noth someth gett com talk look say mak work try runn liv think play feel walk tak tell kidd anyth "
        "everyth putt sitt wait"
    )
}
_NEGATED = words_of("do does did is are was were have has had could would should must need might dare ought may")
_SPOKEN |= {f"{verb}n't": f"{verb} not" for verb in _NEGATED}
_SPOKEN |= {
    f"{verb}nt": f"{verb} not" for verb in words_of("do does did is are was were have has had could would should")
}
_ENDINGS = {"'re": "are", "'ve": "have", "'ll": "will"}
# Only after these is 's surely a verb: Mario's castle is not Mario is castle.
SUBJECTS = words_of("it he she that there here what who where how when why")
_HAVING = words_of("been got gotten gone had become")  # she's been: she has been
WOULD = words_of("i you he she it we they who that there")
_ADVERBS = words_of("never always already just not also ever only really probably now still even all")
# After 'd these make it had; words that are infinitives too (come, cut) do not tell.
_PARTICIPLES = words_of(
    "been gone done had better seen taken given known made said got gotten begun left lost found heard told thought "
    "brought caught bought kept felt met spent written fallen forgotten chosen broken spoken driven eaten grown shown "
    "flown drawn worn"
)
_ED = words_of("need feed bleed breed speed succeed proceed exceed heed seed shed embed")

# Spelled letters are joined. At its ends a run may have the article or the pronoun: "a b m w", "i b m".
_INITIALS_OF_TWO = words_of("ai am ac ad ap ar id ip iq ca la pa ma va da ea qa wa ui gi ie it io iv ir ia ga na ok")
_NUMBERED = words_of("ak mi ai ac ia ua ba aa av ax")  # before numbers: an a k forty seven, m i six
_INITIALS = words_of("abc abcs atm api apa apr acl aclu adhd apb atv aka asap aaa")
_ENDING_IN_I = words_of("fbi api mri gui roi dui cgi cli ppi csi abi")
_VOWEL_NAMED = frozenset("aefhilmnorsx")  # before these the article is "an"
_SAYING = words_of(
    "i'm am think was know do don't have had will would can could want like need did mean guess said say feel believe "
    "hope saw see went go got love hate just really thought should never always also may might must"
)
_TRIPLE_A = words_of("battery batteries member members membership rating rated bond bonds game games")
_AND_LETTER = {"at": "t", "pb": "j"}  # AT&T, PB&J

# Two words or one, with a hyphen or without.
COMPOUNDS: dict[str, frozenset[str]] = {
    "e": words_of(
        "mail mails mailed mailing book books reader readers commerce learning sport sports ticket tickets cigarette "
        "cigarettes bike bikes"
    ),
    "wi": words_of("fi"),
    "hi": words_of("fi tech"),
    "mid": words_of("term terms day night week west town summer winter life size sized point air"),
    "sub": words_of("committee committees group groups set sets title titles section sections category total way"),
    "inter": words_of("state states national city action continental"),
    "ultra": words_of("violet sound sounds sonic"),
    "post": words_of("war modern graduate graduates season"),
    "lo": words_of("fi"),
    "sci": words_of("fi"),
    "x": words_of("ray rays rayed"),
    "t": words_of("shirt shirts"),
    "ph": words_of("d ds"),
    "tee": words_of("shirt shirts"),
    "u": words_of("turn turns"),
    "web": words_of("site sites page pages cam cams"),
    "good": words_of("bye byes"),
    "health": words_of("care"),
    "day": words_of("care"),
    "co": words_of(
        "worker workers founder founders founded operate operates operated operating operation operative ordinate "
        "ordinates ordinated ordination author authors authored pilot pilots host hosts exist existence existed star "
        "stars"
    ),
    "re": words_of("elect elected election enter entered entry examine evaluate establish open opened use used"),
}
_MERGED = {"teeshirt": "tshirt", "teeshirts": "tshirts"}
_PREFIXES = words_of("non anti pre multi pseudo semi")
_NO_STEM = words_of(
    "is are was were be been has have had and or but of to in on at by for with the a an as that which from will can "
    "grata sequitur plus"
)

SHORT = frozenset((*MONTHS_SHORT, *ABBREVIATIONS, "co", "mar"))


def without_fillers(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    """The tokens that say something."""
    kept: list[str] = []
    parted: list[str] = []
    stop = ""
    skip = False
    for place, word in enumerate(tokens):
        stop += stops[place]
        if skip:
            skip = False
            continue
        if FILLER.fullmatch(word) and not (word == "mm" and kept and numbers.is_number(kept[-1])):
            skip = word == "uh" and tokens[place + 1 : place + 2] == ["huh"]
            continue
        kept.append(word)
        parted.append(stop)
        stop = ""
    return kept, parted


def letters_joined(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    """``b b c`` to ``bbc``; points within do not matter (J. R. R. Tolkien), commas do (plan B, C)."""
    letters = [place for place, token in enumerate(tokens) if len(token) == 1]
    if not any(len(token) in (1, 3) for place in letters for token in tokens[place + 1 : place + 2]):
        return tokens, stops
    joined: list[str] = []
    parted: list[str] = []
    start = 0
    while start < len(tokens):
        end = start
        while end < len(tokens) and is_letter(tokens[end]):
            end += 1
        if end - start >= 1 and end < len(tokens) and is_letter(tokens[end].removesuffix("'s")):
            end += 1  # "b b c's"
        if end - start < 2:
            end = start + 1
            joined.append(tokens[start])
            parted.append(stops[start])
        else:
            for first, last in _runs(tokens, start, end):
                for word, stop in _spelled_words(tokens, stops, first, last):
                    joined.append(word)
                    parted.append(stop)
        start = end
    return joined, parted


def is_letter(token: str) -> bool:
    """Whether the token is a single Latin letter."""
    return len(token) == 1 and "a" <= token <= "z"


def _runs(tokens: list[str], start: int, end: int) -> list[tuple[int, int]]:
    """How the letters fall into words: the article and the pronoun may stand at either end."""
    letters = "".join(tokens[start:end]).removesuffix("'s")
    after = tokens[end] if end < len(tokens) else ""
    alone = [(place, place + 1) for place in range(start, end)]
    if set(letters) == {"i"} or (set(letters) == {"a"} and after not in _TRIPLE_A):
        return alone  # somebody hesitates
    if after in ("and", "or") and _goes_on(letters[-1], tokens[end + 1 : end + 2]):
        return alone  # plans a, b and c
    if end - start == 2:
        if after and numbers.is_number(after) and letters in _NUMBERED:
            return [(start, end)]  # an a k forty seven
        is_company = after == "and" and tokens[end + 1 : end + 2] == [_AND_LETTER.get(letters)]
        if not is_company and letters not in _INITIALS_OF_TWO and not set(letters).isdisjoint("ai"):
            return alone
        return [(start, end)]
    first, last = start, end
    while tokens[first] == tokens[first + 1] == "i":
        first += 1
    if first > start:
        first += 1
    elif tokens[start] == "a" and letters not in _INITIALS and tokens[start + 1] not in _VOWEL_NAMED:
        first = start + 1
    if tokens[last - 1] == "i" and letters not in _ENDING_IN_I and (after in _SAYING or tokens[last - 2] == "i"):
        while tokens[last - 1] == "i" and last > first:
            last -= 1
    return [*alone[: first - start], *([(first, last)] if last > first else []), *alone[last - start :]]


def _goes_on(letter: str, after: list[str]) -> bool:
    return bool(after) and is_letter(after[0]) and ord(after[0]) == ord(letter) + 1


def _spelled_words(tokens: list[str], stops: list[str], first: int, last: int) -> list[tuple[str, str]]:
    """One word of the letters, or several where commas part them.

    Four letters and more with commas are spelled (C, H, E, F) unless they are in the order of the alphabet. A comma
    that parts two single letters stays on the first of them, since without it they would be read as one word.
    """
    cuts = [place for place in range(first + 1, last) if stops[place].strip(".")]
    letters = [token[0] for token in tokens[first:last]]
    if not cuts or (len(letters) > 3 and len(cuts) == len(letters) - 1 and letters != sorted(letters)):
        return [(dotted("".join(tokens[first:last])), stops[first])]
    words = []
    for start, end in pairwise([first, *cuts, last]):
        word = dotted("".join(tokens[start:end]))
        words.append((f"{word}," if len(word) == 1 and end < last else word, stops[start]))
    return words


def written_out(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    """Contractions, titles and abbreviations in full."""
    out: list[str] = []
    parted: list[str] = []
    stops = list(stops)
    for place, token in enumerate(tokens):
        stop = stops[place]
        if "'" not in token and token not in SHORTENED:
            out.append(token)
            parted.append(stop)
            continue
        for word in _full(token, tokens, stops, place):
            out.append(word)
            parted.append(stop)
            stop = ""
        if place + 1 < len(tokens) and stops[place + 1] == "." and token in _STOPPED:
            stops[place + 1] = ""  # that of the abbreviation
    return out, parted


_STREETS = {"st": "street", "dr": "drive", "rd": "road", "ln": "lane"}
SHORTENED = frozenset((*_TITLES, *_SPOKEN, *SHORT, *_STREETS))
_STOPPED = frozenset((*_TITLES, *SHORT, *_STREETS))


def _full(said: str, tokens: list[str], stops: list[str], place: int) -> list[str]:
    if "'" not in said:
        if said in _STREETS:
            return [_street(said, tokens, stops, place)]
        written = _TITLES.get(said) or _SPOKEN.get(said)
        if written:
            return written.split()
        return _unabbreviated(said, tokens, stops, place).split() if said in SHORT else [said]
    if said in _SPOKEN:
        return _SPOKEN[said].split()
    ending = said[said.rfind("'") :]
    stem = said[: -len(ending)]
    if ending in _ENDINGS:
        return [*_full(stem, tokens, stops, place), _ENDINGS[ending]]
    if ending == "'s" and stem in WORDS and WORDS[stem].suffix not in ("", "s"):
        return [stem, "'s"]  # henry the eighth's
    if ending == "'s" and stem in SUBJECTS:
        return [stem, "has" if _next(tokens, place) in _HAVING else "is"]
    if ending == "'d" and stem in WOULD:
        verb = _next(tokens, place)
        had = verb in _PARTICIPLES or (verb.endswith("ed") and len(verb) > 4 and verb not in _ED)
        return [stem, "had" if had else "would"]
    return [said]


def _street(said: str, tokens: list[str], stops: list[str], place: int) -> str:
    if place and numbers.takes(tokens[place - 1], said):
        return said
    is_before_name = place + 1 < len(tokens) and stops[place + 1] in ("", ".")
    if said == "st":
        return "saint" if is_before_name else "street"
    if said != "dr":
        return _STREETS[said]
    return "doctor" if is_before_name or not place else "drive"


def _unabbreviated(said: str, tokens: list[str], stops: list[str], place: int) -> str:
    """What is short for something only beside a number or with its full stop: ``Jan. 5``, ``apt 3``."""
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    is_stopped = bool(after) and stops[place + 1][:1] == "."
    is_counted = bool(after) and (after[0].isdigit() or numbers.is_number_word(after))
    if said in MONTHS_SHORT:
        is_day = place > 0 and (numbers.is_number(tokens[place - 1]) or tokens[place - 1] == "of")
        if is_counted or is_day or (is_stopped and said not in ("mar", "jan", "dec")) or after in MONTHS:
            return MONTHS_SHORT[said]
        return MONTHS_SHORT[said] if is_stopped and said != "mar" else said
    if said == "co":
        return "company" if place and tokens[place - 1] == "and" and (is_stopped or not after) else said
    if said in _DAYS:
        return ABBREVIATIONS[said] if after in MONTHS or after in MONTHS_SHORT or said in _LONG_DAYS else said
    if said in _ANYWHERE:
        return ABBREVIATIONS[said]
    return ABBREVIATIONS[said] if is_counted else said


_DAYS = words_of("mon tue tues wed weds thu thur thurs fri sat sun")
_LONG_DAYS = words_of("tues weds thurs")
_ANYWHERE = words_of("approx ave blvd bros corp govt hwy inc ltd")


def _next(tokens: list[str], place: int) -> str:
    """The next word that is no adverb."""
    return next((token for token in tokens[place + 1 : place + 4] if token not in _ADVERBS), "")


def compounds_merged(tokens: list[str], stops: list[str]) -> tuple[list[str], list[str]]:
    """``e mail``, ``wi fi``, ``non profit`` as one word."""
    if not any(first in FIRST_PARTS and _merge(first, after) for first, after in pairwise(tokens)):
        return tokens, stops
    out: list[str] = []
    parted: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        after = tokens[place + 1] if place + 1 < len(tokens) and not stops[place + 1] else ""
        merges = token in FIRST_PARTS and _merge(token, after)
        word = token + after if merges else token
        out.append(_MERGED.get(word, word))
        parted.append(stops[place])
        place += 2 if merges else 1
    return out, parted


FIRST_PARTS = frozenset((*COMPOUNDS, *_PREFIXES))


def _merge(first: str, after: str) -> bool:
    return after in COMPOUNDS.get(first, ()) or (first in _PREFIXES and _is_stem(after))


def _is_stem(word: str) -> bool:
    return len(word) > 1 and word.isalpha() and word not in _NO_STEM and not numbers.is_number_word(word)


def spelled(token: str) -> str:
    """The token in American spelling."""
    words = american()
    if token.endswith("'s"):
        return words.get(token[:-2], token[:-2]) + "'s"
    return words.get(token, token)


@functools.cache
def american() -> dict[str, str]:
    """British spellings and their American ones, as far as the word is the same."""
    words = {british: spelt for british, spelt in spelling().items() if (british + spelt).isalpha()}
    words |= {"archaeology": "archeology"}  # the list has "archeology</span>"
    return words | {british: spelt for british, spelt in _MORE_AMERICAN.items() if spelt not in words}


_MORE_AMERICAN = {
    "tyre": "tire",
    "tyres": "tires",
    "kerb": "curb",
    "kerbs": "curbs",
    "pyjamas": "pajamas",
    "sceptic": "skeptic",
    "sceptics": "skeptics",
    "sceptical": "skeptical",
    "scepticism": "skepticism",
    "storeys": "stories",
    "licence": "license",
    "licences": "licenses",
    "practise": "practice",
    "practised": "practiced",
    "practising": "practicing",
    "programme": "program",
    "programmes": "programs",
    "yoghurt": "yogurt",
    "omelette": "omelet",
    "moustache": "mustache",
    "moustaches": "mustaches",
    "acknowledgement": "acknowledgment",
    "rouble": "ruble",
    "roubles": "rubles",
    "mediaeval": "medieval",
    "judgements": "judgments",
    "grey": "gray",
    "ageing": "aging",
    "aeroplane": "airplane",
    "cosy": "cozy",
    "plough": "plow",
    "ploughs": "plows",
    "cheque": "check",
    "cheques": "checks",
    "skilful": "skillful",
    "skilfully": "skillfully",
    "sizeable": "sizable",
    "saleable": "salable",
    "ochre": "ocher",
    "donut": "doughnut",
    "donuts": "doughnuts",
    "disc": "disk",
    "discs": "disks",
}
