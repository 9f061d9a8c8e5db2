"""What the models answer -> transcripts: in order, inside the recording, and captions that players take."""

from __future__ import annotations

import math
import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrkit.cloudflare.answers import transcript_of
from asrkit.cloudflare.models import model_of, schema
from asrkit.errors import AnswerError

WHISPER = model_of("@cf/openai/whisper")
TURBO = model_of("@cf/openai/whisper-large-v3-turbo")
NOVA = model_of("@cf/deepgram/nova-3")
NEW = model_of("@cf/someone/listens-well")

OF_WHISPER = {  # float32 written as float64, and a "vtt" that is no WebVTT
    "text": "Hello, it is a good day. Thank you",
    "word_count": 8,
    "vtt": "WEBVTT\n\n00.580 --> 01.460\nHello, it is a good\n\n01.460 --> 05.000\nday. Thank you",
    "words": [
        {"word": "Hello,", "start": 0.5799999833106995, "end": 1},
        {"word": "it", "start": 1, "end": 1.100000023841858},
        {"word": "is", "start": 1.100000023841858, "end": 1.2000000476837158},
        {"word": "a", "start": 1.2000000476837158, "end": 1.3},
        {"word": "good", "start": 1.3, "end": 1.46},
        {"word": "day.", "start": 1.46, "end": 2},
        {"word": "Thank", "start": 4, "end": 4.5},
        {"word": "you", "start": 4.5, "end": 5},
    ],
}
OF_TURBO = {
    "text": " Hallo Welt. Guten Tag.",
    "word_count": 4,
    "transcription_info": {
        "language": "de",
        "language_probability": 0.98,
        "duration": 6.0,
        "duration_after_vad": 4.0,
    },
    "segments": [
        {
            "start": 0.5,
            "end": 2.0,
            "text": " Hallo Welt.",
            "temperature": 0.0,
            "avg_logprob": -0.2,
            "compression_ratio": 0.8,
            "no_speech_prob": 0.1,
            "words": [{"word": " Hallo", "start": 0.5, "end": 1.0}, {"word": " Welt.", "start": 1.0, "end": 2.0}],
        },
        {
            "start": 3.0,
            "end": 4.0,
            "text": " Guten Tag.",
            "temperature": 0.2,
            "avg_logprob": -0.4,
            "compression_ratio": 0.9,
            "no_speech_prob": 0.3,
            "words": [{"word": " Guten", "start": 3.0, "end": 3.5}, {"word": " Tag.", "start": 3.5, "end": 4.0}],
        },
    ],
    "vtt": "WEBVTT\n\n00.500 --> 02.000\nHallo Welt.",
    "usage": {"seconds": 6},
}


def of_nova(*channels):
    return {
        "results": {
            "channels": [
                {
                    "alternatives": [
                        {
                            "transcript": transcript,
                            "confidence": 0.9,
                            "words": [
                                {"word": word.lower().strip("."), "start": start, "end": start + 0.5, "confidence": 0.8}
                                | ({"punctuated_word": word} if punctuated else {})
                                for start, word in words
                            ],
                        }
                    ]
                }
                for transcript, words, punctuated in channels
            ]
        }
    }


class TestTheExamplesHere:
    @pytest.mark.parametrize(
        "model, answer",
        [(WHISPER, OF_WHISPER), (TURBO, OF_TURBO), (NOVA, of_nova(("hi", [(0.0, "hi")], False)))],
        ids=["whisper", "turbo", "nova"],
    )
    def test_keep_to_the_published_schemas(self, model, answer):
        jsonschema.validate(answer, schema(model.schema, "output"))


