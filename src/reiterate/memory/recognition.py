"""By what a stream and a machine are recognized in another run."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

_OWN = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What knowledge is filed under.

    Attributes
    ----------
    kind : str
        The kind of instance, who decides, and in what unit: sorted JSON text.
    site : str
        Where the stream comes from, e.g. ``heat/main.py:31``. Empty: nobody knows, and no two runs are the same stream.
    """

    kind: str
    site: str = ""


def fingerprint(kind: Mapping[str, Any], site: str = "") -> Fingerprint:
    """Of a kind of instance, described by plain values, at a site."""
    return Fingerprint(json.dumps(kind, sort_keys=True, separators=(",", ":")), site)


@functools.cache
def machine() -> tuple[str, str]:
    """A short name for all machines on which seconds compare with those measured here, and a description."""
    parts = (processor(), platform.machine(), f"numba {_version('numba')}", f"{_OWN} {_version(_OWN)}")
    description = ", ".join(parts)
    return hashlib.sha256(description.encode()).hexdigest()[:12], description


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        with Path("/proc/cpuinfo").open() as lines:
            # The first one will do: with many processors the whole file takes a while.
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def call_site() -> str:
    """The place outside of this package that is being executed, e.g. ``heat/main.py:31``; empty where it has no file.

    Only the last directory counts, so that a project can be moved.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != _OWN:
            path = Path(frame.f_code.co_filename)
            return f"{path.parent.name}/{path.name}:{frame.f_lineno}" if path.is_file() else ""
        frame = frame.f_back
    return ""


def _version(package: str) -> str:
    loaded = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(loaded, str):
        return loaded
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
