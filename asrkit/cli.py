"""The same from a shell: ``asrkit transcribe``, ``asrkit serve``, ``asrkit models``, ``asrkit demo``."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import doctor
from .errors import AsrkitError, BackendError, ColumnError, JournalError, OptionError, SourceError
from .evaluate import command as evaluate_command
from .journal import command as journal_command
from .printable import ForTerminal, printable
from .scale import command as scale_command
from .serve import command as serve_command
from .tracks import track_option
from .turns import channel_argument

if TYPE_CHECKING:
    import pandas as pd

    from .outcomes import Outcome

__all__ = ["main"]

CAPTIONS = ("srt", "vtt")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its exit status: 0 all well, 1 some rows failed, 2 nothing could be done."""
    options = _parser().parse_args(arguments)
    try:
        with _safe_terminal():
            status: int = options.run(options)
    except AsrkitError as error:
        print(f"asrkit: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads on; Python would complain about it at the end
        return 0
    except KeyboardInterrupt as stopped:
        print(f"asrkit: {stopped or 'stopped'}", file=sys.stderr)
        return 130
    if message := getattr(options, "stopped", None):
        print(f"asrkit: {printable(message)}", file=sys.stderr)
        return 130
    return status


@contextlib.contextmanager
def _safe_terminal() -> Iterator[None]:
    """What is printed does nothing to a terminal; a file or a pipe gets it as it is."""
    if not sys.stdout.isatty():
        yield
        return
    with contextlib.redirect_stdout(ForTerminal(sys.stdout)):
        yield


def _parser() -> argparse.ArgumentParser:
    from .version import VERSION

    parser = argparse.ArgumentParser(prog="asrkit", description="Speech recognition: audio becomes text.")
    parser.add_argument("--version", action="version", version=f"asrkit {VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    transcribe = commands.add_parser(
        "transcribe",
        help="files, a folder or a table of audio to text",
        description="Transcribe audio files, a folder of them, or the audio column of a table.",
    )
    transcribe.add_argument(
        "inputs", nargs="+", metavar="FILES|FOLDER|TABLE", help="a table: CSV, TSV, JSON lines, Parquet"
    )
    transcribe.add_argument(
        "--model",
        default="openai/whisper-base",
        help="a name on the hub, a local folder, or @cf/... for Workers AI (%(default)s)",
    )
    transcribe.add_argument("--revision", help="branch, tag or commit of the model")
    transcribe.add_argument("--language", help="code or name, or the column of a table; found out if not given")
    transcribe.add_argument(
        "--channel",
        type=channel_argument,
        metavar="NUMBER|each",
        help="take this channel (from 0) instead of the average; each: all of them, as turns in time order",
    )
    transcribe.add_argument("--task", choices=("transcribe", "translate"), help="translate: into English")
    transcribe.add_argument("--prompt", help="text that could have come before: names, spelling, style")
    transcribe.add_argument("--timestamps", choices=("segment", "word"), help="times; captions have them by themselves")
    transcribe.add_argument("--device", help="auto, cpu, cuda, cuda:1, mps")
    transcribe.add_argument("--precision", choices=("auto", "float32", "bfloat16", "float16"))
    transcribe.add_argument("--batch-size", type=int)
    transcribe.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further option of the model, such as vad_filter=true; may be repeated",
    )
    transcribe.add_argument(
        "--track", type=track_option, help="take this audio track: a number from 0, or a language such as eng"
    )
    transcribe.add_argument(
        "--isolate", action="store_true", help="decode in processes of their own: for files that nobody can vouch for"
    )
    transcribe.add_argument(
        "--allow-private-urls", action="store_true", help="URLs may lead to addresses that are not public"
    )
    transcribe.add_argument("--gateway", help="name of an AI Gateway in front of Workers AI")
    transcribe.add_argument("--max-cost", type=float, metavar="DOLLARS", help="never spend more than this")
    transcribe.add_argument(
        "--journal",
        metavar="PATH",
        help="file in which finished rows are kept, so that the same command goes on after a crash; else one in the "
        "user's cache, for models whose text depends on nothing unknown",
    )
    transcribe.add_argument("--no-journal", action="store_true", help="keep nothing, recall nothing")
    transcribe.add_argument("--retry-failed", action="store_true", help="also rows whose audio is known to be broken")
    transcribe.add_argument(
        "--no-resend",
        action="store_true",
        help="do not send paid requests again that were never answered and may have been billed",
    )
    transcribe.add_argument("--dry-run", action="store_true", help="say what it would cost, and do nothing")
    transcribe.add_argument("--audio", help="column of a table that holds the audio (path, else another usual name)")
    transcribe.add_argument("--start", metavar="COLUMN", help="column of a table with the first second that is wanted")
    transcribe.add_argument("--end", metavar="COLUMN", help="column of a table with the second to stop before")
    evaluate_command.add_table_arguments(transcribe)
    transcribe.add_argument("--into", default="hypothesis", help="name of the new column (%(default)s)")
    transcribe.add_argument(
        "--format", choices=("txt", "csv", "parquet", "jsonl", *CAPTIONS), help="by --output's ending, else txt"
    )
    transcribe.add_argument(
        "--audio-format",
        metavar="NAME[:RATE]",
        help="what files without any header are: ulaw, alaw, g722, gsm, sln, s16le:16000, ...",
    )
    transcribe.add_argument(
        "--output",
        "-o",
        type=Path,
        help="file to write, for srt and vtt of several recordings a folder; else the terminal",
    )
    transcribe.add_argument(
        "--overwrite", action="store_true", help="replace files, and columns of the table, that are there already"
    )
    transcribe.add_argument("--quiet", "-q", action="store_true", help="no progress bar")
    transcribe.set_defaults(run=_transcribe)

    scale_command.add_commands(commands)
    journal_command.add_command(commands)

    models = commands.add_parser("models", help="models on this machine, and what the others need")
    models.set_defaults(run=_models)

    doctor.add_command(commands)

    evaluate_command.add_commands(commands)

    serve = commands.add_parser(
        "serve",
        help="answer the Workers AI speech recognition API, and OpenAI's, from this machine",
        description="Answer the REST API of Workers AI, and OpenAI's /v1/audio, with a model of this machine.",
    )
    serve_command.add_arguments(serve)
    serve.set_defaults(run=serve_command.run)

    demo = commands.add_parser("demo", help="transcribe the demo clips and say how good the text is")
    demo.add_argument("--model", default="openai/whisper-tiny.en")
    demo.add_argument(
        "--served", default="openai/whisper-base", help="plays Workers AI where there are no credentials (%(default)s)"
    )
    demo.add_argument("--report", type=Path, default=Path("demo-report.html"), help="file to write (%(default)s)")
    demo.add_argument("--manifest", type=Path, default=Path("datasets/demo/manifest.csv"))
    demo.set_defaults(run=_demo)
    return parser


