"""Programs that prescribe values by rows of their own get methods for symmetric matrices."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse import linalg

import reiterate as rt
from tests.matrices import laplacian


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("function", ["spsolve", "factorized", "splu", "transposed", "gmres"])
def test_calls_with_dirichlet_rows(function):
    n = 24
    walls = np.arange(n * n) < 2 * n
    A = sp.csc_matrix(sp.diags_array(1.0 * ~walls) @ laplacian(n) + sp.diags_array(1.0 * walls))
    rng = np.random.default_rng(0)
    with rt.tuned_scipy() as session:
        for _ in range(4):
            b = rng.normal(size=n * n)
            if function == "spsolve":
                x = linalg.spsolve(A, b)
            elif function == "factorized":
                x = linalg.factorized(A)(b)
            elif function == "gmres":
                x, info = linalg.gmres(A, b, rtol=1e-10)
                assert info == 0
            else:
                x = linalg.splu(A).solve(b, "N" if function == "splu" else "T")
            product = A.T @ x if function == "transposed" else A @ x
            assert np.linalg.norm(b - product) <= 1e-9 * np.linalg.norm(b)
    summaries = [site.solver.summary() for site in session._sites.values() if site.solver is not None]
    assert any("eliminated" in summary for summary in summaries)