class TestWhisper:
    def test_words_have_their_times_without_the_noise_of_float32(self):
        heard = transcript_of(WHISPER, OF_WHISPER, 6.0)

        assert heard.text == "Hello, it is a good day. Thank you"
        assert [(w.word, w.start, w.end) for w in heard.words][:2] == [("Hello,", 0.58, 1.0), ("it", 1.0, 1.1)]
        assert len(heard.words) == 8
        assert (heard.language, heard.duration, heard.flags) == (None, 6.0, ())

    def test_segments_end_where_a_sentence_or_a_pause_does(self):
        segments = transcript_of(WHISPER, OF_WHISPER, 6.0).segments

        assert [(s.text, s.start, s.end) for s in segments] == [
            ("Hello, it is a good day.", 0.58, 2.0),
            ("Thank you", 4.0, 5.0),
        ]

    def test_a_text_without_words_is_one_segment(self):
        heard = transcript_of(WHISPER, {"text": " you "}, 3.0)

        assert [(s.text, s.start, s.end) for s in heard.segments] == [("you", 0.0, 3.0)]
        assert heard.words == ()

    def test_scripts_without_blanks_get_none(self):
        words = [{"word": word, "start": n, "end": n + 1} for n, word in enumerate(["こんにちは", "世界", "。"])]

        heard = transcript_of(WHISPER, {"text": "こんにちは世界。", "words": words}, 6.0)

        assert heard.segments[0].text == "こんにちは世界。"


class TestTurbo:
    def test_words_lie_within_segments(self):
        heard = transcript_of(TURBO, OF_TURBO, 6.0)

        assert heard.text == "Hallo Welt. Guten Tag."
        assert [s.text for s in heard.segments] == ["Hallo Welt.", "Guten Tag."]
        assert [w.word for w in heard.words] == ["Hallo", "Welt.", "Guten", "Tag."]

    def test_the_measures_of_whisper_come_with_it(self):
        heard = transcript_of(TURBO, OF_TURBO, 6.0)

        assert heard.logprob == pytest.approx((-0.2 * 12 - 0.4 * 11) / 23)
        assert heard.confidence == pytest.approx(math.exp(heard.logprob))
        assert (heard.no_speech, heard.compression_ratio) == (0.3, 0.9)
        assert (heard.segments[0].logprob, heard.segments[1].temperature) == (-0.2, 0.2)
        assert heard.segments[0].confidence == pytest.approx(math.exp(-0.2))
        assert heard.flags == ("temperature-fallback",)

    def test_the_language_is_what_was_heard_else_what_was_asked_for(self):
        assert transcript_of(TURBO, OF_TURBO, 6.0, "en").language == "de"
        assert transcript_of(TURBO, {"text": "hi"}, 6.0, "en").language == "en"
        assert transcript_of(TURBO, {"text": "hi", "transcription_info": {"language": ""}}, 6.0).language is None

    @pytest.mark.parametrize("told, flags", [(58.0, ()), (30.0, ("truncated",))])
    def test_an_answer_to_half_the_recording_is_marked(self, told, flags):
        answer = {"text": "hi", "transcription_info": {"duration": told}}

        assert transcript_of(TURBO, answer, 60.0).flags == flags

    @pytest.mark.parametrize(
        "measure, flag", [({"compression_ratio": 2.5}, "repetition"), ({"avg_logprob": -1.1}, "low-confidence")]
    )
    def test_doubtful_texts_are_marked(self, measure, flag):
        answer = {"text": "la la", "segments": [{"start": 0, "end": 1, "text": "la la", **measure}]}

        assert transcript_of(TURBO, answer, 2.0).flags == (flag,)

    def test_segments_that_overlap_or_go_back_are_put_in_order(self):
        segments = [
            {"start": 0.0, "end": 3.0, "text": "one", "words": [{"word": "one", "start": 0.0, "end": 3.0}]},
            {"start": 2.0, "end": 4.0, "text": "two", "words": [{"word": "two", "start": 2.0, "end": 4.0}]},
        ]

        heard = transcript_of(TURBO, {"text": "one two", "segments": segments}, 5.0)

        assert heard.segments[0].end <= heard.segments[1].start
        assert heard.words[0].end <= heard.words[1].start


class TestNova:
    def test_the_words_come_with_their_punctuation_and_confidence(self):
        answer = of_nova(("So it is.", [(0.0, "So"), (0.5, "it"), (1.0, "is.")], True))

        heard = transcript_of(NOVA, answer, 2.0)

        assert heard.text == "So it is."
        assert [w.word for w in heard.words] == ["So", "it", "is."]
        assert heard.words[0].confidence == 0.8
        assert (heard.confidence, heard.logprob) == (0.9, None)

    def test_channels_become_lines_and_segments_in_the_order_of_time(self):
        answer = of_nova(("Yes. No.", [(0.0, "Yes."), (4.0, "No.")], True), ("Why?", [(2.0, "Why?")], True))

        heard = transcript_of(NOVA, answer, 6.0)

        assert heard.text == "Yes. No.\nWhy?"
        assert [s.text for s in heard.segments] == ["Yes.", "Why?", "No."]

    def test_silence_is_an_empty_text(self):
        heard = transcript_of(NOVA, of_nova(("", [], False)), 2.0)

        assert (heard.text, heard.segments, heard.flags, heard.confidence) == ("", (), ("silence",), None)

    def test_the_language_that_it_detects_is_told(self):
        answer = of_nova(("ja", [], False))
        answer["results"]["channels"][0]["detected_language"] = "nl"

        assert transcript_of(NOVA, answer, 2.0).language == "nl"


