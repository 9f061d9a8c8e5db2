"""What the models answer -> ``Transcript``. Captions are made from words: the service's ``vtt`` is no valid WebVTT."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import AnswerError
from ..printable import printable
from ..probability import from_logprob
from ..transcript import Segment, Transcript, Word, ordered_flags, spaced, weighted_mean
from .further import further
from .models import Model

__all__ = ["transcript_of"]

SENTENCE_ENDS = (".", "?", "!", "\u3002", "\uff1f", "\uff01", "\u0964")
PAUSE = 1.0  # seconds without a word that end a segment
UNHEARD = 0.9  # of the recording: what says that it heard less has lost the rest
LONGEST_LANGUAGE = 40  # letters
COMPRESSION_RATIO, LOG_PROBABILITY = 2.4, -1.0  # Whisper's thresholds, https://arxiv.org/abs/2212.04356, section 4.5


def transcript_of(model: Model, result: Mapping[str, Any], duration: float, language: str | None = None) -> Transcript:
    """The transcript in one answer of a model.

    Args:
        model: that answered.
        result: the ``result`` within the envelope.
        duration: seconds of the recording, by its samples.
        language: that was asked for.

    Raises:
        AnswerError: there is no text in it.

    >>> from asrkit.cloudflare.models import model_of
    >>> words = [{"word": "Hello,", "start": 0.58, "end": 1}, {"word": "it", "start": 1, "end": 1.1}]
    >>> transcript_of(model_of("@cf/openai/whisper"), {"text": " Hello, it ", "words": words}, 2.0).words[0].word
    'Hello,'
    """
    if model.dialect == "deepgram" or ("results" in result and "text" not in result):
        return _deepgram(result, duration, language)
    if not isinstance(result.get("text"), str):
        raise AnswerError(f"{model.name} answered without a text; its answer has {_names(result)}")
    if model.dialect == "whisper":
        segments = _sentences(list(_words(result.get("words"), duration)))
        return _whole(result["text"], language, segments, duration)
    return _turbo(result, duration, language)


def _turbo(result: Mapping[str, Any], duration: float, language: str | None) -> Transcript:
    info = _mapping(result.get("transcription_info"))
    segments = list(_segments(result.get("segments"), duration))
    logprob = weighted_mean([segment.logprob for segment in segments], [len(segment.text) + 1 for segment in segments])
    compression = max((s.compression_ratio for s in segments if s.compression_ratio is not None), default=None)
    told = _number(info.get("duration", result.get("duration")))
    flags = {
        "repetition": compression is not None and compression > COMPRESSION_RATIO,
        "low-confidence": logprob is not None and logprob < LOG_PROBABILITY,
        "truncated": told is not None and told < UNHEARD * duration - 1.0,
        "temperature-fallback": any(segment.temperature for segment in segments),
    }
    heard = info.get("language")
    return _whole(
        result["text"],
        _language(heard) or language,
        segments or _sentences(list(_words(result.get("words"), duration))),
        duration,
        confidence=from_logprob(logprob),
        logprob=logprob,
        no_speech=max((s.no_speech for s in segments if s.no_speech is not None), default=None),
        compression_ratio=compression,
        flags=[name for name, holds in flags.items() if holds],
    )


def _deepgram(result: Mapping[str, Any], duration: float, language: str | None) -> Transcript:
    results = _mapping(result.get("results"))
    channels = _listed(results.get("channels"))
    texts: list[str] = []
    segments: list[Segment] = []
    sure: list[float] = []
    for number, channel in enumerate(channels):
        best = next(iter(_listed(channel.get("alternatives"))), {})
        if not isinstance(best.get("transcript"), str):
            continue
        texts.append(best["transcript"].strip())
        words = _words(best.get("words"), duration, channel=number if len(channels) > 1 else None)
        segments += _sentences(list(words))
        if (probability := _probability(best.get("confidence"))) and texts[-1]:
            sure.append(probability)
        heard = channel.get("detected_language")
        language = _language(heard) or language
    if not texts:
        raise AnswerError(f"no channel with a transcript in the answer; it has {_names(result)}")
    segments = list(_utterances(results.get("utterances"), duration, len(channels) > 1)) or segments
    whole = _whole(
        "\n".join(text for text in texts if text),
        language,
        sorted(segments, key=lambda segment: segment.start),
        duration,
        confidence=sum(sure) / len(sure) if sure else None,
    )
    return replace(whole, answer=further(result))


def _utterances(told: object, duration: float, has_channels: bool) -> Iterator[Segment]:
    """The service's own segments, where it was asked for them."""
    for utterance in _listed(told):
        number = utterance.get("channel")
        channel = number if has_channels and isinstance(number, int) and not isinstance(number, bool) else None
        words = tuple(_words(utterance.get("words"), duration, channel=channel))
        start, end = _number(utterance.get("start")), _number(utterance.get("end"))
        start = words[0].start if words else min(max(start or 0.0, 0.0), duration)
        text = utterance.get("transcript")
        yield Segment(
            text.strip() if isinstance(text, str) else spaced(word.word for word in words),
            start,
            words[-1].end if words else min(max(end or start, start), duration),
            words,
            speaker=_speaker(utterance.get("speaker")),
            channel=channel,
        )


