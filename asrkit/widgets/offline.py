"""A widget as one file: its module, its style, and the answers that Python gave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluate.markup import Html, element, joined
from .assets import STATIC

__all__ = ["page"]

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; media-src blob:; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)


def page(
    title: str,
    *,
    module: str,
    style: str,
    traits: Mapping[str, Any],
    answers: Sequence[Mapping[str, Any]],
) -> str:
    """A page that stands alone.

    Args:
        title: of the page.
        module: the widget's ES module.
        style: of the widget.
        traits: what its model holds.
        answers: ``{"question": ..., "content": ..., "buffers": [base64, ...]}``, what Python answers.
    """
    stub = (STATIC / "offline.js").read_text(encoding="utf-8")
    data = _script_json({"traits": traits, "answers": answers, "module": module})
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(style)),
    )
    body = element(
        "body",
        element("div", id="widget"),
        element("noscript", "This page plays sound by a script; scripts are switched off here."),
        element("script", Html(data), type="application/json", id="data"),
        element("script", Html(stub), type="module"),
    )
    return str(joined(Html("<!doctype html>\n"), element("html", head, body, lang="en", class_="ak-page")))


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    told = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return told.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
