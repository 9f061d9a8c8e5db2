"""A file is told from what it was overwritten with, whatever its size and times say, and so is a model."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_weights import folder, hub_cache, tiny_whisper  # noqa: F401 - fixtures

import asrkit
from asrkit import digests
from asrkit.audio import Audio, encode
from asrkit.errors import WeightsError
from asrkit.journal import schema
from asrkit.journal.store import Journal
from asrkit.weights import PACKAGES, find

LONG_AGO = 1_700_000_000
PACKAGED = "openai/whisper-tiny.en"

packaged = pytest.mark.skipif(PACKAGES[PACKAGED].files() is None, reason=f"no weight package of {PACKAGED}")


def clip(peak: float) -> bytes:
    """Always of the same size."""
    return encode(Audio(np.full(1_000, peak, np.float32)), "wav").data


def hear(cells: list[Any], journal: Path) -> tuple[list[str], int]:
    """The texts, which tell the loudness, and how many clips were heard for them."""
    model = asrkit.Canned(lambda audio: f"{float(np.abs(audio.samples).max()):.2f}")
    heard = list(asrkit.transcribe(cells, model=model, journal=journal, progress=False))
    return [one.text for one in heard], model.heard


def settle(*paths: Path) -> None:
    """Make files look old, and wait until the clock of the file system has moved on."""
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))
    time.sleep(0.1)


# -- files


def written_over(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)


def by_a_map(path: Path, content: bytes) -> None:
    import mmap

    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:] = content
        mapped.flush()


def renamed_over(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, (LONG_AGO, LONG_AGO))
    other.replace(path)


def linked_elsewhere(path: Path, content: bytes) -> None:
    other = path.with_name("other")
    other.write_bytes(content)
    os.utime(other, (LONG_AGO, LONG_AGO))
    path.unlink()
    path.symlink_to(other)


def made_again(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


WAYS = [written_over, by_a_map, renamed_over, linked_elsewhere, made_again]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_with_other_content_and_the_same_size_and_time_is_heard_again(tmp_path, way):
    path, journal = tmp_path / "a.wav", tmp_path / "journal.sqlite"
    path.write_bytes(clip(0.1))
    settle(path)
    assert hear([path], journal) == (["0.10"], 1)
    assert hear([path], journal) == (["0.10"], 0)

    way(path, clip(0.2))
    os.utime(path, (LONG_AGO, LONG_AGO))

    assert hear([path], journal) == (["0.20"], 1)


def test_a_file_that_changes_right_after_it_was_read_is_heard_again_every_time(tmp_path):
    """Within one step of the clock a file may change without its times telling."""
    path, journal = tmp_path / "a.wav", tmp_path / "journal.sqlite"
    for number in range(30):
        peak = 0.1 + 0.01 * number
        path.write_bytes(clip(peak))
        os.utime(path, (LONG_AGO, LONG_AGO))

        assert hear([path], journal)[0] == [f"{peak:.2f}"]


def test_another_name_or_other_rights_of_a_file_under_way_do_not_make_it_another(tmp_path):
    path, journal = tmp_path / "a.wav", tmp_path / "journal.sqlite"
    path.write_bytes(clip(0.1))
    settle(path)

    def heard(audio: Audio) -> str:
        path.chmod(0o600)
        (tmp_path / "second name").hardlink_to(path)
        return "0.10"

    list(asrkit.transcribe([path], model=asrkit.Canned(heard, name="canned"), journal=journal, progress=False))

    with Journal(journal) as opened:
        assert opened.read("SELECT count(*) FROM results") == [(1,)]


def test_a_journal_of_the_first_version_keeps_its_rows_and_reads_its_files_once_more(tmp_path, monkeypatch):
    paths, journal = [tmp_path / f"{number}.wav" for number in range(3)], tmp_path / "journal.sqlite"
    for number, path in enumerate(paths):
        path.write_bytes(clip(0.1 + 0.1 * number))
    settle(*paths)
    make_first_version(journal, paths, monkeypatch)
    written_over(paths[1], clip(0.9))
    os.utime(paths[1], (LONG_AGO, LONG_AGO))
    time.sleep(0.1)

    assert hear(paths, journal) == (["0.10", "0.90", "0.30"], 1)
    read = files_read(monkeypatch)
    assert hear(paths, journal) == (["0.10", "0.90", "0.30"], 0)

    assert read == []
    with sqlite3.connect(journal) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
        assert connection.execute("SELECT count(*), count(ctime_ns) FROM files").fetchone() == (3, 3)
        assert connection.execute("SELECT count(*) FROM results").fetchone() == (4,)


def make_first_version(journal: Path, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal as asrkit 0.1.0 has left it."""
    hear(list(paths), journal)
    with sqlite3.connect(journal) as connection:
        tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        first = [statement for statement in schema.MIGRATIONS[0].split(";") if "CREATE TABLE" in statement]
        names = {statement.split()[2]: statement for statement in first}
        for (name,) in tables.fetchall():
            if name not in names:
                connection.execute(f"DROP TABLE {name}")
                continue
            connection.execute(f"ALTER TABLE {name} RENAME TO later")
            connection.execute(names[name])
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))
            connection.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM later")
            connection.execute("DROP TABLE later")
        connection.execute("PRAGMA user_version = 1")
    connection.close()


