from __future__ import annotations

import json
import math
import re
from itertools import pairwise

import pytest

from asrkit.transcript import FLAGS, Segment, Transcript, Word, join, ordered_flags


def spoken(text: str, *, start: float = 0.0, step: float = 0.4, pause: float = 0.0) -> Segment:
    """A segment whose words follow one another."""
    words = tuple(
        Word(word, start + number * (step + pause), start + number * (step + pause) + step)
        for number, word in enumerate(text.split())
    )
    return Segment(text, words[0].start, words[-1].end, words)


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


class TestJoin:
    def test_times_are_those_of_the_recording(self):
        parts = [
            Transcript("one two", segments=(spoken("one two"),)),
            Transcript("three", segments=(spoken("three", start=0.5),)),
        ]

        whole = join(parts, starts=[1.0, 31.0], duration=40.0)

        assert whole.text == "one two three"
        assert [(s.start, s.end) for s in whole.segments] == [(1.0, 1.8), (31.5, 31.9)]
        assert [(w.word, w.start, w.end) for w in whole.words] == [
            ("one", 1.0, 1.4),
            ("two", 1.4, 1.8),
            ("three", 31.5, 31.9),
        ]
        assert whole.duration == 40.0

    def test_no_time_lies_outside_the_recording(self):
        late = Segment("late", 0.0, 9.0, (Word("late", 0.0, 9.0),))

        whole = join([Transcript("late", segments=(late,))], starts=[10.0], duration=12.0)

        [segment] = whole.segments
        assert (segment.start, segment.end, segment.words[0].end) == (10.0, 12.0, 12.0)

    @pytest.mark.parametrize(
        ("parts", "text"),
        [
            ([" Hello", " world."], "Hello world."),
            (["你好。", "今天好。"], "你好。今天好。"),
            (["こんにちは", "ありがとう"], "こんにちはありがとう"),
            (["สวัสดี", "ครับ"], "สวัสดีครับ"),
            (["안녕하세요", "감사합니다"], "안녕하세요 감사합니다"),
            (["你好", "OK"], "你好 OK"),
            (["", " Hello", "", " world"], "Hello world"),
            (["", ""], ""),
        ],
    )
    def test_windows_are_parted_by_a_blank_where_the_script_has_blanks(self, parts, text):
        whole = join([Transcript(part) for part in parts], starts=range(len(parts)), duration=float(len(parts)))

        assert whole.text == text

    def test_work_adds_up_and_the_worst_measure_stays(self):
        parts = [
            Transcript("a", elapsed=1.0, no_speech=0.1, compression_ratio=1.5),
            Transcript("b", elapsed=0.5, no_speech=0.7, compression_ratio=1.2),
            Transcript("c", elapsed=0.0),
        ]

        whole = join(parts, starts=[0.0, 1.0, 2.0], duration=3.0)

        assert (whole.elapsed, whole.no_speech, whole.compression_ratio) == (1.5, 0.7, 1.5)

    def test_a_long_text_weighs_more_in_the_confidence_than_a_short_one(self):
        sure = Transcript("x" * 99, confidence=math.exp(-0.1), logprob=-0.1)
        unsure = Transcript("x" * 9, confidence=math.exp(-1.2), logprob=-1.2)

        whole = join([sure, unsure, Transcript("told nothing")], starts=[0, 1, 2], duration=3.0)

        assert whole.logprob == pytest.approx((-0.1 * 100 - 1.2 * 10) / 110)
        assert whole.confidence == pytest.approx(math.exp(whole.logprob))

    def test_probabilities_of_a_service_are_averaged_as_what_they_are(self):
        parts = [Transcript("x" * 99, confidence=0.9), Transcript("x" * 9, confidence=0.0)]

        whole = join(parts, starts=[0, 1], duration=2.0)

        assert whole.confidence == pytest.approx(0.9 * 100 / 110)
        assert whole.logprob is None

    def test_what_no_part_tells_is_not_told(self):
        whole = join([Transcript("a"), Transcript("b")], starts=[0, 1], duration=2.0)

        assert (whole.confidence, whole.no_speech, whole.compression_ratio, whole.language) == (None,) * 4

    def test_the_language_is_that_of_the_first_part_that_tells_one(self):
        parts = [Transcript(""), Transcript("ja", "de"), Transcript("yes", "en")]

        assert join(parts, starts=[0, 1, 2], duration=3.0).language == "de"

    def test_one_silent_window_does_not_make_a_silent_recording(self):
        silent, heard = Transcript("", flags=("silence",)), Transcript("yes", flags=("low-confidence",))

        assert join([silent, heard], starts=[0, 1], duration=2.0).flags == ("low-confidence",)
        assert join([silent, silent], starts=[0, 1], duration=2.0).flags == ("silence",)

    def test_a_start_for_each_part_is_needed(self):
        with pytest.raises(ValueError, match="shorter"):
            join([Transcript("a"), Transcript("b")], starts=[0.0], duration=1.0)


