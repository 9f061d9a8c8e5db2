"""Timed segments -> captions that can be read in time: two short lines, long enough on the screen.

The rules are those that broadcasters share (the BBC's subtitle guidelines, Netflix's timed text style guide). Where
captions begin and end is one choice over a whole stretch of speech, made by dynamic programming, so that a caption
does not end one word before its sentence because the ones before it were filled as far as they went.
"""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from .spacing import is_unspaced, needs_blank

if TYPE_CHECKING:
    from .transcript import Segment, Word

__all__ = ["LINE", "Caption", "captions_of", "srt", "voice_of", "vtt"]

LINE = 42  # columns of a line; a letter of Chinese, Japanese or Korean takes two
LONGEST = 6.0  # seconds of speech in a caption
SHORTEST = 1.0  # seconds on the screen, unless the next caption begins before
SPEED = 20.0  # columns a second that can be read
PAUSE = 1.0  # seconds without a word after which a caption ends
STEP = 0.001  # seconds; WebVTT allows no caption that ends where it begins
LONGEST_NAME = 16  # letters of a speaker's name

SENTENCE_ENDS = tuple(".?!…\u3002\uff1f\uff01\u0964\u061f\u06d4")
CLAUSE_ENDS = tuple(",;:\u2013\u2014\u3001\uff0c\uff1b\uff1a\u060c\u061b")
CLOSING = "\"'\u201d\u2019\u00bb)]}\u300d\u300f\uff09"  # may follow the mark that ends a sentence
TITLES = frozenset(
    {"Mr.", "Mrs.", "Ms.", "Dr.", "St.", "Prof.", "Messrs.", "Sr.", "Jr.", "Mme.", "Col.", "Gen.", "Lt."}
)

# What speaks against a caption. One more caption costs 1; the others are weighed against that.
ORPHAN = 4.0  # a word parted from the rest of its sentence
INSIDE_CLAUSE, AFTER_CLAUSE = 1.2, 0.4  # it ends there, in place of the end of a sentence
UNREADABLE, TOO_FAST, TOO_SHORT = 2.0, 3.0, 2.0  # for a limit that is passed; for twice the speed; for no time at all
SILENCE = 1.5  # for each second within it in which nobody speaks
BREAK_INSIDE, BREAK_AFTER_CLAUSE, LONELY_WORD = 0.8, 0.2, 1.2  # of a line, in place of the end of a sentence
UGLY = 1.0  # how much what speaks against its two lines speaks against a caption


@dataclass(frozen=True, slots=True)
class Caption:
    """What is on the screen at one time.

    Args:
        start: in seconds.
        end: in seconds, after the start.
        lines: one or two.
        speaker: the service's name of the voice, None if unknown.
        channel: of the recording, counted from 0; None if unknown.
        is_new_voice: whether somebody else spoke in the caption before.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None
    channel: int | None = None
    is_new_voice: bool = False

    @property
    def text(self) -> str:
        """The lines."""
        return "\n".join(self.lines)

    @property
    def voice(self) -> str:
        """Who speaks, for people: ``Speaker 0``, ``Channel 1``, ``Channel 1, Speaker 0``, a name; empty if unknown."""
        return voice_of(self.channel, self.speaker)

    @property
    def label(self) -> str:
        """What SRT, which has no place of its own for a voice, writes before the text: at a change of voice alone."""
        return _label(self.channel, self.speaker) if self.is_new_voice else ""


def srt(captions: Sequence[Caption]) -> str:
    """SubRip, one block each; a new voice is named before its text: ``Speaker 0: ``, ``[Channel 1] ``."""
    return "\n".join(
        f"{number}\n{_clock(caption.start, ',')} --> {_clock(caption.end, ',')}\n{caption.label}{caption.text}\n"
        for number, caption in enumerate(captions, 1)
    )


def vtt(captions: Sequence[Caption]) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/); every caption whose voice is known has it as ``<v Speaker 0>``."""
    cues = (
        f"{_clock(caption.start, '.')} --> {_clock(caption.end, '.')}\n"
        f"{f'<v {_escape(caption.voice)}>' if caption.voice else ''}{_escape(caption.text)}\n"
        for caption in captions
    )
    return "\n".join(["WEBVTT\n", *cues])


