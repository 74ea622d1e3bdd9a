"""Built-in streams: simulations that hand out one linear system after another."""

from __future__ import annotations

from collections.abc import Callable

from reiterate.gallery.cantilever import Cantilever
from reiterate.gallery.constant import ConstantHeat
from reiterate.gallery.convection import Convection
from reiterate.gallery.diffusion import Diffusion3D
from reiterate.gallery.heat_equation import Heat
from reiterate.gallery.helmholtz_equation import Helmholtz
from reiterate.gallery.lid_driven_cavity import LidDrivenCavity
from reiterate.gallery.minimal_surface import MinimalSurface
from reiterate.gallery.power_grid import PowerGrid
from reiterate.gallery.stream import Simulation, System
from reiterate.gallery.thermal_block import ThermalBlock

__all__ = [
    "GALLERY",
    "Cantilever",
    "ConstantHeat",
    "Convection",
    "Diffusion3D",
    "Heat",
    "Helmholtz",
    "LidDrivenCavity",
    "MinimalSurface",
    "PowerGrid",
    "Simulation",
    "System",
    "ThermalBlock",
    "constant",
    "convection",
    "diffusion3d",
    "heat",
    "helmholtz",
    "navier_stokes",
    "newton",
    "powerflow",
    "thermal_block",
    "topology",
]


def heat(nx: int = 100, steps: int = 500, *, start: float = 0.0, dt: float = 5 / 5000) -> Heat:
    """Simulate the two-dimensional heat equation with a swinging coefficient; see :class:`Heat`."""
    return Heat(nx, steps, start=start, dt=dt)


def diffusion3d(
    size: int = 48,
    steps: int = 100,
    *,
    contrast: float = 3.0,
    drift: float = 0.05,
    dt: float = 0.001,
    seed: int = 0,
) -> Diffusion3D:
    """Simulate diffusion through a cube of random material that drifts; see :class:`Diffusion3D`."""
    return Diffusion3D(size, steps, contrast=contrast, drift=drift, dt=dt, seed=seed)


def constant(nx: int = 80, steps: int = 2000, *, dt: float = 0.001) -> ConstantHeat:
    """Simulate heat under a moving source with one matrix for all systems; see :class:`ConstantHeat`."""
    return ConstantHeat(nx, steps, dt=dt)


def convection(
    nx: int = 80,
    steps: int = 200,
    *,
    lowest: float = 1.0,
    highest: float = 1e4,
    dt: float = 0.1,
    scheme: str = "upwind",
) -> Convection:
    """Simulate heat in a recirculating wind whose Péclet number sweeps up and back; see :class:`Convection`."""
    return Convection(nx, steps, lowest=lowest, highest=highest, dt=dt, scheme=scheme)


def newton(nx: int = 64, steps: int = 200, *, height: float = 1.0) -> MinimalSurface:
    """Simulate a soap film in a moving frame by Newton's method; see :class:`MinimalSurface`."""
    return MinimalSurface(nx, steps, height=height)


def thermal_block(
    blocks: int = 3,
    cells: int = 24,
    steps: int = 300,
    *,
    contrast: float = 10.0,
    drift: float = 0.05,
    seed: int = 0,
) -> ThermalBlock:
    """Sweep through the conductivities of a plate of blocks; see :class:`ThermalBlock`."""
    return ThermalBlock(blocks, cells, steps, contrast=contrast, drift=drift, seed=seed)


def helmholtz(
    nx: int = 100, steps: int = 100, *, lowest: float = 5.0, highest: float = 50.0, contrast: float = 1.0
) -> Helmholtz:
    """Sweep the frequency of waves that pass through a lens; see :class:`Helmholtz`."""
    return Helmholtz(nx, steps, lowest=lowest, highest=highest, contrast=contrast)


def navier_stokes(
    nx: int = 64,
    steps: int = 400,
    *,
    reynolds: float = 1000.0,
    dt: float = 0.05,
    swing: float = 0.5,
    period: float = 5.0,
) -> LidDrivenCavity:
    """Simulate flow in a box under a lid that swings, two systems a time step; see :class:`LidDrivenCavity`."""
    return LidDrivenCavity(nx, steps, reynolds=reynolds, dt=dt, swing=swing, period=period)


def topology(
    nx: int = 120,
    ny: int = 40,
    steps: int = 120,
    *,
    volume: float = 0.4,
    radius: float = 2.0,
    penalty: float = 3.0,
    contrast: float = 1e9,
) -> Cantilever:
    """Optimize the topology of a cantilever, one system for every design; see :class:`Cantilever`."""
    return Cantilever(nx, ny, steps, volume=volume, radius=radius, penalty=penalty, contrast=contrast)


def powerflow(buses: int = 300, steps: int = 300, *, loading: float = 1.0, seed: int = 0) -> PowerGrid:
    """Simulate a power grid through the day by Newton's method; see :class:`PowerGrid`."""
    return PowerGrid(buses, steps, loading=loading, seed=seed)


GALLERY: dict[str, Callable[..., Simulation]] = {
    "heat": heat,
    "diffusion3d": diffusion3d,
    "constant": constant,
    "convection": convection,
    "newton": newton,
    "thermal_block": thermal_block,
    "helmholtz": helmholtz,
    "navier_stokes": navier_stokes,
    "topology": topology,
    "powerflow": powerflow,
}
"""The built-in simulations by name."""
