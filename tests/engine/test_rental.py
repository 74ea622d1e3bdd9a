"""Rent or buy, against the best sequence of renewals in hindsight."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.engine.rental import UNTRIED, Rental


def play(rents, price, rental):
    """Cost of a rental on a stream where a state renewed at s costs rents[s][t - s] at t; the renewal times."""
    instances = len(rents)
    rental.renewed(price)
    cost, built, times = price, 0, [0]
    for t in range(instances):
        fresh = t == built
        if not fresh and rental.due:
            rental.renewed(price)
            cost, built, fresh = cost + price, t, True
            times.append(t)
        rent = rents[built][t - built]
        allowed = rental.allowance - 10.0
        if not fresh and rent > allowed:
            # Stopped half-way: the rent so far is lost, the renewal is paid.
            rental.used(10 + max(int(allowed), 1), 10.0 + max(int(allowed), 1), fresh=False)
            rental.renewed(price)
            cost, built = cost + allowed + price, t
            times.append(t)
            rental.used(10, 10.0, fresh=True)
            continue
        cost += rent
        rental.used(10 + rent, 10.0 + rent, fresh=fresh)
    return cost, times


def best_in_hindsight(rents, price):
    """By dynamic programming over the time of the last renewal."""
    instances = len(rents)
    best = [0.0] + [math.inf] * instances
    for s in range(instances):
        running = best[s] + price
        for t in range(s, instances):
            running += rents[s][t - s]
            best[t + 1] = min(best[t + 1], running)
    return best[instances]


@st.composite
def streams(draw):
    """Rents that never favour an older state: the rent of s at t is a drift accumulated over [s, t]."""
    instances = draw(st.integers(1, 40))
    drifts = draw(st.lists(st.integers(0, 30), min_size=instances, max_size=instances))
    total = np.concatenate(([0], np.cumsum(drifts)))
    return [[int(total[t] - total[s]) for t in range(s, instances)] for s in range(instances)]


@given(streams(), st.integers(1, 200), st.sampled_from([0.25, 0.5, 1.0]))
def test_the_guarantee_holds(rents, price, trust):
    cost, _ = play(rents, float(price), Rental(trust))
    # Rents are whole iterations here, so each cycle may overshoot by one.
    cycles = 1 + len(rents)
    bound = (1.0 + 1.0 / trust + UNTRIED) * best_in_hindsight(rents, price) + price
    assert cost <= bound + cycles


@pytest.mark.parametrize("growth", [1, 2, 5])
def test_steady_drift_is_renewed_at_the_best_period(growth):
    instances, price = 400, 100.0
    rents = [[growth * (t - s) for t in range(s, instances)] for s in range(instances)]
    cost, times = play(rents, price, Rental())
    period = np.diff(times)
    assert abs(np.median(period) - math.sqrt(2 * price / growth)) <= 2.0
    assert cost <= 1.1 * best_in_hindsight(rents, price)


def test_a_state_that_does_not_age_is_never_renewed():
    rental = Rental()
    rental.renewed(50.0)
    rental.used(10, 10.0, fresh=True)
    for _ in range(1000):
        assert not rental.due
        rental.used(10, 10.0, fresh=False)


def test_a_jump_ends_within_the_solve():
    rental = Rental()
    rental.renewed(50.0)
    rental.used(10, 10.0, fresh=True)
    assert rental.allowance == 10 + 50.0 / 0.5
    rental.used(70, 70.0, fresh=False)
    assert rental.allowance == 10 + 50.0 / 0.5 - 60.0


def test_renewals_that_cost_nothing_are_due_as_soon_as_there_is_rent():
    rental = Rental()
    rental.renewed(0.0)
    rental.used(10, 10.0, fresh=True)
    rental.used(10, 10.0, fresh=False)
    assert not rental.due
    rental.used(11, 11.0, fresh=False)
    assert rental.due


@pytest.mark.parametrize("rent", [100, 150, 500])
def test_states_that_are_worthless_after_one_instance_are_renewed_without_trying(rent):
    instances, price = 300, 100.0
    rents = [[rent * (t - s) for t in range(s, instances)] for s in range(instances)]
    cost, times = play(rents, price, Rental())
    assert cost <= 1.21 * best_in_hindsight(rents, price)
    assert np.diff(times).max() <= 2


def test_a_drift_that_ends_is_noticed_after_a_few_instances():
    jumps, instances, price = 20, 200, 100.0
    total = np.minimum(np.arange(instances), jumps) * 300
    rents = [[int(total[t] - total[s]) for t in range(s, instances)] for s in range(instances)]
    _, times = play(rents, price, Rental())
    assert max(times) <= jumps + 5


@pytest.mark.parametrize("level", [5, 20, 40])
def test_a_rent_that_does_not_grow_is_paid_for_as_long_as_the_guarantee_allows(level):
    price = 100.0
    rental = Rental()
    rental.renewed(price)
    rental.used(10, 10.0, fresh=True)
    ages = 0
    while not rental.due:
        rental.used(10 + level, 10.0 + level, fresh=False)
        ages += 1
    assert ages == math.ceil(2 * price / level) - 1
