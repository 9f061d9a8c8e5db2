"""Rows whose reference looks wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrkit.errors import OptionError
from asrkit.evaluate.frames import compare
from asrkit.evaluate.suspicious import suspicious_references

SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
SYSTEMS = ["one", "two", "three"]


def corpus(rows=60, seed=0, rate=0.1, systems=SYSTEMS):
    """Made-up sentences, and systems that mishear a word in ten, each in its own way."""
    rng = np.random.default_rng(seed)
    words = ["".join(rng.choice(SYLLABLES, rng.integers(1, 4))) for _ in range(400)]
    texts = [list(rng.choice(words, rng.integers(3, 14))) for _ in range(rows)]

    def hear(text):
        heard = []
        for word in text:
            if rng.random() < rate / 3:
                continue
            at = rng.integers(len(word) // 2) * 2
            heard.append(word[:at] + rng.choice(SYLLABLES) + word[at + 2 :] if rng.random() < rate else word)
        return " ".join(heard)

    frame = pd.DataFrame({"text": [" ".join(text) for text in texts]})
    return frame.assign(**{name: [hear(text) for text in texts] for name in systems})


def suspects(frame, systems=SYSTEMS, **options):
    compared = compare(frame, reference="text", hypotheses=systems, normalizer="none", replicates=10)
    return suspicious_references(compared, **options)


def test_references_of_other_rows_are_found_and_their_rows_named():
    frame = corpus()
    frame.loc[[3, 40], "text"] = frame.text[[40, 3]].tolist()  # each has the other's
    frame.loc[17, "text"] = frame.text[25]  # a copy

    found = suspects(frame)

    assert set(found.index) == {3, 40, 17}
    assert found.belongs_to[[3, 40, 17]].tolist() == [40, 3, 25]
    assert found.reason[3] == "reads like what was heard in row 40"
    assert (found.score > 0.8).all()


def test_a_clean_corpus_has_no_suspects():
    for seed in range(3):
        assert suspects(corpus(seed=seed)).empty


def test_a_row_that_all_systems_find_hard_is_no_suspect():
    frame = corpus()
    rng = np.random.default_rng(1)
    for name in SYSTEMS:
        frame.loc[[5, 6, 7], name] = [" ".join(rng.choice(SYLLABLES, 8)) for _ in range(3)]
    assert suspects(frame).empty


def test_what_one_system_confirms_is_not_suspicious():
    frame = pd.DataFrame(
        {"text": ["the cat sat"], "one": ["the cat sat"], "two": ["a dog ran"], "three": ["a dog ran"]}
    )
    assert suspects(frame, threshold=0.0).empty


def test_a_missing_half_is_told():
    frame = corpus(rate=0.02)
    text = max(frame.text, key=len)
    row = frame.index[frame.text == text][0]
    words = text.split()
    frame.loc[row, "text"] = " ".join(words[: len(words) // 2])
    found = suspects(frame, threshold=0.3)
    assert row in found.index
    assert "that it lacks" in found.reason[row]


@pytest.mark.parametrize(
    "text, heard, reason",
    [
        ("we saw a house there", "we saw a rabbit there", "all 3 systems heard 'rabbit' for 'house'"),
        ("we saw there", "we saw many rabbits there", "all 3 systems heard 2 words that it lacks: 'many rabbits'"),
        ("we saw many rabbits there", "we saw there", "all 3 systems did not hear 2 words of it: 'many rabbits'"),
        ("", "many rabbits", "the reference is empty, and all 3 systems heard 'many rabbits'"),
        ("many rabbits", "", "all 3 systems heard nothing"),
        ("thank you", "many rabbits ran", "all 3 systems heard something else: 'many rabbits ran'"),
    ],
)
def test_a_reason_says_what_the_systems_agree_on(text, heard, reason):
    frame = pd.DataFrame({"text": [text, "so it is"], **{key: [heard, "so it is"] for key in SYSTEMS}})
    frame.loc[1, "one"] = "so is it"
    assert suspects(frame, threshold=0.0).reason[0] == reason


def test_a_word_that_sounds_like_what_was_heard_says_less_than_another():
    said = ["we saw a boat there", "we saw a house there"]
    heard = ["we saw a goat there", "we saw a rabbit there"]
    frame = pd.DataFrame({"text": [*said, "x"], "one": [*heard, "x"], "two": [*heard, "x"], "three": [*heard, "y"]})
    found = suspects(frame, threshold=0.0)
    assert found.index.tolist() == [1, 0]
    assert found.evidence.tolist() == ["house -> rabbit", "boat -> goat"]


def test_words_written_apart_are_no_evidence():
    frame = pd.DataFrame(
        {"text": ["a shopboy ran", "x"], "one": ["a shop boy ran", "x"], "two": ["a shop boy ran", "y"]}
    )
    assert suspects(frame, ["one", "two"], threshold=0.0).empty


def test_a_majority_says_less_than_all():
    texts = {"text": ["many green rabbits"] * 2 + ["x"], "one": ["some old horses"] * 2 + ["x"]}
    frame = pd.DataFrame({**texts, "two": texts["one"], "three": ["some old horses", "pale wild orchids", "y"]})
    found = suspects(frame, threshold=0.0)
    assert found.index.tolist() == [0, 1]
    assert found.score[0] > found.score[1]


def test_rows_keep_their_labels_and_come_in_the_order_of_their_scores():
    frame = corpus()
    frame.index = [f"clip {row}" for row in frame.index]
    frame.loc["clip 9", "text"] = frame.text["clip 8"]
    found = suspects(frame, threshold=0.0)
    assert found.index[0] == "clip 9"
    assert found.belongs_to["clip 9"] == "clip 8"
    assert found.score.is_monotonic_decreasing
    assert found.score.between(0, 1).all()
    assert found.columns.tolist() == ["score", "reason", "belongs_to", "reference", "heard", "evidence", *SYSTEMS]


@given(st.permutations(SYSTEMS))
@settings(max_examples=6, deadline=None)
def test_the_order_of_the_systems_matters_little(order):
    frame = corpus(rows=30)
    frame.loc[3, "text"] = frame.text[9]
    assert suspects(frame, order).index.tolist() == [3]


def test_two_systems_are_enough():
    frame = corpus(systems=["one", "two"])
    frame.loc[3, "text"] = frame.text[9]
    assert suspects(frame, ["one", "two"]).index.tolist() == [3]


def test_nothing_suspicious_is_an_empty_table_with_all_columns():
    frame = pd.DataFrame({"text": ["a", "b"], "one": ["a", "b"], "two": ["a", "c"]})
    found = suspects(frame, ["one", "two"])
    assert found.empty
    assert "reason" in found.columns


def test_copies_of_a_system_do_not_make_a_case():
    frame = corpus(systems=["one"]).assign(two=lambda frame: frame.one)
    with pytest.raises(OptionError, match="same text in every row"):
        suspects(frame, ["one", "two"])


def test_a_threshold_outside_its_range_is_refused():
    with pytest.raises(OptionError, match="threshold"):
        suspects(corpus(rows=3), threshold=50)


def test_wrong_references_are_found_among_many_with_few_false_alarms():
    found = right = planted = 0
    for seed in range(4):
        frame = corpus(rows=120, seed=seed, rate=0.2)
        rng = np.random.default_rng(seed)
        wrong = rng.choice(len(frame), 6, replace=False)
        others = (wrong + rng.integers(1, 119, 6)) % 120
        frame.loc[wrong, "text"] = frame.text[others].to_numpy()
        table = suspects(frame)
        planted += len(wrong)
        found += len(table)
        right += table.index.isin(wrong).sum()
    assert right / planted >= 0.9
    assert right / found >= 0.8


@pytest.mark.model
@pytest.mark.speech
def test_mixed_up_references_of_real_recordings_are_found(recordings):
    import asrkit

    rows = recordings[(recordings.source == "librispeech-test-other") & recordings.duration_s.between(3, 6)].head(8)
    heard = rows.assign(text=[*rows.text.iloc[[1, 0]], *rows.text.iloc[2:]]).set_index("id")
    for name, model in {"tiny": "openai/whisper-tiny.en", "base": "openai/whisper-base"}.items():
        backend = asrkit.Whisper(model, language="en")
        heard = heard.asr.transcribe("path", model=backend, into=name, errors="raise", progress=False)

    compared = compare(heard, reference="text", hypotheses=["tiny", "base"], language="en", replicates=10)
    found = suspicious_references(compared)

    first, second = heard.index[:2]
    assert found.belongs_to.to_dict() == {first: second, second: first}
