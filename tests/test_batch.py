from __future__ import annotations

import gc
import random
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from asrkit import Canned, batch
from asrkit.backends.base import Preferences
from asrkit.batch import transcribe, transcribe_cells
from asrkit.errors import BackendError, DecodeError, OptionError, OutOfMemoryError, SourceError
from asrkit.outcomes import Failure
from asrkit.transcript import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asrkit.audio import Audio

PATIENCE = 15.0  # seconds after which a test that should take one is stuck


def pitch(audio: Audio) -> int:
    """The strongest tone in Hz, to the nearest 10."""
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    hertz = np.fft.rfftfreq(len(audio.samples), 1 / audio.sampling_rate)[spectrum.argmax()]
    return int(round(float(hertz), -1))


class Listener:
    """Writes down the pitch of what it hears, or what ``answer`` makes of a clip and its language."""

    name = "listener"
    fingerprint: dict[str, Any] = {}  # noqa: RUF012  a class as a user may write it

    def __init__(self, answer: Callable[[Audio, str | None], str] | None = None, **preferred: Any) -> None:
        self.answer = answer or (lambda audio, language: str(pitch(audio)))
        self.preferred = Preferences(**preferred)
        self.batches: list[list[float]] = []
        self.languages: list[str | None] = []

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        self.batches.append([audio.duration for audio in batch])
        self.languages += languages
        texts = [self.answer(audio, language) for audio, language in zip(batch, languages, strict=True)]
        return [
            Transcript(text, language, (Segment(text, 0.0, audio.duration),), duration=audio.duration, elapsed=0.5)
            for text, language, audio in zip(texts, languages, batch, strict=True)
        ]


def tone(hertz: float = 440.0, seconds: float = 0.2, rate: int = 16_000) -> tuple[np.ndarray, int]:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), rate


def texts(outcomes: Any) -> list[str | None]:
    return [outcome and (outcome.code if isinstance(outcome, Failure) else outcome.text) for outcome in outcomes]


def run(cells: Any, model: Any, **options: Any) -> list[Any]:
    """All outcomes, in time; a run that hangs fails the test and not the whole test run."""
    result: list[Any] = []

    def work() -> None:
        try:
            result.append(list(transcribe(cells, model=model, progress=False, **options)))
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert result, f"still not done after {PATIENCE} s"
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


@pytest.fixture
def own_threads() -> Callable[[], list[str]]:
    """Names of asrkit's threads that were not there before the test."""
    before = set(threading.enumerate())

    def names() -> list[str]:
        started = set(threading.enumerate()) - before
        return [thread.name for thread in started if thread.name.startswith("asrkit-")]

    return names


def wait_until(holds: Callable[[], bool]) -> bool:
    limit = time.monotonic() + PATIENCE / 3
    while not holds() and time.monotonic() < limit:
        time.sleep(0.01)
    return holds()


class TestOrder:
    def test_outcomes_come_in_the_order_of_the_cells(self):
        cells = [tone(400, 0.2), tone(800, 1.0), tone(600, 0.1), tone(1000, 0.6)]

        assert texts(run(cells, Listener(batch_size=2))) == ["400", "800", "600", "1000"]

    def test_500_rows_of_random_lengths_keep_their_order(self):
        lengths = random.Random(7).sample(range(800, 16_000), 500)
        cells = [(np.zeros(length, np.float32), 16_000) for length in lengths]

        heard = run(cells, Listener(lambda audio, _: str(len(audio.samples)), batch_size=16))

        assert texts(heard) == [str(length) for length in lengths]

    def test_rows_beyond_those_looked_at_ahead_keep_their_order_too(self, monkeypatch):
        monkeypatch.setattr(batch, "PLANNED", 7)
        cells = [(np.zeros(1_000 + number), 16_000) for number in range(50)]

        heard = run(cells, Listener(lambda audio, _: str(len(audio.samples)), batch_size=4))

        assert texts(heard) == [str(1_000 + number) for number in range(50)]

    def test_long_clips_go_first_so_that_batches_are_even(self):
        backend = Listener(batch_size=4)

        run([tone(seconds=0.1 + 0.05 * (number % 4)) for number in range(16)], backend)

        means = [np.mean(durations) for durations in backend.batches]
        assert len(means) == 4
        assert max(np.diff(means)) < 0.05  # several threads read, so neighbours may change places

    def test_a_backend_may_have_them_in_the_order_of_the_rows(self):
        seconds = [0.1, 0.4, 0.2, 0.3]
        backend = Listener(batch_size=2, in_order=True)

        run([tone(seconds=length) for length in seconds], backend)

        assert [duration for durations in backend.batches for duration in durations] == seconds

    def test_the_same_file_twice_is_heard_twice(self, tone_file):
        path = tone_file(pitch=500)

        assert texts(run([path, str(path), path], Listener())) == ["500"] * 3

    def test_cells_may_come_from_a_generator(self, tone_file):
        cells = (tone_file(pitch=hertz) for hertz in (400, 600))

        assert texts(run(cells, Listener())) == ["400", "600"]

    def test_no_cells_give_no_outcomes(self):
        assert run([], Listener()) == []

    def test_a_long_row_does_not_keep_finished_rows_from_the_caller(self):
        finished: list[int] = []
        cells = [tone(seconds=0.1), tone(seconds=2.0), tone(seconds=0.3)]

        outcomes = transcribe_cells(
            cells, Listener(batch_size=1), progress=False, done=lambda row, outcome: finished.append(row)
        )

        assert len(list(outcomes)) == 3
        assert sorted(finished) == [0, 1, 2]


