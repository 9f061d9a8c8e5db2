"""Word error rates of Whisper tiny.en and base on the test recordings, by normalizer.

    python benchmarks/normalizers.py [--batch-size 8]

tiny.en transcribes the English recordings, base all of them; each is transcribed once, since finished rows are kept in
asrkit's journal in the user's cache. ``whisper-english`` is Whisper's own normalizer, bug for bug, with which published
rates are made; the others are ours. English is scored beside all languages, where each row has the normalizer of its
language (``auto``) and rows of Chinese and Japanese are scored by character.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pandas as pd

import asrkit

SPEECH = Path(os.environ.get("ASRKIT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
ENGLISH = ("whisper-english", "english-1", "english", "multilingual", "basic")
MODELS = {"tiny.en": "openai/whisper-tiny.en", "base": "openai/whisper-base"}


def recordings() -> pd.DataFrame:
    """All rows of the manifest with text, the path of each."""
    rows = pd.read_csv(SPEECH / "manifest.csv")
    return rows.assign(path=[str(SPEECH / path) for path in rows.path]).dropna(subset="text").reset_index(drop=True)


def transcribed(rows: pd.DataFrame, name: str, batch_size: int) -> pd.DataFrame:
    """The rows with the texts of a model; its language is that of each row."""
    parts = []
    for language, some in rows.groupby("language", sort=False):
        if name.endswith(".en") and language != "en":
            continue
        told = None if name.endswith(".en") else str(language)
        backend = asrkit.Whisper(MODELS[name], language=told, batch_size=batch_size)
        parts.append(some.asr.transcribe("path", model=backend, into=name, details=True, progress=False))
        print(f"{name}, {language}: {len(some)} recordings", flush=True)
    return pd.concat(parts).sort_index()


def line(name: str, score: asrkit.evaluate.Score) -> str:
    counts = score.counts
    return f"{name:<36} {score.wer:>8.2%} {counts.errors:>7,} {counts.reference_length:>8,} {len(score.texts.rows):>6,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    options = parser.parse_args()
    rows = recordings()
    tables = {name: transcribed(rows, name, options.batch_size) for name in MODELS}
    print(f"\n{'':36} {'WER':>8} {'errors':>7} {'words':>8} {'rows':>6}")
    for name, table in tables.items():
        english = table[table.language == "en"]
        for normalizer in ENGLISH:
            score = english.asr.score(reference="text", hypothesis=name, normalizer=normalizer, failed="deletions")
            print(line(f"{name}, English, {normalizer} {score.texts.normalizer.split()[-1]}", score))
    everything = tables["base"]
    score = everything.asr.score(reference="text", hypothesis="base", failed="deletions")
    print(line("base, all languages, auto", score))
    for language, some in everything.groupby("language"):
        own = some.asr.score(reference="text", hypothesis="base", failed="deletions", replicates=10)
        print(line(f"base, {language}, {own.texts.normalizer} ({own.texts.rate})", own))


if __name__ == "__main__":
    main()
