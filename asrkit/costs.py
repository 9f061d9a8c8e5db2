"""What a run would cost, told before a byte is sent."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from .audio import probe, stream
from .cloudflare.account import host_elsewhere
from .cloudflare.models import check_options, model_of
from .cloudflare.prices import AS_OF, DOLLARS_PER_NEURON, FREE_NEURONS, Price, money, price_of, warn_if_old
from .columns import column_of
from .errors import AsrkitError, OptionError
from .progress import Progress
from .seconds import checked_seconds
from .source import UrlSource, is_missing, locate
from .turns import EACH

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Estimate", "estimate"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What transcribing some audio would cost.

    Args:
        model: that would hear it.
        rows: with audio.
        seconds: of audio, in the rows whose length is known.
        requests: that would be sent at least; long recordings are cut at pauses, which may take a few more.
        unknown: rows whose length is not known: not fetched, or not readable. They come on top.
        price: of the model; None where it runs on this machine.
        paid_seconds: of audio that are paid, where that is not ``seconds``: of each channel that is heard by itself.
    """

    model: str
    rows: int
    seconds: float
    requests: int
    unknown: int
    price: Price | None
    paid_seconds: float | None = None

    @property
    def minutes(self) -> float:
        """Of audio."""
        return self.seconds / 60

    @property
    def neurons(self) -> float | None:
        """Cloudflare's unit; 0 on this machine, None where no price is published."""
        return 0.0 if self.price is None else self.price.neurons(self._paid)

    @property
    def dollars(self) -> float | None:
        """At list price, without any free allocation; 0 on this machine, None where no price is published."""
        return 0.0 if self.price is None else self.price.dollars(self._paid)

    @property
    def _paid(self) -> float:
        return self.seconds if self.paid_seconds is None else self.paid_seconds

    @property
    def free_dollars(self) -> float | None:
        """What of it one day's free allocation covers, if nothing else has used it."""
        return None if self.neurons is None else min(self.neurons, FREE_NEURONS) * DOLLARS_PER_NEURON

    def __str__(self) -> str:
        where = "on this machine at no charge" if self.price is None else f"{self.requests:,} requests or more"
        lines = [f"{self.model}: {self.rows:,} rows, {self.minutes:,.1f} min of audio, {where}"]
        if self.paid_seconds is not None:
            lines.append(f"  each channel is heard and paid by itself: {self.paid_seconds / 60:,.1f} min")
        if self.dollars is None or self.neurons is None or self.free_dollars is None:
            why = f"no price is published for it (as of {AS_OF})" if self.price is None else self.price.unknown_told
            lines.append(f"  {why}: unknown, not zero")
        elif self.price is not None:
            lines.append(
                f"  {self.neurons:,.0f} neurons, {money(self.dollars)} at list price (as of {self.price.as_of})"
            )
            lines.append(
                f"  a day's free allocation of {FREE_NEURONS:,.0f} neurons covers {money(self.free_dollars)} of it, "
                f"if nothing else uses it: {money(self.dollars - self.free_dollars)} remain"
            )
        if self.unknown:
            lines.append(f"  {self.unknown:,} rows are not in it: not fetched, or not readable")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def estimate(
    data: pd.DataFrame | Iterable[object],
    audio: object = None,
    *,
    model: object = "@cf/openai/whisper",
    start: object = None,
    end: object = None,
    channel: int | str | None = None,
    progress: bool = True,
    **options: Any,
) -> Estimate:
    """What ``transcribe`` would cost, from the lengths of the recordings; nothing is sent, no credentials needed.

    Args:
        data: a frame, or cells as for ``asrkit.transcribe``.
        audio: the frame's column with paths, bytes or arrays with their rate.
        model: a name or a backend.
        start: the frame's column with the first second wanted, or one value a cell.
        end: the frame's column with the second to stop before, or one value a cell.
        channel: as for ``transcribe``. With ``each`` every channel is paid: that is the most, since silent channels,
            and those with the same sound, are only found when they are decoded.
        progress: show a bar.
        options: those of the run, which are checked; ``longest`` changes the number of requests.

    Raises:
        ColumnError: no such column.
        OptionError: no column was named, or an option that the model does not have.

    >>> import numpy as np
    >>> minute = (np.zeros(60 * 8_000, np.int16), 8_000)
    >>> told = estimate([minute, minute, None])
    >>> told.rows, told.minutes, round(told.dollars, 6)
    (2, 2.0, 0.000905)
    >>> estimate([minute], model="@cf/openai/whisper-tiny-en").dollars is None
    True
    """
    name = model if isinstance(model, str) else str(getattr(model, "name", type(model).__name__))
    longest = _longest(name, model, options)
    cells, given_starts, given_ends = _columns(data, audio, start, end)
    starts = checked_seconds(given_starts, "start") or []
    ends = checked_seconds(given_ends, "end") or []
    is_each = channel == EACH
    is_paid_by_channel = is_each or _hears_channels(model, options)
    seconds, paid, rows, requests, unknown = 0.0, 0.0, 0, 0, 0
    workers = min(16, max(2, os.cpu_count() or 1))
    with (
        ThreadPoolExecutor(workers, thread_name_prefix="asrkit-probe") as pool,
        Progress(len(cells), enabled=progress, description="estimate") as bar,
    ):
        for length, channels in pool.map(_length, cells, starts, ends):
            bar.expect(length)
            bar.finish(length, 0.0, failed=False)
            if length == 0.0:
                continue
            rows += 1
            if length is None:
                unknown += 1
                continue
            seconds += length
            paid += length * (channels if is_paid_by_channel else 1)
            requests += ceil(length / longest) * (channels if is_each else 1)
    price = _price(name, model, options)
    warn_if_old(price)
    return Estimate(name, rows, seconds, requests, unknown, price, paid if is_paid_by_channel else None)


