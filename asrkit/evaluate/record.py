"""A result as JSON: everything that is needed to make it again and to trace it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..probability import is_probability
from ..regular import whole_file
from .comparison import Comparison
from .score import Score, plain

__all__ = ["to_json", "write_whole"]

FORMAT = "asrkit-evaluation 2"  # 1 called the level of an interval its confidence, and had log-probabilities


def to_json(result: Score | Comparison, path: str | os.PathLike[str] | None = None, *, rows: bool = True) -> str:
    """A score or a comparison as JSON; no NaN (null instead), keys in one order, so equal results are equal texts.

    Args:
        result: what to tell.
        path: written whole or not at all.
        rows: also each row: its label, its texts after normalisation, and every system's counts. Without them the
            digest of the texts still tells whether others are the same.
    """
    scores = result.scores if isinstance(result, Comparison) else [result]
    told: dict[str, Any] = {"format": FORMAT, **result.to_dict(), "digest": digest(scores)}
    if rows:
        told["by_row"] = _rows(scores)
    text = json.dumps(plain(told), ensure_ascii=False, allow_nan=False, indent=1, default=str)
    text = text.encode("utf-8", "replace").decode("utf-8") + "\n"  # half a surrogate pair cannot be written
    if path is not None:
        write_whole(path, text)
    return text


def digest(scores: Sequence[Score]) -> str:
    """SHA-256 of the normalised references and hypotheses, row by row."""
    told = hashlib.sha256()
    columns = [scores[0].compared.references, *(score.compared.hypotheses for score in scores)]
    for row in zip(*columns, strict=True):
        told.update(json.dumps(row).encode("ascii"))
    return told.hexdigest()


def write_whole(path: str | os.PathLike[str], text: str) -> None:
    """Write a file so that whoever reads it finds the old one or the whole new one.

    Raises:
        OSError: it cannot be written, or is there and is no regular file.
    """
    with whole_file(Path(path)) as making:
        making.write_text(text, encoding="utf-8", errors="replace", newline="\n")


def _rows(scores: Sequence[Score]) -> dict[str, Any]:
    texts = scores[0].texts
    systems: dict[str, Any] = {}
    for score in scores:
        counts = score.utterances
        systems[score.name] = {
            "hypothesis": list(score.compared.hypotheses),
            **({} if score.compared.references is texts.references else {"reference": list(score.compared.references)}),
            **{kind: getattr(counts, kind).tolist() for kind in ("hits", "substitutions", "deletions", "insertions")},
            **{
                name: [float(value) for value in values]
                for name in ("audio", "elapsed", "cost", "confidence")
                if (values := getattr(score, name)) is not None and (name != "confidence" or is_probability(values))
            },
        }
    return {
        "position": texts.rows.tolist(),
        "label": [label if isinstance(label, str | int | float | bool) else str(label) for label in texts.labels],
        "language": list(texts.languages),
        "unit": list(texts.units),
        "reference": list(texts.references),
        "systems": systems,
    }
