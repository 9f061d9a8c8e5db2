"""The player in a real Chromium: what is heard, seen and pressed."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pages import WATCH_URLS

from asrkit import Player, Segment, Word

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
pytest.importorskip("anywidget")
expect = sync_api.expect

SEGMENTS = [
    Segment("So it is", 0.0, 1.2, (Word("So", 0.0, 0.4), Word("it", 0.4, 0.8, 0.3), Word("is", 0.8, 1.2, 0.9))),
    Segment("indeed.", 1.2, 2.0, (Word("indeed.", 1.25, 1.9, 0.99),)),
]
EVIL = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
# The sounds of a page, too.
WATCH = f"""{WATCH_URLS}
window.sounds = [];
const RealAudio = window.Audio;
window.Audio = class extends RealAudio {{ constructor(...given) {{ super(...given); sounds.push(this); }} }};
"""
FOCUSABLE = "button,input,select,textarea,summary,[tabindex],audio[controls],a[href]"
UNGUARDED = """(focusable) => [...document.querySelectorAll(focusable)]
    .filter((element) => !element.hasAttribute("data-lm-suppress-shortcuts")).map((element) => element.outerHTML)"""


@pytest.fixture
def show(bridge, tone_file):
    """Shows a player and waits until it can play; by itself of two seconds with four words."""
    bridge.page.add_init_script(WATCH)

    def shown(cell=None, *, wait="ready", **options):
        if not options:
            options = {"reference": "so it is not", "hypothesis": "So it is indeed.", "segments": SEGMENTS}
        mounted = bridge.mount(Player(tone_file(2.0) if cell is None else cell, **options))
        expect(status(mounted.page)).to_contain_text(wait)
        return mounted

    return shown


@pytest.fixture
def page(show):
    page = show().page
    page.locator(".ak-player").focus()
    return page


def status(page):
    return page.get_by_role("status")


def position(page) -> float:
    return float(page.get_by_role("slider", name="waveform").get_attribute("aria-valuenow"))


def stopped_at(page, seconds):
    expect(page.get_by_role("slider", name="waveform")).to_have_attribute("aria-valuenow", f"{seconds:.1f}")


def test_shows_words_lines_and_the_alignment_that_gives_the_rate(page):
    expect(page.locator(".ak-word")).to_have_text(["So", "it", "is", "indeed."])
    expect(page.locator(".ak-time")).to_have_text(["0:00.0", "0:01.2"])
    expect(page.get_by_text("WER 25.0%: 1 error in 4 words")).to_be_visible()
    expect(page.get_by_label("substituted: not was said, indeed. was heard")).to_have_text("notindeed.≠")


def test_names_who_speaks_in_a_line_as_text(show):
    segments = [
        Segment("So it is", 0.0, 1.2, SEGMENTS[0].words, speaker="0", channel=1),
        Segment("indeed.", 1.2, 2.0, (), speaker=EVIL),
    ]

    page = show(hypothesis="So it is indeed.", segments=segments).page

    expect(page.locator(".ak-voice")).to_have_text(["Channel 1, Speaker 0", "<img src=x oner…"])
    assert page.title() != "hacked"


def test_marks_words_that_the_recogniser_was_not_sure_of_by_more_than_a_colour(page):
    unsure = page.locator(".ak-unsure")

    expect(unsure).to_have_text(["it"])
    expect(unsure).to_have_attribute("title", "confidence 30 %")
    assert "?" in unsure.evaluate("element => getComputedStyle(element, '::after').content")


def test_what_is_pressed_before_the_sound_is_there_is_done_when_it_comes(show):
    mounted = show()
    mounted.set(delay=1_000)
    mounted.hide()
    mounted.show()
    expect(status(mounted.page)).to_have_text("opening the sound …")

    mounted.page.get_by_role("button", name="Play").click()

    stopped_at(mounted.page, 2.0)
    expect(status(mounted.page)).to_have_text("ready")


def test_a_click_on_a_word_plays_from_there_and_words_light_up_as_they_are_spoken(page):
    page.evaluate(
        """() => {
            window.lit = [];
            new MutationObserver(() => {
                const word = document.querySelector(".ak-lit")?.textContent;
                if (word && lit.at(-1) !== word) lit.push(word);
            }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ["class"] });
        }"""
    )

    page.locator(".ak-word").nth(1).click()
    page.wait_for_function("lit.at(-1) === 'indeed.'")
    expect(page.get_by_role("button", name="Play")).to_be_visible()

    assert page.evaluate("lit") == ["it", "is", "indeed."]
    stopped_at(page, 2.0)


def test_every_key_does_what_the_list_says(page):
    press = page.keyboard.press

    press("ArrowRight")
    stopped_at(page, 1.0)
    press("]")  # the next word begins at 1.25
    stopped_at(page, 1.3)
    press("[")
    stopped_at(page, 0.8)
    press("ArrowDown")
    stopped_at(page, 1.2)
    press("ArrowUp")
    stopped_at(page, 0.0)
    press("End")
    stopped_at(page, 2.0)
    press("Shift+ArrowLeft")
    stopped_at(page, 0.0)
    press(".")
    press(".")
    expect(page.get_by_text("1.5\N{MULTIPLICATION SIGN}")).to_be_visible()
    assert page.evaluate("sounds.map((sound) => [sound.playbackRate, sound.preservesPitch])") == [[1.5, True]]
    for _ in range(9):
        press(",")
    expect(page.get_by_text("0.25\N{MULTIPLICATION SIGN}")).to_be_visible()
    press("?")
    expect(page.locator("details")).to_have_attribute("open", "")
    press("Space")
    page.wait_for_function("!sounds[0].paused && sounds[0].currentTime > 0.05")
    press("Space")
    page.wait_for_function("sounds[0].paused")


def test_repeats_what_was_selected_by_keys(page):
    press = page.keyboard.press
    press("ArrowRight")
    press("i")
    press("]")
    press("o")
    expect(status(page)).to_have_text("repeats 0:01.00 to 0:01.25")
    expect(page.get_by_role("button", name="Loop")).to_have_attribute("aria-pressed", "true")

    page.evaluate("() => { window.back = 0; sounds[0].addEventListener('seeked', () => back++); }")
    press("Space")
    page.wait_for_function("back >= 2")
    press("Space")

    assert 0.95 <= position(page) <= 1.45  # a slow machine sees the end late
    press("Escape")
    expect(status(page)).to_have_text("ready")
    press("l")  # nothing is selected any more: the line
    expect(status(page)).to_have_text(re.compile(r"repeats 0:0[01]\.[02]0 to 0:0[12]\.[02]0"))


def test_a_click_seeks_and_a_drag_selects(page):
    box = page.get_by_role("slider", name="waveform").bounding_box()
    middle = box["y"] + box["height"] / 2

    page.mouse.click(box["x"] + box["width"] / 2, middle)
    stopped_at(page, 1.0)
    page.mouse.move(box["x"] + box["width"] / 4, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 3 / 4, middle, steps=4)
    page.mouse.up()

    expect(status(page)).to_contain_text("repeats 0:00.5")
    stopped_at(page, 0.5)


def test_draws_the_spectrogram_when_it_is_asked_for(show, tone_file):
    mounted = show(tone_file(1.0, pitch=1_000.0))
    page = mounted.page
    assert "mel" not in [message["op"] for message in mounted.sent]

    page.get_by_role("button", name="Spectrogram").click()

    canvas = page.get_by_role("img", name="mel spectrogram")
    page.wait_for_function("document.querySelector('.ak-mel canvas').height === 80")
    brightest = canvas.evaluate(
        """(canvas) => {
            const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const rows = Array.from({ length: height }, (_, row) => data[4 * (row * width + (width >> 1))]);
            return rows.indexOf(Math.max(...rows));
        }"""
    )
    assert 79 - brightest == pytest.approx(27, abs=1)  # (mel(1000) - mel(20)) * 81 / (mel(8000) - mel(20)) - 1


def test_takes_every_key_that_it_could_be_asked_for_itself(page):
    assert page.evaluate(UNGUARDED, FOCUSABLE) == []
    page.evaluate(
        "() => { window.heard = []; document.addEventListener('keydown', (event) => heard.push(event.key)); }"
    )

    kinds = page.locator(".ak-player, .ak-player button, .ak-player summary, .ak-player .ak-wave:not(.ak-overview)")
    assert kinds.count() == 8
    for number in range(kinds.count()):
        for key in ("a", "b", "m", "x", "d", "1", "Shift+Enter", "Control+Enter", "Control+b", "Escape", "ArrowDown"):
            kinds.nth(number).focus()
            page.keyboard.press(key)

    assert page.evaluate("heard") == []


@pytest.mark.parametrize("with_words", [True, False])
def test_text_is_never_html(show, with_words):
    segments = [Segment(EVIL, 0.0, 1.0, (Word(EVIL, 0.0, 1.0),) if with_words else ())]
    page = show(reference=EVIL, hypothesis=f"{EVIL} so", segments=segments, normalizer="none", title=EVIL).page

    expect(page.locator(".ak-title")).to_have_text(EVIL)
    expect(page.locator(".ak-caption")).to_contain_text(EVIL)
    assert page.locator("img, script").count() == 0
    assert page.title() == "widget"


def test_right_to_left_text_runs_its_way(show):
    page = show(reference="שלום עולם", hypothesis="שלום", language="he").page

    expect(page.locator(".ak-pairs")).to_have_attribute("dir", "rtl")
    expect(page.locator(".ak-D")).to_have_attribute("aria-label", "deleted: עולם")


def test_a_hundred_remounts_leave_nothing_behind(show):
    mounted = show()
    page = mounted.page
    devtools = page.context.new_cdp_session(page)

    def counted() -> int:
        devtools.send("HeapProfiler.collectGarbage")
        return devtools.send("Memory.getDOMCounters")["jsEventListeners"]

    def remount(times: int) -> None:
        for _ in range(times):
            mounted.show()
            expect(status(page)).to_have_text("ready")
            mounted.hide()

    mounted.hide()
    remount(3)
    page.evaluate("() => { sounds.length = 0; }")
    before, listeners = counted(), mounted.listeners
    remount(100)
    page.evaluate("() => { sounds.length = 0; }")

    assert mounted.listeners == listeners == 0
    assert page.evaluate("[...urls]") == []
    assert counted() <= before + 20  # those of the last one may not be collected yet; a hundred would be thousands


# ---- an hour


@pytest.fixture(scope="module")
def hour(tmp_path_factory):
    import soundfile

    path = tmp_path_factory.mktemp("hour") / "hour.wav"
    times = np.arange(60 * 8_000) / 8_000
    minute = (0.3 * np.sin(2 * np.pi * 440 * times) * 32_767).astype(np.int16)
    with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
        for number in range(60):
            file.write(minute if number % 2 else minute // 4)
    return path


def test_an_hour_opens_with_a_minute_of_sound(show, hour):
    words = [Word(f"w{n}", n * 0.4, n * 0.4 + 0.3) for n in range(9_000)]
    segments = [Segment("", k * 4.0, k * 4.0 + 4.0, tuple(words[10 * k : 10 * k + 10])) for k in range(900)]
    mounted = show(hour, segments=segments, hypothesis=" ".join(word.word for word in words))
    page = mounted.page

    assert sum(len(buffer) for buffer in mounted.widget.answer({"op": "clip", "item_id": 0}).buffers) < 2_100_000
    assert len(str(mounted.widget.get_state(["item", "options"]))) < 1_000
    expect(page.get_by_text("0:00.0 / 1:00:00.0")).to_be_visible()
    overview = page.get_by_role("slider", name="the whole recording")
    page.wait_for_function(
        "name => bridges[name].answered.some((told) => told.op === 'overview' && told.done)", arg=mounted.name
    )
    box = overview.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 10)
    expect(page.get_by_text(re.compile(r"^4[45]:\d\d\.\d / 1:00:00\.0"))).to_be_visible()
    page.wait_for_function("sounds[0].readyState >= 3")
    page.locator(".ak-player").focus()
    page.keyboard.press("Space")
    page.wait_for_function("!sounds[0].paused && sounds[0].currentTime > 0")
    expect(page.locator(".ak-lit, .ak-now").first).to_be_visible()
    assert {message["at"] for message in mounted.sent if message["op"] == "clip"} <= {0, 2640, 2700}


def test_goes_on_into_the_next_window(show, hour):
    mounted = show(hour, hypothesis="a")
    page = mounted.page
    page.locator(".ak-player").focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowLeft")  # 59 s
    page.keyboard.press("Space")

    page.wait_for_function("Number(document.querySelector('.ak-wave:not(.ak-overview)').ariaValueNow) >= 60.5")

    assert position(page) < 70
    assert [message["at"] for message in mounted.sent if message["op"] == "clip"].count(60) == 1


# ---- what goes wrong is said


def test_a_missing_file_is_named(show, tmp_path):
    page = show(tmp_path / "gone.wav", hypothesis="so", wait="no such file").page

    expect(status(page)).to_contain_text("gone.wav")
    expect(page.get_by_text("so", exact=True)).to_be_visible()


def test_a_row_without_audio_shows_its_texts(show):
    page = show(float("nan"), reference="so", hypothesis="so", wait="no audio").page

    expect(page.get_by_text("WER 0.0%: 0 errors in 1 word")).to_be_visible()


def test_a_dead_kernel_is_told(show):
    mounted = show()
    mounted.set(gone=True)

    mounted.page.get_by_role("button", name="Spectrogram").click()

    expect(status(mounted.page)).to_contain_text("the kernel does not answer: it is gone")
    mounted.page.get_by_role("button", name="Play").click()  # what is there still plays
    mounted.page.wait_for_function("sounds[0].currentTime > 0")


def test_a_kernel_that_does_not_answer_is_told(show):
    mounted = show()
    mounted.set(deaf=True)

    mounted.page.get_by_role("button", name="Spectrogram").click()

    expect(status(mounted.page)).to_have_text("no answer from the kernel yet: it is busy, or gone")


def test_a_sound_that_the_browser_cannot_decode_is_told(show, bridge, tone_file, monkeypatch):
    from dataclasses import replace

    from asrkit.widgets.clips import Clips

    whole = Clips.clip
    monkeypatch.setattr(Clips, "clip", lambda self, *which: replace(whole(self, *which), wav=b"no sound " * 99))

    page = bridge.mount(Player(tone_file())).page

    expect(status(page)).to_contain_text("the browser does not play this sound")


def test_a_page_that_forbids_sound_is_told(bridge, tone_file, wrong):
    from bridge import ADDRESS, EMPTY

    policy = {
        "content-security-policy": "default-src 'self'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'"
    }
    bridge.page.route(ADDRESS, lambda route: route.fulfill(body=EMPTY, content_type="text/html", headers=policy))

    page = bridge.mount(Player(tone_file())).page

    expect(status(page)).to_contain_text("the page's content policy forbids it: it needs media-src blob:")
    assert all("media" in told for told in wrong)
    wrong.clear()


def test_a_browser_that_wants_a_click_first_is_told(bridge, tone_file):
    bridge.page.add_init_script(
        "HTMLMediaElement.prototype.play = () => Promise.reject(new DOMException('no', 'NotAllowedError'));"
    )
    page = bridge.mount(Player(tone_file())).page
    expect(status(page)).to_have_text("ready")

    page.get_by_role("button", name="Play").click()

    expect(status(page)).to_contain_text("press play again")


# ---- without Python


def test_plays_as_one_file_without_python(new_page, tone_file, tmp_path):
    path = tmp_path / "clip.html"
    player = Player(tone_file(1.0), reference=EVIL, hypothesis="So it is indeed.", segments=SEGMENTS)
    player.to_html(path, title="</title><b>")
    page = new_page()
    page.add_init_script(WATCH)
    page.goto(path.as_uri())

    expect(status(page)).to_have_text("ready")
    expect(page.locator(".ak-word")).to_have_count(4)
    assert page.title() == "</title><b>"
    page.get_by_role("button", name="Spectrogram").click()
    expect(page.get_by_role("img", name="mel spectrogram")).to_have_attribute("height", "80")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("slider", name="waveform")).to_have_attribute("aria-valuenow", "1.0")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_cut_off_and_text_can_be_read(bridge, tone_file, scheme, width):
    page = bridge.page
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    bridge.mount(Player(tone_file(), reference="so it is not", hypothesis="So it is indeed.", segments=SEGMENTS))
    expect(status(page)).to_have_text("ready")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    ratios = page.evaluate(CONTRAST)
    assert min(ratios) >= 4.5


# WCAG's contrast of every text with what is behind it.
CONTRAST = """() => {
    const light = (colour) => {
        const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
        const [r, g, b] = parts.map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (!/, 0\\)$/.test(colour) && !/rgba\\(.*0\\.\\d+\\)$/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    return [...document.querySelectorAll(".ak-player *")]
        .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
        .filter((element) => element.offsetWidth)
        .map((element) => {
            const [one, two] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
            return (one + 0.05) / (two + 0.05);
        });
}"""
