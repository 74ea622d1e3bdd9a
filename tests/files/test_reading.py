"""Every form that a stream on disk may have, and what is said of files that are damaged."""

import contextlib
import gzip
import itertools
import pickle
import shutil
import warnings

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from reiterate.errors import InvalidInput, UnreadableFile
from reiterate.files import open_stream
from tests.matrices import laplacian

N = 25


def _system(k):
    A = laplacian(5, shift=1.0 + k)
    return A, np.arange(N) + float(k)


def _same(found, k, matrix=None):
    A, b = _system(k)
    assert abs(found.A - (_system(matrix)[0] if matrix is not None else A)).max() == 0.0
    assert found.b.shape == (N,)
    assert np.array_equal(found.b, b)


def _write_ij(directory, k, name="", parts=1):
    """As hypre prints a system that `parts` processes hold."""
    A, b = _system(k)
    A = A.tocsr()
    limits = np.linspace(0, N, parts + 1).astype(int)
    directory.mkdir(exist_ok=True)
    for part, (first, end) in enumerate(itertools.pairwise(limits)):
        rows = A[first:end].tocoo()
        entries = zip(rows.row + first, rows.col, rows.data, strict=True)
        with open(directory / f"IJ.out.A{name}.{part:05d}", "w") as file:
            file.write(f"{first} {end - 1} {first} {end - 1}\n")
            file.writelines(f"{i} {j} {v:.14e}\n" for i, j, v in entries)
        with open(directory / f"IJ.out.b{name}.{part:05d}", "w") as file:
            file.write(f"{first} {end - 1}\n")
            file.writelines(f"{j} {b[j]:.14e}\n" for j in range(first, end))


def test_matrix_market_plain_and_gzipped(tmp_path):
    for k in range(3):
        A, b = _system(k)
        scipy.io.mmwrite(tmp_path / f"A_{k:05d}.mtx", A)
        scipy.io.mmwrite(tmp_path / f"b_{k:05d}.mtx", b[:, np.newaxis])
    for name in ("A_00001.mtx", "b_00002.mtx"):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
        (tmp_path / name).unlink()
    (tmp_path / "x_00000.npy").write_bytes(b"a solution is no part of the stream")
    stream = open_stream(tmp_path)
    assert [system.label for system in stream.systems] == ["00000", "00001", "00002"]
    for k, system in enumerate(stream):
        _same(system, k)
        assert system.x0 is None


def test_arrays_and_a_matrix_that_serves_until_the_next_one(tmp_path):
    sp.save_npz(tmp_path / "A_00000.npz", _system(0)[0])
    sp.save_npz(tmp_path / "A_00002.npz", _system(2)[0].tocsc())
    for k in range(4):
        np.save(tmp_path / f"b_{k:05d}.npy", _system(k)[1])
    np.save(tmp_path / "x0_00003.npy", np.ones(N))
    systems = list(open_stream(tmp_path))
    for k, matrix in enumerate((0, 0, 2, 2)):
        _same(systems[k], k, matrix)
    assert systems[1].A is systems[0].A
    assert systems[2].x0 is None
    assert np.array_equal(systems[3].x0, np.ones(N))


def test_several_complex_right_hand_sides(tmp_path):
    sp.save_npz(tmp_path / "A_7.npz", _system(0)[0])
    B = np.random.default_rng(0).normal(size=(N, 3)) + 1j
    np.save(tmp_path / "b_7.npy", B)
    (system,) = open_stream(tmp_path)
    assert np.array_equal(system.b, B)
    scipy.io.mmwrite(tmp_path / "b_8.mtx", sp.csr_array(B))
    assert np.array_equal(list(open_stream(tmp_path))[1].b, B)


def _single(path, **changes):
    A, _ = _system(0)
    A = A.tocsr()
    held = {
        "indptr": A.indptr,
        "indices": A.indices,
        "shape": np.array(A.shape),
        "values": np.stack([_system(k)[0].tocsr().data for k in range(3)]),
        "rhs": np.stack([_system(k)[1] for k in range(3)]),
        "source": np.array("a test"),
    }
    np.savez(path, **{name: value for name, value in {**held, **changes}.items() if value is not None})


