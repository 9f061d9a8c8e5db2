"""What an answer of nova-3 holds beside text, times and voices: topics, sentiments, entities, search hits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["further"]

# What a ``Transcript`` has fields for; whatever else an answer holds is kept, known by name or not.
_OF_WORDS = frozenset({"word", "punctuated_word", "start", "end", "confidence", "speaker"})
_OF_ALTERNATIVES = frozenset({"transcript", "confidence"})
_OF_UTTERANCES = frozenset({"transcript", "confidence", "words", "start", "end", "channel", "speaker", "id"})


def further(result: Mapping[str, Any]) -> str | None:
    """The rest of an answer as the JSON text of an object, in its own structure; None if there is none.

    Words that have something more come with their times, so that they can be found.

    >>> words = [{"word": "so", "start": 0.1, "end": 0.2, "confidence": 0.9}]
    >>> channel = {"alternatives": [{"transcript": "so", "confidence": 0.9, "words": words}]}
    >>> further({"results": {"channels": [channel], "summary": {"short": "So."}}})
    '{"results": {"summary": {"short": "So."}}}'
    """
    left = _without_empty({**result, "results": _results(result.get("results"))})
    return json.dumps(left, ensure_ascii=False) if left else None


def _results(results: Any) -> Any:
    if not isinstance(results, Mapping):
        return results
    left = dict(results)
    for name, rest in (("channels", _channel), ("utterances", _utterance)):
        if isinstance(left.get(name), list):
            left[name] = _list([rest(item) if isinstance(item, Mapping) else item for item in left[name]])
    return _without_empty(left)


def _list(items: list[Any]) -> list[Any]:
    """A list in which something is left, each item at its index; else an empty one."""
    return items if any(item not in ({}, [], None) for item in items) else []


def _channel(channel: Mapping[str, Any]) -> Any:
    left = dict(channel)
    if isinstance(left.get("alternatives"), list):
        given = left["alternatives"]
        left["alternatives"] = _list([_alternative(item) if isinstance(item, Mapping) else item for item in given])
    return _without_empty(left)


def _alternative(alternative: Mapping[str, Any]) -> Any:
    left = {name: value for name, value in alternative.items() if name not in _OF_ALTERNATIVES}
    if isinstance(left.get("words"), list):
        left["words"] = [_word(word) for word in left["words"] if isinstance(word, Mapping) and set(word) - _OF_WORDS]
    return _without_empty(left)


def _utterance(utterance: Mapping[str, Any]) -> Any:
    return {name: value for name, value in utterance.items() if name not in _OF_UTTERANCES}


def _word(word: Mapping[str, Any]) -> Any:
    return {name: value for name, value in word.items() if name in ("start", "end") or name not in _OF_WORDS}


def _without_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ({}, [], None)}
