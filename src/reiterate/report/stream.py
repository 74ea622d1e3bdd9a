"""The report of one stream: what was chosen, what it cost, what the alternatives would have, and how exact it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from reiterate.contracts import Preparation, Record
from reiterate.engine.history import History
from reiterate.linear.replay import Trace
from reiterate.report.account import Account
from reiterate.report.explanation import story_of, telling
from reiterate.report.page import Key, Page, check_path
from reiterate.report.stream_lead import about, cards, headline, part_of_it
from reiterate.report.stream_marks import began
from reiterate.report.stream_story import Story, preparation_of, tell
from reiterate.report.summary import amount
from reiterate.report.words import count, few, seconds, several

_TITLE = "A stream, as reiterate solved it"
_MOST_ALTERNATIVES = 14


def write_stream_report(
    history: History, unit: str, path: Path, title: str | None = None, account: Account | None = None, **known: Any
) -> Path:
    """Write a self-contained HTML page about a stream.

    Parameters
    ----------
    history
        What was done so far.
    unit
        What the learner's cost is counted in, e.g. ``"seconds"``.
    path
        The file to write; its directory must exist.
    title
        What the stream is.
    account
        Of all that was waited for, where the solves are a part of that.
    known
        What else there is to tell, see :func:`~reiterate.report.stream_story.tell`.

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
    title = title or _TITLE
    story = tell(history, unit, **known)
    if not story.records:
        return Page(title, "Nothing has been solved yet; the report fills as solves are made.").write(path)
    # A merit that is no number compares as neither above nor below its target; such a solve has failed all the same.
    failures = max(history.failures, sum(not record.merit <= record.target for record in story.records))
    lead = headline(story, failures) if account is None else f"{account.lead} {part_of_it(story, failures)}"
    page = Page(title, lead, about(story, failures))
    page.cards(cards(story, failures))
    if account is not None:
        account.show(page, story.total)
    trouble = _trouble(story.records)
    _choices(page, story, trouble)
    _costs(page, story, trouble)
    _convergence(page, story)
    _upkeep(page, story)
    _accuracy(page, story, trouble)
    _tables(page, story)
    page.explanations("How to read this", _TERMS)
    return page.write(path)


def _trouble(records: list[Record]) -> list[Key]:
    from reiterate.report import stream_charts as charts

    trouble = []
    if any(charts.rescued(record) for record in records):
        trouble.append(Key("finished by another configuration", "ink", "triangle"))
    if any(charts.failed(record) for record in records):
        trouble.append(Key("failed", "alarm", "cross"))
    return trouble


def _choices(page: Page, story: Story, trouble: list[Key]) -> None:
    from reiterate.report.stream_beliefs import exploration
    from reiterate.report.stream_choices import choices

    trials = any(record.trial for record in story.records)
    page.figure(
        "What was chosen",
        "Each dot is a solve, in the row of the configuration that it began with: a name and a color for each method, "
        "small numbers for its parameters.",
        lambda style: choices(story.records, style),
        [*([Key("a trial: something else than the best known", "ink", "ring")] if trials else []), *trouble],
    )
    if trials:
        page.figure(
            "What trying things out cost",
            "Now and then something else is tried, to find out whether it is better. The share of all cost so far "
            "that this took beyond what the best known was believed to cost. The budget is 5 % of all cost, less after "
            "fifty solves, and one solve for a start, which is a large share while there are few. Only what seems to "
            "have saved its price already may take more.",
            lambda style: exploration(story, style),
            narrow_key=[Key("trials", "second"), Key("their budget", "soft", "dashed")],
        )


def _costs(page: Page, story: Story, trouble: list[Key]) -> None:
    from reiterate.report import stream_beliefs as beliefs
    from reiterate.report import stream_charts as charts

    key = [Key("a solve", "first", "dot"), Key("a method that was tried, as believed at that time", "first")]
    if any(not one.tried for one in beliefs.shown_beliefs(story)):
        key.append(Key("never tried: only expected", "plain", "dashed"))
    only = "" if story.kinds == 1 else " Shown is the kind of system that took the most of the time."
    page.figure(
        "What each solve cost, and what others were believed to cost",
        "Dots are solves, in the color of the method that they began with. Lines are what a solve by the best "
        f"configuration of a method was believed to cost, by what had been seen until then.{only}",
        lambda style: beliefs.beliefs(story, style),
        [*key, *trouble] if story.believed else trouble,
    )
    page.figure(
        "Where the time went",
        "Time so far within the methods, and on top of it what it took to choose, verify and learn."
        + (
            " Dashed: what one method alone would have taken by itself, as far as is believed."
            if story.contenders()
            else ""
        ),
        lambda style: beliefs.cumulative(story, style),
        narrow_key=[
            Key("methods", "first"),
            Key("deciding and verifying, on top", "second"),
            *([Key("one method alone, as believed", "ink", "dashed")] if story.contenders() else []),
            *([Key("others, as named", "ink")] if story.measured else []),
        ],
    )
    page.figure(
        "Iterations",
        "Dots are solves, the line is their moving average.",
        lambda style: charts.effort(story.records, style),
        trouble,
    )


