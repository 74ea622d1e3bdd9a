"""Finds out in which form a directory or a file holds a stream."""

from __future__ import annotations

import os
from pathlib import Path

from reiterate.errors import InvalidInput
from reiterate.files import arrays, hypre, numbered
from reiterate.files.stored import StoredStream

_FORMS = "A_00000.mtx or .npz with b_00000.mtx or .npy; ls_00000/IJ.out.A.00000; or a stream in one .npz file"


def open_stream(path: str | Path) -> StoredStream:
    """The stream that a directory or an ``.npz`` file holds; nothing is read yet but what one file holds as a whole.

    Parameters
    ----------
    path
        Of one of the forms in :mod:`reiterate.files`.

    Raises
    ------
    InvalidInput
        There is nothing of that name, no stream in it, or more than one.
    UnreadableFile
        A file that holds a whole stream cannot be read.
    """
    path = Path(path)
    if path.is_file():
        return arrays.open_single(path)
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise InvalidInput("directory", f"cannot read {str(path)!r} ({error.strerror}); {_FORMS} is wanted") from None
    found = [stream for stream in (numbered.find(path, names), hypre.find(path, names)) if stream is not None]
    if len(found) > 1:
        raise InvalidInput("directory", f"{str(path)!r} holds both numbered files and IJ files; keep them apart")
    if found:
        return found[0]
    single = [name for name in names if name.endswith(".npz") and arrays.is_stream(path / name)]
    if len(single) == 1:
        return arrays.open_single(path / single[0])
    if single:
        some = ", ".join(single[:3]) + (", …" if len(single) > 3 else "")
        raise InvalidInput("directory", f"{str(path)!r} holds {len(single)} streams; give one of {some}")
    inside = [name for name in names if (path / name).is_dir() and _holds_stream(path / name)]
    if inside:
        some = ", ".join(inside[:3]) + (", …" if len(inside) > 3 else "")
        raise InvalidInput("directory", f"{str(path)!r} holds {len(inside)} directories with streams; give one: {some}")
    raise InvalidInput("directory", f"{str(path)!r} holds no stream: {_FORMS} is wanted")


def _holds_stream(path: Path) -> bool:
    try:
        names = sorted(os.listdir(path))
        return numbered.find(path, names) is not None or hypre.find(path, names) is not None
    except (OSError, InvalidInput):
        return False
