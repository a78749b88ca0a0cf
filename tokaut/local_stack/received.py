"""Read the file to which the demo hotline appends each delivery that it accepted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokaut.terminal import one_line

MESSAGE_KINDS = {  # the `kind` of a cop-message, in words for a person
    "words": "a message to the hotline",
    "contact_given": "may be contacted from now on",
    "contact_withdrawn": "is not to be contacted any more",
    "delete_asked": "asks that the report is deleted",
}


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """One delivery whose signature the hotline has checked; `at` in unix seconds. `names`: hotline ids to names."""

    hotline: str
    key: str
    at: float
    type: str
    data: Mapping[str, Any]
    names: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """Return the hotline's name, as the report gives it; else as the country file does; else its id."""
        to = _at(self.data, "routing", "to")
        for leg in to if isinstance(to, list) else ():
            if _at(leg, "hotline") == self.hotline and isinstance(leg.get("name"), str):
                return one_line(leg["name"])
        return one_line(self.names.get(self.hotline, self.hotline))

    def lines(self) -> list[tuple[str, str]]:
        """Return what a person at the hotline looks at first, as pairs of label and words that are safe to print."""
        kinds = {"report.message": self._message, "report.unread": self._unread}
        rows = kinds.get(self.type, self._report)()
        return [(label, one_line(str(words))) for label, words in rows if words not in (None, "")]

    def _report(self) -> list[tuple[str, Any]]:
        reasons = _at(self.data, "triage", "reasons")
        priority = [_at(self.data, "triage", "priority"), *(reasons if isinstance(reasons, list) else ())]
        return [
            ("priority", "  ".join(filter(None, (str(priority[0] or ""), " ".join(map(str, priority[1:])))))),
            ("what", _at(self.data, "category")),
            ("danger", _at(self.data, "danger")),
            ("about", _at(self.data, "about")),
            ("age", _at(self.data, "child", "age_band")),
            ("where", _at(self.data, "place", "name")),
            ("words", _at(self.data, "narrative")),
            ("contact", self._contact()),
        ]

    def _message(self) -> list[tuple[str, Any]]:
        kind = str(_at(self.data, "kind"))
        return [
            ("report", _at(self.data, "report_id")),
            ("reporter", MESSAGE_KINDS.get(kind, kind)),
            ("words", _at(self.data, "text")),
            ("contact", self._contact() if _at(self.data, "contact") else None),
        ]

    def _unread(self) -> list[tuple[str, Any]]:
        body = _at(self.data, "body_base64")
        size = f"{len(body) * 3 // 4 - body[-2:].count('=')} bytes" if isinstance(body, str) else None
        return [
            ("what", "a request that could not be read; a person has to look at it"),
            ("channel", _at(self.data, "channel")),
            ("format", _at(self.data, "content_type")),
            ("size", size),
        ]

    def _contact(self) -> Any:
        return _at(self.data, "contact", "how") if _at(self.data, "contact", "allowed") else "no, and no number in it"


def _at(data: Any, *names: str) -> Any:
    """Return the value at this path of a JSON document, or None where there is none."""
    for name in names:
        if not isinstance(data, Mapping):
            return None
        data = data.get(name)
    return data


class ReceivedDeliveries:
    """The file's deliveries, each returned once. A half-written line waits for its other half.

    A line that is no delivery is skipped and reported to `unreadable`, with its number and the reason.
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
        try:
            file = self._path.open("rb")
        except OSError:  # deleted, or not there yet
            return
        with file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                self._lines += 1
                if (found := self._delivery(line)) is not None:
                    yield found

    def _delivery(self, line: bytes) -> ReceivedDelivery | None:
        try:
            one = json.loads(line)
            body = one["body"]
            key, at, kind = str(one["headers"]["webhook-id"]), float(one["at"]), str(body["type"])
            if not isinstance(body["data"], dict):
                raise TypeError("data is no object")
            return ReceivedDelivery(str(one["hotline"]), key, at, kind, body["data"], self._names)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            self._unreadable(f"Line {self._lines} of {self._path} is no delivery ({type(error).__name__}).")
            return None
