"""Captions: what holds for whatever words come, and what single ones look like."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest

from asrkit.captions import LINE, LONGEST, SPEED, Caption, captions_of
from asrkit.transcript import Segment, Transcript, Word

SCRIPTS = {
    "latin": ("abcdefgh", "", 2),
    "chinese": ("今天好世界我们你在這裡", "", 1),
    "thai": ("กขคงจฉชซ", "\u0e31\u0e34\u0e48", 2),
    "hindi": ("कखगघङ", "\u093e\u093f\u094d", 2),
    "korean": ("한국어말이다", "", 1),
    "arabic": ("ابتثجح", "\u064e\u0650", 2),
}


def a_word(chance: random.Random, script: str) -> str:
    letters, marks, size = SCRIPTS[script]
    length = chance.choice([1, 3, 60, 200]) if chance.random() < 0.03 else 1 + int(chance.gammavariate(2, size))
    word = "".join(
        chance.choice(letters) + (chance.choice(marks) if marks and chance.random() < 0.3 else "")
        for _ in range(length)
    )
    return word + chance.choice(["", "", "", "", "", ".", ",", "?", "。", " x"])


def some_words(chance: random.Random, script: str, at: float) -> Iterator[Word]:
    """Words of one voice: quick and slow ones, such of no length, with pauses and without."""
    pace = chance.choice([0.02, 0.1, 0.3, 0.3, 0.5, 2.0])
    for _ in range(chance.randint(1, 40)):
        length = 0.0 if chance.random() < 0.1 else pace * (0.5 + chance.random())
        yield Word(a_word(chance, script), round(at, 3), round(at + length, 3))
        at += length + (chance.choice([0, 0, 0.2, 1.5, 20]) if chance.random() < 0.2 else 0)


def some_segments(seed: int) -> list[Segment]:
    """Whatever a recogniser may give: of one voice or of several at once, some without words."""
    chance = random.Random(seed)
    script = chance.choice(list(SCRIPTS))
    voices = chance.choice([1, 1, 2, 3])
    segments = []
    for voice in range(voices):
        at = chance.choice([0.0, 0.0, 5.0])
        for _ in range(chance.randint(1, 5)):
            words = tuple(some_words(chance, script, at))
            segments.append(
                Segment(
                    " ".join(word.word for word in words),
                    at,
                    max(word.end for word in words),
                    words if chance.random() < 0.8 else (),
                    channel=voice if voices > 1 else None,
                    speaker=chance.choice([None, "0", "Anna Maria from somewhere far away", "0 (part 12)"]),
                )
            )
            at = segments[-1].end
    return sorted(segments, key=lambda segment: segment.start)


def sentences(seed: int, count: int) -> tuple[Segment, ...]:
    """Read speech: sentences of three to fourteen words, one segment for a few of them."""
    chance = random.Random(seed)
    at, segments = 0.0, []
    for _ in range(count):
        words: list[Word] = []
        for _ in range(chance.randint(1, 3)):
            length = chance.randint(3, 14)
            for number in range(length):
                text = "".join(chance.choice("abcdefgh") for _ in range(chance.randint(1, 9)))
                text += "." if number == length - 1 else "," if chance.random() < 0.1 else ""
                words.append(Word(text, at, at + 0.07 * len(text) + 0.05))
                at = words[-1].end + (0.2 if text.endswith(".") else 0.0)
        segments.append(Segment(" ".join(word.word for word in words), words[0].start, at, tuple(words)))
    return tuple(segments)


def voice_of(item: Segment | Caption) -> tuple[int | None, str | None]:
    return item.channel, item.speaker


def letters(text: str) -> str:
    return "".join(text.split())


def check(segments: list[Segment]) -> None:
    """What holds for all captions."""
    captions = captions_of(segments)
    starts = [caption.start for caption in captions]
    assert starts == sorted(starts)
    for voice in {voice_of(segment) for segment in segments}:
        own = [caption for caption in captions if voice_of(caption) == voice]
        said = "".join(letters(segment.text) for segment in segments if voice_of(segment) == voice)
        assert "".join(letters(caption.text) for caption in own) == said
        assert all(one.end <= two.start + 1e-9 for one, two in pairwise(own))
    for caption in captions:
        assert len(caption.lines) in (1, 2)
        assert all(line and line == line.strip() for line in caption.lines)
        assert max(map(len, f"{caption.label}{caption.text}".split("\n"))) <= LINE
        length = caption.end - caption.start
        assert length > 0.0009
        if length < 1.0 - 1e-9 or len(caption.text) / length > SPEED + 1e-6:  # only where the next one begins
            assert any(abs(start - caption.end) < 0.0011 for start in starts if start > caption.start)


@pytest.mark.parametrize("first", range(0, 240, 40))
def test_whatever_is_said_lines_are_short_text_is_whole_and_times_can_be_read(first):
    for seed in range(first, first + 40):
        check(some_segments(seed))


@pytest.mark.parametrize("seed", range(20))
def test_read_speech_has_no_word_alone_beside_its_sentence(seed):
    captions = captions_of(sentences(seed, 10))

    texts = [" ".join(caption.lines) for caption in captions]
    assert [text for text in texts if re.search(r"\. \S+$", text)] == []  # the first word of the next sentence
    assert [one for one, two in pairwise(texts) if re.match(r"\S+\.", two) and not one.endswith(".")] == []
    assert all(caption.end - caption.start <= LONGEST + 1e-9 for caption in captions)
    assert all(caption.end - caption.start >= 1.0 - 1e-9 for caption in captions)


def balance(lines: tuple[str, ...]) -> int:
    return abs(len(lines[0]) - len(lines[-1]))


def test_two_lines_without_punctuation_are_as_even_as_their_words_allow():
    for seed in range(30):
        chance = random.Random(seed)
        texts = ["".join(chance.choice("abcdef") for _ in range(chance.randint(1, 9))) for _ in range(60)]
        words = tuple(Word(text, 0.3 * at, 0.3 * at + 0.3) for at, text in enumerate(texts))
        for caption in captions_of([Segment(" ".join(texts), 0.0, 18.0, words)]):
            own = " ".join(caption.lines).split()
            broken = [(" ".join(own[:at]), " ".join(own[at:])) for at in range(2, len(own) - 1)]
            others = [balance(lines) for lines in broken if max(map(len, lines)) <= LINE]
            assert len(caption.lines) == 1 or balance(caption.lines) <= min(others, default=LINE)


@pytest.mark.parametrize(
    "text, lines",
    [
        (
            "When the rain had gone, the two of them walked home together.",
            ("When the rain had gone,", "the two of them walked home together."),
        ),
        (
            "It had rained. Then both of them walked to the town.",
            ("It had rained.", "Then both of them walked to the town."),
        ),
        ("one two three four five six seven eight nine ten", ("one two three four five", "six seven eight nine ten")),
        ("short enough for one line", ("short enough for one line",)),
    ],
)
def test_a_line_ends_at_punctuation_first(text, lines):
    words = tuple(Word(word, 0.3 * at, 0.3 * at + 0.3) for at, word in enumerate(text.split()))

    [caption] = captions_of([Segment(text, 0.0, words[-1].end, words)])

    assert caption.lines == lines


def test_a_sentence_that_is_too_long_ends_a_caption_at_its_comma():
    text = (
        "After a long day of walking over the hills in the rain, the travellers came at last to the small town "
        "where they had meant to stay."
    )
    words = tuple(Word(word, 0.25 * at, 0.25 * at + 0.25) for at, word in enumerate(text.split()))

    first, second = captions_of([Segment(text, 0.0, words[-1].end, words)])

    assert first.text.endswith("rain,")
    assert second.text.replace("\n", " ").startswith("the travellers")


def test_a_segment_without_words_is_cut_by_the_share_of_its_letters():
    text = "this sentence has no times for its words and is far too long for one caption of two short lines on a screen"

    captions = captions_of([Segment(text, 10.0, 20.0)])

    assert len(captions) > 1
    assert (captions[0].start, captions[-1].end) == (10.0, 20.0)
    for one, two in pairwise(captions):
        said = len(text[: text.index(letters_after := two.lines[0].split()[0])])
        assert letters_after in text
        assert one.end == two.start == pytest.approx(10.0 + 10.0 * said / len(text), abs=0.7)


@pytest.mark.parametrize("text", ["今天天气很好我们去公园散步" * 6, "สวัสดีครับวันนี้อากาศดีมาก" * 6, "x" * 300])
def test_a_text_without_blanks_is_cut_inside_and_never_between_a_letter_and_its_mark(text):
    captions = captions_of([Segment(text, 0.0, 30.0)])

    lines = [line for caption in captions for line in caption.lines]
    assert len(captions) > 1
    assert "".join(lines) == text
    assert not any(unicodedata.category(line[0]).startswith("M") for line in lines)


def test_a_line_of_chinese_has_half_the_letters_and_never_begins_with_a_full_stop():
    pieces = ["今天", "天气", "很", "好", "。"] * 12
    words = tuple(Word(piece, 0.3 * at, 0.3 * at + 0.3) for at, piece in enumerate(pieces))

    lines = [line for caption in captions_of([Segment("".join(pieces), 0.0, 18.0, words)]) for line in caption.lines]

    assert "".join(lines) == "".join(pieces)
    assert max(map(len, lines)) <= LINE // 2
    assert not any(line.startswith("。") for line in lines)


def test_words_that_all_have_one_time_are_read_one_after_the_other():
    words = tuple(Word("word", 5.0, 5.0) for _ in range(100))
    later = Segment("later", 60.0, 61.0, (Word("later", 60.0, 61.0),))

    captions = captions_of([Segment("word " * 100, 5.0, 5.0, words), later])

    assert captions[0].start == 5.0
    assert captions[-1].start == 60.0
    assert all(caption.end - caption.start >= 1.0 for caption in captions)


class TestVoices:
    call = (
        Segment("Good morning.", 0.0, 1.5, (Word("Good", 0.0, 0.6), Word("morning.", 0.6, 1.5)), channel=0),
        Segment(
            "Who is it?", 2.0, 3.5, (Word("Who", 2.0, 2.5), Word("is", 2.5, 3.0), Word("it?", 3.0, 3.5)), channel=1
        ),
        Segment("And why?", 3.5, 4.6, (Word("And", 3.5, 4.0), Word("why?", 4.0, 4.6)), channel=1),
        Segment("Me & you.", 5.0, 7.0, channel=0),
    )

    def test_srt_names_a_channel_where_it_changes(self):
        assert re.sub(r"\d\d:\d\d:\d\d,\d\d\d", "T", Transcript("", segments=self.call).to_srt()) == (
            "1\nT --> T\n[Channel 0] Good morning.\n\n"
            "2\nT --> T\n[Channel 1] Who is it? And why?\n\n"
            "3\nT --> T\n[Channel 0] Me & you.\n"
        )

    def test_vtt_has_the_voice_of_every_caption(self):
        vtt = Transcript("", segments=self.call).to_vtt()

        assert re.findall(r"<v (.*?)>(.*)", vtt) == [
            ("Channel 0", "Good morning."),
            ("Channel 1", "Who is it? And why?"),
            ("Channel 0", "Me &amp; you."),
        ]

    def test_a_number_is_a_speaker_and_a_name_is_a_name_that_cannot_end_its_tag(self):
        said = [
            SimpleNamespace(speaker=name, label=label, voice=voice)
            for name, label, voice in (("0", "Speaker 0: ", "Speaker 0"), ("Anna <b>", "Anna <b>: ", "Anna &lt;b&gt;"))
        ]
        for one in said:
            transcript = Transcript("", segments=(Segment("Yes.", 0.0, 1.0, speaker=one.speaker),))

            assert f"\n{one.label}Yes.\n" in transcript.to_srt()
            assert f"\n<v {one.voice}>Yes.\n" in transcript.to_vtt()

    def test_words_tell_the_speaker_where_the_segment_does_not(self):
        words = (Word("Yes.", 0.0, 1.0, speaker="0"), Word("No.", 1.0, 2.0, speaker="1"))

        captions = captions_of([Segment("Yes. No.", 0.0, 2.0, words)])

        assert [(caption.text, caption.voice) for caption in captions] == [("Yes.", "Speaker 0"), ("No.", "Speaker 1")]

    def test_channels_that_speak_at_once_keep_their_own_times(self):
        long = tuple(Word("word", 0.5 * at, 0.5 * at + 0.5) for at in range(10))
        segments = [
            Segment("word " * 10, 0.0, 5.0, long, channel=0),
            Segment("mhm", 2.1, 2.4, (Word("mhm", 2.1, 2.4),), channel=1),
        ]

        captions = captions_of(segments)

        assert [(caption.start, caption.end, caption.channel) for caption in captions] == [(0.0, 5.0, 0), (2.1, 3.1, 1)]

    def test_an_answer_in_a_short_pause_comes_between_two_captions(self):
        asked = (Word("And", 0.0, 1.0), Word("now?", 1.0, 2.0), Word("Good.", 2.8, 4.0))
        segments = [
            Segment("And now? Good.", 0.0, 4.0, asked, channel=0),
            Segment("Yes.", 2.1, 2.7, (Word("Yes.", 2.1, 2.7),), channel=1),
        ]

        assert [caption.text for caption in captions_of(segments)] == ["And now?", "Yes.", "Good."]

    def test_without_voices_nothing_is_named(self):
        transcript = Transcript("", segments=(Segment("Yes.", 0.0, 1.0),))

        assert transcript.to_srt() == "1\n00:00:00,000 --> 00:00:01,000\nYes.\n"
        assert "<v" not in transcript.to_vtt()


def test_a_title_does_not_end_a_sentence():
    text = "He had asked Mrs. Morland about it and then J. Smith answered in her place with a laugh."
    words = tuple(Word(word, 0.3 * at, 0.3 * at + 0.3) for at, word in enumerate(text.split()))

    lines = [line for caption in captions_of([Segment(text, 0.0, words[-1].end, words)]) for line in caption.lines]

    assert not any(line.endswith(("Mrs.", "J.")) for line in lines)


def test_a_last_word_that_is_a_segment_by_itself_stays_with_its_sentence():
    parts = [
        ("Her father and her mother remark on her", 0.0, 3.0),
        ("improvement.", 3.0, 3.6),
        ("She smiled.", 5.5, 7.0),
    ]

    captions = captions_of([Segment(text, start, end) for text, start, end in parts])

    assert " ".join(captions[0].lines) == "Her father and her mother remark on her improvement."
    assert [caption.start for caption in captions] == [0.0, 5.5]
