"""The journal of labels: what was acknowledged is on disk, whatever happens to the process, the disk or the file."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import asrkit
from asrkit.errors import LabelsError, OptionError
from asrkit.labels import Item, Journal, Label, item_ids

HEARD = ["the bat sat", "so it is", "ünïcode 猫 שלום", None]
ITEMS = [Item(f"item{number}", number, f"{number}.wav", text) for number, text in enumerate(HEARD)]
ROOT = Path(__file__).parents[1]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "labels.jsonl"


def opened(path: Path, annotator: str = "ann", items=ITEMS) -> Journal:
    return Journal(path, items, annotator=annotator)


def states(path: Path) -> dict[str, tuple]:
    read = asrkit.read_labels(path)
    return {
        row["item"]: (row["text"], row["status"], row["reason"], row["note"], row["actions"])
        for row in read.to_dict("records")
    }


def in_another_process(code: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        check=check,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )


# -- actions


def test_every_action_is_a_line_that_says_what_was_and_what_is(path):
    with opened(path) as journal:
        journal.edit("item0", "the cat", seconds=1.25, action="view:1")
        journal.accept("item0", "the cat sat", seconds=2.0)
        journal.flag("item1", "noise", "a drill")

    header, session, edit, accept, flag = map(json.loads, path.read_text().splitlines())

    assert (header["asrkit"], header["version"], header["rows"]) == ("labels", 1, 4)
    assert (session["op"], session["annotator"], session["pid"]) == ("open", "ann", os.getpid())
    assert edit.pop("time")
    assert edit == {
        "op": "edit",
        "item": "item0",
        "rev": 1,
        "old": None,
        "new": "the cat",
        "was": "todo",
        "status": "draft",
        "annotator": "ann",
        "seconds": 1.25,
        "action": "view:1",
        "index": 0,
        "audio": "0.wav",
        "hypothesis": "the bat sat",
    }
    assert (accept["old"], accept["new"], accept["was"], accept["status"]) == (
        "the cat",
        "the cat sat",
        "draft",
        "accepted",
    )
    assert (flag["reason"], flag["note"], flag["new"]) == ("noise", "a drill", "so it is")


def test_a_journal_opened_again_goes_on_where_it_was(path):
    with opened(path) as journal:
        journal.accept("item0", "the cat sat", seconds=2.0)
        journal.edit("item1", "so is it", seconds=1.0)

    with opened(path) as journal:
        journal.edit("item1", "so it was", seconds=0.5)

        assert journal["item0"].status == "accepted"
        assert (journal["item1"].text, journal["item1"].rev, journal["item1"].seconds) == ("so it was", 2, 1.5)
        assert journal["item2"] == Label()


def test_accepting_without_a_text_takes_the_hypothesis_or_the_draft(path):
    with opened(path) as journal:
        journal.edit("item1", "so is it")

        assert journal.accept("item0").text == "the bat sat"
        assert journal.accept("item1").text == "so is it"
        with pytest.raises(OptionError, match="has no text to accept"):
            journal.accept("item3")
        assert journal.accept("item3", "").text == ""


def test_undo_goes_back_over_rows_and_over_sessions(path):
    with opened(path) as journal:
        journal.edit("item0", "the c")
        journal.edit("item0", "the cat")  # one step with the edit before it
        journal.accept("item0", "the cat")
        journal.flag("item1", "noise")
    with opened(path) as journal:
        assert journal.undo() == ["item1"]
        assert journal["item1"].status == "todo"
        assert journal.undo() == ["item0"]
        assert (journal["item0"].status, journal["item0"].text) == ("draft", "the cat")
        assert journal.undo() == ["item0"]
        assert (journal["item0"].status, journal["item0"].text) == ("todo", None)
        assert journal.undo() == []
        journal.accept("item0", "other")
    with opened(path) as journal:
        assert journal.undo() == ["item0"]
        assert journal.undo() == []
    assert path.read_text().count('"op": "undo"') == 4  # nothing was taken out of the file


def test_rows_accepted_together_are_undone_together(path):
    with opened(path) as journal:
        journal.accept_all(["item0", "item1"])
        assert (journal["item0"].unheard, journal["item1"].text) == (True, "so it is")
    with opened(path) as journal:
        assert sorted(journal.undo()) == ["item0", "item1"]
        assert journal["item0"].status == "todo"
        assert not journal["item0"].unheard
        assert journal.accept_all([]) == []


def test_nobody_undoes_what_another_decided(path):
    with opened(path, "ann") as journal:
        journal.accept("item0", "by ann")
        journal.accept("item1", "by ann")
    with opened(path, "ben") as journal:
        assert journal.undo() == []
        journal.accept("item1", "by ben")
    with opened(path, "ann") as journal:
        assert journal.undo() == ["item0"]
        assert journal.undo() == []  # ben has built on the other
        assert journal["item1"].text == "by ben"


def test_an_action_that_is_sent_twice_is_done_once(path):
    with opened(path) as journal:
        journal.accept("item0", "one", action="view:7")
    with opened(path) as journal:
        assert journal.accept("item0", "one", action="view:7").rev == 1
        journal.undo(action="view:8")
        assert journal.undo(action="view:8") == []
        assert journal["item0"].rev == 2


def test_an_unknown_row_is_refused(path):
    with opened(path) as journal, pytest.raises(OptionError, match="no row 'nonsense'"):
        journal.accept("nonsense", "text")


# -- which row


def test_equal_index_labels_do_not_mix_rows():
    same = item_ids(["a.wav", "b.wav", "c.wav"], [0, 0, 0])

    assert len(set(same)) == 3
    assert item_ids(["c.wav", "a.wav"], [0, 0]) == [same[2], same[0]]


def test_the_same_file_in_several_rows_or_stretches_is_several_rows():
    ids = item_ids(["a.wav"] * 4, [0, 1, 1, 1], starts=[0.0, 0.0, 0.0, 5.0], ends=[5.0, 5.0, 5.0, None])

    assert len(set(ids)) == 4


def test_ids_are_of_the_content_where_there_is_no_path():
    beep = np.sin(np.arange(800) / 5)

    first, copy, louder, silent = item_ids(
        [(beep, 16_000), {"array": beep.copy(), "sampling_rate": 16_000}, (beep * 2, 16_000), None], [0, 0, 0, 0]
    )

    assert copy == f"{first}-2"
    assert len({first, louder, silent}) == 3
    assert item_ids([b"RIFF"], [0]) != item_ids([b"RIFX"], [0])


def test_rows_whose_index_changed_are_found_by_their_audio(path):
    def items(labels):
        cells = ["a.wav", "b.wav", "b.wav"]
        return [Item(name, label, "", "x") for name, label in zip(item_ids(cells, labels), labels, strict=True)]

    with opened(path, items=items([5, 6, 7])) as journal:
        journal.accept(journal.ids[0], "first")
        journal.accept(journal.ids[2], "third")
    with opened(path, items=items([0, 1, 2])) as journal:
        texts = [journal[name].text for name in journal.ids]
        assert texts == ["first", None, None]  # which of two equal recordings the other was is not guessed
        assert "1 labels in labels.jsonl are of rows that are not in this frame" in journal.warning
        journal.accept(journal.ids[0], "again")
    with opened(path, items=items([5, 6, 7])) as journal:
        assert [journal[name].text for name in journal.ids] == ["again", None, "third"]


def test_the_journal_of_other_data_is_refused(path):
    with opened(path) as journal:
        journal.accept("item0", "text")
    before = path.read_bytes()

    with pytest.raises(LabelsError, match="holds labels of 1 other rows and none of these") as caught:
        opened(path, items=[Item("other", 0, "x.wav", "x")])

    assert caught.value.code == "other-data"
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"path,text\na.wav,hello\n", b'{"a": 1}\n', b"\x00\x01\x02", b'["asrkit"]\n'])
def test_a_file_of_another_kind_is_left_alone(path, content):
    path.write_bytes(content)

    with pytest.raises(LabelsError, match="no journal of labels"):
        opened(path)
    with pytest.raises(LabelsError, match="no journal of labels"):
        asrkit.read_labels(path)
    assert path.read_bytes() == content


def test_a_newer_format_is_refused(path):
    path.write_text('{"asrkit": "labels", "version": 99}\n')

    with pytest.raises(LabelsError, match="newer asrkit"):
        opened(path)


# -- one writer


def test_a_second_opening_in_the_same_process_closes_the_first(path):
    first = opened(path)
    first.accept("item0", "one")
    second = opened(path)

    with pytest.raises(LabelsError, match="opened again in another cell") as caught:
        first.accept("item1", "lost?")

    assert caught.value.code == "taken-over"
    assert (second["item0"].text, second["item1"]) == ("one", Label())
    second.close()


HOLD = """
    import sys
    from asrkit.labels import Item, Journal
    journal = Journal(sys.argv[1], [Item("item0", 0, "0.wav", "x")], annotator="ben")
    journal.accept("item0", "by ben")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("has_flock", [True, False])
