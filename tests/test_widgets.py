"""What all widgets share, without a browser: sound in windows, answers, stored notebooks, the wheel."""

from __future__ import annotations

import base64
import json
import re
import threading
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit import Player, Segment, Transcript, Word
from asrkit.audio import SAMPLING_RATE
from asrkit.errors import ColumnError, DecodeError, OptionError
from asrkit.widgets import clips as clips_module
from asrkit.widgets.aligned import align_texts
from asrkit.widgets.assets import STATIC, module
from asrkit.widgets.clips import Clips, Sound, mel, peaks

ROOT = Path(__file__).parent.parent
TEXTS = {"text": ["so it is", "THE cat, sat"], "hypothesis": ["so it was", "the bat sat"]}


def samples_of(wav: bytes) -> np.ndarray:
    import soundfile

    samples, rate = soundfile.read(BytesIO(wav), dtype="float32")
    assert rate == SAMPLING_RATE
    return samples


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * SAMPLING_RATE)).astype(np.float32)


def clips_of(cell: object, **stretch: float) -> Clips:
    return Clips({"a": Sound(cell, **stretch)}.__getitem__)


# ---- sound


def test_a_short_clip_is_sent_whole():
    sound = noise(2.0)

    clip = clips_of((sound, SAMPLING_RATE)).clip("a", at=1.5)

    assert (clip.start, clip.end, clip.duration, clip.is_whole) == (0.0, 2.0, 2.0, True)
    assert np.abs(samples_of(clip.wav) - sound).max() < 2 / 32_768


def test_the_windows_of_a_long_recording_are_the_recording():
    sound = noise(330.0)
    clips = clips_of((sound, SAMPLING_RATE))

    windows = [clips.clip("a", at) for at in (0.0, 60.0, 120.0, 180.0, 240.0, 300.0)]

    heard = np.concatenate([samples_of(clip.wav)[: 60 * SAMPLING_RATE] for clip in windows])
    assert not any(clip.is_whole for clip in windows)
    assert len(heard) == len(sound)
    assert np.abs(heard - sound).max() < 2 / 32_768
    assert clips.clip("a", at=299.9) is windows[4]


def test_a_stretch_of_a_recording_begins_at_its_own_second():
    sound = noise(4.0)
    clips = clips_of((sound, SAMPLING_RATE), start=1.0, end=2.5)

    clip = clips.clip("a")

    assert clip.duration == 1.5
    assert np.abs(samples_of(clip.wav) - sound[SAMPLING_RATE : int(2.5 * SAMPLING_RATE)]).max() < 2 / 32_768
    assert clips.mel("a", 0.5).end == pytest.approx(1.5, abs=0.01)


def test_the_overview_of_a_long_recording_comes_in_steps_and_has_its_peaks(tmp_path):
    import soundfile

    sound = noise(400.0) * np.repeat(np.linspace(0.1, 1.0, 400, dtype=np.float32), SAMPLING_RATE)
    path = tmp_path / "long.wav"
    soundfile.write(path, sound, SAMPLING_RATE, "FLOAT")
    clips = clips_of(path)
    steps = [clips.overview("a")]
    while not steps[-1].is_done:
        steps.append(clips.overview("a"))

    assert [round(step.until) for step in steps] == [120, 240, 360, 400]
    whole = steps[-1].peaks.reshape(-1, 2)
    size = int(np.ceil(len(sound) / clips_module.BINS))
    expected = [np.rint(127 * sound[at : at + size].max()) for at in range(0, len(sound), size)]
    assert whole[:, 1].tolist() == expected


@pytest.mark.parametrize("bins", [1, 7, 100])
def test_peaks_bound_the_sound(bins):
    sound = noise(0.01, seed=bins)

    low, high = peaks(sound, bins).reshape(-1, 2).T

    assert (low <= high).all()
    assert low.min() == np.rint(127 * sound.min())
    assert high.max() == np.rint(127 * sound.max())


def test_what_was_encoded_is_kept_up_to_a_limit(tone_file):
    paths = {name: Sound(tone_file(1.0)) for name in "abc"}
    clips = Clips(paths.__getitem__, keep=70_000)  # two of 32,044 bytes
    first, second = clips.clip("a"), clips.clip("b")

    assert clips.clip("a") is first
    clips.clip("c")
    assert clips.clip("a") is first
    assert clips.clip("b") is not second


def test_a_spectrogram_is_loudest_where_the_tone_is():
    times = np.arange(SAMPLING_RATE) / SAMPLING_RATE
    low, high = (
        mel(np.sin(2 * np.pi * pitch * times).astype(np.float32)).astype(float).sum(axis=1).argmax()
        for pitch in (300, 3_000)
    )

    assert low < high


