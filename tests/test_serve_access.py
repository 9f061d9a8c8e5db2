"""Who may ask, from which page, and what is shown to whom: hosts, origins, folders, and the greeting."""

import http.client
import re
import subprocess
import sys
from contextlib import closing

import pytest
from test_serve import RUN, TOKEN, TURBO, WHISPER, Answer, as_base64, ask, clip, pitch_of
from test_serve_openai import FORM, form

import asrkit.serve
from asrkit import Canned
from asrkit.errors import OptionError
from asrkit.serve import Settings

PAGE = "https://app.example.org"


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def open_to_page():
    settings = Settings(model=Canned(pitch_of), port=0, cors_origins=[PAGE, "http://localhost:3000"])
    with asrkit.serve.background(settings) as running:
        yield running


# -- names of this machine --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST", "LocalHost:8000", "localhost.", "LOCALHOST.:80", "localhost:"),
        *("127.0.0.1", "127.0.0.1:1", "127.1.2.3", "127.255.255.254:65535"),
        *(
            "[::1]",
            "[::1]:80",
            "[0:0:0:0:0:0:0:1]:8000",
            "[::ffff:127.0.0.1]",
            "[::FFFF:127.0.0.1]:80",
            "[::ffff:7f00:1]",
        ),
    ],
)
def test_every_way_to_write_this_machine_is_understood(server, host):
    assert ask(server, f"{RUN}/{WHISPER}", clip(), {"Host": host}).status == 200
    assert ask(server, f"{RUN}/{WHISPER}", clip(), {"Origin": f"http://{host}"}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "example.org",
            "localhost.example.org",
            "localhost..",
            "xlocalhost",
            "localhost@example.org",
            "localhost:x",
        ),
        *(
            "127.0.0.1.example.org",
            "127.0.0.1.nip.io:80",
            "0.0.0.0",
            "10.0.0.1",
            "169.254.1.1",
            "127.0.0.1@example.org",
        ),
        *("[::]", "[::2]", "[::ffff:10.0.0.1]", "[::1].example.org", "[::1", "::1:80", "[localhost]x", "127.0.0.1/x"),
    ],
)
def test_names_that_others_can_lead_here_are_refused(server, host):
    refused = ask(server, f"{RUN}/{WHISPER}", clip(), {"Host": host})

    assert (refused.status, refused.code) == (403, 9109)


@pytest.mark.parametrize(
    "origin", ["null", "https://example.org", "http://localhost.example.org", "http://", "x", "//"]
)
def test_pages_of_elsewhere_are_refused(server, origin):
    assert ask(server, f"{RUN}/{WHISPER}", clip(), {"Origin": origin}).status == 403


