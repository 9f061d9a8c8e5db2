"""The small normalizers, Whisper's, compounds and how one is found."""
# ruff: noqa: RUF001 -- letters that look like others are what this is about

from __future__ import annotations

import functools
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrkit.errors import OptionError
from asrkit.normalizers import (
    NAMES,
    Basic,
    Custom,
    English,
    Multilingual,
    Normalizer,
    Unchanged,
    WhisperBasic,
    WhisperEnglish,
    find,
    merge_compounds,
    whisper,
)

# openai/whisper, tests/test_normalizer.py (MIT): the same inputs and outputs.
NUMBERS = {
    "two": "2",
    "thirty one": "31",
    "five twenty four": "524",
    "nineteen ninety nine": "1999",
    "twenty nineteen": "2019",
    "two point five million": "2500000",
    "four point two billions": "4200000000s",
    "200 thousand": "200000",
    "200 thousand dollars": "$200000",
    "$20 million": "$20000000",
    "€52.4 million": "€52400000",
    "£77 thousands": "£77000s",
    "two double o eight": "2008",
    "three thousand twenty nine": "3029",
    "forty three thousand two hundred sixty": "43260",
    "forty three thousand two hundred and sixty": "43260",
    "nineteen fifties": "1950s",
    "thirty first": "31st",
    "thirty three thousand and three hundred and thirty third": "33333rd",
    "three billion": "3000000000",
    "millions": "1000000s",
    "july third twenty twenty": "july 3rd 2020",
    "august twenty sixth twenty twenty one": "august 26th 2021",
    "3 14": "3 14",
    "3.14": "3.14",
    "3 point 2": "3.2",
    "3 point 14": "3.14",
    "fourteen point 4": "14.4",
    "two point two five dollars": "$2.25",
    "two hundred million dollars": "$200000000",
    "$20.1 million": "$20100000",
    "ninety percent": "90%",
    "seventy six per cent": "76%",
    "double oh seven": "007",
    "double zero seven": "007",
    "nine one one": "911",
    "nine double one": "911",
    "one triple oh one": "10001",
    "two thousandth": "2000th",
    "thirty two thousandth": "32000th",
    "minus 500": "-500",
    "positive twenty thousand": "+20000",
    "two dollars and seventy cents": "$2.70",
    "3 cents": "¢3",
    "$0.36": "¢36",
    "three euros and sixty five cents": "€3.65",
    "three and a half million": "3500000",
    "forty eight and a half dollars": "$48.5",
    "b747": "b 747",
    "10 th": "10th",
    "10th": "10th",
}
SPELLINGS = {"mobilisation": "mobilization", "cancelation": "cancellation"}
TEXTS = {
    "Let's": "let us",
    "he's like": "he is like",
    "she's been like": "she has been like",
    "10km": "10 km",
    "10mm": "10 mm",
    "RC232": "rc 232",
    "Mr. Park visited Assoc. Prof. Kim Jr.": "mister park visited associate professor kim junior",
}


@pytest.mark.parametrize("spoken, written", [*NUMBERS.items(), *SPELLINGS.items(), *TEXTS.items()])
def test_the_assertions_of_whisper_hold_for_whisper_english(spoken, written):
    assert WhisperEnglish()(spoken) == written


@pytest.mark.parametrize("spoken, written", NUMBERS.items())
def test_the_assertions_of_whisper_hold_for_its_numbers_alone(spoken, written):
    assert whisper.english_text_normalizer().standardize_numbers(spoken) == written


@pytest.mark.parametrize("british, american", SPELLINGS.items())
def test_the_assertions_of_whisper_hold_for_its_spellings_alone(british, american):
    assert whisper.english_text_normalizer().standardize_spellings(british) == american


def test_all_sixty_assertions_of_whisper_are_here():
    assert len(NUMBERS) + len(SPELLINGS) + len(TEXTS) == 60


@pytest.mark.parametrize(
    "text, published",
    [
        ("three point one", "3 one"),
        ("one dollar", "one"),
        ("version 1.10.1", "version one.10 one"),
        ("O'Brien", "0 brien"),
        ("agent 007", "agent 7"),
        ("Mario's castle", "mario is castle"),
        ("and a half", ""),
    ],
)
def test_whisper_english_keeps_the_bugs_that_published_numbers_have(text, published):
    assert WhisperEnglish()(text).strip() == published


def test_whisper_basic_is_that_of_transformers():
    assert WhisperBasic()("किताबें") == "क त ब "
    assert WhisperBasic()("İstanbul") == "i stanbul"


