"""Tables of text: every line is a row, every cell is what was written, or an error names the line."""

import bz2
import csv
import gzip
import io
import lzma
import random
from contextlib import contextmanager

import pandas as pd
import pyarrow as pa
import pytest

import asrkit
from asrkit.cli import main
from asrkit.errors import AsrkitError, ColumnError, OptionError, SourceError
from asrkit.tables import as_csv, read_table


def read(text, name="t.csv", **options):
    """The names and the rows."""
    data = text if isinstance(text, bytes) else text.encode()

    @contextmanager
    def opened():
        yield io.BytesIO(data)

    table = read_table(opened, name, **options)
    rows = list(table)
    assert len(rows) == table.rows
    assert rows == list(table)  # once more
    return table.names, rows


COMMON_VOICE = """client_id\tpath\tsentence\tlocale
x\tc0.wav\t"Well, he said.\ten
x\tc1.wav\tThe second.\ten
x\tc2.wav\tThe "third" one"\ten
x\tc3.wav\tThe fourth.\ten
"""


class TestQuotes:
    def test_a_lone_quote_in_a_tsv_is_text_and_swallows_no_row(self):
        names, rows = read(COMMON_VOICE, "cv.tsv")

        assert names == ["client_id", "path", "sentence", "locale"]
        assert [row[2] for row in rows] == ['"Well, he said.', "The second.", 'The "third" one"', "The fourth."]

    def test_two_lone_quotes_that_would_close_each_other_are_text_in_a_tsv(self):
        _, rows = read('a\tb\n"one\tx\ntwo\ty\nthree\tz"\n', "t.tsv")

        assert rows == [['"one', "x"], ["two", "y"], ["three", 'z"']]

    @pytest.mark.parametrize(
        "text, expected",
        [
            ('a\tb\n"he said ""hi"""\tx\n', ['he said "hi"', "x"]),
            ('a\tb\n"one\ttwo"\tx\n', ["one\ttwo", "x"]),
            ('"a"\t"b"\n"Hello."\t5\n', ["Hello.", "5"]),
            ('a\tb\n"Hello."\tx\n', ['"Hello."', "x"]),
        ],
    )
    def test_quotes_around_cells_of_a_tsv_are_known_by_what_needs_them(self, text, expected):
        assert read(text, "t.tsv")[1] == [expected]

    def test_cells_in_quotes_hold_delimiters_line_breaks_and_quotes(self):
        _, rows = read('path,text\na.wav,"so,\nit ""is"""\nb.wav,"x\r\ny"\n')

        assert rows == [["a.wav", 'so,\nit "is"'], ["b.wav", "x\r\ny"]]

    def test_a_lone_quote_in_a_csv_is_text_where_that_makes_sense(self):
        _, rows = read('path,text\na.wav,"so it is\nb.wav,"not at all\nc.wav,never\n')

        assert rows == [["a.wav", '"so it is'], ["b.wav", '"not at all'], ["c.wav", "never"]]

    @pytest.mark.parametrize(
        "text, line",
        [
            ('path,text\na.wav,"so it is\nb.wav,"well, yes"\n', 2),
            ('path,text\na.wav,"well, yes"\nb.wav,"so it is\n', 3),
            ('path,text\na.wav,"so it is\nb.wav,never"\n', 2),
            ('path,text\na.wav,"so" it, is\n', 2),
        ],
    )
    def test_a_quote_that_can_be_meant_in_two_ways_is_an_error_with_its_line(self, text, line):
        with pytest.raises(SourceError, match=rf"t\.csv, line {line}: (a quote opens here|3 cells)"):
            read(text)

    def test_whatever_is_written_by_the_rules_is_read_as_it_was(self):
        draw = random.Random(7)
        for delimiter, name in [(",", "t.csv"), (";", "t.csv"), ("\t", "t.tsv"), ("|", "t.psv")] * 60:
            letters = [*"ab", " ", '"', ",", ";", "|", "\t", "\n", "'", "é", "0"]
            count = draw.randint(2, 4)
            rows = [
                ["".join(draw.choices(letters, k=draw.randint(1, 6))) for _ in range(count)]
                for _ in range(draw.randint(1, 5))
            ]
            text = io.StringIO()
            csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
                [[f"n{at}" for at in range(count)], *rows]
            )
            try:
                assert read(text.getvalue(), name)[1] == rows
            except SourceError as error:
                assert "is a row of" in str(error)  # noqa: PT017 - each of the lines is a row too, and it says so

    def test_no_line_is_lost_whatever_stands_in_an_unquoted_tsv(self):
        draw = random.Random(11)
        for _ in range(200):
            letters = ["a", " ", '"', '""', ",", "|", "'", ";"]
            rows = [
                ["".join(draw.choices(letters, k=draw.randint(1, 4))) + "z" for _ in range(3)]
                for _ in range(draw.randint(1, 6))
            ]
            text = "".join("\t".join(row) + "\n" for row in [["a", "b", "c"], *rows])

            assert read(text, "t.tsv")[1] == rows

    def test_what_as_csv_writes_is_read_as_it_was(self):
        draw = random.Random(3)
        for _ in range(100):
            letters = ["a", " ", '"', ",", "\n", "\r", "\t", "|", ";", ""]
            rows = [["x", *("".join(draw.choices(letters, k=3)) for _ in range(2)), None] for _ in range(3)]
            rows.append(["x", "", "a,b", ""])  # so that empty and missing cells are told apart, and quotes are needed
            text = "p,q,r,s\n" + "".join(map(as_csv, rows))
            try:
                _, again = read(text)
            except SourceError as error:
                assert "is a row of" in str(error)  # noqa: PT017 - as above
                continue
            assert again == rows