def files_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from asrkit.journal import run as run_module

    read: list[str] = []
    original = run_module.digest_of
    monkeypatch.setattr(run_module, "digest_of", lambda source: (read.append(str(source)), original(source))[1])
    return read


# -- models


def spoil(path: Path) -> None:
    """Another content of the same size."""
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


READ = [
    *("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json", "tokenizer.json"),
    *("tokenizer_config.json", "vocab.json", "merges.txt", "normalizer.json", "added_tokens.json"),
    *("special_tokens_map.json", "model.safetensors", "model-00002-of-00002.safetensors"),
    "model.safetensors.index.json",
]


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("change", ["changed", "gone", "new"])
def test_every_file_that_loading_reads_is_in_the_digest(folder, name, change):  # noqa: F811
    needed = {"config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"}
    if change != "changed" and name in needed:
        pytest.skip("a model without it is refused")
    if not (folder / name).is_file() and change != "new":
        (folder / name).write_text('{"a": 1}\n')
    if change == "new":
        (folder / name).unlink(missing_ok=True)
    before = find(str(folder)).digest

    if change == "changed":
        spoil_json(folder / name)
    elif change == "gone":
        (folder / name).unlink()
    else:
        (folder / name).write_text('{"a": 1}\n')

    assert find(str(folder)).digest != before


def spoil_json(path: Path) -> None:
    if path.name == "config.json":  # it has to stay a Whisper's
        path.write_text(path.read_text().replace('"d_model": 8', '"d_model": 9'))
    else:
        spoil(path)


def test_parts_of_the_weights_in_folders_below_are_in_the_digest(folder):  # noqa: F811
    (folder / "parts").mkdir()
    (folder / "parts" / "1.safetensors").write_bytes(b"numbers")
    index = {"weight_map": {"a": "parts/1.safetensors", "b": "gone.safetensors", "c": 5}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    before = find(str(folder)).digest

    (folder / "parts" / "1.safetensors").write_bytes(b"others!")

    assert find(str(folder)).digest != before


def test_words_about_a_model_are_not_in_its_digest(folder):  # noqa: F811
    before = find(str(folder)).digest
    for name in ("README.md", "trainer_state.json", "optimizer.pt", "chat_template.json"):
        (folder / name).write_text("{}")

    assert find(str(folder)).digest == before


@pytest.mark.parametrize("place", ["beside", "blobs", "models--x--y/blobs", "hub-like/models--x--y/blobs"])
def test_a_name_of_64_digits_is_believed_nowhere_but_in_the_hubs_cache(folder, tmp_path, place, monkeypatch):  # noqa: F811
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "the cache"))
    blob = tmp_path / place / ("0123456789abcdef" * 4)
    blob.parent.mkdir(parents=True)
    shutil.move(folder / "model.safetensors", blob)
    (folder / "model.safetensors").symlink_to(blob)
    before = find(str(folder)).digest

    spoil(blob)

    assert find(str(folder)).digest != before


def test_in_the_hubs_cache_large_files_are_known_by_their_names(hub_cache, monkeypatch):  # noqa: F811
    hub_cache("someone/whisper-of-mine")
    monkeypatch.setattr("asrkit.weights.file_digest", lambda path: pytest.fail(f"{path} was read"))

    assert find("someone/whisper-of-mine").origin == "hub cache"


def test_an_adapter_is_refused(folder):  # noqa: F811
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "somewhere/else"}')

    with pytest.raises(WeightsError, match="holds an adapter for another model"):
        find(str(folder))


