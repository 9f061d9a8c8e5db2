"""Whether words lie where a player has them: films whose sound begins late or early and has holes.

    python benchmarks/films.py CLIP CLIP [--model openai/whisper-tiny.en]

Makes 30 films of two recordings with ffmpeg, and prints for each how far its words are from those of the plain sound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from made_films import FILMS, RATE, Film

import asrkit
from asrkit.audio import load

NEAR = 0.3  # seconds
PAUSE = 3.5  # seconds between the two recordings, in which the holes are


def spoken(cell: object, model: asrkit.Whisper) -> list[tuple[str, float]]:
    [heard] = asrkit.transcribe([cell], model=model, journal=False, progress=False)
    if not isinstance(heard, asrkit.Transcript):
        raise SystemExit(f"{cell}: {heard}")
    return [(word.word.strip(), word.start) for segment in heard.segments for word in segment.words]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs=2)
    parser.add_argument("--model", default="openai/whisper-tiny.en")
    options = parser.parse_args()
    model = asrkit.Whisper(options.model, language="en", timestamps="word")
    first, second = (load(clip).samples for clip in options.clips)
    pause = len(first) / RATE
    sound = np.concatenate([first, np.zeros(int(PAUSE * RATE), np.float32), second])
    plain = spoken((sound, RATE), model)
    words = [word for word, _ in plain]
    good = 0
    print(f"{'film':40} {'words':>5} {'median':>7} {'largest':>8}  seconds from where a player has them")
    for film in FILMS:
        step = PAUSE / (2 * len(film.holes) + 1)
        holes = tuple(
            (pause + (2 * at + 1) * step - 0.2, pause + (2 * at + 2) * step - 0.2) for at in range(len(film.holes))
        )
        made = Film(film.kind, film.delay, holes)
        with tempfile.TemporaryDirectory() as folder:
            heard = dict(spoken(made.make(Path(folder), sound), model))
        off = [
            abs(heard[word] - truth)
            for word, start in plain
            if words.count(word) == 1 and word in heard and (truth := made.second(start)) is not None
        ]
        good += bool(off) and float(np.median(off)) <= NEAR and max(off[1:], default=0.0) <= NEAR
        print(f"{made!s:40} {len(off):5} {np.median(off):7.2f} {max(off):8.2f}", flush=True)
    print(f"{good} of {len(FILMS)} films with all words but the first within {NEAR} s")


if __name__ == "__main__":
    main()
