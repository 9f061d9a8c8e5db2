from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from asrkit import Canned
from asrkit.backends.base import Preferences
from asrkit.errors import ColumnError, Interrupted, OptionError, SourceError
from asrkit.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    from collections.abc import Callable


def lengths() -> Canned:
    """Writes down how many samples a clip has, so that a text tells its row."""
    return Canned(lambda audio: str(len(audio.samples)))


def clip(samples: int = 800) -> tuple[np.ndarray, int]:
    return np.zeros(samples, np.float32), 16_000


def transcribed(frame: pd.DataFrame, column: Any = "audio", **options: Any) -> pd.DataFrame:
    return frame.asr.transcribe(column, **{"model": lengths(), "progress": False, **options})


@pytest.fixture
def paths(tone_file: Callable[..., Path]) -> list[str]:
    """Three files of 800, 1600 and 2400 samples."""
    return [str(tone_file(seconds)) for seconds in (0.05, 0.1, 0.15)]


INDEXES = {
    "range": pd.RangeIndex(3),
    "range with steps": pd.RangeIndex(10, 4, -2),
    "unsorted": pd.Index([7, 3, 5]),
    "duplicated": pd.Index(["a", "b", "a"]),
    "named": pd.Index(["x", "y", "z"], name="utterance"),
    "levels": pd.MultiIndex.from_tuples([("call", 2), ("call", 1), ("call", 2)], names=["kind", "number"]),
    "times": pd.DatetimeIndex(["2024-03-02", "2024-03-01", "2024-03-03"], tz="Europe/Berlin"),
    "missing": pd.Index([1.0, np.nan, np.nan]),
    "categories": pd.CategoricalIndex(["b", "a", "b"]),
}


class TestShape:
    @pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES.keys())
    def test_index_and_order_stay(self, index, paths):
        df = pd.DataFrame({"audio": paths}, index=index)

        result = transcribed(df)

        pd.testing.assert_index_equal(result.index, index, exact=True)
        assert result["hypothesis"].tolist() == ["800", "1600", "2400"]
        assert result["audio"].tolist() == paths

    def test_columns_are_the_callers_then_the_new_ones(self, paths):
        df = pd.DataFrame({"id": [1, 2, 3], "audio": paths, "speaker": list("abc")})

        assert transcribed(df).columns.tolist() == ["id", "audio", "speaker", "hypothesis", "hypothesis_error"]

    def test_other_columns_keep_values_and_dtypes(self, paths):
        df = pd.DataFrame(
            {
                "audio": paths,
                "int8": np.array([1, 2, 3], "int8"),
                "Int64": pd.array([1, None, 3], "Int64"),
                "bool": [True, False, True],
                "category": pd.Categorical(["a", None, "b"]),
                "time": pd.date_range("2024-01-01", periods=3, tz="UTC"),
                "arrow": pd.array(["a", None, "b"], dtype="string[pyarrow]"),
                "lists": [[1], [], None],
                "float32": np.array([0.1, np.nan, 3], "float32"),
            }
        )

        result = transcribed(df)

        pd.testing.assert_frame_equal(result[df.columns], df)

    def test_the_callers_frame_is_untouched(self, paths):
        cell = {"array": np.ones(800), "sampling_rate": 16_000}
        df = pd.DataFrame({"audio": [cell, paths[1], None], "n": [1, 2, 3]})
        df.attrs = {"corpus": {"name": "calls"}, "asrkit": {"earlier": {"model": "x"}}}
        before = df.copy(deep=True)

        result = transcribed(df)
        result["n"] = 0
        result.attrs["asrkit"]["hypothesis"]["backend"] = "changed"

        pd.testing.assert_frame_equal(df, before)
        assert df.attrs == {"corpus": {"name": "calls"}, "asrkit": {"earlier": {"model": "x"}}}
        assert cell.keys() == {"array", "sampling_rate"}
        assert cell["array"].tolist() == [1.0] * 800

    @pytest.mark.parametrize("dtype", [object, "str", "string", "float64", "category"])
    @pytest.mark.parametrize("details", [False, True])
    def test_no_rows_give_no_rows_with_all_columns(self, dtype, details):
        df = pd.DataFrame({"audio": pd.Series([], dtype=dtype)})

        result = transcribed(df, details=details)

        assert len(result) == 0
        filled = transcribed(pd.DataFrame({"audio": [clip()]}), details=details)
        pd.testing.assert_series_equal(result.dtypes.drop("audio"), filled.dtypes.drop("audio"))

    def test_one_row(self, paths):
        result = transcribed(pd.DataFrame({"audio": paths[:1]}))

        assert result["hypothesis"].tolist() == ["800"]
        assert result["hypothesis_error"].isna().tolist() == [True]

    @pytest.mark.parametrize("dtype", [object, "str", "string", "float64"])
    def test_all_missing_gives_all_missing_and_no_error(self, dtype):
        df = pd.DataFrame({"audio": pd.Series([None, None], dtype=dtype)})

        result = transcribed(df)

        assert result["hypothesis"].isna().all()
        assert result["hypothesis_error"].isna().all()
        assert result["hypothesis"].dtype == transcribed(pd.DataFrame({"audio": [clip()]}))["hypothesis"].dtype


