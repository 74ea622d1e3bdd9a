"""Preconditioners that are positive definite whatever the matrix: surrogates, and moduli of blocks."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, minres

import reiterate as rt
from reiterate.contracts import Status
from reiterate.errors import Breakdown
from reiterate.linear.absolute_blocks import AbsoluteBlockJacobi
from reiterate.linear.door import Door
from reiterate.linear.portfolio import METHODS
from reiterate.linear.surrogate import positive_surrogate
from reiterate.linear.traits import LinearTraits
from tests.linear.nonsymmetric import solve
from tests.linear.symmetric import hermitian, hermitian_matrices, saddle_point
from tests.matrices import definite_matrices, laplacian

NAMES = ["block_jacobi_minres", "ssor_minres", "ic_minres", "amg_minres"]
METHOD = pytest.mark.parametrize("name", NAMES)


def admit(A):
    return Door().admit(A, np.ones(A.shape[0]), None, rtol=1e-8, atol=0.0)


def dense_surrogate(A):
    twin = positive_surrogate(admit(A))
    index = twin.pattern.indices.astype(int), twin.pattern.indptr.astype(int)
    return sp.csr_array((twin.data, *index), shape=A.shape).toarray()


def dense_inverse(preconditioner, n, dtype):
    columns = []
    for unit in np.eye(n, dtype=dtype):
        z = np.empty(n, dtype=dtype)
        preconditioner.apply(unit, z)
        columns.append(z)
    return np.array(columns).T


def defaults(method):
    return {parameter.name: parameter.default for parameter in method.parameters}


@settings(max_examples=80)
@given(hermitian_matrices())
def test_the_surrogate_is_hermitian_and_positive(A):
    S = dense_surrogate(A)
    np.testing.assert_array_equal(S, S.conj().T)
    D = 1.0 / np.sqrt(S.diagonal().real)
    assert np.linalg.eigvalsh(D[:, None] * S * D).min() >= -1e-12


@METHOD
@settings(max_examples=40)
@given(A=hermitian_matrices())
def test_every_preconditioner_is_hermitian_and_positive(name, A):
    method, instance = METHODS[name], admit(A)
    if not method.accepts(instance.traits):
        return
    try:
        M = dense_inverse(method.family.build(instance, defaults(method)), A.shape[0], A.dtype)
    except Breakdown:
        assert name == "amg_minres"  # where rounding makes a coarse matrix indefinite
        return
    D = 1.0 / np.sqrt(M.diagonal().real)
    M = D[:, None] * M * D
    np.testing.assert_allclose(M, M.conj().T, atol=1e-6)
    assert np.linalg.eigvalsh(M + M.conj().T).min() > -1e-6


@settings(max_examples=30)
@given(definite_matrices(), st.booleans())
def test_a_dominant_definite_matrix_is_its_own_surrogate(A, scaled):
    beside = np.asarray(abs(A).sum(axis=1)).ravel() - A.diagonal()
    A = sp.csr_array(A + sp.diags_array(beside))
    if scaled:
        D = sp.diags_array(1.0 / np.sqrt(A.diagonal()))
        A = sp.csr_array(D @ A @ D)
        A = sp.csr_array((A + A.T) / 2 + sp.diags_array(np.asarray(abs(A).sum(axis=1)).ravel() - A.diagonal()))
    np.testing.assert_array_equal(dense_surrogate(A), A.toarray())


def test_bad_scaling_raises_nothing():
    D = sp.diags_array(10.0 ** np.random.default_rng(0).uniform(-4, 4, 64))
    A = sp.csr_array(D @ laplacian(8, shift=0.1) @ D)
    np.testing.assert_array_equal(dense_surrogate(A), A.toarray())


def test_of_a_helmholtz_operator_the_shift_is_taken_away():
    A = laplacian(8)
    inner = np.asarray(abs(A).sum(axis=1)).ravel() == 8.0
    for shifted in (A - 0.5 * sp.eye_array(64), 0.5 * sp.eye_array(64) - A):
        np.testing.assert_allclose(dense_surrogate(shifted)[inner], A.toarray()[inner], atol=5e-3)


@pytest.mark.parametrize("corner", [None, 1e-6, 0.1])
def test_of_a_saddle_point_the_schur_complement_is_found(corner):
    K = saddle_point(6, 9, corner)
    S = dense_surrogate(K)
    B = K.toarray()[36:, :36]
    np.testing.assert_array_equal(S[:36, :36], laplacian(6).toarray())
    np.testing.assert_array_equal(S[36:, :36], 0.0)
    np.testing.assert_allclose(S[36:, 36:], np.diag((B**2 / 4.0).sum(axis=1) + (corner or 0.0)), rtol=1e-12)


def test_a_refresh_is_a_build():
    door, first, second = Door(), saddle_point(5, 7), saddle_point(5, 7)
    second.data *= np.linspace(1.0, 1.5, 80)[np.repeat(0, second.nnz)]
    for name in NAMES:
        method = METHODS[name]
        instances = [door.admit(A, np.ones(32), None, rtol=1e-8, atol=0.0) for A in (first, second)]
        held = method.family.build(instances[0], defaults(method))
        again = method.family.build(instances[1], defaults(method), held)
        fresh = method.family.build(instances[1], defaults(method))
        assert again is held
        np.testing.assert_array_equal(dense_inverse(again, 32, float), dense_inverse(fresh, 32, float))


@settings(max_examples=40)
@given(hermitian_matrices(), st.integers(0, 4))
def test_blocks_are_inverted_by_modulus(A, block):
    n = A.shape[0]
    if A.nnz and 0.0 < np.abs(A.data).max() < 1e-300:
        return
    M = AbsoluteBlockJacobi().build(admit(A), {"block": block})
    inverse, dense = dense_inverse(M, n, A.dtype), A.toarray()
    for t in range(0, n, M.block):
        B, rows = dense[t : t + M.block, t : t + M.block], slice(t, t + M.block)
        values, vectors = np.linalg.eigh(B)
        if np.abs(values).min() > 1e-6 * np.abs(values).max():
            expected = (vectors / np.abs(values)) @ vectors.conj().T
            np.testing.assert_allclose(inverse[rows, rows], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())


@METHOD
@pytest.mark.parametrize("solver", ["minres", "symmlq"])
@pytest.mark.parametrize(
    "A",
    [laplacian(12), laplacian(12, shift=-0.6), -laplacian(9), saddle_point(10, 20), saddle_point(10, 20, 1e-3)],
    ids=["definite", "indefinite", "negative", "saddle point", "quasidefinite"],
)
def test_every_family_solves(name, solver, A):
    method = METHODS[name.replace("minres", solver)]
    b = np.random.default_rng(0).normal(size=A.shape[0])
    progress, _, instance = solve(method, A, b, rtol=1e-10)
    assert progress.status is Status.CONVERGED
    assert instance.merit(progress.x) <= 1e-10 * (1 + 1e-6)
    np.testing.assert_allclose(progress.x, np.linalg.solve(A.toarray(), b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["block_jacobi_minres", "ssor_minres", "ic_minres"])
def test_iterates_with_hermitian_preconditioners_are_optimal(name):
    """The residual in the norm of M⁻¹ is the smallest over the Krylov space of M⁻¹A."""
    A = hermitian(5, shift=-1.0)
    rng = np.random.default_rng(1)
    b = rng.normal(size=25) + 1j * rng.normal(size=25)
    method = METHODS[name]
    M = dense_inverse(method.family.build(admit(A), defaults(method)), 25, complex)
    C = np.linalg.cholesky(0.5 * (M + M.conj().T)).conj().T
    basis = np.linalg.qr(np.array([np.linalg.matrix_power(M @ A.toarray(), k) @ M @ b for k in range(6)]).T)[0]
    smallest = np.linalg.lstsq(C @ A @ basis, C @ b)[0]
    progress, *_ = solve(method, A, b, x0=np.zeros(25, complex), iterations=6)
    np.testing.assert_allclose(progress.x, basis @ smallest, rtol=1e-7, atol=1e-9)


def test_iterations_are_those_of_scipy_with_the_same_preconditioner():
    A, b = laplacian(20, shift=-0.05), np.random.default_rng(2).normal(size=400)
    method = METHODS["ic_minres"]
    progress, prepared, _ = solve(method, A, b, rtol=1e-8)
    count = 0

    def apply(r):
        z = np.empty(400)
        prepared.state.preconditioner.apply(np.ascontiguousarray(r), z)
        return z

    def counting(_):
        nonlocal count
        count += 1

    minres(A, b, M=LinearOperator((400, 400), matvec=apply), rtol=1e-9, callback=counting)
    assert abs(progress.iterations - count) <= 0.2 * count


def test_multigrid_makes_a_slightly_indefinite_system_easy():
    A, b = laplacian(50, shift=-0.02), np.random.default_rng(3).normal(size=2500)
    plain = solve(METHODS["minres"], A, b, rtol=1e-8)[0].iterations
    assert solve(METHODS["amg_minres"], A, b, rtol=1e-8)[0].iterations < plain / 4


def test_states_are_shared_only_where_the_preconditioner_is_the_same():
    assert METHODS["ic_minres"].state_name == METHODS["ic_symmlq"].state_name != METHODS["ic_cg"].state_name
    assert METHODS["block_jacobi_minres"].state_name != METHODS["block_jacobi_gmres"].state_name
    assert METHODS["jacobi_minres"].state_name == METHODS["jacobi_gmres"].state_name


def test_what_they_accept():
    real = LinearTraits(3, 9, symmetric=True, full_diagonal=False, positive_diagonal=False)
    adjoint = LinearTraits(3, 9, False, False, False, complex=True, self_adjoint=True)
    complex_symmetric = LinearTraits(3, 9, True, True, False, complex=True)
    for name in NAMES:
        assert METHODS[name].accepts(real)
        assert METHODS[name].accepts(adjoint) == (name != "amg_minres")
        assert not METHODS[name].accepts(complex_symmetric)
        assert not METHODS[name].accepts(LinearTraits(3, 0, True, False, False, entries=False))


def test_blocks_whose_entries_are_hundreds_of_orders_of_magnitude_apart():
    B = np.zeros((5, 5), dtype=complex)
    # Not rounded, because of nearly all other blocks of this kind LAPACK does find the eigenvalues.
    B[0, 1], B[0, 4] = -2.4130814739253218e61, -3.06447718758599e-07j
    B[0, 3] = -3.258855654793427e89 + 5.314129242368667e89j
    B[1, 2], B[1, 3], B[1, 4] = 1.4332366016082133e-140, 5.639234769929231e-45, 1.9183305992853933e-140
    B[2, 4], B[3, 4] = -7.824814130748122e-209, 2.782252442468919e-112
    A = sp.csr_array(B + B.conj().T)
    inverse = dense_inverse(AbsoluteBlockJacobi().build(admit(A), {"block": 5}), 5, complex)
    assert np.isfinite(inverse).all()
    with pytest.raises(rt.NotConverged):
        rt.Solver(["block_jacobi_minres(block=5)"]).solve(A, np.ones(5, dtype=complex))


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_the_size_of_blocks_does_not_matter(scale):
    A = laplacian(4, shift=-0.6)
    expected = dense_inverse(AbsoluteBlockJacobi().build(admit(A), {"block": 4}), 16, float)
    inverse = dense_inverse(AbsoluteBlockJacobi().build(admit(scale * A), {"block": 4}), 16, float)
    np.testing.assert_allclose(inverse * scale, expected, rtol=1e-10, atol=1e-14)
