"""HTML that cannot be broken by what it shows: text is escaped unless it is markup already."""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import Any

__all__ = ["MINUS", "Html", "direction", "element", "joined", "named", "shortened"]

_BREAK = re.compile(r"[/_:-](?=[^\W\d_])|\w{20}(?=\w{8})")  # a digest has no better place
MINUS = "\N{MINUS SIGN}"
_VOID = frozenset({"br", "col", "hr", "link", "meta", "wbr"})
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # no part of a page


class Html(str):
    """Markup, to be taken as it is."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Html:
    """An element of a page.

    Args:
        name: of its tag.
        children: ``Html`` stays, None is left out, anything else is text and is escaped.
        attributes: ``class_`` is class and ``aria_label`` is aria-label; None and False leave one out.

    >>> element("b", "a<b", element("i", 1), class_='"x"', hidden=True)
    '<b class="&quot;x&quot;" hidden>a&lt;b<i>1</i></b>'
    """
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_escaped(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{told}>" if name in _VOID else f"<{name}{told}>{joined(*children)}</{name}>")


def joined(*children: object) -> Html:
    """Markup and text, one after the other.

    >>> joined("a & b ", element("br"))
    'a &amp; b <br>'
    """
    return Html(
        "".join(child if isinstance(child, Html) else _escaped(child) for child in children if child is not None)
    )


def shortened(text: object, letters: int = 120) -> str:
    """A name that may be longer than there is room for, on one line.

    >>> shortened("a  long name", 7)
    'a long…'
    """
    told = " ".join(_CONTROL.sub("�", str(text)).split())
    return told if len(told) <= letters else told[: letters - 1].rstrip() + "…"


def named(name: object, letters: int = 120) -> Html:
    """A name inside a sentence or a cell: it runs its own way, and may break after a slash, dash or underscore.

    >>> named("@cf/whisper")
    '<bdi>@cf/<wbr>whisper</bdi>'
    """
    parts = _BREAK.sub("\\g<0>\0", shortened(name, letters)).split("\0")
    return element("bdi", *(joined(element("wbr") if place else None, part) for place, part in enumerate(parts)))


def direction(text: str) -> str:
    """Which way a text runs, by its first letter that runs some way.

    >>> direction("12 cats"), direction("שלום cat")
    ('ltr', 'rtl')
    """
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in ("L", "R", "AL"):
            return "ltr" if kind == "L" else "rtl"
    return "ltr"


def _escaped(value: Any) -> str:
    return escape(_CONTROL.sub("\ufffd", str(value)))