def test_flags_come_once_in_asrkits_order_then_those_of_the_audio():
    assert ordered_flags(["truncated", "damaged", "silence", "chained", "silence"]) == (
        "silence",
        "truncated",
        "damaged",
        "chained",
    )
    assert ordered_flags(reversed(FLAGS)) == FLAGS


class TestCaptions:
    def test_without_words_a_segment_is_a_caption(self):
        segments = (Segment("One.", 0.0, 9.0), Segment("", 9.0, 10.0), Segment("Two.", 10.0, 11.0))

        assert list(Transcript("One. Two.", segments=segments).captions()) == [(0.0, 9.0, "One."), (10.0, 11.0, "Two.")]

    def test_words_make_captions_that_can_be_read_in_time(self):
        text = " ".join(f"word{number}" for number in range(200))

        captions = list(Transcript(text, segments=(spoken(text),)).captions())

        assert " ".join(caption for _, _, caption in captions).split() == text.split()
        assert all(end - start <= 6.0 + 1e-9 for start, end, _ in captions)
        assert all(len(line) <= 42 for _, _, caption in captions for line in caption.split("\n"))
        assert all(end <= start + 1e-9 for (_, end, _), (start, _, _) in pairwise(captions))

    def test_many_letters_end_a_caption_too(self):
        text = " ".join(["antidisestablishment"] * 10)

        captions = list(Transcript(text, segments=(spoken(text, step=0.1),)).captions())

        assert len(captions) == 3
        assert max(len(caption) for _, _, caption in captions) == 83

    def test_a_pause_ends_a_caption(self):
        segment = Segment("so it is", 0.0, 5.0, (Word("so", 0.0, 0.3), Word("it", 2.0, 2.2), Word("is", 2.4, 3.1)))

        captions = list(Transcript("so it is", segments=(segment,)).captions())

        assert captions == [(0.0, 1.0, "so"), (2.0, 3.1, "it is")]

    def test_a_word_longer_than_a_line_is_cut(self):
        segment = Segment("x" * 200, 0.0, 9.0, (Word("x" * 200, 0.0, 9.0),))

        captions = [caption for _, _, caption in Transcript("x" * 200, segments=(segment,)).captions()]

        assert "".join(captions).replace("\n", "") == "x" * 200
        assert max(len(line) for caption in captions for line in caption.split("\n")) == 42

    def test_words_of_a_script_without_blanks_are_not_parted(self):
        segment = Segment("今天好", 0.0, 1.0, (Word("今天", 0.0, 0.5), Word("好", 0.5, 1.0)))

        assert list(Transcript("今天好", segments=(segment,)).captions()) == [(0.0, 1.0, "今天好")]


