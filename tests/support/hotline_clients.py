"""A hotline's own system that sends callbacks, and reports stored for a hotline without a phone."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table, select
from standardwebhooks.webhooks import Webhook

from reports.crypto import SealContext, new_mailbox_keys, open_answer, open_mailbox_key, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store import submissions
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.submissions import MailboxRecord, SealedCopy, Submission
from tests.support.app import Http, ReceivedResponse

SECRET = b"what code and PIN make of each other"


@dataclass
class HotlineClient:
    """The system of one hotline. `base`: the console's address. `http`: sends like `requests`."""

    hotline: str
    secret: str
    http: Any
    base: str = ""

    def call(self, report_id: str, state: str = "accepted", key: str | None = None, **more: object) -> ReceivedResponse:
        """Send a signed callback. `key`: its webhook-id; `more`: further fields of the body."""
        return self.post(report_id, json.dumps({"report_id": report_id, "state": state, **more}).encode(), key)

    def post(self, report_id: str, body: bytes, key: str | None = None, ahead: float = 0) -> ReceivedResponse:
        """Sign and send a body. `ahead`: seconds by which the clock of the hotline is fast."""
        return self.raw(report_id, body, self.headers(body, key, ahead))

    def raw(self, report_id: str, body: bytes, headers: Mapping[str, str]) -> ReceivedResponse:
        """Send a body with these headers."""
        url = f"{self.base}/hotlines/{self.hotline}/reports/{report_id}"
        answer: ReceivedResponse = self.http.post(url, data=body, headers=headers, timeout=20)
        return answer

    def headers(self, body: bytes, key: str | None = None, ahead: float = 0) -> dict[str, str]:
        """Return the headers of a signed callback."""
        key = key or new_id(time.time_ns() // 1000)
        at = int(time.time() + ahead)
        signed = Webhook(self.secret).sign(key, datetime.fromtimestamp(at, UTC), body.decode("utf-8", "replace"))
        return {
            "Content-Type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(at),
            "webhook-signature": signed,
        }


def store_report(
    database: Database,
    keys: Any,
    hotlines: Sequence[tuple[str, str]],
    *,
    priority: str = "P2",
    code: bool = True,
    body: bytes = b'{"narrative":"made up"}',
    head: bytes = b"{}",
) -> str:
    """Store one report in Vanuatu for these (hotline, role), and return its id.

    The deliveries to the recipients that are notified at once are due.
    """
    now = database.now()
    report_id = new_id(now)
    public_keys = load_public_keys(keys, [hotline for hotline, _ in hotlines])
    parts = []
    for hotline, role in hotlines:
        box = seal_body(public_keys[hotline], SealContext("demo", report_id, 1, hotline), head, body)
        parts.append(SealedCopy(hotline, role, "CATEGORY_FIRST", box.key_id, box.wrap, box.head, box.sealed))
    submission = Submission(
        report_id, report_id.encode()[:32], 1, now, "VU", "demo", priority, "complete", tuple(parts)
    )
    public, sealed = new_mailbox_keys(SECRET)
    mailbox = MailboxRecord(report_id.encode()[-32:], public, sealed)
    submissions.commit(database, submission, mailbox if code else None)
    return report_id


def open_answer_as_reporter(mode: str, report_id: str, answer_id: str, sealed: bytes, sealed_key: bytes) -> str:
    """Decrypt a hotline's answer as the reporter's mailbox does, with the key derived from access code and PIN."""
    return open_answer(open_mailbox_key(SECRET, sealed_key), mode, report_id, answer_id, sealed)


def in_process_hotline(hotline: str, secret: str, http: Http) -> HotlineClient:
    """Return a hotline's system that calls an application in the process of the test."""
    return HotlineClient(hotline, secret, http)


def rows(database: Database, table: Table) -> list[Any]:
    """Return all rows of a table."""
    with database.read() as connection:
        return list(connection.execute(select(table)))


def first_delivery(database: Database, report_id: str, hotline: str) -> Any:
    """Return the first delivery of a report to a hotline."""
    return next(row for row in rows(database, t.delivery) if row.report_id == report_id and row.hotline == hotline)