def test_whisper_versions_name_that_of_transformers():
    from importlib.metadata import version

    assert WhisperEnglish().version == WhisperBasic().version == f"1+transformers.{version('transformers')}"


@pytest.mark.parametrize("name", NAMES)
def test_every_name_finds_a_normalizer_that_knows_its_name(name):
    normalizer = find(name)

    assert normalizer.name == name
    assert normalizer.version
    assert isinstance(normalizer, Normalizer)
    assert normalizer("") == ""
    assert pickle.loads(pickle.dumps(normalizer)) == normalizer


@pytest.mark.parametrize(
    "language, name",
    [
        ("en", "english"),
        ("EN-gb", "english"),
        ("en_US", "english"),
        ("English", "english"),
        ("de", "multilingual"),
        ("enm", "multilingual"),
        (None, "multilingual"),
        ("tr", "multilingual-tr"),
    ],
)
def test_auto_takes_english_only_where_english_is_told(language, name):
    assert find("auto", language=language).name == name


def test_an_unknown_name_is_refused_with_the_near_one():
    with pytest.raises(OptionError, match=r"no normalizer 'whisper-englsh' \(did you mean 'whisper-english'\?\)"):
        find("whisper-englsh")
    with pytest.raises(OptionError, match="basic, english, multilingual, none, whisper-basic, whisper-english"):
        find("x")
    with pytest.raises(OptionError, match=r"not int"):
        find(3)


def shout(text: str) -> str:
    return text.upper()


class Cutter:
    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, text: str) -> str:
        return text[: self.length]


def test_a_users_function_is_recorded_by_its_name():
    own = find(shout)

    assert own("a") == "A"
    assert own.name == f"custom:{__name__}.shout"
    assert own == Custom(shout)


def test_a_users_function_has_another_version_when_it_does_something_else():
    made = [find(eval(f"lambda text: text[:{length}]")) for length in (3, 4, 4)]
    closed = [find(_cutting(length)) for length in (3, 4, 4)]
    objects = [find(Cutter(length)) for length in (3, 4, 4)]
    partial = [find(functools.partial(_cut, length=length)) for length in (3, 4, 4)]

    for three, four, again in (made, closed, objects, partial):
        assert three.version != four.version == again.version
    assert objects[0].name.endswith("Cutter")
    assert partial[0].name.endswith("_cut")


def _cut(text: str, length: int) -> str:
    return text[:length]


def _cutting(length: int):
    def cut(text: str) -> str:
        return text[:length]

    return cut


def test_pythons_own_functions_have_the_version_of_python():
    assert find(str.casefold).version.startswith("python-3.")


def test_what_already_has_a_name_and_a_version_is_taken_as_it_is():
    class Own:
        name, version = "own", "7"

        def __call__(self, text: str) -> str:
            return text

    own = Own()

    assert find(own) is own
    assert find(English(compounds=True)).name == "english-compounds"


def test_a_function_that_gives_no_text_is_refused_by_name():
    with pytest.raises(OptionError, match=r"gives text, but custom:.* gave NoneType for 'a'"):
        find(lambda text: None)("a")


