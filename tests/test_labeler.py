"""The labeler in a real Chromium: keys, what is saved, and what is said when it is not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pages import WATCH_URLS, nameless

import asrkit
from asrkit import Labeler
from asrkit.errors import ColumnError, LabelsError, OptionError

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
expect = sync_api.expect
expect.set_options(timeout=20_000)

HEARD = ["the bat sat", "so it is", "rain moves in", "bake the bread", "listen please", "good evening"]
EVIL = "<img src=x onerror=\"document.title='hacked'\"><b>so</b> it is"
GUARDED = "button, input, select, textarea, [tabindex], audio[controls], a[href], summary"
GUARD = "data-lm-suppress-shortcuts"


@pytest.fixture
def journal(tmp_path) -> Path:
    return tmp_path / "labels.jsonl"


@pytest.fixture
def frame(tone_file) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "path": [str(tone_file(0.4, pitch=300 + 50 * row, name=f"clip{row}.wav")) for row in range(len(HEARD))],
            "hypothesis": HEARD,
            "other": ["the cat sat", *HEARD[1:4], "listen, please!", "good morning"],
            "speaker": list("aabbcc"),
        },
        index=[f"r{row}" for row in range(len(HEARD))],
    )


@pytest.fixture
def labelled(bridge, frame, journal):
    """Mounts a labeler of the frame; gives what ``bridge.mount`` gives."""

    def mount(**options: Any) -> Any:
        mounted = bridge.mount(Labeler(frame, "path", **{"journal": journal, "annotator": "ann", **options}))
        expect(title(mounted.page)).not_to_be_empty()
        return mounted

    return mount


def title(page: Any) -> Any:
    return page.locator(".ak-labeler .ak-title bdi").first


def area(page: Any) -> Any:
    return page.locator(".ak-labeler textarea")


def status(page: Any) -> Any:
    return page.locator(".ak-labeler").get_by_role("status")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def settled(page: Any) -> None:
    """A person needs this long to look at the clip; less counts as a second click."""
    page.wait_for_timeout(300)


def on_disk(journal: Path) -> dict[Any, tuple]:
    return {
        row["index"]: (row["text"], row["status"], row["reason"], row["note"])
        for row in asrkit.read_labels(journal).to_dict("records")
    }


def ops(journal: Path) -> list[tuple[str, str]]:
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    names = {line["item"]: line["index"] for line in lines if "index" in line}
    return [(line["op"], names[line["item"]]) for line in lines if "item" in line]


# -- without a page


def test_what_was_decided_is_in_new_columns_on_the_same_index(frame, journal):
    before = frame.copy()
    labeler = Labeler(frame, "path", journal=journal, annotator="ann")

    labeler.accept("r0", "the cat sat")
    labeler.accept("r1")
    labeler.edit("r2", "rain moves out")
    labeler.skip("r3")
    labeler.flag("r4", "no speech", "a drill")

    result = labeler.frame
    assert list(result.columns) == [
        *frame.columns,
        "corrected",
        *(f"corrected_{name}" for name in ("status", "reason", "note", "annotator", "seconds", "edits", "unheard")),
    ]
    assert result.index.tolist() == frame.index.tolist()
    assert result["corrected"].tolist()[:2] == ["the cat sat", "so it is"]
    assert result["corrected"].isna().tolist() == [False, False, True, True, True, True]
    assert result["corrected_status"].tolist() == ["accepted", "accepted", "draft", "skipped", "flagged", "todo"]
    assert result["corrected_edits"].tolist()[:2] == [1, 0]
    assert result["corrected_annotator"].tolist()[:5] == ["ann"] * 5
    assert (result.loc["r4", "corrected_reason"], result.loc["r4", "corrected_note"]) == ("no speech", "a drill")
    pd.testing.assert_frame_equal(frame, before)
    score = result.asr.score(reference="corrected")
    assert (score.counts.errors, score.texts.unreferenced) == (1, 4)


def test_a_labeler_goes_on_where_the_last_one_stopped(frame, journal):
    first = Labeler(frame, "path", journal=journal, annotator="ann")
    first.accept("r0")
    first.skip("r1")

    second = Labeler(frame.iloc[::-1], "path", journal=journal, annotator="ann")

    assert second.current == "r5"
    assert second.frame["corrected_status"].tolist() == ["todo"] * 4 + ["skipped", "accepted"]
    assert second.undo() == ["r1"]
    with pytest.raises(LabelsError, match="opened again in another cell"):
        first.accept("r2")


def test_the_queue_is_ordered_and_filtered(frame, journal):
    frame["hypothesis_confidence"] = [0.9, 0.1, np.nan, 0.5, 0.8, 0.7]
    frame["hypothesis_duration"] = [3.0, 1.0, 2.0, 6.0, 5.0, 4.0]

    def queue(**options: Any) -> list:
        labeler = Labeler(frame, "path", journal=journal, **options)
        return [labeler.journal.items[name].index for name in labeler._queue]

    assert queue() == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert queue(order="confidence") == ["r1", "r3", "r5", "r4", "r0", "r2"]
    assert queue(order="duration") == ["r1", "r2", "r0", "r5", "r4", "r3"]
    assert queue(order="disagreement", systems=["other"]) == ["r5", "r0", "r1", "r2", "r3", "r4"]
    assert queue(order="other")[:2] == ["r3", "r5"]
    assert queue(order=lambda df: -df["hypothesis_duration"])[0] == "r3"
    assert queue(where=frame["speaker"] == "b") == ["r2", "r3"]
    assert queue(where=lambda df: df["speaker"] != "b", order="duration") == ["r1", "r0", "r5", "r4"]
    assert queue(rows=["r4", "r1"]) == ["r4", "r1"]
    assert queue(rows=["r4", "r1"], order="confidence") == ["r1", "r4"]


@pytest.mark.parametrize(
    "options, error, told",
    [
        ({"hypothesis": "hypotesis"}, ColumnError, "did you mean 'hypothesis'"),
        ({"order": "disagreement"}, OptionError, "name them with systems="),
        ({"order": "confidence"}, ColumnError, "no column 'hypothesis_confidence'"),
        ({"where": [True]}, OptionError, "1 values for 6 rows"),
        ({"where": lambda df: df["speaker"] == "z"}, OptionError, "no row of 6 is left to label"),
        ({"rows": ["r9"]}, ColumnError, "the index has no row 'r9'"),
        ({"systems": "other"}, OptionError, "systems= is a list"),
        ({"into": "speaker"}, ColumnError, "has 'speaker' already"),
        ({"hypothesis": "path", "journal": "no/such/folder/labels.jsonl"}, LabelsError, "there is no folder"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_work(frame, journal, options, error, told):
    with pytest.raises(error, match=told):
        Labeler(frame, "path", **{"journal": journal, **options})


def test_equal_index_labels_do_not_mix_rows(frame, journal):
    same = frame.set_axis([7] * len(frame))
    labeler = Labeler(same, "path", journal=journal, annotator="ann")
    third = labeler.journal.ids[2]
    labeler.answer(
        {"op": "act", "do": "accept", "item_id": third, "base": 0, "text": "third", "action": "a", "then": None}
    )

    assert labeler.frame["corrected"].notna().tolist() == [False, False, True, False, False, False]
    with pytest.raises(ColumnError, match="6 rows 7; make its labels differ"):
        labeler.accept(7)
    again = Labeler(same.iloc[[4, 2, 0]], "path", journal=journal, annotator="ann")
    assert again.frame["corrected"].notna().tolist() == [False, True, False]


def test_rows_on_which_systems_agree_are_accepted_together_and_undone_together(frame, journal):
    labeler = Labeler(frame, "path", journal=journal, systems=["other"], language="en")
    labeler.edit("r1", "so is it")

    assert labeler.agreeing() == ["r2", "r3", "r4"]  # r4 after normalisation; r1 was touched
    assert labeler.accept_agreeing() == 3
    assert labeler.frame["corrected_unheard"].tolist() == [False, False, True, True, True, False]
    assert labeler.frame.loc["r4", "corrected"] == "listen please"
    assert sorted(labeler.undo()) == ["r2", "r3", "r4"]
    assert labeler.frame["corrected"].isna().all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_the_frame_is_written_whole_or_not_at_all(frame, journal, tmp_path, suffix, monkeypatch):
    labeler = Labeler(frame, "path", journal=journal, annotator="ann")
    labeler.accept("r0", "the cat sat")
    path = tmp_path / f"out{suffix}"
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda file: pd.read_json(file, lines=True)}

    labeler.save(path)

    assert read[suffix](path)["corrected"].tolist()[0] == "the cat sat"
    before = path.read_bytes()

    def full(*given: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asrkit.widgets.labeler.os.fsync", full)
    with pytest.raises(LabelsError, match=r"was not written \(No space left on device\); the labels are safe in"):
        labeler.save(path)
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir() if "out" in file.name) == [path.name]
    with pytest.raises(OptionError, match="expected a name that ends in"):
        labeler.save(tmp_path / "out.xlsx")


def test_a_labeler_has_no_page_without_python(frame, journal):
    with pytest.raises(OptionError, match="has no page of its own"):
        Labeler(frame, "path", journal=journal).to_html()


def test_a_stored_notebook_says_how_far_it_is(frame, journal):
    labeler = Labeler(frame, "path", journal=journal)
    labeler.accept("r0", "the cat sat")
    labeler.accept("r1", EVIL)

    page = labeler._repr_mimebundle_()[0]["text/html"]

    assert "2 accepted, 0 flagged, 0 skipped, 4 of 6 left" in page
    assert "<img" not in page
    assert "substituted: cat was said, bat was heard" in page


def test_a_refused_row_names_itself_and_what_it_was_based_on(frame, journal):
    labeler = Labeler(frame, "path", journal=journal, annotator="ann")
    name = labeler.journal.ids[0]
    act = {"op": "act", "do": "edit", "item_id": name, "base": 0, "then": None}

    first = labeler.answer({**act, "text": "one", "action": "a"})
    stale = labeler.answer({**act, "text": "two", "action": "b"})
    again = labeler.answer({**act, "text": "one", "action": "a"})

    assert first.content["op"] == again.content["op"] == "act"
    assert (stale.content["op"], stale.content["code"]) == ("error", "stale")
    assert "row 'r0' was changed elsewhere since" in stale.content["message"]
    assert labeler.journal[name].text == "one"
    assert labeler.journal[name].rev == 1
    unknown = labeler.answer({**act, "item_id": "x", "text": "", "action": "c"})
    assert "no action 'edit' on row 'x' here" in unknown.content["message"]


# -- keys


def test_clips_are_labelled_by_keys_alone(labelled, journal):
    page = labelled().page
    area(page).focus()

    settled(page)
    press(page, "Control+End", "Backspace", "Backspace", "Backspace")
    page.keyboard.type("stood")
    press(page, "Control+Enter")  # r0 corrected
    expect(title(page)).to_have_text("row r1")
    settled(page)
    press(page, "Alt+s")  # r1 skipped
    expect(title(page)).to_have_text("row r2")
    settled(page)
    press(page, "Alt+f", "2")  # r2 flagged
    expect(title(page)).to_have_text("row r3")
    settled(page)
    press(page, "Alt+f", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab")
    page.keyboard.type("swearing 1 s")
    press(page, "Enter")  # r3 flagged in words
    expect(title(page)).to_have_text("row r4")
    settled(page)
    press(page, "Escape", "Enter")  # r4 accepted by a single key
    expect(title(page)).to_have_text("row r5")
    settled(page)
    press(page, "s")
    expect(status(page)).to_have_text("all clips are decided")

    assert on_disk(journal) == {
        "r0": ("the bat stood", "accepted", None, None),
        "r1": ("so it is", "skipped", None, None),
        "r2": ("rain moves in", "flagged", "several speakers", None),
        "r3": ("bake the bread", "flagged", None, "swearing 1 s"),
        "r4": ("listen please", "accepted", None, None),
        "r5": ("good evening", "skipped", None, None),
    }


def test_the_next_clip_plays_by_itself_and_was_fetched_before(labelled):
    mounted = labelled()
    page = mounted.page
    page.wait_for_function(
        "name => bridges[name].answered.filter((own) => own.op === 'clip').length >= 2", arg=mounted.name
    )
    asked = sum(message["op"] == "clip" for message in mounted.sent)
    area(page).focus()
    settled(page)

    press(page, "Control+Enter")

    expect(page.get_by_role("button", name="❚❚ Pause")).to_be_visible()
    expect(page.get_by_role("button", name="▶ Play")).to_be_visible()  # at its end
    assert asked >= 2
    clips = [message["item_id"] for message in mounted.sent if message["op"] == "clip"]
    assert len(clips) == len(set(clips))


def test_undo_goes_back_over_clips(labelled, journal):
    page = labelled().page
    area(page).focus()
    settled(page)
    page.keyboard.type("once ")
    press(page, "Control+Enter")
    expect(title(page)).to_have_text("row r1")
    settled(page)
    press(page, "Alt+s")
    expect(title(page)).to_have_text("row r2")

    press(page, "Alt+u")
    expect(title(page)).to_have_text("row r1")
    press(page, "Alt+u")
    expect(title(page)).to_have_text("row r0")
    expect(area(page)).to_have_value("the bat sat")

    assert on_disk(journal)["r0"][:2] == (None, "todo")
    press(page, "Alt+u")
    expect(status(page)).to_have_text("there is nothing to undo")


def test_what_is_typed_is_saved_by_itself(labelled, journal):
    page = labelled().page
    area(page).focus()
    page.keyboard.type("well ")
    expect(page.locator(".ak-saved")).to_have_text("✓ saved")

    assert on_disk(journal) == {"r0": ("well the bat sat", "draft", None, None)}
    expect(page.locator(".ak-mark")).to_have_text("draft")


@pytest.mark.parametrize("leave", ["Alt+n", "blur", "hide"])
def test_what_was_typed_a_moment_ago_is_saved_when_one_leaves(labelled, journal, leave):
    mounted = labelled()
    page = mounted.page
    area(page).focus()
    page.keyboard.type("well ")
    if leave == "blur":
        area(page).blur()
    elif leave == "hide":
        mounted.hide()
    else:
        press(page, leave)
    page.wait_for_timeout(100)

    assert on_disk(journal) == {"r0": ("well the bat sat", "draft", None, None)}


def test_the_text_of_a_system_is_taken_by_its_number(labelled, journal):
    page = labelled(systems=["other"], show=["speaker"]).page
    area(page).focus()

    press(page, "Alt+2")

    expect(area(page)).to_have_value("the cat sat")
    expect(area(page)).to_be_focused()
    expect(page.locator(".ak-facts")).to_have_text("speakera")
    settled(page)
    press(page, "Control+Enter")
    expect(title(page)).to_have_text("row r1")
    assert on_disk(journal)["r0"][:2] == ("the cat sat", "accepted")


def test_agreeing_rows_are_counted_asked_about_and_accepted(labelled, journal):
    page = labelled(systems=["other"], language="en").page
    page.get_by_role("button", name="Accept agreeing").click()
    expect(page.locator(".ak-panel p").nth(1)).to_have_text(
        "All systems agree on 4 rows that nobody has touched. Accept without hearing?"
    )
    press(page, "Escape")
    assert on_disk(journal) == {}
    page.get_by_role("button", name="Accept agreeing").click()
    page.get_by_role("button", name="Accept 4").click()

    expect(status(page)).to_have_text("4 rows accepted; undo takes them all back")
    expect(title(page)).to_have_text("row r0")
    assert sorted(on_disk(journal)) == ["r1", "r2", "r3", "r4"]
    settled(page)
    area(page).focus()
    press(page, "Control+Enter")
    expect(title(page)).to_have_text("row r5")


def test_a_number_leads_to_its_clip(labelled):
    page = labelled().page
    box = page.get_by_label("clip number")
    box.fill("4")
    press(page, "Enter")

    expect(title(page)).to_have_text("row r3")
    expect(page.locator(".ak-labeler")).to_be_focused()
    press(page, "b")
    expect(title(page)).to_have_text("row r2")


def test_an_input_method_keeps_its_keys(labelled, journal):
    page = labelled().page
    area(page).focus()
    settled(page)
    page.evaluate(
        """() => {
            const area = document.querySelector(".ak-labeler textarea");
            area.dispatchEvent(new CompositionEvent("compositionstart", { bubbles: true }));
            area.value = "にほ";
            area.dispatchEvent(new InputEvent("input", { bubbles: true, isComposing: true }));
            const enter = { key: "Enter", code: "Enter", ctrlKey: true, bubbles: true, isComposing: true };
            area.dispatchEvent(new KeyboardEvent("keydown", enter));
        }"""
    )
    page.wait_for_timeout(400)
    assert on_disk(journal) == {}
    expect(title(page)).to_have_text("row r0")

    page.evaluate(
        """() => {
            const area = document.querySelector(".ak-labeler textarea");
            area.value = "日本";
            area.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }));
        }"""
    )
    expect(page.locator(".ak-saved")).to_have_text("✓ saved")
    assert on_disk(journal)["r0"][0] == "日本"


# -- nothing twice, nothing on the wrong row


def test_a_double_click_decides_about_one_row(labelled, journal):
    page = labelled().page
    settled(page)

    page.get_by_role("button", name="✓ Accept").dblclick()
    expect(title(page)).to_have_text("row r1")
    settled(page)
    page.get_by_role("button", name="Skip").dblclick()
    expect(title(page)).to_have_text("row r2")
    settled(page)

    assert ops(journal) == [("accept", "r0"), ("skip", "r1")]


def test_keys_held_down_decide_about_one_row(labelled, journal):
    page = labelled().page
    page.locator(".ak-labeler").focus()
    settled(page)
    page.keyboard.down("Enter")
    for _ in range(5):
        page.keyboard.down("Enter")  # repeats
        page.wait_for_timeout(100)
    page.keyboard.up("Enter")

    expect(title(page)).to_have_text("row r1")
    assert ops(journal) == [("accept", "r0")]


def test_slow_answers_mix_no_rows(labelled, journal):
    mounted = labelled()
    page = mounted.page
    mounted.set(delay=700)
    area(page).focus()
    for row in range(len(HEARD)):
        expect(title(page)).to_have_text(f"row r{row}")
        settled(page)
        page.keyboard.type(f"{row} ")
        press(page, "Control+Enter")
        if row % 2:
            press(page, "Control+Enter")  # once more, on what may be the next row by now
    expect(status(page)).to_have_text("all clips are decided")

    assert on_disk(journal) == {f"r{row}": (f"{row} {text}", "accepted", None, None) for row, text in enumerate(HEARD)}
    assert [op for op in ops(journal) if op[0] == "accept"] == [("accept", f"r{row}") for row in range(len(HEARD))]


# -- nothing lost


def reload(bridge: Any, page: Any) -> None:
    """The page is loaded anew; what the browser keeps, it keeps."""
    page.goto("about:blank")


def test_edits_that_a_dead_kernel_did_not_take_are_sent_by_the_next_view(labelled, bridge, journal):
    mounted = labelled()
    page = mounted.page
    area(page).focus()
    settled(page)
    press(page, "Control+Enter")
    expect(title(page)).to_have_text("row r1")
    expect(page.locator(".ak-saved")).to_have_text("✓ saved")
    mounted.set(gone=True)
    settled(page)
    page.keyboard.type("unsaved ")
    press(page, "Control+Enter")
    expect(status(page)).to_contain_text("not saved: the kernel does not answer")
    expect(status(page)).to_contain_text("it is kept in this browser")
    expect(page.locator(".ak-saved")).to_have_text("1 action not saved")
    assert sorted(on_disk(journal)) == ["r0"]

    reload(bridge, page)
    page = labelled().page

    expect(status(page)).to_contain_text("saved now what was not saved before: row r1")
    assert on_disk(journal)["r1"] == ("unsaved so it is", "accepted", None, None)
    expect(title(page)).to_have_text("row r2")
    assert ops(journal) == [("accept", "r0"), ("accept", "r1")]
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('asrkit:label')).length") == 0


def test_an_edit_whose_acknowledgement_was_lost_is_not_done_twice(labelled, bridge, journal):
    mounted = labelled()
    page = mounted.page
    mounted.set(delay=60_000)  # Python hears it, the page does not hear of that
    area(page).focus()
    settled(page)
    press(page, "Control+Enter")
    page.wait_for_timeout(200)
    assert ops(journal) == [("accept", "r0")]

    reload(bridge, page)
    page = labelled().page

    expect(status(page)).to_contain_text("saved now what was not saved before: row r0")
    assert ops(journal) == [("accept", "r0")]


def test_an_old_edit_does_not_overwrite_what_was_decided_since(labelled, bridge, frame, journal):
    mounted = labelled()
    page = mounted.page
    mounted.set(gone=True)
    area(page).focus()
    page.keyboard.type("old ")
    expect(page.locator(".ak-saved")).to_have_text("1 action not saved")
    reload(bridge, page)
    Labeler(frame, "path", journal=journal, annotator="ann").accept("r0", "newer")

    page = labelled().page

    expect(status(page)).to_contain_text(
        "not saved, since it was changed elsewhere: row r0 (your text was: old the bat sat)"
    )
    assert on_disk(journal)["r0"] == ("newer", "accepted", None, None)


def test_another_annotators_journal_gets_no_foreign_edits(labelled, bridge, frame, tmp_path, journal):
    mounted = labelled()
    page = mounted.page
    mounted.set(gone=True)
    area(page).focus()
    page.keyboard.type("anns ")
    expect(page.locator(".ak-saved")).to_have_text("1 action not saved")
    reload(bridge, page)

    page = labelled(journal=tmp_path / "ben.jsonl", annotator="ben").page

    expect(status(page)).to_have_text("ready")
    assert on_disk(tmp_path / "ben.jsonl") == {}


def test_a_full_disk_is_said_and_tried_again(labelled, journal, monkeypatch):
    page = labelled().page
    real = os.fsync

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asrkit.labels.os.fsync", full)
    area(page).focus()
    settled(page)
    press(page, "Control+Enter")
    expect(status(page)).to_contain_text("not saved: the disk is full")
    expect(status(page)).to_contain_text("what was saved before is safe on disk")
    expect(title(page)).to_have_text("row r1")
    assert on_disk(journal) == {}

    monkeypatch.setattr("asrkit.labels.os.fsync", real)
    page.get_by_role("button", name="Try again").click()

    expect(page.locator(".ak-saved")).to_have_text("✓ saved")
    assert on_disk(journal) == {"r0": ("the bat sat", "accepted", None, None)}
    expect(page.locator(".ak-labeler")).to_be_focused()  # the button that had the focus went away


def test_a_busy_kernel_is_said(labelled, journal):
    mounted = labelled()
    page = mounted.page
    mounted.set(delay=3_000)
    area(page).focus()
    page.keyboard.type("a ")

    expect(status(page)).to_contain_text("not saved yet: the kernel is busy or gone; 1 action is kept in this browser")
    expect(page.locator(".ak-saved")).to_have_text("✓ saved")
    expect(status(page)).not_to_contain_text("not saved")


def test_a_message_that_got_lost_is_sent_again(labelled, journal):
    mounted = labelled()
    page = mounted.page
    mounted.set(deaf=True)
    area(page).focus()
    page.keyboard.type("a ")
    expect(status(page)).to_contain_text("not saved yet")
    mounted.set(deaf=False)

    expect(page.locator(".ak-saved")).to_have_text("✓ saved", timeout=30_000)
    assert on_disk(journal)["r0"][0] == "a the bat sat"


def test_a_view_of_a_journal_that_was_opened_again_says_so(labelled, frame, journal):
    page = labelled().page
    Labeler(frame, "path", journal=journal, annotator="ann")
    area(page).focus()
    page.keyboard.type("a ")

    expect(status(page)).to_contain_text("opened again in another cell; go on there")
    assert on_disk(journal) == {}


def test_a_clip_that_cannot_be_heard_is_said_and_the_text_can_be_decided_all_the_same(labelled, frame, journal):
    Path(frame["path"].iloc[0]).unlink()
    page = labelled().page

    expect(status(page)).to_contain_text("no sound: no such file")
    area(page).focus()
    settled(page)
    press(page, "Alt+f", "6")
    expect(title(page)).to_have_text("row r1")
    assert on_disk(journal)["r0"][2] == "no speech"


def test_pythons_own_methods_show_in_the_page(labelled):
    mounted = labelled()
    mounted.widget.edit("r0", "by hand")
    mounted.hear()

    expect(area(mounted.page)).to_have_value("by hand")


# -- safe, for everybody, and tidy


def test_text_is_never_html(bridge, frame, journal):
    evil = frame.assign(hypothesis=EVIL, other=EVIL, speaker=EVIL).set_axis([EVIL + str(row) for row in range(6)])
    mounted = bridge.mount(
        Labeler(evil, "path", journal=journal, annotator=EVIL, systems=["other"], show=["speaker"], reasons=[EVIL])
    )
    page = mounted.page
    expect(area(page)).to_have_value(EVIL)
    press(page, "Alt+f")

    assert page.locator(".ak-labeler img, .ak-labeler b").count() == 0
    assert page.title() == "widget"


def test_whatever_can_have_the_focus_keeps_its_keys(labelled):
    page = labelled(systems=["other"]).page
    unguarded = f"(all) => all.filter((one) => one.getAttribute('{GUARD}') !== 'true').map((one) => one.outerHTML)"

    assert page.locator(f".ak-labeler :is({GUARDED}), .ak-labeler:is({GUARDED})").count() > 20
    assert page.locator(f".ak-labeler :is({GUARDED}), .ak-labeler:is({GUARDED})").evaluate_all(unguarded) == []


def test_no_key_leaves_the_widget(labelled):
    page = labelled(systems=["other"]).page
    page.evaluate("() => { window.left = []; document.addEventListener('keydown', (event) => left.push(event.key)); }")
    for place in range(page.locator(f".ak-labeler :is({GUARDED})").count()):
        one = page.locator(f".ak-labeler :is({GUARDED})").nth(place)
        if one.is_visible() and one.is_enabled():
            one.focus()
            press(page, "a", "b", "m", "d", "d", "Shift+Enter", "ArrowDown")

    assert page.evaluate("left") == []


def test_everything_has_a_name_for_screen_readers(labelled):
    page = labelled(systems=["other"], show=["speaker"]).page
    page.locator("summary").click()

    assert nameless(page, but={"RootWebArea"}) == []
    assert page.get_by_role("progressbar").get_attribute("aria-valuetext") == "0 of 6"


def test_text_runs_its_own_way(bridge, tone_file, journal):
    frame = pd.DataFrame({"path": [str(tone_file())] * 2, "hypothesis": ["שלום עולם", "我用电脑"]})
    mounted = bridge.mount(Labeler(frame, "path", journal=journal, language="he"))
    expect(area(mounted.page)).to_have_value("שלום עולם")

    assert area(mounted.page).evaluate("(area) => getComputedStyle(area).direction") == "rtl"
    assert area(mounted.page).get_attribute("lang") == "he"


def test_large_text_is_large(labelled):
    page = labelled().page
    size = "(area) => parseFloat(getComputedStyle(area).fontSize)"
    before = area(page).evaluate(size)

    page.get_by_role("button", name="large text").click()

    assert area(page).evaluate(size) > 1.5 * before


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_can_be_read(new_page, frame, journal, theme):
    from bridge import Bridge, comms
    from test_page import FAINT

    with comms() as made:
        page = new_page(color_scheme=theme, viewport={"width": 700, "height": 900})
        labeler = Labeler(frame, "path", journal=journal, systems=["other"], show=["speaker"])
        labeler.accept("r1")
        labeler.flag("r2", "no speech")
        Bridge(page, made).mount(labeler)
        expect(title(page)).to_have_text("row r0")
        settled(page)
        area(page).focus()
        press(page, "Alt+f")
        page.locator("summary").click()

        assert page.evaluate("document.documentElement.scrollWidth") <= 700
        found = FAINT.replace("document.body", "document.querySelector('.ak-labeler')").replace(
            "> 0) return", "=== 1) return"
        )
        faint = page.evaluate(found)  # tints are see-through
        assert faint == []


def test_a_hundred_remounts_leave_nothing_behind(labelled, bridge):
    mounted = labelled()
    page = mounted.page
    page.evaluate(f"() => {{ {WATCH_URLS} }}")
    mounted.hide()
    listeners = mounted.listeners
    for _ in range(100):
        mounted.show()
        mounted.hide()
    page.wait_for_timeout(200)

    assert mounted.listeners == listeners
    assert page.evaluate("[...urls]") == []
    assert page.locator(".ak-labeler").count() == 0
