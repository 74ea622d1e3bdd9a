"""A process that forks in the middle of a stream: both go on, each with a solver of its own from then on."""

import os
import subprocess
import sys
import textwrap

import pytest

STREAM = """
    import os, pickle, signal
    import numpy as np
    import reiterate as rt
    from tests.matrices import laplacian

    def play(solver, begin, end):
        rng, seen = np.random.default_rng(begin), []
        for k in range(begin, end):
            A, b = laplacian(15, shift=0.1 + 0.01 * k), rng.normal(size=225)
            x = solver.solve(A, b, context={"dt": 1.0 + k % 3})
            assert np.linalg.norm(b - A @ x) <= 1e-8 * np.linalg.norm(b)
            seen.append((str(solver.last.configuration), solver.last.cost, x.tobytes()))
        return seen

    def after_fork(solvers):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(pickle.dumps([play(solver, 12, 24) for solver in solvers]))
                pipe.flush()
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            theirs = pickle.loads(pipe.read())
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        return theirs
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_child_and_parent_both_go_on_solving_as_if_nothing_had_happened():
    code = textwrap.dedent(STREAM) + textwrap.dedent("""
        methods = ["cg", "jacobi_cg", "ssor_cg", "ic_cg"]
        solvers = [
            rt.Solver(methods, name, cost="work", seed=0, fallback=None) for name in ("auto", "cheb_cb", "hierarchical")
        ]
        solvers.append(rt.Solver(["cg", "ssor_cg"], "tsallis_inf", cost="iterations", seed=0, threads=2))
        for solver in solvers:
            play(solver, 0, 12)
        theirs = after_fork(solvers)
        assert theirs == [play(solver, 12, 24) for solver in solvers]
        timed = rt.Solver(methods, fallback=None)
        play(timed, 0, 12)
        assert len(after_fork([timed])[0]) == len(play(timed, 12, 24)) == 12
        print("done")
    """)
    command = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.stdout.split() == ["done"], found.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("methods", [["direct"], ["factor_cg"], None])
def test_a_child_factors_although_its_parent_did(methods):
    code = textwrap.dedent(STREAM) + textwrap.dedent(f"""
        solver = rt.Solver({methods!r}, seed=0)
        direct = rt.Solver(["direct"], seed=0)
        play(solver, 0, 12)
        play(direct, 0, 12)
        assert [len(seen) for seen in after_fork([solver, direct])] == [12, 12]
        assert len(play(solver, 12, 24)) == 12
        print("done")
    """)
    command = [sys.executable, "-W", "ignore", "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.stdout.strip() == "done", found.stderr
