"""Extension modules that are loaded off the main thread."""

import subprocess
import sys
import textwrap

CODE = """
import sys, threading
import numpy as np, scipy.sparse as sp

def load():
    import reiterate.solver

def factor():
    import reiterate as rt
    line = sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(9, 9))
    eye = sp.eye_array(9)
    A = (sp.kron(sp.kron(line, eye) + sp.kron(eye, line), eye) + sp.kron(sp.eye_array(81), line)).tocsr()
    x = rt.solve(A, A @ np.ones(729), methods=["rslab"], rtol=1e-10)
    print(bool(np.allclose(x, 1.0)))

for target in (load, factor):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
"""


def test_factors_are_made_after_the_thread_that_imported_their_engine_has_ended():
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CODE)], capture_output=True, text=True, timeout=300, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr[-1000:]
