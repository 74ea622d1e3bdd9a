"""How near learners, and the default solver, come to the best choice in hindsight, and how soon that pays.

    python benchmarks/regret.py                     # both sections
    python benchmarks/regret.py tables              # every learner replayed on tables of costs; minutes
    python benchmarks/regret.py live                # the default solver on whole streams; a quarter of an hour
    python benchmarks/regret.py live --keep /tmp/x  # keeps every stream's seconds: goes on where it was interrupted
    python benchmarks/regret.py live --only heat    # some streams; tables have scenarios besides
    python benchmarks/regret.py live --steps 500    # longer streams

Writes ``benchmarks/results/regret_*`` and fills ``docs/regret.md``, which ``--only`` leaves alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import one_thread  # noqa: F401
import processor_clock  # noqa: F401
import regret_live_report
import regret_recorded
import regret_synthetic
import regret_tables
from machine import describe_machine

SECTIONS = ("tables", "live")
PAGE = Path(__file__).parent.parent / "docs" / "regret.md"
STREAMS = Path(__file__).parent.parent.parent / "shared" / "streams"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="streams, or scenarios of the tables")
    parser.add_argument("--steps", type=int, default=100, help="longest stream")
    parser.add_argument("--rounds", type=int, default=3, help="of the live comparison; fewer than 3 say little")
    parser.add_argument(
        "--keep", type=Path, metavar="DIRECTORY", help="where live seconds are kept: streams there are not run again"
    )
    parser.add_argument("--seeds", type=int, default=20, help="for which every learner is replayed on every table")
    parser.add_argument("--record", action="store_true", help="record tables of streams anew where there are some")
    parser.add_argument("--streams", type=Path, default=STREAMS, help="directory of stored streams (.npz)")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    known = {*regret_recorded.names(options.streams), *(one.name for one in regret_synthetic.scenarios())}
    if unknown := set(options.only) - known:
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    print(describe_machine(), flush=True)
    for section in options.sections or SECTIONS:
        match section:
            case "tables":
                regret_tables.run(options, PAGE)
            case "live":
                regret_live_report.run(options, PAGE)


if __name__ == "__main__":
    main()
