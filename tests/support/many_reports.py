"""Store very many open reports for some hotlines. Each head is sealed so that its hotline can open it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert

from reports.crypto import PublicKey, SealContext, seal_body
from reports.escalation import ESCALATION_TIMES, StepName
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id

CATEGORIES = ("luring", "harm", "bullying", "missing", "neglect", "other")
PLACES = ("Tanna", "Shefa", "Malampa", "Sanma")
A_SECOND = 1_000_000
MORE = 5  # every fifth report has a second revision
ALSO = 3  # every third report goes to all hotlines, the others only to the first

Rows = dict[str, list[dict[str, Any]]]


def insert_many_reports(
    database: Database, hotlines: Sequence[str], publics: Mapping[str, PublicKey], reports: int
) -> None:
    """Store `reports` delivered demo reports of Vanuatu, not acknowledged, a second apart, as many of each priority."""
    tables = {"report": t.report, "report_body": t.report_body, "delivery": t.delivery, "step": t.step}
    rows: Rows = {name: [] for name in tables}
    started_at = database.now() - reports * A_SECOND
    for n in range(reports):
        _add_report(
            rows, started_at + n * A_SECOND, n, {one: publics[one] for one in hotlines[: None if n % ALSO == 0 else 1]}
        )
    with database.write() as connection:
        for name, table in tables.items():
            connection.execute(insert(table), rows[name])


def _add_report(rows: Rows, now: int, n: int, recipients: Mapping[str, PublicKey]) -> None:
    priority, report_id = f"P{1 + n % 4}", new_id(now)
    revisions = {1: "created", 2: "updated"} if n % MORE == 0 else {1: "created"}
    state_columns = {
        "country": "VU",
        "priority": priority,
        "completeness": "complete",
        "mode": "demo",
        "state": "delivered",
    }
    ids = {"report_id": report_id, "origin_key": n.to_bytes(32), "created_at": now, "revision": max(revisions)}
    rows["report"].append(ids | state_columns)
    due = now + ESCALATION_TIMES[priority].acknowledged
    step = {"report_id": report_id, "priority": priority, "step": StepName.OVERDUE, "round": 0}
    rows["step"].append(step | {"due_at": due, "not_before": due})
    for hotline, public in recipients.items():
        for revision, kind in revisions.items():
            ids = {"report_id": report_id, "revision": revision}
            rows["report_body"].append(ids | _body(n, SealContext("demo", report_id, revision, hotline), public))
            sent = {"delivery_id": new_id(now), "hotline": hotline, "type": kind, "role": "primary", "created_at": now}
            state = {"why": "CATEGORY_FIRST", "priority": priority, "state": "delivered", "handling": "none"}
            rows["delivery"].append(ids | sent | state | {"attempt": 1, "next_at": now})


def _body(n: int, context: SealContext, public: PublicKey) -> dict[str, Any]:
    head = {"category": CATEGORIES[n % len(CATEGORIES)], "place": {"name": PLACES[n % len(PLACES)]}}
    box = seal_body(public, context, json.dumps(head).encode(), b"{}")
    return {
        "recipient": context.hotline,
        "key_id": box.key_id,
        "wrap": box.wrap,
        "head": box.head,
        "sealed": box.sealed,
    }
