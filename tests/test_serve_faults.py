"""Errors on purpose: each is what it is called, and the log proves what was answered and billed."""

import hashlib
import http.client
import json
import socket
from collections import Counter

import pytest
from test_serve import NOVA, RUN, TURBO, WHISPER, ask, body_for, clip, is_envelope, settle

import asrkit.serve
from asrkit.cloudflare.codes import CODES
from asrkit.serve import Settings

API_CODES = (10000, 6003, 7003, 7000)


@pytest.fixture(scope="module")
def server():
    with asrkit.serve.background(Settings(model="canned:hello there", port=0, faults="header")) as running:
        yield running


def provoked(server, fault, model=WHISPER, data=None):
    data = data or clip()
    return ask(server, f"{RUN}/{model}", body_for(model, data), {"x-asrkit-fault": fault})


def last(server):
    settle(server)
    return ask(server, "/faults/log").json[-1]


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: f"{code.status}-{code.code}")
def test_every_error_of_the_table_can_be_provoked(server, code):
    answer = provoked(server, f"{code.status}-{code.code}")

    assert is_envelope(answer, success=False)
    assert (answer.status, answer.code) == (code.status, code.code)
    assert answer.json["result"] == (None if code.code in API_CODES else {})
    assert answer.headers["retry-after"] == ("1" if code.code == 3040 else None)
    assert last(server)["billed"] is False


def test_the_seconds_of_a_full_server_are_its_retry_after(server):
    assert provoked(server, "429-3040:7").headers["retry-after"] == "7"


@pytest.mark.parametrize("name, status", [("500-html", 500), ("502-html", 502), ("200-html", 200)])
def test_a_page_comes_in_place_of_json(server, name, status):
    answer = provoked(server, name)

    assert answer.status == status
    assert answer.headers["content-type"].startswith("text/html")
    with pytest.raises(json.JSONDecodeError):
        answer.json  # noqa: B018


def test_a_success_may_say_that_it_is_none(server):
    answer = provoked(server, "200-false")

    assert answer.status == 200
    assert is_envelope(answer, success=False)


@pytest.mark.parametrize("model", [WHISPER, TURBO, NOVA])
def test_a_success_may_lack_its_text(server, model):
    result = provoked(server, "200-notext", model).result

    assert "text" not in result
    assert "results" not in result


@pytest.mark.parametrize("name", ["cut-early", "hang:0"])
def test_the_connection_may_end_without_an_answer(server, name):
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        provoked(server, name)

    assert (last(server)["billed"], last(server)["answered"]) == (True, False)


def test_the_connection_may_end_within_the_answer(server):
    with pytest.raises(http.client.IncompleteRead) as caught:
        provoked(server, "cut")

    assert caught.value.partial.startswith(b'{"result":')
    assert (last(server)["billed"], last(server)["answered"]) == (True, False)


@pytest.mark.parametrize("name", ["slow:0.2", "delay:0.1"])
def test_a_late_answer_is_whole(server, name):
    assert provoked(server, name).result["text"] == "hello there"
    assert (last(server)["billed"], last(server)["answered"]) == (True, True)


def test_the_log_knows_what_was_sent_by_its_content(server):
    data = clip(pitch=1234, seconds=2)

    provoked(server, "500-json", TURBO, data)
    ask(server, f"{RUN}/{NOVA}", data)

    settle(server)
    failed, heard = ask(server, "/faults/log").json[-2:]
    assert failed["digest"] == heard["digest"] == hashlib.sha256(data).hexdigest()
    assert (failed["fault"], failed["answered"], failed["seconds"]) == ("500-json", False, None)
    assert (heard["fault"], heard["answered"], heard["seconds"]) == (None, True, 2.0)


def test_a_client_that_leaves_before_a_late_answer_got_none(server):
    data = clip()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST {RUN}/{WHISPER} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
        connection.sendall(f"{head}x-asrkit-fault: delay:60\r\n\r\n".encode() + data)
        while server.service.recogniser.audio_seconds == 0 or not server.service.inside:
            pass

    assert (last(server)["fault"], last(server)["answered"]) == ("delay", False)


def test_an_unknown_fault_is_refused(server):
    answer = provoked(server, "thunder")

    assert answer.status == 400
    assert "no fault 'thunder'" in answer.message


def test_without_the_flag_nothing_is_provoked():
    with asrkit.serve.background(Settings(model="canned:hello", port=0)) as server:
        assert provoked(server, "500-html").result["text"] == "hello"
        assert ask(server, "/faults/log").status == 404


def test_a_share_of_the_requests_fails_and_none_of_them_for_ever():
    settings = Settings(model="canned:hello", port=0, faults="mix=0.4,seed=3,500-json,429-3040")
    contents = [clip(pitch=300 + number, seconds=0.1) for number in range(40)]
    with asrkit.serve.background(settings) as server:
        first = [ask(server, f"{RUN}/{WHISPER}", data).status for data in contents]
        second = [ask(server, f"{RUN}/{WHISPER}", data).status for data in contents]
        third = [ask(server, f"{RUN}/{WHISPER}", data).status for data in contents]
        settle(server)
        log = ask(server, "/faults/log").json

    assert 8 <= sum(status != 200 for status in first) <= 24
    assert set(first) == {200, 429, 500}
    assert all(200 in tries for tries in zip(first, second, third, strict=True))
    assert [entry["fault"] is None for entry in log] == [status == 200 for status in first + second + third]


def test_the_same_seed_gives_the_same_faults():
    def run(seed):
        with asrkit.serve.background(
            Settings(model="canned:a", port=0, faults=f"mix=0.5,seed={seed},500-json")
        ) as server:
            return [ask(server, f"{RUN}/{WHISPER}", clip(pitch=200 + n, seconds=0.1)).status for n in range(24)]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_content_that_always_fails_fails_twice_in_a_row_at_most():
    with asrkit.serve.background(Settings(model="canned:a", port=0, faults="mix=1,500-json")) as server:
        statuses = Counter(ask(server, f"{RUN}/{WHISPER}", clip()).status for _ in range(9))

    assert statuses == {500: 6, 200: 3}


def test_the_default_mix_is_what_a_client_should_survive():
    import cloudflare

    with asrkit.serve.background(Settings(model="canned:safe and sound", port=0, faults="mix=0.3,seed=5")) as server:
        client = cloudflare.Cloudflare(api_token="any", base_url=f"{server.url}/client/v4", max_retries=4)
        texts = [
            client.ai.run(WHISPER, account_id="acc", audio=list(clip(pitch=300 + n, seconds=0.1)))["text"]
            for n in range(6)
        ]
        client.close()

    assert texts == ["safe and sound"] * 6
