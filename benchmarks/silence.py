"""What Whisper hears where nobody speaks, with the speech gate and without it.

    python benchmarks/silence.py [--seconds 0.5 5 60] [--model openai/whisper-tiny.en]

Prints the number of words for each kind of noise and length; every word is invented.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from test_speech import RATE, noises

import asrkit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.5, 5.0, 60.0, 600.0])
    parser.add_argument("--model", default="openai/whisper-tiny.en")
    options = parser.parse_args()
    gates = {gate: asrkit.Whisper(options.model, language="en", speech_gate=gate) for gate in (True, False)}
    print(f"{'words heard':12} {'seconds':>8} {'gate on':>8} {'gate off':>9}  text without the gate")
    for seconds in options.seconds:
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


if __name__ == "__main__":
    main()
