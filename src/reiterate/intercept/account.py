"""Where the seconds went that a program has waited at a call site: each is counted once, under one name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, Literal

Part = Literal["ours", "loading", "refused", "kept", "scipy", "deciding", "audits"]

PARTS: Final[dict[Part, tuple[str, str]]] = {
    "ours": ("our answers", "Solving, and checking to the accuracy that SciPy would have reached."),
    "loading": ("loading reiterate", "Importing it, and loading or compiling its machine code: once in a process."),
    "refused": ("attempts in vain", "Of ours, which were not exact enough or failed; SciPy answered in the end."),
    "kept": ("factors that were kept", "Answers of factors that had been computed for the same matrix."),
    "scipy": ("SciPy's own answers", "Calls that were left to SciPy."),
    "deciding": ("looking at the calls", "Deciding who answers, comparing with the last matrix, and remembering."),
}
"""What people call the parts, and what they are. Audits are none of them: they were asked for, and come on top."""

KEPT: Final = "kept factors"
SUPERNODAL: Final = "supernodal factors"
LEFT: Final = "SciPy"
REFUSED: Final = "SciPy after ours was refused"
"""Who answers, if not a configuration of ours."""


class _Named(threading.local):
    """Seconds of this thread that have a name already, at whatever call site."""

    seconds = 0.0


_named: Final = _Named()


class Watch:
    """Begins when it is made. What is called meanwhile may be a call site, too, whose seconds are its own."""

    __slots__ = ("_begin", "_named")

    def __init__(self) -> None:
        self._named, self._begin = _named.seconds, time.perf_counter()

    def whole(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._begin

    def alone(self) -> float:
        """Those of them that have no name yet."""
        return max(self.whole() - (_named.seconds - self._named), 0.0)


class Account:
    """The seconds of one call site.

    Attributes
    ----------
    seconds : dict of str to float
        By the parts of :data:`PARTS`, and ``"audits"``.
    elsewhere : float
        Seconds in which SciPy answered here, but that other call sites have named: a preconditioner of the program's.
    unmeasured : float
        Seconds of SciPy's own answers that no ledger knows.
    """

    def __init__(self) -> None:
        self.seconds: dict[Part, float] = {**dict.fromkeys(PARTS, 0.0), "audits": 0.0}
        self.elsewhere = self.unmeasured = 0.0

    @property
    def total(self) -> float:
        """All but audits."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """What :attr:`total` is the sum of."""
        return {part: self.seconds[part] for part in PARTS}

    def add(self, part: Part, seconds: float) -> None:
        """Name seconds that have passed in this thread."""
        self.seconds[part] += seconds
        _named.seconds += seconds

    def by_scipy(self, watch: Watch, *, measured: bool = True) -> float:
        """SciPy has answered; returns the seconds of that, whoever has named them."""
        whole, alone = watch.whole(), watch.alone()
        self.add("scipy", alone)
        self.elsewhere += whole - alone
        self.unmeasured += 0.0 if measured else whole
        return whole

    def within(self, part: Part, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What ``call`` returns; what has no name after that gets this one."""
        watch = Watch()
        try:
            return call(*args, **kwargs)
        finally:
            self.add(part, watch.alone())
