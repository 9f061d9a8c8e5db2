"""``asrkit score``, ``asrkit compare`` and ``asrkit benchmark``: the same from a shell."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    Table = Callable[[Path, str | None], pd.DataFrame]

__all__ = ["add_commands"]


def add_commands(commands: Any, table: Table) -> None:
    """The three commands; ``table`` reads a CSV or Parquet, whose second argument is the column with audio."""
    score = commands.add_parser("score", help="the word error rate of a column of texts, with its interval")
    _common(score)
    score.add_argument("--hypothesis", default="hypothesis", help="column with the recognised texts (%(default)s)")
    score.set_defaults(run=lambda options: _score(options, table))

    compare = commands.add_parser(
        "compare", help="which of several columns of texts is better, and whether it is chance"
    )
    _common(compare)
    compare.add_argument("--hypotheses", nargs="+", required=True, metavar="COLUMN", help="two columns or more")
    compare.add_argument("--audio", help="column with the audio, for the report's worst clips")
    compare.set_defaults(run=lambda options: _compare(options, table))

    benchmark = commands.add_parser("benchmark", help="transcribe with several models, then compare them")
    _common(benchmark)
    benchmark.add_argument("--models", nargs="+", required=True, metavar="MODEL", help="names, also @cf/...")
    benchmark.add_argument("--audio", default="path", help="column with the audio (%(default)s)")
    benchmark.add_argument("--quiet", "-q", action="store_true", help="no progress bar")
    benchmark.set_defaults(run=lambda options: _benchmark(options, table))


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, metavar="CSV|PARQUET")
    parser.add_argument("--reference", default="text", help="column with what was said (%(default)s)")
    parser.add_argument("--by", nargs="+", metavar="COLUMN", help="also the rate of each slice")
    parser.add_argument("--block", metavar="COLUMN", help="what is independent: the column with the speaker or call")
    parser.add_argument("--language", help="code of all rows, or the column that has one a row")
    parser.add_argument("--normalizer", default="auto", help="see asrkit.normalizers (%(default)s)")
    parser.add_argument("--dialect", choices=("levenshtein", "sclite"), default="levenshtein", help="alignment")
    parser.add_argument(
        "--failed", choices=("exclude", "deletions"), default="exclude", help="rows without a text (%(default)s)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report that stands alone")


def _choices(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "normalizer": options.normalizer,
        "dialect": options.dialect,
        "failed": options.failed,
    }


def _score(options: argparse.Namespace, table: Table) -> int:
    from .frames import score

    frame = table(options.table, None)
    common = {"reference": options.reference, "hypothesis": options.hypothesis, "language": options.language}
    whole = score(frame, **common, block=options.block, **_choices(options))
    print(whole)
    if options.by:
        _print_slices(score(frame, **common, block=options.block, by=options.by, **_choices(options)))
    _write(whole, options)
    return 0


def _compare(options: argparse.Namespace, table: Table) -> int:
    from .frames import compare

    comparison = compare(
        table(options.table, options.audio),
        reference=options.reference,
        hypotheses=options.hypotheses,
        by=options.by,
        block=options.block,
        audio=options.audio,
        language=options.language,
        **_choices(options),
    )
    return _told(comparison, options)


def _benchmark(options: argparse.Namespace, table: Table) -> int:
    from .benchmark import benchmark

    comparison = benchmark(
        table(options.table, options.audio),
        options.audio,
        reference=options.reference,
        models=options.models,
        by=options.by,
        block=options.block,
        language=options.language,
        progress=not options.quiet,
        compare_options=_choices(options),
    )
    return _told(comparison, options)


def _told(comparison: Any, options: argparse.Namespace) -> int:
    print(comparison)
    if comparison.slices is not None:
        _print_slices(comparison.slices)
    _write(comparison, options)
    return 1 if comparison.failures else 0


def _print_slices(frame: pd.DataFrame) -> None:
    from .wording import percent, too_few

    shown = frame.drop(columns=["warning"])
    rates = {"wer": [percent(rate) for rate in shown["wer"]]}
    for name in ("low", "high"):
        ends = zip(shown[name], shown["wer"], strict=True)
        rates[name] = [too_few(wer) if math.isnan(end) else percent(end) for end, wer in ends]
    print(shown.assign(**rates).to_string(index=False))
    for warning in sorted(set(frame["warning"].dropna())):
        print(f"beware: {warning}")


def _write(result: Any, options: argparse.Namespace) -> None:
    for path in (options.json, options.html):
        if path is not None and not path.parent.is_dir():
            raise OptionError(f"no such folder: {path.parent}")
    if options.json:
        result.to_json(options.json)
        print(f"written: {options.json}")
    if options.html:
        result.to_html(options.html)
        print(f"written: {options.html}")
