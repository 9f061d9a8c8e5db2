"""What ``asrkit demo`` and ``make demo`` do: the demo clips, recognised here and by Workers AI, and who is better."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import SourceError
from .writable import check_target

if TYPE_CHECKING:
    import pandas as pd

    from .backends.workers_ai import WorkersAI
    from .evaluate.comparison import Comparison

__all__ = ["run"]

REMOTE = "@cf/openai/whisper"
PATIENCE = 600.0  # seconds for an answer of a machine that may be slow
SHOWN = 60  # letters of a text


def run(manifest: Path, model: str, served: str, report: Path) -> int:
    """Print a row a clip and system, then how good each system is; write the report. Gives an exit status.

    Args:
        manifest: a CSV with ``path``, ``text`` and ``condition``.
        model: that hears the clips here.
        served: that plays Workers AI where there are no credentials for it.
        report: file to write.
    """
    import pandas as pd

    from .backends.whisper import Whisper

    if not manifest.is_file():
        raise SourceError(f"no demo clips at {manifest}; run this in a checkout of the project", code="not-found")
    check_target(report)
    df = pd.read_csv(manifest, keep_default_na=False)
    local = Whisper(model)
    print(
        f"{len(df)} clips of {manifest}\n{local.name}: {local.weights.origin}, {local.weights.revision}, "
        f"{local.device}, {local.precision}"
    )
    with _workers_ai(served) as (remote, who):
        print(who)
        comparison = df.asr.benchmark(
            "path", reference="text", models=[local, remote], by="condition", block="speaker", language="en"
        )
    _print_rows(df, comparison)
    print(f"\n{comparison}\n{remote.label}: {remote.spending}")
    comparison.to_html(report, title=f"{local.name} and {remote.label} on the demo clips")
    print(f"report: {report.resolve()}")
    return 1 if comparison.failures or any(score.failed for score in comparison.scores) else 0


@contextmanager
def _workers_ai(served: str) -> Iterator[tuple[WorkersAI, str]]:
    """The real service where there are credentials, else the same API on this machine; and which of them it is."""
    from .backends.workers_ai import WorkersAI

    if os.environ.get("CLOUDFLARE_ACCOUNT_ID") and (
        os.environ.get("CLOUDFLARE_API_TOKEN") or os.environ.get("CLOUDFLARE_API_KEY")
    ):
        backend = WorkersAI(REMOTE)
        yield backend, f"{REMOTE}: {backend.account.host}"
        return
    from .serve import Settings, background

    with background(Settings(model=served, port=0)) as server:
        backend = WorkersAI(REMOTE, base_url=f"{server.url}/client/v4", account_id="demo", timeout=PATIENCE)
        yield backend, f"{REMOTE}: no credentials here, so it is played by {served} behind asrkit serve, {server.url}"


def _print_rows(df: pd.DataFrame, comparison: Comparison) -> None:
    """What each system heard in each clip, with the clip's own error rate."""
    from .evaluate.wording import cut_text, percent

    frames = {score.name: score.frame for score in comparison.scores}
    written = {
        score.name: dict(zip(score.texts.labels, score.texts.written_hypotheses(score.name), strict=True))
        for score in comparison.scores
    }
    width = max(map(len, frames))
    print(f"\n{'clip':14} {'condition':10} {'system':{width}} {'WER':>6}  hypothesis")
    for index, clip in df.iterrows():
        name, condition = Path(clip["path"]).stem, clip["condition"]
        for system, frame in frames.items():
            if index in frame.index:
                row = frame.loc[index]
                wer = percent(row["wer"])
                shown = cut_text(written[system][index], SHOWN) or "(nothing)"
            else:
                wer, shown = "", "(no text)"
            print(f"{name:14} {condition:10} {system:{width}} {wer:>6}  {shown}")
            name = condition = ""