def test_a_stream_in_one_file(tmp_path):
    _single(tmp_path / "stream.npz", x0=np.ones((3, N)))
    for place in (tmp_path, tmp_path / "stream.npz"):
        systems = list(open_stream(place))
        assert len(systems) == 3
        for k, system in enumerate(systems):
            _same(system, k)
            assert np.array_equal(system.x0, np.ones(N))
    shutil.copy(tmp_path / "stream.npz", tmp_path / "other.npz")
    with pytest.raises(InvalidInput, match=r"holds 2 streams; give one of other\.npz, stream\.npz"):
        open_stream(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rhs": None}, "it has no rhs"),
        ({"rhs": np.ones((2, N))}, "values has shape"),
        ({"rhs": np.ones((3, N - 1))}, "the matrices have 25 rows"),
        ({"x0": np.ones((3, 2))}, "x0 has shape"),
        ({"indices": np.full(105, 99, dtype=np.int32)}, "half-written"),
        ({"indices": np.array([object()] * 105)}, "pickle"),
    ],
)
def test_one_file_whose_arrays_do_not_fit(tmp_path, changes, words):
    _single(tmp_path / "stream.npz", **changes)
    with pytest.raises(UnreadableFile, match=words):
        open_stream(tmp_path / "stream.npz")


@pytest.mark.parametrize("parts", [1, 3])
def test_hypre_a_directory_a_system(tmp_path, parts):
    for k in range(3):
        _write_ij(tmp_path / f"ls_{k:05d}", k, parts=parts)
    stream = open_stream(tmp_path)
    assert [system.label for system in stream.systems] == ["00000", "00001", "00002"]
    for k, system in enumerate(stream):
        _same(system, k)


def test_hypre_a_name_a_system_and_one_system(tmp_path):
    for k in range(3):
        _write_ij(tmp_path / "named", k, f"_{k:05d}", parts=2)
    for k, system in enumerate(open_stream(tmp_path / "named")):
        _same(system, k)
    _write_ij(tmp_path / "one", 2)
    (system,) = open_stream(tmp_path / "one")
    _same(system, 2)


def test_hypre_counting_from_one_out_of_order_and_with_contributions_of_others(tmp_path):
    (tmp_path / "IJ.out.A.00000").write_text("1 2 1 2\n2 2 5\n1 1 4.0\n1 1 3.0\n3 3 0.5\n1 4 -1e0\n")
    (tmp_path / "IJ.out.A.00001").write_text("3 4 3 4\n3 3 2.0\n4 4 1.0\n")
    (tmp_path / "IJ.out.b.00000").write_text("1 2\n2 20\n1 10\n")
    (tmp_path / "IJ.out.b.00001").write_text("3 4\n3 30\n4 40\n2 1\n")
    (system,) = open_stream(tmp_path)
    expected = np.diag([3.0, 5.0, 2.5, 1.0])
    expected[0, 3] = -1.0
    assert np.array_equal(system.A.toarray(), expected)
    assert np.array_equal(system.b, [10.0, 21.0, 30.0, 40.0])


def test_nothing_to_read_is_said(tmp_path):
    with pytest.raises(InvalidInput, match="holds no stream"):
        open_stream(tmp_path)
    with pytest.raises(InvalidInput, match="No such file"):
        open_stream(tmp_path / "nothing")
    np.save(tmp_path / "b_00000.npy", np.ones(3))
    with pytest.raises(InvalidInput, match="but no matrix"):
        open_stream(tmp_path)
    sp.save_npz(tmp_path / "A_00000.npz", _system(0)[0])
    sp.save_npz(tmp_path / "A_0.npz", _system(0)[0])
    with pytest.raises(InvalidInput, match="twice"):
        open_stream(tmp_path)
    (tmp_path / "A_0.npz").unlink()
    _write_ij(tmp_path, 0)
    with pytest.raises(InvalidInput, match="keep them apart"):
        open_stream(tmp_path)


