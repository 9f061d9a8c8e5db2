"""Hugging Face Whisper on this machine: GPU where there is one, else the CPU."""

from __future__ import annotations

import copy
import time
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..audio import SAMPLING_RATE, Audio
from ..errors import BackendError, OptionError, OutOfMemoryError, WeightsError
from ..probability import from_logprob
from ..transcript import Segment, Transcript, Word, join, ordered_flags
from ..weights import Weights, check_unchanged, find
from .base import Preferences
from .generation import checked_options, sampling_temperature
from .option_types import check_types
from .whisper_languages import known_code

if TYPE_CHECKING:
    import torch

    from .decoding import Decoded
    from .identify import Span

__all__ = ["Whisper"]

WINDOW = 30.0  # seconds, what Whisper was trained on
TIMESTAMP_STEP = 0.02  # seconds between two timestamp tokens
RESULT_VERSION = 1  # raised when the same model and options may give another text
PROMPTED_VERSION = 2  # the same for texts with a prompt
GENERATE_VERSION = 2  # the same for texts by transformers' generate
LANGUAGE_VERSION = 2  # the same where the language is not given: found out window by window, and by stretches of them
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)  # tried in turn where the greedy text fails
COMPRESSION_RATIO = 2.4  # a text that gzip makes this much smaller repeats itself
LOG_PROBABILITY = -1.0  # mean of a token; below it the text is a guess
NO_SPEECH = 0.6  # with a text that is a guess: nothing was said
# On a CPU the encoder's work is most of it and grows with the window, so a window ends this long after its clip, in
# steps. Five seconds of silence are needed (with none, Whisper loops); benchmarks/local.py compares it with 30 s.
CPU_TAIL, CPU_STEP = 8.0, 5.0
CPU_MEMORY = 5 * 10**9  # bytes that a batch may take there
CPU_BATCH = 32  # windows of one length are decoded together, so small batches fall into many
GPU_BATCH = 128  # no gain was seen beyond
PROMPT_TOKENS = 223  # half of the decoder's context, less the start


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model in memory with what feeds and reads it."""

    model: Any
    features: Any
    tokenizer: Any

    @property
    def is_multilingual(self) -> bool:
        return bool(self.model.generation_config.is_multilingual)


@dataclass(frozen=True, slots=True, eq=False)
class _Try:
    """One decoding of one window: what it gave, from which states, after which tokens, at which temperature.

    ``is_fallback``: the temperature was raised because the text at the usual one failed.
    """

    window: Decoded
    states: torch.Tensor
    prompt: torch.Tensor
    temperature: float
    is_fallback: bool = False


class _SecondTries:
    """The tries of a window whose text failed Whisper's own thresholds; see ``asrkit.backends.base.Attempt``."""

    def __init__(self, backend: Whisper, clip: Audio, steps: Generator[None, None, Transcript]) -> None:
        self.backend, self.clip, self.steps = backend, clip, steps
        self.elapsed = 0.0  # seconds of work so far
        self.finding: Mapping[str, Any] = {}  # the language and its probability, where it was found out

    def go_on(self) -> Transcript | None:
        """Make the next try."""
        began = time.perf_counter()
        transcript: Transcript | None = None
        with self.backend._working(1):
            try:
                next(self.steps)
            except StopIteration as end:
                transcript = end.value
        self.elapsed += time.perf_counter() - began
        return transcript and replace(transcript, elapsed=self.elapsed, duration=self.clip.duration, **self.finding)

    def finish(self) -> Transcript:
        """Make all of them."""
        while (transcript := self.go_on()) is None:
            pass
        return transcript


