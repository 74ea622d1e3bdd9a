"""What `reiterate run` says at the end: a short table of call sites, and what is known of the time saved."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reiterate.intercept.account import KEPT, LEFT, PARTS, REFUSED
from reiterate.report.words import count, listed, percent, several

if TYPE_CHECKING:
    from reiterate.intercept.session import SiteSummary

_MOST_ROWS: Final = 12
_WIDEST: Final = 44  # characters of a call site
_NARROWEST: Final = 24  # characters for who was chosen; with fewer it has lines of its own
_NUMBERS: Final = 48  # characters that the other columns take
_INDENT: Final = 6  # of a line that belongs to the one above
_NOTHING_GAINED: Final = 0.03  # a relative difference that nobody would notice
_WORTH_TELLING: Final = 0.1  # seconds
_MOST_DIGITS: Final = 3  # of a percentage
_LEAST_TOLD: Final = 0.005
_NOTHING_TOLD: Final = 0.005  # share of the seconds
_NONE: Final = "reiterate: the program called none of SciPy's sparse linear solvers."
_COLUMNS: Final = ("call site", "function", "solves", "seconds", "before", "chosen")


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over call sites.

    Attributes
    ----------
    solves, left_to_scipy : int
    seconds : float
        That the program has waited in the calls.
    compared : float
        That part of it which was spent where something is known of SciPy.
    before : float
        What SciPy would have spent there.
    how : {"audited", "estimated", "guessed", "partly audited", "partly guessed", "unknown"}
    parts : dict of str to float
        What ``seconds`` is the sum of, by :data:`reiterate.intercept.account.PARTS`.
    audits : float
        Seconds of audits, on top.
    untimed : int
        Calls that were not timed.
    """

    solves: int
    left_to_scipy: int
    seconds: float
    compared: float
    before: float
    how: str
    parts: dict[str, float]
    audits: float
    untimed: int


def totals(sites: Sequence[SiteSummary]) -> Totals:
    """The sums, of which ``compared`` and ``before`` belong together."""
    known = [site for site in sites if site.seconds_before is not None]
    kinds = {site.before for site in known if site.solves > site.left_to_scipy}  # what SciPy did took what it takes
    partly = "partly guessed" if "guessed" in kinds else "partly audited"
    how = "unknown" if not kinds else kinds.pop() if len(kinds) == 1 else partly
    return Totals(
        sum(site.solves for site in sites),
        sum(site.left_to_scipy for site in sites),
        sum(site.seconds for site in sites),
        sum(site.seconds for site in known),
        sum(site.seconds_before or 0.0 for site in known),
        how,
        {part: sum(site.parts.get(part, 0.0) for site in sites) for part in PARTS},
        sum(site.audits for site in sites),
        sum(site.untimed for site in sites),
    )


def lines(sites: Sequence[SiteSummary], width: int | None = None, children: int = 0) -> list[str]:
    """The table as lines of text; one line where there is nothing to tell.

    They are of ``width`` characters at most, where that is known, or as few more as the columns of numbers take. The
    program has forked so many ``children``.
    """
    told = _lines(sites, width)
    if children:
        told = [*(told if sites else [_NONE.replace("program", "first process")]), f"  {forked(children)}"]
    return [part for line in told for part in _wrapped(line, width)]


def forked(children: int) -> str:
    """What is to be known of processes that the program has forked; nothing where there are none."""
    if not children:
        return ""
    who = "1 forked process" if children == 1 else f"{count(children)} forked processes"
    return f"Not counted: what {who} solved, with the replaced solvers, too, and what audits found there."


def _lines(sites: Sequence[SiteSummary], width: int | None) -> list[str]:
    if not sites:
        return [_NONE]
    total = totals(sites)
    if total.solves == total.left_to_scipy:
        told = f"reiterate: {several(total.solves, 'solve')} at {several(len(sites), 'call site')}, all left to SciPy: "
        own = total.seconds - total.parts["scipy"]
        cost = own > max(_NOTHING_GAINED * total.parts["scipy"], _WORTH_TELLING)
        return [f"{told}nothing was to be gained.", *([f"  {account(total)}"] if cost else [])]
    by_time = sorted(
        (site for site in sites if site.solves > site.left_to_scipy), key=lambda site: site.seconds, reverse=True
    )
    widest = _WIDEST if width is None else min(max(width - _NUMBERS, _NARROWEST), _WIDEST)
    shown, rest = by_time[:_MOST_ROWS], by_time[_MOST_ROWS:]
    rest += [site for site in sites if site.solves == site.left_to_scipy]
    return [
        f"reiterate: {headline(total, len(sites))}",
        *_aligned([_COLUMNS, *(row(site, widest) for site in shown)], width),
        f"  {account(total)}",
        *_footnotes(rest, sites),
    ]


