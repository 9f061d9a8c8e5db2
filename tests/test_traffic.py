"""How requests of many threads reach the service. Time here is a number that waiting moves."""

from __future__ import annotations

import threading
from collections import deque
from itertools import pairwise
from types import SimpleNamespace

import pytest

from asrkit.backends import traffic
from asrkit.backends.traffic import RetryBudget, Stopped, Traffic, full_jitter

PATIENCE = 5.0  # seconds after which a thread that should be done is stuck


class Clock:
    """Seconds that pass when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()

    class Hurried(threading.Condition):
        def wait(self, timeout=None):
            clock.now += timeout or 0.0
            return super().wait(0.0005)

    monkeypatch.setattr(traffic, "threading", SimpleNamespace(Condition=Hurried, Lock=threading.Lock))
    return clock


@pytest.fixture
def no_jitter(monkeypatch):
    monkeypatch.setattr(traffic, "random", SimpleNamespace(uniform=lambda low, high: low))


def sent_at(ways: Traffic, clock: Clock, count: int) -> list[float]:
    """The seconds at which so many requests in a row are let through, each answered at once."""
    began = clock()
    times = []
    for _ in range(count):
        with ways.place():
            times.append(clock() - began)
        ways.answered()
    return times


def opened(clock: Clock, limit: float = 8.0, most: int = 32) -> Traffic:
    ways = Traffic(per_minute=None, most=most, clock=clock)
    ways.answered()
    ways.limit = limit
    return ways


class TestPace:
    def test_requests_keep_five_percent_below_the_published_rate(self, clock):
        times = sent_at(Traffic(per_minute=720, most=32, clock=clock), clock, 685)

        assert times[0] == 0.0
        assert times[684] == pytest.approx(60.0)
        assert all(later - earlier > 0.0877 for earlier, later in pairwise(times))

    def test_no_minute_has_more_than_the_rate_even_after_a_rest(self, clock):
        ways = Traffic(per_minute=60, most=8, clock=clock)
        sent_at(ways, clock, 3)
        clock.now += 600  # what was not sent meanwhile is not made up for

        assert sent_at(ways, clock, 3) == pytest.approx([0.0, 60 / 57, 120 / 57])

    def test_without_a_rate_nobody_waits(self, clock):
        assert sent_at(Traffic(per_minute=None, most=1, clock=clock), clock, 50) == [0.0] * 50


class TestHowManyAtOnce:
    def test_the_first_goes_alone(self, clock):
        ways = Traffic(per_minute=None, most=32, clock=clock)
        inside, done = threading.Event(), threading.Event()

        def second():
            with ways.place():
                inside.set()
            done.set()

        with ways.place():
            thread = threading.Thread(target=second, daemon=True)
            thread.start()
            assert not inside.wait(0.05)
        assert done.wait(PATIENCE)

    def test_an_answer_opens_the_way_and_a_refused_row_does_not_close_it(self, clock):
        ways = Traffic(per_minute=None, most=32, clock=clock)

        ways.answered()

        assert ways.limit == 9.0

    def test_while_nothing_is_refused_the_number_doubles_each_round_up_to_the_most(self, clock):
        ways = opened(clock, limit=8)

        for _ in range(8):
            ways.answered()
        assert ways.limit == 16.0
        for _ in range(100):
            ways.answered()
        assert ways.limit == 32.0

    def test_later_it_grows_by_a_quarter_a_round(self, clock):
        ways = opened(clock, limit=8)
        ways.failed()
        ways.limit = 8.0

        for _ in range(8):
            ways.answered()

        assert ways.limit == pytest.approx(8.25, abs=0.01)

    def test_failures_and_refusals_shrink_it_but_never_below_one(self, clock):
        ways = opened(clock, limit=10)

        ways.failed()
        assert ways.limit == pytest.approx(7.0)
        clock.now += 2
        ways.refused(None)
        assert ways.limit == pytest.approx(4.9)
        for _ in range(20):
            clock.now += 2
            ways.failed()
        assert ways.limit == 1.0

    def test_answers_to_one_burst_shrink_it_once(self, clock):
        ways = opened(clock, limit=10)

        for _ in range(10):
            ways.failed()

        assert ways.limit == pytest.approx(7.0)

    def test_no_more_than_that_are_ever_inside(self, clock):
        ways = opened(clock, limit=3, most=3)
        inside, most, lock = 0, 0, threading.Lock()

        def work():
            nonlocal inside, most
            for _ in range(20):
                with ways.place():
                    with lock:
                        inside += 1
                        most = max(most, inside)
                    threading.Event().wait(0.0002)
                    with lock:
                        inside -= 1
                ways.answered()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)

        assert not any(thread.is_alive() for thread in threads)
        assert most == 3

    def test_a_request_that_raises_gives_its_place_back(self, clock):
        ways = Traffic(per_minute=None, most=1, clock=clock)
        with pytest.raises(ZeroDivisionError):
            with ways.place():
                raise ZeroDivisionError

        with ways.place():
            pass


class TestPause:
    def test_after_a_refusal_everybody_waits_as_long_as_the_service_asks(self, clock, no_jitter):
        ways = opened(clock)
        ways.refused(7.0)

        assert sent_at(ways, clock, 2) == [7.0, 7.0]

    def test_jitter_only_ever_makes_the_wait_longer(self, clock):
        for _ in range(20):
            ways = opened(clock)
            ways.refused(8.0)
            [waited] = sent_at(ways, clock, 1)
            assert 8.0 <= waited <= 10.0

    def test_without_a_time_it_waits_longer_each_time_up_to_a_limit(self, clock, no_jitter):
        ways = opened(clock)
        waits = []
        for _ in range(8):
            ways.refused(None)
            before = clock()
            with ways.place():
                waits.append(clock() - before)

        assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]

    def test_an_answer_ends_the_crowd(self, clock, no_jitter):
        ways = opened(clock)
        for _ in range(5):
            ways.refused(None)
        ways.answered()
        clock.now += 60

        ways.refused(None)

        assert sent_at(ways, clock, 1) == [0.5]

    def test_a_shorter_wait_does_not_shorten_a_longer_one(self, clock, no_jitter):
        ways = opened(clock)
        ways.refused(20.0)
        ways.refused(1.0)

        assert sent_at(ways, clock, 1) == [20.0]

    def test_refusals_of_one_burst_count_once(self, clock, no_jitter):
        ways = opened(clock)
        for _ in range(8):
            ways.refused(None)

        assert sent_at(ways, clock, 1)[0] <= 1.0

    def test_a_service_may_refuse_for_ever(self, clock, no_jitter):
        ways = opened(clock)
        for _ in range(1_100):
            ways.refused(0.1)


class TestStop:
    def test_after_stop_nobody_is_let_through(self, clock):
        ways = opened(clock)
        ways.stop()

        with pytest.raises(Stopped):
            with ways.place():
                pytest.fail("was let through")
        with pytest.raises(Stopped):
            ways.sleep(1.0)

    def test_stop_wakes_those_who_wait(self):
        ways = Traffic(per_minute=None, most=1)
        ended: deque[str] = deque()
        ready = threading.Barrier(4)

        def sleeper():
            ready.wait()
            with pytest.raises(Stopped):
                ways.sleep(3_600)
            ended.append("sleeper")

        def in_line():
            ready.wait()
            with pytest.raises(Stopped):
                with ways.place():
                    pass
            ended.append("in line")

        def paused():
            ready.wait()
            with pytest.raises(Stopped):
                with ways.place():
                    pass
            ended.append("paused")

        with ways.place():
            ways.refused(3_600)
            threads = [threading.Thread(target=work, daemon=True) for work in (sleeper, in_line, paused)]
            for thread in threads:
                thread.start()
            ready.wait()
            ways.stop()
            for thread in threads:
                thread.join(PATIENCE)

        assert sorted(ended) == ["in line", "paused", "sleeper"]

    def test_it_can_be_undone(self, clock):
        ways = opened(clock)
        ways.stop()
        ways.resume()

        assert sent_at(ways, clock, 1) == [0.0]

    def test_sleep_lasts_as_long_as_it_says(self, clock):
        ways = opened(clock)
        before = clock()

        ways.sleep(12.5)

        assert clock() - before == pytest.approx(12.5)


class TestBackoff:
    def test_it_is_drawn_from_nothing_up_to_a_bound_that_doubles(self, monkeypatch):
        drawn = []
        monkeypatch.setattr(traffic, "random", SimpleNamespace(uniform=lambda *bounds: drawn.append(bounds) or 0.0))

        for attempt in range(9):
            full_jitter(attempt)

        assert [low for low, _ in drawn] == [0] * 9
        assert [high for _, high in drawn] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


class TestRetryBudget:
    def test_an_outage_uses_it_up(self):
        budget = RetryBudget()

        retries = sum(budget.take() for _ in range(100))

        assert retries == 500 // 14
        assert budget.is_outage

    def test_single_faults_never_do(self):
        budget = RetryBudget()

        for _ in range(1_000):
            assert budget.take()
            budget.success(retried=True)
        assert not budget.is_outage

    def test_one_fault_in_twenty_answers_never_does_even_if_the_row_is_lost(self):
        budget = RetryBudget()

        for _ in range(200):
            assert budget.take()
            for _ in range(19):
                budget.success(retried=False)

    def test_it_is_no_outage_while_anything_is_answered(self):
        budget = RetryBudget()
        for _ in range(100):
            budget.take()
        budget.success(retried=False)

        assert not budget.is_outage
        assert not budget.take()

    def test_it_never_holds_more_than_at_first(self):
        budget = RetryBudget()
        for _ in range(10_000):
            budget.success(retried=True)

        assert sum(budget.take() for _ in range(100)) == 500 // 14
