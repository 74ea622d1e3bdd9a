"""The process with PETSc that benchmarks compare with; left out where PETSc is not installed."""

import numpy as np
import pytest
import scipy.sparse as sp

SHIFTS = {"real": 0.5, "complex": 0.5 + 0.3j}


@pytest.fixture(params=SHIFTS)
def client(request, benchmarks):
    import petsc_client

    client = petsc_client.find_petsc(request.param)
    if client is None:
        pytest.skip(f"no PETSc for {request.param} numbers")
    yield client
    client.close()


def system(scalar, size):
    A = sp.diags_array([-1.0, 2.0 + SHIFTS[scalar], -1.0], offsets=[-1, 0, 1], shape=(size, size)).tocsr()
    return A, np.full(size, 1.0 + SHIFTS[scalar])


def test_it_solves_with_the_numbers_that_were_asked_for(client):
    A, b = system(client.scalar, 50)
    client.load("stream", A, b, definite=False)
    client.renew("stream", A, b, np.zeros_like(b))
    answer = client.call("solve", name="stream", options={"pc_type": "none"}, rtol=1e-8)
    assert answer["residual"] <= 1e-7
    assert answer["iterations"] > 3


def test_a_name_may_be_used_again_for_another_matrix(client):
    iterations = {}
    for size in (50, 20):
        A, b = system(client.scalar, size)
        client.load("stream", A, b, definite=False)
        client.renew("stream", A, b, np.zeros_like(b))
        for options in ({"pc_type": "none"}, {}):
            answer = client.call("solve", name="stream", options=options, rtol=1e-8)
            assert answer["residual"] <= 1e-7
            iterations[size, len(options)] = answer["iterations"]
    # Options are those asked for, not those of a solver that is gone: ILU solves a tridiagonal system at once.
    assert iterations[50, 0] <= 2 < iterations[50, 1]
    assert iterations[20, 0] <= 2 < iterations[20, 1]
