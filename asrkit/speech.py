"""Where speech is: the silence gate, and cuts of long audio at its pauses.

The judge is Silero VAD (MIT; its weights are in the wheel of ``silero-vad``), a small network that gives the
probability of speech every 32 ms. The wheel runs it frame by frame; here its convolutions see a whole stretch at
once and only its LSTM walks from frame to frame, about fifteen times as fast. It judges a copy in which everything is
about equally loud (``asrkit.levels``), so that it finds the same speech at 0 and at -66 dB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .audio import SAMPLING_RATE, Audio, Encoded, Samples
from .levels import Gains, Leveller

if TYPE_CHECKING:
    import torch

__all__ = ["FIRST_WEIGHTS", "FRAME", "SpeechDetector", "Window", "holds_speech", "weights_digest", "windows"]

FRAME = 512  # samples, 32 ms: one probability each
CONTEXT = 64  # samples of the frame before that the network sees again
FRAMES_PER_SECOND = SAMPLING_RATE / FRAME

ONSET = 0.4  # a frame this likely starts speech (whispers reach 0.65, noises stay below 0.2) ...
OFFSET = 0.15  # ... which goes on while frames are at least this likely
SHORTEST_FRAMES = 0.1 * FRAMES_PER_SECOND  # of speech that count, 0.1 s; clicks are shorter
RAISED = 24.0  # dB that speech must be raised by to be as loud as it mostly is; from there the model gets the copy ...
FEW_FRAMES = 16  # half a second: fewer that are quieter than the rest are breath and echo
APART = 20.0  # dB ... and also where speech of one window differs by so much
PADDING = 0.5  # seconds kept of a longer one, before the first and after the last word
LONGEST_PAUSE = 3.0  # seconds without speech that are kept: shorter recordings stay as they are
LONGEST = 1e6  # seconds, in place of "no limit"
EARLIEST_CUT = 0.35  # of a full window: before it no cut is made


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch with speech that a recogniser can take at once.

    Args:
        audio: the sound of the stretch.
        start: its first second within the recording.
    """

    audio: Audio | Encoded
    start: float

    @property
    def end(self) -> float:
        """In seconds within the recording."""
        return self.start + self.audio.duration


WEIGHTS = "data/silero_vad_16k.safetensors"  # in the wheel
# SHA-256 of those that asrkit began with: with others, pauses and silence may be elsewhere.
FIRST_WEIGHTS = "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1"


@lru_cache(maxsize=1)
def weights_digest() -> str | None:
    """SHA-256 of the network's weights; None where silero-vad is not installed."""
    spec = find_spec("silero_vad")
    if spec is None or spec.origin is None:
        return None
    return hashlib.sha256((Path(spec.origin).parent / WEIGHTS).read_bytes()).hexdigest()


class SpeechDetector:
    """Silero VAD over a stream of samples at 16 kHz; what came before is remembered.

    >>> SpeechDetector()(np.zeros(1_024, np.float32)).round(1)
    array([0., 0.], dtype=float32)
    """

    def __init__(self) -> None:
        self._network = _network()
        self._state: Any = None
        self._context = np.zeros(CONTEXT, np.float32)

    def __call__(self, samples: Samples) -> Samples:
        """Probability of speech, one a frame of 512 samples; the last frame is filled up with zeros.

        Call with whole frames until the last call.
        """
        import torch

        count = -(-len(samples) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, np.float32)
        padded[:CONTEXT] = self._context
        padded[CONTEXT : CONTEXT + len(samples)] = samples
        self._context = padded[-CONTEXT:].copy()
        with torch.inference_mode():
            frames = torch.from_numpy(padded).unfold(0, CONTEXT + FRAME, FRAME)
            probabilities, self._state = self._network(frames, self._state)
        result: Samples = probabilities.numpy()
        return result


