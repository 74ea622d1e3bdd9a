"""Whole processes that begin with Numba's cache as another one has left it."""

import json
import os
import subprocess
import sys

import pytest

from reiterate.kernels import on_demand

PACKAGE = """
import numpy as np
from reiterate.kernels.compiling import inlined_kernel, kernel

@kernel
def triple(x):
    return 3.0 * x[0]

@inlined_kernel
def add(x, y):
    return x + y

@kernel
def both(x):
    return add(triple(x), 1.0)

@kernel
def pair(x):
    copy = np.empty(2)
    copy[:] = x[0]
    return copy, triple(copy)
"""

FACTS = """
import json, sys
import numpy as np
import ours
found = {"answers": [float(value) for value in answers()]}
kernels = {name: getattr(ours, name) for name in ("triple", "add", "both", "pair")}
found["declared"] = [name for name, kernel in kernels.items() if type(kernel).__name__ != "Kernel"]
found["hits"] = {name: sum(kernels[name].stats.cache_hits.values()) for name in found["declared"]}
print(json.dumps(found))
"""


@pytest.fixture
def process(tmp_path):
    (tmp_path / "ours.py").write_text(PACKAGE)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])

    def run(answers):
        code = f"def answers():\n    x = np.full(2, 2.0)\n    {answers}\n{FACTS}"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
        assert found.returncode == 0, found.stderr
        return json.loads(found.stdout)

    return run


def test_only_what_is_called_is_declared(process):
    first = process("return [ours.both(x)]")
    assert first["answers"] == [7.0]
    assert sorted(first["declared"]) == ["add", "both", "triple"]
    assert first["hits"] == {"triple": 0, "add": 0, "both": 0}
    second = process("return [ours.both(x), ours.both(x)]")
    assert second["answers"] == [7.0, 7.0]
    assert second["declared"] == ["both"]  # what it calls is part of it
    assert second["hits"] == {"both": 1}


def test_a_loaded_kernel_is_linked_to_one_that_is_compiled(process):
    process("return [ours.triple(x)]")
    found = process("return [ours.triple(x), ours.both(x), ours.triple(x)]")
    assert found["answers"] == [6.0, 7.0, 6.0]
    assert found["hits"]["triple"] == 1
    again = process("return [ours.both(x), ours.triple(x)]")
    assert again["answers"] == [7.0, 6.0]
    assert again["hits"] == {"triple": 1, "both": 1}


def test_a_loaded_kernel_may_allocate_and_refuse(process):
    process("return [ours.pair(x)[1]]")
    found = process("""
    arrays = [ours.pair(np.full(2, float(i)))[0] for i in range(50)]
    try:
        ours.pair("text")
    except Exception:
        return [array[1] for array in arrays]
    """)
    assert found["answers"] == list(range(50))


def test_programs_may_compile_functions_of_their_own_after_ours_were_loaded(process):
    process("return [ours.both(x)]")
    found = process("import numba; return [ours.both(x), numba.njit(lambda y: np.dot(y, y))(x), ours.triple(x)]")
    assert found["answers"] == [7.0, 8.0, 6.0]


def test_a_kernel_looks_like_its_function_and_like_what_is_compiled():
    kernel = on_demand.Kernel(json.dumps, nogil=True)
    assert kernel.__name__ == "dumps"
    assert kernel.__doc__ == json.dumps.__doc__
    assert kernel.signatures == []
    assert kernel.py_func is json.dumps
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        kernel.nothing_of_this_name  # noqa: B018