def _convergence(page: Page, story: Story) -> None:
    from reiterate.report.stream_convergence import convergence, ritz

    named = [("The last solve", story.last), ("The hardest solve", story.hardest)]
    traces = [(_name(title, trace, story), trace) for title, trace in named if trace is not None]
    remarks = [f"{title}: {trace.remark}" for title, trace in traces if trace.remark]
    if any(trace.stretches for _, trace in traces):
        methods = began(story.records)
        page.figure(
            "How it converged",
            "Made again for this picture, beginning with states of its own: what is left of the problem after each "
            "iteration. " + " ".join(remarks),
            lambda style: convergence(traces, methods, style),
        )
    elif remarks:
        page.note("How it converged", " ".join(remarks))
    found = next((trace.spectra for _, trace in traces if trace.spectra), [])
    if found:
        page.figure(
            "What makes it hard",
            "Ritz values: the eigenvalues of the matrix as an iteration sees them. The closer together they are, away "
            "from zero, the fewer iterations it takes; a preconditioner pulls them together.",
            lambda style: ritz(found, style),
        )


def _name(title: str, trace: Trace, story: Story) -> str:
    if title == "The last solve":
        return title
    return f"{title}: number {count(trace.record.index + 1)}"


def _upkeep(page: Page, story: Story) -> None:
    done = Counter(preparation_of(record) for record in story.records)
    if set(done) <= {Preparation.KEPT}:
        return
    from reiterate.report.stream_upkeep import upkeep

    page.figure(
        "What was kept from one solve to the next",
        f"Before it iterates, a method may build something from the matrix, such as a factorization. It was built in "
        f"{several(done[Preparation.BUILT], 'solve')}, renewed with new numbers in {count(done[Preparation.REFRESHED])}"
        f", used although made for an earlier matrix in {count(done[Preparation.AGED])}, and in "
        f"{count(done[Preparation.KEPT])} there was nothing to do.",
        lambda style: upkeep(story, style),
    )


def _accuracy(page: Page, story: Story, trouble: list[Key]) -> None:
    from reiterate.report import stream_charts as charts

    page.figure(
        "How exact the solutions are",
        "The residual of every solution, computed anew from the problem, as a multiple of what was asked for. Below "
        "the line at 1 is right." + _off_the_scale(story.records),
        lambda style: charts.residuals(story.records, style),
        trouble,
    )


def _off_the_scale(records: list[Record]) -> str:
    from reiterate.report.stream_charts import ratios

    ratio = ratios(records)
    exact, broken = int((ratio == 0.0).sum()), int((ratio != ratio).sum())
    text = f" {several(exact, 'exact solution')} at the bottom edge." if exact else ""
    return text + (f" {several(broken, 'residual')} that is not a finite number at the top edge." if broken else "")


def _tables(page: Page, story: Story) -> None:
    by_use = sorted(story.history.tallies.items(), key=lambda item: (-item[1].solves, str(item[0])))
    unit = story.unit
    page.table(
        "All configurations that were played",
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
    alternatives = telling(story.opinions)
    if alternatives:
        page.table(
            "What is believed of the alternatives now",
            "The next solve, by what has been seen so far. Of methods that were never tried only the best guess is "
            "shown.",
            ["configuration", "a solve", "iterations", "how that is known"],
            [
                [
                    str(opinion.configuration),
                    amount(opinion.cost, unit),
                    few(opinion.iterations),
                    story_of(opinion, unit),
                ]
                for opinion in alternatives[:_MOST_ALTERNATIVES]
            ],
            strong=[0] if alternatives[0].plays else [],
        )


_TERMS = [
    ("solve", "One problem of the stream, handed over and solved."),
    ("configuration", "A method with its parameters fixed. Which one to play is decided anew for every solve."),
    ("iteration", "One pass of a method over the problem; passes of different methods differ in price."),
    ("cost", "What is to be made small. A solve's cost includes what others added to finish it."),
    ("trial", "A solve that began with something else than the best known, to find out whether that is better."),
    ("believed", "Learnt from the solves so far. As solves become harder or easier, all lines move together."),
    ("rescued", "The chosen configuration failed or took too long, and another one went on from where it stopped."),
    ("deciding and verifying", "Choosing, computing the residual from the problem itself, learning, and recording."),
    ("residual", "What is left of the problem at the solution, relative to its size; zero would be exact."),
    ("preconditioner", "A cheap stand-in for the problem that an iteration uses to take bigger steps."),
]
