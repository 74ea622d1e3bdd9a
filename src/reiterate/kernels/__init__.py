"""Numba kernels: arrays in, arrays out; no classes, no SciPy objects, no policy.

Conventions shared by every kernel
----------------------------------
A sparse matrix is three arrays in compressed sparse row form with sorted, unique indices: ``indptr`` of
shape (n + 1,), ``indices`` and ``data`` of shape (nnz,). Index arrays are *unsigned* 32-bit
(``array.view(numpy.uint32)`` of SciPy's int32 ones, no copy): with signed ones Numba must emit a
wrap-around test at every gather, which doubles the cost of a matrix-vector product.

``data`` and the vectors are float64 or float32, all of one type; sums are accumulated in float64.
Kernels release the GIL, allocate nothing inside an iteration, check nothing, and write only to the
arrays whose description says so. An ``*_advance`` kernel makes at most ``max_iterations`` iterations in
place and leaves its vectors such that the next call goes on exactly where it stopped: two calls of 5
iterations equal one of 10, bit for bit. Its last return value says why it returned (:mod:`codes`).
"""
