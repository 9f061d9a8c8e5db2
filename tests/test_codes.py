"""The tables of error codes and models: what the documentation says, and nothing that contradicts itself."""

from __future__ import annotations

import jsonschema
import pytest

from asrkit.cloudflare.codes import CODES, Then, then
from asrkit.cloudflare.models import MODELS, check_options, model_of, schema
from asrkit.cloudflare.prices import DOLLARS_PER_NEURON, PRICES, money, price_of
from asrkit.errors import OptionError

WHISPER, TINY, TURBO, NOVA = (
    "@cf/openai/whisper",
    "@cf/openai/whisper-tiny-en",
    "@cf/openai/whisper-large-v3-turbo",
    "@cf/deepgram/nova-3",
)
DOCUMENTED = {  # the page "Errors" of 2026-09-17
    5007: 400,
    5004: 400,
    3039: 400,
    3003: 400,
    5018: 403,
    3041: 403,
    5016: 403,
    3023: 403,
    5035: 403,
    5019: 405,
    5005: 405,
    3042: 404,
    3006: 413,
    3007: 408,
    3008: 408,
    3036: 429,
    3040: 429,
}
ELEVEN = {
    "task": "translate",
    "language": "de",
    "vad_filter": True,
    "initial_prompt": "Names: Anna",
    "prefix": "So",
    "beam_size": 3,
    "condition_on_previous_text": False,
    "no_speech_threshold": 0.5,
    "compression_ratio_threshold": 2,
    "log_prob_threshold": -0.8,
    "hallucination_silence_threshold": 1.5,
}


class TestCodes:
    @pytest.mark.parametrize("code, status", DOCUMENTED.items())
    def test_every_documented_code_is_in_the_table_with_its_status(self, code, status):
        assert (CODES[code].code, CODES[code].status) == (code, status)

    @pytest.mark.parametrize(
        "wanted, codes",
        [
            (Then.STOP_QUOTA, (3036, 4006, 2021)),
            (Then.WAIT, (3040,)),
            (Then.AGAIN, (3007, 3008, 3001, 6001, 7009)),
            (Then.ROW, (5006, 3010, 3030, 3006, 3003, 5004)),
            (Then.STOP_CREDENTIALS, (10000, 6003, 7003, 7000, 2009)),
            (Then.STOP_MODEL, (5007, 5018, 3041, 5016, 3023, 5035, 3042)),
        ],
    )
    def test_a_code_says_what_to_do_whatever_the_status(self, wanted, codes):
        assert {then(status, code) for code in codes for status in (CODES[code].status, 200, 500)} == {wanted}

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 521, 522, 523, 524, 408, 409])
    def test_a_failing_service_is_asked_again(self, status):
        assert then(status, None) is Then.AGAIN

    @pytest.mark.parametrize("status", [400, 413, 415, 422])
    def test_a_request_that_is_refused_is_its_rows_own_fault(self, status):
        assert then(status, None) is Then.ROW

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_without_a_code_is_about_the_credentials(self, status):
        assert then(status, None) is Then.STOP_CREDENTIALS

    def test_too_many_requests_without_a_code_is_waited_out(self):
        assert then(429, None) is Then.WAIT

    def test_the_spent_day_is_known_by_its_words_when_its_code_is_new(self):
        assert then(429, 9999, "You have used up your DAILY FREE ALLOCATION of ...") is Then.STOP_QUOTA

    def test_an_unknown_code_is_judged_by_its_status(self):
        assert [then(status, 9999) for status in (400, 429, 503)] == [Then.ROW, Then.WAIT, Then.AGAIN]


