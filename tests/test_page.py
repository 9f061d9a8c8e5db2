"""The web page at `/`, in a real Chromium."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from pages import nameless

from asrkit.normalizers import Basic
from asrkit.serve import Settings, background

BASIC = Basic()

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
expect = sync_api.expect

pytestmark = [pytest.mark.model, pytest.mark.speech]

WHISPER = "@cf/openai/whisper"
TURBO = "@cf/openai/whisper-large-v3-turbo"
NOVA = "@cf/deepgram/nova-3"
SAID = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
POLICY = "default-src 'self'; media-src blob:; connect-src 'self'"
LATE = 60_000  # ms after which something is taken not to happen
expect.set_options(timeout=LATE)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with background(Settings(model="openai/whisper-tiny.en", port=0, grace=2, faults="header")) as server:
        yield server.url


@pytest.fixture(scope="module")
def jfk(recordings: pd.DataFrame) -> str:
    return recordings.set_index("id")["path"]["jfk-jfk_flac"]


@pytest.fixture(scope="module")
def known(url: str, jfk: str) -> dict[str, Any]:
    """What the API gives for that recording, for tests of what the page makes of it."""
    run = f"{url}/client/v4/accounts/{'0' * 32}/ai/run/{TURBO}"
    audio = base64.b64encode(Path(jfk).read_bytes()).decode()
    request = urllib.request.Request(run, json.dumps({"audio": audio}).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        result: dict[str, Any] = json.load(response)["result"]
    return result


# The player stops as soon as it plays, so that a busy machine finds the word still lit.
HOLD = """() => {
    const audio = document.querySelector("audio");
    window.sought = [];
    audio.addEventListener("seeking", () => window.sought.push(audio.currentTime));
    audio.addEventListener("playing", () => { window.has_played = true; audio.pause(); });
}"""


def words_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [word for segment in result["segments"] for word in segment["words"]]


@pytest.fixture(scope="module")
def spoken(recordings: pd.DataFrame) -> str:
    """A short sentence, for the microphone too: a WAV."""
    return recordings.set_index("id")["path"]["cmu-arctic-bdl_arctic_a0103_wav"]


@pytest.fixture(scope="module")
def chromium_flags(spoken: str) -> list[str]:
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={spoken}%noloop",
    ]


@pytest.fixture
def open_page(chromium) -> Iterator[Callable[..., Any]]:
    """Opens the page, under a strict policy; in the end nothing may have been wrong with it.

    Wrong are: a script's error, a message of the browser about one or about the policy, a request that leaves the
    server, a file of the page that is not there.
    """
    contexts: list[Any] = []
    wrong: list[str] = []

    def opened(url: str, **options: Any) -> Any:
        context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"], **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LATE)

        def gate(route: Any) -> None:
            told = urlsplit(route.request.url)
            if f"{told.scheme}://{told.netloc}" != url:
                wrong.append(f"left the server: {route.request.url}")
                route.abort()
            elif told.path == "/":
                answer = route.fetch()
                route.fulfill(response=answer, headers={**answer.headers, "content-security-policy": POLICY})
            else:
                route.fallback()

        def said(message: Any) -> None:
            refused = message.text.startswith("Failed to load resource:")  # a status, which `answered` looks at
            if message.type in {"error", "warning"} and not refused:
                wrong.append(message.text)

        def answered(response: Any) -> None:
            if response.status >= 400 and "/ai/" not in response.url:
                wrong.append(f"{response.status} for {response.url}")

        page.add_init_script(LISTEN)
        page.route(re.compile(r"^https?:"), gate)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", said)
        page.on("response", answered)
        page.goto(f"{url}/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def page(open_page, url) -> Any:
    opened = open_page(url)
    expect(opened.locator("#model option").first).to_have_text(WHISPER)
    return opened


# What the API answered, as the page got it: the browser itself forgets bodies too soon.
LISTEN = """
    const real = window.fetch;
    window.fetch = async (...request) => {
        const response = await real(...request);
        if (String(request[0]).includes("/ai/run/")) window.answered = await response.clone().text();
        return response;
    };
