"""nginx with docs/deploy/nginx.conf, on a free port, with its own certificate."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.wait import until
from tests.workers.test_tls import certificate
from tokaut.local_stack.parent_death import die_with_parent

SHIPPED = Path(__file__).parents[2] / "docs" / "deploy" / "nginx.conf"
NAME = "localhost"
SOFT_FILES = 1024


def nginx() -> str:
    """Return the program; skip the test if it is not installed."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("nginx is not installed, so the proxy is not tried: apt-get install nginx-light")
    return found


class Proxy:
    """`folder` must be readable for nginx's account; it contains web's socket, `web.sock`."""

    name = NAME

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.monitor_port = free_port(), free_port()
        self.certificate = folder / "fullchain.pem"
        public, private = certificate(self.name, datetime.now(UTC) + timedelta(days=2))
        self.certificate.write_bytes(public)
        (folder / "privkey.pem").write_bytes(private)
        (folder / "nginx.conf").write_text(self._shipped())
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://{self.name}:{self.port}"

    @property
    def monitor(self) -> str:
        return f"http://127.0.0.1:{self.monitor_port}"

    def start(self) -> Proxy:
        # Debian's unit sets no limit of files, so systemd's soft limit applies: the shipped file must raise it.
        command = [
            shutil.which("prlimit") or "/usr/bin/prlimit",
            f"--nofile={SOFT_FILES}:",
            nginx(),
            "-p",
            str(self.folder),
            "-e",
            str(self.folder / "error.log"),
        ]
        command += ["-c", str(self.folder / "nginx.conf"), "-g", "daemon off;"]
        with (self.folder / "stderr").open("wb") as log:
            self._process = subprocess.Popen(die_with_parent(command), stdout=log, stderr=log)
        until(self._listens, f"nginx does not start: {self.folder}/stderr")
        return self

    def workers(self) -> list[int]:
        """Return the process numbers of nginx's workers."""
        master = int((self.folder / "nginx.pid").read_text())
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)

    def connect(self, source: str = "127.0.0.1", timeout: float = 20) -> ssl.SSLSocket:
        line = socket.create_connection(("127.0.0.1", self.port), timeout=timeout, source_address=(source, 0))
        return ssl.create_default_context(cafile=str(self.certificate)).wrap_socket(line, server_hostname=self.name)

    def ask(self, request: bytes) -> bytes:
        """Send a request, and return everything until nginx closes."""
        with self.connect() as line:
            line.sendall(request)
            answer = b""
            while more := line.recv(65536):
                answer += more
        return answer

    def logs(self) -> str:
        return "".join((self.folder / name).read_text() for name in ("access.log", "error.log", "stderr"))

    def _shipped(self) -> str:
        """Return the shipped file with this installation's names, each of which must replace an existing one."""
        text = SHIPPED.read_text()
        for old, new in {
            "/etc/tokaut/tls/": f"{self.folder}/",
            "/run/tokaut/web.sock": f"{self.folder}/web.sock",
            "/var/log/nginx/": f"{self.folder}/",
            "/run/nginx.pid": f"{self.folder}/nginx.pid",
            "tokaut.example": NAME,
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "listen 127.0.0.1:8200": f"listen 127.0.0.1:{self.monitor_port}",
            "http {\n": "http {\n" + self._own_folders(),
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        return re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)

    def _own_folders(self) -> str:
        """nginx needs all these folders, used or not; Debian's own belong to root."""
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        return "".join(f"{kind}_temp_path {self.folder}/temp-{kind};\n" for kind in kinds)

    def _listens(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True