def headline(total: Totals, sites: int) -> str:
    """How long solving took, and how long it would have taken: measured, estimated or unknown."""
    text = f"{several(total.solves, 'solve')} at {several(sites, 'call site')} in {_seconds(total.seconds)} s"
    if total.how == "unknown" or total.compared <= 0.0:
        return f"{text}; how long SciPy would have taken is not known (--audit 0.05 finds out)."
    whole = total.compared >= (1.0 - _NOTHING_TOLD) * total.seconds
    scipy = "SciPy" if whole else f"of {_seconds(total.compared)} s it is known what SciPy would have taken"
    least = "at least " if "guessed" in total.how else ""
    return (
        f"{text}; {scipy}: {least}{_seconds(total.before)} s ({total.how}), {_compared(total.before / total.compared)}."
    )


def account(total: Totals) -> str:
    """What the seconds were for, each of them once; and what is not in them."""
    parts = sorted(((seconds, PARTS[part][0]) for part, seconds in total.parts.items()), reverse=True)  # type: ignore[index]
    told = ", ".join(f"{name} {_seconds(seconds)} s" for seconds, name in parts if seconds >= _LEAST_TOLD)
    text = f"In these {_seconds(total.seconds)} s: {told or 'nothing to speak of'}."
    return f"{text} {not_counted(total)}".strip()


def not_counted(total: Totals) -> str:
    """What is in none of the seconds, as a sentence; nothing where there is nothing."""
    audits = f"audits, {_seconds(total.audits)} s" if total.audits > 0.0 else ""
    small = f"{several(total.untimed, 'call')} too small to be timed" if total.untimed else ""
    told = listed([text for text in (audits, small) if text], 2)
    return f"Not in them: {told}." if told else ""


def _compared(ratio: float) -> str:
    if ratio >= 1.0 + _NOTHING_GAINED:
        return f"{ratio:.1f} times as long" if ratio >= 1.1 else f"{percent(ratio - 1.0)} more"
    if ratio <= 1.0 - _NOTHING_GAINED:
        return f"so this was {percent(1.0 / ratio - 1.0)} slower" if ratio > 0.0 else "so this was slower"
    return "no difference"


def row(site: SiteSummary, widest: int = _WIDEST) -> tuple[str, ...]:
    """The cells of a call site, of which the first has ``widest`` characters at most."""
    before = "unknown" if site.seconds_before is None else f"{_seconds(site.seconds_before)} {site.before}"
    return (
        _shortened(site.where, widest),
        site.function,
        count(site.solves),
        _seconds(site.seconds),
        before,
        choices(site),
    )


def choices(site: SiteSummary) -> str:
    """Who answered, with shares of all solves: the two methods of ours that began most, and SciPy."""
    ours = _by_method([(name, solves) for name, solves in site.chosen if name not in (KEPT, LEFT, REFUSED)])
    if len(ours) > 2:
        ours[2:] = [("others", sum(solves for _, solves in ours[2:]))]
    found = [*ours, *((name, solves) for name, solves in site.chosen if name in (KEPT, LEFT, REFUSED))]
    if len(found) == 1:
        return found[0][0]
    shares = _shares([solves for _, solves in found])
    return ", ".join(f"{name} {share}" for (name, _), share in zip(found, shares, strict=True))


