"""The report stands alone: it is opened in a browser, without a network, and looked at."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from asrkit.errors import OptionError
from asrkit.evaluate import count_errors
from asrkit.evaluate.comparison import Comparison
from asrkit.evaluate.frames import compare, score
from asrkit.evaluate.report import report
from asrkit.evaluate.score import percent
from asrkit.evaluate.tokens import tokenize

EVIL = "</script><script>document.title='hacked'</script><img src=x onerror=alert(1)>\"'&"
SYSTEMS = ["base", "@cf/openai/whisper-large-v3-turbo"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    import soundfile

    folder = tmp_path_factory.mktemp("clips")
    paths = []
    for number in range(12):
        times = np.arange(16_000) / 16_000
        paths.append(str(folder / f"tone {number}.wav"))
        soundfile.write(paths[-1], 0.2 * np.sin(2 * np.pi * (200 + 50 * number) * times), 16_000)
    return paths


@pytest.fixture(scope="module")
def frame(clips: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    words = ["rain", "moves", "in", "from", "the", "west", "tomorrow", "afternoon"]
    rows: list[dict[str, Any]] = []
    for row in range(36):
        said = list(rng.choice(words, 9)) if row else []
        rows.append(
            {
                "text": " ".join(said),
                SYSTEMS[0]: " ".join(word for word in said if rng.random() > 0.08) if row else "thank you",
                SYSTEMS[1]: " ".join(word if rng.random() > 0.3 else "west" for word in said),
                "path": clips[row % 12],
                "place": ["street", "office", "a place with a long name, by the sea"][row % 3],
                "noise": float(row),
            }
        )
    df = pd.DataFrame(rows)
    df.loc[5, ["text", *SYSTEMS]] = ["שלום עולם גדול", "שלום עולם", "עולם קטן מאוד"]
    df.loc[6, ["text", *SYSTEMS]] = [EVIL, "nothing", EVIL]
    df.loc[7, ["text", *SYSTEMS]] = ["我喜欢猫和狗 Python", "我喜欢狗", "我 喜欢 猫"]
    df.loc[8, "path"] = "/no/such/file.wav"
    for name in SYSTEMS:
        df[f"{name}_duration"] = 1.0
        df[f"{name}_elapsed"] = 0.1
        df[f"{name}_cost"] = 0.001
    df.attrs["asrkit"] = {SYSTEMS[0]: {"model": "openai/whisper-base", "digest": "d01c3014" * 8, "beams": 1}}
    return df


@pytest.fixture(scope="module")
def both(frame: pd.DataFrame) -> Comparison:
    made = compare(
        frame,
        reference="text",
        hypotheses=SYSTEMS,
        by="place",
        audio="path",
        replicates=500,
        failures={"other": "no weights"},
    )
    sure = np.linspace(0.36, 0.95, len(made.scores[0].texts.rows))
    return replace(made, scores=[replace(own, confidence=sure) for own in made.scores])


@pytest.fixture(scope="module")
def page_file(both: Comparison, frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    both.to_html(path, frame=frame, against={"signal-to-noise ratio (dB)": "noise"}, worst=40)
    return path


# In a browser


@dataclass
class Opened:
    """A page that is open, and what went wrong in it."""

    page: Any
    trouble: list[str] = field(default_factory=list)

    def __call__(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a file; at the end nothing may have been asked of anybody and nothing may be on the console."""
    contexts = []
    pages: list[Opened] = []

    def open_file(path: Path, width: int = 1400, theme: str = "light") -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        contexts.append(context)
        own = Opened(context.new_page())
        pages.append(own)
        own.page.on("console", lambda message: own.trouble.append(message.text))
        own.page.on("pageerror", lambda error: own.trouble.append(str(error)))

        def on_request(request: Any) -> None:
            if request.url != path.as_uri() and not request.url.startswith("data:"):
                own.trouble.append(request.url)

        own.page.on("request", on_request)
        own.page.goto(path.as_uri())
        return own

    yield open_file
    for context in contexts:
        context.close()
    assert [own.trouble for own in pages] == [[] for _ in pages]


