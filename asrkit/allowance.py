"""How much may arrive for one cell, and for how long: one limit for every way in which bytes come."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from .deadline import Deadline
from .errors import SourceError

__all__ = ["Allowance"]

STEP = 1 << 20  # bytes copied at once
MOST_OVERHEAD = 1 << 20  # bytes of headers, interim answers and redirects


class Allowance:
    """What is left of the bytes and the seconds that one cell may take, however many stages it comes through.

    Args:
        shown: the name of the cell in messages, without secrets.
        most_bytes: over all copies, such as a fetched archive and the file in it.
        most_seconds: from now on.
    """

    def __init__(self, shown: str, most_bytes: int, most_seconds: float) -> None:
        self.shown, self.most_bytes = shown, most_bytes
        self.deadline = Deadline(most_seconds)
        self._kept = self._received = 0

    def keep(self, count: int) -> None:
        """Count bytes that are about to be kept, in memory or on the disk.

        Raises:
            SourceError: ``too-large`` or, where the time is over, ``unreachable``.
        """
        self._kept += count
        if self._kept > self.most_bytes:
            raise self.too_large()
        self.check_time()

    def receive(self, count: int) -> None:
        """Count bytes that came over the network, kept or not, so that no server can send for ever.

        Raises:
            SourceError: ``too-large``, or ``unreachable`` where there is no file behind it.
        """
        self._received += count
        if not self._kept and self._received > MOST_OVERHEAD:
            raise SourceError(
                f"{self.shown} answered with over {_size(MOST_OVERHEAD)} of headers and no file", code="unreachable"
            )
        if self._received > MOST_OVERHEAD + 2 * self.most_bytes:
            raise self.too_large()

    def copy(self, read: Callable[[int], bytes], copy: IO[bytes], step: int = STEP) -> None:
        """Everything that ``read`` gives, written into ``copy``.

        Raises:
            SourceError: as ``keep``.
        """
        while data := read(step):
            self.keep(len(data))
            copy.write(data)

    def check_time(self) -> None:
        """Go on only if there is time left.

        Raises:
            SourceError: ``unreachable``.
        """
        if not self.deadline.left:
            raise self.late()

    def late(self) -> SourceError:
        """The error for what did not come in time."""
        seconds = self.deadline.seconds
        spoken = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} s"
        return SourceError(f"{self.shown} did not come within {spoken}", code="unreachable")

    def too_large(self) -> SourceError:
        """The error for what is too large."""
        return SourceError(
            f"{self.shown} has over {_size(self.most_bytes)}, the limit for what is fetched or unpacked; "
            "fetch or unpack it yourself and name the path of the file",
            code="too-large",
        )


def _size(count: int) -> str:
    """A number of bytes in the unit in which it is short.

    >>> _size(4 * 2**30), _size(1_500)
    ('4 GB', '1,500 bytes')
    """
    for unit, power in (("GB", 30), ("MB", 20)):
        if count >= 2**power:
            return f"{count / 2**power:,.3g} {unit}"
    return f"{count:,} bytes"
