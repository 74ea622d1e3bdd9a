import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from reiterate.errors import InvalidInput
from reiterate.gallery import helmholtz
from reiterate.gallery.helmholtz_equation import SOURCE
from tests.gallery.streams import solve

FREQUENCY = st.floats(1e-3, 1e3)


def first_system(nx, frequency, contrast=1.0):
    return next(iter(helmholtz(nx, 1, lowest=frequency, highest=frequency, contrast=contrast)))


@given(st.integers(2, 7), FREQUENCY, st.floats(-0.9, 10.0))
def test_complex_symmetric_with_absorption_on_the_boundary_only(nx, frequency, contrast):
    A = first_system(nx, frequency, contrast).A.toarray()
    np.testing.assert_array_equal(A, A.T)
    absorbed = -A.imag
    np.testing.assert_array_equal(absorbed, np.diag(np.diag(absorbed)))
    edge = np.pad(np.zeros((nx - 1, nx - 1), dtype=bool), 1, constant_values=True).ravel()
    np.testing.assert_array_equal(np.diag(absorbed) > 0.0, edge)
    # Without lens near the boundary, what is absorbed sums to the circumference times ω.
    if nx >= 6:
        assert absorbed.sum() == pytest.approx(4 * frequency)


@given(st.integers(2, 7), FREQUENCY)
def test_a_homogeneous_medium_has_the_mass_of_the_square_and_no_other_row_sums(nx, frequency):
    A = first_system(nx, frequency, contrast=0.0).A.toarray()
    assert A.real.sum() == pytest.approx(-(frequency**2), rel=1e-9, abs=1e-12)
    assert np.linalg.eigvalsh(A.real).min() < 0.0


@given(st.integers(2, 9))
def test_the_source_has_unit_strength_and_sits_where_it_should(nx):
    b = first_system(nx, 1.0).b.reshape(nx + 1, nx + 1)
    x, y = np.meshgrid(*[np.linspace(0, 1, nx + 1)] * 2, indexing="ij")
    assert b.sum() == pytest.approx(1.0)
    assert ((b * x).sum(), (b * y).sum()) == pytest.approx(SOURCE)
    assert np.count_nonzero(b) <= 4


def test_second_order_convergence():
    def error(nx, frequency=9.0):
        simulation = helmholtz(nx, 1, lowest=frequency, highest=frequency)
        A = next(iter(simulation)).A
        x, y = np.meshgrid(*[np.linspace(0, 1, nx + 1)] * 2, indexing="ij")
        s = simulation.slowness
        exact = np.exp(1j * (5 * x + 3 * y))
        part = np.ones(nx + 1)
        part[[0, -1]] = 0.5
        b = np.outer(part, part) / nx**2 * (34 - frequency**2 * s**2) * exact
        for edge, slope in (((0, ...), -5), ((-1, ...), 5), ((..., 0), -3), ((..., -1), 3)):
            b[edge] += part / nx * 1j * (slope - frequency * s[edge]) * exact[edge]
        return np.abs(spsolve(A.tocsc(), b.ravel()) - exact.ravel()).max()

    assert math.log2(error(20) / error(40)) == pytest.approx(2.0, abs=0.2)


def test_the_power_of_the_source_leaves_through_the_boundary():
    system = first_system(30, 20.0)
    x = solve(system)
    emitted = np.vdot(x, system.b).imag
    assert -emitted == pytest.approx(np.vdot(x, -system.A.imag @ x).real)
    assert -emitted > 0.0


def test_the_lens_gathers_the_wave_into_a_beam():
    def intensity(contrast):
        u = solve(first_system(60, 30.0, contrast)).reshape(61, 61)
        return np.abs(u[55]) ** 2

    lens, none = intensity(1.0), intensity(0.0)
    beam = slice(18, 43)  # behind the lens
    assert lens[beam].sum() > 1.5 * none[beam].sum()
    assert lens[beam].sum() / lens.sum() > 1.3 * none[beam].sum() / none.sum()


def test_frequencies_rise_in_equal_steps():
    simulation = helmholtz(4, 5, lowest=2.0, highest=10.0)
    found = []
    for system in simulation:
        assert system.context == {"frequency": simulation.frequency}
        found.append(simulation.frequency)
        simulation.advance(system.x0)
    assert found == pytest.approx([2.0, 4.0, 6.0, 8.0, 10.0])


@pytest.mark.parametrize(
    ("argument", "value"),
    [("nx", 1), ("lowest", 0.0), ("highest", 1.0), ("highest", math.nan), ("contrast", -1.0), ("contrast", "1")],
)
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        helmholtz(**{argument: value})
    assert caught.value.argument == argument
