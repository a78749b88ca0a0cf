"""The kit's client that fetches lost deliveries again: where it writes, and which servers it trusts."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from reports.crypto import SealContext, seal_body
from reports.crypto.hpke import PublicKey
from tests.kit import samples

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class RedirectHandler(BaseHTTPRequestHandler):
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
    RedirectHandler.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), RedirectHandler)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    yield server
    server.shutdown()
    server.server_close()


def test_no_signature_follows_a_redirect_and_reports_are_for_one_account(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    (tmp_path / "keys.txt").write_text("07" * 34)
    done = subprocess.run(
        [
            sys.executable,
            str(samples.KIT / "fetch_again.py"),
            f"http://127.0.0.1:{server.server_port}/hotlines/vu-police",
        ],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": SECRET, "KEY_FILE": "keys.txt"},
        capture_output=True,
        text=True,
        timeout=60,
        umask=0o022,
        check=False,
    )
    assert "HTTP Error 302" in done.stderr
    assert RedirectHandler.asked == ["/hotlines/vu-police/deliveries"]
    assert (tmp_path / "received.db").stat().st_mode & 0o077 == 0


def copy_for(key: X25519PrivateKey, report_id: str) -> dict[str, Any]:
    """Return a delivery as the console lists it."""
    context = SealContext("training", report_id, 1, "vu-police")
    box = seal_body(PublicKey(key.public_key().public_bytes_raw()), context, b"", b'{"mode":"training"}')
    wrap, sealed = (base64.b64encode(part).decode() for part in (box.wrap, box.sealed))
    copy = {"key_id": box.key_id, "message_id": None, "wrap": wrap, "sealed": sealed}
    names = {"delivery_id": report_id, "report_id": report_id, "type": "report.created", "mode": "training"}
    return {**names, "revision": 1, "timestamp": "2026-11-25T08:02:10Z", "copy": copy, "withheld": None}


def test_a_copy_without_its_key_keeps_no_other_copy_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One recovery sheet is missing: the reports under the other key come back, and the key is named."""
    here, lost = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    (tmp_path / "keys.txt").write_text(f"{here.private_bytes_raw().hex()}0000\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("KEY_FILE", "keys.txt")
    spec = importlib.util.spec_from_file_location("fetch_again", samples.KIT / "fetch_again.py")
    assert spec and spec.loader
    client = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(client)
    asked = []
    page = {"deliveries": [copy_for(lost, samples.IDS[0]), copy_for(here, samples.IDS[1])], "next": None}
    monkeypatch.setattr(client, "get", lambda _, url: asked.append(url) or page)
    mask = os.umask(0o022)
    try:
        client.main("https://console.example/hotlines/vu-police/")
    finally:
        os.umask(mask)
    assert asked == ["https://console.example/hotlines/vu-police/deliveries"], "a slash at the end does no harm"
    with closing(sqlite3.connect("received.db")) as database:
        assert database.execute("SELECT id FROM received").fetchall() == [(samples.IDS[1],)]
    said = capsys.readouterr().out
    assert f"no key {hashlib.sha256(lost.public_key().public_bytes_raw()).hexdigest()[:16]}" in said
    assert "1 put back, 0 withheld, 1 without a key" in said
