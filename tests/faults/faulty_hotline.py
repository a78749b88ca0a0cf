"""The demo's hotline server, made unreliable: it stores some deliveries without an answer, and answers some with 503.

Run as `python -m tests.faults.faulty_hotline SEED [HOST:]PORT SECRETS RECEIVED`. RECEIVED has each key once;
`every.jsonl` beside it has each stored delivery, including repeats, synced before the answer. A process that listens on
the socket `moments` is notified when a delivery begins to arrive and when it is about to be answered: kills are aimed
by these events.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.json_lines import JsonLinesFile
from tokaut.local_stack import hotline_server
from tokaut.local_stack.hotline_server import DemoHotlineServer

MOMENTS = "moments"
SILENT, BUSY = 0.03, 0.02  # shares: stored without an answer; 503 and not stored


class DeliveryLog(hotline_server.DeliveryFile):
    """The demo's file of deliveries, with a record of each arrival."""

    def __init__(self, path: Path, ledger: JsonLinesFile) -> None:
        super().__init__(path)
        self._ledger = ledger
        self._listener = str(path.with_name(MOMENTS))
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def notify(self, moment: str) -> None:
        """Notify the listening process, if there is one."""
        with suppress(OSError):  # no process listens
            self._line.sendto(moment.encode(), self._listener)

    def add(self, key: str, line: Mapping[str, Any]) -> None:
        """Record an arrival, then store it as the demo does."""
        body = line["body"]
        data = body["data"]
        self._ledger.add(
            at=time.time(),
            hotline=line["hotline"],
            key=key,
            type=body["type"],
            report_id=data["report_id"],
            revision=data.get("revision"),
            completeness=data.get("completeness"),
            phone=(data.get("contact") or {}).get("msisdn"),
            words=data.get("narrative"),
        )
        super().add(key, line)
        self.notify(f"taken {key}")


class FaultyRequestHandler(hotline_server._RequestHandler):
    """Refuse some deliveries, and do not answer some."""

    random_source: random.Random
    deliveries: DeliveryLog

    def do_POST(self) -> None:
        """Handle a delivery."""
        self.deliveries.notify(f"called {self.path.strip('/')}")
        if self.random_source.random() < BUSY:
            self.close_connection = True
            self._answer(503)
            return
        super().do_POST()

    def _answer(self, status: int, body: bytes = b"") -> None:
        if status == 204 and self.random_source.random() < SILENT:
            self.close_connection = True
            return
        super()._answer(status, body)


def main(seed: str, port: str, secrets: str, received: str) -> None:
    kept = Path(received)
    FaultyRequestHandler.random_source = random.Random(
        f"hotline {seed} {time.monotonic_ns() if kept.stat().st_size else 0}"
    )
    host, _, number = port.rpartition(":")
    server = DemoHotlineServer(int(number), json.loads(Path(secrets).read_text()), kept, host=host or "127.0.0.1")
    server.received = FaultyRequestHandler.deliveries = DeliveryLog(kept, JsonLinesFile(kept.with_name("every.jsonl")))
    server.RequestHandlerClass = FaultyRequestHandler
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
