"""What reaches the server before a request is one: bytes in every state, upgrades, slow clients, and the end."""

import contextlib
import dataclasses
import gc
import random
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest
from test_serve import RUN, TOKEN, WHISPER, ask, clip, pitch_of, settle
from test_serve_http import HEAD, Stuck, connect, is_well, post_without_waiting, read_all, until

import asrkit.serve
from asrkit import Canned
from asrkit.serve import Settings
from asrkit.serve.connections import Connections

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()
MORE = 2_000_000  # bytes that an attacker sends beyond what is allowed
LITTLE = 32_000_000  # bytes; lists of the shortest trailers took more from each attacker


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0)) as running:
        yield running


def limited(**limits):
    """A server with other limits on its connections."""
    return asrkit.serve.background(Settings(model=Canned(pitch_of), port=0, limits=asrkit.serve.Limits(**limits)))


def sized(data, *headers, close=False):
    lines = [f"Content-Length: {len(data)}", *headers, *(["Connection: close"] if close else [])]
    return f"{HEAD}{''.join(line + chr(13) + chr(10) for line in lines)}\r\n".encode() + data


def in_chunks(data, *headers, size=1_000, extension=b"", trailers=b""):
    head = f"{HEAD}Transfer-Encoding: chunked\r\n{''.join(line + chr(13) + chr(10) for line in headers)}\r\n".encode()
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    body = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return head + body + b"0\r\n" + trailers + b"\r\n"


def texts(answers: bytes) -> list[bytes]:
    """The texts, or else the statuses, of several answers in their order."""
    found = re.findall(rb'HTTP/1\.1 (\d+) .*?\r\n\r\n(?:[^\r\n]*?"text":"([^"]*)")?', answers, re.DOTALL)
    return [text or status for status, text in found]


def sent(server, *parts) -> list[bytes]:
    with connect(server) as client:
        for part in parts:
            client.sendall(part)
        return texts(read_all(client))


# -- every byte is counted in every state -----------------------------------------------------------------------

