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
class Leg:
    hotline: str = DESK
    state: str = "delivered"
    handling: str = "none"


@dataclass(frozen=True)
class Fate:
    """The history of a report. `filed`, `changed`, `closed`, `said`, `answered`: days before `now`; None: never."""

    filed: float
    changed: float | None = None
    closed: float | None = None
    said: float | None = None
    answered: float | None = None
    recipients: tuple[Leg, ...] = (Leg(),)
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
class Made:
    report_id: str
    facts: Facts
    rows: dict[Table, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))


def make(fate: Fate, now: int) -> Made:
    """Return the rows of a report. `now`: the moment from which all days count back, in microseconds."""
    at = now - round(fate.filed * DAY)
    report_id = new_id(at)
    made = Made(report_id, _facts(fate, now))
    rows, sealed = made.rows, fate.marker or os.urandom(40)
    rows[t.report].append(_report(fate, now, report_id))
    for leg in fate.recipients:
        body = {"report_id": report_id, "revision": 1, "recipient": leg.hotline, "key_id": "0" * 16}
        rows[t.report_body].append(body | {"wrap": sealed + b"wrap", "head": sealed + b"head", "sealed": sealed * 20})
        route = {"report_id": report_id, "revision": 1, "hotline": leg.hotline, "role": "primary", "rank": 0}
        rows[t.route].append(route | {"why": "CATEGORY"})
        rows[t.delivery].append(_delivery(leg, report_id, at))
    delivery_id = rows[t.delivery][0]["delivery_id"] if fate.recipients else new_id(at)
    page = {"sms_id": new_id(at), "delivery_id": delivery_id, "hotline": DESK, "rank": 0, "word": "123456"}
    rows[t.page].append(page | {"created_at": at})
    box = {"report_id": report_id, "lookup": os.urandom(32), "public_key": b"p" * 32}
    rows[t.mailbox].append(box | {"sealed_key": sealed, "created_at": at})
    rows[t.contact].append({"report_id": report_id, "allowed": 1, "changed_at": at})
    rows[t.audit].append({"audit_id": new_id(at), "at": at, "actor": "web", "act": "sent", "object_id": report_id})
    _words(fate, now, report_id, rows, sealed)
    return made


def _facts(fate: Fate, now: int) -> Facts:
    def ago(days: float | None) -> int | None:
        return None if days is None else now - round(days * DAY)

    said, answered, filed = ago(fate.said), ago(fate.answered), ago(fate.filed)
    happened = [ago(fate.changed) if fate.changed is not None else filed, said, answered]
    waits = fate.unnumbered or fate.pending or fate.state in ("needs_person", "queued")
    waits |= fate.said is not None and fate.recording in ("expected", "due", "removing")
    waits |= any(leg.state in ("due", "refused", "parked") for leg in fate.recipients)
    return Facts(
        mode=fate.mode,
        country=fate.country,
        created_at=filed or 0,
        happened_at=max(one for one in happened if one is not None),
        said_at=said or 0,
        closed_at=ago(fate.closed),
        given=tuple(leg.hotline for leg in fate.recipients if leg.state == "delivered" and leg.handling != "rejected"),
        waits=waits,
        held=fate.held is not None and fate.held > 0,
        erased=fate.erased,
    )


