"""Memory: what was learnt, kept on disk for the next run. It knows policies and plain data, and no linear algebra."""

from __future__ import annotations

from reiterate.memory.fingerprint import Fingerprint, call_site, fingerprint
from reiterate.memory.place import VARIABLE, chosen_path, open_store
from reiterate.memory.recollection import Recollection
from reiterate.memory.store import Entry, Recalled, Store

__all__ = [
    "VARIABLE",
    "Entry",
    "Fingerprint",
    "Recalled",
    "Recollection",
    "Store",
    "call_site",
    "chosen_path",
    "fingerprint",
    "open_store",
]
