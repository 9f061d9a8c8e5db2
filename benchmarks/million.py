"""What it takes to score and print a large column of English: seconds of score and print, and peak memory.

    python benchmarks/million.py [--rows 1000000] [--systems 1] [--digest]

Texts are made up as a chain of words in which each word follows one that it follows in the references of the test
recordings (in a short built-in text without them), so they have the numbers, contractions and spelled letters of
speech. Half of the references are in capitals as in LibriSpeech, half are sentences with punctuation; hypotheses have
a wrong, missing or additional word in ten. The work is done in a process of its own, whose peak memory is shown.
Exits with 1 where score and print take more than 100 s of CPU time, or the process more than 4 GB.

``--digest`` prints a digest of all counts, to compare versions of asrkit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd
from made_errors import with_errors

SPEECH = Path(os.environ.get("ASRKIT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
MOST_SECONDS, MOST_MEMORY = 100.0, 4.0  # CPU seconds, GB
SHORTEST, LONGEST = 3, 22  # words
BUILT_IN = (
    "it's twenty five past nine and they're waiting at the old house on forty second street. I don't know what he "
    "said, but the price was three dollars and fifty cents. call me at nine one nine five five five oh one two three. "
    "the first of may nineteen ninety nine was a saturday, and the b b c said so. we can't go until half past three."
)


def chain() -> dict[str, list[str]]:
    """Word -> the words that follow it; "" begins a text."""
    texts = [BUILT_IN]
    if (SPEECH / "manifest.csv").exists():
        manifest = pd.read_csv(SPEECH / "manifest.csv")
        texts = manifest.text[manifest.language == "en"].str.lower().tolist()
    follows: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        words = text.split()
        for before, word in zip(["", *words], words, strict=False):
            follows[before].append(word)
    return dict(follows)


def sentence(follows: dict[str, list[str]], rng: random.Random) -> list[str]:
    count = rng.randint(SHORTEST, LONGEST)
    words: list[str] = []
    word = ""
    while len(words) < count:
        word = rng.choice(follows.get(word) or follows[""])
        words.append(word)
    return words


def table(rows: int, systems: int) -> pd.DataFrame:
    """References and the texts of some systems."""
    rng = random.Random(0)
    follows = chain()
    vocabulary = [word for words in follows.values() for word in words]
    columns: dict[str, list[str]] = {"text": []}
    columns |= {f"system_{number}": [] for number in range(systems)}
    for row in range(rows):
        words = sentence(follows, rng)
        text = " ".join(words)
        columns["text"].append(text.upper() if row % 2 else f"{text[0].upper()}{text[1:].rstrip('.,')}.")
        for number in range(systems):
            wrong = " ".join(with_errors(words, vocabulary, rng))
            columns[f"system_{number}"].append(f"{wrong[:1].upper()}{wrong[1:].rstrip('.,')}.")
    return pd.DataFrame(columns)


def measured(rows: int, systems: int) -> dict[str, object]:
    """Score and print in this process."""
    import asrkit  # noqa: F401 -- df.asr

    frame = table(rows, systems)
    names = [name for name in frame.columns if name != "text"]
    frame.head(1_000).asr.score(reference="text", hypothesis=names[0], replicates=10)  # imports, models, word lists
    begun, used = time.perf_counter(), time.process_time()
    if systems == 1:
        result = frame.asr.score(reference="text", hypothesis=names[0])
        scores = [result]
    else:
        result = frame.asr.compare(reference="text", hypotheses=names)
        scores = list(result.scores)
    scored = time.process_time() - used
    print(result, file=sys.stderr)
    found: dict[str, object] = {
        "score": scored,
        "print": time.process_time() - used - scored,
        "wall": time.perf_counter() - begun,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }
    digest = hashlib.sha256()
    for own in scores:
        digest.update(own.utterances.errors.tobytes() + own.utterances.reference_words.tobytes())
        digest.update(repr((own.counts, own.characters, own.interval.low, own.interval.high)).encode())
        digest.update("\n".join([*own.compared.references, *own.compared.hypotheses]).encode("utf-8", "replace"))
    return {**found, "digest": digest.hexdigest()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--systems", type=int, default=1, help="more than one are compared")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        print(json.dumps(measured(options.rows, options.systems)))
        return 0
    size = ["--rows", str(options.rows), "--systems", str(options.systems)]
    done = subprocess.run([sys.executable, __file__, "--here", *size], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"{options.rows:,} rows, {options.systems} system{'s' * (options.systems > 1)}")
    for name in ("score", "print"):
        print(f"  {name:<7} {found[name]:>7.1f} s of CPU time")
    print(f"  {'wall':<7} {found['wall']:>7.1f} s")
    print(f"  {'memory':<7} {found['memory']:>7.2f} GB, with the table itself")
    if options.digest:
        print(f"  digest {found['digest']}")
    return 1 if found["score"] + found["print"] > MOST_SECONDS or found["memory"] > MOST_MEMORY else 0


if __name__ == "__main__":
    sys.exit(main())