class TestCells:
    @pytest.mark.parametrize("dtype", ["object", "str", "string", "string[pyarrow]", "string[python]", "category"])
    def test_paths_in_a_column_of_any_text_dtype(self, paths, dtype):
        df = pd.DataFrame({"audio": pd.Series([*paths[:2], None], dtype=dtype)})

        result = transcribed(df)

        assert result["hypothesis"].tolist()[:2] == ["800", "1600"]
        assert result["hypothesis"].isna().tolist() == [False, False, True]
        assert result["hypothesis_error"].isna().all()
        assert result["audio"].dtype == df["audio"].dtype

    def test_columns_as_pyarrow_reads_them(self, paths, tmp_path):
        data = [Path(path).read_bytes() for path in paths]
        df = pd.DataFrame({"path": paths, "bytes": data, "hf": [{"bytes": d, "path": None} for d in data]})
        df.to_parquet(tmp_path / "clips.parquet")

        arrow = pd.read_parquet(tmp_path / "clips.parquet", dtype_backend="pyarrow")

        for column in arrow.columns:
            assert transcribed(arrow, column)["hypothesis"].tolist() == ["800", "1600", "2400"]

    def test_a_row_that_fails_tells_why_and_the_others_go_on(self, paths):
        df = pd.DataFrame({"audio": [paths[0], "no/such.wav", None, paths[1]]}, index=list("abcd"))

        result = transcribed(df)

        assert result["hypothesis"].isna().tolist() == [False, True, True, False]
        assert result["hypothesis_error"].isna().tolist() == [True, False, True, True]
        assert result.loc["b", "hypothesis_error"].startswith("not-found: no such file: no/such.wav")

    def test_an_error_may_be_raised_naming_the_label_of_its_row(self, paths):
        df = pd.DataFrame({"audio": [paths[0], "no/such.wav"]}, index=["first", "second"])

        with pytest.raises(SourceError, match=r"row second \(no/such\.wav\): no such file"):
            transcribed(df, errors="raise")

    def test_nothing_said_is_an_empty_text_and_not_missing(self):
        result = transcribed(pd.DataFrame({"audio": [clip()]}), model=Canned([""]))

        assert result["hypothesis"].tolist() == [""]


