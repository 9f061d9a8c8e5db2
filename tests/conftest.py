"""What all tests share: no credentials, no hub, sound that is made, and real recordings where there are some."""

from __future__ import annotations

import os
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
SERVICES = ("CLOUDFLARE_", "HF_", "HUGGING_FACE_", "HUGGINGFACE_", "ASRKIT_")
KEPT = ("ASRKIT_SPEECH", "ASRKIT_TEST_CACHE")

_hub = tempfile.TemporaryDirectory(prefix="asrkit-hub-")


def _forget_services() -> None:
    for name in list(os.environ):
        if name.startswith(SERVICES) and name not in KEPT:
            del os.environ[name]
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HOME"] = _hub.name


_forget_services()  # now: huggingface_hub reads them when it is imported


def pytest_unconfigure() -> None:
    _hub.cleanup()


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No service, no hub, and one cache for the session, so that weights are converted once.

    ``ASRKIT_TEST_CACHE`` names a folder that keeps them longer.
    """
    _forget_services()
    os.environ["ASRKIT_CACHE"] = os.environ.get("ASRKIT_TEST_CACHE") or str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def speech() -> Path:
    """The folder with real recordings."""
    folder = Path(os.environ.get("ASRKIT_SPEECH", ROOT / ".." / "shared" / "speech")).resolve()
    if not (folder / "manifest.csv").is_file():
        pytest.skip("no real recordings here; ASRKIT_SPEECH names a folder with a manifest.csv")
    return folder


@pytest.fixture(scope="session")
def recordings(speech: Path) -> pd.DataFrame:
    """The manifest of the real recordings, its paths absolute."""
    manifest = pd.read_csv(speech / "manifest.csv")
    return manifest.assign(path=[str(speech / path) for path in manifest["path"]])


@pytest.fixture
def tone_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a WAV with one tone and gives its path."""
    import soundfile

    numbers = count()

    def write(seconds: float = 0.5, pitch: float = 440.0, rate: int = 16_000, name: str | None = None) -> Path:
        path = tmp_path / (name or f"tone-{next(numbers)}.wav")
        times = np.arange(round(seconds * rate)) / rate
        soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * times), rate)
        return path

    return write
