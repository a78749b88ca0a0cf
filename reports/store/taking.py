"""What a hotline does with a report that it was given: takes it on, hands it back, closes it, writes to the reporter.

It asks for itself alone: a report that was not given to it is as one that there is not.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update

from reports.handling import STATES, may_follow
from reports.store import asking, in_hand, once, outbox
from reports.store import tables as t
from reports.store.answering import Letterbox, Sealed, find_letterbox, keep_answer
from reports.store.database import Database
from reports.store.deliveries import THE_REPORT, UNDELIVERED
from reports.store.in_hand import Kept, Whose


class NotGiven(Exception):
    """This hotline has no such report."""


class NotAllowed(Exception):
    """What people did before allows no such step; `before` says what it was."""

    def __init__(self, before: str) -> None:
        super().__init__(before)
        self.before = before


class Outdated(Exception):
    """The reporter wrote more than whoever does this had before them."""


@dataclass(frozen=True, slots=True)
class Note:
    """For the hotline's own staff, sealed to it. `kind`: reason, answer, note."""

    note_id: str
    report_id: str
    recipient: str
    kind: str
    key_id: str
    wrap: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """`to`: "none" where words alone are left, and nobody takes it on. `once`: the key of a call-back or a form: the
    same one has no second effect. `kept`: beside its handling, where somebody has it. `seen`: the revision that was
    read before; None: it is not asked. `stays`: what was done already, if one of these, is left as it is. `status`: the
    key of the status that stood on the page; None: it is not compared."""

    hotline: str
    report_id: str
    to: str
    actor: str
    answer: Sealed | None = None
    notes: tuple[Note, ...] = ()
    once: bytes | None = None
    kept: Kept | None = None
    seen: int | None = None
    stays: tuple[str, ...] = ()
    status: str | None = None

    @property
    def whose(self) -> Whose:
        return Whose(self.hotline, self.report_id, self.actor)


def look(database: Database, hotline: str, report_id: str, call_key: bytes) -> tuple[Letterbox, str, bool]:
    """Where an answer would go, what is done with the report, and whether this call has come before.

    Raises NotGiven.
    """
    with asking.looking_as(database, hotline) as connection:
        rows = connection.execute(_given(hotline, report_id)).all()
        box = find_letterbox(connection, report_id) if rows else None
        if box is None:
            raise NotGiven
        return box, rows[-1].handling, once.came(connection, call_key)


def take(database: Database, step: Step) -> str:
    """All of it or nothing; returns what is done with the report now.

    Raises NotGiven, NotAllowed, Outdated, ChangedMeanwhile.
    """
    now = database.now()
    with asking.writing_as(database, step.hotline) as connection:
        in_hand.lock(connection, step.report_id)
        rows = connection.execute(_given(step.hotline, step.report_id).with_for_update()).all()
        if not rows:
            raise NotGiven
        if not once.is_first(connection, database, step.once):
            return str(rows[-1].handling)
        if step.seen is not None and step.seen < _newest(connection, step.hotline, step.report_id):
            raise Outdated
        if rows[-1].handling in step.stays:
            step = replace(step, to=rows[-1].handling)
        if not may_follow(rows[-1].handling, step.to):
            raise NotAllowed(rows[-1].handling)
        if step.status is not None:
            in_hand.refuse_changed(connection, database, step.whose, rows[-1].handling, step.status)
        asking.see_whole(database, connection, step.report_id)
        for row in rows:
            _move(connection, row, step, now)
        if step.notes:
            by = {"actor": step.actor, "created_at": now}
            connection.execute(insert(t.note), [asdict(note) | by for note in step.notes])
        if step.answer:
            keep_answer(connection, step.answer, step.actor, now)
        if step.to != "none":
            in_hand.waits_no_more(connection, step.hotline, step.report_id)
        if step.kept and step.to != "none":
            in_hand.keep(connection, database, step.whose, step.kept)
        if step.to != "none" and (step.kept or step.to != rows[-1].handling):
            in_hand.changed(connection, database, step.whose)
    return step.to


def newest(database: Database, hotline: str, report_id: str) -> int:
    """The latest revision of a report that this hotline was given."""
    with asking.looking_as(database, hotline) as connection:
        return _newest(connection, hotline, report_id)


def _newest(connection: Connection, hotline: str, report_id: str) -> int:
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_((*THE_REPORT, "updated")))
    return connection.execute(select(func.max(d.revision)).where(theirs)).scalar() or 0


def _given(hotline: str, report_id: str) -> Select[Any]:
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_(THE_REPORT), d.state != "cancelled")
    return select(d.delivery_id, d.report_id, d.handling).where(theirs).order_by(d.created_at, d.delivery_id)


def _move(connection: Connection, row: Any, step: Step, now: int) -> None:
    if row.handling == step.to:
        return
    mine = t.delivery.c.delivery_id == row.delivery_id
    connection.execute(update(t.delivery).where(mine).values(handling=step.to))
    outbox.moved(connection, row.delivery_id, row.report_id, act=step.to, actor=step.actor, now=now)


def count_as_receipts(database: Database, at_most: int = 200) -> int:
    """Whoever does something with a report has it, though no receipt came. The clock's work."""
    d = t.delivery.c
    free = or_(d.lease_until.is_(None), d.lease_until < database.now_sql())
    there = and_(d.type.in_(THE_REPORT), d.handling.in_(STATES), d.state.in_(UNDELIVERED), free)
    query = select(d.delivery_id, d.report_id).where(there).limit(at_most)
    with database.read() as connection:
        found = connection.execute(query).all()
    values = {"state": "delivered", "delivered_at": database.now_sql(), "last_class": "delivered"}
    count = 0
    for row in found:
        with database.write() as connection:
            one = update(t.delivery).where(d.delivery_id == row.delivery_id, there).values(values)
            if connection.execute(one).rowcount:
                now = database.now()
                outbox.moved(connection, row.delivery_id, row.report_id, act="delivered", actor="clock", now=now)
                count += 1
    return count


def forget_calls(database: Database, older: int) -> int:
    """`older` in microseconds: a call whose signature is as old as that is refused for its age."""
    old = t.callback.c.at < database.now_sql() - older
    with database.read() as connection:
        if connection.execute(select(t.callback.c.at).where(old).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        return connection.execute(delete(t.callback).where(old)).rowcount
