"""Numbers and names as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

_PARAMETERS = {"omega": "relaxation parameter ω"}
_SYMBOLS = {"omega": "ω"}
_TIED = "\N{NO-BREAK SPACE}"
_BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("bytes", 1.0))
_DURATIONS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def count(number: float) -> str:
    """A whole number with thousands separators: ``12,345``."""
    return f"{number:,.0f}" if math.isfinite(number) else "–"


def few(number: float) -> str:
    """Three significant digits, in plain notation where that is short."""
    if not math.isfinite(number):
        return "–"
    if number == 0.0:
        return "0"
    if not 1e-4 <= abs(number) < 1e6:
        return f"{number:.2e}"
    if abs(number) >= 100.0:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def percent(fraction: float) -> str:
    """A fraction as a percentage: ``2.9 %``."""
    if not math.isfinite(fraction):
        return "–"
    value = round(100.0 * fraction, 6)
    digits = 0 if abs(value) >= 20.0 else 1
    return f"{value:,.{digits}f}{_TIED}%".replace("-", "−")


def seconds(number: float) -> str:
    """A duration in the unit that suits it."""
    if not math.isfinite(number):
        return "–"
    for unit, size in _DURATIONS:
        if abs(number) >= size:
            return f"{few(number / size)}{_TIED}{unit}"
    return f"{few(number / 1e-9)}{_TIED}ns" if number else f"0{_TIED}s"


def duration_unit(longest: float) -> tuple[str, float]:
    """The unit for an axis that reaches ``longest`` seconds, and its size in seconds."""
    return next(((unit, size) for unit, size in _DURATIONS if longest >= 2.0 * size), _DURATIONS[-1])


def byte_unit(most: float) -> tuple[str, float]:
    """The unit for so many bytes, and its size."""
    return next(((unit, size) for unit, size in _BYTES if most >= size), _BYTES[-1])


def excess(total: float, reference: float) -> str:
    """How ``total`` compares with ``reference``, as in "2.9 % more" or "2.7 times fewer"."""
    if reference <= 0.0 or total <= 0.0:
        return "as many" if total == reference else "not comparably many"
    ratio = total / reference
    if abs(ratio - 1.0) < 0.0005:
        return "as many"
    if ratio >= 2.0:
        return f"{ratio:,.1f} times more"
    if ratio > 1.0:
        return f"{percent(ratio - 1.0)} more"
    if ratio > 0.5:
        return f"{percent(1.0 - ratio)} fewer"
    return f"{1.0 / ratio:,.1f} times fewer"


def than(comparison: str) -> str:
    """The word that follows an :func:`excess`: "as many as", "more than"."""
    return "as" if comparison == "as many" else "than"


def several(number: int, noun: str) -> str:
    """``1 solve``, ``2 solves``."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def listed(names: Sequence[str], most: int) -> str:
    """``a, b and c``; where there are more than ``most``, ``a, b and 3 more``."""
    shown = [*names] if len(names) <= most else [*names[: most - 1], f"{len(names) - most + 1} more"]
    return " and ".join(filter(None, (", ".join(shown[:-1]), *shown[-1:])))


def sentence(text: str) -> str:
    """The text with a capital letter in front."""
    return text[:1].upper() + text[1:]


def parameter_label(name: str) -> str:
    """Axis label of a tuned parameter."""
    return _PARAMETERS.get(name) or printable(name, 26)


def parameter_symbol(name: str) -> str:
    """What a tuned parameter is called in running text."""
    return _SYMBOLS.get(name) or printable(name, 20)


def printable(text: str, longest: int | None = None) -> str:
    """The text without line breaks and characters that XML forbids, cut to ``longest`` characters."""
    clean = "".join(
        c if c.isprintable() or c == _TIED else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    if longest is not None and len(clean) > longest:
        clean = clean[: longest - 1] + "…"
    return clean
