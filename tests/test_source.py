from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asrkit.errors import SourceError
from asrkit.source import ArraySource, ByteSource, FileSource, UrlSource, describe, is_missing, locate

SECRET = "hunter2"


def read(cell: Any) -> bytes:
    with locate(cell).open() as file:
        return file.read()


def refusal(cell: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(cell)
    return caught.value


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "a clip.wav"
    path.write_bytes(b"RIFF....")
    return path


@pytest.fixture
def memory():
    """fsspec's filesystem in memory, empty."""
    import fsspec

    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


@pytest.fixture
def refused_port() -> int:
    """A port of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("cell", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, np.float64("nan")])
def test_missing_values_say_that_there_is_no_audio(cell):
    assert is_missing(cell)


@pytest.mark.parametrize("cell", ["", "nan", b"", 0.0, [], {}, (None, None), np.zeros(3)])
def test_what_is_empty_or_wrong_is_not_missing(cell):
    assert not is_missing(cell)


class TestPaths:
    def test_a_text_is_a_path(self, clip):
        assert locate(str(clip)) == FileSource(clip)
        assert read(str(clip)) == b"RIFF...."

    def test_a_path_object_is_a_path(self, clip):
        assert locate(clip) == FileSource(clip)

    def test_the_tilde_is_the_home_folder(self, clip, monkeypatch):
        monkeypatch.setenv("HOME", str(clip.parent))
        monkeypatch.setenv("USERPROFILE", str(clip.parent))

        assert locate(f"~/{clip.name}") == locate(Path("~") / clip.name) == FileSource(clip)

    @pytest.mark.parametrize("form", ["file://{}", "file:{}", "file://localhost{}", "FILE://{}", "File://LOCALHOST{}"])
    def test_a_file_url_is_a_path_with_its_percent_signs_read(self, clip, form):
        url = form.format(str(clip).replace(" ", "%20"))

        assert read(url) == b"RIFF...."

    def test_a_drive_letter_is_no_scheme(self):
        assert isinstance(locate("C:\\clips\\a.wav"), FileSource)

    @pytest.mark.parametrize("name", ["what?.wav", "50%20.wav", "a#1.wav", "a@b.wav", "ключ.wav", "-rf.wav", "a:b.wav"])
    def test_an_odd_name_is_still_a_name(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"sound")

        assert read(str(tmp_path / name)) == b"sound"
        assert describe(str(tmp_path / name)) == str(tmp_path / name)

    def test_a_relative_path_that_is_not_there_tells_where_it_was_looked_for(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        error = refusal("clips/a.wav")

        assert error.code == "not-found"
        assert str(error) == f"no such file: clips/a.wav (looked in {tmp_path})"

    def test_a_file_in_the_place_of_a_folder_is_not_found(self, clip):
        assert refusal(clip / "inner.wav").code == "not-found"

    def test_a_folder_is_no_file(self, tmp_path):
        error = refusal(tmp_path)

        assert error.code == "not-a-file"
        assert "name an audio file" in str(error)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
    def test_a_pipe_is_refused_and_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.wav")

        assert refusal(tmp_path / "pipe.wav").code == "not-a-file"

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read_is_unreadable(self, clip):
        clip.chmod(0)

        assert refusal(clip).code == "unreadable"

    def test_a_name_too_long_for_the_filesystem_is_one_rows_error(self):
        assert refusal("a" * 5_000 + ".wav").code == "unreadable"

    @pytest.mark.parametrize("text", ["", "  ", "a\0b.wav"])
    def test_a_text_that_is_no_path_is_a_bad_cell(self, text):
        assert refusal(text).code == "bad-cell"


class TestBytes:
    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_bytes_of_any_kind_are_a_file_in_memory(self, kind):
        assert locate(kind(b"RIFF")) == ByteSource(b"RIFF")
        assert read(kind(b"RIFF")) == b"RIFF"

    def test_an_open_file_is_read_whole_and_keeps_its_position(self, clip):
        with clip.open("rb") as file:
            file.seek(3)

            assert read(file) == b"RIFF...."
            assert file.tell() == 3

    def test_a_file_in_memory_at_its_end_is_read_whole(self):
        file = BytesIO(b"RIFF")
        file.read()

        assert read(file) == b"RIFF"
        assert read(file) == b"RIFF"

    def test_what_cannot_seek_is_read_from_where_it_is(self):
        reader, writer = os.pipe()
        os.write(writer, b"RIFF")
        os.close(writer)

        with os.fdopen(reader, "rb") as file:
            assert read(file) == b"RIFF"

    def test_a_closed_file_is_unreadable(self, clip):
        with clip.open("rb") as file:
            pass

        error = refusal(file)

        assert error.code == "unreadable"
        assert "closed file" in str(error)

    def test_a_file_opened_as_text_is_refused_with_advice(self):
        error = refusal(StringIO("RIFF"))

        assert error.code == "bad-cell"
        assert "open it with mode 'rb'" in str(error)


class TestArrays:
    @pytest.mark.parametrize(
        "cell",
        [
            (np.arange(4.0), 8_000),
            ([0.0, 1.0, 2.0, 3.0], 8_000),
            (np.arange(4), np.int64(8_000)),
            (np.arange(4), 8_000.0),
            {"array": np.arange(4.0), "sampling_rate": 8_000},
            {"array": [0, 1, 2, 3], "sampling_rate": 8_000, "path": "nowhere.wav"},
            {"array": np.arange(4.0), "sample_rate": 8_000, "bytes": None},
        ],
        ids=repr,
    )
    def test_samples_with_their_rate(self, cell):
        source = locate(cell)

        assert isinstance(source, ArraySource)
        assert source.samples.tolist() == [0, 1, 2, 3]
        assert source.sampling_rate == 8_000

    def test_a_tensor_with_its_rate(self):
        import torch

        source = locate((torch.arange(4, dtype=torch.bfloat16, requires_grad=True), 8_000))

        assert source.samples.tolist() == [0, 1, 2, 3]

    def test_what_decodes_late_is_asked_for_its_samples(self):
        import torch

        samples = SimpleNamespace(data=torch.zeros(2, 100), sample_rate=44_100)
        cell = SimpleNamespace(get_all_samples=lambda: samples)

        source = locate(cell)

        assert source.samples.shape == (2, 100)
        assert source.sampling_rate == 44_100

    @pytest.mark.parametrize(
        ("cell", "said"),
        [
            (np.zeros(3), "samples without their sampling rate"),
            ((np.zeros(3), None), "at the rate None"),
            ((np.zeros(3), 16_000.5), "at the rate 16000.5"),
            ((np.zeros(3), 0), "at 0 Hz"),
            ((np.zeros(3), float("inf")), "rate inf"),
            ((np.zeros((2, 3, 4)), 8_000), r"shape \(2, 3, 4\)"),
            ((np.array(["a"]), 8_000), "samples of type <U1"),
            (([[1.0], [1.0, 2.0]], 8_000), "samples of type list"),
            ((np.zeros(3, complex), 8_000), "complex128"),
            ({"array": np.zeros(3)}, "at the rate None"),
        ],
    )
    def test_samples_that_are_none_say_what_came(self, cell, said):
        with pytest.raises(SourceError, match=said) as caught:
            locate(cell)

        assert caught.value.code == "bad-cell"

    def test_a_tensor_without_its_rate_is_refused_with_advice(self):
        import torch

        with pytest.raises(SourceError, match=r"give \(samples, sampling_rate\)"):
            locate(torch.zeros(3))


class TestMappings:
    def test_bytes_go_before_the_path_that_they_came_from(self, clip):
        assert read({"bytes": b"other", "path": str(clip)}) == b"other"

    @pytest.mark.parametrize("kind", [str, Path])
    def test_without_bytes_the_path_is_read(self, clip, kind):
        assert read({"bytes": None, "path": kind(clip)}) == b"RIFF...."

    def test_empty_bytes_are_bytes(self, clip):
        assert locate({"bytes": b"", "path": str(clip)}) == ByteSource(b"")

    @pytest.mark.parametrize("cell", [{}, {"bytes": None, "path": None}, {"text": "hello"}])
    def test_a_dict_without_audio_tells_its_keys(self, cell):
        with pytest.raises(SourceError, match=r"a dict with the keys \[") as caught:
            locate(cell)

        assert caught.value.code == "bad-cell"


class TestOtherCells:
    @pytest.mark.parametrize("cell", [3, 2.5, True, ["a.wav"], object(), (1, 2, 3), (), {"a.wav"}, pd.Timestamp(0)])
    def test_anything_else_is_a_bad_cell_that_says_what_is_expected(self, cell):
        with pytest.raises(SourceError, match=r"expected a path, a URL, bytes") as caught:
            locate(cell)

        assert caught.value.code == "bad-cell"
        assert type(cell).__name__ in str(caught.value)
        assert describe(cell)

    @pytest.mark.parametrize("cell", ["a.wav", b"RIFF", (np.zeros(3), 8_000), "memory://a.wav"])
    def test_a_source_is_its_own_source(self, cell):
        source = locate(cell)

        assert locate(source) is source

    def test_a_huge_cell_makes_no_huge_message(self):
        with pytest.raises(SourceError) as caught:
            locate(["x" * 10_000])

        assert len(str(caught.value)) < 500


class TestUrls:
    def test_fsspec_fetches_it(self, memory):
        memory.pipe("/clips/a.wav", b"sound")

        assert locate("memory://clips/a.wav") == UrlSource("memory://clips/a.wav")
        assert read("memory://clips/a.wav") == b"sound"

    def test_a_file_inside_an_archive_is_fetched_through_both(self, memory, tmp_path):
        import zipfile

        with zipfile.ZipFile(tmp_path / "clips.zip", "w") as archive:
            archive.writestr("a.wav", b"sound")
        memory.pipe("/clips.zip", (tmp_path / "clips.zip").read_bytes())

        assert read("zip://a.wav::memory://clips.zip") == b"sound"

    def test_one_that_is_not_there_is_not_found(self, memory):
        error = refusal("memory://no.wav")

        assert error.code == "not-found"
        assert str(error) == "memory://no.wav does not exist"

    def test_an_unknown_scheme_is_named(self):
        error = refusal("gopher://host/a.wav")

        assert error.code == "no-filesystem"
        assert "gopher://" in str(error)

    @pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
    def test_a_filesystem_that_is_not_installed_is_named(self):
        error = refusal("s3://bucket/a.wav")

        assert error.code == "no-filesystem"
        assert "s3fs" in str(error)

    @pytest.mark.parametrize(
        "url",
        [
            f"gopher://user:{SECRET}@host/a.wav?token={SECRET}",
            f"s3://key:{SECRET}@bucket/a.wav",
            f"memory://user:{SECRET}@host/a.wav?token={SECRET}",
            f"zip://a.wav::memory://user:{SECRET}@host/a.zip",
        ],
    )
    def test_no_message_tells_a_secret(self, memory, url):
        assert SECRET not in str(refusal(url))

    @pytest.mark.parametrize("form", ["http://user:{s}@{host}/a.wav", "http://{host}/a%20b.wav?token={s}&x=%C3%BC"])
    def test_no_message_about_a_refused_connection_tells_a_secret(self, refused_port, form, monkeypatch):
        monkeypatch.setenv("ASRKIT_ALLOW_PRIVATE_URLS", "1")
        url = form.format(s=SECRET, host=f"127.0.0.1:{refused_port}")

        error = refusal(url)

        assert error.code == "unreachable"
        assert f"127.0.0.1:{refused_port}" in str(error)
        assert SECRET not in str(error)

    @pytest.mark.parametrize(
        "cell",
        [
            f"https://user:{SECRET}@host/a.wav?token={SECRET}",
            f"https://host/{'a' * 100}.wav?token={SECRET}&signature={'x' * 300}",
            {"bytes": None, "path": f"https://user:{SECRET}@host/a.wav?token={SECRET}"},
            UrlSource(f"https://user:{SECRET}@host/a.wav"),
        ],
        ids=["short", "signed", "in a dict", "source"],
    )
    def test_no_description_tells_a_secret(self, cell):
        assert SECRET not in describe(cell)
        assert "https://" in describe(cell)

    def test_a_secret_with_an_at_sign_is_one_too(self):
        assert describe(f"https://user:p@{SECRET}@host/a.wav") == "https://host/a.wav"


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("a.wav", "a.wav"),
        (Path("a.wav"), "a.wav"),
        (b"RIFF", "<4 bytes>"),
        ((np.zeros((2, 5)), 8_000), "<array of shape (2, 5)>"),
        ({"array": np.zeros(5), "sampling_rate": 8_000}, "<array of shape (5,)>"),
        ({"bytes": b"..", "path": "a.wav"}, "a.wav"),
        (BytesIO(), "<BytesIO>"),
        (None, "<NoneType>"),
        ("x" * 1_000, "x" * 300 + "..."),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_cell_in_a_few_words(cell, words):
    assert describe(cell) == words
