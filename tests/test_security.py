"""No token anywhere, no code of a model, no pickle, and a cache that is nobody else's."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import shutil
import stat
import traceback
from pathlib import Path

import pandas as pd
import pytest

import asrkit
from asrkit import weights
from asrkit.cli import main
from asrkit.cloudflare.account import Account, Gateway
from asrkit.errors import AsrkitError

ROOT = Path(__file__).parent.parent
TOKEN, OTHER = "planted-token-6f1d2c", "planted-gateway-93ab7e"


class TestTheCode:
    FORBIDDEN = re.compile(r"pickle|cloudpickle|dill|joblib|shelve|marshal|yaml")
    BETWEEN_OWN_PROCESSES = ("scale/job.py", "scale/supervisor.py", "scale/worker.py")  # by a pipe, never from a file

    @pytest.mark.parametrize("path", sorted((ROOT / "asrkit").rglob("*.py")), ids=lambda path: path.name)
    def test_unpickles_nothing_and_runs_no_code_of_a_model(self, path):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named = [name.name for name in node.names if self.FORBIDDEN.match(name.name)]
                assert not named or (named == ["pickle"] and path.as_posix().endswith(self.BETWEEN_OWN_PROCESSES))
            elif isinstance(node, ast.ImportFrom):
                assert not self.FORBIDDEN.match(node.module or "")
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                words = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert called not in ("eval", "exec", "torch.load", "pd.read_pickle", "os.system", "pandas.read_pickle")
                assert words.get("trust_remote_code", "False") == "False"
                assert words.get("weights_only", "True") == "True"
                assert words.get("allow_pickle", "False") == "False"
                assert words.get("shell", "False") == "False"
                if "ForConditionalGeneration.from_pretrained" in called:
                    assert words["use_safetensors"] == "True"


@pytest.mark.model
class TestModels:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A real model in a folder of its own."""
        try:
            found = weights.find("openai/whisper-tiny.en")
        except AsrkitError as error:
            pytest.skip(str(error))
        return Path(shutil.copytree(found.folder, tmp_path / "model", copy_function=os.symlink))

    def test_code_that_a_model_brings_along_is_not_run(self, folder, tone_file, tmp_path):
        ran = tmp_path / "ran"
        (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Evil: pass\n")
        for file, key in (
            ("config.json", {"AutoConfig": "evil.Evil", "AutoModelForSpeechSeq2Seq": "evil.Evil"}),
            ("preprocessor_config.json", {"AutoFeatureExtractor": "evil.Evil"}),
            ("tokenizer_config.json", {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}),
        ):
            path = folder / file
            told = json.loads(path.read_text()) if path.is_file() else {}
            path.unlink(missing_ok=True)
            path.write_text(json.dumps({**told, "auto_map": key}))

        [heard] = asrkit.transcribe([tone_file()], model=str(folder), device="cpu", progress=False)

        assert isinstance(heard, asrkit.Transcript)
        assert not ran.exists()

    def test_a_pickle_is_not_opened(self, folder, tone_file, tmp_path):
        ran = tmp_path / "ran"
        evil = f"cposix\nsystem\n(S'touch {ran}'\ntR.".encode()
        for path in folder.glob("*.safetensors"):
            path.unlink()
        (folder / "pytorch_model.bin").write_bytes(evil)

        with pytest.raises(AsrkitError, match=r"it lacks \*\.safetensors"):
            list(asrkit.transcribe([tone_file()], model=str(folder), progress=False))

        assert not ran.exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
class TestTheCache:
    def test_nobody_else_may_enter_it(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "some" / "cache"))
        before = os.umask(0o022)
        try:
            inner = weights.private_folder("models")
        finally:
            os.umask(before)

        assert [stat.S_IMODE(folder.stat().st_mode) for folder in (inner, inner.parent)] == [0o700, 0o700]

    def test_one_that_is_there_is_left_as_it_is(self, tmp_path, monkeypatch):
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path))
        tmp_path.chmod(0o755)

        weights.private_folder()

        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


