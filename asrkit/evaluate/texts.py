"""Columns of text -> rows that can be compared: which rows count, what was done to their words, what is counted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import OptionError
from ..normalizers import Normalizer, find
from ..source import is_missing
from .tokens import Unit, tokenize, unit_for

__all__ = ["Failed", "Texts", "comparable"]

Failed = Literal["exclude", "deletions"]
MIXED = "by language"


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """What is scored: the rows of a frame that have a reference, made comparable.

    Args:
        rows: positions in the frame of the rows that are scored, shape ``(n,)``.
        labels: their index labels.
        references: normalised, one a row.
        hypotheses: name of each system -> normalised texts, one a row.
        languages: code of each row, None where nobody told.
        units: what is counted in each row.
        normalizer: name and version; several where rows have several languages.
        total: rows of the frame.
        unreferenced: rows without a reference, which are not scored.
        failed: name of each system -> rows without a hypothesis although there is a reference.
        failed_as: ``exclude`` (such a row is scored for no system) or ``deletions`` (its words count as deleted).
    """

    rows: np.ndarray[Any, np.dtype[np.int64]]
    labels: Sequence[Hashable]
    references: Sequence[str]
    hypotheses: Mapping[str, Sequence[str]]
    languages: Sequence[str | None]
    units: Sequence[Unit]
    normalizer: str
    total: int
    unreferenced: int
    failed: Mapping[str, int]
    failed_as: Failed

    @property
    def unit(self) -> str:
        """``word``, ``character`` or ``mixed``, or ``by language`` where rows differ."""
        kinds = set(self.units)
        return next(iter(kinds)) if len(kinds) == 1 else MIXED if kinds else "word"

    @property
    def rate(self) -> str:
        """The usual name of the error rate."""
        return {"word": "WER", "character": "CER", "mixed": "MER-mixed", MIXED: "WER/CER by language"}[self.unit]

    def tokens(self, texts: Sequence[str], unit: Unit | None = None) -> list[tuple[str, ...]]:
        """Texts of the rows cut into what is counted, or into another unit."""
        return [
            tokenize(text, unit or own, language)
            for text, own, language in zip(texts, self.units, self.languages, strict=True)
        ]


def comparable(
    references: Sequence[Any],
    hypotheses: Mapping[str, Sequence[Any]],
    *,
    labels: Sequence[Hashable] | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    languages: Sequence[str | None] | str | None = None,
    unit: Unit | Literal["auto"] = "auto",
    failed: Failed = "exclude",
) -> Texts:
    """Make references and hypotheses comparable.

    A missing reference (None, NaN) says that nobody knows what was said: the row is not scored. An empty one says
    that nothing was said: whatever was heard is an insertion. A missing hypothesis is a row that failed: it is
    counted apart and, by ``failed``, scored for no system or as all deletions. An empty one heard nothing.

    Args:
        references: one a row.
        hypotheses: name of each system -> one a row.
        labels: of the rows, for tables; their numbers if not given.
        normalizer: see ``asrkit.normalizers.find``; ``auto`` chooses by the row's language.
        languages: of each row or of all.
        unit: what is counted; ``auto`` chooses by the language.
        failed: what becomes of rows that a system gave no text for.

    Raises:
        OptionError: no row can be scored, a cell holds no text, or the lengths differ.
    """
    if failed not in ("exclude", "deletions"):
        raise OptionError(f"expected failed='exclude' or failed='deletions', got {failed!r}")
    count = len(references)
    for name, texts in hypotheses.items():
        if len(texts) != count:
            raise OptionError(f"{name} has {len(texts)} rows, the references {count}; score rows of one frame")
    spoken = (
        [None if languages is None else languages] * count if isinstance(languages, str | None) else list(languages)
    )
    spoken = [None if is_missing(language) else str(language) for language in spoken]
    labels = list(range(count)) if labels is None else labels
    has_reference = [not is_missing(text) for text in references]
    missed = {
        name: [has_reference[row] and is_missing(text) for row, text in enumerate(texts)]
        for name, texts in hypotheses.items()
    }
    rows = [
        row
        for row in range(count)
        if has_reference[row] and (failed == "deletions" or not any(flags[row] for flags in missed.values()))
    ]
    if not rows:
        raise OptionError(
            f"no row can be scored: of {count}, {count - sum(has_reference)} have no reference"
            + "".join(f", {sum(flags)} no {name!r}" for name, flags in missed.items())
        )
    normalizers = {language: find(normalizer, language=language) for language in {spoken[row] for row in rows}}

    def normalised(name: str, texts: Sequence[Any]) -> list[str]:
        return [normalizers[spoken[row]](_text(texts[row], name, labels[row])) for row in rows]

    said = normalised("reference", references)
    units = _units(unit, [spoken[row] for row in rows], said)
    return Texts(
        rows=np.asarray(rows, np.int64),
        labels=[labels[row] for row in rows],
        references=said,
        hypotheses={name: normalised(name, texts) for name, texts in hypotheses.items()},
        languages=[spoken[row] for row in rows],
        units=units,
        normalizer=", ".join(sorted({f"{used.name} {used.version}" for used in normalizers.values()})),
        total=count,
        unreferenced=count - sum(has_reference),
        failed={name: sum(flags) for name, flags in missed.items()},
        failed_as=failed,
    )


def _text(cell: Any, name: str, label: Hashable) -> str:
    if isinstance(cell, str):
        return cell
    if is_missing(cell):
        return ""  # a failed row that counts as deletions
    raise OptionError(f"row {label!r}: {name} is text or missing, got {type(cell).__name__} ({cell!r:.40})")


def _units(unit: Unit | Literal["auto"], languages: Sequence[str | None], references: Sequence[str]) -> list[Unit]:
    if unit != "auto":
        return [unit] * len(references)
    chosen = {
        language: unit_for(language, (text for text, own in zip(references, languages, strict=True) if own == language))
        for language in set(languages)
    }
    return [chosen[language] for language in languages]
