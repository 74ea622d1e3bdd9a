"""Where the ``reiterate`` command begins: Ctrl-C ends it quietly from its very first import on."""

from __future__ import annotations

import sys

_INTERRUPTED = 130  # what shells make of SIGINT


def main() -> None:
    """Run the command; interrupted at whatever point, it says so in one line and exits with code 130.

    A program that the command runs is interrupted as it would be without the command.
    """
    try:
        from reiterate.intercept import command

        program = command.read(sys.argv[1:])
        if program is None:
            from reiterate import cli
            from reiterate.cli.warned import show_as_lines

            show_as_lines()
            cli.main()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    if program is not None:
        program()


if __name__ == "__main__":
    main()
