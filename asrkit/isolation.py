"""Decoding in processes of their own, so that a clip that crashes, hangs or fills the memory costs itself alone.

A worker is a fresh Python process without this one's memory and environment (no token is in it), with limits on
memory, time and output and without the rights that a decoder has no need of (``confined``). It is handed one open
file at a time and gives plain bytes back: float32 samples and JSON, every length checked, nothing unpickled.

What it protects from: decoders that crash, loop, or blow up on a broken or malicious file. What it is not: a wall
against an attacker who has taken over the decoder *and* knows a hole in the kernel. For that, run all of it in a
container or a virtual machine.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import AsrkitError, DecodeError, OptionError, SourceError

if sys.platform != "win32":
    from .confined import BLOCK, DONE, ERROR, FRAME, JOB, READY, TICK

__all__ = ["Limits", "Workers", "check", "workers"]

Samples = np.ndarray[Any, np.dtype[np.float32]]

DECODER = "asrkit.audio:decode"
MOST_TEXT = 1 << 16  # bytes of JSON in a frame
MOST_MESSAGE = 1_000  # characters of an error or a warning
MOST_WARNINGS = 100
START_SECONDS = 60.0  # for Python and FFmpeg to load on a machine that has other things to do
ASKED = 0.5  # seconds after which a caller is asked whether it still wants the clip
STUCK = 2.0  # seconds without a sign of life: it goes on, but behind the others
NICE = 19
KEPT = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PATH", "TZ")
ADVICE = "the file is damaged or made to harm; leave it out, or convert it by a program and on a machine you can risk"

# A bare package in place of asrkit's own: that one would load pandas, which no decoder needs.
START = """
import json, sys, types
told = json.loads(sys.argv[1])
sys.path[:] = told["path"]
package = types.ModuleType("asrkit")
package.__path__ = [told["package"]]
sys.modules["asrkit"] = package
from asrkit.confined import work
work(*told["work"])
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one clip may take.

    Args:
        seconds: of waiting for the worker. A little more than the decoder allows itself, which then says why.
        seconds_per_second: further seconds for each second of sound that it has decoded.
        memory: bytes that a worker may hold, enforced by Linux alone.
        samples: that a clip may give, at 16 kHz: 138 h.
    """

    seconds: float = 65.0
    seconds_per_second: float = 0.05
    memory: int = 1 << 30
    samples: int = 8 * 10**9


def check() -> None:
    """Whether this platform can isolate.

    Raises:
        OptionError: it cannot.
    """
    if sys.platform == "win32" or not hasattr(socket, "send_fds"):
        raise OptionError(
            "isolated decoding needs Linux or macOS: here an open file cannot be handed to another process. "
            "Pass isolate=False (asrkit serve --no-isolate), for files that you trust, or run it in WSL or a container"
        )
    if not sys.executable:
        raise OptionError("isolated decoding starts Python anew, and here sys.executable does not name it")


class Workers:
    """Processes that decode: started when one is needed, kept for the next clip, replaced when one is lost.

    There are as many as threads ask at once, and as many idle ones as this machine has cores are kept.

    Args:
        limits: of a clip.
        decoder: ``module:function`` that the workers run, see ``asrkit.confined``.

    Raises:
        OptionError: this platform cannot isolate.
    """

    def __init__(self, limits: Limits | None = None, decoder: str = DECODER) -> None:
        check()
        self.limits, self.decoder = limits or Limits(), decoder
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._is_closed = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stream(
        self, file: IO[bytes], job: Mapping[str, Any], is_wanted: Callable[[], bool] = lambda: True
    ) -> Iterator[tuple[Samples, tuple[str, ...]]]:
        """Blocks of samples with the warnings so far. When ``is_wanted`` says no, the worker is ended: ``unwanted``.

        Raises:
            DecodeError: as the decoder in this process, or ``decoder-crashed``, ``decoder-timeout``,
                ``decoder-memory``, ``decoder-invalid``.
        """
        total = 0
        whole = self._answers(file, {**job, "what": "stream"}, int(job["block"]), is_wanted=is_wanted)
        with contextlib.closing(whole) as answers:
            for said, samples in answers:
                total += len(samples)
                if total > self.limits.samples or not np.isfinite(samples).all():
                    raise _nonsense()
                yield samples, _texts(said.get("warnings"))

    def probe(
        self,
        file: IO[bytes],
        patience: float | None = None,
        track: int | str | None = None,
        format: str | None = None,  # noqa: A002 - what it is called everywhere
    ) -> dict[str, Any]:
        """What the headers say of a track, as the fields of ``asrkit.audio.AudioInfo``.

        ``patience``: the seconds that it may take.

        Raises:
            DecodeError: as ``stream``.
        """
        job = {"what": "probe", "track": track, "format": format}
        with contextlib.closing(self._answers(file, job, 0, patience)) as answers:
            found = [said for said, _ in islice(answers, 2)]
        if len(found) != 1:
            raise _nonsense()
        return found[0]

    def close(self) -> None:
        """End all of them; those at work end with their clip."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.close()

    def _answers(
        self,
        file: IO[bytes],
        job: Mapping[str, Any],
        block: int,
        patience: float | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Generator[tuple[dict[str, Any], Samples], None, None]:
        limits = self.limits if patience is None else replace(self.limits, seconds=patience)
        try:
            with _descriptor(file) as descriptor:
                worker = self._sent(job, descriptor)
                worker.is_wanted = is_wanted
                is_reusable = False
                try:
                    yield from worker.answers(limits, block)
                    is_reusable = not worker.is_demoted
                finally:
                    self._give_back(worker, is_reusable)
        except OSError as error:  # too many open files, no room for a copy, no further process
            raise AsrkitError(
                f"the clip could not be handed to a process for isolated decoding ({error}); "
                "free what is short and try again, or pass isolate=False for files that you trust",
                code="no-isolation",
            ) from error

    def _sent(self, job: Mapping[str, Any], descriptor: int) -> _Worker:
        """A worker that has the job. One that was lost while it was idle is no fault of the clip."""
        while True:
            with self._lock:
                if self._owner != os.getpid():  # this process was forked: they are the other's
                    self._idle, self._owner = [], os.getpid()
                worker = self._idle.pop() if self._idle else None
            is_new = worker is None
            worker = worker or _Worker(self.limits, self.decoder)
            try:
                worker.send(job, descriptor)
            except OSError:
                worker.close()
                if is_new:
                    raise
            except BaseException:
                worker.close()
                raise
            else:
                return worker

    def _give_back(self, worker: _Worker, is_reusable: bool) -> None:
        with self._lock:
            if is_reusable and not self._is_closed and len(self._idle) <= (os.cpu_count() or 1):
                self._idle.append(worker)
                return
        worker.close()


_shared: Workers | None = None
_shared_lock = threading.Lock()


def workers(isolate: bool | Workers) -> Workers | None:
    """The workers that ``isolate`` means: none, those that all of this process share, or the caller's own."""
    global _shared
    if isinstance(isolate, Workers):
        return isolate
    if not isolate:
        return None
    with _shared_lock:
        if _shared is None:
            _shared = Workers()
            atexit.register(_shared.close)
        return _shared


class _Invalid(Exception):
    """The worker's answer is none that a worker gives."""


class _Late(Exception):
    """The worker's time is over."""


class _Unwanted(Exception):
    """Nobody waits for the clip any more."""


class _Worker:
    """One process, and this end of its socket."""

    def __init__(self, limits: Limits, decoder: str) -> None:
        self.is_demoted = False
        self.is_wanted: Callable[[], bool] = lambda: True
        patience = int(limits.seconds) + 10
        self.channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        told = {
            "path": [str(Path(entry or ".").absolute()) for entry in sys.path],
            "package": str(Path(__file__).parent),
            "work": [other.fileno(), decoder, limits.memory, patience],
        }
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        with other, tempfile.TemporaryFile() as complaints:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, json.dumps(told)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                pass_fds=[other.fileno()],
                env={**environment, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the process that waits for it
            )
            other.close()  # else the end of the worker would not be seen here
            try:
                kind, _, _ = FRAME.unpack(self._receive(FRAME.size, time.monotonic() + START_SECONDS))
                if kind != READY:
                    raise _Invalid
            except (OSError, EOFError, _Late, _Invalid) as error:
                self.close()
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
                raise AsrkitError(
                    f"no process for isolated decoding could be started ({said or type(error).__name__}); "
                    "isolate=False decodes in this process, for files that you trust",
                    code="no-isolation",
                ) from error

    def send(self, job: Mapping[str, Any], descriptor: int) -> None:
        text = json.dumps(job).encode()
        self.channel.settimeout(None)
        socket.send_fds(self.channel, [JOB.pack(len(text)) + text], [descriptor])

    def answers(self, limits: Limits, block: int) -> Iterator[tuple[dict[str, Any], Samples]]:
        """All that it says about one clip; whatever it does wrong is a ``DecodeError``, and its end."""
        heard = spent = 0.0
        try:
            while True:
                asked = time.monotonic()
                allowed = limits.seconds + limits.seconds_per_second * heard
                kind, said, samples = self._frame(block, asked + allowed - spent)
                spent += time.monotonic() - asked
                if kind == DONE:
                    return
                if kind == TICK:
                    heard = max(heard, min(_number(said.get("heard")), limits.samples / 16_000))
                elif kind == BLOCK:
                    heard += len(samples) / 16_000
                    yield said, samples
                elif kind == ERROR:
                    raise self._told(said, limits)
                else:
                    raise _Invalid
        except _Late as error:
            raise DecodeError(
                f"the decoder took over {allowed:.0f} s for {heard:.0f} s of sound and was stopped: {ADVICE}",
                code="decoder-timeout",
            ) from error
        except _Unwanted as error:
            raise DecodeError("nobody waits for it any more", code="unwanted") from error
        except (EOFError, OSError) as error:
            raise self._death() from error
        except (_Invalid, ValueError, TypeError, RecursionError) as error:
            raise _nonsense() from error

    def close(self) -> None:
        self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def _frame(self, block: int, deadline: float) -> tuple[bytes, dict[str, Any], Samples]:
        kind, text_length, samples_length = FRAME.unpack(self._receive(FRAME.size, deadline))
        if text_length > MOST_TEXT or samples_length > 4 * block or samples_length % 4:
            raise _Invalid
        said = json.loads(bytes(self._receive(text_length, deadline)))
        if not isinstance(said, dict):
            raise _Invalid
        samples = np.empty(samples_length // 4, np.float32)
        self._fill(samples.view(np.uint8).data, deadline)
        return kind, said, samples

    def _receive(self, count: int, deadline: float) -> bytearray:
        data = bytearray(count)
        self._fill(memoryview(data), deadline)
        return data

    def _fill(self, view: memoryview, deadline: float) -> None:
        asked = time.monotonic()
        while view:
            now = time.monotonic()
            if now >= deadline:
                raise _Late
            if not self.is_wanted():
                raise _Unwanted
            if now - asked >= STUCK:
                self._demote()
            until = deadline if self.is_demoted else min(deadline, asked + STUCK)
            self.channel.settimeout(max(0.001, min(until - now, ASKED)))
            try:
                count = self.channel.recv_into(view)
            except TimeoutError:
                continue
            if not count:
                raise EOFError
            view = view[count:]

    def _demote(self) -> None:
        """A clip that takes long shall not take the cores from the others."""
        if not self.is_demoted:
            self.is_demoted = True
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.process.pid, NICE)

    def _told(self, said: Mapping[str, Any], limits: Limits) -> AsrkitError:
        code, message = said.get("code"), said.get("message")
        if not (isinstance(code, str) and isinstance(message, str) and code.replace("-", "").isalpha()):
            raise _Invalid
        if code == "decoder-memory":
            self.is_demoted = True  # what is left of it is not used again
            return _too_much_memory(limits.memory)
        if code == "unexpected":
            message = f"decoding failed: {message}"
        if code == "unreadable":
            return SourceError(_printable(message), code=code)
        return DecodeError(_printable(message), code=code[:40])

    def _death(self) -> DecodeError:
        """Why it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        status = self.process.poll()
        if status == -signal.SIGALRM:
            return DecodeError(
                f"the decoder gave no sign of life and was stopped by its alarm: {ADVICE}", code="decoder-timeout"
            )
        if status is not None and status < 0:
            names = {each.value: each.name for each in signal.Signals}  # real-time signals have none
            how = names.get(-status, f"signal {-status}")
            if status == -signal.SIGKILL:
                how += ", as the system does when memory is short"
        else:
            how = f"it ended with status {status}"
        return DecodeError(f"the decoder crashed on it ({how}) and was replaced: {ADVICE}", code="decoder-crashed")


def _nonsense() -> DecodeError:
    return DecodeError(f"the decoder gave what is no sound: {ADVICE}", code="decoder-invalid")


def _too_much_memory(limit: int) -> DecodeError:
    return DecodeError(
        f"decoding it needs more than the {limit / 2**20:,.0f} MB that a clip is given: {ADVICE}",
        code="decoder-memory",
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:  # or NaN
        raise _Invalid
    return float(value)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > MOST_WARNINGS:
        raise _nonsense()
    if not all(isinstance(value, str) and len(value) <= MOST_MESSAGE for value in values):
        raise _nonsense()
    return tuple(map(_printable, values))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MOST_MESSAGE])


@contextlib.contextmanager
def _descriptor(file: IO[bytes]) -> Iterator[int]:
    """A descriptor of the file, which may be in memory only."""
    if isinstance(file, tempfile.SpooledTemporaryFile):
        file.rollover()  # to the disk
        file.flush()
        yield file.fileno()
    elif isinstance(file, BytesIO):
        descriptor = os.memfd_create("asrkit-clip") if hasattr(os, "memfd_create") else None
        with tempfile.TemporaryFile() if descriptor is None else os.fdopen(descriptor, "w+b") as copy:
            copy.write(file.getbuffer())
            copy.flush()
            yield copy.fileno()
    else:
        yield file.fileno()
