from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.errors import OptionError
from asrkit.weights import PACKAGES, find

PACKAGED = "openai/whisper-tiny.en"
LETTERS = ["<pad>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz"]


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    """Something for a network with random weights to spell."""
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)


def transcribed(cells: list[Any], model: Any, **options: Any) -> pd.DataFrame:
    df = pd.DataFrame({"audio": pd.Series(cells, dtype=object)})
    return df.asr.transcribe("audio", model=model, progress=False, details=True, **options)


@pytest.fixture(scope="module")
def speller(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A pipeline around a small CTC network with random weights: its letters mean nothing, but they are the same
    for the same sound."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        pipeline,
    )

    folder = tmp_path_factory.mktemp("speller")
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(LETTERS)}))
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(LETTERS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    return pipeline(
        "automatic-speech-recognition",
        model=Wav2Vec2ForCTC(config).eval(),
        tokenizer=Wav2Vec2CTCTokenizer(
            str(folder / "vocab.json"), pad_token="<pad>", unk_token="<unk>", word_delimiter_token="|"
        ),
        feature_extractor=Wav2Vec2FeatureExtractor(),
        device="cpu",
    )


@pytest.fixture(scope="module")
def whisper() -> Any:
    """A pipeline around real weights."""
    import torch
    from transformers import pipeline

    if PACKAGES[PACKAGED].files() is None:
        pytest.skip(f"no weight package of {PACKAGED} is installed")
    folder = str(find(PACKAGED).folder)  # its 16 bits are slow on a CPU
    return pipeline("automatic-speech-recognition", model=folder, device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def utterances(recordings: pd.DataFrame) -> pd.DataFrame:
    """Two short ones of read English."""
    read = recordings[recordings["source"].str.startswith("librispeech") & recordings["duration_s"].between(1.9, 3.5)]
    if len(read) < 2:
        pytest.skip("no short recordings of read English")
    return read.sort_values("duration_s").head(2)


class TestAnyArchitecture:
    def test_clips_of_mixed_lengths_each_have_their_own_text(self, speller):
        cells = [(noise(seconds, seed), 16_000) for seed, seconds in enumerate((2.0, 0.3, 5.0, 1.1))]

        together = transcribed(cells, speller, speech_gate=False)

        alone = [transcribed([cell], speller, speech_gate=False)["hypothesis"][0] for cell in cells]
        assert together["hypothesis"].tolist() == alone
        assert len(set(alone)) == 4
        assert together["hypothesis_duration"].tolist() == [2.0, 0.3, 5.0, 1.1]
        assert together["hypothesis_error"].isna().all()

    def test_one_bad_row_costs_itself_only(self, speller):
        too_short = (noise(0.005), 16_000)  # the network's first layers need 25 ms

        result = transcribed([(noise(1.0), 16_000), too_short, "no.wav", None], speller, speech_gate=False)

        assert result["hypothesis"].isna().tolist() == [False, True, True, True]
        assert result["hypothesis_error"][1].startswith("backend: ")
        assert result["hypothesis_error"][2].startswith("not-found: ")
        assert result["hypothesis_error"].isna().tolist() == [True, False, False, True]

    def test_the_callers_cell_keeps_what_is_in_it(self, speller):
        cell = {"array": noise(1.0), "sampling_rate": 16_000, "path": "a.wav"}
        before = cell["array"].copy()

        transcribed([cell], speller, speech_gate=False)

        assert list(cell) == ["array", "sampling_rate", "path"]
        np.testing.assert_array_equal(cell["array"], before)

    def test_words_have_times_inside_the_clip(self, speller):
        result = transcribed([(noise(4.0), 16_000)], speller, timestamps="word", speech_gate=False)

        [segment] = result["hypothesis_segments"][0]
        words = segment["words"]
        assert " ".join(word["word"] for word in words) == result["hypothesis"][0]
        assert all(0 <= word["start"] <= word["end"] <= 4.0 for word in words)
        assert all(a["end"] <= b["start"] for a, b in pairwise(words))

    def test_what_is_longer_than_half_a_minute_is_cut(self, speller):
        result = transcribed([(noise(70.0), 16_000)], speller, speech_gate=False)

        segments = result["hypothesis_segments"][0]
        assert len(segments) >= 3
        assert all(segment["end"] - segment["start"] <= 30.0 for segment in segments)

    def test_the_gate_keeps_noise_from_it(self, speller):
        result = transcribed([(noise(1.0), 16_000)], speller)

        assert result["hypothesis"].tolist() == [""]
        assert result["hypothesis_flags"].tolist() == ["silence"]

    def test_what_made_the_text_is_recorded(self, speller):
        made = transcribed([None], speller).attrs["asrkit"]["hypothesis"]

        assert made["backend"] == "pipeline"
        assert made["precision"] == "float32"
        assert made["speech_gate"] is True

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"device": "cpu"}, "device"),
            ({"revision": "main"}, "revision"),
            ({"timestamps": "words"}, "timestamps"),
            ({"generate_kwargs": {"num_beams": 2}}, "generate_kwargs"),  # a CTC network generates nothing
        ],
    )
    def test_options_that_it_cannot_follow_are_refused(self, speller, options, said):
        with pytest.raises((OptionError, TypeError), match=said):
            transcribed([(noise(1.0), 16_000)], speller, **options)

    def test_a_pipeline_of_another_task_is_no_model(self):
        class TextClassificationPipeline:
            pass

        with pytest.raises(OptionError, match="got TextClassificationPipeline"):
            transcribed([None], TextClassificationPipeline())