class TestOneRowAlonePays:
    @pytest.mark.parametrize("missing", [None, float("nan"), np.float64("nan")])
    def test_a_missing_cell_gives_a_missing_outcome(self, missing):
        backend = Listener()

        assert texts(run([tone(400), missing, tone(600)], backend)) == ["400", None, "600"]
        assert len(backend.languages) == 2

    def test_a_bad_cell_costs_itself_only(self, tone_file, tmp_path):
        (tmp_path / "broken.wav").write_bytes(b"RIFF" + bytes(100))
        cells = [tone_file(pitch=400), "no/such.wav", 3, b"", tmp_path / "broken.wav", tone(600), tmp_path]

        outcomes = run(cells, Listener(batch_size=4))

        assert texts(outcomes)[0] == "400"
        assert texts(outcomes)[5] == "600"
        assert [outcomes[row].code for row in (1, 2, 3, 6)] == ["not-found", "bad-cell", "empty", "not-a-file"]
        assert isinstance(outcomes[4].error, DecodeError)
        assert "no such file" in outcomes[1].message

    def test_a_cell_that_fails_in_its_own_way_costs_itself_only(self):
        class Odd:
            def get_all_samples(self):
                raise ZeroDivisionError("odd")

        failed, heard = run([Odd(), tone(400)], Listener())

        assert (failed.code, heard.text) == ("unexpected", "400")
        assert "ZeroDivisionError: odd" in failed.message

    def test_errors_may_be_raised_naming_the_row(self):
        with pytest.raises(SourceError, match=r"row 1 \(no/such\.wav\): no such file") as caught:
            run([tone(), "no/such.wav"], Listener(), errors="raise")

        assert caught.value.code == "not-found"

    def test_what_the_backend_cannot_hear_is_that_rows_error(self):
        def answer(audio, language):
            if pitch(audio) == 600:
                raise BackendError("600 is too much")
            return str(pitch(audio))

        heard = run([tone(hertz) for hertz in (400, 500, 600, 700, 800)], Listener(answer, batch_size=8))

        assert texts(heard) == ["400", "500", "backend", "700", "800"]
        assert heard[2].message == "600 is too much"

    def test_any_exception_of_a_backend_is_that_rows_error(self):
        def answer(audio, language):
            return str({400: 1}[pitch(audio)])

        heard = run([tone(400), tone(600)], Listener(answer, batch_size=8))

        assert texts(heard) == ["1", "backend"]
        assert heard[1].message == "listener failed: KeyError: 600"
        assert isinstance(heard[1].error.__cause__, KeyError)

    def test_a_wrong_count_of_transcripts_is_an_error_and_shifts_no_text(self):
        class Forgetful(Listener):
            def transcribe(self, batch, *, languages):
                return super().transcribe(batch, languages=languages)[:2]

        class Mute(Listener):
            def transcribe(self, batch, *, languages):
                return []

        cells = [tone(hertz) for hertz in (400, 500, 600, 700)]

        assert texts(run(cells, Forgetful(batch_size=4, in_order=True))) == ["400", "500", "600", "700"]
        assert texts(run(cells, Mute(batch_size=4))) == ["backend"] * 4
        assert "gave 0 transcripts for 1 clips" in run(cells[:1], Mute())[0].message

    def test_an_option_that_cannot_be_meant_ends_the_run(self):
        def answer(audio, language):
            raise OptionError("beam size -1")

        with pytest.raises(OptionError, match="beam size -1"):
            run([tone(), tone()], Listener(answer))

    def test_a_recording_that_fails_twice_is_still_one_row(self):
        """First the model fails on its first window, then the rest turns out to be no sound."""
        samples, rate = tone(seconds=200.0)
        samples = samples.astype(np.float32)
        samples[-rate:] = np.nan
        broken = as_float_wav(samples, rate)

        def answer(audio, language):
            if audio.duration > 5:
                raise BackendError("no")
            return "short"

        heard = run([broken, *[tone()] * 5], Listener(answer, longest=10.0, in_order=True))

        assert isinstance(heard[0], Failure)
        assert texts(heard[1:]) == ["short"] * 5