def test_a_directory_of_streams_names_them(tmp_path):
    for name in ("first", "second"):
        _write_ij(tmp_path / name, 0)
    with pytest.raises(InvalidInput, match="2 directories with streams; give one: first, second"):
        open_stream(tmp_path)


def _damage(path, change):
    data = path.read_bytes()
    path.write_bytes(change(data))


def _line(text, number, line):
    lines = text.split(b"\n")
    lines[number - 1] = line
    return b"\n".join(lines)


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (lambda text: _line(text, 10, b"3 x 4.0"), 10, "integer"),
        (lambda text: _line(text, 10, b"3 99 4.0"), 10, "out of bounds"),
        (lambda text: _line(text, 10, b"3 3 four"), 10, "floating-point"),
        (lambda text: text[: text.index(b"\n", 200) + 1], None, "truncated file"),
        (lambda text: text[:-1], None, "the last line does not end"),
        (lambda text: text + b"1 1 1.0\n", None, "too long"),
        (lambda text: b"", 1, "banner"),
        (lambda text: b"%%MatrixMarket matrix array real general\n999999999 999999999\n", 1, "memory"),
    ],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_damaged_matrix_market_files_are_named_with_their_line(tmp_path, change, line, words, ending):
    path = tmp_path / "A_00000.mtx"
    scipy.io.mmwrite(path, _system(0)[0].tocsc())
    np.save(tmp_path / "b_00000.npy", np.ones(N))
    _damage(path, change)
    lines = path.read_bytes().count(b"\n")
    if ending:
        _damage(path, gzip.compress)
        path = path.rename(f"{path}.gz")
    with pytest.raises(UnreadableFile, match=words) as caught:
        next(iter(open_stream(tmp_path)))
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}, line {caught.value.line}: ")
    assert caught.value.line == line if line else abs(caught.value.line - lines) <= 2
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_damaged_compression_is_named(tmp_path):
    path = tmp_path / "A_00000.mtx"
    scipy.io.mmwrite(path, _system(0)[0])
    np.save(tmp_path / "b_00000.npy", np.ones(N))
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    for damaged in (whole[: len(whole) // 2], b"not gzipped", whole[:60] + b"????????" + whole[68:]):
        (tmp_path / "A_00000.mtx.gz").write_bytes(damaged)
        with pytest.raises(UnreadableFile, match=r"A_00000\.mtx\.gz, line \d+: "):
            next(iter(open_stream(tmp_path)))


@pytest.mark.parametrize("name", ["A_00000.npz", "b_00000.npy"])
@pytest.mark.parametrize("change", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"text"])
def test_damaged_arrays_are_named(tmp_path, name, change):
    sp.save_npz(tmp_path / "A_00000.npz", _system(0)[0])
    np.save(tmp_path / "b_00000.npy", np.ones(N))
    _damage(tmp_path / name, change)
    with pytest.raises(UnreadableFile) as caught:
        next(iter(open_stream(tmp_path)))
    assert caught.value.path == tmp_path / name


def test_pickles_and_wrong_indices_are_not_read(tmp_path):
    A = _system(0)[0].tocsr()
    sp.save_npz(tmp_path / "A_00000.npz", A)
    np.save(tmp_path / "b_00000.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFile, match="pickle"):
        next(iter(open_stream(tmp_path)))
    np.save(tmp_path / "b_00000.npy", np.ones(N))
    A.indices[3] = 4000
    np.savez(
        tmp_path / "A_00000.npz",
        format=np.array(b"csr"),
        shape=A.shape,
        data=A.data,
        indices=A.indices,
        indptr=A.indptr,
    )
    with pytest.raises(UnreadableFile, match=r"A_00000\.npz"):
        next(iter(open_stream(tmp_path)))


@pytest.mark.parametrize(
    ("name", "change", "line", "words"),
    [
        ("A", lambda text: _line(text, 7, b"1 x 2.0"), 7, "'x' is no column"),
        ("A", lambda text: _line(text, 7, b"1 2"), 7, "2 numbers, where 3 are expected"),
        ("A", lambda text: _line(text, 1, b"0 24"), 1, "4 bounds"),
        ("A", lambda text: text[: text.index(b"\n24 ") + 1], None, "row 24 is missing"),
        ("A", lambda text: text[:-3], None, "the last line does not end"),
        ("A", lambda text: _line(text, 7, b"1 99 2.0"), None, "column 99 is not within 0 to 24"),
        ("A", lambda text: b"", 1, "empty"),
        ("A", lambda text: b"0 24 0 24\n", 1, "row 0 is missing"),
        ("A", lambda text: _line(text, 1, b"0 99999999999 0 24"), None, "row 25 is missing"),
        ("b", lambda text: _line(text, 7, b"5 5.0e"), 7, "'5.0e' is no value"),
        ("b", lambda text: _line(text, 7, b"77 5.0"), None, "index 5 is missing"),
        ("b", lambda text: text + b"77 5.0\n", None, "not within"),
    ],
)
def test_damaged_ij_files_are_named_with_their_line(tmp_path, name, change, line, words):
    _write_ij(tmp_path, 0)
    path = tmp_path / f"IJ.out.{name}.00000"
    _damage(path, change)
    with pytest.raises(UnreadableFile, match=words) as caught:
        next(iter(open_stream(tmp_path)))
    assert caught.value.path == path
    if line:
        assert caught.value.line == line


def _cut_off(path, lines):
    """Without its last lines."""
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-lines]))


