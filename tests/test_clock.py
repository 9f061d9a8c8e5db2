"""Times are on the clock of the file, as a player shows it."""

from __future__ import annotations

import subprocess

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_films import FILMS, RATE, Film

import asrkit
from asrkit.audio import Audio, encode, load, probe, stream
from asrkit.clock import LONG, Clock, Frame, Pictures
from asrkit.widgets.clips import Clips, Sound

BURSTS = (0.5, 2.5, 4.5, 6.5, 8.5, 10.7)  # seconds at which a tone begins
BURST = 0.15


def bursts() -> np.ndarray:
    sound = np.zeros(12 * RATE, np.float32)
    for number, second in enumerate(BURSTS):
        at = np.arange(int(BURST * RATE)) / RATE
        sound[int(second * RATE) :][: len(at)] = 0.5 * np.sin(2 * np.pi * (500 + 100 * number) * at)
    return sound


def begins(samples: np.ndarray) -> list[float]:
    """The seconds at which tones begin."""
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    return [float(at) / RATE for at, before in zip(loud, [-RATE, *loud], strict=False) if at - before > 0.3 * RATE]


def codes(warnings: tuple[str, ...]) -> list[str]:
    return [warning.split(":")[0] for warning in warnings]


def expected_of(film: Film) -> list[float]:
    return [second for burst in BURSTS if (second := film.second(burst)) is not None]


def near(seconds: list[float]) -> object:
    return pytest.approx(seconds, abs=0.12)  # codecs put up to 0.07 s before the sound


@pytest.mark.parametrize("film", FILMS, ids=str)
def test_sound_lies_where_a_player_has_it(film, tmp_path):
    path = film.make(tmp_path, bursts())
    expected = expected_of(film)

    heard = load(path)

    assert begins(heard.samples) == near(expected)
    assert codes(heard.warnings) == ["gaps"] * bool(film.holes)
    middle = (expected[1] + expected[2]) / 2
    later = load(path, start=middle, end=expected[-1] + 0.5)
    assert begins(later.samples) == near([second - middle for second in expected[2:]])
    told = probe(path).duration
    assert told is None or told > expected[-1]


