"""What a call does, as seen from outside: its result or its exception, and its warnings."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp


def outcome(call: Callable[[], Any]) -> tuple[Any, Any, list[tuple[str, str, str, int]]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, error = None, None
        try:
            result = call()
        except Exception as exception:
            error = (type(exception), str(exception))
    told = [(w.category.__name__, str(w.message), w.filename, w.lineno) for w in caught]
    return result, error, told


def assert_same(plain: Any, ours: Any, rtol: float = 1e-9) -> None:
    """The same exception, warnings from the same line, and results that are alike in everything but rounding."""
    assert ours[1] == plain[1]
    assert ours[2] == plain[2]
    assert_alike(plain[0], ours[0], rtol)


def assert_alike(plain: Any, ours: Any, rtol: float = 1e-9) -> None:
    if isinstance(plain, tuple):
        assert len(plain) == len(ours)
        for p, o in zip(plain, ours, strict=True):
            assert_alike(p, o, rtol)
        return
    assert type(ours) is type(plain)
    if sp.issparse(plain):
        assert ours.format == plain.format
        plain, ours = plain.toarray(), ours.toarray()
    if isinstance(plain, np.ndarray):
        assert (ours.dtype, ours.shape) == (plain.dtype, plain.shape)
        assert (ours.flags.c_contiguous, ours.flags.f_contiguous) == (
            plain.flags.c_contiguous,
            plain.flags.f_contiguous,
        )
        assert ours.flags.writeable
        plain, ours = np.asarray(plain), np.asarray(ours)
        scale = np.abs(plain).max(initial=0.0) if np.isfinite(plain).all() else 0.0
        np.testing.assert_allclose(ours, plain, rtol=rtol, atol=rtol * scale)
    elif plain is not None:
        assert ours == plain
