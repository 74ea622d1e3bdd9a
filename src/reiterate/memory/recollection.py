"""What one solver has to do with the store: its policies begin with what is known, and leave what they know."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from reiterate.contracts import Instance
from reiterate.engine.policy import Policy
from reiterate.memory.place import store_if_wanted
from reiterate.memory.recognition import Fingerprint, call_site, fingerprint

if TYPE_CHECKING:
    from reiterate.memory.store import Store

_WAIT = 0.05  # seconds between two times that knowledge is written, which takes about a millisecond
_LONGEST = 1.0  # seconds of work that may be lost when the process is killed


def recollect(
    memory: str | os.PathLike[str] | bool | Store | None,
    label: str | None,
    describe: Callable[[Any], Mapping[str, Any]],
    cost: str,
) -> Recollection | None:
    """The recollection of a solver that is being made, in the store that is meant; ``None`` where that is off.

    Without a ``label`` the stream comes from the line outside of this package that is being executed.
    """
    store = store_if_wanted(memory)
    return None if store is None else Recollection(store, call_site() if label is None else str(label), describe, cost)


class Recollection:
    """Keeps the knowledge of a solver's policies from one run to the next.

    It is written after 1, 2, 4, 8 … solves, unless that was done a moment ago; when it is a second old; and at the end.

    Parameters
    ----------
    store
    site
        Where the stream comes from; see :class:`~reiterate.memory.recognition.Fingerprint`.
    describe
        The kind of an instance as plain values.
    cost
        The unit of costs.
    """

    def __init__(self, store: Store, site: str, describe: Callable[[Any], Mapping[str, Any]], cost: str) -> None:
        self._store = store
        self._site = site
        self._describe = describe
        self._cost = cost
        self._policies: list[tuple[Policy, Fingerprint]] = []
        self._solves = 0
        self._written = -float("inf")
        self._unwritten_in = 0  # number of the process that has learnt something since

    def begin(self, policy: Policy, instance: Instance) -> None:
        """Tell a new policy what earlier runs know about instances like its first one."""
        if not self._store.on:
            return
        decides = policy.remarks().learner or "explorer"
        key = fingerprint({**self._describe(instance), "cost": self._cost, "decides": decides}, self._site)
        self._policies.append((policy, key))
        known = self._store.recall(key)
        if known is not None:
            # The policy checks what it is told, which may come from anywhere.
            policy.recall(known.state, same_stream=known.same_stream, same_machine=known.same_machine)

    def solved(self) -> float:
        """A solve is over; returns the seconds that writing has taken, which is rarely done."""
        self._solves += 1
        self._unwritten_in = os.getpid()
        begin = time.perf_counter()
        since = begin - self._written
        if since > _LONGEST or (since > _WAIT and self._solves & (self._solves - 1) == 0):
            self._write(patiently=False)
            self._written = time.perf_counter()
            return self._written - begin
        return 0.0

    def close(self) -> None:
        """The end of the solver, or of the process."""
        # A fork of the process that has solved has nothing to tell.
        if self._unwritten_in == os.getpid():
            self._write(patiently=True)

    def _write(self, *, patiently: bool) -> None:
        self._unwritten_in = 0
        for policy, key in self._policies:
            if not self._store.on:
                return
            try:
                state = policy.state_dict()
                if state and not self._store.remember(key, state, patiently=patiently):
                    self._unwritten_in = os.getpid()  # others were writing, so once more later
            except Exception:  # what cannot be written down is lost; a program's solve is not to fail because of it
                continue