def _price(name: str, model: object, options: dict[str, Any]) -> Price | None:
    """What the service asks for; None on this machine, and unknown where another host answers in Cloudflare's place."""
    from .backends.workers_ai import WorkersAI

    if isinstance(model, WorkersAI):
        return price_of(name, model.account.elsewhere)
    return price_of(name, host_elsewhere(options.get("base_url"))) if name.startswith("@cf/") else None


def _hears_channels(model: object, options: dict[str, Any]) -> bool:
    return bool(getattr(model, "hears_channels", options.get("multichannel")))


def _longest(name: str, model: object, options: dict[str, Any]) -> float:
    """Seconds of one request; options of a service are checked as the run would."""
    from .backends.workers_ai import LONGEST, WorkersAI

    if isinstance(model, WorkersAI):
        return model.longest
    if name.startswith("@cf/"):
        own = inspect.signature(WorkersAI).parameters
        check_options(model_of(name), {option: value for option, value in options.items() if option not in own})
    return float(options.get("longest") or LONGEST)


def _columns(data: Any, audio: object, start: object, end: object) -> tuple[list[Any], Sequence[Any], Sequence[Any]]:
    if not hasattr(data, "columns"):
        cells = list(data)
        starts: Any = start if start is not None else [None] * len(cells)
        ends: Any = end if end is not None else [None] * len(cells)
        for name, values in (("start", starts), ("end", ends)):
            if len(values) != len(cells):
                raise OptionError(f"{name} has {len(values)} values for {len(cells)} cells; give one a cell")
        return cells, starts, ends
    if audio is None:
        raise OptionError("name the column with the audio: asrkit.estimate(df, 'path')")
    none = [None] * len(data)
    return (
        column_of(data, audio),
        none if start is None else column_of(data, start),
        none if end is None else column_of(data, end),
    )


def _length(cell: object, start: Any, end: Any) -> tuple[float | None, int]:
    """Seconds, 0 where there is no audio and None where the length is not known; and the number of channels."""
    if is_missing(cell):
        return 0.0, 1
    if isinstance(start, AsrkitError) or isinstance(end, AsrkitError):
        return None, 1
    first = start or 0.0
    try:
        source = locate(cell)
        if isinstance(source, UrlSource):
            return None, 1
        info = probe(source)
        seconds = info.duration
        if seconds is None:  # no header tells: only the sound itself does
            seconds = sum(block.duration for block in stream(source))
    except AsrkitError:
        return None, 1
    last = seconds if end is None else min(end, seconds)
    return max(0.0, last - first), info.channels
