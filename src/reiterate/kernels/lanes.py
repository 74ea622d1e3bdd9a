"""Several adjacent columns of a block as one value in vector registers.

Blocks have shape (n, k), k = 4 or 8, and are C-contiguous, so that a row of one is k numbers side by side. Numba leaves
sums of adjacent columns in scalar registers; therefore :func:`load` gives a row as one value of a type of its own, on
which arithmetic is that of LLVM's vectors: a product with a sparse matrix takes a third of the time. Scalars that meet
such a value are spread over all columns.

How many columns there are must be known to the compiler: it is the length of a tuple, :data:`FOUR` or :data:`EIGHT`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

FOUR: Final = (0,) * 4
EIGHT: Final = (0,) * 8
"""Say how many columns a block has; the numbers mean nothing."""

_INT32 = ir.IntType(32)
_ELEMENTS = {types.float64: ir.DoubleType(), types.float32: ir.FloatType()}


class Lanes(types.Type):  # type: ignore[misc]
    """As many numbers as there are columns; ``element`` is their type."""

    def __init__(self, count: int, element: types.Float) -> None:
        self.count, self.element = count, element
        super().__init__(name=f"Lanes({count}, {element})")

    @property
    def vector(self) -> ir.VectorType:
        """LLVM's type."""
        return ir.VectorType(_ELEMENTS[self.element], self.count)


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(manager, kind, kind.vector)


def _spread(context: Any, builder: Any, value: Any, kind: types.Type, lanes: Lanes) -> Any:
    if isinstance(kind, Lanes):
        return value
    scalar = context.cast(builder, value, kind, lanes.element)
    undefined = ir.Constant(lanes.vector, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    mask = ir.Constant(ir.VectorType(_INT32, lanes.count), [0] * lanes.count)
    return builder.shuffle_vector(first, undefined, mask)


def _pointer(context: Any, builder: Any, kind: types.Array, array: Any, row: Any, lanes: Lanes) -> Any:
    data = context.make_array(kind)(context, builder, array).data
    offset = builder.mul(row, ir.Constant(row.type, lanes.count))
    return builder.bitcast(builder.gep(data, [offset]), lanes.vector.as_pointer())


@intrinsic
def load(_context, array, row, columns):
    """Row ``row`` (uint64) of ``array``, C-contiguous with as many columns as the tuple ``columns`` is long."""
    lanes = Lanes(columns.count, array.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], lanes)
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return lanes(array, types.uint64, columns), generate


@intrinsic
def store(_context, array, row, value):
    """Write row ``row`` (uint64) of ``array``, which has as many columns as ``value``; scalars are spread, see load."""
    lanes = Lanes(value.count, array.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], lanes)
        builder.store(arguments[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    if value.element != array.dtype:
        return None
    return types.void(array, types.uint64, value), generate


@intrinsic
def cast(_context, value, like):
    """``value`` in the precision of the scalar ``like``."""
    lanes = Lanes(value.count, like)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if value.element == like:
            return arguments[0]
        convert = builder.fptrunc if like.bitwidth < value.element.bitwidth else builder.fpext
        return convert(arguments[0], lanes.vector)

    return lanes(value, like), generate


@intrinsic
def spread(_context, scalar, columns):
    """``scalar`` in every column."""
    lanes = Lanes(columns.count, scalar)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(context, builder, arguments[0], scalar, lanes)

    return lanes(scalar, columns), generate


@intrinsic
def magnitude(_context, value):
    """|value|."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        width = value.element.bitwidth
        integers = ir.VectorType(ir.IntType(width), value.count)
        without_sign = ir.Constant(integers, [2 ** (width - 1) - 1] * value.count)
        bits = builder.and_(builder.bitcast(arguments[0], integers), without_sign)
        return builder.bitcast(bits, value.vector)

    return value(value), generate


def _define(symbol: Callable[[Any, Any], Any], instruction: str) -> None:
    @intrinsic
    def combine(_context, a, b):
        lanes = a if isinstance(a, Lanes) else b

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            operands = [
                _spread(context, builder, value, kind, lanes)
                for value, kind in zip(arguments, signature.args, strict=True)
            ]
            return getattr(builder, instruction)(*operands, flags=("contract",))

        return lanes(a, b), generate

    def choose(a, b):
        if isinstance(a, Lanes) or isinstance(b, Lanes):
            return lambda a, b: combine(a, b)
        return None

    overload(symbol, inline="never")(choose)


for _symbol, _in_place, _instruction in (
    (operator.add, operator.iadd, "fadd"),
    (operator.sub, operator.isub, "fsub"),
    (operator.mul, operator.imul, "fmul"),
):
    _define(_symbol, _instruction)
    _define(_in_place, _instruction)
