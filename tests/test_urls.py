"""URL cells: what is fetched, and what they may not reach."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import unquote, urlparse

import pytest
from odd_audio import wav

import asrkit
from asrkit import audio, web
from asrkit.errors import SourceError
from asrkit.source import UrlSource, locate

PUBLIC = "127.0.0.2"  # plays an address of the internet; of this machine, on Linux
SECRET = "hunter2secret"


class Site(BaseHTTPRequestHandler):
    """A recording, errors, and redirects to wherever the path says."""

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization"), self.client_address[0]))
        path = urlparse(self.path).path
        if path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", unquote(path.removeprefix("/to/")))
            self.end_headers()
        elif path.startswith("/status/"):
            self.send_error(int(path.removeprefix("/status/")))
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.content)

    def log_message(self, *_):
        pass


def serving(address: str) -> Iterator[ThreadingHTTPServer]:
    try:
        server = ThreadingHTTPServer((address, 0), Site)
    except OSError:
        pytest.skip(f"this machine has no {address}")
    server.seen, server.content = [], wav()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def inner() -> Iterator[ThreadingHTTPServer]:
    """A site that only this machine should reach."""
    yield from serving("127.0.0.1")


@pytest.fixture
def outer(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A site of the internet, as far as the guard is concerned."""
    real = web.is_public
    monkeypatch.setattr(web, "is_public", lambda address: address == PUBLIC or real(address))
    yield from serving(PUBLIC)


def url_of(server: ThreadingHTTPServer, path: str = "/a.wav", user: str = "") -> str:
    return f"http://{user}{server.server_address[0]}:{server.server_port}{path}"


def refusal(url: str, **options) -> SourceError:
    with pytest.raises(SourceError) as caught:
        web.fetch(url, "the address", BytesIO(), **options)
    return caught.value


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "240.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "::7f00:1",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:db8::1",
        "2001:0:1:1:0:0:5601:5601",
    ],
)
def test_an_address_that_is_not_public(address):
    assert not web.is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_an_address_that_is_public(address):
    assert web.is_public(address)


class TestTheGuard:
    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0", "127.1"]
    )
    def test_this_machine_by_any_name(self, host, inner):
        error = refusal(f"http://{host}:{inner.server_port}/a.wav")

        assert error.code in ("refused-address", "unreachable")
        assert inner.seen == []

    @pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "192.168.0.1"])
    def test_other_networks(self, host):
        error = refusal(f"http://{host}/latest/meta-data/")

        assert error.code == "refused-address"
        assert "allow_private_urls=True" in str(error)

    def test_a_name_that_leads_inside(self):
        error = refusal("https://public.example/a.wav", resolve=lambda host, port: ["169.254.169.254"])

        assert error.code == "refused-address"

    def test_a_name_with_a_public_address_and_another(self):
        error = refusal("http://public.example/a.wav", resolve=lambda host, port: ["1.1.1.1", "10.0.0.1"])

        assert error.code == "refused-address"

    @pytest.mark.parametrize(
        "target",
        [
            "http://127.0.0.1:{inner}/a.wav",
            "http://localhost:{inner}/a.wav",
            "http://169.254.169.254/latest/meta-data/",
            "http://[::1]:{inner}/",
            "http://[::ffff:169.254.169.254]/",
            "//127.0.0.1:{inner}/a.wav",
            "file:///etc/passwd",
            "ftp://127.0.0.1/a.wav",
            "gopher://127.0.0.1:{inner}/",
        ],
    )
    def test_a_redirect_to_it(self, target, outer, inner):
        error = refusal(url_of(outer, "/to/" + target.format(inner=inner.server_port)))

        assert error.code == "refused-address"
        assert len(outer.seen) == 1
        assert inner.seen == []

    def test_a_redirect_after_a_good_one(self, outer, inner):
        error = refusal(url_of(outer, "/to//to/" + url_of(inner)))

        assert error.code == "refused-address"
        assert inner.seen == []

    def test_a_name_that_changes_its_mind_is_asked_once_and_taken_at_its_word(self, outer, inner):
        answers = iter([[PUBLIC], ["127.0.0.1"]])
        copy = BytesIO()

        web.fetch(
            f"http://rebinding.example:{outer.server_port}/a.wav",
            "the address",
            copy,
            resolve=lambda host, port: next(answers),
        )

        assert copy.getvalue() == outer.content
        assert next(answers) == ["127.0.0.1"]  # never asked for

    def test_a_name_that_changes_its_mind_between_redirects(self, outer):
        answers = iter([[PUBLIC], ["127.0.0.1"]])
        other = f"http://other.example:{outer.server_port}/a.wav"

        error = refusal(
            f"http://rebinding.example:{outer.server_port}/to/{other}", resolve=lambda host, port: next(answers)
        )

        assert error.code == "refused-address"

    @pytest.mark.parametrize(
        "url",
        [
            "zip://a.wav::http://127.0.0.1:{inner}/a.zip",
            "simplecache::http://127.0.0.1:{inner}/a.wav",
            "filecache::http://localhost:{inner}/a.wav",
            "HTTP://127.0.0.1:{inner}/a.wav",
            "ftp://127.0.0.1:{inner}/a.wav",
            "sftp://127.0.0.1:{inner}/a.wav",
            "webhdfs://127.0.0.1:{inner}/a.wav",
            "zip://a.wav::ftp://127.0.0.1:{inner}/a.zip",
            "reference::https://public.example/a.json",
            "reference://::http://127.0.0.1:{inner}/a.json",
        ],
    )
    def test_no_way_around_it_through_fsspec(self, url, inner):
        with pytest.raises(SourceError) as caught, locate(url.format(inner=inner.server_port)).open():
            pass

        assert caught.value.code == "refused-address"
        assert inner.seen == []

    def test_a_proxy_of_the_environment_is_not_asked(self, inner, monkeypatch):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, url_of(inner, ""))

        error = refusal("http://public.example/a.wav", resolve=lambda host, port: [])

        assert error.code == "unreachable"
        assert "proxy" in str(error)
        assert inner.seen == []


