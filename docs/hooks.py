"""What the site needs beyond the pages: the pictures of the benchmarks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parent.parent


def on_files(files: Any, config: Any) -> Any:
    """Take in the pictures of the benchmarks, which lie outside of ``docs``."""
    for picture in sorted((ROOT / "benchmarks" / "results").glob("*.png")):
        source = str(picture.relative_to(ROOT).as_posix())
        files.append(File.generated(config, source, abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Have links find these pictures, and tables within ``<details>`` be tables."""
    markdown = re.sub(r"\]\(\.\./((?:\.\./)*benchmarks/results/)", r"](\1", markdown)
    return markdown.replace("<details>", '<details markdown="1">')
