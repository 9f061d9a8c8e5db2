"""What all widgets are: the page asks by messages, Python answers, and a notebook without kernel still reads well.

Sound never lies in a trait: traits are sent again at every reload of the page and are stored in notebooks. Traits
hold small JSON; everything else is asked for.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from ..errors import AsrkitError, OptionError
from ..evaluate.markup import Html, element
from ..evaluate.views import STYLE
from ..regular import whole_file
from ..source import is_missing
from .assets import module, style
from .clips import WINDOW, Clips
from .offline import page

__all__ = ["Reply", "Widget"]

Buffers = Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What goes back to the page: JSON, and bytes beside it."""

    content: Mapping[str, Any]
    buffers: Sequence[bytes] = field(default=())


class Widget(anywidget.AnyWidget):
    """A widget that answers the questions of its page.

    A subclass sets ``_name`` (of its module in ``static/``) and has a method ``answer_<op>(message, buffers)`` for
    every question; it runs under ``lock``, because a notebook calls it on another thread than the user's cells.

    Attributes:
        item: what is shown, small JSON: ``{"id": ..., ...}``.
        options: how it is shown, small JSON.
        clips: the sounds, by item id.
        lock: of everything that a handler and a cell could touch at once.
    """

    _name: ClassVar[str] = ""
    item = traitlets.Dict().tag(sync=True)
    options = traitlets.Dict().tag(sync=True)
    clips: Clips

    def __init_subclass__(cls, **options: Any) -> None:
        if "_name" in cls.__dict__:  # traitlets makes subclasses of its own, which have the traits already
            cls._esm = module(cls._name)
            cls._css = style(cls._name)
        super().__init_subclass__(**options)

    def __init__(self, clips: Clips, **traits: Any) -> None:
        self.lock = threading.RLock()
        self.clips = clips
        super().__init__(**traits)
        self.on_msg(self._received)

    # -- questions -------------------------------------------------------------------------------------------

    def answer(self, message: Any, buffers: Buffers = ()) -> Reply | None:
        """The answer to one message of a page; an error is an answer too, in words."""
        op = message.get("op") if isinstance(message, dict) else None
        handler = getattr(self, f"answer_{op}", None) if isinstance(op, str) and op.isidentifier() else None
        echoed = {key: message[key] for key in ("ask", "item_id") if isinstance(message, dict) and key in message}
        with self.lock:
            try:
                if handler is None:
                    raise OptionError(f"this widget knows no message {op!r}; is the page of another version?")
                reply: Reply | None = handler(message, buffers)
            except AsrkitError as error:
                return Reply({**echoed, "op": "error", "of": op, "code": error.code, "message": str(error)})
            except Exception as error:  # nobody would see it: the page has to say it
                told = f"{type(error).__name__}: {error}"
                return Reply({**echoed, "op": "error", "of": op, "code": "unexpected", "message": told})
        return None if reply is None else Reply({**echoed, "op": op, **reply.content}, reply.buffers)

    def _received(self, _widget: Any, message: Any, buffers: Buffers) -> None:
        reply = self.answer(message, buffers)
        if reply is not None:
            self.send(dict(reply.content), list(reply.buffers))

    def answer_clip(self, message: Mapping[str, Any], buffers: Buffers = ()) -> Reply:
        """Sound: of a long clip the window in which second ``at`` lies. Buffers: WAV, peaks."""
        clip = self.clips.clip(message["item_id"], float(message.get("at") or 0.0))
        content = {
            "start": clip.start,
            "end": clip.end,
            "duration": clip.duration,
            "whole": clip.is_whole,
            "window": WINDOW,
            "warnings": list(clip.warnings),
        }
        return Reply(content, (clip.wav, clip.peaks.tobytes()))

    def answer_overview(self, message: Mapping[str, Any], buffers: Buffers = ()) -> Reply:
        """Peaks of a long clip, as far as it was looked through; ask again until ``done``. Buffers: peaks."""
        seen = self.clips.overview(message["item_id"])
        content = {"until": seen.until, "duration": seen.duration, "done": seen.is_done}
        return Reply(content, (seen.peaks.tobytes(),))

    def answer_mel(self, message: Mapping[str, Any], buffers: Buffers = ()) -> Reply:
        """A mel spectrogram of a stretch. Buffers: shades, a row for each band, lowest first."""
        drawn = self.clips.mel(message["item_id"], float(message.get("start") or 0.0), message.get("end"))
        bands, columns = drawn.values.shape
        content = {"start": drawn.start, "end": drawn.end, "bands": bands, "columns": columns}
        return Reply(content, (drawn.values.tobytes(),))

    # -- no kernel -------------------------------------------------------------------------------------------

    def fallback(self) -> Html:
        """What a stored notebook shows where no kernel runs: HTML without sound and without scripts."""
        return element("p", f"{type(self).__name__}: run the cell again to see it.")

    def offline(self) -> Sequence[Mapping[str, Any]]:
        """The questions that the page of ``to_html`` can ask; each is answered now and stored in it."""
        return ()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:
            return None
        data, metadata = bundle
        style_of_rows = element("style", Html(STYLE))  # not that of the widget, which would be in every output
        shown = element("div", style_of_rows, self.fallback(), class_="ak asrkit-fallback")
        return {**data, "text/html": str(shown)}, metadata

    def to_html(self, path: str | Path | None = None, *, title: str | None = None) -> str:
        """The widget as one page that plays without a kernel and without a network, from a file too.

        Args:
            path: where to write it.
            title: of the page.

        Raises:
            SourceError, DecodeError: the sound cannot be had.
        """
        answers = []
        for question in self.offline():
            reply = self.answer({**question})
            if reply is None:
                continue
            if reply.content["op"] == "error" and question["op"] != "mel":
                self._raise_again(question)
            stored = [base64.b64encode(data).decode() for data in reply.buffers]
            answers.append({"question": dict(question), "content": dict(reply.content), "buffers": stored})
        traits = {name: getattr(self, name) for name in self.keys if not name.startswith("_")}
        traits = {name: value for name, value in traits.items() if name not in ("layout", "tabbable", "tooltip")}
        html = page(
            title or f"asrkit {type(self).__name__.lower()}",
            module=module(self._name),
            style=style(),
            traits=traits,
            answers=answers,
        )
        if path is not None:
            with whole_file(Path(path)) as making:
                making.write_text(html, encoding="utf-8")
        return html

    def _raise_again(self, question: Mapping[str, Any]) -> None:
        """Outside a page an error is raised, not shown."""
        with self.lock:
            getattr(self, f"answer_{question['op']}")(question)


def plain_id(label: object) -> str | int | float | None:
    """An index label as JSON has it, so that the page can name it.

    >>> import numpy as np
    >>> plain_id(np.int64(3)), plain_id(("a", 1))
    (3, "('a', 1)")
    """
    if is_missing(label):
        return None
    value = label.item() if hasattr(label, "item") else label
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else str(value)
