"""Starts a process that is nobody's child: a program that waits for its children must not meet one of ours."""

from __future__ import annotations

import os
import subprocess
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_SHELL: Final = "/bin/sh"
_CODE: Final = '"$@" </dev/null >/dev/null 2>&1 & echo $!'


class Detached:
    """A process that goes on by itself, and holds one end of a pipe for as long as it lives.

    Parameters
    ----------
    reading
        The descriptor of the other end.
    pid
        Its number.
    """

    def __init__(self, reading: int, pid: int) -> None:
        os.set_blocking(reading, False)
        self.pid = pid
        self._reading, self._pipe = reading, _identity(reading)
        weakref.finalize(self, _close, reading, self._pipe).atexit = False

    def poll(self) -> int | None:
        """``None`` while it runs; 0 when it has ended, however it did, or when nobody can tell."""
        if self._pipe is None or _identity(self._reading) != self._pipe:
            return 0  # the program has closed what it did not know, and may have opened something else
        try:
            os.read(self._reading, 1)
        except BlockingIOError:
            return None
        except OSError:
            return 0
        return 0


def start_detached(arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Detached:
    """Start a process of a session of its own, without input and output; a shell in between has ended on return.

    Raises
    ------
    OSError
        There is no shell, or there are too many processes or open files.
    """
    reading, writing = os.pipe()
    try:
        shell = subprocess.Popen(
            [_SHELL, "-c", _CODE, _SHELL, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
            pass_fds=(writing,),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    try:
        return Detached(reading, int(shell.communicate()[0]))
    except BaseException as error:
        os.close(reading)
        if isinstance(error, ValueError):
            raise OSError("the shell has started nothing") from None
        raise


def _identity(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _close(descriptor: int, pipe: tuple[int, int] | None) -> None:
    if pipe is not None and _identity(descriptor) == pipe:
        os.close(descriptor)
