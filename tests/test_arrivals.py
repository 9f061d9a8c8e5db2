"""One limit of bytes and of time, whatever way the bytes of a cell take; and which addresses are chains."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from contextlib import suppress
from io import BytesIO, RawIOBase
from pathlib import Path

import pytest
from odd_audio import wav
from test_urls import inner, url_of  # noqa: F401 - a fixture

from asrkit import audio, web
from asrkit.errors import SourceError
from asrkit.source import FileSource, UrlSource, describe, locate

MOST = 300_000  # bytes that a cell may take in these tests
LIMIT = 0.5  # seconds
HANG = 20.0  # seconds after which the limit has not held


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_BYTES", MOST)


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_SECONDS", LIMIT)


@pytest.fixture
def memory():
    """fsspec's filesystem in memory, empty."""
    import fsspec

    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


def zipped(content: bytes, name: str = "a.wav", how: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", how) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def tarred(content: bytes, name: str = "a.wav") -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, BytesIO(content))
    return packed.getvalue()


PACKED = {
    "a.zip": lambda content: zipped(content),
    "stored.zip": lambda content: zipped(content, how=zipfile.ZIP_STORED),
    "bzip2.zip": lambda content: zipped(content, how=zipfile.ZIP_BZIP2),
    "lzma.zip": lambda content: zipped(content, how=zipfile.ZIP_LZMA),
    "a.tar": tarred,
    "a.tar.gz": lambda content: gzip.compress(tarred(content)),
    "a.tar.bz2": lambda content: bz2.compress(tarred(content)),
    "a.tar.xz": lambda content: lzma.compress(tarred(content)),
}


def kind(name: str) -> str:
    return "zip" if name.endswith("zip") else "tar"


def read(cell: object) -> bytes:
    with locate(cell, allow_private_urls=True).open() as file:
        return file.read()


def code_of(cell: object) -> str:
    with pytest.raises(SourceError) as caught:
        read(cell)
    return caught.value.code


class TestArchives:
    @pytest.mark.parametrize("name", PACKED)
    @pytest.mark.parametrize("way", ["file", "path", "memory", "http", "simplecache"])
    def test_a_small_one_that_becomes_huge_is_too_large(self, name, way, few_bytes, tmp_path, memory, inner):  # noqa: F811
        data = PACKED[name](bytes(20 * MOST))
        (tmp_path / name).write_bytes(data)
        memory.pipe(f"/{name}", data)
        inner.content = data
        around = {
            "file": (tmp_path / name).as_uri(),
            "path": str(tmp_path / name),
            "memory": f"memory://{name}",
            "http": url_of(inner, f"/{name}"),
            "simplecache": f"simplecache::memory://{name}",
        }[way]

        assert code_of(f"{kind(name)}://a.wav::{around}") == "too-large"

    @pytest.mark.parametrize("name", PACKED)
    def test_the_file_in_it_comes_out_whole(self, name, tmp_path):
        (tmp_path / name).write_bytes(PACKED[name](wav()))

        assert read(f"{kind(name)}://a.wav::{(tmp_path / name).as_uri()}") == wav()
        assert code_of(f"{kind(name)}://b.wav::{(tmp_path / name).as_uri()}") == "not-found"
        assert code_of(f"{kind(name)}://::{(tmp_path / name).as_uri()}") == "not-found"

    def test_one_in_another(self, tmp_path, few_bytes):
        (tmp_path / "outer.tar").write_bytes(tarred(zipped(wav()), "inner.zip"))
        (tmp_path / "bomb.tar").write_bytes(tarred(zipped(bytes(20 * MOST)), "inner.zip"))

        assert read(f"zip://a.wav::tar://inner.zip::{(tmp_path / 'outer.tar').as_uri()}") == wav()
        assert code_of(f"zip://a.wav::tar://inner.zip::{(tmp_path / 'bomb.tar').as_uri()}") == "too-large"

    def test_the_archive_and_the_file_in_it_share_the_limit(self, tmp_path, few_bytes, inner):  # noqa: F811
        inner.content = zipped(os.urandom(int(0.6 * MOST)))

        assert code_of(f"zip://a.wav::{url_of(inner, '/a.zip')}") == "too-large"

    @pytest.mark.parametrize("name", PACKED)
    def test_a_damaged_one_has_a_code(self, name, tmp_path):
        data = PACKED[name](wav())
        for place in range(0, len(data), max(1, len(data) // 60)):
            (tmp_path / name).write_bytes(data[:place] + b"\xff" * 7 + data[place + 7 :])
            with suppress(SourceError):  # or some bytes
                read(f"{kind(name)}://a.wav::{(tmp_path / name).as_uri()}")
        (tmp_path / name).write_bytes(data[: len(data) // 2])
        assert code_of(f"{kind(name)}://a.wav::{(tmp_path / name).as_uri()}") in ("unreadable", "not-found")

    def test_a_list_of_millions_of_files_is_not_read(self, tmp_path):
        entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
        count = 400_000
        listing = entry * count
        end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listing), 0)
        end += struct.pack("<4sIQI", b"PK\6\7", 0, len(listing), 1)
        end += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65_535, 65_535, 2**32 - 1, 2**32 - 1, 0)
        (tmp_path / "many.zip").write_bytes(listing + end)

        with pytest.raises(SourceError, match="list of files has over 16 MB"):
            read(f"zip://a.wav::{(tmp_path / 'many.zip').as_uri()}")

    def test_a_header_of_gigabytes_is_not_read(self, tmp_path):
        pax = tarfile.TarInfo("pax")
        pax.type, pax.size = tarfile.XHDTYPE, 2**31
        path = tmp_path / "pax.tar"
        path.write_bytes(pax.tobuf())
        os.truncate(path, 2**31 + 4_096)

        with pytest.raises(SourceError, match="list of files has over 1 MB"):
            read(f"tar://a.wav::{path.as_uri()}")

    def test_a_bomb_takes_neither_disk_nor_memory(self, tmp_path):
        """As much as the limit says, enforced by the system."""
        packed = BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.wav", "w") as file:
            for _ in range(300):
                file.write(bytes(2**20))
        (tmp_path / "bomb.zip").write_bytes(packed.getvalue())
        code = (
            "import resource, sys\nfrom asrkit import web\nfrom asrkit.source import locate\n"
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({2**26 + 2**22}, {2**26 + 2**22}))\n"
            f"web.MOST_BYTES = {2**26}\n"
            "try:\n    locate(sys.argv[1]).open().__enter__()\nexcept Exception as error:\n    print(error.code)"
        )
        url = f"zip://a.wav::{(tmp_path / 'bomb.zip').as_uri()}"
        done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True)

        assert done.stdout.strip() == "too-large", done.stderr


