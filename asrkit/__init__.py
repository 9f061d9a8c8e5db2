"""Speech recognition for pandas: a column of audio becomes text.

>>> import numpy as np, pandas as pd, asrkit
>>> df = pd.DataFrame({"audio": [(np.zeros(16_000), 16_000)]})
>>> df.asr.transcribe("audio", model=asrkit.Canned(["hello world"]))["hypothesis"].tolist()
['hello world']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import frame as frame  # registers Series.asr and DataFrame.asr
from .version import VERSION

if TYPE_CHECKING:  # editors and mypy see the real ones ...
    from .audio import Audio
    from .backends.base import Backend
    from .backends.canned import Canned
    from .backends.pipeline import Pipeline
    from .backends.whisper import Whisper
    from .backends.workers_ai import WorkersAI
    from .batch import transcribe
    from .costs import estimate
    from .evaluate.annotators import agreement
    from .labels import read_labels
    from .outcomes import Failure
    from .scale.files import transcribe_files, transcribe_shard
    from .scale.planning import plan
    from .transcript import Segment, Transcript, Word
    from .widgets.browser import Browser
    from .widgets.labeler import Labeler
    from .widgets.player import Player

_LAZY = {  # ... Python imports them on first use
    "Audio": ".audio",
    "Backend": ".backends.base",
    "Browser": ".widgets.browser",
    "Canned": ".backends.canned",
    "Failure": ".outcomes",
    "Labeler": ".widgets.labeler",
    "Pipeline": ".backends.pipeline",
    "Player": ".widgets.player",
    "Segment": ".transcript",
    "Transcript": ".transcript",
    "Whisper": ".backends.whisper",
    "Word": ".transcript",
    "WorkersAI": ".backends.workers_ai",
    "agreement": ".evaluate.annotators",
    "estimate": ".costs",
    "read_labels": ".labels",
    "plan": ".scale.planning",
    "transcribe": ".batch",
    "transcribe_files": ".scale.files",
    "transcribe_shard": ".scale.files",
}

__version__ = VERSION
__all__ = [
    "Audio",
    "Backend",
    "Browser",
    "Canned",
    "Failure",
    "Labeler",
    "Pipeline",
    "Player",
    "Segment",
    "Transcript",
    "Whisper",
    "Word",
    "WorkersAI",
    "agreement",
    "estimate",
    "plan",
    "read_labels",
    "transcribe",
    "transcribe_files",
    "transcribe_shard",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
