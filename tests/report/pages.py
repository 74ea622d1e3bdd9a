"""Synthetic comparisons and histories, and a reader that checks pages."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from reiterate.configuration import Configuration
from reiterate.contracts import Attempt, Record, Status
from reiterate.engine.history import History
from reiterate.report.data import Comparison, CostTable, Run

_VOID = {"meta", "br", "hr", "img", "link", "input"}


class PageReader(HTMLParser):
    """Reads a page and fails on what a self-contained, well-formed page does not have."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in _VOID:
            self.open.append(tag)
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._attributes(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "xlink:href"}:
                self.links.append(value or "")

    @property
    def text(self) -> str:
        return " ".join(self.words).replace("\N{NO-BREAK SPACE}", " ")

    @property
    def svgs(self) -> list[ElementTree.Element]:
        return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", self.source, flags=re.DOTALL)]


def check_page(path: Path) -> PageReader:
    page = PageReader(path)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert "@import" not in page.source
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert link.startswith(("#", "data:")), link
        assert not link.startswith("#") or link[1:] in page.ids
    for target in re.findall(r"url\(#([^)]+)\)", page.source):
        assert target in page.ids
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page.source)
    assert not re.search(r"https?://", without_namespaces)
    assert page.svgs is not None
    return page


def make_comparison(
    steps: int = 60,
    *,
    omegas: int = 20,
    learners: tuple[str, ...] = ("ChebCB", "Tsallis-INF"),
    fixed: bool = True,
    oracles: bool = True,
) -> Comparison:
    rng = np.random.default_rng(0)
    step = np.arange(steps)
    context = 5.0 - 5.0 * np.cos(2.0 * np.pi * step / 40.0)
    omega = np.linspace(1.0, 1.95, omegas)
    best = 1.1 + 0.06 * context
    counts = np.rint(5.0 + context[:, None] + 60.0 * (omega[None, :] - best[:, None]) ** 2).astype(np.int64)
    spellings = [f"ssor_cg(omega={value:.2f})" for value in omega]
    table = CostTable(spellings, omega, counts)
    comparison = Comparison("Heat equation", "A simulation.", "omega", "coefficient", context, 2401, table)

    def run(name: str, kind: str, chosen: np.ndarray) -> Run:
        played = [spellings[arm] for arm in chosen]
        return Run(name, kind, counts[step, chosen], np.full(steps, 1e-4), omega[chosen], played)  # type: ignore[arg-type]

    comparison.runs += [run(name, "learner", rng.integers(0, omegas, steps)) for name in learners]
    if fixed:
        slow = counts.max(axis=1) * 4
        comparison.runs.append(Run("cg", "fixed", slow, np.full(steps, 2e-4), np.full(steps, np.nan), ["cg"] * steps))
    if oracles and steps:
        comparison.runs.append(run("best fixed", "oracle", np.full(steps, table.best_fixed)))
        comparison.runs.append(run("instance-optimal", "oracle", counts.argmin(axis=1)))
    return comparison


def make_record(index: int, method: str = "ssor_cg", omega: float | None = 1.5, **changes: object) -> Record:
    configuration = Configuration(method, () if omega is None else (("omega", omega),))
    attempt = Attempt(configuration, Status.CONVERGED, 12, 1e-3, 40.0, 5e-9)
    values: dict[str, object] = {
        "index": index,
        "configuration": configuration,
        "probability": 0.5,
        "context": {"coefficient": float(np.sin(index / 5.0))},
        "attempts": (attempt,),
        "iterations": 12,
        "seconds": 1e-3,
        "work": 40.0,
        "overhead": 1e-4,
        "merit": 5e-9,
        "target": 1e-8,
        "cost": 1e-3,
    }
    return Record(**(values | changes))  # type: ignore[arg-type]


def make_history(*records: Record, keep: int = 10_000) -> History:
    history = History(keep)
    for record in records:
        history.add(record)
    return history
