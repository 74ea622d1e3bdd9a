import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reiterate.errors import InvalidInput
from reiterate.gallery import constant
from tests.gallery.streams import play, solve


def test_the_matrix_is_the_same_object_every_time():
    systems = play(constant(8, 5))
    assert all(system.A is systems[0].A for system in systems)
    assert all(system.context == {} for system in systems)
    assert not any(np.array_equal(one.b, other.b) for one, other in pairwise(systems))


@given(st.integers(2, 8), st.floats(1e-4, 1.0), st.integers(1, 9), st.integers(1, 9))
def test_sine_modes_are_eigenvectors(nx, dt, p, q):
    h, points = 1 / nx, np.arange(1, nx) / nx
    A = next(iter(constant(nx, dt=dt))).A
    mode = np.outer(np.sin(p * np.pi * points), np.sin(q * np.pi * points)).ravel()
    eigenvalue = 4 * (math.sin(p * np.pi * h / 2) ** 2 + math.sin(q * np.pi * h / 2) ** 2)
    np.testing.assert_allclose(A @ mode, (h**2 / dt + eigenvalue) * mode, atol=1e-12 * (8 + h**2 / dt))


def test_a_step_is_backward_euler_with_the_source_at_its_end():
    nx, dt = 6, 0.01
    simulation = constant(nx, 3, dt=dt)
    x, y = np.meshgrid(*[np.arange(1, nx) / nx] * 2, indexing="ij")
    for step, system in enumerate(simulation):
        u, t = simulation.state, (step + 1) * dt
        r2 = (x - 0.5 - 0.3 * math.sin(4 * math.pi * t)) ** 2 + (y - 0.5 - 0.3 * math.sin(6 * math.pi * t)) ** 2
        inside = r2 * 64 < 1
        source = np.zeros_like(x)
        source[inside] = 32 * np.exp(1 - 1 / (1 - 64 * r2[inside]))
        np.testing.assert_allclose(system.b, ((u / dt + source) / nx**2).ravel(), rtol=1e-9, atol=1e-14)
        simulation.advance(solve(system))
        assert simulation.time == pytest.approx(t)
        assert simulation.state.min() >= 0.0


@pytest.mark.parametrize(("argument", "value"), [("nx", 1), ("nx", 3.5), ("dt", 0.0), ("dt", math.nan), ("dt", "1")])
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        constant(**{argument: value})
    assert caught.value.argument == argument
