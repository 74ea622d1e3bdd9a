"""Forecasts: of every method, finite and positive; difficulty against the bound of CG; bandwidth against SciPy."""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from scipy.sparse.linalg import spbandwidth

import reiterate as rt
from reiterate.linear.door import Door
from reiterate.linear.forecast import difficulty, forecast
from reiterate.linear.pattern import Pattern
from reiterate.linear.portfolio import METHODS
from tests.matrices import definite_matrices, laplacian


def admit(A, rtol=1e-8):
    return Door().admit(A, np.ones(A.shape[0]), None, rtol=rtol, atol=0.0)


def defaults(method):
    return {parameter.name: parameter.default for parameter in method.parameters}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("side", [2, 40])
def test_every_method_has_a_forecast_with_costs_that_grow_with_the_matrix(name, side):
    method = METHODS[name]
    small, large = (method.forecast(admit(laplacian(m)), defaults(method)) for m in (side, 2 * side))
    for one in (small, large):
        numbers = [one.setup, one.upkeep, one.iteration, one.strength]
        assert all(0.0 < number < math.inf for number in numbers)
        assert one.upkeep <= one.setup
        assert one.power >= 0.0
    assert large.setup > small.setup
    assert large.iteration > small.iteration


def test_omega_has_its_valley_inside_the_line():
    instance = admit(laplacian(20))
    strengths = [forecast("ssor_cg", {"omega": omega}, instance).strength for omega in (1.0, 1.65, 1.99)]
    assert strengths[1] < min(strengths[0], strengths[2])


@pytest.mark.parametrize("shift", [0.5, 4.0, 40.0])
def test_cg_takes_no_more_than_the_difficulty_of_a_matrix_whose_diagonal_dominates(shift):
    A = laplacian(40, shift=shift)
    b = np.random.default_rng(0).normal(size=1600)
    solver = rt.Solver(["jacobi_cg"], guesses=False)
    solver.solve(A, b)
    assert solver.last.iterations <= math.ceil(difficulty(admit(A))) + 1


def test_indefinite_matrices_are_expected_to_be_harder():
    A = laplacian(30)
    shifted = sp.csr_array(A - 4.5 * sp.eye_array(900))
    instance = Door().admit(shifted, np.ones(900), None, rtol=1e-8, atol=0.0)
    instance.reveal({"definite": False})
    assert difficulty(instance) > 2.0 * difficulty(admit(A))


@given(definite_matrices())
def test_the_bandwidth_is_that_of_scipy(A):
    A = sp.csr_array(A)
    A.sort_indices()
    assert Pattern(A.indptr, A.indices).bandwidth == max(spbandwidth(A))


def test_the_bandwidth_of_nothing_is_zero():
    assert Pattern(np.zeros(4, dtype=np.int32), np.zeros(0, dtype=np.int32)).bandwidth == 0
