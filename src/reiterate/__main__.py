"""Where the ``reiterate`` command begins: Ctrl-C ends it quietly from its very first import on."""

from __future__ import annotations

import sys

_INTERRUPTED = 130  # what shells make of SIGINT


def main() -> None:
    """Run the command; interrupted at whatever point, it says so in one line and exits with code 130."""
    try:
        from reiterate import cli

        cli.main()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