def test_a_journal_that_another_process_holds_is_refused_by_name(path, monkeypatch, has_flock):
    code = textwrap.dedent(HOLD)
    if not has_flock:
        monkeypatch.setattr("asrkit.labels.fcntl", None)
        code = "import asrkit.labels\nasrkit.labels.fcntl = None\n" + code
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert holder.stdout.readline() == "ready\n"
        before = path.read_bytes()
        with pytest.raises(LabelsError, match=rf"in use by ben \(process {holder.pid} on ") as caught:
            opened(path)
        assert caught.value.code == "in-use"
        assert path.read_bytes() == before
        assert asrkit.read_labels(path)["text"].tolist() == ["by ben"]  # reading needs no lock
    finally:
        holder.kill()
        holder.wait()
        holder.stdin.close()
        holder.stdout.close()

    with opened(path) as journal:  # the lock died with its holder
        assert journal["item0"].text == "by ben"


def test_a_file_that_something_else_changed_is_not_written_to(path):
    with opened(path) as journal:
        journal.accept("item0", "one")
        with path.open("a") as file:
            file.write('{"op": "edit"}\n')

        with pytest.raises(LabelsError, match="changed by something else, so this action was not saved"):
            journal.accept("item1", "two")
        assert journal["item1"] == Label()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_went_away_takes_no_acknowledgement_with_it(path, how):
    with opened(path) as journal:
        journal.accept("item0", "one")
        content = path.read_bytes()
        path.unlink()
        if how == "replaced":
            path.write_bytes(content)

        with pytest.raises(LabelsError, match="not saved") as caught:
            journal.accept("item1", "two")
        assert caught.value.code == "changed"


