"""Puts those clients in place and talks to them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "not-a-secret"
PATIENCE = 120  # seconds until a client that says nothing is taken for dead


@contextmanager
def _folder(name: str, *parts: bytes) -> Iterator[tuple[Path, bool]]:
    """A folder outside the project and whether it is filled already; kept where ``ASRKIT_TEST_CACHE`` says so."""
    kept = os.environ.get("ASRKIT_TEST_CACHE")
    if not kept:
        temporary = Path(tempfile.mkdtemp(prefix=f"asrkit-{name}-"))
        try:
            yield temporary, False
        finally:  # twenty thousand files: meanwhile the tests go on, and the last of them waits
            threading.Thread(target=shutil.rmtree, args=(temporary,), kwargs={"ignore_errors": True}).start()
        return
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    folder = Path(kept) / "clients" / f"{name}-{digest}"
    done = folder / ".complete"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder, False
        return
    yield folder, True


def _install(command: list[str], folder: Path, filled: bool) -> None:
    if filled:
        return
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:3])} did not work here: {(done.stderr or done.stdout).strip()[-300:]}")
    (folder / ".complete").touch()


@contextmanager
def node_packages(source: Path) -> Iterator[Path]:
    """A copy of a folder with its locked npm packages installed; skips where there is no node or no registry."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    lock = (source / "package-lock.json").read_bytes()
    with _folder("npm", lock) as (folder, filled):
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "*.py*"))
        _install(["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"], folder, filled)
        yield folder


@contextmanager
def python_packages(*requirements: str) -> Iterator[Path]:
    """A folder with packages that cannot live beside those installed; skips where there is no index."""
    with _folder("pip", sys.version.encode(), *(requirement.encode() for requirement in requirements)) as (
        folder,
        filled,
    ):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
        _install([*pip, "--target", str(folder), *requirements], folder, filled)
        yield folder


class Program:
    """One client, running; ``version`` is its own."""

    def __init__(self, command: list[str], url: str, **options: Any) -> None:
        self._url = url
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )
        self.version: str = self._read()["version"]

    def ask(self, form: str, **job: Any) -> dict[str, Any]:
        """Its answer to one job."""
        told = {"url": self._url, "account": ACCOUNT, "token": TOKEN, "form": form, **job}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told, default=str) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        late = threading.Timer(PATIENCE, self._process.kill)
        late.start()
        line = self._process.stdout.readline()
        late.cancel()
        if not line:
            self._process.kill()
            raise RuntimeError(f"the client died: {self._process.communicate()[1][-2000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
