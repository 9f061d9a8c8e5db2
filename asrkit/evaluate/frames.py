"""The doorway from frames: columns -> texts, blocks and slices, then plain functions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..columns import AUDIO_NAMES, column_of
from ..errors import OptionError
from ..normalizers import Normalizer
from ..renamed import renamed
from ..source import is_missing
from .blocks import Unnamed
from .comparison import Comparison, compare_scores
from .dialects import Dialect
from .score import Score, score_texts, slices
from .stated import stated_languages, transcribed_languages
from .texts import Failed, Texts, comparable
from .tokens import Unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["compare", "hypotheses_of", "score", "texts_of"]

SPEAKERS = ("speaker", "speaker_id", "spk", "client_id")  # what data sets call the column
Names = Hashable | Sequence[Hashable]


@renamed(confidence="level")
def score(
    frame: pd.DataFrame,
    *,
    reference: Hashable,
    hypothesis: Hashable = "hypothesis",
    by: Names | None = None,
    block: Hashable | None = None,
    language: Hashable | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    unit: Unit | Literal["auto"] = "auto",
    dialect: Dialect = "levenshtein",
    failed: Failed = "exclude",
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
) -> Any:
    """A ``Score`` of one column of texts, or with ``by`` a frame of slices; see ``DataFrame.asr.score``."""
    options = {"level": level, "replicates": replicates, "seed": seed}
    texts = texts_of(frame, reference, [hypothesis], language, normalizer, unit, failed, dialect)
    whole = _score(frame, texts, str(hypothesis), block, dialect, options)
    if by is None:
        return whole
    return slices(whole, _groups(frame, by, texts), blocks=_blocks(frame, block, texts), **options)  # type: ignore[arg-type]


@renamed(confidence="level")
def compare(
    frame: pd.DataFrame,
    *,
    reference: Hashable,
    hypotheses: Sequence[Hashable],
    by: Names | None = None,
    block: Hashable | None = None,
    audio: Hashable | None = None,
    language: Hashable | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    unit: Unit | Literal["auto"] = "auto",
    dialect: Dialect = "levenshtein",
    failed: Failed = "exclude",
    level: float = 0.95,
    replicates: int = 10_000,
    seed: int = 0,
    failures: dict[str, str] | None = None,
) -> Comparison:
    """A ``Comparison`` of several columns of texts; see ``DataFrame.asr.compare``."""
    import pandas as pd

    if isinstance(hypotheses, str):
        raise OptionError(f"expected a list of columns to compare, got {hypotheses!r}; score() is for one")
    options: dict[str, Any] = {"level": level, "replicates": replicates, "seed": seed}
    texts = texts_of(frame, reference, hypotheses, language, normalizer, unit, failed, dialect)
    scores = [_score(frame, texts, str(name), block, dialect, options) for name in hypotheses]
    blocks = _blocks(frame, block, texts)
    sliced = None
    if by is not None:
        groups = _groups(frame, by, texts)
        parts = [slices(own, groups, blocks=blocks, **options).assign(system=own.name) for own in scores]
        sliced = pd.concat(parts, ignore_index=True)
    paths = None
    if audio is not None:
        cells = column_of(frame, audio)
        paths = [cells[row] for row in texts.rows]
    return compare_scores(scores, blocks=blocks, slices=sliced, failures=failures, paths=paths, **options)


def texts_of(
    frame: pd.DataFrame,
    reference: Hashable,
    hypotheses: Sequence[Hashable],
    language: Hashable | None,
    normalizer: str | Callable[[str], str] | Normalizer,
    unit: Unit | Literal["auto"],
    failed: Failed,
    dialect: Dialect = "levenshtein",
) -> Texts:
    """Columns of a frame, made comparable."""
    texts = comparable(
        column_of(frame, reference),
        {str(name): hypotheses_of(frame, name) for name in hypotheses},
        labels=frame.index.tolist(),
        normalizer=normalizer,
        languages=stated_languages(frame, language),
        system_languages=transcribed_languages(frame, hypotheses),
        unit=unit,
        failed=failed,
        dialect=dialect,
    )
    return replace(texts, index=frame.index[texts.rows])


def hypotheses_of(frame: pd.DataFrame, name: Hashable) -> list[Any]:
    """The texts of a system: empty where it heard nothing, missing where it failed or there was nothing to hear.

    CSV has one way to write an empty text and a missing one. A row with neither a text nor an error heard nothing,
    unless its audio is missing too.
    """
    texts = column_of(frame, name)
    if f"{name}_error" not in frame.columns:
        return texts
    noted = frame.attrs.get("asrkit_audio", {}).get(name)  # the column that transcribe() heard
    audio = next((column for column in (noted, *AUDIO_NAMES) if column in frame.columns and column != name), None)
    absent = (
        [False] * len(frame)
        if audio is None
        else [is_missing(cell) or _is_empty(cell) for cell in column_of(frame, audio)]
    )
    failed = [not (is_missing(error) or _is_empty(error)) for error in column_of(frame, f"{name}_error")]
    return [
        text if not (is_missing(text) or _is_empty(text)) else None if has_failed or is_absent else ""
        for text, has_failed, is_absent in zip(texts, failed, absent, strict=True)
    ]


def _score(
    frame: pd.DataFrame, texts: Texts, name: str, block: Hashable | None, dialect: Dialect, options: dict[str, Any]
) -> Score:
    scored = score_texts(
        texts,
        name,
        dialect=dialect,
        blocks=_blocks(frame, block, texts),
        block=None if block is None else str(block),
        **options,
        known=_known(frame, name, texts.rows),
    )
    if block is None:
        speaker = next((column for column in SPEAKERS if column in frame.columns), None)
        if speaker is not None and frame[speaker].nunique() < len(texts.rows):
            warning = (
                f"the rows of one speaker are not independent, so intervals are too narrow: pass block={speaker!r}"
            )
            before = scored.interval.warning
            warning = f"{before}; {warning}" if before else warning
            return replace(scored, interval=replace(scored.interval, warning=warning))
    return scored


def _blocks(frame: pd.DataFrame, block: Hashable | None, texts: Texts) -> list[Hashable] | None:
    """The block of each scored row; a row that names none is a block of its own."""
    if block is None:
        return None
    values = column_of(frame, block)
    is_named = [not (is_missing(value) or _is_empty(value)) for value in values]  # CSV has one way to write both
    return [values[row] if is_named[row] else Unnamed(int(row)) for row in texts.rows]


def _is_empty(cell: Any) -> bool:
    return isinstance(cell, str) and not cell


def _groups(frame: pd.DataFrame, by: Names, texts: Texts) -> dict[str, list[Any]]:
    names = [by] if isinstance(by, str) or not isinstance(by, Sequence) else list(by)
    return {str(name): [column_of(frame, name)[row] for row in texts.rows] for name in names}


def _known(frame: pd.DataFrame, name: str, rows: Any) -> dict[str, Any]:
    """What ``transcribe(details=True)`` told: seconds, dollars, confidence, and what made the texts."""
    import pandas as pd

    known: dict[str, Any] = {"system": dict(frame.attrs.get("asrkit", {}).get(name, {}))}
    for field, column in {
        "audio": "duration",
        "elapsed": "elapsed",
        "cost": "cost",
        "confidence": "confidence",
    }.items():
        if f"{name}_{column}" in frame.columns:
            values = pd.to_numeric(frame[f"{name}_{column}"], errors="coerce").to_numpy(float, na_value=np.nan)[rows]
            if not np.isnan(values).all():
                known[field] = values
    return known