class Whisper:
    """Whisper on this machine, through transformers.

    Args:
        model: a name on the Hugging Face hub (``openai/whisper-base``) or a local folder.
        revision: branch, tag or commit on the hub.
        device: ``auto`` (CUDA, else Apple's GPU, else the CPU) or a device of torch, such as ``cuda:1``.
        precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``. ``auto`` is 16 bits on a GPU and on a CPU that
            multiplies bfloat16 in hardware, else float32.
        batch_size: windows decoded together; None chooses by the free memory.
        language: of all clips (``de`` or ``german``); None finds it out for each stretch of each clip.
        task: ``transcribe``, or ``translate`` into English.
        prompt: text that could have come before: names, spelling, style.
        timestamps: None, ``segment`` or ``word``.
        generate_kwargs: for transformers' ``generate``, such as ``{"num_beams": 5}``, in every try of a window.
        temperature_fallback: decode windows again that fail Whisper's own thresholds.
        speech_gate: keep stretches without speech from the model, which would invent words there.
        window: seconds the model sees; None is 30 on a GPU, and on a CPU the clip and 8 s or more of silence.

    Raises:
        WeightsError: the name leads to no weights.
        OptionError: an option that cannot be meant.
    """

    def __init__(
        self,
        model: str = "openai/whisper-base",
        *,
        revision: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        language: str | None = None,
        task: str = "transcribe",
        prompt: str | None = None,
        timestamps: str | None = None,
        generate_kwargs: Mapping[str, Any] | None = None,
        temperature_fallback: bool = True,
        speech_gate: bool = True,
        window: float | None = None,
    ) -> None:
        check_types("text", revision=revision, device=device, language=language, prompt=prompt)
        check_types("a whole number", batch_size=batch_size)
        check_types("a number", window=window)
        check_types("True or False", temperature_fallback=temperature_fallback, speech_gate=speech_gate)
        check_types("a dict", generate_kwargs=generate_kwargs)
        _check_one_of("task", task, ("transcribe", "translate"))
        _check_one_of("timestamps", timestamps, (None, "segment", "word"))
        _check_one_of("precision", precision, ("auto", "float32", "bfloat16", "float16"))
        if batch_size is not None and batch_size < 1:
            raise OptionError(f"expected batch_size of at least 1, got {batch_size}")
        if window is not None and not 1 <= window <= WINDOW:
            raise OptionError(f"expected a window of 1 to 30 seconds, got {window}")
        if language:
            known_code(language)  # before the weights are looked for
        self.name = model
        self.task = task
        self.prompt = prompt
        self.timestamps = timestamps
        self.temperature_fallback = temperature_fallback
        self.window = window
        self.weights: Weights = find(model, revision=revision)
        self.device = _device(device)
        self.precision = _precision(self.device) if precision == "auto" else precision
        self.generate_kwargs = checked_options(generate_kwargs or {}, _longest_text(self.weights.folder))
        self._batch_size = batch_size
        self._speech_gate = speech_gate
        is_multilingual = _is_multilingual(self.weights.folder)
        if not is_multilingual and task == "translate":
            raise OptionError(f"{model} knows English only and cannot translate; use a multilingual model")
        self._multilingual = is_multilingual
        self.language = language and self.language_code(language)

    def __repr__(self) -> str:
        return f"Whisper({self.name!r}, device={self.device!r}, precision={self.precision!r})"

    def with_word_times(self) -> Whisper:
        """The same with the times of words; itself if it was told which times to give."""
        if self.timestamps is not None:
            return self
        timed = copy.copy(self)
        timed.timestamps = "word"
        return timed

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can change the text."""
        # What asrkit does itself has its own version; transformers' generate changes with its releases.
        generate = (
            {"transformers": version("transformers"), "generate": GENERATE_VERSION} if self.generate_kwargs else {}
        )
        found_out = {"language_version": LANGUAGE_VERSION} if self._finds_language else {}
        return {
            **generate,
            **found_out,
            "backend": "whisper",
            "version": PROMPTED_VERSION if self.prompt else RESULT_VERSION,
            "model": self.name,
            "revision": self.weights.revision,
            "digest": self.weights.digest,
            "precision": self.precision,
            "language": self.language,
            "task": self.task,
            "prompt": self.prompt,
            "timestamps": self.timestamps,
            "generate_kwargs": self.generate_kwargs,
            "temperature_fallback": self.temperature_fallback,
            "speech_gate": self._speech_gate,
            "window": "clip" if self._fits_window else self.window or WINDOW,
        }

    @property
    def preferred(self) -> Preferences:
        """Windows of at most 30 s, several at once, none without speech."""
        return Preferences(
            batch_size=self._batch_size or self._auto_batch_size(),
            longest=self.window or WINDOW,
            speech_gate=self._speech_gate,
            is_fingerprinted=True,
        )

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        """See ``Backend``; a text begins with the blank that Whisper wrote before it."""
        return [
            first if isinstance(first, Transcript) else first.finish()
            for first in self.attempts(batch, languages=languages)
        ]

    def attempts(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript | _SecondTries]:
        """As ``transcribe``, but windows that fail Whisper's own thresholds are left to be tried again, one by one."""
        began = time.perf_counter()
        codes = [self.language_code(given) if given else self._default_language for given in languages]
        order = sorted(range(len(batch)), key=lambda row: self._window_seconds(batch[row]))
        result: dict[int, Transcript | _SecondTries] = {}
        with self._working(len(batch)):
            for seconds, rows in groupby(order, key=lambda row: self._window_seconds(batch[row])):
                group = list(rows)
                heard = self._windows([batch[row] for row in group], [codes[row] for row in group], seconds)
                result.update(zip(group, heard, strict=True))
        total = sum(audio.duration for audio in batch) or 1.0
        elapsed = time.perf_counter() - began
        for row, audio in enumerate(batch):
            first, own = result[row], elapsed * audio.duration / total
            if isinstance(first, Transcript):
                result[row] = replace(first, elapsed=own, duration=audio.duration)
            else:
                first.elapsed = own
        return [result[row] for row in range(len(batch))]

    @contextmanager
    def _working(self, count: int) -> Iterator[None]:
        """What goes wrong with ``count`` windows, in the words of ``Backend``."""
        import torch

        try:
            with torch.inference_mode():
                yield
        except torch.OutOfMemoryError as error:
            self._free_memory()
            raise OutOfMemoryError(f"{count} windows do not fit on {self.device}") from error
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
                raise OutOfMemoryError(f"{count} windows do not fit into memory") from error
            raise BackendError(f"{self.name} failed: {error}") from error

    # -- what one group of windows of equal length goes through ------------------------------------------------

    def _windows(
        self, clips: Sequence[Audio], codes: Sequence[str | None], seconds: float
    ) -> list[Transcript | _SecondTries]:
        states = self._states(clips, seconds)
        if None in codes:
            return self._in_found_languages(clips, codes, states, seconds)
        return self._in_given_languages(clips, codes, states, seconds)

    def _in_found_languages(
        self, clips: Sequence[Audio], codes: Sequence[str | None], states: torch.Tensor, seconds: float
    ) -> list[Transcript | _SecondTries]:
        """Windows whose language nobody told, among others."""
        from . import decoding, identify

        model, names = self._loaded().model, self._language_names
        shares = decoding.language_probabilities(model, states).max(-1)
        best = [names[index] for index in shares.indices.tolist()]
        result: dict[int, Transcript | _SecondTries] = {}
        for row, clip in enumerate(clips):
            if codes[row] is not None:
                continue
            silence = _silence(self.weights, self.device, self.precision)
            if spans := identify.spans(model, clip, states[row : row + 1], silence, self._states_alone):
                result[row] = self._in_several_languages(clip, spans, float(shares.values[row]))
        rest = [row for row in range(len(clips)) if row not in result]
        if rest:
            heard = self._in_given_languages(
                [clips[row] for row in rest], [codes[row] or best[row] for row in rest], states[rest], seconds
            )
            for row, first in zip(rest, heard, strict=True):
                finding = {"detected_language": best[row], "language_probability": float(shares.values[row])}
                if codes[row] is not None:
                    result[row] = first
                elif isinstance(first, Transcript):
                    result[row] = replace(first, **finding)
                else:
                    first.finding = finding
                    result[row] = first
        return [result[row] for row in range(len(clips))]

    def _in_several_languages(self, clip: Audio, spans: Sequence[Span], probability: float) -> Transcript:
        """A window that is cut where the language changes."""
        edges = [round(span.start * SAMPLING_RATE) for span in spans] + [len(clip.samples)]
        parts = self.transcribe(
            [Audio(clip.samples[start:end]) for start, end in pairwise(edges)],
            languages=[self._language_names[span.language] for span in spans],
        )
        found = [
            replace(part, detected_language=self._language_names[span.language])
            for part, span in zip(parts, spans, strict=True)
        ]
        whole = join(found, [edge / SAMPLING_RATE for edge in edges[:-1]], clip.duration)
        return replace(whole, language_probability=probability)

    @property
    def _language_names(self) -> list[str]:
        """Codes in the order of ``language_probabilities``."""
        return [token.strip("<|>") for token in self._loaded().model.generation_config.lang_to_id]

    def _in_given_languages(
        self, clips: Sequence[Audio], codes: Sequence[str | None], states: torch.Tensor, seconds: float
    ) -> list[Transcript | _SecondTries]:
        prompts = self._prompts(codes, self.prompt)
        decoded = self._decoded(states, prompts)
        result: list[Transcript | _SecondTries] = []
        for row, clip in enumerate(clips):
            window, own = decoded[row], states[row : row + 1]
            if self.temperature_fallback and self._fails(window):
                # On a CPU the states are made again when they are needed, equal to the last bit: many may wait, and
                # the states of a window take more memory than its sound.
                kept = own.clone() if seconds == WINDOW and self.device != "cpu" else None
                steps = self._again(clip, codes[row], window, kept, prompts[row : row + 1], seconds)
                result.append(_SecondTries(self, clip, steps))
            else:
                usual = sampling_temperature(self.generate_kwargs)
                result.append(self._transcript(clip, codes[row], _Try(window, own, prompts[row : row + 1], usual)))
        return result

    def _decoded(self, states: torch.Tensor, prompts: torch.Tensor, temperature: float | None = None) -> list[Decoded]:
        """Windows as tokens, with the options that the user gave; sampled if a temperature is given."""
        from . import decoding, generation

        model, with_times = self._loaded().model, self.timestamps is not None
        if not self.generate_kwargs:
            return decoding.decode(model, states, prompts, timestamps=with_times, temperature=temperature or 0.0)
        try:
            return generation.generate(
                model, states, prompts, timestamps=with_times, options=self.generate_kwargs, temperature=temperature
            )
        except (TypeError, ValueError) as error:
            raise OptionError(f"generate_kwargs {self.generate_kwargs}: {error}") from error

    def _states_alone(self, clip: Audio) -> torch.Tensor:
        return self._states([clip], self._window_seconds(clip))

    def _states(self, clips: Sequence[Audio], seconds: float) -> torch.Tensor:
        return _encoded(self._loaded(), self.device, clips, seconds)

    def _prompts(self, codes: Sequence[str | None], prompt: str | None) -> torch.Tensor:
        """The tokens before the text, one row a window: what came before, start, language, task, no timestamps."""
        import torch

        loaded = self._loaded()
        config = loaded.model.generation_config
        before: list[int] = []
        if prompt:
            words = loaded.tokenizer.encode(" " + prompt.strip(), add_special_tokens=False)
            before = [getattr(config, "prev_sot_token_id", None) or config.no_timestamps_token_id - 2]
            before += words[-PROMPT_TOKENS:]
        after = [] if self.timestamps else [config.no_timestamps_token_id]
        rows = []
        for code in codes:
            middle = [config.decoder_start_token_id]
            if loaded.is_multilingual:
                middle += [config.lang_to_id[f"<|{code}|>"], config.task_to_id[self.task]]
            rows.append([*before, *middle, *after])
        return torch.tensor(rows, device=self.device)

    def _fails(self, window: Decoded) -> bool:
        """Whisper's own thresholds (section 4.5 of the paper): repeats itself, or is a guess about speech."""
        unsure = window.log_probability < LOG_PROBABILITY
        silent = unsure and window.no_speech > NO_SPEECH
        is_cut = window.is_cut and not window.is_limited
        return (is_cut or unsure or self._compression(window) > COMPRESSION_RATIO) and not silent

    def _again(
        self,
        clip: Audio,
        code: str | None,
        first: Decoded,
        states: torch.Tensor | None,
        prompt: torch.Tensor,
        seconds: float,
    ) -> Generator[None, None, Transcript]:
        """Decode one window again: with all its 30 s first, then at rising temperatures. The best one stays.

        The prompt is left out from here on: it may be why the text failed, and it makes each further try dearer.
        Yields after each try but the last.
        """
        if states is None:
            states = self._states([clip], WINDOW)
        usual = sampling_temperature(self.generate_kwargs)
        tries = [_Try(first, states, prompt, usual)]
        temperatures: tuple[float | None, ...] = TEMPERATURES
        if self.prompt or seconds < WINDOW:
            temperatures = (None, *TEMPERATURES)
            prompt = self._prompts([code], None)
        for temperature in temperatures:
            if len(tries) > 1:
                yield
            [window] = self._decoded(states, prompt, temperature)
            used, is_fallback = (usual, False) if temperature is None else (temperature, True)
            tries.append(_Try(window, states, prompt, used, is_fallback=is_fallback))
            if not self._fails(window):
                break

        def badness(one: _Try) -> tuple[bool, bool, float]:
            compresses = self._compression(one.window) > COMPRESSION_RATIO
            return one.window.is_cut, compresses, -one.window.log_probability

        is_right = not self._fails(tries[-1].window) and not tries[-1].is_fallback
        return self._transcript(clip, code, tries[-1] if is_right else min(tries, key=badness))

    def _transcript(self, clip: Audio, code: str | None, one: _Try) -> Transcript:
        window, temperature = one.window, one.temperature
        text = self._text(window.tokens)
        compression = self._compression(window)
        unsure = window.log_probability < LOG_PROBABILITY
        if not text.strip() or (unsure and window.no_speech > NO_SPEECH):
            return Transcript("", code, no_speech=window.no_speech, confidence=None, flags=("silence",))
        measures: dict[str, Any] = {
            "confidence": from_logprob(window.log_probability),
            "logprob": window.log_probability,
            "no_speech": window.no_speech,
            "compression_ratio": compression,
        }
        segments = self._segments(window.tokens, clip.duration)
        if self.timestamps == "word":
            segments = self._with_words(segments, window, one.states, one.prompt, clip, code)
        flags = [
            name
            for name, holds in {
                "repetition": compression > COMPRESSION_RATIO,
                "low-confidence": unsure,
                "truncated": window.is_cut,
                "temperature-fallback": one.is_fallback,
            }.items()
            if holds
        ]
        return Transcript(
            text,
            code if self.task == "transcribe" else "en",
            tuple(replace(segment, temperature=temperature, **measures) for segment in segments),
            flags=ordered_flags(flags),
            **measures,
        )

    def _text(self, tokens: Sequence[int]) -> str:
        first = self._loaded().model.generation_config.no_timestamps_token_id
        words = [token for token in tokens if token < first]
        text: str = self._loaded().tokenizer.decode(words, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def _compression(self, window: Decoded) -> float:
        text = self._text(window.tokens).encode()
        return len(text) / len(zlib.compress(text)) if text else 0.0

    def _segments(self, tokens: Sequence[int], duration: float) -> list[Segment]:
        """The text cut at timestamp tokens; without any it is one segment."""
        zero = self._loaded().model.generation_config.no_timestamps_token_id + 1
        segments: list[Segment] = []
        start, words = 0.0, []
        for token in [*tokens, zero + round(duration / TIMESTAMP_STEP)]:
            if token < zero:
                words.append(token)
                continue
            time = min((token - zero) * TIMESTAMP_STEP, duration)
            if words:
                end = max(time, start)
                segments.append(Segment(self._text(words), start, end))
                words = []
            start = max(time, start)
        return segments

    def _with_words(
        self,
        segments: Sequence[Segment],
        window: Decoded,
        states: torch.Tensor,
        prompt: torch.Tensor,
        clip: Audio,
        code: str | None,
    ) -> list[Segment]:
        from . import decoding

        words = _words(self._loaded(), states, prompt, window, clip, code, decoding.align)
        rest = list(words)
        result = []
        for segment in segments:
            own: list[Word] = []
            left = len(segment.text.replace(" ", ""))
            while rest and left > 0:
                own.append(rest.pop(0))
                left -= len(own[-1].word.replace(" ", ""))
            if own:
                segment = replace(segment, words=tuple(own), start=own[0].start, end=own[-1].end)
            result.append(segment)
        return result

    # -- options -----------------------------------------------------------------------------------------------

    @property
    def _fits_window(self) -> bool:
        return self.window is None and self.device == "cpu"

    def _window_seconds(self, clip: Audio) -> float:
        if not self._fits_window:
            return self.window or WINDOW
        steps = np.ceil((clip.duration + CPU_TAIL) / CPU_STEP)
        return float(min(WINDOW, steps * CPU_STEP))

    @property
    def _finds_language(self) -> bool:
        return self._multilingual and self.language is None

    @property
    def _default_language(self) -> str | None:
        return self.language or (None if self._multilingual else "en")

    def language_code(self, language: str) -> str:
        """ISO 639-1 code of a language, given as code or as English name.

        Raises:
            OptionError: Whisper has no such language, or the model knows English only.
        """
        code = known_code(language)
        if not self._multilingual and code != "en":
            raise OptionError(f"{self.name} knows English only, not {language!r}; use a multilingual model")
        return code

    def _loaded(self) -> _Loaded:
        return _load(self.weights, self.device, self.precision)

    def _auto_batch_size(self) -> int:
        import torch

        loaded = self._loaded()
        if not self.device.startswith("cuda"):
            return min(CPU_BATCH, _fitting_batch(CPU_MEMORY, loaded.model.config, loaded.model.dtype.itemsize))
        free, _ = torch.cuda.mem_get_info(self.device)
        free += torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        return _fitting_batch(free, loaded.model.config, loaded.model.dtype.itemsize)

    def _free_memory(self) -> None:
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()


def _fitting_batch(free: int, config: Any, itemsize: int) -> int:
    """Windows that fit into ``free`` bytes: a power of two, at most ``GPU_BATCH``.

    A window needs the encoder's widest activations, the decoder's keys and values over 1,500 states, and float32
    scores over the vocabulary with their copies.

    >>> from types import SimpleNamespace
    >>> large = SimpleNamespace(
    ...     d_model=1280, encoder_ffn_dim=5120, decoder_layers=32, max_source_positions=1500,
    ...     max_target_positions=448, vocab_size=51866)
    >>> [_fitting_batch(gigabytes * 10**9, large, 2) for gigabytes in (1, 8, 100)]
    [1, 8, 128]
    """
    positions = config.max_source_positions
    encoder = positions * (6 * config.d_model + 2 * config.encoder_ffn_dim) * itemsize
    caches = 2 * config.decoder_layers * (positions + 2 * config.max_target_positions) * config.d_model * itemsize
    scores = 6 * config.vocab_size * 4
    count = int(0.8 * free) // (encoder + caches + scores)
    return int(min(GPU_BATCH, 2 ** int(np.log2(count)))) if count >= 1 else 1


def _words(
    loaded: _Loaded,
    states: torch.Tensor,
    prompt: torch.Tensor,
    window: Decoded,
    clip: Audio,
    code: str | None,
    align: Any,
) -> list[Word]:
    """Words with times inside the clip, none before the one before it."""
    from transformers.models.whisper.tokenization_whisper import _combine_tokens_into_words

    first = loaded.model.generation_config.no_timestamps_token_id
    kept = [
        (token, sure) for token, sure in zip(window.tokens, window.log_probabilities, strict=False) if token < first
    ]
    if not kept:
        return []
    tokens = [token for token, _ in kept]
    begin = [token for token in prompt[0].tolist() if token != first]
    times = align(loaded.model, states, begin, tokens, round(clip.duration / TIMESTAMP_STEP))
    texts, _, indices = _combine_tokens_into_words(loaded.tokenizer, tokens, code or "en")
    words: list[Word] = []
    last = 0.0
    for text, own in zip(texts, indices, strict=True):
        if not text.strip():
            continue
        start = min(max(float(times[own[0]]), last), clip.duration)
        end = min(max(float(times[own[-1] + 1]), start), clip.duration)
        sure = float(np.exp(np.mean([kept[index][1] for index in own])))
        words.append(Word(text.strip(), start, end, round(sure, 4)))
        last = end
    return words


@lru_cache(maxsize=2)
def _load(weights: Weights, device: str, precision: str) -> _Loaded:
    import torch
    from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration, WhisperTokenizerFast
    from transformers.utils import logging

    folder = weights.folder
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = WhisperForConditionalGeneration.from_pretrained(
            folder, dtype=getattr(torch, precision), use_safetensors=True, local_files_only=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{folder} cannot be loaded as a Whisper model: {error}") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    loaded = _Loaded(
        model.to(device).eval(),
        WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True),
        WhisperTokenizerFast.from_pretrained(folder, local_files_only=True),
    )
    check_unchanged(weights)
    return loaded


