"""Keywords that have another name now: a call with the old one is refused, and told the new one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from .errors import OptionError

__all__ = ["renamed"]

P = ParamSpec("P")
R = TypeVar("R")


def renamed(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Refuse keywords by their old names; the function keeps its signature.

    Args:
        names: the new name of each old one.

    >>> @renamed(confidence="level")
    ... def interval(level: float = 0.95) -> float:
    ...     return level
    >>> interval(confidence=0.9)
    Traceback (most recent call last):
        ...
    asrkit.errors.OptionError: interval() takes no confidence=; it is called level now: pass level=0.9
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in names.items():
                if old in kwargs:
                    value = kwargs[old]
                    raise OptionError(
                        f"{function.__name__}() takes no {old}=; it is called {new} now: pass {new}={value!r}"
                    )
            return function(*args, **kwargs)

        return checked

    return decorate
