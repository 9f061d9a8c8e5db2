"""The memory for bodies: taken by what arrives and moves, given back by what does not."""

import asyncio
import contextlib
import gc
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_serve import RUN, WHISPER, ask, clip, pitch_of, settle
from test_serve_http import HEAD, connect, is_well, until

import asrkit.serve
from asrkit import Canned
from asrkit.serve import Settings

MOST = 1_000_000  # bytes of a body; the memory is a few times that


@pytest.fixture
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0, max_body=3 * MOST // 2)) as running:
        yield running


def begun(server, count, size=800_000, length=990_000):
    """Clients that have sent so much of their body, or were refused."""
    clients = []
    for _ in range(count):
        client = connect(server)
        with contextlib.suppress(ConnectionError):
            client.sendall(f"{HEAD}Content-Length: {length}\r\n\r\n".encode() + b"x" * size)
        clients.append(client)
    until(lambda: server.service.bodies.held >= min(count * size, MOST))
    return clients


@contextlib.contextmanager
def dripping(clients, pause=0.05):
    """They go on, by single bytes."""
    stopped = threading.Event()

    def drip():
        while not stopped.wait(pause):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        for client in clients:
            client.close()


def ordinary(server, count, **form):
    """The statuses of so many ordinary requests, a few at a time."""

    def one(number):
        answer = ask(server, f"{RUN}/{WHISPER}", clip(pitch=300 + 10 * number, **form))
        return answer.status, answer.status == 200 and answer.result["text"]

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(count)))


def all_heard(count):
    return [(200, f"tone of {300 + 10 * number}") for number in range(count)]


@pytest.mark.parametrize("count, size", [(5, 800_000), (12, 800_000), (60, 100_000), (300, 15_000)])
@pytest.mark.parametrize("pause", [3_600, 0.05], ids=["stalled", "dripping"])
def test_uploads_that_do_not_move_keep_no_ordinary_request_out(server, count, size, pause):
    with dripping(begun(server, count, size), pause):
        assert ordinary(server, 36) == all_heard(36)


def test_uploads_that_do_not_move_give_way_to_large_ones(server):
    with dripping(begun(server, 5)):
        assert ordinary(server, 4, seconds=10.0) == all_heard(4)


def test_who_gave_way_is_told(server):
    clients = begun(server, 5)
    ordinary(server, 4, seconds=25.0)
    answers = []
    for client in clients:
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            answers.append(client.recv(65_536))
        client.close()

    assert any(b"HTTP/1.1 408" in answer and b"came too slowly" in answer for answer in answers)


def test_a_steady_slow_upload_is_heard_while_others_stall(server):
    data = clip(pitch=450, seconds=15)  # 480 kB
    with dripping(begun(server, 5)), connect(server) as client:
        client.sendall(f"{HEAD}Content-Length: {len(data)}\r\n\r\n".encode())
        for at in range(0, len(data), 20_000):
            client.sendall(data[at : at + 20_000])
            time.sleep(0.1)
        assert b"tone of 450" in client.recv(65_536)


def test_large_uploads_that_do_not_fit_together_do_not_wait_for_each_other_for_ever(server):
    data = clip(pitch=470, seconds=30)  # 960 kB

    def one(_):
        with connect(server) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(f"{HEAD}Content-Length: {len(data)}\r\n\r\n".encode())
                for at in range(0, len(data), 50_000):
                    client.sendall(data[at : at + 50_000])
                    time.sleep(0.02)
            return client.recv(65_536)[9:12]

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(one, range(12)))

    assert set(statuses) <= {b"200", b"429"}
    assert statuses.count(b"200") >= 2
    until(lambda: server.service.bodies.held == 0)


def test_many_honest_clients_of_one_address_are_all_heard():
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server, ThreadPoolExecutor(100) as pool:
        statuses = list(pool.map(lambda _: ask(server, f"{RUN}/{WHISPER}", clip()).status, range(200)))

    assert statuses == [200] * 200


