"""One deadline for a whole exchange, whatever a server does with it, and threads that end when they are told to."""

from __future__ import annotations

import gzip
import signal
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2
import numpy as np
import pytest

import asrkit
from asrkit.audio import Encoded
from asrkit.backends.wire import Wire
from asrkit.errors import AnswerError, BackendError, ConnectionLostError

TIMEOUT = 1.0  # seconds that the service is given
TRICKLE = 0.05  # seconds between two bytes: no time-out between bytes ever notices
HANG = 30.0  # seconds after which a test that should take two is stuck
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Talk = Callable[[socket.socket, threading.Event], None]


def trickle(connection: socket.socket, over: threading.Event, head: bytes, drop: bytes, wait: float = TRICKLE) -> None:
    connection.sendall(head)
    while not over.wait(wait):
        connection.sendall(drop)


def flood(connection: socket.socket, over: threading.Event, head: bytes, wave: bytes) -> None:
    connection.sendall(head)
    while not over.is_set():
        connection.sendall(wave)


def packed(wbits: int) -> bytes:
    """200 MB of blanks."""
    packing = zlib.compressobj(9, wbits=wbits)
    return b"".join(packing.compress(b" " * 2**20) for _ in range(200)) + packing.flush()


def bomb(connection: socket.socket, over: threading.Event, coding: str, wbits: int) -> None:
    body = packed(wbits)
    connection.sendall(HEAD + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW: dict[str, Talk] = {
    "says nothing": lambda connection, over: over.wait(HANG) and None,
    "drips its status": lambda connection, over: trickle(connection, over, b"HTTP/1.1 200 ", b"O"),
    "drips one header": lambda connection, over: trickle(connection, over, HEAD + b"X-Long: ", b"a"),
    "drips many headers": lambda connection, over: trickle(connection, over, HEAD, b"X-More: a\r\n"),
    "sends a 1xx now and then": lambda connection, over: trickle(
        connection, over, b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"
    ),
    "drips its body": lambda connection, over: trickle(connection, over, HEAD + b"Content-Length: 9999\r\n\r\n", b" "),
    "drips a body that has no length": lambda connection, over: trickle(connection, over, HEAD + b"\r\n", b" "),
    "drips chunks": lambda connection, over: trickle(connection, over, CHUNKED, b"1\r\n \r\n"),
    "drips the size of a chunk": lambda connection, over: trickle(connection, over, CHUNKED + b"1;", b"a"),
    "drips trailers": lambda connection, over: trickle(connection, over, CHUNKED + b"0\r\n", b"X-More: a\r\n"),
}
LARGE: dict[str, Talk] = {
    "sends 1xx without end": lambda connection, over: flood(
        connection, over, b"", b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"a" * 2_000 + b">\r\n\r\n"
    ),
    "has a body without end": lambda connection, over: flood(connection, over, HEAD + b"\r\n", b" " * 2**16),
    "has chunks without end": lambda connection, over: flood(
        connection, over, CHUNKED, b"10000\r\n" + b" " * 2**16 + b"\r\n"
    ),
    "promises a terabyte": lambda connection, over: flood(
        connection, over, HEAD + b"Content-Length: 1000000000000\r\n\r\n", b" " * 2**16
    ),
    "packs 200 MB with gzip": lambda connection, over: bomb(connection, over, "gzip", 31),
    "packs 200 MB with zlib": lambda connection, over: bomb(connection, over, "deflate", 15),
}


class Server:
    """Reads requests, or not, and then does something to the connection until it is over."""

    def __init__(self, talk: Talk, reads: bool = True) -> None:
        self.talk, self.reads = talk, reads
        self.over = threading.Event()
        self.asked = 0
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/client/v4"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                if self.reads:
                    self._read(connection)
                self.asked += 1
                self.talk(connection, self.over)
            except OSError:
                return

    @staticmethod
    def _read(connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65_536) or b"\r\n\r\n"
        head, _, body = data.partition(b"\r\n\r\n")
        sizes = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        while len(body) < (sizes or [0])[0]:
            body += connection.recv(65_536)

    def close(self) -> None:
        self.over.set()
        self.listening.close()


@contextmanager
def served(talk: Talk, *, reads: bool = True) -> Iterator[Server]:
    server = Server(talk, reads)
    try:
        yield server
    finally:
        server.close()


def clip(size: int = 2_000) -> Encoded:
    return Encoded(bytes(size), "wav", 0.02)


def asked(url: str, *, size: int = 2_000, **options: object) -> tuple[BackendError, asrkit.WorkersAI]:
    """The error of one request that cannot succeed; it and its second try must be over long before the test hangs."""
    backend = asrkit.WorkersAI(base_url=url, api_token="token", per_minute=None, timeout=TIMEOUT, **options)
    began = time.monotonic()
    try:
        with pytest.raises(BackendError, match=r"127\.0\.0\.1|localhost|slow\.invalid") as caught:
            backend.transcribe([clip(size)], languages=[None])
    finally:
        backend.abandon()
    assert time.monotonic() - began < HANG
    return caught.value, backend


class TestTimeIsForTheWholeExchange:
    @pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW.keys())
    def test_a_server_that_keeps_the_connection_busy_is_given_up_in_time_and_counted_as_paid(self, talk):
        with served(talk) as server:
            error, backend = asked(server.url)

        assert error.code == "timed-out"
        assert server.asked == 2  # what may have been billed is sent twice at most
        assert backend.spending.requests == 2
        assert error.cost is None  # what this server asks for is not known
        assert backend.spending.doubtful > 0

    def test_a_server_that_does_not_read_the_request_is_given_up_in_time(self):
        def sip(connection: socket.socket, over: threading.Event) -> None:
            while not over.wait(TRICKLE):
                connection.recv(1)

        wire = Wire()
        with served(sip, reads=False) as server, httpx2.Client(timeout=HANG) as client:
            wire.guard(client)
            with wire.exchange("here", TIMEOUT, 1_000), pytest.raises(httpx2.WriteTimeout, match=r"timed out|are over"):
                client.post(server.url, content=bytes(12_000_000))

    def test_a_server_that_drips_its_tls_is_given_up_in_time_and_costs_nothing(self):
        greeting = b"\x16\x03\x03\x40\x00"  # a record of 16 kB, whose bytes come one by one
        with served(lambda connection, over: trickle(connection, over, greeting, b"\x00"), reads=False) as server:
            error, backend = asked(server.url.replace("http://", "https://"))

        assert error.code == "no-connection"
        assert backend.spending.doubtful == 0

    def test_a_server_that_takes_no_connection_is_given_up_in_time_and_costs_nothing(self):
        with full_listener() as port:
            error, backend = asked(f"http://127.0.0.1:{port}/client/v4")

        assert error.code == "no-connection"
        assert backend.spending.doubtful == 0

    def test_a_name_that_is_not_resolved_is_given_up_in_time_by_all_who_wait_for_it(self):
        over, lookups = threading.Event(), []

        def resolve(host: str, port: int) -> list:
            lookups.append(host)
            over.wait(HANG)
            return []

        backend = asrkit.WorkersAI(
            base_url="http://slow.invalid/client/v4", account_id="a", api_token="t", per_minute=None, timeout=0.3
        )
        backend._wire = Wire(resolve)
        errors: list[BackendError] = []

        def ask() -> None:
            with pytest.raises(BackendError, match=r"slow\.invalid cannot be reached") as caught:
                backend._request(clip(), None, [])
            errors.append(caught.value)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        backend.traffic.limit = 4.0
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(HANG)
        finally:
            over.set()
        assert [error.code for error in errors] == ["no-connection"] * 4
        assert len(lookups) == 1

    def test_what_takes_long_to_send_has_time_for_it(self):
        def unhurried(connection: socket.socket, over: threading.Event) -> None:
            over.wait(1.5 * TIMEOUT)
            answer = b'{"result": {"text": "hello"}, "success": true}'
            connection.sendall(HEAD + f"Content-Length: {len(answer)}\r\n\r\n".encode() + answer)

        with served(unhurried) as server:
            backend = asrkit.WorkersAI(base_url=server.url, api_token="token", timeout=TIMEOUT)
            [heard] = backend.transcribe([clip(500_000)], languages=[None])
            backend.abandon()

        assert heard.text == "hello"