@pytest.mark.parametrize("host", ["LOCALHOST", "localhost.", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1"])
def test_an_address_of_this_machine_needs_no_token_however_it_is_written(host):
    assert Settings(host=host).token is None


# -- web pages of other origins ---------------------------------------------------------------------------------


def preflight(server, origin, method="POST", headers="authorization, content-type", **more):
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("OPTIONS", f"{RUN}/{WHISPER}", headers={**asked, **more})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def words(header: str | None) -> set[str]:
    return {word.strip().lower() for word in (header or "").split(",")}


def test_without_the_option_no_page_is_let_in(server):
    for origin in (PAGE, "http://localhost:3000"):
        answer = preflight(server, origin)
        assert answer.status in (403, 405)
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-origin" not in ask(server, "/healthz", headers={"Origin": origin}).headers


@pytest.mark.parametrize(
    "headers",
    [
        "authorization,content-type",
        "api-version,authorization,content-type,x-stainless-arch,x-stainless-retry-count,x-stainless-timeout",
        "authorization,openai-organization,openai-project,openai-beta,idempotency-key,user-agent,x-stainless-lang",
        "x-auth-email,x-auth-key,x-auth-user-service-key,cf-aig-skip-cache",
    ],
)
def test_the_browser_is_told_that_the_page_may_ask(open_to_page, headers):
    answer = preflight(open_to_page, PAGE, headers=headers)

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "post" in words(answer.headers["access-control-allow-methods"])
    assert words(headers) <= words(answer.headers["access-control-allow-headers"])
    assert "origin" in words(answer.headers["vary"])


@pytest.mark.parametrize(
    "origin",
    ["https://example.org", f"{PAGE}.evil.org", f"{PAGE}:8443", "http://app.example.org", "null", "http://localhost"],
)
def test_the_browser_is_told_nothing_about_other_pages(open_to_page, origin):
    answer = preflight(open_to_page, origin)

    assert answer.status >= 400
    assert "access-control-allow-origin" not in answer.headers


def test_a_public_page_may_ask_a_server_of_a_private_network(open_to_page):
    answer = preflight(open_to_page, PAGE, **{"Access-Control-Request-Private-Network": "true"})

    assert answer.headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("origin", [PAGE, "http://localhost:3000"])
def test_the_page_may_read_answers_and_errors(open_to_page, origin):
    heard = ask(open_to_page, f"{RUN}/{WHISPER}", clip(pitch=700), {"Origin": origin})
    failed = ask(open_to_page, f"{RUN}/{WHISPER}", b"no sound", {"Origin": origin})
    missing = ask(open_to_page, "/v1/nothing", headers={"Origin": origin})

    assert heard.result["text"] == "tone of 700"
    assert (failed.code, missing.status) == (3010, 404)
    for answer in (heard, failed, missing):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in words(answer.headers["vary"])
        assert {"cf-ai-req-id", "retry-after", "x-asrkit-ignored"} <= words(
            answer.headers["access-control-expose-headers"]
        )


def test_with_a_token_the_preflight_needs_none_and_the_request_does():
    settings = Settings(model="canned:hi", port=0, token=TOKEN, cors_origins=[PAGE])
    with asrkit.serve.background(settings) as server:
        asked = preflight(server, PAGE)
        without = ask(server, f"{RUN}/{WHISPER}", clip(), {"Origin": PAGE})
        heard = ask(server, f"{RUN}/{WHISPER}", clip(), {"Origin": PAGE, "Authorization": f"Bearer {TOKEN}"})

    assert (asked.status, without.status, heard.status) == (200, 401, 200)
    assert without.headers["access-control-allow-origin"] == PAGE


def test_all_pages_may_be_let_in_where_a_token_is_needed():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, token=TOKEN, cors_origins=["*"])) as server:
        heard = ask(
            server, f"{RUN}/{WHISPER}", clip(), {"Origin": "https://any.org", "Authorization": f"Bearer {TOKEN}"}
        )

    assert heard.headers["access-control-allow-origin"] == "*"
    with pytest.raises(OptionError, match="lets every web page in, so a token is needed"):
        Settings(cors_origins=["*"])


