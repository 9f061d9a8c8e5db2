"""The power goes: what was not synced is lost, cut, or there in part. What was acknowledged must be there."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import asrkit
from asrkit.journal.run import Run
from asrkit.journal.store import Journal

apsw = pytest.importorskip("apsw")

ROWS = 400
POINTS = 300
SECTOR = 512
WAYS = ("dropped", "cut", "half")
Step = tuple[str, str, int, bytes]  # what, file, offset or size, content


class Recorder(apsw.VFS):
    """Writes down what SQLite asks of the disk, and does it."""

    def __init__(self, steps: list[Step]) -> None:
        self.steps = steps
        super().__init__("recorder", base="")

    def xOpen(self, name, flags):
        return RecordedFile(self.steps, name, flags)

    def xDelete(self, name, sync):
        self.steps.append(("delete", str(name), 0, b""))
        super().xDelete(name, sync)


class RecordedFile(apsw.VFSFile):
    def __init__(self, steps: list[Step], name, flags) -> None:
        self.steps = steps
        self.name = name if isinstance(name, str) else name.filename()
        super().__init__("", name, flags)

    def xWrite(self, data, offset):
        self.steps.append(("write", self.name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size):
        self.steps.append(("truncate", self.name, size, b""))
        super().xTruncate(size)

    def xSync(self, flags):
        super().xSync(flags)
        self.steps.append(("sync", self.name, 0, b""))


class Careless:
    """A connection that never waits for the disk."""

    def __init__(self, connection) -> None:
        self.connection = connection

    def execute(self, statement, values=()):
        return self.connection.execute(statement.replace("synchronous = FULL", "synchronous = OFF"), values)

    def executemany(self, statement, values):
        return self.connection.executemany(statement, values)

    def close(self):
        self.connection.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory, where there is such a folder: the machine's own syncs say nothing here."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def recorded(path: Path, *, is_careless: bool) -> list[Step]:
    """The steps of a run; ``given`` says how many rows are acknowledged."""
    steps: list[Step] = []
    vfs = Recorder(steps)

    def connect(name):
        connection = apsw.Connection(name, vfs="recorder")
        return Careless(connection) if is_careless else connection

    run = Run.open((path, True), asrkit.Canned(["x"]), connect=connect)
    chance = random.Random(3)
    for number in range(ROWS):
        run.keep(key(number), asrkit.Transcript(text(number), duration=1.0))
        if run.is_due or chance.random() < 0.05:
            run.commit()
            steps.append(("given", "", number + 1, b""))
    run.end()
    vfs.unregister()
    return steps


def key(number: int) -> bytes:
    return random.Random(number).randbytes(32)


def text(number: int) -> str:
    return f"row {number} " * (1 + number % 60)


def after_power_loss(steps: list[Step], way: str, chance: random.Random) -> dict[str, bytes]:
    """What is in each file."""
    files: dict[str, bytearray] = {}
    for name in {name for what, name, *_ in steps if what != "given"}:
        own = [step for step in steps if step[1] == name]
        synced = max((place for place, step in enumerate(own) if step[0] == "sync"), default=-1)
        content = bytearray()
        for place, (what, _, offset, data) in enumerate(own):
            if place > synced:
                if way == "dropped" or chance.random() < 0.5:
                    continue
                if way == "cut":
                    data = data[: SECTOR * chance.randrange(len(data) // SECTOR + 1)]
            if what == "write" and data:
                content.extend(bytes(max(0, offset - len(content))))
                content[offset : offset + len(data)] = data
            elif what == "truncate":
                content = content[:offset].ljust(offset, b"\0")
            elif what == "delete":
                content = bytearray()
        files[name] = content
    return {name: bytes(content) for name, content in files.items()}


def losses(folder: Path, *, is_careless: bool) -> tuple[int, int]:
    """At how many points acknowledged rows were lost, and at how many the file was damaged."""
    path = folder / "kept.sqlite"
    steps = recorded(path, is_careless=is_careless)
    chance = random.Random(4)
    lost = damaged = 0
    for point in range(POINTS):
        until = steps[: chance.randrange(len(steps))]
        given = max((step[2] for step in until if step[0] == "given"), default=0)
        for file in folder.glob("kept.sqlite*"):
            if file.is_file():
                file.unlink()
        path.touch()
        for name, content in after_power_loss(until, WAYS[point % 3], chance).items():
            if content:
                Path(name).write_bytes(content)
        try:
            with Journal(path) as journal:
                damaged += bool(journal.check())
                kept = journal.results(key(number) for number in range(given))
            lost += not all(text(number) in kept[key(number)].detail for number in range(given) if key(number) in kept)
            lost += len(kept) < given
        except asrkit.errors.JournalError:
            damaged += 1
    return lost, damaged


def test_what_was_acknowledged_is_never_lost(folder):
    assert losses(folder, is_careless=False) == (0, 0)


def test_that_it_would_show(folder):
    lost, damaged = losses(folder, is_careless=True)

    assert lost > 20
    assert damaged > 20