class TestBytesAreBounded:
    @pytest.mark.parametrize("talk", LARGE.values(), ids=LARGE.keys())
    def test_an_answer_larger_than_any_is_given_up_and_not_asked_for_again(self, talk):
        import tracemalloc

        tracemalloc.start()
        try:
            with served(talk) as server:
                backend = asrkit.WorkersAI(base_url=server.url, api_token="token", per_minute=None, timeout=HANG)
                with pytest.raises(AnswerError, match=r"answers with over [\d,]+ bytes") as caught:
                    backend.transcribe([clip()], languages=[None])
                backend.abandon()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert caught.value.code == "too-large"
        assert server.asked == 1
        assert backend.spending.doubtful > 0  # it was sent
        assert peak < 60_000_000

    @pytest.mark.parametrize("coding, packed", [("gzip", gzip.compress), ("deflate", zlib.compress)])
    def test_an_answer_that_is_packed_all_the_same_is_read(self, coding, packed):
        body = packed(b'{"result": {"text": "hello"}, "success": true}')

        def talk(connection: socket.socket, over: threading.Event) -> None:
            head = HEAD + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            connection.sendall(head + body)

        with served(talk) as server:
            backend = asrkit.WorkersAI(base_url=server.url, api_token="token")
            [heard] = backend.transcribe([clip()], languages=[None])
            backend.abandon()

        assert heard.text == "hello"

    @pytest.mark.parametrize(
        "coding, body, kind, message",
        [
            ("br", b"\x0b\x02\x80{}\x03", AnswerError, "packs its answer as 'br', which was not asked for"),
            ("gzip", gzip.compress(b"{}")[:-9], ConnectionLostError, "ends in the middle"),
            ("gzip", b"no gzip", ConnectionLostError, "cannot be unpacked"),
        ],
        ids=["brotli", "half", "none"],
    )
    def test_one_that_cannot_be_unpacked_says_so(self, coding, body, kind, message):
        def talk(connection: socket.socket, over: threading.Event) -> None:
            head = HEAD + f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            connection.sendall(head + body)

        with served(talk) as server:
            backend = asrkit.WorkersAI(base_url=server.url, api_token="token")
            with pytest.raises(kind, match=message):
                backend.transcribe([clip()], languages=[None])
            backend.abandon()


