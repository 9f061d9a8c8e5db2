"""The one seam between audio and text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..audio import Audio
from ..transcript import Transcript
from ..upload import Upload

if TYPE_CHECKING:
    from .ledger import Book, Spending

__all__ = ["Attempt", "Attempts", "Backend", "Preferences", "Remote"]


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a backend wants to be given.

    Args:
        batch_size: clips at once.
        longest: seconds of the longest clip it takes; what is longer is cut at pauses. None: no limit.
        speech_gate: whether clips without speech are kept from it.
        in_order: whether clips must come in the order of the rows; else long ones come first.
        at_once: calls of ``transcribe`` that may run at the same time, each in a thread of its own.
        upload: give encoded files (``asrkit.audio.Encoded``) in place of samples, and which.
        is_fingerprinted: the fingerprint says everything that can change its text, so that an earlier answer may be
            given again; else its answers are journaled only where the user asks for it.
        answers: its transcripts may hold more than text and times, see ``Transcript.answer``.
    """

    batch_size: int = 1
    longest: float | None = None
    speech_gate: bool = False
    in_order: bool = False
    at_once: int = 1
    upload: Upload | None = None
    is_fingerprinted: bool = False
    answers: bool = False


@runtime_checkable
class Backend(Protocol):
    """Turns audio into text. Anything of this shape is a backend; nobody inherits."""

    @property
    def name(self) -> str:
        """What people call it, such as ``openai/whisper-base``."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything that can change the text: model, revision, digest of the weights, precision, options."""

    @property
    def preferred(self) -> Preferences:
        """What it wants to be given."""

    def transcribe(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript]:
        """One transcript a clip, in order.

        Args:
            batch: clips of at most ``preferred.longest`` seconds.
            languages: of each clip, as ISO 639-1 codes; None to find it out.

        Raises:
            OutOfMemoryError: a smaller batch may fit.
            BackendError: no transcript for this batch.
        """


class Attempt(Protocol):
    """A clip that has to be tried again."""

    def go_on(self) -> Transcript | None:
        """Make the next try; None if there is still another one to make.

        Raises:
            BackendError: no transcript for this clip.
        """


class Attempts(Backend, Protocol):
    """A backend whose second tries can be made one by one, so that other clips need not wait for all of them."""

    def attempts(self, batch: Sequence[Audio], *, languages: Sequence[str | None]) -> list[Transcript | Attempt]:
        """As ``transcribe``, but a clip that has to be tried again is an ``Attempt`` in place of its transcript."""


@runtime_checkable
class Remote(Backend, Protocol):
    """A backend that sends requests and is paid for them."""

    @property
    def spending(self) -> Spending:
        """What it has spent so far."""

    def begin(self, book: Book | None = None) -> None:
        """A run begins: what stopped the last one is forgotten. ``book`` is told of every request before it is sent."""

    def halt(self) -> None:
        """Send nothing more; what is on its way is still answered."""

    def abandon(self) -> None:
        """End what waits or is on its way; nobody wants it any more."""