class TestCaptionFiles:
    long = Transcript(
        "",
        segments=(
            Segment("Tom & Jerry <i>", 0.0, 1.9996),
            Segment("later", 3_599.9996, 3_601.5),
            Segment("much later", 360_000.0, 360_001.25),
        ),
    )

    def test_srt_numbers_its_blocks_and_writes_text_as_it_is(self):
        assert self.long.to_srt() == (
            "1\n00:00:00,000 --> 00:00:02,000\nTom & Jerry <i>\n\n"
            "2\n01:00:00,000 --> 01:00:01,500\nlater\n\n"
            "3\n100:00:00,000 --> 100:00:01,250\nmuch later\n"
        )

    def test_vtt_has_its_header_and_escapes_text(self):
        assert self.long.to_vtt() == (
            "WEBVTT\n\n"
            "00:00:00.000 --> 00:00:02.000\nTom &amp; Jerry &lt;i&gt;\n\n"
            "01:00:00.000 --> 01:00:01.500\nlater\n\n"
            "100:00:00.000 --> 100:00:01.250\nmuch later\n"
        )

    def test_nothing_said_makes_files_without_captions(self):
        assert Transcript("").to_srt() == ""
        assert Transcript("").to_vtt().strip() == "WEBVTT"

    @pytest.mark.parametrize("text", ["one\n\ntwo", "one\r\n\r\ntwo", "\n\none\ntwo\n\n"])
    def test_an_empty_line_in_a_text_does_not_end_its_block(self, text):
        transcript = Transcript(text, segments=(Segment(text, 0.0, 1.0), Segment("three", 1.0, 2.0)))

        srt, vtt = transcript.to_srt(), transcript.to_vtt()

        assert len(re.split(r"\r?\n(?:\r?\n)+", srt.strip())) == 2
        assert len(re.split(r"\r?\n(?:\r?\n)+", vtt.strip())) == 3  # with the header

    def test_an_arrow_in_a_text_is_not_one_in_vtt(self):
        vtt = Transcript("", segments=(Segment("a --> b", 0.0, 1.0),)).to_vtt()

        assert vtt.count("-->") == 1

    def test_every_vtt_cue_ends_after_it_starts(self):
        """As the format demands; words of no length do come from recognisers."""
        segment = Segment("uh", 1.0, 1.0, (Word("uh", 1.0, 1.0),))

        vtt = Transcript("uh", segments=(segment,)).to_vtt()

        [(start, end)] = re.findall(r"^(\S+) --> (\S+)$", vtt, re.MULTILINE)
        assert seconds(start) < seconds(end)


class TestDicts:
    def test_a_dict_holds_plain_types_and_comes_back_the_same(self):
        pytest.importorskip("hypothesis")
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st

        times = st.floats(0, 1e6)
        measures = st.none() | st.floats(-1e6, 1e6)
        sure = st.none() | st.floats(0, 1)
        words = st.builds(Word, st.text(), times, times, sure)
        lists = st.lists(words, max_size=3).map(tuple)
        segments = st.builds(Segment, st.text(), times, times, lists, sure, *[measures] * 3, logprob=measures)
        transcripts = st.builds(
            Transcript,
            text=st.text(),
            language=st.none() | st.text(),
            segments=st.lists(segments, max_size=3).map(tuple),
            duration=measures,
            elapsed=measures,
            confidence=sure,
            logprob=measures,
            no_speech=measures,
            compression_ratio=measures,
            flags=st.lists(st.text(), max_size=3).map(tuple),
        )

        @settings(
            max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        )  # a busy machine is slow
        @given(transcripts)
        def law(transcript):
            assert Transcript.from_dict(transcript.to_dict()) == transcript
            assert Transcript.from_dict(json.loads(transcript.to_json())) == transcript

        law()

    def test_json_is_one_line_and_keeps_letters(self):
        line = Transcript("Größe\n今天").to_json()

        assert "\n" not in line
        assert "Größe" in line

    def test_a_transcript_does_not_change(self):
        with pytest.raises(AttributeError):
            Transcript("a").text = "b"
