"""``asrkit doctor``: what is wrong with a machine is found, with a remedy, and nothing secret is shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asrkit.cli import main
from asrkit.doctor import CHECKS, Finding, findings

ROOT = Path(__file__).parents[1]


def diagnosed(topic: str) -> list[Finding]:
    return list(findings({topic: CHECKS[topic]}))


def faults(topic: str) -> list[Finding]:
    return [finding for finding in diagnosed(topic) if finding.state == "fault"]


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ASRKIT_JOURNAL", raising=False)


def installed(folder: Path, name: str, number: str) -> None:
    """What pip writes about an installed package, and nothing else of it."""
    (info := folder / f"{name}-{number}.dist-info").mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n")


def test_finds_nothing_wrong_with_a_machine_that_runs_the_tests(capsys):
    assert main(["doctor"]) == 0

    printed = capsys.readouterr().out
    assert "FAIL" not in printed
    assert all(topic in printed for topic in CHECKS)


def test_a_package_that_is_too_old_is_named_with_what_to_install(tmp_path, monkeypatch):
    installed(tmp_path / "first", "tqdm", "1.0")
    monkeypatch.syspath_prepend(str(tmp_path / "first"))

    [fault] = faults("packages")

    assert "tqdm 1.0 is installed, and asrkit needs >=4.66" in fault.message
    assert fault.remedy == "pip install 'tqdm>=4.66'"


@pytest.mark.parametrize("error", ["OSError('libtorch: undefined symbol: x')", "ImportError('no library')"])
def test_a_torchaudio_that_does_not_import_is_a_fault_with_versions_that_fit(tmp_path, error):
    (package := tmp_path / "torchaudio").mkdir()
    (package / "__init__.py").write_text(f"raise {error}\n")
    program = "from asrkit.doctor import *; [print(f.state, f.message, f.remedy) for f in findings()]"
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])

    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=300,
    )

    [line] = [line for line in run.stdout.splitlines() if line.startswith("fault")]
    assert "torchaudio does not import beside torch 2." in line
    assert "pip install --force-reinstall 'torch==2." in line


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({}, "note"),
        ({"CLOUDFLARE_API_TOKEN": "s3cret-token"}, "fault"),
        ({"CLOUDFLARE_ACCOUNT_ID": "a" * 32, "CLOUDFLARE_API_KEY": "s3cret-key"}, "fault"),
        ({"CLOUDFLARE_ACCOUNT_ID": "a" * 32, "CLOUDFLARE_API_TOKEN": "s3cret-token"}, "good"),
        (
            {
                "CLOUDFLARE_ACCOUNT_ID": "a" * 32,
                "CLOUDFLARE_API_TOKEN": "s3cret-token",
                "CLOUDFLARE_BASE_URL": "https://me:s3cret@example.com/client/v4",
            },
            "good",
        ),
    ],
)
def test_credentials_are_judged_and_never_shown(settings, state, monkeypatch, capsys):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    [finding] = diagnosed("credentials")
    main(["doctor", "--json"])

    assert finding.state == state
    assert "s3cret" not in capsys.readouterr().out


def test_a_file_that_is_no_journal_is_a_fault_and_stays_as_it_is(tmp_path, monkeypatch):
    (journal := tmp_path / "notes.sqlite").write_bytes(b"not a database, and long enough to be read as one" * 9)
    before = journal.read_bytes()
    monkeypatch.setenv("ASRKIT_JOURNAL", str(journal))

    [fault] = faults("journal")

    assert "notes.sqlite cannot be read" in fault.message
    assert "asrkit journal verify" in fault.remedy
    assert journal.read_bytes() == before


def test_a_cache_that_is_no_folder_is_a_fault_that_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ASRKIT_CACHE", str(tmp_path / "file" / "cache"))

    [fault] = faults("disk")

    assert "set ASRKIT_CACHE" in fault.remedy


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on():
    def broken():
        raise ValueError("planted")
        yield

    first, *others = findings({"broken": broken, "machine": CHECKS["machine"]})

    assert (first.topic, first.state) == ("broken", "fault")
    assert "planted" in first.message
    assert [finding.topic for finding in others] == ["machine"]


def test_the_findings_can_be_read_by_a_program(capsys):
    main(["doctor", "--json"])

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["topic"] for line in lines} == set(CHECKS)
    assert all(line["remedy"] for line in lines if line["state"] == "fault")
