"""The command line, as somebody types it."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from asrkit.cli import main

TINY = "openai/whisper-tiny.en"


def test_python_m_asrkit_and_the_console_script_say_their_version():
    for command in (["asrkit"], [sys.executable, "-m", "asrkit"]):
        path = sys.executable.rsplit("/", 1)[0] + "/asrkit" if command == ["asrkit"] else command[0]
        run = subprocess.run([path, *command[1:], "--version"], capture_output=True, text=True, check=True)
        assert run.stdout.startswith("asrkit 0.")


@pytest.fixture
def clips(tmp_path, recordings):
    """A folder with two clips, one file that is no sound, and a table of them."""
    folder = tmp_path / "clips"
    (folder / "more").mkdir(parents=True)
    jfk = recordings[recordings.source == "jfk"].path.iloc[0]
    (folder / "a.flac").symlink_to(jfk)
    (folder / "more" / "b.wav").symlink_to(recordings[recordings.source == "an4"].path.iloc[0])
    (folder / "notes.txt").write_text("not a clip")
    pd.DataFrame({"path": ["a.flac", "more/b.wav", "gone.wav"], "id": [1, 2, 3]}).to_csv(folder / "t.csv", index=False)
    return folder


@pytest.mark.model
def test_one_file_gives_its_text_and_nothing_else(clips, capsys):
    assert main(["transcribe", str(clips / "a.flac"), "--model", TINY, "-q"]) == 0
    printed = capsys.readouterr().out
    assert "what your country can do for you" in printed
    assert printed.count("\n") == 1


@pytest.mark.model
def test_a_folder_gives_a_line_a_clip_with_its_name(clips, capsys):
    assert main(["transcribe", str(clips), "--model", TINY, "-q"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{clips / 'a.flac'}\t")
    assert second.startswith(f"{clips / 'more' / 'b.wav'}\t")


@pytest.mark.model
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_keeps_its_columns_and_says_why_a_row_failed(clips, ending, capsys):
    target = clips / f"out.{ending}"

    status = main(["transcribe", str(clips / "t.csv"), "--model", TINY, "-o", str(target), "-q"])

    heard = pd.read_csv(target) if ending == "csv" else pd.read_parquet(target)
    assert status == 1
    assert heard.columns.tolist() == ["path", "id", "hypothesis", "hypothesis_error"]
    assert heard.hypothesis.notna().tolist() == [True, True, False]
    assert heard.hypothesis_error[2].startswith("not-found")
    assert "gone.wav" in capsys.readouterr().err
    assert main(["transcribe", str(clips / "t.csv"), "--model", TINY, "-o", str(target), "-q"]) == 2
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.model
def test_captions_go_into_a_folder(clips, tmp_path):
    target = tmp_path / "captions"

    status = main(["transcribe", str(clips), "--model", TINY, "--format", "srt", "-o", str(target), "-q"])

    assert status == 0
    assert sorted(path.relative_to(target).as_posix() for path in target.rglob("*.srt")) == ["a.srt", "more/b.srt"]
    assert (target / "a.srt").read_text().startswith("1\n00:00:0")


@pytest.mark.model
def test_json_lines_hold_segments_and_words(clips, capsys):
    arguments = [
        "transcribe",
        str(clips / "a.flac"),
        "--model",
        TINY,
        "--timestamps",
        "word",
        "--format",
        "jsonl",
        "-q",
    ]

    assert main(arguments) == 0

    row = json.loads(capsys.readouterr().out)
    assert row["segments"][0]["words"][0]["word"] == "And"
    assert row["duration"] == pytest.approx(11, abs=0.1)


def test_mistakes_are_told_in_a_line(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("sound\nx.wav\n")
    (tmp_path / "clip").mkdir()
    clip = tmp_path / "clip" / "x.wav"
    clip.write_bytes(b"RIFF")
    (tmp_path / "none").mkdir()
    for arguments, message in [
        (["transcribe", str(tmp_path / "none")], "holds no audio files"),
        (["transcribe", str(tmp_path / "t.csv")], "no column with the audio (path, "),
        (["transcribe", str(tmp_path / "t.csv"), "--audio", "path"], "no column 'path'"),
        (["transcribe", str(clip), "--model", "openai/whisper-smal", "-q"], "whisper-smal"),
        (["transcribe", "x.wav", "-q"], "no such file: x.wav"),
        (["transcribe", "x.wav", "--format", "parquet"], "--output"),
        (["transcribe", "x.wav", "-o", "x.xyz"], "--format"),
        (["demo", "--manifest", str(tmp_path / "no.csv")], "checkout"),
    ]:
        assert main(arguments) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("asrkit: ")
        assert message in printed
        assert printed.count("\n") == 1


def test_models_lists_what_is_here_and_what_the_others_need(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out
    assert "openai/whisper-large-v3-turbo" in lines
    assert "download of 1,620 MB" in lines


@pytest.mark.model
def test_the_demo_prints_rows_of_both_systems_their_word_error_rates_and_the_speed(
    capsys, monkeypatch, request, tmp_path
):
    pytest.importorskip("starlette")
    monkeypatch.chdir(request.config.rootpath)
    manifest = pd.read_csv("datasets/demo/manifest.csv", keep_default_na=False)
    manifest.iloc[[0, 1, 2, 3, 23]].to_csv(tmp_path / "five.csv", index=False)

    assert (
        main(
            [
                "demo",
                "--manifest",
                str(tmp_path / "five.csv"),
                "--served",
                TINY,
                "--report",
                str(tmp_path / "report.html"),
            ]
        )
        == 0
    )

    printed = capsys.readouterr().out
    table = printed.split("\nsystem ")[1]
    rates = [
        float(table.split(f"\n{name} ")[1].split("%")[0])
        for name in (TINY, f"@cf/openai/whisper (played here by {TINY})")
    ]
    assert all(2 < rate < 25 for rate in rates)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "(played here by openai/" in re.sub(r"<[^>]*>", "", page)
    assert "$" not in re.sub(r"<style.*?</style>|<svg.*?</svg>|<[^>]*>", "", page + printed, flags=re.DOTALL)
    assert "is played by openai/whisper-tiny.en behind asrkit serve" in printed
    assert "cannot be told apart" in printed
    assert printed.count("(nothing)") == 2


@pytest.mark.model
def test_ctrl_c_writes_what_is_done(clips, tmp_path, recordings):
    """A real signal into a real process, as soon as it has heard a row."""
    import contextlib
    import os
    import pty
    import re
    import signal
    import termios

    rows = recordings[recordings.duration_s.between(2, 4) & (recordings.language == "en")].head(60)
    rows = pd.concat([rows] * 5)
    rows[["path"]].to_csv(tmp_path / "many.csv", index=False)
    target = tmp_path / "out.csv"
    command = [sys.executable, "-m", "asrkit", "transcribe", str(tmp_path / "many.csv"), "--model", TINY]
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 160))
    process = subprocess.Popen([*command, "--batch-size", "2", "-o", str(target)], stderr=its)
    os.close(its)
    log = ""
    while not re.search(r"\b[1-9]\d* of 300 rows", log):
        log += os.read(ours, 4_096).decode(errors="replace")

    process.send_signal(signal.SIGINT)

    with contextlib.suppress(OSError):  # the end, as a terminal tells it
        while more := os.read(ours, 4_096):
            log += more.decode(errors="replace")
    os.close(ours)
    assert process.wait(timeout=60) == 130
    heard = pd.read_csv(target)
    done = int(heard.hypothesis.notna().sum())
    assert 0 < done < 300
    assert f"stopped: {done} of 300 rows are done and written" in log
    assert heard.hypothesis_error.str.startswith("interrupted").sum() == 300 - done