@pytest.mark.parametrize(
    "cell, error", [(None, "this row has no audio"), (b"no sound at all", "not-audio|know"), (b"", "empty|0 bytes")]
)
def test_what_is_no_sound_is_told(cell, error):
    with pytest.raises(DecodeError, match=error):
        clips_of(cell).clip("a")


# ---- questions and answers


@pytest.fixture
def player(tone_file):
    words = (Word("So", 0.0, 0.2), Word("it", 0.2, 0.4, 0.3))
    return Player(tone_file(), reference="so it is", hypothesis="So it", segments=[Segment("So it", 0.0, 0.5, words)])


def test_an_answer_carries_the_question_and_its_sound(player):
    reply = player.answer({"op": "clip", "item_id": 0, "ask": "x-1"})

    assert (reply.content["op"], reply.content["ask"], reply.content["item_id"]) == ("clip", "x-1", 0)
    assert reply.content["duration"] == 0.5
    assert reply.buffers[0][:4] == b"RIFF"
    assert json.loads(json.dumps(dict(reply.content)))["whole"] is True


@pytest.mark.parametrize("message", [{"op": "dance"}, {"op": "__init__"}, {}, None, "clip", {"op": "clip"}])
def test_a_question_that_cannot_be_answered_gets_an_error_in_words(player, message):
    reply = player.answer(message)

    assert reply.content["op"] == "error"
    assert reply.content["message"]


def test_a_missing_file_is_an_answer_with_its_name(tmp_path):
    reply = Player(tmp_path / "gone.wav").answer({"op": "clip", "item_id": 0, "ask": "x"})

    assert (reply.content["op"], reply.content["of"], reply.content["code"]) == ("error", "clip", "not-found")
    assert "gone.wav" in reply.content["message"]


def test_answers_from_several_threads_are_whole(player):
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(player.answer({"op": "clip", "item_id": 0}))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({bytes(reply.buffers[0]) for reply in replies}) == 1
    assert len(replies) == 8


def test_traits_stay_small_however_long_the_recording_is():
    words = tuple(Word(f"word{n}", n * 0.4, n * 0.4 + 0.3) for n in range(9_000))
    text = " ".join(word.word for word in words)
    player = Player(None, reference=text, hypothesis=text, segments=[Segment(text, 0.0, 3_600.0, words)])

    state = {key: value for key, value in player.get_state().items() if key not in ("_esm", "_css")}

    assert len(json.dumps(state, default=str)) < 2_000
    assert len(player._esm) + len(player._css) < 100_000
    assert not any(isinstance(value, bytes | memoryview) for value in state.values())


# ---- the doorway


def test_plays_a_row_by_its_label(tone_file):
    df = pd.DataFrame({"path": [tone_file(name="a.wav"), tone_file(name="b.wav")], **TEXTS}, index=["x", "y"])

    player = df.asr.play("path", "y", reference="text")

    assert player.item["title"] == "row y · b.wav"
    assert player.reference == "THE cat, sat"
    assert player.aligned.counts.errors == 1
    assert df["path"].asr.play("y").item["title"] == "row y · b.wav"
    assert df.asr.play("path").item["title"] == "row x · a.wav"


def test_the_rate_of_a_row_is_that_of_the_score(recordings):
    df = recordings.iloc[:6].assign(hypothesis=lambda rows: rows["text"].str.lower().str.replace(" the ", " a "))
    score = df.asr.score(reference="text", replicates=10)

    rows = [df.asr.play("path", label, reference="text").aligned.counts for label in df.index]

    assert [counts.errors for counts in rows] == score.utterances.errors.tolist()
    assert sum(counts.reference_length for counts in rows) == score.counts.reference_length


@pytest.mark.parametrize(
    "index, row, error",
    [
        ([0, 1], 5, "the index has no row 5; it begins with 0, 1"),
        (["a", "a"], "a", "the index has 2 rows 'a'"),
    ],
)
def test_a_label_that_names_no_one_row_is_refused(index, row, error):
    df = pd.DataFrame({"path": ["a.wav", "b.wav"]}, index=index)

    with pytest.raises(ColumnError, match=error):
        df.asr.play("path", row)


def test_an_empty_frame_has_nothing_to_play():
    with pytest.raises(OptionError, match="no rows"):
        pd.DataFrame({"path": []}).asr.play("path")


@pytest.mark.parametrize("how", ["as they are", "json", "objects"])
def test_words_come_from_the_column_that_transcribe_gives(tone_file, how):
    transcript = Transcript(
        "so it", segments=(Segment("so it", 0.0, 0.4, (Word("so", 0.0, 0.2), Word("it", 0.2, 0.4))),)
    )
    plain = transcript.to_dict()["segments"]
    cell = {"as they are": list(plain), "json": json.dumps(plain), "objects": list(transcript.segments)}[how]
    df = pd.DataFrame({"path": [tone_file()], "hypothesis": ["so it"], "hypothesis_segments": [cell]})

    told = df.asr.play("path").answer({"op": "item", "item_id": 0}).content

    assert told["words"]["text"] == ["so", "it"]
    assert told["words"]["start"] == [0.0, 0.2]
    assert told["lines"] == [{"start": 0.0, "end": 0.4, "from": 0, "to": 2, "text": ""}]


