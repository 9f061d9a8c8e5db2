"""Which language a row is normalised by, what is said of it, and when systems are not compared for it."""

import html
import json
import re

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.cli import main
from asrkit.errors import OptionError
from asrkit.evaluate.identifier import _whole_identifier
from asrkit.evaluate.stated import languages_of
from asrkit.language_names import is_language

GERMAN = ["zwanzig Prozent von mir", "das kostet zehn Euro", "ich bin's doch", "fünf Kilometer weit"] * 5
ENGLISH = ["it is twenty one percent", "doctor smith's colour", "i'm not gonna go", "ten dollars please"] * 5
UNKNOWN = ["Jack and Jill", "Romeo and Juliet"] * 10


def plain(page: str) -> str:
    page = re.sub(r"(?s)<(script|style).*?</\1>", "", page)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def views(result) -> dict[str, str]:
    """Every view of a result as text, the two pages without their tags."""
    return {
        "str": str(result),
        "notebook": plain(result._repr_html_()),
        "report": plain(result.to_html()),
        "json": result.to_json(rows=False),
    }


def of_two(texts, **columns) -> pd.DataFrame:
    written = [text.replace("I'm", "I am").replace("it is", "it's") for text in texts]
    return pd.DataFrame({"text": texts, "a": written, "b": written, **columns})


def compare(frame, **options):
    return frame.asr.compare(reference="text", hypotheses=["a", "b"], replicates=100, **options)


@pytest.mark.parametrize(
    "languages", [{"a_language": "de"}, {"b_language": "fr"}, {"a_language": "en", "b_language": ["de", "sv"] * 10}]
)
def test_identical_texts_normalised_by_different_languages_have_no_better_one(languages):
    found = compare(of_two(ENGLISH, **languages))
    [pair] = found.differences

    assert (pair.better, pair.is_decided, pair.is_comparable, pair.settled_by) == (None, False, False, "")
    assert sorted(found.leaders) == ["a", "b"]
    assert json.loads(found.to_json())["rows_of_different_languages"] == 20
    for name, view in views(found).items():
        assert "cannot be compared" in view, name
        for told in ("in 20 rows", "normalised by different languages", "language= gives all the same"):
            assert told in view, name
        for told in ("is better than", "may be chance", "fewest errors"):
            assert told not in view, name


def test_the_language_of_all_rows_makes_systems_comparable_again():
    found = compare(of_two(ENGLISH, a_language="de"), language="en")
    [pair] = found.differences

    assert pair.is_comparable
    assert found["a"].wer == found["b"].wer
    assert not found.notes
    assert "different languages" not in str(found)


def test_a_score_is_the_same_whatever_stands_beside_it():
    frame = of_two(ENGLISH, a_language="de")

    for name in ("a", "b"):
        alone = frame.asr.score(reference="text", hypothesis=name, replicates=10)
        assert compare(frame)[name].wer == alone.wer


def test_languages_that_change_no_text_leave_the_verdict():
    frame = pd.DataFrame(
        {
            "text": ["so it is"] * 30,
            "a": ["so it was"] * 30,
            "b": ["so it is"] * 30,
            "a_language": ["nl", "en"] * 15,
        }
    )
    [pair] = compare(frame).differences

    assert pair.languages.rows == 15
    assert pair.languages.changed == 0
    assert pair.better == "b"
    assert "In 15 rows the systems were normalised by different languages, which changes no text" in str(compare(frame))


def test_two_ways_to_write_one_language_are_one():
    frame = of_two(ENGLISH, a_language=["en", "eng", "en-US", "English"] * 5, b_language="en_GB")

    assert compare(frame).language_gap.rows == 0


def test_of_three_systems_only_the_pairs_with_different_languages_are_not_compared():
    frame = of_two(ENGLISH, c=["nothing at all"] * 20, a_language="de")
    found = frame.asr.compare(reference="text", hypotheses=["a", "b", "c"], replicates=100)
    comparable = {(own.first, own.second): own.is_comparable for own in found.differences}

    assert comparable == {("a", "b"): False, ("a", "c"): False, ("b", "c"): True}
    assert found.headline.startswith("a and b cannot be compared: in 20 rows")


def test_rows_of_unknown_language_are_said_first_in_every_view():
    frame = of_two(UNKNOWN)
    score = frame.asr.score(reference="text", hypothesis="a", replicates=10)

    for result in (score, compare(frame)):
        for name, view in views(result).items():
            assert "language of 20 rows is not known" in view, name
        first = "\n".join(str(result).splitlines()[:2])
        assert "language of 20 rows is not known" in first


WRONG = ["lingau", "englsh", "engelsk!", "x", "english and german", 5, 2.5, True, ["en"], ("en", "de"), {"en"}, b"en"]


