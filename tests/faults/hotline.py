"""The demo's hotline, made worse: now and then it takes a report and says nothing, or says that it cannot.

Run as `python -m tests.faults.hotline SEED PORT SECRETS RECEIVED`. Beside RECEIVED, which has each key once, it keeps
`every.jsonl`: all that it took, repeats too, on the disk before the answer. Who listens at `moments` there is told when
a delivery begins to come, and when it is about to be answered: what kills are aimed by.
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

from tests.faults.ledger import Ledger
from tokaut.local_stack import hotline_server
from tokaut.local_stack.hotline_server import DemoHotlineServer

MOMENTS = "moments"
SILENT, BUSY = 0.03, 0.02  # of all that comes: taken and the line dropped; 503 and nothing taken


class Every(hotline_server.DeliveryFile):
    """As the demo's, and each arrival in a ledger of its own."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        super().__init__(path)
        self._ledger = ledger
        self._told = str(path.with_name(MOMENTS))
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def tell(self, moment: str) -> None:
        with suppress(OSError):  # nobody listens
            self._line.sendto(moment.encode(), self._told)

    def add(self, key: str, line: Mapping[str, Any]) -> None:
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
        self.tell(f"taken {key}")


class WorseDoor(hotline_server._RequestHandler):
    chance: random.Random
    every: Every

    def do_POST(self) -> None:
        self.every.tell(f"called {self.path.strip('/')}")
        if self.chance.random() < BUSY:
            self.close_connection = True
            self._answer(503)
            return
        super().do_POST()

    def _answer(self, status: int, body: bytes = b"") -> None:
        if status == 204 and self.chance.random() < SILENT:
            self.close_connection = True
            return
        super()._answer(status, body)


def main(seed: str, port: str, secrets: str, received: str) -> None:
    kept = Path(received)
    WorseDoor.chance = random.Random(f"hotline {seed} {time.monotonic_ns() if kept.stat().st_size else 0}")
    server = DemoHotlineServer(int(port), json.loads(Path(secrets).read_text()), kept)
    server.received = WorseDoor.every = Every(kept, Ledger(kept.with_name("every.jsonl")))
    server.RequestHandlerClass = WorseDoor
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
