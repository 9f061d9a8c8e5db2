"""One letter, several code points; vowel signs; two Chinese scripts."""
# ruff: noqa: RUF001 -- letters that look like others are what this is about

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrkit.errors import MissingExtraError, OptionError
from asrkit.normalizers import Multilingual, chinese, confusables, find, version_1, vowel_signs

# Language, and texts that are one text in it.
SAME = [
    ("ro", "Ştiinţă şi ţară", "Știință și țară"),
    (None, "ştiinţă", "știință"),
    ("fa", "كتابي", "کتابی"),
    ("fa", "على", "علی"),
    ("fa", "خانۀ", "خانهٔ"),
    ("fa", "ہمہ", "همه"),
    ("ur", "كيا", "کیا"),
    ("ur", "ہم", "هم"),
    ("ar", "کتابی", "كتابي"),
    ("ps", "گڼ كور", "ګڼ کور"),
    ("sd", "سنڌی", "سنڌي"),
    ("uz", "oʻzbek", "o'zbek", "o‘zbek", "o’zbek", "o`zbek", "oʼzbek"),
    ("uz", "Toshkent togʻ", "Toshkent tog‘", "Toshkent tog'"),
    (None, "oʻzbek", "o‘zbek"),
    ("haw", "Hawaiʻi ʻōlelo", "Hawai'i 'ōlelo", "Hawai‘i ‘ōlelo"),
    ("he", "צה״ל", 'צה"ל', "צה”ל", "צה''ל"),
    ("he", "ג׳ירפה", "ג'ירפה"),
    (None, "צה״ל", 'צה"ל'),
    ("yi", "װײַן", "ווייַן"),
    ("fr", "cœur Œuvre", "coeur oeuvre"),
    ("fr", "et cætera", "et caetera"),
    (None, "cœur", "coeur"),
    ("nl", "ĳs", "ijs"),
    ("ca", "col·lecció", "col•lecció", "coŀlecció", "col.lecció"),
    ("hr", "Đakovo", "Ðakovo", "Ɖakovo"),
    ("vi", "đi", "ði"),
    ("is", "Ðað", "Đað"),
    ("az", "əla", "ǝla", "әla"),
    ("kk", "әке", "əке", "ǝке"),
    ("ru", "Москва", "Mосква", "Моcква"),
    ("uk", "сім'я", "сiм'я", "сім’я"),
    ("uk", "об'єкт", 'об"єкт', "об’єкт", "обʼєкт"),
    ("mk", "ѕвезда", "sвезда"),
    ("el", "Αθήνα", "Aθήνα"),
    ("pl", "sokоły".replace("о", "o"), "sokоły"),
    ("mn", "өдөр", "ѳдѳр"),
    ("ln", "motɛ", "motε"),
    ("hi", "आज और ओस", "अाज अौर अोस"),
    ("mr", "ऱ्हास", "र्\u200dहास"),
    ("bn", "আমি", "অামি"),
    ("bn", "হঠাৎ", "হঠাত্\u200d"),
    ("bn", "রাত", "ৰাত"),
    ("as", "ৰাতি", "রাতি"),
    ("pa", "ਆਮ ਇਸ", "ਅਾਮ ੲਿਸ"),
    ("gu", "આજ", "અાજ"),
    ("ta", "ஸ்ரீ", "ஶ்ரீ"),
    ("ml", "എന്റെ", "എൻറെ", "എൻ്റെ"),
    ("si", "ආයු", "අායු"),
    ("my", "ဝါ", "၀ါ"),
    ("my", "ဉာဏ်", "ဉာဏ်"),
    ("km", "ស្តាប់", "ស្ដាប់"),
    ("th", "แม่ ฤๅษี", "เเม่ ฤาษี"),
    ("lo", "ແມ່ ນຳ ຫມາ", "ເເມ່ ນໍາ ໝາ"),
    ("ja", "コーヒー", "コ-ヒ-", "コ―ヒ―", "ｺｰﾋｰ"),
    ("ja", "ヘリ", "へリ"),
    ("zh", "二〇二〇", "二○二○"),
    ("yo", "ẹ̀kọ́", "e\u0329\u0300ko\u0329\u0301"),
    ("mi", "Māori", "Mäori"),
]
# Letters that a language tells apart.
DIFFERENT = [
    ("ar", "على", "علي"),
    ("ar", "مدرسة", "مدرسه"),
    ("ur", "ہے", "ہی"),
    ("ur", "کھا", "کہا"),
    ("ps", "ښځې", "ښځی"),
    ("tr", "ılık", "ilik"),
    ("tr", "aşı", "ası"),
    ("uz", "oʻn", "on"),
    ("uz", "togʻ", "tog"),
    ("haw", "koʻu", "kou"),
    ("da", "læse", "laese"),
    (None, "læse", "laese"),
    ("de", "Straße", "Strasse"),
    ("hr", "đak", "dak"),
    ("is", "það", "þad"),
    ("ru", "всё", "все"),
    ("uk", "об'єкт", "обєкт"),
    ("fr", "pêche", "pèche"),
    ("ca", "col·lecció", "collecció"),
    ("he", "ג'ירפה", "גירפה"),
    ("ja", "は", "ば"),
    ("ja", "ヘリ", "ヘー"),
    ("hi", "ओस", "औस"),
    ("my", "၁၀", "၁ဝ"),
    ("ro", "sat", "șat"),
    ("ru", "iPhone", "айфон"),
    ("yo", "ẹ", "e"),
    (None, "(919)", ""),
    (None, "3(b)", "3"),
]