def _transcribe(options: argparse.Namespace) -> int:
    from .backends import from_model
    from .codings import coding_of
    from .shell_options import further_options, joined_options

    further = further_options(options.option, options.model)
    coding_of(options.audio_format)  # a wrong one is said before the weights are loaded
    wanted = options.format or (options.output.suffix.lstrip(".").lower() if options.output else "txt")
    if wanted not in ("txt", "csv", "parquet", "jsonl", *CAPTIONS):
        raise OptionError(f"{options.output}: no format goes by this ending; name one with --format")
    if wanted == "parquet" and not options.output:
        raise OptionError("Parquet is not for a terminal; name a file with --output")
    if options.journal and options.no_journal:
        raise OptionError("expected --journal PATH or --no-journal, not both")
    if not options.dry_run:
        _refuse_overwriting(options, wanted)
    table = _table(options)
    if options.dry_run:
        from .costs import estimate

        cells, bar = table[options.audio].tolist(), not options.quiet
        stretch = {"start": options.starts, "end": options.ends, "channel": options.channel}
        print(estimate(cells, model=options.model, progress=bar, **stretch, **further))
        return 0
    _check_columns(table, options, wanted)
    files = _caption_files(table, options, wanted)
    _refuse_inputs(table, options, wanted, files)
    is_remote = options.model.startswith("@cf/")
    named = {
        name: getattr(options, name)
        for name in (
            "revision",
            "task",
            "prompt",
            "timestamps",
            "device",
            "precision",
            "batch_size",
            "gateway",
            "max_cost",
        )
    }
    named["language"] = options.language if options.language not in table.columns else None
    told = joined_options(named, further)
    if wanted in CAPTIONS and not is_remote and told["timestamps"] is None:
        told["timestamps"] = "word"
    backend = from_model(options.model, **told)
    rows = _rows(table, options, backend)
    if wanted in ("csv", "parquet"):
        return _write_table(table, rows, options, wanted)
    if wanted in CAPTIONS:
        return _write_captions(table[options.audio], rows, files, wanted)
    if options.output:
        with options.output.open("w", encoding="utf-8") as file:
            return _write_lines(table[options.audio], rows, file, wanted)
    return _write_lines(table[options.audio], rows, sys.stdout, wanted)


