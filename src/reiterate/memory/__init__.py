"""Memory: what was learnt, kept on disk for the next run. It knows policies and plain data, and no linear algebra.

The names below are imported on first use: a Python without SQLite has no memory, but everything else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reiterate.memory.place import VARIABLE as VARIABLE
    from reiterate.memory.place import chosen_path as chosen_path
    from reiterate.memory.place import open_store as open_store
    from reiterate.memory.recognition import Fingerprint as Fingerprint
    from reiterate.memory.recognition import call_site as call_site
    from reiterate.memory.recognition import fingerprint as fingerprint
    from reiterate.memory.recollection import Recollection as Recollection
    from reiterate.memory.store import Entry as Entry
    from reiterate.memory.store import Recalled as Recalled
    from reiterate.memory.store import Store as Store

_HOMES = {
    "VARIABLE": "place",
    "Entry": "store",
    "Fingerprint": "recognition",
    "fingerprint": "recognition",
    "Recalled": "store",
    "Recollection": "recollection",
    "Store": "store",
    "call_site": "recognition",
    "chosen_path": "place",
    "open_store": "place",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
