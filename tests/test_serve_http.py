"""The server on its socket: what well and badly behaved clients send, and how it stops."""

import base64
import contextlib
import http.client
import random
import shutil
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from test_serve import (
    ACCOUNT,
    NOVA,
    RUN,
    TOKEN,
    TURBO,
    WHISPER,
    as_array,
    as_base64,
    ask,
    body_for,
    clip,
    pitch_of,
    settle,
)

import asrkit.serve
from asrkit import Canned
from asrkit.audio import load
from asrkit.backends.base import Preferences
from asrkit.serve import Limits, Settings

HEAD = f"POST {RUN}/{WHISPER} HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0, idle=0.5)) as running:
        yield running


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def read_all(connection) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def is_well(server) -> bool:
    return ask(server, f"{RUN}/{WHISPER}", clip(pitch=512)).result["text"] == "tone of 512"


# -- bodies -----------------------------------------------------------------------------------------------------


def test_a_body_in_chunks_is_as_good_as_one_with_its_length(server):
    data = clip(pitch=640)
    pieces = [data[at : at + 1_000] for at in range(0, len(data), 1_000)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    with contextlib.closing(connection):
        connection.request(
            "POST", f"{RUN}/{WHISPER}", iter(pieces), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
        assert b"tone of 640" in connection.getresponse().read()


def test_chunks_without_end_are_refused_as_soon_as_they_are_too_large():
    with (
        asrkit.serve.background(Settings(model="canned:hi", port=0, max_body=100_000)) as server,
        connect(server) as client,
    ):
        client.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                client.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 413")
    assert b'"code":3006' in answer


def test_who_asks_before_sending_is_told_to_go_on(server):
    data = clip(pitch=576)
    with connect(server) as client:
        client.sendall(
            f"{HEAD}Content-Length: {len(data)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n".encode()
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(data)
        assert b"tone of 576" in read_all(client)


def test_who_asks_before_sending_too_much_need_not_send_it():
    with (
        asrkit.serve.background(Settings(model="canned:hi", port=0, max_body=1_000)) as server,
        connect(server) as client,
    ):
        client.sendall(f"{HEAD}Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_requests_sent_without_waiting_are_answered_in_order(server):
    pitches = [400, 500, 600, 700]
    with connect(server) as client:
        for pitch in pitches:
            data = clip(pitch=pitch, seconds=0.2)
            client.sendall(f"{HEAD}Content-Length: {len(data)}\r\n".encode() + b"\r\n" + data)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers = read_all(client)

    places = [answers.index(f"tone of {pitch}".encode()) for pitch in pitches]
    assert places == sorted(places)
    assert answers.rstrip().endswith(b'{"status":"ok"}')


# -- clients that do not come to the point ----------------------------------------------------------------------


def test_a_body_that_never_comes_is_a_timeout(server):
    with connect(server) as client:
        client.sendall(f"{HEAD}Content-Length: 1000\r\n\r\nonly this".encode())
        answer = client.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":3007' in answer
    assert is_well(server)


def test_a_body_that_drips_is_a_timeout_as_a_whole():
    stopped = threading.Event()
    with asrkit.serve.background(Settings(model="canned:hi", port=0, timeout=0.5)) as server, connect(server) as client:
        client.sendall(f"{HEAD}Content-Length: 100000\r\n\r\n".encode())

        def drip():
            with contextlib.suppress(OSError):
                while not stopped.wait(0.05):
                    client.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        answer = client.recv(65_536)
        stopped.set()
        dripping.join()

    assert answer.startswith(b"HTTP/1.1 408")


class Stuck:
    """Hears nothing until it is let go."""

    name = "stuck"
    fingerprint = None
    preferred = Preferences(batch_size=1)

    def __init__(self) -> None:
        self.go = threading.Event()
        self.heard: list[str] = []

    def transcribe(self, batch, *, languages):
        self.go.wait(60)
        self.heard += [pitch_of(audio) for audio in batch]
        return Canned(pitch_of).transcribe(batch, languages=languages)


def test_a_model_that_takes_too_long_is_a_timeout():
    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0, timeout=0.3)) as server:
        answer = ask(server, f"{RUN}/{WHISPER}", clip())
        backend.go.set()

    assert (answer.status, answer.code) == (408, 3007)


def test_headers_that_drip_are_a_timeout():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, limits=Limits(head_seconds=0.3))) as server:
        with connect(server) as silent, connect(server) as slow:
            slow.sendall(b"POST / HTTP/1.1\r\nHost: loc")
            answers = [read_all(client) for client in (silent, slow)]
        assert ask(server, "/healthz").status == 200

    assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)


