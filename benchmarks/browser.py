"""What looking through many rows costs.

    python benchmarks/browser.py [--rows 50000]

Made-up English texts of 4 to 20 words, two systems. Seconds of this machine's clock; messages as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from typing import Any

import pandas as pd

import asrkit  # noqa: F401  registers df.asr

VOCABULARY = [f"word{number}" for number in range(3_000)]
SIZE = 1_000


def noisy(text: str, rng: random.Random) -> str:
    heard = [word if rng.random() > 0.08 else rng.choice(VOCABULARY) for word in text.split()]
    return " ".join(word for word in heard if rng.random() > 0.03)


def timed(what: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    took = time.perf_counter() - start
    size = f"{len(json.dumps(result.content)) / SIZE:8.1f} kB" if hasattr(result, "content") else ""
    print(f"  {what:<58} {1000 * took:>9.1f} ms {size}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    options = parser.parse_args()
    rng = random.Random(1)
    said = [" ".join(rng.choices(VOCABULARY, k=rng.randint(4, 20))) for _ in range(options.rows)]
    frame = pd.DataFrame({"text": said, "one": [noisy(t, rng) for t in said], "two": [noisy(t, rng) for t in said]})
    frame["speaker"] = [f"s{row % 20}" for row in range(len(frame))]
    frame["language"] = "en"
    names = {"reference": "text", "hypotheses": ["one", "two"]}
    print(f"{options.rows:,} rows, two systems")
    compared = timed("df.asr.compare, for comparison", lambda: frame.asr.compare(**names))
    timed("df.asr.browse: normalises and counts", lambda: frame.asr.browse(**names))
    timed("df.asr.browse, texts that are normalised already", lambda: frame.asr.browse(**names, normalizer="none"))
    browser = timed("Comparison.browse: nothing is counted again", lambda: compared.browse(frame, reference="text"))

    def ask(what: str, op: str = "rows", **message: Any) -> None:
        timed(what, lambda: browser.answer({"op": op, **message}))

    order = {"sort": ["wer", "one"], "descending": True}
    ask("first page, by WER", query=order)
    ask("page 500", query=order, page=500)
    ask("by difference", query={"sort": ["difference", "one", "two"]})
    ask("by a column", query={"sort": ["column", "speaker"]})
    ask("first search", query={**order, "search": "word12"})
    ask("next search", query={**order, "search": "word123"})
    ask("a slice", query={**order, "where": {"speaker": ["s3"]}})
    ask("only one system is wrong", query={**order, "wrong": ["only", "one"]})
    ask("frequent errors, first time: aligns all rows", "errors", query={})
    ask("frequent errors of a slice", "errors", query={"where": {"speaker": ["s4"]}})
    ask("an error: word7 was deleted", query={**order, "error": {"kind": "D", "said": "word7"}})
    ask("all of it together", query={**order, "search": "word1", "where": {"speaker": ["s5"]}, "wrong": ["any"]})
    ask("select all", "select", query={})


if __name__ == "__main__":
    main()
