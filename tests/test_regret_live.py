"""Contenders compared on whole streams: the arithmetic of ``benchmarks/regret.py live``."""

import math

import numpy as np
import pytest
import scipy.sparse as sp


@pytest.fixture
def runs(benchmarks):
    import regret_runs

    return regret_runs


@pytest.fixture
def report(runs):
    import regret_live_report

    return regret_live_report


@pytest.fixture
def live(runs):
    import regret_live

    return regret_live


@pytest.fixture
def comparison(runs):
    one, two = runs.Run([[4.0, 1.0]] * 3), runs.Run([[1.0, 3.0]] * 3)
    result = runs.Comparison("toy", 9, 2, fixed={"one": one, "two": two})
    result.own = {name: runs.Run([[2.0, 2.0]] * 3) for name in ("reiterate", "Tsallis-INF", "ChebCB")}
    result.rivals = {
        "SciPy spsolve": runs.Run([[1.0, 3.0]] * 3),
        "SciPy cg": runs.Run([[], [], []], "does not reach the tolerance"),
        "PyAMG smoothed aggregation": runs.Run([[1.0, 2.0]] * 3),
    }
    result.shares = [runs.Shares([2.0, 2.0], [0.2, 0.0], [0.4, 0.0], [0.0, 1.0], [0.1, 0.1])]
    return result


def test_a_total_is_the_median_of_the_totals_of_the_rounds(runs):
    # The median of every solve would forget a costly trial that each round makes at another moment.
    run = runs.Run([[9.0, 1.0, 1.0], [1.0, 9.0, 1.0], [1.0, 1.0, 9.0]])
    assert run.total(3) == 11.0
    assert run.curve().tolist() == [1.0, 10.0, 11.0]


def test_who_was_stopped_has_no_total_beyond(runs):
    run = runs.Run([[1.0, 2.0], [1.0], [1.0]], slow=True)
    assert run.made() == 1
    assert run.total(1) == 1.0
    assert math.isinf(run.total(2))
    assert runs.Run([[], []]).curve().size == 0


def test_the_least_of_equals_is_flattered_by_noise_and_not_when_cross_validated(runs):
    rng = np.random.default_rng(0)
    flattered, honest = [], []
    for _ in range(50):
        equals = {str(k): runs.Run((1.0 + 0.1 * rng.standard_normal((3, 1))).tolist()) for k in range(26)}
        flattered.append(runs.best(equals, 1)[1])
        honest.append(runs.best_elsewhere(equals, 1))
    assert np.mean(flattered) < 0.9
    assert np.mean(honest) == pytest.approx(1.0, abs=0.02)


def test_cross_validation_chooses_without_the_round_that_measures(runs):
    fixed = {"a": runs.Run([[1.0], [5.0]]), "b": runs.Run([[3.0], [2.0]])}
    # The first round chooses a, which the second finds dear; the second chooses b, which the first measures.
    assert runs.best_elsewhere(fixed, 1) == 4.0
    assert runs.instance_optimal_elsewhere(fixed, 1) == 4.0


def test_one_round_can_not_be_cross_validated(runs):
    fixed = {"a": runs.Run([[1.0]])}
    assert math.isnan(runs.best_elsewhere(fixed, 1))
    assert math.isnan(runs.instance_optimal_elsewhere(fixed, 1))
    assert math.isinf(runs.best_elsewhere(fixed, 2))


def test_the_best_of_every_instance_may_be_one_that_was_stopped_later(runs):
    fixed = {"early": runs.Run([[1.0], [1.0]]), "steady": runs.Run([[3.0, 3.0]] * 2)}
    assert runs.instance_optimal(fixed, 2) == 4.0
    assert runs.instance_optimal_elsewhere(fixed, 2) == 4.0


def test_ratios_of_a_stream(report, comparison):
    first, *rest = report.rows_of(comparison)
    assert not rest  # no length but 1 is within two solves
    assert (first.fixed, first.fixed_elsewhere, first.optimal, first.peer) == (2.0, 2.0, 2.0, 2.0)
    assert first.shares == pytest.approx((0.1, 0.2, 0.0, 0.05))
    row = report.summary(comparison)
    assert row[2:4] == ["`two`", "1.00"]
    assert row[-4:] == ["5.0 %", "10.0 %", "25.0 %", "5.0 %"]


def test_break_even_is_told_of_every_peer(report, comparison):
    named = dict(zip(report.PEERS, report.break_even(comparison)[1:], strict=False))
    assert named["SciPy spsolve"] == "2"
    assert named["SciPy cg"] == "fails"
    assert named["PyAMG smoothed aggregation"] == "never"
    assert named["PETSc CG + ICC"] == ""
    assert report.break_even(comparison)[-2:] == ["never", "never"]


def test_what_was_measured_can_be_kept(runs, comparison, tmp_path):
    assert runs.Comparison.load(tmp_path, "toy") is None
    comparison.save(tmp_path)
    assert runs.Comparison.load(tmp_path, "toy") == comparison


def test_shares_are_told_of_every_solve(live):
    A = sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(60, 60)).tocsr()
    contender = live.Ours()
    seconds = [contender(A, np.full(60, 1.0 + k), None) for k in range(4)]
    shares = contender.shares
    assert shares.whole == seconds
    assert all(deciding >= 0.0 for deciding in shares.deciding)
    assert all(len(getattr(shares, part)) == 4 for part in ("deciding", "racing", "trying", "checking"))
