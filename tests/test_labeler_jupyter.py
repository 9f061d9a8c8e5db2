"""The labeler in a real JupyterLab: fifty real recordings by keys, while the kernel is killed and answers are slow."""

from __future__ import annotations

import json
import os
import random
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from front_ends import NOISE, jupyter

import asrkit

if TYPE_CHECKING:
    from collections.abc import Iterator

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
pytest.importorskip("jupyterlab")
expect = sync_api.expect

pytestmark = [pytest.mark.speech, pytest.mark.filterwarnings("default")]  # of Jupyter's own machinery

LATE = 60_000  # ms
ROWS = 50

IMPORTS = """
import random, time
import pandas as pd
from asrkit import Labeler
df = pd.read_csv("clips.csv")

answer = Labeler.answer_act
def slow(self, message, buffers=()):
    time.sleep(random.Random(message["action"]).choice([0, 0, 0.05, 0.4]))
    return answer(self, message, buffers)
Labeler.answer_act = slow
"""
LABEL = 'labeler = df.asr.label("path", journal="labels.jsonl", annotator="ann", show=["condition"])\nlabeler'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with jupyter(tmp_path_factory.mktemp("jupyter")) as started:
        yield started


@pytest.fixture
def page(new_page, wrong):
    opened = new_page(viewport={"width": 1280, "height": 1000})
    yield opened
    wrong[:] = [told for told in wrong if not NOISE.search(told)]


def title(page: Any) -> Any:
    return page.locator(".jp-OutputArea-output .ak-labeler .ak-title bdi").first


def status(page: Any) -> Any:
    return page.locator(".ak-labeler").get_by_role("status")


def lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def unacknowledged(page: Any) -> list[dict[str, Any]]:
    """What the browser keeps."""
    return page.evaluate(
        """() => Object.entries(localStorage).filter(([key]) => key.startsWith("asrkit:label"))
            .flatMap(([, kept]) => JSON.parse(kept).map(([, message]) => message))"""
    )


def decide(page: Any, row: int, how: str) -> None:
    """One clip, with keys alone or, for ``double``, with two clicks."""
    expect(title(page)).to_have_text(f"row {row}", timeout=LATE)
    page.wait_for_timeout(270)  # a person looks at it
    if how == "skip":
        page.keyboard.press("Alt+s")
        return
    if how == "flag":
        page.keyboard.press("Alt+f")
        page.keyboard.press("5")
        return
    page.keyboard.type(f"n{row} ", delay=5)
    if how == "double":
        page.get_by_role("button", name="✓ Accept").dblclick()
        page.locator(".ak-labeler textarea").focus()
    else:
        page.keyboard.press("Control+Enter")
        if how == "twice":
            page.keyboard.press("Control+Enter")