def as_float_wav(samples: np.ndarray, rate: int) -> bytes:
    from io import BytesIO

    import soundfile

    file = BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


class TestMemoryOfTheDevice:
    def test_a_batch_that_does_not_fit_is_halved_and_stays_halved(self):
        backend = Small(fits=3, batch_size=16)

        heard = run([tone(400)] * 40, backend)

        assert texts(heard) == ["400"] * 40
        tried = [len(durations) for durations in backend.batches]
        assert tried[:3] == [16, 8, 4]
        fitted = np.cumsum([size if size <= 3 else 0 for size in tried])
        assert {size for size, before in zip(tried[1:], fitted, strict=False) if before >= 16} == {2}

    def test_a_clip_that_does_not_fit_alone_is_its_rows_error(self):
        class Short(Listener):
            def transcribe(self, batch, *, languages):
                if any(audio.duration > 1.0 for audio in batch):
                    raise OutOfMemoryError("too long")
                return super().transcribe(batch, languages=languages)

        heard = run([tone(400), tone(500, 2.0), tone(600)], Short(batch_size=8))

        assert texts(heard) == ["400", "out-of-memory", "600"]
        assert heard[1].message == "too long"


class Small(Listener):
    """A device into which ``fits`` clips fit."""

    def __init__(self, fits: int, **preferred: Any) -> None:
        super().__init__(**preferred)
        self.fits = fits

    def transcribe(self, batch, *, languages):
        heard = super().transcribe(batch, languages=languages)
        if len(batch) > self.fits:
            raise OutOfMemoryError("does not fit")
        return heard


class TestRowsOwnOptions:
    def test_each_row_has_its_language(self):
        heard = run(
            [tone(400), tone(500), tone(600), tone(700)],
            Listener(lambda audio, language: str(language), batch_size=4),
            language=["de", None, float("nan"), "en"],
        )

        assert texts(heard) == ["de", "None", "None", "en"]

    def test_one_language_is_that_of_all(self):
        heard = run([tone(), tone()], Listener(lambda audio, language: str(language)), language="de")

        assert texts(heard) == ["de", "de"]

    @pytest.mark.parametrize("kind", ["file", "array"])
    def test_start_and_end_give_just_that_stretch(self, tmp_path, kind):
        import soundfile

        samples = np.concatenate([tone(hertz, 1.0)[0] for hertz in (400, 600, 800)])
        soundfile.write(tmp_path / "tones.wav", samples, 16_000)
        cell = tmp_path / "tones.wav" if kind == "file" else (samples, 16_000)

        heard = run([cell] * 4, Listener(), start=[None, 1.0, 2.0, float("nan")], end=[1.0, 2.0, None, 0.5])

        assert texts(heard) == ["400", "600", "800", "400"]
        assert [transcript.duration for transcript in heard] == pytest.approx([1.0, 1.0, 1.0, 0.5])

    @pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (-1.0, 1.0), (0.0, 0.0), (5.0, 6.0)])
    def test_a_stretch_that_is_none_costs_its_row_only(self, start, end):
        failed, heard = run([tone(500), tone(400)], Listener(), start=[start, None], end=[end, None])

        assert isinstance(failed, Failure)
        assert heard.text == "400"

    def test_one_channel_may_be_taken(self):
        stereo = np.stack([tone(400)[0], tone(800)[0]])

        assert texts(run([(stereo, 16_000)], Listener(), channel=1)) == ["800"]

    @pytest.mark.parametrize("name", ["language", "start", "end"])
    def test_lists_need_one_value_a_cell(self, name):
        with pytest.raises(OptionError, match=f"{name} has 1 values for 2 cells"):
            transcribe([tone(), tone()], model=Listener(), **{name: [None]})

    def test_how_errors_are_told_is_checked_before_any_work(self):
        with pytest.raises(OptionError, match="errors='column' or errors='raise'"):
            transcribe([tone()], model=Listener(), errors="ignore")

    def test_options_of_a_ready_backend_are_refused(self):
        with pytest.raises(OptionError, match="device: options of a ready backend"):
            transcribe([tone()], model=Listener(), device="cpu")

    def test_what_is_no_model_is_refused(self):
        with pytest.raises(OptionError, match="got float"):
            transcribe([tone()], model=3.5)


