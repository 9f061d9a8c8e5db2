"""The player in JupyterLab 4, Notebook 7 and marimo, with real kernels."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from front_ends import NOISE, _wait, jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
expect = sync_api.expect

pytestmark = pytest.mark.filterwarnings("default")  # of Jupyter's own machinery

LATE = 60_000  # ms
KEYS = (
    *("a", "b", "m", "y", "x", "d", "d", "1", "z", "Space", "ArrowUp", "ArrowDown", "ArrowLeft", "Shift+Enter"),
    *("Control+Enter", "Alt+Enter", "Control+b", "Escape", "Enter"),
)
CELLS = """() => jupyterapp.shell.currentWidget.content.widgets.map(
    (cell) => `${cell.model.type} ${cell.model.sharedModel.getSource()}`)"""
PLAY = """
import pandas as pd, asrkit
words = [{"word": "so", "start": 0.0, "end": 0.2}, {"word": "it", "start": 0.2, "end": 0.4}]
df = pd.DataFrame({"path": ["clip.wav"], "text": ["so it is"], "hypothesis": ["so it was"]})
df["hypothesis_segments"] = [[{"text": "so it", "start": 0.0, "end": 0.4, "words": words}]]
df.asr.play("path", reference="text")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("jupyterlab")

    with jupyter(tmp_path_factory.mktemp("jupyter")) as started:
        yield started


@pytest.fixture
def clip(server, tone_file) -> None:
    (server.folder / "clip.wav").write_bytes(tone_file(1.0).read_bytes())


@pytest.fixture
def page(new_page, wrong):
    opened = new_page(viewport={"width": 1280, "height": 1000})
    yield opened
    wrong[:] = [told for told in wrong if not NOISE.search(told)]


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_plays_and_keeps_its_keys_and_a_stored_notebook_reads_well(server, clip, page, app):
    name = f"play-{app.split('/')[0]}.ipynb"
    server.open(page, name, [PLAY], app)
    server.run(page)
    output = page.locator(".jp-OutputArea-output .ak-player")
    expect(output.get_by_role("status")).to_have_text("ready", timeout=LATE)
    before = page.evaluate(CELLS)

    output.get_by_role("button", name="Play").click()
    expect(output.get_by_role("slider", name="waveform")).to_have_attribute("aria-valuenow", "1.0", timeout=LATE)
    for kind in (".ak-player", ".ak-wave:not(.ak-overview)", ".ak-main", "[title^=slower]", "summary"):
        for key in KEYS:
            focused = output if kind == ".ak-player" else output.locator(kind)
            focused.focus()
            page.keyboard.press(key)
        assert page.evaluate(CELLS) == before, kind
        expect(output).to_have_count(1)

    # Somebody else opens it: what is stored is small and reads well.
    stored = server.save(page, name)
    assert stored.stat().st_size < 20_000
    notebook = json.loads(stored.read_text())
    notebook["metadata"]["title"] = "from somebody else"  # so that it is not signed by this server
    shared = stored.with_name(f"shared-{name}")
    shared.write_text(json.dumps(notebook))
    page.goto(f"{server.url}/{app}/{shared.name}?token={server.token}" + ("&reset" if app.startswith("lab") else ""))
    stored_output = page.locator(".asrkit-fallback")
    expect(stored_output).to_contain_text("WER 33.3%: 1 error in 3 words", timeout=LATE)
    expect(stored_output.locator(".ak-s")).to_have_count(1)


BROWSE = """
import pandas as pd, asrkit
df = pd.DataFrame({"path": ["clip.wav"] * 60, "text": ["so it is"] * 60, "a": ["so it was"] * 60})
df["b"] = df["text"]
df.asr.browse("path", reference="text", hypotheses=["a", "b"])
"""


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_the_browser_keeps_its_keys_and_plays(server, clip, page, app):
    server.open(page, f"browse-{app.split('/')[0]}.ipynb", [BROWSE], app)
    server.run(page)
    output = page.locator(".jp-OutputArea-output .ak-browser")
    expect(output.locator(".ak-row-body")).to_have_count(50, timeout=LATE)
    before = page.evaluate(CELLS)

    kinds = ("", "input[type=checkbox]", "select", ".ak-head-button", ".ak-row-body", "summary", "input[type=search]")
    for kind in kinds:
        focused = output.locator(kind).first if kind else output
        for key in KEYS:
            focused.focus()
            page.keyboard.press(key)
        assert page.evaluate(CELLS) == before, kind
        expect(output).to_have_count(1)
    output.locator("input[type=search]").fill("")  # the letters that were pressed there
    output.get_by_role("button", name="play row 3", exact=True).click()
    expect(output.locator(".ak-sound")).to_be_visible(timeout=LATE)


MARIMO = """
import marimo
app = marimo.App()

@app.cell
def _():
    import marimo as mo
    from asrkit import Player
    player = Player({path!r}, reference="so it is", hypothesis="so it was")
    mo.ui.anywidget(player)
    return

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture
def marimo(tmp_path: Path, tone_file) -> Iterator[str]:
    """A notebook of marimo's with a player; gives its address."""
    pytest.importorskip("marimo")
    (tmp_path / "play.py").write_text(MARIMO.replace("{path!r}", repr(str(tone_file(1.0)))))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", "play.py", "--headless", "--no-token", "--host", "127.0.0.1"]
    env = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_plays_in_marimo(marimo, new_page, wrong):
    page = new_page()

    page.goto(marimo)

    expect(page.get_by_role("status").filter(has_text="ready")).to_be_visible(timeout=LATE)
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("slider", name="waveform")).to_have_attribute("aria-valuenow", "1.0", timeout=LATE)
    expect(page.get_by_text("WER 33.3%: 1 error in 3 words")).to_be_visible()
    assert not [told for told in wrong if "left the machine" in told]
    wrong.clear()  # marimo's own
