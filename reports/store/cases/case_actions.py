"""What has its effect once, however often it comes: a call-back, and a form of staff whose button was pressed twice.

A key is kept in the transaction of the effect, so that one that failed may come again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, insert, or_, select, update

from reports.case_state import HANDLING_STATES, may_change
from reports.store import audit_log, outbox
from reports.store.cases import case_status
from reports.store.cases.case_status import CaseChange, CaseRef
from reports.store.deliveries import REPORT_TYPES, UNDELIVERED
from reports.store.engine.database import Database
from reports.store.mailboxes.correspondence import AnswerTarget, SealedAnswer, find_answer_target, save_answer
from reports.store.privileges import row_security
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account


def claim_key(connection: Connection, database: Database, key: bytes | None) -> bool:
    """Whether nothing with this key has had its effect; from here on this has. What has no key may come again."""
    if key is None:
        return True
    row = database.insert_new(t.callback).values(call_key=key, at=database.now())
    return bool(connection.execute(row).rowcount)


def was_key_used(database: Database, key: bytes | None) -> bool:
    if key is None:
        return False
    with database.read() as connection:
        return key_exists(connection, key)


def key_exists(connection: Connection, key: bytes) -> bool:
    """By a connection that is there."""
    return connection.execute(select(t.callback.c.call_key).where(t.callback.c.call_key == key)).first() is not None


# What a hotline does with a report that it was given: takes it on, hands it back, closes it, writes to the reporter.
#
# It asks for itself alone: a report that was not given to it is as one that there is not.


class CaseNotFound(Exception):
    """This hotline has no such report."""


class TransitionNotAllowed(Exception):
    """What people did before allows no such step; `before` says what it was."""

    def __init__(self, before: str) -> None:
        super().__init__(before)
        self.before = before


class OutdatedRevision(Exception):
    """The reporter wrote more than whoever does this had before them."""


@dataclass(frozen=True, slots=True)
class SealedNote:
    """For the hotline's own staff, sealed to it. `kind`: reason, answer, note."""

    note_id: str
    report_id: str
    recipient: str
    kind: str
    key_id: str
    wrap: bytes
    sealed: bytes


@dataclass(frozen=True, slots=True)
class CaseAction:
    """`to`: "none" where words alone are left, and nobody takes it on. `once`: the key of a call-back or a form: the
    same one has no second effect. `kept`: beside its handling, where somebody has it. `seen`: the revision that was
    read before; None: it is not asked. `stays`: what was done already, if one of these, is left as it is. `status`: the
    key of the status that stood on the page; None: it is not compared."""

    hotline: str
    report_id: str
    to: str
    actor: str
    answer: SealedAnswer | None = None
    notes: tuple[SealedNote, ...] = ()
    once: bytes | None = None
    kept: CaseChange | None = None
    seen: int | None = None
    stays: tuple[str, ...] = ()
    status: str | None = None

    @property
    def whose(self) -> CaseRef:
        return CaseRef(self.hotline, self.report_id, self.actor)


def look_up(database: Database, hotline: str, report_id: str, call_key: bytes) -> tuple[AnswerTarget, str, bool]:
    """Where an answer would go, what is done with the report, and whether this call has come before.

    Raises NotGiven.
    """
    with row_security.read_as(database, hotline) as connection:
        rows = connection.execute(_given(hotline, report_id)).all()
        box = find_answer_target(connection, report_id) if rows else None
        if box is None:
            raise CaseNotFound
        return box, rows[-1].handling, key_exists(connection, call_key)


def perform(database: Database, step: CaseAction) -> str:
    """All of it or nothing; returns what is done with the report now.

    Raises NotGiven, NotAllowed, Outdated, ChangedMeanwhile.
    """
    now = database.now()
    with row_security.write_as(database, step.hotline) as connection:
        case_status.lock_report(connection, step.report_id)
        rows = connection.execute(_given(step.hotline, step.report_id).with_for_update()).all()
        if not rows:
            raise CaseNotFound
        if not claim_key(connection, database, step.once):
            return str(rows[-1].handling)
        if step.seen is not None and step.seen < _newest(connection, step.hotline, step.report_id):
            raise OutdatedRevision
        if rows[-1].handling in step.stays:
            step = replace(step, to=rows[-1].handling)
        if not may_change(rows[-1].handling, step.to):
            raise TransitionNotAllowed(rows[-1].handling)
        if step.status is not None:
            case_status.check_unchanged(connection, database, step.whose, rows[-1].handling, step.status)
        row_security.reveal_report(database, connection, step.report_id)
        for row in rows:
            _move(connection, row, step, now)
        if step.notes:
            by = {"actor": step.actor, "created_at": now}
            connection.execute(insert(t.note), [asdict(note) | by for note in step.notes])
        if step.answer:
            save_answer(connection, step.answer, step.actor, now)
        if step.to != "none":
            case_status.clear_reassignment(connection, step.hotline, step.report_id)
        if step.kept and step.to != "none":
            case_status.save_change(connection, database, step.whose, step.kept)
        if step.to != "none" and (step.kept or step.to != rows[-1].handling):
            case_status.record_change(connection, database, step.whose)
    return step.to


