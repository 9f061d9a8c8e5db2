"""Damaged journals: whatever can be read is read, the rest is named and kept, and no call ends because of it."""

from __future__ import annotations

import json
import math
import random
import sqlite3
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.audio import Audio, encode
from asrkit.cli import main
from asrkit.errors import JournalError, LabelsError, OptionError
from asrkit.journal.store import Journal
from asrkit.labels import Item
from asrkit.labels import Journal as LabelLog

ITEMS = [Item(f"item{number}", number, f"{number}.wav", f"heard {number}") for number in range(4)]
DEEP = 100_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.jsonl"


def write_labels(path: Path) -> list[bytes]:
    """A small label log; gives its lines."""
    with LabelLog(path, ITEMS, annotator="ann") as log:
        log.accept("item0", "zero ünïcode 猫", seconds=1.5, action="view:1")
        log.edit("item1", "one")
        log.accept("item3", "three")
    return path.read_bytes().split(b"\n")[:-1]


def texts(path: Path) -> dict[str, str | None]:
    read = asrkit.read_labels(path)
    read.to_parquet(path.with_suffix(".parquet"))
    assert len(pd.read_parquet(path.with_suffix(".parquet"))) == len(read)
    return dict(zip(read["item"], read["text"], strict=True))


def broken_lines(path: Path) -> list[int]:
    return list(asrkit.read_labels(path).attrs["asrkit"]["journals"][str(path)]["broken_lines"])


# -- label logs


@pytest.mark.parametrize("byte", [0x22, "flip"])
def test_one_damaged_byte_anywhere_costs_no_more_than_its_line(path, byte):
    lines = write_labels(path)
    data = path.read_bytes()
    whole = texts(path)
    ends = [at for at, value in enumerate(data) if value == 10]

    for at in range(len(data)):
        new = data[at] ^ 0x80 if byte == "flip" else byte
        if new == data[at]:
            continue
        path.write_bytes(data[:at] + bytes([new]) + data[at + 1 :])
        line = sum(end < at for end in ends)  # from 0
        own = json.loads(lines[line]).get("item")

        read = asrkit.read_labels(path)

        found = dict(zip(read["item"], read["text"], strict=True))
        others = {item: text for item, text in whole.items() if item != own}
        if at in ends:  # what was two lines is one, and both can be read
            others = whole
        assert {item: found.get(item) for item in others} == others, (at, lines[line])
        assert path.stat().st_size == len(data)


def test_the_beginning_is_no_different_from_any_other_place(path):
    write_labels(path)
    data = path.read_bytes()
    whole = texts(path)

    for at in range(19):
        path.write_bytes(data[:at] + b"#" + data[at + 1 :])

        assert texts(path) == whole
        assert broken_lines(path) == [1]
        with LabelLog(path, ITEMS, annotator="ann") as log:
            assert log["item3"].text == "three"
            assert "1 broken line in labels.jsonl (line 1)" in str(log.warning)
            log.accept("item1", f"again {at}")
        assert path.read_bytes().startswith(data[:at] + b"#" + data[at + 1 :])  # it stays as it is
        assert texts(path) == {**whole, "item1": f"again {at}"}


