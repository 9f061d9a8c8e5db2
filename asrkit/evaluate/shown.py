"""How results are shown: pages and pictures know results, results do not know them, so they are loaded by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

__all__ = ["Shown"]


class Shown:
    """What a result can be asked to show; the work is done in ``views``, ``plots``, ``report`` and ``record``."""

    __slots__ = ()
    _kind: ClassVar[str]

    def _repr_html_(self) -> str:
        return str(getattr(_module("views"), f"{self._kind}_view")(self))

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """A figure of matplotlib; see ``plots.plot_score`` and ``plots.plot_comparison`` for the kinds."""
        return getattr(_module("plots"), f"plot_{self._kind}")(self, kind, **options)

    def to_html(self, path: str | Path | None = None, **options: Any) -> str:
        """A page that stands alone, written to ``path``; see ``report.report``."""
        return str(_module("report").report(self, path, **options))

    def browse(self, frame: Any = None, audio: Any = None, **options: Any) -> Any:
        """Look through its rows in a notebook; see ``widgets.browser.browse_scores`` for the arguments."""
        paths = getattr(self, "paths", None) if frame is None else None
        scores = list(getattr(self, "scores", [self]))
        return import_module("asrkit.widgets.browser").browse_scores(scores, frame, audio, paths=paths, **options)

    def to_json(self, path: str | Path | None = None, *, rows: bool = True) -> str:
        """Everything that is needed to make it again and to trace it; see ``record.to_json``."""
        return str(_module("record").to_json(self, path, rows=rows))


def _module(name: str) -> Any:
    return import_module(f".{name}", __package__)
