"""What a normalizer is, and a user's own function as one."""

from __future__ import annotations

import functools
import hashlib
import inspect
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ..errors import OptionError

__all__ = ["Custom", "Normalizer"]

DIGEST_LETTERS = 12


@runtime_checkable
class Normalizer(Protocol):
    """Turns text into text that can be compared. Its name and version travel with every score."""

    @property
    def name(self) -> str:
        """Which one, with the options that change texts: ``"english"``."""

    @property
    def version(self) -> str:
        """Raised when any text may come out differently."""

    def __call__(self, text: str) -> str:
        """The text in the form in which it is compared."""


@dataclass(frozen=True)
class Custom:
    """A user's own function, known by where it is defined and by a digest of what it does.

    >>> Custom(str.casefold).name, Custom(str.casefold)("Straße")
    ('custom:builtins.str.casefold', 'strasse')
    """

    function: Callable[[str], str]

    @property
    def name(self) -> str:
        """``custom:module.qualname``."""
        called = self.function.func if isinstance(self.function, functools.partial) else self.function
        named = called if hasattr(called, "__qualname__") else type(called)
        owner = getattr(named, "__objclass__", None)  # str.lower has no module of its own
        module = getattr(named, "__module__", None) or getattr(owner, "__module__", None) or "builtins"
        return f"custom:{module}.{named.__qualname__}"

    @property
    def version(self) -> str:
        """A digest of the source, else of the bytecode; Python's own functions have Python's version."""
        return _digest(self.function)

    def __call__(self, text: str) -> str:
        """What the function returns, which must be text."""
        normalized: object = self.function(text)
        if not isinstance(normalized, str):
            raise OptionError(
                f"a normalizer gives text, but {self.name} gave {type(normalized).__name__} for {text[:40]!r}"
            )
        return normalized


def _digest(function: Any) -> str:
    given: list[object] = []
    while isinstance(function, functools.partial):
        given += [function.args, sorted(function.keywords.items())]
        function = function.func
    if not inspect.isroutine(function):
        given.append(sorted(getattr(function, "__dict__", {}).items()))
        function = type(function)
    try:
        body = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            return f"python-{platform.python_version()}"
        body = f"{code.co_code.hex()} {code.co_names} {_constants(code)}"
    given += [getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
    for cell in getattr(function, "__closure__", None) or ():
        try:
            given.append(cell.cell_contents)
        except ValueError:  # not filled yet
            given.append(None)
    kept = [repr(value) for value in given if " at 0x" not in repr(value)]  # an address differs from run to run
    return hashlib.sha256("\n".join([body, *kept]).encode("utf-8", "replace")).hexdigest()[:DIGEST_LETTERS]


def _constants(code: Any) -> str:
    return repr([_constants(value) if inspect.iscode(value) else repr(value) for value in code.co_consts])