def test_fifty_clips_survive_the_death_of_the_kernel(server, page, recordings):
    some = recordings[recordings["text"].notna() & (recordings["duration_s"] < 12)].head(ROWS)
    frame = some[["path", "text", "condition"]].rename(columns={"text": "hypothesis"}).reset_index(drop=True)
    assert len(frame) == ROWS
    frame.to_csv(server.folder / "clips.csv", index=False)
    journal = server.folder / "labels.jsonl"
    draw = random.Random(5)
    plan = [draw.choice(["accept"] * 6 + ["twice", "double", "skip", "flag"]) for _ in range(ROWS)]
    server.open(page, "label.ipynb", [IMPORTS, LABEL])
    server.run(page)
    expect(title(page)).to_have_text("row 0", timeout=LATE)
    page.locator(".ak-labeler textarea").focus()

    for row in range(24):
        decide(page, row, plan[row])
    expect(page.locator(".ak-saved")).to_have_text("✓ saved", timeout=LATE)
    decide(page, 24, "twice")
    kernel = next(line["pid"] for line in reversed(lines(journal)) if line.get("op") == "open")
    os.kill(kernel, signal.SIGKILL)  # in the middle of what is on its way

    # JupyterLab starts another kernel by itself, and says so; the view stays, and looks alive.
    dialog = page.locator(".jp-Dialog")
    dialog.wait_for(timeout=LATE)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    page.locator(".ak-labeler textarea").focus()
    for row in range(25, 28):
        decide(page, row, "accept")
    expect(status(page)).to_contain_text("not saved", timeout=LATE)
    kept = unacknowledged(page)
    on_disk_at_death = {line["action"] for line in lines(journal) if "action" in line}
    server.run(page)
    expect(status(page)).to_contain_text("saved now what was not saved before", timeout=LATE)
    told = status(page).text_content()
    lost = sorted({message["item_id"] for message in kept if message["action"] not in on_disk_at_death})
    assert len(kept) >= 3
    assert len(lost) >= 3
    assert set(re.findall(r"row \d+", told)) == {message["row"] for message in kept}  # the others are named
    assert unacknowledged(page) == []

    page.locator(".ak-labeler textarea").focus()
    for row in range(28, ROWS):
        decide(page, row, plan[row])
    expect(status(page)).to_have_text("all clips are decided", timeout=LATE)

    labels = asrkit.read_labels(journal).set_index("index").sort_index()
    plan[24:28] = ["accept"] * 4
    for row, how in enumerate(plan):
        label = labels.loc[row]
        expected = {"skip": "skipped", "flag": "flagged"}.get(how, "accepted")
        heard = frame["hypothesis"][row]
        assert label["status"] == expected, row
        assert label["text"] == (heard if how in ("skip", "flag") else f"n{row} {heard}"), row
    decisions = [line["item"] for line in lines(journal) if line.get("op") in ("accept", "skip", "flag")]
    assert len(decisions) == len(set(decisions)) == ROWS  # nothing twice
    actions = [line["action"] for line in lines(journal) if "action" in line]
    assert len(actions) == len(set(actions))
    assert on_disk_at_death <= set(actions)
    stored = server.save(page, "label.ipynb")
    assert "Labels in" in stored.read_text()
    assert stored.stat().st_size < 100_000


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_no_key_reaches_the_notebook(server, page, tone_file, app):
    name = f"keys-{app.split('/')[0]}.ipynb"
    clip = tone_file()
    cell = (
        "import pandas as pd, asrkit\n"
        f"df = pd.DataFrame({{'path': [{str(clip)!r}] * 3, 'hypothesis': ['a', 'b', 'c'], 'other': ['x', 'y', 'z']}})\n"
        f"df.asr.label('path', systems=['other'], journal={name + '.jsonl'!r})"
    )
    server.open(page, name, [cell], app)
    server.run(page)
    expect(title(page)).to_have_text("row 0", timeout=LATE)
    cells = "() => jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.type).join()"
    assert page.evaluate(cells) == "code"
    kinds = [
        ".ak-labeler",
        ".ak-labeler textarea",
        ".ak-labeler input[type=number]",
        ".ak-labeler .ak-wave",
        ".ak-labeler .ak-main",
        ".ak-labeler .ak-other button",
        ".ak-labeler summary",
    ]
    for kind in kinds:
        for key in ("a", "m", "y", "d", "d", "x", "Shift+Enter", "Control+b", "ArrowUp", "1"):
            page.locator(kind).first.focus()
            page.keyboard.press(key)
            page.wait_for_timeout(20)
        assert page.evaluate(cells) == "code", kind
        assert page.locator(".ak-labeler").count() == 1, kind


def test_a_session_of_a_hundred_clips_leaves_a_small_notebook(tmp_path, tone_file):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    paths = [str(tone_file(0.2))] * 100
    code = f"""
import pandas as pd, asrkit
df = pd.DataFrame({{"path": {paths[0]!r}, "hypothesis": [f"this is what was heard in clip {{n}}" for n in range(100)]}})
labeler = df.asr.label("path", journal="labels.jsonl")
labeler
"""
    session = """
for name in labeler.journal.ids:
    labeler.answer({"op": "clip", "item_id": name})
    for rev, do in enumerate(["edit", "accept"]):
        act = {"op": "act", "do": do, "item_id": name, "base": rev, "action": f"{name} {rev}"}
        labeler.answer({**act, "text": f"corrected {name}"})
labeler.progress["accepted"]
"""
    cells = [nbformat.v4.new_code_cell(source) for source in (code, session, "labeler")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = nbclient.NotebookClient(
        notebook,
        timeout=120,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
        store_widget_state=True,
    )
    client.execute()
    file = tmp_path / "session.ipynb"
    nbformat.write(notebook, file)

    assert notebook.cells[1].outputs[0]["data"]["text/plain"] == "100"
    assert notebook.metadata["widgets"]
    assert file.stat().st_size < 100_000