# -- broken files


def test_a_journal_torn_at_any_byte_replays_to_what_was_whole(path, tmp_path):
    with opened(path) as journal:
        journal.edit("item2", "größer 猫\nnew line")
        journal.accept("item0", "the cat sat")
        journal.flag("item1", "noise", "a “drill”")
        journal.undo()
        journal.accept_all(["item1", "item2"])
    data = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    torn = tmp_path / "torn.jsonl"
    whole = tmp_path / "whole.jsonl"
    expected: dict[int, dict] = {}
    for end in [0, *ends]:
        whole.write_bytes(data[:end])
        expected[end] = states(whole)

    for cut in range(len(data)):
        torn.write_bytes(data[:cut])
        # A line that lacks nothing but its end says all that it was to say.
        full = max(end for end in [0, *ends] if end <= cut + 1)
        assert states(torn) == expected[full], cut


def test_a_torn_line_is_told_and_the_next_begins_on_its_own(path):
    with opened(path) as journal:
        journal.accept("item0", "one")
        journal.accept("item1", "two")
    data = path.read_bytes()
    path.write_bytes(data[:-20])

    with opened(path) as journal:
        assert journal["item1"] == Label()
        assert "1 broken line in labels.jsonl (line 4) skipped" in journal.warning
        journal.accept("item2", "three")

    read = asrkit.read_labels(path)
    assert read["text"].tolist() == ["one", "three"]
    assert read.attrs["asrkit"]["journals"][str(path)]["broken_lines"] == [4]
    assert path.read_bytes().startswith(data[:-20])


def test_a_hole_in_the_middle_costs_its_lines_only(path):
    with opened(path) as journal:
        for item in ("item0", "item1", "item2"):
            journal.accept(item, item)
    lines = path.read_bytes().split(b"\n")
    lines[3] = b"\0" * len(lines[3])
    path.write_bytes(b"\n".join(lines))

    assert asrkit.read_labels(path)["text"].tolist() == ["item0", "item2"]


