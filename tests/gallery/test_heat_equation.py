import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.errors import InvalidInput
from reiterate.gallery import heat
from reiterate.gallery.heat_equation import coefficient


def laplacian(nx):
    """The 5-point Laplacian as a Kronecker sum of dense second differences."""
    m = nx - 1
    second = (np.eye(m, k=1) - 2 * np.eye(m) + np.eye(m, k=-1)) * nx**2
    return np.kron(second, np.eye(m)) + np.kron(np.eye(m), second)


def reference_bump(nx, cx, cy, radius):
    m = nx - 1
    values = np.zeros((m, m))
    for i in range(m):
        for j in range(m):
            s = (((i + 1) / nx - cx) ** 2 + ((j + 1) / nx - cy) ** 2) / radius**2
            if s < 1:
                values[i, j] = math.exp(1 - 1 / (1 - s))
    return values


def forcing(nx, t):
    cx, cy = 0.5 + math.cos(16 * math.pi * t) / 4, 0.5 + math.sin(16 * math.pi * t) / 4
    return 32 * reference_bump(nx, cx, cy, 0.125).ravel()


def test_defaults():
    simulation = heat()
    assert simulation.shape == (99, 99)
    assert len(simulation) == 500
    assert simulation.time == 0.0
    simulation.advance(next(iter(simulation)).x0)
    assert simulation.time == 0.001


def test_initial_condition():
    np.testing.assert_allclose(heat(12).state, reference_bump(12, 0.5, 0.5, 0.25), rtol=1e-12)
    assert heat(12).state[5, 5] == 1.0


@pytest.mark.parametrize("start", [0.0, 0.3, 0.7, -0.2])
def test_systems_equal_a_dense_reference(start):
    nx, dt = 9, 0.002
    simulation = heat(nx, 3, start=start, dt=dt)
    identity, minus_laplacian = np.eye((nx - 1) ** 2), -laplacian(nx)
    u = reference_bump(nx, 0.5, 0.5, 0.25).ravel()
    for k, system in enumerate(simulation):
        t = start + (k + 0.5) * dt
        c = max(0.1 * math.sin(2 * math.pi * t), -10 * math.sin(2 * math.pi * t))
        assert system.context == pytest.approx({"coefficient": c}, rel=1e-12)
        np.testing.assert_allclose(
            system.A.toarray(), identity + 0.5 * dt * c * minus_laplacian, rtol=1e-12, atol=1e-14
        )
        b = (identity - 0.5 * dt * c * minus_laplacian) @ u + dt * forcing(nx, t)
        np.testing.assert_allclose(system.b, b, rtol=1e-12, atol=1e-13)
        u = np.linalg.solve(system.A.toarray(), system.b)
        simulation.advance(u)


@given(st.integers(2, 8), st.floats(-2.0, 2.0), st.floats(1e-4, 1.0))
def test_matrix_is_a_symmetric_positive_definite_m_matrix(nx, start, dt):
    A = next(iter(heat(nx, start=start, dt=dt))).A.toarray()
    np.testing.assert_array_equal(A, A.T)
    assert np.linalg.eigvalsh(A).min() >= 1.0 - 1e-9
    assert np.all(A - np.diag(np.diag(A)) <= 0.0)


@pytest.mark.parametrize(("p", "q"), [(1, 1), (2, 5), (7, 7)])
def test_an_eigenmode_of_the_laplacian_decays_by_the_factor_of_crank_nicolson(p, q):
    nx, dt, start = 8, 0.004, 0.6
    points = np.arange(1, nx) / nx
    mode = np.outer(np.sin(p * np.pi * points), np.sin(q * np.pi * points)).ravel()
    eigenvalue = 4 * nx**2 * (math.sin(p * np.pi / 2 / nx) ** 2 + math.sin(q * np.pi / 2 / nx) ** 2)
    simulation = heat(nx, start=start, dt=dt)
    system = simulation.assemble(mode)
    k = 0.5 * dt * system.context["coefficient"] * eigenvalue
    unforced = system.b - dt * forcing(nx, start + dt / 2)
    np.testing.assert_allclose(np.linalg.solve(system.A.toarray(), unforced), (1 - k) / (1 + k) * mode, atol=1e-13)


def test_second_order_in_time():
    def solution(steps):
        simulation = heat(6, steps, start=0.52, dt=0.02 / steps)
        for system in simulation:
            simulation.advance(np.linalg.solve(system.A.toarray(), system.b))
        assert simulation.time == pytest.approx(0.54)
        return simulation.state

    exact = solution(640)
    coarse, fine = (np.linalg.norm(solution(steps) - exact) for steps in (20, 40))
    assert 3.8 < coarse / fine < 4.2


@given(st.floats(-10.0, 10.0))
def test_coefficient(t):
    sine = math.sin(2 * math.pi * t)
    assert coefficient(t) == (0.1 * sine if sine > 0 else -10 * sine)
    assert 0.0 <= coefficient(t) <= 10.0


def test_coefficient_extremes():
    assert coefficient(0.25) == pytest.approx(0.1)
    assert coefficient(0.75) == pytest.approx(10.0)


def test_start_continues_where_an_earlier_simulation_ended():
    whole, later = heat(6, 10), heat(6, 5, start=0.005)
    for system in whole:
        if whole.step == 5:
            np.testing.assert_allclose(next(iter(later)).A.data, system.A.data, rtol=1e-12)
        whole.advance(system.x0)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("nx", 1), ("nx", 10.0), ("nx", True), ("dt", 0.0), ("dt", -0.1), ("dt", math.nan), ("dt", "1"),
     ("start", math.inf), ("start", None), ("start", 1e7), ("start", 1j)],
)  # fmt: skip
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        heat(**{argument: value})
    assert caught.value.argument == argument
    assert repr(value) in str(caught.value)


def test_numpy_scalars_are_accepted():
    assert heat(np.int64(5), np.int32(3), start=np.float64(0.5), dt=np.float32(0.5)).shape == (4, 4)
