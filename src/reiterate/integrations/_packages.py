"""Packages that may be missing."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version


def require(module: str, package: str, extra: str, *, oldest: int = 0) -> None:
    """Import a package, or say how to get it.

    Parameters
    ----------
    module
        As Python imports it.
    package
        As PyPI calls it.
    extra
        Of reiterate, which brings it along.
    oldest
        Major version that is needed at least.

    Raises
    ------
    ImportError
        It is missing, or too old.
    """
    remedy = f"pip install 'reiterate[{extra}]'"
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        message = f"reiterate.integrations.{extra} needs {package}, which is not installed: {remedy}"
        raise ImportError(message, name=module) from None
    found = _version(package)
    major = found.split(".")[0]
    if oldest and major.isdecimal() and int(major) < oldest:
        message = f"reiterate.integrations.{extra} needs {package} {oldest} or later, and found {found}: {remedy}"
        raise ImportError(message, name=module)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # a checkout on the path has none; it is what its owner wants
        return ""