@lru_cache(maxsize=1)
def _network() -> Any:
    """The 16 kHz network of silero-vad (its ``tinygrad_model.py`` shows the layers), over all frames at once."""
    import silero_vad
    import torch
    from safetensors.torch import load_file
    from torch.nn.functional import conv1d, pad, relu

    weights = load_file(Path(silero_vad.__file__).parent / WEIGHTS)
    lstm = torch.nn.LSTM(128, 128, batch_first=True)
    lstm.load_state_dict(
        {f"{kind}_l0": weights[f"lstm_cell.{kind}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
    )

    def run(frames: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        x = pad(frames, (0, CONTEXT), "reflect").unsqueeze(1)
        x = conv1d(x, weights["stft_conv.weight"], stride=128)
        x = (x[:, :129] ** 2 + x[:, 129:] ** 2).sqrt()
        for name, stride in (("conv1", 1), ("conv2", 2), ("conv3", 2), ("conv4", 1)):
            x = relu(conv1d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride, padding=1))
        hidden, state = lstm(x.squeeze(-1).unsqueeze(0), state)
        x = relu(hidden[0]).unsqueeze(-1)
        x = conv1d(x, weights["final_conv.weight"], weights["final_conv.bias"]).sigmoid()
        return x.flatten(), state

    return run


def holds_speech(samples: Samples, least: float = ONSET) -> bool:
    """Whether any frame of a recording at 16 kHz is speech with at least this probability, however quiet it is."""
    level = Leveller()
    levelled = np.concatenate([level.push(samples)[0], level.finish()[0]])
    return len(levelled) > 0 and float(SpeechDetector()(levelled).max()) >= least


def windows(blocks: Iterable[Audio], longest: float = 30.0, *, gate: bool = True) -> Iterator[Window]:
    """Cut a recording at its pauses into windows a recogniser can take.

    Windows follow one another without overlap, so no word is heard twice; stretches without speech fall between
    them. A recording without speech gives none. A window with very quiet speech holds the levelled copy of its sound.

    Args:
        blocks: consecutive blocks of one recording, as ``audio.stream`` gives them.
        longest: no window is longer, in seconds.
        gate: leave out what holds no speech. Without it everything is kept, and only what is longer than
            ``longest`` is cut.
    """
    if not gate and longest == np.inf:
        whole = list(blocks)
        yield Window(Audio(np.concatenate([block.samples for block in whole]), warnings=whole[-1].warnings), 0.0)
        return
    cutter = _Cutter(min(longest, LONGEST), gate)
    for block in blocks:
        yield from cutter.push(block)
    yield from cutter.finish()


class _Cutter:
    """Sound waiting to be cut. Positions are frames since the start of the recording."""

    def __init__(self, longest: float, gate: bool) -> None:
        self.longest = int(longest * FRAMES_PER_SECOND)
        self.limit = int(longest * SAMPLING_RATE)
        self.gate = gate
        self.level = Leveller()
        self.detect = SpeechDetector()
        self.samples: Samples = np.empty(0, np.float32)
        self.unscored: Samples = np.empty(0, np.float32)  # its level depends on what comes next
        self.levelled: Samples = np.empty(0, np.float32)  # as `samples`, at one level
        self.gains: Gains = np.empty(0)  # dB, one per frame, as `scores`
        self.scores: Samples = np.empty(0, np.float32)
        self.origin = 0  # frame at which `samples` begins
        self.warnings: tuple[str, ...] = ()

    def push(self, block: Audio) -> Iterator[Window]:
        self.unscored = np.concatenate([self.unscored, block.samples])
        self._score(*self.level.push(block.samples))
        self.warnings = block.warnings
        while len(self.scores) > self.longest + 2 * LONGEST_PAUSE * FRAMES_PER_SECOND:
            yield from self._next(last=False)

    def finish(self) -> Iterator[Window]:
        self._score(*self.level.finish())
        while len(self.scores):
            yield from self._next(last=True)

    def _score(self, levelled: Samples, gains: Gains) -> None:
        """Judge the levelled copy of the samples that come next."""
        if not len(levelled):
            return
        self.samples = np.concatenate([self.samples, self.unscored[: len(levelled)]])
        self.unscored = self.unscored[len(levelled) :]
        self.levelled = np.concatenate([self.levelled, levelled])
        self.gains = np.concatenate([self.gains, gains])
        self.scores = np.concatenate([self.scores, self.detect(levelled)])

    def _next(self, last: bool) -> Iterator[Window]:
        """Take one window, or a stretch without speech, off the front."""
        if not self.gate:
            begin, end = 0, len(self.scores)
        else:
            speech = _speech(self.scores)
            if not len(speech):
                # What may still turn out to be the beginning of speech stays.
                keep = 0 if last else int(PADDING * FRAMES_PER_SECOND)
                self._drop(len(self.scores) - keep)
                return
            margin, pause = int(PADDING * FRAMES_PER_SECOND), int(LONGEST_PAUSE * FRAMES_PER_SECOND)
            begin = 0 if speech[0][0] <= pause else speech[0][0] - margin
            end = speech[0][1]
            for first, stop in speech[1:]:
                if first - end > pause:
                    break
                end = stop
            goes_on = len(self.scores) - end <= pause
            if goes_on and not last and (len(self.scores) - begin) * FRAME <= self.limit:
                self._drop(begin)  # the speech has only begun: more of it must be heard first
                return
            end = len(self.scores) if goes_on else end + margin
        if min(end * FRAME, len(self.samples)) - begin * FRAME > self.limit:
            end = begin + self._cut(self.scores[begin : begin + self.longest])
        stop = min(end * FRAME, len(self.samples))
        source = self.levelled if self._is_for_the_copy(begin, end) else self.samples
        sound = source[begin * FRAME : stop].copy()
        yield Window(Audio(sound, warnings=self.warnings), (self.origin + begin) * FRAME / SAMPLING_RATE)
        self._drop(end)

    def _is_for_the_copy(self, begin: int, end: int) -> bool:
        """Whether a recogniser should get the levelled copy of these frames.

        Models have learned from ordinary recordings: they write only the loudest of voices that are 30 dB apart, and
        make mistakes where all is quiet or lies on a large offset. All else they get as it is.
        """
        raised = np.sort(self.gains[begin:end][self.scores[begin:end] >= ONSET])
        count = min(FEW_FRAMES, len(raised) // 2)
        if count and (raised[-count] >= RAISED or raised[-count] - raised[count - 1] >= APART):
            return True
        sound = self.samples[begin * FRAME : end * FRAME]
        return self.gate and abs(float(sound.mean())) > float(np.ptp(sound)) / 2

    def _cut(self, scores: Samples) -> int:
        """The frame of the best pause: low over a short and a long neighbourhood, and late rather than early."""
        smooth = sum(
            np.convolve(np.pad(scores, width // 2, mode="edge"), np.ones(width) / width, mode="valid")[: len(scores)]
            for width in (5, 25)
        )
        late = np.linspace(0, 0.1, len(scores))
        earliest = int(EARLIEST_CUT * len(scores))
        return earliest + int(np.argmin((smooth - late)[earliest:]))

    def _drop(self, frames: int) -> None:
        self.origin += frames
        self.samples = self.samples[frames * FRAME :]
        self.levelled = self.levelled[frames * FRAME :]
        self.gains = self.gains[frames:]
        self.scores = self.scores[frames:]


def _speech(scores: Samples) -> list[tuple[int, int]]:
    """Runs of frames that are at least ``OFFSET`` and reach ``ONSET`` for long enough."""
    possible = np.concatenate([[False], scores >= OFFSET, [False]])
    edges = np.flatnonzero(possible[1:] != possible[:-1])
    return [
        (first, stop)
        for first, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
        if np.count_nonzero(scores[first:stop] >= ONSET) >= SHORTEST_FRAMES
    ]
