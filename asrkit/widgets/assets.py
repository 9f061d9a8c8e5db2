"""The files of the pages: one ES module a widget, joined by plain concatenation, and one style for all."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

__all__ = ["STATIC", "module", "style"]

STATIC = Path(__file__).parent / "static"
_BARE = re.compile(r"^[ \t]+|^[ \t]*//.*\n|^\n", re.MULTILINE)  # no text in our modules runs over several lines


@cache
def module(name: str) -> str:
    """The ES module of a widget: what all share, then its own, which exports ``{ render }``.

    Without indentation and lines of comment, since notebooks that store the state of widgets store this too.

    >>> module("player").count("export default")
    1
    """
    whole = "\n".join((STATIC / f"{part}.js").read_text(encoding="utf-8") for part in ("common", name))
    return _BARE.sub("", whole)


@cache
def style(name: str = "") -> str:
    """The style of all widgets, that of the aligned rows in scores and reports, and the widget's own if it has one."""
    from ..evaluate import views

    own = STATIC / f"{name}.css"
    files = [STATIC / "style.css", *([own] if name and own.is_file() else [])]
    return views.STYLE + _BARE.sub("", "".join(file.read_text(encoding="utf-8") for file in files))
