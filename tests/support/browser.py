"""A real Chromium for the pages. Its console messages, requests and connections are recorded and checked."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

DESKTOP = shutil.which("chromium") or shutil.which("chromium-browser")
# The headless shell has the same engine and needs a third of the processor time, but has no notifications.
PROGRAM = shutil.which("chromium-headless-shell") or DESKTOP
WITHOUT = "no Chromium here: Debian's packages chromium and chromium-headless-shell bring it"
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# Page timers run 20 times faster, so that tests do not wait for texts that are shown slowly to people.
HURRIED = "const { setTimeout: slow } = window; window.setTimeout = (f, t, ...a) => slow(f, t / 20, ...a);"
LISTENING = """
window.refusals = [];
document.addEventListener("securitypolicyviolation", (event) => window.refusals.push(event.violatedDirective));
"""


class Browser:
    """A Chromium with a new profile; `open` returns a page in its own context."""

    def __init__(self, program: str | None = PROGRAM) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tb-"))
        self._net = self.folder / "net.json"
        self._playwright = sync_playwright().start()
        root = ("--no-sandbox",) if os.geteuid() == 0 else ()
        self.chromium: Chromium = self._playwright.chromium.launch(
            executable_path=program, args=[*QUIET, *root, f"--log-net-log={self._net}"]
        )

    def open(
        self,
        address: str,
        *,
        width: int = 1280,
        height: int = 900,
        hurried: bool = True,
        dark: bool = False,
        served: Callable[[Route], None] | None = None,
        script: str = "",
    ) -> OpenPage:
        """Open a page. `hurried`: with fast timers. `served`: answers in place of a server. `script`: runs first."""
        context = self.chromium.new_context(
            viewport={"width": width, "height": height},
            reduced_motion="reduce",
            color_scheme="dark" if dark else "light",
        )
        context.add_init_script(LISTENING + (HURRIED if hurried else "") + script)
        if served:
            context.route("**/*", served)
        return OpenPage(context, address)

    def close(self) -> list[str]:
        """Close Chromium. Return each address outside the loopback to which it opened a TCP connection or sent UDP."""
        self.chromium.close()
        self._playwright.stop()
        addresses = [address for address in _connected(json.loads(self._net.read_text())) if not _is_loopback(address)]
        shutil.rmtree(self.folder)
        return addresses


ADVICE = ("info", "debug")  # types of messages with which Chromium advises page authors


class OpenPage:
    """An open page. `said`: its console messages except advice. `asked`: the addresses of its requests."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: message.type in ADVICE or self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("body[data-ready]")

    @property
    def refusals(self) -> list[str]:
        """Return the directives of the content security policy that blocked something."""
        addresses: list[str] = self.page.evaluate("window.refusals")
        return addresses

    def close(self) -> None:
        """Close the page and end its open requests, such as for an icon; they must not fail the next test."""
        self.context.unroute_all(behavior="ignoreErrors")
        self.context.close()


def _connected(log: dict[str, Any]) -> list[str]:
    names = {number: name for name, number in log["constants"]["logEventTypes"].items()}
    attempts = {"TCP_CONNECT_ATTEMPT": "address", "UDP_BYTES_SENT": "address"}
    addresses = []
    for event in log["events"]:
        key = attempts.get(names[event["type"]])
        if key and key in event.get("params", {}):
            addresses.append(event["params"][key])
    return addresses


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.rpartition(":")[0].strip("[]")).is_loopback
