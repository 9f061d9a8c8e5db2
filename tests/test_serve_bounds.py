"""What one client can take from the others: decoders, memory, turns of the model, results that are kept."""

import asyncio
import io
import json
import threading
import time
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from misbehaving import marked
from test_serve import NOVA, RUN, TURBO, WHISPER, as_base64, ask, clip, fetched, pitch_of, settle
from test_serve_http import post_without_waiting, until
from test_serve_openai import FORM, TRANSCRIPTIONS, form

import asrkit.serve
from asrkit import Canned, Transcript
from asrkit.audio import Audio, stream
from asrkit.backends.base import Preferences
from asrkit.cloudflare.models import MODELS
from asrkit.errors import DecodeError
from asrkit.isolation import Limits, Workers
from asrkit.serve import Settings
from asrkit.serve.answers import Refusal, refused
from asrkit.serve.catalogue import Wish


class Gate:
    """A model that hears nothing until it is let go."""

    name = "gate"
    fingerprint = None

    def __init__(self, **preferred) -> None:
        self.go = threading.Event()
        self.preferred = Preferences(**{"batch_size": 1, **preferred})

    def transcribe(self, batch, *, languages):
        assert self.go.wait(60)
        return Canned(pitch_of).transcribe(batch, languages=languages)


def queued(server, requests, model=TURBO):
    return ask(server, f"{RUN}/{model}?queueRequest=true", json.dumps({"requests": requests}).encode())


def tasks_of(server):
    loop = server.service.recogniser.batcher._task.get_loop()
    return len(asyncio.all_tasks(loop))


# -- queued batches ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [{}, 1, None, "text", [], {"audio": "UklG"}], ids=repr)
def test_a_batch_of_too_many_requests_is_refused_with_the_limit(request_):
    with asrkit.serve.background(Settings(model=Canned(pitch_of), port=0)) as server:
        answer = queued(server, [request_] * 1_001)

        assert (answer.status, answer.code) == (413, 3006)
        assert "1001 requests; this server takes 1000 in a batch" in answer.message
        assert not server.service.queue._batches


def test_the_largest_batch_is_worked_on_by_a_few_workers():
    backend = Gate()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        before = tasks_of(server)
        short = as_base64(clip(seconds=0.05))
        number = queued(server, [json.loads(short)] * 300).result["request_id"]
        until(lambda: server.service.recogniser.is_busy)
        during = tasks_of(server)
        backend.go.set()
        responses = fetched(server, TURBO, number)["responses"]

    assert during - before <= 40  # a few for each worker
    assert [response["id"] for response in responses] == list(range(300))
    assert all(response["success"] for response in responses)


def test_a_small_batch_does_not_wait_for_a_large_one():
    backend = Gate()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        one = json.loads(as_base64(clip(seconds=0.05)))
        large = queued(server, [one] * 200).result["request_id"]
        small = queued(server, [one]).result["request_id"]
        backend.go.set()
        assert fetched(server, TURBO, small)["responses"][0]["success"]
        is_large_done = (
            "responses"
            in ask(server, f"{RUN}/{TURBO}?queueRequest=true", json.dumps({"request_id": large}).encode()).result
        )

    assert not is_large_done


class FakeRecogniser:
    """Hears a second of silence in everything, as soon as it is let go."""

    settings = Settings(model="canned:hi")

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.at_once = self.most_at_once = 0
        self.text = "hi"

    async def hear(self, audio, target, wish):
        from asrkit.serve.recogniser import Heard

        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.go.wait()
        self.at_once -= 1
        return Heard(Transcript(self.text), 1.0, 1.0, None)


def queue_of(clock=time.monotonic, **limits):
    from asrkit.serve.catalogue import Catalogue
    from asrkit.serve.queue import Limits, Queue

    recogniser = FakeRecogniser()
    return recogniser, Queue(recogniser, Catalogue(recogniser.settings), Limits(**limits), clock)


def requests_of(*audios):
    from asrkit.serve.queue import Queued
    from asrkit.serve.requests import Ask

    return [Queued(None, Ask(audio)) for audio in audios]


