"""``asrkit score``, ``asrkit compare`` and ``asrkit benchmark``: the same from a shell."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..columns import column_of
from ..manifests import audio_column, read_frame, with_paths
from ..outputs import check_not_inputs
from ..printable import printable
from ..writable import check_target

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_commands", "add_table_arguments"]


def add_table_arguments(parser: argparse.ArgumentParser) -> None:
    """How a table is read."""
    parser.add_argument("--encoding", help="of a table of text (UTF-8, or what a mark at its beginning says)")
    parser.add_argument(
        "--columns",
        type=lambda names: names.split(","),
        metavar="NAME,NAME,...",
        help="names of a table's columns, where its first line is a row already",
    )


def add_commands(commands: Any) -> None:
    """The three commands."""
    score = commands.add_parser("score", help="the word error rate of a column of texts, with its interval")
    _common(score)
    score.add_argument("--hypothesis", default="hypothesis", help="column with the recognised texts (%(default)s)")
    score.set_defaults(run=_score)

    compare = commands.add_parser(
        "compare", help="which of several columns of texts is better, and whether it is chance"
    )
    _common(compare)
    compare.add_argument("--hypotheses", nargs="+", required=True, metavar="COLUMN", help="two columns or more")
    compare.add_argument("--audio", help="column with the audio, for the report's worst clips")
    compare.set_defaults(run=_compare)

    benchmark = commands.add_parser("benchmark", help="transcribe with several models, then compare them")
    _common(benchmark)
    benchmark.add_argument("--models", nargs="+", required=True, metavar="MODEL", help="names, also @cf/...")
    benchmark.add_argument("--audio", help="column with the audio (path, else another usual name)")
    benchmark.add_argument("--quiet", "-q", action="store_true", help="no progress bar")
    benchmark.set_defaults(run=_benchmark)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, metavar="TABLE", help="CSV, TSV, JSON lines or Parquet")
    add_table_arguments(parser)
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


def _table(options: argparse.Namespace, *, has_audio: bool = False) -> pd.DataFrame:
    """The table, with paths that can be opened; what cannot be written later is said first."""
    for path in (options.json, options.html):
        if path is not None:
            check_target(path)
    check_not_inputs([options.json, options.html], [options.table])
    missing = [options.language, options.block, *(options.by or ()), *([options.audio] if has_audio else ())]
    frame = read_frame(options.table, encoding=options.encoding, columns=options.columns, missing=missing)
    if has_audio:
        options.audio = audio_column(frame, options.audio, options.table)
        frame, _ = with_paths(frame, options.audio, options.table)
    _say_empty_texts(frame, getattr(options, "hypotheses", None) or [getattr(options, "hypothesis", None)])
    if options.reference in frame.columns and (count := column_of(frame, options.reference).count("")):
        print(
            printable(
                f"asrkit: {count:,} of {len(frame):,} rows have an empty {options.reference!r}: nobody spoke there. "
                "Leave out rows of which nobody knows what was said"
            ),
            file=sys.stderr,
        )
    return frame


def _say_empty_texts(frame: pd.DataFrame, hypotheses: Sequence[str | None]) -> None:
    """An empty cell may be a row that failed, which nothing tells where there is no column with errors."""
    for name in hypotheses:
        if name not in frame.columns or f"{name}_error" in frame.columns:
            continue
        if count := column_of(frame, name).count(""):
            print(
                printable(
                    f"asrkit: {count:,} of {len(frame):,} rows have an empty {name!r} and there is no "
                    f"'{name}_error': nothing was heard there. Leave out rows that failed, or say why in that column"
                ),
                file=sys.stderr,
            )


def _choices(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "normalizer": options.normalizer,
        "dialect": options.dialect,
        "failed": options.failed,
    }


def _score(options: argparse.Namespace) -> int:
    from .frames import score

    frame = _table(options)
    common = {"reference": options.reference, "hypothesis": options.hypothesis, "language": options.language}
    whole = score(frame, **common, block=options.block, **_choices(options))
    print(whole)
    if options.by:
        _print_slices(score(frame, **common, block=options.block, by=options.by, **_choices(options)))
    _write(whole, options)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from .frames import compare

    comparison = compare(
        _table(options, has_audio=options.audio is not None),
        reference=options.reference,
        hypotheses=options.hypotheses,
        by=options.by,
        block=options.block,
        audio=options.audio,
        language=options.language,
        **_choices(options),
    )
    return _told(comparison, options)


def _benchmark(options: argparse.Namespace) -> int:
    from .benchmark import benchmark

    frame = _table(options, has_audio=True)
    comparison = benchmark(
        frame,
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
    from .paired import FEWEST_BLOCKS, TOO_WIDE
    from .wording import percent, too_few

    shown = frame.drop(columns=["warning"])
    rates = {"wer": [percent(rate) for rate in shown["wer"]]}
    for name in ("low", "high"):
        ends = zip(shown[name], shown["wer"], frame["warning"], strict=True)
        rates[name] = [
            too_few(wer, blocks=FEWEST_BLOCKS if TOO_WIDE in str(why) else 0) if math.isnan(end) else percent(end)
            for end, wer, why in ends
        ]
    print(shown.assign(**rates).to_string(index=False))
    for warning in sorted(set(frame["warning"].dropna())):
        print(f"beware: {warning}")


def _write(result: Any, options: argparse.Namespace) -> None:
    if options.json:
        result.to_json(options.json)
        print(f"written: {options.json}")
    if options.html:
        result.to_html(options.html)
        print(f"written: {options.html}")