def _shares(counts: Sequence[int]) -> list[str]:
    """Percentages that add up to 100, with one digit more where a share would be less than 1."""
    total, digits = sum(counts), 0
    while digits < _MOST_DIGITS and any(number * 10 ** (2 + digits) < total for number in counts):
        digits += 1
    whole = 10 ** (2 + digits)
    found = [number * whole // total for number in counts]
    left = sorted(range(len(counts)), key=lambda i: -(counts[i] * whole % total))
    for i in left[: whole - sum(found)]:
        found[i] += 1
    return [f"{share / 10**digits:.{digits}f}\N{NO-BREAK SPACE}%" for share in found]


def _by_method(chosen: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Configurations, those of one method as one where there are several, most first."""
    methods: dict[str, list[tuple[str, int]]] = {}
    for name, solves in chosen:
        methods.setdefault(str(name).partition("(")[0], []).append((str(name), solves))
    together = [
        (found[0][0] if len(found) == 1 else method, sum(solves for _, solves in found))
        for method, found in methods.items()
    ]
    return sorted(together, key=lambda item: -item[1])


def as_dict(sites: Sequence[SiteSummary]) -> dict[str, Any]:
    """The same as plain values, e.g. for JSON."""
    total = totals(sites)
    return {
        "solves": total.solves,
        "left_to_scipy": total.left_to_scipy,
        "seconds": total.seconds,
        "seconds_compared": total.compared,
        "seconds_before": total.before if total.how != "unknown" else None,
        "before": total.how,
        "parts": total.parts,
        "seconds_audits": total.audits,
        "untimed": total.untimed,
        "sites": [
            {
                "where": site.where,
                "function": site.function,
                "solves": site.solves,
                "left_to_scipy": site.left_to_scipy,
                "seconds": site.seconds,
                "seconds_before": site.seconds_before,
                "before": site.before,
                "chosen": [{"configuration": str(name), "solves": solves} for name, solves in site.chosen],
                "disagreement": site.disagreement,
                "parts": site.parts,
                "seconds_audits": site.audits,
                "untimed": site.untimed,
            }
            for site in sites
        ],
    }


def _footnotes(rest: Sequence[SiteSummary], sites: Sequence[SiteSummary]) -> list[str]:
    notes = []
    if rest:
        solves = several(sum(site.solves for site in rest), "solve")
        left = all(site.solves == site.left_to_scipy for site in rest)
        end = ", all left to SciPy" if left else f" in {_seconds(sum(site.seconds for site in rest))} s"
        notes.append(f"  and {several(len(rest), 'call site')} with {solves}{end}.")
    found = [(site.disagreement, site.where) for site in sites if site.disagreement is not None]
    if found:
        largest, where = max(found)
        notes.append(f"  Audits: the answers differ from SciPy's by at most {largest:.1e} (relative), at {where}.")
    return notes


def _aligned(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Columns side by side; the last one goes on below itself, or below the others where it has no room."""
    *widths, last = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    begin = 2 + sum(widths) + 2 * len(widths)
    room = last if width is None else width - begin
    found = []
    for *cells, text in rows:
        aligned = (
            cell.rjust(w) if i in (2, 3) else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
        )
        line = f"  {'  '.join(aligned)}  "
        if room >= min(last, _NARROWEST):
            first, *rest = _items(text, room) or [""]
            found += [f"{line}{first}".rstrip(), *(" " * begin + part for part in rest)]
        else:
            found += [line.rstrip(), *(" " * _INDENT + part for part in _items(text, (width or 0) - _INDENT))]
    return found


def _items(text: str, room: int) -> list[str]:
    """A list, in lines that end after a comma where they can."""
    room, items = max(room, _NARROWEST), text.split(", ")
    if max(map(len, items)) >= room:
        return textwrap.wrap(text, room, break_on_hyphens=False)
    tied = ",\0".join(items).replace(" ", "\1").replace("\0", " ")
    return [part.replace("\1", " ") for part in textwrap.wrap(tied, room, break_on_hyphens=False)]


def _wrapped(line: str, width: int | None) -> list[str]:
    """A sentence that is too long; columns are left as they are."""
    if width is None or len(line) <= width or "   " in line.strip():
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, max(width, _NARROWEST), subsequent_indent=indent or "  ", break_on_hyphens=False)


def _seconds(number: float) -> str:
    return f"{number:,.0f}" if number >= 100.0 else f"{number:.1f}" if number >= 10.0 else f"{number:.2f}"


def _shortened(text: str, widest: int) -> str:
    return text if len(text) <= widest else text[: widest - 1] + "…"