@pytest.mark.parametrize("language, texts", [(language, texts) for language, *texts in SAME])
def test_one_letter_with_several_code_points_is_one(language, texts):
    normalize = Multilingual(language)

    assert len({normalize(text) for text in texts}) == 1, {text: normalize(text) for text in texts}
    assert normalize(texts[0])


@pytest.mark.parametrize("language, one, other", DIFFERENT)
def test_letters_that_a_language_tells_apart_stay_different(language, one, other):
    normalize = Multilingual(language)

    assert normalize(one) != normalize(other)


@pytest.mark.parametrize(
    "language, text, expected",
    [
        ("ro", "ŞI ţară", "și țară"),
        ("tr", "İş ŞEY", "iş şey"),
        ("uz", "Oʻzbekiston maʼno", "oʻzbekiston ma'no"),
        ("ar", "کتاب", "كتاب"),
        ("fa", "كتاب", "کتاب"),
        (None, "iPhoneы", "iphoneы"),
        (None, "(919) section 3(b) (rires) person(s)", "919 section 3 b persons"),
    ],
)
def test_letters_come_out_as_the_language_writes_them(language, text, expected):
    assert Multilingual(language)(text) == expected


@pytest.mark.parametrize(
    "languages, code",
    [
        (("ro", "ron", "ro-RO", "ro_MD", "Romanian", "moldavian", " RO "), "ro"),
        (("fa", "per", "Persian", "farsi"), "fa"),
        (("uz", "uz-Latn-UZ", "uzbek"), "uz"),
    ],
)
def test_a_language_is_known_by_code_and_by_name(languages, code):
    assert {Multilingual(language).name for language in languages} == {f"multilingual-{code}"}


def test_a_language_without_letters_of_its_own_is_plain_multilingual():
    assert Multilingual("de").name == Multilingual("xx").name == Multilingual().name == "multilingual"


OPTIONS = [
    *[Multilingual(code) for code in ["", *confusables._RULES]],
    Multilingual("ar", harakat=False),
    Multilingual("he", niqqud=False),
]
LETTERS = "".join(
    sorted(
        {char for _, *texts in SAME for text in texts for char in text}
        | {char for sequence in confusables._SEQUENCES for char in sequence}
        | set("'\"-.·ʻ ‘’”()12%€aoglIİ\u0329\u0654\u064b\u05b0○◯εəǝ")
    )
)


