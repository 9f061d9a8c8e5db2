"""Whisper's windows -> tokens, with the probabilities that ``generate`` keeps to itself.

The model is Hugging Face's; the loop is ours, because it must tell how sure the model was, drop windows from the
batch as they end, stop loops, and decode a single window again. What a token may be is decided by transformers'
own logits processors (the rules of https://github.com/openai/whisper ``decoding.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    import torch

__all__ = ["Decoded", "align", "decode", "encode", "language_probabilities", "scored", "suppressed"]

BEST_OF = 5  # samples at a temperature above 0, of which the likeliest is kept (as openai/whisper does)
LOOP_CHECK = 48  # tokens: from here on the end of the text is searched for loops ...
LOOP_PERIOD = 24  # ... of at most this many tokens ...
LOOP_TURNS = 4  # ... that stand there at least this often ...
LOOP_SPAN = 24  # ... and repeat this many tokens
COMPACT_BELOW = 0.7  # a batch with a smaller share of unfinished windows is packed
FRAME_SECONDS = 0.02  # of one state of the encoder
ATTENTION_LAG = 0.1  # seconds by which attention follows the sound: the median against a forced alignment
MEDIAN_WIDTH = 7  # frames, smoothing of the attention before alignment


@dataclass(slots=True)
class Decoded:
    """The tokens of one window without prompt and end, and how likely the model found them.

    ``log_probability`` is the mean over the tokens and the end; ``is_cut`` says that the end was not reached, and
    ``is_limited`` that it was not because the user limited the length.
    """

    tokens: list[int]
    log_probabilities: list[float]
    no_speech: float
    is_cut: bool = False
    is_limited: bool = False

    @property
    def log_probability(self) -> float:
        """Mean log-probability of a token, the end included."""
        return float(np.mean(self.log_probabilities)) if self.log_probabilities else 0.0


def encode(model: Any, features: torch.Tensor) -> torch.Tensor:
    """Log-mel features of shape ``(batch, mels, frames)`` -> states ``(batch, frames / 2, width)``.

    The encoder of transformers insists on 30 s; this one takes what it is given. On a CPU windows go one by one:
    a larger batch leaves the caches and is slower there.
    """
    import torch
    from torch.nn.functional import gelu

    encoder = model.model.encoder

    def run(features: torch.Tensor) -> torch.Tensor:
        x = gelu(encoder.conv1(features))
        x = gelu(encoder.conv2(x)).permute(0, 2, 1)
        x = x + encoder.embed_positions.weight[: x.shape[1]]
        for layer in encoder.layers:
            x = layer(x, attention_mask=None)
        states: torch.Tensor = encoder.layer_norm(x)
        return states

    if features.device.type != "cpu":
        return run(features)
    return torch.cat([run(features[row : row + 1]) for row in range(len(features))])


def language_probabilities(model: Any, states: torch.Tensor) -> torch.Tensor:
    """Probability of each language, shape ``(batch, languages)``, in the order of ``lang_to_id``."""
    start = _column(states, model.generation_config.decoder_start_token_id)
    logits = _forward(model, states, start, None)[:, -1].float()
    ids = list(model.generation_config.lang_to_id.values())
    return logits[:, ids].softmax(-1)


def decode(
    model: Any, states: torch.Tensor, prompts: torch.Tensor, *, timestamps: bool, temperature: float = 0.0
) -> list[Decoded]:
    """Decode windows, greedily or (one window) by sampling.

    Args:
        states: of the encoder, shape ``(batch, frames, width)``.
        prompts: tokens that come first, shape ``(batch, prompt length)``.
        timestamps: whether the text may hold timestamp tokens.
        temperature: above 0 the states of a single window are sampled ``BEST_OF`` times and the best is kept.
    """
    if temperature > 0:
        several = _run(model, states.expand(BEST_OF, -1, -1), prompts.expand(BEST_OF, -1), timestamps, temperature)
        return [max(several, key=lambda decoded: decoded.log_probability)]
    return _run(model, states, prompts, timestamps, 0.0)


def _run(
    model: Any, states: torch.Tensor, prompts: torch.Tensor, timestamps: bool, temperature: float
) -> list[Decoded]:
    import torch
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    count, prompt_length = prompts.shape
    end = model.generation_config.eos_token_id
    longest = model.config.max_target_positions - prompt_length
    processors = _processors(model, prompt_length, timestamps)
    generator = torch.Generator().manual_seed(0)  # the same window gives the same text, whatever else is decoded
    cache = EncoderDecoderCache(DynamicCache(config=model.config), DynamicCache(config=model.config))

    windows = [Decoded([], [], 0.0, is_cut=True) for _ in range(count)]
    going: dict[int, Decoded] = dict(enumerate(windows))  # by row of the batch, while it has not ended
    rows = count
    tokens = prompts
    logits = _forward(model, states, tokens, cache)
    for window, probability in zip(windows, _no_speech(model, logits, prompts).tolist(), strict=True):
        window.no_speech = probability
    for step in range(longest):
        scores = processors(tokens, logits[:, -1].float())
        if temperature > 0:
            shares = (scores / temperature).softmax(-1).cpu()
            chosen = torch.multinomial(shares, 1, generator=generator)[:, 0].to(tokens.device)
        else:
            chosen = scores.argmax(-1)
        sure = scores.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
        for row, token, log_probability in zip(range(rows), chosen.tolist(), sure.tolist(), strict=True):
            if row not in going:
                continue
            window = going[row]
            window.log_probabilities.append(log_probability)
            if token == end:
                window.is_cut = False
                del going[row]
                continue
            window.tokens.append(token)
            if step >= LOOP_CHECK and step % 8 == 0 and _loops(window.tokens):
                del going[row]
        if not going or step + 1 == longest:
            break
        tokens = torch.cat([tokens, chosen[:, None]], dim=1)
        if len(going) <= COMPACT_BELOW * rows:
            keep = torch.tensor(list(going), device=tokens.device)
            cache.batch_select_indices(keep)
            tokens, states = tokens[keep], states[keep]
            going = dict(enumerate(going.values()))
            rows = len(going)
        logits = _forward(model, states, tokens[:, -1:], cache)
    return windows


def scored(
    model: Any,
    states: torch.Tensor,
    prompts: torch.Tensor,
    texts: Sequence[Sequence[int]],
    *,
    is_limited: bool = False,
) -> list[Decoded]:
    """How likely the model finds texts that something else chose; ``is_limited``: the user chose their length."""
    import torch

    end = model.generation_config.eos_token_id
    prompt_length = prompts.shape[1]
    result = []
    for row, text in enumerate(texts):
        tokens = list(text[: text.index(end)]) if end in text else list(text)
        whole = torch.cat([prompts[row], torch.tensor(tokens, dtype=prompts.dtype, device=prompts.device)])[None]
        logits = _forward(model, states[row : row + 1], whole, None)
        after = logits[0, prompt_length - 1 :].float().log_softmax(-1)
        targets = torch.tensor([*tokens, end], device=after.device)[: len(after)]
        sure = after.gather(1, targets[:, None])[:, 0].tolist()
        no_speech = float(_no_speech(model, logits, prompts[row : row + 1])[0])
        is_cut = end not in text
        result.append(Decoded(tokens, sure, no_speech, is_cut, is_limited=is_cut and is_limited))
    return result


def align(model: Any, states: torch.Tensor, prompt: Sequence[int], tokens: Sequence[int], frames: int) -> Any:
    """When each token begins: dynamic time warping over the cross-attention of the alignment heads.

    After ``timing.py`` of https://github.com/openai/whisper.

    Args:
        states: of one window, shape ``(1, frames, width)``.
        prompt: tokens before the text.
        tokens: the text, without timestamp tokens.
        frames: of 20 ms that hold sound.

    Returns:
        Seconds, shape ``(len(tokens) + 1,)``: the begin of each token, and the end of the last.
    """
    import torch

    config = model.generation_config
    layers = model.model.decoder.layers
    ids = torch.tensor([[*prompt, config.no_timestamps_token_id, *tokens, config.eos_token_id]], device=states.device)
    queries: dict[int, torch.Tensor] = {}
    heads: list[tuple[int, int]] = [(layer, head) for layer, head in config.alignment_heads]

    def keep(layer: int) -> Any:
        return lambda module, inputs, output: queries.__setitem__(layer, output)

    hooks = [
        layers[layer].encoder_attn.q_proj.register_forward_hook(keep(layer)) for layer in {layer for layer, _ in heads}
    ]
    try:
        model.model.decoder(input_ids=ids, encoder_hidden_states=states, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    width = model.config.d_model // model.config.decoder_attention_heads
    frames = max(1, min(frames, states.shape[1]))
    attention = []
    for layer, head in heads:
        part = slice(head * width, (head + 1) * width)
        keys = layers[layer].encoder_attn.k_proj(states)[0, :frames, part]
        attention.append((queries[layer][0, :, part].float() @ keys.float().T * width**-0.5).softmax(-1))
    weights = torch.stack(attention)
    spread, mean = torch.std_mean(weights, dim=1, keepdim=True, correction=0)
    margin = MEDIAN_WIDTH // 2
    padded = np.pad(((weights - mean) / (spread + 1e-9)).cpu().numpy(), ((0, 0), (0, 0), (margin, margin)), "edge")
    smooth = np.median(sliding_window_view(padded, MEDIAN_WIDTH, axis=-1), axis=-1).mean(axis=0)
    begins = _warp(-smooth[len(prompt) : -1]) * FRAME_SECONDS  # a position attends to where the next token is said
    return np.maximum(begins - ATTENTION_LAG, 0.0)


def _warp(costs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """First frame of each row on the cheapest monotone path through ``(rows, frames)``.

    Row by row without an inner loop: along a row, the best cost is ``X[j] + min over k <= j of (enter[k] - X[k])``
    with ``X`` the running sum of the row.
    """
    rows, frames = costs.shape
    total = np.full((rows, frames), np.inf)
    total[0] = np.cumsum(costs[0])
    for row in range(1, rows):
        above = total[row - 1]
        enter = np.minimum(above, np.concatenate([[np.inf], above[:-1]])) + costs[row]
        running = np.cumsum(costs[row])
        total[row] = running + np.minimum.accumulate(enter - running)
    first = np.zeros(rows, dtype=int)
    row, frame = rows - 1, frames - 1
    while row > 0:
        diagonal = total[row - 1, frame - 1] if frame else np.inf
        up, left = total[row - 1, frame], total[row, frame - 1] if frame else np.inf
        if left < diagonal and left < up:
            frame -= 1
            continue
        first[row] = frame
        row -= 1
        frame -= diagonal <= up
    return first


def _forward(model: Any, states: torch.Tensor, tokens: torch.Tensor, cache: Any) -> torch.Tensor:
    from transformers.modeling_outputs import BaseModelOutput

    output = model(
        encoder_outputs=BaseModelOutput(last_hidden_state=states),
        decoder_input_ids=tokens,
        use_cache=cache is not None,
        **{_cache_argument(): cache},
    )
    logits: torch.Tensor = output.logits
    return logits


@lru_cache
def _cache_argument() -> str:
    """What Whisper calls its cache: transformers 5.24 renamed it, and 5.40 will not know the old name."""
    from transformers import WhisperForConditionalGeneration

    known = inspect.signature(WhisperForConditionalGeneration.forward).parameters
    return "cache" if "cache" in known else "past_key_values"


def _column(states: torch.Tensor, token: int) -> torch.Tensor:
    import torch

    return torch.full((len(states), 1), token, device=states.device)


def _no_speech(model: Any, logits: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    """Probability of the "no speech" token right after the start token."""
    config = model.generation_config
    at = (prompts[0] == config.decoder_start_token_id).nonzero()[-1, 0]
    probabilities: torch.Tensor = logits[:, at].float().softmax(-1)[:, config.no_timestamps_token_id - 1]
    return probabilities


def _processors(model: Any, prompt_length: int, timestamps: bool) -> Any:
    import torch
    from transformers import (
        LogitsProcessorList,
        SuppressTokensAtBeginLogitsProcessor,
        WhisperTimeStampLogitsProcessor,
    )

    config = model.generation_config
    device = model.device
    never = torch.zeros(model.config.vocab_size, device=device)
    never[suppressed(model, timestamps)] = -torch.inf
    allowed = [
        lambda tokens, scores: scores + never,  # transformers' own looks the tokens up at every step
        SuppressTokensAtBeginLogitsProcessor(config.begin_suppress_tokens, prompt_length, device=device),
    ]
    if timestamps:
        allowed.append(WhisperTimeStampLogitsProcessor(config, begin_index=prompt_length))
    return LogitsProcessorList(allowed)


def suppressed(model: Any, timestamps: bool, instead: Sequence[int] | None = None) -> list[int]:
    """Tokens that are never text; without timestamps theirs too.

    ``instead`` replaces the model's list, but for its special tokens, which are never text.
    """
    config = model.generation_config
    times = [] if timestamps else range(config.no_timestamps_token_id, model.config.vocab_size)
    if instead is None:
        return [*config.suppress_tokens, *times]
    special = [token for token in config.suppress_tokens if token > config.eos_token_id]
    return [*instead, *special, *times]


def _loops(tokens: Sequence[int]) -> bool:
    """Whether the end repeats itself: the same run of tokens, several times over."""
    for period in range(1, LOOP_PERIOD + 1):
        repeated = max((LOOP_TURNS - 1) * period, LOOP_SPAN)
        if len(tokens) >= repeated + period and tokens[-repeated:] == tokens[-repeated - period : -period]:
            return True
    return False
