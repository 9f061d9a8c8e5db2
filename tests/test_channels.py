"""Files with many channels, and with channels in unusual places: no valid file ends the process."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asrkit import audio
from asrkit.isolation import Workers

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg writes the files")

PITCH = 60  # Hz: low enough for the channels that carry only low frequencies
RATE = 48_000
SECONDS = 0.5
ALL = range(1, 17)
COMMON = range(1, 9)
# Coding: the ending and options for ffmpeg, and the channel counts that its encoder takes as they are.
CODINGS = {
    "aac": (".m4a", "-c:a aac", [*COMMON, 16]),
    "adts": (".aac", "-c:a aac", COMMON),
    "opus": (".opus", "-c:a libopus -mapping_family 255", ALL),
    "vorbis": (".ogg", "-c:a libvorbis", ALL),
    "alac": (".m4a", "-c:a alac -af channelmap=0|1|2|3|4|5|6|7:7.1(wide)", [8]),
    "alac-stereo": (".m4a", "-c:a alac", [1, 2]),
    "wavpack": (".wv", "-c:a wavpack", COMMON),
    "flac": (".flac", "-c:a flac", COMMON),
    "tta": (".tta", "-c:a tta", ALL),
    "wav": (".wav", "-c:a pcm_s16le", ALL),
    "w64-64": (".w64", "-c:a pcm_s64le", ALL),
    "caf": (".caf", "-c:a pcm_f64le", ALL),
    "mov": (".mov", "-c:a pcm_s16be", ALL),
    "aiff": (".aiff", "-c:a pcm_s24be", ALL),
    "au": (".au", "-c:a pcm_s32be", ALL),
    "mkv": (".mkv", "-c:a pcm_f32le", ALL),
    "ac3": (".ac3", "-c:a ac3", range(1, 7)),
    "eac3": (".eac3", "-c:a eac3", range(1, 7)),
}
HEARD = """
import json, sys
from asrkit import audio
for path in sys.argv[1:]:
    whole, info = audio.load(path), audio.probe(path)
    middle = whole.samples[2_000:6_000].astype(float)
    amplitude = (2 * (middle**2).mean()) ** 0.5
    print(json.dumps([path, info.channels, amplitude, whole.duration, whole.warnings]), flush=True)
