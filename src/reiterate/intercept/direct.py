"""``spsolve``, ``splu``, ``spilu`` and ``factorized``."""

from __future__ import annotations

from typing import Any

from reiterate.intercept.site import Handler, Site


def _by_scipy(site: Site, original: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    site.left_to_scipy += 1
    return original(*args, **kwargs)


DIRECT: dict[str, Handler] = dict.fromkeys(("spsolve", "splu", "spilu", "factorized"), _by_scipy)
