"""Streams that do not begin at a frame, and files that are no sound at all."""

from __future__ import annotations

import io
import json
import pickle
import random
import sqlite3
import subprocess
import tarfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from asrkit.audio import load, probe
from asrkit.errors import DecodeError
from asrkit.resync import find_start

SECONDS = 4
STREAMS = {
    "mp3": "-c:a libmp3lame -b:a 64k -f mp3",
    "mp3 of 8 kHz": "-ar 8000 -c:a libmp3lame -f mp3",
    "mp3 of variable rate": "-ar 44100 -q:a 4 -c:a libmp3lame -f mp3",
    "mp2": "-ar 48000 -c:a mp2 -f mp2",
    "aac": "-c:a aac -f adts",
    "loas": "-c:a aac -f latm",
    "ac3": "-ar 48000 -c:a ac3 -f ac3",
    "ac3 of 44.1 kHz": "-ar 44100 -c:a ac3 -f ac3",
    "eac3": "-ar 48000 -c:a eac3 -f eac3",
    "dts": "-ar 48000 -ac 2 -strict -2 -c:a dca -f dts",
    "flac": "-c:a flac -f flac",
    "ts": "-c:a aac -f mpegts",
    "m2ts": "-c:a ac3 -mpegts_m2ts_mode 1 -f mpegts",
    "program stream": "-ar 48000 -c:a mp2 -f vob",
}


@cache
def stream(kind: str) -> bytes:
    """Four seconds of a tone with a little noise."""
    command = f"ffmpeg -v error -f lavfi -i aevalsrc=0.3*sin(2*PI*500*t)+0.01*random(0):s=16000:d={SECONDS}"
    return subprocess.run([*command.split(), *STREAMS[kind].split(), "-"], capture_output=True, check=True).stdout


def pitch(samples: np.ndarray) -> float:
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum)) * 16_000 / len(middle)


@pytest.mark.parametrize("cut", [1, 350, 1_019])
@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_that_begins_within_a_frame_is_heard_and_flagged(kind, cut):
    whole = stream(kind)
    if kind == "flac":
        whole = whole[9_000:]  # its header is followed by 8 kB of padding

    heard = load(whole[cut:])

    lost = 1.2 if kind == "flac" else 0.9  # seconds: what is before the first whole frame
    assert SECONDS - lost < heard.duration < SECONDS + 0.2
    assert pitch(heard.samples) == pytest.approx(500, abs=10)
    assert "damaged" in [warning.split(":")[0] for warning in heard.warnings]
    assert probe(whole[cut:]).channels in (1, 2)


@pytest.mark.parametrize("kind", ["loas", "m2ts"])
def test_a_whole_stream_of_these_kinds_is_heard_without_a_flag(kind):
    heard = load(stream(kind))

    assert heard.duration == pytest.approx(SECONDS, abs=0.2)
    assert heard.warnings == ()


def ape_tag() -> bytes:
    item = b"\x05\0\0\0\0\0\0\0Title\0tones"
    fields = (2000).to_bytes(4, "little") + len(item).to_bytes(4, "little") + (1).to_bytes(4, "little")
    return b"APETAGEX" + fields + b"\0\0\0\xa0" + bytes(8) + item


def id3_tag(size: int) -> bytes:
    body = b"APIC" + size.to_bytes(4, "big") + b"\0\0" + random.Random(size).randbytes(size)
    return b"ID3\x03\0\0" + bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


RESPONSE = b"HTTP/1.0 200 OK\r\nicy-name:x\r\nContent-Type: audio/mpeg\r\n\r\n"
BEFORE = {
    "five zeros": (bytes(5), False),
    "1,000 zeros": (bytes(1_000), False),
    "an APE tag": (ape_tag(), False),
    "an ID3 tag of 3 MB": (id3_tag(3_000_000), False),
    "two tags": (id3_tag(10) + ape_tag(), False),
    "a line break": (b"\n", True),
    "a byte-order mark": (b"\xef\xbb\xbf", True),
    "random bytes": (b"\x91\x07\xe3\x22\x81\x0a\x3c", True),
    "an HTTP response": (RESPONSE, True),
    "an ICY response": (b"ICY 200 OK\r\nicy-br:64\r\n\r\n", True),
}


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("kind", ["mp3", "wav", "flac", "ogg", "aac"])
def test_what_stands_before_the_sound_is_skipped(kind, before):
    junk, is_damaged = BEFORE[before]
    options = {"wav": "-f wav", "ogg": "-c:a libvorbis -f ogg"}
    STREAMS.update(options)

    heard = load(junk + stream(kind))

    assert heard.duration == pytest.approx(SECONDS, abs=0.15)
    assert pitch(heard.samples) == pytest.approx(500, abs=10)
    assert [warning.split(":")[0] for warning in heard.warnings] == ["damaged"] * is_damaged