class TestLayout:
    def test_delimiters_are_found_by_what_makes_all_lines_alike(self):
        assert read("path;text\na.wav;so, it is\n")[1] == [["a.wav", "so, it is"]]
        assert read("path\ttext\na.wav\tso, it is\n")[1] == [["a.wav", "so, it is"]]
        assert read("sep=;\npath;text\na.wav;1,5\n")[1] == [["a.wav", "1,5"]]
        assert read("text\nyes\n")[1] == [["yes"]]

    def test_the_table_of_ljspeech_has_bars_no_header_and_quotes_as_text(self):
        text = 'LJ1|Printing, in the "only" sense|a\nLJ2|"in being|b\nLJ3|comparatively, modern|c\n'

        names, rows = read(text, "metadata.csv", columns=["id", "text", "normalised"])

        assert names == ["id", "text", "normalised"]
        assert [row[1] for row in rows] == ['Printing, in the "only" sense', '"in being', "comparatively, modern"]
        with pytest.raises(ColumnError, match="has 3 columns, but 2 names"):
            read(text, "metadata.csv", columns=["id", "text"])

    @pytest.mark.parametrize(
        "text, line",
        [
            ("path,text,hypothesis\na.wav,well, he said,well he said\n", 2),
            ("path,text\na.wav,x\nb.wav\n", 3),
            ("text\nhello, there\n", 2),
            ("path\ttext\n" + "a\tb\n" * 5000 + "c\n", 5002),
        ],
    )
    def test_a_line_with_other_cells_than_the_header_is_an_error_with_its_number(self, text, line):
        with pytest.raises(SourceError, match=rf"line {line:,}: \d cells, where line 1 has \d"):
            read(text)

    def test_a_delimiter_at_the_end_of_lines_moves_no_column(self):
        assert read("path,text\na,b,\nc,d,\n") == (["path", "text"], [["a", "b"], ["c", "d"]])
        assert read("path,text,\na,b\n") == (["path", "text", ""], [["a", "b", ""]])
        assert read(",path\n0,a\n") == (["", "path"], [["0", "a"]])

    def test_blank_lines_are_no_rows_but_in_a_table_of_one_column(self):
        assert read("a,b\n1,2\n\n3,4\n\n\n")[1] == [["1", "2"], ["3", "4"]]
        assert read("text\nyes\n\nno\n\n")[1] == [["yes"], [""], ["no"]]

    @pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
    def test_lines_end_as_any_system_ends_them_and_nowhere_else(self, ending):
        assert read(ending.join(["a,b", "1\u2028,2\x0b\x0c\x85", "3,4", ""]))[1] == [
            ["1\u2028", "2\x0b\x0c\x85"],
            ["3", "4"],
        ]

    def test_an_empty_cell_is_missing_where_others_of_its_column_are_written_as_two_quotes(self):
        _, rows = read('a,b,c\n"",,x\n1,,\n,"",y\n')

        assert rows == [["", None, "x"], ["1", None, ""], [None, "", "y"]]

    @pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
    def test_an_empty_table_is_an_error(self, text):
        with pytest.raises(SourceError, match="is empty: a table begins with"):
            read(text)


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
    def test_a_mark_at_the_beginning_says_how_a_table_is_encoded(self, encoding):
        assert read("path,text\na,für 你好\n".encode(encoding)) == (["path", "text"], [["a", "für 你好"]])

    @pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "shift_jis", "latin-1"])
    def test_other_encodings_are_named(self, encoding):
        said = "こんにちは" if encoding == "shift_jis" else "für"

        assert read(f"path,text\na,{said}\n".encode(encoding), encoding=encoding)[1] == [["a", said]]

    def test_what_is_not_utf_8_is_an_error_that_names_the_line_and_the_option(self):
        table = "path,text\n" + "a,x\n" * 20_000 + "b,für\n"

        with pytest.raises(SourceError, match=r"line 20,002: it is not UTF-8 \(byte 0xfc\); .* --encoding cp1252"):
            read(table.encode("cp1252"))
        with pytest.raises(SourceError, match="--encoding utf-16-le"):
            read("path,text\na,b\n".encode("utf-16-le"))
        with pytest.raises(OptionError, match="unknown encoding 'klingon'"):
            read("a,b\n", encoding="klingon")

    def test_a_nul_is_an_error_with_its_line(self):
        with pytest.raises(SourceError, match="line 3: a NUL character"):
            read("path,text\n" + "a,b\n" + "c,\0\n" + "d,e\n" * 9)

    @pytest.mark.parametrize(
        "pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: pa.compress(data, "zstd", asbytes=True)]
    )
    def test_packed_tables_are_unpacked(self, pack):
        assert read(pack(b"a\tb\n1\t2\n"), "t.tsv.gz")[1] == [["1", "2"]]

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
    def test_a_packed_table_that_is_cut_is_an_error(self, pack):
        whole = pack(random.Random(0).randbytes(9_000).hex().encode())

        with pytest.raises(SourceError, match="cannot be unpacked"):
            read(whole[: len(whole) // 2])


class TestJsonLines:
    def test_values_are_text_as_they_were_written(self):
        names, rows = read(
            '{"path": "a.wav", "x": 0.10, "y": null}\n\n{"z": [1, {"b": true}], "path": "é", "x": 1e3}\n'
        )

        assert names == ["path", "x", "y", "z"]
        assert rows == [["a.wav", "0.10", None, None], ["é", "1e3", None, '[1, {"b": true}]']]

    @pytest.mark.parametrize("bad", ["[1]", '{"path": ', "x"])
    def test_a_line_that_is_no_object_is_an_error_with_its_number(self, bad):
        with pytest.raises(SourceError, match="line 2: expected one JSON object in each line"):
            read('{"path": "a"}\n' + bad + "\n", "m.jsonl")


def test_bytes_of_any_kind_are_a_table_or_an_error_of_ours():
    draw = random.Random(5)
    pieces = [
        b"a",
        b",",
        b"\t",
        b"|",
        b";",
        b'"',
        b'""',
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xff",
        b"{",
        b"}",
        b"\xc3\xa9",
    ]
    for _ in range(3_000):
        data = b"".join(draw.choices(pieces, k=draw.randint(0, 14)))
        try:
            names, rows = read(data, draw.choice(["t.csv", "t.tsv", "t.txt", "t.jsonl"]))
        except AsrkitError as error:
            assert "t." in str(error)  # noqa: PT017 - it names the table
        else:
            assert all(len(row) == len(names) for row in rows)


# -- in the shell -------------------------------------------------------------------------------------------------


@pytest.fixture
def canned(monkeypatch):
    """Every model is one that hears "so" in each clip."""
    monkeypatch.setattr("asrkit.backends.from_model", lambda model, **options: asrkit.Canned(["so"] * 99))


@pytest.fixture
def folder(tmp_path, tone_file, monkeypatch):
    for number in range(4):
        tone_file(name=f"c{number}.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def transcribed(table, *options, status=0):
    assert main(["transcribe", table, "-o", "out.csv", "-q", "--no-journal", "--overwrite", *options]) == status
    with open("out.csv", encoding="utf-8", newline="") as file:  # noqa: PTH123 - in the folder of the test
        return list(csv.reader(file))


@pytest.mark.usefixtures("canned")
class TestShell:
    def test_every_line_of_a_tsv_with_a_lone_quote_is_transcribed(self, folder):
        (folder / "cv.tsv").write_text(COMMON_VOICE)

        rows = transcribed("cv.tsv")

        assert [row[2] for row in rows[1:]] == ['"Well, he said.', "The second.", 'The "third" one"', "The fourth."]
        assert [row[4] for row in rows[1:]] == ["so"] * 4

    def test_the_cells_of_the_caller_go_out_as_they_came_in(self, folder):
        cells = [
            "0012",
            "1e5",
            "True",
            "NA",
            "null",
            "None",
            "nan",
            "-0",
            "1.50",
            " x ",
            "2024-01-02",
            "",
            "+1",
            "é",
            "1,5",
        ]
        lines = [["id", "path", *(f"k{at}" for at in range(len(cells)))], ["0345", "c0.wav", *cells]]
        with (folder / "t.csv").open("w", newline="") as file:
            csv.writer(file).writerows(lines)

        rows = transcribed("t.csv")

        assert [row[:-2] for row in rows] == lines
        assert rows[0][-2:] == ["hypothesis", "hypothesis_error"]

    def test_a_table_without_a_header_has_its_columns_named(self, folder):
        (folder / "metadata.csv").write_text('c0.wav|in "the only sense|x\nc1.wav|second|y\n')

        rows = transcribed("metadata.csv", "--columns", "path,text,more")

        assert [row[:4] for row in rows[1:]] == [
            ["c0.wav", 'in "the only sense', "x", "so"],
            ["c1.wav", "second", "y", "so"],
        ]
        assert main(["transcribe", "metadata.csv", "-q"]) == 2

    def test_a_nemo_manifest_gives_stretches(self, folder, capsys):
        (folder / "m.json").write_text(
            '{"audio_filepath": "c0.wav", "offset": 0.1, "duration": 0.25, "text": "so"}\n'
            '{"audio_filepath": "c1.wav", "duration": 0.3, "text": "so"}\n'
        )

        assert main(["transcribe", "m.json", "--format", "jsonl", "-q", "--no-journal"]) == 0
        durations = [
            round(float(line.split('"duration": ')[1].split(",")[0]), 3)
            for line in capsys.readouterr().out.splitlines()
        ]
        assert durations == [0.25, 0.3]

    def test_start_and_end_are_columns_with_times_on_a_clock(self, folder, capsys):
        (folder / "t.csv").write_text("path,from,to\nc0.wav,0:00:00.1,\nc1.wav,,00:00:00.200\nc2.wav,x,\n")

        assert (
            main(["transcribe", "t.csv", "--start", "from", "--end", "to", "--format", "jsonl", "-q", "--no-journal"])
            == 1
        )
        printed = capsys.readouterr()
        assert '"duration": 0.4' in printed.out
        assert '"duration": 0.2' in printed.out
        assert "option: start: expected seconds (62.5), a time on a clock" in printed.err

    def test_an_empty_path_is_a_missing_one(self, folder):
        (folder / "t.csv").write_text("path,text\nc0.wav,so\n,so\n")

        assert [row[2:] for row in transcribed("t.csv")[1:]] == [["so", ""], ["", ""]]

    def test_shards_are_read_as_tables_are(self, folder):
        (folder / "cv.tsv").write_text(COMMON_VOICE)
        (folder / "cp.csv").write_bytes("path,text,id\nc0.wav,für,0012\n".encode("cp1252"))

        asrkit.transcribe_files(
            folder / "cv.tsv", out=folder / "out", model=asrkit.Canned(["so"] * 9), progress=False, journal=False
        )
        asrkit.transcribe_files(
            folder / "cp.csv",
            out=folder / "cp",
            model=asrkit.Canned(["so"]),
            encoding="cp1252",
            progress=False,
            journal=False,
        )

        assert pd.read_parquet(folder / "out")["sentence"].tolist()[0] == '"Well, he said.'
        assert len(pd.read_parquet(folder / "out")) == 4
        assert pd.read_parquet(folder / "cp")[["text", "id"]].values.tolist() == [["für", "0012"]]


def scored(capsys, table, *options):
    assert main(["score", table, *options]) == 0
    return capsys.readouterr().out


class TestScores:
    def test_digits_and_words_that_look_like_other_things_are_texts(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text("text,hypothesis\n7,7\ntrue,true\n1e5,1e5\nNA,NA\nNone,None\n3,8\n")

        assert "6 of 6 rows" in scored(capsys, str(tmp_path / "t.csv"))

    def test_a_table_has_one_score_in_memory_as_csv_and_as_parquet(self, tmp_path, tone_file, monkeypatch, capsys):
        texts = ["so it is", "", "not at all", ""]
        monkeypatch.setattr(
            "asrkit.backends.from_model", lambda model, **options: asrkit.Canned(["so it is", "", "", "uh"])
        )
        monkeypatch.chdir(tmp_path)
        table = pd.DataFrame({"path": [tone_file(seconds=1 - n / 10).name for n in range(4)], "text": texts})
        table.to_csv("t.csv", index=False)
        heard = pd.read_csv("t.csv", keep_default_na=False).asr.transcribe(
            "path", model=asrkit.Canned(["so it is", "", "", "uh"]), progress=False, journal=False
        )
        for name in ("out.csv", "out.parquet"):
            assert main(["transcribe", "t.csv", "-o", name, "-q", "--no-journal"]) == 0
        heard.to_csv("pandas.csv", index=False)

        expected = str(heard.asr.score(reference="text")).splitlines()
        for name in ("out.csv", "out.parquet", "pandas.csv"):
            assert scored(capsys, name).splitlines() == expected
        assert 'not at all,"",' in (tmp_path / "out.csv").read_text()

    def test_rows_that_failed_stay_failed_through_csv(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text(
            "text,hypothesis,hypothesis_error\nyes please,,\nso it is,so it is,\n"
            'hello there,,"not-found: gone"\n"",hello,\n'
        )

        printed = scored(capsys, str(tmp_path / "t.csv"))

        assert "3 of 4 rows, 1 with an empty reference" in printed
        assert "without a text and left out: 1 of hypothesis" in printed
        assert "2 deletions, 1 insertions in 5 words" in printed

    @pytest.mark.parametrize("name", ["README.md", "t.wav", "t.parquet"])
    def test_what_is_no_table_is_an_error_in_one_line(self, tmp_path, name, capsys):
        (tmp_path / "README.md").write_text("# Title\n\nSome, text, with commas\n\n```\nx\n```\n")
        (tmp_path / "t.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")
        (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")

        assert main(["score", str(tmp_path / name)]) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("asrkit: ")
        assert printed.count("\n") == 1
        assert name in printed