def _rows(table: pd.DataFrame, options: argparse.Namespace, backend: Any) -> Iterator[Outcome]:
    """One outcome a row. After Ctrl-C those that are done, so that they are written like any other."""
    from .batch import transcribe_cells
    from .failures import Failures
    from .journal.place import chosen
    from .outcomes import NOT_REACHED

    by_row = options.language is not None and options.language in table.columns
    journal = False if options.no_journal else options.journal
    done: dict[int, Outcome] = {}
    failures = Failures()
    given = 0
    try:
        for outcome in transcribe_cells(
            table[options.audio].tolist(),
            backend,
            languages=table[options.language].tolist() if by_row else None,
            starts=options.starts,
            ends=options.ends,
            channel=options.channel,
            track=options.track,
            format=options.audio_format,
            progress=not options.quiet,
            journal=journal,
            retry_failed=options.retry_failed,
            resend_unsettled=not options.no_resend,
            isolate=options.isolate,
            allow_private_urls=options.allow_private_urls,
            done=done.__setitem__,
        ):
            failures.add(outcome)
            yield outcome
            given += 1
        if len(table) > 1:  # of one row it is said already
            failures.say()
    except (KeyboardInterrupt, BackendError, JournalError) as stopped:
        if isinstance(stopped, JournalError) and not done:
            raise
        why = f"{stopped}; " if isinstance(stopped, AsrkitError) else ""
        goes_on = "" if chosen(journal, backend) is None else "; the same command goes on from there"
        options.stopped = f"stopped: {why}{len(done):,} of {len(table):,} rows are done and written{goes_on}"
        yield from (done.get(number, NOT_REACHED) for number in range(given, len(table)))


def _table(options: argparse.Namespace) -> pd.DataFrame:
    """The inputs as one table; what is wrong with them is said before any work."""
    import pandas as pd

    from .local import existing, found_path
    from .manifests import is_elsewhere, is_table

    options.starts = options.ends = None
    inputs = [found_path(name) for name in options.inputs]
    tables = [path for path in inputs if not os.path.isdir(path) and is_table(path, options.audio)]  # noqa: PTH112
    if tables and len(inputs) > 1:
        raise OptionError("give one table, or audio files and folders, not both")
    if tables:
        return _manifest(tables[0], options)
    if options.start or options.end:
        raise OptionError("--start and --end name columns of a table; give a table")
    options.audio = options.audio or "path"
    names = [str(path) for path in _audio_files(options.inputs)]
    _refuse_missing(names, [name for name in names if not is_elsewhere(name) and existing(Path(name)) is None])
    return pd.DataFrame({options.audio: pd.Series(names, dtype=object)})  # they need not be UTF-8


def _manifest(path: Path, options: argparse.Namespace) -> pd.DataFrame:
    """A table with its audio, its languages and its stretches."""
    from .manifests import audio_column, nemo_stretches, read_frame, with_paths
    from .seconds import column_of_seconds

    missing = [options.audio, options.language, options.start, options.end]
    frame = read_frame(path, encoding=options.encoding, columns=options.columns, missing=missing)
    options.audio = audio_column(frame, options.audio, path)
    for name in (options.start, options.end):
        if name is not None and name not in frame.columns:
            raise ColumnError(f"{path} has no column {name!r}; it has {', '.join(map(str, frame.columns))}")
    if stretches := nemo_stretches(frame):
        options.starts, options.ends = stretches
    if options.start:
        options.starts = column_of_seconds(frame[options.start].tolist(), "start")
    if options.end:
        options.ends = column_of_seconds(frame[options.end].tolist(), "end")
    frame, gone = with_paths(frame, options.audio, path)
    _refuse_missing(frame[options.audio].dropna().tolist(), gone)
    return frame


