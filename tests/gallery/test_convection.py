import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import eye_array
from scipy.sparse.linalg import spsolve

from reiterate.comparison import compare
from reiterate.errors import InvalidInput
from reiterate.gallery import convection
from tests.gallery.streams import solve

PECLET = st.floats(1e-2, 1e6)


def first_matrix(nx, peclet, scheme, dt=0.1):
    return next(iter(convection(nx, lowest=peclet, highest=peclet, scheme=scheme, dt=dt))).A


@given(st.integers(2, 8), PECLET, st.floats(1e-3, 10.0))
def test_upwind_gives_an_m_matrix(nx, peclet, dt):
    A = first_matrix(nx, peclet, "upwind", dt).toarray()
    off_diagonal = A - np.diag(np.diag(A))
    assert np.all(off_diagonal <= 0.0)
    mass = 4 / nx**2 / dt
    assert A.sum(axis=1).min() >= mass - 1e-13 * abs(A).max()
    assert A.sum(axis=0).min() >= mass - 1e-13 * abs(A).max()


@given(st.integers(2, 8), PECLET)
def test_central_is_diffusion_plus_something_skew(nx, peclet):
    A = first_matrix(nx, peclet, "central", dt=0.2).toarray()
    still = first_matrix(nx, 1e-6, "central", dt=0.2).toarray()
    mass = 4 / nx**2 / 0.2 * np.eye(nx**2)
    symmetric = 0.5 * (still + still.T) - mass
    np.testing.assert_allclose(0.5 * (A + A.T) - mass, symmetric * 1e-6 / peclet, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("scheme", "order"), [("upwind", 1), ("central", 2)])
def test_order_of_convergence(scheme, order):
    def error(nx, peclet=20.0):
        h, dt = 2 / nx, 0.1
        K = first_matrix(nx, peclet, scheme, dt) - h**2 / dt * eye_array(nx**2)
        x, y = np.meshgrid(*[-1 + h * (np.arange(nx) + 0.5)] * 2, indexing="ij")
        s, c = (lambda z: np.sin(math.pi * z)), (lambda z: np.cos(math.pi * z))
        exact = s(x) * s(y)
        f = 2 * math.pi**2 / peclet * exact
        f += 2 * y * (1 - x**2) * math.pi * c(x) * s(y) - 2 * x * (1 - y**2) * math.pi * s(x) * c(y)
        return np.sqrt(np.mean((spsolve(K.tocsc(), h**2 * f.ravel()) - exact.ravel()) ** 2))

    assert math.log2(error(32) / error(64)) == pytest.approx(order, abs=0.25)


def test_heat_stays_between_the_temperatures_of_the_walls():
    simulation = convection(12, 30, highest=1e6)
    for system in simulation:
        simulation.advance(solve(system))
        assert simulation.state.min() >= -1e-12
        assert simulation.state.max() <= 1.0 + 1e-12


def test_pure_diffusion_reaches_the_series_solution():
    # Steady heat conduction: at the center of a square with one hot wall, a quarter by symmetry.
    simulation = convection(21, 3, lowest=1e-6, highest=1e-6, dt=1e6)
    for system in simulation:
        simulation.advance(solve(system))
    assert simulation.state[10, 10] == pytest.approx(0.25, abs=1e-9)


def test_the_sweep_goes_up_and_back():
    simulation = convection(4, 20, lowest=1.0, highest=1e4)
    found = []
    for system in simulation:
        assert system.context == pytest.approx({"log_peclet": math.log(simulation.peclet)})
        found.append(simulation.peclet)
        simulation.advance(system.x0)
    assert found[0] == pytest.approx(1.0)
    assert max(found) == pytest.approx(found[10]) == pytest.approx(1e4)
    np.testing.assert_allclose(found[1:], found[:0:-1])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("nx", 1), ("lowest", 0.0), ("highest", 0.5), ("highest", math.nan), ("dt", -1.0),
     ("scheme", "eno"), ("scheme", 3)],
)  # fmt: skip
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        convection(**{argument: value})
    assert caught.value.argument == argument
    assert repr(value) in str(caught.value)


def test_is_refused_by_the_comparison_of_methods_for_definite_matrices():
    with pytest.raises(InvalidInput, match="simulation: Convection has matrices that are not symmetric positive def"):
        compare(convection(4, 2), "", "", rtol=1e-8, seed=0)
