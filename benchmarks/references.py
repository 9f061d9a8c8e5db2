"""Wrong references planted into real recordings: how many of them asrkit finds, and how often it is right.

    python benchmarks/references.py --cache /tmp/references.json [--seeds 20] [--share 0.05]

Three systems hear the English recordings of at most 28 s: Whisper tiny.en, Whisper base, and tiny.en with white noise
10 dB below the speech added to the sound. They run once; what they heard is kept in the file of ``--cache``.
"""

from __future__ import annotations

import argparse
import json
import os
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import asrkit
from asrkit import audio
from asrkit.evaluate.frames import compare
from asrkit.evaluate.suspicious import THRESHOLD, suspicious_references
from asrkit.normalizers import find

SPEECH = Path(os.environ.get("ASRKIT_SPEECH", Path(__file__).parents[2] / "shared" / "speech"))
LONGEST = 28.0  # seconds
SAVED = 25  # recordings transcribed at once, after which the cache is written
NOISE = 10.0  # dB below the speech
SYSTEMS = {  # name -> model, whether it hears noise
    "tiny.en": ("openai/whisper-tiny.en", False),
    "base": ("openai/whisper-base", False),
    "noisy": ("openai/whisper-tiny.en", True),
}


def recordings() -> pd.DataFrame:
    """The short English rows of the manifest, indexed by their names."""
    manifest = pd.read_csv(SPEECH / "manifest.csv")
    rows = manifest[(manifest.language == "en") & (manifest.duration_s < LONGEST)]
    return rows.assign(path=[str(SPEECH / path) for path in rows.path]).set_index("id")


def heard(rows: pd.DataFrame, cache: Path) -> pd.DataFrame:
    """The rows with a column of texts for each system, from the cache where they are in it."""
    known: dict[str, dict[str, dict[str, object]]] = json.loads(cache.read_text()) if cache.exists() else {}
    by_length = rows.sort_values("duration_s")  # clips of like length are decoded together
    for system, (model, is_noisy) in SYSTEMS.items():
        own = known.setdefault(system, {})
        left = [name for name in by_length.index if name not in own]
        backend = asrkit.Whisper(model, language="en") if left else None
        for first in range(0, len(left), SAVED):
            some = rows.path[left[first : first + SAVED]]
            cells = [with_noise(name, path) if is_noisy else path for name, path in some.items()]
            frame = pd.DataFrame({"sound": pd.Series(cells, some.index, dtype=object)})
            frame = frame.asr.transcribe("sound", model=backend, details=True, errors="raise", progress=False)
            for name, text, sure in zip(frame.index, frame.hypothesis, frame.hypothesis_confidence, strict=True):
                own[name] = {"text": text, "confidence": None if pd.isna(sure) else float(sure)}
            cache.write_text(json.dumps(known, indent=1))
            print(f"{system}: {len(own)} of {len(rows)} recordings transcribed", flush=True)
    columns: dict[str, list[object]] = {}
    for system in SYSTEMS:
        columns[system] = [known[system][name]["text"] for name in rows.index]
        columns[f"{system}_confidence"] = [known[system][name]["confidence"] for name in rows.index]
    return rows.assign(**columns)


def with_noise(name: str, path: str) -> tuple[np.ndarray, int]:
    """The sound with white noise; always the same for the same recording."""
    sound = audio.load(path)
    noise = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(len(sound.samples)).astype(np.float32)
    level = np.sqrt(np.mean(sound.samples**2, dtype=float)) * 10 ** (-NOISE / 20)
    return sound.samples + np.float32(level) * noise, sound.sampling_rate


# -- plants: a row's normalised words and what may go into them -> other words, None where this cannot be done ----


def replaced(words: list[str], at: int, texts: list[list[str]], random: np.random.Generator) -> list[str] | None:
    others = [text for text in texts if text != texts[at] and text]
    return others[random.integers(len(others))]


def one_other(words: list[str], at: int, texts: list[list[str]], random: np.random.Generator) -> list[str] | None:
    place, word = int(random.integers(len(words))), any_word(texts, random)
    return None if word == words[place] else [*words[:place], word, *words[place + 1 :]]


def one_missing(words: list[str], at: int, texts: list[list[str]], random: np.random.Generator) -> list[str] | None:
    place = int(random.integers(len(words)))
    return [*words[:place], *words[place + 1 :]] if len(words) > 1 else None


