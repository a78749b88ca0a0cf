"""Tries at a PIN: each is counted before it is compared, so that guesses at the same time cost one each."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, case, or_, update

from reports.store import tables as t
from reports.store.database import Database
from reports.store.due import is_too_far
from reports.store.mailboxes import FOR_EVER

NOBODY = "00000000-0000-0000-0000-000000000000"  # a wrong PIN, a wrong code, a locked one: the same statements


@dataclass(frozen=True, slots=True)
class Limit:
    """So many wrong PINs in a row lock a code for so many microseconds."""

    tries: int
    locked: int


def try_pin(
    database: Database, codes: Sequence[bytes], pins: Collection[bytes], limit: Limit
) -> tuple[str | None, list[str]]:
    """(the report behind a right code and PIN or None, the reports that this very try has locked).

    One transaction: where its commit is not certain, Away is raised, and nobody learns whether the PIN was right.
    """
    m = t.mailbox.c
    now = database.now_sql()
    tries = case((m.tries >= limit.tries, 1), else_=m.tries + 1)
    count = {"tries": tries, "locked_until": case((tries >= limit.tries, now + limit.locked), else_=0)}
    by_a_wrong_clock = and_(is_too_far(m.locked_until, now, limit.locked), m.locked_until < FOR_EVER)
    free = update(t.mailbox).where(m.code_hmac.in_(codes), or_(m.locked_until <= now, by_a_wrong_clock))
    with database.write() as connection:
        rows = connection.execute(free.values(count).returning(m.report_id, m.pin_hmac, m.tries)).all()
        right = next((str(row.report_id) for row in rows if row.pin_hmac in pins), None)
        back = update(t.mailbox).where(m.report_id == (right or NOBODY))
        connection.execute(back.values(tries=0, locked_until=0))
    return right, [str(row.report_id) for row in rows if row.tries >= limit.tries and row.report_id != right]