def captions_of(segments: Sequence[Segment]) -> list[Caption]:
    """Captions in order of time.

    A line has at most 42 columns, a caption two lines; they end where sentences and clauses do rather than elsewhere,
    and no word stands alone that belongs to the others. A caption is shown for a second at least, and long enough to
    be read at 20 columns a second, or up to the next one. Captions of one voice never overlap; those of several do
    where they speak at the same time.

    Words without times of their own share those of their segment by their letters.
    """
    is_punctuated = any(_mark(word) == "sentence" for segment in segments for word in segment.text.split())
    pieces = [piece for segment in segments for piece in _pieces_of(segment, is_punctuated)]
    voices: dict[tuple[int | None, str | None], list[_Piece]] = {}
    for piece in pieces:
        voices.setdefault((piece.channel, piece.speaker), []).append(piece)
    spoken = sorted((piece.start, piece.end) for piece in pieces) if len(voices) > 1 else []
    return _readable(
        caption
        for voice in voices.values()
        for caption in _stepped(caption for run in _runs(_apart(voice), spoken) for caption in _split(run))
    )


@dataclass(slots=True)
class _Piece:
    """Text that is never parted, mostly a word, with its times in seconds.

    ``has_blank`` says whether a blank stands before it where it begins no line; None: as its script has it.
    ``ends_segment`` is True at the end of a segment, ``ends_run`` where no caption may go on.
    """

    text: str
    start: float
    end: float
    has_blank: bool | None
    channel: int | None
    speaker: str | None
    ends_segment: bool = False
    ends_run: bool = False


# -- segments -> pieces ------------------------------------------------------------------------------------------


def _pieces_of(segment: Segment, is_punctuated: bool) -> list[_Piece]:
    pieces: list[_Piece] = []
    for word in segment.words:
        voice = _voice_of(word, segment)
        parts = _unbroken(word.word, _room(*voice))
        for number, (text, start, end) in enumerate(_shares(parts, word.start, word.end)):
            has_blank = text[0].isspace() if number else None
            pieces.append(_Piece(text.strip(), start, end, has_blank, *voice))
    if not pieces:
        voice = segment.channel, segment.speaker
        parts = _unbroken(segment.text, _room(*voice), in_letters=True)
        for number, (text, start, end) in enumerate(_shares(parts, segment.start, segment.end)):
            has_blank = text[0].isspace() if number else None
            pieces.append(_Piece(text.strip(), start, end, has_blank, *voice))
        if pieces:  # where its words begin is a guess: a whole sentence that can be read by itself shares no caption
            is_whole = _mark(pieces[-1].text) == "sentence" or not is_punctuated
            pieces[-1].ends_run = is_whole and segment.end - segment.start >= SHORTEST
    pieces = _glued(pieces)
    if pieces:
        pieces[-1].ends_segment = True
    return pieces


def _voice_of(word: Word, segment: Segment) -> tuple[int | None, str | None]:
    channel = segment.channel if word.channel is None else word.channel
    return channel, segment.speaker if word.speaker is None else word.speaker


def _unbroken(text: str, room: int, in_letters: bool = False) -> list[str]:
    """A text in parts that fit into a line, a blank before each that has one.

    >>> _unbroken("so it is", 42), _unbroken("abcdef", 4)
    (['so', ' it', ' is'], ['abcd', 'ef'])
    """
    parts: list[str] = []
    for token in text.split():
        blank = " " if parts else ""
        for part in _letters(token) if in_letters and any(map(is_unspaced, token)) else [token]:
            for piece in _hard_split(part, room):
                parts.append(blank + piece)
                blank = ""
    return parts


def _hard_split(text: str, room: int) -> list[str]:
    if _width(text) <= room:
        return [text]
    pieces, line = [], ""
    for letter in _graphemes()(text):
        for unit in [letter] if _width(letter) <= room else letter:  # a letter with more marks than a line holds
            if line and _width(line) + _width(unit) > room:
                pieces.append(line)
                line = ""
            line += unit
    return [*pieces, line]


