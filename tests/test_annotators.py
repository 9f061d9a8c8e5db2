"""How far annotators agree: alpha against a published example, and what is to be decided."""

from __future__ import annotations

import math
import random
import re

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.errors import ColumnError, OptionError
from asrkit.evaluate.annotators import krippendorff_alpha
from asrkit.labels import Item, Journal, item_ids

# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", section C: four observers, twelve units.
PUBLISHED = """
    A 1 2 3 3 2 1 4 1 2 . . .
    B 1 2 3 3 2 2 4 1 2 5 . 3
    C . 3 3 3 2 3 4 2 2 5 1 .
    D 1 2 3 3 2 4 4 1 2 5 1 .
"""
SAID = [
    "the cat sat on the mat",
    "so it is then",
    "rain moves in from the west this afternoon",
    "bake it for twenty five minutes",
    "please listen for further announcements",
]


def labelled(texts: dict[str, list[str | None]], **columns: list) -> pd.DataFrame:
    frames = []
    for who, own in texts.items():
        frame = pd.DataFrame({"item": range(len(own)), "annotator": who, "text": own, **columns})
        frames.append(frame.dropna(subset="text"))
    return pd.concat(frames, ignore_index=True)


def test_alpha_equals_the_published_example():
    observers = [line.split()[1:] for line in PUBLISHED.strip().splitlines()]
    units = [[None if value == "." else value for value in unit] for unit in zip(*observers, strict=True)]

    assert round(krippendorff_alpha(units), 3) == 0.743


def test_alpha_of_two_observers_and_two_values_equals_the_published_example():
    """The same paper, section A: two observers, ten units, binary."""
    first, second = "0100000010", "1110010000"

    assert round(krippendorff_alpha(zip(first, second, strict=True)), 3) == 0.095


def test_alpha_of_nominal_data_of_two_observers_equals_the_published_example():
    """The same paper, section B: two observers, twelve units, five values."""
    first, second = "aabbdcccedda", "babbbccceddd"

    assert round(krippendorff_alpha(zip(first, second, strict=True)), 3) == 0.692


def test_alpha_is_1_on_equal_labels():
    found = asrkit.agreement(labelled({"ann": SAID, "ben": SAID, "eve": SAID}))

    assert (found.alpha, found.wer, found.cer) == (1.0, 0.0, 0.0)
    assert len(found.disagreements) == 0


def test_alpha_is_near_0_on_shuffled_words():
    draw = random.Random(7)
    words = [draw.choice("abcdefgh") for _ in range(20_000)]
    shuffled = draw.sample(words, len(words))

    assert abs(krippendorff_alpha(zip(words, shuffled, strict=True))) < 0.01


def test_alpha_is_near_0_on_texts_of_shuffled_words(recordings):
    """Aligning finds what is alike by chance (+0.05); texts of unlike length differ more than by chance (under 0)."""
    said = recordings[(recordings["language"] == "en") & recordings["text"].notna()]["text"].tolist()
    draw = random.Random(7)
    words = [word for text in said for word in text.split()]
    left = iter(draw.sample(words, len(words)))
    shuffled = [" ".join(next(left) for _ in text.split()) for text in said]

    alike = asrkit.agreement(labelled({"ann": said, "ben": shuffled}), language="en")
    unlike = asrkit.agreement(labelled({"ann": said, "ben": draw.sample(said, len(said))}), language="en")

    assert abs(alike.alpha) < 0.1
    assert alike.wer > 0.9
    assert unlike.alpha < 0


def test_a_word_that_one_leaves_out_counts_against_them():
    found = asrkit.agreement(labelled({"ann": SAID, "ben": [SAID[0].replace("sat ", ""), *SAID[1:]]}))

    assert 0.9 < found.alpha < 1
    assert found.rows["differences"].tolist() == [1, 0, 0, 0, 0]
    assert found.pairs[0].words.deletions == 1


def test_rates_are_the_same_from_either_side():
    texts = {"ann": ["a b c d", "e"], "ben": ["a x", "e f g"]}

    one = asrkit.agreement(labelled(texts))
    other = asrkit.agreement(labelled(dict(reversed(texts.items()))))

    assert one.wer == other.wer == pytest.approx(5 / 5)
    assert one.alpha == pytest.approx(other.alpha)


def test_texts_are_compared_after_the_normalizer():
    texts = {"ann": ["Twenty-five cats!"], "ben": ["25 cats"]}

    assert asrkit.agreement(labelled(texts), language="en").wer == 0
    assert asrkit.agreement(labelled(texts), normalizer="none").wer > 0