@given(st.text(st.sampled_from(LETTERS), max_size=10), st.sampled_from(OPTIONS))
def test_every_language_is_idempotent_and_composed_or_not_is_the_same(text, normalize):
    once = normalize(text)

    assert normalize(once) == once
    assert normalize(unicodedata.normalize("NFD", text)) == normalize(unicodedata.normalize("NFC", text)) == once


@given(st.text(), st.sampled_from(OPTIONS))
def test_every_language_is_total_over_all_texts(text, normalize):
    once = normalize(text)

    assert normalize(once) == once == normalize(unicodedata.normalize("NFD", text))
    once.encode()


def test_vowel_signs_are_taken_where_asked_and_the_name_says_so():
    assert Multilingual(niqqud=False)("שָׁלוֹם") == "שלום" != Multilingual()("שָׁלוֹם")
    assert Multilingual("ar", harakat=False)("كِتَابٌ ٱلله") == "كتاب الله"
    assert Multilingual(harakat=False)("أحمد آمن") == "أحمد آمن"  # hamza and maddah are no vowel signs
    assert Multilingual("he", harakat=False, niqqud=False).name == "multilingual-no-harakat-no-niqqud"


@pytest.mark.parametrize(
    "text, signs",
    [
        ("كِتَاب", {"harakat"}),
        ("كتاب أحمد آمن مسؤول", set()),
        ("שָׁלוֹם", {"niqqud"}),
        ("שלום צה״ל", set()),
        ("plain", set()),
        ("é", set()),
        ("شَلام שָׁלוֹם", {"harakat", "niqqud"}),
    ],
)
def test_it_can_be_asked_which_vowel_signs_a_text_has(text, signs):
    assert vowel_signs(text) == signs
    assert vowel_signs(unicodedata.normalize("NFD", text)) == signs


@pytest.mark.parametrize(
    "name, language, recorded",
    [
        ("multilingual-no-harakat", None, "multilingual-no-harakat"),
        ("multilingual-no-harakat", "ar", "multilingual-ar-no-harakat"),
        ("multilingual-no-harakat-no-niqqud", "he", "multilingual-no-harakat-no-niqqud"),
        ("multilingual-simplified", "zh", "multilingual-zh-simplified"),
        ("multilingual-traditional", None, "multilingual-traditional"),
        ("multilingual-simplified", "ja", "multilingual-ja"),
        ("english-compounds", "en", "english-compounds"),
    ],
)
def test_options_are_asked_for_by_name(name, language, recorded):
    assert find(name, language=language).name == recorded


def test_an_option_that_there_is_not_is_refused():
    with pytest.raises(OptionError, match=r"multilingual with -no-harakat, -no-niqqud, -simplified, -traditional"):
        find("multilingual-no-vowels")
    with pytest.raises(OptionError, match=r"chinese is 'simplified', 'traditional' or None, not 'both'"):
        Multilingual(chinese="both")


def test_chinese_scripts_are_one_where_asked():
    pytest.importorskip("opencc")
    simplified, traditional = find("multilingual-simplified", language="zh"), find("multilingual-traditional")

    assert simplified("漢語 汉语") == "汉语 汉语"
    assert traditional("汉语 漢語") == "漢語 漢語"
    assert find("multilingual", language="zh")("漢語 汉语") == "漢語 汉语"
    assert find("multilingual-simplified", language="ja")("漢語") == "漢語"
    for text in ("乾隆 頭髮 发现 后面 皇后 著名 着 裡 里 隻 只", "this is English"):
        for normalize in (simplified, traditional):
            assert normalize(normalize(text)) == normalize(text)


def test_without_opencc_the_error_says_what_to_install(monkeypatch):
    chinese._converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)

    with pytest.raises(
        MissingExtraError, match=r"opencc is not installed; run: pip install 'asrkit-pandas\[chinese\]'"
    ):
        Multilingual("zh", chinese="simplified")("漢語")

    chinese._converter.cache_clear()
    assert Multilingual("zh", chinese="simplified")("ok") == "ok"  # nothing to convert


def test_version_1_had_them_as_two_letters():
    apart = sum(len({version_1.Multilingual(language)(text) for text in texts}) > 1 for language, *texts in SAME)

    assert apart > len(SAME) / 2