class TestLongRecordings:
    def test_a_recording_is_cut_and_joined_with_its_times(self, tone_file):
        backend = Listener(lambda audio, _: "la", longest=2.0, batch_size=4)

        [heard] = run([tone_file(seconds=9.0)], backend)

        assert all(duration <= 2.0 for durations in backend.batches for duration in durations)
        assert heard.duration == pytest.approx(9.0)
        assert heard.text == " ".join(["la"] * len(heard.segments))
        assert heard.segments[0].start == 0.0
        assert heard.segments[-1].end == pytest.approx(9.0, abs=0.002)
        assert all(a.end == pytest.approx(b.start, abs=0.002) for a, b in pairwise(heard.segments))
        assert heard.elapsed == 0.5 * len(heard.segments)

    @pytest.mark.parametrize("seconds", [0.05, 1.0, 1.9, 1.99, 2.0])
    def test_a_clip_no_longer_than_the_longest_stays_whole(self, seconds):
        backend = Listener(longest=2.0)

        run([tone(seconds=seconds)], backend)

        assert backend.batches == [[seconds]]

    def test_windows_lie_where_their_times_say(self):
        pitches = range(400, 1_400, 100)
        samples = np.concatenate([tone(hertz, 1.0)[0] for hertz in pitches])

        [heard] = run([(samples, 16_000)], Listener(longest=0.5, batch_size=3))

        for segment in heard.segments:
            inside = range(int(segment.start + 0.05), int(segment.end - 0.05) + 1)
            assert round(int(segment.text), -2) in {pitches[second] for second in inside}

    def test_short_clips_fill_a_batch_up_with_windows_of_a_long_one(self):
        backend = Listener(longest=1.0, batch_size=4)

        run([tone(seconds=2.5), *[tone(seconds=0.3)] * 3], backend)

        assert max(len(durations) for durations in backend.batches) > 1

    def test_a_language_that_is_given_is_that_of_every_window(self):
        backend = Listener(longest=1.0, batch_size=16)

        run([tone(seconds=4.0)], backend, language="fr")

        assert set(backend.languages) == {"fr"}

    def test_a_window_that_fails_does_not_hold_up_the_others(self):
        def answer(audio, language):
            raise BackendError("no")

        heard = run([tone(seconds=3.0)] * 6, Listener(answer, longest=1.0, batch_size=2))

        assert texts(heard) == ["backend"] * 6

    def test_without_a_limit_a_recording_stays_whole(self):
        backend = Listener()

        run([tone(400, 100.0)], backend)

        assert backend.batches == [[100.0]]

    def test_clips_of_any_length_pass_when_little_may_wait(self, monkeypatch):
        """What waits is counted in fractions that do not add up to zero again; a clip over the limit passes still."""
        monkeypatch.setattr(batch, "WAITING_SECONDS", 1.0)

        class Slow(Listener):
            def transcribe(self, batch, *, languages):
                time.sleep(0.2)  # meanwhile the others are decoded
                return super().transcribe(batch, languages=languages)

        seconds = [0.1, 0.1, 0.2, 0.3, 100.0, 0.1]

        heard = run([tone(400, length) for length in seconds], Slow(in_order=True))

        assert texts(heard) == ["400"] * 6

    def test_the_gate_leaves_out_what_holds_no_speech(self):
        backend = Listener(speech_gate=True)

        [heard] = run([(np.zeros(80_000), 16_000)], backend, language="de")

        assert (heard.text, heard.flags, heard.duration, heard.language) == ("", ("silence",), 5.0, "de")
        assert backend.batches == []

    def test_what_was_lost_in_decoding_is_a_flag(self, tone_file):
        path = tone_file(seconds=2.0)
        path.write_bytes(path.read_bytes()[:40_000])

        [heard] = run([path], Listener())

        assert "truncated" in heard.flags


