"""How often the intervals contain the true word error rate, where the utterances of one speaker are alike.

    python benchmarks/coverage.py [--trials 1000] [--replicates 2000]

Each trial makes up speakers whose error rates are drawn from a Beta distribution (mean 0.12, concentration 6: some
are five times as hard as others), their utterances of 5 to 19 words, and their errors. The nominal 95 % interval
should contain 0.12 in 95 % of the trials, and miss it equally often on either side. Resampling utterances as if they
were independent stands beside it.
"""

from __future__ import annotations

import argparse

import numpy as np

from asrkit.evaluate import Interval, bootstrap

MEAN = 0.12
CONCENTRATION = 6.0
SETTINGS = [(40, 25), (20, 25), (10, 50), (100, 10)]  # speakers, utterances of each
WAYS = ["speakers, t", "speakers, bca", "speakers, percentile", "utterances, t", "utterances, percentile"]


def trial(rng: np.random.Generator, speakers: int, utterances: int, replicates: int) -> dict[str, Interval]:
    rates = rng.beta(MEAN * CONCENTRATION, (1 - MEAN) * CONCENTRATION, speakers)
    speaker = np.repeat(np.arange(speakers), utterances)
    words = rng.integers(5, 20, len(speaker))
    errors = rng.binomial(words, rates[speaker])
    seed = int(rng.integers(2**31))
    found = {}
    for way in WAYS:
        unit, method = way.split(", ")
        blocks = speaker if unit == "speakers" else None
        found[way] = bootstrap(errors, words, blocks=blocks, method=method, replicates=replicates, seed=seed)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--replicates", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{options.trials} trials of {options.replicates} replicates; share of the 95 % intervals, in %\n")
    print(f"{'speakers':>8} {'each':>4}  {'resampled':<24} {'covers':>7} {'too low':>8} {'too high':>9} {'width':>7}")
    for speakers, utterances in SETTINGS:
        rng = np.random.default_rng(options.seed)
        trials = [trial(rng, speakers, utterances, options.replicates) for _ in range(options.trials)]
        for way in WAYS:
            low = np.array([found[way].low for found in trials])
            high = np.array([found[way].high for found in trials])
            below, above = 100 * np.mean(high < MEAN), 100 * np.mean(low > MEAN)
            print(
                f"{speakers:>8} {utterances:>4}  {way:<24} {100 - below - above:>7.1f} {below:>8.1f} {above:>9.1f} "
                f"{np.mean(high - low):>7.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
