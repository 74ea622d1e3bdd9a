import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator, bicgstab, cg, gmres, minres

import reiterate as rt
from reiterate.errors import Breakdown
from reiterate.integrations import TunedPreconditioner
from tests.matrices import laplacian


def nonsymmetric(m=20, wind=0.4):
    A = laplacian(m)
    return sp.csr_array(A + sp.diags_array([wind, -wind], offsets=[1, -1], shape=A.shape))


def test_accelerates_conjugate_gradients_on_a_drifting_matrix():
    A = laplacian(30)
    b = np.ones(900)
    M = rt.integrations.preconditioner(A)
    plain = []
    cg(A, b, rtol=1e-10, callback=plain.append)
    counts = []
    for step in range(12):
        B = sp.csr_array(A + sp.diags_array(0.01 * step * np.linspace(0, 1, 900)))
        M.update(B)
        xs = []
        x, info = cg(B, b, rtol=1e-10, M=M, callback=xs.append)
        assert info == 0
        assert np.linalg.norm(b - B @ x) <= 1e-9 * np.linalg.norm(b)
        counts.append(len(xs))
    assert np.median(counts) < 0.7 * len(plain)
    M.report()
    assert sum(state.rounds for state in M._states) == 12
    assert sum(state.applications for state in M._states) >= sum(counts)


@pytest.mark.parametrize("name", ["jacobi", "ic(modification=0.0)", "ict(tau=0.01)", "amg", "factor"])
def test_every_definite_preconditioner_is_symmetric_and_positive(name):
    A = laplacian(9)
    M = rt.integrations.preconditioner(A, [name])
    dense = np.column_stack([M @ column for column in np.eye(81)])
    assert np.allclose(dense, dense.T, rtol=0, atol=1e-5 * np.abs(dense).max())
    assert np.linalg.eigvalsh((dense + dense.T) / 2).min() > 0.0


@pytest.mark.parametrize("name", ["jacobi", "ssor(omega=1.2)", "ilu", "ilut", "amg", "factor"])
def test_every_general_preconditioner_helps_gmres(name):
    A = nonsymmetric(12)
    b = np.ones(144)
    M = rt.integrations.preconditioner(A, [name])
    x, info = gmres(A, b, M=M, rtol=1e-10, restart=60, maxiter=60)
    assert info == 0
    assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
    assert M.configuration.method == name.split("(")[0]


def test_indefinite_and_negative_matrices():
    A = sp.csr_array(laplacian(15) - 1.3 * sp.eye_array(225))
    b = np.ones(225)
    M = rt.integrations.preconditioner(A)
    for _ in range(4):
        x, info = minres(A, b, M=M, rtol=1e-12, maxiter=2000)
        assert info == 0
        assert np.linalg.norm(b - A @ x) <= 1e-6 * np.linalg.norm(b)
        M.report()
    N = rt.integrations.preconditioner(-laplacian(15), ["factor"])
    assert np.allclose(N @ (-laplacian(15) @ b), b, rtol=0, atol=1e-10)


def test_complex_numbers():
    A = nonsymmetric(10)
    M = rt.integrations.preconditioner(A, ["factor"])
    r = np.ones(100) + 2j * np.arange(100)
    assert np.allclose(M @ (A @ r), r)
    C = sp.csr_array(A + 0.3j * sp.eye_array(100))
    M = rt.integrations.preconditioner(C)
    x, info = bicgstab(C, r, M=M, rtol=1e-10)
    assert info == 0
    assert np.linalg.norm(r - C @ x) <= 1e-9 * np.linalg.norm(r)


def test_blocks_and_adjoints():
    A = laplacian(8)
    M = rt.integrations.preconditioner(A, ["ic(modification=0.0)"])
    R = np.random.default_rng(0).standard_normal((64, 3))
    assert np.allclose(M @ R, np.column_stack([M @ r for r in R.T]))
    assert np.allclose(M.H @ R[:, 0], M @ R[:, 0])
    with pytest.raises(NotImplementedError, match="adjoint"):
        rt.integrations.preconditioner(nonsymmetric(8)).rmatvec(R[:, 0])