def _speaker(value: object) -> str | None:
    """A voice's number or name; None for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        return None
    return printable(str(value).strip(), LONGEST_LANGUAGE)


def _whole(
    text: str,
    language: str | None,
    segments: Sequence[Segment],
    duration: float,
    *,
    flags: Sequence[str] = (),
    **measures: Any,
) -> Transcript:
    text = text.strip()
    if text and not segments:
        segments = [Segment(text, 0.0, duration)]
    return Transcript(
        text,
        language,
        tuple(segments) if text else (),
        duration=duration,
        flags=ordered_flags([*flags, *([] if text else ["silence"])]),
        **measures,
    )


def _segments(told: object, duration: float) -> Iterator[Segment]:
    """Segments in order, their times inside the recording and never going back."""
    last = 0.0
    for segment in _listed(told):
        start, end = _number(segment.get("start")), _number(segment.get("end"))
        start = min(max(last if start is None else start, last), duration)
        words = tuple(_words(segment.get("words"), duration, start))
        last = min(max(start if end is None else end, start, words[-1].end if words else 0.0), duration)
        text = segment.get("text")
        logprob = _number(segment.get("avg_logprob"))
        yield Segment(
            text.strip() if isinstance(text, str) else "",
            start,
            last,
            words,
            confidence=from_logprob(logprob),
            logprob=logprob,
            no_speech=_number(segment.get("no_speech_prob")),
            compression_ratio=_number(segment.get("compression_ratio")),
            temperature=_number(segment.get("temperature")),
        )


def _words(told: object, duration: float, last: float = 0.0, channel: int | None = None) -> Iterator[Word]:
    """Words in order, their times inside the recording and never going back."""
    for word in _listed(told):
        text = word.get("punctuated_word") or word.get("word")
        if not isinstance(text, str) or not text.strip():
            continue
        start, end = _number(word.get("start")), _number(word.get("end"))
        start = min(max(last if start is None else start, last), duration)
        last = min(max(start if end is None else end, start), duration)
        yield Word(
            text.strip(),
            round(start, 3),
            round(last, 3),
            _probability(word.get("confidence")),
            speaker=_speaker(word.get("speaker")),
            channel=channel,
        )


def _sentences(words: Sequence[Word]) -> list[Segment]:
    """Words -> segments that end where a sentence, a pause or a voice does."""
    segments: list[Segment] = []
    own: list[Word] = []
    for word, following in zip(words, [*words[1:], None], strict=False):
        own.append(word)
        if (
            following is None
            or word.word.endswith(SENTENCE_ENDS)
            or following.start - word.end > PAUSE
            or following.speaker != word.speaker
        ):
            text = spaced(w.word for w in own)
            segments.append(
                Segment(text, own[0].start, word.end, tuple(own), speaker=word.speaker, channel=word.channel)
            )
            own = []
    return segments


def _listed(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _names(result: Mapping[str, Any]) -> str:
    """What is in an answer, for a message."""
    return printable(", ".join(result) or "nothing", 200)


def _language(value: object) -> str | None:
    """A language's code or name; None for what cannot be one."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_LANGUAGE or not value.isprintable():
        return None
    return value


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _probability(value: object) -> float | None:
    told = _number(value)
    return None if told is None else min(max(told, 0.0), 1.0)  # a service may round beyond 1


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
