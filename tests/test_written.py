"""Rows are shown in the words as they were written, while errors are counted in normalised tokens."""

from __future__ import annotations

import json
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asrkit  # noqa: F401  the accessor
from asrkit.evaluate.marks import row_marks
from asrkit.evaluate.report import report
from asrkit.evaluate.tokens import tokenize, unit_for
from asrkit.evaluate.written import pieces
from asrkit.normalizers import NAMES, find
from asrkit.widgets.aligned import align_texts

LANGUAGES = {
    "en": "the red ones won't pay twenty one dollars 50% I'm gonna, uh, (so) [laughter] nineteen ninety four 3:30 p.m. "
    "e-mail AT&T Dr. Smith one thousand and ten £2m ½ don't y'all — … five five five one two three",
    "de": "Straße groß fünf und zwanzig Prozent 3,5 km/h z.B. Äpfel",
    "tr": "IĞDIR İstanbul'da yüzde elli",
    "ru": "Ёлка ещё двадцать один 1994-й",
    "ar": "السَّلامُ عليكم ٢٠٢١ ومئة",
    "he": "שָׁלוֹם עולם צה״ל",
    "hi": "नमस्ते दुनिया पच्चीस १२",
    "ja": "今日は、いい天気です。２１回 カメラ",
    "zh": "我用 Python 写。二十一個程式。",
    "th": "สวัสดีครับ ๑๒",
    "ko": "안녕하세요 스물한 개",
}
WORDS = {language: text.split() for language, text in LANGUAGES.items()}
ODD = st.text(max_size=6)
NORMALIZERS = [*NAMES, "english-1", "multilingual-1"]


def joined(found):
    return "".join(" " * piece.is_apart + piece.text for piece in found)


def check(text, normalise, unit, language):
    tokens = tokenize(normalise(text), unit, language)
    found = pieces(text, tokens, normalise, unit=unit, language=language)

    assert joined(found) == " ".join(text.split())
    assert all(piece.text for piece in found)
    shown = [piece.token for piece in found if piece.token is not None]
    assert shown == sorted(set(shown))
    assert set(shown) <= set(range(len(tokens)))
    return tokens, found


@pytest.mark.parametrize("normalizer", NORMALIZERS)
@settings(max_examples=40, deadline=None)
@given(
    data=st.data(), language=st.sampled_from(sorted(LANGUAGES)), unit=st.sampled_from(["word", "character", "mixed"])
)
def test_joined_pieces_are_the_text_with_each_word_once_and_in_order(normalizer, data, language, unit):
    words = st.lists(st.one_of(st.sampled_from(WORDS[language]), st.sampled_from(WORDS["en"]), ODD), max_size=12)
    text = data.draw(st.sampled_from([" ", "  ", "\n"])).join(data.draw(words))

    check(text, find(normalizer, language=language), unit, language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_token_of_ordinary_text_has_its_own_words(language):
    """What is left without a piece is only the second token of one letter."""
    normalise = find("auto", language=language)
    text = LANGUAGES[language]
    tokens, found = check(text, normalise, unit_for(language, [text]), language)

    assert {piece.token for piece in found} >= set(range(len(tokens)))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("the red ones", {"the": "the", "red": "red", "1s": "ones"}),
        ("We won't.", {"we": "We", "will": "wo", "not": "n't."}),
        ("one thousand and ten of them", {"1010": "one thousand and ten", "of": "of", "them": "them"}),
        ("so, uh, stay [noise] here", {"so": "so,", "stay": "stay", "here": "here"}),
        ("call five five five one two", {"call": "call", "55512": "five five five one two"}),
        ("Dr. Smith's e-mail", {"doctor": "Dr.", "email": "e-mail"}),
    ],
)
def test_a_token_is_shown_by_the_words_it_came_from(text, expected):
    tokens, found = check(text, find("english"), "word", "en")
    shown = {tokens[piece.token]: piece.text for piece in found if piece.token is not None}

    assert expected.items() <= shown.items()


def test_a_normalizer_of_ones_own_that_fails_on_single_words_shows_its_rows_all_the_same():
    def after_colon(text):
        _, said = text.split(":")
        return said.lower()

    df = pd.DataFrame({"text": ["ann: So it IS"], "hypothesis": ["ann: so it was"]})
    score = df.asr.score(reference="text", normalizer=after_colon)

    [edits] = [row_marks(score.compared, 0, score.alignments[0])]
    assert [(mark.kind, mark.said, mark.heard) for mark in edits if mark.kind == "S"] == [("S", "IS", "was")]
    assert "ann:" in score._repr_html_()


