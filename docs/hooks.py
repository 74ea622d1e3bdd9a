"""What the site needs beyond the pages: pictures of the benchmarks, examples, and tables with text to the left."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent

_TABLE = re.compile(r"^(\|.*\|\n)(\|[ :|-]+\|\n)((?:\|.*\|\n?)+)", flags=re.MULTILINE)
_NUMBER = re.compile(r"[^\w`]*\d")


def on_files(files: Any, config: Any) -> Any:
    """Take in the pictures of the benchmarks and the examples, which lie outside of ``docs``."""
    for found in sorted([*ROOT.glob("benchmarks/results/*.png"), *ROOT.glob("examples/*.py")]):
        files.append(File.generated(config, found.relative_to(ROOT).as_posix(), abs_src_path=str(found)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Have links find these files, and tables within ``<details>`` be tables."""
    markdown = re.sub(r"\]\(\.\./((?:\.\./)*(?:benchmarks/results|examples)/)", r"](\1", markdown)
    return _TABLE.sub(_aligned, markdown.replace("<details>", '<details markdown="1">'))


def _aligned(table: re.Match[str]) -> str:
    """Columns that mostly hold text are aligned to the left, whatever the script that wrote them says."""
    columns = zip(*map(_cells, table[3].splitlines()), strict=False)
    rules = [
        rule if 2 * sum(bool(_NUMBER.match(cell)) for cell in column) > sum(map(bool, column)) else "---"
        for rule, column in zip(_cells(table[2]), columns, strict=False)
    ]
    return f"{table[1]}|{'|'.join(rules)}|\n{table[3]}"


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]