class TestOtherWays:
    @pytest.mark.parametrize(
        "url", ["memory://big.wav", "simplecache::memory://big.wav", "filecache::memory://big.wav"]
    )
    def test_a_filesystem_of_fsspec_has_the_same_limit(self, url, memory, few_bytes):
        memory.pipe("/big.wav", bytes(2 * MOST))

        assert code_of(url) == "too-large"

    def test_an_answer_that_is_packed_is_not_unpacked(self, inner, few_bytes):  # noqa: F811
        inner.content = gzip.compress(bytes(20 * MOST))

        with pytest.raises(audio.DecodeError, match="gzip"):
            audio.load(UrlSource(url_of(inner), allow_private=True))

    @pytest.mark.parametrize("special", ["/dev/zero", "fifo", "folder"])
    @pytest.mark.parametrize(
        "form", ["zip://a.wav::file://{}", "tar://a.wav::{}", "simplecache::file://{}", "local://{}"]
    )
    def test_no_chain_leads_to_what_is_no_regular_file(self, special, form, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "folder").mkdir()

        assert code_of(form.format(tmp_path / special if special[0] != "/" else special)) == "not-a-file"

    def test_a_filesystem_that_hangs_ends_in_time(self, little_time, memory, monkeypatch):
        memory.pipe("/slow.wav", wav())
        held = threading.Event()
        monkeypatch.setattr(type(memory), "_open", lambda *_, **__: held.wait(HANG * 2))
        began = time.monotonic()

        with pytest.raises(SourceError, match=r"did not come within 0\.5 s"):
            read("memory://slow.wav")
        held.set()

        assert time.monotonic() - began < HANG

    def test_a_filesystem_that_drips_ends_in_time(self, little_time, memory, monkeypatch):
        class Dripping(RawIOBase):
            def read(self, count=-1):
                time.sleep(0.05)
                return b"x"

        memory.pipe("/slow.wav", wav())
        monkeypatch.setattr(type(memory), "_open", lambda *_, **__: Dripping())
        began = time.monotonic()

        assert code_of("memory://slow.wav") == "unreachable"
        assert time.monotonic() - began < HANG

    def test_a_file_object_that_never_ends_is_too_large(self, few_bytes):
        with Path("/dev/zero").open("rb", buffering=0) as file:
            assert code_of(file) == "too-large"

    def test_a_file_object_that_never_gives_ends_in_time(self, little_time):
        one, other = socket.socketpair()
        with one, other, one.makefile("rb") as file:
            began = time.monotonic()

            assert code_of(file) == "unreachable"
            assert time.monotonic() - began < HANG
            other.close()

    def test_a_file_object_that_fails_has_a_code(self):
        class Failing(BytesIO):
            def read(self, count=-1):
                raise RuntimeError("no such luck")

        assert code_of(Failing(b"RIFF")) == "unreadable"

    @pytest.mark.parametrize("data", [10**12, -1, "text", 1.5, [300], {"a": 1}])
    def test_bytes_that_are_none_are_a_bad_cell(self, data):
        assert code_of({"bytes": data, "path": None}) == "bad-cell"

    def test_a_chain_of_a_thousand_links_has_a_code(self, tmp_path):
        (tmp_path / "a.zip").write_bytes(zipped(wav()))

        assert code_of("zip://a.wav::" * 1_000 + (tmp_path / "a.zip").as_uri()) == "unreachable"


