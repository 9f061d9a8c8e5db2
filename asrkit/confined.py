"""The inside of a worker process: decode one clip after another, with next to no rights.

Nothing here trusts the clip, and the process that asked trusts nothing that comes from here: see ``isolation``,
which starts it. This module imports nothing but the standard library, so that both sides may.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import IO, Any

from .errors import DecodeError, SourceError

__all__ = ["BLOCK", "DONE", "ERROR", "FRAME", "JOB", "READY", "TICK", "Decode", "work"]

Tell = Callable[[float], None]  # how many seconds are decoded by now
Decode = Callable[[IO[bytes], Mapping[str, Any], Tell], Iterator[tuple[dict[str, Any], Any]]]

JOB = struct.Struct("<I")  # bytes of JSON that follow; the clip's descriptor comes along
FRAME = struct.Struct("<cII")  # what it is, bytes of JSON, bytes of float32 samples
READY, BLOCK, TICK, ERROR, DONE = b"R", b"B", b"T", b"E", b"D"
TICK_SECONDS = 1.0  # between signs of life
OPEN_FILES = 16  # standard streams, the channel, the clip, and what an import needs
WANTED = (
    "av",
    "av.audio.plane",
    "av.audio.resampler",
    "av.sidedata.sidedata",
    "av.stream",
    "soundfile",
)  # before the doors are shut


def work(descriptor: int, decoder: str, memory: int, patience: int) -> None:
    """Decode what comes through a socket until it is closed.

    Args:
        descriptor: of the socket.
        decoder: ``module:function`` of a ``Decode``.
        memory: bytes that may be used.
        patience: seconds without a sign of life after which the kernel ends this process, even an orphaned one.
    """
    module, _, name = decoder.partition(":")
    decode: Decode = getattr(import_module(module), name)
    for wanted in WANTED:
        import_module(wanted)
    _give_up_rights(memory)
    channel = socket.socket(fileno=descriptor)
    channel.sendall(FRAME.pack(READY, 0, 0))
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a complaint of FFmpeg's is nobody's
        os.dup2(nowhere.fileno(), 2)
    while (job := _next_job(channel)) is not None:
        told, clip = job
        with os.fdopen(clip, "rb") as file:
            _Answer(channel, patience).give(decode, file, told)


def _next_job(channel: socket.socket) -> tuple[dict[str, Any], int] | None:
    head, descriptors, _, _ = socket.recv_fds(channel, JOB.size, 1)
    if not head:
        return None
    (length,) = JOB.unpack(head)
    data = b""
    while len(data) < length:
        data += channel.recv(length - len(data))
    told: dict[str, Any] = json.loads(data)
    return told, descriptors[0]


class _Answer:
    """What one clip gives, and the alarm that ends the process when nothing comes any more."""

    def __init__(self, channel: socket.socket, patience: int) -> None:
        self.channel, self.patience = channel, patience
        self.last = time.monotonic()

    def give(self, decode: Decode, file: IO[bytes], job: Mapping[str, Any]) -> None:
        signal.alarm(self.patience)
        try:
            for said, samples in decode(file, job, self.tell):
                self.send(BLOCK, said, b"" if samples is None else memoryview(samples).cast("B"))
            self.send(DONE, {})
        except (DecodeError, SourceError) as error:
            self.send(ERROR, {"code": error.code, "message": str(error)})
        except MemoryError:
            self.send(ERROR, {"code": "decoder-memory", "message": ""})
        except Exception as error:
            self.send(ERROR, {"code": "unexpected", "message": f"{type(error).__name__}: {error}"})
        signal.alarm(0)

    def tell(self, heard: float) -> None:
        if time.monotonic() - self.last > TICK_SECONDS:
            self.send(TICK, {"heard": heard})

    def send(self, kind: bytes, said: Mapping[str, Any], samples: bytes | memoryview = b"") -> None:
        signal.alarm(0)  # the other side may take its time
        text = json.dumps(said).encode()
        self.channel.sendall(FRAME.pack(kind, len(text), len(samples)) + text)
        if samples:
            self.channel.sendall(samples)
        self.last = time.monotonic()
        signal.alarm(self.patience)


def _give_up_rights(memory: int) -> None:
    """What a decoder has no need of: files, processes, a dump of its memory."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a handler in Python would wait for the decoder to return
    for name, limit in (
        ("RLIMIT_DATA" if sys.platform == "linux" else "RLIMIT_AS", memory),
        ("RLIMIT_FSIZE", 0),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", OPEN_FILES),
    ):
        if (kind := getattr(resource, name, None)) is not None:
            _limit(kind, limit)


def _limit(kind: int, wanted: int) -> None:
    _, most = resource.getrlimit(kind)
    limit = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    try:
        resource.setrlimit(kind, (limit, limit))
    except (OSError, ValueError):  # macOS refuses some; the time limits hold there all the same
        return
