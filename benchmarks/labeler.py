"""From the key that accepts a clip to the next clip being ready to play, in a real JupyterLab with real recordings.

    python benchmarks/labeler.py [clips]

ASRKIT_SPEECH names a folder with a manifest.csv (``path``, ``text``, ``duration_s``); Chromium is where CHROMIUM says.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from front_ends import jupyter  # noqa: E402 - the tests' own server

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--autoplay-policy=no-user-gesture-required"]
PAUSE = 1_200  # ms that a person looks at a clip at the very least
CELL = """
import pandas as pd, asrkit
df = pd.read_csv("clips.csv")
df.asr.label("path", journal="labels.jsonl", annotator="ann")
"""
WATCH = """
    window.pressed = [];
    window.ready = [];
    window.saved = [];
    const Real = window.Audio;
    window.Audio = function (...given) {
        const audio = new Real(...given);
        audio.addEventListener("canplay", () => window.ready.push(performance.now()));
        return audio;
    };
    window.addEventListener("keydown", (event) => {
        if (event.ctrlKey && event.key === "Enter") window.pressed.push(performance.now());
    }, true);
    new MutationObserver(() => {
        const told = document.querySelector(".ak-saved")?.textContent ?? "";
        if (told.startsWith("✓") !== window.wasSaved && (window.wasSaved = told.startsWith("✓"))) {
            window.saved.push(performance.now());
        }
    }).observe(document, { subtree: true, childList: true, characterData: true });
"""


def main(count: int) -> None:
    speech = Path(os.environ.get("ASRKIT_SPEECH", ROOT / ".." / "shared" / "speech")).resolve()
    manifest = pd.read_csv(speech / "manifest.csv")
    some = manifest[manifest["text"].notna() & (manifest["duration_s"] < 30)].head(count)
    frame = some.assign(path=[str(speech / path) for path in some["path"]], hypothesis=some["text"])
    with tempfile.TemporaryDirectory() as folder, jupyter(Path(folder)) as server, sync_playwright() as playwright:
        frame[["path", "hypothesis"]].to_csv(server.folder / "clips.csv", index=False)
        program = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.add_init_script(WATCH)
        server.open(page, "label.ipynb", [CELL])
        server.run(page)
        title = page.locator(".ak-labeler .ak-title bdi").first
        expect(title).to_have_text("row 0", timeout=60_000)
        page.locator(".ak-labeler textarea").focus()
        for row in range(len(frame) - 1):
            expect(title).to_have_text(f"row {row}", timeout=60_000)
            page.wait_for_timeout(PAUSE)
            page.keyboard.press("Control+Enter")
        expect(title).to_have_text(f"row {len(frame) - 1}", timeout=60_000)
        page.wait_for_timeout(PAUSE)
        pressed, ready, saved = (np.asarray(page.evaluate(name)) for name in ("pressed", "ready", "saved"))
        browser.close()
    print(f"{len(frame)} clips, {frame_minutes(some):.1f} minutes, JupyterLab, Chromium, {os.cpu_count()} cores")
    print("from the key that accepts                n   median      p95      max")
    for name, moments in (
        ("to the next clip being ready to play", ready),
        ("to 'saved' (on disk, acknowledged)", saved),
    ):
        own = np.asarray([later.min() - press for press in pressed if (later := moments[moments > press]).size])
        told = f"{np.median(own):6.0f} ms{np.percentile(own, 95):6.0f} ms{own.max():6.0f} ms"
        print(f"{name:38} {len(own):3} {told}")


def frame_minutes(some: Any) -> float:
    return float(some["duration_s"].sum()) / 60


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
