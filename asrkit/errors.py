"""What can go wrong, drawn as a tree; it branches where a caller would act differently.

::

    AsrkitError
    ├── ColumnError          the frame has no such column, or already has it
    ├── OptionError          an argument that cannot be meant, refused before any work
    ├── SourceError          the cell names no audio we can find
    ├── DecodeError          the audio is there but cannot be decoded
    ├── WeightsError         the model's name leads to no usable weights
    ├── ShardError           one table of many cannot be done; the others can
    ├── MissingExtraError    an optional dependency is absent (also an ImportError)
    ├── LabelsError          a journal of labels cannot be read or written, or is in use
    ├── JournalError         what is finished cannot be written down; the run stops, what was written is kept
    └── BackendError         the recogniser gave no transcript
        ├── OutOfMemoryError   this batch does not fit; a smaller one may
        ├── CredentialsError   token or account missing or refused
        ├── QuotaError         the day's allocation or the credit is spent
        ├── CostCapError       max_cost= would be passed
        ├── RateLimitError     asked too often; ``retry_after`` in seconds
        ├── RefusedError       the service refuses this request; another try would fail the same way
        ├── AnswerError        not what the service promises: no JSON, no text
        └── UnavailableError   the service fails: worth another try
            ├── TimedOutError        no whole answer in time; it may have been billed
            └── ConnectionLostError  the connection ended before the answer did; it may have been billed

Errors that every further row would meet have ``stops_run`` set; what was done before is in their ``partial``.
``Interrupted`` is a ``KeyboardInterrupt`` that carries what was finished.
"""

from __future__ import annotations

from typing import Any

from .printable import printable

__all__ = [
    "AnswerError",
    "AsrkitError",
    "BackendError",
    "ColumnError",
    "ConnectionLostError",
    "CostCapError",
    "CredentialsError",
    "DecodeError",
    "Interrupted",
    "JournalError",
    "LabelsError",
    "MissingExtraError",
    "OptionError",
    "OutOfMemoryError",
    "QuotaError",
    "RateLimitError",
    "RefusedError",
    "ShardError",
    "SourceError",
    "TimedOutError",
    "UnavailableError",
    "WeightsError",
]


class AsrkitError(Exception):
    """Everything that asrkit raises on purpose.

    ``code`` is a short word for tables and programs; the message is for people. Whatever it quotes (a server, a file
    name, an option), it is printable and bounded, see ``asrkit.printable``.
    """

    code = "error"
    partial: Any = None  # what was done before a run was stopped by it, in the shape that the call would have returned

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(printable(message))
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return printable(self.args[0])  # also under KeyError, which would add quotes


class ColumnError(AsrkitError, KeyError):
    """The frame has no such column, or one would be overwritten."""

    code = "column"


class OptionError(AsrkitError, ValueError):
    """An argument that cannot be meant; nothing was done yet."""

    code = "option"


class SourceError(AsrkitError):
    """The cell names no audio we can find.

    Codes: ``bad-cell``, ``not-found``, ``not-a-file``, ``unreadable``, ``no-filesystem``, ``unreachable``,
    ``refused-address``, ``too-large``.
    """

    code = "source"


class DecodeError(AsrkitError):
    """The audio is there but cannot be decoded.

    Codes: ``empty``, ``not-audio``, ``no-audio-stream``, ``no-channel``, ``no-track``, ``encrypted``,
    ``corrupt``, ``non-finite``, ``too-long``, ``too-large``, ``too-many-channels``, ``timeout``, ``decoder-memory``; of
    an isolated decoder also ``decoder-crashed``, ``decoder-timeout``, ``decoder-invalid``.
    """

    code = "decode"


class WeightsError(AsrkitError):
    """The model's name leads to no usable weights."""

    code = "weights"


class ShardError(AsrkitError):
    """One table of many cannot be done; the others can."""

    code = "shard"


class MissingExtraError(AsrkitError, ImportError):
    """An optional dependency is absent."""

    code = "missing-extra"


class LabelsError(AsrkitError):
    """A journal of labels cannot be read or written, or is in use; what was acknowledged before is safe on disk.

    Codes: ``in-use``, ``taken-over``, ``not-writable``, ``disk-full``, ``changed``, ``not-a-journal``, ``other-data``,
    ``closed``, ``stale``.
    """

    code = "labels"


class JournalError(AsrkitError):
    """The journal cannot be read or written; what it has acknowledged is kept.

    Codes: ``disk-full``, ``read-only``, ``damaged``, ``newer``, ``no-journal``, ``busy``, ``journal``.
    """

    code = "journal"


class BackendError(AsrkitError):
    """The recogniser gave no transcript.

    Attributes:
        stops_run: every further row would fail the same way, so none is tried.
        cost: dollars that this row has cost or may have cost all the same; None where nothing is paid.
    """

    code = "backend"
    stops_run = False
    cost: float | None = None


class OutOfMemoryError(BackendError):
    """A batch did not fit into the device's memory; a smaller one may."""

    code = "out-of-memory"


class CredentialsError(BackendError):
    """Token or account are missing or refused."""

    code = "credentials"
    stops_run = True


class QuotaError(BackendError):
    """The account's allocation or credit is spent."""

    code = "quota"
    stops_run = True


class CostCapError(BackendError):
    """The request was not sent: ``max_cost`` would be passed. ``seconds_left`` of audio could still be paid."""

    code = "max-cost"
    seconds_left = 0.0


class RateLimitError(BackendError):
    """Asked too often, or the service is full. ``retry_after`` is in seconds, None where the service names none."""

    code = "rate-limit"

    def __init__(self, message: str, *, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class RefusedError(BackendError):
    """The service refuses this request: its shape, its size or its sound."""

    code = "refused"


class AnswerError(BackendError):
    """The answer is not what the service promises: no JSON, no text in it."""

    code = "answer"


class UnavailableError(BackendError):
    """The service fails, for the time being. ``retry_after`` is in seconds, None where it names none."""

    code = "unavailable"
    retry_after: float | None = None


class TimedOutError(UnavailableError):
    """No whole answer in time."""

    code = "timed-out"


class ConnectionLostError(UnavailableError):
    """The connection was refused, or ended before the answer did."""

    code = "connection"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; ``partial`` holds what was finished before it, in the shape that the call would have returned."""

    partial: Any = None

    def __str__(self) -> str:
        return printable(super().__str__())
