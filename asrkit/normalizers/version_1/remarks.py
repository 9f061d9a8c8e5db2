"""Remarks in brackets as version 1 took them out: whatever is in them."""

from __future__ import annotations

import re

__all__ = ["without_remarks"]

_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">", "\u3010": "\u3011"}
_TAG = re.compile(r"<[a-z!/|][^<>]*>", re.IGNORECASE)


def without_remarks(text: str) -> str:
    """What is in brackets says what is not spoken: noises, speakers, tags.

    >>> without_remarks("so [laughter] it (noise) is <unk> 1 < 2")
    'so   it   is   1 < 2'
    """
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not any(opening in text for opening in "([{\u3010"):
        return text
    opened: list[tuple[str, int]] = []
    out: list[str] = []
    for char in text:
        if char in "([{\u3010":
            opened.append((_CLOSING[char], len(out)))
        elif char in ")]}\u3011" and any(closing == char for closing, _ in opened[-8:]):
            while True:
                closing, start = opened.pop()
                if closing == char:
                    break
            del out[start:]
            out.append(" ")
            continue
        out.append(char)
    return "".join(out)
