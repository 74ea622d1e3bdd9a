"""Every way of using again what earlier systems left behind, turned off by itself."""

import numpy as np
import pytest

import reiterate as rt
from reiterate.linear import factor_engines, factor_rslab
from reiterate.linear.recycled_space import RecycledSpace
from reiterate.options import REUSE
from tests.matrices import laplacian

FACTOR = "factor_cg"


def without(*names):
    return [name for name in REUSE if name not in names]


def drifting(count):
    """Matrices that differ so little that an old factor serves."""
    return [laplacian(12, shift=0.5 + 1e-6 * k) for k in range(count)]


@pytest.fixture
def log(monkeypatch):
    """What the direct engine did, were it rslab from the first system on."""
    done = []
    monkeypatch.setattr(factor_engines, "quick_by_superlu", lambda pattern: False)
    initialize, refresh = factor_rslab.RslabFactor.__init__, factor_rslab.RslabFactor.refresh

    def building(self, instance, *arguments):
        if instance.pattern.size > 16:  # what warms up is no larger
            done.append("build")
        initialize(self, instance, *arguments)

    def refreshing(self, instance):
        done.append("refresh")
        refresh(self, instance)

    monkeypatch.setattr(factor_rslab.RslabFactor, "__init__", building)
    monkeypatch.setattr(factor_rslab.RslabFactor, "refresh", refreshing)
    return done


def play(matrices, reuse, method=FACTOR, **options):
    solver = rt.Solver([method], cost="work", seed=0, reuse=reuse, **options)
    for seed, A in enumerate(matrices):
        b = np.random.default_rng(seed).normal(size=A.shape[0])
        x = solver.solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
    return solver


def test_everything_is_on_by_default(log):
    play(drifting(8), "all")
    assert log == ["build"] + ["refresh"] * (len(log) - 1)
    assert len(log) < 8


def test_without_ageing_every_new_matrix_is_refreshed(log):
    play(drifting(8), without("ageing"))
    assert log == ["build"] + ["refresh"] * 7


def test_without_refreshing_everything_is_built_anew(log):
    play(drifting(8), without("refresh"))
    assert set(log) == {"build"}
    assert len(log) < 8
    log.clear()
    play(drifting(8), without("refresh", "ageing"))
    assert log == ["build"] * 8


@pytest.mark.parametrize("method", [FACTOR, "direct"])
def test_a_matrix_that_is_not_recognized_is_prepared_again(log, method):
    again = [laplacian(12)] * 5
    play(again, without("ageing"), method)
    assert log == ["build"]
    log.clear()
    play(again, without("ageing", "same_matrix"), method)
    assert log == ["build"] + ["refresh"] * 4
    log.clear()
    play(again, (), method)
    assert log == ["build"] * 5


@pytest.mark.parametrize("spelling", ["jacobi_deflated_cg(space=4)", "jacobi_gcrodr(restart=20, space=4)"])
def test_without_recycling_no_solve_depends_on_those_before(spelling):
    matrices = [laplacian(16)] * 6
    on = play(matrices, "all", spelling, guesses=False, fallback=None)
    off = play(matrices, without("recycling"), spelling, guesses=False, fallback=None)
    (held,) = off._engine._upkeep._states.values()
    spaces = held[0].prepared.state.recycled.values()
    assert not any(isinstance(space, RecycledSpace) for space in spaces)
    counts = {}
    for name, solver in (("on", on), ("off", off)):
        counts[name] = [record.iterations for record in solver.history]
    assert sum(counts["on"]) < sum(counts["off"])
    for seed, count in enumerate(counts["off"]):
        fresh = rt.Solver([spelling], cost="work", seed=0, fallback=None)
        fresh.solve(laplacian(16), np.random.default_rng(seed).normal(size=256))
        assert fresh.last.iterations == count


def test_nothing_is_reused_and_columns_are_solved_too():
    A, B = laplacian(10), np.random.default_rng(0).normal(size=(100, 6))
    for method in ("direct", "jacobi_deflated_cg", "ic_cg", "jacobi_gcrodr"):
        solver = rt.Solver([method], reuse=(), seed=0, cost="work")
        for _ in range(2):
            X = solver.solve(A, B)
            assert np.all(np.linalg.norm(B - A @ X, axis=0) <= 1e-8 * np.linalg.norm(B, axis=0))


def test_guesses_do_not_trust_what_is_not_recognized():
    matrices = [laplacian(8, shift=k) for k in range(6)]
    play(matrices, (), "jacobi_cg")


@pytest.mark.parametrize(
    ("reuse", "message"),
    [
        ("age", "neither 'all' nor a collection of names.*; known are same_matrix, ageing, refresh, recycling"),
        (3, "neither 'all' nor a collection"),
        (None, "neither 'all' nor a collection"),
        (["aging"], "did you mean 'ageing'"),
        ([1], "1 is no mechanism; known are same_matrix, ageing, refresh, recycling"),
        (["guesses"], "guesses=False"),
    ],
)
def test_what_is_no_mechanism_is_explained(reuse, message):
    with pytest.raises(rt.InvalidInput, match=message) as caught:
        rt.Solver(reuse=reuse)
    assert caught.value.argument == "reuse"