def _encoded(loaded: _Loaded, device: str, clips: Sequence[Audio], seconds: float) -> torch.Tensor:
    """The encoder's states of clips, each in a window of this many seconds."""
    from . import decoding

    features = loaded.features(
        [clip.samples for clip in clips],
        sampling_rate=SAMPLING_RATE,
        max_length=round(seconds * SAMPLING_RATE),
        padding="max_length",
        truncation=True,
        return_tensors="pt",
        device=device,
    ).input_features
    return decoding.encode(loaded.model, features.to(device, loaded.model.dtype))


@lru_cache(maxsize=2)
def _silence(weights: Weights, device: str, precision: str) -> torch.Tensor:
    """The encoder's states of silence, which are put after a stretch that is judged by itself."""
    from . import identify

    silent = Audio(np.zeros(round(WINDOW * SAMPLING_RATE), np.float32))
    return _encoded(_load(weights, device, precision), device, [silent], WINDOW)[:, : identify.FRAMES]


def _is_multilingual(folder: Path) -> bool:
    from transformers import GenerationConfig

    if (folder / "generation_config.json").is_file():
        config = GenerationConfig.from_pretrained(folder)
        if getattr(config, "is_multilingual", None) is not None:
            return bool(config.is_multilingual)
    raise WeightsError(
        f"{folder} has no generation_config.json that says is_multilingual; copy the one of the model it was made from"
    )


def _longest_text(folder: Path) -> int:
    """Tokens that the model can write, the prompt included."""
    from transformers import WhisperConfig

    longest: int = WhisperConfig.from_pretrained(folder).max_target_positions
    return longest


def _device(device: str) -> str:
    import torch

    if device != "auto":
        try:
            kind = torch.device(device).type
        except RuntimeError as error:
            raise OptionError(f"no such device {device!r}; expected auto, cpu, cuda, cuda:1 or mps") from error
        if kind == "cuda" and not torch.cuda.is_available():
            raise OptionError("device='cuda', but torch sees no CUDA device here; use device='auto'")
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _precision(device: str) -> str:
    """16 bits where the hardware multiplies them; elsewhere float32, which was faster than emulated bfloat16."""
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    if device.startswith("mps"):
        return "float16"
    return "bfloat16" if torch.cpu._is_avx512_bf16_supported() else "float32"


def _check_one_of(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise OptionError(f"expected {name} to be one of {', '.join(map(repr, choices))}, got {value!r}")
