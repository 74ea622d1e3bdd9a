"""Streams that are written, solved, interrupted and resumed."""

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp

import reiterate as rt
from reiterate.errors import InvalidInput, NotConverged
from reiterate.files import StreamWriter, open_stream, solve_stored
from tests.matrices import laplacian

N = 49


def _matrix(k):
    return laplacian(7, shift=1.0 + k)


def _write(directory, count=6):
    writer = StreamWriter(directory)
    for k in range(count):
        writer.add(_matrix(k // 2), np.arange(N) + float(k))
    return writer


class _Counting(rt.Solver):
    """Counts what it solves, and may be told at which system to be interrupted."""

    def __init__(self, interrupted_at=None):
        super().__init__(["cg"], fallback=None)
        self.calls, self._interrupted_at = 0, interrupted_at

    def solve(self, *arguments, **options):
        if self.calls == self._interrupted_at:
            raise KeyboardInterrupt
        self.calls += 1
        return super().solve(*arguments, **options)


def test_what_is_written_is_what_is_read(tmp_path):
    rng = np.random.default_rng(0)
    kept = [(sp.random_array((N, N), density=0.2, rng=rng, format=form), rng.normal(size=N)) for form in
            ("csr", "csc", "coo", "dia", "lil", "bsr")]  # fmt: skip
    kept.append((rng.normal(size=(N, N)), rng.normal(size=(N, 2)) * 1j))
    kept.append((kept[0][0], sp.csc_array(kept[6][1])))
    writer = StreamWriter(tmp_path / "new" / "directory")
    for k, (A, b) in enumerate(kept):
        writer.add(A, b, np.full(b.shape, 0.5) if k % 2 else None)
    assert len(writer) == len(kept)
    for k, (found, (A, b)) in enumerate(zip(open_stream(writer.directory), kept, strict=True)):
        assert abs(sp.csr_array(A) - found.A).max() == 0.0
        assert np.array_equal(found.b, b.toarray() if sp.issparse(b) else b)
        assert (found.x0 is not None) == bool(k % 2)


def test_a_matrix_is_written_once_until_it_changes_and_a_writer_goes_on(tmp_path):
    _write(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("A_*")) == ["A_00000.npz", "A_00002.npz", "A_00004.npz"]
    writer = StreamWriter(tmp_path)
    writer.add(_matrix(0), np.ones(N))
    assert (tmp_path / "A_00006.npz").exists()
    assert len(open_stream(tmp_path)) == 7
    changed = _matrix(0)
    writer.add(changed, np.ones(N))
    changed.data[0] += 1e-12
    writer.add(changed, np.ones(N))
    assert not (tmp_path / "A_00007.npz").exists()
    assert (tmp_path / "A_00008.npz").exists()


@pytest.mark.parametrize(
    ("A", "b", "words"),
    [
        (np.ones(3), np.ones(3), "no matrix"),
        (object(), np.ones(3), "a object is no matrix"),
        (sp.linalg.aslinearoperator(np.eye(3)), np.ones(3), "no matrix"),
        (np.eye(3), np.array(["a", "b", "c"]), "numbers are wanted"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, A, b, words):
    with pytest.raises(InvalidInput, match=words):
        StreamWriter(tmp_path).add(A, b)


def test_a_stream_is_solved_and_only_what_is_left_is_solved_again(tmp_path):
    _write(tmp_path)
    stream = open_stream(tmp_path)
    out = tmp_path / "out"
    first = _Counting(interrupted_at=3)
    with pytest.raises(KeyboardInterrupt):
        solve_stored(stream, first, out, rtol=1e-8)
    assert sorted(os.listdir(out)) == [f"x_0000{k}.npy" for k in range(3)]
    second, seen = _Counting(), []
    outcome = solve_stored(stream, second, out, rtol=1e-8, watch=seen.append)
    assert (outcome.solved, outcome.skipped, outcome.trouble, second.calls) == (3, 3, [], 3)
    assert seen == list(range(7))
    for k, system in enumerate(stream):
        x = np.load(out / f"x_{k:05d}.npy")
        assert np.linalg.norm(system.b - system.A @ x) <= 1e-8 * np.linalg.norm(system.b)


def test_a_solution_is_solved_again_where_it_is_none(tmp_path):
    _write(tmp_path)
    stream = open_stream(tmp_path)
    solve_stored(stream, _Counting(), tmp_path, rtol=1e-8)
    (tmp_path / "x_00001.npy").write_bytes(b"half of it")
    np.save(tmp_path / "x_00003.npy", np.zeros(N))
    np.save(tmp_path / "x_00004.npy", np.zeros(3))
    assert solve_stored(stream, again := _Counting(), tmp_path, rtol=1e-8).skipped == 3
    assert again.calls == 3
    tighter = rt.Solver(rtol=1e-13)
    assert solve_stored(stream, tighter, tmp_path, rtol=1e-13).solved > 0
    assert solve_stored(stream, tighter, tmp_path, rtol=1e-13).skipped == 6


def test_what_cannot_be_read_or_solved_leaves_the_rest_solved(tmp_path):
    _write(tmp_path)
    data = (tmp_path / "A_00002.npz").read_bytes()
    (tmp_path / "A_00002.npz").write_bytes(data[:300])
    np.save(tmp_path / "b_00001.npy", np.ones(5))
    (tmp_path / "b_00005.npy").unlink()
    StreamWriter(tmp_path).add(_matrix(0), np.full(N, np.nan))
    sp.save_npz(tmp_path / "A_00007.npz", _matrix(0))
    outcome = solve_stored(open_stream(tmp_path), _Counting(), tmp_path, rtol=1e-8)
    assert outcome.solved == 2
    assert [path.name for path in sorted(tmp_path.glob("x_*"))] == ["x_00000.npy", "x_00004.npy"]
    told = dict(outcome.trouble)
    assert "A_00002.npz" in told["A_00002.npz, b_00002.npy"]
    assert "A_00002.npz" in told["A_00002.npz, b_00003.npy"]
    assert "b" in told["A_00000.npz, b_00001.npy"]
    assert "b_00007: there is no right-hand side" in told["A_00007.npz"]
    assert len(told) == len(outcome.trouble) == 5


def test_a_system_that_does_not_converge_is_told(tmp_path):
    class Weak:
        def solve(self, A, b, x0=None):
            raise NotConverged("nothing reached it", x=b, merit=1.0, target=1e-8)

    _write(tmp_path, 2)
    outcome = solve_stored(open_stream(tmp_path), Weak(), tmp_path, rtol=1e-8)
    assert (outcome.solved, len(outcome.trouble)) == (0, 2)


def test_a_directory_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    _write(tmp_path, 2)
    with pytest.raises(InvalidInput, match="cannot create"):
        solve_stored(open_stream(tmp_path), _Counting(), tmp_path / "b_00000.npy" / "out", rtol=1e-8)

    def full(file, *_, **__):
        file.write(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(InvalidInput, match=r"cannot write .*x_00000\.npy.* \(No space left on device\)"):
        solve_stored(open_stream(tmp_path), _Counting(), tmp_path / "out", rtol=1e-8)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_writer_that_is_killed_leaves_whole_files(tmp_path):
    code = """
        import numpy as np, sys
        from reiterate.files import StreamWriter
        from tests.matrices import laplacian
        writer = StreamWriter(sys.argv[1])
        A = laplacian(40)
        for k in range(100_000):
            A.data[0] = k
            writer.add(A, np.arange(1600.0))
            print(k, flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 20:
                process.kill()
                break
    # Killed between matrix and right-hand side, the last system has none; any other is whole.
    systems = open_stream(tmp_path).systems
    assert len(systems) >= 20
    for k, system in enumerate(systems[:-1]):
        assert system.read().A.tocsr().data[0] == k
