"""Everything that comes to the door: taken in without loss, or refused by name with a remedy."""

import gc
import weakref
from copy import deepcopy

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
from reiterate.linear.door import Door
from tests.matrices import definite_matrices, laplacian

A = laplacian(5, shift=0.3)
B = np.random.default_rng(0).normal(size=25)
X = np.linalg.solve(A.toarray(), B)


def unsorted_with_duplicates():
    coo = A.tocoo()
    rows, cols, data = (np.concatenate([v, v]) for v in (coo.coords[0], coo.coords[1], coo.data / 2))
    shuffled = np.random.default_rng(1).permutation(rows.size)
    order = shuffled[np.argsort(rows[shuffled], kind="stable")]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=25))])
    return sp.csr_array((data[order], cols[order], indptr), shape=A.shape)


def explicit_zeros():
    matrix = A.tolil().tocsr()
    extra = sp.csr_array((np.zeros(25), (np.arange(25), (np.arange(25) + 7) % 25)), shape=A.shape)
    coo, zeros = matrix.tocoo(), extra.tocoo()
    keep = np.array([matrix[i, j] == 0 for i, j in zip(*zeros.coords, strict=True)])
    rows = np.concatenate([coo.coords[0], zeros.coords[0][keep]])
    cols = np.concatenate([coo.coords[1], zeros.coords[1][keep]])
    data = np.concatenate([coo.data, zeros.data[keep]])
    order = np.lexsort((cols, rows))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=25))])
    return sp.csr_array((data[order], cols[order], indptr), shape=A.shape)


def long_indices():
    matrix = A.copy()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def read_only():
    matrix = A.copy()
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix


def spare_capacity():
    matrix = A.copy()
    matrix.data = np.concatenate([matrix.data, [7.0, 8.0]])
    matrix.indices = np.concatenate([matrix.indices, [0, 1]]).astype(np.int32)
    return matrix


FORMS = {
    **{f"{name} array": getattr(sp, f"{name}_array")(A) for name in ("csr", "csc", "coo", "dia", "bsr", "lil", "dok")},
    **{f"{name} matrix": getattr(sp, f"{name}_matrix")(A) for name in ("csr", "csc", "coo", "dia", "bsr")},
    "dense": A.toarray(),
    "list of lists": A.toarray().tolist(),
    "float32": A.astype(np.float32),
    "unsorted with duplicates": unsorted_with_duplicates(),
    "explicit zeros": explicit_zeros(),
    "int64 indices": long_indices(),
    "read-only": read_only(),
    "spare capacity": spare_capacity(),
}


@pytest.mark.parametrize("method", ["cg", "ssor_cg(omega=1.4)", "sor(omega=1.2)", "direct"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_matrix_is_solved_and_left_alone(form, method):
    matrix = FORMS[form]
    before = deepcopy(matrix)
    x = rt.Solver([method], rtol=1e-10, fallback=None).solve(matrix, B)
    np.testing.assert_allclose(x, X, rtol=1e-5 if form == "float32" else 1e-7, atol=1e-7)
    if sp.issparse(matrix):
        assert matrix.format == before.format
        assert matrix.dtype == before.dtype
        if matrix.format in ("csr", "csc", "bsr"):
            for name in ("data", "indices", "indptr"):
                np.testing.assert_array_equal(getattr(matrix, name), getattr(before, name))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint16, bool])
def test_whole_numbers_are_converted(dtype):
    matrix = sp.csr_array(np.array([[2, 1], [1, 3]]) if dtype is not bool else np.eye(2)).astype(dtype)
    b = np.array([1, 2]).astype(dtype)
    x = rt.Solver().solve(matrix, b)
    np.testing.assert_allclose(matrix.astype(float) @ x, b.astype(float), atol=1e-7)


def test_vectors_in_other_forms():
    for b in (B.tolist(), B.astype(np.float32), np.ascontiguousarray(np.stack([B, B], 1))[:, 0], B[::-1][::-1]):
        x = rt.Solver(["cg"]).solve(A, b, x0=[0] * 25)
        np.testing.assert_allclose(x, X, rtol=1e-5, atol=1e-6)