def test_constant_between_two_updates():
    A = laplacian(20)
    M = rt.integrations.preconditioner(A, seed=3)
    r = np.random.default_rng(0).standard_normal(400)
    for step in range(6):
        first = M @ r
        chosen = M.configuration
        assert np.array_equal(M @ r, first)
        assert M.configuration is chosen
        M.update(sp.csr_array(A * (1.0 + step)))
        assert M.configuration is None


def test_old_states_are_renewed_in_the_end():
    A = laplacian(20)
    M = rt.integrations.preconditioner(A, ["ic(modification=0.0)"])
    ages = []
    for step in range(30):
        B = sp.csr_array(A + sp.diags_array(np.full(400, 4.0**step * 1e-3)))
        M.update(B)
        cg(B, np.ones(400), M=M, rtol=1e-10)
        ages.append(M._number - M._states[0].prepared_for)
    assert 0 < max(ages) < 29


def test_what_breaks_down_gives_way():
    A = sp.csr_array(np.array([[1.0, 2.0], [2.0, 1.0]]))  # looks definite, and is not
    M = rt.integrations.preconditioner(A, ["factor", "jacobi"], learner="uniform", seed=0)
    for _ in range(20):
        assert np.all(np.isfinite(M @ np.ones(2)))
        M.report()
    assert M._states[0].broken
    assert "broke down" in M.summary()
    with pytest.raises(Breakdown, match="no preconditioner can be built"):
        rt.integrations.preconditioner(A, ["factor"]) @ np.ones(2)


def test_a_matrix_that_loses_its_symmetry():
    M = rt.integrations.preconditioner(laplacian(12))
    M @ np.ones(144)
    A = nonsymmetric(12)
    M.update(A)
    assert "ilu" in {configuration.method for configuration in M.configurations}
    _, info = gmres(A, np.ones(144), M=M, rtol=1e-10)
    assert info == 0


def test_reports():
    M = rt.integrations.preconditioner(laplacian(8), ["jacobi"])
    M.report()
    assert M._states[0].rounds == 0, "nothing was applied"
    M @ np.ones(64)
    M.report(iterations=12)
    assert M._states[0].rounds == 1
    for wrong in (-1, 2.5, True, "many"):
        with pytest.raises(rt.InvalidInput, match="iterations"):
            M.report(wrong)


def test_the_matrix_is_not_modified():
    A = laplacian(10)
    kept = A.copy()
    M = rt.integrations.preconditioner(A)
    r = np.ones(100)
    M @ r
    assert (kept != A).nnz == 0
    assert np.all(r == 1.0)


def test_bad_input():
    A = laplacian(6)
    M = rt.integrations.preconditioner(A)
    with pytest.raises(rt.InvalidInput, match=r"A.*shape"):
        M.update(laplacian(7))
    with pytest.raises(rt.InvalidInput, match="type"):
        M.update(A + 1j * A)
    with pytest.raises(rt.InvalidInput, match="A"):
        rt.integrations.preconditioner("matrix")
    with pytest.raises(rt.InvalidInput, match="A"):
        rt.integrations.preconditioner(sp.csr_array(np.ones((2, 3))))
    with pytest.raises(rt.InvalidInput, match="only products"):
        rt.integrations.preconditioner(aslinearoperator(A))
    with pytest.raises(rt.InvalidInput, match=r"configurations.*ilu"):
        rt.integrations.preconditioner(A, ["ilu"])
    with pytest.raises(rt.InvalidInput, match="configurations"):
        rt.integrations.preconditioner(A, [])
    with pytest.raises(rt.InvalidInput, match="learner"):
        rt.integrations.preconditioner(A, learner="no_such_learner")
    with pytest.raises(ValueError, match="dimension"):
        M @ np.ones(5)


def test_a_singular_matrix_still_has_preconditioners():
    A = sp.csr_array(np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]))
    M = rt.integrations.preconditioner(A)
    assert np.all(np.isfinite(M @ np.ones(3)))


def test_public_name():
    assert isinstance(rt.integrations.preconditioner(laplacian(3)), TunedPreconditioner)