HOSTILE: dict[str, bytes] = {
    "lists in lists": b"[" * DEEP,
    "objects in objects": b'{"a":' * DEEP,
    "a deep value": b'{"op": "edit", "item": "item9", "new": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "a huge number": b'{"op": "edit", "item": "item9", "rev": ' + b"9" * 10_000 + b"}",
    "zeros": bytes(4_096),
    "no UTF-8": b'{"op": "edit", "item": "item9", "new": "\xff\xfe"}',
    "half of a pair": b'{"op": "edit", "item": "item9", "new": "\xed\xa0\x80"}',
    "UTF-16": '{"op": "edit"}'.encode("utf-16"),
    "a text": b'"a text"',
    "null": b"null",
    "NaN": b"NaN",
    "a list": b"[1, 2]",
    "no JSON": b"{]",
    "another header": b'{"asrkit": "something else", "version": 1}',
    "a header of no version": b'{"asrkit": "labels", "version": "one"}',
    "a header of version 0": b'{"asrkit": "labels", "version": 0}',
    "an unknown action": b'{"op": "burn", "item": "item9"}',
    "half a line": b'{"op": "edit", "item": "item9", "rev": 1, "old": nu',
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("place", [0, 1, 5])
def test_a_line_that_cannot_be_read_is_named_and_passed_over(path, kind, place):
    lines = write_labels(path)
    whole = texts(path)
    path.write_bytes(b"\n".join([*lines[:place], HOSTILE[kind], *lines[place:]]) + b"\n")

    assert texts(path) == whole
    assert broken_lines(path) == [place + 1]
    with LabelLog(path, ITEMS, annotator="ann") as log:
        assert log["item3"].text == "three"


ACTION = {
    "op": "accept",
    "item": "item9",
    "rev": 1,
    "old": None,
    "new": "nine",
    "was": "todo",
    "status": "accepted",
    "annotator": "ann",
    "seconds": 1.0,
    "time": "2026-11-25T10:00:00+00:00",
    "action": "a",
    "batch": "b",
    "unheard": True,
    "index": 9,
    "audio": "9.wav",
    "hypothesis": "nein",
    "reason": "r",
    "note": "n",
}
VALUES = [None, True, 0, -1, 1.5, 10**30, math.nan, math.inf, -math.inf, 1e308, "", "text", "\ud800", [], [1, "a"], {}]
VALUES += [{"a": 1}, [[[]]], [{}], "x" * 10_000]


@pytest.mark.parametrize("field", ACTION)
def test_a_value_of_any_type_in_any_field_can_be_written_as_parquet(path, field):
    lines = write_labels(path)
    for value in VALUES:
        strange = json.dumps({**ACTION, field: value}).encode()
        twice = json.dumps({**ACTION, "item": "item8", field: value}).encode()
        path.write_bytes(b"\n".join([*lines, strange, twice]) + b"\n")

        found = texts(path)

        assert found.items() >= {"item0": "zero ünïcode 猫", "item1": "one", "item3": "three"}.items()
        if "item9" not in found and field not in ("item", "op"):
            assert broken_lines(path)[0] == len(lines) + 1
        with LabelLog(path, ITEMS, annotator="ann") as log:
            assert log["item0"].text == "zero ünïcode 猫"


@pytest.mark.parametrize("field", ACTION)
def test_a_line_without_a_field_or_with_two_is_read_or_named(path, field):
    lines = write_labels(path)
    without = json.dumps({name: value for name, value in ACTION.items() if name != field}).encode()
    twice = json.dumps({**ACTION, "item": "item8"})[:-1].encode() + f', "{field}": "again"}}'.encode()
    path.write_bytes(b"\n".join([*lines, without, twice]) + b"\n")

    found = texts(path)

    assert "item8" not in found
    assert ("item9" in found) == (len(lines) + 1 not in broken_lines(path))
    assert len(lines) + 2 in broken_lines(path)


def test_numbers_that_an_annotator_gave_for_words_are_words(path):
    with LabelLog(path, ITEMS, annotator=7) as log:  # type: ignore[arg-type]  # as in a notebook
        log.flag("item0", 404, 3.5)  # type: ignore[arg-type]
        with pytest.raises(OptionError, match="expected the text to be a string, got 5"):
            log.accept("item1", 5)  # type: ignore[arg-type]
        log.accept("item1", "one", seconds=math.inf)

    read = asrkit.read_labels(path)

    assert read["annotator"].tolist() == ["7", "7"]
    assert read.loc[0, ["reason", "note"]].tolist() == ["404", "3.5"]
    assert texts(path) == {"item0": "heard 0", "item1": "one"}


@pytest.mark.parametrize(
    "labels, kept",
    [
        ([1, 2], [1, 2]),
        (["a", "b"], ["a", "b"]),
        ([1, "a"], ["1", "a"]),
        ([("a", "b"), ("c", "d")], [("a", "b"), ("c", "d")]),
        ([("a", 1), ("b", 2)], ['["a", 1]', '["b", 2]']),
        ([1.5, None], [1.5, None]),
        ([2**70, 1], [str(2**70), "1"]),
        ([True, 2], ["true", "2"]),
    ],
)
def test_index_labels_of_one_type_stay_as_they_are(path, labels, kept):
    items = [Item(f"item{number}", label, "", "x") for number, label in enumerate(labels)]
    with LabelLog(path, items) as log:
        for item in log.items:
            log.accept(item)

    assert asrkit.read_labels(path)["index"].tolist() == kept
    assert len(texts(path)) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b'": ', b'":').replace(b', "', b',"'),
        lambda data: data.replace(b"\n", b"\n\n"),
        lambda data: data + bytes(5_000),
        lambda data: data.rstrip(b"\n"),
    ],
    ids=["CRLF", "byte order mark", "no blanks", "empty lines", "zeros at the end", "no end"],
)
def test_what_editors_and_power_cuts_leave_is_read_and_goes_on(path, change):
    write_labels(path)
    whole = texts(path)
    path.write_bytes(change(path.read_bytes()))
    assert texts(path) == whole

    with LabelLog(path, ITEMS, annotator="ann") as log:
        log.accept("item1", "again")

    assert texts(path) == {**whole, "item1": "again"}


def test_a_later_version_is_left_alone(path):
    lines = write_labels(path)
    path.write_bytes(b"\n".join([lines[0].replace(b'"version": 1', b'"version": 2'), *lines[1:]]))
    before = path.read_bytes()

    for opens in (lambda: LabelLog(path, ITEMS), lambda: asrkit.read_labels(path)):
        with pytest.raises(LabelsError, match="newer asrkit"):
            opens()
    assert path.read_bytes() == before


