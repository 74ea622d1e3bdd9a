"""Sparse right-hand sides, single precision, and operators that have a sparse matrix inside."""

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl

import reiterate as rt
from tests.intercept.outcomes import assert_same, outcome
from tests.matrices import laplacian

pytestmark = pytest.mark.usefixtures("either")

A = sp.csc_array(laplacian(7, 2, shift=0.3))
N = A.shape[0]
PARTS = sp.csc_array(sp.block_diag((A, 2.0 * A, sp.eye_array(5))))


def right_side(n: int, k: int, dtype=np.float64, form: str = "csc") -> sp.sparray:
    b = sp.random_array((n, k), density=0.1, rng=np.random.default_rng(k), dtype=np.float64)
    b = b.tolil()
    b[0, 0] = 2.0
    return (b * 7).astype(dtype).asformat(form)


def both(call, answered=True):
    plain = outcome(call)
    with rt.tuned_scipy() as session:
        ours = outcome(call)
    (site,) = session.sites
    assert (site.solves > site.left_to_scipy) is answered
    return plain, ours


def assert_same_sparse(plain, ours, rtol=1e-9):
    assert_same(plain, ours, rtol)
    for name in ("indices", "indptr"):
        theirs, found = getattr(plain[0], name), getattr(ours[0], name)
        assert found.dtype == theirs.dtype
        np.testing.assert_array_equal(found, theirs)
    assert ours[0].has_canonical_format == plain[0].has_canonical_format


@pytest.mark.parametrize("kind", [sp.csc_array, sp.csc_matrix])
@pytest.mark.parametrize("matrix", [A, PARTS], ids=["connected", "parts"])
@pytest.mark.parametrize("form", ["csc", "csr", "coo"])
@pytest.mark.parametrize("k", [2, 5])
def test_several_sparse_columns(kind, matrix, form, k):
    b = right_side(matrix.shape[0], k, form=form)
    assert_same_sparse(*both(lambda: spl.spsolve(kind(matrix), b)))


@pytest.mark.parametrize("form", ["csc", "csr", "coo", "lil"])
def test_a_sparse_column_has_a_dense_solution(form):
    b = right_side(N, 1, form=form)
    plain, ours = both(lambda: spl.spsolve(A, b))
    assert_same(plain, ours)
    assert ours[0].shape == (N,)


def test_a_sparse_vector():
    b = sp.coo_array(np.arange(N) % 3 * 1.0)
    assert b.ndim == 1
    assert_same(*both(lambda: spl.spsolve(A, b)))


@pytest.mark.parametrize("form", ["csr", "coo"])
def test_a_matrix_in_another_format(form):
    b = right_side(N, 3)
    plain, ours = both(lambda: spl.spsolve(A.asformat(form), b))
    if form == "csr":
        for told in (plain[2], ours[2]):  # SciPy names a line of its own there, we that of the program
            told[:] = [warning[:2] for warning in told]
    assert_same_sparse(plain, ours)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.float32, np.complex64, np.complex128])
@pytest.mark.parametrize("k", [1, 3])
def test_other_numbers(dtype, k):
    b = right_side(N, k, dtype)
    plain, ours = both(lambda: spl.spsolve(A, b))
    (assert_same if k == 1 else assert_same_sparse)(plain, ours)


@pytest.mark.parametrize(
    ("matrix", "k"),
    [
        (sp.csc_array(sp.tril(A)), 3),  # solutions are as sparse as the matrix makes them
        (A, 65),
        (sp.csc_array(A.multiply(np.arange(N) != 3)), 3),
    ],
    ids=["triangular", "many", "singular"],
)
def test_what_is_left_to_scipy(matrix, k):
    b = right_side(N, k)
    plain, ours = both(lambda: spl.spsolve(matrix, b), answered=False)
    assert_same(plain, ours)


def test_entries_that_are_stored_as_zeros_join_nothing():
    b, joined = right_side(PARTS.shape[0], 3), PARTS.tolil()
    joined[0, N] = joined[N, 0] = 1.0
    joined = joined.tocsc()
    joined.data[joined.data == 1.0] *= 1.0
    joined[0, N] = joined[N, 0] = 0.0
    assert joined.nnz == PARTS.nnz + 2
    assert_same_sparse(*both(lambda: spl.spsolve(joined, b)))


def test_sparse_columns_are_audited():
    b = right_side(N, 3)
    expected = spl.spsolve(A, b)
    with rt.tuned_scipy(audit=1.0) as session:
        x = spl.spsolve(A, b)
    (site,) = session.sites
    assert site.before == "audited"
    assert site.disagreement < 1e-9
    np.testing.assert_allclose(x.toarray(), expected.toarray(), rtol=1e-9)


def test_the_matrix_and_the_right_side_stay_as_they_are():
    b, matrix = right_side(N, 3), A.copy()
    with rt.tuned_scipy():
        spl.spsolve(matrix, b)
    assert (matrix != A).nnz == (b != right_side(N, 3)).nnz == 0


SINGLE = [np.float32, np.complex64]


@pytest.mark.parametrize("dtype", SINGLE)
@pytest.mark.parametrize("side", [np.float32, np.complex64, np.int8, np.bool_, np.int32, np.float64, np.complex128])
@pytest.mark.parametrize("shape", [(N,), (N, 1), (N, 3)], ids=str)
@pytest.mark.parametrize("form", ["csc", "csr"])
def test_single_precision_in_spsolve(dtype, side, shape, form):
    matrix, b = A.asformat(form).astype(dtype), (np.arange(np.prod(shape)).reshape(shape) % 5).astype(side)
    plain, ours = both(lambda: spl.spsolve(matrix, b))
    assert_same(plain, ours, 1e-5)
    assert matrix.dtype == dtype


