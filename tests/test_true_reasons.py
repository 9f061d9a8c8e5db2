"""Reasons that are true, options that are refused in words, and columns that stay."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

import asrkit
from asrkit.cli import main
from asrkit.columns import AUDIO_NAMES
from asrkit.errors import ColumnError, OptionError
from asrkit.evaluate import bootstrap, paired_difference
from asrkit.evaluate.rates import quotient
from asrkit.manifests import AUDIO_NAMES as OF_TABLES
from asrkit.normalizers import find

SO = {"model": asrkit.Canned(["so"] * 99), "progress": False, "journal": False}
CLIP = (np.zeros(800), 8_000)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_fewer_than_six_rows_decide_nothing_at_any_level(rows, level):
    found = paired_difference([4] * rows, [0] * rows, [9 + row for row in range(rows)], level=level)

    assert not found.is_decided
    assert math.isnan(found.low)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_no_system_is_called_better_than_another_on_five_rows(level):
    frame = pd.DataFrame({"text": ["so it is now"] * 5, "a": ["x it was then"] * 5, "b": ["so it is now"] * 5})
    found = frame.asr.compare(reference="text", hypotheses=["a", "b"], level=level)

    assert found.differences[0].better is None
    assert "is better" not in str(found) + found._repr_html_() + found.to_html()


def test_an_interval_that_is_left_out_for_its_width_is_said_to_be_wide():
    rng = np.random.default_rng(0)
    said = ["so it is now"] * 40
    wild = [" ".join(["thank you"] * int(count)) for count in rng.integers(1, 40, 40)]
    found = pd.DataFrame({"text": said, "a": wild, "b": said}).asr.compare(reference="text", hypotheses=["a", "b"])

    for view in (str(found), found._repr_html_(), found.to_html(), found.to_json()):
        assert "wider than 100 percentage points" in view
        assert "too few" not in view


def test_too_few_rows_are_said_to_be_too_few():
    frame = pd.DataFrame({"text": ["so it is"] * 3, "a": ["so it was", "so", "so it is"]})
    told = str(frame.asr.score(reference="text", hypothesis="a"))

    assert "too wide" not in told
    assert "wider" not in told


def test_one_more_row_is_one():
    made = asrkit.evaluate.SampleSize(1, 1, 0.8, 0.1, 0.1)
    frame = pd.DataFrame({"text": ["so it is"] * 8, "a": ["so it was"] * 8, "b": ["so it is"] * 7 + ["so"]})
    [own] = frame.asr.compare(reference="text", hypotheses=["a", "b"], replicates=50).differences
    for has_blocks, told in ((False, "about 1 more row of"), (True, "about 1 more block (1 more row) of")):
        object.__setattr__(own, "more", made)
        object.__setattr__(own, "has_blocks", has_blocks)
        assert told in own.settled_by


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True])
def test_a_seed_that_is_none_is_refused(seed):
    frame = pd.DataFrame({"text": ["so it is"] * 9, "a": ["so it was"] * 9, "b": ["so"] * 9})
    calls = [
        lambda: frame.asr.score(reference="text", hypothesis="a", seed=seed),
        lambda: frame.asr.compare(reference="text", hypotheses=["a", "b"], seed=seed),
        lambda: bootstrap([1, 2], [3, 4], seed=seed),
        lambda: paired_difference([1, 2], [0, 0], [3, 4], seed=seed),
    ]
    for call in calls:
        with pytest.raises(OptionError, match="seed is a whole number from 0 on"):
            call()


@pytest.mark.parametrize(
    "name", ["multilingual-simplified-traditional", "multilingual-traditional-no-niqqud-simplified"]
)
def test_chinese_cannot_be_converted_both_ways(name):
    with pytest.raises(OptionError, match="both -simplified and -traditional"):
        find(name)


@pytest.mark.parametrize("bad", [-1.0, -math.inf, math.inf, math.nan])
def test_a_negative_number_of_seconds_or_dollars_is_unknown(bad):
    for parts, wholes in (([bad, 20.0], [5.0, 10.0]), ([10.0, 20.0], [bad, 10.0])):
        assert quotient(parts, wholes).value == 2.0
        assert quotient(parts, wholes).rows_told == " (of 1 of 2 rows)"


def test_a_score_says_of_how_many_rows_a_rate_is():
    frame = pd.DataFrame({"text": ["so"] * 3, "a": ["so"] * 3, "a_duration": [2.0, -2.0, 2.0], "a_elapsed": [1.0] * 3})

    assert "RTFx 2.0 (of 2 of 3 rows)" in str(frame.asr.score(reference="text", hypothesis="a"))


@pytest.mark.parametrize("name", AUDIO_NAMES)
def test_a_row_without_audio_is_left_out_whatever_its_column_is_called(name):
    frame = pd.DataFrame(
        {"text": ["so", "so"], name: ["a.wav", None], "hypothesis": ["so", None], "hypothesis_error": [None, None]}
    )
    score = frame.asr.score(reference="text", replicates=10)

    assert len(score.texts.rows) == 1
    assert score.failed == 1
    assert AUDIO_NAMES == OF_TABLES


@pytest.mark.parametrize("name", ["ton", "ljud", ("sound", 1), 0])
def test_the_column_that_was_transcribed_is_known_by_any_name(name):
    frame = pd.DataFrame({"text": ["so", "so"]})
    frame[name] = pd.Series([CLIP, None], dtype=object)
    heard = frame.asr.transcribe(name, **SO)

    score = heard.asr.score(reference="text", replicates=10)

    assert len(score.texts.rows) == 1


@pytest.mark.parametrize(
    "name", ["cost", "answer", "segments", "language", "flags", "duration", "confidence", "logprob"]
)
def test_columns_of_the_user_stay_unless_they_are_written(name):
    frame = pd.DataFrame({"audio": [CLIP], f"hypothesis_{name}": ["mine"]})

    for overwrite in (False, True):
        result = frame.asr.transcribe("audio", overwrite=overwrite, **SO)
        assert result[f"hypothesis_{name}"].tolist() == ["mine"]
    if name not in ("cost", "answer"):
        with pytest.raises(ColumnError, match=f"has 'hypothesis_{name}' already"):
            frame.asr.transcribe("audio", details=True, **SO)


def test_a_paid_model_does_not_overwrite_the_users_costs_unasked():
    frame = pd.DataFrame({"audio": [CLIP], "hypothesis_cost": ["mine"]})
    backend = asrkit.WorkersAI("@cf/openai/whisper", account_id="a", api_token="t", base_url="http://127.0.0.1:9")

    with pytest.raises(ColumnError, match="has 'hypothesis_cost' already"):
        frame.asr.transcribe("audio", model=backend, details=True, progress=False, journal=False)


@pytest.mark.parametrize("name", ["cost", "answer", "segments", "language", "flags"])
def test_columns_of_a_shard_stay_unless_they_are_written(name, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8_000)
    table = pa.table({"path": [str(tmp_path / "a.wav")], f"hypothesis_{name}": ["mine"]})
    pq.write_table(table, tmp_path / "t.parquet")

    asrkit.transcribe_files(tmp_path / "t.parquet", out=tmp_path / "out", model=SO["model"], progress=False)

    assert pd.read_parquet(tmp_path / "out" / "t.parquet")[f"hypothesis_{name}"].tolist() == ["mine"]


def test_what_described_an_overwritten_text_goes_with_it_from_a_shard(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(800), 8_000)
    table = pa.table({"path": [str(tmp_path / "a.wav")], "hypothesis": ["old"], "hypothesis_cost": [1.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    options = {"model": SO["model"], "progress": False}

    asrkit.transcribe_files(tmp_path / "t.parquet", out=tmp_path / "out", overwrite=True, **options)

    names = pd.read_parquet(tmp_path / "out" / "t.parquet").columns.tolist()
    assert names == ["path", "hypothesis", "hypothesis_error"]


@pytest.mark.parametrize(
    "command", [["score", "--hypothesis", "a"], ["compare", "--hypotheses", "a", "b"]], ids=["score", "compare"]
)
@pytest.mark.parametrize("has_errors", [False, True])
def test_a_shell_says_how_many_texts_are_empty_where_no_column_has_errors(command, has_errors, tmp_path, capsys):
    table = tmp_path / "t.tsv"
    error = "\ta_error" if has_errors else ""
    rows = [f"so it is\t{text}\tso it is{chr(9) * has_errors}" for text in ["so it is", "", ""]]
    table.write_text("\n".join([f"text\ta\tb{error}", *rows]) + "\n")

    assert main([command[0], str(table), *command[1:]]) == 0
    assert ("2 of 3 rows have an empty 'a'" in capsys.readouterr().err) is not has_errors