class TestNewModels:
    @pytest.mark.parametrize("answer", [OF_TURBO, {**OF_WHISPER}, of_nova(("Hi.", [(0.0, "Hi.")], True))])
    def test_an_unknown_model_may_answer_like_any_of_the_known(self, answer):
        heard = transcript_of(NEW, answer, 6.0)

        assert heard.text
        assert heard.words


class TestWhatIsNoAnswer:
    @pytest.mark.parametrize("model", [WHISPER, TURBO, NEW], ids=lambda model: model.name)
    @pytest.mark.parametrize("answer", [{}, {"text": None}, {"text": 3}, {"vtt": "WEBVTT", "words": []}])
    def test_a_missing_text_is_an_error_that_tells_what_came(self, model, answer):
        with pytest.raises(AnswerError, match=f"{model.name} answered without a text; its answer has") as caught:
            transcript_of(model, answer, 2.0)

        assert all(name in str(caught.value) for name in answer)

    @pytest.mark.parametrize("answer", [{}, {"results": {}}, {"results": {"channels": [{"alternatives": []}]}}])
    def test_no_channel_with_a_transcript_is_an_error_too(self, answer):
        with pytest.raises(AnswerError, match="no channel with a transcript"):
            transcript_of(NOVA, answer, 2.0)

    @pytest.mark.parametrize("model", [WHISPER, TURBO], ids=lambda model: model.name)
    def test_an_empty_text_is_silence(self, model):
        heard = transcript_of(model, {"text": " ", "words": [], "segments": []}, 2.0)

        assert (heard.text, heard.segments, heard.flags) == ("", (), ("silence",))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
TIME = st.none() | st.floats() | st.integers(-5, 20)
WORD = st.fixed_dictionaries({}, optional={"word": st.text(max_size=4) | JUNK, "start": TIME, "end": TIME})
WORDS = st.lists(WORD | JUNK, max_size=8)


class TestWhateverComes:
    """Answers that keep to no schema give times inside the recording all the same."""

    @given(WORDS)
    def test_words_of_whisper_never_go_back_nor_beyond_the_end(self, words):
        heard = transcript_of(WHISPER, {"text": "x", "words": words}, 10.0)

        times = [time for word in heard.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert all(0.0 <= time <= 10.0 for time in times)

    @given(
        st.lists(
            st.fixed_dictionaries({}, optional={"start": TIME, "end": TIME, "text": JUNK, "words": WORDS}) | JUNK,
            max_size=4,
        )
    )
    def test_segments_of_turbo_lie_inside_the_recording(self, segments):
        heard = transcript_of(TURBO, {"text": "x", "segments": segments}, 10.0)

        assert all(0.0 <= segment.start <= segment.end <= 10.0 for segment in heard.segments)
        assert all(0.0 <= word.start <= word.end <= 10.0 for word in heard.words)

    @given(JUNK, JUNK, JUNK)
    def test_an_answer_of_any_form_is_a_transcript_or_an_answer_error(self, words, segments, info):
        for model in (WHISPER, TURBO):
            answer = {"text": "x", "words": words, "segments": segments, "transcription_info": info}
            assert transcript_of(model, answer, 10.0).text == "x"


class TestCaptions:
    @pytest.mark.parametrize("model, answer", [(WHISPER, OF_WHISPER), (TURBO, OF_TURBO)], ids=["whisper", "turbo"])
    def test_they_are_made_from_words_with_times_that_players_take(self, model, answer):
        vtt = transcript_of(model, answer, 6.0).to_vtt()

        times = re.findall(r"^(\S+) --> (\S+)$", vtt, re.MULTILINE)
        assert len(times) == 2
        assert all(re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}", time) for cue in times for time in cue)
        assert answer["vtt"] not in vtt