"""


def amplitudes(channels: int) -> np.ndarray:
    """A different one for each channel, so that one lost, doubled or made of other memory changes their mean."""
    return np.linspace(0.1, 0.6, channels) if channels > 1 else np.array([0.3])


def tone(channels: int) -> np.ndarray:
    time = np.arange(round(SECONDS * RATE)) / RATE
    return (np.sin(2 * np.pi * PITCH * time)[:, None] * amplitudes(channels)).astype("<f4")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """Every coding with every number of channels that it takes."""
    folder = tmp_path_factory.mktemp("channels")
    made = {}
    for channels in ALL:
        source = ["-f", "f32le", "-ar", str(RATE), "-ac", str(channels), "-i", "pipe:0"]
        outputs: list[str] = []
        for name, (suffix, options, counts) in CODINGS.items():
            if channels in counts:
                path = made[name, channels] = folder / f"{name}-{channels}{suffix}"
                outputs += [*options.split(), str(path)]
        command = ["ffmpeg", "-v", "error", "-y", *source, *outputs]
        subprocess.run(command, input=tone(channels).tobytes(), check=True, capture_output=True)
    return made


def heard(paths: list[Path]) -> Iterator[tuple[str, int, float, float, list[str]]]:
    """What a process of its own says of each file; it may die on one."""
    done = subprocess.run([sys.executable, "-c", HEARD, *map(str, paths)], capture_output=True, text=True)
    yield from (tuple(json.loads(line)) for line in done.stdout.splitlines())
    assert done.returncode == 0, f"died with {done.returncode}: {done.stderr[-500:]}"


def test_any_number_of_channels_is_averaged_rightly(written):
    counts = {str(path): count for (_, count), path in written.items()}

    told = list(heard(list(written.values())))

    assert len(told) == len(counts)
    for path, channels, amplitude, duration, warnings in told:
        assert channels == counts[path], path
        assert amplitude == pytest.approx(amplitudes(channels).mean(), rel=0.1), path
        assert duration == pytest.approx(SECONDS, abs=0.1), path
        assert warnings == [], path


def test_isolated_decoding_hears_the_same(written):
    paths = [path for (_, count), path in written.items() if count in (2, 8, 16)]
    with Workers() as apart:
        for path in paths:
            here, there = audio.load(path), audio.load(path, isolate=apart)

            assert np.array_equal(here.samples, there.samples), path
            assert audio.probe(path) == audio.probe(path, isolate=apart)


def test_each_of_sixteen_channels_can_be_taken(written):
    for name in ("opus", "vorbis", "mov"):
        loudness = []
        for channel in range(16):
            middle = audio.load(written[name, 16], channel=channel).samples[2_000:6_000].astype(float)
            loudness.append(np.sqrt(2 * np.mean(middle**2)))

        assert sorted(loudness) == pytest.approx(list(amplitudes(16)), rel=0.1), name


def test_channels_may_change_within_a_file(written):
    """Each AAC frame says how many it has; mono may turn into 7.1 and back."""
    counts = (1, 8, 2, 6, 8, 1)
    joined = b"".join(written["adts", count].read_bytes() for count in counts)
    path = written["adts", 1].with_name("changing.aac")
    path.write_bytes(joined)

    [(_, _, _, duration, warnings)] = heard([path])

    assert duration == pytest.approx(len(counts) * SECONDS, abs=0.5)
    assert warnings == []
    samples = audio.load(path).samples
    each = len(samples) / len(counts)
    for number, count in enumerate(counts):
        middle = samples[int((number + 0.4) * each) : int((number + 0.7) * each)].astype(float)
        assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(amplitudes(count).mean(), rel=0.2)


def test_ambisonics_with_stereo_beside_them(tmp_path):
    path = tmp_path / "ambisonic.opus"
    source = ["-f", "f32le", "-ar", str(RATE), "-ac", "6", "-i", "pipe:0"]
    command = ["ffmpeg", "-v", "error", *source, "-c:a", "libopus", "-mapping_family", "2", str(path)]
    subprocess.run(command, input=tone(6).tobytes(), check=True, capture_output=True)

    told = list(heard([path] * 5))

    assert [amplitude for _, _, amplitude, _, _ in told] == pytest.approx([amplitudes(6).mean()] * 5, rel=0.1)


def caf(labels: list[int], tag: int = 0, bitmap: int = 0) -> bytes:
    """A CAF file whose channels have these places (Apple's ``AudioChannelLabel``)."""
    channels = max(1, len(labels))
    described = b"".join(struct.pack(">II12x", label, 0) for label in labels)
    layout = struct.pack(">III", tag, bitmap, len(labels)) + described
    data = (tone(channels) * 32_767).astype(">i2").tobytes()
    about = struct.pack(">d4sIIIII", float(RATE), b"lpcm", 0, 2 * channels, 1, channels, 16)
    chunks = [(b"desc", about), (b"chan", layout), (b"data", bytes(4) + data)]
    return b"caff\0\1\0\0" + b"".join(struct.pack(">4sq", kind, len(body)) + body for kind, body in chunks)


LABELS = {
    "mono in the middle": [3],
    "mono at the left": [1],
    "unknown": [0xFFFFFFFF],
    "stereo": [1, 2],
    "stereo the wrong way round": [2, 1],
    "twice the same": [1, 1],
    "all unknown": [0xFFFFFFFF] * 8,
    "7.1 in another order": [3, 1, 2, 5, 6, 33, 34, 4],
    "discrete": [(1 << 16) + number for number in range(8)],
    "ambisonic": [200, 201, 202, 203],
    "ambisonic with stereo": [200, 201, 202, 203, 1, 2],
    "headphones": [301, 302],
    "sixteen, backwards": list(range(16, 0, -1)),
    "nonsense": [77, 78, 99_999],
}


def test_channels_in_any_place(tmp_path):
    counts = {}
    for name, labels in LABELS.items():
        path = tmp_path / f"{name}.caf"
        path.write_bytes(caf(labels))
        counts[str(path)] = len(labels)

    told = list(heard(list(map(Path, counts)) * 10))

    for path, channels, amplitude, *_ in told:
        assert channels == counts[path], path
        assert amplitude == pytest.approx(amplitudes(channels).mean(), rel=0.05), path


def test_a_block_holds_no_more_however_low_the_rate(tmp_path):
    """At 1 Hz the samples of one chunk would become gigabytes."""
    header = b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 2, 1, 1)  # 8 bit at 1 Hz, of unknown length
    path = tmp_path / "slow.au"
    path.write_bytes(header + bytes(5_000_000))

    with pytest.raises(audio.DecodeError, match=r"1 Hz cannot be meant|no recording"):
        list(audio.stream(path))


def test_a_few_samples_at_a_low_rate_do_not_become_gigabytes():
    with pytest.raises(audio.DecodeError, match="samples at 1 Hz are no recording"):
        audio.load((np.zeros(5_000_000, np.float32), 1))
