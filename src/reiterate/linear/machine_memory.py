"""How much memory there is."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

_SHARE: Final = 0.5
_UNKNOWN_MACHINE: Final = 8 * 2**30
_CONTROL_GROUP: Final = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> int:
    """Bytes of the machine, or of the container; where the system does not tell, 8 GiB are taken to be there."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        total = _UNKNOWN_MACHINE
    with contextlib.suppress(OSError, ValueError):  # no control group, or one without a limit
        total = min(total, int(_CONTROL_GROUP.read_text()))
    return total


def default_memory_limit() -> int:
    """Bytes that one factorization may take where nothing else is said: half of what there is."""
    return int(_SHARE * machine_memory())
