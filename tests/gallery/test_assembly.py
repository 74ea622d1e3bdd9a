import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reiterate.gallery.assembly import Assembly


@given(st.integers(4, 9), st.integers(1, 8), st.integers(1, 4), st.integers(0, 1000))
def test_equals_adding_element_by_element(size, elements, k, seed):
    rng = np.random.default_rng(seed)
    unknowns = np.array([rng.permutation(size)[:k] for _ in range(elements)])
    unknowns[rng.random(unknowns.shape) < 0.2] = -1
    matrices, vectors = rng.standard_normal((elements, k, k)), rng.standard_normal((elements, k))
    A, b = np.zeros((size + 1, size + 1)), np.zeros(size + 1)  # the last row and column take what is known
    for unknown, matrix, vector in zip(unknowns, matrices, vectors, strict=True):
        np.add.at(A, (unknown[:, None], unknown[None, :]), matrix)
        np.add.at(b, unknown, vector)
    assembly = Assembly(unknowns, size)
    found = assembly.matrix(matrices)
    assert found.has_canonical_format
    np.testing.assert_allclose(found.toarray(), A[:-1, :-1], atol=1e-13)
    np.testing.assert_allclose(assembly.vector(vectors), b[:-1], atol=1e-13)
    symmetric = assembly.matrix(matrices + matrices.transpose(0, 2, 1))
    np.testing.assert_array_equal(symmetric.toarray(), symmetric.toarray().T)
    assert np.shares_memory(symmetric.indptr, found.indptr)