class TestAllowed:
    def test_by_the_call(self, inner):
        told = {"model": asrkit.Canned(["hello"]), "progress": False}

        (refused,) = asrkit.transcribe([url_of(inner)], **told)
        (heard,) = asrkit.transcribe([url_of(inner)], allow_private_urls=True, **told)

        assert refused.code == "refused-address"
        assert heard.text == "hello"

    def test_by_the_environment(self, inner, monkeypatch):
        monkeypatch.setenv(web.VARIABLE, "1")

        assert audio.load(url_of(inner)).duration == pytest.approx(3.0, abs=0.01)
        assert audio.load(url_of(inner), isolate=True).duration == pytest.approx(3.0, abs=0.01)

    @pytest.mark.parametrize("value", ["", "0", "no", "false"])
    def test_not_by_another_word(self, value, inner, monkeypatch):
        monkeypatch.setenv(web.VARIABLE, value)

        with pytest.raises(SourceError, match="not a public address"):
            audio.load(url_of(inner))

    def test_an_archive_at_an_address(self, inner):
        import zipfile

        packed = BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.wav", wav())
        inner.content = packed.getvalue()

        with UrlSource(f"zip://a.wav::{url_of(inner, '/a.zip')}", allow_private=True).open() as file:
            assert file.read() == wav()


class TestFetching:
    def test_follows_redirects_and_keeps_the_password_on_its_own_host(self, outer, inner):
        copy = BytesIO()
        url = url_of(outer, "/to/" + url_of(inner), user=f"me:{SECRET}@")

        web.fetch(url, "the address", copy, allow_private=True)

        assert copy.getvalue() == inner.content
        assert outer.seen[0][1].startswith("Basic ")
        assert inner.seen[0][1] is None

    @pytest.mark.parametrize(("status", "code"), [(404, "not-found"), (410, "not-found"), (403, "unreachable")])
    def test_says_what_the_server_says(self, status, code, inner):
        assert refusal(url_of(inner, f"/status/{status}"), allow_private=True).code == code

    def test_does_not_go_round_in_circles(self, inner):
        error = refusal(url_of(inner, "/to/" + "/to/" * 20), allow_private=True)

        assert error.code == "unreachable"
        assert len(inner.seen) == web.MOST_REDIRECTS + 1

    def test_takes_no_file_without_end(self, inner, monkeypatch):
        monkeypatch.setattr(web, "MOST_BYTES", 1_000)

        assert refusal(url_of(inner), allow_private=True).code == "too-large"

    def test_takes_no_file_that_never_ends(self, inner, monkeypatch):
        monkeypatch.setattr(web, "MOST_SECONDS", -1.0)

        assert "did not come within" in str(refusal(url_of(inner), allow_private=True))

    def test_no_message_tells_a_secret(self, inner):
        url = f"http://me:{SECRET}@127.0.0.1:{inner.server_port}/a.wav?token={SECRET}"

        with pytest.raises(SourceError) as caught:
            audio.load(url)

        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
