"""How many rows of a run failed, said in one line at its end when they are many."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from .printable import printable

__all__ = ["Failures"]

MANY = 0.1  # of the rows with audio; fewer are seen in the column of errors
SHOWN = 200  # characters of the first reason
NOT_REACHED = "interrupted"  # the code of rows that a stopped run has not come to

Outcome = TypeVar("Outcome")  # a Transcript, a Failure (which has a code), or None


class Failures:
    """Counts the outcomes of a run."""

    def __init__(self) -> None:
        self.rows = self.failed = 0
        self.first: str | None = None

    def add(self, outcome: object) -> None:
        """One row; a missing cell is none, and so is a row that a stopped run has not reached."""
        code = getattr(outcome, "code", None)
        if outcome is None or code == NOT_REACHED:
            return
        self.rows += 1
        if code is not None:
            self.failed += 1
            self.first = self.first or str(outcome)

    def counted(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The outcomes as they come, counted; what there is to say is said after the last."""
        for outcome in outcomes:
            self.add(outcome)
            yield outcome
        self.say()

    @property
    def summary(self) -> str | None:
        """One line; None if few rows failed."""
        if self.first is None or self.failed <= MANY * self.rows:
            return None
        which = (
            "the row" if self.rows == 1 else f"all {self.rows:,} rows" if self.failed == self.rows else
            f"{self.failed:,} of {self.rows:,} rows"
        )  # fmt: skip
        first = self.first if len(self.first) <= SHOWN else f"{self.first[:SHOWN]}..."
        return f"{which} failed{':' if self.failed == 1 else '; the first:'} {first}"

    def say(self) -> None:
        """Beside the bar, on the error stream."""
        if (summary := self.summary) is not None:
            from tqdm import tqdm

            tqdm.write(printable(f"asrkit: {summary}"), file=sys.stderr)
