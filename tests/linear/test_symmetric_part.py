import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import reiterate as rt
from reiterate.linear.door import Door
from reiterate.linear.symmetric_part import symmetric_part
from tests.matrices import laplacian


def convection_diffusion(m, wind):
    """Central differences on an m × m grid: the skew part is the wind."""
    D = sp.diags_array([-0.5, 0.5], offsets=[-1, 1], shape=(m, m))
    skew = sp.kron(sp.eye_array(m), D) + sp.kron(D, sp.eye_array(m))
    return sp.csr_array(laplacian(m) + wind * skew)


@given(st.integers(1, 20), st.floats(0.0, 0.5), st.integers(0, 2**32 - 1))
def test_the_symmetric_part_of_any_matrix(n, density, seed):
    rng = np.random.default_rng(seed)
    A = sp.csr_array(sp.random_array((n, n), density=density, rng=rng) + sp.diags_array(rng.uniform(1, 2, n)))
    instance = Door().admit(A, np.ones(n), None, rtol=1e-8, atol=0.0)
    twin = symmetric_part(instance)
    indices, indptr = twin.pattern.indices.view(np.int32), twin.pattern.indptr.view(np.int32)
    dense = sp.csr_array((twin.data, indices, indptr), shape=(n, n)).toarray()
    np.testing.assert_allclose(dense, (A.toarray() + A.toarray().T) / 2)
    np.testing.assert_array_equal(instance.A.toarray(), A.toarray())


@pytest.mark.parametrize("method", ["amg_gmres", "amg_bicgstab", "amg_idr"])
def test_iterations_hardly_depend_on_the_mesh(method):
    counts = []
    for m in (24, 48):
        A, b = convection_diffusion(m, 4.0 / m), np.random.default_rng(0).normal(size=m * m)
        solver = rt.Solver([f"{method}(theta=0.02)"], fallback=None, cost="work")
        x = solver.solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
        counts.append(solver.last.iterations)
    assert counts[1] <= 1.6 * counts[0] + 2


def test_numbers_are_refreshed_on_a_known_pattern():
    rng = np.random.default_rng(1)
    solver = rt.Solver(["amg_gmres(theta=0.02)"], fallback=None, cost="iterations")
    for wind in (0.1, 0.2, 0.4):
        A, b = convection_diffusion(30, wind), rng.normal(size=900)
        x = solver.solve(A, b)
        assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
