"""Small versions of every gallery stream, and a direct solver for whatever they hand out."""

import numpy as np
from scipy.sparse.linalg import spsolve

SMALL = {
    "heat": {"nx": 7, "steps": 4},
    "diffusion3d": {"size": 5, "steps": 4},
    "constant": {"nx": 7, "steps": 4},
    "convection": {"nx": 6, "steps": 4},
    "newton": {"nx": 6, "steps": 4},
    "thermal_block": {"blocks": 2, "cells": 3, "steps": 4},
    "helmholtz": {"nx": 6, "steps": 4},
    "navier_stokes": {"nx": 5, "steps": 4},
    "topology": {"nx": 6, "ny": 4, "steps": 4},
    "powerflow": {"buses": 8, "steps": 4},
}


def solve(system):
    """The solution; of smallest norm where constants are in the null space."""
    if system.kind != "pressure":
        return spsolve(system.A.tocsc(), system.b)
    x = np.zeros(system.b.size)
    x[1:] = spsolve(system.A.tocsc()[1:, 1:], system.b[1:])
    return x - x.mean()


def play(simulation):
    systems = []
    for system in simulation:
        systems.append(system)
        simulation.advance(solve(system))
    return systems
