"""``asrkit transcribe-files`` and ``asrkit plan``: the words of the command line -> calls."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import BackendError, Interrupted, OptionError
from ..shell_options import further_options, joined_options
from ..tracks import track_option
from ..turns import channel_argument
from .files import transcribe_files
from .planning import PCM, PER_MINUTE, measure, plan

__all__ = ["add_commands"]

DEMO = Path("datasets/demo/clips")


def add_commands(commands: Any) -> None:
    """The two commands."""
    files = commands.add_parser(
        "transcribe-files",
        help="tables or folders bigger than memory, shard by shard, here or on a cluster",
        description="Transcribe tables, or a folder of audio, shard by shard. What is done is done: the same command "
        "goes on from there.",
    )
    add = files.add_argument
    add("inputs", nargs="+", metavar="GLOB|FOLDER|FILE", help="Parquet, CSV, TSV, JSON lines; or audio; paths or URLs")
    add("--out", "-o", required=True, metavar="FOLDER", help="folder or URL for the results, one Parquet a shard")
    add("--on", choices=("ray",), help="a cluster: the one that ray finds or RAY_ADDRESS names, else this machine's")
    add("--workers", type=int, help="on a cluster; by itself one a GPU, or one for four CPUs")
    add("--encoding", help="of tables of text (UTF-8, or what a mark at their beginning says)")
    add("--audio", default="path", help="column with the audio (%(default)s)")
    add("--into", default="hypothesis", help="name of the new column (%(default)s)")
    add("--model", default="openai/whisper-base", help="a name, a local folder, or @cf/... (%(default)s)")
    add("--revision", help="branch, tag or commit of the model")
    add("--language", help="code or name, or the column with one a row; found out if not given")
    add("--task", choices=("transcribe", "translate"), help="translate: into English")
    add("--timestamps", choices=("segment", "word"))
    add("--device", help="auto, cpu, cuda, mps")
    add("--precision", choices=("auto", "float32", "bfloat16", "float16"))
    add("--batch-size", type=int)
    add("--option", action="append", default=[], metavar="NAME=VALUE", help="a further option of the model")
    add("--max-cost", type=float, metavar="DOLLARS", help="never spend more than this")
    add("--start", metavar="COLUMN", help="with the first second that is wanted")
    add("--end", metavar="COLUMN", help="with the second to stop before")
    add(
        "--channel",
        type=channel_argument,
        metavar="NUMBER|each",
        help="take this channel (from 0) instead of the average; each: all of them, as turns in time order",
    )
    add("--track", type=track_option, help="take this audio track: a number from 0, or a language such as eng")
    add("--details", action="store_true", help="also language, duration, confidence, logprob, flags, segments")
    add("--keep-audio", action="store_true", help="also write a column that holds the sound itself")
    add("--overwrite", action="store_true", help="replace columns that the tables have already")
    add("--journal", metavar="FILE", help="the journal of finished rows; off for none")
    add("--shard-hours", type=float, default=10.0, help="of audio, where audio files are grouped (%(default)s)")
    add("--quiet", "-q", action="store_true", help="no progress bar")
    files.set_defaults(run=_files)

    planned = commands.add_parser(
        "plan",
        help="time, money and storage of a run that is bigger than this machine",
        description="Say what a run would take, from what was measured or told; what is unknown is said to be.",
    )
    add = planned.add_argument
    add("--hours", type=float, required=True, help="of audio")
    add("--model", default="openai/whisper-base", help="a name, a local folder, or @cf/... (%(default)s)")
    add("--gpus", type=int, default=1, metavar="N", help="workers at the same time, one a GPU (%(default)s)")
    add("--gpu-price", type=float, metavar="DOLLARS", help="for an hour of one")
    add(
        "--measure",
        nargs="?",
        const="",
        metavar="FOLDER",
        help=f"measure one worker on this machine, with recordings of a folder or glob (else {DEMO})",
    )
    add("--rtfx", type=float, help="seconds of audio that a worker hears in a second, where it is known")
    add("--start", type=float, metavar="SECONDS", help="until a worker can hear")
    add("--commit", type=float, metavar="SECONDS", help="that a shard takes beside hearing")
    add("--shard-hours", type=float, help="of audio in a shard; by itself the best")
    add("--kill-hours", type=float, help="after which a worker is taken away, on average (spot machines)")
    add(
        "--audio-rate",
        type=float,
        default=PCM,
        metavar="BYTES",
        help="for a second of audio in the storage (%(default)s: PCM at 16 kHz; MP3 of 64 kbit/s 8000)",
    )
    add("--clip-seconds", type=float, default=30.0, help="of audio in a request to a service (%(default)s)")
    add("--per-minute", type=float, default=PER_MINUTE, help="requests that the service allows (%(default)s)")
    add("--device", help="for --measure: auto, cpu, cuda, mps")
    add("--precision", choices=("auto", "float32", "bfloat16", "float16"), help="for --measure")
    planned.set_defaults(run=_plan)


def _files(options: argparse.Namespace) -> int:
    model_options = {
        name: getattr(options, name)
        for name in ("revision", "task", "timestamps", "device", "precision", "batch_size", "max_cost")
    }
    try:
        summary = transcribe_files(
            options.inputs,
            options.audio,
            out=options.out,
            on=options.on,
            model=options.model,
            into=options.into,
            language=options.language,
            start=options.start,
            end=options.end,
            channel=options.channel,
            track=options.track,
            details=options.details,
            overwrite=options.overwrite,
            keep_audio=options.keep_audio,
            journal=options.journal,
            encoding=options.encoding,
            progress=not options.quiet,
            shard_hours=options.shard_hours,
            workers=options.workers,
            **joined_options(model_options, further_options(options.option, options.model)),
        )
    except Interrupted as stopped:
        options.stopped = f"stopped\n{stopped.partial}"
        return 130
    except BackendError as error:
        if error.partial is not None:
            print(error.partial, file=sys.stderr)
        raise
    print(summary)
    return 1 if summary.failed or summary.broken else 0


def _plan(options: argparse.Namespace) -> int:
    measured = None
    if options.measure is not None and not options.model.startswith("@cf/"):
        if not options.measure and not DEMO.is_dir():
            raise OptionError("name a folder with some of your recordings: --measure FOLDER")
        given = {"device": options.device, "precision": options.precision}
        known = {name: value for name, value in given.items() if value is not None}
        measured = measure(options.measure or DEMO, model=options.model, **known)
    print(
        plan(
            options.hours,
            model=options.model,
            gpus=options.gpus,
            gpu_price=options.gpu_price,
            rtfx=options.rtfx,
            start=options.start,
            commit=options.commit,
            measured=measured,
            shard_hours=options.shard_hours,
            kill_hours=options.kill_hours,
            audio_rate=options.audio_rate,
            clip_seconds=options.clip_seconds,
            per_minute=options.per_minute,
        )
    )
    return 0
