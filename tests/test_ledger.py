"""Money: counted before it is spent, doubted where nobody knows, and never over the cap."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrkit.backends.ledger import Ledger, Spending
from asrkit.cloudflare.prices import price_of
from asrkit.errors import CostCapError, OptionError

PRICE = price_of("@cf/openai/whisper")
MINUTE = PRICE.dollars(60)
UNKNOWN = price_of("@cf/openai/whisper-tiny-en")
OUTCOMES = ("settle", "release", "doubt")


class TestOneRequest:
    def test_an_answer_costs_its_seconds(self):
        ledger = Ledger(PRICE)

        assert ledger.settle(ledger.reserve(60)) == MINUTE
        assert ledger.spending == Spending(dollars=MINUTE, doubtful=0.0, seconds=60, requests=1)

    def test_a_refusal_costs_nothing_but_counts_as_a_request(self):
        ledger = Ledger(PRICE)

        assert ledger.release(ledger.reserve(60)) == 0.0
        assert ledger.spending == Spending(dollars=0.0, doubtful=0.0, seconds=0.0, requests=1)

    def test_what_was_sent_and_not_answered_is_told_apart(self):
        ledger = Ledger(PRICE)

        assert ledger.doubt(ledger.reserve(60)) == MINUTE
        assert ledger.spending == Spending(dollars=0.0, doubtful=MINUTE, seconds=0.0, requests=1)

    def test_an_answer_out_of_a_cache_is_free(self):
        ledger = Ledger(PRICE, cap=MINUTE)

        assert ledger.settle(ledger.reserve(60), is_free=True) == 0.0
        assert ledger.spending.dollars == 0.0
        ledger.reserve(60)


class TestCap:
    @pytest.mark.parametrize("outcome, fits", [("settle", False), ("doubt", False), ("release", True)])
    def test_what_is_spent_or_may_be_counts_and_what_was_refused_does_not(self, outcome, fits):
        ledger = Ledger(PRICE, cap=1.5 * MINUTE)
        getattr(ledger, outcome)(ledger.reserve(60))

        if fits:
            ledger.reserve(60)
        else:
            with pytest.raises(CostCapError, match=r"not sent: \$0\.00045 of max_cost=\$0\.00068 .* 60\.0 s of audio"):
                ledger.reserve(60)

    def test_what_is_on_its_way_counts(self):
        ledger = Ledger(PRICE, cap=2 * MINUTE)
        ledger.reserve(60)
        ledger.reserve(60)

        with pytest.raises(CostCapError):
            ledger.reserve(0.01)

    def test_it_may_be_reached_exactly(self):
        ledger = Ledger(PRICE, cap=10 * PRICE.dollars(6))  # ten floats add up to a little more than one minute

        for _ in range(10):
            ledger.settle(ledger.reserve(6))

        assert ledger.spending.requests == 10

    def test_a_request_that_was_not_sent_is_not_counted(self):
        ledger = Ledger(PRICE, cap=0)

        with pytest.raises(CostCapError):
            ledger.reserve(1)

        assert ledger.spending == Spending(0.0, 0.0, 0.0, 0)

    def test_one_that_is_too_dear_leaves_room_for_a_shorter_one(self):
        ledger = Ledger(PRICE, cap=MINUTE)
        with pytest.raises(CostCapError):
            ledger.reserve(61)

        assert ledger.settle(ledger.reserve(60)) == MINUTE

    @pytest.mark.parametrize("cap", [-1, float("nan")])
    def test_one_that_cannot_be_meant_is_refused(self, cap):
        with pytest.raises(OptionError, match="expected max_cost in dollars, 0 or more"):
            Ledger(PRICE, cap=cap)

    def test_one_on_a_price_that_is_unknown_is_refused(self):
        with pytest.raises(OptionError, match=r"no price is published for @cf/openai/whisper-tiny-en .*max_cost"):
            Ledger(UNKNOWN, cap=1)

    @given(st.lists(st.tuples(st.floats(0, 600), st.sampled_from(OUTCOMES), st.booleans())), st.floats(0, 0.01))
    def test_it_is_never_passed_whatever_comes_of_the_requests(self, requests, cap):
        ledger = Ledger(PRICE, cap=cap)
        open_ones = []
        billed = 0.0  # by a service that bills all it may

        for seconds, outcome, at_once in requests:
            try:
                open_ones.append((ledger.reserve(seconds), outcome))
            except CostCapError:
                continue
            billed += 0.0 if outcome == "release" else PRICE.dollars(seconds)
            assert billed <= cap + 1e-9
            if not at_once:
                for reservation, its_outcome in open_ones:
                    getattr(ledger, its_outcome)(reservation)
                open_ones.clear()

    def test_it_is_never_passed_by_many_threads(self):
        cap = 40 * MINUTE
        ledger = Ledger(PRICE, cap=cap)
        billed: list[float] = []

        def work(seed):
            chance = random.Random(seed)
            for _ in range(200):
                seconds = chance.uniform(1, 30)
                try:
                    reservation = ledger.reserve(seconds)
                except CostCapError:
                    continue
                outcome = chance.choice(OUTCOMES)
                if outcome != "release":
                    billed.append(PRICE.dollars(seconds))
                getattr(ledger, outcome)(reservation)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        spent = ledger.spending
        assert sum(billed) == pytest.approx(spent.dollars + spent.doubtful)
        assert 0.98 * cap < sum(billed) <= cap + 1e-9


class TestSpending:
    def test_that_of_one_run_is_the_difference(self):
        ledger = Ledger(PRICE)
        ledger.settle(ledger.reserve(60))
        before = ledger.spending
        ledger.settle(ledger.reserve(30))
        ledger.doubt(ledger.reserve(6))

        spent = ledger.spending - before

        assert (spent.seconds, spent.requests) == (30, 2)
        assert (spent.dollars, spent.doubtful) == pytest.approx((MINUTE / 2, MINUTE / 10))

    def test_it_is_told_in_a_sentence(self):
        ledger = Ledger(PRICE)
        for _ in range(3):
            ledger.settle(ledger.reserve(40))

        assert str(ledger.spending) == (
            "$0.00091 for 2.0 min of audio in 3 requests (list price; a free allocation is not counted)"
        )

    def test_what_may_have_been_billed_is_told_too(self):
        ledger = Ledger(PRICE)
        ledger.doubt(ledger.reserve(600))

        assert "$0.0045 for requests without an answer, if they were billed" in str(ledger.spending)

    def test_a_price_that_is_unknown_is_not_told_as_zero(self):
        ledger = Ledger(UNKNOWN)
        ledger.settle(ledger.reserve(60))

        assert not ledger.spending.is_known
        assert str(ledger.spending) == (
            "1.0 min of audio in 1 requests; no price is published, so what they cost is not known"
        )
        assert "$" not in str(ledger.spending)