def test_a_body_below_the_least_rate_is_a_timeout():
    settings = Settings(
        model="canned:hi", port=0, idle=0.5, timeout=60, limits=asrkit.serve.Limits(least_rate=1_000_000)
    )
    with asrkit.serve.background(settings) as server:
        client = connect(server)
        client.sendall(f"{HEAD}Content-Length: 100000\r\n\r\n".encode())
        with dripping([client]):
            answer = client.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"less than 1e+06 bytes per second" in answer


def test_memory_is_given_back_whatever_becomes_of_a_request(server):
    everything = clip(pitch=800, seconds=20)
    for body in (everything, b"no sound" * 50_000, b"{" * 500_000, b"x" * (MOST + 1)):
        ask(server, f"{RUN}/{WHISPER}", body)
    for client in begun(server, 2):
        client.close()
    settle(server)
    until(lambda: server.service.bodies.held == 0)
    assert is_well(server)


def test_a_request_that_failed_keeps_no_body():
    psutil = pytest.importorskip("psutil")
    body = b"no sound" * 3_000_000
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server:
        ask(server, f"{RUN}/{WHISPER}", body)
        gc.collect()
        gc.disable()
        try:
            before = psutil.Process().memory_info().rss
            for _ in range(8):
                assert ask(server, f"{RUN}/{WHISPER}", body).code == 3010
            settle(server)
            kept = psutil.Process().memory_info().rss - before
        finally:
            gc.enable()

    assert kept < 3 * len(body)


def test_single_bytes_cost_what_they_are(server):
    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(500):
            client.sendall(b"1\r\nx\r\n")
        until(lambda: server.service.bodies.held == 500)


# -- who gives way, without sockets -----------------------------------------------------------------------------


def run(story):
    return asyncio.run(asyncio.wait_for(story(), 60))


@contextlib.contextmanager
def waiting_for_bytes(bodies, address, held):
    """An upload that holds so much and waits for more."""
    with bodies.upload(address) as upload:
        upload.held = held
        bodies.add(held)

        async def receive():
            async with upload.receiving():
                await asyncio.sleep(3_600)

        task = asyncio.ensure_future(receive())
        try:
            yield upload
        finally:
            task.cancel()


def test_an_address_that_holds_most_of_the_memory_gives_way_to_another():
    from asrkit.serve.bodies import Bodies

    async def story():
        bodies = Bodies(1_000_000, idle=30, least_rate=0)
        with (
            waiting_for_bytes(bodies, "10.0.0.1", 300_000) as first,
            waiting_for_bytes(bodies, "10.0.0.1", 300_000) as second,
            waiting_for_bytes(bodies, "10.0.0.3", 140_000) as other,
        ):
            await asyncio.sleep(0)
            with bodies.upload("10.0.0.2") as newcomer:
                await newcomer.take(100_000)
            return first.is_evicted, second.is_evicted, other.is_evicted

    assert run(story) == (False, True, False)


def test_the_memory_for_small_bodies_is_out_of_reach_for_large_ones():
    from asrkit.serve.answers import Refusal
    from asrkit.serve.bodies import Bodies

    async def story():
        bodies = Bodies(6_400_000, idle=30, least_rate=0)
        bodies.add(4_800_000)
        with bodies.upload() as large, bodies.upload() as small:
            await small.take(100_000)
            with pytest.raises(Refusal, match="Capacity temporarily exceeded"):
                await large.take(100_001)
        assert bodies.held == 4_800_000

    run(story)


@pytest.mark.parametrize("held", [0, 10, 99])
def test_bytes_that_come_at_the_moment_of_giving_way_are_refused(held):
    from asrkit.serve.answers import Refusal
    from asrkit.serve.bodies import Bodies

    async def story():
        bodies = Bodies(1_000, idle=30, least_rate=0)
        with waiting_for_bytes(bodies, "", held) as upload:
            await asyncio.sleep(0)
            upload.evict()
            with pytest.raises(Refusal, match="too slowly"):
                await upload.take(1)
        return bodies.held

    assert run(story) == 0
