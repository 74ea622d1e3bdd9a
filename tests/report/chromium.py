"""A headless Chromium, driven through its debugging pipe: what a page does in a real browser."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

PATH = shutil.which("chromium")
_PATIENCE = 120.0


class Chromium:
    """One page of a browser of its own.

    Attributes
    ----------
    events : list of dict
        What the browser reported, as it came.
    """

    def __init__(self, profile: Path) -> None:
        assert PATH is not None
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-dev-shm-usage --remote-debugging-pipe"
        script = f'exec {PATH} {flags} --user-data-dir="{profile}" about:blank 3<&{commands} 4>&{answers}'
        self._process = subprocess.Popen(
            ["bash", "-c", script],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._number = 0
        self._left = b""
        self.events: list[dict[str, Any]] = []
        pages = [target for target in self("Target.getTargets")["targetInfos"] if target["type"] == "page"]
        target = pages[0]["targetId"] if pages else self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    _session: str | None = None

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for what it returns."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._left:
            ready, _, _ = select.select([self._answers], [], [], max(end - time.monotonic(), 0.0))
            assert ready, "the browser says nothing"
            part = os.read(self._answers, 1 << 16)
            assert part, "the browser has gone"
            self._left += part
        first, _, self._left = self._left.partition(b"\0")
        return json.loads(first)

    def show(self, path: Path, *, width: int, dark: bool) -> None:
        """Open a file and wait until it is there."""
        self.events.clear()
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", features=[scheme])
        self("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def ask(self, expression: str) -> Any:
        """What a JavaScript expression is on the page."""
        return self("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def complaints(self) -> list[dict[str, Any]]:
        """What was written to the console or its log, and errors."""
        names = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in names]

    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        asked = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def close(self) -> None:
        """End the browser that this started."""
        os.close(self._commands)
        os.close(self._answers)
        self._process.terminate()
        self._process.wait(_PATIENCE)
