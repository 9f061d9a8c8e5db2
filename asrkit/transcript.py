"""What every backend returns: text with times, and how sure the recogniser was. Captions and JSON of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["Segment", "Transcript", "Word", "join", "spaced", "total"]

CAPTION_SECONDS = 6.0  # a caption shown longer than this is hard to follow
CAPTION_LETTERS = 84  # two lines of 42, what broadcasters allow
SHORTEST_CAPTION = 0.001  # seconds; WebVTT allows none that ends where it begins
CAPTION_PAUSE = 1.0  # seconds without a word after which a caption ends
# Scripts written without blanks: Thai, Lao, Myanmar, Khmer; Chinese and Japanese with their punctuation.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
FLAGS = ("silence", "repetition", "low-confidence", "truncated", "temperature-fallback", "language-changes")


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is written, its punctuation included, with its times in seconds.

    ``confidence`` is the mean probability of its tokens, in [0, 1], None if the model gives none. ``speaker`` is the
    service's name of the voice and ``channel`` the channel of the recording, counted from 0; None if unknown.
    """

    word: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A timed stretch of a transcript. Times in seconds; ``words`` is empty where words have no times.

    The measures are those of Whisper (https://arxiv.org/abs/2212.04356, section 4.5): ``confidence`` the mean
    log-probability of the tokens, ``no_speech`` the probability that nothing was said, ``compression_ratio`` the
    length of the text divided by the length of its gzip, ``temperature`` that of the decoding that was kept.
    ``language`` is the ISO 639-1 code of this segment, ``speaker`` the service's name of the voice and ``channel`` the
    channel of the recording, counted from 0; None if unknown.
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


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard in one utterance.

    Args:
        text: without blanks at its ends; empty where nothing was said.
        language: ISO 639-1 code, None where neither given nor found out; of several, the one with the most seconds.
        segments: in order, inside [0, duration]; those of one channel do not overlap.
        duration: seconds of audio.
        elapsed: seconds of work, this utterance's share of its batch.
        confidence: mean log-probability of the tokens (0 is certain), None where the backend tells none.
        no_speech: highest probability of a segment that nothing was said.
        compression_ratio: highest of a segment; above 2.4 the text repeats itself.
        flags: why the text is doubtful: ``silence``, ``repetition``, ``low-confidence``, ``truncated``,
            ``temperature-fallback``, ``language-changes``; and the codes of the audio's warnings.
        cost: dollars, by the published price and without any free allocation; None where nothing is paid or the
            price is unknown.
        detected_language: the language that was spoken, as the model found it out; None where it was given.
        language_probability: how likely the model finds that language, in [0, 1]; of a recording of several windows
            None.

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
    detected_language: str | None = None
    language_probability: float | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """All words that have times."""
        return tuple(word for segment in self.segments for word in segment.words)

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Transcript:
        """The inverse of ``to_dict``."""
        segments = tuple(
            Segment(**{**segment, "words": tuple(Word(**word) for word in segment["words"])})
            for segment in values["segments"]
        )
        return cls(**{**values, "segments": segments, "flags": tuple(values["flags"])})

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False)

    def to_srt(self) -> str:
        """Captions as SubRip, one block each."""
        return "\n".join(
            f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
            for number, (start, end, text) in enumerate(self.captions(), 1)
        )

    def to_vtt(self) -> str:
        """Captions as WebVTT (https://www.w3.org/TR/webvtt1/)."""
        cues = (
            f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_escape(text)}\n" for start, end, text in self.captions()
        )
        return "\n".join(["WEBVTT\n", *cues])

    def captions(self) -> Iterator[tuple[float, float, str]]:
        """Start, end and text of captions that can be read in time: from words if they have times, else segments."""
        for segment in self.segments:
            own = _captions_of(segment.words) if segment.words else [(segment.start, segment.end, segment.text)]
            for start, end, text in own:
                if text := " ".join(text.split()):  # an empty line would end the caption
                    yield start, max(end, start + SHORTEST_CAPTION), text


def join(parts: Sequence[Transcript], starts: Sequence[float], duration: float) -> Transcript:
    """The transcripts of consecutive windows -> that of the recording.

    Args:
        parts: one a window, in order.
        starts: the second of the recording at which each window begins.
        duration: of the recording, in seconds.
    """
    segments = tuple(
        _shifted(segment, start, duration, part.language)
        for part, start in zip(parts, starts, strict=True)
        for segment in part.segments
    )
    weights = [len(part.text) + 1 for part in parts]
    sure = [
        (part.confidence, weight) for part, weight in zip(parts, weights, strict=True) if part.confidence is not None
    ]
    text = spaced(part.text.strip() for part in parts)
    spoken = _detected(parts)
    is_changing = len(spoken) > 1 or len({segment.language for segment in segments} - {None}) > 1
    return Transcript(
        text=text,
        language=_longest_language(parts),
        segments=segments,
        duration=duration,
        elapsed=sum(part.elapsed or 0.0 for part in parts),
        confidence=sum(c * w for c, w in sure) / sum(w for _, w in sure) if sure else None,
        no_speech=_highest(part.no_speech for part in parts),
        compression_ratio=_highest(part.compression_ratio for part in parts),
        flags=ordered_flags(
            [
                *(flag for part in parts for flag in part.flags if flag != "silence" or not text),
                *(["language-changes"] if is_changing else []),
            ]
        ),
        cost=total(part.cost for part in parts),
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


def _captions_of(words: Sequence[Word]) -> Iterator[tuple[float, float, str]]:
    line: list[Word] = []
    for word in words:
        letters = sum(len(w.word) + 1 for w in line) + len(word.word)
        if line and (
            letters > CAPTION_LETTERS
            or word.end - line[0].start > CAPTION_SECONDS
            or word.start - line[-1].end > CAPTION_PAUSE
        ):
            yield line[0].start, line[-1].end, spaced(w.word for w in line)
            line = []
        line.append(word)
    if line:
        yield line[0].start, line[-1].end, spaced(w.word for w in line)


def spaced(parts: Iterable[str]) -> str:
    """Texts one after the other, with a blank between them where their scripts use blanks."""
    text = ""
    for following in parts:
        blank = " " if text and following and not (_UNSPACED.match(text[-1]) and _UNSPACED.match(following)) else ""
        text += blank + following
    return text


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
