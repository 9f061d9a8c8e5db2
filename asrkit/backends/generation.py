"""Which options of transformers' ``generate`` Whisper takes, and the decoding by it.

An option is either passed to every decoding of a window or refused by its name before the weights are loaded: the
record of what made a text would otherwise be wrong.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import OptionError

if TYPE_CHECKING:
    import torch

    from .decoding import Decoded

__all__ = ["checked_options", "generate", "sampling_temperature"]

BEST_OF = 5  # samples at a raised temperature, of which the likeliest is kept (as openai/whisper does)
LIMITS = ("max_new_tokens", "max_length")  # a text that ends at one of these is as long as it was asked to be


class _Kind(NamedTuple):
    """The values that an option takes, in words and as a test."""

    expected: str
    holds: Callable[[Any], bool]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_is_integer(token) and token >= 0 for token in value)


def _is_bias(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(
            isinstance(entry, list | tuple)
            and len(entry) == 2
            and _is_tokens(entry[0])
            and bool(entry[0])
            and isinstance(entry[1], float)
            for entry in value
        )
    )


_POSITIVE_COUNT = _Kind("a whole number of at least 1", lambda value: _is_integer(value) and value >= 1)
_COUNT = _Kind("a whole number of at least 0", lambda value: _is_integer(value) and value >= 0)
_FLAG = _Kind("True or False", lambda value: isinstance(value, bool))
_POSITIVE = _Kind("a number above 0", lambda value: _is_number(value) and value > 0)
_NUMBER = _Kind("a number", _is_number)
_SHARE = _Kind("a number above 0 and at most 1", lambda value: _is_number(value) and 0 < value <= 1)
_CUTOFF = _Kind("a number above 0 and below 1", lambda value: _is_number(value) and 0 < value < 1)
_TOKENS = _Kind("a list of token ids", _is_tokens)
_WORDS = _Kind(
    "a list of lists of token ids",
    lambda value: isinstance(value, list | tuple) and bool(value) and all(_is_tokens(word) and word for word in value),
)

TAKEN: Mapping[str, _Kind] = {
    "num_beams": _POSITIVE_COUNT,
    "do_sample": _FLAG,
    "temperature": _POSITIVE,
    "top_k": _COUNT,
    "top_p": _SHARE,
    "min_p": _SHARE,
    "top_h": _SHARE,
    "typical_p": _CUTOFF,
    "epsilon_cutoff": _CUTOFF,
    "eta_cutoff": _CUTOFF,
    "repetition_penalty": _POSITIVE,
    "no_repeat_ngram_size": _COUNT,
    "length_penalty": _NUMBER,
    "early_stopping": _Kind("True, False or 'never'", lambda value: isinstance(value, bool) or value == "never"),
    "max_new_tokens": _POSITIVE_COUNT,
    "max_length": _POSITIVE_COUNT,
    "min_new_tokens": _COUNT,
    "min_length": _COUNT,
    "bad_words_ids": _WORDS,
    "sequence_bias": _Kind("a list of [token ids, bias as float]", _is_bias),
    "suppress_tokens": _TOKENS,
    "begin_suppress_tokens": _TOKENS,
    "exponential_decay_length_penalty": _Kind(
        "[first token, factor]",
        lambda value: (
            isinstance(value, list | tuple) and len(value) == 2 and _is_integer(value[0]) and _is_number(value[1])
        ),
    ),
    "renormalize_logits": _FLAG,
    "remove_invalid_values": _FLAG,
    "use_cache": _FLAG,
}
FOR_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
FOR_BEAMS = ("length_penalty", "early_stopping")

_TIMES = "asrkit has its own argument for it: timestamps='segment' or timestamps='word'"
_PROMPT = "asrkit has its own argument for it: prompt='...', a text"
_THRESHOLD = "the thresholds are Whisper's own; temperature_fallback=False decodes each window only once"
_ALONE = "each window is decoded by itself; prompt='...' is the text that comes before"
_GATE = "asrkit has its own argument for it: speech_gate=True or False"
_BEAMS = "write num_beams instead"
INSTEAD: Mapping[str, str] = {
    "language": "asrkit has its own argument for it: language='de', or a column with one language per row",
    "task": "asrkit has its own argument for it: task='transcribe' or task='translate'",
    "is_multilingual": "the model's own configuration tells it",
    "forced_decoder_ids": "asrkit has its own arguments for it: language= and task=",
    "prompt_ids": _PROMPT,
    "prompt": _PROMPT,
    "initial_prompt": _PROMPT,
    "prefix": _PROMPT,
    "hotwords": _PROMPT,
    "prompt_condition_type": _ALONE,
    "condition_on_prev_tokens": _ALONE,
    "condition_on_previous_text": _ALONE,
    "return_timestamps": _TIMES,
    "return_token_timestamps": _TIMES,
    "word_timestamps": _TIMES,
    "without_timestamps": _TIMES,
    "return_segments": _TIMES,
    "time_precision": _TIMES,
    "beam_size": _BEAMS,
    "beams": _BEAMS,
    "best_of": f"where a text is sampled, the best of {BEST_OF} is taken",
    "patience": "transformers has early_stopping instead",
    "compression_ratio_threshold": _THRESHOLD,
    "logprob_threshold": _THRESHOLD,
    "log_prob_threshold": _THRESHOLD,
    "no_speech_threshold": _THRESHOLD,
    "vad_filter": _GATE,
    "chunk_length_s": "asrkit cuts at pauses; its argument is window=",
    "chunk_length": "asrkit cuts at pauses; its argument is window=",
    "batch_size": "asrkit has its own argument for it: batch_size=",
    "device": "asrkit has its own argument for it: device=",
    "dtype": "asrkit has its own argument for it: precision=",
    "torch_dtype": "asrkit has its own argument for it: precision=",
    "max_time": "the text would depend on how busy the machine is; use max_new_tokens",
    "num_return_sequences": "a row has one text",
    "seed": "sampling always begins with the same seed",
}


def checked_options(options: Mapping[str, Any], longest: int) -> dict[str, Any]:
    """The options for ``generate`` without those that are None.

    Args:
        options: as the user gave them.
        longest: tokens that the model can write, the prompt included.

    Raises:
        OptionError: an option that would not reach the decoding, or a value that it cannot have.
    """
    given = {name: value for name, value in options.items() if value is not None or name not in TAKEN}
    for name, value in given.items():
        if name not in TAKEN:
            raise OptionError(f"generate_kwargs: {_why_not(name)}")
        if not TAKEN[name].holds(value):
            more = "; temperature_fallback=True raises it where a text fails" if name == "temperature" else ""
            raise OptionError(f"generate_kwargs: expected {name} to be {TAKEN[name].expected}, got {value!r}{more}")
    for name in FOR_SAMPLING:
        if name in given and not given.get("do_sample"):
            raise OptionError(f"generate_kwargs: {name} has no effect without do_sample=True")
    for name in FOR_BEAMS:
        if name in given and given.get("num_beams", 1) < 2:
            raise OptionError(f"generate_kwargs: {name} has no effect without num_beams of at least 2")
    for name in (*LIMITS, "min_new_tokens", "min_length"):
        if given.get(name, 0) > longest:
            raise OptionError(f"generate_kwargs: {name} is {given[name]}; the model writes at most {longest} tokens")
    if all(name in given for name in LIMITS):
        raise OptionError("generate_kwargs: expected max_new_tokens or max_length, not both")
    return given


def _why_not(name: str) -> str:
    from transformers import GenerationConfig

    if name in INSTEAD:
        return f"{name} is not for generate here; {INSTEAD[name]}"
    if name in GenerationConfig().to_dict():
        return f"{name} has no effect on the text of Whisper, or cannot be used for it; leave it out"
    near = difflib.get_close_matches(name, TAKEN, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(TAKEN)}"
    return f"transformers' generate knows no {name}; {hint}"


def sampling_temperature(options: Mapping[str, Any]) -> float:
    """The temperature of the first decoding: 0 unless the options ask for sampling."""
    return float(options.get("temperature", 1.0)) if options.get("do_sample") else 0.0


def generate(
    model: Any,
    states: torch.Tensor,
    prompts: torch.Tensor,
    *,
    timestamps: bool,
    options: Mapping[str, Any],
    temperature: float | None = None,
) -> list[Decoded]:
    """Decode windows by transformers' ``generate``.

    Args:
        model: a Whisper model.
        states: of the encoder, shape ``(batch, frames, width)``.
        prompts: tokens that come first, shape ``(batch, prompt length)``.
        timestamps: whether the text may hold timestamp tokens.
        options: from ``checked_options``.
        temperature: sample at this temperature, with all other options as they are; None is as the options say.
    """
    settings = dict(options)
    if temperature is not None:
        settings |= {"do_sample": True, "temperature": temperature, "top_k": options.get("top_k", 0)}
    if not settings.get("do_sample"):
        return _generated(model, states, prompts, timestamps, settings)
    # What is drawn for one window must not depend on what else is in the batch.
    decoded = []
    for row in range(len(states)):
        own, start = states[row : row + 1], prompts[row : row + 1]
        if temperature is not None:
            own, start = own.expand(BEST_OF, -1, -1), start.expand(BEST_OF, -1)
        several = _generated(model, own, start, timestamps, settings)
        decoded.append(max(several, key=lambda one: one.log_probability))
    return decoded


def _generated(
    model: Any, states: torch.Tensor, prompts: torch.Tensor, timestamps: bool, options: Mapping[str, Any]
) -> list[Decoded]:
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, WhisperTimeStampLogitsProcessor
    from transformers.generation.utils import GenerationMixin
    from transformers.modeling_outputs import BaseModelOutput

    from .decoding import scored, suppressed

    prompt_length, longest = prompts.shape[1], model.config.max_target_positions
    known = model.generation_config
    settings = dict(options)
    # Both limits together make transformers warn, and its own default is one.
    most = settings.pop("max_new_tokens", None)
    settings["max_length"] = min(longest, settings.get("max_length", longest) if most is None else prompt_length + most)
    settings["suppress_tokens"] = suppressed(model, timestamps, options.get("suppress_tokens"))
    settings.setdefault("begin_suppress_tokens", known.begin_suppress_tokens)
    rules = [WhisperTimeStampLogitsProcessor(known, begin_index=prompt_length)] if timestamps else []
    config = GenerationConfig(
        eos_token_id=known.eos_token_id,
        pad_token_id=known.pad_token_id,
        decoder_start_token_id=known.decoder_start_token_id,
        **settings,
    )
    with torch.random.fork_rng([] if states.device.type == "cpu" else [states.device]):
        torch.manual_seed(0)
        output = GenerationMixin.generate(
            model,
            encoder_outputs=BaseModelOutput(last_hidden_state=states),
            attention_mask=torch.ones(states.shape[:2], device=states.device),
            decoder_input_ids=prompts,
            generation_config=config,
            logits_processor=LogitsProcessorList(rules),
        )
    is_limited = any(name in options for name in LIMITS)
    return scored(model, states, prompts, output[:, prompt_length:].tolist(), is_limited=is_limited)
