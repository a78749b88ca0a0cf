"""Actions of a hotline on a report it was given: change its state, write to the reporter, request a transfer.

An action and its idempotency key are stored in one transaction, so a request that failed may be repeated. The key comes
from a callback of the hotline's system, or from a form whose button may be pressed twice.

A hotline acts on its own reports only: a report that it was not given looks like one that does not exist. Staff cannot
create deliveries, so they only request a transfer, and the scheduler carries it out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy import Connection, and_, func, insert, or_, select, update

from reports.case_state import ACKNOWLEDGED, ACTIVE, HANDLING_STATES, Handling, may_change
from reports.delivery import REPORT_TYPES, UNDELIVERED, DeliveryState, DeliveryType, RecipientRole, TransferOutcome
from reports.escalation import URGENT
from reports.store import audit_log, outbox
from reports.store.cases import case_status
from reports.store.cases.case_status import CaseChange, CaseRef
from reports.store.deliveries import is_on_latest_route, lock_report, reports_to
from reports.store.engine.database import Database
from reports.store.escalation import fallbacks
from reports.store.idempotency_keys import claim_key, key_exists
from reports.store.mailboxes.correspondence import AnswerTarget, SealedAnswer, find_answer_target, save_answer
from reports.store.privileges import row_security
from reports.store.privileges.row_security import read_as, reveal_report, write_as
from reports.store.schema import tables as t
from reports.store.staff.accounts import Account

# Actions on a report


class CaseNotFound(Exception):
    """This hotline was given no such report."""


class TransitionNotAllowed(Exception):
    """The handling state of the report, `before`, does not allow this change."""

    def __init__(self, before: Handling) -> None:
        super().__init__(before)
        self.before = before


class NoOtherHotline(TransitionNotAllowed):
    """No other hotline has the report or can get it: if this one declined it, nobody could open it any more."""


class UrgentRevisionNotReceived(TransitionNotAllowed):
    """The hotline has not received the revision that made the report urgent, so it can only hand the report back."""


class OutdatedRevision(Exception):
    """The reporter has sent a newer revision than the one that the actor had read."""


NoteKind = Literal["reason", "answer", "note", "closing", "hoax", "child"]
CHILD_NOTE: Final = "child"  # a note on the child, for statistics only: no page shows it
DraftKind = Literal["message", "note", "closing", "passing", "referral", "entry", "handover", "replies"]


@dataclass(frozen=True, slots=True)
class SealedNote:
    """A text for the hotline's own staff, sealed to the hotline's key.

    `kind`: of a note, or of a draft.
    """

    note_id: str
    report_id: str
    recipient: str
    kind: NoteKind | DraftKind
    key_id: str
    wrap: bytes
    sealed: bytes


def save_note(connection: Connection, note: SealedNote, actor: str, now: int) -> None:
    """Store a note for colleagues. `now`: microseconds."""
    connection.execute(insert(t.note), asdict(note) | {"actor": actor, "created_at": now})


@dataclass(frozen=True, slots=True)
class CaseAction:
    """A change of a report's handling state, with an answer to the reporter and notes for colleagues.

    `new_state`: the new state; "none": only texts are stored, and nobody acknowledges the report.
    `idempotency_key`: idempotency key of a callback or a form; a second action with the same key has no effect.
    `column_changes`: other columns of `holding` to change; not used where `new_state` is "none".
    `seen_revision`: the revision that the actor had read; None: it is not compared.
    `by_callback`: the hotline's system does not say which revision was read; so nothing is acknowledged while the
    hotline has not received the revision that made the report urgent.
    `unless_in`: a report that is already in one of these states stays in it.
    `seen_status`: the key of the status that the page showed; None: it is not compared.
    `hoax_by`: account id of the person whose mark of a false report this action confirms; None: it confirms none.
    """

    hotline: str
    report_id: str
    new_state: Handling
    actor: str
    answer: SealedAnswer | None = None
    notes: tuple[SealedNote, ...] = ()
    idempotency_key: bytes | None = None
    column_changes: CaseChange | None = None
    seen_revision: int | None = None
    unless_in: tuple[Handling, ...] = ()
    seen_status: str | None = None
    hoax_by: str | None = None
    by_callback: bool = False

    @property
    def case_ref(self) -> CaseRef:
        """Return the report, its hotline and the actor."""
        return CaseRef(self.hotline, self.report_id, self.actor)


def look_up(database: Database, hotline: str, report_id: str, call_key: bytes) -> tuple[AnswerTarget, Handling, bool]:
    """Return where an answer would go, the handling state, and whether this callback was processed before.

    Raises CaseNotFound.
    """
    with row_security.read_as(database, hotline) as connection:
        is_repeat = key_exists(connection, call_key)  # first: the state is then at least that of the first callback
        rows = connection.execute(reports_to(hotline, report_id)).all()
        target = find_answer_target(connection, report_id) if rows else None
        if target is None:
            raise CaseNotFound
        return target, rows[-1].handling, is_repeat


def perform(database: Database, step: CaseAction) -> Handling:
    """Carry out an action in one transaction, and return the handling state after it.

    An action whose idempotency key was used before changes nothing; the present state is returned. Raises CaseNotFound,
    TransitionNotAllowed, NoOtherHotline, OutdatedRevision, UrgentRevisionNotReceived, StatusConflict, CannotHold.
    """
    now = database.now()
    with row_security.write_as(database, step.hotline) as connection:
        lock_report(connection, step.report_id)
        rows = connection.execute(reports_to(step.hotline, step.report_id).with_for_update()).all()
        if not rows:
            raise CaseNotFound
        if not claim_key(connection, database, step.idempotency_key):
            return Handling(rows[-1].handling)
        if step.seen_revision is not None and step.seen_revision < _latest_revision(
            connection, step.hotline, step.report_id
        ):
            raise OutdatedRevision
        if rows[-1].handling in step.unless_in:
            step = replace(step, new_state=rows[-1].handling)
        _check_state(connection, database, step, rows[-1].handling)
        if _is_too_early(connection, step, rows[-1].delivery_id):
            raise UrgentRevisionNotReceived(rows[-1].handling)
        row_security.reveal_report(database, connection, step.report_id)
        _check_others(connection, step, rows[-1].handling)
        for row in rows:
            _change_handling(connection, row, step, now)
        for note in step.notes:
            save_note(connection, note, step.actor, now)
        if step.answer:
            save_answer(connection, step.answer, step.actor, now)
        if step.new_state != Handling.NONE:
            case_status.clear_reassignment(connection, step.hotline, step.report_id)
        if rows[-1].handling == Handling.CLOSED and step.new_state in ACTIVE:
            case_status.clear_closing(connection, database, step.case_ref)
        if step.column_changes and step.new_state != Handling.NONE:
            case_status.save_change(connection, database, step.case_ref, step.column_changes)
            case_status.save_closing_and_follow_up(connection, database, step.case_ref, rows[-1], step.new_state)
        if step.new_state != Handling.NONE and (step.column_changes or step.new_state != rows[-1].handling):
            case_status.record_change(connection, database, step.case_ref)
    return step.new_state


def _check_state(connection: Connection, database: Database, step: CaseAction, before: Handling) -> None:
    """Raise TransitionNotAllowed or StatusConflict if the report is not in a state that allows the action.

    A report that has an outcome gets no other one, and a mark of a false report is confirmed only while it is there. A
    hotline that has declined a report gets no words of its reporter, and sends none.
    """
    if not may_change(before, step.new_state) or (step.answer and before == Handling.REJECTED):
        raise TransitionNotAllowed(before)
    if step.seen_status is not None:
        case_status.check_unchanged(connection, database, step.case_ref, before, step.seen_status)
    values = step.column_changes.values if step.column_changes else {}
    is_second_outcome = before == step.new_state == Handling.CLOSED and "outcome" in values
    if is_second_outcome or step.hoax_by not in (None, case_status.load_hoax_mark(connection, step.case_ref)):
        raise TransitionNotAllowed(before)


def _check_others(connection: Connection, step: CaseAction, before: Handling) -> None:
    """Raise NoOtherHotline if staff decline a report that no other hotline has or gets then."""
    is_declined = step.new_state == Handling.REJECTED != before and not step.by_callback
    if is_declined and not _transfer_options(connection, step.hotline, step.report_id).may_decline:
        raise NoOtherHotline(before)


def _is_too_early(connection: Connection, step: CaseAction, delivery_id: str) -> bool:
    """Return whether a callback acknowledges a report before its hotline has received the urgent revision.

    `delivery_id`: of the delivery by which the hotline was given the report.
    """
    if not step.by_callback or step.new_state not in ACKNOWLEDGED:
        return False
    given, newer = t.delivery.alias("given").c, t.delivery.c
    is_missing = (given.delivery_id == delivery_id, *fallbacks.is_missing_update(given, newer))
    query = select(newer.delivery_id).where(*is_missing, newer.priority.in_(URGENT)).limit(1)
    return connection.execute(query).first() is not None


def latest_revision(database: Database, hotline: str, report_id: str) -> int:
    """Return the latest revision of a report that this hotline was given; 0 if there is none."""
    with row_security.read_as(database, hotline) as connection:
        return _latest_revision(connection, hotline, report_id)


def _latest_revision(connection: Connection, hotline: str, report_id: str) -> int:
    d = t.delivery.c
    is_own = and_(d.report_id == report_id, d.hotline == hotline, d.type.in_((*REPORT_TYPES, DeliveryType.UPDATED)))
    return connection.execute(select(func.max(d.revision)).where(is_own)).scalar() or 0


def _change_handling(connection: Connection, row: Any, step: CaseAction, now: int) -> None:
    if row.handling == step.new_state:
        return
    same_delivery = t.delivery.c.delivery_id == row.delivery_id
    connection.execute(update(t.delivery).where(same_delivery).values(handling=step.new_state))
    outbox.record_change(connection, row.delivery_id, row.report_id, act=step.new_state, actor=step.actor, now=now)


def mark_handled_delivered(database: Database, at_most: int = 200) -> int:
    """Mark reports as delivered that staff have handled although no receipt came; return how many.

    A delivery that a worker has leased is left alone. The scheduler calls this.
    """
    d = t.delivery.c
    is_unleased = or_(d.lease_until.is_(None), d.lease_until < database.now_sql())
    is_handled = and_(d.type.in_(REPORT_TYPES), d.handling.in_(HANDLING_STATES), d.state.in_(UNDELIVERED), is_unleased)
    query = select(d.delivery_id, d.report_id).where(is_handled).limit(at_most)
    with database.read() as connection:
        candidates = connection.execute(query).all()
    values = {"state": DeliveryState.DELIVERED, "delivered_at": database.now_sql(), "last_class": "delivered"}
    count = 0
    for row in candidates:
        with database.write() as connection:
            lock_report(connection, row.report_id)
            statement = update(t.delivery).where(d.delivery_id == row.delivery_id, is_handled).values(values)
            if connection.execute(statement).rowcount:
                now = database.now()
                outbox.record_change(
                    connection, row.delivery_id, row.report_id, act="delivered", actor="clock", now=now
                )
                count += 1
    return count


# Requests for a transfer


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """The hotlines that a report can be transferred to, and this hotline's last request for it.

    `available`: the hotlines, in the order of the route. `others_have_it`: another hotline has the report and has not
    declined it. `passes_on`: the next of `available` gets the report if this hotline declines it. `last_request`: the
    row of `handover`; None: nothing was requested.
    """

    available: tuple[str, ...]
    others_have_it: bool
    passes_on: bool
    last_request: Any | None

    @property
    def may_decline(self) -> bool:
        """Return whether another hotline has the report, or gets it if this hotline declines it."""
        return self.others_have_it or self.passes_on

    @property
    def waits(self) -> bool:
        """Return whether the scheduler has yet to carry out the request."""
        return self.last_request is not None and self.last_request.outcome is None


def load_transfer_options(database: Database, account: Account, report_id: str) -> TransferOptions:
    """Load the transfer options of a report; the caller has checked that this hotline was given it."""
    with read_as(database, account.hotline) as connection:
        reveal_report(database, connection, report_id)
        return _transfer_options(connection, account.hotline, report_id)


def _transfer_options(connection: Connection, hotline: str, report_id: str) -> TransferOptions:
    """Do as `load_transfer_options`, on a connection that sees the deliveries to all hotlines of the report."""
    d = t.delivery.c
    is_alive = (d.state.in_((DeliveryState.DUE, DeliveryState.DELIVERED)), d.handling != Handling.REJECTED)
    having = select(d.hotline, d.role).where(d.report_id == report_id, d.type.in_(REPORT_TYPES), *is_alive)
    rows = connection.execute(having.where(is_on_latest_route(d))).all()
    others = [row.role for row in rows if row.hotline != hotline]
    own = [row.role for row in rows if row.hotline == hotline]
    available = fallbacks.remaining_fallbacks(connection, report_id)
    # Fallbacks take the place of the first hotline and of one another, not of one that was informed at the same time.
    is_last = all(role == RecipientRole.ALSO for role in others) and (own != [RecipientRole.ALSO] or not others)
    request = connection.execute(select(t.handover).where(_own_request(hotline, report_id))).first()
    return TransferOptions(available, bool(others), bool(available) and is_last, request)


def request_transfer(
    database: Database, account: Account, report_id: str, taker: str, why: SealedNote, *, key: bytes | None, status: str
) -> bool:
    """Request a transfer to the hotline `taker`, and store the reason as a note for colleagues.

    Return False if a transfer is already requested or done; after a refusal it may be requested again. `key`:
    idempotency key of the form; a repeat returns True and changes nothing. `status`: the key of the status that the
    page showed. Raises StatusConflict.
    """
    now, hotline = database.now(), account.hotline
    request = {"taker": taker, "actor": account.actor, "asked_at": now}
    first_request = database.insert_or_ignore(t.handover).values(report_id=report_id, giver=hotline, **request)
    repeated_request = update(t.handover).where(
        _own_request(hotline, report_id), t.handover.c.outcome == TransferOutcome.REFUSED
    )
    with write_as(database, hotline) as connection:
        lock_report(connection, report_id)
        if not claim_key(connection, database, key):
            return True
        case_ref = CaseRef(hotline, report_id, account.actor)
        case_status.check_unchanged(
            connection, database, case_ref, case_status.load_handling(connection, case_ref), status
        )
        changed_rows = (
            connection.execute(first_request).rowcount
            or connection.execute(repeated_request.values(outcome=None, **request)).rowcount
        )
        if changed_rows:
            save_note(connection, why, account.actor, now)
            audit_log.append(connection, account.actor, "hand_over_asked", report_id, now)
        return bool(changed_rows)


def _own_request(hotline: str, report_id: str) -> Any:
    return and_(t.handover.c.report_id == report_id, t.handover.c.giver == hotline)
