"""The linear portfolio against PETSc, hypre, PyAMG and SciPy, and against itself without its memory.

    python benchmarks/linear_portfolio.py                      # everything, about twenty minutes
    python benchmarks/linear_portfolio.py kernels multigrid    # some sections
    python benchmarks/linear_portfolio.py --quick              # everything on small systems, to see that it runs

Peers that are not installed are left out, and the page says so. Writes ``benchmarks/results/portfolio_*`` and fills
``docs/linear-portfolio.md``; with ``--quick`` copies of both, in a temporary directory.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import one_thread  # noqa: F401
import portfolio_columns
import portfolio_kernels
import portfolio_multigrid
import portfolio_reuse
import portfolio_size
from machine import describe_machine, fill_page
from portfolio_targets import PAGE

SECTIONS = ("kernels", "multigrid", "reuse", "size", "columns")
STREAMS = Path(__file__).parent.parent.parent / "shared" / "streams"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small systems and few rounds")
    parser.add_argument("--streams", type=Path, default=STREAMS, help="directory of stored streams (.npz)")
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    load = os.getloadavg()
    print(f"{describe_machine()}; load {load[0]:.1f}", flush=True)
    for section in options.sections or SECTIONS:
        begin = time.perf_counter()
        print(f"== {section}", flush=True)
        match section:
            case "kernels":
                portfolio_kernels.run(options.quick)
            case "multigrid":
                portfolio_multigrid.run(options.quick)
            case "reuse":
                portfolio_reuse.run(options.quick, options.streams)
            case "size":
                portfolio_size.run(options.quick)
            case "columns":
                portfolio_columns.run(options.quick)
        busy = max(os.getloadavg()[0], load[0])
        size = "small systems (`--quick`)" if options.quick else "full size"
        note = f"Measured on: {describe_machine()}; {size}; load average of the machine while it ran: up to {busy:.1f}."
        fill_page(PAGE, f"machine-{section}", note)
        print(f"== {section}: {time.perf_counter() - begin:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
