"""What a run does to every shard, and the note in the output folder that keeps two unlike runs apart."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from ..backends import from_model
from ..backends.base import Backend
from ..backends.ledger import Ledger
from ..errors import AsrkitError, OptionError
from ..journal.keys import canonical
from ..journal.place import chosen
from ..manifests import NEMO
from ..turns import EACH, with_word_times
from ..version import VERSION
from .storage import join, new_file, read_text

__all__ = ["NOTE", "Checked", "Job", "Shard", "check_folder", "complete_note"]

NOTE = "_asrkit.json"
LAYOUT = 1  # of the note and of the output's columns
FREE = frozenset({"device", "batch_size", "max_cost", "at_once", "per_minute", "timeout"})  # cannot change a text


@dataclass(frozen=True, slots=True)
class Shard:
    """One table in, one Parquet out.

    Args:
        source: path or URL of a Parquet, CSV or TSV.
        target: path or URL of the Parquet to be written.
        size: bytes of the source, None where nobody tells.
    """

    source: str
    target: str
    size: int | None = None

    @property
    def name(self) -> str:
        """For messages."""
        return self.target.replace("\\", "/").rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Job:
    """What is done to each shard: plain values that travel to another process, or another machine.

    ``folder`` is the one from which relative paths in a table count first. ``model`` is a name, a backend that can
    be pickled, or a function without arguments that makes one. ``digest`` is of everything in ``asked``, once that is
    known: each result carries it.
    """

    out: str
    audio: str
    model: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    into: str = "hypothesis"
    language: str | None = None
    start: str | None = None
    end: str | None = None
    channel: int | str | None = None
    track: int | str | None = None
    details: bool = False
    overwrite: bool = False
    keep_audio: bool = False
    errors: str = "column"
    journal: Any = None
    retry_failed: bool = False
    encoding: str | None = None
    folder: str = "."
    version: str = VERSION
    digest: str = ""
    payer: bytes = field(default_factory=lambda: os.urandom(16))

    def backend(self) -> Backend:
        """What recognises, made anew.

        Raises:
            OptionError, WeightsError, CredentialsError: see ``asrkit.backends.from_model``.
        """
        model = self.model
        if callable(model) and not isinstance(model, Backend) and not hasattr(model, "feature_extractor"):
            model = model()
        backend = from_model(model, **self.options)
        if isinstance(ledger := getattr(backend, "ledger", None), Ledger):
            ledger.payer = self.payer  # workers of one call are one payer: the call itself adds up what they spend
        return with_word_times(backend) if self.channel == EACH else backend

    def asked(self, backend: Backend) -> dict[str, Any]:
        """Everything that was asked for and can change a row, in plain JSON.

        The precision that ``auto`` chooses is not in it: the machine that asks may not be the one that works.
        """
        told: dict[str, Any] = {
            key: value for key, value in backend.fingerprint.items() if not isinstance(self.model, str) or key in MADE
        }
        if self.language is not None:
            told.pop("language_version", None)  # how a language would be found out makes no difference
        told.update({key: value for key, value in self.options.items() if key not in FREE and value is not None})
        mine = ("audio", "into", "language", "start", "end", "channel", "details", "overwrite", "keep_audio")
        told.update({name: getattr(self, name) for name in mine})
        if self.audio == NEMO[0] and (self.start is None or self.end is None):
            told["stretches"] = "offset and duration"  # versions before took whole recordings
        if self.track is not None:
            told["track"] = self.track
        if self.encoding is not None:  # results of runs that named none stay those of the same options
            told["encoding"] = self.encoding
        plain: dict[str, Any] = json.loads(json.dumps(told, default=_described, sort_keys=True))
        return plain

    def journal_or(self, scratch: str, backend: Backend) -> Any:
        """The journal of this backend's rows; where it has none, one that lasts as long as the shard.

        It also tells which clip has killed a process, so there is always one, unless the backend cannot say what it
        is.
        """
        if chosen(self.journal, backend) is not None:
            return self.journal
        try:
            canonical(dict(backend.fingerprint))
        except (TypeError, ValueError):
            return False
        return scratch

    def check_travels(self) -> None:
        """Say now what a worker would say later.

        Raises:
            OptionError: the model cannot be sent to another process.
        """
        home = getattr(self.model, "__module__", None) if callable(self.model) else type(self.model).__module__
        try:
            pickle.dumps(self)
        except Exception as error:
            raise OptionError(
                f"{type(self.model).__name__} cannot be sent to a worker process ({error}); pass the model's name, or "
                "a function without arguments, in a module that can be imported, that makes the backend"
            ) from error
        if home == "__main__":
            raise OptionError(
                f"{getattr(self.model, '__qualname__', type(self.model).__qualname__)} is defined in the script or "
                "notebook itself, where a worker process cannot find it; put it into a module of its own"
            )


# Of a backend, by the model's name.
MADE = frozenset({"backend", "version", "language_version", "model", "revision", "digest", "service"})


def _described(value: object) -> str:
    """Something that JSON does not know: its class must do."""
    return f"<{type(value).__module__}.{type(value).__qualname__}>"


@dataclass(frozen=True, slots=True)
class Checked:
    """A folder that may be used.

    Args:
        path: of its note.
        note: that is to be written; None where the one that is there is right.
        digest: of everything that was asked for.
    """

    path: str
    note: Mapping[str, Any] | None
    digest: str

    def write(self) -> None:
        """Write the note, if there is something new to say."""
        if self.note is not None:
            _write(self.path, self.note)


def check_folder(job: Job, backend: Backend, inputs: list[str]) -> Checked:
    """Compare the folder's note with this run; nothing is written yet.

    Raises:
        OptionError: the folder was made with another model or other options.
        AsrkitError: the note cannot be read.
    """
    path, asked = join(job.out, NOTE), job.asked(backend)
    digest = sha256(canonical(asked).encode()).hexdigest()
    text = read_text(path)
    if text is None:
        note = {
            "layout": LAYOUT,
            "asked": asked,
            "fingerprint": None,  # what the first worker says: another machine may choose another precision
            "inputs": inputs,
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": _versions(),
        }
        return Checked(path, note, digest)
    known = _parsed(path, text)
    before = known.get("asked")
    if before != asked:
        raise OptionError(f"{job.out} was made with other options ({_difference(before, asked)}); {ANOTHER}")
    listed = known.get("inputs")
    earlier = listed if isinstance(listed, list) else []
    more = [name for name in inputs if name not in earlier]
    return Checked(path, {**known, "inputs": [*earlier, *more]} if more else None, digest)


ANOTHER = "name another out=, or repeat the call with the options that the folder was made with"


def complete_note(job: Job, fingerprint: Mapping[str, Any]) -> None:
    """Write into the note what a worker says of its model, once; every other worker must say the same.

    Raises:
        OptionError: this worker would make other texts than those that are there.
    """
    path = join(job.out, NOTE)
    text = read_text(path)
    if text is None:
        return  # somebody removed it; the shards are as good
    note = _parsed(path, text)
    mine = json.loads(json.dumps(dict(fingerprint), default=_described, sort_keys=True))
    before = note.get("fingerprint")
    if before is not None and before != mine:
        raise OptionError(
            f"this worker would not make the texts of {job.out} ({_difference(before, mine)}); name the option, such "
            "as precision=, so that all machines have the same"
        )
    if before is None:
        _write(path, {**note, "fingerprint": mine})


def _parsed(path: str, text: str) -> dict[str, Any]:
    try:
        note = json.loads(text)
        layout = int(note["layout"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise AsrkitError(
            f"{path} is not asrkit's; name an empty folder as out=, or restore the file", code="output"
        ) from error
    if layout > LAYOUT:
        raise AsrkitError(f"{path} was written by a newer asrkit; use that one, or name another out=", code="output")
    return dict(note)


def _difference(before: Any, now: Any) -> str:
    """The options that differ, as people would say them."""
    if not isinstance(before, dict):
        return "unknown ones"
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return "; ".join(f"{name}: {before.get(name)!r} then, {now.get(name)!r} now" for name in names)


def _write(path: str, note: Mapping[str, Any]) -> None:
    with new_file(path) as file:
        file.write_text(json.dumps(note, indent=1, ensure_ascii=False), encoding="utf-8")


def _versions() -> dict[str, str]:
    told = {"asrkit": VERSION, "python": platform.python_version()}
    for name in ("torch", "transformers", "av", "pyarrow"):
        try:
            told[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return told
