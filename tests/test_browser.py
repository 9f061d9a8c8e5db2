"""The browser of rows in a real Chromium: what is seen, asked, heard and pressed."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from pages import WATCH_URLS

import asrkit  # noqa: F401  registers df.asr
from asrkit.errors import ColumnError, OptionError

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
expect = sync_api.expect

EVIL = "<img src=x onerror=alert(1)> ship"
GUARDED = "button, input, select, textarea, summary, [tabindex], audio[controls], a[href]"


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    import soundfile

    folder = tmp_path_factory.mktemp("clips")
    path = folder / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(24_000) / 10), 16_000)
    made = pd.DataFrame({"text": [f"row {word} is a ship" for word in "abcdefghij" * 12]})
    made["tiny"] = [text.replace("ship", "sheep") if row % 3 == 0 else text for row, text in enumerate(made.text)]
    made["base"] = [text + " now" if row % 10 == 0 else text for row, text in enumerate(made.text)]
    made.loc[7, ["text", "tiny", "base"]] = [EVIL, EVIL.replace("ship", "<b>sheep</b>"), EVIL]
    made["speaker"] = ["ann" if row < 30 else "bob" for row in range(len(made))]
    made["path"] = str(path)
    made.loc[1, "path"] = str(folder / "absent.wav")
    return made


@pytest.fixture
def browsed(bridge, frame):
    mounted = bridge.mount(frame.asr.browse("path", reference="text", hypotheses=["tiny", "base"]))
    expect(mounted.page.locator(".ak-row-body")).to_have_count(50)
    return mounted


def shown(page):
    return page.locator(".ak-row-body th").all_inner_texts()


def found(page):
    return page.locator(".ak-browser .ak-bar").nth(2).locator(".ak-number").first


def test_shows_a_page_with_the_rates_of_the_score(browsed, frame):
    page = browsed.page
    score = frame.asr.score(reference="text", hypothesis="tiny", replicates=9)

    expect(found(page)).to_have_text("1 to 50 of 120 rows")
    expect(page.locator(".ak-totals .ak-number").first).to_have_text(f"{score.wer:.1%}")
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("tiny")
    row = page.locator(".ak-row-body").first
    expect(row.locator(".ak-rate").first).to_have_text(f"{score.frame.wer.max():.1%}")


def test_headers_sort_and_turn_round(browsed):
    page = browsed.page

    page.locator(".ak-head-button").first.click()
    expect(page.locator(".ak-row-body th").first).to_have_text("0")
    expect(page.locator("th[aria-sort=ascending]")).to_have_text("row")
    page.locator(".ak-head-button").first.click()

    expect(page.locator(".ak-row-body th").first).to_have_text("119")
    assert browsed.widget.query.sort == ("row",)


def test_searches_as_one_types(browsed):
    page = browsed.page

    page.locator(".ak-browser").focus()
    page.keyboard.press("/")
    page.keyboard.type("ROW c is")

    expect(page.locator(".ak-row-body")).to_have_count(12)
    expect(page.get_by_label("search in texts", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".ak-browser")).to_be_focused()


def test_filters_by_slice_and_by_who_is_wrong(browsed, frame):
    page = browsed.page
    expected = sum(row % 3 == 0 and row % 10 != 0 for row in range(30)) + 1  # and the one with markup

    page.get_by_label("speaker", exact=True).select_option(label="ann (30)")
    expect(page.locator(".ak-row-body")).to_have_count(30)
    page.get_by_label("who is wrong").select_option(label=f"only tiny is wrong ({expected})")

    expect(page.locator(".ak-row-body")).to_have_count(expected)
    page.get_by_role("button", name="Clear").click()
    expect(found(page)).to_have_text("1 to 50 of 120 rows")


def test_filters_by_an_error_of_the_list(browsed):
    page = browsed.page

    page.locator("summary", has_text="most frequent").click()
    page.locator(".ak-error", has_text="ship → sheep").first.click()

    expect(found(page)).to_have_text("1 to 41 of 41 rows (of 120)")
    assert browsed.widget.query.error.said == "ship"
    expect(page.locator(".ak-row-body .ak-S", has_text=re.compile("≠(<b>)?sheep"))).to_have_count(41)  # as written
    expect(page.locator(".ak-row-body .ak-S", has_text="≠sheep").first).to_have_attribute(
        "aria-label", "tiny: substituted: ship was said, sheep was heard"
    )


def test_keys_alone_walk_play_select_and_open(browsed):
    page = browsed.page
    page.locator(".ak-browser").focus()

    for key in ("j", "ArrowDown", "k", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_text("2 selected")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".ak-current .ak-whole")).to_contain_text("speaker")
    page.keyboard.press("Space")

    expect(page.locator(".ak-current .ak-play")).to_have_text("❚❚")
    page.keyboard.press("PageDown")
    expect(found(page)).to_have_text("51 to 100 of 120 rows")
    page.keyboard.press("?")
    expect(page.get_by_text("back to the rows")).to_be_visible()
    assert browsed.widget.selection.index.tolist() == [0, 3]  # behind row 7, whose rate is higher


def test_the_cursor_goes_over_to_the_next_page_and_back(browsed):
    page = browsed.page
    page.locator(".ak-browser").focus()

    page.keyboard.press("End")
    page.keyboard.press("j")
    expect(found(page)).to_have_text("51 to 100 of 120 rows")
    page.keyboard.press("k")

    expect(found(page)).to_have_text("1 to 50 of 120 rows")
    expect(page.locator(".ak-row-body").last).to_have_class("ak-row-body ak-current")


def test_all_found_are_selected_and_the_frame_has_them(browsed, frame):
    page = browsed.page
    browsed.widget.show(where={"speaker": ["bob"]})
    browsed.hear()
    expect(found(page)).to_have_text("1 to 50 of 90 rows (of 120)")

    page.get_by_role("button", name="Select all found").click()
    expect(page.get_by_text("90 selected")).to_be_visible()

    pd.testing.assert_frame_equal(browsed.widget.selection, frame[frame.speaker == "bob"])


def test_a_row_without_its_file_says_so(browsed):
    page = browsed.page
    browsed.widget.show(sort=["row"], descending=False)
    browsed.hear()
    expect(page.locator(".ak-row-body th").nth(1)).to_have_text("1")

    page.get_by_role("button", name="play row 1", exact=True).click()

    expect(page.get_by_role("status")).to_contain_text("absent.wav")


def test_texts_are_never_markup(browsed):
    page = browsed.page

    browsed.widget.show(search="<img")
    browsed.hear()
    expect(page.locator(".ak-row-body")).to_have_count(1)
    page.locator(".ak-browser").focus()
    page.keyboard.press("Enter")

    expect(page.locator(".ak-whole dd").first).to_have_text(EVIL)
    assert page.locator(".ak-browser img, .ak-browser b").count() == 0
    assert "<img" not in browsed.widget.fallback()


def test_everything_that_takes_the_focus_keeps_its_keys(browsed):
    page = browsed.page
    page.locator("summary", has_text="most frequent").click()
    expect(page.locator(".ak-error").first).to_be_visible()

    bare = page.eval_on_selector_all(
        GUARDED, "all => all.filter(one => !one.hasAttribute('data-lm-suppress-shortcuts')).map(one => one.outerHTML)"
    )

    assert bare == []


def test_no_key_gets_out(browsed):
    page = browsed.page
    page.evaluate("window.leaked = []; document.addEventListener('keydown', (event) => leaked.push(event.key))")

    for target in (".ak-browser", ".ak-play >> nth=0", ".ak-table input >> nth=0", "select >> nth=0", ".ak-search"):
        page.locator(target).focus()
        for key in ("a", "b", "m", "d", "Shift+Enter", "Delete"):
            page.keyboard.press(key)

    assert page.evaluate("leaked") == []


def test_a_dead_kernel_is_told(browsed):
    browsed.set(gone=True)

    browsed.page.locator(".ak-head-button").first.click()

    expect(browsed.page.get_by_role("status")).to_contain_text("the kernel does not answer")


def test_the_view_comes_back_as_it_was_and_leaves_nothing(browsed):
    page = browsed.page
    page.evaluate(f"() => {{ {WATCH_URLS} }}")
    page.get_by_label("speaker", exact=True).select_option(label="bob (90)")
    expect(found(page)).to_contain_text("of 90 rows")
    listeners = browsed.listeners

    for _ in range(100):
        browsed.hide()
        browsed.show()
    page.get_by_role("button", name="play row 30").click()
    page.wait_for_function("urls.size > 0")

    expect(found(page)).to_have_text("1 to 50 of 90 rows (of 120)")
    assert browsed.listeners == listeners
    browsed.hide()
    assert browsed.listeners == 0
    assert page.evaluate("[...urls]") == []


def test_fifty_thousand_rows_cost_the_page_what_fifty_do(bridge):
    count = 50_000
    frame = pd.DataFrame({"text": [f"said {row} and then more" for row in range(count)]})
    frame["one"] = [text.replace("then", "than") if row % 7 == 0 else text for row, text in enumerate(frame.text)]
    mounted = bridge.mount(frame.asr.browse(reference="text", hypotheses=["one"], normalizer="none"))
    page = mounted.page
    expect(found(page)).to_have_text("1 to 50 of 50,000 rows")

    page.locator(".ak-head-button").first.click()
    page.get_by_title("next page").click()
    expect(found(page)).to_have_text("51 to 100 of 50,000 rows")
    page.get_by_role("button", name="Select all found").click()
    expect(page.get_by_text("50,000 selected")).to_be_visible()

    answers = page.evaluate("name => bridges[name].answered.map((one) => JSON.stringify(one).length)", mounted.name)
    assert max(answers) < 60_000
    assert page.locator(".ak-row-body").count() == 50
    assert len(json.dumps(mounted.widget.get_state(["item", "options", "state"]))) < 10_000


def test_the_stored_notebook_is_small_and_reads_well(browsed):
    bundle = browsed.widget._repr_mimebundle_()[0]

    assert len(bundle["text/html"]) < 60_000
    assert "120 of 120 rows" in bundle["text/html"]
    assert "substituted: ship was said, sheep was heard" in bundle["text/html"]


def test_one_file_shows_and_plays_the_rows_without_a_kernel(new_page, frame, tmp_path):
    widget = frame.asr.browse("path", reference="text", hypotheses=["tiny", "base"])
    widget.show(search="row c")
    widget.to_html(tmp_path / "rows.html")
    page = new_page()

    page.goto((tmp_path / "rows.html").as_uri())
    expect(page.locator(".ak-row-body")).to_have_count(12)
    page.locator(".ak-play").first.click()

    expect(page.locator(".ak-play").first).to_have_text("❚❚")
    expect(page.get_by_role("button", name="Select all found")).to_be_disabled()


def test_cells_select_rows_by_their_labels(frame):
    widget = frame.asr.browse(reference="text", hypotheses=["tiny"])

    widget.select([5, 2])
    widget.select([2], on=False)

    assert widget.selection.index.tolist() == [5]
    with pytest.raises(ColumnError, match="no row 'x'"):
        widget.select(["x"])


def test_what_is_selected_goes_to_the_labeler_in_the_order_shown(frame, tmp_path):
    widget = frame.asr.browse("path", reference="text", hypotheses=["tiny", "base"])
    with pytest.raises(OptionError, match="no row is selected"):
        widget.label(journal=tmp_path / "labels.jsonl")

    widget.select([9, 3, 5])
    widget.show(search="ship", sort=["row"], descending=True)
    labeler = widget.label(journal=tmp_path / "labels.jsonl")
    first = labeler.item["id"]

    labeler.accept(3, "row d is a ship")
    assert labeler.frame["corrected"].dropna().to_dict() == {3: "row d is a ship"}
    assert labeler.options["systems"] == 2
    assert first == labeler.journal.ids[9]  # the first to be corrected
    labeler.close()


def test_the_page_says_how_to_correct_what_is_selected(browsed):
    page = browsed.page
    page.locator(".ak-browser").focus()

    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("l")

    expect(page.get_by_role("status")).to_contain_text('browser.label(journal="labels.jsonl")')
