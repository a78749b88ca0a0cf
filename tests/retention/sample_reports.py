"""Reports of all ages and states, as rows. The reference rules decide about each before it is stored."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sqlalchemy import Table, insert

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.time_units import DAY
from tests.retention.rules import Facts

DESK, CONSOLE, POLICE = "vu-desk", "vu-console", "vu-police"
TOGETHER = 2_000  # reports in one transaction


@dataclass(frozen=True)
class Recipient:
    hotline: str = DESK
    state: str = "delivered"
    handling: str = "none"


@dataclass(frozen=True)
class History:
    """The history of a report. `filed`, `changed`, `closed`, `said`, `answered`: days before `now`; None: never."""

    filed: float
    changed: float | None = None
    closed: float | None = None
    said: float | None = None
    answered: float | None = None
    recipients: tuple[Recipient, ...] = (Recipient(),)
    state: str = "delivered"
    mode: str = "live"
    country: str = "VU"
    unnumbered: bool = False  # the reporter's message is not yet numbered
    pending: bool = False
    held: float | None = None  # days from now until the hold ends; negative if it has ended
    marker: bytes = b""
    erased: bool = False  # deleted by its reporter
    recording: str = "done"  # state of the recording of the message


@dataclass
class SampleReport:
    report_id: str
    facts: Facts
    rows: dict[Table, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))


def make(history: History, now: int) -> SampleReport:
    """Return the rows of a report. `now`: the moment from which all days count back, in microseconds."""
    at = now - round(history.filed * DAY)
    report_id = new_id(at)
    made = SampleReport(report_id, _facts(history, now))
    rows, sealed = made.rows, history.marker or os.urandom(40)
    rows[t.report].append(_report(history, now, report_id))
    for recipient in history.recipients:
        body = {"report_id": report_id, "revision": 1, "recipient": recipient.hotline, "key_id": "0" * 16}
        rows[t.report_body].append(body | {"wrap": sealed + b"wrap", "head": sealed + b"head", "sealed": sealed * 20})
        route = {"report_id": report_id, "revision": 1, "hotline": recipient.hotline, "role": "primary", "rank": 0}
        rows[t.route].append(route | {"why": "CATEGORY"})
        rows[t.delivery].append(_delivery(recipient, report_id, at))
    delivery_id = rows[t.delivery][0]["delivery_id"] if history.recipients else new_id(at)
    page = {"sms_id": new_id(at), "delivery_id": delivery_id, "hotline": DESK, "rank": 0, "word": "123456"}
    rows[t.page].append(page | {"created_at": at})
    box = {"report_id": report_id, "lookup": os.urandom(32), "public_key": b"p" * 32}
    rows[t.mailbox].append(box | {"sealed_key": sealed, "created_at": at})
    rows[t.contact].append({"report_id": report_id, "allowed": 1, "changed_at": at})
    rows[t.audit].append({"audit_id": new_id(at), "at": at, "actor": "web", "act": "sent", "object_id": report_id})
    _words(history, now, report_id, rows, sealed)
    return made


def _facts(history: History, now: int) -> Facts:
    def ago(days: float | None) -> int | None:
        return None if days is None else now - round(days * DAY)

    said, answered, filed = ago(history.said), ago(history.answered), ago(history.filed)
    happened = [ago(history.changed) if history.changed is not None else filed, said, answered]
    waits = history.unnumbered or history.pending or history.state in ("needs_person", "queued")
    waits |= history.said is not None and history.recording in ("expected", "due", "removing")
    waits |= any(recipient.state in ("due", "refused", "parked") for recipient in history.recipients)
    return Facts(
        mode=history.mode,
        country=history.country,
        created_at=filed or 0,
        happened_at=max(one for one in happened if one is not None),
        said_at=said or 0,
        closed_at=ago(history.closed),
        given=tuple(
            recipient.hotline
            for recipient in history.recipients
            if recipient.state == "delivered" and recipient.handling != "rejected"
        ),
        waits=waits,
        held=history.held is not None and history.held > 0,
        erased=history.erased,
    )


def _report(history: History, now: int, report_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {"report_id": report_id, "origin_key": os.urandom(32), "country": history.country}
    row |= {"created_at": now - round(history.filed * DAY), "priority": "P3", "completeness": "complete", "revision": 1}
    row |= {"mode": history.mode, "state": history.state, "desk": DESK}
    row |= {"changed_at": None if history.changed is None else now - round(history.changed * DAY)}
    row |= {"delete_asked_at": now if history.erased else None}
    return row | {"closed_at": None if history.closed is None else now - round(history.closed * DAY)}


def _delivery(recipient: Recipient, report_id: str, at: int) -> dict[str, Any]:
    row: dict[str, Any] = {"delivery_id": new_id(at), "report_id": report_id, "hotline": recipient.hotline}
    row |= {"type": "created", "revision": 1, "role": "primary", "why": "CATEGORY", "priority": "P3"}
    row |= {"state": recipient.state, "handling": recipient.handling, "attempt": 1, "next_at": at, "created_at": at}
    there = recipient.state == "delivered"
    return row | {"delivered_at": at if there else None, "sent_sha256": os.urandom(32) if there else None}


def _words(history: History, now: int, report_id: str, rows: dict[Table, list[dict[str, Any]]], sealed: bytes) -> None:
    if history.said is not None:
        at = now - round(history.said * DAY)
        said: dict[str, Any] = {"message_id": new_id(at), "report_id": report_id, "created_at": at, "wrap": sealed}
        said |= {"number": None if history.unnumbered else 1, "key_id": "0" * 16, "sealed": sealed}
        rows[t.message] += [said | {"recipient": one.hotline} for one in history.recipients or (Recipient(),)]
        spoken = {"recording_id": said["message_id"], "report_id": report_id}
        row: dict[str, Any] = {
            "channel": "twilio_voice",
            "mode": history.mode,
            "state": history.recording,
            "attempt": 0,
        }
        rows[t.recording].append(spoken | row | {"created_at": at, "next_at": at, "sealed": sealed})
        sound = {"key_id": "0" * 16, "wrap": sealed, "sealed": sealed * 20}
        rows[t.recording_copy] += [
            spoken | sound | {"recipient": one.hotline} for one in history.recipients or (Recipient(),)
        ]
    if history.answered is not None:
        at = now - round(history.answered * DAY)
        rows[t.answer].append(
            {"answer_id": new_id(at), "report_id": report_id, "hotline": DESK, "created_at": at, "sealed": sealed}
        )
    if history.pending:
        waiting: dict[str, Any] = {"origin_key": os.urandom(32), "recipient": DESK, "report_id": report_id}
        waiting |= {"revision": 2, "kind": "update", "created_at": now, "due_at": now, "country": history.country}
        waiting |= {"mode": history.mode, "priority": "P3", "completeness": "complete", "role": "primary", "rank": 0}
        waiting |= {"why": "CATEGORY", "key_id": "0" * 16, "wrap": sealed, "head": sealed, "sealed": sealed}
        rows[t.pending].append(waiting)
    if history.held is not None:
        held: dict[str, Any] = {"report_id": report_id, "placed_by": "operator:ann", "reason": "court", "reference": ""}
        rows[t.hold].append(held | {"placed_at": now, "until": now + round(history.held * DAY)})


def write(database: Database, made: Iterable[SampleReport]) -> None:
    """Insert all rows, with some thousand reports in each transaction."""
    waiting: list[SampleReport] = []
    for one in made:
        waiting.append(one)
        if len(waiting) == TOGETHER:
            _write(database, waiting)
            waiting = []
    _write(database, waiting)


def _write(database: Database, made: Sequence[SampleReport]) -> None:
    tables: dict[Table, list[dict[str, Any]]] = defaultdict(list)
    for one in made:
        for table, rows in one.rows.items():
            tables[table] += rows
    with database.write() as connection:
        for table, rows in tables.items():
            connection.execute(insert(table), rows)


def random_history(random: Random) -> History:
    """Return a random history, with ages on both sides of every period."""
    filed = random.choice((1, 6.9, 7.1, 30, 89, 92, 200, 366, 399, 402, 500))
    since = [days for days in (0.5, 6.9, 7.1, 29, 89.9, 90.1, 91, 199, 364.9, 365.1, 399, 400.1) if days <= filed]
    recipients = tuple(
        Recipient(hotline, _state(random), random.choice(("none", "accepted", "rejected", "closed")))
        for hotline in random.sample((DESK, CONSOLE, POLICE), random.choice((1, 1, 2, 3)))
    )
    said = random.choice((None, None, random.choice(since)))
    return History(
        filed=filed,
        changed=random.choice((None, random.choice(since))),
        closed=random.choice((None, random.choice(since), random.choice(since))),
        said=said,
        answered=random.choice((None, None, random.choice(since))),
        recipients=recipients,
        state=random.choice((*("delivered", "closed", "accepted") * 5, "needs_person")),
        mode=random.choice(("live", "live", "live", "live", "training", "demo")),
        country=random.choice(("VU", "VU", "KE")),
        unnumbered=said is not None and random.random() < 0.1,
        pending=random.random() < 0.03,
        held=random.choice((None,) * 8 + (3.0, -3.0)),
        erased=random.random() < 0.1,
        recording=random.choice(("done",) * 15 + ("left", "left", "expected", "due", "removing")),
    )


def _state(random: Random) -> str:
    return random.choice(("delivered",) * 10 + ("due", "refused", "parked", "cancelled"))
