"""Where all the seconds went of which those of a stream's solves are a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reiterate.report.page import Page
from reiterate.report.words import few, percent

_CAPTION = "Every second of it once."


@dataclass(frozen=True, slots=True)
class Account:
    """What has been waited for, of which a stream's own solves are a part.

    Attributes
    ----------
    lead : str
        What is to be said of all of it, in the first line of the page.
    parts : sequence of (str, float, str)
        What it was for, seconds, and what that is. Each second is in one part.
    ours : float
        Seconds of the parts that the stream's solves belong to.
    not_in_it : str
        What is not counted, as a sentence.
    """

    lead: str
    parts: Sequence[tuple[str, float, str]]
    ours: float
    not_in_it: str = ""

    def show(self, page: Page, solving: float | None = None) -> None:
        """Add the table; ``solving``: seconds of the solves that the rest of the page is about."""
        total = sum(seconds for _, seconds, _ in self.parts)
        caption = [_CAPTION]
        if solving is not None:
            around = max(self.ours - solving, 0.0)
            caption.append(
                f"The pictures of this page are about the solves of reiterate's own: {few(solving)} s. Converting and "
                f"checking around them took {few(around)} s; all else is below."
            )
        caption.append(self.not_in_it)
        rows = [
            [name, few(seconds), percent(seconds / total) if total > 0.0 else "–", meaning]
            for name, seconds, meaning in sorted(self.parts, key=lambda part: -part[1])
            if seconds > 0.0
        ]
        page.table(
            "Where the seconds went",
            " ".join(filter(None, caption)),
            ["what for", "seconds", "share", "that is"],
            [*rows, ["all of it", few(total), percent(1.0), ""]],
            strong=[len(rows)],
        )