@contextmanager
def full_listener() -> Iterator[int]:
    """A port that takes no further connection: packets to it are dropped, as by a firewall."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = []
        for _ in range(8):
            taken = socket.socket()
            taken.setblocking(False)
            taken.connect_ex(listening.getsockname())
            waiting.append(taken)
        time.sleep(0.1)
        try:
            yield listening.getsockname()[1]
        finally:
            for taken in waiting:
                taken.close()


class TestThreadsEndWhenTold:
    """They would be waited for when the interpreter ends, for as long as the longest exchange."""

    @staticmethod
    def ended(url: str, waits: Callable[[], bool], wire: Wire | None = None) -> bool:
        backend = asrkit.WorkersAI(base_url=url, account_id="a", api_token="token", per_minute=None, timeout=20 * HANG)
        backend._wire = wire or backend._wire

        def ask() -> None:
            with pytest.raises(BackendError, match=r"\w"):
                backend.transcribe([clip(8_000_000)], languages=[None])

        thread = threading.Thread(target=ask)
        thread.start()
        limit = time.monotonic() + HANG
        while not waits() and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(0.2)
        assert thread.is_alive()
        backend.abandon()
        thread.join(8.0)  # less than any time-out
        return not thread.is_alive()

    @pytest.mark.parametrize("name", ["says nothing", "drips one header", "drips its body"])
    def test_while_they_wait_for_an_answer(self, name):
        with served(SLOW[name]) as server:
            assert self.ended(server.url, lambda: server.asked > 0)

    def test_while_they_send(self):
        with served(SLOW["says nothing"], reads=False) as server:
            assert self.ended(server.url, lambda: server.asked > 0)

    def test_while_they_greet_by_tls(self):
        with served(SLOW["says nothing"], reads=False) as server:
            assert self.ended(server.url.replace("http://", "https://"), lambda: server.asked > 0)

    def test_while_they_connect(self):
        with full_listener() as port:
            assert self.ended(f"http://127.0.0.1:{port}/client/v4", lambda: True)

    def test_while_a_name_is_resolved(self):
        over, asked_for = threading.Event(), threading.Event()

        def resolve(host: str, port: int) -> list:
            asked_for.set()
            over.wait(HANG)
            return []

        try:
            assert self.ended("http://slow.invalid/client/v4", asked_for.is_set, Wire(resolve))
        finally:
            over.set()

    CODE = """
import sys, numpy as np, asrkit
model = asrkit.WorkersAI(base_url=sys.argv[1], api_token="token", per_minute=None, timeout=600)
tones = [(np.sin(np.arange(16_000) / (10 + n)).astype("f4"), 16_000) for n in range(8)]
print("begun", flush=True)
list(asrkit.transcribe(tones, model=model, journal=False))
"""

    def test_a_second_interrupt_ends_the_process_at_once(self):
        with served(SLOW["drips one header"]) as server:
            command = [sys.executable, "-c", self.CODE, server.url]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == "begun\n"
                limit = time.monotonic() + HANG
                while not server.asked and time.monotonic() < limit:
                    time.sleep(0.01)
                process.send_signal(signal.SIGINT)
                time.sleep(1.0)
                assert process.poll() is None  # the first waits for what may be billed
                process.send_signal(signal.SIGINT)
                process.wait(HANG)  # its time-out is twenty times as long
                assert process.stderr is not None
                assert "KeyboardInterrupt" in process.stderr.read()


def test_every_connection_of_the_client_is_guarded_also_through_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    wire = Wire()
    with httpx2.Client() as client:
        wire.guard(client)
        pools = [transport._pool for transport in (client._transport, *client._mounts.values()) if transport]

    assert len(pools) >= 2
    assert {type(pool._network_backend).__name__ for pool in pools} == {"TimedBackend"}


def test_a_run_against_a_server_that_drips_ends_with_errors_on_its_rows():
    tones = [(np.sin(np.arange(1_600) / (10 + n)).astype("f4"), 16_000) for n in range(3)]
    with served(SLOW["sends a 1xx now and then"]) as server:
        model = asrkit.WorkersAI(base_url=server.url, api_token="token", per_minute=None, timeout=0.5)
        rows = list(asrkit.transcribe(tones, model=model, progress=False, journal=False))
        model.abandon()

    assert [row.code for row in rows] == ["timed-out"] * 3