class TestATokenIsNowhere:
    """A planted token, and everything that a run leaves behind."""

    @pytest.fixture
    def log(self):
        """All that anybody logs at any level."""
        written = io.StringIO()
        handler = logging.StreamHandler(written)
        logger = logging.getLogger()
        level = logger.level
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        yield written
        logger.setLevel(level)
        logger.removeHandler(handler)

    @pytest.fixture
    def server(self):
        pytest.importorskip("starlette")
        from asrkit.serve import Settings, background

        with background(Settings(model="canned:hello there", port=0, token=TOKEN)) as server:
            yield server

    @pytest.fixture
    def frame(self, tone_file) -> pd.DataFrame:
        paths = [str(tone_file(0.3 + 0.1 * number)) for number in range(4)]
        return pd.DataFrame({"path": [*paths, "no/such.wav", b"no sound"], "text": ["hello there"] * 6})

    def test_of_a_run_and_its_reports(self, server, frame, log, tmp_path, monkeypatch, capfd):
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        backend = asrkit.WorkersAI(base_url=f"{server.url}/client/v4", per_minute=None)
        behind = asrkit.WorkersAI(
            base_url=f"{server.url}/client/v4", per_minute=None, gateway="mine", gateway_token=OTHER
        )

        heard = frame.asr.transcribe("path", model=backend, details=True)
        heard = heard.asr.transcribe("path", model=behind, into="other", progress=False)
        comparison = heard.asr.compare(reference="text", hypotheses=["hypothesis", "other"], audio="path")
        score = heard.asr.score(reference="text")
        heard.to_parquet(tmp_path / "heard.parquet")
        heard.to_json(tmp_path / "heard.json", default_handler=str)
        (tmp_path / "report.html").write_text(comparison.to_html())
        shown = [heard, heard.attrs, heard._repr_html_(), score, comparison, backend, behind, server.settings]
        shown += [vars(backend), vars(behind), Gateway("mine", token=OTHER), Account.find(base_url=server.url)]
        shown += [view for thing in (score, comparison) if (view := getattr(thing, "_repr_html_", lambda: "")())]

        assert heard["hypothesis"].tolist()[:4] == ["hello there"] * 4
        assert heard["other"].tolist()[:4] == ["hello there"] * 4
        assert "POST" in log.getvalue()
        self.search([*map(repr, shown), *map(str, shown), log.getvalue(), *capfd.readouterr()], tmp_path)

    @pytest.mark.parametrize(
        ("options", "kind"),
        [
            ({"api_token": TOKEN + "wrong"}, "CredentialsError"),
            ({"api_key": TOKEN, "api_email": "a@b.org"}, None),
            ({"api_token": TOKEN + "\nX-Evil: 1"}, "AsrkitError"),
            ({"api_token": TOKEN, "gateway": "mine", "gateway_token": f"{OTHER}\nX-Evil: 1"}, "AsrkitError"),
            ({"api_token": TOKEN, "base_url": "http://127.0.0.1:9/client/v4"}, "ConnectionLostError"),
            ({"api_token": TOKEN, "base_url": f"http://me:{TOKEN}@127.0.0.1:9/client/v4"}, "ConnectionLostError"),
            ({"api_token": TOKEN, "base_url": f"ftp://{TOKEN}@host/"}, "OptionError"),
        ],
    )
    def test_of_errors_with_all_that_led_to_them(self, options, kind, server, frame, log, tmp_path, capfd, monkeypatch):
        monkeypatch.setattr("asrkit.backends.workers_ai.full_jitter", lambda attempt: 0.0)
        options = {"base_url": f"{server.url}/client/v4", "per_minute": None, **options}
        error, said = None, []
        try:
            backend = asrkit.WorkersAI(**options)
            [row] = asrkit.transcribe(frame["path"][:1], model=backend, progress=False)
            said += [repr(row), repr(vars(backend))]
            error = getattr(row, "error", None)
        except Exception as raised:
            error = raised
        if error is not None:
            said += ["".join(traceback.format_exception(error)), repr(error), repr(vars(error))]

        assert kind is None if error is None else kind in [own.__name__ for own in type(error).__mro__]
        self.search([*said, log.getvalue(), *capfd.readouterr()], tmp_path)

    def test_of_the_command(self, server, frame, log, tmp_path, monkeypatch, capfd):
        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        monkeypatch.setenv("CLOUDFLARE_BASE_URL", f"{server.url}/client/v4")
        monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
        frame[:5].to_csv(tmp_path / "in.csv", index=False)

        told = ["transcribe", str(tmp_path / "in.csv"), "--model", "@cf/openai/whisper"]
        statuses = [main([*told, "-o", str(tmp_path / f"out.{ending}")]) for ending in ("csv", "parquet", "jsonl")]

        assert statuses == [1, 1, 1]  # one row names no file
        assert "hello there" in (tmp_path / "out.csv").read_text()
        self.search([log.getvalue(), *capfd.readouterr()], tmp_path)

    def test_the_search_finds_what_is_there(self, tmp_path):
        (tmp_path / "leak").write_bytes(b"..." + TOKEN.encode())

        with pytest.raises(AssertionError):
            self.search([], tmp_path)

    def search(self, texts: list[str], folder: Path) -> None:
        for text in texts:
            assert TOKEN not in text
            assert OTHER not in text
        for path in folder.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            assert TOKEN.encode() not in data
            assert OTHER.encode() not in data