def test_a_row_that_somebody_did_not_label_counts_neither_way():
    full = asrkit.agreement(labelled({"ann": SAID[:2], "ben": [SAID[0], "so is it then"]}))
    more = asrkit.agreement(labelled({"ann": [*SAID[:2], SAID[2]], "ben": [SAID[0], "so is it then", None]}))

    assert more.alpha == full.alpha
    assert (more.single, len(more.rows)) == (1, 2)


def test_the_odd_one_out_is_seen_per_annotator():
    wrong = [text.replace("the", "a").replace("it", "that") for text in SAID]
    found = asrkit.agreement(labelled({"ann": SAID, "ben": SAID, "eve": wrong}))

    each = found.by_annotator
    assert each["wer"].idxmax() == "eve"
    assert each.loc["eve", "alpha_of_the_others"] == 1.0
    assert each.loc["ann", "alpha_of_the_others"] < 1.0
    assert found.disagreements["suggestion"].tolist() == found.disagreements["text_ann"].tolist()


def test_slices_are_of_any_column():
    labels = labelled({"ann": SAID, "ben": ["the cat sat on a mat", *SAID[1:]]}, kind=["x", "x", "y", "y", "y"])

    slices = asrkit.agreement(labels, by="kind").slices.set_index("kind")

    assert slices["rows"].to_dict() == {"x": 2, "y": 3}
    assert slices.loc["y", "alpha"] == 1.0
    assert slices.loc["x", "wer"] == pytest.approx(1 / 10)
    with pytest.raises(ColumnError, match="no column 'knd'; did you mean 'kind'"):
        asrkit.agreement(labels, by="knd")


def test_chinese_is_compared_by_character():
    found = asrkit.agreement(labelled({"ann": ["我用电脑"], "ben": ["我用电话"]}), language="zh")

    assert found.wer == pytest.approx(1 / 4)


def test_nothing_in_common_is_said():
    with pytest.raises(OptionError, match="no row was labelled by two annotators: 5 rows by ann"):
        asrkit.agreement(labelled({"ann": SAID}))


def journals(tmp_path, frame: pd.DataFrame, texts: dict[str, list[str]]) -> list:
    ids = item_ids(frame["audio"].tolist(), frame.index.tolist())
    paths = []
    for who, own in texts.items():
        items = [Item(name, label, "x", "heard") for name, label in zip(ids, frame.index.tolist(), strict=True)]
        paths.append(tmp_path / f"{who}.jsonl")
        with Journal(paths[-1], items, annotator=who, about={"audio": "audio", "language": "en"}) as journal:
            for name, text in zip(ids, own, strict=True):
                journal.accept(name, text)
    return paths


def test_what_is_to_be_decided_comes_with_the_rows_of_the_frame(tmp_path):
    beeps = [(np.sin(np.arange(800) / pitch), 16_000) for pitch in (3, 4, 5)]
    frame = pd.DataFrame({"audio": beeps, "kind": ["x", "y", "y"]}, index=[7, 7, 9])  # 7 twice
    paths = journals(tmp_path, frame, {"ann": ["one", "two", "Three"], "ben": ["one", "too", "three"]})

    found = asrkit.agreement(asrkit.read_labels(paths), frame=frame, by="kind")

    queue = found.disagreements
    assert queue.index.tolist() == [7]
    assert queue["audio"].iloc[0] is beeps[1]
    assert (queue["text_ann"].iloc[0], queue["text_ben"].iloc[0], queue["kind"].iloc[0]) == ("two", "too", "y")
    assert found.slices["alpha"].round(2).tolist()[0] == 1.0
    with pytest.raises(OptionError, match="1 labelled rows are not in the frame"):
        asrkit.agreement(asrkit.read_labels(paths), frame=frame.iloc[:2])


def test_a_flag_against_an_accepted_text_is_to_be_decided_too(tmp_path):
    frame = pd.DataFrame({"audio": ["a.wav", "b.wav"]})
    paths = journals(tmp_path, frame, {"ann": ["one", "two"], "ben": ["one", "two"]})
    ids = item_ids(frame["audio"].tolist(), [0, 1])
    with Journal(paths[1], [Item(name, row, "x", "x") for row, name in enumerate(ids)], annotator="ben") as journal:
        journal.flag(ids[1], "noise")

    found = asrkit.agreement(asrkit.read_labels(paths))

    assert found.alpha == 1.0
    assert found.disagreements.index.tolist() == [1]
    assert found.disagreements["status_ben"].tolist() == ["flagged"]


def test_it_shows_itself():
    evil = "<img src=x onerror=alert(1)> so it is"
    found = asrkit.agreement(labelled({"<b>ann": SAID, "ben": [evil, *SAID[1:]]}), by=None)

    page = found._repr_html_()

    assert "<img" not in page.replace("<img>", "")
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<b>ann" not in page
    assert re.search(r"2 annotators, 5 rows in common: alpha 0\.\d+, WER between them", str(found))
    assert math.isfinite(found.cer)
