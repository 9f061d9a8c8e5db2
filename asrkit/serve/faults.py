"""Errors on purpose, for tests of clients: what the service does on bad days, when it is asked to.

``--faults header,mix=0.1,seed=7,delay=0.2``:

- ``header``: a request with the header ``x-asrkit-fault: NAME`` or ``NAME:SECONDS`` gets that fault.
- ``mix=SHARE``: that share of the requests get one drawn from those that a client should survive, or from those named
  beside it (``mix=0.5,cut,429-3040``). It is drawn by ``seed``, the content and how often that came before, and no
  content fails more than twice in a row.
- ``delay=SECONDS``: every answer takes that long.

Names: ``STATUS-CODE`` of any row of the table (``429-3040`` with ``Retry-After``), and those of ``NAMES``.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..cloudflare.codes import CODES
from ..errors import OptionError
from .answers import Answer, Refusal, envelope, failed, json_answer
from .exchange import Exchange

__all__ = ["HEADER", "NAMES", "Entry", "Fault", "Faults"]

HEADER = "x-asrkit-fault"
LOGGED = 100_000  # requests that /faults/log remembers
IN_A_ROW = 2  # clients try three times
DRIPS = 20  # parts of a slow answer
MOST_SECONDS = 3_600.0
HTML = "text/html; charset=utf-8"
ERROR_PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body><h1>Error %d</h1></body></html>"

# Name -> seconds unless told otherwise. They come before the model, after it, or while the answer is written.
BEFORE: Mapping[str, float] = {
    **{f"{code.status}-{code.code}": 1.0 for code in CODES.values()},
    "500-html": 0.0,
    "500-json": 0.0,
    "502-html": 0.0,
}
AFTER: Mapping[str, float] = {
    "200-false": 0.0,
    "200-html": 0.0,
    "200-notext": 0.0,
    "cut": 0.0,
    "cut-early": 0.0,
    "hang": 60.0,
    "slow": 2.0,
    "delay": 1.0,
}
NAMES = (*BEFORE, *AFTER)
MIXED = ("408-3007", "429-3040", "500-html", "500-json", "502-html", "cut", "cut-early", "delay", "slow")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and for how many seconds.

    >>> Fault.named("429-3040:7")
    Fault(name='429-3040', seconds=7.0)
    """

    name: str
    seconds: float

    @classmethod
    def named(cls, text: str) -> Fault:
        """From ``NAME`` or ``NAME:SECONDS``.

        Raises:
            OptionError: there is no such fault.
        """
        name, _, given = text.strip().partition(":")
        if name not in NAMES:
            raise OptionError(f"no fault {name!r}; there are {', '.join(NAMES)}")
        try:
            seconds = float(given) if given else {**BEFORE, **AFTER}[name]
        except ValueError:
            raise OptionError(f"{text!r}: expected seconds after the colon") from None
        if not 0 <= seconds <= MOST_SECONDS:
            raise OptionError(f"{text!r}: expected 0 to {MOST_SECONDS:.0f} seconds")
        return cls(name, seconds)

    @property
    def reaches_model(self) -> bool:
        """Whether the sound is heard, and so paid for, all the same."""
        return self.name in AFTER

    def refusal(self) -> Refusal | None:
        """The table's error, if it is one."""
        _, _, code = self.name.partition("-")
        if not code.isdecimal():
            return None
        row = CODES[int(code)]
        headers = {"Retry-After": f"{self.seconds:g}"} if row.code == 3040 else {}
        return Refusal(row.status, row.code, row.message, headers=headers)

    def instead(self) -> Answer:
        """The answer in place of the model's work."""
        if (refusal := self.refusal()) is not None:
            return failed(refusal)
        status = int(self.name[:3])
        if self.name.endswith("html"):
            return Answer(status, ERROR_PAGE % status, HTML)
        return json_answer(envelope(None, [{"code": 3001, "message": "Internal server error"}]), status, code=3001)

    def spoil(self, answer: Answer) -> Answer:
        """The model's answer, no longer as it was."""
        if self.name == "200-html":
            return Answer(200, ERROR_PAGE % 200, HTML)
        if self.name == "200-false":
            return json_answer(envelope({}, [{"code": 3001, "message": "Internal server error"}]), code=3001)
        if self.name == "200-notext":
            whole = orjson.loads(answer.body)
            whole["result"] = {
                name: value for name, value in whole["result"].items() if name not in ("text", "results")
            }
            return json_answer(whole, headers=answer.headers)
        return answer

    async def deliver(self, exchange: Exchange, answer: Answer) -> bool:
        """Write the answer in this fault's way; gives whether it is a whole success."""
        if self.name == "hang":
            await asyncio.sleep(self.seconds)
            await exchange.cut()
        elif self.name == "cut-early":
            await exchange.cut()
        elif self.name == "cut":
            await exchange.begin(answer)
            await exchange.part(answer.body[: len(answer.body) // 2])
            await exchange.cut()
        elif self.name == "slow":
            await exchange.begin(answer)
            size = -(-len(answer.body) // DRIPS)
            for at in range(0, len(answer.body), size):
                await asyncio.sleep(self.seconds / DRIPS)
                await exchange.part(answer.body[at : at + size], last=at + size >= len(answer.body))
            return True
        else:
            if self.name == "delay":
                await asyncio.sleep(self.seconds)
            await exchange.answer(self.spoil(answer))
            return self.name == "delay"
        return False


@dataclass(slots=True)
class Entry:
    """What became of one request."""

    digest: str
    model: str
    fault: str | None
    seconds: float | None = None
    billed: bool = False
    answered: bool = False
    status: int | None = None
    time: float = field(default_factory=time.time)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Faults:
    """Which request gets which fault, and what became of all of them.

    Raises:
        OptionError: the specification cannot be meant.
    """

    def __init__(self, specification: str) -> None:
        self.by_header = False
        self.share, self.seed, self.delay = 0.0, 0, 0.0
        named: list[Fault] = []
        settings: dict[str, Callable[[str], object]] = {"mix": float, "seed": int, "delay": float}
        for part in filter(None, map(str.strip, specification.split(","))):
            name, is_setting, value = part.partition("=")
            if part == "header":
                self.by_header = True
            elif is_setting and name in settings:
                try:
                    setattr(self, {"mix": "share"}.get(name, name), settings[name](value))
                except ValueError:
                    raise OptionError(f"faults: {part!r} is not a number") from None
            else:
                named.append(Fault.named(part))
        if not 0 <= self.share <= 1 or not 0 <= self.delay <= MOST_SECONDS:
            raise OptionError("faults: expected mix= between 0 and 1, and delay= in seconds")
        self.mixed = named or [Fault.named(name) for name in MIXED]
        self._log: deque[Entry] = deque(maxlen=LOGGED)
        self._seen: dict[str, tuple[int, int]] = {}  # digest -> how often it came, and how often in a row it failed

    def begin(self, audio: bytes, model: str, header: str | None) -> tuple[Entry, Fault | None]:
        """A request has come.

        Raises:
            OptionError: its header names no fault.
        """
        digest = hashlib.sha256(audio).hexdigest()
        fault = Fault.named(header) if self.by_header and header else self._drawn(digest)
        entry = Entry(digest, model, fault.name if fault else None)
        self._log.append(entry)
        return entry, fault

    def _drawn(self, digest: str) -> Fault | None:
        if not self.share:
            return None
        times, failures = self._seen.get(digest, (0, 0))
        dice = random.Random(f"{self.seed} {digest} {times}")  # noqa: S311 - repeatable on purpose
        fault = dice.choice(self.mixed) if dice.random() < self.share and failures < IN_A_ROW else None
        self._seen[digest] = (times + 1, failures + 1 if fault else 0)
        if len(self._seen) > LOGGED:
            del self._seen[next(iter(self._seen))]
        return fault

    def log(self) -> list[dict[str, Any]]:
        """All requests, in the order in which they came."""
        return [entry.to_dict() for entry in self._log]