def test_headers_without_end_are_refused(server):
    with connect(server) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"GET / HTTP/1.1\r\n")
            for number in range(2_000):
                client.sendall(f"X-{number}: {'x' * 1_000}\r\n".encode())
        answer = read_all(client)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")
    assert is_well(server)


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_do_not_hurt(server, seed):
    dice = random.Random(seed)
    starts = [b"", b"POST ", b"GET / HTTP/1.1\r\n", HEAD.encode(), f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode()]
    for _ in range(12):
        with connect(server) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(dice.choice(starts) + dice.randbytes(dice.randrange(2_000)) + b"\r\n\r\n")
                client.shutdown(socket.SHUT_WR)
            answer = read_all(client)
        assert not answer.startswith(b"HTTP/1.1 5")

    assert is_well(server)


@pytest.mark.parametrize("seed", range(6))
def test_random_bodies_do_not_hurt(server, seed):
    dice = random.Random(seed)
    seeds = [
        clip(),
        clip(kind="FLAC"),
        clip(kind="MP3"),
        clip(kind="OGG"),
        as_array(clip(seconds=0.1)),
        as_base64(clip()),
    ]
    for _ in range(12):
        body = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 30)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        if dice.random() < 0.3:
            del body[dice.randrange(len(body)) :]
        for model in (WHISPER, TURBO, NOVA):
            answer = ask(server, f"{RUN}/{model}", bytes(body), method="POST")
            assert answer.status in (200, 400, 413), answer.body

    assert is_well(server)


# -- many at once -----------------------------------------------------------------------------------------------


def test_two_hundred_mixed_requests_each_get_their_own_answer(server):
    def one(number):
        pitch = 300 + 3 * number
        model = (WHISPER, TURBO, NOVA)[number % 3]
        if number % 7 == 0:
            answer = ask(server, f"{RUN}/{model}", body_for(model, b"not sound at all"))
            return answer.code == 3010
        if number % 11 == 0:
            return ask(server, f"{RUN}/{TURBO}", as_array(b"1234")).code == 5006
        result = ask(server, f"{RUN}/{model}", body_for(model, clip(pitch=pitch))).result
        text = result["results"]["channels"][0]["alternatives"][0]["transcript"] if model == NOVA else result["text"]
        return text == f"tone of {pitch}"

    with ThreadPoolExecutor(200) as pool:
        assert all(pool.map(one, range(200)))

    settle(server)
    assert server.service.depth == 0
    assert server.service.bodies.held == 0


class Picky(Canned):
    """Refuses a whole batch when one clip in it is of 666 Hz."""

    def transcribe(self, batch, *, languages):
        if any(pitch_of(audio) == "tone of 666" for audio in batch):
            raise ValueError("I do not like it")
        return super().transcribe(batch, languages=languages)


def test_one_clip_that_breaks_the_model_costs_no_other_its_answer(caplog):
    pitches = [500, 600, 666, 700, 800, 666, 900, 1000]
    settings = Settings(model=Picky(pitch_of, preferred=Preferences(batch_size=8)), port=0, window=0.5)
    with asrkit.serve.background(settings) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pitch: ask(server, f"{RUN}/{WHISPER}", clip(pitch=pitch)), pitches))

    for pitch, answer in zip(pitches, answers, strict=True):
        if pitch == 666:
            assert answer.code == 3001
        else:
            assert answer.result["text"] == f"tone of {pitch}"


