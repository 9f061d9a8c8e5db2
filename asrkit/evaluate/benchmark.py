"""Models over the same rows: transcribe with each, then compare."""

from __future__ import annotations

import inspect
import time
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from ..backends import from_model
from ..backends.base import Backend
from ..batch import checked_language
from ..errors import BackendError, CredentialsError, MissingExtraError, OptionError, WeightsError
from ..normalizers import find
from .comparison import Comparison
from .dialects import sclite_options
from .frames import compare
from .stated import stated_languages

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["benchmark"]

SCORING = ("normalizer", "unit", "dialect", "failed", "level", "replicates", "seed")
UNFIT = (CredentialsError, MissingExtraError, OptionError, WeightsError)  # the model cannot be run here at all


def benchmark(
    frame: pd.DataFrame,
    audio: Hashable,
    *,
    reference: Hashable,
    models: Sequence[object],
    by: Any = None,
    block: Hashable | None = None,
    language: str | None = None,
    start: Hashable | None = None,
    end: Hashable | None = None,
    progress: bool = True,
    compare_options: dict[str, Any] | None = None,
    **options: Any,
) -> Comparison:
    """Run models over the same rows and compare them; see ``DataFrame.asr.benchmark``.

    A model that cannot be run here, or that stops in the middle, is told among the failures; the others go on. RTFx
    is measured over each model's whole run, decoding and waiting included; what the journal has counts with the time
    that it took when it was heard.
    """
    if isinstance(models, str) or not models:
        raise OptionError(f"expected a list of models, got {models!r}")
    _check(compare_options or {})
    stated_languages(frame, language)
    failures: dict[str, str] = {}
    names: list[str] = []
    for model in models:
        name = _name(model, [*frame.columns, *names, *failures])
        before = set(frame.columns)
        began = time.perf_counter()
        try:
            backend = from_model(model)
            frame = frame.asr.transcribe(
                audio,
                model=backend,
                into=name,
                language=language if _takes(backend, frame, language) else None,
                start=start,
                end=end,
                details=True,
                progress=progress,
                **options,
            )
        except UNFIT as error:
            failures[name] = str(error)
            continue
        except BackendError as error:
            failures[name] = str(error)
            if error.partial is None or error.partial[name].isna().all():
                continue
            frame = error.partial
        if frame[name].isna().all():
            failures[name] = f"no row has a text; the first error: {frame[f'{name}_error'].dropna().iloc[0]}"
            continue
        _share_out(frame, name, time.perf_counter() - began)
        label = getattr(backend, "label", None)  # names who answered, where it was not the service of the model's name
        if label is not None and label != getattr(backend, "name", label):
            label = _name(label, [*before, *names, *failures])
            frame = _renamed(frame, before, name, label)
            failures = {label if failed == name else failed: why for failed, why in failures.items()}
            name = label
        names.append(name)
    if not names:
        reasons = "; ".join(f"{name}: {why}" for name, why in failures.items())
        raise BackendError(f"none of the models could be run: {reasons}")
    return compare(
        frame,
        reference=reference,
        hypotheses=names,
        by=by,
        block=block,
        audio=audio,
        language=language,
        failures=failures,
        **(compare_options or {}),
    )


def _check(options: dict[str, Any]) -> None:
    """Whether the comparison will take its options: before any model runs, since that may take hours and dollars."""
    known = inspect.signature(compare).parameters
    if unknown := [name for name in options if name not in known]:
        raise OptionError(f"benchmark has no option {unknown[0]!r}; the options of score are {', '.join(SCORING)}")
    sclite_options(options.get("dialect", "levenshtein"))
    find(options.get("normalizer", "auto"))


def _takes(backend: Backend, frame: pd.DataFrame, language: str | None) -> bool:
    """Whether a model can be told a language; others find it out, or know only one."""
    if language is None:
        return False
    told = frame[language].dropna().unique() if language in frame.columns else [language]
    try:
        for code in told:
            checked_language(backend, str(code))
    except OptionError:
        return False
    return True


def _name(model: object, taken: Sequence[Any]) -> str:
    name = model if isinstance(model, str) else str(getattr(model, "name", type(model).__name__))
    number, own = 2, name
    while own in taken:
        own = f"{name} ({number})"
        number += 1
    return own


def _renamed(frame: pd.DataFrame, before: set[Any], name: str, label: str) -> pd.DataFrame:
    """The columns of one system under another name, with what is known of how they were made."""
    new = {column: label + str(column)[len(name) :] for column in frame.columns if column not in before}
    renamed = frame.rename(columns=new)
    for key in ("asrkit", "asrkit_audio", "asrkit_journal"):
        if name in frame.attrs.get(key, {}):
            renamed.attrs[key] = {label if own == name else own: told for own, told in frame.attrs[key].items()}
    return renamed


def _share_out(frame: pd.DataFrame, name: str, elapsed: float) -> None:
    """Seconds of the whole run on its rows, by their audio: what a user waits for, requests side by side included.

    Texts that the journal had bring the seconds of the run that made them; where it had all of them, the looking up is
    no recognition at all.
    """
    earlier = frame.attrs.get("asrkit_journal", {}).get(name)
    if earlier:
        is_all = earlier["rows"] >= frame[name].notna().sum()
        elapsed = earlier["seconds"] + (0.0 if is_all else elapsed)
    durations = frame[f"{name}_duration"]
    frame[f"{name}_elapsed"] = durations * (elapsed / durations.sum()) if durations.sum() else durations
