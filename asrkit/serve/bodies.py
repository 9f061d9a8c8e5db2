"""Memory for the bodies of requests, and who gives way when it is full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from .answers import Refusal, refused

__all__ = ["Bodies", "Upload"]

PATIENCE = 4.0  # seconds for which an upload waits for memory
LOOK_AGAIN = 0.25  # seconds after which one that waits looks for others that have become slow
SHARE_OF_LARGE = (
    3 / 4
)  # of the memory, for what is beyond the first bytes of each body; the rest is kept for small ones
SMALL = 1 / 64  # of the memory: those first bytes
SHARE_OF_ONE = 1 / 2  # of the memory, which one address may hold while another one needs some
PACE_SECONDS = 1.0  # over which the pace of an upload is taken
TRICKLE = 16 * 1024  # bytes that each upload may take in that time when it would have to wait: its pace shows in them
SLOWED = 1 / 8  # of its average pace, below which an upload has as good as stopped


class Bodies:
    """The memory that all requests share.

    What is taken is what has arrived, not what was promised. When it is full, the slowest upload gives way: one that
    has stopped, or that became much slower than it was. If none is slow, an upload of the address that holds most of
    the memory gives way to another address. Else the newcomer waits for a moment, and is refused in the end.

    Args:
        limit: bytes.
        idle: seconds without a byte, or at less than the least rate, after which an upload is refused in any case.
        least_rate: bytes per second.
    """

    def __init__(self, limit: float, idle: float, least_rate: float) -> None:
        self.limit, self.idle, self.least_rate = limit, idle, least_rate
        self.held = 0.0
        self._uploads: set[Upload] = set()
        self._freed = asyncio.Event()

    @contextmanager
    def upload(self, address: str = "") -> Iterator[Upload]:
        """A place for one body; what it holds is given back at the end."""
        upload = Upload(self, address)
        self._uploads.add(upload)
        try:
            yield upload
        finally:
            self._uploads.discard(upload)
            self.free(upload.held)
            upload.held = 0

    def add(self, amount: float) -> None:
        """Take memory."""
        self.held += amount

    def free(self, amount: float) -> None:
        """Give it back."""
        self.held -= amount
        self._freed.set()

    async def make_room(self, upload: Upload, amount: int) -> None:
        """Return when there is room for more bytes of this upload.

        Raises:
            Refusal: 3040, there is none.
        """
        until = time.monotonic() + PATIENCE
        while not self._has_room(upload, amount):
            if (other := self._who_gives_way(upload)) is not None:
                other.evict()
            elif time.monotonic() > until or self._is_too_many(upload):
                raise refused(3040, retry_after=2)
            else:
                self._freed.clear()
                try:
                    async with asyncio.timeout(LOOK_AGAIN):
                        await self._freed.wait()
                except TimeoutError:
                    continue

    def _has_room(self, upload: Upload, amount: int) -> bool:
        is_small = upload.held + amount <= SMALL * self.limit or upload.of_late + amount <= TRICKLE
        return self.held + amount <= self.limit * (1 if is_small else SHARE_OF_LARGE)

    def _who_gives_way(self, upload: Upload) -> Upload | None:
        others = [other for other in self._uploads if other is not upload and other.is_arriving and other.held]
        now = time.monotonic()
        slow = [other for other in others if other.is_slow(now)]
        if slow:
            return max(slow, key=lambda other: other.held / max(1.0, other.pace(now)))
        most = SHARE_OF_ONE * self.limit
        greedy = [other for other in others if other.address != upload.address and self._held_by(other.address) > most]
        return max(greedy, key=lambda other: other.began, default=None)

    def _held_by(self, address: str) -> float:
        return sum(upload.held for upload in self._uploads if upload.address == address)

    def _is_too_many(self, upload: Upload) -> bool:
        """Whether all wait for each other, and this upload is the one that goes, so that the others can end.

        It is the last that came of those that hold much: the first is nearest to its end, and one that holds little
        would leave little.
        """
        arriving = sorted((other for other in self._uploads if not other.is_whole), key=lambda other: other.began)
        if len(arriving) < 2 or not all(other.is_waiting for other in arriving):
            return False
        average = sum(other.held for other in arriving) / len(arriving)
        large = [other for other in arriving[1:] if other.held >= average]
        return upload is (large or arriving)[-1]


class Upload:
    """One body on its way: what it holds, and how fast it comes.

    Args:
        bodies: the memory.
        address: of the client.
    """

    def __init__(self, bodies: Bodies, address: str) -> None:
        self._bodies, self.address = bodies, address
        self.held = 0
        self.began = time.monotonic()
        self.is_waiting = self.is_whole = self.is_evicted = False
        self._came = self.began  # when the last bytes did
        # When, and what had come by then. The pace is taken since the first of the two; the second takes its place.
        self._marks = [(self.began, 0), (self.began, 0)]
        self._checked = (self.began, 0)  # the same, for the least rate
        self._timeout: asyncio.Timeout | None = None

    # -- as the request sees it ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[None]:
        """Wait for the next bytes.

        Raises:
            Refusal: 3007, they do not come, or not while others need the memory.
        """
        try:
            async with asyncio.timeout(self._bodies.idle) as self._timeout:
                yield
        except TimeoutError:
            if self.is_evicted:
                raise self._evicted() from None
            raise refused(3007, more=f"the body stopped arriving for {self._bodies.idle:g} seconds") from None
        finally:
            self._timeout = None

    async def take(self, amount: int) -> None:
        """Take memory for bytes that have come.

        Raises:
            Refusal: 3007 when they come too slowly, 3040 when the memory is full.
        """
        if self.is_evicted:  # and the bytes came at the same moment
            raise self._evicted()
        self._check_rate()
        asked = time.monotonic()
        self.is_waiting = True
        try:
            await self._bodies.make_room(self, amount)
        finally:
            self.is_waiting = False
        self._came = time.monotonic()
        waited = self._came - asked  # which is not the client's fault
        self._checked = (self._checked[0] + waited, self._checked[1])
        self._marks = [(when + waited, held) for when, held in self._marks]
        self.held += amount
        self._bodies.add(amount)
        if self._came - self._marks[1][0] >= PACE_SECONDS:
            self._marks = [self._marks[1], (self._came, self.held)]

    def becomes(self, size: int) -> None:
        """The body is needed no longer; what was made of it has this many bytes."""
        self._bodies.add(size)
        self._bodies.free(self.held)
        self.held = size

    @staticmethod
    def _evicted() -> Refusal:
        return refused(3007, more="the body came too slowly while the server's memory was full")

    def _check_rate(self) -> None:
        now = time.monotonic()
        began, held = self._checked
        if now - began < self._bodies.idle:
            return
        if self.held - held < self._bodies.least_rate * (now - began):
            raise refused(3007, more=f"the body came at less than {self._bodies.least_rate:g} bytes per second")
        self._checked = (now, self.held)

    # -- as the others see it ------------------------------------------------------------------------------------

    @property
    def is_arriving(self) -> bool:
        """Whether it is the client that has to go on."""
        return self._timeout is not None and not self.is_evicted

    @property
    def of_late(self) -> int:
        """Bytes since the pace was last noted."""
        return self.held - self._marks[1][1]

    def pace(self, now: float) -> float:
        """Bytes per second, of the last one or two seconds."""
        if now - self._came >= PACE_SECONDS:
            return 0.0
        since, held = self._marks[0]
        return (self.held - held) / max(PACE_SECONDS, now - since)

    def is_slow(self, now: float) -> bool:
        """Whether it has stopped, or as good as."""
        elapsed = now - self.began
        if elapsed < PACE_SECONDS:
            return False
        return self.pace(now) < max(self._bodies.least_rate, SLOWED * self.held / elapsed)

    def evict(self) -> None:
        """Give all memory back and refuse the request."""
        assert self._timeout is not None
        self.is_evicted = True
        self._bodies.free(self.held)
        self.held = 0
        self._timeout.reschedule(asyncio.get_running_loop().time())
