"""Read the file to which the demo hotline appends each delivery that it accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokaut.terminal import one_line

MESSAGE_KINDS = {  # by the `kind` of a message
    "words": "a message to the hotline",
    "contact_given": "may be contacted from now on",
    "contact_withdrawn": "is not to be contacted any more",
    "delete_asked": "asks that the report is deleted",
}


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """A delivery whose signature the hotline has verified.

    key: its idempotency key (webhook-id). at: Unix time in seconds. names: hotline ids to names.
    """

    hotline: str
    key: str
    at: float
    type: str
    data: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """Return the hotline's name from the report, else from the country file, else its id."""
        recipients = _value_at(self.data, "routing", "to")
        for recipient in recipients if isinstance(recipients, list) else ():
            if _value_at(recipient, "hotline") == self.hotline and isinstance(recipient.get("name"), str):
                return one_line(recipient["name"])
        return one_line(self.names.get(self.hotline, self.hotline))

    def lines(self) -> list[tuple[str, str]]:
        """Return what a person at the hotline looks at first, as pairs of label and text that are safe to print."""
        kinds = {"report.message": self._message, "report.unread": self._unread}
        rows = kinds.get(self.type, self._report)()
        return [(label, one_line(str(text))) for label, text in rows if text not in (None, "")]

    def _report(self) -> list[tuple[str, Any]]:
        reasons = _value_at(self.data, "triage", "reasons")
        priority = [_value_at(self.data, "triage", "priority"), *(reasons if isinstance(reasons, list) else ())]
        return [
            ("priority", "  ".join(filter(None, (str(priority[0] or ""), " ".join(map(str, priority[1:])))))),
            ("what", _value_at(self.data, "category")),
            ("danger", _value_at(self.data, "danger")),
            ("about", _value_at(self.data, "about")),
            ("age", _value_at(self.data, "child", "age_band")),
            ("where", _value_at(self.data, "place", "name")),
            ("words", _value_at(self.data, "narrative")),
            ("contact", self._contact()),
        ]

    def _message(self) -> list[tuple[str, Any]]:
        kind = str(_value_at(self.data, "kind"))
        return [
            ("report", _value_at(self.data, "report_id")),
            ("reporter", MESSAGE_KINDS.get(kind, kind)),
            ("words", _value_at(self.data, "text")),
            ("contact", self._contact() if _value_at(self.data, "contact") else None),
        ]

    def _unread(self) -> list[tuple[str, Any]]:
        body = _value_at(self.data, "body_base64")
        size = f"{len(body) * 3 // 4 - body[-2:].count('=')} bytes" if isinstance(body, str) else None
        return [
            ("what", "a request that could not be read; a person has to look at it"),
            ("channel", _value_at(self.data, "channel")),
            ("format", _value_at(self.data, "content_type")),
            ("size", size),
        ]

    def _contact(self) -> Any:
        return (
            _value_at(self.data, "contact", "how")
            if _value_at(self.data, "contact", "allowed")
            else "no, and no number in it"
        )


def _value_at(data: Any, *names: str) -> Any:
    """Return the value at this path of a JSON document, or None if there is none."""
    for name in names:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


class ReceivedDeliveries:
    """The deliveries in the file, each returned once. A half-written line is returned once it is complete.

    A line that is not a delivery is skipped, and `unreadable` is called with a sentence that names the line and the
    reason.
    """

    def __init__(
        self,
        path: Path,
        names: Mapping[str, str] | None = None,
        unreadable: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._path = path
        self._names = names or {}
        self._unreadable = unreadable
        self._read = 0
        self._lines = 0

    def new(self) -> Iterator[ReceivedDelivery]:
        """Yield the deliveries that were added since the last call."""
        try:
            file = self._path.open("rb")
        except OSError:  # deleted, or not created yet
            return
        with file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                self._lines += 1
                if (delivery := self._delivery(line)) is not None:
                    yield delivery

    def _delivery(self, line: bytes) -> ReceivedDelivery | None:
        try:
            record = json.loads(line)
            body = record["body"]
            key, at, kind = str(record["headers"]["webhook-id"]), float(record["at"]), str(body["type"])
            if not isinstance(body["data"], dict):
                raise TypeError("data is not an object")
            return ReceivedDelivery(str(record["hotline"]), key, at, kind, body["data"], self._names)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            self._unreadable(f"Line {self._lines} of {self._path} is not a delivery ({type(error).__name__}).")
            return None