STATES = {
    "first line": (b"GET /", b"y" * 1_000),
    "header name": (GET, b"y" * 1_000),
    "header value": (GET + b"X: ", b"y" * 1_000),
    "headers": (GET, b"X-Some: " + b"y" * 100 + b"\r\n"),
    "tiny headers": (GET, b"a:b\r\n" * 100),
    "lines before a request": (b"", b"\r\n" * 500),
    "lines between two requests": (GET + b"\r\n", b"\r\n" * 500),
    "chunk size": (CHUNKED, b"0" * 1_000),
    "chunk extension": (CHUNKED + b"1;a=", b"y" * 1_000),
    "extensions of many chunks": (CHUNKED, b"1;a=" + b"y" * 1_000 + b"\r\nx\r\n"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Some: " + b"y" * 100 + b"\r\n"),
    "tiny trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"a:b\r\n" * 100),
    "trailer name": (CHUNKED + b"1\r\nx\r\n0\r\n", b"y" * 1_000),
    "trailer value": (CHUNKED + b"1\r\nx\r\n0\r\nX: ", b"y" * 1_000),
    "trailers of a second request": (in_chunks(clip()) + CHUNKED + b"0\r\nX: ", b"y" * 1_000),
    "trailers of a refused request": (b"POST /nothing HTTP/1.1\r\n" + CHUNKED.partition(b"\r\n")[2], b"0;" * 500),
    "trailers after an offered upgrade": (
        in_chunks(b"x", "Connection: Upgrade", "Upgrade: h2c")[:-2] + b"X: ",
        b"y" * 1_000,
    ),
}


@pytest.mark.parametrize("state", STATES)
def test_bytes_that_are_no_body_are_refused_in_every_state(server, state):
    beginning, more = STATES[state]
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(beginning + more * (MORE // len(more)))
        answers = read_all(client)

    if state != "trailers of a refused request":  # which got its 404 before
        assert b"HTTP/1.1 431 " in answers
    assert answers
    assert is_well(server)


@pytest.mark.parametrize("state", STATES)
def test_without_the_token_no_state_takes_memory(state):
    psutil = pytest.importorskip("psutil")
    beginning, more = STATES[state]
    before = psutil.Process().memory_info().rss
    with asrkit.serve.background(Settings(model="canned:hi", port=0, token=TOKEN)) as server:
        for _ in range(4):
            with connect(server) as client, contextlib.suppress(ConnectionError):
                client.sendall(beginning + more * (MORE // len(more)))
        taken = psutil.Process().memory_info().rss - before

    assert taken < LITTLE


def test_a_few_hundred_headers_are_refused_and_a_hundred_are_not(server):
    def with_headers(count):
        lines = b"".join(b"X-%d: y\r\n" % number for number in range(count))
        return sent(server, GET + lines + b"Connection: close\r\n\r\n")

    assert with_headers(100) == [b"200"]
    assert with_headers(300) == [b"431"]


def test_trailers_are_no_headers():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, token=TOKEN)) as server:
        token = f"Authorization: Bearer {TOKEN}\r\n".encode()
        with connect(server) as client:
            client.sendall(in_chunks(clip(), trailers=token))
            answer = client.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 401")


def test_extensions_and_trailers_of_an_ordinary_size_do_no_harm(server):
    data = clip(pitch=600)
    whole = in_chunks(data, "Connection: close", extension=b';name="a value"', trailers=b"X-Digest: 1234\r\n" * 20)

    assert sent(server, whole) == [b"tone of 600"]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_the_smallest_chunks_are_taken(server, size):
    assert sent(server, in_chunks(clip(pitch=650), "Connection: close", size=size)) == [b"tone of 650"]


def test_a_body_of_empty_lines_is_read_to_its_end(server):
    lines = b"\r\n" * 100_000
    data = clip(pitch=660) + b"JUNK" + len(lines).to_bytes(4, "little") + lines

    assert sent(server, in_chunks(data, size=5_000), sized(data, close=True)) == [b"tone of 660"] * 2


@pytest.mark.parametrize("seed", range(12))
def test_the_way_in_which_bytes_are_cut_into_packets_changes_nothing(server, seed):
    dice = random.Random(seed)
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQBAAAAAAIAAAAA")
    pitches = [dice.randrange(300, 1_000) for _ in range(6)]
    makers = [
        sized,
        in_chunks,
        lambda data: in_chunks(data, size=dice.randrange(1, 300), trailers=b"A: b\r\n", extension=b";c"),
        lambda data: sized(data, *upgrade),
        lambda data: in_chunks(data, *upgrade, trailers=b"A: b\r\n"),
        lambda data: b"\r\n" + sized(data),
    ]
    dice.shuffle(makers)
    pairs = zip(makers, pitches, strict=True)
    stream = b"".join(make(clip(pitch=pitch, seconds=0.05)) for make, pitch in pairs)
    stream += GET + b"Connection: close\r\n\r\n"
    wanted = [f"tone of {pitch}".encode() for pitch in pitches]
    cuts = sorted(dice.randrange(len(stream)) for _ in range(dice.choice([0, 3, 30, 300])))

    with connect(server) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            client.sendall(stream[start:end])
        answers = texts(read_all(client))

    hear = [round(int(text.split()[-1])) for text in answers[:-1]]
    assert hear == pytest.approx([int(text.split()[-1]) for text in wanted], abs=20)  # a twentieth of a second: 20 Hz
    assert answers[-1] == b"200"


@pytest.mark.parametrize(
    "rest", [b"\x16\x03\x01\x02\x00", b"no request\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 5_000]
)
def test_what_is_wrong_with_the_next_request_does_not_take_the_answer_of_this_one(server, rest):
    for whole in (sized(clip(pitch=720)), in_chunks(clip(pitch=720))):
        assert sent(server, whole + rest) == [b"tone of 720", b"400"]


def test_thousands_of_requests_at_once_wait_as_bytes():
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server, connect(server) as client:
        data = clip()
        client.sendall(sized(data) + 2_000 * (GET + b"\r\n") + GET + b"Connection: close\r\n\r\n")
        until(lambda: server.service.recogniser.is_busy)
        made = sum(type(one) is RequestResponseCycle for one in gc.get_objects())
        backend.go.set()
        answers = read_all(client)

    assert made < 100  # of all tests so far, and not thousands
    assert answers.count(b"HTTP/1.1 200 OK") == 2_002


# -- upgrades that are not taken --------------------------------------------------------------------------------

OFFERS = {
    "h2c, as Java offers it": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA"),
    "a websocket": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "several": ("connection: keep-alive, UPGRADE", "UPGRADE: h2c, websocket/13, TLS/1.0"),
    "in two headers": ("Connection: Upgrade", "Upgrade: h2c", "Upgrade: foo/2"),
    "without naming it as an option of the connection": ("Upgrade: h2c",),
    "without a protocol": ("Connection: Upgrade",),
}


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("make", [sized, in_chunks], ids=["sized", "chunked"])
def test_an_offered_upgrade_is_ignored_and_the_body_read(server, offer, make):
    first, second = clip(pitch=540), clip(pitch=580)
    with connect(server) as client:
        client.sendall(make(first, *OFFERS[offer]))
        client.sendall(GET + "".join(line + "\r\n" for line in OFFERS[offer]).encode() + b"\r\n")
        client.sendall(make(second, *OFFERS[offer]) + GET + b"Connection: close\r\n\r\n")
        answers = texts(read_all(client))

    assert answers == [b"tone of 540", b"200", b"tone of 580", b"200"]


@pytest.mark.parametrize("offer", OFFERS)
def test_an_upgrade_may_be_offered_by_who_asks_before_sending(server, offer):
    data = clip(pitch=610)
    with connect(server) as client:
        head, _, _ = sized(data, *OFFERS[offer], "Expect: 100-continue").partition(b"\r\n\r\n")
        client.sendall(head + b"\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(data)
        assert b"tone of 610" in client.recv(65_536)


def test_a_body_that_contradicts_itself_is_refused_with_an_upgrade_as_without(server):
    for more in ((), OFFERS["a websocket"]):
        odd = sized(b"abc", "Transfer-Encoding: chunked", *more)
        assert sent(server, odd) == [b"400"]


def test_a_client_that_begins_with_http_2_is_told_what_is_spoken_here(server):
    with connect(server) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 505 ")
    assert b"HTTP/1.1, not HTTP/2" in answer


JAVA = """
import java.net.URI; import java.net.http.*; import java.nio.file.*; import java.io.*;
public class Ask {
    public static void main(String[] given) throws Exception {
        byte[] sound = Files.readAllBytes(Path.of(given[1]));
        HttpClient client = HttpClient.newHttpClient();
        HttpRequest.BodyPublisher[] bodies = {
            HttpRequest.BodyPublishers.ofByteArray(sound),
            HttpRequest.BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(sound)) };
        for (HttpRequest.BodyPublisher body : bodies) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(given[0])).POST(body).build();
            HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
"""


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler is installed")
def test_the_http_client_of_java_is_answered(server, tmp_path):
    (tmp_path / "Ask.java").write_text(JAVA)
    (tmp_path / "clip.wav").write_bytes(clip(pitch=590, seconds=5))

    told = subprocess.run(
        ["java", "Ask.java", f"{server.url}{RUN}/{WHISPER}", "clip.wav"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.splitlines()

    assert [line[:3] for line in told] == ["200", "200"]
    assert all("tone of 590" in line for line in told)


# -- clients that take their time -------------------------------------------------------------------------------


def ends(client) -> bool:
    """Whether the server ends the connection."""
    client.settimeout(60)
    read_all(client)
    return True


def test_empty_lines_do_not_keep_a_connection_open():
    with limited(keep_alive_seconds=1) as server, connect(server) as client:
        client.sendall(GET + b"\r\n")
        assert b"200 OK" in client.recv(65_536)
        client.settimeout(0.2)
        ended = False
        until_when = time.monotonic() + 30
        while not ended and time.monotonic() < until_when:
            with contextlib.suppress(TimeoutError):
                client.sendall(b"\r\n")
                ended = client.recv(100) == b""

    assert ended


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", b"\r\n", GET, b"POST / HTTP/1.1\r\nX-A: b\r\n"])
def test_a_head_that_does_not_end_ends_the_connection(beginning):
    with limited(head_seconds=0.3) as server, connect(server) as client:
        client.sendall(beginning)
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 408 ")


def never_reads(server, requests=20_000):
    """A client that asks for much and reads nothing of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.connect(("127.0.0.1", server.port))
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError, ConnectionError):
        for _ in range(requests):
            client.send(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def test_a_client_that_never_reads_is_cut_off():
    with limited(write_seconds=0.5) as server, contextlib.closing(never_reads(server)):
        until(lambda: server.service.inside)
        until(lambda: not server.service.inside)
        assert is_well(server)


def test_a_client_that_reads_a_little_at_a_time_gets_everything():
    with limited(write_seconds=1.0) as server, connect(server) as client:
        client.sendall(20 * b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET + b"Connection: close\r\n\r\n")
        parts = []
        while part := client.recv(30_000):
            parts.append(part)
            time.sleep(0.02)
        answers = b"".join(parts)

    assert answers.count(b"HTTP/1.1 200 OK") == 21
    assert answers.endswith(b'{"status":"ok"}')


def test_silent_connections_give_way_to_newcomers():
    with limited(connections=8) as server:
        silent = [connect(server) for _ in range(20)]
        for client in silent[::2]:
            client.sendall(b"GET / HT")
        assert is_well(server)
        assert len(server._server.connections.open) <= 8
        for client in silent:
            client.close()


@dataclasses.dataclass(eq=False)
class Silent:
    """A connection over which nothing came yet."""

    since: float
    dropped: int | None = None

    def waited(self, now: float) -> float:
        return now - self.since

    def drop(self, status: int, _: str) -> None:
        self.dropped = status


def test_silent_connections_that_came_in_one_turn_of_the_event_loop_give_way_too():
    connections = Connections(asrkit.serve.Limits(connections=3))
    came = [Silent(since=7.0) for _ in range(4)]

    for connection in came:
        connections.admit(connection)

    assert came[-1].dropped is None
    assert [connection.dropped for connection in came].count(503) == 1


def test_a_request_that_is_worked_on_never_gives_way():
    backend = Stuck()
    settings = Settings(model=backend, port=0, limits=asrkit.serve.Limits(connections=3))
    with asrkit.serve.background(settings) as server:
        working = [post_without_waiting(server, clip(pitch=pitch)) for pitch in (500, 600, 700)]
        until(lambda: server.service.depth == 3)
        with connect(server) as late:
            refused = read_all(late)
        backend.go.set()
        answers = [client.recv(65_536) for client in working]
        for client in working:
            client.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert all(b"tone of" in answer for answer in answers)


# -- the end ----------------------------------------------------------------------------------------------------

BEGINNINGS = {
    "says nothing": b"",
    "is within its headers": GET,
    "waits between two requests": GET + b"\r\n",
    "was refused and goes on": b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc",
    "has stopped within its body": f"{HEAD}Content-Length: 1000\r\n\r\nabc".encode(),
    "has stopped within its trailers": CHUNKED + b"1\r\nx\r\n0\r\nX: ",
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_stop_ends_whatever_a_client_does(beginning):
    settings = Settings(model="canned:hi", port=0, grace=0.5)
    with asrkit.serve.background(settings) as server:
        clients = [connect(server) for _ in range(5)]
        for client in clients:
            client.sendall(BEGINNINGS[beginning])
        ask(server, "/healthz")
        server.ask_to_stop()
        server._thread.join(20)
        is_over = not server._thread.is_alive()
        for client in clients:
            client.close()

    assert is_over


def test_a_stop_does_not_wait_all_its_grace_for_a_client_that_never_reads():
    settings = Settings(
        model="canned:hi", port=0, grace=600, limits=asrkit.serve.Limits(write_seconds=600, linger_seconds=0.1)
    )
    with asrkit.serve.background(settings) as server, contextlib.closing(never_reads(server)):
        until(lambda: server.service.inside)
        server.ask_to_stop()
        server._thread.join(60)
        assert not server._thread.is_alive()


def test_a_stop_loses_no_answer_of_clients_that_read():
    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        clients = [post_without_waiting(server, clip(pitch=400 + 20 * number)) for number in range(12)]
        clients += [connect(server) for _ in range(4)]
        for client in clients[12:]:  # with more behind, which is not going to be read
            client.sendall(sized(clip(pitch=900)) + 500 * (GET + b"\r\n"))
        until(lambda: server.service.depth == 16)
        server.ask_to_stop()
        backend.go.set()
        answers = [read_all(client) for client in clients]
        for client in clients:
            client.close()

    assert [texts(answer)[0] for answer in answers[:12]] == [f"tone of {400 + 20 * n}".encode() for n in range(12)]
    assert all(texts(answer)[0] == b"tone of 900" for answer in answers[12:])


def test_a_stop_lets_a_slow_reader_have_all_of_its_answer():
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server, connect(server) as client:
        client.sendall(40 * b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: server._server.connections.is_busy)
        server.ask_to_stop()
        parts = []
        while part := client.recv(20_000):
            parts.append(part)
            time.sleep(0.01)
        answers = b"".join(parts)

    whole = re.findall(rb"content-length: (\d+)", answers)
    assert answers.count(b"</html>") == len(whole)
    settle(server)


def test_many_clients_good_and_bad_each_get_what_they_should(server):
    wrong = []

    def good(number):
        pitch = 300 + 7 * number
        if ask(server, f"{RUN}/{WHISPER}", clip(pitch=pitch)).result["text"] != f"tone of {pitch}":
            wrong.append(number)

    def bad(number):
        dice = random.Random(number)
        with connect(server) as client, contextlib.suppress(OSError):
            beginning, more = dice.choice(list(STATES.values()))
            client.sendall(beginning + more * dice.randrange(100))

    threads = [threading.Thread(target=bad if n % 4 == 0 else good, args=(n,)) for n in range(80)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert not wrong
    until(lambda: server.service.bodies.held == 0)
