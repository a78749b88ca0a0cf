"""The demo's hotline as if it were far away: it accepts a delivery at once, and each answer comes 0.4 s later.

Run as `python -m tokaut.bench.far_hotline`, with the arguments of `tokaut.local_stack.hotline_server`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tokaut.local_stack.hotline_server import DeliveryFile, DemoHotlineServer

DISTANCE_SECONDS: Final = 0.4


class _FarFile(DeliveryFile):
    def add(self, key: str, line: Mapping[str, Any]) -> None:
        super().add(key, line)
        time.sleep(DISTANCE_SECONDS)


def main(port: str, secrets: str, received: str, *certificate: str) -> None:
    """Run the server."""
    pem = Path(*certificate) if certificate else None
    server = DemoHotlineServer(int(port), json.loads(Path(secrets).read_text()), Path(received), pem)
    server.received.close()
    server.received = _FarFile(Path(received))
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
