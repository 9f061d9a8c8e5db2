"""Options of transformers' ``generate``: each reaches every decoding of a window, or is refused by its name."""

import inspect

import pytest
from transformers import GenerationConfig, WhisperForConditionalGeneration
from transformers.generation.utils import GenerationMixin

import asrkit
from asrkit.audio import load
from asrkit.backends import whisper as whisper_module
from asrkit.backends.generation import INSTEAD, TAKEN, checked_options
from asrkit.errors import OptionError

TINY = "openai/whisper-tiny.en"

BEAMS = {
    "num_beams": 2,
    "length_penalty": 2.0,
    "early_stopping": True,
    "repetition_penalty": 1.1,
    "no_repeat_ngram_size": 3,
    "max_new_tokens": 12,
    "min_new_tokens": 2,
    "bad_words_ids": [[262, 286]],
    "sequence_bias": [[[314], -2.0]],
    "suppress_tokens": [11, 13],
    "begin_suppress_tokens": [220],
    "exponential_decay_length_penalty": [10, 1.1],
    "renormalize_logits": True,
    "remove_invalid_values": True,
    "use_cache": False,
}
SAMPLING = {
    "do_sample": True,
    "temperature": 0.1,
    "top_k": 7,
    "top_p": 0.9,
    "min_p": 0.01,
    "top_h": 0.9,
    "typical_p": 0.9,
    "epsilon_cutoff": 0.001,
    "eta_cutoff": 0.001,
    "max_length": 20,
    "min_length": 3,
}
LIMITED = {"max_new_tokens": "max_length"}  # what transformers is told in its place


@pytest.fixture
def failing(monkeypatch):
    """Every window fails Whisper's thresholds, so that it is decoded again and again."""
    monkeypatch.setattr(whisper_module, "LOG_PROBABILITY", 1.0)


@pytest.fixture
def calls(monkeypatch):
    """What transformers' ``generate``, which still runs, is asked for."""
    real, asked = GenerationMixin.generate, []

    def generate(model, **arguments):
        asked.append(arguments["generation_config"].to_dict())
        return real(model, **arguments)

    monkeypatch.setattr(GenerationMixin, "generate", generate)
    return asked


def test_every_option_that_is_taken_has_an_example_here():
    assert {*BEAMS, *SAMPLING} == set(TAKEN)


@pytest.mark.model
@pytest.mark.speech
@pytest.mark.parametrize("options", [BEAMS, SAMPLING], ids=["beams", "sampling"])
def test_every_option_reaches_every_decoding_of_a_window(options, recordings, failing, calls):
    clip = load(recordings[recordings.source == "jfk"].path.iloc[0], end=2.0)
    backend = asrkit.Whisper(TINY, precision="float32", generate_kwargs=options)

    [attempt] = backend.attempts([clip], languages=[None])
    attempt.go_on()
    attempt.go_on()

    assert len(calls) == 3
    for asked in calls:
        for name, value in options.items():
            got = asked[LIMITED.get(name, name)]
            if name == "suppress_tokens":
                assert got[: len(value)] == value
            elif name in LIMITED:
                assert got < 20
            elif name == "temperature":
                assert got in (0.1, 0.2)
            else:
                assert got == value, name
    assert [asked["do_sample"] for asked in calls] == [options.get("do_sample"), options.get("do_sample"), True]


FOREIGN = {
    *INSTEAD,
    *(set(inspect.signature(WhisperForConditionalGeneration.generate).parameters) - {"self", "kwargs"}),
    *(set(GenerationConfig().to_dict()) - set(TAKEN)),
    "no_such_option",
}


@pytest.mark.parametrize("name", sorted(FOREIGN - set(TAKEN)))
@pytest.mark.parametrize("value", [None, 2], ids=["None", "2"])
def test_every_other_option_is_refused_by_its_name(name, value):
    with pytest.raises(OptionError, match=rf"generate_kwargs: .*\b{name}\b"):
        checked_options({"num_beams": 2, name: value}, 448)


