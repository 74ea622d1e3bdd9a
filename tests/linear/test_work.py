import numpy as np
import pytest

from reiterate.linear.door import Door
from reiterate.linear.work import in_matvecs, traffic
from tests.matrices import laplacian


def test_one_product_is_one_unit():
    pattern = Door().admit(laplacian(10), np.ones(100), None, rtol=1e-8, atol=0.0).pattern
    assert in_matvecs(pattern, traffic(pattern, entries=1.0, row_bytes=20.0)) == 1.0
    assert in_matvecs(pattern, traffic(pattern, entries=2.0, row_bytes=40.0)) == pytest.approx(2.0)