async def done(queue, number):
    async with asyncio.timeout(30):
        while "responses" not in (result := queue.result(number)):
            await asyncio.sleep(0)
    return json.loads(asrkit.serve.answers.json_answer(result).body)["responses"]


def test_bytes_that_wait_are_bounded_and_given_back():
    async def story():
        recogniser, queue = queue_of(waiting=100_000)
        first = queue.add(MODELS[TURBO], requests_of(b"x" * 90_000))
        with pytest.raises(Refusal, match="queued requests of 100000 bytes may wait"):
            queue.add(MODELS[TURBO], requests_of(b"x" * 20_000))
        recogniser.go.set()
        await done(queue, first)
        assert queue.waiting_bytes == 0
        await done(queue, queue.add(MODELS[TURBO], requests_of(b"x" * 20_000)))

    asyncio.run(story())


def test_a_fixed_number_of_requests_is_worked_on_at_once():
    async def story():
        recogniser, queue = queue_of(at_once=3)
        numbers = [queue.add(MODELS[TURBO], requests_of(*[b"x"] * 20)) for _ in range(5)]
        await asyncio.sleep(0)
        recogniser.go.set()
        for number in numbers:
            assert len(await done(queue, number)) == 20
        assert recogniser.most_at_once == 3

    asyncio.run(story())


def test_results_are_kept_within_bytes_batches_and_time():
    async def story(**limits):
        now = [0.0]
        recogniser, queue = queue_of(lambda: now[0], **limits)
        recogniser.go.set()
        recogniser.text = "x" * 1_000
        numbers = []
        for _ in range(20):
            numbers.append(queue.add(MODELS[TURBO], requests_of(b"x")))
            await done(queue, numbers[-1])
            now[0] += 1.0
        return [queue.result(number) is not None for number in numbers], queue.kept_bytes

    by_bytes, size = asyncio.run(story(results=5_000))
    by_count, _ = asyncio.run(story(batches=4))
    by_age, _ = asyncio.run(story(seconds=4.5))

    assert size <= 5_000
    for kept in (by_bytes, by_count, by_age):
        assert 1 <= sum(kept) <= 4
        assert kept == sorted(kept)  # the oldest went first


def test_one_batch_whose_results_are_too_large_says_so_in_their_places():
    async def story():
        recogniser, queue = queue_of(results=10_000)
        recogniser.go.set()
        recogniser.text = "x" * 1_000
        responses = await done(queue, queue.add(MODELS[TURBO], requests_of(*[b"x"] * 20)))
        return responses, queue.kept_bytes

    responses, size = asyncio.run(story())

    assert responses[0]["success"]
    assert responses[-1]["errors"][0]["code"] == 3006
    assert "10000 bytes" in responses[-1]["errors"][0]["message"]
    assert size < 15_000


@pytest.mark.parametrize(
    "reference",
    ["x" * 2_001, ["x"] * 700, {"a": "x" * 100_000}, [1] * 3_000, "ü" * 1_100],
    ids=lambda own: type(own).__name__,
)
def test_a_reference_is_kept_only_if_it_is_short(reference):
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server:
        answer = queued(server, [{"audio": ""}, {"audio": "", "external_reference": reference}])

    assert (answer.status, answer.code) == (400, 5006)
    assert "'/requests/1/external_reference' is larger than the 2000 bytes" in answer.message


@pytest.mark.parametrize(
    "reference", ["job-7", 1e30, 12, None, {"a": [1, 2.5]}, "ü" * 900], ids=lambda own: repr(own)[:9]
)
def test_a_short_reference_comes_back_as_it_was(reference):
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server:
        number = queued(server, [{"audio": "", "external_reference": reference}]).result["request_id"]

        assert fetched(server, TURBO, number)["responses"][0]["external_reference"] == reference


def test_what_a_client_sent_is_repeated_in_part_only():
    refusal = refused(5006, what="x" * 10_000)

    assert len(refusal.message) < 1_100
    assert len(str(refusal)) < 1_100


