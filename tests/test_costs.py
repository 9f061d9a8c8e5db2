"""What a run would cost, told without sending a byte."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest

import asrkit
from asrkit.errors import ColumnError, OptionError

WHISPER, TINY, TURBO = "@cf/openai/whisper", "@cf/openai/whisper-tiny-en", "@cf/openai/whisper-large-v3-turbo"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever opens a socket fails the test."""
    import socket

    def refuse(*_, **__):
        pytest.fail("an estimate has opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def clip(seconds: float, rate: int = 8_000) -> tuple[np.ndarray, int]:
    return np.zeros(round(seconds * rate), np.float32), rate


def estimate(data, *args, **options):
    return asrkit.estimate(data, *args, progress=False, **options)


class TestLengths:
    def test_files_bytes_and_arrays_count_by_their_length(self, tone_file):
        path = tone_file(seconds=3)
        df = pd.DataFrame({"audio": [path, str(path), path.read_bytes(), clip(3), BytesIO(path.read_bytes())]})

        told = estimate(df, "audio")

        assert (told.rows, told.seconds, told.requests, told.unknown) == (5, 15.0, 5, 0)

    def test_a_missing_cell_is_no_row(self):
        told = estimate([clip(2), None, float("nan"), pd.NA])

        assert (told.rows, told.seconds, told.requests, told.unknown) == (1, 2.0, 1, 0)

    def test_what_cannot_be_read_or_is_not_fetched_is_unknown_and_said_so(self, tmp_path):
        (tmp_path / "broken.wav").write_bytes(b"RIFF" + bytes(100))
        cells = ["no/such.wav", tmp_path / "broken.wav", b"", 3, "https://example.org/a.mp3", "s3://b/a.wav", clip(2)]

        told = estimate(cells)

        assert (told.rows, told.unknown, told.seconds) == (7, 6, 2.0)
        assert "6 rows are not in it: not fetched, or not readable" in str(told)

    def test_start_and_end_leave_the_rest_out(self):
        df = pd.DataFrame({"audio": [clip(10)] * 4, "from": [2.0, np.nan, 8, 20], "to": [5.0, 4.0, np.nan, 30]})

        assert estimate(df, "audio", start="from", end="to").seconds == 3 + 4 + 2

    def test_they_may_be_given_one_a_cell(self):
        assert estimate([clip(10), clip(10)], start=[1.0, None], end=[2.0, 5.0]).seconds == 1 + 5

    def test_too_few_of_them_are_refused(self):
        with pytest.raises(OptionError, match="start has 1 values for 3 cells"):
            estimate([clip(10)] * 3, start=[1.0])

    def test_a_length_that_no_header_tells_is_found_by_listening(self, recordings):
        aac = recordings[recordings.path.str.endswith(".aac")].iloc[0]

        assert estimate([aac.path]).seconds == pytest.approx(aac.duration_s, abs=0.2)

    def test_headers_agree_with_the_real_recordings(self, recordings):
        told = estimate(recordings, "path")

        assert told.unknown == 0
        assert told.seconds == pytest.approx(recordings.duration_s.sum(), rel=0.001)

    @pytest.mark.parametrize("data", [pd.DataFrame({"audio": []}), pd.DataFrame({"audio": [None, None]})])
    def test_nothing_costs_nothing(self, data):
        told = estimate(data, "audio")

        assert (told.rows, told.seconds, told.requests, told.dollars, told.free_dollars) == (0, 0, 0, 0, 0)
        str(told)


class TestMoney:
    def test_minutes_become_neurons_and_dollars(self):
        hour = estimate([clip(900)] * 4)

        assert hour.minutes == 60
        assert hour.neurons == pytest.approx(60 * 41.14)
        assert hour.dollars == pytest.approx(0.0272, abs=0.0001)

    def test_a_days_free_allocation_covers_the_first_ten_thousand_neurons(self):
        short, long = estimate([clip(600)]), estimate([clip(3_600)] * 5)

        assert short.free_dollars == short.dollars
        assert long.neurons > 10_000
        assert long.free_dollars == pytest.approx(0.11)
        assert "covers $0.11 of it, if nothing else uses it: $0.0258 remain" in str(long)

    def test_a_price_that_is_not_published_is_unknown_and_not_zero(self):
        told = estimate([clip(60)], model=TINY)

        assert (told.dollars, told.neurons, told.free_dollars) == (None, None, None)
        assert "unknown, not zero" in str(told)

    def test_a_model_on_this_machine_costs_nothing(self):
        told = estimate([clip(60)], model="openai/whisper-base")

        assert (told.dollars, told.neurons) == (0.0, 0.0)
        assert "on this machine at no charge" in str(told)

    def test_each_model_has_its_price(self):
        assert estimate([clip(60)], model=TURBO).dollars == pytest.approx(0.000513, rel=0.001)
        assert estimate([clip(60)], model="@cf/deepgram/nova-3").dollars == pytest.approx(0.0052, rel=0.001)

    def test_a_long_recording_takes_several_requests(self):
        assert estimate([clip(100), clip(20)], longest=30.0).requests == 4 + 1
        assert estimate([clip(1_801)]).requests == 3


class TestFrames:
    def test_a_column_must_be_named(self):
        with pytest.raises(OptionError, match=r"name the column with the audio: asrkit\.estimate\(df, 'path'\)"):
            estimate(pd.DataFrame({"path": [clip(1)]}))

    def test_a_column_that_is_not_there_is_refused(self):
        with pytest.raises(ColumnError, match="no column 'pth'; did you mean 'path'"):
            estimate(pd.DataFrame({"path": [clip(1)]}), "pth")

    def test_a_dry_run_gives_the_same_estimate_and_needs_no_credentials(self):
        df = pd.DataFrame({"audio": [clip(10), None], "to": [4.0, 1.0]})

        told = df.asr.transcribe("audio", model=TURBO, end="to", dry_run=True, progress=False)

        assert told == estimate(df, "audio", model=TURBO, end="to")
        assert told.seconds == 4.0
        assert df.columns.tolist() == ["audio", "to"]

    def test_a_dry_run_of_a_ready_backend_sends_nothing(self):
        import httpx2

        def refuse(request):
            pytest.fail("a dry run has sent a request")

        backend = asrkit.WorkersAI(account_id="a", api_token="t", transport=httpx2.MockTransport(refuse))
        told = pd.DataFrame({"audio": [clip(60)]}).asr.transcribe("audio", model=backend, dry_run=True, progress=False)

        assert told.dollars == pytest.approx(0.00045254)
        assert backend.spending.requests == 0

    def test_a_dry_run_minds_the_options_of_the_run(self):
        df = pd.DataFrame({"audio": [clip(100)]})

        told = df.asr.transcribe("audio", model=TURBO, longest=30.0, dry_run=True, progress=False)

        assert told.requests == 4

    def test_a_dry_run_refuses_options_that_the_run_would_refuse(self):
        with pytest.raises(OptionError, match="beam_sice"):
            pd.DataFrame({"audio": [clip(1)]}).asr.transcribe(
                "audio", model=TURBO, beam_sice=5, dry_run=True, progress=False
            )

    def test_a_series_is_estimated_by_its_cells(self):
        assert estimate(pd.Series([clip(3), clip(4)])).seconds == 7.0

    def test_it_is_shown_as_its_sentences_in_a_notebook(self):
        from IPython.lib.pretty import pretty

        told = estimate([clip(60)])
        assert pretty(told) == str(told)
        assert str(told).startswith(
            "@cf/openai/whisper: 1 rows, 1.0 min of audio, 1 requests or more\n  41 neurons, $0.00045 at"
        )
