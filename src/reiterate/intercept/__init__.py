"""SciPy's sparse solvers answered by tuned ones: every call site is a stream of its own.

The names below are imported on first use: ``reiterate run`` must not import NumPy before the program that it runs,
which may say first how many threads NumPy is to have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reiterate.intercept.session import Session as Session
    from reiterate.intercept.session import SiteSummary as SiteSummary
    from reiterate.intercept.session import tuned_scipy as tuned_scipy

__all__ = ["Session", "SiteSummary", "tuned_scipy"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from reiterate.intercept import session

        return getattr(session, name)
    raise AttributeError(f"module 'reiterate.intercept' has no attribute {name!r}")
