"""Names that clients say -> recognisers of this machine, one for each set of options."""

from __future__ import annotations

import copy
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

__all__ = ["OPENAI_NAMES", "Catalogue", "Wish"]

CANNED = "canned:"
KEPT = 64  # sets of options whose recognisers are kept; their weights are shared
# Clips decoded together on a CPU. More were no faster there, and everybody in a batch waits for all of it.
CPU_BATCH = 16
CPU_SECONDS = 120.0  # of sound decoded together there: about ten seconds of work for whisper-tiny
OPENAI_NAMES = ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")


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
        return self.targets.get(name) or self._openai.get(name)

    def ready(self, target: object, wish: Wish) -> Served | None:
        """The recogniser for a wish, where it is there already."""
        key = _key(target, wish)
        found = self._served.get(key)
        if found is not None:
            with suppress(KeyError):  # thrown away meanwhile by another thread
                self._served.move_to_end(key)
        return found

    def served(self, target: object, wish: Wish) -> Served:
        """The recogniser for a wish. May take a while: it may load a model.

        Raises:
            OptionError: the model cannot do this.
            WeightsError: the name leads to no weights.
        """
        with self._lock:
            if (found := self.ready(target, wish)) is not None:
                return found
            made = self._served[_key(target, wish)] = self._make(target, wish)
            if len(self._served) > KEPT:
                self._served.popitem(last=False)
            return made

    def _make(self, target: object, wish: Wish) -> Served:
        if not isinstance(target, str) or target.startswith(CANNED):
            ready = Canned([target.removeprefix(CANNED)]) if isinstance(target, str) else from_model(target)
            return self._ready(ready, wish)
        if wish.prompt is not None:
            # Making one reads all of its weights for their digest; a prompt may come with every request.
            return self._prompted(self.served(target, replace(wish, prompt=None)), wish.prompt)
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
        return served

    def _prompted(self, base: Served, prompt: str) -> Served:
        backend = copy.copy(base.backend)
        backend.prompt = prompt  # type: ignore[attr-defined]  # a Whisper, which was made from a name
        return replace(base, backend=backend)

    def _ready(self, backend: Backend, wish: Wish) -> Served:
        """Ready backends are taken as they are; only what would be another text on purpose is refused."""
        if backend.preferred.upload is not None:
            raise OptionError(f"{backend.name} works elsewhere; serve a model of this machine")
        can_translate = isinstance(backend, Canned) or getattr(backend, "task", None) == "translate"
        if wish.task == "translate" and not can_translate:
            raise OptionError(f"{backend.name} was not made to translate")
        return Served.of(backend, self.settings.batch_size)


def _key(target: object, wish: Wish) -> tuple[int | str, Wish]:
    """Without the language, which goes with each clip; a ready backend takes no other wishes either."""
    if not isinstance(target, str) or target.startswith(CANNED):
        return id(target) if not isinstance(target, str) else target, Wish(task=wish.task)
    return target, replace(wish, language=None)


def target_name(target: object) -> str:
    """What clients may read about it: of a local folder its last part alone."""
    if isinstance(target, str) and target.startswith(CANNED):
        return target
    return public_name(raw_name(target))


def raw_name(target: object) -> str:
    """What the operator called it."""
    return target if isinstance(target, str) else str(getattr(target, "name", type(target).__name__))
