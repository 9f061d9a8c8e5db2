"""What is shown is printable and bounded, whoever it comes from; what is data stays as it is."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import unicodedata
import warnings
from pathlib import Path

import httpx2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import asrkit
from asrkit import cli, errors
from asrkit.errors import AsrkitError, Interrupted
from asrkit.printable import MOST, ForTerminal, printable, printable_json
from asrkit.source import describe

HOSTILE = {
    "an escape sequence": "\x1b[2J\x1b]0;owned\x07",
    "one in eight bits": "\x9b2J\x90q\x9c",
    "a carriage return": "fine\rERASED",
    "lines": "one\ntwo\x0bthree\u2028four\u2029five\x85six",
    "backspaces": "abc\x08\x08\x08xyz\x7f",
    "turned letters": "\u202egpj.exe\u202c \u2066a\u2069 \u200e\u200f\u061c",
    "letters without width": "pay\u200bpal\u2060\ufeff",
    "half a pair": "caf\udce9 \ud83d",
    "tags": "a\U000e0041\U000e007f",
    "a megabyte": "x" * 1_000_000,
    "many escapes": "\x1b" * 300_000,
}
FINE = "Grüße, 你好, привет, العربية, हिन्दी, می‌خواهم, 👩‍👩‍👧, é, 'quotes' \\ and $5"
hostile = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())


def is_harmless(text: str, most: int = MOST) -> bool:
    unseen = ("Cc", "Cs", "Zl", "Zp")
    joiners = "\u200c\u200d"
    kinds = [unicodedata.category(letter) for letter in text if letter not in joiners]
    return len(text) <= most and not any(kind in unseen or kind == "Cf" for kind in kinds)


class TestPrintable:
    @hostile
    def test_shows_what_would_do_something(self, text):
        assert is_harmless(printable(text))
        assert is_harmless(printable(f"clip {text} is broken"))

    def test_leaves_letters_of_all_languages(self):
        assert printable(FINE) == FINE

    def test_keeps_a_path_recognisable(self):
        assert printable("/data/caf\udce9/\x1b[31mred\n.wav") == "/data/caf\\xe9/\\x1b[31mred\\n.wav"

    @given(st.text() | st.text("\x1b\u202e\ud800a", max_size=1_000).map(lambda text: text * 4), st.integers(100, 3_000))
    def test_is_bounded_and_the_same_when_applied_twice(self, text, most):
        once = printable(text, most)

        assert len(once) <= most
        assert printable(once, most) == once
        assert is_harmless(once.translate({ord(c): None for c in "\u00ad"}), most) or not text.isprintable()
        assert "\x1b" not in once

    def test_keeps_the_advice_at_the_end_of_what_is_too_long(self):
        told = printable("x" * 1_000_000 + "; check CLOUDFLARE_ACCOUNT_ID")

        assert told.endswith("; check CLOUDFLARE_ACCOUNT_ID")
        assert "characters left out" in told

    @given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text("a\x1b\u202e\x7f\x85é")))
    def test_json_says_the_same(self, value):
        told = printable_json(json.dumps(value, ensure_ascii=False))

        assert json.loads(told) == value
        assert is_harmless(told, len(told)) or any(unicodedata.category(c) == "Cf" for key in value for c in key)


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AsrkitError)]


class TestErrors:
    @hostile
    @pytest.mark.parametrize("kind", KINDS)
    def test_of_every_kind_are_printable(self, kind, text):
        error = kind(f"the server says: {text}")

        assert is_harmless(str(error))
        error.args = (f"{text}; so the run was stopped",)
        assert is_harmless(str(error))

    @hostile
    def test_that_stop_a_run_by_hand_are_too(self, text):
        assert is_harmless(str(Interrupted(f"stopped in {text}")))


def service(answer: httpx2.Response) -> asrkit.WorkersAI:
    def respond(request: httpx2.Request) -> httpx2.Response:
        request.read()
        return answer

    return asrkit.WorkersAI(
        account_id="0" * 32, api_token="token", per_minute=None, transport=httpx2.MockTransport(respond)
    )


def tone() -> tuple[np.ndarray, int]:
    return np.sin(np.arange(1_600) / 9).astype("f4"), 16_000


class TestAServersWords:
    @hostile
    @pytest.mark.parametrize(
        "status, body",
        [
            (400, lambda text: json.dumps({"success": False, "errors": [{"code": 5006, "message": text}]})),
            (400, lambda text: json.dumps({"success": False, "errors": [{"code": text, "message": text}]})),
            (400, lambda text: json.dumps({"error": {"message": {"nested": text}}})),
            (200, lambda text: json.dumps({"success": True, "result": {text: text}})),
            (400, lambda text: f"<html><title>{text}</title>"),
            (200, lambda text: f"<html><title>{text}</title>"),
        ],
    )
    def test_in_the_column_and_in_the_run(self, text, status, body, capsys):
        backend = service(httpx2.Response(status, content=body(text).encode("utf-8", "replace")))
        frame = pd.DataFrame({"audio": [tone()]})

        with warnings.catch_warnings(record=True) as caught:
            rows = frame.asr.transcribe("audio", model=backend, journal=False)

        [told] = rows["hypothesis_error"]
        assert is_harmless(told)
        assert len(told) < 1_200
        assert all(is_harmless(str(warning.message)) for warning in caught)
        assert "\x1b[2J" not in capsys.readouterr().err

    @hostile
    def test_that_stop_the_run(self, text, capsys):
        body = json.dumps({"success": False, "errors": [{"code": 10000, "message": text}]})
        backend = service(httpx2.Response(401, content=body))

        with pytest.raises(errors.CredentialsError, match="check CLOUDFLARE_ACCOUNT_ID") as caught:
            pd.DataFrame({"audio": [tone()]}).asr.transcribe("audio", model=backend, journal=False)

        assert is_harmless(str(caught.value))

    @hostile
    def test_as_a_language_or_a_header(self, text):
        result = {"text": "hi", "transcription_info": {"language": text}}
        body = json.dumps({"success": True, "result": result})
        backend = asrkit.WorkersAI(
            "@cf/openai/whisper-large-v3-turbo",
            account_id="0" * 32,
            api_token="token",
            transport=httpx2.MockTransport(lambda request: httpx2.Response(200, content=body)),
        )
        [heard] = asrkit.transcribe([tone()], model=backend, progress=False, journal=False)

        assert heard.text == "hi"
        assert heard.language is None or is_harmless(heard.language, 40)

    def test_that_are_a_transcript_are_not_altered(self):
        text = "said \x1b[31mred\x1b[0m \u202eabc"
        body = json.dumps({"success": True, "result": {"text": text}})
        [heard] = asrkit.transcribe(
            [tone()], model=service(httpx2.Response(200, content=body)), progress=False, journal=False
        )

        assert heard.text == text


NAMES = ["\x1b[2J\x1b]0;owned\x07.wav", "a\nb\rc.wav", "\u202evaw.txt.wav", os.fsdecode(b"caf\xe9.wav"), "Grüße.wav"]


class TestNamesOfFiles:
    @pytest.fixture
    def folder(self, tmp_path) -> Path:
        folder = tmp_path / "clips"
        folder.mkdir()
        for name in NAMES:
            (folder / name).write_bytes(b"no audio at all")
        return folder

    @pytest.mark.parametrize("form", ["txt", "jsonl", "srt", "csv"])
    def test_in_the_shell(self, folder, tmp_path, form, capsys, monkeypatch):
        monkeypatch.setattr(sys, "stdout", Terminal())
        out = sys.stdout
        model = "canned"
        monkeypatch.setattr("asrkit.backends.from_model", lambda name, **options: asrkit.Canned(["\x1b[1mtext"]))
        import soundfile

        soundfile.write(folder / "\x1b[5mfine.wav", tone()[0], 16_000)
        soundfile.write(folder / "fine.wav", tone()[0] / 2, 16_000)

        status = cli.main(["transcribe", str(folder), "--model", model, "--format", form, "--no-journal"])

        assert status == 1
        shown, told = out.getvalue(), capsys.readouterr().err
        assert "text" in shown
        for line in [*shown.splitlines(), *told.splitlines()]:
            assert is_harmless(line.replace("\t", " ")), line
        assert "caf\\xe9.wav" in told
        assert "Grüße.wav" in told

    def test_in_the_error_column(self, folder):
        paths = [str(folder / name) for name in NAMES] + [str(folder / "\x1b[2Jgone.wav")]
        frame = pd.DataFrame({"audio": pd.Series(paths, dtype=object)})

        rows = frame.asr.transcribe("audio", model=asrkit.Canned(["x"]), progress=False, journal=False)

        assert all(is_harmless(told) for told in rows["hypothesis_error"])
        assert rows["audio"].tolist() == paths

    def test_in_a_table_that_is_written(self, folder, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr("asrkit.backends.from_model", lambda name, **options: asrkit.Canned(["text"]))
        for ending in ("csv", "parquet"):
            out = tmp_path / f"texts.{ending}"
            assert cli.main(["transcribe", str(folder), "--output", str(out), "--no-journal", "-q"]) == 1
            read = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
            assert len(read) == len(NAMES)
            assert any(path.endswith("caf\\xe9.wav") for path in read["path"])

    @hostile
    def test_in_a_description(self, text):
        for cell in (f"/data/{text}.wav", Path("/data") / text.replace("/", "_"), {"path": text, "bytes": None}):
            assert is_harmless(describe(cell), 400)

    def test_are_the_rows_own_when_the_journal_has_the_error(self, folder, tmp_path):
        one, other = folder / NAMES[0], folder / NAMES[4]
        kept = tmp_path / "kept.sqlite"
        list(asrkit.transcribe([one], model=asrkit.Canned(["x"]), journal=kept, progress=False))
        [row] = asrkit.transcribe([other], model=asrkit.Canned(["x"]), journal=kept, progress=False)

        assert "Grüße.wav" in row.message
        assert "owned" not in row.message


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestOtherWords:
    @hostile
    def test_of_columns_languages_models_and_options(self, text):
        frame = pd.DataFrame([["a.wav"]], columns=pd.Index([text], dtype=object))
        tries = [
            lambda: frame.asr.transcribe(f"no {text}", model=asrkit.Canned(["x"])),
            lambda: asrkit.WorkersAI(f"@cf/deepgram/flux{text}", account_id="a", api_token="t", shape=text),
            lambda: asrkit.WorkersAI(account_id="a", api_token="t", shape=text),
            lambda: asrkit.WorkersAI("@cf/openai/whisper-large-v3-turbo", account_id="a", api_token="t", task=text),
            lambda: asrkit.WorkersAI(
                "@cf/openai/whisper-large-v3-turbo", account_id="a", api_token="t", language="x" + text.replace("/", "")
            ),
            lambda: asrkit.WorkersAI(account_id="a", api_token="t", base_url=f"ftp://{text}"),
            lambda: asrkit.Whisper(f"/no/such/{text[:100]}").transcribe([], languages=[]),
        ]
        for attempt in tries:
            try:
                attempt()
            except AsrkitError as error:
                assert is_harmless(str(error))  # noqa: PT017 - some of them are no errors

    def test_in_the_log_of_the_server(self, caplog):
        from asrkit.serve import metrics

        with caplog.at_level(logging.INFO, metrics.access.name):
            metrics.access.propagate = True
            metrics.log(model="\x1b[2J\u202e\x9b\x7f", status=200)

        [record] = caplog.records
        assert is_harmless(record.getMessage())
        assert json.loads(record.getMessage())["model"] == "\x1b[2J\u202e\x9b\x7f"

    def test_a_terminal_gets_lines_and_tabs_and_nothing_else(self):
        stream = Terminal()
        shown = ForTerminal(stream)
        print("a\tb\x1b[2J\n\u202ec", file=shown)

        assert stream.getvalue() == "a\tb\\x1b[2J\n\\u202ec\n"
        assert shown.isatty()

    def test_a_file_gets_a_transcript_as_it_is(self, tmp_path, monkeypatch):
        import soundfile

        monkeypatch.setattr("asrkit.backends.from_model", lambda name, **options: asrkit.Canned(["\x1b[1mtext"]))
        soundfile.write(tmp_path / "a.wav", tone()[0], 16_000)
        out = tmp_path / "a.txt"
        cli.main(["transcribe", str(tmp_path / "a.wav"), "-o", str(out), "--no-journal", "-q"])

        assert out.read_text() == "\x1b[1mtext\n"
