"""A learner's state as plain numbers, strings, lists, dicts and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reiterate.errors import InvalidInput

BIT_GENERATORS: dict[str, type[np.random.BitGenerator]] = {
    kind.__name__: kind
    for kind in (
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.MT19937,
        np.random.Philox,
        np.random.SFC64,
    )
}


def pack_generator(rng: np.random.Generator) -> dict[str, Any]:
    """The state of the generator's bit generator, with its name."""
    state: Any = rng.bit_generator.state
    return dict(state)


def unpack_generator(state: Mapping[str, Any]) -> np.random.Generator:
    """A generator that goes on where the packed one stood; arrays may have become lists on the way."""
    name = state.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise InvalidInput("state", f"bit generator {name!r} is not one of {', '.join(BIT_GENERATORS)}")
    bits = BIT_GENERATORS[name](0)
    bits.state = _as_arrays(state)
    return np.random.Generator(bits)


def _as_arrays(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_arrays(item) for key, item in value.items()}
    # NumPy's own state dicts hold sequences only where the generators want unsigned words.
    return np.asarray(value, dtype=np.uint64) if isinstance(value, list) else value


def check_state(state: Mapping[str, Any], name: str) -> None:
    """Refuse the state of another kind of learner."""
    if state.get("learner") != name:
        raise InvalidInput("state", f"describes the learner {state.get('learner')!r}, not {name!r}")


def array(value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A fresh float array of that shape, from an array or nested lists."""
    result = np.array(value, dtype=np.float64)
    if result.shape != shape:
        raise InvalidInput("state", f"holds an array of shape {result.shape} where {shape} is needed")
    return result
