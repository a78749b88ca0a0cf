"""Insert many synthetic reports, to test how processes perform with a large database. Nobody can open them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table, insert

from reports.case_state import Handling
from reports.delivery import DeliveryState, DeliveryType, RecipientRole
from reports.escalation import Priority
from reports.facts import Completeness
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.settings import Mode

BATCH_SIZE = 5_000  # reports of one transaction
SYNTHETIC_HOTLINE = "made-up"
SEALED_BYTES = 1_000

TableRows = Mapping[Table, Mapping[str, Any]]


def insert_reports(database: Database, reports: int) -> None:
    """Insert delivered demo reports, each with body, route, delivery, mailbox and audit entry.

    Raises DatabaseUnavailable.
    """
    for offset in range(0, reports, BATCH_SIZE):
        batch = [_rows(database.now()) for _ in range(min(BATCH_SIZE, reports - offset))]
        with database.write() as connection:
            for table in batch[0]:
                connection.execute(insert(table), [rows[table] for rows in batch])


def _rows(now: int) -> TableRows:
    report_id = new_id(now)
    ids = {"report_id": report_id, "revision": 1}
    return {
        t.report: ids | _report(now),
        t.report_body: ids | _body(),
        t.route: ids | {"hotline": SYNTHETIC_HOTLINE, "role": RecipientRole.PRIMARY, "rank": 0, "why": "CATEGORY"},
        t.delivery: ids | _delivery(now),
        t.mailbox: {"report_id": report_id, "created_at": now} | _mailbox(),
        t.audit: {"audit_id": new_id(now), "at": now, "actor": "web", "act": "sent", "object_id": report_id},
    }


def _report(now: int) -> dict[str, Any]:
    row = {"origin_key": os.urandom(32), "created_at": now, "country": "VU", "priority": Priority.P3}
    return row | {
        "completeness": Completeness.COMPLETE,
        "mode": Mode.DEMO,
        "state": DeliveryState.DELIVERED,
        "desk": SYNTHETIC_HOTLINE,
    }


def _body() -> dict[str, Any]:
    row = {"recipient": SYNTHETIC_HOTLINE, "key_id": "0" * 16, "wrap": os.urandom(80)}
    return row | {"head": os.urandom(80), "sealed": os.urandom(SEALED_BYTES)}


def _delivery(now: int) -> dict[str, Any]:
    row = {
        "delivery_id": new_id(now),
        "hotline": SYNTHETIC_HOTLINE,
        "type": DeliveryType.CREATED,
        "role": RecipientRole.PRIMARY,
    }
    row |= {"why": "CATEGORY", "priority": Priority.P3, "state": DeliveryState.DELIVERED, "handling": Handling.NONE}
    return row | {"attempt": 1, "next_at": now, "created_at": now, "delivered_at": now}


def _mailbox() -> dict[str, Any]:
    row: dict[str, Any] = {name: os.urandom(32) for name in ("lookup", "public_key")}
    return row | {"sealed_key": os.urandom(60)}
