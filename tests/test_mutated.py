"""Two thousand damaged files of all containers: each is sound or an error with a code, and nothing is printed."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import odd_audio
import pytest
from misbehaving import marked

from asrkit import audio
from asrkit.errors import DecodeError, SourceError
from asrkit.isolation import Workers
from asrkit.source import FetchedSource

SEED = 20_261_128
FILES = 2_000
LENGTH = 0.15  # seconds of each file before it is damaged
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
CONTAINERS = {
    ".wav": ["-c:a pcm_s16le", "-c:a pcm_f32le", "-c:a adpcm_ms", "-c:a libmp3lame", "-rf64 always"],
    ".w64": ["-c:a pcm_s16le"],
    ".caf": ["-c:a pcm_s16le", "-c:a alac", "-c:a libopus -ar 48000"],
    ".aiff": [""],
    ".aifc": ["-c:a pcm_mulaw -f aiff"],
    ".au": ["-c:a pcm_s16be"],
    ".flac": [""],
    ".mp3": [""],
    ".mp2": ["-c:a mp2"],
    ".ogg": ["-c:a libvorbis", "-c:a flac"],
    ".opus": ["-c:a libopus -ar 48000"],
    ".spx": ["-c:a libspeex -ar 16000"],
    ".m4a": ["-c:a aac", "-c:a alac", "-c:a aac -movflags frag_keyframe+empty_moov"],
    ".mov": ["-c:a pcm_s16be"],
    ".mkv": ["-c:a flac"],
    ".webm": ["-c:a libopus -ar 48000"],
    ".wma": ["-c:a wmav2"],
    ".wv": ["-c:a wavpack"],
    ".tta": ["-c:a tta"],
    ".voc": ["-c:a pcm_s16le"],
    ".avi": ["-c:a libmp3lame"],
    ".flv": ["-c:a libmp3lame"],
    ".ts": ["-c:a aac"],
    ".mpg": ["-c:a mp2"],
    ".aac": ["-c:a aac"],
    ".ac3": ["-c:a ac3 -ar 48000"],
    ".eac3": ["-c:a eac3 -ar 48000"],
    ".rm": ["-c:a ac3"],
    ".dts": ["-c:a dca -strict -2 -ar 48000"],
}


def mutated(data: bytes, draw: np.random.Generator) -> bytes:
    """The file with one kind of damage, mostly in its headers."""
    new = bytearray(data)
    head = min(len(new), int(draw.choice([32, 64, 400, 4_000, len(new)])))
    place, other = (int(draw.integers(0, head)) for _ in range(2))
    match draw.integers(0, 7):
        case 0:
            for _ in range(draw.integers(1, 12)):
                new[draw.integers(0, head)] = draw.integers(0, 256)
        case 1 | 2:
            width = int(draw.choice([1, 2, 4, 8]))
            number = int(NUMBERS[draw.integers(0, len(NUMBERS))]) % 256**width
            new[place : place + width] = number.to_bytes(width, "little" if draw.integers(0, 2) else "big")
        case 3:
            del new[int(draw.integers(0, len(new))) :]
        case 4:
            del new[place : place + int(draw.integers(0, 3_000))]
        case 5:
            new[place:place] = draw.bytes(int(draw.integers(1, 3_000)))
        case 6:
            count = int(draw.integers(1, 64))
            new[place : place + count] = new[other : other + count]
    return bytes(new)


@pytest.fixture(scope="module")
def originals() -> list[bytes]:
    """One short file of each container and coding that ffmpeg writes here."""
    made = []
    for suffix, codings in CONTAINERS.items():
        for options in codings:
            try:
                made.append(odd_audio.encode(suffix, f"{options} -t {LENGTH}", rate=16_000, pitches=(400,)))
            except odd_audio.NotMadeHereError as reason:
                print(f"left out {suffix}: {reason}")
    if len(made) < 25:
        pytest.skip("ffmpeg writes the files")
    return made


def outcome(work) -> str:
    try:
        work()
    except (SourceError, DecodeError) as error:
        return error.code
    return "sound"


def test_each_damaged_file_is_sound_or_an_error_with_a_code(originals, tmp_path, capfd):
    """In threads, as a run decodes; from the disk, where a position before the file is an error of the system's."""
    draw = np.random.default_rng(SEED)
    files = [mutated(originals[number % len(originals)], draw) for number in range(FILES)]
    outcomes: Counter[str] = Counter()
    strange: list[str] = []

    def decode(part: list[bytes], path: Path) -> None:
        ways = (
            lambda: audio.load(path),
            lambda: audio.probe(path),
            lambda: list(audio.stream(path, start=0.05, end=0.1, block_seconds=0.02)),
        )
        for number, data in enumerate(part):
            path.write_bytes(data)
            for work in ways if number % 4 == 0 else ways[:1]:
                try:
                    outcomes[outcome(work)] += 1
                except Exception as error:
                    strange.append(f"{type(error).__name__}: {error} ({data[:16]!r})")

    threads = [threading.Thread(target=decode, args=(files[part::2], tmp_path / f"{part}")) for part in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert strange == []
    assert outcomes["sound"] > 0.1 * FILES
    assert outcomes["corrupt"] > 0.02 * FILES
    assert set(outcomes) <= {
        *("sound", "corrupt", "empty", "not-audio", "no-audio-stream", "encrypted", "non-finite"),
        *("too-long", "too-large", "decoder-memory", "timeout"),
    }
    assert tuple(capfd.readouterr()) == ("", "")


def test_isolated_each_has_the_same_outcome(originals):
    draw = np.random.default_rng(SEED + 1)
    files = [mutated(original, draw) for original in originals[::3]]
    with Workers() as apart:
        for data in files:
            here = outcome(lambda data=data: audio.load(data))
            there = outcome(lambda data=data: audio.load(data, isolate=apart))

            assert here == there, data[:64]


@pytest.mark.parametrize("suffix", [".caf", ".w64", ".wma", ".wav", ".mov", ".mkv"])
@pytest.mark.parametrize("kind", ["file", "bytes"])
def test_positions_before_the_file_are_an_answer(suffix, kind, originals, tmp_path, capfd):
    """Every length of eight bytes made negative, one after the other: what seeks by it lands before the file."""
    data = odd_audio.encode(suffix, f"{CONTAINERS[suffix][0]} -t {LENGTH}", rate=16_000, pitches=(400,))
    path = tmp_path / f"clip{suffix}"
    codes = set()
    for place in range(0, min(len(data), 260), 2):
        new = data[:place] + b"\xff" * 8 + data[place + 8 :]
        path.write_bytes(new)
        codes.add(outcome(lambda new=new: audio.load(path if kind == "file" else new)))

    assert codes & {"sound", "corrupt"}
    assert tuple(capfd.readouterr()) == ("", "")


class FailingFile(BytesIO):
    """A disk that gives an error after some bytes."""

    def __init__(self, data: bytes, good: int) -> None:
        super().__init__(data)
        self.good = good

    def read(self, count: int = -1) -> bytes:
        if self.tell() + max(count, 0) > self.good:
            raise OSError(5, "Input/output error")
        return super().read(count)

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".m4a", ".mp3"])
@pytest.mark.parametrize("good", [0, 30, 9_000])
def test_a_disk_that_fails_is_no_damaged_file(suffix, good, capfd):
    data = odd_audio.encode(suffix, "", rate=48_000)

    with pytest.raises(SourceError, match="Input/output error") as caught:
        audio.load(FetchedSource("https://example.org/a", FailingFile(data, good)))

    assert caught.value.code == "unreadable"
    assert tuple(capfd.readouterr()) == ("", "")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"duration": 1.0, "sampling_rate": 1, "channels": 1, "format": "wav"},
        {"duration": "long", "sampling_rate": 1, "channels": 1, "format": "wav", "has_video": False, "tracks": 1},
        {
            "duration": 1.0,
            "sampling_rate": 1,
            "channels": 1,
            "format": "wav",
            "has_video": False,
            "tracks": 1,
            "more": 1,
        },
    ],
)
def test_nonsense_of_a_worker_about_headers_has_a_code(told):
    with Workers(decoder="misbehaving:decode") as apart, pytest.raises(DecodeError, match="no valid answer") as caught:
        audio.probe(marked(json.dumps(told).encode(), "headers"), isolate=apart)

    assert caught.value.code == "decoder-invalid"


