"""Incomplete Cholesky factors against their definition, dense; the fused iteration against the textbook's."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import reiterate as rt
from reiterate.contracts import Status, Stop
from reiterate.errors import Breakdown
from reiterate.kernels import eisenstat_cg, incomplete_cholesky_cg, triangular
from reiterate.kernels import incomplete_cholesky as factorization
from reiterate.linear.door import Door
from reiterate.linear.incomplete_cholesky import IncompleteCholesky, ThresholdIncompleteCholesky
from reiterate.linear.incomplete_cholesky_cg import IncompleteCholeskyConjugateGradients
from reiterate.linear.portfolio import METHODS
from reiterate.linear.preconditioned_cg import PreconditionedConjugateGradients
from tests.linear.factorizations import MATRICES, admit, defaults, incomplete_lu, inverse_of, with_triangles
from tests.matrices import definite_matrices, laplacian

FAMILY = IncompleteCholesky()
THRESHOLD = ThresholdIncompleteCholesky()
METHOD = IncompleteCholeskyConjugateGradients()

# Strongly coupled in a cycle with mixed signs: positive definite, but IC(0) meets a negative pivot (Kershaw 1978).
KERSHAW = sp.csr_array([[3.0, -2.0, 0.0, 2.0], [-2.0, 3.0, -2.0, 0.0], [0.0, -2.0, 3.0, -2.0], [2.0, 0.0, -2.0, 3.0]])


def build(A, family=FAMILY, previous=None, door=None, **values):
    return family.build(admit(A, door=door), defaults(family, **values), previous)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("modification", [0.0, 0.5, 0.97, -0.5])
def test_factors_are_those_of_the_definition(name, modification):
    A = MATRICES[name]
    dense = A.toarray()
    expected = np.linalg.inv(incomplete_lu(dense, dense != 0, modification))
    actual = inverse_of(build(A, modification=modification))
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12 * abs(expected).max())
    single = inverse_of(build(A, modification=modification, bits=32))
    np.testing.assert_allclose(single, expected, atol=1e-5 * abs(expected).max())
    np.testing.assert_allclose(single, single.T, atol=1e-15 * abs(expected).max())


def test_modification_keeps_row_sums():
    for A in (laplacian(7, shift=0.1), with_triangles(30)):
        M = np.linalg.inv(inverse_of(build(A, modification=0.9999999)))
        np.testing.assert_allclose(M.sum(axis=1), A.sum(axis=1), atol=1e-5)


@given(definite_matrices(), st.sampled_from([0.0, 0.9]), st.sampled_from([32, 64]))
def test_factors_are_positive_definite(A, modification, bits):
    inverse = inverse_of(build(A, modification=modification, bits=bits))
    scale = 1.0 / np.sqrt(np.diag(inverse))
    scaled = scale[:, None] * inverse * scale
    np.testing.assert_allclose(scaled, scaled.T, atol=1e-8)
    assert np.linalg.eigvalsh(scaled).min() > 0.0


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("scale", [1e-100, 1e100, 1e-150])
def test_scaling_changes_nothing(scale, bits):
    A = with_triangles(20)
    expected = inverse_of(build(A, bits=bits))
    np.testing.assert_allclose(inverse_of(build(sp.csr_array(A * scale), bits=bits)) * scale, expected, rtol=1e-5)


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
def test_a_pivot_that_is_not_positive_shifts_the_diagonal(family):
    few = {"fill": 1e-9} if family is THRESHOLD else {}
    factors = build(KERSHAW, family, **few)
    assert factors.shift > 0.0
    assert np.linalg.eigvalsh(inverse_of(factors)).min() > 0.0
    # The next matrix of the stream is not made to pay for it.
    door = Door()
    shifted = build(KERSHAW, family, door=door, **few)
    better = KERSHAW.copy()
    better.data[better.indices == np.repeat(np.arange(4), 3)] = 10.0
    again = build(better, family, shifted, door, **few)
    assert again is shifted
    assert again.shift == 0.0


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
def test_a_hopeless_matrix_breaks_down(family):
    A = sp.csr_array([[1.0, 9.0], [9.0, 1.0]])
    with pytest.raises(Breakdown, match="not positive"):
        build(A, family)


def test_after_a_breakdown_the_old_object_still_preconditions():
    door = Door()
    A, worse = laplacian(5), laplacian(5, shift=-3.9)
    factors = build(A, door=door)
    with pytest.raises(Breakdown):
        build(worse, previous=factors, door=door)
    np.testing.assert_allclose(inverse_of(factors), np.diag(1.0 / worse.diagonal()))


@pytest.mark.parametrize("family", [FAMILY, THRESHOLD])
def test_only_numbers_are_computed_for_a_known_pattern(family):
    door = Door()
    first, second = laplacian(9), laplacian(9, shift=2.0)
    factors = build(first, family, door=door, tau=0.02) if family is THRESHOLD else build(first, door=door)
    layout, setup = factors.layout, factors.setup_traffic
    inverse_of(factors)
    values = {"tau": 0.02} if family is THRESHOLD else {}
    refreshed = build(second, family, factors, door, **values)
    assert refreshed.layout is layout
    assert refreshed.setup_traffic < setup
    M = np.linalg.inv(inverse_of(refreshed))
    if family is FAMILY:
        np.testing.assert_allclose(M, incomplete_lu(second.toarray(), second.toarray() != 0), atol=1e-12)
    np.testing.assert_allclose(np.diag(M), second.diagonal(), rtol=1e-12)
    assert build(laplacian(8), family, refreshed, door, **values).layout is not layout
    assert build(second, family, refreshed, Door(), **values).layout is not layout


def test_precision_may_change_from_one_build_to_the_next():
    door = Door()
    double = build(laplacian(5), door=door)
    single = build(laplacian(5), previous=double, door=door, bits=32)
    assert single.values.dtype == np.float32
    assert single.layout is double.layout
    with pytest.raises(rt.InvalidInput, match="32 and 64"):
        build(laplacian(5), bits=48)


@given(definite_matrices())
def test_without_a_threshold_the_factors_are_exact(A):
    inverse = inverse_of(build(A, THRESHOLD, tau=1e-300, fill=999.0))
    scale = np.sqrt(A.diagonal())
    exact = np.linalg.inv(A.toarray() / scale[:, None] / scale)
    np.testing.assert_allclose(inverse * scale[:, None] * scale, exact, rtol=1e-6, atol=1e-8 * abs(exact).max())


def test_the_threshold_and_the_limit_are_kept():
    A = laplacian(12)
    loose, tight = (build(A, THRESHOLD, tau=tau, fill=50.0) for tau in (0.1, 1e-4))
    limited = build(A, THRESHOLD, tau=1e-3, fill=1.0)
    assert loose.layout.columns.size < tight.layout.columns.size
    pattern = limited.layout.pattern
    most = int(np.max(pattern.indptr[1:] - pattern.position - 1))
    assert most <= 2
    errors = [np.linalg.norm(inverse_of(M) @ A.toarray() - np.eye(144), 2) for M in (tight, loose)]
    assert errors[0] < 0.1 < errors[1]


def test_dropping_ignores_diagonal_scaling():
    A, scale = with_triangles(30), 10.0 ** np.random.default_rng(0).uniform(-6, 6, 30)
    S = sp.csr_array(sp.diags_array(scale) @ A @ sp.diags_array(scale))
    S = sp.csr_array((S + S.T) / 2)
    one, other = (build(B, THRESHOLD, tau=0.05).layout.pattern for B in (A, S))
    np.testing.assert_array_equal(one.indices, other.indices)


def solve(A, b, method=METHOD, *, x0=None, rtol=1e-300, iterations=10_000, **values):
    instance = admit(A, b, rtol=rtol)
    chosen = method.parameters.check(method.name, values)
    prepared = method.prepare(instance, chosen)
    start = np.zeros(A.shape[0]) if x0 is None else x0
    return method.iterate(prepared, instance, chosen, start, Stop(instance.target, iterations)), prepared, instance


@pytest.mark.parametrize("values", [{}, {"modification": 0.9}, {"bits": 32}])
@pytest.mark.parametrize("name", ["grid", "cube", "arrow", "triangles", "disconnected"])
def test_fused_iterates_are_those_of_preconditioned_cg(name, values):
    A = MATRICES[name]
    b, x0 = np.random.default_rng(0).normal(size=(2, A.shape[0]))
    plain = PreconditionedConjugateGradients(FAMILY)
    # Where there are no triangles, the fused form does not read the rounded factors.
    tolerance = 1e-5 if values.get("bits") == 32 else 1e-8
    for k in (1, 2, 4):
        fused, *_ = solve(A, b, x0=x0, iterations=k, **values)
        expected, *_ = solve(A, b, plain, x0=x0, iterations=k, **values)
        np.testing.assert_allclose(fused.x, expected.x, rtol=tolerance, atol=tolerance)


@settings(max_examples=50)
@given(definite_matrices(), st.sampled_from([0.0, 0.9]), st.integers(0, 2**32 - 1))
def test_converges_on_any_definite_matrix(A, modification, seed):
    b, x0 = np.random.default_rng(seed).normal(size=(2, A.shape[0]))
    progress, _, instance = solve(A, b, x0=x0, rtol=1e-9, modification=modification)
    assert progress.status is Status.CONVERGED
    # The residual that the sweeps know is the true one, up to rounding.
    assert instance.merit(progress.x) <= 1e-9 * (1 + 1e-3) + 10 * instance.rounding_level(x0)


def test_segments_change_no_bit(monkeypatch):
    A, b = laplacian(20), np.random.default_rng(1).normal(size=400)
    whole, *_ = solve(A, b, rtol=1e-10)
    monkeypatch.setattr("reiterate.linear.segments._SEGMENT_BYTES", 1.0)
    parts, *_ = solve(A, b, rtol=1e-10)
    np.testing.assert_array_equal(parts.x, whole.x)
    assert parts.iterations == whole.iterations


@pytest.mark.parametrize("same_pattern", [True, False])
def test_factors_of_an_earlier_instance_precondition_a_later_one(same_pattern):
    door, rng = Door(), np.random.default_rng(3)
    first = laplacian(9, shift=0.5)
    second = laplacian(9, shift=1.0) if same_pattern else sp.csr_array(laplacian(81, 1, shift=0.1))
    b = rng.normal(size=81)
    values = defaults(FAMILY)
    prepared = METHOD.prepare(admit(first, b, door=door), values)
    instance = admit(second, b, door=door, rtol=1e-10)
    assert METHOD.serves(prepared, instance)
    progress = METHOD.iterate(prepared, instance, values, np.zeros(81), Stop(instance.target, 1000))
    np.testing.assert_allclose(progress.x, np.linalg.solve(second.toarray(), b), rtol=1e-7, atol=1e-9)


def test_the_state_recovers_from_an_overflow():
    door, A = Door(), laplacian(6)
    factors = build(A, door=door)
    z = np.empty(36)
    with np.errstate(over="ignore"):
        factors.apply(np.full(36, 1e308), z)
        factors.apply(np.full(36, np.inf), z)
    factors.apply(np.ones(36), z)
    np.testing.assert_array_equal(z, inverse_solution(A))


def inverse_solution(A):
    z = np.empty(A.shape[0])
    build(A).apply(np.ones(A.shape[0]), z)
    return z


class DenseOperator:
    def __init__(self, matrix):
        self.matrix, self.dtype = matrix, matrix.dtype

    def residual(self, x, b, r):
        r[:] = b - self.matrix @ x
        return np.linalg.norm(r) ** 2


def test_hermitian_matrices():
    rng = np.random.default_rng(0)
    for name in ("cube", "triangles"):
        A = MATRICES[name]
        dense = A.toarray().astype(complex)
        phase = np.triu(np.exp(1j * rng.uniform(-1, 1, dense.shape)), 1)
        dense *= phase + phase.conj().T + np.eye(len(dense))
        rows = np.repeat(np.arange(len(dense)), np.diff(A.indptr))
        instance = admit(A)
        instance.data, instance.b = dense[rows, A.indices], instance.b.astype(complex)
        instance.operator = DenseOperator(dense)
        instance.diagonal = instance.diagonal.astype(complex)
        for family in (FAMILY, THRESHOLD):
            values = defaults(family, **({"tau": 1e-300, "fill": 999.0} if family is THRESHOLD else {}))
            expected = dense if family is THRESHOLD else incomplete_lu(dense, dense != 0)
            factors = family.build(instance, values)
            np.testing.assert_allclose(inverse_of(factors), np.linalg.inv(expected), atol=1e-12)
        prepared = METHOD.prepare(instance, defaults(METHOD))
        start = np.zeros(len(dense), dtype=complex)
        progress = METHOD.iterate(prepared, instance, defaults(METHOD), start, Stop(instance.target, 100))
        np.testing.assert_allclose(progress.x, np.linalg.solve(dense, instance.b), atol=1e-7)


@pytest.mark.parametrize("name", ["ic_cg", "ict_cg"])
def test_an_indefinite_matrix_is_revealed(name):
    A = laplacian(10, shift=-2.0)
    method = METHODS[name]
    instance = admit(A, rtol=1e-10)
    values = {p.name: p.default for p in method.parameters}
    try:
        prepared = method.prepare(instance, values)
    except Breakdown:
        return
    progress = method.iterate(prepared, instance, values, np.zeros(100), Stop(instance.target, 1000))
    assert progress.status is Status.BREAKDOWN
    assert progress.revealed == {"definite": False}
    assert np.all(np.isfinite(progress.x))


@pytest.mark.parametrize("name", ["ic_cg", "ict_cg"])
def test_warming_up_compiles_everything(name):
    kernels = (factorization.factor, incomplete_cholesky_cg.advance, eisenstat_cg.advance, triangular.solve)
    method = METHODS[name]
    method.warm_up()
    known = [len(kernel.signatures) for kernel in kernels]
    for A in (MATRICES["cube"], MATRICES["triangles"]):
        for bits in (32, 64):
            solve(A, np.ones(A.shape[0]), method, rtol=1e-8, bits=bits)
    assert [len(kernel.signatures) for kernel in kernels] == known