def test_importing_normalizers_imports_nothing_heavy():
    code = (
        "import sys; before = set(sys.modules); import asrkit.normalizers as n; n.English()('one two'); "
        "print([m for m in ('transformers', 'torch', 'regex') if m in set(sys.modules) - before])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@given(st.text())
def test_none_changes_nothing(text):
    assert Unchanged()(text) == text


@pytest.mark.parametrize(
    "text, expected",
    [
        ("  It’s\u00a0O'Brien's  'quoted' dog.", "it's o'brien's quoted dog"),
        ("cafe\u0301 CAFÉ ｃａｆé", "café café café"),
        ("किताबें ทำไม كِتَاب", "किताबें ทำไม كِتَاب"),
        ("İstanbul", "istanbul"),
        ("x² 3.14 a_b", "x² 3 14 a b"),
        ("\ud800 \ufffe \x00", ""),
    ],
)
def test_basic_takes_punctuation_and_capitals_and_leaves_words(text, expected):
    assert Basic()(text) == expected


@given(st.text())
def test_basic_and_multilingual_are_total_and_idempotent_over_all_texts(text):
    for normalizer in (Basic(), Multilingual(), Multilingual("tr"), Multilingual(harakat=False)):
        once = normalizer(text)

        assert normalizer(once) == once
        assert once == " ".join(once.split())
        once.encode()  # no lone surrogate is left


MARKED = (
    "aIiİıßﬁ1٣½²'’.,%€$-\u0301\u0307\u093c\u094d\u200d\u200cनकर्ത്ന\u0d4d\u200dำํา่เแきゃｶﾞ한ㅎㅏـًשׁ״׳ \u00a0()[]<>😀️⃣ΣςǅŉÅ"
)


@given(st.text(st.sampled_from(MARKED), max_size=12))
def test_basic_and_multilingual_are_idempotent_over_marks_joiners_and_signs(text):
    for normalizer in (Basic(), Multilingual(), Multilingual("az"), Multilingual(harakat=False), English()):
        once = normalizer(text)

        assert normalizer(once) == once


@pytest.mark.parametrize(
    "text, expected",
    [
        ("किताबें", "किताबें"),
        ("ภาษาไทย ทำไม น้ำ", "ภาษาไทย ทำไม น้ำ"),
        ("น\u0e49\u0e4d\u0e32 น\u0e4d\u0e49\u0e32", "น้ำ น้ำ"),  # sara am written in parts
        ("كِتَابٌ", "كِتَابٌ"),
        ("ســلام", "سلام"),  # tatweel
        ("می\u200cروم", "می\u200cروم"),
        ("a\u200db\u200c \u200dc", "ab c"),
        ("അവന്\u200d അവൻ", "അവൻ അവൻ"),  # one letter, two ways to write it
        ("İstanbul ISPARTA", "istanbul isparta"),
        ("L’été, aujourd'hui 'non'", "l'été aujourd'hui non"),
        ("O'Brien", "o'brien"),
        ("12.5% 12,5 % 1٫5 ٣", "12.5 % 12.5 % 1.5 3"),
        ("€50 50€ $ %", "€ 50 50 €"),
        ("ＡＢＣ１２ ｶﾞ", "abc12 ガ"),
        ("你好，世界！", "你好 世界"),
        ("Straße GROẞ", "straße groß"),
        ("ΟΔΟΣ", "οδος"),
        ("צה״ל ג׳ירפה", "צהל ג'ירפה"),
        ("Ինչպե՞ս", "ինչպես"),
        ("[rires] oui (bruit) <unk>", "oui"),
        ("porte-monnaie", "porte monnaie"),
        ("1️⃣ 👩‍👩‍👧", "1"),
    ],
)
def test_multilingual_keeps_words_whole(text, expected):
    assert Multilingual()(text) == expected


def test_multilingual_knows_the_two_turkish_i():
    for language in ("tr", "tr-TR", "Turkish", "az"):
        assert Multilingual(language)("ISPARTA İstanbul") == "ısparta istanbul"


def test_multilingual_takes_harakat_where_asked():
    plain = Multilingual(harakat=False)

    assert plain("كِتَابٌ") == "كتاب"
    assert plain.name == "multilingual-no-harakat"


def test_composed_and_decomposed_letters_are_one():
    for normalizer in (Basic(), Multilingual(), English()):
        assert normalizer("cafe\u0301") == normalizer("caf\u00e9")


@pytest.mark.parametrize(
    "reference, hypothesis, expected",
    [
        ("white paper", "whitepaper", "white paper"),
        ("whitepaper", "white paper", "whitepaper"),
        ("the white paper is here", "the whitepaper was here", "the white paper was here"),
        ("a b c", "abc", "a b c"),
        ("hello world", "hello there", "hello there"),
        ("white paper", "paper white", "paper white"),
        ("", "white", "white"),
        ("white", "", ""),
    ],
)
def test_compounds_are_written_as_the_reference_writes_them(reference, hypothesis, expected):
    assert merge_compounds(reference, hypothesis) == (reference, expected)


@given(st.text("ab ", max_size=12), st.text("ab ", max_size=12))
def test_merging_compounds_leaves_the_letters_and_never_adds_errors(reference, hypothesis):
    import jiwer

    same, merged = merge_compounds(reference, hypothesis)

    assert same == reference
    assert "".join(merged.split()) == "".join(hypothesis.split())
    assert merge_compounds(same, merged) == (same, merged)

    def errors(text):
        counts = jiwer.process_words(" ".join(reference.split()), " ".join(text.split()))
        return counts.substitutions + counts.insertions + counts.deletions

    assert errors(merged) <= errors(hypothesis)


def test_english_folds_compounds_of_a_pair_only_where_asked():
    assert English().pair("White paper", "Whitepaper.") == ("white paper", "whitepaper")
    assert English(compounds=True).pair("White paper", "Whitepaper.") == ("white paper", "white paper")


@pytest.mark.speech
def test_real_references_of_all_languages_stay_texts(recordings):
    for text, language in zip(recordings["text"], recordings["language"], strict=True):
        for normalizer in (find(language=language), find("multilingual", language=language), find("basic")):
            once = normalizer(text)

            assert once
            assert normalizer(once) == once
