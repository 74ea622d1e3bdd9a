import math

import numpy as np
import pytest

from reiterate import gallery
from reiterate.contracts import Status, Stop
from reiterate.engine.extrapolation import share_of
from reiterate.linear.portfolio import METHODS, configuration
from reiterate.linear.remaining import remaining_as_kept, remaining_iterations, room_for_coefficients
from tests.linear.test_replay import instance_of
from tests.matrices import laplacian

SPELLINGS = (
    "cg",
    "jacobi_cg",
    "ssor_cg(omega=1.5)",
    "ic_cg(modification=0.0)",
    "ic_cg(modification=0.95)",
    "ict_cg",
    "block_jacobi_cg",
)


def runs(A, spelling, shares, b=None):
    """Iterations to the end, and those foreseen after so large parts of them: by themselves, by the digits gained."""
    instance, chosen = instance_of(A, b), configuration(spelling)
    method = METHODS[chosen.method]
    prepared = method.prepare(instance, chosen.values)

    def run(most):
        return method.iterate(prepared, instance, chosen.values, np.zeros(A.shape[0]), Stop(instance.target, most))

    whole = run(10_000)
    assert whole.status is Status.CONVERGED
    assert whole.remaining is None
    stopped = [run(math.ceil(share * whole.iterations)) for share in shares]
    start = instance.merit(np.zeros(A.shape[0]))
    gained = [share_of(start, start, instance.merit(progress.x), instance.target) for progress in stopped]
    by_digits = [progress.iterations / share for progress, share in zip(stopped, gained, strict=True)]
    foreseen = [progress.iterations + progress.remaining for progress in stopped]
    return [np.abs(np.log(np.array(predicted) / whole.iterations)) for predicted in (foreseen, by_digits)]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_iterations_left_are_foreseen_from_a_fifth_of_them(spelling):
    for A in (laplacian(60), laplacian(60, shift=0.02)):
        errors, _ = runs(A, spelling, (0.2, 0.4, 0.7))
        assert errors.max() < math.log(1.8)


@pytest.mark.parametrize("spelling", ["jacobi_cg", "ssor_cg(omega=1.5)", "ic_cg(modification=0.0)"])
def test_a_plateau_at_the_start_is_not_taken_for_the_rate(spelling):
    system = next(iter(gallery.topology(nx=60, ny=20, steps=1)))
    errors, by_digits = runs(system.A, spelling, (0.2, 0.4), system.b)
    assert by_digits.min() > math.log(3.0)
    assert (errors < 0.8 * by_digits).all()
    assert errors.mean() < 0.7 * by_digits.mean()


def recorded(A, b, steps):
    """Step lengths of CG, the coefficients of the directions that follow, and ‖r‖² after all of them."""
    r = b.copy()
    p, square = r.copy(), float(r @ r)
    alphas, betas = [], []
    for _ in range(steps):
        q = A @ p
        alphas.append(square / float(p @ q))
        r -= alphas[-1] * q
        square, before = float(r @ r), square
        betas.append(square / before)
        p = r + betas[-1] * p
    return alphas, betas, square


@pytest.mark.parametrize("steps", [5, 63, 64, 65, 150])
def test_what_kernels_keep_is_the_end_of_what_was_there(steps):
    A, b = laplacian(60), np.random.default_rng(0).standard_normal(3600)
    alphas, betas, square = recorded(A, b, steps)
    instance, method = instance_of(A, b), METHODS["cg"]
    prepared = method.prepare(instance, {})
    found = method.iterate(prepared, instance, {}, np.zeros(3600), Stop(instance.target, steps))
    expected = remaining_iterations(alphas[-64:], betas[-64:], square, instance.square_threshold, begun=steps <= 64)
    assert found.remaining == pytest.approx(expected, rel=1e-3)


def test_segments_keep_all_the_same():
    A = laplacian(40)
    instance, method = instance_of(A), METHODS["jacobi_cg"]
    prepared = method.prepare(instance, {})
    one, cut = (
        method.iterate(prepared, instance, {}, np.zeros(1600), Stop(instance.target, 30, seconds))
        for seconds in (None, 1e3)
    )
    assert one.remaining == cut.remaining


def test_nobody_knows_after_three_iterations_or_from_numbers_that_are_none():
    assert remaining_iterations([1.0] * 3, [0.5] * 3, 1.0, 1e-16) is None
    assert remaining_iterations([math.nan] * 5, [0.5] * 5, 1.0, 1e-16) is None
    assert remaining_iterations([1.0] * 5, [-0.5] * 5, 1.0, 1e-16) is None
    assert remaining_iterations([1e-320] * 5, [0.5] * 5, 1.0, 1e-16) is None
    assert remaining_iterations([1.0] * 5, [0.5] * 5, math.inf, 1e-16) is None
    assert remaining_iterations([1.0] * 5, [0.5] * 5, 1.0, 0.0) is None
    assert remaining_as_kept(room_for_coefficients(), 1.0, 1e-16) is None


def test_nothing_is_left_at_the_target():
    assert remaining_iterations([1.0] * 5, [0.5] * 5, 1e-17, 1e-16) == 0.0


def test_a_steady_rate_goes_on():
    """β = ρ² and a Toeplitz matrix are CG at its asymptotic rate: both rates agree."""
    ratio = 0.8
    betas = np.full(60, ratio**2)
    found = remaining_iterations(np.full(60, 1.0), betas, 1.0, 1e-16)
    assert found == pytest.approx(math.log(1e8) / -math.log(ratio), rel=0.1)
