"""Runs NIST's own scorer (Debian's sctk) and reads what it prints; the oracle of several tests."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_sctk = pytest.mark.skipif(shutil.which("sctk") is None, reason="sctk is not installed (apt-get install sctk)")
_PATH = re.compile(r'<PATH id="\(s_(\d+)\)"[^>]*>\n(.*?)\n?</PATH>', re.DOTALL)
_RESULT = re.compile(r"\(# segs: (\d+)\).*\(mean: (\S+)\) \(std dev: (\S+)\) \(Z Stat: (\S+)\)")
_OP = re.compile(r'([CSDI]),(?:"(.*?)")?,(?:"(.*?)")?(?=:[CSDI],|$)')


@dataclass(frozen=True, slots=True)
class MatchedPairsLine:
    """What sc_stats says of two systems, to three decimals."""

    segments: int
    mean: float
    sd: float
    z: float


def sclite(
    folder: Path, references: Sequence[str], hypotheses: Sequence[str], flags: Sequence[str] = ("-s",)
) -> list[list[tuple[str, str | None, str | None]]]:
    """Letter, reference word and hypothesis word of every edit, for each pair; words as sclite prints them."""
    printed = _sgml(folder, references, hypotheses, "system", flags)
    found: dict[int, list[tuple[str, str | None, str | None]]] = {}
    for number, line in _PATH.findall(printed):
        ops = [match.groups() for match in _OP.finditer(line)]
        assert ":".join(f"{op},{_quoted(left)},{_quoted(right)}" for op, left, right in ops) == line
        found[int(number)] = [(op, left, right) for op, left, right in ops]
    return [found[row] for row in range(len(references))]


def mapsswe(
    folder: Path, references: Sequence[str], hypotheses_a: Sequence[str], hypotheses_b: Sequence[str]
) -> MatchedPairsLine:
    """The matched pairs test of sc_stats."""
    systems = "".join(
        _sgml(folder, references, hypotheses, name, ("-s",))
        for name, hypotheses in (("a", hypotheses_a), ("b", hypotheses_b))
    )
    printed = subprocess.run(
        ["sctk", "sc_stats", "-p", "-t", "mapsswe", "-v", "-n", "-"],
        input=systems.encode(),
        capture_output=True,
        check=True,
    )
    match = _RESULT.search(printed.stdout.decode(errors="replace"))  # it prints uninitialised bytes
    assert match, printed.stdout
    segments, mean, sd, z = match.groups()
    return MatchedPairsLine(int(segments), float(mean), float(sd), float(z))


def _sgml(folder: Path, references: Sequence[str], hypotheses: Sequence[str], title: str, flags: Sequence[str]) -> str:
    files = []
    for name, texts in (("reference", references), (title, hypotheses)):
        path = folder / f"{name}.trn"
        path.write_text("".join(f"{text} (s_{row:06})\n" for row, text in enumerate(texts)), encoding="utf-8")
        files.append(path)
    command = ["sctk", "sclite", "-r", str(files[0]), "trn", "-h", str(files[1]), "trn", title, "-i", "rm"]
    run = subprocess.run([*command, "-f", "0", *flags, "-o", "sgml", "stdout"], capture_output=True, check=True)
    return run.stdout.decode("utf-8")


def _quoted(word: str | None) -> str:
    return "" if word is None else f'"{word}"'
