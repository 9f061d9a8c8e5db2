"""What tests ask of a page, whatever is on it."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

# Blob URLs that nobody has given back, as ``urls``.
WATCH_URLS = """
window.urls = new Set();
{
    const [made, revoked] = [URL.createObjectURL, URL.revokeObjectURL];
    URL.createObjectURL = (blob) => { const url = made.call(URL, blob); urls.add(url); return url; };
    URL.revokeObjectURL = (url) => { urls.delete(url); revoked.call(URL, url); };
}
"""


def nameless(page: Any, but: Container[str] = ()) -> list[str]:
    """The roles of what can have the focus and has no name for a screen reader."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [
        node["role"]["value"]
        for node in tree
        if not node["ignored"]
        and any(told["name"] == "focusable" and told["value"]["value"] for told in node.get("properties", []))
        and not node.get("name", {}).get("value")
        and node["role"]["value"] not in but
    ]
