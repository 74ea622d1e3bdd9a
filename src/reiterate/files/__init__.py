"""Streams of linear systems on disk: read them, write them, and solve what a directory holds.

Several forms are read; which one a directory has is seen from its names. ``00000`` stands for the number of a system.

========================================= =====================================================================
numbered files                            ``A_00000`` with ``.mtx``, ``.mtx.gz`` or ``.npz`` (of
                                          :func:`scipy.sparse.save_npz`); ``b_00000`` and, where there is an initial
                                          guess, ``x0_00000`` with ``.mtx``, ``.mtx.gz`` or ``.npy``. A matrix serves
                                          until the next one: without ``A_00001`` the matrix of system 1 is that of
                                          system 0. What has no right-hand side is reported as missing it.
one file                                  ``.npz`` with ``indptr``, ``indices``, ``shape``: a pattern in CSR form;
                                          ``values`` [K, nnz], ``rhs`` [K, n] and optionally ``x0`` [K, n]: K systems.
hypre's IJ files, a directory a system    ``ls_00000/IJ.out.A.00000`` and ``ls_00000/IJ.out.b.00000``, optionally
                                          ``IJ.out.x0.00000``: what hypredrive reads with ``dirname: …/ls``. The number
                                          at the end is that of a process; all parts are put together.
hypre's IJ files, a name a system         ``IJ.out.A_00000.00000`` and so on: what hypredrive reads with
                                          ``matrix_basename: IJ.out.A``.
hypre's IJ files, one system              ``IJ.out.A.00000`` and ``IJ.out.b.00000``.
========================================= =====================================================================

hypre's binary files are not read.
"""

from __future__ import annotations

from reiterate.files.layout import open_stream
from reiterate.files.replay import Outcome, solve_stored
from reiterate.files.stored import StoredStream, StoredSystem, System
from reiterate.files.writer import StreamWriter

__all__ = ["Outcome", "StoredStream", "StoredSystem", "StreamWriter", "System", "open_stream", "solve_stored"]