@pytest.mark.parametrize("language", WRONG, ids=repr)
@pytest.mark.parametrize("call", ["score", "compare", "browse", "benchmark", "play", "label"])
def test_what_is_neither_a_column_nor_a_language_is_refused(call, language, tmp_path):
    frame = of_two(ENGLISH[:2]).assign(audio=[(np.zeros(800), 8_000)] * 2)
    both = {"reference": "text", "hypotheses": ["a", "b"]}
    calls = {
        "score": lambda: frame.asr.score(reference="text", hypothesis="a", language=language),
        "compare": lambda: frame.asr.compare(**both, language=language),
        "browse": lambda: frame.asr.browse(**both, language=language),
        "benchmark": lambda: frame.asr.benchmark(
            "audio", reference="text", models=[asrkit.Canned(lambda clip: 1 / 0)], language=language, progress=False
        ),
        "play": lambda: frame.asr.play("audio", 0, reference="text", hypothesis="a", language=language),
        "label": lambda: frame.asr.label("audio", hypothesis="a", journal=tmp_path / "l.jsonl", language=language),
    }

    with pytest.raises(OptionError, match="language= is a column, a code such as 'de' or a name such as 'german', not"):
        calls[call]()


@pytest.mark.parametrize("language", [["en"], {"en"}, {"a": "en"}], ids=repr)
def test_transcribe_refuses_a_list_of_languages_in_words(language):
    frame = pd.DataFrame({"audio": [(np.zeros(800), 8_000)]})

    with pytest.raises(OptionError, match="language= is a column"):
        frame.asr.transcribe("audio", model=asrkit.Canned(["so"]), language=language, progress=False)


@pytest.mark.parametrize(
    "language, meant", [("englsh", "english"), ("Germn", "german"), ("lingau", "lingua"), ("spansh", "spanish")]
)
def test_what_was_meant_is_said(language, meant):
    with pytest.raises(OptionError, match=f"did you mean '{meant}'"):
        compare(of_two(ENGLISH, lingua="en"), language=language)


def test_a_shell_refuses_it_with_one_line(tmp_path, capsys):
    of_two(ENGLISH).to_csv(tmp_path / "t.csv", index=False)

    assert main(["score", str(tmp_path / "t.csv"), "--hypothesis", "a", "--language", "englsh"]) != 0
    assert "did you mean 'english'?" in capsys.readouterr().err


def test_every_language_that_a_text_can_be_found_to_be_in_may_be_named():
    assert [code for code in _whole_identifier().labels if code != "zxx" and not is_language(code)] == []
    for code in ("gsw", "zh-Hant-TW", "en_US", "deu", "Castilian", "Irish", "haitian creole", "yue", "sr-Latn"):
        assert is_language(code), code


@pytest.mark.parametrize("column", ["language", "a_language"])
def test_values_of_a_column_that_are_no_language_count_as_unknown_and_are_counted(column):
    cells = ["lingau", "en", "und", None, "??"] * 4
    frame = of_two(ENGLISH, **{column: cells})
    score = frame.asr.score(reference="text", hypothesis="a", replicates=10)
    without = of_two(ENGLISH).asr.score(reference="text", hypothesis="a", replicates=10, language="en")

    assert score.wer == without.wer  # the texts are in English, and say so
    for name, view in views(score).items():
        for told in ("8 rows have a language that is none", "lingau"):
            assert told in view, name


@pytest.mark.parametrize(
    "columns, expected",
    [
        ({}, "en"),  # the reference's
        ({"a_language": "sv"}, "sv"),
        ({"a_language": "sv", "language": "nl"}, "nl"),
        ({"text_language": "sv"}, "en"),
        ({"a_language": "lingau"}, "en"),
    ],
)
def test_the_player_takes_the_language_that_a_score_takes(columns, expected):
    frame = pd.DataFrame({"text": [ENGLISH[0]], "a": ["das ist ein Haus"], **columns})
    frame = frame.assign(audio=[(np.zeros(800), 8_000)])
    score = frame.asr.score(reference="text", hypothesis="a", replicates=10)

    assert list(score.compared.languages) == [expected]
    assert frame.asr.play("audio", 0, reference="text", hypothesis="a").language == expected


def test_the_language_of_a_reference_without_letters_is_that_of_the_hypothesis():
    frame = pd.DataFrame({"text": ["42"], "a": ["das ist ein Haus"], "audio": [(np.zeros(800), 8_000)]})
    score = frame.asr.score(reference="text", hypothesis="a", replicates=10)

    assert languages_of(frame, None, "text", ["a"]) == list(score.compared.languages) == ["de"]