@pytest.mark.parametrize(
    "given, meant",
    [
        ("https://App.Example.ORG/", "https://app.example.org"),
        ("https://app.example.org:443", "https://app.example.org"),
        ("HTTP://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(given, meant):
    assert Settings(cors_origins=[given]).cors_origins == (meant,)


@pytest.mark.parametrize(
    "origin",
    [
        *("", "null", "app.example.org", "https://", "https://a.org/path", "https://a.org?x", "https://*.a.org"),
        *(
            "https://a.org:port",
            "https://u@a.org",
            "https://a.org, https://b.org",
            "file:///x",
            "https://a.org\r\nX: y",
        ),
    ],
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(OptionError, match="expected an origin such as"):
        Settings(cors_origins=[origin])


def test_the_command_takes_several_origins():
    import argparse

    from asrkit.serve import command

    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    options = parser.parse_args(
        ["--model", "canned:hi", "--cors-origin", PAGE, "--cors-origin", "http://localhost:3000"]
    )

    assert command.settings(options).cors_origins == (PAGE, "http://localhost:3000")


# -- folders of this machine ------------------------------------------------------------------------------------

HIDDEN = "/srv/hidden-place/models"


class Local:
    """Comes from a folder, and says so."""

    def __init__(self, name):
        self.name = f"{HIDDEN}/{name}"
        self.fingerprint = None
        self.preferred = Canned(["hi"]).preferred

    def transcribe(self, batch, *, languages):
        return Canned(["hi"]).transcribe(batch, languages=languages)

    def language_code(self, language):
        raise OptionError(f"{self.name} knows English only, not {language!r}")


@pytest.mark.parametrize("token", [None, TOKEN])
def test_nothing_shows_the_folder_of_a_model(token):
    settings = Settings(model=Local("whisper-de"), map={TURBO: Local("whisper-fr")}, port=0, token=token)
    key = {"Authorization": f"Bearer {TOKEN}"}
    with asrkit.serve.background(settings) as server:
        answers = [
            ask(server, path, headers=headers)
            for path in ("/", "/docs", "/openapi.json", "/healthz", "/metrics", "/v1/models", "/x")
            for headers in ({}, key)
        ]
        answers += [
            ask(server, f"{RUN}/{TURBO}", as_base64(clip(), language="de"), key),
            ask(server, "/v1/audio/translations", form(clip(), model="whisper-1"), {**FORM, **key}),
            ask(server, "/v1/audio/transcriptions", form(clip(), model="whisper-de"), {**FORM, **key}),
            ask(server, "/metrics", headers=key),
        ]

    assert b"whisper-de" in answers[2].body  # the page says what answers, by the last part of its name
    assert [answer.status for answer in answers[-4:]] == [400, 400, 200, 200]
    for answer in answers:
        assert b"hidden-place" not in answer.body
        assert "hidden-place" not in str(answer.headers)


@pytest.mark.parametrize(
    "name, shown",
    [
        ("openai/whisper-base", "openai/whisper-base"),
        ("/home/me/whisper-de", "whisper-de"),
        ("~/models/whisper-de/", "whisper-de"),
        ("./whisper-de", "whisper-de"),
        ("../../whisper-de", "whisper-de"),
        ("models/of/whisper-de", "whisper-de"),
        ("C:\\models\\whisper-de", "whisper-de"),
        ("asrkit/serve", "serve"),  # a folder that is there
        ("a" * 5_000, "a" * 5_000),
        ("nul\0", "nul\0"),
    ],
)
def test_of_a_folder_the_last_part_is_shown(name, shown, monkeypatch, request):
    from asrkit.serve.names import public_name

    monkeypatch.chdir(request.config.rootpath)

    assert public_name(name) == shown


# -- the greeting -----------------------------------------------------------------------------------------------


def command(*options):
    return [sys.executable, "-m", "asrkit", "serve", "--port", "0", *options]


@pytest.mark.parametrize(
    "options, said",
    [
        (["--model", "nonsense"], "no model 'nonsense'"),
        (["--model", "canned:hi", "--map", f"{TURBO}=nonsense"], "no model 'nonsense'"),
        (["--model", "canned:hi", "--host", "203.0.113.1", "--token-file", "TOKEN"], "cannot listen on 203.0.113.1"),
        (["--model", "canned:hi", "--cors-origin", "*"], "a token is needed"),
    ],
)
def test_what_cannot_start_says_why_and_greets_nobody(options, said, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    options = [str(tmp_path / "token") if option == "TOKEN" else option for option in options]
    done = subprocess.run(command(*options), capture_output=True, text=True, timeout=120)

    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_greeting_comes_when_a_request_is_answered_at_once():
    with subprocess.Popen(
        command("--model", "canned:hi"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        port = int(re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())[1])
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", "/healthz")
            body = connection.getresponse().read()
        process.terminate()
        _, logged = process.communicate(timeout=60)

    assert body == b'{"status":"ok"}'
    assert logged.startswith("Loading canned:hi ...")