@pytest.mark.model
@pytest.mark.speech
class TestRealWhisper:
    def test_it_hears_what_was_said_as_asrkits_own_decoder_does(self, whisper, utterances):
        own = asrkit.Whisper(str(find(PACKAGED).folder), device="cpu", precision="float32")
        cells = [*utterances["path"], b"no sound"]

        heard, heard_by_own = transcribed(cells, whisper), transcribed(cells, own)

        assert heard["hypothesis_error"].isna().tolist() == [True, True, False]
        for text, other, reference in zip(
            heard["hypothesis"][:2], heard_by_own["hypothesis"][:2], utterances["text"], strict=True
        ):
            assert plain(text) == plain(other)
            assert len(set(plain(text)) & set(plain(reference))) >= 0.6 * len(set(plain(reference)))

    @pytest.mark.parametrize("timestamps", ["segment", "word"])
    def test_times_are_in_order_and_inside_the_clip(self, whisper, utterances, timestamps):
        [path] = utterances["path"].head(1)

        result = transcribed([path], whisper, timestamps=timestamps)

        duration = result["hypothesis_duration"][0]
        segments = result["hypothesis_segments"][0]
        timed = segments if timestamps == "segment" else [word for segment in segments for word in segment["words"]]
        assert timed
        assert all(0 <= part["start"] <= part["end"] <= duration for part in timed)
        assert all(a["end"] <= b["start"] for a, b in pairwise(timed))
        key = "text" if timestamps == "segment" else "word"
        assert plain(" ".join(part[key] for part in timed)) == plain(result["hypothesis"][0])


def plain(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.lower().replace("'", "")).split()


def test_it_is_known_by_its_weights_and_settings_as_they_are_in_memory(speller):
    import torch

    from asrkit.backends.pipeline import Pipeline

    speller = deepcopy(speller)
    backend = Pipeline(speller)
    seen = [backend.fingerprint["digest"]]
    assert backend.fingerprint["digest"] == seen[0] == Pipeline(speller).fingerprint["digest"]

    with torch.no_grad():
        speller.model.lm_head.bias[0] += 1.0
    seen.append(backend.fingerprint["digest"])
    speller.feature_extractor.do_normalize = not speller.feature_extractor.do_normalize
    seen.append(backend.fingerprint["digest"])
    speller.tokenizer.add_tokens(["zz"])
    seen.append(backend.fingerprint["digest"])
    speller.model.lm_head.bias = torch.nn.Parameter(speller.model.lm_head.bias.detach() - 1.0)
    seen.append(backend.fingerprint["digest"])

    assert len(set(seen)) == 5
