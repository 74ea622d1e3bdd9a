import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import cg

from reiterate.errors import InvalidInput
from reiterate.gallery import diffusion3d
from reiterate.gallery.diffusion import RandomField


def field(size=8, seed=0):
    return RandomField(size, np.random.default_rng(seed))


def loop_matrix(k, mass):
    """Finite volumes cell by cell, straight from the fluxes."""
    size = k.shape[0]
    A = np.zeros((k.size, k.size))
    for cell in np.ndindex(*k.shape):
        row = np.ravel_multi_index(cell, k.shape)
        A[row, row] += mass
        for axis in range(3):
            for move in (-1, 1):
                other = list(cell)
                other[axis] += move
                if 0 <= other[axis] < size:
                    conductance = 2 / (1 / k[cell] + 1 / k[tuple(other)])
                    A[row, np.ravel_multi_index(other, k.shape)] -= conductance
                else:
                    conductance = 2 * k[cell]
                A[row, row] += conductance
    return A


def test_defaults():
    simulation = diffusion3d()
    assert simulation.shape == (48, 48, 48)
    assert len(simulation) == 100
    assert np.all(simulation.state == 0.0)


@pytest.mark.parametrize(("size", "contrast"), [(2, 3.0), (4, 0.0), (5, 3.0)])
def test_systems_equal_an_assembly_cell_by_cell(size, contrast):
    dt, h = 0.003, 1 / size
    simulation = diffusion3d(size, 3, contrast=contrast, dt=dt)
    u = np.zeros(size**3)
    centers = (np.arange(size) + 0.5) * h
    for step, system in enumerate(simulation):
        k = simulation.coefficient
        np.testing.assert_allclose(system.A.toarray(), loop_matrix(k, h**2 / dt), rtol=1e-12)
        assert system.context == pytest.approx({"log_ratio": math.log(k.max() / k.min())})
        angle = 20 * math.pi * (step + 1) * dt
        source = np.zeros((size,) * 3)
        for cell in np.ndindex(*source.shape):
            x, y, z = centers[list(cell)]
            s = (x - 0.5 - math.cos(angle) / 4) ** 2 + (y - 0.5 - math.sin(angle) / 4) ** 2 + (z - 0.5) ** 2
            if s < 1 / 16:
                source[cell] = math.exp(1 - 1 / (1 - 16 * s))
        np.testing.assert_allclose(system.b, h**2 / dt * u + h**2 * source.ravel(), rtol=1e-9, atol=1e-15)
        u = np.linalg.solve(system.A.toarray(), system.b)
        simulation.advance(u)
        assert simulation.time == pytest.approx((step + 1) * dt)


@given(st.integers(2, 5), st.floats(0.0, 6.0), st.integers(0, 1000), st.floats(1e-4, 1.0))
def test_matrix_is_a_symmetric_positive_definite_m_matrix(size, contrast, seed, dt):
    A = next(iter(diffusion3d(size, contrast=contrast, seed=seed, dt=dt))).A.toarray()
    np.testing.assert_array_equal(A, A.T)
    off_diagonal = A - np.diag(np.diag(A))
    assert np.all(off_diagonal <= 0.0)
    assert np.all(np.diag(A) + off_diagonal.sum(axis=1) > 0.0)
    assert np.linalg.eigvalsh(A).min() > 0.0


def test_constant_coefficient_is_exact_for_the_discrete_sine_modes():
    size, dt = 6, 0.01
    system = next(iter(diffusion3d(size, contrast=0.0, dt=dt)))
    sine = np.sin(math.pi * (np.arange(size) + 0.5) / size)
    mode = np.einsum("i,j,k->ijk", sine, sine, sine).ravel()
    eigenvalue = 12 * math.sin(math.pi / 2 / size) ** 2
    np.testing.assert_allclose(system.A @ mode, (1 / size**2 / dt + eigenvalue) * mode, rtol=1e-12)
    assert system.context == {"log_ratio": 0.0}


def test_largest_contrast_stays_finite():
    system = next(iter(diffusion3d(6, contrast=20.0)))
    assert np.all(np.isfinite(system.A.data))
    assert system.A.diagonal().min() > 0.0


def test_default_difficulty():
    system = next(iter(diffusion3d()))
    iterations = []
    x, info = cg(system.A, system.b, x0=system.x0, rtol=1e-8, callback=iterations.append)
    assert info == 0
    assert np.linalg.norm(system.b - system.A @ x) <= 1.01e-8 * np.linalg.norm(system.b)
    assert 150 <= len(iterations) <= 220


def test_without_drift_the_matrix_is_constant():
    simulation = diffusion3d(5, 4, drift=0.0)
    data = []
    for system in simulation:
        data.append(system.A.data)
        simulation.advance(system.x0)
    assert all(np.array_equal(data[0], other) for other in data)


def test_the_same_seed_gives_the_same_matrix_and_another_seed_another():
    one, same, other = (next(iter(diffusion3d(5, seed=seed))).A.data for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


def test_random_field_equals_a_sum_of_cosines():
    size, turn, rng = 6, 0.7, np.random.default_rng(5)
    waves = [(p, q, r) for p in range(-2, 3) for q in range(-2, 3) for r in range(-2, 3) if (p, q, r) > (0, 0, 0)]
    amplitudes = rng.standard_normal(62) / np.array([1 + p * p + q * q + r * r for p, q, r in waves])
    phases, rates = rng.uniform(0, 2 * math.pi, 62), rng.standard_normal(62)
    x, y, z = (np.indices((size,) * 3) + 0.5) / size
    expected = np.zeros((size,) * 3)
    for (p, q, r), amplitude, phase, rate in zip(waves, amplitudes, phases, rates, strict=True):
        expected += amplitude * np.cos(2 * math.pi * (p * x + q * y + r * z) + phase + turn * rate)
    expected *= math.sqrt(2) / 3 / np.linalg.norm(amplitudes)
    np.testing.assert_allclose(field(size, 5)(turn), expected, atol=1e-13)


@given(st.integers(5, 9), st.integers(0, 1000), st.floats(0.0, 100.0))
def test_random_field_has_mean_zero_and_root_mean_square_one_third(size, seed, turn):
    g = field(size, seed)(turn)
    assert g.shape == (size, size, size)
    assert abs(g.mean()) < 1e-12
    assert math.sqrt((g**2).mean()) == pytest.approx(1 / 3, rel=1e-9)


def test_drift_is_the_relative_change_of_the_field_on_average():
    changes = []
    for seed in range(50):
        g = field(6, seed)
        changes.append(((g(0.55) - g(0.5)) ** 2).mean() * 9)
    assert math.sqrt(np.mean(changes)) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(
    ("argument", "value"),
    [("size", 1), ("size", 4.0), ("contrast", -1.0), ("contrast", 21), ("contrast", math.nan),
     ("drift", -0.1), ("drift", 1.5), ("dt", 0), ("dt", math.inf), ("seed", -1), ("seed", None),
     ("seed", 1.5)],
)  # fmt: skip
def test_unusable_arguments_are_refused(argument, value):
    with pytest.raises(InvalidInput, match="pass") as caught:
        diffusion3d(**{"size": 4, argument: value})
    assert caught.value.argument == argument
    assert repr(value) in str(caught.value)
