"""A transcript -> the answer of each model of Workers AI, in its own words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..transcript import Segment, Word
from .recogniser import Heard

__all__ = ["DIALECTS", "captions", "logprob_of", "words_of"]

WORDS_A_CUE = 5


def whisper(heard: Heard, options: Mapping[str, Any]) -> dict[str, Any]:
    """Words beside the text, and captions of five words each."""
    words = [word for segment in heard.transcript.segments for word in words_of(segment)]
    return {
        "text": heard.transcript.text.strip(),
        "word_count": len(words),
        "vtt": captions(words),
        "words": [_word(word) for word in words],
    }


def turbo(heard: Heard, options: Mapping[str, Any]) -> dict[str, Any]:
    """Words inside segments, and what is known of the recording."""
    transcript = heard.transcript
    segments = [(segment, words_of(segment)) for segment in transcript.segments]
    words = [word for _, own in segments for word in own]
    info: dict[str, Any] = {
        "language": heard.language or transcript.language or "en",
        "duration": heard.duration,
        "duration_after_vad": min(heard.kept, heard.duration),
    }
    if heard.language is not None:  # how sure the model was of one that it found out is not told to us
        info["language_probability"] = 1.0
    return {
        "transcription_info": info,
        "text": transcript.text.strip(),
        "word_count": len(words),
        "segments": [
            {
                "start": _single(segment.start),
                "end": _single(segment.end),
                "text": segment.text.strip(),
                "temperature": segment.temperature or 0.0,
                "avg_logprob": logprob_of(segment),
                "compression_ratio": segment.compression_ratio if segment.compression_ratio is not None else 1.0,
                "no_speech_prob": segment.no_speech if segment.no_speech is not None else 0.0,
                "words": [_word(word) for word in own],
            }
            for segment, own in segments
        ],
        "vtt": captions(words),
    }


def deepgram(heard: Heard, options: Mapping[str, Any]) -> dict[str, Any]:
    """One channel with one alternative."""
    transcript = heard.transcript
    sure = 1.0 if transcript.confidence is None else transcript.confidence
    channel: dict[str, Any] = {
        "alternatives": [
            {
                "transcript": transcript.text.strip(),
                "confidence": sure if transcript.text else 0.0,
                "words": [
                    {
                        "word": word.word,
                        "start": word.start,
                        "end": word.end,
                        "confidence": sure if word.confidence is None else word.confidence,
                    }
                    for segment in transcript.segments
                    for word in words_of(segment)
                ],
            }
        ]
    }
    if options.get("detect_language") and transcript.language:
        channel["detected_language"] = transcript.language
    return {"results": {"channels": [channel]}}


DIALECTS = {"whisper": whisper, "turbo": turbo, "deepgram": deepgram}


def logprob_of(segment: Segment) -> float:
    """The segment's mean log-probability, or the logarithm of its confidence; 0 if neither is known."""
    if segment.logprob is not None:
        return segment.logprob
    return math.log(segment.confidence) if segment.confidence else 0.0


def words_of(segment: Segment) -> Sequence[Word]:
    """The segment's words; where the recogniser gave none, spread over the segment by their letters."""
    if segment.words or not segment.text.strip():
        return segment.words
    texts = segment.text.split()
    letters = sum(len(text) + 1 for text in texts)
    step = (segment.end - segment.start) / letters
    words: list[Word] = []
    at = segment.start
    for text in texts:
        end = min(segment.end, at + step * (len(text) + 1))
        words.append(Word(text, round(at, 3), round(end, 3)))
        at = end
    return words


def captions(words: Sequence[Word]) -> str:
    """The ``vtt`` of Workers AI: five words a cue, and hours and minutes only where there are some.

    That is not quite WebVTT, which demands minutes; but so it is.

    >>> print(captions([Word(text, at, at + 1) for at, text in enumerate("it is a good day to".split(), 56)]))
    WEBVTT
    <BLANKLINE>
    56.000 --> 01:01.000
    it is a good day
    <BLANKLINE>
    01:01.000 --> 01:02.000
    to
    """
    cues = ["WEBVTT"]
    for first in range(0, len(words), WORDS_A_CUE):
        own = words[first : first + WORDS_A_CUE]
        text = " ".join(word.word for word in own)
        cues.append(f"{_clock(own[0].start)} --> {_clock(own[-1].end)}\n{text}")
    return "\n\n".join(cues)


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    clock = f"{rest // 1000:02}.{rest % 1000:03}"
    if hours:
        return f"{hours:02}:{minutes:02}:{clock}"
    return f"{minutes:02}:{clock}" if minutes else clock


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.word, "start": _single(word.start), "end": _single(word.end)}


def _single(seconds: float) -> float:
    """Times are float32 written as float64: 0.58 is 0.5799999833106995."""
    return float(np.float32(seconds))
