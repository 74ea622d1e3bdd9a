import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Compiling on first use makes the first example slow, which is no fault of the example.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

# Kernels are compiled when they are first called, so that what a test sees does not depend on when they are ready.
os.environ["REITERATE_BACKGROUND"] = "0"
# No test may depend on what another run has learnt.
os.environ["REITERATE_MEMORY"] = "off"


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard():
    """Shells have what they start in the background ignore Ctrl-C, and Python then never raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def benchmarks(monkeypatch):
    """The modules of ``benchmarks/`` can be imported."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
