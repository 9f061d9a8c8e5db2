"""``asrkit journal show|export|prune|verify``: what is in a journal, and what is to go."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ..cloudflare.prices import money
from ..errors import JournalError, OptionError
from ..printable import printable
from ..weights import cache_folder
from .attempts import runs
from .place import NAME, OFF, VARIABLE
from .run import BLAMED_AFTER
from .store import Journal, mark_of, number

__all__ = ["add_command"]

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
EXPORTED = 512  # rows read at once
SHOWN = 20  # requests without an answer


def add_command(commands: Any) -> None:
    """The command with its four verbs."""
    journal = commands.add_parser("journal", help="what finished rows are kept in: show, export, prune, verify")
    verbs = journal.add_subparsers(title="verbs", required=True, metavar="VERB")

    show = verbs.add_parser("show", help="rows by model, failures, requests that were never answered")
    show.set_defaults(run=_show)

    export = verbs.add_parser("export", help="every row as a line of JSON")
    export.add_argument("--output", "-o", type=Path, help="file to write; else the terminal")
    export.set_defaults(run=_export)

    prune = verbs.add_parser("prune", help="remove rows, and give the space back")
    prune.add_argument("--max-size", metavar="SIZE", help="such as 500M or 2G: what was not used for longest goes")
    prune.add_argument("--failed", action="store_true", help="rows that failed, so that they are tried again")
    prune.add_argument("--model", help="all rows of a model")
    prune.add_argument(
        "--unsettled",
        action="store_true",
        help="requests that were never answered: you have seen your bill, they count no more",
    )
    prune.set_defaults(run=_prune)

    prune.add_argument(
        "--paid",
        action="store_true",
        help="what runs that did not finish have paid: the max_cost of their repetitions counts it no more",
    )

    verify = verbs.add_parser("verify", help="whether the file is whole, and every text is what was written")
    verify.set_defaults(run=_verify)

    for verb in (show, export, prune, verify):
        verb.add_argument("--journal", type=Path, metavar="PATH", help="another than the one in the user's cache")


def _opened(options: argparse.Namespace) -> Journal:
    told = os.environ.get(VARIABLE, "").strip()
    path = options.journal
    if path is None:
        path = Path(told).expanduser() if told and told.lower() not in OFF else cache_folder() / NAME
    if not path.is_file():
        raise JournalError(f"there is no journal {path}; name one with --journal", code="no-journal")
    return Journal(path)


def _show(options: argparse.Namespace) -> int:
    with _opened(options) as journal:
        print(f"{printable(journal.path)}: {_size(journal.bytes_used)}")
        rows = journal.read(
            "SELECT model, count(*) - count(code), count(code), sum(cost), min(created), max(created) FROM results "
            "JOIN fingerprints ON fingerprints.id = results.fingerprint GROUP BY model ORDER BY 2 DESC"
        )
        for model, heard, failed, cost, first, last in rows:
            paid = "" if cost is None else f", {money(cost)}"
            print(
                f"  {printable(model, 200)}: {heard:,} texts, {failed:,} failures{paid}; {_day(first)} to {_day(last)}"
            )
        if not rows:
            print("  no rows yet")
        for code, count in journal.read("SELECT code, count(*) FROM results WHERE code IS NOT NULL GROUP BY code"):
            print(f"  failed as {_shown(code)}: {count:,}")
        [(files,)] = journal.read("SELECT count(*) FROM files")
        print(f"  {files:,} files that need not be read again as long as they do not change")
        _, alive = runs(journal.folder)
        if alive:
            print(f"  {len(alive)} runs are at work")
        [(unreadable,)] = journal.read("SELECT count(*) FROM unreadable")
        if unreadable:
            print(f"  {unreadable:,} rows that could not be read were done again; they are in the table 'unreadable'")
        if deaths := journal.deaths():
            print(f"  {len(deaths):,} rows were at work when a process died; alone, {BLAMED_AFTER} times are a crash")
        [(paid,)] = journal.read("SELECT sum(dollars) FROM payments")
        if paid:
            print(f"  paid by runs that did not finish: {money(paid)}; max_cost of their repetitions counts it")
        _show_intents(journal)
    return 0


def _show_intents(journal: Journal) -> None:
    unsettled = [intent for intent in journal.intents() if intent.is_doubtful]
    on_their_way = len(journal.intents()) - len(unsettled)
    if on_their_way:
        print(f"  {on_their_way:,} requests are on their way, or were when their process ended")
    if not unsettled:
        return
    owed = money(sum(intent.dollars or 0.0 for intent in unsettled))
    print(f"  {len(unsettled):,} requests were never answered and may have been billed: {owed}")
    for intent in unsettled[:SHOWN]:
        cost = "price unknown" if intent.dollars is None else money(intent.dollars)
        print(f"    {_day(intent.sent)}  {printable(intent.model, 200)}, {intent.seconds:.1f} s of audio, {cost}")
    if len(unsettled) > SHOWN:
        print(f"    and {len(unsettled) - SHOWN:,} more")


def _export(options: argparse.Namespace) -> int:
    unreadable = 0
    with _opened(options) as journal:
        file = options.output.open("w", encoding="utf-8") if options.output else sys.stdout
        try:
            for row in _rows(journal):
                line = None if row is None else _line(*row)
                unreadable += line is None
                if line is not None:
                    print(line, file=file)
        finally:
            if options.output:
                file.close()
    if unreadable:
        print(f"{unreadable:,} rows could not be read; `asrkit journal verify` says more", file=sys.stderr)
    return 1 if unreadable else 0


def _rows(journal: Journal) -> Iterator[tuple[Any, ...] | None]:
    """Every row that can be read, in the order in which they were written; None for each that cannot."""
    statement = (
        "SELECT key, model, json, code, detail, mark, cost, created FROM results "
        "LEFT JOIN fingerprints ON fingerprints.id = results.fingerprint "
        "WHERE results.rowid BETWEEN ? AND ? ORDER BY results.rowid"
    )
    last = _last_row(journal)
    stretches = [(first, min(first + EXPORTED - 1, last)) for first in range(1, last + 1, EXPORTED)]
    while stretches:
        first, until = stretches.pop(0)
        try:
            yield from journal.read(statement, (first, until))
        except JournalError as error:
            if error.code != "damaged":
                raise
            if first == until:
                yield None
                continue
            middle = (first + until) // 2
            stretches[:0] = [(first, middle), (middle + 1, until)]


def _last_row(journal: Journal) -> int:
    try:
        [(last,)] = journal.read("SELECT coalesce(max(rowid), 0) FROM results")
    except JournalError as error:
        if error.code != "damaged":
            raise
        # The index of the keys has the numbers of the rows too, in pages of its own.
        [(last,)] = journal.read("SELECT max(rowid) FROM (SELECT rowid FROM results ORDER BY key LIMIT -1)")
    return int(last)


def _line(key: Any, model: Any, asked: Any, code: Any, detail: Any, mark: Any, cost: Any, created: Any) -> str | None:
    """A row as JSON; None where it is not what was written."""
    try:
        if mark_of(key, code, detail) != mark:
            return None
        told = json.loads(detail)
        values = told if code is None else {"error": code, "message": told["message"]}
        about = {"key": key.hex(), "model": model, "asked": asked and json.loads(asked)}
        numbers = {"created": number(created), "cost": number(cost)}
        return json.dumps({**about, **numbers, **values}, ensure_ascii=False)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _prune(options: argparse.Namespace) -> int:
    if not (options.max_size or options.failed or options.model or options.unsettled or options.paid):
        raise OptionError("say what is to go: --max-size, --failed, --model, --unsettled or --paid")
    with _opened(options) as journal:
        [(before,)] = journal.read("SELECT count(*) FROM results")
        if options.failed:
            journal.write([("DELETE FROM results WHERE code IS NOT NULL", [()]), ("DELETE FROM deaths", [()])])
        if options.model:
            of_model = "fingerprint IN (SELECT id FROM fingerprints WHERE model = ?)"
            journal.write([(f"DELETE FROM results WHERE {of_model}", [(options.model,)])])  # noqa: S608 - ours
        if options.unsettled:
            journal.write([("DELETE FROM intents WHERE is_doubtful", [()])])
        if options.paid:
            journal.write([("DELETE FROM payments", [()])])
        if options.max_size:
            journal.evict(_bytes(options.max_size))
        [(after,)] = journal.read("SELECT count(*) FROM results")
        journal.compact()
        left = f"{before - after:,} rows removed, {after:,} are left, {_size(journal.bytes_used)}"
        print(f"{printable(journal.path)}: {left}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    with _opened(options) as journal:
        faults = journal.check()
        [(count,)] = journal.read("SELECT count(*) FROM results")
        if not faults:
            print(f"{printable(journal.path)}: whole, {count:,} rows")
            return 0
        print(f"{printable(journal.path)}: {len(faults)} faults in {count:,} rows", file=sys.stderr)
        for fault in faults[:SHOWN]:
            print(f"  {fault}", file=sys.stderr)
    return 1


def _bytes(text: str) -> int:
    number, unit = text.strip().upper().removesuffix("B"), ""
    if number and number[-1] in UNITS:
        number, unit = number[:-1], number[-1]
    try:
        return int(float(number) * UNITS[unit])
    except ValueError:
        raise OptionError(f"expected a size such as 500M or 2G, got {text!r}") from None


def _size(count: int) -> str:
    unit = next((unit for unit in ("G", "M", "K") if count >= UNITS[unit]), "")
    return f"{count / UNITS[unit]:.1f} {unit}B" if unit else f"{count} B"


def _shown(value: object) -> str:
    """A value of a row, also of a damaged one, as a terminal can show it."""
    return value if isinstance(value, str) and value.isascii() and value.isprintable() else ascii(value)


def _day(seconds: object) -> str:
    try:
        return datetime.fromtimestamp(number(seconds) or 0.0).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return "unknown"
