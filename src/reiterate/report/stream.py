"""The report of one stream: what was chosen, what it cost, and how exact it was."""

from __future__ import annotations

from pathlib import Path

from reiterate.configuration import Configuration
from reiterate.contracts import Record
from reiterate.engine.history import History, Tally
from reiterate.report.page import Key, Page, check_path
from reiterate.report.words import count, few, percent, seconds, several

_TITLE = "A stream, as reiterate solved it"


def write_stream_report(history: History, unit: str, path: Path) -> Path:
    """Write a self-contained HTML page about a stream.

    Parameters
    ----------
    history
        What was done so far.
    unit
        What the learner's cost is counted in, e.g. ``"seconds"``.
    path
        The file to write; its directory must exist.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    InvalidInput
        ``path`` cannot be written.
    """
    path = Path(path)
    check_path(path)
    records = list(history)
    if not records:
        return Page(_TITLE, "Nothing has been solved yet; the report fills as solves are made.").write(path)
    # A merit that is no number compares as neither above nor below its target; such a solve has failed all the same.
    failures = max(history.failures, sum(not record.merit <= record.target for record in records))
    page = Page(_TITLE, _headline(history, failures), _about(history, records))
    page.cards(_cards(history, failures))
    _pictures(page, records, unit)
    _table(page, history, unit)
    page.explanations("How to read this", _TERMS)
    return page.write(path)


def _headline(history: History, failures: int) -> str:
    every = history.solves + history.failures
    if failures == every:
        text = f"{several(every, 'solve')} ended short of the accuracy asked for"
    elif failures:
        text = (
            f"{count(every - failures)} of {several(every, 'solve')} reached the accuracy asked for; "
            f"{count(failures)} did not"
        )
    elif every == 1:
        text = "The solve reached the accuracy asked for, checked from the problem itself"
    else:
        text = f"All {count(every)} solves reached the accuracy asked for, each checked from the problem itself"
    favorite, tally = _favorite(history)
    if len(history.tallies) > 1:
        text += f"; most often chosen was {favorite}, {count(tally.solves)} times"
    return f"{text}."


def _about(history: History, records: list[Record]) -> str:
    every = history.solves + history.failures
    if len(records) < every:
        return (
            f"The pictures show the last {count(len(records))} of {count(every)} solves; headline and table cover all."
        )
    return ""


def _favorite(history: History) -> tuple[Configuration, Tally]:
    return max(history.tallies.items(), key=lambda item: item[1].solves)


def _cards(history: History, failures: int) -> list[tuple[str, str]]:
    every = history.solves + history.failures
    iterations = sum(tally.iterations for tally in history.tallies.values())
    rescued = sum(tally.rescued for tally in history.tallies.values())
    total = history.seconds + history.overhead
    cards = [
        (count(every), "solve" if every == 1 else "solves"),
        (few(iterations / every), "iterations per solve"),
        (
            seconds(total),
            f"in total, of which {percent(history.overhead / total) if total > 0.0 else '–'} to decide and verify",
        ),
    ]
    if failures:
        cards.append((count(failures), "failed: the best iterate came with the error"))
    elif rescued:
        cards.append((count(rescued), "finished by another configuration than the one chosen"))
    else:
        cards.append(
            (
                count(len(history.tallies)),
                "configuration played" if len(history.tallies) == 1 else "configurations played",
            )
        )
    return cards


def _pictures(page: Page, records: list[Record], unit: str) -> None:
    from reiterate.report import stream_charts as charts
    from reiterate.report.stream_choices import choices

    trouble = []
    if any(charts.rescued(record) for record in records):
        trouble.append(Key("finished by another configuration", "ink", "triangle"))
    if any(charts.failed(record) for record in records):
        trouble.append(Key("failed", "alarm", "cross"))
    page.figure(
        "What was chosen",
        "Each dot is a solve, in the row of the configuration that it began with: a name and a color for each method, "
        "small numbers for its parameters.",
        lambda style: choices(records, style),
        trouble,
    )
    page.figure(
        "What each solve took",
        "Dots are solves, the line is their moving average.",
        lambda style: charts.effort(records, unit, style),
        trouble,
    )
    page.figure(
        "Where the time went",
        "Seconds within the methods, and on top of them what it took to choose, verify and learn.",
        lambda style: charts.time_spent(records, style),
        narrow_key=[Key("methods", "first"), Key("deciding and verifying, on top", "second")],
    )
    page.figure(
        "How exact the solutions are",
        "The residual of every solution, computed anew from the problem, as a multiple of what was asked for. Below "
        "the line at 1 is right." + _off_the_scale(records),
        lambda style: charts.residuals(records, style),
        trouble,
    )


def _off_the_scale(records: list[Record]) -> str:
    from reiterate.report.stream_charts import ratios

    ratio = ratios(records)
    exact, broken = int((ratio == 0.0).sum()), int((ratio != ratio).sum())
    text = f" {several(exact, 'exact solution')} at the bottom edge." if exact else ""
    return text + (f" {several(broken, 'residual')} that is not a finite number at the top edge." if broken else "")


def _table(page: Page, history: History, unit: str) -> None:
    by_use = sorted(history.tallies.items(), key=lambda item: (-item[1].solves, str(item[0])))
    page.table(
        "All configurations",
        "By how often they were chosen. Rescued: solves that another configuration had to finish.",
        [
            "configuration",
            "chosen",
            "iterations",
            "per solve",
            "mean cost" if unit == "seconds" else f"mean cost ({unit})",
            "time",
            "rescued",
        ],
        [
            [
                str(configuration),
                count(tally.solves),
                count(tally.iterations),
                few(tally.iterations / tally.solves),
                (seconds if unit == "seconds" else few)(tally.cost / tally.solves),
                seconds(tally.seconds),
                count(tally.rescued),
            ]
            for configuration, tally in by_use
        ],
    )


_TERMS = [
    ("solve", "One problem of the stream, handed over and solved."),
    ("configuration", "A method with its parameters fixed. Which one to play is decided anew for every solve."),
    ("iteration", "One pass of a method over the problem; passes of different methods differ in price."),
    ("cost", "What the learner makes small. A solve's cost includes what others added to finish it."),
    ("rescued", "The chosen configuration failed or took too long, and another one went on from where it stopped."),
    ("deciding and verifying", "Choosing, computing the residual from the problem itself, learning, and recording."),
    ("residual", "What is left of the problem at the solution, relative to its size; zero would be exact."),
]