# -- decoders ---------------------------------------------------------------------------------------------------


def encoded(kind, subtype=None, seconds=1.0, rate=16_000, channels=1):
    file = io.BytesIO()
    soundfile.write(file, np.zeros((round(seconds * rate), channels), np.float32), rate, subtype, format=kind)
    return file.getvalue()


def opus(seconds):
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        out = container.add_stream("libopus", rate=48_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * round(seconds * 48_000)), np.int16), "s16", "stereo")
        frame.sample_rate = 48_000
        container.mux(out.encode(frame))
        container.mux(out.encode(None))
    return file.getvalue()


def flac_that_says(samples, rate=192_000, channels=8):
    """A second of silence whose header names another length, rate and number of channels."""
    data = bytearray(encoded("FLAC", rate=48_000, channels=8))
    bits = int.from_bytes(data[18:26], "big") >> 36 & 31
    data[18:26] = (rate << 44 | channels - 1 << 41 | bits << 36 | samples).to_bytes(8, "big")
    return bytes(data)


@pytest.mark.parametrize(
    "data, seconds, values",
    [
        (encoded("WAV", "PCM_16", 2.0, 44_100, 2), 2.0, 176_400),
        (encoded("WAV", "FLOAT", 0.5, 8_000, 5), 0.5, 20_000),
        (encoded("FLAC", "PCM_16", 3.0, 48_000, 3), 3.0, 432_000),
        (encoded("OGG", "VORBIS", 2.0, 22_050, 2), 2.0, 88_200),
        (opus(2.0), 2.0, 192_000),
        (flac_that_says(192_000 * 3600), 3_600.0, 192_000 * 3600 * 8),
    ],
    ids=["wav", "float", "flac", "vorbis", "opus", "patched"],
)
def test_a_header_promises_length_and_work(data, seconds, values):
    from asrkit.serve.estimate import promised

    promise = promised(data)

    assert promise.seconds == pytest.approx(seconds, rel=0.02)
    assert promise.values == pytest.approx(values, rel=0.02)


@pytest.mark.parametrize(
    "data",
    [b"", b"fLaC", b"OggS", b"RIFF", b"RIFF....WAVE", clip(kind="MP3"), flac_that_says(0), b"x" * 99, b"OggS" * 30],
)
def test_a_header_that_says_nothing_promises_nothing(data):
    from asrkit.serve.estimate import promised

    assert promised(data) is None


def test_a_file_of_more_samples_than_its_length_is_worth_is_refused():
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server:
        answers = [
            ask(server, f"{RUN}/{WHISPER}", flac_that_says(192_000 * 7_000)),  # less than two hours, 8 channels
            ask(server, f"{RUN}/{WHISPER}", flac_that_says(192_000 * 7_300, channels=1)),  # more than two hours
        ]
        server.service.recogniser.most_values = 100_000
        lying = [ask(server, f"{RUN}/{WHISPER}", flac_that_says(samples, 48_000)) for samples in (0, 1_000)]
        settle(server)
        held = server.service.recogniser.short.held, server.service.recogniser.long.held

    assert [(answer.status, answer.code) for answer in answers + lying] == [(413, 3006)] * 4
    assert "samples" in answers[0].message
    assert "longer" in answers[1].message
    assert held == (0.0, 0.0)


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("samples", [0, 100, 48_000, 10**9])
def test_the_decoder_counts_for_itself_whatever_a_header_says(isolate, samples):
    blocks = stream(flac_that_says(samples, 48_000), max_values=100_000, isolate=isolate)
    with pytest.raises(DecodeError, match="the limit is 100,000") as caught:
        list(blocks)

    assert caught.value.code == "too-large"


def test_a_decoder_that_hangs_ends_as_soon_as_nobody_wants_the_clip():
    wanted = threading.Event()
    threading.Timer(0.5, wanted.set).start()
    with Workers(Limits(seconds=600), "misbehaving:decode") as workers:
        blocks = stream(marked(clip(), "hang"), isolate=workers, is_wanted=lambda: not wanted.is_set())
        with pytest.raises(DecodeError, match="nobody waits for it") as caught:
            next(blocks)

    assert caught.value.code == "unwanted"