def _report(fate: Fate, now: int, report_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {"report_id": report_id, "origin_key": os.urandom(32), "country": fate.country}
    row |= {"created_at": now - round(fate.filed * DAY), "priority": "P3", "completeness": "complete", "revision": 1}
    row |= {"mode": fate.mode, "state": fate.state, "desk": DESK}
    row |= {"changed_at": None if fate.changed is None else now - round(fate.changed * DAY)}
    row |= {"delete_asked_at": now if fate.erased else None}
    return row | {"closed_at": None if fate.closed is None else now - round(fate.closed * DAY)}


def _delivery(leg: Leg, report_id: str, at: int) -> dict[str, Any]:
    row: dict[str, Any] = {"delivery_id": new_id(at), "report_id": report_id, "hotline": leg.hotline}
    row |= {"type": "created", "revision": 1, "role": "primary", "why": "CATEGORY", "priority": "P3"}
    row |= {"state": leg.state, "handling": leg.handling, "attempt": 1, "next_at": at, "created_at": at}
    there = leg.state == "delivered"
    return row | {"delivered_at": at if there else None, "sent_sha256": os.urandom(32) if there else None}


def _words(fate: Fate, now: int, report_id: str, rows: dict[Table, list[dict[str, Any]]], sealed: bytes) -> None:
    if fate.said is not None:
        at = now - round(fate.said * DAY)
        said: dict[str, Any] = {"message_id": new_id(at), "report_id": report_id, "created_at": at, "wrap": sealed}
        said |= {"number": None if fate.unnumbered else 1, "key_id": "0" * 16, "sealed": sealed}
        rows[t.message] += [said | {"recipient": one.hotline} for one in fate.recipients or (Leg(),)]
        spoken = {"recording_id": said["message_id"], "report_id": report_id}
        row: dict[str, Any] = {"channel": "twilio_voice", "mode": fate.mode, "state": fate.recording, "attempt": 0}
        rows[t.recording].append(spoken | row | {"created_at": at, "next_at": at, "sealed": sealed})
        sound = {"key_id": "0" * 16, "wrap": sealed, "sealed": sealed * 20}
        rows[t.recording_copy] += [spoken | sound | {"recipient": one.hotline} for one in fate.recipients or (Leg(),)]
    if fate.answered is not None:
        at = now - round(fate.answered * DAY)
        rows[t.answer].append(
            {"answer_id": new_id(at), "report_id": report_id, "hotline": DESK, "created_at": at, "sealed": sealed}
        )
    if fate.pending:
        waiting: dict[str, Any] = {"origin_key": os.urandom(32), "recipient": DESK, "report_id": report_id}
        waiting |= {"revision": 2, "kind": "update", "created_at": now, "due_at": now, "country": fate.country}
        waiting |= {"mode": fate.mode, "priority": "P3", "completeness": "complete", "role": "primary", "rank": 0}
        waiting |= {"why": "CATEGORY", "key_id": "0" * 16, "wrap": sealed, "head": sealed, "sealed": sealed}
        rows[t.pending].append(waiting)
    if fate.held is not None:
        held: dict[str, Any] = {"report_id": report_id, "placed_by": "operator:ann", "reason": "court", "reference": ""}
        rows[t.hold].append(held | {"placed_at": now, "until": now + round(fate.held * DAY)})


def write(database: Database, made: Iterable[Made]) -> None:
    """Insert all rows, with some thousand reports in each transaction."""
    waiting: list[Made] = []
    for one in made:
        waiting.append(one)
        if len(waiting) == TOGETHER:
            _write(database, waiting)
            waiting = []
    _write(database, waiting)


def _write(database: Database, made: Sequence[Made]) -> None:
    tables: dict[Table, list[dict[str, Any]]] = defaultdict(list)
    for one in made:
        for table, rows in one.rows.items():
            tables[table] += rows
    with database.write() as connection:
        for table, rows in tables.items():
            connection.execute(insert(table), rows)


def fate(random: Random) -> Fate:
    """Return a random history, with ages on both sides of every period."""
    filed = random.choice((1, 6.9, 7.1, 30, 89, 92, 200, 366, 399, 402, 500))
    since = [days for days in (0.5, 6.9, 7.1, 29, 89.9, 90.1, 91, 199, 364.9, 365.1, 399, 400.1) if days <= filed]
    legs = tuple(
        Leg(hotline, _state(random), random.choice(("none", "accepted", "rejected", "closed")))
        for hotline in random.sample((DESK, CONSOLE, POLICE), random.choice((1, 1, 2, 3)))
    )
    said = random.choice((None, None, random.choice(since)))
    return Fate(
        filed=filed,
        changed=random.choice((None, random.choice(since))),
        closed=random.choice((None, random.choice(since), random.choice(since))),
        said=said,
        answered=random.choice((None, None, random.choice(since))),
        recipients=legs,
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
