"""Workers as in production: separate processes with settings in their environment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.fork_server import start_python
from tests.workers.fake_http_server import FakeHttpServer
from tests.workers.sample_store import ONE, SampleStore

SECRET = "whsec_" + "b2xkc2VjcmV0LW9mLWF0LWxlYXN0LTI0LWJ5dGVz"


def settings(store: SampleStore, data: Path, hotline: FakeHttpServer, redis_url: str, **more: str) -> dict[str, str]:
    """Return the settings of a worker for the shipped Vanuatu whose child helpline is `hotline`."""
    name = f"HOTLINE_{ONE.upper().replace('-', '_')}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TOKAUT_", "HOTLINE_"))}
    return kept | {
        "TOKAUT_MODE": "demo",
        "TOKAUT_DATA": str(data),
        "TOKAUT_KEYS": str(store.keys),
        "DATABASE_URL": store.database.engine.url.render_as_string(hide_password=False),
        "REDIS_URL": redis_url,
        "COUNTRIES": "vu",
        "CHANNELS": "africastalking",
        f"{name}_URL": hotline.url,
        f"{name}_SECRET": SECRET,
        f"{name}_PRIVATE": hotline.host_port,
        **more,
    }


class Process:
    """A worker: `with Process("urgent", settings, log) as it:`. It is killed at the end if it still runs."""

    def __init__(self, kind: str, environ: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as out:
            self._process = start_python(
                [sys.executable, "-m", "workers.main", kind], env=environ, stdout=out, stderr=out
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(timeout=20)

    def stop(self) -> int:
        """Send SIGTERM, and return the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=40)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(timeout=20)

    def status(self) -> int:
        """Wait for the process to end by itself, and return its exit status."""
        return self._process.wait(timeout=40)

    def said(self) -> str:
        return self.log.read_text()