def one_more(words: list[str], at: int, texts: list[list[str]], random: np.random.Generator) -> list[str] | None:
    place = int(random.integers(len(words) + 1))
    return [*words[:place], any_word(texts, random), *words[place:]]


def half_missing(words: list[str], at: int, texts: list[list[str]], random: np.random.Generator) -> list[str] | None:
    half = len(words) // 2
    return (words[:half] if random.random() < 0.5 else words[-half:]) if half else None


def other_number(words: list[str], at: int, texts: list[list[str]], random: np.random.Generator) -> list[str] | None:
    places = [place for place, word in enumerate(words) if word.isdigit()]
    if not places:
        return None
    place = places[random.integers(len(places))]
    number = "".join(random.permutation(list("0123456789"))[: min(len(words[place]), 10)])
    return None if number == words[place] else [*words[:place], number, *words[place + 1 :]]


def any_word(texts: list[list[str]], random: np.random.Generator) -> str:
    words = [word for text in texts for word in text]
    return words[random.integers(len(words))]


PLANTS = {
    "another row's": replaced,
    "half missing": half_missing,
    "one word other": one_other,
    "one word missing": one_missing,
    "one word more": one_more,
    "number other": other_number,
}


def planted(texts: list[list[str]], plant: Callable[..., list[str] | None], share: float, seed: int) -> dict[int, str]:
    """Row -> its wrong reference, for a share of the rows."""
    random = np.random.default_rng(seed)
    wrong: dict[int, str] = {}
    for at in random.permutation(len(texts)).tolist():
        if len(wrong) >= round(share * len(texts)):
            break
        words = plant(texts[at], at, texts, random) if texts[at] else None
        if words is not None:
            wrong[at] = " ".join(words)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--show", action="store_true", help="also what is suspicious where nothing is planted")
    options = parser.parse_args()
    rows = heard(recordings(), options.cache)
    normalizer = find("english")
    texts = [normalizer(text).split() for text in rows.text]
    systems = [name for name in SYSTEMS if name in rows.columns]

    def suspects(references: list[str]) -> pd.DataFrame:
        frame = rows.assign(reference=references)[["reference", *systems]]
        compared = compare(frame, reference="reference", hypotheses=systems, language="en", replicates=10)
        return suspicious_references(compared, threshold=0.0)

    clean = suspects([" ".join(words) for words in texts])
    print(f"{len(rows)} recordings; systems: {', '.join(systems)}")
    print(f"nothing planted: {(clean.score >= THRESHOLD).sum()} rows have a score of {THRESHOLD} or more")
    if options.show:
        with pd.option_context("display.max_colwidth", 70, "display.width", 250, "display.max_rows", 40):
            print(clean[["score", "reason"]].head(20).to_string())
    print(
        f"\n{options.seeds} seeds, {options.share:.0%} of the references made wrong; lowest: recall of the worst seed;"
    )
    print("row: its text's own row was named; top: share found when as many rows are looked at as are wrong")
    print(f"{'':18} {'planted':>8} {'recall':>7} {'lowest':>7} {'precision':>9} {'row':>7} {'top':>7}")
    for name, plant in PLANTS.items():
        found = Counter[str]()
        lowest = 1.0
        for seed in range(options.seeds):
            wrong = planted(texts, plant, options.share, seed)
            table = suspects([wrong.get(at, " ".join(words)) for at, words in enumerate(texts)])
            labels = {rows.index[at] for at in wrong}
            flagged = set(table.index[table.score >= THRESHOLD])
            found["planted"] += len(wrong)
            found["flagged"] += len(flagged)
            found["right"] += len(flagged & labels)
            found["top"] += len(labels.intersection(table.index[: len(labels)]))
            for at, text in wrong.items():
                named = table.belongs_to.get(rows.index[at])
                found["named"] += named is not None and " ".join(texts[rows.index.get_loc(named)]) == text
            lowest = min(lowest, len(flagged & labels) / len(labels))
        print(
            f"{name:18} {found['planted']:8} {found['right'] / found['planted']:7.3f} {lowest:7.3f} "
            f"{found['right'] / found['flagged'] if found['flagged'] else float('nan'):9.3f} "
            f"{found['named'] / found['planted'] if plant is replaced else float('nan'):7.3f} "
            f"{found['top'] / found['planted']:7.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