class TestColumnNames:
    def test_a_column_that_is_not_there_is_refused_with_a_suggestion(self, paths):
        df = pd.DataFrame({"audio_path": paths})

        with pytest.raises(ColumnError, match="no column 'audio_pth'; did you mean 'audio_path'"):
            transcribed(df, "audio_pth")

    def test_without_a_near_name_those_that_are_there_are_told(self, paths):
        with pytest.raises(ColumnError, match="no column 'speech'; it has 'audio', 7"):
            transcribed(pd.DataFrame({"audio": paths, 7: 1}), "speech")

    def test_a_frame_without_columns_is_refused(self):
        with pytest.raises(ColumnError, match="it has none"):
            transcribed(pd.DataFrame(index=[1, 2]))

    @pytest.mark.parametrize("option", ["start", "end"])
    def test_an_option_column_that_is_not_there_is_refused_too(self, paths, option):
        with pytest.raises(ColumnError, match="no column 'from'"):
            transcribed(pd.DataFrame({"audio": paths}), **{option: "from"})

    def test_two_columns_of_one_name_are_refused(self, paths):
        df = pd.DataFrame([[paths[0], paths[1]]], columns=["audio", "audio"])

        with pytest.raises(ColumnError, match="2 columns named 'audio'"):
            transcribed(df)

    def test_two_other_columns_of_one_name_stay(self, paths):
        df = pd.DataFrame([[paths[0], 1, 2]], columns=["audio", "x", "x"])

        assert transcribed(df).columns.tolist() == ["audio", "x", "x", "hypothesis", "hypothesis_error"]

    @pytest.mark.parametrize("name", [0, ("a", 1), None])
    def test_a_name_may_be_anything_hashable(self, paths, name):
        df = pd.DataFrame({"audio": paths}).set_axis(pd.Index([name], tupleize_cols=False), axis=1)

        assert transcribed(df, name)["hypothesis"].tolist() == ["800", "1600", "2400"]

    @pytest.mark.parametrize("taken", ["hypothesis", "hypothesis_error"])
    def test_a_column_that_is_there_is_not_overwritten(self, paths, taken):
        df = pd.DataFrame({"audio": paths, taken: ["mine"] * 3})

        with pytest.raises(ColumnError, match=rf"has '{taken}' already; name another into= or pass overwrite=True"):
            transcribed(df)

    def test_a_column_is_overwritten_when_that_is_asked_for(self, paths):
        df = pd.DataFrame({"audio": paths, "hypothesis": ["mine"] * 3, "n": [1, 2, 3]})

        result = transcribed(df, overwrite=True)

        assert result.columns.tolist() == ["audio", "n", "hypothesis", "hypothesis_error"]
        assert result["hypothesis"].tolist() == ["800", "1600", "2400"]
        assert df["hypothesis"].tolist() == ["mine"] * 3

    def test_details_of_another_run_do_not_stay_beside_a_new_text(self, paths):
        earlier = transcribed(pd.DataFrame({"audio": paths}), model=Canned(["old"]), details=True)

        result = transcribed(earlier, overwrite=True)

        assert result.columns.tolist() == ["audio", "hypothesis", "hypothesis_error"]

    def test_two_models_side_by_side(self, paths):
        df = pd.DataFrame({"audio": paths})

        both = transcribed(transcribed(df, into="small"), into="large", model=Canned(["hi"]))

        assert both.columns.tolist() == ["audio", "small", "small_error", "large", "large_error"]
        assert both.attrs["asrkit"].keys() == {"small", "large"}
        assert both.attrs["asrkit"]["large"] == {"backend": "canned", "answers": ["hi"]}

    def test_attrs_of_the_caller_stay(self, paths):
        df = pd.DataFrame({"audio": paths})
        df.attrs["corpus"] = "calls"

        assert transcribed(df).attrs["corpus"] == "calls"


class TestDetails:
    def test_details_have_their_columns_and_dtypes(self):
        df = pd.DataFrame({"audio": [clip(16_000), None, "no/such.wav"]}, index=[2, 0, 1])

        result = transcribed(df, into="text", details=True, language="de")

        assert result.columns.tolist()[1:] == [
            "text",
            "text_error",
            "text_language",
            "text_duration",
            "text_elapsed",
            "text_confidence",
            "text_logprob",
            "text_flags",
            "text_segments",
        ]
        numbers = result[["text_duration", "text_elapsed", "text_confidence", "text_logprob"]]
        assert set(numbers.dtypes.map(str)) == {"float64"}
        assert result.loc[2, "text_language"] == "de"
        assert result.loc[2, "text_duration"] == 1.0
        assert result.loc[2, "text_flags"] == ""
        assert result.loc[2, "text_segments"][0]["text"] == "16000"
        assert result.loc[[0, 1], result.columns.drop(["audio", "text_error"])].isna().all(axis=None)

    def test_details_go_into_parquet_and_come_back(self, tmp_path):
        df = pd.DataFrame({"id": [1, 2], "audio": [clip(16_000), None]})
        result = transcribed(df, model=Worded(), details=True).drop(columns="audio")

        result.to_parquet(tmp_path / "result.parquet")
        back = pd.read_parquet(tmp_path / "result.parquet")

        assert back["hypothesis"].tolist()[0] == "so it is"
        assert back["hypothesis_segments"][0][0]["words"][1]["word"] == "it"
        assert back.attrs["asrkit"] == result.attrs["asrkit"]


