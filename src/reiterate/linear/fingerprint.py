"""What is the same for systems that solve alike, in words that another run uses for its own."""

from __future__ import annotations

import math
from typing import Any, Final

from reiterate.linear.block import BlockInstance
from reiterate.linear.instance import LinearInstance

_TRAITS: Final = (
    "symmetric",
    "self_adjoint",
    "full_diagonal",
    "positive_diagonal",
    "complex",
    "entries",
    "constant_null_space",
    "zero_line",
    "presumed_indefinite",
)


def describe(instance: LinearInstance) -> dict[str, Any]:
    """The kind of system as plain values: sizes within a factor of two, entries a row, columns of b, and traits."""
    traits = instance.traits
    columns = len(instance.columns) if isinstance(instance, BlockInstance) else 1
    return {
        "what": "A x = b",
        "columns": columns.bit_length(),
        "size": traits.size.bit_length(),
        "entries": traits.nnz.bit_length(),
        "per_row": round(2.0 * math.log2(max(traits.nnz, 1) / max(traits.size, 1))),
        "traits": [name for name in _TRAITS if getattr(traits, name)],
        "definite": traits.definite,
    }