@pytest.mark.parametrize("dtype", SINGLE)
@pytest.mark.parametrize("trans", ["N", "T", "H"])
@pytest.mark.parametrize("side", [np.float32, np.int8, np.complex64])
def test_single_precision_in_splu(dtype, trans, side):
    matrix = (A + sp.diags_array([0.5], offsets=[1], shape=A.shape)).tocsc().astype(dtype)
    b = (np.arange(N) % 5).astype(side)
    can = np.can_cast(side, dtype, "safe")
    plain, ours = both(lambda: spl.splu(matrix).solve(b, trans), answered=can)
    assert_same(plain, ours, 1e-5)


def test_factors_of_single_precision_are_scipys():
    matrix = A.astype(np.float32)
    plain = spl.splu(matrix)
    with rt.tuned_scipy():
        factors = spl.splu(matrix)
        factors.solve(np.ones(N, np.float32))
        assert factors.L.dtype == plain.L.dtype == np.float32
        np.testing.assert_array_equal(factors.U.toarray(), plain.U.toarray())


@pytest.mark.parametrize("function", ["factorized", "spilu"])
def test_single_precision_in_other_factors(function):
    matrix, b = A.astype(np.float32), np.ones(N, np.float32)

    def call():
        made = getattr(spl, function)(matrix)
        return made(b) if function == "factorized" else made.solve(b)

    assert_same(*both(call, answered=function == "factorized"), 1e-5)


def test_single_precision_is_more_exact_than_scipys():
    matrix, b = laplacian(30, 2).tocsc().astype(np.float32), np.random.default_rng(0).random(900).astype(np.float32)
    exact = spl.spsolve(matrix.astype(np.float64), b)
    theirs = spl.spsolve(matrix, b)
    with rt.tuned_scipy():
        ours = spl.spsolve(matrix, b)
    assert np.abs(ours - exact).max() <= np.abs(theirs - exact).max()


def test_answers_that_single_precision_cannot_hold_are_scipys():
    matrix = (A * 1e-30).astype(np.float32)
    plain, ours = both(lambda: spl.spsolve(matrix, np.full(N, 1e15, np.float32)), answered=False)
    assert ours[1:] == plain[1:]
    np.testing.assert_array_equal(ours[0], plain[0])


@pytest.mark.parametrize("name", ["cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "minres", "gcrotmk", "tfqmr"])
@pytest.mark.parametrize("dtype", [*SINGLE, np.float64])
@pytest.mark.parametrize("side", [*SINGLE, np.int64, np.float64])
def test_single_precision_in_krylov_methods(name, dtype, side):
    if name == "minres" and np.complex64 in (dtype, side):
        pytest.skip("it knows real numbers only")
    matrix, b = A.astype(dtype), (1 + np.arange(N) % 5).astype(side)
    scipys = name == "tfqmr" and dtype in SINGLE and side is np.int64
    plain, ours = both(lambda: getattr(spl, name)(matrix, b, rtol=1e-5), answered=not scipys)
    assert_same(plain, ours, 1e-3)


def test_what_single_precision_cannot_reach_is_scipys():
    matrix, b = laplacian(30, 2).astype(np.float32), np.ones(900, np.float32)
    plain, ours = both(lambda: spl.cg(matrix, b, rtol=1e-7), answered=False)
    assert_same(plain, ours)


@pytest.mark.parametrize("matrix", [A, sp.csc_matrix(A), A.astype(np.float32)], ids=["array", "matrix", "single"])
def test_an_operator_with_a_sparse_matrix_inside_is_that_matrix(matrix):
    operator, b = spl.aslinearoperator(matrix), np.ones(N, matrix.dtype)
    plain, ours = both(lambda: spl.cg(operator, b, rtol=1e-6))
    assert_same(plain, ours, 1e-4)


class _Doubling(type(spl.aslinearoperator(A))):
    def _matvec(self, x):
        return 2.0 * (self.A @ x)


@pytest.mark.parametrize(
    "operator",
    [
        A.toarray(),
        spl.aslinearoperator(A.toarray()),
        spl.LinearOperator(A.shape, matvec=lambda x: A @ x, dtype=np.float64),
        spl.aslinearoperator(A) * 2.0,
        _Doubling(A),
    ],
    ids=["dense", "dense inside", "function", "scaled", "subclass"],
)
def test_dense_matrices_and_operators_are_left_to_scipy(operator):
    plain, ours = both(lambda: spl.cg(operator, np.ones(N), rtol=1e-10), answered=False)
    assert_same(plain, ours, 0.0)


@pytest.mark.parametrize("name", ["cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "minres", "gcrotmk", "tfqmr"])
def test_a_callback_sees_scipys_own_iterates(name):
    seen = []
    more = {"callback_type": "x"} if name == "gmres" else {}

    def call():
        seen.append([])
        return getattr(spl, name)(A, np.ones(N), rtol=1e-8, callback=lambda x: seen[-1].append(np.copy(x)), **more)

    plain, ours = both(call, answered=False)
    assert_same(plain, ours, 0.0)
    theirs, found = seen
    assert theirs
    np.testing.assert_array_equal(found, theirs)
