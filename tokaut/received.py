"""What the demo hotline has taken, read from its file as it grows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery whose signature the hotline has checked; `at` in unix seconds."""

    hotline: str
    key: str
    at: float
    type: str
    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The hotline's name, as the report says it."""
        to = self.data.get("routing", {}).get("to", ())
        return next((leg["name"] for leg in to if leg["hotline"] == self.hotline), self.hotline)

    def lines(self) -> list[tuple[str, str]]:
        """What a person at the hotline looks at first: (label, words)."""
        data = self.data
        place = data.get("place") or {}
        contact = data.get("contact") or {}
        rows = [
            ("priority", f"{data['triage']['priority']}  {' '.join(data['triage']['reasons'])}"),
            ("what", data["category"]),
            ("danger", data["danger"]),
            ("about", data["about"]),
            ("age", data["child"]["age_band"]),
            ("where", place.get("name")),
            ("words", data["narrative"]),
            ("contact", contact.get("how") if contact.get("allowed") else "no, and no number in it"),
        ]
        return [(label, str(words)) for label, words in rows if words]


class Received:
    """The file's deliveries, each given once. A half-written line waits for its other half."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def new(self) -> Iterator[Delivery]:
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield _delivery(json.loads(line))


def _delivery(line: Mapping[str, Any]) -> Delivery:
    body = line["body"]
    return Delivery(line["hotline"], line["headers"]["webhook-id"], line["at"], body["type"], body["data"])
