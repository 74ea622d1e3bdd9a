"""What a store holds as a text file, and back: to take it to another machine, or to look at it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from reiterate.errors import InvalidInput
from reiterate.memory.store import Entry, Store

_FORMAT: Final = "reiterate memory"
_VERSION: Final = 1
_LATEST = 1e11  # seconds since 1970
_LONGEST_TEXT = 4096


def write_export(store: Store, path: Path) -> int:
    """Write every stream to a JSON file; returns how many."""
    machines, streams = store.machines(), []
    for entry in store.entries():
        state = store.state(entry.id)
        if state is not None:
            known = {name: getattr(entry, name) for name in ("kind", "site", "machine", "solves", "made", "used")}
            streams.append({**known, "state": state})
    text = json.dumps({"format": _FORMAT, "version": _VERSION, "machines": machines, "streams": streams}, indent=1)
    path.write_text(text + "\n")
    return len(streams)


def read_export(store: Store, path: Path) -> tuple[int, int]:
    """Take in the streams of an exported file, but those of which as much is known; how many were taken, of how many.

    Raises
    ------
    InvalidInput
        The file cannot be read, or was not written by :func:`write_export`. Nothing has been taken in then.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput("FILE", f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise InvalidInput("FILE", f"{path} is no export of a memory; `reiterate memory export` writes them")
    if content.get("version") != _VERSION:
        raise InvalidInput("FILE", f"{path} has version {content.get('version')!r}; this one reads {_VERSION}")
    machines = content.get("machines")
    known = machines if isinstance(machines, dict) else {}
    streams = content.get("streams")
    if not isinstance(streams, list):
        raise InvalidInput("FILE", f"{path} has no list of streams")
    read = [_stream(path, number, stream) for number, stream in enumerate(streams)]
    taken = sum(store.add(entry, state, str(known.get(entry.machine, "unknown"))) for entry, state in read)
    return taken, len(read)


def _stream(path: Path, number: int, stream: Any) -> tuple[Entry, dict[str, Any]]:
    """One stream, checked as far as the store relies on it; what it says is checked by the policy that recalls it."""
    if isinstance(stream, dict):
        kind, state, site, machine = (stream.get(name) for name in ("kind", "state", "site", "machine"))
        solves, made, used = (stream.get(name) for name in ("solves", "made", "used"))
        texts = all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in (site, machine))
        times = all(isinstance(when, int | float) and 0.0 <= when < _LATEST for when in (made, used))
        counted = isinstance(solves, int) and 0 <= solves < 2**62
        if isinstance(kind, dict) and isinstance(state, dict) and texts and times and counted and _finite(state):
            entry = Entry(
                0, kind, stream["site"], stream["machine"], stream["solves"], stream["made"], stream["used"], 0
            )
            return entry, state
    raise InvalidInput("FILE", f"stream {number} of {path} is damaged; leave it out, or export again")


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)
