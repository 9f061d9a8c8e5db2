"""What all tests share: no credentials, no hub, sound that is made, and real recordings where there are some."""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERVICES = ("CLOUDFLARE_", "CF_AIG_", "HF_", "HUGGING_FACE_", "HUGGINGFACE_", "ASRKIT_")
KEPT = ("ASRKIT_SPEECH", "ASRKIT_TEST_CACHE")

_hub = tempfile.TemporaryDirectory(prefix="asrkit-hub-")


def _forget_services() -> None:
    for name in list(os.environ):
        if name.startswith(SERVICES) and name not in KEPT:
            del os.environ[name]
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HOME"] = _hub.name


settings.register_profile("ci", derandomize=True)  # there the same examples each time; elsewhere new ones are tried
if os.environ.get("CI"):
    settings.load_profile("ci")

_forget_services()  # now: huggingface_hub reads them when it is imported


def pytest_unconfigure() -> None:
    _hub.cleanup()


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No service, no hub, and one cache for the session, so that weights are converted once.

    ``ASRKIT_TEST_CACHE`` names a folder that keeps them longer.
    """
    _forget_services()
    os.environ["ASRKIT_JOURNAL"] = "off"  # what outlives a test must not answer the next one
    os.environ["ASRKIT_CACHE"] = os.environ.get("ASRKIT_TEST_CACHE") or str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def own_journal(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each test begins with an empty journal."""
    monkeypatch.setenv("ASRKIT_JOURNAL", str(tmp_path_factory.mktemp("journal") / "journal.sqlite"))


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


@pytest.fixture(scope="module")
def chromium_flags() -> list[str]:
    """More flags for ``chromium``; a module may have its own."""
    return ["--autoplay-policy=no-user-gesture-required"]


@pytest.fixture(scope="module")
def chromium(chromium_flags: list[str]) -> Iterator[Any]:
    """Debian's Chromium, driven by playwright; one for a module, because playwright keeps an event loop running."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium here; CHROMIUM names one")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, headless=True, args=[*CHROMIUM, *chromium_flags])
        yield started
        started.close()


@pytest.fixture
def wrong() -> Iterator[list[str]]:
    """What was wrong with a page in the end: a script's error, a message of the browser, a request that left."""
    told: list[str] = []
    yield told
    assert told == []


@pytest.fixture
def new_page(chromium: Any, wrong: list[str]) -> Iterator[Callable[..., Any]]:
    """Opens pages that may ask nobody but this machine, and tell ``wrong`` what is wrong with them."""
    contexts: list[Any] = []

    def opened(**options: Any) -> Any:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()

        def gate(route: Any) -> None:
            if route.request.url.startswith(("http://127.0.0.1", "http://localhost")):
                route.continue_()
            else:
                wrong.append(f"left the machine: {route.request.url}")
                route.abort()

        def said(message: Any) -> None:
            if message.type in {"error", "warning"}:
                wrong.append(message.text)

        context.route(lambda url: url.startswith(("http:", "https:")), gate)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", said)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def bridge(new_page: Callable[..., Any]) -> Iterator[Any]:
    """Shows widgets in Chromium: ``bridge.mount(widget)``, see ``tests/bridge.py``."""
    pytest.importorskip("anywidget")
    from bridge import Bridge, comms

    with comms() as made:
        yield Bridge(new_page(), made)
