"""What waits in the spool, as bytes and back."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, fields
from typing import Any

from reports.store.submissions import MailboxRecord, SealedCopy, Submission

# "again" carries on an earlier walk; "anew" comes after "NOT SENT" was said, of what may have been kept late.
SENDS = ("sent", "again", "anew")
DROPS = ("drop", "drop_unsent")
OVER_SENDS = ("anew", "drop_unsent")  # in place of a Send that nobody was told of

_MAILBOX = {one.name for one in fields(MailboxRecord)}


class Entry:
    """A filing, and how it is to be filed: kind "sent" is a Send, the others are revisions that file themselves."""

    def __init__(self, filing: Submission, kind: str, due_at: int = 0, mailbox: MailboxRecord | None = None) -> None:
        self.filing = filing
        self.kind = kind
        self.due_at = due_at
        self.mailbox = mailbox

    def encode(self) -> bytes:
        mailbox = asdict(self.mailbox) if self.mailbox else None
        rows = {"filing": asdict(self.filing), "kind": self.kind, "due_at": self.due_at, "mailbox": mailbox}
        return json.dumps(rows, default=_text, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        rows: dict[str, Any] = json.loads(data, object_hook=_bytes)
        filing = dict(rows["filing"])
        filing["parts"] = tuple(SealedCopy(**part) for part in filing["parts"])
        mailbox = rows["mailbox"]
        # One of the release before is left out: its code opens nothing here, and the report must not wait for that.
        mailbox = MailboxRecord(**mailbox) if mailbox and mailbox.keys() == _MAILBOX else None
        return cls(Submission(**filing), rows["kind"], rows["due_at"], mailbox)


def _text(value: object) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    raise TypeError


def _bytes(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["b64"]) if value.keys() == {"b64"} else value
