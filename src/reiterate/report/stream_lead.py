"""The first lines of the report of a stream: what happened, in words for everybody."""

from __future__ import annotations

from reiterate.report.method_words import spoken
from reiterate.report.stream_story import Story
from reiterate.report.words import byte_unit, count, few, percent, seconds, sentence, several

_CARDS = 4  # in a row
_MUCH = 1.15  # times as long, from which on a contender is worth a sentence


def headline(story: Story, failures: int) -> str:
    """Whether all went well, how long it took, and who did most of it."""
    every, took = story.every, seconds(story.total)
    if failures == every:
        return f"{several(every, 'solve')} ended short of the accuracy asked for."
    if failures:
        done = (
            f"{count(every - failures)} of {several(every, 'solve')} reached the accuracy asked for; "
            f"{count(failures)} did not"
        )
    elif every == 1:
        done = f"The solve reached the accuracy asked for, checked from the problem itself, in {took}"
    else:
        done = f"All {count(every)} systems solved in {took}, each solution checked"
    return f"{done}. {_favorite(story)}{_compared(story)}."


def part_of_it(story: Story, failures: int) -> str:
    """The same where something else is told of all that was waited for: how much of it the solves took."""
    failed = f"; {count(failures)} of them ended short of the accuracy asked for" if failures else ", each checked"
    own = f"In it: {several(story.every, 'solve')} of reiterate's own in {seconds(story.total)}{failed}"
    return f"{own}. {_favorite(story)}."


def _favorite(story: Story) -> str:
    (method, tally), *others = story.by_method()
    name = sentence(spoken(method))
    if not others:
        return f"{name} did {'it' if story.every == 1 else 'all of them'}"
    return f"{name} began {percent(tally.solves / max(story.every, 1))} of them"


def _compared(story: Story) -> str:
    """About how much faster than others that is, as far as anybody knows."""
    if story.measured and story.total > 0.0:
        name, taken = max(story.measured.items(), key=lambda item: float(item[1].sum()))
        ratio = float(taken.sum()) / story.total
        return f". In all, that was {_ratio(ratio)} {name}"
    rivals = _rivals(story)
    if not rivals:
        return ""
    method, ratio = rivals[0]
    return f"; {spoken(method)} alone would have taken about {few(ratio)} times as long"


def _ratio(ratio: float) -> str:
    if ratio >= _MUCH:
        return f"{few(round(ratio, 1))} times faster than"
    return "about as fast as" if ratio > 1.0 / _MUCH else f"{few(round(1.0 / ratio, 1))} times slower than"


def _rivals(story: Story) -> list[tuple[str, float]]:
    """Methods that have been tried, and how many times as long they would have taken; the nearest first."""
    spent = story.spent()
    ratios = [(one.method, float(story.alone(one).sum()) / spent) for one in story.contenders() if spent > 0.0]
    return [(method, float(f"{ratio:.2g}")) for method, ratio in ratios if ratio >= _MUCH]


def about(story: Story, failures: int) -> str:
    """How that came about."""
    sentences = []
    tried = len({record.configuration for record in story.records})
    trials = sum(record.trial for record in story.records)
    if story.conduct.learner is not None:
        sentences.append(f"The learner {story.conduct.learner} decided what to play.")
    elif len(story.opinions) > 1:
        text = (
            f"Which of {count(len(story.opinions))} ways to solve a system is the fastest was found out while solving: "
            f"{'1 was' if tried == 1 else f'{count(tried)} were'} played"
        )
        if trials:
            text += (
                f", {count(trials)} of the solves were trials, and they took {percent(story.explored())} of all cost"
            )
        sentences.append(f"{text}.")
    rivals = _rivals(story)
    if len(rivals) > 1 and not story.measured:
        method, ratio = rivals[-1]
        sentences.append(
            f"{sentence(spoken(method))}, the slowest that was tried, would have taken {few(ratio)} times as long. "
            "Such numbers are what is believed from the solves that were made."
        )
    if story.kinds > 1:
        sentences.append(f"There were {story.kinds} kinds of system, for each of which it is decided separately.")
    if len(story.records) < story.every:
        sentences.append(
            f"The pictures show the last {count(len(story.records))} of {count(story.every)} solves; headline and "
            "table cover all."
        )
    return " ".join(sentences)


def cards(story: Story, failures: int) -> list[tuple[str, str]]:
    """Headline numbers, and what they mean."""
    history, every = story.history, story.every
    iterations = sum(tally.iterations for tally in history.tallies.values())
    rescued = sum(tally.rescued for tally in history.tallies.values())
    deciding = percent(history.overhead / story.total) if story.total > 0.0 else "–"
    found = [(seconds(story.total / every), f"per solve, of which {deciding} to decide and verify")]
    if failures:
        found.append((count(failures), "failed: the best iterate came with the error"))
    elif rescued:
        found.append((count(rescued), "finished by another configuration than the one chosen"))
    if any(record.trial for record in story.records):
        found.append((percent(story.explored()), "of all cost was the price of trying things out"))
    found.append((few(iterations / every), "iterations per solve"))
    if story.memory:
        name, size = byte_unit(float(story.memory))
        found.append((f"{few(story.memory / size)}\N{NO-BREAK SPACE}{name}", "held to be used again"))
    played = len(history.tallies)
    found.append((count(played), "configuration played" if played == 1 else "configurations played"))
    return found[:_CARDS]