def _refuse_missing(cells: Sequence[object], gone: Sequence[str]) -> None:
    """Say at once that files are missing: the rows themselves are reached only when the model is ready."""
    if not gone:
        return
    first = f"no such file: {gone[0]}" + ("" if Path(gone[0]).is_absolute() else f" (looked in {Path.cwd()})")
    if len(gone) == len(cells):
        all_of_them = "" if len(gone) == 1 else f"; nor are the {len(gone) - 1:,} others there"
        raise SourceError(f"not-found: {first}{all_of_them}", code="not-found")
    print(printable(f"asrkit: {len(gone):,} of {len(cells):,} files are missing: {first}"), file=sys.stderr)


def _audio_files(names: Sequence[str]) -> Iterator[Path | str]:
    from .local import found_path
    from .manifests import is_elsewhere
    from .recordings import recordings_below

    for name in names:
        path = found_path(name)
        if not os.path.isdir(path):  # noqa: PTH112 - Path's raises for names that are too long
            yield name if is_elsewhere(name) else path
            continue
        found = recordings_below(path)
        if not found.paths:
            raise OptionError(f"{path} holds no audio files" + (f"; left out: {found.note}" if found.note else ""))
        if found.note:
            print(printable(f"asrkit: left out of {path}: {found.note}"), file=sys.stderr)
        yield from found.paths


def _refuse_overwriting(options: argparse.Namespace, wanted: str) -> None:
    from .writable import check_folder, check_target

    if not options.output:
        return
    if wanted in CAPTIONS and options.output.suffix.lower() != f".{wanted}":
        check_folder(options.output)
        return
    if wanted not in CAPTIONS and os.path.isfile(options.output) and not options.overwrite:  # noqa: PTH113
        raise OptionError(f"{options.output} is there already; name another file or pass --overwrite")
    if wanted not in CAPTIONS or not os.path.isdir(options.output):  # noqa: PTH112
        check_target(options.output)


def _check_columns(table: pd.DataFrame, options: argparse.Namespace, wanted: str) -> None:
    """Say at once that the new columns would replace some, or that a Parquet cannot have these names."""
    from .columns import check_new_columns

    if wanted not in ("csv", "parquet"):
        return
    names = [str(name) for name in table.columns]
    check_new_columns(
        names,
        [options.into, f"{options.into}_error"],
        options.audio,
        overwrite=options.overwrite,
        what=options.inputs[0],
        remedy="name another --into or pass --overwrite",
    )
    twice = next((name for name in names if names.count(name) > 1), None)
    if wanted == "parquet" and twice is not None:
        raise ColumnError(
            f"{options.inputs[0]} has {names.count(twice)} columns {twice!r}, and names of a Parquet must tell columns "
            "apart; name all columns by --columns, or write CSV"
        )


def _refuse_inputs(table: pd.DataFrame, options: argparse.Namespace, wanted: str, files: Sequence[Path | None]) -> None:
    """Never write onto the audio, nor onto a table, unless it is read whole and written as a table again."""
    from .outputs import check_not_inputs

    written = files if wanted in CAPTIONS else [options.output]
    check_not_inputs(written, table[options.audio])
    if wanted not in ("csv", "parquet"):
        check_not_inputs(written, options.inputs)


