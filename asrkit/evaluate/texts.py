"""Columns of text -> rows that can be compared: which rows count, what was done to their words, what is counted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Self

import numpy as np

from ..errors import OptionError
from ..language_names import check_language, read_language
from ..normalizers import Normalizer, find, merge_compounds
from ..source import is_missing
from .dialects import Dialect, Sclite
from .languages import has_letters
from .marked import markup_of, normalised, tokens_of
from .stated import filled, of_system, unread_values
from .tokens import Unit, tokenize, unit_for

__all__ = ["Failed", "SystemTexts", "Texts", "comparable"]

Failed = Literal["exclude", "deletions"]
BY_LANGUAGE = "by language"
RATES = {"word": "WER", "character": "CER", "mixed": "MER-mixed", BY_LANGUAGE: "WER/CER by language"}


@dataclass(frozen=True, slots=True)
class NormalizerOf:
    """Finds the normalizer for the language of a row.

    Args:
        normalizer: as for ``asrkit.normalizers.find``.
    """

    normalizer: str | Callable[[str], str] | Normalizer

    def __call__(self, language: str | None) -> Normalizer:
        return find(self.normalizer, language=language)


@dataclass(frozen=True, slots=True, eq=False)
class SystemTexts:
    """The references and the texts of one system, normalised alike: what its score is computed from.

    Args:
        references: normalised, one per row, shape ``(n,)``.
        hypotheses: normalised, one per row, shape ``(n,)``.
        languages: code of each row, None if unknown.
        units: what is counted in each row.
        normalizer: name and version; several where rows have several languages.
        unknown: number of rows with words in a language that is not known.
        otherwise: row -> the hypothesis normalised by the language of ``Texts.languages``, where the row's differs.
        written_references: before normalisation, one per row; empty if unknown.
        written_hypotheses: before normalisation, one per row; empty if unknown.
        normalizer_of: the normalizer for the language of a row.
        markup: the options of sclite by which the texts were read for markup; None where none was looked for.
    """

    references: Sequence[str]
    hypotheses: Sequence[str]
    languages: Sequence[str | None]
    units: Sequence[Unit]
    normalizer: str
    unknown: int
    otherwise: Mapping[int, str] = field(default_factory=dict)
    written_references: Sequence[str] = ()
    written_hypotheses: Sequence[str] = ()
    normalizer_of: NormalizerOf = field(default_factory=lambda: NormalizerOf("none"))
    markup: Sclite | None = None

    def reference_tokens(self, unit: Unit | None = None, rows: Sequence[int] | None = None) -> list[tuple[str, ...]]:
        """The references cut into what is counted, or into another unit; of all rows or of some positions."""
        return self._tokens(self.references, unit, rows)

    def hypothesis_tokens(self, unit: Unit | None = None, rows: Sequence[int] | None = None) -> list[tuple[str, ...]]:
        """The system's texts cut into what is counted, or into another unit; of all rows or of some positions."""
        return self._tokens(self.hypotheses, unit, rows)

    @property
    def marked_rows(self) -> list[int]:
        """The rows in whose texts there is markup, or looks to be."""
        if self.markup is None:
            return []
        pairs = zip(self.references, self.hypotheses, strict=True)
        return [row for row, pair in enumerate(pairs) if any("{" in text or "@" in text for text in pair)]

    @classmethod
    def picked(cls, systems: Sequence[Self], chosen: Sequence[int]) -> Self:
        """Texts made of those of several systems: of each row those of the system at the index in ``chosen``."""
        rows = list(enumerate(chosen))
        return cls(
            references=[systems[at].references[row] for row, at in rows],
            hypotheses=[systems[at].hypotheses[row] for row, at in rows],
            languages=[systems[at].languages[row] for row, at in rows],
            units=[systems[at].units[row] for row, at in rows],
            normalizer=_joined_names(system.normalizer for system in systems),
            unknown=max(system.unknown for system in systems),
            otherwise={row: systems[at].otherwise[row] for row, at in rows if row in systems[at].otherwise},
            written_references=systems[0].written_references,
            written_hypotheses=[systems[at].written_hypotheses[row] for row, at in rows]
            if all(system.written_hypotheses for system in systems)
            else (),
            normalizer_of=systems[0].normalizer_of,
            markup=systems[0].markup,
        )

    @property
    def unit(self) -> str:
        """``word``, ``character`` or ``mixed``, or ``by language`` where rows differ."""
        return _common_unit(self.units)

    @property
    def rate(self) -> str:
        """The usual name of the error rate."""
        return RATES[self.unit]

    def _tokens(self, texts: Sequence[str], unit: Unit | None, rows: Sequence[int] | None) -> list[tuple[str, ...]]:
        places = range(len(texts)) if rows is None else rows
        cut = tokenize if self.markup is None else tokens_of
        return [cut(texts[row], unit or self.units[row], self.languages[row]) for row in places]


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """What is scored: the rows of a frame that have a reference, made comparable.

    Args:
        rows: positions in the frame of the rows that are scored, shape ``(n,)``.
        labels: their index labels.
        references: normalised, one per row, by the language of the table or of the reference itself.
        systems: name of each system -> its texts and the references, normalised by the languages of its rows.
        languages: code of each row, None if unknown; of the references, whatever a system took them for.
        units: what is counted in each row.
        total: number of rows of the frame.
        unreferenced: number of rows without a reference, which are not scored.
        silent: number of scored rows with an empty reference: nobody spoke there.
        failed: name of each system -> number of rows without a hypothesis although there is a reference.
        failed_as: ``exclude`` (such a row is scored for no system) or ``deletions`` (its words count as deleted).
        markup: as for ``SystemTexts``.
        index: pandas' index of these rows, None where they come from no frame.
        unread: scored row -> what was given as its language and is none, so that the texts decided.
    """

    rows: np.ndarray[Any, np.dtype[np.int64]]
    labels: Sequence[Hashable]
    references: Sequence[str]
    systems: Mapping[str, SystemTexts]
    languages: Sequence[str | None]
    units: Sequence[Unit]
    total: int
    unreferenced: int
    silent: int
    failed: Mapping[str, int]
    failed_as: Failed
    markup: Sclite | None = None
    index: Any = None
    unread: Mapping[int, str] = field(default_factory=dict)

    @property
    def hypotheses(self) -> dict[str, Sequence[str]]:
        """Name of each system -> its normalised texts, one per row."""
        return {name: system.hypotheses for name, system in self.systems.items()}

    @property
    def written_references(self) -> Sequence[str]:
        """The references before normalisation, one per row; normalised where that is unknown."""
        return next((system.written_references for system in self.systems.values()), ()) or self.references

    def written_hypotheses(self, name: str) -> Sequence[str]:
        """The texts of a system before normalisation, one per row; normalised where that is unknown."""
        system = self.systems[name]
        return system.written_hypotheses or system.hypotheses

    @property
    def normalizer(self) -> str:
        """Name and version of the normalizer; several where rows have several languages."""
        return _joined_names(system.normalizer for system in self.systems.values())

    @property
    def unit(self) -> str:
        """``word``, ``character`` or ``mixed``, or ``by language`` where rows differ."""
        return _common_unit(self.units)

    @property
    def rate(self) -> str:
        """The usual name of the error rate."""
        return RATES[self.unit]

    def reference_tokens(self) -> list[tuple[str, ...]]:
        """The references cut into what is counted, the same for all systems."""
        return self._tokens(self.references)

    def hypothesis_tokens(self, name: str) -> list[tuple[str, ...]]:
        """The texts of a system cut as ``reference_tokens``, so that systems can be compared token by token."""
        system = self.systems[name]
        if not system.otherwise:
            return self._tokens(system.hypotheses)
        return self._tokens([system.otherwise.get(row, text) for row, text in enumerate(system.hypotheses)])

    def _tokens(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        cut = tokenize if self.markup is None else tokens_of
        return [cut(*row) for row in zip(texts, self.units, self.languages, strict=True)]


def comparable(
    references: Sequence[Any],
    hypotheses: Mapping[str, Sequence[Any]],
    *,
    labels: Sequence[Hashable] | None = None,
    normalizer: str | Callable[[str], str] | Normalizer = "auto",
    languages: Sequence[str | None] | str | None = None,
    system_languages: Mapping[str, Sequence[str | None]] | None = None,
    unit: Unit | Literal["auto"] = "auto",
    failed: Failed = "exclude",
    dialect: Dialect = "levenshtein",
) -> Texts:
    """Make references and hypotheses comparable.

    A missing reference (None, NaN) says that nobody knows what was said: the row is not scored. An empty one says
    that nothing was said: whatever was heard is an insertion. A missing hypothesis is a row that failed: it is
    counted apart and, by ``failed``, scored for no system or as all deletions. An empty one heard nothing.

    Each row is normalised and cut by its language: that of ``languages``, else that of ``system_languages``, else
    the language that the reference is written in, or the hypothesis where the reference has no letters ("42").
    Neither other rows nor other systems decide.

    Args:
        references: one per row.
        hypotheses: name of each system -> one text per row.
        labels: of the rows, for tables; their numbers if not given.
        normalizer: see ``asrkit.normalizers.find``; ``auto`` chooses by the row's language.
        languages: of each row or of all; None where it is not known.
        system_languages: name of a system -> the language in which it transcribed each row, None if unknown.
        unit: what is counted; ``auto`` chooses by the language.
        failed: what becomes of rows that a system gave no text for.
        dialect: how the texts will be aligned: sclite's have markup, which is kept.

    Raises:
        OptionError: no row can be scored, a cell holds no text, the lengths differ, or markup is not closed.
    """
    if failed not in ("exclude", "deletions"):
        raise OptionError(f"expected failed='exclude' or failed='deletions', got {failed!r}")
    count = len(references)
    for name, texts in hypotheses.items():
        if len(texts) != count:
            raise OptionError(f"{name} has {len(texts)} rows, the references {count}; score rows of one frame")
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
    if isinstance(languages, str):
        check_language(languages)
    given = [languages] * count if isinstance(languages, str | None) else list(languages)
    stated = [read_language(given[row]) for row in rows]
    transcribed = {name: [cells[row] for row in rows] for name, cells in (system_languages or {}).items()}
    written = [_text(references[row], "reference", labels[row]) for row in rows]
    of_reference = filled(stated, written)
    maker = _Maker(normalizer, unit, markup_of(dialect))
    neutral = maker.normalised(written, of_reference)
    units = maker.units(neutral, of_reference)
    systems = {}
    for name, texts in hypotheses.items():
        heard = [_text(texts[row], name, labels[row]) for row in rows]
        spoken = of_system(stated, transcribed.get(name), of_reference, written, heard)
        systems[name] = maker.system(written, heard, spoken, (of_reference, neutral, units))
    return Texts(
        rows=np.asarray(rows, np.int64),
        labels=[labels[row] for row in rows],
        references=neutral,
        systems=systems,
        languages=of_reference,
        units=units,
        total=count,
        unreferenced=count - sum(has_reference),
        silent=sum(not text.strip() for text in written),
        failed={name: sum(flags) for name, flags in missed.items()},
        failed_as=failed,
        markup=maker.markup,
        unread=unread_values([[given[row] for row in rows], *transcribed.values()]),
    )


class _Maker:
    """Normalises texts and chooses what is counted, each row by its own language."""

    def __init__(
        self,
        normalizer: str | Callable[[str], str] | Normalizer,
        unit: Unit | Literal["auto"],
        markup: Sclite | None,
    ) -> None:
        self._unit = unit
        self.markup = markup
        self.depends_on_language = normalizer == "auto" or unit == "auto"
        self.normalizer_of = NormalizerOf(normalizer)
        self.find = cache(self.normalizer_of)

    def normalised(self, texts: Sequence[str], languages: Sequence[str | None]) -> list[str]:
        pairs = zip(texts, languages, strict=True)
        if self.markup is None:
            return [self.find(language)(text) for text, language in pairs]
        return [normalised(text, self.find(language), self.markup) for text, language in pairs]

    def heard(self, references: Sequence[str], texts: Sequence[str], languages: Sequence[str | None]) -> list[str]:
        """Hypotheses, normalised; what depends on the reference, such as compounds, by the normalised one."""
        made = self.normalised(texts, languages)
        if not any(getattr(self.find(language), "compounds", False) for language in set(languages)):
            return made
        return [
            merge_compounds(reference, text)[1] if getattr(self.find(language), "compounds", False) else text
            for reference, text, language in zip(references, made, languages, strict=True)
        ]

    def units(self, references: Sequence[str], languages: Sequence[str | None]) -> list[Unit]:
        if self._unit != "auto":
            return [self._unit] * len(references)
        return [unit_for(language, [text]) for text, language in zip(references, languages, strict=True)]

    def system(
        self,
        written: Sequence[str],
        heard: Sequence[str],
        languages: Sequence[str | None],
        neutral: tuple[Sequence[str | None], Sequence[str], Sequence[Unit]],
    ) -> SystemTexts:
        """Texts of one system; ``neutral`` is what is known of rows whose language is that of their reference."""
        of_reference, references, units = neutral
        others = [row for row, language in enumerate(languages) if language != of_reference[row]]
        if others:
            references, units = list(references), list(units)
            own = [languages[row] for row in others]
            for row, text in zip(others, self.normalised([written[row] for row in others], own), strict=True):
                references[row] = text
            for row, unit in zip(others, self.units([references[row] for row in others], own), strict=True):
                units[row] = unit
        otherwise = self.heard(
            [neutral[1][row] for row in others], [heard[row] for row in others], [of_reference[row] for row in others]
        )
        unknown = [row for row, language in enumerate(languages) if language is None]
        used = {self.find(language) for language in set(languages)}
        return SystemTexts(
            references=references,
            hypotheses=self.heard(references, heard, languages),
            languages=languages if others else of_reference,
            units=units,
            normalizer=", ".join(sorted({f"{one.name} {one.version}" for one in used})),
            unknown=sum(has_letters(written[row]) or has_letters(heard[row]) for row in unknown)
            if self.depends_on_language
            else 0,
            otherwise=dict(zip(others, otherwise, strict=True)),
            written_references=written,
            written_hypotheses=heard,
            normalizer_of=self.normalizer_of,
            markup=self.markup,
        )


def _text(cell: Any, name: str, label: Hashable) -> str:
    if isinstance(cell, str):
        return cell
    if is_missing(cell):
        return ""  # a failed row that counts as deletions
    hint = "; read the table as text (pd.read_csv(..., dtype=str)), which keeps figures as they are written"
    raise OptionError(
        f"row {label!r}: {name} is text or missing, got {type(cell).__name__} ({cell!r:.40})"
        + hint * isinstance(cell, int | float | np.number)
    )


def _joined_names(normalizers: Iterable[str]) -> str:
    return ", ".join(sorted({name for names in normalizers for name in names.split(", ")}))


def _common_unit(units: Sequence[Unit]) -> str:
    kinds = set(units)
    if kinds == {"character", "mixed"}:
        return "mixed"
    return next(iter(kinds)) if len(kinds) == 1 else BY_LANGUAGE if kinds else "word"