class TestEndings:
    def test_decoding_does_not_run_far_ahead_of_the_model(self, monkeypatch):
        monkeypatch.setattr(batch, "WAITING_SECONDS", 5.0)
        decoded: list[float] = []
        goes_on = threading.Event()
        original = batch.stream

        def counted(*args, **kwargs):
            for block in original(*args, **kwargs):
                decoded.append(block.duration)
                yield block

        def answer(audio, language):
            goes_on.wait(PATIENCE)
            return "a"

        monkeypatch.setattr(batch, "stream", counted)
        result: list[Any] = []
        cells = [tone(seconds=1.0)] * 100
        thread = threading.Thread(target=lambda: result.extend(run(cells, Listener(answer, longest=1.0))))
        thread.start()
        try:
            seen = 0
            assert wait_until(lambda: sum(decoded) >= 5.0)
            while seen != len(decoded):  # until nothing more is decoded
                seen = len(decoded)
                time.sleep(0.5)
            ahead = sum(decoded)
        finally:
            goes_on.set()
            thread.join(PATIENCE)

        assert 5.0 <= ahead <= 5.0 + 1.0 + 16.0  # what may wait, what the model has, what each thread holds
        assert texts(result) == ["a"] * 100

    @pytest.mark.parametrize("stopping", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_stops_the_threads_and_keeps_what_is_done(self, stopping, own_threads):
        done: dict[int, Any] = {}
        answered: list[str] = []

        def answer(audio, language):
            if len(answered) == 3:
                raise stopping
            answered.append("a")
            return "a"

        cells = [tone(seconds=2.5) for _ in range(30)]
        backend = Listener(answer, in_order=True, batch_size=1)
        running = transcribe_cells(cells, backend, progress=False, done=done.__setitem__)

        with pytest.raises(stopping):
            list(running)

        assert texts(done[row] for row in sorted(done)) == ["a"] * 3
        assert wait_until(lambda: not own_threads()), own_threads()

    def test_an_abandoned_run_stops_its_threads(self, monkeypatch, own_threads):
        monkeypatch.setattr(batch, "WAITING_SECONDS", 1.0)
        backend = Listener(longest=1.0)
        running = transcribe([tone(seconds=2.5)] * 50, model=backend, progress=False)

        next(running)
        running.close()

        assert wait_until(lambda: not own_threads()), own_threads()

    def test_a_run_that_was_never_begun_starts_no_thread(self, own_threads):
        running = transcribe([tone()], model=Listener(), progress=False)

        assert own_threads() == []
        running.close()

    def test_a_run_that_raises_stops_its_threads(self, own_threads):
        with pytest.raises(SourceError):
            run([*[tone()] * 20, "no/such.wav"], Listener(), errors="raise")

        gc.collect()
        assert wait_until(lambda: not own_threads()), own_threads()

    def test_a_whole_run_leaves_no_thread(self, own_threads):
        run([tone()] * 20, Canned(["a"]))

        assert wait_until(lambda: not own_threads()), own_threads()

    def test_done_hears_of_every_row_once(self):
        heard: list[tuple[int, Any]] = []
        cells = [tone(400), None, "no/such.wav", tone(600)]

        outcomes = list(
            transcribe_cells(cells, Listener(), progress=False, done=lambda row, outcome: heard.append((row, outcome)))
        )

        assert sorted(row for row, _ in heard) == [0, 1, 2, 3]
        assert all(outcomes[row] is outcome for row, outcome in heard)


def test_a_failure_reads_as_code_and_message():
    failure = Failure.of(SourceError("no such file: a.wav", code="not-found"))

    assert str(failure) == "not-found: no such file: a.wav"
    assert failure == Failure("not-found", "no such file: a.wav", SourceError("another"))
