"""Several threads in one kernel: single program, multiple data.

Every thread of a team calls the same kernel with the same arrays and its own number, does its parts of every phase,
and meets the others at a barrier before the next one. Threads belong to Python (:mod:`reiterate.linear.team`); here is
what they need in compiled code. A barrier costs some 0.1 µs when all arrive together, against 5 to 10 µs of a parallel
region of Numba: cheap enough for a sweep of hundreds of levels.

*Parts* and *threads* are two numbers. Work is cut into a fixed number of parts, thread t does parts t, t + threads, …,
and sums over parts are added in their order: so results depend on the number of parts only, not on how many
threads happened to be there.

The *board* of a call is an int64 array of (threads + 1) · :data:`STRIDE` zeros that its threads share, with numbers far
enough apart not to share cache lines: how many workers have arrived and whether they may begin, then one counter of
barriers passed for each thread. A new board for every call leaves no state behind, whatever goes wrong.

Where other programs want the same processors, a thread that is ready waits for one that is not running, and many
barriers make two threads slower than one, tenfold and more. So thread 0 measures how long it waits; an iteration that
sees :func:`parting` returns early, and the caller goes on alone.
Source: barriers by flags, J. M. Mellor-Crummey and M. L. Scott, "Algorithms for scalable synchronization on
shared-memory multiprocessors", ACM Trans. Comput. Syst. 9 (1991).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from reiterate.kernels.compiling import kernel, never_inline, pause, ticks, yield_processor

STRIDE: Final = 16
"""Numbers from one counter of a board to the next: 128 bytes, two cache lines, because lines are fetched in pairs."""

ARRIVED: Final = 0
VERDICT: Final = STRIDE // 2
"""Places on a board: workers that have arrived, and what becomes of them (0: wait)."""

BEGIN: Final = 1
DISMISSED: Final = 2

_PARTING = VERDICT + 1  # whether thread 0 has found that the threads had better part
_BEGUN = STRIDE + 1  # when thread 0 began, in ticks
_WAITED = STRIDE + 2  # ticks for which it has waited since

TOO_MUCH_WAITING: Final = 0.5
"""Of two threads that each wait for half of the time, one would be as fast."""

_SPINS = 1000  # some 20 µs; after that the processor is offered to others between two looks
_PATIENCE = 4000  # looks at who has arrived before the caller begins alone: some 1 ms where nobody else computes


@intrinsic
def _load(_typing_context: Any, board: Any, place: Any) -> Any:
    """``board[place]``; nothing after it in the program is read before it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments)
        return builder.load_atomic(address, "acquire", 8, typ=ir.IntType(64))

    return types.int64(board, place), generate


@intrinsic
def _store(_typing_context: Any, board: Any, place: Any, value: Any) -> Any:
    """Write ``board[place]``; everything before it in the program is written before it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments)
        builder.store_atomic(arguments[2], address, "release", 8)
        return context.get_dummy_value()

    return types.void(board, place, types.int64), generate


@intrinsic
def _increment(_typing_context: Any, board: Any, place: Any) -> Any:
    """Add one to ``board[place]`` in one indivisible step."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments)
        builder.atomic_rmw("add", address, ir.Constant(ir.IntType(64), 1), "acq_rel")
        return context.get_dummy_value()

    return types.void(board, place), generate


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@kernel
def _rest(looks):
    """Between two looks at what another thread is to write."""
    if looks < _SPINS:
        pause()
    else:
        yield_processor()


@kernel
def join(board, thread):
    """Wait until the team is complete.

    The caller, thread 0, does not wait forever: a worker may be late, because others hold the interpreter or the
    processor, or may never come. Then the caller begins alone and whoever comes later is dismissed.

    Parameters
    ----------
    board : int64 array of shape ((threads + 1) · STRIDE,)
    thread : int
        Number of the calling thread.

    Returns
    -------
    int
        Threads that will take part: all or, for thread 0, one; 0 for a worker that is not needed.
    """
    threads = board.size // STRIDE - 1
    if threads == 1:
        return 1
    looks = 0
    if thread == 0:
        while _load(board, ARRIVED) < threads - 1:
            if looks == _PATIENCE:
                _store(board, VERDICT, DISMISSED)
                return 1
            _rest(looks)
            looks += 1
        _store(board, VERDICT, BEGIN)
        board[_BEGUN] = ticks()
        return threads
    _increment(board, ARRIVED)
    while _load(board, VERDICT) == 0:
        _rest(looks)
        looks += 1
    return threads if _load(board, VERDICT) == BEGIN else 0


@kernel
def _meet(board, thread, threads):
    never_inline()
    own = (thread + 1) * STRIDE
    stage = board[own] + 1
    _store(board, own, stage)
    for other in range(1, threads + 1):
        if _load(board, other * STRIDE) < stage:
            begin = ticks()
            looks = 0
            while _load(board, other * STRIDE) < stage:
                _rest(looks)
                looks += 1
            board[own + 2] += ticks() - begin


@kernel
def barrier(board, thread, threads):
    """Return when all ``threads`` have called; what they wrote before is then visible to all."""
    if threads > 1:
        _meet(board, thread, threads)


@kernel
def share_of_waiting(board):
    """The share of its time since :func:`join` for which thread 0 has waited; for thread 0 only."""
    return board[_WAITED] / max(ticks() - board[_BEGUN], 1)


@kernel
def consider_parting(board, thread, threads):
    """Have thread 0 decide whether to part; to be called between two barriers of an iteration."""
    if threads > 1 and thread == 0 and share_of_waiting(board) > TOO_MUCH_WAITING:
        _store(board, _PARTING, 1)


@kernel
def parting(board, threads):
    """What was decided, the same for all threads; to be called after the second of these barriers."""
    return threads > 1 and _load(board, _PARTING) == 1


@kernel
def add_parts(sums, column):
    """Σ sums[part, column], in the order of the parts; ``sums`` is an array of shape (parts, ≥ 16)."""
    total = sums[0, column]
    for part in range(1, sums.shape[0]):
        total += sums[part, column]
    return total


@kernel
def dismiss(board):
    """Send workers home that wait for a caller who will not come; does nothing once the work has begun."""
    if _load(board, VERDICT) == 0:
        _store(board, VERDICT, DISMISSED)


def new_board(threads: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """A board for one call by so many threads."""
    return np.zeros((threads + 1) * STRIDE, dtype=np.int64)
