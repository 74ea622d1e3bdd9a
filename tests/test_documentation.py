"""Everything shown is executed: Python blocks and commands of README and docs, and the examples; the site is built."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
FENCE = re.compile(r"^(?:<!-- needs: ([\w.]+) -->\n\n)?```(\w+)([^\n]*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
NOT_RUN = {"README.md": {"reiterate demo heat", "reiterate run my_program.py"}}
"""Commands that are slow, or run on another page."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@pytest.fixture
def traceless(tmp_path):
    """What a page registers and imports from its own files is gone when it ends."""
    from reiterate.learners import LEARNERS
    from reiterate.linear.portfolio import METHODS

    kept = [(registry, dict(registry)) for registry in (LEARNERS, METHODS)]
    yield
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)
    for registry, before in kept:
        registry.clear()
        registry.update(before)


def installed(package: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(package)
        except ImportError:
            return False
    return True


@every_page
def test_blocks_run_in_order(page, tmp_path, monkeypatch, traceless):
    """A block with a title is a file; all other Python is one session; commands of ours are run.

    A comment ``<!-- needs: package -->`` before a block has it skipped where the package is not installed.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    namespace: dict = {"__name__": "documentation"}
    for package, language, title, body in FENCE.findall(page.read_text()):
        if package and not installed(package):
            continue
        if file := re.search(r'title="([^"]+)"', title):
            (tmp_path / file[1]).write_text(body)
        elif language == "python":
            # Other packages may warn of what is not ours.
            with warnings.catch_warnings(action="ignore" if package else None):
                exec(compile(body, str(page), "exec"), namespace)
        elif language == "sh":
            for command in commands(body):
                if command not in NOT_RUN.get(page.name, ()):
                    run(command)


def commands(body: str) -> list[str]:
    """The lines of a shell block that are commands of ours."""
    lines = (line.split("  #")[0].strip() for line in body.splitlines())
    return [line for line in lines if re.match(r"(\w+=\S+ )*reiterate ", line)]


def run(command: str) -> None:
    environment = {**os.environ, "REITERATE_MEMORY": "off"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    shell = f'reiterate() {{ "{sys.executable}" -m reiterate "$@"; }}\n{command}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@every_page
def test_links_and_pictures_exist(page):
    for target in re.findall(r"\]\(([^)#\s]+)", FENCE.sub("", page.read_text())):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_the_site_is_built_without_a_warning_and_asks_the_network_for_nothing(tmp_path):
    for module in ("mkdocs", "material", "mkdocstrings_handlers"):
        pytest.importorskip(module, reason="needs reiterate[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.glob("**/*.html"):
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|link)\b[^>]* (?:src|href)="(https?:[^"]*)', text), page
        assert not re.search(r":(?:class|meth|func|data|mod):<", text), f"{page}: a role of Sphinx is left over"


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples_run_and_draw(example, tmp_path, monkeypatch):
    text = example.read_text()
    needed = re.findall(r"^from (fipy|pymor|sfepy|skfem)\b", text, flags=re.MULTILINE)
    if not all(map(installed, needed)):
        pytest.skip(f"{needed[0]} is not installed")
    picture = tmp_path / "picture.png"
    option = ["--output"] if "--output" in text else []
    monkeypatch.setattr("sys.argv", [str(example), *option, str(picture)])
    with warnings.catch_warnings(action="ignore" if needed else None):
        runpy.run_path(str(example), run_name="__main__")
    assert picture.stat().st_size > 10_000


def test_every_option_of_a_solver_has_a_paragraph():
    import reiterate

    headings = re.findall(r"^### (.*)$", (DOCS / "options.md").read_text(), flags=re.MULTILINE)
    described = {name for heading in headings for name in re.findall(r"`(\w+)`", heading)}
    assert set(inspect.signature(reiterate.Solver).parameters) <= described


def test_every_public_name_is_described():
    import reiterate

    reference = "".join(page.read_text() for page in (DOCS / "api").glob("*.md"))
    for name in reiterate.__all__:
        assert re.search(rf"^::: reiterate\S*\.{name}$|`rt\.{name}`", reference, flags=re.MULTILINE), name


def test_every_learner_is_described_with_its_guarantee():
    from reiterate.learners import LEARNERS

    text = (DOCS / "learners.md").read_text()
    for name, learner in LEARNERS.items():
        path = f"{learner.__module__}.{learner.__name__}"
        assert f"| [`{name}`](#{path}) |" in text, name
        assert f"::: {path}\n" in text, name
        description = inspect.getdoc(learner)
        assert re.search("[Gg]uarantee", description), name
        assert "right choice" in " ".join(description.split()), name


def test_every_method_is_listed():
    from reiterate.linear.portfolio import METHODS

    text = (DOCS / "methods.md").read_text()
    for name in METHODS:
        prefix, _, iteration = name.rpartition("_")
        whole, parts = [name], [f"{prefix}_", iteration]
        assert any(all(re.search(rf"`{part}[(`]", text) for part in spelling) for spelling in (whole, parts)), name


def test_every_command_is_described():
    from reiterate.cli import app

    text = (DOCS / "commands.md").read_text()
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    names += [group.name for group in app.registered_groups]
    assert names
    for name in names:
        assert f"`reiterate {name}`" in text, name
