"""A hotline's own system, as far as it calls back; and reports that were given to it, without a phone."""

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
from tests.support.app import Http, Said

SECRET = b"what code and PIN make of each other"


@dataclass
class Desk:
    """`base`: the console's address; `http` answers like `requests`."""

    hotline: str
    secret: str
    http: Any
    base: str = ""

    def call(self, report_id: str, state: str = "accepted", key: str | None = None, **more: object) -> Said:
        return self.post(report_id, json.dumps({"report_id": report_id, "state": state, **more}).encode(), key)

    def post(self, report_id: str, body: bytes, key: str | None = None, ahead: float = 0) -> Said:
        return self.raw(report_id, body, self.headers(body, key, ahead))

    def raw(self, report_id: str, body: bytes, headers: Mapping[str, str]) -> Said:
        url = f"{self.base}/hotlines/{self.hotline}/reports/{report_id}"
        said: Said = self.http.post(url, data=body, headers=headers, timeout=20)
        return said

    def headers(self, body: bytes, key: str | None = None, ahead: float = 0) -> dict[str, str]:
        key = key or new_id(time.time_ns() // 1000)
        at = int(time.time() + ahead)
        signed = Webhook(self.secret).sign(key, datetime.fromtimestamp(at, UTC), body.decode("utf-8", "replace"))
        return {
            "Content-Type": "application/json",
            "webhook-id": key,
            "webhook-timestamp": str(at),
            "webhook-signature": signed,
        }


def given(
    database: Database,
    keys: Any,
    hotlines: Sequence[tuple[str, str]],
    *,
    priority: str = "P2",
    code: bool = True,
    body: bytes = b'{"narrative":"made up"}',
    head: bytes = b"{}",
) -> str:
    """A report in Vanuatu for these (hotline, role); the first ones are due. Returns its id."""
    now = database.now()
    report_id = new_id(now)
    publics = load_public_keys(keys, [hotline for hotline, _ in hotlines])
    parts = []
    for hotline, role in hotlines:
        box = seal_body(publics[hotline], SealContext("demo", report_id, 1, hotline), head, body)
        parts.append(SealedCopy(hotline, role, "CATEGORY_FIRST", box.key_id, box.wrap, box.head, box.sealed))
    one = Submission(report_id, report_id.encode()[:32], 1, now, "VU", "demo", priority, "complete", tuple(parts))
    public, sealed = new_mailbox_keys(SECRET)
    drawn = MailboxRecord(report_id.encode()[-32:], public, sealed)
    submissions.commit(database, one, drawn if code else None)
    return report_id


def opened(mode: str, report_id: str, answer_id: str, sealed: bytes, sealed_key: bytes) -> str:
    """As the reporter reads it, who has code and PIN."""
    return open_answer(open_mailbox_key(SECRET, sealed_key), mode, report_id, answer_id, sealed)


def in_process(hotline: str, secret: str, http: Http) -> Desk:
    return Desk(hotline, secret, http)


def rows(database: Database, table: Table) -> list[Any]:
    with database.read() as connection:
        return list(connection.execute(select(table)))


def of(database: Database, report_id: str, hotline: str) -> Any:
    return next(r for r in rows(database, t.delivery) if r.report_id == report_id and r.hotline == hotline)
