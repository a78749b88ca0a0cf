"""The kit's client that fetches lost deliveries again: where it writes, and which servers it trusts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.kit import made

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Elsewhere(BaseHTTPRequestHandler):
    """A server that redirects each request, as a hijacked name or a wrong proxy may."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302 if "elsewhere" not in self.path else 404)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Elsewhere.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    yield server
    server.shutdown()
    server.server_close()


def test_no_signature_follows_a_redirect_and_reports_are_for_one_account(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "keys.txt").write_text("07" * 34)
    done = subprocess.run(
        [sys.executable, str(made.KIT / "fetch_again.py"), f"http://127.0.0.1:{server.server_port}/hotlines/vu-police"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET, "KEY_FILE": "keys.txt"},
        capture_output=True,
        text=True,
        timeout=60,
        umask=0o022,
        check=False,
    )
    assert "HTTP Error 302" in done.stderr
    assert Elsewhere.asked == ["/hotlines/vu-police/deliveries"]
    assert (tmp_path / "received.db").stat().st_mode & 0o077 == 0
