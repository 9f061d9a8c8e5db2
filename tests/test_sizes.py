"""A header with a wrong size costs no sound, and what follows the sound never becomes any."""

from __future__ import annotations

import shutil
import struct
import subprocess
from functools import lru_cache
from io import BytesIO

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asrkit.audio import load, probe
from asrkit.isolation import Workers

RATE = 16_000
COUNT = 24_000
PCM = (8_000 * np.sin(np.arange(COUNT) / 9)).astype("<i2")
NUMBERS = (0, 1, 44, 4_096, 32_000, 0x7F000000, 0x7FFFFFDB, 0x7FFFFFFF, 0x80000000, 0xFFFFFF00, 0xFFFFFFDB, 0xFFFFFFFF)
TAGS = {
    "nothing": b"",
    "LIST": b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf62.3.100\0\0",
    "two": b"id3 " + struct.pack("<I", 1_001) + b"ID3\x03" + bytes(997) + b"\0",
    "own": b"abcd" + struct.pack("<I", 6) + b"\x40\xf0" * 3,
}


def wav(size: int, tags: bytes = b"", order: str = "<") -> bytes:
    """A mono WAV whose header says that its sound has ``size`` bytes."""
    kind = b"RIFF" if order == "<" else b"RIFX"
    about = struct.pack(order + "IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    riff = struct.pack(order + "I", min(size + 36, 0xFFFFFFFF))
    sound = PCM.astype(order + "i2").tobytes()
    return kind + riff + b"WAVEfmt " + about + b"data" + struct.pack(order + "I", size) + sound + tags


@lru_cache
def encoded(suffix: str, *options: str) -> bytes:
    """The same sound in another container, by FFmpeg."""
    command = ["ffmpeg", "-v", "error", "-f", "wav", "-i", "pipe:0", *options, "-f", suffix, "-y", "/dev/stdout"]
    made = BytesIO()
    if suffix in ("aiff", "au", "caf", "w64"):  # libsndfile writes them with right sizes
        soundfile.write(made, PCM, RATE, format=suffix.upper(), subtype="PCM_16")
        return made.getvalue()
    return subprocess.run(command, input=wav(2 * COUNT), capture_output=True, check=True).stdout


def changed(data: bytes, tag: bytes, size: int, form: str, skip: int = 4) -> bytes:
    """The file with another size in the chunk of this tag."""
    at = data.index(tag) + skip
    return data[:at] + struct.pack(form, size) + data[at + struct.calcsize(form) :]


def assert_whole(data: bytes) -> tuple[str, ...]:
    """All of the sound is there and nothing else; gives the flags."""
    loaded = load(data)
    missing = COUNT - len(loaded.samples)
    assert 0 <= missing <= 4  # as many bytes as padding may have
    assert np.abs(loaded.samples - PCM[: COUNT - missing] / 32_768).max() < 1e-4
    return tuple(warning.split(":")[0] for warning in loaded.warnings)


@pytest.mark.parametrize("tags", TAGS.values(), ids=TAGS.keys())
def test_a_right_size_is_left_alone(tags):
    assert assert_whole(wav(2 * COUNT, tags)) == ()


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.sampled_from(NUMBERS), st.integers(0, 0xFFFFFFFF), st.integers(0, 2 * COUNT - 18)),
    st.sampled_from("<>"),
)
@example(2 * COUNT - 17, "<")
def test_no_size_in_a_wav_costs_sound(size, order):
    flags = assert_whole(wav(size, order=order))

    is_near = any(limit - (1 << 24) - (1 << 16) <= size <= limit + (1 << 16) for limit in (1 << 31, 1 << 32))
    if size == 0 or is_near:
        assert flags == ()
    elif size > 2 * COUNT + 2:
        assert flags == ("truncated",)
    else:
        assert flags == (("wrong-size",) if size < 2 * COUNT - 8 else ())


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.sampled_from(NUMBERS), st.integers(0, 0xFFFFFFFF), st.integers(0, 2 * COUNT)),
    st.sampled_from(["LIST", "two"]),
)
def test_tags_at_the_end_never_become_sound(size, tags):
    flags = assert_whole(wav(size, TAGS[tags]))

    assert set(flags) <= {"wrong-size"}


