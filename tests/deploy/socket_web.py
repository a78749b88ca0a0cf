"""Web behind a socket that another process holds, as with systemd: it stays open while web restarts."""

from __future__ import annotations

import copy
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.wait import until
from tokaut.local_stack.parent_death import die_with_parent
from tokaut.local_stack.startup import WEB_CONFIG

# systemd's socket activation: file descriptor 3, and the id of the process that it is meant for.
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], {**os.environ, "LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())})
"""


class SocketWeb:
    """`where`: a path, or an address and a port. `start` and `stop` leave the socket open."""

    def __init__(self, where: Path | tuple[str, int], environment: Mapping[str, str], log: Path, workers: int = 1):
        is_path = isinstance(where, Path)
        self.socket = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET)
        if not is_path:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(str(where) if is_path else where)
        self.socket.listen(4096)  # the same as in tokaut-web.socket
        self.where = self.socket.getsockname()
        self._environment = environment
        self._log = log
        self._workers = workers
        self.process: subprocess.Popen[bytes] | None = None

    def another(self) -> SocketWeb:
        """Return a second web on the same socket: while one restarts the other answers."""
        other = copy.copy(self)
        other.process = None
        return other

    def start(self) -> None:
        number = self.socket.fileno()
        self._started = self._starts()
        web = [sys.executable, "-m", "gunicorn", "-c", WEB_CONFIG, "--workers", str(self._workers)]
        command = [sys.executable, "-I", "-S", "-c", HAND_OVER, str(number), *web, "gateway.asgi:create_app()"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                die_with_parent(command),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(number,),
                start_new_session=True,
            )

    def until_started(self) -> None:
        """Wait until this web has started, not another one on the socket."""
        until(lambda: self._starts() > self._started, f"web does not start: {self._log}")

    def _starts(self) -> int:
        return self._log.read_bytes().count(b'"started"') if self._log.exists() else 0

    def until_it_answers(self) -> None:
        until(self._answers, f"web does not start: {self._log}", seconds=60)

    def stop(self) -> None:
        """Send SIGTERM, as for a restart, and wait; open requests are finished."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0
        self.process = None

    def remove(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.socket.close()

    def ask(self, path: str) -> bytes:
        with socket.socket(self.socket.family) as line:
            line.settimeout(10)
            line.connect(self.where)
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while more := line.recv(65536):
                answer += more
        return answer

    def _answers(self) -> bool:
        try:
            return b" 200 " in self.ask("/healthz").split(b"\r\n")[0]
        except OSError:
            return False
