from __future__ import annotations

import random

import jiwer
import pytest

from asrkit.errors import OptionError
from asrkit.evaluate import count_errors, tokenize, unit_for


def cer(reference: str, hypothesis: str) -> float:
    return count_errors([tokenize(reference, "character")], [tokenize(hypothesis, "character")]).total.wer


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0", "\u3000", "  "])
def test_words_are_parted_by_whatever_is_blank(blank):
    assert tokenize(f" so{blank}it is ") == ("so", "it", "is")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("ab c", ("a", "b", " ", "c")),
        (" a  b ", ("a", " ", "b")),
        ("e\u0301te\u0301", ("e\u0301", "t", "e\u0301")),
        ("किताबें", ("कि", "ता", "बें")),
        ("ขึ้นไป", ("ขึ้", "น", "ไ", "ป")),
        ("👩‍👩‍👧🇩🇪", ("👩‍👩‍👧", "🇩🇪")),
        ("", ()),
    ],
)
def test_a_character_is_what_a_reader_calls_one(text, expected):
    assert tokenize(text, "character") == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("我用 Python 写", ("我", "用", "Python", "写")),
        ("我用Python写", ("我", "用", "Python", "写")),
        ("GPT-4 です。", ("GPT-4", "で", "す", "。")),
        ("スーパー ok", ("ス", "ー", "パ", "ー", "ok")),
        ("ไป bangkok", ("ไ", "ป", "bangkok")),
        ("한국어 words", ("한국어", "words")),
        ("\uff11\uff12 \uff21", ("\uff11\uff12", "\uff21")),
        ("", ()),
    ],
)
def test_mixed_text_is_cut_into_letters_and_words(text, expected):
    assert tokenize(text, "mixed") == expected


def test_blanks_do_not_matter_where_the_script_has_none():
    assert tokenize("今天 天气", "character", language="zh") == tokenize("今天天气", "character", language="zh-TW")
    assert tokenize("今天 天气", "mixed") == tokenize("今天天气", "mixed")
    assert " " in tokenize("今天 天气", "character")


@pytest.mark.parametrize(
    "language, texts, expected",
    [
        ("en", [], "word"),
        ("en", ["我"], "word"),
        ("ko", ["한국어 좋아요"], "word"),
        ("zh", [], "character"),
        ("zh-TW", ["我爱你。"], "character"),
        ("zh", ["我爱你", "我用 Python"], "mixed"),
        ("Japanese", ["ありがとう"], "character"),
        ("th", ["ไป"], "character"),
        ("my", [], "character"),
        (None, [], "word"),
        (None, ["so it is"], "word"),
        (None, ["so it is 我"], "word"),
        (None, ["我爱你"], "character"),
        (None, ["我用 Python 写程序"], "mixed"),
        (None, ["1 2 3 我"], "character"),
    ],
)
def test_the_unit_follows_the_language_and_the_script(language, texts, expected):
    assert unit_for(language, texts) == expected


def test_on_simple_texts_the_character_error_rate_is_that_of_jiwer():
    rng = random.Random(1)
    for _ in range(500):
        reference, hypothesis = (" ".join("".join(rng.choices("abé", k=3)) for _ in range(4)) for _ in "ab")
        assert cer(reference, hypothesis) == pytest.approx(jiwer.cer(reference, hypothesis))


@pytest.mark.parametrize(
    "reference, hypothesis, ours, theirs",
    [
        ("किताब", "कताब", 1 / 3, 1 / 5),  # a vowel sign is missing: one syllable of three, one code point of five
        ("e\u0301t", "at", 1 / 2, 2 / 3),  # a letter of two code points
        ("a  b", "a b", 0, 1 / 4),  # two blanks
    ],
)
def test_the_difference_from_jiwer_is_graphemes_and_runs_of_blanks(reference, hypothesis, ours, theirs):
    assert cer(reference, hypothesis) == pytest.approx(ours)
    assert jiwer.cer(reference, hypothesis) == pytest.approx(theirs)


def test_an_unknown_unit_is_refused():
    with pytest.raises(OptionError, match="not 'phone'"):
        tokenize("a", "phone")  # type: ignore[arg-type]  # what is tested
