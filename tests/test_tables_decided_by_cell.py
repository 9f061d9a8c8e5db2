"""Quotes that belong to a text, and delimiters that several readings allow."""

import csv
import io
import random
from contextlib import contextmanager

import pytest

from asrkit.errors import ColumnError
from asrkit.tables import read_table


def read(text, name="t.tsv", columns=None):
    @contextmanager
    def opened():
        yield io.BytesIO(text.encode())

    return list(read_table(opened, name, columns=columns))


@pytest.mark.parametrize("delimiter, name", [("\t", "t.tsv"), ("|", "t.psv"), ("\t", "t.txt")])
@pytest.mark.parametrize(
    "needs, meant",
    [
        ('"a\tb"', "a\tb"),
        ('"a|b"', "a|b"),
        ('"she said ""no"" twice"', 'she said "no" twice'),
        ('"two\nlines ""of it"""', 'two\nlines "of it"'),
    ],
)
def test_one_cell_that_needs_quotes_takes_none_from_the_others(delimiter, name, needs, meant):
    if ("\t" in meant and delimiter != "\t") or ("|" in meant and delimiter != "|"):
        return
    lines = ["path,text", 'a.wav,"Hello."', f"b.wav,{needs}", 'c.wav,"Yes, indeed"', "d.wav,plain"]
    text = "\n".join(line.replace(",", delimiter, 1) for line in lines) + "\n"

    assert [row[1] for row in read(text, name)] == ['"Hello."', meant, '"Yes, indeed"', "plain"]


def test_a_table_whose_texts_are_all_in_quotes_loses_them_all():
    assert read('"path"\t"text"\n"a"\t"Hello."\n"b"\t"x\ty"\n') == [["a", "Hello."], ["b", "x\ty"]]


def test_what_python_writes_with_tabs_comes_back():
    for seed in range(200):
        chance = random.Random(seed)
        cells = [
            ["p", *("".join(chance.choice("ab \"\t',;") for _ in range(chance.randint(1, 6))) for _ in range(2))]
            for _ in range(6)
        ]
        file = io.StringIO()
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([["path", "x", "y"], *cells])

        assert read(file.getvalue()) == cells


@pytest.mark.parametrize(
    "text, rows",
    [
        ("path,a;b;c\na.wav,1;2;3\n", [["a.wav", "1;2;3"]]),
        ("path,a|b|c\na.wav,1|2|3\n", [["a.wav", "1|2|3"]]),
        ("path,a\tb\tc\na.wav,1\t2\t3\n", [["a.wav", "1\t2\t3"]]),
        ("path;a,b;c\na.wav;1;2,5\nb.wav;1;3\n", [["a.wav", "1", "2,5"], ["b.wav", "1", "3"]]),
        ("path;a\na.wav;1,5\n", [["a.wav", "1,5"]]),
    ],
)
def test_in_csv_the_comma_wins_where_it_divides_every_line_alike(text, rows):
    assert read(text, "t.csv") == rows


@pytest.mark.parametrize("name", ["t.csv", "t.txt"])
@pytest.mark.parametrize(
    "columns, rows",
    [
        (["path", "text"], [["a.wav", "x;y;z"], ["b.wav", "1;2;3"]]),
        (["p", "q", "r"], [["a.wav,x", "y", "z"], ["b.wav,1", "2", "3"]]),
        (["all"], None),
    ],
)
def test_the_number_of_names_decides_what_divides_the_columns(name, columns, rows):
    text = "a.wav,x;y;z\nb.wav,1;2;3\n"
    if rows is None:
        with pytest.raises(ColumnError, match="1 names were given"):
            read(text, name, columns)
    else:
        assert read(text, name, columns) == rows