@pytest.mark.parametrize(
    "option, argument",
    [
        ({"language": "en"}, "language="),
        ({"task": "transcribe"}, "task="),
        ({"forced_decoder_ids": None}, "language= and task="),
        ({"prompt_ids": [1, 2]}, "prompt="),
        ({"initial_prompt": "names"}, "prompt="),
        ({"return_timestamps": True}, "timestamps="),
        ({"return_timestamps": "word"}, "timestamps="),
        ({"word_timestamps": True}, "timestamps="),
        ({"beam_size": 5}, "num_beams"),
        ({"temperature": (0.0, 0.2)}, "temperature_fallback"),
        ({"temperature": 0.0}, "temperature_fallback"),
        ({"compression_ratio_threshold": 2.4}, "temperature_fallback"),
        ({"condition_on_prev_tokens": True}, "prompt="),
        ({"vad_filter": True}, "speech_gate="),
        ({"num_return_sequences": 2, "num_beams": 2}, "one text"),
        ({"temperature": 0.5}, "do_sample=True"),
        ({"top_k": 5}, "do_sample=True"),
        ({"length_penalty": 1.5}, "num_beams of at least 2"),
        ({"max_new_tokens": 500}, "at most 448"),
        ({"max_new_tokens": 5, "max_length": 9}, "not both"),
        ({"num_beam": 5}, "did you mean 'num_beams'"),
    ],
)
@pytest.mark.model
def test_a_model_refuses_it_before_its_weights_are_loaded_and_names_what_to_write(option, argument, monkeypatch):
    def load_nothing(*arguments):
        raise AssertionError("the weights were loaded")

    monkeypatch.setattr(whisper_module, "_load", load_nothing)

    with pytest.raises(OptionError, match=argument):
        asrkit.Whisper(TINY, generate_kwargs=option)


@pytest.mark.parametrize("name", sorted(TAKEN))
@pytest.mark.parametrize("value", ["many", float("nan"), -1, [[]], {}], ids=str)
def test_a_value_that_an_option_cannot_have_is_refused(name, value):
    if name == "length_penalty" and value == -1:
        pytest.skip("a length may be penalised with any number")
    with pytest.raises(OptionError, match=rf"expected {name} to be .*got"):
        checked_options({"do_sample": True, "num_beams": 2, name: value}, 448)


@pytest.mark.model
@pytest.mark.speech
def test_a_text_is_as_short_as_it_was_asked_to_be_and_flagged(recordings):
    clip = load(recordings[recordings.source == "jfk"].path.iloc[0])

    [heard] = asrkit.Whisper(TINY, generate_kwargs={"max_new_tokens": 5}).transcribe([clip], languages=[None])

    assert 1 <= len(heard.text.split()) <= 5
    assert "truncated" in heard.flags


@pytest.mark.model
@pytest.mark.speech
def test_suppressed_tokens_are_not_written(recordings):
    clip = load(recordings[recordings.source == "jfk"].path.iloc[0])
    comma = 11

    [plain] = asrkit.Whisper(TINY).transcribe([clip], languages=[None])
    [without] = asrkit.Whisper(TINY, generate_kwargs={"suppress_tokens": [comma]}).transcribe([clip], languages=[None])
    [with_all] = asrkit.Whisper(TINY, generate_kwargs={"suppress_tokens": []}).transcribe([clip], languages=[None])

    assert "," in plain.text
    assert "," not in without.text
    assert "<|" not in with_all.text


@pytest.mark.model
@pytest.mark.speech
def test_a_sampled_text_depends_on_no_neighbour_and_says_its_temperature(recordings):
    clips = [load(path, end=2.5) for path in recordings[recordings.source == "librispeech-test-other"].path.iloc[:2]]
    options = {"do_sample": True, "temperature": 0.9}
    backend = asrkit.Whisper(TINY, precision="float32", temperature_fallback=False, generate_kwargs=options)

    together = backend.transcribe(clips, languages=[None, None])
    alone = [backend.transcribe([clip], languages=[None])[0] for clip in reversed(clips)][::-1]

    assert [one.text for one in together] == [one.text for one in alone]
    assert {segment.temperature for one in together for segment in one.segments} == {0.9}
    assert all("temperature-fallback" not in one.flags for one in together)
