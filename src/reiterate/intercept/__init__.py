"""SciPy's sparse solvers answered by tuned ones: every call site is a stream of its own."""

from __future__ import annotations

from reiterate.intercept.session import Session as Session
from reiterate.intercept.session import SiteSummary as SiteSummary
from reiterate.intercept.session import tuned_scipy as tuned_scipy

__all__ = ["Session", "SiteSummary", "tuned_scipy"]
