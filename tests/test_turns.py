"""``channel="each"``: every channel is heard by itself, and the texts come as turns in time order."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import jiwer
import numpy as np
import pandas as pd
import pytest
import soundfile

from asrkit import cli, costs, transcribe, transcribe_files
from asrkit.audio import load
from asrkit.backends.base import Preferences
from asrkit.errors import BackendError, OptionError
from asrkit.normalizers import Basic
from asrkit.outcomes import Failure
from asrkit.source import locate
from asrkit.transcript import Segment, Transcript, Word
from asrkit.turns import distinct_channels, in_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asrkit.audio import Audio

RATE = 16_000
STEP = 0.5  # seconds of a word of `Tones`


class Tones:
    """Hears a word in each half second that is not silent: its pitch in hundreds of hertz."""

    name = "tones"
    fingerprint: dict[str, Any] = {"backend": "tones"}  # noqa: RUF012  a class as a user may write it

    def __init__(self, *, has_words: bool = True, **preferred: Any) -> None:
        self.has_words = has_words
        self.preferred = Preferences(**preferred)
        self.seconds: list[float] = []

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        self.seconds += [audio.duration for audio in batch]
        return [self.heard(audio) for audio in batch]

    def heard(self, audio: Audio) -> Transcript:
        words = []
        for number in range(int(audio.duration / STEP)):
            piece = audio.samples[int(number * STEP * RATE) :][: int(STEP * RATE)]
            if np.abs(piece).max() > 0.05:
                pitch = np.abs(np.fft.rfft(piece)).argmax() / STEP / 100
                words.append(Word(f"{pitch:.0f}", number * STEP, (number + 1) * STEP, 0.9))
        text = " ".join(word.word for word in words)
        segments = (Segment(text, 0.0, audio.duration, tuple(words) if self.has_words else ()),) if words else ()
        return Transcript(text, "en", segments, audio.duration, 0.1, flags=() if words else ("silence",))


def call(turns: Sequence[tuple[int, float, float]], channels: int, seconds: float, level: float = 0.0) -> np.ndarray:
    """Tones in turn: channel, start and end of each; channel 0 speaks at 300 Hz, 1 at 400, 2 at 500 ..."""
    sound = level * np.random.default_rng(0).standard_normal((channels, int(seconds * RATE)))
    for channel, start, end in turns:
        time = np.arange(int(start * RATE), int(end * RATE))
        sound[channel, time] += 0.3 * np.sin(2 * np.pi * (300 + 100 * channel) * time / RATE)
    return sound.astype(np.float32)


def as_file(sound: np.ndarray, kind: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, sound.T, RATE, format=kind)
    return file.getvalue()


def words(channel: int, start: float, end: float) -> str:
    return " ".join([str(3 + channel)] * round((end - start) / STEP))


TURNS = [(0, 0.0, 2.0), (1, 2.5, 4.0), (0, 4.5, 6.0), (1, 6.0, 6.5), (0, 7.0, 8.0)]


def heard(cell: object, **options: Any) -> Any:
    backend = options.pop("model", None) or Tones(longest=30.0)
    [outcome] = transcribe([cell], model=backend, channel="each", progress=False, **options)
    return outcome


def test_the_turns_of_a_call_come_in_time_order_with_their_channel():
    transcript = heard((call(TURNS, 2, 8.0), RATE))

    assert [(segment.channel, segment.text) for segment in transcript.segments] == [
        (channel, words(channel, start, end)) for channel, start, end in TURNS
    ]
    assert transcript.text == " ".join(words(*turn) for turn in TURNS)
    assert transcript.duration == 8.0
    assert {word.channel for segment in transcript.segments for word in segment.words if word.word == "4"} == {1}


def test_turns_of_any_call_are_found():
    rng = np.random.default_rng(7)
    for _ in range(12):
        channels = int(rng.integers(2, 9))
        turns, time, last = [], 0.0, -1
        for _ in range(int(rng.integers(2, 9))):
            channel = int(rng.choice([one for one in range(channels) if one != last]))
            length = STEP * int(rng.integers(2, 7))
            turns.append((channel, time, time + length))
            time, last = time + length + STEP * int(rng.integers(0, 3)), channel

        transcript = heard((call(turns, channels, time + 1.0), RATE), model=Tones(longest=60.0))

        assert [(one.channel, one.text) for one in transcript.segments] == [
            (channel, words(channel, start, end)) for channel, start, end in turns
        ]


def test_long_recordings_are_cut_and_their_channels_put_together_again():
    turns = [(number % 2, 4.0 * number, 4.0 * number + 2.0) for number in range(30)]
    cell = (call(turns, 2, 120.0), RATE)

    for size in (1, 5, 64):
        transcript = heard(cell, model=Tones(longest=20.0, batch_size=size))
        voices = [channel for channel, _ in groupby(segment.channel for segment in transcript.segments)]
        assert voices == [channel for channel, *_ in turns]
        assert set(transcript.text.split()) == {"3", "4"}
        starts = [segment.start for segment in transcript.segments]
        assert starts == sorted(starts)
        assert transcript.duration == 120.0


def test_words_spoken_into_those_of_another_do_not_cut_them():
    talking = Segment("a b c d", 0.0, 2.0, tuple(Word(w, 0.5 * n, 0.5 * n + 0.5) for n, w in enumerate("abcd")))
    nodding = Segment("mhm", 0.9, 1.2, (Word("mhm", 0.9, 1.2),))

    whole = in_turns({0: Transcript("", segments=(talking,)), 1: Transcript("", segments=(nodding,))}, 2.0)

    assert [segment.text for segment in whole.segments] == ["a b c d", "mhm"]


def test_without_words_each_window_is_a_turn():
    turns = [(0, 0.0, 2.0), (1, 3.0, 5.0)]

    transcript = heard((call(turns, 2, 6.0), RATE), model=Tones(has_words=False, longest=30.0))

    assert [(segment.channel, segment.text) for segment in transcript.segments] == [(0, "3 3 3 3"), (1, "4 4 4 4")]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize(
    "mix, expected",
    [
        (lambda one, other: [one], [0]),
        (lambda one, other: [one, one], [0]),
        (lambda one, other: [one, -one], [0]),
        (lambda one, other: [0.2 * one, one], [1]),
        (lambda one, other: [one, 0 * one], [0]),
        (lambda one, other: [0 * one, one], [1]),
        (lambda one, other: [0 * one, 0 * one], [0]),
        (lambda one, other: [one, other], [0, 1]),
        (lambda one, other: [one, 0.01 * other], [0, 1]),
        (lambda one, other: [one, one + 0.3 * other], [0, 1]),
    ],
    ids=["mono", "same", "antiphase", "panned", "silent", "silent first", "all silent", "two", "quiet", "mixed"],
)
def test_only_channels_with_a_sound_of_their_own_are_heard(kind, mix, expected):
    rng = np.random.default_rng(1)
    one, other = (0.1 * np.repeat(rng.standard_normal((2, 800)), 40, axis=1)).astype(np.float32)
    data = as_file(np.stack(mix(one, other)), kind)

    assert distinct_channels(locate(data)) == expected
    backend = Tones()
    heard(data, model=backend)
    assert len(backend.seconds) == len(expected)


def test_a_recording_with_one_channel_reads_as_ever_and_names_it():
    sound = call([(0, 0.0, 2.0)], 1, 3.0)

    transcript = heard((sound, RATE))

    assert (transcript.text, [one.channel for one in transcript.segments]) == ("3 3 3 3", [0])


def test_more_than_eight_channels_are_refused_before_any_is_heard():
    backend = Tones()

    failure = heard((call([(0, 0, 1)], 9, 1.0), RATE), model=backend)

    assert isinstance(failure, Failure)
    assert failure.code == "too-many-channels"
    assert "name one by its number" in failure.message
    assert backend.seconds == []


@pytest.mark.parametrize("channel", ["both", "", 1.5, True, [0, 1]])
def test_what_is_no_channel_is_refused_before_any_work(channel):
    with pytest.raises(OptionError, match="expected channel to be a number"):
        list(transcribe([(np.zeros(8_000), 8_000)], model=Tones(), channel=channel, progress=False))


def test_a_start_and_an_end_hold_for_every_channel():
    frame = pd.DataFrame({"audio": [(call(TURNS, 2, 8.0), RATE)], "from": [2.5], "to": [6.0]})

    told = frame.asr.transcribe(
        "audio", model=Tones(longest=30.0), start="from", end="to", channel="each", details=True, progress=False
    )

    assert told.hypothesis[0] == f"{words(*TURNS[1])} {words(*TURNS[2])}"
    assert told.hypothesis_duration[0] == 3.5
    assert [segment["channel"] for segment in told.hypothesis_segments[0]] == [1, 0]


def test_the_error_of_a_channel_says_which_and_the_other_rows_go_on():
    class Fails(Tones):
        def heard(self, audio):
            transcript = super().heard(audio)
            if "4" in transcript.text:
                error = BackendError("no", code="odd")
                error.cost = 0.25
                raise error
            return transcript

    cells = [(call(TURNS, 2, 8.0), RATE), (call([(0, 0, 1)], 2, 1.0), RATE), "gone.wav"]

    failed, fine, missing = transcribe(cells, model=Fails(), channel="each", progress=False)

    assert (failed.code, failed.message, failed.cost) == ("odd", "channel 1: no", 0.25)
    assert fine.text == "3 3"
    assert missing.code == "not-found"


def test_rows_are_counted_once_and_the_journal_answers_them(tmp_path):
    cells = [(call(TURNS, 2, 8.0), RATE), None, (call(TURNS[:2], 3, 8.0), RATE)]
    options = {"channel": "each", "progress": False, "journal": tmp_path / "texts.sqlite"}
    first = list(transcribe(cells, model=Tones(longest=30.0), **options))
    again = Tones(longest=30.0)

    assert list(transcribe(cells, model=again, **options)) == first
    assert again.seconds == []
    averaged = list(transcribe(cells, model=Tones(longest=30.0), **{**options, "channel": None}))
    assert averaged[0] != first[0]


def test_a_run_that_was_stopped_between_two_channels_goes_on_from_there(tmp_path):
    class Stops(Tones):
        def transcribe(self, batch, *, languages):
            if self.seconds:
                raise KeyboardInterrupt
            return super().transcribe(batch, languages=languages)

    cell, path = (call(TURNS, 2, 8.0), RATE), tmp_path / "texts.sqlite"
    with pytest.raises(KeyboardInterrupt):
        heard(cell, model=Stops(longest=30.0), journal=path)
    backend = Tones(longest=30.0)

    resumed = heard(cell, model=backend, journal=path)

    assert resumed.text == " ".join(words(*turn) for turn in TURNS)
    assert len(backend.seconds) == 1


@pytest.mark.parametrize("journal", [False, True])
def test_a_url_is_fetched_once_for_all_its_channels(tmp_path, journal):
    fetched = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            fetched.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            pass

    data = as_file(call(TURNS, 2, 8.0))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/call.wav"
            kept = tmp_path / "texts.sqlite" if journal else False
            transcript = heard(url, journal=kept, allow_private_urls=True)
        finally:
            server.shutdown()
            thread.join()

    assert [one.channel for one in transcript.segments] == [channel for channel, *_ in TURNS]
    assert fetched == ["/call.wav"]


def test_an_isolated_decoder_hears_the_same(tmp_path):
    path = tmp_path / "call.flac"
    path.write_bytes(as_file(call(TURNS, 2, 8.0), "FLAC"))

    assert heard(path, isolate=True).text == heard(path).text == " ".join(words(*turn) for turn in TURNS)


def test_the_channels_of_shards_are_in_their_segments(tmp_path):
    import pyarrow.parquet as pq

    (tmp_path / "call.wav").write_bytes(as_file(call(TURNS, 2, 8.0)))
    pd.DataFrame({"path": ["call.wav"]}).to_parquet(tmp_path / "calls.parquet")

    transcribe_files(
        str(tmp_path / "calls.parquet"),
        "path",
        out=str(tmp_path / "out"),
        model=Tones(longest=30.0),
        channel="each",
        details=True,
        progress=False,
    )

    [row] = pq.read_table(tmp_path / "out" / "calls.parquet").to_pylist()
    assert [segment["channel"] for segment in row["hypothesis_segments"]] == [channel for channel, *_ in TURNS]


def test_an_estimate_counts_every_channel(tmp_path):
    cell = (np.zeros((2, 60 * 8_000), np.int16), 8_000)
    frame = pd.DataFrame({"audio": [cell]})

    averaged, each = costs.estimate([cell]), costs.estimate([cell], channel="each")

    assert (averaged.minutes, each.minutes) == (1.0, 1.0)  # of recordings
    assert (averaged.paid_seconds, each.paid_seconds) == (None, 120.0)
    assert each.dollars == pytest.approx(2 * averaged.dollars)
    told = frame.asr.transcribe("audio", model="@cf/openai/whisper", channel="each", dry_run=True, progress=False)
    assert told.paid_seconds == 120.0


@pytest.mark.model
@pytest.mark.speech
def test_the_shell_gives_the_turns_of_a_call_of_two_people(recordings, tmp_path, capsys):
    clips = recordings[recordings.source == "librispeech-test-other"]
    clips = clips[clips.duration_s.between(2, 4.5)].head(3)
    left, right = [], []
    for number, path in enumerate(clips.path):
        clip = np.concatenate([load(path).samples, np.zeros(RATE // 2, np.float32)])
        left.append(clip if number != 1 else 0 * clip)
        right.append(clip if number == 1 else 0 * clip)
    path = tmp_path / "call.wav"
    path.write_bytes(as_file(np.stack([np.concatenate(left), np.concatenate(right)])))
    shared = ["transcribe", str(path), "--model", "openai/whisper-tiny.en", "--channel", "each", "--quiet"]

    assert cli.main([*shared, "--no-journal", "--format", "jsonl"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert [segment["channel"] for segment in told["segments"]] == [0, 1, 0]
    for segment, text in zip(told["segments"], clips.text, strict=True):
        assert jiwer.wer(Basic()(text), Basic()(segment["text"])) < 0.4
    assert all(before["start"] <= after["start"] for before, after in pairwise(told["segments"]))