def test_random_damage_raises_nothing_but_our_own_error(path):
    write_labels(path)
    data = path.read_bytes()
    draw = random.Random(20_261_128)

    for _ in range(150):
        spoiled = bytearray(data)
        for _ in range(draw.randint(1, 8)):
            at, size = draw.randrange(len(data)), draw.choice([1, 1, 3, 30, 300])
            match draw.randrange(4):
                case 0:
                    spoiled[at : at + size] = draw.randbytes(len(spoiled[at : at + size]))
                case 1:
                    spoiled[at : at + size] = b""
                case 2:
                    spoiled[at : at + size] = bytes(len(spoiled[at : at + size]))
                case _:
                    spoiled[at:at] = spoiled[at : at + size]
        path.write_bytes(spoiled)
        assert refused(path) in {None, "not-a-journal", "other-data"}
        assert path.read_bytes().startswith(bytes(spoiled))


def refused(path: Path) -> str | None:
    try:
        texts(path)
        LabelLog(path, ITEMS).close()
    except LabelsError as error:
        return error.code
    return None


# -- journals of finished rows

CELLS = [encode(Audio(np.full(1_000 + number, 0.01, np.float32)), "wav").data for number in range(6)]


def hear(journal: Path, cells: Any = CELLS, **options: Any) -> tuple[list[str], int, list[str]]:
    """The texts, how many clips were heard for them, and the warnings."""
    model = asrkit.Canned(lambda audio: f"{len(audio.samples)} samples")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        heard = list(asrkit.transcribe(cells, model=model, journal=journal, progress=False, **options))
    texts = [one.text if isinstance(one, asrkit.Transcript) else one.code for one in heard]
    return texts, model.heard, [str(one.message) for one in said if "not what was written" in str(one.message)]


def with_right_marks(journal: Path, change: str, values: tuple[Any, ...] = ()) -> None:
    """Change rows behind asrkit's back, and their check sums with them."""
    connection = sqlite3.connect(journal)
    connection.create_function("mark", 3, mark, deterministic=True)
    with connection:
        connection.execute(change, values)
        connection.execute("UPDATE results SET mark = mark(key, code, detail)")
    connection.close()


def mark(key: bytes, code: str | None, detail: Any) -> int:
    return zlib.crc32(f"{code} {detail}".encode(), zlib.crc32(key))


NO_TRANSCRIPTS: dict[str, Any] = {
    "no JSON": "{]",
    "nothing": "",
    "deep": "[" * DEEP,
    "a list": "[]",
    "a number": "5",
    "null": "null",
    "an empty object": "{}",
    "no segments": '{"text": "a"}',
    "a text that is none": '{"text": 5, "segments": [], "flags": []}',
    "other fields": '{"text": "a", "segments": [], "flags": [], "more": 1}',
    "segments that are none": '{"text": "a", "segments": 5, "flags": []}',
    "words that are none": '{"text": "a", "segments": [{"words": 5}], "flags": []}',
}


@pytest.mark.parametrize("kind", NO_TRANSCRIPTS)
@pytest.mark.parametrize("code", [None, "not-audio"])
def test_a_row_that_holds_no_transcript_is_done_again_and_said_once(tmp_path, kind, code):
    journal = tmp_path / "journal.sqlite"
    whole, *_ = hear(journal)
    change = "UPDATE results SET detail = ?, code = ? WHERE rowid IN (2, 3, 5)"
    with_right_marks(journal, change, (NO_TRANSCRIPTS[kind], code))

    texts, heard, said = hear(journal)
    again = hear(journal)

    assert (texts, heard) == (whole, 3)
    assert len(said) == 1
    assert "3 rows are not what was written" in said[0]
    assert again == (whole, 0, [])
    with sqlite3.connect(journal) as connection:
        kept = connection.execute("SELECT detail, code FROM unreadable").fetchall()
    connection.close()
    assert kept == [(NO_TRANSCRIPTS[kind], code)] * 3  # what could not be read stays


