"""Recognizing arrays that have been seen before."""

from __future__ import annotations

from typing import Final

import numpy as np

from reiterate.kernels.compiling import kernel

_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_HIGH = np.uint64(0xFFFFFFFF00000000)
_BLOCK: Final = 1024


def _keys() -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """Two rows of numbers without any pattern, by the generator SplitMix64 (Steele, Lea and Flood 2014)."""
    z = np.arange(1, 2 * _BLOCK + 1, dtype=np.uint64) * _PRIME
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))).reshape(2, _BLOCK)


_KEYS = _keys()


@kernel
def equal(x, y):
    """Whether two uint32 arrays of shape (n,) and (m,) are equal."""
    if x.size != y.size:
        return False
    difference = np.uint32(0)
    for i in range(x.size):
        difference |= x[i] ^ y[i]
    return difference == 0


@kernel
def fingerprint(words):
    """Two 64-bit hashes of a uint64 array of shape (n,), sensitive to every bit and to the order.

    Arrays that differ have the same hashes with probability about 2⁻⁶⁴; not meant to withstand an adversary.
    Every block of 1,024 words is hashed by NH (Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC", CRYPTO 1999),
    whose collisions have probability 2⁻³² for each of two independent keys, in loops that processors do by vectors, so
    that the speed is that of memory; what comes of the blocks is multiplied and folded.
    """
    first, second = _PRIME, _PRIME << np.uint64(1)
    for begin in range(0, words.size, _BLOCK):
        block = words[begin : begin + _BLOCK]
        a, b = np.uint64(0), np.uint64(0)
        for i in range(block.size):
            word, key, other = block[i], _KEYS[0, i], _KEYS[1, i]
            a += ((word + key) & _LOW) * (((word & _HIGH) + key) >> _SHIFT)
            b += ((word + other) & _LOW) * (((word & _HIGH) + other) >> _SHIFT)
        first = (first ^ a) * _PRIME
        second = (second ^ b) * _PRIME
        first ^= first >> _SHIFT
        second ^= second >> _SHIFT
    return first, second