def test_who_leaves_ends_the_decoding_of_the_own_file():
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server:
        recogniser = server.service.recogniser
        recogniser._isolate.close()
        recogniser._isolate = Workers(Limits(seconds=600), "misbehaving:decode")
        client = post_without_waiting(server, marked(clip(), "hang"))
        until(lambda: recogniser._decoders._busy == 1)
        client.close()
        until(lambda: recogniser._decoders._busy == 0)

        assert recogniser.short.held == 0


def test_short_files_are_decoded_while_long_ones_take_their_time():
    from asrkit.serve.decoders import Decoders

    async def story():
        decoders = Decoders(threads=3)
        go = threading.Event()
        long = [asyncio.ensure_future(decoders.run(lambda _: go.wait(60), values=1e9, is_long=True)) for _ in range(20)]
        await asyncio.sleep(0)
        async with asyncio.timeout(30):
            short = [await decoders.run(lambda _, n=n: n, values=100, is_long=False) for n in range(50)]
        still = sum(not one.done() for one in long)
        go.set()
        await asyncio.gather(*long)
        decoders.close()
        return short, still

    assert asyncio.run(story()) == (list(range(50)), 20)


def test_the_client_who_has_most_here_comes_last():
    from asrkit.serve.decoders import Decoders

    async def story():
        decoders = Decoders(threads=1)
        order = []
        go = threading.Event()

        def one(client):
            return decoders.run(lambda _: order.append(client), values=50e6, is_long=False, client=client)

        blocker = asyncio.ensure_future(decoders.run(lambda _: go.wait(60), values=1, is_long=False))
        await asyncio.sleep(0)
        several = [asyncio.ensure_future(one("many")) for _ in range(5)]
        await asyncio.sleep(0)
        single = asyncio.ensure_future(one("few"))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(blocker, single, *several)
        decoders.close()
        return order, decoders._owed

    order, owed = asyncio.run(story())

    assert order.index("few") <= 1
    assert not owed


def test_a_place_that_was_given_up_is_free_again():
    from asrkit.serve.decoders import Decoders

    async def story():
        decoders = Decoders(threads=2)
        seen = []

        def work(cancelled):
            seen.append(cancelled.wait(60))

        running = [asyncio.ensure_future(decoders.run(work, values=1, is_long=False)) for _ in range(5)]
        await asyncio.sleep(0.05)
        for one in running:
            one.cancel()
        await asyncio.wait(running)
        async with asyncio.timeout(30):
            answer = await decoders.run(lambda _: "free", values=1, is_long=False)
        decoders.close()
        return answer, seen

    answer, seen = asyncio.run(story())

    assert answer == "free"
    assert all(seen)  # each saw that it was given up


def test_seconds_of_sound_in_memory_are_bounded():
    from asrkit.serve.decoders import Reservation, Space

    async def story():
        space = Space(100.0)
        await space.take(60.0)
        first = Reservation(space, 60.0)
        waiting = asyncio.ensure_future(space.take(50.0))
        await asyncio.sleep(0)
        await space.take(30.0)  # what fits need not wait for what does not
        assert not waiting.done()
        assert not first.reach(75.0)
        assert first.reach(65.0)
        first.keep(10.0)
        await waiting
        assert space.held == 90.0
        first.release()
        first.give_back(5.0)
        assert not first.reach(70.0)
        assert space.held == 80.0
        gone = asyncio.ensure_future(space.take(90.0))
        await asyncio.sleep(0)
        gone.cancel()
        space.free(80.0)
        await space.take(500.0)  # one alone may always come in
        assert space.held == 500.0

    asyncio.run(story())


def test_sound_is_let_go_as_it_is_heard():
    backend = Gate(longest=5.0)
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        space = server.service.recogniser.short
        client = post_without_waiting(server, clip(seconds=20))
        until(lambda: server.service.recogniser.is_busy and space.held <= 20.1)
        held = space.held
        backend.go.set()
        client.recv(65_536)
        client.close()
        settle(server)

        assert held == pytest.approx(20, abs=0.5)
        assert space.held == 0


