"""What Whisper hears where nobody speaks, with the speech gate and without it, and how quiet speech may be.

    python benchmarks/silence.py [--seconds 0.5 5 60] [--model openai/whisper-tiny.en]
    python benchmarks/silence.py --levels 0 -20 -40 -60 -66 --manifest MANIFEST.csv [--clips 30]

Prints the number of words for each kind of noise and length; every word is invented. With ``--levels``, the word error
rate of recordings at these levels instead: as floats, and rounded to 16 bits.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
import pandas as pd
from test_speech import RATE, noises

import asrkit
from asrkit.audio import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.5, 5.0, 60.0, 600.0])
    parser.add_argument("--model", default="openai/whisper-tiny.en")
    parser.add_argument("--levels", type=float, nargs="+", help="dB that recordings are changed by")
    parser.add_argument("--manifest", type=Path, help="a CSV with path, text, language, duration_s, source")
    parser.add_argument("--clips", type=int, default=30)
    options = parser.parse_args()
    if options.levels:
        if options.manifest is None:
            parser.error("--levels needs recordings: name a --manifest")
        levels(options.model, options.levels, options.manifest, options.clips)
    else:
        silence(options.model, options.seconds)


def silence(model: str, lengths: list[float]) -> None:
    gates = {gate: asrkit.Whisper(model, language="en", speech_gate=gate) for gate in (True, False)}
    print(f"{'words heard':12} {'seconds':>8} {'gate on':>8} {'gate off':>9}  text without the gate")
    for seconds in lengths:
        sounds = noises(seconds)
        cells = [(sound, RATE) for sound in sounds.values()]
        texts = {}
        for gate, backend in gates.items():
            if not gate and seconds > 60:  # minutes of decoding loops, and nothing new to see
                continue
            outcomes = asrkit.transcribe(cells, model=backend, progress=False)
            texts[gate] = [getattr(outcome, "text", str(outcome)) for outcome in outcomes]
        for at, name in enumerate(sounds):
            with_gate = len(texts[True][at].split())
            without = len(texts[False][at].split()) if False in texts else "-"
            shown = texts[False][at][:60] if False in texts else ""
            print(f"{name:12} {seconds:8.1f} {with_gate:8} {without:>9}  {shown}", flush=True)


def levels(model: str, wanted: list[float], manifest: Path, count: int) -> None:
    rows = pd.read_csv(manifest)
    rows = rows[rows.language.str.startswith("en") & rows.duration_s.between(2, 12) & rows.text.notna()]
    rows = rows.groupby("source").head(4).sample(frac=1, random_state=3).head(count)
    clips = [load(manifest.parent / path).samples for path in rows.path]
    backend = asrkit.Whisper(model, language="en")

    def wer(samples: list[np.ndarray]) -> tuple[float, int]:
        frame = pd.DataFrame({"audio": [(one, RATE) for one in samples], "text": rows.text.tolist()})
        heard = frame.asr.transcribe("audio", model=backend, details=True, progress=False, journal=False)
        score = heard.asr.score(reference="text", normalizer="english")
        return 100 * score.wer, sum("silence" in flags for flags in heard["hypothesis_flags"])

    print(f"{len(clips)} recordings; WER in percent, and how many were taken for silence")
    print(f"{'dB':>6} {'floats':>14} {'16 bits':>14}")
    for level in wanted:
        quiet = [(clip * 10 ** (level / 20)).astype(np.float32) for clip in clips]
        rounded = [(np.round(one * 32_767) / 32_767).astype(np.float32) for one in quiet]
        shown = [f"{rate:8.2f} {silent:5}" for rate, silent in (wer(quiet), wer(rounded))]
        print(f"{level:6.0f} {shown[0]:>14} {shown[1]:>14}", flush=True)


if __name__ == "__main__":
    main()
