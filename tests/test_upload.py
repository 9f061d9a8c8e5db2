"""What a service is sent: the file itself where it takes it, else FLAC, in parts where it is too long or too large."""

from __future__ import annotations

import hashlib
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import odd_audio
import pytest
import soundfile

from asrkit.audio import SAMPLING_RATE, Encoded, load
from asrkit.cloudflare.models import MODELS
from asrkit.errors import DecodeError, SourceError
from asrkit.source import locate
from asrkit.upload import Upload, uploads

TAKEN = MODELS["@cf/openai/whisper"].containers
AS_THEY_ARE = ("wav", "mp3", "ogg", "opus", "webm", "m4a", "flac")
AS_FLAC = ("aiff", "aac", "sph")
MEDIA_TYPES = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "webm": "audio/webm",
    "m4a": "audio/mp4",
    "flac": "audio/flac",
}


def sent(cell, *, max_bytes=25_000_000, longest=900.0, **options) -> list[tuple[Encoded, float]]:
    return [
        (window.audio, window.start) for window in uploads(locate(cell), Upload(TAKEN, max_bytes), longest, **options)
    ]


def sound_in(file: Encoded) -> np.ndarray:
    samples, rate = soundfile.read(BytesIO(file.data), dtype="float32")
    assert rate == SAMPLING_RATE
    assert samples.ndim == 1
    return samples


@pytest.fixture
def shortest(recordings):
    """The path of the shortest real recording of a kind."""

    def path(ending: str) -> str:
        some = recordings[recordings.path.str.endswith(f".{ending}")].sort_values("duration_s")
        if some.empty:
            pytest.skip(f"no .{ending} among the recordings")
        return some.path.iloc[0]

    return path