class Worded(Canned):
    """One segment of words."""

    def __init__(self) -> None:
        super().__init__(["so it is"])

    def transcribe(self, batch, *, languages):
        words = (Word("so", 0.0, 0.2, 0.9), Word("it", 0.2, 0.4, 0.8), Word("is", 0.4, 0.6))
        return [Transcript("so it is", "en", (Segment("so it is", 0.0, 0.6, words),)) for _ in batch]


class Told(Canned):
    """Answers with the language that it was given."""

    def __init__(self) -> None:
        super().__init__(["?"])

    def transcribe(self, batch, *, languages):
        return [Transcript(str(language), language) for language in languages]


class TestOptions:
    def test_a_column_may_name_the_language_of_each_row(self):
        df = pd.DataFrame({"audio": [clip()] * 3, "lang": pd.Categorical(["de", None, "en"])})

        assert transcribed(df, model=Told(), language="lang")["hypothesis"].tolist() == ["de", "None", "en"]

    def test_a_language_that_is_no_column_is_that_of_all_rows(self):
        df = pd.DataFrame({"audio": [clip()] * 2, "lang": ["x", "y"]})

        assert transcribed(df, model=Told(), language="fr")["hypothesis"].tolist() == ["fr", "fr"]

    def test_start_and_end_columns_give_that_stretch(self):
        df = pd.DataFrame(
            {"audio": [clip(16_000)] * 3, "from": [0.5, np.nan, 0.25], "to": pd.array([None, 0.25, 0.5], "Float64")},
            index=list("cab"),
        )

        assert transcribed(df, start="from", end="to")["hypothesis"].tolist() == ["8000", "4000", "4000"]

    def test_options_are_checked_before_any_work(self):
        backend = lengths()

        with pytest.raises(OptionError, match="errors='column' or errors='raise'"):
            transcribed(pd.DataFrame({"audio": [clip()]}), model=backend, errors="ignore")

        assert backend.heard == 0

    def test_an_option_of_a_ready_backend_is_refused(self):
        with pytest.raises(OptionError, match="timestamps: options of a ready backend"):
            transcribed(pd.DataFrame({"audio": [clip()]}), timestamps="word")


class TestSeries:
    def test_the_text_comes_on_the_same_index(self, paths):
        cells = pd.Series(paths, index=[3, 1, 3], name="path")

        result = cells.asr.transcribe(model=lengths(), progress=False)

        assert result.tolist() == ["800", "1600", "2400"]
        assert result.name == "hypothesis"
        pd.testing.assert_index_equal(result.index, cells.index)
        assert cells.name == "path"

    @pytest.mark.parametrize("option", ["into", "details", "overwrite"])
    def test_options_about_columns_are_refused(self, paths, option):
        with pytest.raises(OptionError, match=f"{option}= is for frames"):
            pd.Series(paths).asr.transcribe(model=lengths(), **{option: True})

    def test_it_takes_what_a_frame_takes(self, paths):
        with pytest.raises(SourceError, match="row b"):
            pd.Series([paths[0], "no.wav"], index=["a", "b"]).asr.transcribe(model=lengths(), errors="raise")


class TestInterrupt:
    def test_what_was_done_comes_with_the_interrupt(self):
        def answer(audio):
            if len(audio.samples) == 803:
                raise KeyboardInterrupt
            return str(len(audio.samples))

        backend = Canned(answer, preferred=Preferences(batch_size=1, in_order=True))
        df = pd.DataFrame({"audio": [clip(800 + n) for n in range(6)], "n": range(6)}, index=list("abcdef"))

        with pytest.raises(Interrupted, match="3 of 6 rows are done") as caught:
            transcribed(df, model=backend, details=True)

        partial = caught.value.partial
        assert partial["hypothesis"].tolist()[:3] == ["800", "801", "802"]
        assert partial["hypothesis"].isna().tolist() == [False] * 3 + [True] * 3
        assert partial["hypothesis_error"].isna().tolist() == [True] * 3 + [False] * 3
        assert partial["hypothesis_error"].iloc[3].startswith("interrupted: ")
        assert partial.columns.tolist() == transcribed(df, details=True).columns.tolist()
        pd.testing.assert_series_equal(partial["n"], df["n"])

    def test_it_stops_a_notebook_like_any_interrupt(self):
        def answer(audio):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            transcribed(pd.DataFrame({"audio": [clip()]}), model=Canned(answer))
