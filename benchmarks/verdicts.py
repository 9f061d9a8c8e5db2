"""How often systems that do not differ are told apart, how often systems that do are, and what the intervals contain.

    python benchmarks/verdicts.py [--trials 2500] [--processes 2] [--seed 0]

Each trial makes up speakers, the utterances of each (5 to 19 words) and both systems' errors, and asks
``paired_differences`` as ``df.asr.compare`` does, with speakers as blocks (one utterance of each where the table says
"rows"). In the nulls the systems have the same expected error rate, so "told apart" is a false alarm; nominal are 5 %:

- symmetric: each system's rate of a speaker is the speaker's times a random factor.
- skewed: one system has the same rate for all, the other a log-normal one (sigma 1, skewness 6).
- unequal sizes: as symmetric, the speakers' utterances being 1, 1/2, 1/3 ... of the first one's.
- unequal variance: a speaker's rate varies (Beta) with a standard deviation of 0.16 in one system, 0.04 in the other.
- six systems: as symmetric; an alarm is that any of the 15 pairs is told apart.

"Power" is the share of trials that find a system with 30 % fewer errors, in the world of "symmetric". The last table
is the share of intervals that contain the true difference, for speakers of unequal sizes. Exits with 1 where alarms
exceed 6 % or an interval's share leaves 93 to 97 % by more than three standard errors of the simulation.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from asrkit.evaluate import paired_differences
from asrkit.evaluate.paired import FEWEST_BLOCKS

Array = NDArray[np.float64]

MEAN = 0.12
BLOCKS = (2, 3, 5, 10, 15, 25, 40)
ROWS = (24, 100, 1_000)
NULLS = ("symmetric", "skewed", "unequal sizes", "unequal variance", "six systems")
DRAWS = 1_000  # ways of flipping signs in a trial
MOST_ALARMS, COVERAGE = 0.06, (0.93, 0.97)
SIX_SHARE = 0.4  # of the trials: a trial of six systems has 15 pairs


def words_of(rng: np.random.Generator, blocks: int, rows: int, sizes: str) -> NDArray[np.int64]:
    """Words of each block, whose rows are as many as ``sizes`` says."""
    weights = {
        "equal": np.ones(blocks),
        "1/k": 1 / np.arange(1, blocks + 1),
        "log-normal": np.exp(rng.normal(0, 1, blocks)),
        "geometric": rng.geometric(1 / 15, blocks).astype(float),
    }[sizes]
    share = np.maximum(1, np.round(rows * weights / weights.sum())).astype(int)
    return np.array([rng.integers(5, 20, count).sum() for count in share])


def shared_rates(rng: np.random.Generator, blocks: int, systems: int) -> Array:
    """Rates of each system and block: what is hard for one is hard for the others."""
    difficulty = 0.6 * rng.beta(1, 4, blocks)  # mean 0.12
    return difficulty * rng.uniform(0.4, 1.6, (systems, blocks))


def skewed_rates(rng: np.random.Generator, blocks: int) -> Array:
    sigma = 1.0
    middle = math.log(MEAN) - sigma**2 / 2
    rates = np.minimum(np.exp(rng.normal(middle, sigma, blocks)), 1.0)
    below = 0.5 * math.erfc((middle + sigma**2) / sigma / math.sqrt(2))
    mean = MEAN * below + 0.5 * math.erfc(-middle / sigma / math.sqrt(2))  # of the rates that are cut at 1
    return np.stack([rates, np.full(blocks, mean)])


def varying_rates(rng: np.random.Generator, blocks: int) -> Array:
    return np.stack([rng.beta(MEAN * c, (1 - MEAN) * c, blocks) for c in (3, 60)])


def alarms(null: str, blocks: int, rows: int, trials: int, seed: int, better: float = 1.0) -> float:
    """Share of the trials in which any pair is told apart."""
    rng = np.random.default_rng([seed, blocks, rows, NULLS.index(null)])
    makers: dict[str, Callable[[], Array]] = {
        "skewed": partial(skewed_rates, rng, blocks),
        "unequal variance": partial(varying_rates, rng, blocks),
        "six systems": partial(shared_rates, rng, blocks, 6),
    }
    make = makers.get(null, partial(shared_rates, rng, blocks, 2))
    found = 0
    for _ in range(trials):
        words = words_of(rng, blocks, rows, "1/k" if null == "unequal sizes" else "equal")
        rates = make()
        rates[0] *= better
        errors = rng.binomial(words, rates)
        pairs = list(combinations(errors, 2))
        seed_of_trial = int(rng.integers(2**31))
        told = paired_differences(pairs, words, replicates=DRAWS, seed=seed_of_trial)
        found += any(pair.is_decided for pair in told)
    return found / trials


def covered(sizes: str, blocks: int, trials: int, seed: int) -> float:
    """Share of the intervals that contain the true difference, one system having 20 % more errors."""
    rng = np.random.default_rng([seed, blocks, len(sizes)])
    found = 0
    for _ in range(trials):
        words = words_of(rng, blocks, 25 * blocks, sizes)
        rates = shared_rates(rng, blocks, 2)
        rates[0] *= 1.2
        errors = rng.binomial(words, np.minimum(rates, 1.0))
        [told] = paired_differences([(errors[0], errors[1])], words, replicates=DRAWS, seed=int(rng.integers(2**31)))
        found += told.low <= 0.2 * MEAN <= told.high
    return found / trials


def cells() -> Iterator[tuple[int, int]]:
    """Blocks and rows."""
    for rows in ROWS:
        for blocks in (*BLOCKS, rows):
            if blocks <= rows and (blocks in BLOCKS or blocks == rows):
                yield blocks, rows


def measured(job: tuple[str, int, int, int, int]) -> tuple[tuple[str, int, int, int, int], float]:
    kind, blocks, rows, trials, seed = job
    if kind == "power":
        return job, alarms("symmetric", blocks, rows, trials, seed, better=0.7)
    if kind in NULLS:
        return job, alarms(kind, blocks, rows, trials, seed)
    return job, covered(kind, blocks, trials, seed)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2_500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.monotonic()

    def trials(kind: str, blocks: int) -> int:
        # Fewer where a trial takes ten times as long, and where nothing can be decided.
        fewer = 4 if blocks > 500 else 10 if blocks < FEWEST_BLOCKS else 1
        share = SIX_SHARE if kind == "six systems" else 0.2 if kind == "power" else 1.0
        return max(10, round(options.trials * share / fewer))

    table = list(cells())
    sizes, middle = ("1/k", "log-normal", "geometric"), (15, 25, 40)
    jobs = [(kind, *cell, trials(kind, cell[0]), options.seed) for cell in table for kind in (*NULLS, "power")]
    jobs += [(kind, blocks, 0, options.trials, options.seed) for kind in sizes for blocks in middle]
    found = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for job, share in pool.map(measured, sorted(jobs, key=lambda job: -job[1] * job[3])):
            found[job] = share
            print(f"\r{len(found)} of {len(jobs)} figures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    shares = {(kind, blocks, rows): share for (kind, blocks, rows, _, _), share in found.items()}

    print(f"{options.trials} trials; share of them in which systems are told apart, in %\n")
    print(f"{'rows':>5} {'blocks':>7}  " + "  ".join(f"{kind:>16}" for kind in (*NULLS, "power")))
    failed = 0
    for blocks, rows in table:
        own = [shares[kind, blocks, rows] for kind in (*NULLS, "power")]
        failed += sum(share > MOST_ALARMS for share in own[:-1])
        name = "rows" if blocks == rows else str(blocks)
        print(f"{rows:>5} {name:>7}  " + "  ".join(f"{100 * share:>16.1f}" for share in own))
    print(f"\n{'sizes':>12}  " + "  ".join(f"{blocks:>3} blocks" for blocks in middle))
    for kind in sizes:
        own = [shares[kind, blocks, 0] for blocks in middle]
        noise = 3 * math.sqrt(0.95 * 0.05 / options.trials)
        failed += sum(not COVERAGE[0] - noise <= share <= COVERAGE[1] + noise for share in own)
        print(f"{kind:>12}  " + "  ".join(f"{100 * share:>10.1f}" for share in own))
    print(f"\n{time.monotonic() - begun:.0f} s; {failed} figures outside their bounds")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
