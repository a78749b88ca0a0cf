"""What staff ask of the clock: that another hotline gets a report instead of theirs. They can make no delivery."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from reports.store import auditing, in_hand, once
from reports.store import tables as t
from reports.store.accounts import Account
from reports.store.asking import looking_as, see_whole, writing_as
from reports.store.database import Database
from reports.store.in_hand import Whose
from reports.store.taking import Note


@dataclass(frozen=True, slots=True)
class Hand:
    """`left`: who can get it, in the order of the route. `asked`: what this hotline asked last; None: nothing."""

    left: tuple[str, ...]
    asked: Any | None

    @property
    def waits(self) -> bool:
        return self.asked is not None and self.asked.outcome is None


def hand(database: Database, account: Account, report_id: str) -> Hand:
    """Of a report that is known to be this hotline's."""
    with looking_as(database, account.hotline) as connection:
        row = connection.execute(select(t.handover).where(_mine(account.hotline, report_id))).first()
        see_whole(database, connection, report_id)
        return Hand(_left(connection, report_id), row)


def ask(
    database: Database, account: Account, report_id: str, taker: str, why: Note, *, key: bytes | None, status: str
) -> bool:
    """With the reason, for colleagues. False: it is asked already, or done. `key`: of the form, which asks once.
    `status`: the key of the status that stood on the page. Raises ChangedMeanwhile."""
    now, hotline = database.now(), account.hotline
    wanted = {"taker": taker, "actor": account.actor, "asked_at": now}
    new = database.insert_new(t.handover).values(report_id=report_id, giver=hotline, **wanted)
    again = update(t.handover).where(_mine(hotline, report_id), t.handover.c.outcome == "refused")
    with writing_as(database, hotline) as connection:
        in_hand.lock(connection, report_id)
        if not once.is_first(connection, database, key):
            return True
        whose = Whose(hotline, report_id, account.actor)
        in_hand.refuse_changed(connection, database, whose, in_hand.handling(connection, whose), status)
        made = connection.execute(new).rowcount or connection.execute(again.values(outcome=None, **wanted)).rowcount
        if made:
            connection.execute(insert(t.note), asdict(why) | {"actor": account.actor, "created_at": now})
            auditing.note(connection, account.actor, "hand_over_asked", report_id, now)
        return bool(made)


def _mine(hotline: str, report_id: str) -> Any:
    return and_(t.handover.c.report_id == report_id, t.handover.c.giver == hotline)


def _left(connection: Connection, report_id: str) -> tuple[str, ...]:
    """As `chains` will have it when the clock comes to it."""
    d, r = t.delivery.c, t.route.c
    given = select(d.hotline).where(d.report_id == report_id, d.type == "created")
    latest = select(func.max(r.revision)).where(r.report_id == report_id).scalar_subquery()
    legs = select(r.hotline).where(r.report_id == report_id, r.revision == latest, r.role == "fallback")
    return tuple(connection.execute(legs.where(r.hotline.not_in(given)).order_by(r.rank)).scalars())