def post_without_waiting(server, data):
    client = connect(server)
    client.sendall(f"{HEAD}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return client


def until(condition) -> None:
    for _ in range(30_000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never came to be")


def test_a_full_queue_says_when_to_come_back():
    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0, queue=2)) as server:
        waiting = [post_without_waiting(server, clip(pitch=pitch)) for pitch in (500, 600)]
        until(lambda: server.service.depth == 2)
        refused = ask(server, f"{RUN}/{WHISPER}", clip())
        openai = ask(server, "/v1/audio/transcriptions", b"form", {"Content-Type": "multipart/form-data; boundary=x"})
        backend.go.set()
        answers = [client.recv(65_536) for client in waiting]
        for client in waiting:
            client.close()

    assert (refused.status, refused.code) == (429, 3040)
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert (openai.status, openai.json["error"]["code"]) == (429, "rate_limit_exceeded")
    assert [b"200 OK" in answer for answer in answers] == [True, True]


def test_who_would_rather_not_wait_is_refused_while_the_model_works():
    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        first = post_without_waiting(server, clip())
        until(lambda: server.service.recogniser.is_busy)
        busy = ask(server, f"{RUN}/{TURBO}", as_base64(clip(), options={"rejectIfBusy": True}))
        backend.go.set()
        first.recv(65_536)
        first.close()
        settle(server)
        idle = ask(server, f"{RUN}/{TURBO}", as_base64(clip(), options={"rejectIfBusy": True}))

    assert (busy.status, busy.code) == (429, 3040)
    assert idle.status == 200


def test_a_client_that_leaves_gives_its_place_free():
    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0, queue=2)) as server:
        first = post_without_waiting(server, clip(pitch=500))
        until(lambda: server.service.recogniser.batcher.is_working)
        second = post_without_waiting(server, clip(pitch=600))
        until(lambda: server.service.depth == 2)
        second.close()
        until(lambda: server.service.depth == 1)
        third = post_without_waiting(server, clip(pitch=700))
        until(lambda: server.service.depth == 2)
        backend.go.set()
        answers = [first.recv(65_536), third.recv(65_536)]
        first.close()
        third.close()

    assert b"tone of 500" in answers[0]
    assert b"tone of 700" in answers[1]
    assert "tone of 600" not in backend.heard


def test_memory_for_bodies_is_bounded():
    with asrkit.serve.background(Settings(model="canned:hi", port=0, max_body=100_000)) as server:
        server.service.bodies.add(400_000)
        full = ask(server, f"{RUN}/{WHISPER}", clip())
        server.service.bodies.free(400_000)
        free = ask(server, f"{RUN}/{WHISPER}", clip())

    assert (full.status, full.code) == (429, 3040)
    assert free.status == 200


# -- stopping ---------------------------------------------------------------------------------------------------


def test_a_stop_finishes_what_is_in_flight_and_turns_newcomers_away():
    backend = Stuck()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        inside = post_without_waiting(server, clip(pitch=500))
        until(lambda: server.service.recogniser.is_busy)
        server.ask_to_stop()
        late = ask(server, f"{RUN}/{WHISPER}", clip())
        health = ask(server, "/healthz")
        backend.go.set()
        answer = read_all(inside)
        inside.close()

    assert late.status == 503
    assert late.headers["connection"] == "close"
    assert health.status == 503
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"tone of 500" in answer
    with pytest.raises(OSError, match="refused"):
        connect(server)


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_a_signal_stops_the_command(signal, tmp_path):
    import signal as signals

    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    code = (
        "import argparse, sys; from asrkit.serve import command;"
        "parser = argparse.ArgumentParser(); command.add_arguments(parser);"
        "sys.exit(command.run(parser.parse_args()))"
    )
    options = ["--model", "canned:hello", "--port", "0", "--token-file", str(token)]
    with subprocess.Popen(
        [sys.executable, "-c", code, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        lines = []
        while not (lines and lines[-1].startswith("try it")):
            lines.append(process.stdout.readline())
        port = int(lines[0].split("http://127.0.0.1:")[1].split()[0])
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as client:
            client.request("POST", f"{RUN}/{WHISPER}?key={TOKEN}", clip(), {"Authorization": f"Bearer {TOKEN}"})
            assert client.getresponse().status == 200
        process.send_signal(getattr(signals, signal))
        rest, logged = process.communicate(timeout=60)
        printed = "".join([*lines, rest])

    assert process.returncode == 0
    assert "@cf/openai/whisper-large-v3-turbo  ->  canned:hello" in printed
    assert '"status":200' in logged
    assert TOKEN not in printed + logged


def test_a_stop_waits_for_the_model_as_long_as_it_was_told_and_no_longer():
    import signal

    code = (
        "import sys, time, asrkit.serve as serve; from asrkit import Canned;"
        "stuck = Canned(lambda audio: time.sleep(3600));"
        "sys.exit(serve.run(serve.Settings(model=stuck, port=0, grace=0.2)))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        first = process.stdout.readline().decode()
        port = int(first.split("http://127.0.0.1:")[1].split()[0])
        data = clip()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"{HEAD}Content-Length: {len(data)}\r\nExpect: 100-continue\r\n\r\n".encode())
            client.recv(100)  # it is up and inside
            client.sendall(data)
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=120)

    assert status == 0


# -- curl, as documented ----------------------------------------------------------------------------------------

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def shell(command: str, folder, **variables) -> str:
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "talking-llama.mp3").write_bytes(clip(pitch=440, kind="MP3"))
    return tmp_path