def film(path: Path) -> Path:
    """A second of black with a tone."""
    with av.open(path, "w") as container:
        picture = container.add_stream("mpeg4", rate=10, width=64, height=64, pix_fmt="yuv420p")
        sound = container.add_stream("aac", rate=16_000, layout="mono")
        for _ in range(10):
            container.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        tone = odd_audio.tones(pitches=[400])[:, 0][None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(sound.encode(frame))
        for stream in (picture, sound):
            container.mux(stream.encode(None))
    return path


class TestRealRecordings:
    @pytest.mark.parametrize("ending", AS_THEY_ARE)
    def test_a_container_that_the_model_takes_goes_as_it_is(self, shortest, ending):
        path = shortest(ending)

        [(file, start)] = sent(path)

        assert hashlib.sha256(file.data).digest() == hashlib.sha256(Path(path).read_bytes()).digest()
        assert file.media_type == MEDIA_TYPES[ending]
        assert start == 0.0
        assert file.duration == pytest.approx(load(path).duration)

    @pytest.mark.parametrize("ending", AS_FLAC)
    def test_another_one_goes_as_flac_with_the_same_sound(self, shortest, ending):
        path = shortest(ending)

        [(file, _)] = sent(path)

        heard = load(path)
        assert (file.format, file.media_type, file.duration) == ("flac", "audio/flac", heard.duration)
        np.testing.assert_allclose(sound_in(file), heard.samples.clip(-1, 1), atol=1 / 30_000)

    @pytest.mark.parametrize("cell", ["bytes", "mapping", "file"])
    def test_bytes_go_as_they_are_too(self, shortest, cell):
        data = Path(shortest("mp3")).read_bytes()

        [(file, _)] = sent({"bytes": data, "mapping": {"bytes": data, "path": "a.xyz"}, "file": BytesIO(data)}[cell])

        assert (file.data, file.media_type) == (data, "audio/mpeg")

    def test_what_an_address_leads_to_goes_as_it_is_too(self, shortest):
        import fsspec

        data = Path(shortest("mp3")).read_bytes()
        fsspec.filesystem("memory").pipe("/clip.mp3", data)

        [(file, _)] = sent("memory://clip.mp3")

        assert (file.data, file.media_type) == (data, "audio/mpeg")

    def test_every_recording_that_goes_as_it_is_has_the_length_that_is_paid(self, recordings):
        some = recordings[recordings.duration_s < 10].groupby("format").head(3)

        for row in some.itertuples():
            [(file, _)] = sent(row.path)
            assert file.duration == pytest.approx(row.duration_s, abs=0.2), row.path


class TestWhatGoesAsFlac:
    @pytest.mark.parametrize(
        "options, first, last",
        [({"start": 0.1, "end": 0.3}, 0.1, 0.3), ({"start": 0.1}, 0.1, 0.5), ({"end": 0.3}, 0.0, 0.3)],
    )
    def test_a_stretch_of_a_recording(self, tone_file, options, first, last):
        path = tone_file(seconds=0.5)

        [(file, start)] = sent(path, **options)

        assert (file.format, start) == ("flac", 0.0)
        expected = load(path).samples[round(first * SAMPLING_RATE) : round(last * SAMPLING_RATE)]
        np.testing.assert_allclose(sound_in(file), expected, atol=1 / 30_000)

    def test_one_of_its_channels(self, tmp_path):
        left, right = (odd_audio.tones(pitches=[pitch])[:, 0] for pitch in (400, 900))
        soundfile.write(tmp_path / "two.wav", np.stack([left, right], axis=1), 16_000)

        [(file, _)] = sent(tmp_path / "two.wav", channel=1)

        assert file.format == "flac"
        np.testing.assert_allclose(sound_in(file), right, atol=1 / 15_000)

    def test_stereo_whose_channels_cancel_each_other(self, tmp_path):
        left = odd_audio.tones(pitches=[400])[:, 0]
        soundfile.write(tmp_path / "anti.wav", np.stack([left, -left], axis=1), 16_000)

        [(file, _)] = sent(tmp_path / "anti.wav")

        assert file.format == "flac"
        assert np.abs(sound_in(file)).max() == pytest.approx(np.abs(left).max(), rel=0.01)
        assert file.warnings[0].startswith("cancelled")

    def test_stereo_whose_channels_agree_goes_as_it_is(self, tmp_path):
        left = odd_audio.tones(pitches=[400])[:, 0]
        soundfile.write(tmp_path / "two.wav", np.stack([left, left], axis=1), 16_000)

        [(file, _)] = sent(tmp_path / "two.wav")

        assert file.data == (tmp_path / "two.wav").read_bytes()

    @pytest.mark.parametrize("suffix", ["mp4", "mkv"])
    def test_the_sound_of_a_film(self, tmp_path, suffix):
        [(file, _)] = sent(film(tmp_path / f"film.{suffix}"))

        assert file.format == "flac"
        assert file.duration == pytest.approx(1.0, abs=0.1)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
    def test_an_array(self, dtype):
        tone = 0.3 * np.sin(np.arange(8_000) / 10)
        samples = (tone * 32_768).astype(np.int16) if dtype == np.int16 else tone.astype(dtype)

        [(file, _)] = sent((samples, 16_000))

        np.testing.assert_allclose(sound_in(file), tone, atol=1 / 15_000)

    def test_samples_beyond_full_scale_are_clipped_and_do_not_wrap_around(self):
        [(file, _)] = sent((np.array([2.0, -2.0] * 800, np.float32), 16_000))

        assert sound_in(file).min() == -1.0
        assert sound_in(file).max() > 0.999

    def test_a_big_endian_wav_which_ffmpeg_hears_as_noise(self):
        [(file, _)] = sent(odd_audio.wav(order=">"))

        assert file.format == "flac"


class TestWhatIsNotSent:
    def test_a_broken_recording_raises_before_anything_is_given(self, tmp_path):
        (tmp_path / "broken.wav").write_bytes(b"RIFF" + bytes(100))

        with pytest.raises(DecodeError):
            sent(tmp_path / "broken.wav")

    def test_a_missing_one_too(self):
        with pytest.raises(SourceError, match="no such file"):
            sent("no/such.wav")

    def test_with_the_gate_nothing_goes_where_nobody_speaks(self, tone_file, shortest):
        assert sent(tone_file(seconds=1.0), gate=True) == []
        assert len(sent(shortest("wav"), gate=True)) == 1


def assert_follow_one_another(parts, duration):
    """From the first second to the last, without a gap."""
    assert parts[0][1] == 0.0
    for (file, start), (_, following) in pairwise(parts):
        assert start + file.duration == pytest.approx(following, abs=1e-6)
    assert parts[-1][1] + parts[-1][0].duration == pytest.approx(duration, abs=1e-6)


class TestParts:
    def test_a_recording_that_is_too_long_goes_in_parts_that_follow_one_another(self, shortest):
        speech = load(shortest("wav")).samples
        samples = np.tile(speech, int(20 * SAMPLING_RATE / len(speech)) + 1)

        parts = sent((samples, 16_000), longest=5.0)

        assert len(parts) >= 4
        assert all(file.duration <= 5.0 for file, _ in parts)
        assert_follow_one_another(parts, len(samples) / SAMPLING_RATE)
        np.testing.assert_allclose(np.concatenate([sound_in(file) for file, _ in parts]), samples, atol=1 / 30_000)

    def test_one_that_is_just_as_long_as_it_may_be_goes_whole(self, tone_file):
        path = tone_file(seconds=5.0)

        assert len(sent(path, longest=5.0)) == 1
        assert len(sent(path, longest=4.9)) == 2

    def test_the_cut_falls_into_the_pause(self, shortest):
        speech = load(shortest("wav")).samples[: 4 * SAMPLING_RATE]
        pause = np.zeros(SAMPLING_RATE, np.float32)
        samples = np.concatenate([speech, pause, speech])
        middle = (len(speech) + len(pause) / 2) / SAMPLING_RATE
        longest = len(speech) / SAMPLING_RATE + 1.2

        parts = sent((samples, 16_000), longest=longest)

        assert [start for _, start in parts] == [0.0, pytest.approx(middle, abs=0.7)]

    def test_a_file_that_is_too_large_goes_as_flac(self, tmp_path):
        """A quiet tone shrinks well."""
        tone = 0.01 * np.sin(np.arange(80_000) / 10)
        soundfile.write(tmp_path / "large.wav", tone, 16_000, "FLOAT")
        size = (tmp_path / "large.wav").stat().st_size

        [(file, _)] = sent(tmp_path / "large.wav", max_bytes=size - 1)
        [(whole, _)] = sent(tmp_path / "large.wav", max_bytes=size)

        assert (file.format, whole.format) == ("flac", "wav")

    def test_what_is_too_long_and_too_large_is_cut_twice_and_its_times_add_up(self):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, 20 * SAMPLING_RATE).astype(np.float32)

        parts = sent((noise, 16_000), longest=8.0, max_bytes=100_000)

        assert all(len(file.data) <= 100_000 for file, _ in parts)
        assert_follow_one_another(parts, 20.0)

    @pytest.mark.parametrize("kind", ["wav", "array"])
    def test_what_is_too_large_even_then_is_cut_until_it_fits(self, tmp_path, kind):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, 20 * SAMPLING_RATE).astype(np.float32)
        soundfile.write(tmp_path / "noise.wav", noise, 16_000)
        cell = tmp_path / "noise.wav" if kind == "wav" else (noise, 16_000)

        parts = sent(cell, max_bytes=100_000)

        assert len(parts) > 5
        assert all(len(file.data) <= 100_000 for file, _ in parts)
        assert_follow_one_another(parts, 20.0)

    def test_starts_count_from_the_beginning_of_the_stretch(self, tone_file):
        parts = sent(tone_file(seconds=10.0), start=2.0, longest=3.0)

        assert_follow_one_another(parts, 8.0)

    def test_one_second_that_does_not_fit_is_an_error_that_names_the_limit(self):
        noise = np.random.default_rng(7).uniform(-0.5, 0.5, 5 * SAMPLING_RATE).astype(np.float32)

        with pytest.raises(DecodeError, match="one second of it has over 9,000 bytes") as caught:
            sent((noise, 16_000), max_bytes=9_000)

        assert caught.value.code == "too-large"

    def test_warnings_come_with_the_parts(self, tmp_path):
        left = np.concatenate([odd_audio.tones(pitches=[400])[:, 0]] * 6)
        soundfile.write(tmp_path / "anti.wav", np.stack([left, -left], axis=1), 16_000)

        parts = sent(tmp_path / "anti.wav", longest=2.5)

        assert len(parts) >= 3
        assert all(file.warnings[0].startswith("cancelled") for file, _ in parts)
