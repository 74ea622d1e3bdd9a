"""Incomplete LU factors and symmetric SOR against their definitions, dense."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from reiterate.errors import Breakdown
from reiterate.linear.door import Door
from reiterate.linear.incomplete_lu import IncompleteLU, SymmetricOverRelaxation, ThresholdIncompleteLU
from tests.linear.factorizations import MATRICES, admit, defaults, incomplete_lu, inverse_of, perturbed, with_triangles
from tests.matrices import definite_matrices, laplacian

FAMILY, THRESHOLD, RELAXATION = IncompleteLU(), ThresholdIncompleteLU(), SymmetricOverRelaxation()


def build(A, family=FAMILY, previous=None, door=None, **values):
    return family.build(admit(A, door=door), defaults(family, **values), previous)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("dropped", [0.0, 0.3])
def test_factors_are_those_of_the_definition(name, dropped):
    A = perturbed(MATRICES[name], dropped=dropped)
    dense = A.toarray()
    expected = np.linalg.inv(incomplete_lu(dense, dense != 0))
    np.testing.assert_allclose(inverse_of(build(A)), expected, rtol=1e-9, atol=1e-12 * abs(expected).max())
    np.testing.assert_allclose(inverse_of(build(A, bits=32)), expected, atol=1e-5 * abs(expected).max())


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("omega", [0.4, 1.0, 1.7])
def test_relaxation_is_that_of_the_definition(name, omega):
    A = perturbed(MATRICES[name], dropped=0.2).toarray()
    D = np.diag(np.diag(A)) / omega
    expected = np.linalg.inv((D + np.tril(A, -1)) @ np.linalg.inv(D) @ (D + np.triu(A, 1)))
    actual = inverse_of(build(sp.csr_array(A), RELAXATION, omega=omega))
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12 * abs(expected).max())


@pytest.mark.parametrize("triangle", [np.tril, np.triu])
@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
def test_triangular_matrices_are_factored_exactly(triangle, family):
    A = triangle(perturbed(with_triangles(30)).toarray())
    actual = inverse_of(build(sp.csr_array(A), family, **({"tau": 1e-12} if family is THRESHOLD else {})))
    np.testing.assert_allclose(actual @ A, np.eye(30), atol=1e-9)


@pytest.mark.parametrize("name", MATRICES)
def test_without_a_threshold_the_factors_are_exact(name):
    A = perturbed(MATRICES[name], dropped=0.3)
    inverse = inverse_of(build(A, THRESHOLD, tau=1e-300, fill=999.0))
    np.testing.assert_allclose(inverse @ A.toarray(), np.eye(A.shape[0]), atol=1e-9)


@given(definite_matrices(), st.integers(0, 2**32 - 1), st.floats(1e-4, 0.5), st.floats(0.1, 3.0))
def test_every_diagonally_dominant_matrix_has_factors(A, seed, tau, fill):
    # Scaling by rows keeps the dominance; so does making entries smaller.
    N = A.copy()
    N.data = N.data * np.where(N.indices == np.repeat(np.arange(A.shape[0]), np.diff(A.indptr)), 1.0,
                               np.random.default_rng(seed).uniform(0.0, 1.0, N.nnz))  # fmt: skip
    for family, values in ((FAMILY, {}), (THRESHOLD, {"tau": tau, "fill": fill})):
        factors = build(N, family, **values)
        assert factors.shift == 0.0
        assert np.all(np.isfinite(inverse_of(factors)))


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scaling_changes_nothing(scale, family, bits):
    A = perturbed(with_triangles(20))
    expected = inverse_of(build(A, family, bits=bits))
    actual = inverse_of(build(sp.csr_array(A * scale), family, bits=bits)) * scale
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
def test_a_pivot_that_vanishes_shifts_the_diagonal(family):
    factors = build(sp.csr_array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 3.0]]), family)
    assert factors.shift > 0.0
    assert np.all(np.isfinite(inverse_of(factors)))


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
def test_a_hopeless_matrix_breaks_down(family):
    A = sp.csr_array([[1.0, 1e300], [1e300, 1.0]]) if family is FAMILY else sp.csr_array([[1e-20, 1.0], [1.0, 1e-20]])
    with pytest.raises(Breakdown, match="pivot vanishes"):
        build(A, family)


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD, RELAXATION])
def test_only_numbers_are_computed_for_a_known_pattern(family):
    door = Door()
    first, second = perturbed(laplacian(9)), perturbed(laplacian(9, shift=2.0))
    factors = build(first, family, door=door)
    layout = factors.layout
    again = build(second, family, factors, door)
    assert again is factors
    assert again.layout is layout
    if family is FAMILY:
        M = np.linalg.inv(inverse_of(again))
        np.testing.assert_allclose(M, incomplete_lu(second.toarray(), second.toarray() != 0), atol=1e-12)
    assert build(perturbed(laplacian(8)), family, factors, door).layout is not layout


def test_the_threshold_and_the_limit_are_kept():
    A = perturbed(laplacian(12))
    loose, tight = (build(A, THRESHOLD, tau=tau, fill=50.0) for tau in (0.1, 1e-4))
    limited = build(A, THRESHOLD, tau=1e-3, fill=1.0).layout.pattern
    assert loose.layout.columns.size < tight.layout.columns.size
    assert np.max(limited.indptr[1:] - limited.position - 1) <= 2
    assert np.max(limited.position - limited.indptr[:-1]) <= 2
    errors = [np.linalg.norm(inverse_of(M) @ A.toarray() - np.eye(144), 2) for M in (tight, loose)]
    assert errors[0] < 0.1 < errors[1]


def test_a_stream_whose_pattern_has_aged_finds_a_new_one():
    door = Door()
    first = sp.csr_array([[4.0, 1e-9, 1.0], [1e-9, 4.0, 1.0], [1.0, 1.0, 4.0]])
    second = sp.csr_array([[1e-14, 1.0, 1.0], [1.0, 1e-14, 1.0], [1.0, 1.0, 4.0]])
    factors = build(first, THRESHOLD, door=door)
    with pytest.raises(Breakdown):
        build(second, THRESHOLD, factors, door)


def test_complex_matrices():
    rng = np.random.default_rng(0)
    A = perturbed(with_triangles(20)).astype(complex)
    A.data = A.data + 0.1j * rng.normal(size=A.nnz)
    instance = admit(perturbed(with_triangles(20)))
    instance.data, instance.diagonal = A.data, A.diagonal()
    instance.operator.dtype = np.dtype(np.complex128)
    dense = A.toarray()
    for family, expected in ((FAMILY, incomplete_lu(dense, dense != 0)), (THRESHOLD, dense)):
        values = defaults(family, **({"tau": 1e-300, "fill": 999.0} if family is THRESHOLD else {}))
        actual = inverse_of(family.build(instance, values))
        np.testing.assert_allclose(actual, np.linalg.inv(expected), atol=1e-12)
