"""Other packages warn of what is not ours, when they are imported and later."""

import importlib
import warnings

import pytest


def optional(module):
    """The package, or the test module is skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(module)
        except ImportError as error:
            pytest.skip(f"{module} cannot be imported: {error}", allow_module_level=True)
