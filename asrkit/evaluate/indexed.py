"""Tables of rows with the user's own index, and columns of ours beside the user's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

    from .texts import Texts

__all__ = ["check_unclashed", "index_of", "unclashed"]


def index_of(texts: Texts) -> pd.Index[Any]:
    """The index of the rows that are scored, with its names, levels and type; made of the labels if it is unknown."""
    import pandas as pd

    return pd.Index(list(texts.labels)) if texts.index is None else texts.index


def unclashed(ours: Iterable[str], theirs: Iterable[str]) -> dict[str, str]:
    """A name for each column of ours, with underscores at its end where the user has a column of that name.

    >>> unclashed(["reference", "spread"], ["spread", "spread_", "tiny"])
    {'reference': 'reference', 'spread': 'spread__'}
    """
    taken = set(theirs)
    named: dict[str, str] = {}
    for name in ours:
        free = name
        while free in taken:
            free += "_"
        taken.add(free)
        named[name] = free
    return named


def check_unclashed(theirs: Sequence[str], ours: Iterable[str], what: str) -> None:
    """Refuse columns of the user's that a table has itself.

    Raises:
        OptionError: a name is on both sides.
    """
    for name in ours:
        if name in theirs:
            raise OptionError(
                f"{what} has a column {name!r} of its own; rename yours: df.rename(columns={{{name!r}: 'my {name}'}})"
            )
