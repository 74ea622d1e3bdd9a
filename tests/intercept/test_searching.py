"""Looking for SciPy's functions in loaded modules runs no code of the program's."""

import importlib.util
import subprocess
import sys
import textwrap
import types

import pytest
import scipy.sparse.linalg as spl

import reiterate as rt


class Touched(Exception):
    """Somebody has looked where nobody may."""


def touch(*_):
    raise Touched


class Proxy:
    """Like those of Django and werkzeug: any question has it make what it stands for."""

    __class__ = property(touch)
    __getattribute__ = touch
    __eq__ = touch
    __hash__ = touch


class LazyModule(types.ModuleType):
    __getattr__ = touch

    def __getattribute__(self, name):
        touch()


class Meta(type):
    def __getattribute__(cls, name):
        touch()

    def __setattr__(cls, name, value):
        touch()


@pytest.fixture
def loaded(monkeypatch):
    def load(name, module):
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return load


def test_a_lazy_loader_goes_on_waiting(tmp_path, monkeypatch, loaded):
    (tmp_path / "waiting_module.py").write_text("from scipy.sparse.linalg import spsolve\nraise SystemExit('loaded')")
    monkeypatch.syspath_prepend(tmp_path)
    spec = importlib.util.find_spec("waiting_module")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = loaded("waiting_module", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    with rt.tuned_scipy():
        pass
    assert type(module) is not types.ModuleType
    with pytest.raises(SystemExit, match="loaded"):
        _ = module.spsolve


def test_hooks_of_modules_and_of_what_is_in_them_stay_still(loaded):
    for name, module in {"a proxy": Proxy(), "a lazy module": LazyModule("lazy"), "nothing": None}.items():
        loaded(name, module)
    module = loaded("plain_module", types.ModuleType("plain_module"))
    module.__getattr__ = touch
    module.proxy, module.table = Proxy(), {"proxy": Proxy(), "cg": spl.cg}
    module.solve = spl.spsolve
    module.Kind = Meta("Kind", (), {"__module__": "plain_module", "proxy": Proxy(), "solve": spl.cg})
    before = module.solve
    with rt.tuned_scipy():
        assert module.solve is spl.spsolve is not before
        assert module.table["cg"] is spl.cg
        assert type.__getattribute__(module.Kind, "solve") is spl.cg
    assert module.solve is spl.spsolve is before


def test_a_lazy_module_that_is_there_has_its_names_replaced(loaded):
    module = loaded("half_lazy", LazyModule("half_lazy"))
    names = object.__getattribute__(module, "__dict__")
    names["solve"] = spl.spsolve
    with rt.tuned_scipy():
        assert names["solve"] is spl.spsolve
    assert names["solve"] is spl.spsolve


def test_a_module_without_a_name_is_passed_over(loaded):
    module = loaded("nameless", types.ModuleType("nameless"))
    del module.__name__
    loaded("with an odd name", types.ModuleType("odd")).__name__ = 3
    with rt.tuned_scipy():
        pass


WAITING = """
    import importlib.util, sys
    from reiterate.intercept import patching, Session
    session = Session()
    session.install()
    import scipy.sparse
    assert 'scipy.sparse.linalg' not in sys.modules
    spec = importlib.util.find_spec('scipy.sparse.linalg')
    assert type(spec.loader).__name__ == 'SourceFileLoader'
    assert 'LinearOperator' in spec.loader.get_source(spec.name)
    if {lazily}:
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules['scipy.sparse.linalg'] = module
        spec.loader.exec_module(module)
        assert not patching._replacements
        module.spsolve
    from scipy.sparse.linalg import spsolve
    assert spsolve is patching._replacements['spsolve']
    assert 'exec_module' not in vars(sys.modules['scipy.sparse.linalg'].__loader__)
    assert not [f for f in sys.meta_path if 'reiterate' in type(f).__module__]
    session.remove()
    assert sys.modules['scipy.sparse.linalg'].spsolve is patching.original('spsolve')
"""


@pytest.mark.parametrize("lazily", [False, True])
def test_a_program_that_only_asks_where_scipy_is(lazily):
    code = textwrap.dedent(WAITING).replace("{lazily}", str(lazily))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