def _write_lines(cells: pd.Series[Any], rows: Iterator[Outcome], file: IO[str], wanted: str) -> int:
    """Text or JSON lines, each as soon as it is its turn."""
    from .outcomes import NOT_REACHED
    from .source import describe
    from .transcript import Transcript

    failed = 0
    for cell, row in zip(cells, rows, strict=True):
        if wanted == "jsonl":
            values = row.to_dict() if isinstance(row, Transcript) else {"text": None, "error": row and str(row)}
            if row is NOT_REACHED:
                continue
            print(json.dumps({"audio": describe(cell), **values}, ensure_ascii=False), file=file, flush=True)
        elif isinstance(row, Transcript):
            print(row.text if len(cells) == 1 else f"{describe(cell)}\t{row.text}", file=file, flush=True)
        failed += _report(cell, row)
    return 1 if failed else 0


def _caption_files(table: pd.DataFrame, options: argparse.Namespace, wanted: str) -> list[Path | None]:
    """The file of each row's captions, found before any work; none where they go to the terminal."""
    from .outputs import caption_files, check_new

    if wanted not in CAPTIONS or not options.output:
        return [None] * len(table)
    by_row = options.language is not None and options.language in table.columns
    files = caption_files(
        options.output,
        wanted,
        table[options.audio].tolist(),
        languages=table[options.language].tolist() if by_row else None,
        inputs=[name for name in options.inputs if "://" not in name],
    )
    if not options.overwrite:
        check_new(files)
    return files


def _write_captions(cells: pd.Series[Any], rows: Iterator[Outcome], files: Sequence[Path | None], wanted: str) -> int:
    from .transcript import Transcript

    failed = 0
    for cell, row, file in zip(cells, rows, files, strict=True):
        failed += _report(cell, row)
        if not isinstance(row, Transcript):
            continue
        text = row.to_srt() if wanted == "srt" else row.to_vtt()
        if file is None:
            print(text)
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return 1 if failed else 0


def _write_table(table: pd.DataFrame, rows: Iterator[Outcome], options: argparse.Namespace, wanted: str) -> int:
    from .outcomes import Failure
    from .transcript import Transcript

    texts, errors, failed = [], [], 0
    for cell, row in zip(table[options.audio], rows, strict=True):
        texts.append(row.text if isinstance(row, Transcript) else None)
        errors.append(str(row) if isinstance(row, Failure) else None)
        failed += _report(cell, row)
    result = table.copy()
    result[options.into], result[f"{options.into}_error"] = texts, errors
    result = result.map(_as_utf8)
    if wanted == "parquet":
        result.to_parquet(options.output)
    elif options.output:
        with options.output.open("w", encoding="utf-8", newline="") as file:
            _write_csv(result, options.into, file)
    else:
        _write_csv(result, options.into, sys.stdout)
    return 1 if failed else 0


def _write_csv(frame: pd.DataFrame, into: str, file: IO[str]) -> None:
    """The caller's cells as they were read; an empty text of ours as two quotes, which tell it from a missing one."""
    from .source import is_missing
    from .tables import as_csv

    columns = [
        [None if is_missing(cell) else cell for cell in frame.iloc[:, at].tolist()] for at in range(frame.shape[1])
    ]
    is_text = [
        name == into or (None in cells and "" in cells) for name, cells in zip(frame.columns, columns, strict=True)
    ]
    file.write(as_csv(list(frame.columns), [False] * len(columns)))
    for row in zip(*columns, strict=True):
        file.write(as_csv(row, is_text))


def _as_utf8(value: object) -> object:
    """A file's name that is no UTF-8 with its odd bytes escaped: no table could hold it."""
    if not isinstance(value, str) or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return printable(value)
    return value


def _report(cell: object, row: Outcome) -> bool:
    from .outcomes import NOT_REACHED, Failure

    if isinstance(row, Failure) and row is not NOT_REACHED:
        from tqdm import tqdm

        tqdm.write(printable(f"asrkit: {row}"), file=sys.stderr)
    return isinstance(row, Failure)


def _models(options: argparse.Namespace) -> int:
    from .weights import cache_folder, known_models

    statuses = list(known_models())
    width = max(len(status.name) for status in statuses)
    for status in statuses:
        print(f"{status.name:{width}}  {'here, ' + status.where if status.where else 'needs ' + status.needs}")
    print(f"\nasrkit keeps what it makes of weight packages in {cache_folder() / 'models'}")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from .demo import run

    return run(options.manifest, options.model, options.served, options.report)