@pytest.mark.parametrize("start", [1e8, 1e18, 1e305])
@pytest.mark.parametrize("is_array", [False, True])
def test_a_start_beyond_all_sound_is_an_empty_stretch(start, is_array):
    cell = (np.zeros(8_000), 16_000) if is_array else odd_audio.encode(".flac")

    assert outcome(lambda: audio.load(cell, start=start)) == "empty"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on memory is Linux's")
def test_too_little_memory_is_an_error_with_a_code(tmp_path):
    path = tmp_path / "long.flac"
    path.write_bytes(odd_audio.silent_flac(3 * 3_600, 16_000))
    code = (
        "import resource, sys\nfrom asrkit import audio\nfrom asrkit.errors import DecodeError\n"
        "audio.load(sys.argv[1], end=1.0)\n"
        "used = int(open('/proc/self/status').read().split('VmData:')[1].split()[0]) * 1024\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (used + 2**28, used + 2**28))\n"
        "try:\n    audio.load(sys.argv[1])\nexcept DecodeError as error:\n    print(error.code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)

    assert done.stdout.strip() == "decoder-memory", done.stderr


def test_a_header_of_millions_of_chunks_takes_no_time():
    chunks = b"JUNK\0\0\0\0" * 5_000_000
    with pytest.raises(DecodeError, match="over 10,000 chunks"):
        audio.load(b"RIFF\0\0\0\0WAVE" + chunks)