class TestColons:
    @pytest.mark.parametrize(
        "path",
        ["/a::b.wav", "/a.wav?t=12::30", "/a.wav?u=x::http://b", "/::", "/zip::a.wav", "/a.wav#12::30", "/%3A%3A::x"],
    )
    def test_two_colons_in_an_address_are_part_of_it(self, path, inner):  # noqa: F811
        assert read(url_of(inner, path)) == wav()
        assert inner.seen[0][0].split("#")[0] == path.split("#")[0]

    def test_an_address_of_ipv6(self):
        import http.server

        class Six(http.server.HTTPServer):
            address_family = socket.AF_INET6

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(wav() if not self.path.endswith("zip") else zipped(wav()))

            def log_message(self, *_):
                pass

        try:
            server = Six(("::1", 0), Answer)
        except OSError:
            pytest.skip("this machine has no IPv6")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            at = f"http://[::1]:{server.server_port}"
            assert read(f"{at}/a::b.wav") == wav()
            assert read(f"zip://a.wav::{at}/a.zip") == wav()
            with pytest.raises(SourceError, match="not a public address"):
                audio.load(f"{at}/a.wav")
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    @pytest.mark.parametrize("name", ["a::b.wav", "take::2.wav", "::", "x::http:.wav", "ab::cd::ef"])
    def test_two_colons_in_a_path(self, name, tmp_path, monkeypatch):
        (tmp_path / name).write_bytes(b"sound")
        monkeypatch.chdir(tmp_path)

        assert locate(name) == FileSource(Path(name))
        assert read(name) == read(str(tmp_path / name)) == b"sound"
        assert describe(name) == name

    def test_two_colons_in_a_bucket_and_in_an_archive(self, memory, tmp_path):
        memory.pipe("clips/a::b.wav", b"sound")
        memory.pipe("a::b.zip", zipped(b"sound", "a::b.wav"))
        (tmp_path / "a::b.zip").write_bytes(zipped(b"sound", "a::b.wav"))

        assert read("memory://clips/a::b.wav") == b"sound"
        assert read("zip://a::b.wav::memory://a::b.zip") == b"sound"
        assert read(f"zip://a::b.wav::{(tmp_path / 'a::b.zip').as_uri()}") == b"sound"


def test_a_tar_gives_the_last_of_its_entries_of_a_name_and_follows_its_links(tmp_path):
    path = tmp_path / "a.tar"
    (tmp_path / "old.wav").write_bytes(b"old")
    (tmp_path / "new.wav").write_bytes(wav())
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "old.wav", "./in/a.wav")
        archive.add(tmp_path / "new.wav", "./in/a.wav")
        for name, kind, target in [
            ("in/soft.wav", tarfile.SYMTYPE, "a.wav"),
            ("hard.wav", tarfile.LNKTYPE, "./in/a.wav"),
            ("round.wav", tarfile.SYMTYPE, "round.wav"),
            ("gone.wav", tarfile.SYMTYPE, "../../etc/passwd"),
        ]:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            archive.addfile(entry)

    for name in ("in/a.wav", "./in/a.wav", "in/soft.wav", "hard.wav"):
        assert read(f"tar://{name}::{path.as_uri()}") == wav()
    for name in ("round.wav", "gone.wav", "in"):
        assert code_of(f"tar://{name}::{path.as_uri()}") == "not-found"
