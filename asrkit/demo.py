"""What ``asrkit demo`` and ``make demo`` do: transcribe the demo clips and say how good the text is."""

from __future__ import annotations

import re
import time
from pathlib import Path

from .errors import SourceError

__all__ = ["run", "simple_normalizer"]


def simple_normalizer(text: str) -> str:
    """Lower case, no punctuation but apostrophes, single blanks.

    >>> simple_normalizer("It's five  o'clock -- Well!")
    "it's five o'clock well"
    """
    return " ".join(re.sub(r"[^\w\s']", " ", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).split())


def run(manifest: Path, model: str) -> int:
    """Print a row a clip, then the corpus's word error rate and the speed; gives an exit status."""
    import jiwer
    import pandas as pd

    from . import __version__
    from .backends.whisper import Whisper

    if not manifest.is_file():
        raise SourceError(f"no demo clips at {manifest}; run this in a checkout of the project", code="not-found")
    df = pd.read_csv(manifest, keep_default_na=False)
    backend = Whisper(model)
    print(
        f"{len(df)} clips of {manifest} with {backend.name} ({backend.weights.origin}: {backend.weights.revision}), "
        f"{backend.device}, {backend.precision}"
    )
    began = time.perf_counter()
    df = df.asr.transcribe("path", model=backend, details=True)
    elapsed = time.perf_counter() - began

    print(f"\n{'clip':26} {'condition':10} {'WER':>6}  hypothesis")
    for row in df.itertuples():
        name = Path(row.path).stem
        if row.hypothesis_error == row.hypothesis_error and row.hypothesis_error:
            print(f"{name:26} {row.condition:10} {'':>6}  {row.hypothesis_error}")
            continue
        reference, hypothesis = simple_normalizer(row.text), simple_normalizer(row.hypothesis)
        wer = f"{jiwer.wer(reference, hypothesis):6.1%}" if reference else "     -"
        shown = row.hypothesis or f"({row.hypothesis_flags})"
        print(f"{name:26} {row.condition:10} {wer}  {shown if len(shown) <= 76 else shown[:75] + '…'}")

    heard = df[df["hypothesis"].notna()]
    counts = jiwer.process_words(
        [simple_normalizer(text) for text in heard["text"]], [simple_normalizer(text) for text in heard["hypothesis"]]
    )
    words = counts.hits + counts.substitutions + counts.deletions
    audio = heard["hypothesis_duration"].sum()
    print(
        f"\nWER {counts.wer:.1%}: {counts.substitutions} substitutions, {counts.deletions} deletions, "
        f"{counts.insertions} insertions in {words} words"
        f"\nRTFx {audio / elapsed:.1f}: {audio:.0f} s of audio in {elapsed:.1f} s, loading the model included"
        f"\nasrkit {__version__}, jiwer, normalizer: lower case without punctuation"
    )
    return 1 if len(heard) < len(df) else 0
