"""IDR(s): finite termination, its place between BiCGStab and GMRES, reproducibility."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from reiterate.contracts import Status
from reiterate.linear.gmres import GeneralizedMinimalResidual
from reiterate.linear.identity import Identity
from reiterate.linear.idr import InducedDimensionReduction, _draw_orthonormal
from reiterate.linear.jacobi import Jacobi
from tests.linear.nonsymmetric import convection_diffusion, solve

PLAIN = InducedDimensionReduction(Identity())
SCALED = InducedDimensionReduction(Jacobi())


@settings(max_examples=60)
@given(st.integers(1, 24), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_it_ends_after_n_and_n_over_s_products(n, s, seed):
    rng = np.random.default_rng(seed)
    A = sp.csr_array(np.eye(n) + 0.4 / np.sqrt(n) * rng.normal(size=(n, n)))
    b, x0 = rng.normal(size=(2, n))
    progress, _, instance = solve(PLAIN, A, b, x0=x0, rtol=1e-7, s=s)
    assert progress.status is Status.CONVERGED
    assert progress.iterations <= n + int(np.ceil(n / min(s, n))) + 1
    assert instance.merit(progress.x) <= 1e-7 * (1 + 1e-6)


@pytest.mark.parametrize("s", [1, 4, 8])
def test_no_space_is_left_sooner_than_gmres_leaves_it(s):
    A = convection_diffusion(12)
    b = np.random.default_rng(0).normal(size=144)
    optimal, *_ = solve(GeneralizedMinimalResidual(Identity()), A, b, rtol=1e-8, restart=144)
    progress, *_ = solve(PLAIN, A, b, rtol=1e-8, s=s)
    assert progress.status is Status.CONVERGED
    assert optimal.iterations <= progress.iterations <= 2 * optimal.iterations


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(("s", "n"), [(1, 1), (4, 4), (4, 5), (6, 3000)])
def test_shadow_vectors_are_orthonormal(s, n, dtype):
    rows = np.empty((s, n), dtype)
    _draw_orthonormal(np.random.default_rng(0), rows)
    np.testing.assert_allclose(rows.conj() @ rows.T, np.eye(s), atol=1e-14)


def test_runs_are_reproducible():
    A, b = convection_diffusion(8), np.ones(64)
    first, *_ = solve(PLAIN, A, b, rtol=1e-8)
    second, *_ = solve(PLAIN, A, b, rtol=1e-8)
    np.testing.assert_array_equal(first.x, second.x)


@pytest.mark.parametrize("factor", [1e-100, 1e100])
def test_scale_does_not_matter(factor):
    A, b = convection_diffusion(8), np.random.default_rng(2).normal(size=64)
    for scaled_b in (b, factor * b):
        progress, *_ = solve(PLAIN, factor * A, scaled_b, rtol=1e-9)
        assert progress.status is Status.CONVERGED
