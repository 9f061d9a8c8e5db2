"""Names that clients say -> recognisers of this machine, one for each set of options."""

from __future__ import annotations

import copy
import re
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import RLock

from ..backends import from_model
from ..backends.base import Backend
from ..backends.canned import Canned
from ..cloudflare.models import MODELS, Model
from ..errors import OptionError
from .batcher import Served
from .names import public_name
from .settings import Settings

__all__ = ["OPENAI_NAMES", "Catalogue", "Wish", "prompt_of"]

CANNED = "canned:"
KEPT = 64  # sets of options whose recognisers are kept; their weights are shared
# Clips decoded together on a CPU. More were no faster there, and everybody in a batch waits for all of it.
CPU_BATCH = 16
CPU_SECONDS = 120.0  # of sound decoded together there: about ten seconds of work for whisper-tiny
OPENAI_NAMES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize")
_OPENAI_NAME = re.compile(r"whisper-1|gpt-4o(-mini)?-transcribe(-diarize)?(-\d{4}-\d\d-\d\d)?")
MOST_PROMPT = 4_000  # characters from the end: Whisper takes 223 tokens of them, about a thousand characters


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks of the model.

    Args:
        language: as code or name; None finds it out.
        task: ``transcribe``, or ``translate`` into English.
        prompt: text that could have come before.
        beams: of the search; None is the model's own way.
    """

    language: str | None = None
    task: str = "transcribe"
    prompt: str | None = None
    beams: int | None = None


def prompt_of(text: str | None) -> str | None:
    """The end of a prompt, of which Whisper takes no more; None where there is nothing in it."""
    return (text or "").strip()[-MOST_PROMPT:].strip() or None


class Catalogue:
    """What is served under which name."""

    def __init__(self, settings: Settings) -> None:
        if unknown := sorted(set(settings.map) - set(MODELS)):
            raise OptionError(f"{', '.join(unknown)}: no such model of Workers AI; there are {', '.join(MODELS)}")
        self.settings = settings
        self.targets: Mapping[str, object] = {name: settings.map.get(name, settings.model) for name in MODELS}
        targets = (*settings.map.values(), settings.model)
        self._openai: Mapping[str, object] = {target_name(target): target for target in targets} | dict.fromkeys(
            OPENAI_NAMES, settings.model
        )
        self._served: OrderedDict[tuple[int | str, Wish], Served] = OrderedDict()
        self._lock = RLock()

    @property
    def table(self) -> Mapping[str, str]:
        """Model of Workers AI -> what answers for it, for people."""
        return {name: target_name(target) for name, target in self.targets.items()}

    @property
    def openai_names(self) -> list[str]:
        """What may be said as ``model`` in OpenAI's dialect."""
        return sorted({*self._openai, *self.targets})

    def model(self, name: str) -> Model | None:
        """The model of Workers AI, None where it is not served."""
        return MODELS.get(name)

    def target(self, name: str) -> object | None:
        """What answers for a name of Workers AI or of OpenAI; None where nothing does."""
        for known in (self.targets, self._openai):
            if name in known:
                return known[name]
        return self.settings.model if _OPENAI_NAME.fullmatch(name) else None

    def counted_name(self, name: str) -> str:
        """What the log and the counters call a name that is served: one of a short list."""
        return name if name in self.targets or name in self._openai else "openai"

    def ready(self, target: object, wish: Wish) -> Served | None:
        """The recogniser for a wish, where it is there already."""
        key = _key(target, wish)
        found = self._served.get(key)
        if found is None:
            return None
        with suppress(KeyError):  # thrown away meanwhile by another thread
            self._served.move_to_end(key)
        # A prompt may come with every request: what is made for one is not kept.
        return _prompted(found, wish.prompt) if wish.prompt and _is_made_here(target) else found

    def served(self, target: object, wish: Wish) -> Served:
        """The recogniser for a wish. May take a while: it may load a model.

        Raises:
            OptionError: the model cannot do this.
            WeightsError: the name leads to no weights.
        """
        with self._lock:
            if (found := self.ready(target, wish)) is not None:
                return found
            self._served[_key(target, wish)] = self._make(target, replace(wish, prompt=None))
            if len(self._served) > KEPT:
                self._served.popitem(last=False)
            made = self.ready(target, wish)
            assert made is not None
            return made

    def _make(self, target: object, wish: Wish) -> Served:
        if not isinstance(target, str) or target.startswith(CANNED):
            ready = Canned([target.removeprefix(CANNED)]) if isinstance(target, str) else from_model(target)
            return self._ready(ready, wish)
        backend = from_model(
            target,
            task=wish.task,
            timestamps="word",
            generate_kwargs={"num_beams": wish.beams} if wish.beams else None,
            window=30.0 if wish.beams else None,  # a search is not tried again where a short window made it loop
            device=self.settings.device,
            precision=self.settings.precision,
            batch_size=self.settings.batch_size,
        )
        served = Served.of(backend, self.settings.batch_size)
        if self.settings.batch_size is None and getattr(backend, "device", None) == "cpu":
            served.batch_size = min(served.batch_size, CPU_BATCH)
            served.most_seconds = CPU_SECONDS
        if wish.beams:  # each clip is as much work as so many
            served.batch_size = max(1, served.batch_size // wish.beams)
            served.most_seconds /= wish.beams
        return served

    def _ready(self, backend: Backend, wish: Wish) -> Served:
        """Ready backends are taken as they are; only what would be another text on purpose is refused."""
        if backend.preferred.upload is not None:
            raise OptionError(f"{backend.name} works elsewhere; serve a model of this machine")
        can_translate = isinstance(backend, Canned) or getattr(backend, "task", None) == "translate"
        if wish.task == "translate" and not can_translate:
            raise OptionError(f"{backend.name} was not made to translate")
        return Served.of(backend, self.settings.batch_size)


def _key(target: object, wish: Wish) -> tuple[int | str, Wish]:
    """Without the language, which goes with each clip, and the prompt, which anybody may make up.

    A ready backend takes no other wishes either.
    """
    if not isinstance(target, str):
        return id(target), Wish(task=wish.task)
    return target, Wish(task=wish.task, beams=wish.beams if _is_made_here(target) else None)


def _is_made_here(target: object) -> bool:
    """Whether it is a Whisper that is made from a name, with whatever options."""
    return isinstance(target, str) and not target.startswith(CANNED)


def _prompted(served: Served, prompt: str) -> Served:
    backend = copy.copy(served.backend)
    backend.prompt = prompt  # type: ignore[attr-defined]  # a Whisper, which was made from a name
    return replace(served, backend=backend)


def target_name(target: object) -> str:
    """What clients may read about it, in one line of text: of a local folder its last part alone.

    Names of folders may hold line breaks, and bytes that are no text.

    >>> target_name("./models/k\\udcfcche")
    'k?che'
    """
    if isinstance(target, str) and target.startswith(CANNED):
        return _one_line(target)
    return _one_line(public_name(raw_name(target)))


def raw_name(target: object) -> str:
    """What the operator called it."""
    return target if isinstance(target, str) else str(getattr(target, "name", type(target).__name__))


def _one_line(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name).strip()