@settings(max_examples=40, deadline=None)
@given(data=st.data(), language=st.sampled_from(sorted(LANGUAGES)))
def test_the_edits_of_a_row_hold_both_texts_and_as_many_errors_as_are_counted(data, language):
    words = st.lists(st.sampled_from(WORDS[language]), min_size=1, max_size=10)
    reference, hypothesis = (" ".join(data.draw(words)) for _ in range(2))
    df = pd.DataFrame({"text": [reference], "hypothesis": [hypothesis]})
    score = df.asr.score(reference="text", language=language)
    edits = row_marks(score.compared, 0, score.alignments[0])

    counts = score.counts
    for kind, count in (("S", counts.substitutions), ("D", counts.deletions), ("I", counts.insertions)):
        assert sum(mark.kind == kind for mark in edits) == count
    of = pieces_of(score)
    for side, written in (("said", reference), ("heard", hypothesis)):
        shown = [getattr(mark, side) for mark in edits if getattr(mark, side)]
        # Only an error whose token has no word of its own shows the token; all else is the text, in its order.
        rest = iter(shown)
        assert all(piece in rest for piece in of[side])
        assert "".join(of[side]).replace(" ", "") == "".join(written.split())


def pieces_of(score):
    own, [alignment] = score.compared, score.alignments
    normalise, options = own.normalizer_of(own.languages[0]), {"unit": own.units[0], "language": own.languages[0]}
    return {
        side: [piece.text for piece in pieces(texts[0], tokens, normalise, **options)]
        for side, texts, tokens in (
            ("said", own.written_references, alignment.reference),
            ("heard", own.written_hypotheses, alignment.hypothesis),
        )
    }


def read(page):
    page = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", "", page))


def marked(page):
    """Texts of the errors."""
    return [read(found) for found in re.findall(r'class="ak-[sdi]"[^>]*>(.*?)</(?:span|del|ins)>', page)]


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "text": ["The red ones won't come.", "It's twenty one dollars, uh, I think", "Nothing at all"],
            "a": ["the red 1s will not come", "it is $21 I think so", "nothing at all"],
            "b": ["the red ones want come", "it's twenty dollars I think", "nothing"],
        }
    )


def test_words_that_became_equal_are_shown_unmarked_as_they_were_written(frame):
    score = frame.iloc[:1].asr.score(reference="text", hypothesis="a", language="en")

    assert score.counts.errors == 0
    both = frame.asr.compare(reference="text", hypotheses=["a", "b"], language="en")
    for page in (both._repr_html_(), report(both)):
        assert "The red ones won't come." in read(page)
        assert "the red 1s will not come" in read(page)
        assert "ones" not in marked(page)
        assert "1s" not in marked(page)


def test_every_view_of_rows_has_the_words_of_the_texts(frame):
    both = frame.asr.compare(reference="text", hypotheses=["a", "b"], language="en")
    rows = both.disagreements

    for name, column in (("reference", "text"), ("a", "a"), ("b", "b")):
        assert rows[name].tolist() == frame[column].loc[rows.index].tolist()
    browser = frame.asr.browse(reference="text", hypotheses=["a", "b"], language="en")
    for told in browser._told(range(len(frame))):
        row = frame.loc[told["id"]]
        [stack] = told["stacks"]
        columns = [column for column in stack["columns"] if isinstance(column, list)]
        said = "".join(column[0] or "" for column in columns)
        assert said.replace(" ", "") == row["text"].replace(" ", "")
        for place, name in enumerate(stack["names"]):
            heard = "".join(column[1 + place][1] or "" for column in columns)
            assert heard.replace(" ", "") == row[name].replace(" ", "")
    assert "The" in browser.fallback()


def test_a_browser_made_of_scores_alone_has_the_words_of_the_texts(frame):
    browser = frame.asr.compare(reference="text", hypotheses=["a", "b"], language="en").browse()

    assert browser.frame["reference"].tolist() == frame["text"].tolist()
    assert browser.frame["b"].tolist() == frame["b"].tolist()


def test_the_labeler_shows_words_as_they_were_written_and_counts_what_is_compared():
    found = align_texts("The red ones, uh, won't", "the red 1s want", language="en")
    told = found.marks()

    assert found.counts.errors == sum(kind in "SDI" for kind, _, _ in told["marks"] if kind)
    assert ["C", "ones,", "1s"] in told["marks"]
    assert ["", "uh,", None] in told["marks"]
    assert json.dumps(told)


@pytest.mark.parametrize("compounds", [False, True])
def test_compounds_that_are_joined_or_parted_are_shown_as_they_were_written(compounds):
    normalise = find("english-compounds") if compounds else find("english")
    for text in ("a fire fighter and some ice cream", "a firefighter's icecream"):
        check(text, normalise, "word", "en")


def test_long_texts_are_cut_with_a_count_and_their_rows_take_no_longer_than_their_length(frame):
    rng = np.random.default_rng(0)
    long = " ".join(rng.choice(WORDS["en"], 4_000))
    df = pd.DataFrame({"text": [long], "hypothesis": [long.replace("red", "blue")]})
    page = read(df.asr.score(reference="text", language="en")._repr_html_())

    assert re.search(r"… \([\d,]+ more characters\)", page)
    assert len(page) < 20_000