def test_a_response_may_be_followed_by_the_middle_of_a_frame():
    heard = load(RESPONSE + stream("mp3")[700:])

    assert heard.duration == pytest.approx(SECONDS, abs=0.3)
    assert pitch(heard.samples) == pytest.approx(500, abs=10)


# -- no sound


def archived(kind: str) -> bytes:
    """Formats that may hold whole sound files."""
    data = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(data, "w") as files:
            files.writestr("a.mp3", stream("mp3"))
    elif kind == "tar":
        with tarfile.open(fileobj=data, mode="w") as files:
            entry = tarfile.TarInfo("a.mp3")
            entry.size = len(stream("mp3"))
            files.addfile(entry, io.BytesIO(stream("mp3")))
    else:
        pickle.dump({"audio": stream("mp3")}, data)
    return data.getvalue()


@pytest.mark.parametrize("kind", ["zip", "tar", "pickle"])
def test_an_archive_with_sound_in_it_is_no_sound(kind):
    with pytest.raises(DecodeError, match="not audio"):
        find_start(io.BytesIO(archived(kind)))


def test_a_database_with_sound_in_it_is_no_sound(tmp_path):
    path = tmp_path / "clips.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE clips (data BLOB)")
        database.execute("INSERT INTO clips VALUES (?)", (stream("mp3"),))
    database.close()

    with pytest.raises(DecodeError, match="not audio"):
        load(path)


def no_sound(draw: random.Random) -> bytes:
    """A file of some other kind."""
    match draw.randrange(9):
        case 0:
            return b"\x01" + draw.randbytes(draw.choice([10, 1_000, 30_000]))
        case 1:
            return "\n".join("".join(draw.choices("GATC", k=187)) for _ in range(60)).encode()
        case 2:
            return "".join(
                draw.choices(["GATTACA ", "the ", "Größe ", "naïve\n", "OggS ", "RIFF ", "fLaC"], k=1_000)
            ).encode()
        case 3:
            return ("<!DOCTYPE html><p>ÿþ " + "x" * draw.randrange(9_000)).encode("latin-1")
        case 4:
            return ("hello ÿ " * draw.randrange(1, 900)).encode("utf-16")
        case 5:
            return json.dumps([draw.random() for _ in range(500)]).encode()
        case 6:
            return b"\x89PNG\r\n\x1a\n" + draw.randbytes(20_000)
        case 7:
            wave = 9_000 * np.sin(np.arange(20_000) * draw.random() + 1)
            return b"\x01\x02" + wave.astype(draw.choice(["<i2", ">i2", "<f4", "<f8"])).tobytes()
        case _:
            row = bytes([draw.randrange(256), draw.randrange(256), draw.randrange(256), 255])
            return b"Xcur" + row * draw.randrange(5_000)  # an even picture


def test_a_thousand_files_of_other_kinds_are_no_sound():
    draw = random.Random(20_261_128)

    for _ in range(1_000):
        with pytest.raises(DecodeError, match="not audio"):
            find_start(io.BytesIO(no_sound(draw)))


def test_a_file_shorter_than_a_header_is_no_sound(tmp_path):
    for count in range(1, 12):
        path = Path(tmp_path, "short")
        path.write_bytes(b"\xff\xf1\x50\x80\x0b\x77\x56\xe0\x47\xff\xfb\x90"[1 : 1 + count])
        with pytest.raises(DecodeError, match="not audio"):
            load(path)