@given(definite_matrices(), st.integers(0, 2**32 - 1))
def test_inputs_are_never_modified_and_the_result_is_new(matrix, seed):
    rng = np.random.default_rng(seed)
    b, x0 = rng.normal(size=(2, matrix.shape[0]))
    copies = [v.copy() for v in (matrix.data, matrix.indices, matrix.indptr, b, x0)]
    solver = rt.Solver(seed=seed, learner="uniform", cost="work")
    results = [solver.solve(matrix, b, x0=x0) for _ in range(3)]
    for array, copy in zip((matrix.data, matrix.indices, matrix.indptr, b, x0), copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    for x in results:
        assert not np.may_share_memory(x, x0)
        assert not np.may_share_memory(x, b)
    assert not np.may_share_memory(results[0], results[1])


def spoiled(value, position=3):
    matrix = A.copy()
    matrix.data[position] = value
    return matrix


def vector(value):
    v = B.copy()
    v[7] = value
    return v


REFUSALS = {
    "not square": (sp.csr_array((3, 4)), np.ones(3), None, "A", "(3, 4); it must be square"),
    "one-dimensional": (np.ones(4), np.ones(4), None, "A", "square sparse matrix"),
    "empty": (sp.csr_array((0, 0)), np.ones(0), None, "A", "nothing to solve"),
    "text": (np.array([["a"]]), np.ones(1), None, "A", "numbers are needed"),
    "object matrix": (np.array([[1.0, None], [0.0, 1.0]], dtype=object), np.ones(2), None, "A", ".astype(float)"),
    "long complex matrix": (np.eye(25, dtype=np.clongdouble), B, None, "A", "lose digits"),
    "huge integers": (sp.csr_array(np.array([[2**60 + 1]])), np.ones(1), None, "A", "2**53"),
    "NaN in A": (spoiled(np.nan), B, None, "A", "entry (1, 0) is nan"),
    "inf in A": (spoiled(np.inf), B, None, "A", "1 of the 105 entries"),
    "NaN on the diagonal": (spoiled(np.nan, 0), B, None, "A", "entry (0, 0) is nan"),
    "NaN in an unsymmetric A": (sp.csr_array(np.array([[1.0, np.nan], [0.0, 1.0]])), np.ones(2), None, "A", "(0, 1)"),
    "NaN without a diagonal": (sp.csr_array(np.array([[0.0, np.nan], [1.0, 1.0]])), np.ones(2), None, "A", "(0, 1)"),
    "short b": (A, B[:-1], None, "b", "shape (24,); A has 25 rows, so it must be (25,)"),
    "b with three axes": (A, np.ones((25, 2, 2)), None, "b", "shape (25, 2, 2)"),
    "b lying down": (A, np.ones((1, 25)), None, "b", "shape (1, 25)"),
    "ragged b": (A, [[1], [1, 2]], None, "b", "cannot be made an array"),
    "no b": (A, None, None, "b", "is None"),
    "masked b": (A, np.ma.masked_array(B, B > 0), None, "b", "masked"),
    "huge b": (A, np.full(25, 1e308), None, "b", "norm"),
    "b scalar": (A, 1.0, None, "b", "shape ()"),
    "sparse b": (A, sp.csr_array(np.ones((25, 1))), None, "b", "dense array"),
    "NaN in b": (A, vector(np.nan), None, "b", "entry 7 is nan"),
    "inf in b": (A, vector(-np.inf), None, "b", "entry 7 is -inf"),
    "object b": (A, np.array([None] * 25), None, "b", "dtype object"),
    "longdouble b": (A, B.astype(np.longdouble), None, "b", "lose digits"),
    "long x0": (A, B, np.ones(26), "x0", "shape (26,)"),
    "NaN in x0": (A, B, vector(np.nan), "x0", "entry 7 is nan"),
    "text x0": (A, B, ["x"] * 25, "x0", "numbers are needed"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_used_is_refused_by_name_and_nothing_is_lost(case):
    matrix, b, x0, argument, words = REFUSALS[case]
    solver = rt.Solver(seed=0)
    solver.solve(A, B)
    with pytest.raises(rt.InvalidInput) as caught:
        solver.solve(matrix, b, x0=x0)
    assert caught.value.argument == argument
    assert str(caught.value).startswith(f"{argument}: ")
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert solver.history.solves == 1
    np.testing.assert_allclose(solver.solve(A, B), X, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("context", [3.0, {"dt": "x"}, {"dt": np.nan}, {"dt": None}, {"dt": [1.0, 2.0]}])
def test_a_context_of_other_things_than_numbers_is_refused(context):
    with pytest.raises(rt.InvalidInput) as caught:
        rt.Solver().solve(A, B, context=context)
    assert caught.value.argument == "context"


def test_a_broken_structure_is_refused():
    matrix = A.copy()
    matrix.indices = matrix.indices.copy()
    matrix.indices[-1] = 99
    with pytest.raises(rt.InvalidInput, match="column indices lie outside"):
        rt.Solver().solve(matrix, B)


def test_the_pattern_is_recognized_by_content():
    door = Door()
    first = door.admit(A, B, None, rtol=1e-8, atol=0.0)
    assert door.admit(A, B, None, rtol=1e-8, atol=0.0).pattern is first.pattern
    assert door.admit(A.copy(), B, None, rtol=1e-8, atol=0.0).pattern is first.pattern
    assert door.admit(long_indices(), B, None, rtol=1e-8, atol=0.0).pattern is first.pattern
    assert door.admit(laplacian(5, 1), np.ones(5), None, rtol=1e-8, atol=0.0).pattern is not first.pattern


def test_traits():
    def traits(matrix):
        return Door().admit(matrix, np.ones(matrix.shape[0]), None, rtol=1e-8, atol=0.0).traits

    assert traits(A).maybe_definite
    assert traits(explicit_zeros()).symmetric
    assert traits(-A).negated
    assert not traits(sp.csr_array(np.array([[1.0, 2.0], [0.0, 1.0]]))).symmetric
    hollow = traits(sp.csr_array(np.array([[0.0, 1.0], [1.0, 1.0]])))
    assert hollow.symmetric
    assert not hollow.full_diagonal
    slightly = A.copy()
    slightly.data[1] *= 1 + 1e-15
    assert traits(slightly).symmetric
    slightly.data[1] *= 1 + 1e-6
    assert not traits(slightly).symmetric


def test_matrices_of_the_past_are_let_go():
    door = Door()
    matrices = [laplacian(5, shift=float(k)) for k in range(6)]
    kept = [weakref.ref(matrix.data) for matrix in matrices]
    for matrix in matrices:
        door.admit(matrix, B, None, rtol=1e-8, atol=0.0)
    del matrix, matrices
    gc.collect()
    assert sum(reference() is not None for reference in kept) <= 1


def test_the_columns_of_a_block_share_one_copy_of_the_entries():
    rng = np.random.default_rng(0)
    A = sp.random_array((3000, 3000), density=2e-3, rng=rng, format="csr") + sp.eye_array(3000)
    door, B = Door(), rng.normal(size=(3000, 3))
    instance = door.admit_block(sp.csr_array(A), B, None, rtol=1e-8, atol=0.0).instance
    assert instance.pattern.groups is not None
    operator = instance.columns[0].operator
    assert all(column.operator is operator for column in instance.columns)
    held = weakref.ref(operator)
    again = door.admit(sp.csr_array(A), B[:, 0], None, rtol=1e-8, atol=0.0)
    assert again.operator is not operator  # its entries may lie elsewhere, or have been overwritten
    del instance, operator
    gc.collect()
    assert held() is None  # nor does anything hold the copy when they are solved
