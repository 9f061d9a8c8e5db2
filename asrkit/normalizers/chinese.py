"""Simplified and traditional Chinese, by OpenCC."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import cast

from ..errors import MissingExtraError, OptionError

__all__ = ["SCRIPTS", "converted"]

SCRIPTS = {"simplified": "t2s", "traditional": "s2t"}  # OpenCC's names of the conversions


def converted(text: str, script: str) -> str:
    """The text in simplified or in traditional characters.

    Raises:
        MissingExtraError: OpenCC is not installed.
        OptionError: there is no such script.
    """
    return _converter(script)(text) if not text.isascii() else text


@functools.cache
def _converter(script: str) -> Callable[[str], str]:
    if script not in SCRIPTS:
        raise OptionError(f"chinese is 'simplified', 'traditional' or None, not {script!r}")
    try:
        import opencc  # an extra
    except ImportError as error:
        raise MissingExtraError("opencc is not installed; run: pip install 'asrkit-pandas[chinese]'") from error
    return cast("Callable[[str], str]", opencc.OpenCC(SCRIPTS[script]).convert)
