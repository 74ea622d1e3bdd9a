"""Rent or buy, against the best sequence of renewals in hindsight."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.engine.rental import Rental


def play(rents, price, rental, fresh_cost=0.0):
    """Cost of a rental on a stream where a state renewed at s costs rents[s][t - s] at t; the renewal times.

    A fresh state's own iterations cost ``fresh_cost``, which a solve that is stopped half-way loses once more.
    """
    instances = len(rents)
    rental.renewed(price)
    cost, built, times = price + instances * fresh_cost, 0, [0]
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
            cost, built = cost + allowed + fresh_cost + price, t
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


@given(
    streams(),
    st.integers(1, 200),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.sampled_from([0, 8]),
)
def test_the_guarantee_holds(rents, price, trust, latest, longest_trust):
    cost, _ = play(rents, float(price), Rental(trust, latest, longest_trust))
    # Rents are whole iterations here, so each cycle may overshoot by one.
    cycles = 1 + len(rents)
    ratio = max(1.0 + 1.0 / trust, 1.0 + latest, 2.0 + longest_trust)
    bound = ratio * best_in_hindsight(rents, price) + price
    assert cost <= bound + cycles


@given(streams(), st.integers(1, 200), st.sampled_from([0.0, 10.0, 100.0]))
def test_the_guarantee_holds_with_what_stopped_solves_lose(rents, price, fresh_cost):
    cost, _ = play(rents, float(price), Rental(), fresh_cost)
    best = best_in_hindsight(rents, price) + len(rents) * fresh_cost
    assert cost <= 10.0 * best + price + 1 + len(rents)


@pytest.mark.parametrize("growth", [1, 2, 5])
def test_steady_drift_is_renewed_at_the_best_period(growth):
    instances, price = 400, 100.0
    rents = [[growth * (t - s) for t in range(s, instances)] for s in range(instances)]
    cost, times = play(rents, price, Rental())
    period = np.diff(times)
    assert abs(np.median(period) - math.sqrt(2 * price / growth)) <= 2.0
    assert cost <= 1.1 * best_in_hindsight(rents, price)


@pytest.mark.parametrize("rent", [120, 200, 1000])
def test_drift_that_spoils_every_state_is_met_by_renewing_every_time(rent):
    instances, price = 400, 100.0
    rents = [[rent if t > s else 0 for t in range(s, instances)] for s in range(instances)]
    cost, _ = play(rents, price, Rental())
    assert cost <= 1.2 * best_in_hindsight(rents, price)


@pytest.mark.parametrize("rent", [120, 200, 1000])
def test_finding_that_out_costs_little_on_a_short_stream(rent):
    instances, price = 20, 100.0
    rents = [[rent if t > s else 0 for t in range(s, instances)] for s in range(instances)]
    cost, _ = play(rents, price, Rental())
    assert cost <= 1.2 * best_in_hindsight(rents, price)


def test_drift_that_calms_down_is_noticed():
    price = 100.0
    rents = [[500 if t > s and t < 100 else 0 for t in range(s, 400)] for s in range(400)]
    _, times = play(rents, price, Rental())
    # What is left are the renewals that cost a tenth of all iterating.
    assert sum(t > 120 for t in times) <= 3


def test_a_state_that_does_not_age_is_renewed_for_a_tenth_of_the_cost_at_most():
    rental = Rental()
    rental.renewed(50.0)
    rental.used(10, 10.0, fresh=True)
    renewals = 0
    for _ in range(1000):
        if rental.due:
            rental.renewed(50.0)
            renewals += 1
        rental.used(10, 10.0, fresh=False)
    assert 50.0 * renewals <= 0.1 * 10_000


def test_instances_that_become_easier_are_noticed():
    """Fresh states take 50 iterations at first and 5 later; old ones go on taking 40."""
    rental = Rental()
    rental.renewed(30.0)
    rental.used(50, 50.0, fresh=True)
    cost = 0.0
    for _ in range(400):
        fresh = rental.due
        if fresh:
            rental.renewed(30.0)
            cost += 30.0
        iterations = 5 if fresh else 40
        rental.used(iterations, float(iterations), fresh=fresh)
        cost += iterations
    assert cost <= 1.6 * 400 * 35.0


def test_a_jump_ends_within_the_solve():
    rental = Rental()
    rental.renewed(50.0)
    rental.used(10, 10.0, fresh=True)
    assert rental.allowance == 10 + 100.0
    rental.used(70, 70.0, fresh=False)
    rental.used(90, 90.0, fresh=False)
    assert rental.allowance == 10 + 200.0 - 60.0 - 80.0


def test_renewals_that_cost_nothing_are_due_as_soon_as_there_is_rent():
    rental = Rental()
    rental.renewed(0.0)
    rental.used(10, 10.0, fresh=True)
    rental.used(10, 10.0, fresh=False)
    assert not rental.due
    rental.used(11, 11.0, fresh=False)
    assert rental.due