@pytest.mark.parametrize("kind", ["mkv", "flv", "mp4", "avi", "asf"])
def test_a_film_that_ends_early_is_truncated_and_a_whole_one_is_not(kind, tmp_path):
    path = Film(kind, 1.0).make(tmp_path, bursts())
    data = path.read_bytes()

    assert "truncated" not in codes(load(data).warnings)
    if kind != "mp4":  # its index is at the end: nothing can be read without it
        assert "truncated" in codes(load(data[: len(data) * 2 // 3]).warnings)


def test_a_clip_from_the_late_part_of_a_film_plays_what_the_word_says(tmp_path):
    path = Film("mkv", 4.0, ((3.0, 4.2),)).make(tmp_path, bursts())
    clips = Clips({"film": Sound(path), "part": Sound(path, 8.0, 12.0)}.__getitem__)

    whole, part = clips.clip("film"), clips.clip("part")

    assert begins(load(whole.wav).samples) == near([4.5, 6.5, 8.5, 10.5, 12.5, 14.7])
    assert begins(load(part.wav).samples) == near([0.5, 2.5])
    assert clips.duration("film") == pytest.approx(16.0, abs=0.1)


def test_streams_in_blocks_what_load_gives_at_once(tmp_path):
    path = Film("webm", 1.3, ((3.0, 4.2), (7.0, 8.2))).make(tmp_path, bursts())

    blocks = list(stream(path, block_seconds=0.7))

    assert np.concatenate([block.samples for block in blocks]).tolist() == load(path).samples.tolist()
    assert codes(blocks[-1].warnings) == ["gaps"]


@pytest.mark.parametrize(("suffix", "options"), [(".webm", "-c:a libopus"), (".ogg", "-c:a libvorbis"), (".ts", "")])
def test_a_recording_that_was_cut_from_a_stream_begins_at_0(tmp_path, suffix, options):
    whole, part = tmp_path / f"whole{suffix}", tmp_path / f"part{suffix}"
    tone = ["-f", "lavfi", "-i", "sine=d=4:r=48000"]
    late = ["-output_ts_offset", "7200"]
    subprocess.run(["ffmpeg", "-v", "error", *tone, *options.split(), *late, str(whole)], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-copyts", "-i", str(whole), "-c", "copy", str(part)], check=True)

    for path in (whole, part):
        heard = load(path)
        assert heard.duration == pytest.approx(4.0, abs=0.15)
        assert heard.warnings == ()


@pytest.mark.parametrize("jump", [2**33 / 90_000, 40 * 3600.0, 5 * 3600.0])
def test_a_jump_of_hours_makes_no_hours_of_silence(tmp_path, jump):
    plain, path = tmp_path / "plain.mka", tmp_path / "jumping.mka"
    command = f"ffmpeg -v error -f lavfi -i sine=d=4:r=48000 -c:a libopus -f matroska {plain}"
    subprocess.run(command.split(), check=True)
    with av.open(str(plain)) as old, av.open(str(path), "w", format="matroska") as new:
        target = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux():
            if packet.dts is None:
                continue
            if packet.pts * packet.time_base >= 2.0:
                packet.pts = packet.dts = packet.pts + int(jump / packet.time_base)
            packet.stream = target
            new.mux(packet)

    blocks = list(stream(path))

    assert sum(block.duration for block in blocks) == pytest.approx(4.0, abs=0.1)
    assert codes(blocks[-1].warnings).count("gaps") == 1


def test_what_is_lost_is_said_where_the_sound_ends_with_a_block():
    whole = soundfile_of(2.0)

    blocks = list(stream(whole[:-RATE], block_seconds=0.5))  # 1.5 s are left

    assert [block.duration for block in blocks] == [0.5, 0.5, 0.5]
    assert codes(blocks[-1].warnings) == ["truncated"]


def soundfile_of(seconds: float) -> bytes:
    return encode(Audio(np.full(int(seconds * RATE), 0.1, np.float32)), "wav").data


# -- the clock alone


def frames(stamps: list[float | None], seconds: float = 0.5, rate: int = 1_000) -> list[Frame]:
    return [Frame(np.ones((1, int(seconds * rate)), np.float32), rate, stamp) for stamp in stamps]


def placed(clock: Clock, stamps: list[float | None]) -> list[tuple[float, float]]:
    """First and last second of each stretch with sound, and no stretch without one missing."""
    sound, until = [], None
    for samples, rate, at in clock.place(iter(frames(stamps))):
        assert until is None or at == pytest.approx(until, abs=1e-3)  # nothing overlaps, nothing is missing
        until = at + samples.shape[1] / rate
        if samples.any():
            sound.append((round(at, 3), round(until, 3)))
    return sound


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([0, 0.5, 1.0], [(0, 0.5), (0.5, 1), (1, 1.5)]),
        ([0, 0.55, 1.02], [(0, 0.5), (0.5, 1), (1, 1.5)]),  # rounding
        ([4, 4.5], [(4, 4.5), (4.5, 5)]),  # late
        ([-2.0, -1.5, -1.0], [(0, 0.5), (0.5, 1), (1, 1.5)]),  # a clock that makes no sense
        ([-0.3, 0.2], [(0, 0.2), (0.2, 0.7)]),  # the part before 0 is cut
        ([0, 10.5, 11.0], [(0, 0.5), (10.5, 11), (11, 11.5)]),  # a hole
        ([0, 0.5, 0.7, 1.2], [(0, 0.5), (0.5, 1), (1, 1.2), (1.2, 1.7)]),  # given twice
        ([0, 0.5, 700, 1.5, 2.0], [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2), (2, 2.5)]),  # one is wrong
        ([0, 0.5, 1e8, 1e8 + 0.5], [(0, 0.5), (0.5, 1), (1, 1.5), (1.5, 2)]),  # years
        ([0, 0.5, 20, 20.5, 1, 1.5], [(0, 0.5), (0.5, 1), (20, 20.5), (20.5, 21), (21, 21.5), (21.5, 22)]),  # set anew
        ([None, None], [(0, 0.5), (0.5, 1)]),
    ],
)
def test_frames_are_put_where_their_timestamps_say(stamps, expected):
    sound = placed(Clock(first_tolerance=0.001), stamps)

    assert sound == [pytest.approx(stretch) for stretch in expected]


@given(st.lists(st.one_of(st.none(), st.floats(-1e10, 1e10), st.integers(0, 40).map(lambda n: n / 2)), max_size=40))
def test_no_timestamps_overlap_lose_much_sound_or_make_endless_silence(stamps):
    clock = Clock()

    sound = placed(clock, stamps)

    heard = sum(last - first for first, last in sound)
    assert heard + clock.repeated == pytest.approx(0.5 * len(stamps), abs=0.01)
    assert clock.repeated <= 0.5 * len(stamps)
    assert not sound or sound[-1][1] <= LONG + 60 + 0.5 * len(stamps) + 1


@pytest.mark.parametrize(("seconds", "hole"), [([1, 5, 9, 13, 17], True), ([0, 30], False)])
def test_a_jump_of_sound_and_picture_together_is_a_splice(seconds, hole):
    pictures = Pictures()
    for second in seconds:
        pictures.add(second)

    sound = placed(Clock(pictures=pictures), [0.0, 20.0, 20.5])

    assert sound[1][0] == pytest.approx(20.0 if hole else 0.5)


# -- words


@pytest.mark.parametrize(
    "film",
    [
        Film("mp4", 4.0),
        Film("ts", 4.0, ((5.4, 8.0),)),
        Film("mkv", -2.0),
    ],
    ids=str,
)
def test_words_of_a_film_have_the_times_of_the_film(film, tmp_path, recordings):
    paths = [path for path in recordings["path"] if "1688-142285-0003" in path or "1688-142285-0004" in path]
    first, second = (load(path).samples for path in sorted(paths))
    sound = np.zeros(14 * RATE, np.float32)
    sound[: len(first)] = first
    sound[int(8.5 * RATE) :][: len(second)] = second
    plain = spoken((sound, RATE))

    heard = spoken(film.make(tmp_path, sound))

    words = [word for _, word in plain]
    expected = {word: film.second(start) for start, word in plain if words.count(word) == 1}
    both = [(word, start, expected[word]) for start, word in heard if expected.get(word) is not None]
    assert len(both) > 10
    assert [(word, start, truth) for word, start, truth in both if abs(start - truth) > 0.3] == []


def spoken(cell: object) -> list[tuple[float, str]]:
    [heard] = asrkit.transcribe(
        [cell], model="openai/whisper-tiny.en", timestamps="word", journal=False, progress=False
    )
    assert isinstance(heard, asrkit.Transcript)
    return [(word.start, word.word.strip()) for segment in heard.segments for word in segment.words]
