"""Imports of extension modules that must not outlive the thread that loads them."""

from __future__ import annotations

import importlib
import sys
import threading
from types import ModuleType


def import_for_good(name: str) -> ModuleType:
    """The module, loaded by a thread that does not end before the process.

    rslab 1.7 crashes the process when the thread that imported it has ended and a further one calls it. Off the main
    thread the import is left to one that goes on waiting until the end.
    """
    if threading.current_thread() is threading.main_thread() or name in sys.modules:
        return importlib.import_module(name)
    loaded = threading.Event()

    def load_and_stay() -> None:
        try:
            importlib.import_module(name)
        except BaseException:
            return  # whoever waits meets the same error
        finally:
            loaded.set()
        threading.Event().wait()

    threading.Thread(target=load_and_stay, name=f"reiterate keeps {name}", daemon=True).start()
    loaded.wait()
    return importlib.import_module(name)
