"""SciPy's Krylov methods."""

from __future__ import annotations

from typing import Any

from reiterate.intercept.site import Handler, Site

NAMES = ("cg", "cgs", "bicg", "bicgstab", "gmres", "lgmres", "minres", "gcrotmk", "tfqmr")


def _by_scipy(site: Site, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    site.left_to_scipy += 1
    return original(*args, **kwargs)


KRYLOV: dict[str, Handler] = dict.fromkeys(NAMES, _by_scipy)