# -- turns of the model -----------------------------------------------------------------------------------------


class Stubborn:
    """Needs several tries for some clips, and writes down what it does when."""

    name = "stubborn"
    fingerprint = None

    def __init__(self, batch_size=4, tries=3) -> None:
        self.preferred = Preferences(batch_size=batch_size)
        self.tries = tries
        self.told: list[str] = []
        self.go = threading.Event()

    def transcribe(self, batch, *, languages):
        raise AssertionError("its tries are made one by one")

    def attempts(self, batch, *, languages):
        self.told.append("first")
        return [Again(self) if pitch_of(audio) == "tone of 666" else Transcript(pitch_of(audio)) for audio in batch]


class Again:
    def __init__(self, backend) -> None:
        self.backend, self.left = backend, backend.tries

    def go_on(self):
        assert self.backend.go.wait(60)
        self.backend.told.append("again")
        self.left -= 1
        return None if self.left else Transcript("at last")


def test_clips_that_wait_have_their_first_try_between_two_tries_of_another():
    backend = Stubborn(batch_size=1, tries=4)
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        hard = post_without_waiting(server, clip(pitch=666))
        until(lambda: backend.told == ["first"])
        easy = [post_without_waiting(server, clip(pitch=500 + 10 * number)) for number in range(3)]
        until(lambda: server.service.recogniser.batcher.waiting >= 4)
        backend.go.set()
        answers = [client.recv(65_536) for client in easy]
        last = hard.recv(65_536)
        for client in (*easy, hard):
            client.close()

    assert all(b"tone of" in answer for answer in answers)
    assert b"at last" in last
    assert backend.told == ["first", "again", "first", "again", "first", "again", "first", "again"]


def test_who_leaves_is_not_tried_again():
    backend = Stubborn(tries=1_000_000)
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        hard = post_without_waiting(server, clip(pitch=666))
        backend.go.set()
        until(lambda: len(backend.told) > 3)
        hard.close()
        until(lambda: not server.service.recogniser.is_busy)

        assert ask(server, f"{RUN}/{WHISPER}", clip(pitch=500)).result["text"] == "tone of 500"
        assert not server.service.recogniser.batcher._again


def test_a_second_try_that_fails_is_an_error_of_its_clip_alone(caplog):
    backend = Stubborn()
    backend.go.set()
    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        backend.tries = None  # an Again that cannot count
        hard = ask(server, f"{RUN}/{WHISPER}", clip(pitch=666))
        easy = ask(server, f"{RUN}/{WHISPER}", clip(pitch=500))

    assert (hard.status, hard.code) == (500, 3001)
    assert easy.result["text"] == "tone of 500"


def test_a_clip_given_up_is_not_kept_in_the_line():
    from asrkit.serve.batcher import Batcher, Served

    async def story():
        batcher = Batcher(window=0.0, done=lambda batch: None)
        batcher._task = None
        served = Served.of(Canned(["hi"]))
        futures = [batcher.hear(served, Audio(np.zeros(16_000, np.float32)), None) for _ in range(5)]
        for future in futures[1:]:
            future.cancel()
        await asyncio.sleep(0)
        clips = [place[2] for line in batcher._lines.values() for place in line.heap]
        await batcher.stop()
        return [clip_.audio is not None for clip_ in clips]

    assert sorted(asyncio.run(story())) == [False] * 4 + [True]