def _letters(token: str) -> list[str]:
    """Letters of scripts without blanks one by one, others together.

    >>> _letters("我用Python")
    ['我', '用', 'Python']
    """
    parts: list[str] = []
    for letter in _graphemes()(token):
        if parts and not is_unspaced(letter) and not is_unspaced(parts[-1]):
            parts[-1] += letter
        else:
            parts.append(letter)
    return parts


def _glued(pieces: list[_Piece]) -> list[_Piece]:
    """Marks that cannot begin a line go to the piece before them."""
    glued: list[_Piece] = []
    for piece in pieces:
        before = glued[-1] if glued else None
        if before is not None and _is_closing(before, piece):
            before.text += piece.text
            before.end = max(before.end, piece.end)
            before.ends_run = piece.ends_run
        else:
            glued.append(piece)
    return glued


def _is_closing(before: _Piece, piece: _Piece) -> bool:
    voice = piece.channel, piece.speaker
    return (
        not _has_blank(before, piece)
        and unicodedata.category(piece.text[0]) in ("Mn", "Mc", "Me", "Pe", "Pf", "Po")
        and voice == (before.channel, before.speaker)
        and _width(before.text + piece.text) <= _room(*voice)
    )


def _has_blank(before: _Piece, piece: _Piece) -> bool:
    return needs_blank(before.text, piece.text) if piece.has_blank is None else piece.has_blank


def _shares(parts: Sequence[str], start: float, end: float) -> Iterator[tuple[str, float, float]]:
    """Parts of a text with their shares of its time, by their letters."""
    whole = sum(map(len, parts))
    at = 0
    for part in parts:
        after = at + len(part)
        yield part, start + (end - start) * at / whole, start + (end - start) * after / whole
        at = after


# -- the pieces of one voice -> runs between pauses --------------------------------------------------------------


