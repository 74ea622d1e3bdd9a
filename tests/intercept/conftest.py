import pytest

from reiterate.intercept import factoring, site
from reiterate.intercept.ledger import Ledger


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is too small for the solver, and SciPy need not be measured first."""
    monkeypatch.setattr(site, "_SMALLEST", 2)
    monkeypatch.setattr(Ledger, "ours_next", lambda self, A=None, factors=False: not self.barred)
    monkeypatch.setattr(Ledger, "next", lambda self, A: "SciPy" if self.barred else "solver")
    monkeypatch.setattr(Ledger, "settled", property(lambda self: self.barred))


@pytest.fixture(params=["solver", "factors"])
def either(request: pytest.FixtureRequest, eager: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """As ``eager``, once with the solver and once with factors of our own in place of direct methods."""
    if request.param == "factors":
        monkeypatch.setattr(factoring, "_SURE", 2)
        monkeypatch.setattr(factoring, "_LEAST_GUESSED", 0.0)
        monkeypatch.setattr(
            Ledger, "next", lambda self, A: "SciPy" if self.barred or self.factoring is None else "factors"
        )
    return str(request.param)
