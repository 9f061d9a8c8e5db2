"""A file as decoders need it: it never raises inside their callbacks."""

from __future__ import annotations

import errno
from typing import IO, Any

from .errors import SourceError

__all__ = ["SteadyFile"]


class SteadyFile:
    """An open file whose failures are answers, as they are between FFmpeg and its own files.

    A decoder written in C calls back for bytes. An exception cannot pass through it: it is printed, or raised later
    from another call. So a position that does not exist is answered with an error number, and a disk that cannot be
    read with the end of the file and the reason in ``failure``.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begin = 0
        self.failure: Exception | None = None

    def begin_at(self, offset: int) -> None:
        """Count positions from this byte of the file on, as if there were nothing before it."""
        self._begin = offset

    def read(self, count: int = -1) -> bytes:
        """The next bytes; none at the end or after a failure."""
        try:
            return self._file.read(count)
        except (OSError, ValueError) as error:
            self.failure = error
            return b""

    def readinto(self, buffer: Any) -> int:
        """As ``read``, into memory that is there; gives how many bytes."""
        try:
            return int(self._file.readinto(buffer))  # type: ignore[attr-defined]  # every binary file has it
        except (OSError, ValueError) as error:
            self.failure = error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position, or ``-EINVAL`` where there is none such."""
        if whence == 0 and offset < 0:
            return -errno.EINVAL
        try:
            return self._file.seek(offset + (0 if whence else self._begin), whence) - self._begin
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL

    def tell(self) -> int:
        """The position, 0 where it cannot be known."""
        try:
            return self._file.tell() - self._begin
        except (OSError, ValueError) as error:
            self.failure = error
            return 0

    def check(self) -> None:
        """Go on only if all reading went well.

        Raises:
            SourceError: ``unreadable``.
        """
        if self.failure is not None:
            raise SourceError(
                f"the file cannot be read to its end ({self.failure}); check the disk or the connection to it",
                code="unreadable",
            ) from self.failure
