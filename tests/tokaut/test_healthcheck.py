"""The health check of a container, and the wait before a host of web is stopped."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reports.store.spool import ENTRY_SUFFIX
from tokaut import healthcheck, spool_wait
from workers.heartbeat import STALE_SECONDS, Heartbeat


class HealthzHandler(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return ""


class UnixServer(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)


@pytest.fixture(params=["tcp", "unix"])
def address(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "tcp":
        server: HTTPServer = ThreadingHTTPServer(("127.0.0.1", 0), HealthzHandler)
        address = f"127.0.0.1:{server.server_port}"
    else:
        server = UnixServer(str(tmp_path / "web.sock"), HealthzHandler)  # type: ignore[arg-type]
        address = f"unix:{tmp_path}/web.sock"
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    yield address
    server.shutdown()
    server.server_close()


def test_a_server_that_answers_is_healthy(address: str) -> None:
    healthcheck.main([address])


def test_a_server_that_fails_is_not(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HealthzHandler, "status", 500)
    with pytest.raises(SystemExit, match="answers 500"):
        healthcheck.main([address])


def test_a_server_that_is_gone_is_not(tmp_path: Path) -> None:
    for address in (f"unix:{tmp_path}/web.sock", "127.0.0.1:1"):
        with pytest.raises(SystemExit, match=f"{address} does not answer"):
            healthcheck.main([address])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKAUT_DATA", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", healthcheck.WORKERS)
def test_a_worker_is_healthy_while_its_loop_runs(kind: str, data: Path) -> None:
    with pytest.raises(SystemExit, match=f"{kind} has not started"):
        healthcheck.main([kind])
    Heartbeat(data, f"{kind}-1").beat()
    healthcheck.main([kind])
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(data / f"alive-{kind}-1", (long_ago, long_ago))
    with pytest.raises(SystemExit, match=f"{kind} has done nothing for 121 s"):
        healthcheck.main([kind])


def test_a_disk_that_refuses_stops_no_worker(tmp_path: Path) -> None:
    Heartbeat(tmp_path / "gone", "urgent-1").beat()


@pytest.mark.parametrize("arguments", [[], ["web"], ["urgent", "2"]])
def test_other_words_get_the_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="Usage"):
        healthcheck.main(arguments)


def test_the_stop_waits_for_the_spool(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (data / "spool").mkdir()
    spool_wait.main(["0"])
    entry = data / "spool" / f"one{ENTRY_SUFFIX}"
    entry.touch()
    with pytest.raises(SystemExit, match="1 entries of the spool still wait"):
        spool_wait.main(["0"])
    drained = threading.Timer(0.1, entry.unlink)
    drained.start()
    spool_wait.main(["30"])
    drained.join()
    assert capsys.readouterr().out.count("The spool is empty.") == 2
    (data / "spool" / "bad").mkdir()
    (data / "spool" / "bad" / entry.name).touch()
    with pytest.raises(SystemExit, match="1 entries of the spool do not open"):
        spool_wait.main(["0"])


def test_a_spool_that_cannot_be_read_is_not_called_empty(data: Path) -> None:
    """If its spool counted as empty, the host would be removed together with the reports in it."""
    with pytest.raises(SystemExit, match=r"spool cannot be read \(No such file or directory\)"):
        spool_wait.main(["0"])
    (data / "spool").touch()
    with pytest.raises(SystemExit, match=r"spool cannot be read \(Not a directory\)"):
        spool_wait.main(["0"])
