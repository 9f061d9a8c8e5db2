"""What scoring costs, beside its peers on this machine.

    python benchmarks/evaluate.py [--rows 100000] [--rounds 3]

All hear the same made-up texts, 12 words a row with an error in ten, in turns; the table shows medians of the rounds
in seconds of CPU time, and ratios to the first way of each table.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
from made_errors import with_errors
from rapidfuzz.distance import Levenshtein

from asrkit.evaluate import align, align_all, bootstrap, count_errors, mapsswe, paired_bootstrap

VOCABULARY = [f"w{number}" for number in range(5_000)]
WORDS = 12
LONG = 20_000


def seconds(work: Callable[[], object]) -> float:
    """CPU time, also of programs that it starts: this machine may have other work."""
    start = cpu_time()
    result = work()
    took = cpu_time() - start
    del result  # freeing it is not counted
    return took


def cpu_time() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in usage)


def sclite_itself(references: list[str], hypotheses: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, texts in (("ref", references), ("hyp", hypotheses)):
            Path(folder, name).write_text("".join(f"{text} (s_{row})\n" for row, text in enumerate(texts)))
        files = ["-r", f"{folder}/ref", "trn", "-h", f"{folder}/hyp", "trn"]
        command = ["sctk", "sclite", *files, "-i", "rm", "-s", "-f", "0", "-o", "sgml", "stdout"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def table(title: str, ways: dict[str, Callable[[], object]], rounds: int) -> None:
    """The first way is the one that the others are compared with."""
    print(f"\n{title}")
    took: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            took[way].append(seconds(work))
    first = statistics.median(next(iter(took.values())))
    for way, times in took.items():
        median = statistics.median(times)
        print(f"  {way:<58} {median:>8.2f} s  {first / median:>6.1f} x", flush=True)
    print(f"  {'memory of this process so far, at most':<58} {peak_memory():>8.0f} MB", flush=True)


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rng = random.Random(1)
    said = [rng.choices(VOCABULARY, k=WORDS) for _ in range(options.rows)]
    references = [" ".join(words) for words in said]
    hypotheses, others = ([" ".join(with_errors(words, VOCABULARY, rng)) for words in said] for _ in range(2))
    count = f"{options.rows:,} rows of {WORDS} words"

    table(
        f"{count}, aligned",
        {
            "jiwer.process_words": lambda: jiwer.process_words(references, hypotheses),
            "align_all": lambda: align_all(references, hypotheses),
            "align_all and every row's ops": lambda: [a.ops for a in align_all(references, hypotheses)],
            "count_errors": lambda: count_errors(references, hypotheses),
            "rapidfuzz distance alone, no alignment": lambda: [
                Levenshtein.distance(r.split(), h.split()) for r, h in zip(references, hypotheses, strict=True)
            ],
            "align_all, sclite": lambda: align_all(references, hypotheses, "sclite"),
            "count_errors, sclite": lambda: count_errors(references, hypotheses, dialect="sclite"),
            **(
                {
                    "sclite itself, first tenth of the rows": lambda: sclite_itself(
                        references[: options.rows // 10], hypotheses[: options.rows // 10]
                    )
                }
                if shutil.which("sctk")
                else {}
            ),
            "mapsswe of two systems": lambda: mapsswe(references, hypotheses, others),
        },
        options.rounds,
    )

    errors_a = count_errors(references, hypotheses)
    errors_b = count_errors(references, others).errors
    numbers = np.random.default_rng(0)
    uneven = numbers.integers(1, 40, options.rows)
    uneven_errors = numbers.binomial(uneven, 0.12)
    distinct = numbers.integers(1, 100_000, options.rows)
    speaker = np.arange(options.rows) % 400
    table(
        f"bootstrap, 10,000 replicates over {options.rows:,} rows",
        {
            "utterances of 12 words": lambda: bootstrap(errors_a.errors, errors_a.reference_words),
            "utterances of 1 to 39 words": lambda: bootstrap(uneven_errors, uneven),
            "400 speakers": lambda: bootstrap(uneven_errors, uneven, blocks=speaker),
            "paired_bootstrap, utterances of 12 words": lambda: paired_bootstrap(
                errors_a.errors, errors_b, errors_a.reference_words
            ),
            "worst case: no two utterances alike, 1,000 replicates": lambda: bootstrap(
                distinct // 9, distinct, replicates=1_000
            ),
        },
        options.rounds,
    )

    long = rng.choices(VOCABULARY, k=LONG)
    heard = with_errors(long, VOCABULARY, rng)
    table(
        f"one pair of {LONG:,} words",
        {
            "jiwer.process_words": lambda: jiwer.process_words(" ".join(long), " ".join(heard)),
            "align, levenshtein": lambda: align(long, heard),
            "align, sclite": lambda: align(long, heard, "sclite"),
        },
        options.rounds,
    )


if __name__ == "__main__":
    main()
