"""Runs in processes of its own, so that they can be killed: ``python journal_driver.py TASK SETTINGS``, as JSON."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import asrkit
from asrkit.errors import AsrkitError, Interrupted


class Noted:
    """Waits, says how long a clip is, and notes on disk each that it was given before it hears it.

    Args:
        notes: file of the notes, one line a clip.
        delay: seconds for a batch.
        deadly: a clip of this many samples kills the process.
    """

    name = "noted"

    def __init__(self, notes: str, delay: float, batch_size: int = 16, deadly: int | None = None) -> None:
        self.notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.delay, self.deadly = delay, deadly
        self.preferred = asrkit.Canned(["a"]).preferred.__class__(batch_size=batch_size)
        self.fingerprint = {"backend": "noted"}

    def transcribe(self, batch: Any, *, languages: Any) -> list[Any]:
        lengths = [len(audio.samples) for audio in batch]
        os.write(self.notes, "".join(f"{length}\n" for length in lengths).encode())
        time.sleep(self.delay)
        if self.deadly in lengths:
            signal.raise_signal(signal.SIGKILL if os.environ.get("DEADLY") == "kill" else signal.SIGSEGV)
        return asrkit.Canned(lambda audio: str(len(audio.samples))).transcribe(batch, languages=languages)


def hear(settings: dict[str, Any]) -> None:
    """One call; the frame goes to ``out`` where it ends well, and its message and ``partial`` where it does not."""
    backend = Noted(settings["notes"], settings["delay"], settings.get("batch_size", 16), settings.get("deadly"))
    frame = pd.DataFrame({"path": settings["paths"]})
    if limit := settings.get("limit"):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    print("begun", flush=True)
    try:
        heard = frame.asr.transcribe("path", model=backend, journal=settings["journal"], progress=False, details=True)
    except (Interrupted, AsrkitError) as stopped:
        told = {"error": type(stopped).__name__, "code": getattr(stopped, "code", None), "message": str(stopped)}
        told["done"] = int(stopped.partial["hypothesis"].notna().sum())
        if "limit" not in settings:
            Path(settings["out"]).write_text(json.dumps(told))
        print(json.dumps(told), flush=True)
        return
    heard.to_pickle(settings["out"])


def kill_again_and_again(settings: dict[str, Any]) -> None:
    """The same call, killed after a random number of clips, and then left to end. Forks, so as to import once."""
    draw = random.Random(settings["seed"])
    notes = Path(settings["notes"])
    notes.touch()
    for _ in range(settings["kills"]):
        enough = notes.read_text().count("\n") + draw.randint(0, settings["most"])
        child = os.fork()
        if child == 0:
            hear(settings)
            os._exit(0)
        while notes.read_text().count("\n") < enough:
            time.sleep(0.002)
        time.sleep(draw.choice([0.0, settings["delay"], 3 * settings["delay"]]) * draw.random())
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    hear(settings)


def write_clips(settings: dict[str, Any]) -> None:
    """Each with a length of its own."""
    import soundfile

    for number, path in enumerate(settings["paths"]):
        soundfile.write(path, np.full(settings["first"] + number, 0.01, np.float32), 16_000, "PCM_16")


if __name__ == "__main__":
    {"hear": hear, "kill": kill_again_and_again, "write": write_clips}[sys.argv[1]](json.loads(sys.argv[2]))
