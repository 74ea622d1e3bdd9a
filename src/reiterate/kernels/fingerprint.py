"""Recognizing arrays that have been seen before."""

from __future__ import annotations

import numpy as np

from reiterate.kernels.compiling import kernel

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)


@kernel
def fingerprint(words):
    """A 64-bit hash of a uint64 array of shape (n,), sensitive to every bit and to the order.

    Four interleaved multiply-and-fold chains, so that the speed is that of memory. Two arrays that differ have
    equal hashes with probability about 2⁻⁶⁴; not meant to withstand an adversary.
    """
    a, b, c, d = _PRIME, _PRIME << np.uint64(1), _PRIME << np.uint64(2), _PRIME << np.uint64(3)
    whole = words.size - words.size % 4
    for i in range(0, whole, 4):
        a = (a ^ words[i]) * _PRIME
        b = (b ^ words[i + 1]) * _PRIME
        c = (c ^ words[i + 2]) * _PRIME
        d = (d ^ words[i + 3]) * _PRIME
        a ^= a >> _SHIFT
        b ^= b >> _SHIFT
        c ^= c >> _SHIFT
        d ^= d >> _SHIFT
    for i in range(whole, words.size):
        a = (a ^ words[i]) * _PRIME
        a ^= a >> _SHIFT
    for other in (b, c, d):
        a = (a ^ other) * _PRIME
        a ^= a >> _SHIFT
    return a
