"""Whether options have the types that they are meant to have, so that a wrong one is an error of ours, said at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real

from ..errors import OptionError

__all__ = ["check_types"]


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


KINDS: Mapping[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "a number": _is_number,
    "a whole number": _is_whole,
    "True or False": lambda value: isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"),  # NumPy's
    "a dict": lambda value: isinstance(value, Mapping),
}


def check_types(kind: str, **values: object) -> None:
    """Whether options are of a kind; None, which means that an option was not given, is of every kind.

    Args:
        kind: one of ``KINDS``.
        values: the options by their names.

    Raises:
        OptionError: one is not.

    >>> check_types("a number", window=None, timeout=2.5)
    >>> check_types("a number", window="wide")
    Traceback (most recent call last):
    asrkit.errors.OptionError: expected window to be a number, got 'wide', a str
    """
    for name, value in values.items():
        if value is not None and not KINDS[kind](value):
            shown = "" if kind == "text" else f"{value!r:.80}, "  # what should be text may be a secret
            raise OptionError(f"expected {name} to be {kind}, got {shown}a {type(value).__name__}")