class TestModels:
    @pytest.mark.parametrize(
        "name, shapes", [(WHISPER, ("raw", "array")), (TINY, ("raw", "array")), (TURBO, ("base64",)), (NOVA, ("raw",))]
    )
    def test_each_model_takes_the_shapes_that_its_schema_has(self, name, shapes):
        told = schema(MODELS[name].schema, "input")
        bodies = {"raw": "the file", "array": {"audio": [82, 73, 255]}, "base64": {"audio": "UklG"}}
        if name == NOVA:  # over REST a raw body stands for the object of the schema
            bodies["raw"] = {"audio": {"body": {}, "contentType": "audio/wav"}}

        valid = {shape for shape, body in bodies.items() if jsonschema.Draft7Validator(told).is_valid(body)}

        assert MODELS[name].shapes == shapes
        assert valid == set(shapes)

    def test_turbo_has_its_eleven_options(self):
        assert MODELS[TURBO].options.keys() == ELEVEN.keys()
        check_options(MODELS[TURBO], ELEVEN)

    def test_nova_has_those_that_rest_takes(self):
        options = MODELS[NOVA].options

        assert len(options) == 32
        assert not {"interim_results", "vad_events", "utterance_end_ms", "audio"} & options.keys()

    @pytest.mark.parametrize("name", [WHISPER, TINY])
    def test_the_small_whispers_have_no_options(self, name):
        with pytest.raises(OptionError, match=f"{name} has no option 'vad_filter'; it has none"):
            check_options(MODELS[name], {"vad_filter": True})

    @pytest.mark.parametrize(
        "name, option, value, complaint",
        [
            (TURBO, "beam_sice", 5, "did you mean 'beam_size'"),
            (TURBO, "beam_size", "5", "beam_size is an? integer, got '5'"),
            (TURBO, "beam_size", 2.5, "beam_size is an? integer, got 2.5"),
            (TURBO, "beam_size", True, "beam_size is an? integer, got True"),
            (TURBO, "vad_filter", "false", "vad_filter is a boolean, got 'false'"),
            (TURBO, "vad_filter", 1, "vad_filter is a boolean, got 1"),
            (TURBO, "no_speech_threshold", "0.5", "no_speech_threshold is a number, got '0.5'"),
            (NOVA, "mode", "legal", "mode is one of general, medical, finance, got 'legal'"),
            (NOVA, "keyterm", ["a", 1], "keyterm is a string or a list of strings, got"),
            (NOVA, "language", ["a"], "language is a string"),
            (NOVA, "interim_results", True, "no option 'interim_results'"),
        ],
    )
    def test_what_a_model_does_not_take_is_refused_by_name(self, name, option, value, complaint):
        with pytest.raises(OptionError, match=complaint):
            check_options(MODELS[name], {option: value})

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_a_number_that_json_cannot_write_is_refused(self, value):
        with pytest.raises(OptionError, match="no_speech_threshold"):
            check_options(MODELS[TURBO], {"no_speech_threshold": value})

    def test_a_new_model_is_taken_for_one_of_the_newer_kind(self):
        model = model_of("@cf/someone/listens-well")

        assert (model.shapes, model.options_in, model.is_known) == (("base64",), "json", False)
        check_options(model, {"anything": [1, {"goes": True}]})

    def test_a_model_for_live_sound_is_refused(self):
        with pytest.raises(OptionError, match="over a WebSocket only; for recordings name @cf/openai/whisper,"):
            model_of("@cf/deepgram/flux")


class TestPrices:
    @pytest.mark.parametrize(
        "name, published", [(WHISPER, 0.00045), (TURBO, 0.000513), (NOVA, 0.0052)]
    )  # dollars a minute on the models' own pages
    def test_neurons_agree_with_the_dollars_on_the_models_page(self, name, published):
        assert price_of(name).dollars(60) == pytest.approx(published, rel=0.01)

    @pytest.mark.parametrize("name", [TINY, "@cf/someone/listens-well"])
    def test_a_price_that_is_not_published_is_unknown_and_not_zero(self, name):
        price = price_of(name)

        assert (price.is_known, price.neurons(60), price.dollars(60)) == (False, None, None)

    def test_a_day_is_free_up_to_ten_thousand_neurons(self):
        free_minutes = {name: 10_000 / neurons for name, neurons in PRICES.items()}

        assert free_minutes == pytest.approx({WHISPER: 243.1, TURBO: 214.5, NOVA: 21.15}, rel=0.001)
        assert pytest.approx(0.11) == 10_000 * DOLLARS_PER_NEURON

    @pytest.mark.parametrize(
        "dollars, shown",
        [(0, "$0"), (1234.5, "$1,234.50"), (1, "$1.00"), (0.5, "$0.5"), (0.0012, "$0.0012"), (1e-6, "$0.000001")],
    )
    def test_money_is_shown_with_the_digits_that_matter(self, dollars, shown):
        assert money(dollars) == shown
