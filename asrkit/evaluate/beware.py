"""Errors that are a matter of spelling habits, which a named option of the normalizer would take away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

from ..errors import MissingExtraError
from ..normalizers.chinese import converted
from ..normalizers.multilingual import vowel_signs, without_harakat, without_niqqud
from .counts import UtteranceCounts, count_errors
from .dialects import Dialect
from .texts import SystemTexts
from .tokens import tokenize

__all__ = ["spelling_differences"]

# Frequent characters that are written in one script of Chinese alone, simplified above and traditional below.
_SIMPLIFIED = frozenset("们这来时说个学过还没对开关问间东车马鸟鱼门风飞长见贝书电话语读写谁让认识讲谢请爱听买卖钱")
_TRADITIONAL = frozenset("們這來時說個學過還沒對開關問間東車馬鳥魚門風飛長見貝書電話語讀寫誰讓認識講謝請愛聽買賣錢")
_CHINESE = ("zh", "cmn", "yue", "wuu", "nan", "hak", "chinese", "mandarin", "cantonese")


@dataclass(frozen=True, slots=True)
class _Habit:
    """What may be written or left out.

    Args:
        signs: how it is called in a sentence.
        option: the name of the normalizer that folds it.
        kinds: which ways of writing a text uses.
        folds: the text without it.
        languages: codes of the rows that are looked at; None for all.
    """

    signs: str
    option: str
    kinds: Callable[[str], frozenset[str]]
    folds: Callable[[str], str]
    languages: tuple[str, ...] | None = None


def spelling_differences(
    compared: SystemTexts, counts: UtteranceCounts, dialect: Dialect, rate: str = "WER"
) -> list[str]:
    """What is to be said of rows in which the reference and the hypothesis follow other habits of spelling.

    A habit is named where one text of a row follows it and the other does not, and where errors would go with it.

    Args:
        compared: normalised texts of one system.
        counts: their errors.
        dialect: how words were aligned.
        rate: the name of the error rate.
    """
    rows = [
        row
        for row, (said, heard) in enumerate(zip(compared.references, compared.hypotheses, strict=True))
        if not (said.isascii() and heard.isascii())
    ]
    told = []
    for habit in _habits():
        found = _rows_with(habit, compared, rows)
        if found:
            told += _told(habit, found, compared, counts, dialect, rate)
    return told


def _rows_with(habit: _Habit, compared: SystemTexts, rows: Sequence[int]) -> list[int]:
    """The rows with anything of the habit, if it is on one side alone in at least one of them."""
    found, is_one_sided = [], False
    for row in rows:
        if habit.languages is not None and _code(compared.languages[row]) not in habit.languages:
            continue
        said, heard = habit.kinds(compared.references[row]), habit.kinds(compared.hypotheses[row])
        if said or heard:
            found.append(row)
            # A text without words follows no habit.
            is_one_sided |= said != heard and bool(compared.references[row]) and bool(compared.hypotheses[row])
    return found if is_one_sided else []


def _told(
    habit: _Habit, rows: Sequence[int], compared: SystemTexts, counts: UtteranceCounts, dialect: Dialect, rate: str
) -> list[str]:
    try:
        references, hypotheses = (
            [tokenize(habit.folds(texts[row]), compared.units[row], compared.languages[row]) for row in rows]
            for texts in (compared.references, compared.hypotheses)
        )
    except MissingExtraError as error:
        return [f"{habit.signs}, in {_rows_told(len(rows))}; normalizer={habit.option!r} folds them ({error})"]
    fewer = int(counts.errors[list(rows)].sum() - count_errors(references, hypotheses, dialect=dialect).errors.sum())
    words = counts.total.reference_length
    if fewer <= 0 or not words:
        return []
    errors = counts.total.errors
    return [
        f"{habit.signs}, in {_rows_told(len(rows))}; without this difference, which normalizer={habit.option!r} "
        f"folds, the {rate} would be {(errors - fewer) / words:.1%} and not {errors / words:.1%}"
    ]


def _rows_told(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _code(language: str | None) -> str:
    return (language or "").lower().replace("_", "-").split("-")[0]


def _scripts(text: str) -> frozenset[str]:
    return frozenset(
        name
        for name, letters in (("simplified", _SIMPLIFIED - _TRADITIONAL), ("traditional", _TRADITIONAL - _SIMPLIFIED))
        if not letters.isdisjoint(text)
    )


@cache
def _habits() -> tuple[_Habit, ...]:
    one_side = "of the reference and the hypothesis one has {} and the other has not".format
    return (
        _Habit(
            one_side("Arabic vowel signs"),
            "multilingual-no-harakat",
            lambda text: vowel_signs(text) & {"harakat"},
            without_harakat,
        ),
        _Habit(
            one_side("Hebrew points"),
            "multilingual-no-niqqud",
            lambda text: vowel_signs(text) & {"niqqud"},
            without_niqqud,
        ),
        _Habit(
            "one of the reference and the hypothesis is in simplified and the other in traditional Chinese",
            "multilingual-simplified",
            _scripts,
            partial(converted, script="simplified"),
            _CHINESE,
        ),
    )
