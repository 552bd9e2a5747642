"""A headless Chromium for the tests of pages, spoken to through its DevTools pipe with the standard library alone."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from parity_tests.tests.patience import Patience

NAMES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
LOOK = 1.0  # seconds in which an answer is waited for before patience is asked
ARROWS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, "/": 191, **ARROWS}  # Windows' numbers of the keys
DEVTOOLS_IN, DEVTOOLS_OUT = 3, 4  # the file descriptors through which Chromium speaks


class BrowserError(RuntimeError):
    """Chromium did not answer, or answered with an error."""


def executable() -> str | None:
    """The path of a Chromium, if this machine has one."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A running Chromium with an empty profile in this folder; closed afterwards."""
    path = executable()
    if path is None:
        raise BrowserError(f"browser: there is none of {', '.join(NAMES)} on the PATH.")
    one = Browser(path, profile)
    try:
        yield one
    finally:
        one.close()


class Browser:
    """Chromium's process. Commands and answers are JSON texts that end in a zero byte."""

    def __init__(self, path: str, profile: Path) -> None:
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands, answers)]  # away from 3 and 4
        arguments = [path, *SWITCHES, f"--user-data-dir={profile}", "about:blank"]
        places = zip((os.POSIX_SPAWN_DUP2,) * 2, ends, (DEVTOOLS_IN, DEVTOOLS_OUT), strict=True)
        silent = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        self._process = os.posix_spawn(path, arguments, os.environ, file_actions=[*places, silent])
        for end in (commands, answers, *ends):
            os.close(end)
        self._rest, self._number = b"", 0
        self.events: list[dict[str, Any]] = []  # what Chromium told without being asked

    def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """The answer to a DevTools command."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        os.write(self._commands, json.dumps(command | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self._message()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _message(self) -> dict[str, Any]:
        patience = Patience()
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], LOOK)
            if ready:
                more = os.read(self._answers, 1 << 16)
                if not more:
                    raise BrowserError("browser: it has ended.")
                self._rest += more
            elif patience.is_over():
                raise BrowserError("browser: it hangs; no answer came.")
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int = 1280, height: int = 900, dark: bool = False, phone: bool = False) -> Page:
        """A new page of this size, loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            page.call(f"{domain}.enable")
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.go(url)
        return page

    def close(self) -> None:
        try:
            self.call("Browser.close")
        except (BrowserError, OSError):
            os.kill(self._process, 9)
        os.waitpid(self._process, 0)
        os.close(self._commands)
        os.close(self._answers)


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser, self.session = browser, session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **parameters)

    def go(self, url: str) -> None:
        """Load this address to the end."""
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")
        self.until(f"document.readyState === 'complete' && location.href === {json.dumps(url)}")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(f"{expression}: {answer['exceptionDetails']['exception'].get('description')}")
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait for an expression to be true; between two pages there is nothing that could be asked."""
        patience = Patience()
        answer: Any = None
        while answer is not True:
            if patience.is_over():
                raise BrowserError(f"browser: {expression} does not come true, but {answer!r}.")
            try:
                answer = self.evaluate(expression)
            except BrowserError as error:
                answer = error
            time.sleep(0.02)

    def write(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """Press and release one of KEYS."""
        text = {"Enter": "\r", "/": "/"}.get(key, "")
        stroke = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **stroke)
        self.call("Input.dispatchKeyEvent", type="keyUp", **stroke)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A PNG of what is seen, or of the whole page."""
        picture = self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(picture))

    def errors(self) -> list[str]:
        """Errors on the console, exceptions that nothing caught, files that could not be loaded; in order."""
        self.evaluate("0")  # whatever happened before has been told by now
        told = [event for event in self.browser.events if event.get("sessionId") == self.session]
        found = []
        for method, values in ((event["method"], event["params"]) for event in told):
            if method == "Runtime.exceptionThrown":
                details = values["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
                found.append(" ".join(str(part.get("value", part.get("description"))) for part in values["args"]))
            elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
                found.append(f"{values['entry']['text']} {values['entry'].get('url', '')}".strip())
        return found
