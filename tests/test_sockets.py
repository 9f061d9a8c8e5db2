"""Connections of URL cells and of services are made, timed and shut down by the same code."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2
import httpx2
import pytest

from asrkit import web
from asrkit.allowance import Allowance
from asrkit.backends.wire import Wire
from asrkit.sockets import Sockets, system_addresses
from asrkit.wire import TimedBackend

LIMIT = 8.0  # seconds for a connection: the first of two addresses may take half of it
HANG = 30.0  # seconds after which a test that should take two is stuck
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


@contextmanager
def dead_then_alive() -> Iterator[int]:
    """A port that takes no connection at 127.0.0.1, as behind a firewall, and answers at 127.0.0.2."""
    with socket.socket() as dead, socket.socket() as alive:
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        port = dead.getsockname()[1]
        try:
            alive.bind(("127.0.0.2", port))
        except OSError:
            pytest.skip("this system has one loopback address")
        alive.listen()
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        thread = threading.Thread(target=answer_all, args=(alive,), daemon=True)
        thread.start()
        try:
            yield port
        finally:
            for each in waiting:
                each.close()


def answer_all(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.recv(1 << 16)
            connection.sendall(ANSWER)


def both_addresses(host: str, port: int) -> list[str]:
    return ["127.0.0.1", "127.0.0.2"]


def by_url_cell(port: int) -> bytes:
    copy = io.BytesIO()
    limit = Allowance("the address", 1_000, LIMIT)
    url = f"http://both.example:{port}/"
    web.fetch(url, "the address", copy, allow_private=True, resolve=both_addresses, limit=limit)
    return copy.getvalue()


def by_client(port: int) -> bytes:
    wire = Wire(both_addresses)
    with httpx2.Client(trust_env=False) as client:
        wire.guard(client)
        with wire.exchange("both.example", LIMIT, 1_000):
            return client.get(f"http://both.example:{port}/", timeout=LIMIT).content


@pytest.mark.parametrize("get", [by_url_cell, by_client])
def test_an_address_that_does_not_answer_leaves_time_for_the_next(get: Callable[[int], bytes]):
    with dead_then_alive() as port:
        assert get(port) == b"hi"


def test_the_time_limit_of_a_connection_holds_for_all_addresses_together():
    with dead_then_alive() as port:
        sockets = Sockets(lambda host, port: ["127.0.0.1"] * 20)
        began = time.monotonic()
        with pytest.raises(TimeoutError, match=r"timed out|within"):
            sockets.connect("dead.example", port, 0.5)
    assert time.monotonic() - began < HANG / 3  # twenty times 0.5 s would be the limit of one each


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_server_sees_the_end_of_every_connection(scheme):
    """Of one that failed in its TLS too: a handle that stayed open would keep it alive."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(HANG)
            connection.recv(1 << 16)
            connection.sendall(ANSWER)
            connection.recv(1 << 16)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        backend = TimedBackend()
        kept: list[socket.socket] = []  # so that the garbage collector does not close them
        connect = backend.sockets.connect

        def keeping(*args: Any) -> tuple[socket.socket, socket.socket]:
            kept.extend(connect(*args))
            return kept[-2], kept[-1]

        backend.sockets.connect = keeping  # type: ignore[method-assign]
        with httpcore2.ConnectionPool(network_backend=backend) as pool, contextlib.suppress(httpcore2.ConnectError):
            pool.request("GET", f"{scheme}://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join(HANG)
    assert len(kept) == 2
    assert [each.fileno() for each in kept] == [-1, -1]
    assert not thread.is_alive()


class TestLookups:
    def test_one_serves_all_threads_that_wait_for_the_name(self):
        begun, names = threading.Event(), []

        def resolve(host: str, port: int) -> list[str]:
            names.append(host)
            begun.wait(HANG)
            return []

        sockets = Sockets(resolve)
        errors: list[str] = []

        def connect() -> None:
            with pytest.raises(OSError, match="no address") as caught:
                sockets.connect("here.example", 80, HANG)
            errors.append(str(caught.value))

        threads = [threading.Thread(target=connect) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        begun.set()
        for thread in threads:
            thread.join(HANG)
        assert errors == ["the name here.example has no address"] * 4
        assert names == ["here.example"]

    def test_one_that_ended_after_all_gave_up_is_not_used_later(self):
        over, ended, lookups = threading.Event(), threading.Event(), []

        def resolve(host: str, port: int) -> list[str]:
            lookups.append(threading.current_thread())
            if len(lookups) == 1:
                over.wait(HANG)
                raise OSError("an old error")
            ended.set()
            return []

        sockets = Sockets(resolve)
        with pytest.raises(TimeoutError, match=r"the name here\.example was not resolved in time"):
            sockets.connect("here.example", 80, 0.05)
        over.set()
        lookups[0].join(HANG)
        with pytest.raises(OSError, match="has no address"):
            sockets.connect("here.example", 80, HANG)
        assert ended.is_set()

    def test_what_a_resolver_raises_reaches_the_caller(self):
        def resolve(host: str, port: int) -> list[str]:
            raise LookupError(f"no {host}")

        with pytest.raises(LookupError, match=r"no here\.example"):
            Sockets(resolve).connect("here.example", 80, HANG)

    def test_an_address_that_is_none_is_not_looked_up_again(self):
        with pytest.raises(socket.gaierror, match=r"not known|not supported|nodename"):
            Sockets(lambda host, port: ["localhost"]).connect("here.example", 80, HANG)

    def test_a_link_local_address_keeps_the_network_that_it_is_in(self):
        try:
            expected = socket.if_nametoindex("lo")
            socket.getaddrinfo("fe80::1%lo", 80, type=socket.SOCK_STREAM)
        except OSError:
            pytest.skip("this system has no IPv6")
        assert system_addresses("fe80::1%lo", 80) == [f"fe80::1%{expected}"]
        assert not web.is_public(f"fe80::1%{expected}")


class TestAbort:
    def test_nothing_is_connected_afterwards(self):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            sockets = Sockets()
            sockets.abort()
            with pytest.raises(OSError, match="stopped"):
                sockets.connect("127.0.0.1", listening.getsockname()[1], HANG)

    def test_a_thread_that_waits_for_an_answer_lets_go(self):
        sockets, over = Sockets(), threading.Event()

        def read_and_abort() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                sockets.abort()
                over.wait(HANG)

        with socket.create_server(("127.0.0.1", 0)) as listening:
            thread = threading.Thread(target=read_and_abort, daemon=True)
            thread.start()
            began = time.monotonic()
            with httpcore2.ConnectionPool(network_backend=TimedBackend(sockets=sockets)) as pool:
                with pytest.raises(httpcore2.RemoteProtocolError, match="disconnected"):
                    pool.request("GET", f"http://127.0.0.1:{listening.getsockname()[1]}/")
            assert time.monotonic() - began < HANG
            over.set()
            thread.join(HANG)
