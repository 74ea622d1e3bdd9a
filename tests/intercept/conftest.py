import pytest

from reiterate.intercept import site
from reiterate.intercept.ledger import Ledger


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is too small for us, and SciPy need not be measured first."""
    monkeypatch.setattr(site, "_SMALLEST", 2)
    monkeypatch.setattr(Ledger, "ours_next", lambda self, A=None: not self.barred)
    monkeypatch.setattr(Ledger, "settled", property(lambda self: self.barred))
