"""Hear one clip, see its waveform, and read what was recognised in it while it is spoken."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..captions import voice_of
from ..columns import column_of
from ..errors import ColumnError, OptionError
from ..evaluate.markup import Html, direction, element, joined, named
from ..evaluate.stated import languages_of
from ..evaluate.tokens import Unit
from ..normalizers import Normalizer
from ..source import describe, is_missing
from ..transcript import Segment, Transcript, Word, spaced
from .aligned import Aligned, align_texts
from .base import Reply, Widget
from .clips import LONG, WINDOW, Clips, Sound

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Player", "play"]

ITEM = 0  # the one clip's id
UNSURE = 0.5  # a word whose confidence is less is marked
EDITS = 80  # of the alignment that a stored notebook shows
LOOK_AT = 1_000  # references that tell what is counted, as in a score


class Player(Widget):
    """One clip with its texts.

    Args:
        cell: a path, URL, bytes, array with its rate; see ``asrkit.source``.
        reference: what was said.
        hypothesis: what was recognised: a text, or a ``Transcript``, whose words then light up as they are spoken.
        segments: with times and words, in place of those of a transcript: ``Segment``s, or dictionaries with the
            same names, as in the column ``<into>_segments``.
        start: the first second that is wanted.
        end: the second to stop before.
        channel: take this one (from 0) instead of the average of all.
        language: a code; it chooses the normalizer and the letters that the page uses.
        normalizer: see ``df.asr.score``.
        unit: what is counted, see ``df.asr.score``.
        name: of the hypothesis.
        title: what stands above; by itself the name of the audio.
        unsure: words whose confidence is less are marked.

    >>> import numpy as np
    >>> player = Player((np.zeros(16_000), 16_000), reference="so it is", hypothesis="so is it")
    >>> player.aligned.counts.errors
    2
    """

    _name: ClassVar[str] = "player"

    def __init__(
        self,
        cell: object,
        *,
        reference: str | None = None,
        hypothesis: str | Transcript | None = None,
        segments: Sequence[Segment | Mapping[str, Any]] | str | None = None,
        start: float | None = None,
        end: float | None = None,
        channel: int | None = None,
        language: str | None = None,
        normalizer: str | Callable[[str], str] | Normalizer = "auto",
        unit: Unit | Literal["auto"] = "auto",
        name: str = "hypothesis",
        title: str | None = None,
        unsure: float = UNSURE,
    ) -> None:
        if isinstance(hypothesis, Transcript):
            segments = hypothesis.segments if segments is None else segments
            language = language or hypothesis.language
            hypothesis = hypothesis.text
        self.reference = None if is_missing(reference) else reference
        self.hypothesis = None if is_missing(hypothesis) else hypothesis
        self.segments = segments_of(segments)
        self.language = language
        self.unsure = unsure
        self.aligned: Aligned | None = align_texts(
            self.reference, self.hypothesis, name=name, language=language, normalizer=normalizer, unit=unit
        )
        title = title or title_of(cell)
        sound = Sound(cell, start, end, channel)
        super().__init__(Clips({ITEM: sound}.__getitem__), item={"id": ITEM, "title": title})

    def answer_item(self, message: Mapping[str, Any], buffers: Any = ()) -> Reply:
        """The texts, which may be long: so they are asked for and are no trait."""
        return Reply(
            {
                "reference": self.reference,
                "hypothesis": self.hypothesis,
                "language": self.language,
                "unsure": self.unsure,
                "aligned": None if self.aligned is None else self.aligned.marks(),
                **lines_of(self.segments),
            }
        )

    def fallback(self) -> Html:
        """Title, texts, rate and alignment."""
        parts: list[object] = [element("p", element("strong", named(self.item["title"])))]
        if self.aligned is not None:
            parts.append(self.aligned.card(limit=EDITS))
        else:
            for what, text in (("reference", self.reference), ("hypothesis", self.hypothesis)):
                if text:
                    parts.append(element("p", what, class_="ak-name"))
                    parts.append(element("p", text, class_="ak-line", dir=direction(text), lang=self.language))
        parts.append(element("p", "To hear it, run the cell again.", class_="ak-note"))
        return element("div", joined(*parts), class_="ak-row")

    def offline(self) -> Sequence[Mapping[str, Any]]:
        """Texts, sound and spectrograms; a recording that is long takes 2.6 MB a minute."""
        duration = self.clips.duration(ITEM)
        starts = [0.0] if duration <= LONG else [n * WINDOW for n in range(int(duration // WINDOW) + 1)]
        starts = [start for start in starts if start < duration]
        asked: list[Mapping[str, Any]] = [{"op": "item", "item_id": ITEM}]
        for start in starts:
            asked.append({"op": "clip", "item_id": ITEM, "at": start})
            asked.append({"op": "mel", "item_id": ITEM, "start": start})
        return asked


def play(
    frame: pd.DataFrame,
    audio: Hashable,
    row: Hashable = None,
    *,
    reference: Hashable | None = None,
    hypothesis: Hashable | None = None,
    segments: Hashable | None = None,
    start: Hashable | None = None,
    end: Hashable | None = None,
    channel: int | None = None,
    language: str | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    unit: Unit | Literal["auto"] = "auto",
    unsure: float = UNSURE,
) -> Player:
    """A ``Player`` of one row; see ``DataFrame.asr.play``."""
    cells = column_of(frame, audio)
    place = place_of(frame, row)
    if hypothesis is None and "hypothesis" in frame.columns:
        hypothesis = "hypothesis"
    if segments is None and hypothesis is not None and f"{hypothesis}_segments" in frame.columns:
        segments = f"{hypothesis}_segments"

    def cell(name: Hashable | None) -> Any:
        return None if name is None else column_of(frame, name)[place]

    heard = [] if hypothesis is None else [hypothesis]
    [spoken] = languages_of(frame.iloc[[place]], language, reference, heard)
    return Player(
        cells[place],
        reference=_text(cell(reference), reference),
        hypothesis=_text(cell(hypothesis), hypothesis),
        segments=cell(segments),
        start=_seconds(cell(start)),
        end=_seconds(cell(end)),
        channel=channel,
        language=spoken,
        normalizer=normalizer,
        unit=unit,
        name="hypothesis" if hypothesis is None else str(hypothesis),
        title=f"row {frame.index[place]} · {title_of(cells[place])}",
        unsure=unsure,
    )


def title_of(cell: object) -> str:
    """The name of the audio without its folders, which a shared notebook should not tell.

    >>> title_of("clips/a.wav"), title_of(None)
    ('a.wav', 'no audio')
    """
    return "no audio" if is_missing(cell) else re.split(r"[/\\]", describe(cell))[-1]


def place_of(frame: pd.DataFrame, row: Hashable) -> int:
    """The position of the row with this index label; the first row for None.

    Raises:
        ColumnError: there is no such row, or several.
    """
    if not len(frame):
        raise OptionError("the frame has no rows, so there is nothing to play")
    if row is None:
        return 0
    places = [place for place, label in enumerate(frame.index) if label == row]
    if not places:
        known = ", ".join(map(repr, frame.index[:3].tolist()))
        raise ColumnError(f"the index has no row {row!r}; it begins with {known}")
    if len(places) > 1:
        raise ColumnError(
            f"the index has {len(places)} rows {row!r}; make its labels differ, such as with reset_index()"
        )
    return places[0]


def segments_of(cell: Any) -> tuple[Segment, ...]:
    """Segments as they come: from a transcript, a column ``<into>_segments``, Parquet, CSV, or JSON."""
    if isinstance(cell, str):
        cell = _read_segments(cell)
    if cell is None or isinstance(cell, float):
        return ()
    return tuple(segment if isinstance(segment, Segment) else _segment(segment) for segment in cell)


def _read_segments(text: str) -> Any:
    """JSON, or what pandas writes into a CSV: lists and dicts as Python shows them."""
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise OptionError(f"segments that are text have to be JSON: {error}") from error


def _segment(values: Any) -> Segment:
    try:
        told = values.get("words")
        words = tuple(
            Word(str(word["word"]), float(word["start"]), float(word["end"]), word.get("confidence"), *_voice(word))
            for word in ([] if told is None else told)
        )
        speaker, channel = _voice(values)
        start, end = float(values["start"]), float(values["end"])
        return Segment(str(values["text"]), start, end, words, speaker=speaker, channel=channel)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OptionError(
            f"expected segments with text, start, end and words (word, start, end), got {values!r:.80}"
        ) from error


def _voice(values: Any) -> tuple[str | None, int | None]:
    """Speaker and channel; tables may hold a missing number as NaN."""
    speaker, channel = values.get("speaker"), values.get("channel")
    return None if is_missing(speaker) else str(speaker), None if is_missing(channel) else int(channel)


@dataclass
class _Lists:
    text: list[str]
    start: list[float]
    end: list[float]
    confidence: list[float | None]
    gap: list[str]


def lines_of(segments: Sequence[Segment]) -> dict[str, Any]:
    """Words as lists and lines that say which of them they hold, for ``WordLine`` in the page."""
    words = _Lists([], [], [], [], [])
    lines = []
    for segment in segments:
        first = len(words.text)
        for word in segment.words:
            text = word.word.strip()
            words.text.append(text)
            words.start.append(round(word.start, 3))
            words.end.append(round(word.end, 3))
            words.confidence.append(None if word.confidence is None else round(float(word.confidence), 3))
        for one, two in zip(words.text[first:], words.text[first + 1 :], strict=False):
            words.gap.append(" " if len(spaced([one, two])) > len(one) + len(two) else "")
        if segment.words:
            words.gap.append(" ")
        lines.append(
            {
                "start": round(segment.start, 3),
                "end": round(segment.end, 3),
                "from": first,
                "to": len(words.text),
                "text": "" if segment.words else segment.text.strip(),
                **({"voice": voice} if (voice := voice_of(segment.channel, segment.speaker)) else {}),
            }
        )
    return {"words": words.__dict__, "lines": lines}


def _text(cell: Any, name: Hashable | None) -> str | None:
    if is_missing(cell):
        return None
    if not isinstance(cell, str):
        raise OptionError(f"{name} is text or missing, got {type(cell).__name__} ({cell!r:.40})")
    return cell


def _seconds(cell: Any) -> float | None:
    return None if is_missing(cell) else float(cell)
