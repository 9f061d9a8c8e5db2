"""A real Jupyter server for tests: JupyterLab and Notebook 7 with real kernels, driven through their own commands."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
READY = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady"
RUN = """async () => {
    const session = jupyterapp.shell.currentWidget.sessionContext;
    await session.ready;
    await session.session.kernel.info;
    await jupyterapp.commands.execute("notebook:run-all-cells");
}"""
# What the applications themselves say on the console; a kernel that is killed is told there too.
NOISE = re.compile(
    "kernel|WebSocket|Failed to load resource|Connection lost|deprecat|ResizeObserver|"
    "Menu entry|Y.Doc|Yjs|plugin|reading 'schema'|registered",  # Notebook 7's own
    re.IGNORECASE,
)
SAVE = "async () => { await jupyterapp.commands.execute('docmanager:save'); }"


@dataclass(frozen=True)
class Server:
    """A running one. ``folder`` is where its notebooks are."""

    url: str
    token: str
    folder: Path

    def open(self, page: Any, name: str, cells: Sequence[str], app: str = "lab/tree") -> None:
        """Write a notebook and show it; ``app`` is ``lab/tree`` or ``notebooks`` (Notebook 7)."""
        told = [
            {
                "cell_type": "code",
                "id": f"cell-{n}",
                "metadata": {},
                "source": cell,
                "outputs": [],
                "execution_count": None,
            }
            for n, cell in enumerate(cells)
        ]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        notebook = {"cells": told, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (self.folder / name).write_text(json.dumps(notebook))
        page.goto(f"{self.url}/{app}/{name}?token={self.token}" + ("&reset" if app.startswith("lab") else ""))
        page.wait_for_function(READY, timeout=60_000)

    def run(self, page: Any) -> None:
        """Run all cells."""
        page.evaluate(RUN)

    def save(self, page: Any, name: str) -> Path:
        """Store the notebook; gives its file."""
        page.evaluate(SAVE)
        return self.folder / name


@contextmanager
def jupyter(folder: Path) -> Iterator[Server]:
    """A server on this machine alone, with a home of its own in ``folder``."""
    work, settings = folder / "work", folder / "settings"
    for made in (work, settings):
        made.mkdir(parents=True)
    quiet = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
    (settings / "overrides.json").write_text(json.dumps(quiet))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    homes = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    env = {
        **os.environ,
        **{name: str(folder / name.lower()) for name in homes},
        "PYTHONPATH": str(ROOT),
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        *(f"--ServerApp.root_dir={work}", f"--LabApp.app_settings_dir={settings}"),
        *("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"),
        "--LabApp.extension_manager=readonly",
    ]
    url = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True, cwd=work)
        try:
            _wait(f"{url}/api/status?token={token}", process)
            yield Server(url, token, work)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the server did not come up")