# -- disks


def test_half_a_line_on_a_full_disk_is_taken_away_and_not_acknowledged(path):
    """The system stops the file at a size, as a full disk does, in the middle of a line."""
    code = """
        import resource, signal, sys
        from pathlib import Path
        from asrkit.errors import LabelsError
        from asrkit.labels import Item, Journal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        path = Path(sys.argv[1])
        journal = Journal(path, [Item("item0", 0, "0.wav", "x"), Item("item1", 1, "1.wav", "y")])
        journal.accept("item0", "saved")
        before = path.read_bytes()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, hard))
        try:
            journal.accept("item1", "not saved")
        except LabelsError as error:
            print(error.code, "|", error)
        assert path.read_bytes() == before
        assert journal["item1"].status == "todo"
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        journal.accept("item1", "saved later")
    """

    told = in_another_process(code, path).stdout

    assert told.startswith("disk-full | the disk is full (")
    assert "what was saved before is safe on disk" in told
    assert asrkit.read_labels(path)["text"].tolist() == ["saved", "saved later"]


def test_where_half_a_line_cannot_be_taken_away_the_next_begins_on_its_own(path, monkeypatch):
    with opened(path) as journal:
        journal.accept("item0", "saved")
        write, written = os.write, []

        def half(file: int, data: bytes) -> int:
            if written:
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(write(file, data[:60]))
            return written[0]

        def broken(file: int, size: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr("asrkit.labels.os.write", half)
            patched.setattr("asrkit.labels.os.ftruncate", broken)
            with pytest.raises(LabelsError, match="the disk is full"):
                journal.accept("item1", "not saved")
        journal.accept("item2", "saved later")

    assert asrkit.read_labels(path)["text"].tolist() == ["saved", "saved later"]


def test_a_sync_that_fails_acknowledges_nothing(path, monkeypatch):
    def fails(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with opened(path) as journal:
        journal.accept("item0", "saved")
        before = path.read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr("asrkit.labels.os.fsync", fails)
            with pytest.raises(LabelsError, match="cannot be written"):
                journal.accept("item1", "not saved")
        assert path.read_bytes() == before
        assert journal["item1"] == Label()


def test_a_read_only_folder_is_said_before_any_work(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    written = folder / "labels.jsonl"
    with opened(written) as journal:
        journal.accept("item0", "text")
    code = """
        import os, sys
        from pathlib import Path
        from asrkit.errors import LabelsError
        from asrkit.labels import Item, Journal, read_labels
        folder = Path(sys.argv[1])
        if os.getuid() == 0:
            os.setuid(65534)  # root may write anywhere
        for name in ("labels.jsonl", "new.jsonl"):
            try:
                Journal(folder / name, [Item("item0", 0, "0.wav", "x")])
            except LabelsError as error:
                print(error.code, "|", error)
        print(read_labels(folder / "labels.jsonl")["text"].tolist())
    """
    for above in [tmp_path, *tmp_path.parents][:4]:  # one more where tests run side by side
        if above.stat().st_uid == os.getuid():
            above.chmod(0o755)
    written.chmod(0o444)
    folder.chmod(0o555)
    try:
        first, second, read = in_another_process(code, folder).stdout.splitlines()
    finally:
        folder.chmod(0o755)

    assert first.startswith("not-writable | ")
    assert second.startswith("not-writable | ")
    assert "name a journal= in a folder that you may write to" in second
    assert read == "['text']"


@pytest.mark.parametrize("bad, told", [("no/such/labels.jsonl", "there is no folder"), ("", "is a folder")])
def test_a_path_that_cannot_be_is_said(tmp_path, bad, told):
    with pytest.raises(LabelsError, match=told):
        opened(tmp_path / bad)


# -- kill -9

WRITER = """
    import json, os, random, signal, sys, time
    from pathlib import Path
    from asrkit.labels import Item, Journal

    path, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    draw = random.Random(seed)
    items = [Item(f"item{n}", n, f"{n}.wav", f"heard {n}") for n in range(12)]

    def write(out, seed):
        draw = random.Random(seed)
        journal = Journal(path, items, annotator="ann")
        os.write(out, b"{}\\n")
        while True:
            item = f"item{draw.randrange(12)}"
            text = f"{draw.random()} " * draw.randrange(1, 400)
            op = draw.choice(["edit", "edit", "accept", "skip", "flag", "undo", "accept_all"])
            if op == "undo":
                done = journal.undo()
            elif op == "accept_all":
                done = draw.sample(list(journal.items), 3)
                journal.accept_all(done)
            else:
                done = [item]
                getattr(journal, op)(item, *([text] if op in ("edit", "accept") else []))
            told = {name: [journal[name].rev, journal[name].status, journal[name].text] for name in done}
            os.write(out, json.dumps(told).encode() + b"\\n")  # the acknowledgement

    for kill in range(kills):
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read_end)
            write(write_end, seed + kill)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as acknowledged:
            first = acknowledged.readline()
            time.sleep(draw.random() * 0.06)
            os.kill(pid, signal.SIGKILL)
            rest = acknowledged.read()
        os.waitpid(pid, 0)
        assert first == b"{}\\n", first
        whole = rest[: rest.rfind(b"\\n") + 1]
        print(json.dumps([json.loads(line) for line in whole.splitlines()]))
        print(json.dumps({n: [l.rev, l.status, l.text] for n, l in sorted(
            {n: journal[n] for journal in [Journal(path, items)] for n in journal.items}.items())}), flush=True)
"""


def test_fifty_killed_writers_lose_nothing_that_was_acknowledged(path):
    told = in_another_process(WRITER, path, 50, 20_261_125).stdout.splitlines()

    acknowledged: dict[str, list] = {}
    actions = 0
    assert len(told) == 100
    for acks, replayed in zip(told[::2], told[1::2], strict=True):
        for ack in json.loads(acks):
            acknowledged |= ack
            actions += 1
        found = json.loads(replayed)
        ahead = 0
        for item, (rev, status, text) in found.items():
            known_rev, known_status, known_text = acknowledged.get(item, [0, "todo", None])
            assert rev >= known_rev
            if rev == known_rev:
                assert (status, text) == (known_status, known_text)
            else:
                assert rev == known_rev + 1
                ahead += 1
        assert ahead <= 3  # the one action that was on its way, of at most three rows
        acknowledged = found  # what is on disk counts, acknowledged or not
    assert actions > 100


# -- reading


def test_several_journals_are_one_frame(tmp_path):
    for who in ("ann", "ben"):
        with opened(tmp_path / f"{who}.jsonl", who) as journal:
            journal.accept("item0", f"by {who}", seconds=3.5)
            journal.flag("item1", "noise", "a drill")

    labels = asrkit.read_labels([tmp_path / "ann.jsonl", tmp_path / "ben.jsonl"])

    assert list(labels.columns) == [
        *("item", "index", "audio", "hypothesis", "text", "status", "reason", "note"),
        *("annotator", "seconds", "unheard", "actions", "time", "journal"),
    ]
    assert labels["annotator"].tolist() == ["ann", "ann", "ben", "ben"]
    assert labels["text"].tolist() == ["by ann", "so it is", "by ben", "so it is"]
    assert labels["index"].tolist() == [0, 1, 0, 1]
    assert labels["seconds"].tolist() == [3.5, 0.0, 3.5, 0.0]


def test_an_empty_or_new_journal_is_an_empty_frame(path):
    opened(path).close()

    labels = asrkit.read_labels(path)

    assert len(labels) == 0
    assert "text" in labels.columns


def test_a_journal_that_is_not_there_is_said(tmp_path):
    with pytest.raises(LabelsError, match="cannot be read: No such file"):
        asrkit.read_labels(tmp_path / "gone.jsonl")


def test_reading_needs_no_widget(path):
    with opened(path) as journal:
        journal.accept("item0", "text")
    code = """
        import sys, asrkit
        assert asrkit.read_labels(sys.argv[1])["text"].tolist() == ["text"]
        assert not {"anywidget", "ipywidgets", "torch", "av"} & set(sys.modules)
    """

    in_another_process(code, path)
