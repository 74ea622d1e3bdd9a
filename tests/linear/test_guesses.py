import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
from reiterate.linear.door import Door
from reiterate.linear.guesses import Guesses
from tests.matrices import definite_matrices, laplacian


def play(A_of, x_of, instances, *, zero=True, work=1e6):
    """Feed exact solutions x_of(k) of A_of(k); the guesses, the last start, its instance."""
    door, guesses = Door(), Guesses()
    for k in range(instances):
        A, x = A_of(k), x_of(k)
        instance = door.admit(A, A @ x, None, rtol=1e-10, atol=0.0)
        start = guesses.start(instance, np.zeros_like(x) if zero else x_of(k - 1))
        guesses.solved(instance, x, work)
    return guesses, start, instance


@pytest.mark.parametrize(("degree", "name"), [(0, "previous"), (1, "linear"), (2, "quadratic")])
def test_solutions_that_are_polynomials_in_time_are_foreseen(degree, name):
    A, rng = laplacian(6), np.random.default_rng(0)
    coefficients = rng.normal(size=(degree + 1, 36))
    A_of = [A, 2.0 * A]
    guesses, start, _ = play(lambda k: A_of[k % 2], lambda k: sum(c * k**d for d, c in enumerate(coefficients)), 8)
    expected = sum(c * 7**d for d, c in enumerate(coefficients))
    np.testing.assert_allclose(start, expected, rtol=1e-9, atol=1e-9)
    assert guesses.chosen[name] + guesses.chosen["projection"] >= 3


def test_a_known_matrix_lends_its_images():
    A, rng = laplacian(6), np.random.default_rng(1)
    basis, weights = rng.normal(size=(3, 36)), rng.normal(size=(9, 3))
    guesses, start, instance = play(lambda k: A, lambda k: weights[k] @ basis, 9)
    assert guesses.chosen["projection"] >= 4
    assert instance.merit(start) <= 1e-9


@given(definite_matrices(12), st.integers(0, 2**32 - 1), st.booleans())
def test_the_start_is_never_worse_than_the_given_one(A, seed, zero):
    rng = np.random.default_rng(seed)
    door, guesses = Door(), Guesses()
    for _ in range(12):
        A.data *= rng.uniform(0.5, 2.0)
        x, x0 = rng.normal(size=(2, A.shape[0]))
        x0 = np.zeros_like(x0) if zero else x0
        instance = door.admit(A, A @ x, None, rtol=1e-10, atol=0.0)
        start = guesses.start(instance, x0)
        assert instance.merit(start) <= instance.merit(x0) * (1 + 1e-12)
        guesses.solved(instance, x, 1e6)


def test_guesses_that_disappoint_are_made_ever_more_rarely():
    rng = np.random.default_rng(2)
    A, tried = laplacian(6), 0
    door, guesses = Door(), Guesses()
    judge = guesses._judge

    def counting(*arguments):
        nonlocal tried
        tried += 1
        judge(*arguments)

    guesses._judge = counting
    for _ in range(200):
        x = rng.normal(size=36)
        instance = door.admit(A * rng.uniform(1, 2), A @ x, None, rtol=1e-10, atol=0.0)
        guesses.start(instance, np.zeros(36))
        guesses.solved(instance, x, 1e5)
    assert tried <= 60


def test_another_size_forgets():
    guesses, door = Guesses(), Door()
    for m in (4, 5, 4):
        A = laplacian(m)
        instance = door.admit(A, np.ones(m * m), None, rtol=1e-8, atol=0.0)
        assert guesses.start(instance, np.zeros(m * m)).size == m * m
        guesses.solved(instance, np.ones(m * m), 1e5)


def test_a_stream_from_zero_needs_fewer_iterations():
    totals = []
    for guesses in (False, True):
        solver = rt.Solver(["jacobi_cg"], guesses=guesses, cost="work")
        simulation = rt.gallery.diffusion3d(size=12, steps=20)
        for system in simulation:
            simulation.advance(solver.solve(system.A, system.b))
        totals.append(sum(record.iterations for record in solver.history))
    assert totals[1] < 0.9 * totals[0]
    assert "solves began at" in solver.summary()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size_of_A", [1e-150, 1e-300])
def test_solutions_near_the_end_of_double_precision_make_no_guesses_and_no_noise(size_of_A):
    rng = np.random.default_rng(0)
    _, start, instance = play(
        lambda k: sp.csr_array(sp.diags_array(np.full(40, size_of_A * (1.0 + 0.1 * k)))),
        lambda k: (-1.0) ** k * rng.uniform(0.5, 1.0, 40) * 1.7e308,
        6,
    )
    assert instance.merit(start) <= 1.0


def test_guesses_that_save_no_iterations_rest():
    A, rng, tried = laplacian(40), np.random.default_rng(3), 0
    door, guesses = Door(), Guesses()
    smooth, rough = np.ones(1600), 0.05 * rng.normal(size=(200, 1600))
    for k in range(200):
        x = k * smooth + rough[k]
        instance = door.admit((1.0 + 0.01 * k) * A, A @ x, None, rtol=1e-10, atol=0.0)
        given = (k - 1) * smooth
        tried += guesses.start(instance, given) is not given
        guesses.solved(instance, x, 10.0)  # whatever the start
    assert tried <= 40


def test_the_method_is_spared_the_product_that_the_guess_has_taken():
    A, door, guesses = laplacian(40), Door(), Guesses()
    for k in range(4):
        x = np.full(1600, 1.0 + k)
        instance = door.admit((1.0 + k) * A, (1.0 + k) * (A @ x), None, rtol=1e-10, atol=0.0)
        start = guesses.start(instance, np.zeros(1600))
        guesses.solved(instance, x, 1e6)
    out = np.full(1600, np.nan)
    r, square = instance.residual(start, out)
    assert r is not out
    np.testing.assert_allclose(r, instance.b - instance.A @ start, atol=1e-10)
    assert square == pytest.approx(r @ r)
    again, _ = instance.residual(start, out)
    assert again is out  # what was handed over is the method's to overwrite
    np.testing.assert_allclose(again, instance.b - instance.A @ start, atol=1e-10)