@pytest.mark.parametrize("unknown", [None, float("nan")])
def test_who_speaks_comes_with_the_line(tone_file, unknown):
    words = [{"word": "so", "start": 0.0, "end": 0.2, "speaker": "0", "channel": 1.0}]
    segments = [
        {"text": "so", "start": 0.0, "end": 0.2, "words": words, "speaker": "0", "channel": 1.0},
        {"text": "it", "start": 0.2, "end": 0.4, "words": [], "speaker": unknown, "channel": unknown},
    ]
    player = Player(tone_file(), hypothesis="so it", segments=segments)

    first, second = player.answer({"op": "item", "item_id": 0}).content["lines"]

    assert first["voice"] == "Channel 1, Speaker 0"
    assert "voice" not in second
    assert player.segments[0].words[0].channel == 1


def test_segments_of_another_shape_are_refused(tone_file):
    with pytest.raises(OptionError, match="expected segments with text, start, end"):
        Player(tone_file(), segments=[{"from": 0}])


def test_what_transcribe_gives_can_be_played(tone_file):
    df = pd.DataFrame({"path": [tone_file()]})
    df = df.asr.transcribe("path", model=asrkit.Canned(["hello world"]), details=True, progress=False)

    told = df.asr.play("path").answer({"op": "item", "item_id": 0}).content

    assert told["hypothesis"] == "hello world"


# ---- no kernel


def test_a_stored_notebook_shows_texts_and_rate_without_sound_or_scripts(tone_file):
    evil = "<img src=x onerror=alert(1)>"
    player = Player(tone_file(), reference=f"{evil} it is", hypothesis="it was", normalizer="none", title=evil)

    data, _ = player._repr_mimebundle_()
    html = data["text/html"]

    assert "WER" in html
    assert "&lt;img" in html
    assert not re.search(r"<(img|script|audio|iframe)", html)
    assert "base64" not in html
    assert len(json.dumps(data)) < 20_000


def test_one_file_holds_everything_and_asks_nobody(player, tmp_path):
    path = tmp_path / "clip.html"

    html = player.to_html(path)

    assert path.read_text(encoding="utf-8") == html
    assert not re.search(r"""(src|href)=["']?https?:|@import|import\s*\(?["']https?:""", html)
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])
    [clip] = [answer for answer in data["answers"] if answer["question"]["op"] == "clip"]
    assert len(samples_of(base64.b64decode(clip["buffers"][0]))) == SAMPLING_RATE / 2


def test_one_file_of_a_missing_sound_is_an_error(tmp_path):
    with pytest.raises(asrkit.errors.SourceError, match="no such file"):
        Player(tmp_path / "gone.wav").to_html(tmp_path / "clip.html")
    assert not (tmp_path / "clip.html").exists()


# ---- files


def test_every_page_is_in_the_wheel(tmp_path):
    wheel = pytest.importorskip("hatchling.builders.wheel")

    [built] = wheel.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])

    with zipfile.ZipFile(built) as archive:
        there = set(archive.namelist())
    names = {f"asrkit/widgets/static/{path.name}" for path in STATIC.iterdir()}
    assert {"asrkit/widgets/static/common.js", "asrkit/widgets/static/player.js"} <= names
    assert names <= there


@pytest.mark.parametrize("name", sorted({path.stem for path in STATIC.glob("*.js")} - {"common", "offline"}))
def test_a_module_needs_no_other_and_puts_no_text_in_as_html(name):
    source = module(name)

    assert not re.search(r"^\s*import\b|\bimport\(|https?://", source, re.MULTILINE)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localhost", source)
    assert "attachShadow" not in source
    made = set(re.findall(r"createElement\(([^)]*)\)", source))
    assert made == {"tag"}  # in `h` alone, which sees to the keys of all


@pytest.mark.parametrize(
    "reference, hypothesis, language, told",
    [
        ("so it is", "so it was", "en", "WER 33.3%: 1 error in 3 words"),
        ("我用", "我", "zh", "CER 50.0%: 1 error in 2 characters"),
        ("", "so", "en", "1 error; no word in the reference"),
    ],
)
def test_a_rate_is_told_in_what_is_counted(reference, hypothesis, language, told):
    assert align_texts(reference, hypothesis, language=language).told == told


def test_a_missing_text_is_not_aligned():
    assert align_texts(None, "so") is None
    assert align_texts("so", float("nan")) is None