"""


def transcribe(page: Any, path: str | Path, model: str = WHISPER) -> dict[str, Any]:
    """Choose, press, wait; gives what the API answered."""
    page.set_input_files("#file", path)
    page.select_option("#model", model)
    page.evaluate("() => { delete window.answered; }")
    page.get_by_role("button", name="Transcribe").click()
    answer: dict[str, Any] = json.loads(page.wait_for_function("() => window.answered").json_value())
    return answer


def answer_with(page: Any, result: dict[str, Any]) -> None:
    """The API answers with this from now on."""
    body = {"result": result, "success": True, "errors": [], "messages": []}
    page.route("**/ai/run/**", lambda route: route.fulfill(json=body))


# ---- sound to text


def test_a_recording_becomes_text_with_a_word_for_each_of_the_answer(page, jfk):
    answer = transcribe(page, jfk)

    expect(page.locator("#status")).to_have_text("Done: 22 words.")
    words = answer["result"]["words"]
    assert page.locator(".word").all_text_contents() == [word["word"].strip() for word in words]
    assert page.locator("#text").text_content() == answer["result"]["text"].strip()
    assert BASIC(page.locator("#text").text_content()) == SAID
    assert "22 words · " in page.locator("#facts").text_content()


@pytest.mark.parametrize("model", [TURBO, NOVA])
def test_the_other_models_are_asked_and_read_in_their_own_way(page, jfk, model):
    answer = transcribe(page, jfk, model)

    expect(page.locator(".word")).to_have_count(22)
    assert answer["success"]
    assert BASIC(page.locator("#text").text_content()) == SAID


def test_a_recording_can_be_dropped(page, spoken):
    transfer = page.evaluate_handle(
        """bytes => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(bytes)], "dropped.wav", { type: "audio/wav" }));
            return transfer;
        }""",
        list(Path(spoken).read_bytes()),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})

    expect(page.locator("#chosen")).to_have_text("dropped.wav, 88 kB")
    page.get_by_role("button", name="Transcribe").click()
    expect(page.locator(".word")).to_have_count(11)


def test_the_microphone_is_recorded_and_heard(page):
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop (4 s)").click()

    expect(page.locator("#chosen")).to_contain_text("recording.webm")
    expect(page.get_by_role("button", name="Record")).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="Transcribe").click()
    expect(page.locator("#text")).to_contain_text("canoe")


def test_a_recording_that_does_not_say_how_long_it_is_can_be_sought_all_the_same(page, tmp_path, spoken):
    import av

    live = tmp_path / "live.webm"  # as many browsers record
    with av.open(spoken) as source, av.open(live, "w", format="webm", options={"live": "1"}) as target:
        stream = target.add_stream("libopus", rate=48_000)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=48_000)
        for frame in source.decode(audio=0):
            for resampled in resampler.resample(frame):
                target.mux(stream.encode(resampled))
        target.mux(stream.encode(None))

    page.set_input_files("#file", live)

    page.wait_for_function("() => document.querySelector('audio').duration < 10")
    page.wait_for_function("() => document.querySelector('audio').currentTime === 0")


def test_languages_without_blanks_get_none_between_words(page, spoken):
    words = [{"word": "你好", "start": 0, "end": 0.5}, {"word": "世界。", "start": 0.5, "end": 1}]
    answer_with(page, {"text": "你好世界。", "word_count": 2, "words": words})

    transcribe(page, spoken)

    expect(page.locator(".word")).to_have_text(["你好", "世界。"])
    assert page.locator("#text").text_content() == "你好世界。"


def test_words_that_the_text_does_not_hold_are_shown_all_the_same(page, spoken):
    words = [{"word": " Three", "start": 0, "end": 0.5}, {"word": " cats", "start": 0.5, "end": 1}]
    answer_with(page, {"text": "3 cats!", "word_count": 2, "words": words})

    transcribe(page, spoken)

    expect(page.locator(".word")).to_have_text(["Three", "cats"])


def test_silence_is_said_to_be_silence(page, spoken):
    answer_with(page, {"text": "", "word_count": 0, "words": []})

    transcribe(page, spoken)

    expect(page.locator("#text")).to_have_text("Nobody speaks in this recording.")
    expect(page.get_by_role("button", name="Captions")).to_be_disabled()


def test_text_that_looks_like_html_is_shown_as_text(page, spoken):
    evil = "<img src=x onerror=alert(1)> &amp;"
    answer_with(page, {"text": evil, "word_count": 1, "words": [{"word": evil, "start": 0, "end": 1}]})

    transcribe(page, spoken)

    expect(page.locator("#text")).to_have_text(evil)
    assert page.locator("#text img").count() == 0


# ---- hearing and seeing


def test_the_word_being_heard_is_lit(page, jfk, known):
    words = words_of(known)
    answer_with(page, known)
    transcribe(page, jfk)
    expect(page.locator(".word")).to_have_count(22)

    page.evaluate(
        """() => {
            const audio = document.querySelector("audio");
            window.seen = [];
            const look = () => {
                const lit = [...document.querySelectorAll(".lit")].map((span) => Number(span.dataset.index));
                window.seen.push([audio.currentTime, lit]);
                requestAnimationFrame(look);
            };
            audio.currentTime = 8;
            audio.play().then(() => requestAnimationFrame(look));
        }"""
    )
    page.wait_for_function("() => document.querySelector('audio').currentTime > 10")
    seen = page.evaluate("() => { document.querySelector('audio').pause(); return window.seen; }")

    slack = 0.15  # s; a frame or two, on a busy machine
    for now, lit in seen:
        assert len(lit) <= 1
        for index in lit:
            assert words[index]["start"] - slack <= now <= words[index]["end"] + 0.25 + slack
    order = [lit[0] for _, lit in seen if lit]
    assert order == sorted(order)
    assert len(set(order)) >= 4


def test_a_click_on_a_word_plays_from_there(page, jfk, known):
    words = words_of(known)
    answer_with(page, known)
    transcribe(page, jfk)
    page.evaluate(HOLD)

    page.locator(".word").nth(9).click()

    expect(page.locator(".word").nth(9)).to_have_attribute("aria-current", "true")
    page.wait_for_function("() => window.has_played")
    assert page.evaluate("window.sought") == [pytest.approx(words[9]["start"], abs=0.02)]


def test_the_keyboard_moves_between_words_and_plays_one(page, jfk, known):
    words = words_of(known)
    answer_with(page, known)
    transcribe(page, jfk)
    page.evaluate(HOLD)
    page.locator(".word").first.focus()

    page.keyboard.press("End")
    expect(page.locator(".word").last).to_be_focused()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    expect(page.locator(".word").nth(3)).to_be_focused()
    page.keyboard.press("Enter")

    page.wait_for_function("() => window.has_played")
    assert page.evaluate("window.sought") == [pytest.approx(words[3]["start"], abs=0.02)]
    assert page.locator(".word[tabindex='0']").count() == 1


def test_a_file_that_the_browser_cannot_play_is_transcribed_without_a_player(page, tmp_path, spoken):
    sox = shutil.which("sox")
    if sox is None:
        pytest.skip("no sox here")
    odd = tmp_path / "odd.sph"
    subprocess.run([sox, spoken, odd], check=True)

    transcribe(page, odd)

    expect(page.locator(".word")).to_have_count(11)
    expect(page.locator("#audio-note")).to_be_visible()
    expect(page.locator("audio")).to_be_hidden()


# ---- errors


def test_errors_are_shown_as_the_api_gives_them(page):
    answer = transcribe(page, Path(__file__))

    [told] = answer["errors"]
    assert told["code"] == 3010
    expect(page.get_by_role("alert")).to_contain_text("HTTP 400")
    expect(page.locator("#failure dt")).to_have_text("3010")
    expect(page.locator("#failure dd")).to_have_text(told["message"])


def test_a_busy_server_says_when_to_come_back(page, spoken):
    page.set_extra_http_headers({"x-asrkit-fault": "429-3040:7"})

    answer = transcribe(page, spoken)

    expect(page.locator("#failure dt")).to_have_text(["3040", "Retry-After"])
    expect(page.locator("#failure dd")).to_have_text([answer["errors"][0]["message"], "7 s"])


def test_an_error_in_html_is_shown_as_the_text_that_it_is(page, spoken):
    page.set_extra_http_headers({"x-asrkit-fault": "500-html"})
    page.set_input_files("#file", spoken)
    page.get_by_role("button", name="Transcribe").click()

    expect(page.get_by_role("alert")).to_contain_text("HTTP 500")
    expect(page.locator("#failure pre")).to_contain_text("<h1>")
    assert page.locator("#failure h1").count() == 0


@pytest.mark.parametrize("fault, told", [("200-false", "3001"), ("200-html", "<h1>"), ("200-notext", "holds no text")])
def test_a_success_that_is_none_is_not_taken_for_one(page, spoken, fault, told):
    page.set_extra_http_headers({"x-asrkit-fault": fault})
    page.set_input_files("#file", spoken)
    page.get_by_role("button", name="Transcribe").click()

    expect(page.get_by_role("alert")).to_contain_text(told)
    expect(page.locator("#status")).to_have_text("Not transcribed.")


def test_a_server_that_is_gone_is_said_to_be_gone(page, spoken):
    page.route("**/ai/run/**", lambda route: route.abort())
    page.set_input_files("#file", spoken)
    page.get_by_role("button", name="Transcribe").click()

    expect(page.get_by_role("alert")).to_contain_text("No answer from the server")


def test_a_request_can_be_cancelled_and_another_made(page, spoken):
    page.set_extra_http_headers({"x-asrkit-fault": "hang"})
    page.set_input_files("#file", spoken)
    page.get_by_role("button", name="Transcribe").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled.")

    page.set_extra_http_headers({})
    page.get_by_role("button", name="Transcribe").click()

    expect(page.locator(".word")).to_have_count(11)


def test_a_server_with_a_token_is_told_it_and_nothing_else_is(open_page, spoken):
    token = "open-sesame-42"
    with background(Settings(model="canned:hello there", port=0, token=token)) as server:
        page = open_page(server.url)
        expect(page.locator("#failure dt")).to_have_text("10000")

        page.get_by_label("Token").fill(token)
        page.get_by_label("Token").press("Tab")
        expect(page.locator("#model option").first).to_have_text(WHISPER)
        expect(page.get_by_role("alert")).to_be_empty()
        transcribe(page, spoken)

        expect(page.locator("#text")).to_have_text("hello there")
        assert "Bearer $CLOUDFLARE_API_TOKEN" in page.locator("#curl").text_content()
        assert token not in page.content()
        kept = page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
        assert kept == '[{},{},""]'


# ---- what goes out, and what can be taken along


@pytest.mark.parametrize(
    "model, options", [(WHISPER, []), (TURBO, ["Language spoken", "Task"]), (NOVA, ["Language spoken"])]
)
def test_a_model_shows_the_options_that_it_has(page, model, options):
    page.select_option("#model", model)

    for label in ("Language spoken", "Task"):
        expect(page.get_by_label(label)).to_be_visible(visible=label in options)


def test_nothing_can_be_sent_before_it_is_known_how_the_model_takes_it(page, spoken):
    held: list[Any] = []
    button = page.get_by_role("button", name="Transcribe")
    page.set_input_files("#file", spoken)
    expect(button).to_be_enabled()

    page.route("**/models/schema**", lambda route: held.append(route))
    page.select_option("#model", TURBO)
    expect(button).to_be_disabled()
    while not held:
        page.wait_for_timeout(20)
    held.pop().fallback()

    expect(button).to_be_enabled()


def test_the_options_go_with_the_request(page, spoken):
    page.set_input_files("#file", spoken)
    page.select_option("#model", TURBO)
    page.get_by_label("Language spoken").select_option("German")
    page.get_by_label("Task").select_option("translate into English")
    answer_with(page, {"text": "Moin", "word_count": 0})

    with page.expect_request("**/ai/run/**") as caught:
        page.get_by_role("button", name="Transcribe").click()

    sent = json.loads(caught.value.post_data)
    assert {name: sent[name] for name in sent if name != "audio"} == {"language": "de", "task": "translate"}


@pytest.mark.parametrize("model", [WHISPER, TURBO, NOVA])
def test_the_shell_command_does_what_the_page_does(page, tmp_path, spoken, model):
    for program in ("bash", "curl", "base64"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    recording = tmp_path / 'it\'s 100% "mine" $HOME.wav'
    shutil.copy(spoken, recording)
    page.set_input_files("#file", recording)
    page.select_option("#model", model)
    if model != WHISPER:
        page.get_by_label("Language spoken").select_option("English")
    answer = transcribe(page, recording, model)

    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.locator("#said")).to_have_text("Command copied")
    command = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl --silent ", 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert command == page.locator("#curl").text_content()
    assert json.loads(done.stdout)["result"] == answer["result"]


def test_the_text_can_be_copied(page, jfk, known):
    answer_with(page, known)
    transcribe(page, jfk)

    page.get_by_role("button", name="Copy text").click()

    expect(page.locator("#said")).to_have_text("Text copied")
    assert page.evaluate("navigator.clipboard.readText()") == known["text"].strip()


def save_captions(page: Any) -> str:
    with page.expect_download() as caught:
        page.get_by_role("button", name="Captions").click()
    assert caught.value.suggested_filename.endswith(".vtt")
    return Path(caught.value.path()).read_text(encoding="utf-8")


def test_captions_are_webvtt_that_a_browser_reads(page, jfk, known):
    answer_with(page, known)
    transcribe(page, jfk)
    expect(page.locator(".word")).to_have_count(22)

    vtt = save_captions(page)

    opening, *cues = vtt.rstrip("\n").split("\n\n")
    assert opening == "WEBVTT"
    for cue in cues:
        times, *lines = cue.split("\n")
        assert re.fullmatch(r"\d\d:[0-5]\d:[0-5]\d\.\d{3} --> \d\d:[0-5]\d:[0-5]\d\.\d{3}", times)
        assert 1 <= len(lines) <= 2
        assert all(len(line) <= 42 for line in lines)
    read = page.evaluate(
        """vtt => new Promise((resolve, reject) => {
            const track = document.createElement("track");
            track.src = URL.createObjectURL(new Blob([vtt], { type: "text/vtt" }));
            track.onload = () => resolve([...track.track.cues].map((cue) => [cue.startTime, cue.endTime, cue.text]));
            track.onerror = () => reject(new Error("no WebVTT"));
            document.querySelector("audio").append(track);
            track.track.mode = "hidden";
        })""",
        vtt,
    )
    assert len(read) == len(cues)
    assert " ".join(" ".join(text.split()) for _, _, text in read) == known["text"].strip()
    assert all(start < end for start, end, _ in read)
    assert all(end <= later for (_, end, _), (later, _, _) in pairwise(read))


def test_captions_of_long_recordings_count_hours_and_escape_what_webvtt_would_read(page, spoken):
    words = [
        {"word": "a<b", "start": 59.9996, "end": 61.5},
        {"word": "-->", "start": 3599.5, "end": 3600.25},
        {"word": "R&D", "start": 36_000.5, "end": 36_001},
    ]
    answer_with(page, {"text": "a<b --> R&D", "word_count": 3, "words": words})
    transcribe(page, spoken)
    expect(page.locator(".word")).to_have_count(3)

    assert save_captions(page) == (
        "WEBVTT\n\n"
        "00:01:00.000 --> 00:01:01.500\na&lt;b\n\n"
        "00:59:59.500 --> 01:00:00.250\n--&gt;\n\n"
        "10:00:00.500 --> 10:00:01.000\nR&amp;D\n"
    )


def test_captions_have_short_lines_whatever_the_words_are(page, spoken):
    texts = ["antidisestablishmentarianism", "an", "a", "establishment", "of"] * 20
    words = [{"word": text, "start": 0.1 * at, "end": 0.1 * at + 0.1} for at, text in enumerate(texts)]
    answer_with(page, {"text": " ".join(texts), "word_count": len(texts), "words": words})
    transcribe(page, spoken)
    expect(page.locator(".word")).to_have_count(len(texts))

    lines = [cue.split("\n")[1:] for cue in save_captions(page).rstrip("\n").split("\n\n")[1:]]

    assert all(1 <= len(own) <= 2 and max(map(len, own)) <= 42 for own in lines)
    assert " ".join(line for own in lines for line in own).split() == texts


# ---- for everybody

FAINT = """() => {
    const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = parts(colour).map(channel);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const colour = getComputedStyle(node).backgroundColor;
            if ((parts(colour)[3] ?? 1) > 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const { parentElement: box, data } = walker.currentNode;
        if (!data.trim() || !box.checkVisibility() || box.closest("script, :disabled")) continue;
        const [a, b] = [light(getComputedStyle(box).color), light(behind(box))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push([data.trim(), contrast]);
    }
    return faint;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_both_themes_can_be_read_at_any_width(open_page, url, theme, width, jfk, known):
    page = open_page(url, color_scheme=theme, viewport={"width": width, "height": 800})
    expect(page.locator("#model option").first).to_have_text(WHISPER)
    answer_with(page, known)
    transcribe(page, jfk, TURBO)
    page.evaluate(HOLD)
    page.locator(".word").nth(7).click()
    expect(page.locator(".lit")).to_have_count(1)

    assert page.evaluate(FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#failure").bounding_box()["height"] <= 1  # there is none, and nothing stands for it
    [red, *_] = map(
        int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    )
    assert (red > 128) == (theme == "light")

    page.unroute("**/ai/run/**")
    page.set_extra_http_headers({"x-asrkit-fault": "429-3040"})
    transcribe(page, jfk)
    expect(page.locator("#failure dt")).to_have_count(2)
    assert page.evaluate(FAINT) == []


def test_every_control_has_a_name_and_shows_when_it_has_the_focus(page, jfk, known):
    answer_with(page, known)
    transcribe(page, jfk, TURBO)
    expect(page.locator(".word")).to_have_count(22)
    page.locator("summary").click()
    page.evaluate("document.activeElement.blur(); document.querySelector('h1').tabIndex = -1")
    page.locator("h1").focus()

    reached = []
    for _ in range(30):
        page.keyboard.press("Tab")
        told = page.evaluate(
            """() => {
                const at = document.activeElement;
                const shown = at.id === "file" ? document.querySelector("label[for=file]") : at;
                return [at.id || at.className || at.localName, getComputedStyle(shown).outlineStyle];
            }"""
        )
        if told[0] == "body" or told[0] in dict(reached):
            break
        if told[0] != "audio":  # its own buttons
            reached.append(told)

    controls = {
        "file",
        "record",
        "model",
        "language",
        "task",
        "account",
        "token",
        "go",
        "copy-text",
        "captions",
        "word",
    }
    assert controls <= set(dict(reached))
    assert [name for name, outline in reached if outline == "none"] == []
    assert nameless(page) == []