@pytest.mark.model
def test_the_prompt_is_dropped_at_the_second_try_and_no_prompt_is_kept(monkeypatch):
    from asrkit.backends import decoding

    lengths: list[int] = []
    real = decoding.decode

    def watched(model, states, prompts, **options):
        lengths.append(prompts.shape[1])
        return real(model, states, prompts, **options)

    monkeypatch.setattr(decoding, "decode", watched)
    monkeypatch.setattr(asrkit.Whisper, "_fails", lambda self, window: len(lengths) < 2)
    settings = Settings(model="openai/whisper-tiny.en", port=0, precision="float32")
    samples, rate = soundfile.read(Path(__file__).parent.parent / "datasets" / "demo" / "clips" / "01-weather.flac")
    speech = io.BytesIO()
    soundfile.write(speech, samples[: 2 * rate], rate, format="WAV")
    with asrkit.serve.background(settings) as server:
        lengths.clear()
        kept = len(server.service.catalogue._served)
        for number in range(2):
            lengths.clear()
            prompt = f"A story of Avonlea, number {number}. " * 40
            assert ask(server, f"{RUN}/{TURBO}", as_base64(speech.getvalue(), initial_prompt=prompt)).status == 200
            assert lengths[0] > 200
            assert lengths[1:]
            assert max(lengths[1:]) < 10

        assert len(server.service.catalogue._served) == kept


@pytest.mark.model
def test_all_tries_at_once_give_the_text_of_tries_one_by_one():
    noise = [Audio((0.05 * np.random.default_rng(seed).standard_normal(48_000)).astype(np.float32)) for seed in (0, 1)]
    whisper = asrkit.Whisper("openai/whisper-tiny.en", precision="float32", timestamps="word")
    steps = 0
    one_by_one = []
    for first in whisper.attempts(noise, languages=[None, None]):
        while not isinstance(first, Transcript):
            steps += 1
            first = first.go_on() or first
        one_by_one.append(first)

    at_once = whisper.transcribe(noise, languages=[None, None])

    assert [(one.text, one.segments, one.flags) for one in at_once] == [
        (one.text, one.segments, one.flags) for one in one_by_one
    ]


# -- prompts and other options ----------------------------------------------------------------------------------


@pytest.fixture
def wishes(monkeypatch):
    """What the model is asked for."""
    from asrkit.serve.recogniser import Recogniser

    seen: list[Wish] = []
    real = Recogniser.hear

    async def watched(self, data, target, wish, *more):
        seen.append(wish)
        return await real(self, data, target, wish, *more)

    monkeypatch.setattr(Recogniser, "hear", watched)
    with asrkit.serve.background(Settings(model="canned:hi", port=0)) as server:
        seen.clear()
        yield server, seen


@pytest.mark.parametrize("length", [1, 1_000, 4_000, 9_999])
@pytest.mark.parametrize("way", ["turbo", "nova", "openai", "translation"])
def test_of_a_prompt_the_end_is_taken_in_every_way(wishes, way, length):
    server, seen = wishes
    prompt = ("x" * length)[:-1] + "e"
    if way == "turbo":
        answer = ask(server, f"{RUN}/{TURBO}", as_base64(clip(), initial_prompt=prompt))
    elif way == "nova":
        answer = ask(server, f"{RUN}/{NOVA}?keyterm={prompt}", clip())
    else:
        path = TRANSCRIPTIONS if way == "openai" else "/v1/audio/translations"
        answer = ask(server, path, form(clip(), model="whisper-1", prompt=prompt), FORM)

    assert answer.status == 200
    assert seen[-1].prompt == prompt[-4_000:]


@pytest.mark.parametrize("name", ["initial_prompt", "prefix", "language", "task"])
@pytest.mark.parametrize("length", [10_001, 150_000])
def test_a_text_longer_than_any_option_is_refused(wishes, name, length):
    server, seen = wishes
    answer = ask(server, f"{RUN}/{TURBO}", as_base64(clip(), **{name: "x" * length}))

    assert (answer.status, answer.code) == (400, 5006)
    assert f"'/{name}' has {length} characters; this server takes 10000" in answer.message
    assert not seen


def test_the_names_under_which_models_are_kept_are_few():
    from asrkit.serve.catalogue import _key

    keys = {
        _key("openai/whisper-base", Wish(language=language, prompt=prompt, beams=beams))
        for language in (None, "de", "fr", "made up")
        for prompt in (None, "a", "b")
        for beams in (None, 5)
    }

    assert len(keys) == 2
    assert Counter(key[1].prompt for key in keys) == {None: 2}