COLUMNS = ("code", "detail", "mark", "cost", "waited", "created", "used", "fingerprint")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", [b"\xff\xfe", 2**62, "", "CAST(x'fffe41' AS TEXT)"])
def test_a_damaged_value_in_any_column_ends_no_call_and_gives_no_wrong_text(tmp_path, column, value, capsys):
    journal = tmp_path / "journal.sqlite"
    whole, *_ = hear(journal)
    is_expression = isinstance(value, str) and value.startswith("CAST")
    with sqlite3.connect(journal) as connection:
        values = () if is_expression else (value,)
        connection.execute(f"UPDATE results SET {column} = {value if is_expression else '?'} WHERE rowid = 3", values)
    connection.close()

    for verb in ("show", "verify", "export"):
        assert main(["journal", verb, "--journal", str(journal)]) in (0, 1)
    texts, heard, said = hear(journal)

    assert texts == whole
    assert heard == len(said) == (column in ("code", "detail", "mark"))
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("value", ["x", b"\xff", 5, None])
@pytest.mark.parametrize("column", ["size", "mtime_ns", "ctime_ns", "inode", "sha256", "used"])
def test_a_damaged_stamp_has_its_file_read_again(tmp_path, column, value):
    journal, path = tmp_path / "journal.sqlite", tmp_path / "a.wav"
    path.write_bytes(CELLS[0])
    hear(journal, [path])
    with sqlite3.connect(journal) as connection:
        connection.execute("INSERT OR IGNORE INTO files VALUES (?, 1, 1, 'x', x'00', 1, 1)", (bytes(path),))
        if value is not None or column == "ctime_ns":
            connection.execute(f"UPDATE files SET {column} = ?", (value,))
    connection.close()

    assert hear(journal, [path]) == (["1000 samples"], 0, [])


def test_windows_that_are_damaged_are_heard_again(tmp_path):
    journal = tmp_path / "journal.sqlite"
    sound = [((0.1 * np.random.default_rng(0).standard_normal(16_000 * 9)).astype(np.float32), 16_000)]
    preferred = asrkit.Canned(["a"]).preferred.__class__(batch_size=1, longest=2.0)
    whole = [one.text for one in asrkit.transcribe(sound, model=spelling(preferred), journal=False, progress=False)]
    with pytest.raises(KeyboardInterrupt):
        list(asrkit.transcribe(sound, model=spelling(preferred, 3), journal=journal, progress=False))
    with sqlite3.connect(journal) as connection:
        rows = connection.execute("SELECT row, part FROM parts").fetchall()
        for row, part in rows:
            sum_of_row = zlib.crc32(b"None {]", zlib.crc32(row + part))
            connection.execute("UPDATE parts SET detail = '{]', mark = ? WHERE part = ?", (sum_of_row, part))
    connection.close()

    with pytest.warns(UserWarning, match="not what was written"):
        heard = [
            one.text for one in asrkit.transcribe(sound, model=spelling(preferred), journal=journal, progress=False)
        ]

    assert rows
    assert heard == whole


def spelling(preferred: Any, until: int = 1_000) -> asrkit.Canned:
    """Tells the length of each window, until it is interrupted."""

    limits = [until]

    def answer(audio: Audio) -> str:
        if backend.heard >= limits[0]:
            raise KeyboardInterrupt
        return str(len(audio.samples))

    backend = asrkit.Canned(answer, name="spelling", preferred=preferred)
    backend._own = "the same in every call"
    return backend


def test_export_saves_what_can_be_read_of_a_file_with_broken_pages(tmp_path, capsys):
    journal = tmp_path / "journal.sqlite"
    model = asrkit.Canned(lambda audio: f"{len(audio.samples)} " * 300)
    cells = [encode(Audio(np.full(1_000 + number, 0.01, np.float32)), "wav").data for number in range(40)]
    list(asrkit.transcribe(cells, model=model, journal=journal, progress=False))
    with Journal(journal) as opened:
        [(leaf,)] = opened.read("SELECT max(pageno) FROM dbstat WHERE name = 'results' AND pagetype = 'leaf'")
    data = bytearray(journal.read_bytes())
    data[(leaf - 1) * 4_096 : leaf * 4_096] = bytes(range(256)) * 16
    journal.write_bytes(data)

    status = main(["journal", "export", "--journal", str(journal), "--output", str(tmp_path / "rows.jsonl")])

    saved = [json.loads(line)["text"] for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert status == 1
    assert "rows could not be read" in capsys.readouterr().err
    assert 20 <= len(saved) < 40
    assert set(saved) <= {(f"{1_000 + number} " * 300).strip() for number in range(40)}


def test_a_journal_whose_schema_is_damaged_is_an_error_of_asrkits(tmp_path, capsys):
    path = tmp_path / "kept.sqlite"
    sound = (np.full(1_000, 0.1, np.float32), 16_000)
    list(asrkit.transcribe([sound], model=asrkit.Canned(["so"]), journal=path, progress=False))
    whole = path.read_bytes()
    begin = whole.find(b"CREATE TABLE results")
    refused = 0

    for at in range(begin, begin + 120, 7):
        path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        try:
            [row] = asrkit.transcribe([sound], model=asrkit.Canned(["so"]), journal=path, progress=False)
        except JournalError:
            refused += 1
        else:
            assert row.text == "so"
        assert main(["journal", "verify", "--journal", str(path)]) in (0, 1, 2)
    assert refused > 5