def _apart(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Times that never go back; pieces that claim the same time share what there is until the next one."""
    pieces = list(pieces)
    last = 0.0
    for piece in pieces:
        piece.start = last = max(piece.start, last)
        piece.end = max(piece.end, piece.start)
    first = 0
    while first < len(pieces):
        start = pieces[first].start
        after = first + 1
        while after < len(pieces) and pieces[after].start < start + STEP:
            after += 1
        if after - first > 1:
            own = pieces[first:after]
            width = sum(_width(piece.text) + 1 for piece in own)
            end = max(start + width / SPEED, *(piece.end for piece in own))
            end = min(end, pieces[after].start) if after < len(pieces) else end
            for piece, (_, begin, stop) in zip(own, _shares([piece.text for piece in own], start, end), strict=True):
                piece.start, piece.end = begin, stop
        first = after
    return pieces


def _runs(pieces: Sequence[_Piece], spoken: Sequence[tuple[float, float]]) -> Iterator[list[_Piece]]:
    """Parted at pauses, and where another voice spoke in between; ``spoken`` are the sorted times of all voices."""
    run: list[_Piece] = []
    for piece in pieces:
        if run and (
            run[-1].ends_run or piece.start - run[-1].end > PAUSE or _is_answered(run[-1], piece.start, spoken)
        ):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _is_answered(piece: _Piece, until: float, spoken: Sequence[tuple[float, float]]) -> bool:
    """Whether a word of another voice lies between the end of a piece and a time."""
    after = max(piece.end, piece.start + STEP)
    first, stop = (bisect.bisect_left(spoken, (time, 0.0)) for time in (after, until))
    return any(end <= until + STEP for _, end in spoken[first:stop])


# -- a run -> captions -------------------------------------------------------------------------------------------


def _split(run: Sequence[_Piece]) -> Iterator[Caption]:
    """The captions with the least cost."""
    measured = _Measured(run)
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first pieces: the cost, and where the last caption begins
    for stop in range(1, len(run) + 1):
        found: tuple[float, int] | None = None
        for first in range(stop - 1, -1, -1):
            if first < stop - 1 and not measured.fits(first, stop):
                break
            cost = best[first][0] + measured.cost(first, stop)
            if found is None or cost < found[0]:
                found = cost, first
        assert found is not None
        best.append(found)
    edges = [len(run)]
    while edges[-1]:
        edges.append(best[edges[-1]][1])
    for first, stop in pairwise(reversed(edges)):
        own = run[first:stop]
        end = max(piece.end for piece in own)
        end = end if stop == len(run) else min(end, run[stop].start)
        yield Caption(own[0].start, end, measured.lines(first, stop), own[0].speaker, own[0].channel)


class _Measured:
    """The pieces of a run with what the choice of captions asks again and again."""

    def __init__(self, run: Sequence[_Piece]) -> None:
        self.run = run
        self.room = _room(run[0].channel, run[0].speaker)  # of a first line, beside the name of the voice
        self.silence = [0.0, 0.0]  # seconds between the pieces, up to each
        for one, two in pairwise(run):
            self.silence.append(self.silence[-1] + max(0.0, two.start - one.end))
        self.at = [0]  # columns before each piece, the blank before it included
        self.blanks = [False, *(_has_blank(one, two) for one, two in pairwise(run))]
        for piece, has_blank in zip(run, self.blanks, strict=True):
            self.at.append(self.at[-1] + has_blank + _width(piece.text))
        ends = [_mark(piece.text) for piece in run]
        self.ends_sentence = [mark == "sentence" for mark in ends]
        self.ends_clause = [mark == "clause" or piece.ends_segment for mark, piece in zip(ends, run, strict=True)]

    def width(self, first: int, stop: int) -> int:
        """Columns of some pieces as one line."""
        return self.at[stop] - self.at[first] - self.blanks[first]

    def fits(self, first: int, stop: int) -> bool:
        """Whether some pieces make one caption."""
        if self.run[stop - 1].end - self.run[first].start > LONGEST:
            return False
        return self.width(first, stop) <= self.room or self._split_at(first, stop) is not None

    def _split_at(self, first: int, stop: int) -> range | None:
        """Where the second of two lines may begin."""
        blank = self.blanks[first]
        most = bisect.bisect_right(self.at, self.at[first] + blank + self.room, first, stop) - 1
        least = bisect.bisect_left(self.at, self.at[stop] - LINE - 1, first + 1, stop)
        while least < stop and self.width(least, stop) > LINE:
            least += 1
        return range(least, most + 1) if first < least <= most and least < stop else None

    def cost(self, first: int, stop: int) -> float:
        """What speaks against these pieces as one caption."""
        run, is_last = self.run, stop == len(self.run)
        width, spoken = self.width(first, stop), run[stop - 1].end - run[first].start
        free = float("inf") if is_last else run[stop].start - run[first].start
        shown = max(STEP, min(max(spoken, SHORTEST, width / SPEED), free))
        is_unreadable = width / shown > SPEED or shown < SHORTEST
        cost = (
            1.0
            + UNREADABLE * is_unreadable
            + TOO_FAST * max(0.0, width / shown / SPEED - 1.0)
            + TOO_SHORT * max(0.0, 1.0 - shown / SHORTEST)
        )
        cost += SILENCE * (self.silence[stop] - self.silence[first + 1])
        if not is_last and not self.ends_sentence[stop - 1]:
            cost += AFTER_CLAUSE if self.ends_clause[stop - 1] else INSIDE_CLAUSE
            begins_sentence = stop - 1 > first and self.ends_sentence[stop - 2]
            cost += ORPHAN * (begins_sentence or self.ends_sentence[stop])
        cost += UGLY * self._best_break(first, stop)[0]
        if first == stop - 1 and len(run) > 1:
            is_sentence = self.ends_sentence[first] and (first == 0 or self.ends_sentence[first - 1])
            cost += 1.0 if is_sentence else ORPHAN
        return cost

    def lines(self, first: int, stop: int) -> tuple[str, ...]:
        """The text in one line, or in two that are about as long, broken at punctuation rather than elsewhere."""
        place = self._best_break(first, stop)[1]
        if place is None:
            return (self._text(first, stop),)
        return self._text(first, place), self._text(place, stop)

    def _best_break(self, first: int, stop: int) -> tuple[float, int | None]:
        """What speaks against the best two lines, and where the second one begins; None where one line is enough."""
        places = None if self.width(first, stop) <= self.room else self._split_at(first, stop)
        if places is None:
            return 0.0, None
        return min((self._badness(first, place, stop), place) for place in places)

    def _badness(self, first: int, place: int, stop: int) -> float:
        one, two = self.width(first, place), self.width(place, stop)
        cost = abs(one - two) / LINE
        if not self.ends_sentence[place - 1]:
            cost += BREAK_AFTER_CLAUSE if self.ends_clause[place - 1] else BREAK_INSIDE
            begins_sentence = place - 1 > first and self.ends_sentence[place - 2]
            cost += LONELY_WORD * (begins_sentence or (self.ends_sentence[place] and place + 1 < stop))
        return cost + LONELY_WORD * ((place - first == 1) + (stop - place == 1)) * (stop - first > 3)

    def _text(self, first: int, stop: int) -> str:
        parts = [" " * self.blanks[number] + self.run[number].text for number in range(first, stop)]
        return "".join(parts).lstrip(" ")


def _mark(text: str) -> str:
    """Whether a piece ends a sentence or a clause."""
    bare = text.rstrip(CLOSING)
    if bare.lstrip("(\"'\u201c\u2018") in TITLES or (len(bare) == 2 and bare[0].isupper() and bare[1] == "."):
        return ""
    return "sentence" if bare.endswith(SENTENCE_ENDS) else "clause" if bare.endswith(CLAUSE_ENDS) else ""


# -- times on the screen -----------------------------------------------------------------------------------------


def _readable(captions: Iterable[Caption]) -> list[Caption]:
    """Shown long enough to be read, but no longer than until the next one; in whole milliseconds, as the files are."""
    timed = sorted(captions, key=lambda caption: caption.start)
    starts = [caption.start for caption in timed]
    shown: list[Caption] = []
    for before, caption in pairwise([None, *timed]):
        assert caption is not None
        is_new = caption.voice != ("" if before is None else before.voice)
        named = replace(caption, is_new_voice=is_new)
        spoken = max(caption.end, caption.start)
        after = bisect.bisect_left(starts, max(caption.start + STEP / 2, spoken - STEP / 2))
        following = starts[after] if after < len(starts) else float("inf")
        wanted = caption.start + max(SHORTEST, (len(named.label) + _width(caption.text)) / SPEED)
        end = max(spoken, min(wanted, following), caption.start + STEP)
        shown.append(replace(named, end=round(end, 3)))
    return shown


def _stepped(captions: Iterable[Caption]) -> Iterator[Caption]:
    """The captions of one voice in whole milliseconds, each beginning after the one before."""
    last = -STEP
    for caption in captions:
        last = round(max(caption.start, last + STEP), 3)
        yield replace(caption, start=last, end=round(caption.end, 3))


# -- letters -----------------------------------------------------------------------------------------------------


def voice_of(channel: int | None, speaker: str | None) -> str:
    """Who speaks, for people; empty if unknown.

    >>> voice_of(1, "0"), voice_of(None, "Anna"), voice_of(None, "0 (part 2)"), voice_of(None, None)
    ('Channel 1, Speaker 0', 'Anna', 'Speaker 0 (part 2)', '')
    """
    name = " ".join((speaker or "").split())
    is_number = name.split(" ")[0].isdecimal()
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1]}…"
    parts = ["" if channel is None else f"Channel {channel}", f"Speaker {name}" if is_number else name]
    return ", ".join(part for part in parts if part)


def _label(channel: int | None, speaker: str | None) -> str:
    name = voice_of(None, speaker)
    return ("" if channel is None else f"[Channel {channel}] ") + (f"{name}: " if name else "")


def _room(channel: int | None, speaker: str | None) -> int:
    """Columns of a first line, which may have to name its voice."""
    return LINE - _width(_label(channel, speaker))


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


@cache
def _graphemes():  # type: ignore[no-untyped-def]
    import regex  # type: ignore[import-untyped]  # it has no types of its own

    return regex.compile(r"\X").findall


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
