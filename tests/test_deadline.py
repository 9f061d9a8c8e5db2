"""A time limit holds for the whole of an exchange, whatever the other side does to stretch it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asrkit import web
from asrkit.errors import SourceError
from asrkit.source import UrlSource

LIMIT = 0.5  # seconds that a cell may take
STRETCH = 40.0  # seconds that the servers here would go on
HANG = 20.0  # seconds after which the limit has not held, on however busy a machine

OK = b"HTTP/1.1 200 OK\r\n"
Behave = Callable[[socket.socket], None]


def drip(connection: socket.socket, pieces: Iterator[bytes] | list[bytes], pause: float = 0.2) -> None:
    """Send one piece after the other, with a pause that no time limit for a single read notices."""
    until = time.monotonic() + STRETCH
    for piece in pieces:
        if time.monotonic() > until:
            return
        connection.sendall(piece)
        time.sleep(pause)


def forever(piece: bytes, first: bytes = b"") -> Iterator[bytes]:
    yield first or piece
    while True:
        yield piece


def silent(connection: socket.socket) -> None:
    connection.settimeout(STRETCH)
    while connection.recv(1 << 16):
        pass


def unread(connection: socket.socket) -> None:
    time.sleep(STRETCH)


HEADERS = {
    "a status line, byte by byte": lambda: forever(b"x", b"HTTP/1.1 200 "),
    "a header, byte by byte": lambda: forever(b"x", OK + b"X-Long: "),
    "one header after the other": lambda: forever(b"X: y\r\n", OK),
    "interim answers": lambda: forever(b"HTTP/1.1 102 Processing\r\n\r\n"),
    "early hints": lambda: forever(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "a body, byte by byte": lambda: forever(b"x", OK + b"Content-Length: 1000000\r\n\r\n"),
    "a body without a length": lambda: forever(b"x", OK + b"\r\n"),
    "chunks of one byte": lambda: forever(b"1\r\nx\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "a chunk's length, digit by digit": lambda: forever(b"0", OK + b"Transfer-Encoding: chunked\r\n\r\n"),
    "trailers": lambda: forever(b"X: y\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"),
    "a slow redirect to itself": lambda: forever(b"", b"HTTP/1.1 302 Found\r\nLocation: /\r\nX: "),
}


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that does the same on every connection."""
    behave: Behave = request.param
    stopping = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            behave(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        stopping.set()
        thread.join()


def dripping(pieces: Callable[[], Iterator[bytes]]) -> Behave:
    def behave(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        drip(connection, pieces())

    return behave


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MOST_SECONDS", LIMIT)


def refused_in_time(url: str) -> SourceError:
    began = time.monotonic()
    with pytest.raises(SourceError, match=r"127\.0\.0\.1") as caught, UrlSource(url, allow_private=True).open():
        pass
    assert time.monotonic() - began < HANG
    return caught.value


@pytest.mark.usefixtures("limited")
class TestUrlCells:
    @pytest.mark.parametrize("server", [dripping(each) for each in HEADERS.values()], ids=list(HEADERS), indirect=True)
    def test_end_in_time_while_a_server_drips(self, server):
        error = refused_in_time(f"http://{server}/a.wav")

        assert error.code == "unreachable"
        assert "did not come within 0.5 s" in str(error)

    @pytest.mark.parametrize("server", [silent, unread], ids=["silent", "unread"], indirect=True)
    def test_end_in_time_while_a_server_does_nothing(self, server):
        assert refused_in_time(f"http://{server}/a.wav?{'x' * 3_000}").code == "unreachable"

    @pytest.mark.parametrize("server", [silent], ids=["silent"], indirect=True)
    def test_end_in_time_in_a_handshake_that_gets_no_answer(self, server):
        assert refused_in_time(f"https://{server}/a.wav").code == "unreachable"

    @pytest.mark.parametrize(
        "server",
        [lambda connection: drip(connection, forever(b"\0", b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"))],
        ids=["dripping"],
        indirect=True,
    )
    def test_end_in_time_in_a_handshake_that_drips(self, server):
        assert refused_in_time(f"https://{server}/a.wav").code == "unreachable"

    @pytest.mark.parametrize("server", [dripping(HEADERS["interim answers"])], ids=["interim"], indirect=True)
    def test_end_in_time_through_an_archive(self, server):
        assert refused_in_time(f"zip://a.wav::http://{server}/a.zip").code == "unreachable"

    def test_end_in_time_while_a_name_is_looked_up(self):
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"did not come within 0\.5 s"):
            web.fetch("http://slow.example/", "the address", None, resolve=lambda host, port: time.sleep(STRETCH))

        assert time.monotonic() - began < HANG

    def test_end_in_time_where_a_name_has_a_thousand_dead_addresses(self):
        """An address for documentation: packets to it get lost, or are refused at once."""
        began = time.monotonic()
        with pytest.raises(SourceError, match="the address"):
            web.fetch(
                "http://many.example/",
                "the address",
                None,
                allow_private=True,
                resolve=lambda host, port: [f"192.0.2.{last}" for last in range(1, 255)] * 4,
            )

        assert time.monotonic() - began < HANG

    def test_time_is_counted_over_all_redirects(self):
        """Each answer is quick enough by itself."""
        count = 0

        def redirect(connection: socket.socket) -> None:
            nonlocal count
            count += 1
            connection.recv(1 << 16)
            time.sleep(0.6 * LIMIT)
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve_some, args=(listener, redirect), daemon=True).start()
            error = refused_in_time(f"http://127.0.0.1:{listener.getsockname()[1]}/")

        assert "did not come within 0.5 s" in str(error)
        assert count < 4


def _serve_some(listener: socket.socket, behave: Behave) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                behave(connection)


class TestBytes:
    @pytest.mark.parametrize(
        "server",
        [dripping(lambda: forever(b"HTTP/1.1 102 Processing\r\n\r\n" * 10_000))],
        ids=["interim"],
        indirect=True,
    )
    def test_of_interim_answers_are_counted(self, server, monkeypatch):
        """Long before the time is over."""
        monkeypatch.setattr(web, "MOST_SECONDS", STRETCH)

        assert "of headers and no file" in str(refused_in_time(f"http://{server}/a.wav"))

    def test_a_file_that_comes_in_time_is_whole(self):
        content = bytes(range(256)) * 10_000

        def answer(connection: socket.socket) -> None:
            connection.recv(1 << 16)
            drip(connection, [OK, b"\r\n", *(content[at : at + 500_000] for at in range(0, len(content), 500_000))], 0)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve_some, args=(listener, answer), daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            with UrlSource(url, allow_private=True).open() as file:
                assert file.read() == content


class TestConnections:
    """Several requests over one connection, each with a deadline of its own."""

    @pytest.fixture
    def address(self) -> Iterator[str]:
        def answer(connection: socket.socket) -> None:
            while asked := connection.recv(1 << 16):
                if b"/slow" in asked:
                    drip(connection, HEADERS["a header, byte by byte"]())
                    return
                connection.sendall(OK + b"Content-Length: 2\r\n\r\nhi")

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve_some, args=(listener, answer), daemon=True).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"

    def test_each_request_has_its_own_time(self, address):
        import httpcore2

        from asrkit.deadline import Deadline, deadline
        from asrkit.wire import TimedBackend

        with httpcore2.ConnectionPool(network_backend=TimedBackend()) as pool:
            with deadline(Deadline(0.5)):
                assert pool.request("GET", address + "/quick").content == b"hi"
            time.sleep(0.6)
            with deadline(Deadline(HANG)):
                assert pool.request("GET", address + "/quick").content == b"hi"
            assert pool.request("GET", address + "/quick").content == b"hi"
            began = time.monotonic()
            with deadline(Deadline(LIMIT)), pytest.raises(httpcore2.ReadTimeout, match=r"over 0\.5 s|timed out"):
                pool.request("GET", address + "/slow")
            assert time.monotonic() - began < HANG

    def test_an_upload_that_is_not_taken_ends_in_time(self):
        import httpcore2

        from asrkit.deadline import Deadline, deadline
        from asrkit.wire import TimedBackend

        def sip(connection: socket.socket) -> None:
            drip(connection, iter(lambda: connection.recv(1_000) and b"", None), 0.05)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve_some, args=(listener, sip), daemon=True).start()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            began = time.monotonic()
            with httpcore2.ConnectionPool(network_backend=TimedBackend()) as pool, deadline(Deadline(LIMIT)):
                with pytest.raises(httpcore2.TimeoutException, match=r"over 0\.5 s|timed out"):
                    pool.request("POST", url, content=bytes(50_000_000))

        assert time.monotonic() - began < HANG

    def test_an_encrypted_connection_keeps_to_it_too(self, tmp_path):
        import httpcore2

        from asrkit.deadline import Deadline, deadline
        from asrkit.wire import TimedBackend

        context = _certified(tmp_path)

        def answer(connection: socket.socket) -> None:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(1 << 16)
                drip(wrapped, HEADERS["one header after the other"]())

        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=_serve_some, args=(listener, answer), daemon=True).start()
            url = f"https://localhost:{listener.getsockname()[1]}/"
            pool = httpcore2.ConnectionPool(network_backend=TimedBackend(), ssl_context=trusting)
            with pool, deadline(Deadline(LIMIT)), pytest.raises(httpcore2.ReadTimeout, match=r"over 0\.5 s|timed out"):
                pool.request("GET", url)


def _certified(folder: Path) -> ssl.SSLContext:
    made = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *made, *names]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl makes the certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


class TestCallWithin:
    def test_a_call_that_blocks_is_left_behind(self):
        from asrkit.deadline import Deadline, call_within

        held = threading.Event()
        with pytest.raises(TimeoutError, match=r"not done within 0\.1 s"):
            call_within(held.wait, Deadline(0.1))
        held.set()

    def test_an_error_is_the_callers(self):
        from asrkit.deadline import Deadline, call_within

        with pytest.raises(LookupError, match="inside"):
            call_within(lambda: (_ for _ in ()).throw(LookupError("inside")), Deadline(HANG))

    def test_a_deadline_inside_another_is_never_later(self):
        from asrkit.deadline import Deadline, call_within, current_deadline, deadline

        with deadline(Deadline(1.0)) as outer:
            with deadline(Deadline(60.0)) as inner:
                assert inner is outer
            with deadline(Deadline(0.5)) as inner:
                assert inner.left <= 0.5
                assert call_within(current_deadline, Deadline(HANG)) is inner
        assert current_deadline() is None