@pytest.mark.parametrize(("parts", "cut"), [(1, 0), (2, 0), (2, 1)])
def test_a_part_that_is_cut_off_within_its_last_row_is_warned_of(tmp_path, parts, cut):
    for k in range(3):
        _write_ij(tmp_path / f"ls_{k:05d}", k, parts=parts)
    path = tmp_path / "ls_00001" / f"IJ.out.A.{cut:05d}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(open_stream(tmp_path))) == 3
    _cut_off(path, 1)
    lines = len(path.read_text().splitlines())
    with pytest.warns(RuntimeWarning, match=f"line {lines}: row .*, the last one") as caught:
        assert len(list(open_stream(tmp_path))) == 3
    assert [str(path) in str(w.message) for w in caught] == [True]
    _cut_off(path, 4 if parts == 1 else 6)  # a whole row or more
    with pytest.raises(UnreadableFile, match="is missing"):
        list(open_stream(tmp_path))


def test_a_file_that_is_nonsymmetric_anyway_is_not_warned_of(tmp_path):
    text = "0 2 0 2\n0 0 1\n0 1 1\n1 1 1\n1 2 1\n2 2 1\n"
    (tmp_path / "IJ.out.A.00000").write_text(text)
    (tmp_path / "IJ.out.b.00000").write_text("0 2\n0 1\n1 1\n2 1\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(open_stream(tmp_path))) == 1


def test_a_missing_part_or_file_of_hypre_is_named(tmp_path):
    _write_ij(tmp_path / "ls_00000", 0, parts=3)
    (tmp_path / "ls_00000" / "IJ.out.A.00001").unlink()
    with pytest.raises(UnreadableFile, match="is a part missing"):
        next(iter(open_stream(tmp_path)))
    for path in (tmp_path / "ls_00000").glob("IJ.out.b.*"):
        path.unlink()
    with pytest.raises(UnreadableFile, match="no b"):
        next(iter(open_stream(tmp_path)))


def test_every_damaged_byte_of_a_header_is_named(tmp_path):
    np.save(tmp_path / "b_00000.npy", np.ones(N))
    sp.save_npz(tmp_path / "A_00000.npz", laplacian(5).tocsr())
    whole = (tmp_path / "b_00000.npy").read_bytes()
    for place in range(6, 80):
        for byte in (b"\x00", b"(", b"'", b"9"):
            (tmp_path / "b_00000.npy").write_bytes(whole[:place] + byte + whole[place + 1 :])
            with contextlib.suppress(UnreadableFile):
                next(iter(open_stream(tmp_path)))


def test_a_file_where_hypre_has_a_directory_is_passed_over(tmp_path):
    _write_ij(tmp_path / "ls_00001", 1)
    (tmp_path / "ls_00000").write_text("no directory")
    assert len(list(open_stream(tmp_path))) == 1
