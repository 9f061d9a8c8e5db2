"""What every backend returns: text with times, and how sure the recogniser was. Captions and JSON of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import captions
from .probability import check_probability, from_logprob
from .spacing import spaced

__all__ = ["Segment", "Transcript", "Word", "join", "spaced", "total"]

FLAGS = ("silence", "repetition", "low-confidence", "truncated", "temperature-fallback", "language-changes")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is written, its punctuation included, with its times in seconds.

    ``confidence`` is the mean probability of its tokens, in [0, 1], None if the model gives none. ``speaker`` is the
    service's name of the voice and ``channel`` the channel of the recording, counted from 0; None if unknown.

    Raises:
        OptionError: the confidence is no probability.
    """

    word: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        check_probability("Word.confidence", self.confidence)


@dataclass(frozen=True, slots=True)
class Segment:
    """A timed stretch of a transcript. Times in seconds; ``words`` is empty where words have no times.

    The measures are those of Whisper (https://arxiv.org/abs/2212.04356, section 4.5): ``logprob`` the mean
    log-probability of the tokens and ``confidence`` its exponential, a probability in [0, 1]; ``no_speech`` the
    probability that nothing was said, ``compression_ratio`` the length of the text divided by the length of its gzip,
    ``temperature`` that of the decoding that was kept.
    ``language`` is the ISO 639-1 code of this segment, ``speaker`` the service's name of the voice and ``channel`` the
    channel of the recording, counted from 0; None if unknown.

    Raises:
        OptionError: the confidence is no probability.
    """

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    no_speech: float | None = None
    compression_ratio: float | None = None
    temperature: float | None = None
    language: str | None = None
    speaker: str | None = None
    channel: int | None = None
    logprob: float | None = None

    def __post_init__(self) -> None:
        check_probability("Segment.confidence", self.confidence)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard in one utterance.

    Args:
        text: without blanks at its ends; empty where nothing was said.
        language: ISO 639-1 code, None where neither given nor found out; of several, the one with the most seconds.
        segments: in order, inside [0, duration]; those of one channel do not overlap.
        duration: seconds of audio.
        elapsed: seconds of work, this utterance's share of its batch.
        confidence: probability in [0, 1] that the text is right, as the backend estimates it: for Whisper the geometric
            mean of the tokens' probabilities, which is ``exp(logprob)``; None if the backend gives none.
        no_speech: highest probability of a segment that nothing was said.
        compression_ratio: highest of a segment; above 2.4 the text repeats itself.
        flags: why the text is doubtful: ``silence``, ``repetition``, ``low-confidence``, ``truncated``,
            ``temperature-fallback``, ``language-changes``; and the codes of the audio's warnings.
        cost: dollars, by the published price and without any free allocation; None where nothing is paid or the
            price is unknown.
        logprob: mean log-probability of the tokens (0 is certain), None if the backend gives none.
        answer: what a service answered beside text, times and voices (topics, sentiments, entities, search hits, ...),
            as the JSON text of an object; None if there was no more. Of a recording that was sent in several parts its
            ``parts`` are a list, each with its ``start`` in seconds, from which the times in it count.
        detected_language: the language that was spoken, as the model found it out; None where it was given.
        language_probability: how likely the model finds that language, in [0, 1]; of a recording of several windows
            None.

    Raises:
        OptionError: the confidence is no probability.

    >>> Transcript("So it is.", segments=(Segment("So it is.", 0.0, 1.5),), duration=2.0).to_srt()
    '1\\n00:00:00,000 --> 00:00:01,500\\nSo it is.\\n'
    """

    text: str
    language: str | None = None
    segments: tuple[Segment, ...] = ()
    duration: float | None = None
    elapsed: float | None = None
    confidence: float | None = None
    no_speech: float | None = None
    compression_ratio: float | None = None
    flags: tuple[str, ...] = ()
    cost: float | None = None
    logprob: float | None = None
    answer: str | None = None
    detected_language: str | None = None
    language_probability: float | None = None

    def __post_init__(self) -> None:
        check_probability("Transcript.confidence", self.confidence)

    @property
    def words(self) -> tuple[Word, ...]:
        """All words that have times."""
        return tuple(word for segment in self.segments for word in segment.words)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Transcript:
        """The inverse of ``to_dict``; what 0.1.0 wrote, whose ``confidence`` was a log-probability, is converted."""
        values = values if "logprob" in values else _with_logprob(values)
        segments = tuple(
            Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])})
            for segment in values["segments"]
        )
        return cls(**{**values, "segments": segments, "flags": tuple(values["flags"])})

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_srt(self) -> str:
        """Captions as SubRip, one block each; where voices are known, a new one is named before its text."""
        return captions.srt(captions.captions_of(self.segments))

    def to_vtt(self) -> str:
        """Captions as WebVTT (https://www.w3.org/TR/webvtt1/), with the voices that are known as ``<v Speaker 0>``."""
        return captions.vtt(captions.captions_of(self.segments))

    def captions(self) -> Iterator[tuple[float, float, str]]:
        """Start, end and text of captions that can be read in time, their lines parted by a line break."""
        for caption in captions.captions_of(self.segments):
            yield caption.start, caption.end, caption.text


def join(parts: Sequence[Transcript], starts: Sequence[float], duration: float) -> Transcript:
    """The transcripts of consecutive windows -> that of the recording.

    Args:
        parts: one a window, in order.
        starts: the second of the recording at which each window begins.
        duration: of the recording, in seconds.
    """
    segments = tuple(
        _shifted(segment, start, duration, part.language)
        for part, start in zip(_with_own_speakers(parts), starts, strict=True)
        for segment in part.segments
    )
    weights = [len(part.text) + 1 for part in parts]
    logprob = weighted_mean([part.logprob for part in parts], weights)
    text = spaced(part.text.strip() for part in parts)
    spoken = _detected(parts)
    is_changing = len(spoken) > 1 or len({segment.language for segment in segments} - {None}) > 1
    return Transcript(
        text=text,
        language=_longest_language(parts),
        segments=segments,
        duration=duration,
        elapsed=_whole_sum([part.elapsed for part in parts]),
        confidence=_joined_confidence(parts, weights, logprob),
        no_speech=_highest(part.no_speech for part in parts),
        compression_ratio=_highest(part.compression_ratio for part in parts),
        flags=ordered_flags(
            [
                *(flag for part in parts for flag in part.flags if flag != "silence" or not text),
                *(["language-changes"] if is_changing else []),
            ]
        ),
        cost=total(part.cost for part in parts),
        logprob=logprob,
        answer=_joined_answer(parts, starts),
        detected_language=max(spoken, key=lambda language: spoken[language], default=None),
        language_probability=parts[0].language_probability if len(parts) == 1 else None,
    )


def _longest_language(parts: Sequence[Transcript]) -> str | None:
    """The language with the most seconds; of parts without a text, the first."""
    seconds: dict[str, float] = {}
    for part in parts:
        for segment in part.segments:
            if language := segment.language or part.language:
                seconds[language] = seconds.get(language, 0.0) + segment.end - segment.start
    if not seconds:
        return next((part.language for part in parts if part.text and part.language), None) or next(
            (part.language for part in parts if part.language), None
        )
    return max(seconds, key=lambda language: seconds[language])


def _detected(parts: Sequence[Transcript]) -> dict[str, float]:
    """Seconds of each language that was found out in parts with a text."""
    seconds: dict[str, float] = {}
    for part in parts:
        if part.detected_language is not None and part.text:
            seconds[part.detected_language] = seconds.get(part.detected_language, 0.0) + (part.duration or 0.0)
    return seconds


def _whole_sum(values: Sequence[float | None]) -> float | None:
    """The sum, None where a part is unknown: the seconds of work on some windows are not those of the recording."""
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def weighted_mean(values: Iterable[float | None], weights: Iterable[float]) -> float | None:
    """The mean of what is known, None where nothing is.

    >>> weighted_mean([1.0, None, 0.5], [1, 7, 3])
    0.625
    """
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else None


def _with_logprob(values: dict[str, Any]) -> dict[str, Any]:
    """A transcript as 0.1.0 wrote it -> as it is written now.

    Its ``confidence`` was a mean log-probability, or the logarithm of the one probability that a service gave; the
    latter is known by its words having a confidence and its segments none.
    """

    def converted(one: dict[str, Any], is_of_tokens: bool = True) -> dict[str, Any]:
        told = one.get("confidence")
        return {**one, "confidence": from_logprob(told), "logprob": told if is_of_tokens else None}

    segments = values["segments"]
    is_of_service = all(segment.get("confidence") is None for segment in segments) and any(
        word.get("confidence") is not None for segment in segments for word in segment["words"]
    )
    return {**converted(values, not is_of_service), "segments": [converted(segment) for segment in segments]}


def _joined_confidence(parts: Sequence[Transcript], weights: Sequence[int], logprob: float | None) -> float | None:
    """Of all tokens, where each part's confidence is that of its tokens; else the mean of the parts' confidences."""
    sure = [part for part in parts if part.confidence is not None]
    if all(math.isclose(part.confidence or 0.0, from_logprob(part.logprob) or 0.0, rel_tol=1e-6) for part in sure):
        return from_logprob(logprob)
    return weighted_mean([part.confidence for part in parts], weights)


def _with_own_speakers(parts: Sequence[Transcript]) -> Sequence[Transcript]:
    """Speakers of several parts apart: a service numbers them anew in each, and its ``0`` may be somebody else."""
    if sum(any(_speakers(segment) for segment in part.segments) for part in parts) < 2:
        return parts

    def named(speaker: str | None, number: int) -> str | None:
        return None if speaker is None else f"{speaker} (part {number})"

    return [
        replace(
            part,
            segments=tuple(
                replace(
                    segment,
                    speaker=named(segment.speaker, number),
                    words=tuple(replace(word, speaker=named(word.speaker, number)) for word in segment.words),
                )
                for segment in part.segments
            ),
        )
        for number, part in enumerate(parts, 1)
    ]


def _speakers(segment: Segment) -> set[str]:
    told = (segment.speaker, *(word.speaker for word in segment.words))
    return {speaker for speaker in told if speaker is not None}


def _joined_answer(parts: Sequence[Transcript], starts: Sequence[float]) -> str | None:
    if len(parts) == 1 or all(part.answer is None for part in parts):
        return parts[0].answer if parts else None
    told = [
        {"start": start, **json.loads(part.answer)}
        for part, start in zip(parts, starts, strict=True)
        if part.answer is not None
    ]
    return json.dumps({"parts": told}, ensure_ascii=False)


def ordered_flags(flags: Iterable[str]) -> tuple[str, ...]:
    """Each flag once: asrkit's own in their order, then the others."""
    seen = dict.fromkeys(flags)
    return (*(flag for flag in FLAGS if flag in seen), *(flag for flag in seen if flag not in FLAGS))


def _shifted(segment: Segment, by: float, duration: float, language: str | None) -> Segment:
    def moved(time: float) -> float:
        return round(min(max(time + by, 0.0), duration), 3)

    words = tuple(replace(word, start=moved(word.start), end=moved(word.end)) for word in segment.words)
    return replace(
        segment,
        text=segment.text.strip(),
        start=moved(segment.start),
        end=moved(segment.end),
        words=words,
        language=segment.language or language,
    )


def total(values: Iterable[float | None]) -> float | None:
    """The sum of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
