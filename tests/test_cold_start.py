"""Whole processes on a machine where nothing is compiled yet: an empty directory is Numba's cache."""

import json
import os
import subprocess
import sys

from reiterate.linear.filling import ELEMENTARY
from reiterate.linear.uncompiled import UNCOMPILED

FIRST = """
import importlib, json, os, pkgutil, signal, time
import reiterate as rt
from reiterate import kernels
from reiterate.linear.background import background

simulation = rt.gallery.heat(nx=33, steps=3)
solver = rt.Solver()
for system in simulation:
    simulation.advance(solver.solve(system.A, system.b, x0=system.x0))
filling = background()._process
modules = [importlib.import_module(f"reiterate.kernels.{m.name}") for m in pkgutil.iter_modules(kernels.__path__)]
print(json.dumps({
    "played": sorted({a.configuration.method for record in solver.history for a in record.attempts}),
    "compiled": [name for m in modules for name, f in vars(m).items() if getattr(f, "signatures", ())],
    "running": filling.poll() is None,
    "own session": not hasattr(os, "getsid") or os.getsid(filling.pid) != os.getsid(0),
}))
os.kill(filling.pid, signal.SIGTERM)
while filling.poll() is None:
    time.sleep(0.01)
"""

FILL = """
import json, time
from reiterate.kernels import csr
from reiterate.kernels.ready import ready_list
from reiterate.linear import background, elementary
from reiterate.linear.filling import ELEMENTARY

ready = ready_list()
filling = background._start(ready, [(ELEMENTARY, ELEMENTARY, ())])
while filling.poll() is None:
    time.sleep(0.01)
elementary.warm_up()
misses = sum(sum(f.stats.cache_misses.values()) for f in vars(csr).values() if hasattr(f, "stats"))
print(json.dumps({"names": sorted(ready.names()), "misses": misses}))
"""


def run(code, cache):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "REITERATE_BACKGROUND": "1"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    return json.loads(found.stdout)


def test_the_first_solves_compile_nothing(tmp_path):
    found = run(FIRST, tmp_path)
    assert found["played"]
    assert set(found["played"]) <= {*UNCOMPILED, "direct"}
    assert found["compiled"] == []
    assert found["running"]
    assert found["own session"]


def test_another_process_compiles_and_this_one_loads(tmp_path):
    assert run(FILL, tmp_path) == {"names": [ELEMENTARY], "misses": 0}