def latest_revision(database: Database, hotline: str, report_id: str) -> int:
    """The latest revision of a report that this hotline was given."""
    with row_security.read_as(database, hotline) as connection:
        return _newest(connection, hotline, report_id)


def _newest(connection: Connection, hotline: str, report_id: str) -> int:
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_((*REPORT_TYPES, "updated")))
    return connection.execute(select(func.max(d.revision)).where(theirs)).scalar() or 0


def _given(hotline: str, report_id: str) -> Select[Any]:
    d = t.delivery.c
    theirs = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_(REPORT_TYPES), d.state != "cancelled")
    return select(d.delivery_id, d.report_id, d.handling).where(theirs).order_by(d.created_at, d.delivery_id)


def _move(connection: Connection, row: Any, step: CaseAction, now: int) -> None:
    if row.handling == step.to:
        return
    mine = t.delivery.c.delivery_id == row.delivery_id
    connection.execute(update(t.delivery).where(mine).values(handling=step.to))
    outbox.record_change(connection, row.delivery_id, row.report_id, act=step.to, actor=step.actor, now=now)


def mark_handled_delivered(database: Database, at_most: int = 200) -> int:
    """Whoever does something with a report has it, though no receipt came. The clock's work."""
    d = t.delivery.c
    free = or_(d.lease_until.is_(None), d.lease_until < database.now_sql())
    there = and_(d.type.in_(REPORT_TYPES), d.handling.in_(HANDLING_STATES), d.state.in_(UNDELIVERED), free)
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
                outbox.record_change(
                    connection, row.delivery_id, row.report_id, act="delivered", actor="clock", now=now
                )
                count += 1
    return count


def delete_old_keys(database: Database, older: int) -> int:
    """`older` in microseconds: a call whose signature is as old as that is refused for its age."""
    old = t.callback.c.at < database.now_sql() - older
    with database.read() as connection:
        if connection.execute(select(t.callback.c.at).where(old).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        return connection.execute(delete(t.callback).where(old)).rowcount


# What staff ask of the clock: that another hotline gets a report instead of theirs. They can make no delivery.


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """`left`: who can get it, in the order of the route. `asked`: what this hotline asked last; None: nothing."""

    left: tuple[str, ...]
    asked: Any | None

    @property
    def waits(self) -> bool:
        return self.asked is not None and self.asked.outcome is None


def load_transfer_options(database: Database, account: Account, report_id: str) -> TransferOptions:
    """Of a report that is known to be this hotline's."""
    with read_as(database, account.hotline) as connection:
        row = connection.execute(select(t.handover).where(_own_request(account.hotline, report_id))).first()
        reveal_report(database, connection, report_id)
        return TransferOptions(_candidates(connection, report_id), row)


def request_transfer(
    database: Database, account: Account, report_id: str, taker: str, why: SealedNote, *, key: bytes | None, status: str
) -> bool:
    """With the reason, for colleagues. False: it is asked already, or done. `key`: of the form, which asks once.
    `status`: the key of the status that stood on the page. Raises ChangedMeanwhile."""
    now, hotline = database.now(), account.hotline
    wanted = {"taker": taker, "actor": account.actor, "asked_at": now}
    new = database.insert_new(t.handover).values(report_id=report_id, giver=hotline, **wanted)
    again = update(t.handover).where(_own_request(hotline, report_id), t.handover.c.outcome == "refused")
    with write_as(database, hotline) as connection:
        case_status.lock_report(connection, report_id)
        if not claim_key(connection, database, key):
            return True
        whose = CaseRef(hotline, report_id, account.actor)
        case_status.check_unchanged(connection, database, whose, case_status.load_handling(connection, whose), status)
        made = connection.execute(new).rowcount or connection.execute(again.values(outcome=None, **wanted)).rowcount
        if made:
            connection.execute(insert(t.note), asdict(why) | {"actor": account.actor, "created_at": now})
            audit_log.append(connection, account.actor, "hand_over_asked", report_id, now)
        return bool(made)


def _own_request(hotline: str, report_id: str) -> Any:
    return and_(t.handover.c.report_id == report_id, t.handover.c.giver == hotline)


def _candidates(connection: Connection, report_id: str) -> tuple[str, ...]:
    """As `chains` will have it when the clock comes to it."""
    d, r = t.delivery.c, t.route.c
    given = select(d.hotline).where(d.report_id == report_id, d.type == "created")
    latest = select(func.max(r.revision)).where(r.report_id == report_id).scalar_subquery()
    legs = select(r.hotline).where(r.report_id == report_id, r.revision == latest, r.role == "fallback")
    return tuple(connection.execute(legs.where(r.hotline.not_in(given)).order_by(r.rank)).scalars())