BOXES = """() => [...document.querySelectorAll('h1,h2,h3,p,figure,table,tr,audio,nav,dt,dd,li,svg.ak-plot')]
  .map(node => [node, node.getBoundingClientRect()]).filter(([node, box]) => box.width > 2 && box.height > 2)"""
OVERLAPS = f"""() => {{
  const boxes = ({BOXES})(), bad = [];
  for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {{
    const [one, a] = boxes[i], [two, b] = boxes[j];
    if (one.contains(two) || two.contains(one)) continue;
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1 && high > 1)
      bad.push([one, two].map(node => [node.tagName, node.textContent.slice(0, 60)]));
  }}
  return bad;
}}"""
LETTERS = """() => {
  const bad = [];
  for (const plot of document.querySelectorAll('svg.ak-plot')) {
    const frame = plot.getBoundingClientRect();
    if (!frame.width) continue;
    const texts = [...plot.querySelectorAll('text')].map(node => [node.textContent, node.getBoundingClientRect()]);
    texts.forEach(([text, a], i) => {
      if (a.left < frame.left - 1 || a.right > frame.right + 1 || a.top < frame.top - 1 || a.bottom > frame.bottom + 1)
        bad.push([text, 'leaves the plot']);
      for (const [other, b] of texts.slice(i + 1))
        if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3) bad.push([text, other]);
    });
  }
  return bad;
}"""
CONTRAST = """() => {
  const bright = color => {
    const [r, g, b] = color.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const page = bright(getComputedStyle(document.documentElement).backgroundColor);
  const ratio = color => {
    const ink = bright(color);
    return (Math.max(ink, page) + .05) / (Math.min(ink, page) + .05);
  };
  return ['h1', 'p', 'td', 'a', 'figcaption', 'svg text', '.ak-s', 'del', 'ins']
    .map(name => [name, ratio(getComputedStyle(document.querySelector(name))[name == 'svg text' ? 'fill' : 'color'])]);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_overlaps_or_leaves_the_page(opened, page_file, width, theme):
    page = opened(page_file, width, theme)
    assert page("() => document.documentElement.scrollWidth") == width
    assert page(OVERLAPS) == []
    assert page(LETTERS) == []
    assert page("() => [...document.querySelectorAll('.wide-table')].every(n => n.scrollWidth <= n.clientWidth)")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_can_be_read_in_both_themes(opened, page_file, theme):
    for name, ratio in opened(page_file, 1400, theme)(CONTRAST):
        assert ratio >= 4.5, name


def test_the_themes_differ(opened, page_file):
    colours = {
        opened(page_file, 1400, theme)("() => getComputedStyle(document.documentElement).backgroundColor")
        for theme in ("light", "dark")
    }
    assert len(colours) == 2


@pytest.mark.parametrize(("width", "seen"), [(360, "narrow"), (1400, "wide")])
def test_each_plot_is_shown_once_in_letters_that_can_be_read(opened, page_file, width, seen):
    page = opened(page_file, width)
    assert page(f"() => [...document.querySelectorAll('figure .{seen}')].every(n => n.offsetWidth > 0)")
    other = {"narrow": "wide", "wide": "narrow"}[seen]
    assert page(f"() => [...document.querySelectorAll('figure .{other}')].every(n => n.offsetWidth == 0)")
    smallest = page(
        "() => Math.min(...[...document.querySelectorAll('svg.ak-plot text')]"
        ".filter(n => n.getBoundingClientRect().width)"
        ".map(n => parseFloat(getComputedStyle(n).fontSize) * n.ownerSVGElement.getBoundingClientRect().width"
        " / n.ownerSVGElement.viewBox.baseVal.width))"
    )
    assert smallest > 8


def test_clips_play(opened, page_file):
    page = opened(page_file)
    assert page("() => document.querySelectorAll('audio').length") >= 5
    assert page("() => [...document.querySelectorAll('audio')].every(a => a.preload == 'none' && a.controls)")
    page("() => document.querySelector('audio').play()")
    page.page.wait_for_function("() => document.querySelector('audio').currentTime > 0.2")
    assert page("() => document.querySelector('audio').duration") == pytest.approx(1.0, abs=0.05)


def test_tables_show_the_numbers_of_the_comparison(opened, page_file, both):
    page = opened(page_file)
    cells = page(
        "() => [...document.querySelectorAll('.s-systems tbody tr')].map(row => Object.fromEntries([...row.cells]"
        ".map(cell => [cell.dataset.name || 'system', cell.textContent])))"
    )
    for row, own in zip(cells, both.scores, strict=True):
        assert row["system"].startswith(own.name)
        assert row[own.texts.rate] == percent(own.wer)
        assert row["95% interval"] == f"{percent(own.interval.low)} to {percent(own.interval.high)}"
        assert own.texts.unit == "by language"  # one row is Chinese
        assert int(row["substituted tokens"]) == own.counts.substitutions
        assert int(row["deleted tokens"]) == own.counts.deletions
        assert int(row["inserted tokens"]) == own.counts.insertions
        assert int(row["reference tokens"]) == own.counts.reference_length
        assert row["CER"] == percent(own.cer)
        assert float(row["RTFx"]) == pytest.approx(own.rtfx, abs=0.05)
        assert float(row["$ per audio hour"].replace(",", "")) == pytest.approx(own.dollars_per_hour)
    [tests] = page("() => [...document.querySelectorAll('.s-differences table')].slice(1).map(t => t.innerText)")
    assert f"{both.differences[0].matched_pairs.segments}" in tests


def test_marks_of_a_row_are_its_errors(opened, page_file, both):
    page = opened(page_file)
    for row in page("() => [...document.querySelectorAll('.ak-row')].map(n => n.id)"):
        marks = page(f"() => document.getElementById({row!r}).querySelectorAll('[role=img]').length")
        assert marks == sum(int(own.utterances.errors[int(row.removeprefix("row-"))]) for own in both.scores)


def test_rows_run_their_own_way(opened, page_file):
    page = opened(page_file)
    ways = page("() => [...document.querySelectorAll('#row-5 .ak-line')].map(n => getComputedStyle(n).direction)")
    assert ways
    assert set(ways) == {"rtl"}


def test_texts_and_names_run_nothing(opened, tmp_path, clips):
    df = pd.DataFrame({"text": [EVIL, "a b"], EVIL: ["x", EVIL], "b": ["", "a"], "p": clips[:2], "by": [EVIL, None]})
    df.attrs["asrkit"] = {EVIL: {"model": EVIL, EVIL: EVIL}}
    path = tmp_path / "evil.html"
    made = compare(
        df.set_index("text", drop=False),
        reference="text",
        hypotheses=[EVIL, "b"],
        by="by",
        audio="p",
        replicates=50,
        failures={EVIL: EVIL},
    )
    made.to_html(path, title=EVIL, against={EVIL: [1.0, 2.0]})
    page = opened(path)
    assert page("() => document.title") == EVIL
    assert page("() => document.querySelectorAll('script,img,iframe,object').length") == 0


def test_the_page_may_do_nothing_but_show_and_play(opened, tmp_path, page_file):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page_file.read_text("utf-8"))
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    broken = tmp_path / "broken.html"
    added = "<script>window.ran = 1</script></body>"
    broken.write_text(page_file.read_text("utf-8").replace("</body>", added), "utf-8")
    page = opened(broken)
    assert page("() => window.ran") is None
    assert any("Content Security Policy" in line for line in page.trouble)
    page.trouble.clear()


def test_paper_has_no_players(opened, page_file):
    page = opened(page_file, 1400, "dark")
    page.page.emulate_media(media="print")
    assert page("() => [...document.querySelectorAll('audio,nav')].every(n => n.offsetWidth == 0)")
    assert page("() => getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("back", ["#ffffff", "#111111"])
def test_a_notebook_view_takes_the_colours_of_its_page(opened, tmp_path, both, back):
    ink = {"#ffffff": "#212121", "#111111": "#e0e0e0"}[back]
    path = tmp_path / "cell.html"
    plot = both.plot("systems")._repr_html_()
    told = f'<!DOCTYPE html><meta charset=utf-8><body style="background:{back};color:{ink}">'
    path.write_text(f"{told}{both._repr_html_()}{both.scores[0]._repr_html_()}{plot}", "utf-8")
    page = opened(path, 900)
    assert page("() => document.documentElement.scrollWidth") == 900
    colours = page(
        "() => [...new Set([...document.querySelectorAll('.ak p,.ak td,.ak del,.ak ins,.ak-s,svg text')]"
        ".map(n => getComputedStyle(n)[n.tagName == 'text' ? 'fill' : 'color']))]"
    )
    assert colours == page("() => [getComputedStyle(document.body).color]")


# Without a browser


class Closed(HTMLParser):
    """Fails where a tag is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen += [value or "" for key, value in attrs if key == "id"]
        if tag not in ("br", "meta", "link", "wbr", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag != "use":
            assert self.open.pop() == tag


def test_every_tag_is_closed_and_no_name_is_twice(page_file):
    names = [name for name in Closed(page_file.read_text("utf-8")).seen if not name.startswith("ak")]
    assert len(names) == len(set(names))
    assert {"verdict", "systems", "differences", "slices", "plots", "rows", "made", "words"} <= set(names)


def test_the_same_results_make_the_same_page(both, frame, page_file):
    again = report(both, frame=frame, against={"signal-to-noise ratio (dB)": "noise"}, worst=40)
    assert again == page_file.read_text("utf-8")


def test_the_verdict_comes_first_and_says_by_how_much(page_file, both):
    page = page_file.read_text("utf-8")
    verdict = re.sub(r"<[^>]+>", "", page[page.index('id="verdict"') : page.index('id="systems"')])
    best, worse = both.best, both[SYSTEMS[1]]
    assert f"{best.name} makes the fewest errors: {best.texts.rate} {percent(best.wer)}" in verdict
    assert f"{100 * (worse.wer - best.wer):.1f} points more errors than {best.name}" in verdict
    assert "other could not be run: no weights" in verdict


def test_an_open_comparison_is_told_as_open(frame):
    df = frame.assign(same=frame[SYSTEMS[0]].where(frame.index != 3, "x"))
    page = report(compare(df, reference="text", hypotheses=[SYSTEMS[0], "same"], replicates=200))
    lead = re.sub(r"<[^>]+>", "", page[page.index('class="lead"') : page.index('class="verdicts"')])
    assert f"{SYSTEMS[0]} and same cannot be told apart: {SYSTEMS[0]} makes" in lead
    assert "points fewer errors, which may be chance." in lead
    assert "fewest errors" not in page
    assert "more rows of the same kind" in page


def test_how_it_was_made_is_told(page_file, both):
    page = page_file.read_text("utf-8")
    made = re.sub(r"<[^>]+>", "", page[page.index('id="made"') : page.index('id="words"')])
    texts = both.scores[0].texts
    for told in (texts.normalizer, "levenshtein", "500 replicates", "openai/whisper-base", "d01c3014" * 8, "rapidfuzz"):
        assert told in made


def test_a_clip_that_cannot_be_read_costs_itself(both, frame):
    page = report(both, worst=40, clips=100)
    assert "this clip cannot be played" in page
    assert page.count("<audio") == len(set(re.findall(r'id="row-(\d+)"', page))) - 1


@pytest.mark.parametrize("limits", [{"clips": 2}, {"megabytes": 0.02}])
def test_clips_are_limited_and_it_is_said(both, limits):
    page = report(both, worst=5, **limits)
    assert 0 < page.count("<audio") <= 2
    assert "more were left out: a page holds at most" in page


def test_clips_of_a_score_are_named_by_a_column_or_given(frame):
    own = score(frame, reference="text", hypothesis=SYSTEMS[1], replicates=50)
    assert "<audio" in own.to_html(frame=frame, audio="path", worst=2)
    assert "<audio" in own.to_html(audio=list(frame["path"]), worst=2)
    assert "<audio" not in own.to_html(worst=2)


def test_audio_of_other_rows_is_refused(both, frame):
    with pytest.raises(OptionError, match="expected the audio of 36 scored rows, got 1"):
        report(both, audio=["x.wav"])
    with pytest.raises(OptionError, match="36 rows was scored, this one has 3"):
        report(both, frame=frame.head(3), audio="path")
    with pytest.raises(OptionError, match="of which frame"):
        report(both, audio="path")
    with pytest.raises(OptionError, match="of which frame"):
        report(both, against={"noise": "noise"})


def test_only_scored_rows_lend_their_audio(frame, clips):
    df = frame.assign(text=frame["text"].where(frame.index > 0, None), **{SYSTEMS[1]: "x"})
    own = score(df, reference="text", hypothesis=SYSTEMS[1], replicates=50)
    page = own.to_html(frame=df, audio="path", worst=36, clips=36, megabytes=50)
    assert page.count("<audio") == 34  # of 36 one has no reference and one no file


def test_a_report_of_one_system_or_of_none_that_errs_is_made(frame):
    alone = report(compare(frame, reference="text", hypotheses=["text"], replicates=50))
    assert "No row has an error." in alone
    assert 'id="differences"' not in alone
    nothing = pd.DataFrame({"text": ["", ""], "hypothesis": ["uh", ""]})
    assert "there is no error rate" in report(score(nothing, reference="text"))


def test_a_report_is_written_whole_or_not_at_all(both, tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space"):
        both.to_html(path, worst=0)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# JSON


def test_json_holds_what_makes_the_score_again(both):
    told = json.loads(both.to_json(), parse_constant=lambda name: pytest.fail(name))
    rows = told["by_row"]
    for own in both.scores:
        system = rows["systems"][own.name]
        said, heard = (
            [tokenize(*row) for row in zip(texts, rows["unit"], rows["language"], strict=True)]
            for texts in (rows["reference"], system["hypothesis"])
        )
        counts = count_errors(said, heard).total
        assert counts.substitutions == sum(system["substitutions"])
        assert counts.wer == pytest.approx(own.wer)
    assert told["scores"][0]["normalizer"] == both.scores[0].texts.normalizer
    assert rows["label"] == list(both.scores[0].texts.labels)


def test_json_has_one_order_and_no_nan(both, tmp_path):
    text = both.to_json(tmp_path / "result.json")
    assert text == both.to_json()
    assert (tmp_path / "result.json").read_text("utf-8") == text
    assert not re.search(r"\bNaN\b|\bInfinity\b", text)


def test_json_without_rows_still_tells_other_texts_apart(frame):
    first, second = (
        json.loads(score(df, reference="text", hypothesis=SYSTEMS[0], replicates=20).to_json(rows=False))
        for df in (frame, frame.assign(**{SYSTEMS[0]: "x"}))
    )
    assert "by_row" not in first
    assert first["digest"] != second["digest"]


def test_json_takes_labels_of_any_kind():
    texts = pd.Series(["a \ud800", "b"], dtype=object)
    index = pd.to_datetime(["2026-01-01", "2026-01-02"])
    df = pd.DataFrame({"text": texts.to_numpy(), "hypothesis": ["a", "c"]}, index=index, dtype=object)
    own = score(df, reference="text", replicates=20)
    assert json.loads(own.to_json())["by_row"]["label"][0].startswith("2026-01-01")
