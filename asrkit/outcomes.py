"""What a run gives for a row: a transcript, the reason why there is none, or None for a cell without audio."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from .errors import AsrkitError, BackendError
from .transcript import Transcript

__all__ = ["NOT_REACHED", "Failure", "Outcome"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that gave no transcript, and why. ``code`` is short, ``message`` says what to do."""

    code: str
    message: str
    error: AsrkitError = field(compare=False, repr=False)

    @property
    def cost(self) -> float | None:
        """Dollars that the row has cost or may have cost all the same; None where nothing is paid."""
        return self.error.cost if isinstance(self.error, BackendError) else None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def of(cls, error: AsrkitError) -> Self:
        """From the exception."""
        return cls(error.code, str(error), error)


Outcome = Transcript | Failure | None  # None: the cell holds no audio
NOT_REACHED = Failure.of(BackendError("not reached before the run was stopped", code="interrupted"))
