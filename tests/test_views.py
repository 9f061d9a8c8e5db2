"""What a score and a comparison look like in a notebook."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asrkit.evaluate import align
from asrkit.evaluate.comparison import Comparison
from asrkit.evaluate.frames import compare, score
from asrkit.evaluate.markup import Html, direction, element, joined, named, shortened
from asrkit.evaluate.score import Score, percent
from asrkit.evaluate.views import (
    aligned,
    alignments_of,
    interval_bar,
    notable,
    probabilities,
    worst_rows,
)

EVIL = '<script>alert("1")</script>&"\'>'


class Tree(HTMLParser):
    """Tags in order, text, and whether every tag is closed where it should be."""

    VOID = frozenset({"br", "meta", "link", "wbr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text += data

    def count(self, **wanted: str) -> int:
        return sum(
            all(attributes.get(key.rstrip("_")) == value for key, value in wanted.items())
            for _, attributes in self.tags
        )


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight"]
    rows: list[dict[str, Any]] = []
    for row in range(40):
        said = list(rng.choice(words, 8))
        rows.append(
            {
                "text": " ".join(said),
                "good": " ".join(word for word in said if rng.random() > 0.05),
                "bad": " ".join(word if rng.random() > 0.3 else "wrong" for word in said)
                + (" more" if row % 3 else ""),
                "speaker": f"s{row % 4}",
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture
def one(frame: pd.DataFrame) -> Score:
    result: Score = score(frame.drop(columns="speaker"), reference="text", hypothesis="bad")
    return result


@pytest.fixture
def two(frame: pd.DataFrame) -> Comparison:
    return compare(frame.drop(columns="speaker"), reference="text", hypotheses=["good", "bad"])


# Markup


@pytest.mark.parametrize("text", [EVIL, "\x00\x1b[31m", "\ud800", "</style>", "a & b"])
def test_no_text_is_ever_markup(text):
    page = element("p", text, title=text)
    tree = Tree(page)
    assert [tag for tag, _ in tree.tags] == ["p"]
    page.encode("utf-8")
    assert "\x00" not in page


def test_markup_inside_markup_stays():
    assert joined(element("b", "x"), None, Html("<i></i>"), 3) == "<b>x</b><i></i>3"


def test_a_name_is_isolated_and_may_break_but_not_inside_a_number():
    assert named("a/b-1.5") == "<bdi>a/<wbr>b-1.5</bdi>"
    assert named("f" * 64).count("<wbr>") == 2
    assert Tree(named(EVIL)).text == EVIL


def test_long_names_are_shortened_and_lose_line_ends():
    assert shortened("a\nb\tc") == "a b c"
    assert len(shortened("x" * 500, 50)) == 50


@pytest.mark.parametrize(
    ("text", "way"), [("abc", "ltr"), ("12 שלום", "rtl"), ("مرحبا abc", "rtl"), ("猫", "ltr"), ("", "ltr")]
)
def test_a_text_runs_the_way_of_its_first_letter(text, way):
    assert direction(text) == way


# Aligned rows


@pytest.mark.parametrize(
    ("said", "heard"),
    [("the cat sat down", "a cat sat"), ("", "uh huh"), ("one two", ""), ("", ""), ("a b c d e", "d e x y z")],
)
@pytest.mark.parametrize("dialect", ["levenshtein", "sclite"])
def test_there_is_one_mark_for_each_error(said, heard, dialect):
    alignment = align(said, heard, dialect)
    tree = Tree(aligned(alignment))
    counts = alignment.counts
    assert tree.count(class_="ak-s") == counts.substitutions
    assert tree.count(class_="ak-d") == counts.deletions
    assert tree.count(class_="ak-i") == counts.insertions
    assert tree.count(role="img") == counts.errors


def test_marks_have_a_sign_and_say_what_they_are():
    page = aligned(align("the cat sat down", "the bat sat well down", "levenshtein"))
    assert 'aria-label="substituted: cat was said, bat was heard"' in page
    assert 'aria-label="inserted: well"' in page
    assert "+<bdi>well</bdi>" in page
    assert "\N{MINUS SIGN}<bdi>sat</bdi>" in aligned(align("the sat", "the"))


def test_words_stand_in_the_order_of_the_text():
    tree = Tree(aligned(align("the cat sat down", "the bat sat well")))
    assert " ".join(tree.text.split()) == "the cat bat sat down well"


def test_rows_that_run_from_right_to_left_say_so():
    tree = Tree(aligned(align("שלום עולם", "שלום לך"), language="he"))
    assert tree.count(dir="rtl", lang="he") == 1


def test_letters_are_set_without_blanks():
    tree = Tree(aligned(align(list("我喜欢猫"), list("我喜欢狗")), unit="character", language="zh"))
    assert tree.text == "我喜欢猫 狗"  # what was said above what was heard
    mixed = Tree(aligned(align(["我", "用", "Python", "3"], ["我", "用", "Python", "3"]), unit="mixed"))
    assert mixed.text == "我用Python 3"


def test_what_is_no_language_code_is_left_out():
    assert " lang=" not in aligned(align("a", "b"), language='x" onload="')


def test_a_long_row_keeps_its_errors_and_tells_what_is_left_out():
    words = [f"w{number}" for number in range(500)]
    heard = [*words]
    heard[250] = "wrong"
    tree = Tree(aligned(align(words, heard), limit=40))
    assert tree.count(class_="ak-s") == 1
    assert "246 right" in tree.text
    assert "245 right" in tree.text
    many = Tree(aligned(align(words, ["x"] * 500), limit=40))
    assert many.count(class_="ak-s") == 40
    assert "460 more, 460 of them errors" in many.text


# Numbers


def test_an_interval_that_is_not_known_is_not_drawn():
    assert interval_bar(float("nan"), 0.1, float("nan"), (0, 1), label="x") is None
    assert interval_bar(0.1, 0.1, 0.1, (0, 0), label="x") is None


def test_an_interval_is_drawn_to_scale():
    bar = interval_bar(-1, 0.5, 1, (-1, 1), label="told")
    assert 'x1="3.0" x2="107.0"' in bar
    assert 'cx="81.0"' in bar
    assert 'aria-label="told"' in bar


def test_worst_rows_are_those_of_the_score(one):
    labels = [one.texts.labels[row] for row in worst_rows(one, 10)]
    assert labels == one.worst.index.tolist()


def test_rows_without_speech_and_without_errors_are_ranked_as_the_score_ranks_them():
    df = pd.DataFrame({"text": ["", "a b", "", "c d e"], "hypothesis": ["x y", "x y", "", "c d e"]})
    own = score(df, reference="text")
    expected = own.worst
    assert [own.texts.labels[row] for row in worst_rows(own, 10)] == expected.index[expected["errors"] > 0].tolist()


def test_disagreements_are_those_of_the_comparison(two):
    rows = notable(two.scores, 10)
    assert [two.scores[0].texts.labels[row] for row in rows] == two.disagreements.index[:10].tolist()


def test_a_few_rows_align_as_all_do(one):
    assert alignments_of(one, [3, 7]) == {row: one.alignments[row] for row in (3, 7)}


def test_confidences_are_shown_as_they_are_and_log_probabilities_not_at_all(one):
    log = replace(one, confidence=np.log([0.5, 1.0] * 20))
    plain = replace(one, confidence=[0.5, 1.0] * 20)
    np.testing.assert_array_equal(probabilities(plain), [0.5, 1.0] * 20)
    assert np.isnan(probabilities(log)).all()


# Whole views


def test_a_score_shows_its_numbers_its_worst_rows_and_where_they_come_from(one):
    tree = Tree(one._repr_html_())
    for told in (percent(one.wer), f"{one.counts.substitutions:,}", percent(one.cer), one.texts.normalizer, "aligner"):
        assert told in tree.text
    assert f"row {one.worst.index[0]}" in tree.text


def test_a_comparison_shows_its_verdict_and_every_system(two):
    tree = Tree(two._repr_html_())
    assert two.differences[0].verdict in tree.text
    for own in two.scores:
        assert percent(own.wer) in tree.text
        assert own.name in tree.text


def test_views_have_no_script_no_request_and_no_colour_of_letters(one, two):
    for page in (one._repr_html_(), two._repr_html_()):
        assert "<script" not in page
        assert not re.search(r"https?:|url\(|@import|src=", page)
        assert not re.search(r"[{;]color:\s*(#|rgb|black|white)", page)


def test_views_escape_texts_names_and_labels():
    df = pd.DataFrame({"text": [EVIL, "a b"], EVIL: ["x y", EVIL], "other": ["a", "b"]}, index=[EVIL, "<b>"])
    both = compare(df, reference="text", hypotheses=[EVIL, "other"], failures={EVIL: EVIL}, normalizer="none")
    for page in (both._repr_html_(), both.scores[0]._repr_html_()):
        tree = Tree(page)
        assert "script" not in {tag for tag, _ in tree.tags}
        assert not any(key.startswith("on") for _, attributes in tree.tags for key in attributes)
        assert "alert(" in tree.text


def test_one_system_alone_can_be_shown(frame):
    alone = compare(frame, reference="text", hypotheses=["good"])
    assert "good" in Tree(alone._repr_html_()).text


def test_a_score_without_reference_words_is_shown():
    own = score(pd.DataFrame({"text": ["", ""], "hypothesis": ["uh", ""]}), reference="text")
    assert "no reference words" in Tree(own._repr_html_()).text


def test_a_score_without_errors_is_shown():
    own = score(pd.DataFrame({"text": ["a b"] * 3, "hypothesis": ["a b"] * 3}), reference="text")
    assert "0.0%" in Tree(own._repr_html_()).text


def test_views_stay_small_for_many_long_rows():
    words = " ".join(f"word{number}" for number in range(300))
    df = pd.DataFrame({"text": [words] * 300 + ["a b c"] * 99_700})
    df["one"] = [words.replace("word1", "x")] * 300 + ["a b c"] * 99_700
    df["two"] = [words.replace("word2", "y")] * 200 + ["a x c"] * 99_800
    both = compare(df, reference="text", hypotheses=["one", "two"], replicates=50, normalizer="none")
    assert len(both._repr_html_().encode()) < 60_000
    assert len(both.scores[0]._repr_html_().encode()) < 60_000


def test_many_systems_show_the_pairs_of_the_best(frame):
    for number in range(8):
        frame[f"system {number}"] = frame["bad"]
    names = ["good", *(f"system {number}" for number in range(8))]
    both = compare(frame, reference="text", hypotheses=names, replicates=50)
    page = both._repr_html_()
    assert "28 more of 36 pairs are in .differences" in page
    assert len(page.encode()) < 80_000
