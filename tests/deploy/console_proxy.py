"""nginx with the shipped file for the console, in front of a console."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import requests

from tests.deploy.proxy import SHIPPED, Proxy
from tests.support.fork_server import start_python
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack import preparation, startup
from tokaut.local_stack.fork_server import ForkedProcess
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan

OF_CONSOLE = SHIPPED.with_name("nginx-console.conf")
OPEN = "    # include /etc/nginx/tokaut-console.conf;"
HOTLINE = "vu-pikinini"


class ConsoleProxy(Proxy):
    """TLS for the console's name. `port_of_console`: the console's own port."""

    name = "desk.localhost"

    def __init__(self, folder: Path, port_of_console: int) -> None:
        self._console = port_of_console
        super().__init__(folder)

    def _shipped(self) -> str:
        text = super()._shipped()
        assert OPEN in text
        included = OF_CONSOLE.read_text()
        for old, new in {
            "/etc/tokaut/tls/console-": f"{self.folder}/",
            "127.0.0.1:8100": f"127.0.0.1:{self._console}",
            "desk.example": self.name,
            "listen 443": f"listen 127.0.0.1:{self.port}",
        }.items():
            assert old in included, old
            included = included.replace(old, new)
        (self.folder / "console.conf").write_text(re.sub(r"^ *listen \[::\].*\n", "", included, flags=re.MULTILINE))
        return text.replace(OPEN, f"    include {self.folder}/console.conf;")


class ConsoleInstallation:
    """A console started as by its unit, behind nginx."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tx-"))
        self.folder.chmod(0o711)
        self.port = free_port()
        of_demo = DemoFolder(self.folder / "demo")
        (self.folder / "demo").mkdir(mode=0o700)
        self.plan: StackPlan = make_plan(
            {}, of_demo, StackAddresses(1, 2, 3), (HOTLINE, "vu-womens-centre", "vu-police")
        )
        self.plan.folder.inside.mkdir(mode=0o700)
        preparation.prepare_stack(self.plan)
        self.proxy = ConsoleProxy(self.folder, self.port)
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None

    def up(self) -> ConsoleInstallation:
        self.start_console()
        self.proxy.start()
        until(self._answers, f"the console does not start: {self.folder}", seconds=60)
        return self

    def _answers(self) -> bool:
        """Ask the console itself: through nginx, a slow start would use up the rate that the tests need."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz", timeout=20).text == "ok\n"
        except requests.ConnectionError:
            return False

    def start_console(self) -> None:
        server = [sys.executable, "-m", "gunicorn", "-c", startup.CONSOLE_CONFIG, "--workers", "1"]
        server += ["--bind", f"127.0.0.1:{self.port}", "console.app:create_app()"]
        with (self.folder / "console.log").open("ab") as log:
            around = {**os.environ, **self.plan.settings, "COUNTRIES": "vu"}
            self._process = start_python(server, env=around, stdout=log, stderr=log, start_new_session=True)

    def stop_console(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=30)
            self._process = None

    def get(self, path: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
        """Send a request and return the whole answer."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.proxy.name}", "Connection: close", *headers, "", ""]
        return self.proxy.ask("\r\n".join(lines).encode() + body)

    def down(self) -> None:
        self.proxy.stop()
        self.stop_console()
        shutil.rmtree(self.folder)