def test_a_second_of_a_recorder_that_crashed(tmp_path):
    path = tmp_path / "crashed.wav"
    path.write_bytes(wav(RATE))

    assert probe(path).duration == pytest.approx(COUNT / RATE)
    with Workers() as apart:
        assert len(load(path, isolate=apart).samples) == COUNT
    assert np.array_equal(load(path, start=1.0, end=1.4).samples, load(path).samples[RATE : RATE + 6_400])


def test_zeros_after_the_sound_are_padding():
    loaded = load(wav(2 * COUNT) + bytes(5_000))

    assert (len(loaded.samples), loaded.warnings) == (COUNT, ())


def test_what_is_cut_off_is_still_truncated():
    data = wav(2 * COUNT)[:-20_000]

    assert [warning.split(":")[0] for warning in load(data).warnings] == ["truncated"]


OTHERS = {
    "aiff": (b"SSND", ">I", 4, 8, 32),
    "w64": (b"data\xf3\xac", "<Q", 16, 24, 64),
    "caf": (b"data", ">q", 4, 4, 64),
    "au": (b".snd", ">I", 8, 0, 32),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("size", [None, 0, 100, 4_096, RATE, 2 * COUNT - 400])
def test_other_containers_are_read_to_their_end(name, size):
    tag, form, skip, more, _ = OTHERS[name]
    data = encoded(name)

    flags = assert_whole(data if size is None else changed(data, tag, size + more, form, skip))

    assert flags == (("wrong-size",) if size else ())


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("below", [0, 36, 255, 1 << 20])
def test_sizes_near_the_largest_number_say_nothing(name, below):
    tag, form, skip, _, bits = OTHERS[name]
    largest = (1 << bits - (form == ">q")) - 1

    assert assert_whole(changed(encoded(name), tag, largest - below, form, skip)) == ()


@pytest.mark.skipif(shutil.which("sox") is None, reason="sox writes into pipes")
@pytest.mark.parametrize("kind", ["wav", "aiff", "au"])
def test_what_sox_writes_into_a_pipe_is_whole(kind):
    command = ["sox", "-t", "wav", "-", "-t", kind, "-"]
    data = subprocess.run(command, input=wav(2 * COUNT), capture_output=True, check=True).stdout

    assert assert_whole(data) == ()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg writes into pipes")
@pytest.mark.parametrize("kind", ["wav", "au", "w64", "caf"])
def test_what_ffmpeg_writes_into_a_pipe_is_whole(kind):
    coding = "pcm_s16be" if kind in ("au", "caf") else "pcm_s16le"
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-c:a", coding]
    data = subprocess.run(
        [*command, "-f", kind, "pipe:1"], input=wav(2 * COUNT), capture_output=True, check=True
    ).stdout

    assert assert_whole(data) == ()


def test_rf64_with_a_size_from_an_earlier_flush():
    sizes = struct.pack("<QQQI", 10_000, 9_000, 4_500, 0)
    plain = wav(0xFFFFFFFF, TAGS["LIST"])
    data = b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", len(sizes)) + sizes + plain[12:]

    assert assert_whole(data) == ("wrong-size",)


def test_compressed_sound_is_read_to_its_end_too():
    data = encoded("wav", "-c:a", "adpcm_ima_wav")
    whole = load(data)
    size = struct.unpack("<I", data[data.index(b"data") + 4 :][:4])[0]

    hurt = load(changed(data, b"data", 512, "<I"))

    assert size == 0xFFFFFFFF or size > 512
    assert np.array_equal(hurt.samples, whole.samples)
    assert [warning.split(":")[0] for warning in hurt.warnings] == ["wrong-size"]
