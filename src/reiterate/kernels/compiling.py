"""How kernels are compiled, and what Numba does not offer: to prefetch, pause, yield, count ticks."""

from __future__ import annotations

import platform
import sys
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from reiterate.kernels.notice import announce_compiling
from reiterate.kernels.on_demand import Function, Kernel

announce_compiling()

PREFETCH_DISTANCE: Final = np.uint64(512)
"""Entries of a matrix to fetch ahead of their use.

Hardware prefetchers do not keep up with the interleaved streams of a sparse matrix: at n = 1,000,000 a
7-point matrix-vector product takes 5.5 ms without and 2.7 ms with an explicit prefetch this far ahead.
"""


def kernel(function: Function) -> Function:
    """Compile with multiply-adds contracted, nothing reordered, cached on disk."""
    return _compile(function, fastmath={"contract"})


def inlined_kernel(function: Function) -> Function:
    """As :func:`kernel`, and always inlined, so that literal arguments become constants of the loop."""
    return _compile(function, fastmath={"contract"}, forceinline=True)


def reduction_kernel(function: Function) -> Function:
    """As :func:`kernel`, with sums reassociated, so that long reductions use the vector unit."""
    return _compile(function, fastmath={"contract", "reassoc", "nsz"})


def _compile(function: Function, **options: Any) -> Function:
    return Kernel(function, nogil=True, error_model="numpy", **options)


@intrinsic
def prefetch(_typing_context: Any, array: Any, index: Any) -> Any:
    """Ask for ``array[index]`` to be brought into the cache; an index past the end is harmless."""
    signature = types.void(array, index)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_struct = context.make_array(signature.args[0])(context, builder, arguments[0])
        byte_pointer = ir.PointerType(ir.IntType(8))
        int32 = ir.IntType(32)
        function_type = ir.FunctionType(ir.VoidType(), [byte_pointer, int32, int32, int32])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        address = builder.bitcast(builder.gep(array_struct.data, [arguments[1]]), byte_pointer)
        read, keep_in_all_levels, data_cache = (ir.Constant(int32, value) for value in (0, 3, 1))
        builder.call(function, [address, read, keep_in_all_levels, data_cache])
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def never_inline(_typing_context: Any) -> Any:
    """Keep the kernel that calls this a function of its own.

    Loops inlined into a large kernel share its registers and are laid out as if all of its code were equally hot; that
    costs a matrix-vector product up to a tenth.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


_MACHINE = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
_PAUSE = {"x86_64": ("llvm.x86.sse2.pause", ()), "aarch64": ("llvm.aarch64.hint", (1,))}.get(_MACHINE)
_TICKS = {"x86_64": "llvm.readcyclecounter", "aarch64": "llvm.readsteadycounter"}.get(_MACHINE)
_YIELD = "SwitchToThread" if sys.platform == "win32" else "sched_yield"


@intrinsic
def pause(_typing_context: Any) -> Any:
    """Tell the processor that this is a loop that waits; a no-op where there is no such instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if _PAUSE is not None:
            name, operands = _PAUSE
            int32 = ir.IntType(32)
            function_type = ir.FunctionType(ir.VoidType(), [int32] * len(operands))
            function = cgutils.get_or_insert_function(builder.module, function_type, name)
            builder.call(function, [ir.Constant(int32, value) for value in operands])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def yield_processor(_typing_context: Any) -> Any:
    """Offer the processor to other threads that want it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function_type = ir.FunctionType(ir.IntType(32), [])
        builder.call(cgutils.get_or_insert_function(builder.module, function_type, _YIELD), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def ticks(_typing_context: Any) -> Any:
    """A counter that runs at a constant rate on every processor alike, in its own unit; 0 where there is none.

    A kernel that calls a clock of the operating system through Python cannot be cached on disk; this one can.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        int64 = ir.IntType(64)
        if _TICKS is None:
            return ir.Constant(int64, 0)
        return builder.call(cgutils.get_or_insert_function(builder.module, ir.FunctionType(int64, []), _TICKS), [])

    return types.int64(), generate
