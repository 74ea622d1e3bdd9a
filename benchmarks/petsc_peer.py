"""PETSc's half of benchmarks: a process that takes commands and answers, a JSON object a line.

Runs under whatever Python has petsc4py, often the system's, and needs nothing but that and NumPy. It is started and
talked to by ``petsc_client.py``.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time

if "PETSC_DIR" in os.environ:
    sys.path.insert(0, os.path.join(os.environ["PETSC_DIR"], "lib", "python3", "dist-packages"))

import numpy as np
import petsc4py

petsc4py.init(["petsc_peer"])
from petsc4py import PETSc  # noqa: E402

NEVER = 1e-300


class Peer:
    """The matrices and solvers of one benchmark."""

    def __init__(self) -> None:
        self.matrices = {}
        self.vectors = {}
        self.solvers = {}
        self.prefixes = itertools.count()

    def load(self, name: str, path: str, definite: bool) -> dict:
        """A matrix in CSR and a right-hand side, from files in a directory; instead of what had this name before."""
        if name in self.matrices:
            self.forget(name)
        indptr, indices, data, b = _read(path, "indptr", "indices", "data", "b")
        size = indptr.size - 1
        A = PETSc.Mat().createAIJ((size, size), csr=(indptr, indices, data), comm=PETSc.COMM_SELF)
        if definite:
            A.setOption(PETSc.Mat.Option.SYMMETRIC, True)
            A.setOption(PETSc.Mat.Option.SPD, True)
        A.assemble()
        self.matrices[name] = A
        rhs = PETSc.Vec().createSeq(size)
        rhs.setArray(b)
        self.vectors[name] = (rhs, rhs.duplicate())
        return {}

    def forget(self, name: str) -> dict:
        """Free a matrix and all that was made for it."""
        for key in [key for key in self.solvers if key[0] == name]:
            self.solvers.pop(key).destroy()
        self.matrices.pop(name).destroy()
        for vector in self.vectors.pop(name):
            vector.destroy()
        return {}

    def renew(self, name: str, path: str) -> dict:
        """New numbers in the same pattern; takes no part in any measured time."""
        indptr, indices, data, b, x0 = _read(path, "indptr", "indices", "data", "b", "x0")
        A = self.matrices[name]
        A.setValuesCSR(indptr, indices, data)
        A.assemble()
        rhs, x = self.vectors[name]
        rhs.setArray(b)
        x.setArray(x0)
        self.start = x0
        return {}

    def _solver(self, name: str, options: dict):
        key = (name, json.dumps(options, sort_keys=True))
        if key not in self.solvers:
            ksp = PETSc.KSP().create(PETSc.COMM_SELF)
            prefix = f"s{next(self.prefixes)}_"
            ksp.setOptionsPrefix(prefix)
            database = PETSc.Options(prefix)
            for option, value in options.items():
                database[option] = value
            ksp.setOperators(self.matrices[name])
            ksp.setFromOptions()
            self.solvers[key] = ksp
        return self.solvers[key]

    def iterate(self, name: str, options: dict, few: int, many: int, wall: bool) -> dict:
        """Seconds an iteration: the slope between a short run and a long one, both of exactly so many iterations."""
        ksp = self._solver(name, options)
        ksp.setUp()
        rhs, x = self.vectors[name]
        clock = time.perf_counter if wall else time.process_time
        seconds, made = [], []
        for count in (few, many):
            ksp.setTolerances(rtol=NEVER, atol=NEVER, divtol=1e300, max_it=count)
            x.set(0.0)
            begin = clock()
            ksp.solve(rhs, x)
            seconds.append(clock() - begin)
            made.append(ksp.getIterationNumber())
        return {"seconds": (seconds[1] - seconds[0]) / max(made[1] - made[0], 1), "made": made}

    def solve(self, name: str, options: dict, rtol: float) -> dict:
        """Seconds of setting up for the present numbers, and of solving from the present start to ‖r‖ ≤ rtol ‖b‖."""
        ksp = self._solver(name, options)
        A, (rhs, x) = self.matrices[name], self.vectors[name]
        x.setArray(self.start)
        ksp.setInitialGuessNonzero(True)
        ksp.setTolerances(rtol=rtol, atol=NEVER, max_it=10_000)
        ksp.setOperators(A)
        begin = time.process_time()
        ksp.setUp()
        ready = time.process_time()
        ksp.solve(rhs, x)
        end = time.process_time()
        r = rhs.duplicate()
        A.mult(x, r)
        r.aypx(-1.0, rhs)
        residual = r.norm() / rhs.norm()
        r.destroy()
        return {
            "setup": ready - begin, "solve": end - ready, "iterations": ksp.getIterationNumber(), "residual": residual,
        }  # fmt: skip


def _read(path: str, *parts: str) -> list:
    return [np.load(os.path.join(path, f"{part}.npy")) for part in parts]


def main() -> None:
    # PETSc may print; answers have a channel of their own.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = Peer()
    version = ".".join(map(str, PETSc.Sys.getVersion()))
    scalar = "complex" if np.issubdtype(PETSc.ScalarType, np.complexfloating) else "real"
    print(json.dumps({"version": version, "scalar": scalar}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(peer, command.pop("do"))(**command)
        except PETSc.Error as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
