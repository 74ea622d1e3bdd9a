"""What the ledgers of call sites know, kept in the memory: so that the next run begins where this one ended."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reiterate.intercept.factoring import Factoring
from reiterate.intercept.forking import Lock
from reiterate.intercept.ledger import Budget, Key, Ledger, nearest
from reiterate.memory.place import store_if_wanted
from reiterate.memory.recognition import Fingerprint, fingerprint

if TYPE_CHECKING:
    from reiterate.intercept.site import Site
    from reiterate.memory.store import Recalled, Store

_LONGEST = 5.0  # seconds of a run that may be lost when the process is killed
_WORTH_IT = 0.02  # seconds spent at a site, below which the next run may as well find out for itself
_LARGEST = 1e9  # of any number that is believed
_MOST_LEDGERS = 200


class Remembered:
    """Ledgers of call sites: recalled when they are opened, written every few seconds and at the end.

    What SciPy and we have taken on this machine is believed, so that a site which is known to gain begins at once, and
    one which is known not to gain is left to SciPy. From another machine it is a forecast of what SciPy takes.
    Nothing here raises: what cannot be read or written is found out anew.

    Parameters
    ----------
    memory : path, bool, Store or None
        As of :class:`reiterate.Solver`.
    """

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self._lock = Lock(delicate=True)
        self._store: Store | None = None
        self._opened = False
        self._known: dict[Site, Recalled | None] = {}
        self._written = time.perf_counter()
        self._called_in = os.getpid()  # number of the process that knows more than is written

    def begin(self, site: Site, key: Key, ledger: Ledger) -> None:
        """Tell a new ledger what earlier runs have found there."""
        self._called_in = os.getpid()
        with self._lock:
            self._begin(site, key, ledger)

    def _begin(self, site: Site, key: Key, ledger: Ledger) -> None:
        try:
            known = self._recalled(site)
            if known is None:
                return
            states = _by_key(known.state["ledgers"])
            state = states.get(nearest(key, states))
            if state is not None:
                _resume(ledger, state, believed=known.same_machine)
            if known.same_machine:
                site.light = max(site.light, int(_number(known.state["light"], 0.0)))
        except Exception:  # it may come from anywhere
            return

    def keep(self) -> None:
        """Write what is known if that was not done for a while."""
        self._called_in = os.getpid()
        if (now := time.perf_counter()) - self._written >= _LONGEST:
            self._written = now
            self._write(patiently=False)

    def close(self) -> None:
        """The end of a session, or of the process."""
        self._write(patiently=True)
        self._called_in = 0

    def _recalled(self, site: Site) -> Recalled | None:
        if not self._opened:
            self._opened = True
            self._store = store_if_wanted(self._memory)
        if site not in self._known:
            self._known[site] = None
            store = self._store
            # A file is not made before there is something to write.
            if store is not None and site.label and store.path is not None and store.path.exists():
                found = store.recall(_fingerprint(site))
                fits = found is not None and found.same_stream and _fits(found.state)
                self._known[site] = found if fits else None
        return self._known[site]

    def _write(self, *, patiently: bool) -> None:
        store = self._store if self._called_in == os.getpid() else None
        for site, known in list(self._known.items()):
            if store is None or not store.on:
                return
            if site.label and site.seconds >= _WORTH_IT:
                try:
                    store.remember(_fingerprint(site), self._state(site, known), patiently=patiently)
                except Exception:  # a program is not to fail because of what it has not asked for
                    continue

    def _state(self, site: Site, known: Recalled | None) -> dict[str, Any]:
        """Of all ledgers of a site, also of those that earlier runs have opened and this one has not."""
        states = {key: _state(ledger) for key, ledger in site.ledgers().items()}
        old = _by_key(known.state["ledgers"]) if known is not None and known.same_machine else {}
        kept = {key: state for key, state in old.items() if nearest(key, states) not in states}
        solves = int(known.state["solves"]) if known is not None else 0
        return {
            "solves": solves + site.answered + site.left_to_scipy,
            "light": site.light,
            "ledgers": {_spelled(key): state for key, state in list({**kept, **states}.items())[-_MOST_LEDGERS:]},
        }


def _fingerprint(site: Site) -> Fingerprint:
    return fingerprint({"calls": site.function, "cost": "time"}, site.label)


def _fits(state: Mapping[str, Any]) -> bool:
    """Whether it has what is written here, in numbers that can be."""
    try:
        _number(state["solves"], 0.0)
        _number(state["light"], 0.0)
        return isinstance(state["ledgers"], dict)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def _spelled(key: Key) -> str:
    return " ".join(map(str, key))


def _by_key(ledgers: Mapping[str, Any]) -> dict[Key, Any]:
    """Those whose names are the spelling of a key."""
    spelled = ((name.split(), state) for name, state in ledgers.items())
    return {
        (int(key[0]), int(key[1]), int(key[2])): state
        for key, state in spelled
        if len(key) == 3 and all(part.isdecimal() for part in key)
    }


def _state(ledger: Ledger) -> dict[str, Any]:
    """A ledger as plain values; ``calls`` are those of this run."""
    return {
        "theirs": [ledger.theirs.count, ledger.theirs.recent],
        "factors": None if ledger.factoring is None else ledger.factoring.state(),
        "gained": ledger.gained.recent,
        "calls": ledger.theirs.count - ledger.theirs.earlier + ledger.gained.count,
        "growth": ledger.growth,
        "strictness": ledger.strictness,
        "barred": ledger.barred,
        "standing": [min(number, _LARGEST) for number in ledger.standing()],
        "solving": None if ledger.solving is None else _state(ledger.solving),
    }


def _resume(ledger: Ledger, state: Mapping[str, Any], *, believed: bool) -> None:
    """Everything is checked before anything is changed.

    Raises
    ------
    ValueError, TypeError, KeyError
        It is no state of a ledger.
    """
    count, recent = _number(state["theirs"][0], 0.0), _number(state["theirs"][1], 0.0)
    gained, calls = _number(state["gained"]), _number(state["calls"], 0.0)
    growth = None if state["growth"] is None else _number(state["growth"], 0.0)
    strictness = min(_number(state["strictness"], 1e-3), 1.0)
    debt, tries, rest, period = map(_number, state["standing"])
    solving, factors = state["solving"], state.get("factors")
    if solving is not None:
        _resume(Ledger(Budget()), solving, believed=True)
    if factors is not None:
        Factoring().resume(*map(_number, factors))
    ledger.growth, ledger.strictness, ledger.barred = growth, strictness, state["barred"] is True
    if not believed:
        if count:
            ledger.expected = recent
        return
    ledger.theirs.count = ledger.theirs.earlier = int(count)
    ledger.theirs.recent, ledger.gained.recent = recent, gained
    ledger.resume(debt, int(tries), int(rest), max(int(period), 1), max(gained, 0.0) * calls)
    if ledger.factoring is not None and factors is not None:
        ledger.factoring.resume(*map(_number, factors))
    if solving is not None:
        _resume(ledger.for_solving(), solving, believed=True)


def _number(value: Any, least: float = -_LARGEST) -> float:
    number = float(value)
    if not (math.isfinite(number) and least <= number <= _LARGEST):
        raise ValueError(f"{value!r} is not believed")
    return number
