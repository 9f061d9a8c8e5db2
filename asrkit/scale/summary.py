"""What came of a shard, and of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..cloudflare.prices import money
from ..transcript import total

__all__ = ["ShardResult", "Summary"]


@dataclass(frozen=True, slots=True)
class ShardResult:
    """What came of one shard.

    Args:
        name: of the file that was written.
        rows: all of them, also those without audio or with an error.
        missing: rows without audio.
        failed: rows by the code of their error.
        audio_seconds: of the rows that have a text.
        elapsed: seconds of work.
        writing: seconds of it until the file was safe on the disk, after its last row.
        cost: dollars of the rows, None where nothing is paid or the price is unknown.
    """

    name: str
    rows: int = 0
    missing: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    audio_seconds: float = 0.0
    elapsed: float = 0.0
    writing: float = 0.0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a call of ``transcribe_files`` did.

    Args:
        out: the folder.
        shards: all that there are.
        done: shards written by this call.
        skipped: shards that were there already; their rows are not counted.
        broken: shards that could not be done, by name, with the reason. The next call tries them again.
        rows: of the shards done.
        missing: rows of them without audio.
        failed: rows of them by the code of their error.
        audio_seconds: of the rows with a text.
        elapsed: seconds of the whole call.
        cost: dollars, None where nothing is paid or the price is unknown.
        restarts: workers that died and were started again.
    """

    out: str
    shards: int
    done: int = 0
    skipped: int = 0
    broken: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    missing: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    audio_seconds: float = 0.0
    elapsed: float = 0.0
    cost: float | None = None
    restarts: int = 0

    @classmethod
    def of(
        cls,
        out: str,
        results: Iterable[ShardResult],
        *,
        skipped: int,
        left: int,
        broken: Mapping[str, str],
        elapsed: float,
        restarts: int,
    ) -> Summary:
        """Counts added up; ``left`` shards were not reached."""
        listed = list(results)
        failed: Counter[str] = Counter()
        for result in listed:
            failed.update(result.failed)
        return cls(
            out,
            len(listed) + skipped + left + len(broken),
            len(listed),
            skipped,
            dict(broken),
            sum(result.rows for result in listed),
            sum(result.missing for result in listed),
            dict(failed.most_common()),
            sum(result.audio_seconds for result in listed),
            elapsed,
            total(result.cost for result in listed),
            restarts,
        )

    @property
    def is_complete(self) -> bool:
        """Whether every shard is there now."""
        return self.done + self.skipped == self.shards

    @property
    def rtfx(self) -> float:
        """Seconds of audio for each second of this call."""
        return self.audio_seconds / self.elapsed if self.elapsed else 0.0

    def __str__(self) -> str:
        there = f", {self.skipped:,} were there already" if self.skipped else ""
        lines = [f"{self.out}: {self.done:,} of {self.shards:,} shards done{there}"]
        if self.done:
            failed = sum(self.failed.values())
            lines.append(
                f"  {self.rows:,} rows: {self.rows - failed - self.missing:,} texts, {self.missing:,} without audio, "
                f"{failed:,} failed"
            )
            lines += [f"    {count:,} {code}" for code, count in self.failed.items()]
            speed = f" ({self.rtfx:,.0f}x real time)" if self.rtfx >= 1 else ""
            lines.append(f"  {self.audio_seconds / 3600:,.2f} h of audio in {self.elapsed:,.1f} s{speed}")
        if self.cost is not None:
            lines.append(f"  {money(self.cost)} at list price")
        if self.restarts:
            lines.append(f"  {self.restarts:,} workers died and were started again")
        lines += [f"  not done: {name}: {why}" for name, why in self.broken.items()]
        if left := self.shards - self.done - self.skipped - len(self.broken):
            lines.append(f"  {left:,} shards are left; the same call goes on from here")
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))
