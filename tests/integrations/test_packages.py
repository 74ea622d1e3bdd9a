"""What is missing is said, with the extra that brings it along."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.errors import NotConverged
from reiterate.integrations import _packages
from reiterate.integrations._packages import require
from reiterate.integrations._streams import Streams, backward_error
from tests.matrices import laplacian


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(ImportError, match=r"integrations\.fipy needs FiPy.*pip install 'reiterate\[fipy\]'"):
        require("no_such_package_at_all", "FiPy", "fipy")


def test_a_package_that_is_too_old_is_named(monkeypatch):
    monkeypatch.setattr(_packages, "_version", lambda package: "3.4.5")
    with pytest.raises(ImportError, match=r"needs fipy 4 or later, and found 3\.4\.5"):
        require("numpy", "fipy", "fipy", oldest=4)


def test_what_a_package_itself_misses_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import no_such_package_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_package_at_all"):
        require("half_installed", "half-installed", "half")


def test_nothing_is_imported_before_it_is_named():
    code = (
        "import sys, reiterate; reiterate.integrations; "
        "print([name for name in ('fipy', 'skfem', 'pymor', 'sfepy', 'scipy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_names_that_there_are_not():
    with pytest.raises(AttributeError, match="no attribute 'dolfin'"):
        rt.integrations.dolfin  # noqa: B018
    assert {"fipy", "preconditioner"} <= set(dir(rt.integrations))


def test_every_size_and_key_has_a_stream_of_its_own():
    streams = Streams()
    small, large = laplacian(10), laplacian(12)
    for A, key in ((small, None), (large, None), (small, None), (small, "adjoint")):
        b = A @ np.ones(A.shape[0])
        assert np.allclose(streams.solve(A, b, key=key), 1.0, rtol=0, atol=1e-10)
    assert [solver.history.solves for solver in streams.solvers] == [1, 2, 1]
    assert "adjoint, 100 unknowns" in streams.summary()
    assert streams.last is not None


def test_only_the_last_streams_are_kept():
    streams = Streams()
    for size in range(4, 24):
        streams.solve(sp.eye_array(size).tocsr(), np.ones(size))
    assert len(streams.solvers) == 8


def test_options_are_refused_at_once():
    with pytest.raises(rt.InvalidInput, match="methods"):
        Streams(methods=["no_such_method"])


def test_backward_errors():
    A, x = laplacian(8), np.ones(64)
    assert backward_error(A, A @ x, x) == 0.0
    assert backward_error(A, A @ x, x + 1e-3) == pytest.approx(1e-3, rel=10.0)
    assert backward_error(A, np.stack([A @ x, A @ x], 1), np.stack([x, 2 * x], 1)) > 0.1
    assert backward_error(A, A @ x, x * np.nan) == np.inf
    assert backward_error(sp.linalg.aslinearoperator(A), A @ x, x) == np.inf


def test_rounding_errors_are_not_held_against_a_solution():
    """‖A‖ ‖x‖ is so much larger than ‖b‖ that nothing has a relative residual of 1e-12."""
    A = sp.csr_array(np.array([[1.0, 1.0], [1.0, 1.0 + 1e-10]]))
    b = np.array([1.0, 1.1])
    x = Streams().solve(A, b)
    assert backward_error(A, b, x) <= 1e-14


def test_a_singular_system_is_not_taken_for_solved():
    A = sp.csr_array(np.array([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 1.0, 1.0]]))
    with pytest.raises(NotConverged):
        Streams().solve(A, np.array([1.0, 0.0, 1.0]))