@pytest.mark.parametrize("way", WAYS)
def test_a_remembered_digest_is_forgotten_when_the_file_changes(tmp_path, monkeypatch, way):
    monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "LARGE", 0)
    monkeypatch.setattr(digests, "FRESH", 0.02)
    path = tmp_path / "weights"
    path.write_bytes(clip(0.1))
    settle(path)
    before = digests.file_digest(path)
    with monkeypatch.context() as patched:
        patched.setattr("hashlib.file_digest", lambda file, kind: pytest.fail("it was read again"))
        assert digests.file_digest(path) == before

    way(path, clip(0.2))
    os.utime(path, (LONG_AGO, LONG_AGO))

    assert digests.file_digest(path) != before


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"{}", b'{"stamp": 1, "sha256": "x"}', b"\xff\0"])
def test_a_damaged_note_of_a_digest_is_not_believed(tmp_path, monkeypatch, content):
    monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(digests, "LARGE", 0)
    monkeypatch.setattr(digests, "FRESH", 0.02)
    path = tmp_path / "weights"
    path.write_bytes(b"numbers")
    settle(path)
    before = digests.file_digest(path)
    [note] = (tmp_path / "cache" / "digests").iterdir()
    note.write_bytes(content)

    assert digests.file_digest(path) == before


@packaged
@pytest.mark.model
class TestRealModel:
    @pytest.fixture
    def model(self, tmp_path: Path) -> Path:
        return Path(shutil.copytree(find(PACKAGED).folder, tmp_path / "model"))

    def heard(self, model: Path, journal: Path, sound: Any) -> Any:
        [heard] = asrkit.transcribe(
            [sound], model=str(model), journal=journal, progress=False, speech_gate=False, precision="float32"
        )
        return heard

    def test_another_vocabulary_gives_another_text(self, model, tmp_path, recordings):
        sound, journal = recordings["path"][0], tmp_path / "journal.sqlite"
        before = self.heard(model, journal, sound).text
        tokenizer = json.loads((model / "tokenizer.json").read_text())
        words = tokenizer["model"]["vocab"]
        words["Ġthe"], words["Ġa"], words["Ġand"] = words["Ġa"], words["Ġand"], words["Ġthe"]
        (model / "tokenizer.json").write_text(json.dumps(tokenizer))

        after = self.heard(model, journal, sound).text

        assert {"the", "a", "and"} & set(before.lower().split())
        assert after != before

    def test_a_model_that_changes_before_it_is_loaded_is_refused(self, model):
        whisper = asrkit.Whisper(str(model))
        spoil(model / "generation_config.json")

        with pytest.raises(WeightsError, match="was changed after"):
            list(asrkit.transcribe([clip(0.1)], model=whisper, journal=False, progress=False))


# -- other backends


FUNCTIONS: list[tuple[Callable[..., str], Callable[..., str]]] = [
    (lambda audio: "one", lambda audio: "two"),
    (lambda audio, text="one": text, lambda audio, text="two": text),
    (lambda audio: str(len("a")), lambda audio: str(int(1.5))),
]


def closing_over(text: str) -> Callable[..., str]:
    return lambda audio: text


@pytest.mark.parametrize("first, second", [*FUNCTIONS, (closing_over("one"), closing_over("two"))])
def test_another_function_of_canned_answers_is_another_backend(first, second):
    assert asrkit.Canned(first).fingerprint == asrkit.Canned(first).fingerprint
    assert asrkit.Canned(first).fingerprint != asrkit.Canned(second).fingerprint


def test_a_function_that_cannot_be_looked_into_is_known_to_its_own_backend_alone():
    class Answers:
        def __call__(self, audio: Audio) -> str:
            return "one"

    backend, answers = asrkit.Canned(Answers()), Answers()

    assert backend.fingerprint == backend.fingerprint
    assert asrkit.Canned(answers).fingerprint != asrkit.Canned(answers).fingerprint


def recursive():
    def answer(audio, again=False):
        return "once" if again else answer(audio, again=True)

    return answer


def with_a_name_that_is_never_bound():
    def answer(audio):
        return "early" if audio.duration else later

    if False:
        later = 1
    return answer


@pytest.mark.parametrize("made, text", [(recursive, "once"), (with_a_name_that_is_never_bound, "early")])
def test_any_function_can_answer(made, text):
    sound = (np.ones(1_600, np.float32), 16_000)

    [row] = asrkit.transcribe([sound], model=asrkit.Canned(made()), journal=False, progress=False)

    assert row.text == text
    assert asrkit.Canned(made()).fingerprint == asrkit.Canned(made()).fingerprint
