"""Errors that leave a replaced function show no frame of ours, whoever shows them."""

import io
import logging
import re
import subprocess
import sys
import textwrap
import traceback
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import scipy.sparse.linalg as spl

import reiterate as rt
from tests.matrices import laplacian

A = laplacian(20, 2, shift=0.1).tocsc()
B = np.ones(400)


def stop(*_):
    raise KeyError("from the callback")


def raised(call):
    with pytest.raises(BaseException) as caught:
        call()
    return caught.value


def files(error):
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


FAILING = {
    "a callback": lambda: spl.cg(A, B, callback=stop),
    "arguments": lambda: spl.spsolve(A, B, nothing=1),
    "no arguments": lambda: spl.splu(),
    "shapes": lambda: spl.spsolve(A, B[:3]),
    "a factor's shapes": lambda: spl.splu(A).solve(B[:3]),
    "an incomplete factor's shapes": lambda: spl.spilu(A).solve(B[:3]),
    "a singular matrix": lambda: spl.splu(sp.csc_array((400, 400))),
    "what is singular and does not look so": lambda: spl.splu(_equal_rows()).solve(np.arange(400.0)),
    "pickling": lambda: __import__("pickle").dumps(spl.splu(A)),
    "setting an attribute": lambda: setattr(spl.splu(A), "anything", 1),
    "setting one of its own": lambda: setattr(spl.splu(A), "L", 1),
    "reading an attribute": lambda: spl.splu(A).anything,
    "solving nothing": lambda: spl.splu(A).solve(),
    "solving too much": lambda: spl.splu(A).solve(B, "N", 1),
    "solving by another name": lambda: spl.splu(A).solve(b=B),
    "calling it": lambda: spl.splu(A)(),
    "copying it": lambda: __import__("copy").copy(spl.spilu(A)),
    "copying": lambda: __import__("copy").deepcopy(spl.splu(A)),
}


def _equal_rows():
    M = A.tolil()
    M[0], M[1] = [np.arange(1.0, 401.0)] * 2
    return M.tocsc()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", FAILING)
def test_no_frame_of_ours_is_in_the_traceback(name):
    plain = raised(FAILING[name])
    with rt.tuned_scipy():
        ours = raised(FAILING[name])
    assert (type(ours), str(ours)) == (type(plain), str(plain))
    assert not [file for file in files(ours) if "reiterate/intercept" in file]
    assert ours.__context__ is plain.__context__ is None
    if "singular" not in name and name not in ("pickling", "copying", "copying it"):
        assert files(ours) == files(plain)


@pytest.mark.usefixtures("eager")
def test_warnings_that_are_errors():
    def call():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            spl.spsolve(A.tolil(), B)

    plain = raised(call)
    with rt.tuned_scipy():
        ours = raised(call)
    assert type(ours) is type(plain) is sp.SparseEfficiencyWarning
    assert str(ours) == str(plain)
    assert not [file for file in files(ours) if "reiterate/intercept" in file]


@pytest.mark.usefixtures("eager")
def test_what_a_program_logs_itself():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("of the program")
    log.addHandler(handler)
    try:
        with rt.tuned_scipy():
            try:
                spl.cg(A, B, callback=stop)
            except KeyError:
                log.exception("failed")
    finally:
        log.removeHandler(handler)
    assert "from the callback" in stream.getvalue()
    assert "reiterate/intercept" not in stream.getvalue()


PROGRAM = """
    import numpy as np, scipy.sparse as sp
    from scipy.sparse.linalg import cg, splu
    A = sp.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(400, 400)).tocsc()
    def stop(x):
        raise KeyError("from the callback")
    def work(*_):
        cg(A, np.ones(400), callback=stop)
"""
WAYS = {
    "a thread": "import threading\nt = threading.Thread(target=work, name='T')\nt.start()\nt.join()",
    "a thread's own hook": (
        "import threading, traceback\n"
        "threading.excepthook = lambda a: traceback.print_exception(a.exc_type, a.exc_value, a.exc_traceback)\n"
        "t = threading.Thread(target=work)\nt.start()\nt.join()"
    ),
    "a pool of threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(1) as pool:\n    future = pool.submit(work)\nfuture.result()"
    ),
    "a forked process": (
        "import multiprocessing\np = multiprocessing.get_context('fork').Process(target=work, name='P')\n"
        "p.start()\np.join()\nprint(p.exitcode)"
    ),
    "a pool of processes": (
        "import multiprocessing\nwith multiprocessing.get_context('fork').Pool(1) as pool:\n    pool.map(work, [1])"
    ),
    "futures in processes": (
        "import concurrent.futures as c, multiprocessing as m\n"
        "with c.ProcessPoolExecutor(1, m.get_context('fork')) as pool:\n    future = pool.submit(work)\nfuture.result()"
    ),
    "a finalizer": "class F:\n    def __del__(self):\n        work()\ndel F().x",
    "what exits in a thread": (
        "import threading, sys\ndef leave(x): sys.exit(3)\n"
        "def call(): cg(A, np.ones(400), callback=leave)\n"
        "t = threading.Thread(target=call)\nt.start()\nt.join()\nprint('on')"
    ),
    "caught and printed": "import traceback\ntry:\n    work()\nexcept KeyError:\n    traceback.print_exc()",
    "raised on": "try:\n    work()\nexcept KeyError as e:\n    raise ValueError('later') from e",
    "a group": "try:\n    work()\nexcept KeyError as e:\n    raise ExceptionGroup('several', [e, TypeError()])",
}


@pytest.mark.parametrize("way", WAYS)
def test_programs_show_what_they_show_without_us(tmp_path, way):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM) + WAYS[way])
    shown = []
    for command in ([], ["-m", "reiterate", "run", "--quiet"]):
        ended = subprocess.run(
            [sys.executable, *command, "program.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        shown.append((ended.returncode, ended.stdout, re.sub(r"0x[0-9a-f]+", "0x", ended.stderr)))
    assert shown[1] == shown[0]