@needs_curl
def test_the_line_of_the_page_works_as_printed(server, folder):
    line = f"""curl {server.url}/client/v4/accounts/{ACCOUNT}/ai/run/@cf/openai/whisper \\
      -X POST \\
      -H "Authorization: Bearer {{API_TOKEN}}" \\
      --data-binary @talking-llama.mp3"""

    assert '"text":"tone of 440"' in shell(line, folder)


@needs_curl
def test_the_line_of_turbos_page_works_as_printed(server, folder):
    lines = f"""AUDIO_BASE64=$(base64 -i talking-llama.mp3)
    curl {server.url}/client/v4/accounts/$CLOUDFLARE_ACCOUNT_ID/ai/run/@cf/openai/whisper-large-v3-turbo \\
      -X POST \\
      -H "Authorization: Bearer $CLOUDFLARE_API_TOKEN" \\
      -d "{{\\"audio\\": \\"$AUDIO_BASE64\\", \\"language\\": \\"en\\"}}" """

    assert '"text":"tone of 440"' in shell(lines, folder, CLOUDFLARE_ACCOUNT_ID=ACCOUNT, CLOUDFLARE_API_TOKEN="t")


@needs_curl
def test_the_line_of_novas_page_works_as_printed(server, folder):
    line = f"""curl --request POST \\
      --url '{server.url}/client/v4/accounts/{ACCOUNT}/ai/run/@cf/deepgram/nova-3?detect_language=true' \\
      --header 'Authorization: Bearer {{TOKEN}}' \\
      --header 'Content-Type: audio/mpeg' \\
      --data-binary "@talking-llama.mp3" """

    assert '"transcript":"tone of 440"' in shell(line, folder)


@needs_curl
def test_curl_sends_large_files_with_and_without_their_length(server, folder):
    (folder / "long.wav").write_bytes(clip(pitch=440, seconds=60))
    for more in ("", "-H 'Transfer-Encoding: chunked'", "-H 'Expect: 100-continue'"):
        line = f"curl -s {server.url}{RUN}/{WHISPER} {more} --data-binary @long.wav"
        assert '"text":"tone of 440"' in shell(line, folder)


# -- the official clients ---------------------------------------------------------------------------------------


def test_the_official_python_client_works(server):
    cloudflare = pytest.importorskip("cloudflare")
    data = clip(pitch=720)
    with cloudflare.Cloudflare(api_token="any-token", base_url=f"{server.url}/client/v4") as client:
        heard = client.ai.run(WHISPER, account_id=ACCOUNT, audio=list(data))
        by_turbo = client.ai.run(TURBO, account_id=ACCOUNT, audio=base64.b64encode(data).decode())
        names = [model["name"] for model in client.ai.models.list(account_id=ACCOUNT)]
        told = client.ai.models.schema.get(account_id=ACCOUNT, model=WHISPER)
        with pytest.raises(cloudflare.BadRequestError) as caught:
            client.ai.run(WHISPER, account_id=ACCOUNT, audio="not an array")

    assert heard["text"] == by_turbo["text"] == "tone of 720"
    assert WHISPER in names
    assert told.input is not None
    assert caught.value.errors[0].code == 5006


def test_the_text_is_that_of_the_backend_alone(server):
    data = clip(pitch=850)
    [alone] = Canned(pitch_of).transcribe([load(data)], languages=[None])

    assert ask(server, f"{RUN}/{WHISPER}", data).result["text"] == alone.text
