"""A real ``asrkit serve`` to attack: started, its memory watched, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import psutil
from attack_client import HOST, MEGABYTE

START_SECONDS = 180.0
END_SECONDS = 60.0
SAMPLED = 0.1  # seconds between two looks at the memory
CHILDREN_EVERY = 5  # looks between two searches for new processes and files in memory
MOST_MEMORY = 3_000 * MEGABYTE  # at which the server is killed, so that the machine survives


class Server:
    """A process group of its own, and a thread that adds up what its processes hold.

    Memory is what its processes hold themselves (RSS without the pages of libraries that they share) and their files
    in memory. Sockets' buffers in the kernel are not counted.
    """

    def __init__(self, model: str, *options: str, token: str | None = None, most: float = MOST_MEMORY) -> None:
        self.token, self.most = token, most
        self.port = _free_port()
        self.peak = 0.0
        self.was_killed = False
        environment = {name: value for name, value in os.environ.items() if name != "ASRKIT_SERVE_TOKEN"}
        if token:
            environment["ASRKIT_SERVE_TOKEN"] = token
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "asrkit", "serve", "--model", model, "--port", str(self.port), *options],
            stdout=self._log,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self._processes = [psutil.Process(self.process.pid)]
        self._in_memory = 0
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Server:
        try:
            self._wait_until_up()
        except BaseException:
            self.stop()
            raise
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def memory(self) -> float:
        """Bytes held now."""
        self._find_processes()
        return self._held()

    def settled_memory(self, patience: float = 10.0) -> float:
        """The least of the last seconds: what is left when threads and decoders have come to rest."""
        until, least = time.monotonic() + patience, self.memory()
        while time.monotonic() < until and self.is_alive:
            time.sleep(0.5)
            least = min(least, self.memory())
        return least

    def terminate(self) -> None:
        """SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._ended.set()
        with contextlib.suppress(psutil.Error):
            self._find_processes()
        if self.is_alive:
            self.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2)
        self._kill()
        self.process.wait(END_SECONDS)
        if self._watch.is_alive():
            self._watch.join(END_SECONDS)
        self._log.close()

    def last_words(self) -> str:
        """The end of what it wrote that is no line of its access log."""
        self._log.seek(0, 2)
        self._log.seek(max(0, self._log.tell() - 20_000))
        lines = self._log.read().decode(errors="replace").splitlines()
        return "\n".join([line for line in lines if not line.startswith("{")][-5:])

    def _wait_until_up(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.is_alive:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{HOST}:{self.port}/healthz", timeout=5).close()
                return
            time.sleep(0.1)
        raise RuntimeError(f"asrkit serve did not start: {self.last_words()}")

    def _look_on(self) -> None:
        number = 0
        while not self._ended.wait(SAMPLED):
            if number % CHILDREN_EVERY == 0:
                self._find_processes()
            number += 1
            self.peak = max(self.peak, self._held())
            if self.peak > self.most:
                self.was_killed = True
                self._kill()
                return

    def _find_processes(self) -> None:
        with contextlib.suppress(psutil.Error):
            server = psutil.Process(self.process.pid)
            self._processes = [server, *server.children(recursive=True)]
        self._in_memory = sum({inode: size for process in self._processes for inode, size in _files(process)}.values())

    def _held(self) -> float:
        held = 0
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                memory = process.memory_info()
                held += memory.rss - getattr(memory, "shared", 0)
        return held + self._in_memory

    def _kill(self) -> None:
        for process in self._processes:
            with contextlib.suppress(psutil.Error):
                process.kill()  # psutil looks at the time of creation first, so no other process is hit


def _files(process: psutil.Process) -> list[tuple[int, int]]:
    """Inode and bytes of the files in memory that a process has open."""
    found = []
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(link.readlink()).startswith(("/memfd:", "/dev/shm/")):
                    about = link.stat()
                    found.append((about.st_ino, about.st_blocks * 512))
    return found


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])
