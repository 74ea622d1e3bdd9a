import math

import numpy as np
import pytest

from reiterate.errors import InvalidInput
from reiterate.gallery import MinimalSurface, newton
from reiterate.gallery.minimal_surface import MOST_ITERATIONS
from tests.gallery.streams import solve


class Framed(MinimalSurface):
    """A film in one frame for good, given as a function of x and y in [0, 1]."""

    def __init__(self, nx, function, steps=12):
        self.field = function(*np.meshgrid(*[np.linspace(0, 1, nx + 1)] * 2, indexing="ij"))
        super().__init__(nx, steps)

    def frame(self, number):
        return self.field


def film(simulation):
    for system in simulation:
        simulation.advance(solve(system))
        if simulation.frame_number > 1:
            return simulation.state
    raise AssertionError("not converged")


def catenoid(x, y):
    return np.arccosh(np.hypot(x + 0.8, y + 0.9))


def test_gradient_and_hessian_are_derivatives_of_the_area():
    simulation = newton(5)
    rng = np.random.default_rng(0)
    system = next(iter(simulation))
    for _ in range(2):
        simulation.advance(0.1 * rng.standard_normal(system.b.size))
        system = next(iter(simulation))
    u = simulation.state
    u[[0, -1]] = simulation.frame(simulation.frame_number)[[0, -1]]
    u[:, [0, -1]] = simulation.frame(simulation.frame_number)[:, [0, -1]]
    direction, eps = rng.standard_normal((4, 4)), 1e-6
    moved = np.pad(eps * direction, 1)
    low, high = (u - moved).ravel(), (u + moved).ravel()
    np.testing.assert_allclose(-system.b, simulation.gradient(u.ravel()), rtol=1e-12, atol=1e-15)
    slope = (simulation.area(high) - simulation.area(low)) / (2 * eps)
    assert -system.b @ direction.ravel() == pytest.approx(slope, rel=1e-6)
    curvature = (simulation.gradient(high) - simulation.gradient(low)) / (2 * eps)
    np.testing.assert_allclose(system.A @ direction.ravel(), curvature, atol=1e-8)


def test_a_flat_film_has_the_area_of_the_square_and_the_hessian_of_the_laplacian():
    simulation = newton(6, height=0.0)
    system = next(iter(simulation))
    assert simulation.area(np.zeros(49)) == pytest.approx(1.0)
    assert not system.b.any()
    row = system.A.toarray()[12].reshape(5, 5)
    np.testing.assert_allclose(row[1:4, 1:4], [[0, -1, 0], [-1, 4, -1], [0, -1, 0]], atol=1e-15)


def test_planes_are_exact():
    np.testing.assert_allclose(
        film(Framed(7, lambda x, y: 2 * x - 0.5 * y)), Framed(7, lambda x, y: 2 * x - 0.5 * y).field, atol=1e-9
    )


def test_second_order_convergence_to_the_catenoid():
    def error(nx):
        simulation = Framed(nx, catenoid)
        return np.abs(film(simulation) - simulation.field).max()

    assert math.log2(error(8) / error(16)) == pytest.approx(2.0, abs=0.2)


def test_newton_converges_quadratically_and_the_area_never_grows():
    simulation = Framed(10, lambda x, y: 2 * catenoid(x, y) ** 2 + np.sin(4 * x) * y)
    residuals, area = [], math.inf
    for system in simulation:
        residuals.append(system.context["log_residual"])
        simulation.advance(solve(system))
        assert simulation.area(simulation.state.ravel()) <= area * (1 + 1e-14)
        area = simulation.area(simulation.state.ravel())
        if simulation.frame_number > 1:
            break
    assert residuals[0] == 0.0
    assert residuals[-1] < 1.4 * residuals[-2] < 0.0


def test_frames_follow_one_another():
    simulation = newton(10, 60)
    frames = []
    for system in simulation:
        assert (system.context["newton_iteration"] == 0.0) == (simulation.frame_number not in frames)
        frames.append(simulation.frame_number)
        assert not system.x0.any()
        simulation.advance(solve(system))
    assert frames[-1] > 10
    assert max(frames.count(k) for k in frames) <= 8


def test_useless_solutions_do_not_stop_it():
    simulation = newton(5, MOST_ITERATIONS + 1)
    for system in simulation:
        simulation.advance(-system.b)
    assert simulation.frame_number == 2
    assert np.all(np.isfinite(simulation.state))


@pytest.mark.parametrize(("argument", "value"), [("nx", 1), ("height", -1.0), ("height", math.inf), ("height", "1")])
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        newton(**{argument: value})
    assert caught.value.argument == argument
