"""Tries to log in. Each is counted before a password is looked at, so that guesses at the same time cost one each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, delete, select, update

from reports.store import audit_log
from reports.store.engine.database import Database
from reports.store.privileges.row_security import write_as
from reports.store.schema import staff as s
from reports.store.staff.accounts import Account
from runtime.time_units import HOUR, SECOND

IDLE_PERIOD = 48 * HOUR  # after so long without a try


@dataclass(frozen=True, slots=True)
class LoginLimit:
    """So many tries within so many seconds are let in; then none for `locked` seconds, twice as long each time."""

    tries: int
    within: int
    locked: int
    max_locked: int


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    bucket: bytes
    limit: LoginLimit


def count_attempts(database: Database, *knocks: LoginAttempt) -> tuple[bool, ...]:
    """Count one try in each bucket. False for one that is locked, or is locked by this try."""
    now = database.now()
    with database.write() as connection:
        connection.execute(delete(s.staff_try).where(_idle(now)))
        return tuple(_count(database, connection, one, now) for one in knocks)


def reset(database: Database, buckets: Collection[bytes]) -> None:
    """It was somebody who may."""
    with database.write() as connection:
        connection.execute(delete(s.staff_try).where(s.staff_try.c.bucket.in_(buckets)))


def record_failure(database: Database, account: Account | None, *, told: bool = True) -> None:
    """Of a real account: its owner is told at the next login, and the audit has it. For no account, the same work.
    `told`: not of a slip at their own desk, which is counted by itself."""
    staff_id = account.staff_id if account else ""
    with write_as(database, account.hotline if account else "") as connection:
        count = update(s.staff).where(s.staff.c.staff_id == staff_id).values(wrong=s.staff.c.wrong + int(told))
        connection.execute(count)
        if account:
            audit_log.append(connection, account.actor, "login_refused", account.staff_id, database.now())


def _idle(now: int) -> ColumnElement[bool]:
    c = s.staff_try.c
    return (c.since < now - IDLE_PERIOD) & (c.locked_until < now - IDLE_PERIOD)


def _count(database: Database, connection: Connection, one: LoginAttempt, now: int) -> bool:
    c, limit = s.staff_try.c, one.limit
    fresh = {"bucket": one.bucket, "tries": 0, "since": now, "locks": 0, "locked_until": 0}
    connection.execute(database.insert_new(s.staff_try).values(fresh))
    own = s.staff_try.c.bucket == one.bucket
    over = c.since < now - limit.within * SECOND
    counted = case((over, 1), else_=c.tries + 1)
    values = {"tries": counted, "since": case((over, now), else_=c.since)}
    # The row is locked by its update: who comes at the same moment waits, and counts after it.
    free = update(s.staff_try).where(own, c.locked_until <= now).values(values)
    if connection.execute(free).rowcount == 0:
        return False
    row = connection.execute(select(c.tries, c.locks).where(own)).one()
    if row.tries > limit.tries:
        connection.execute(update(s.staff_try).where(own).values(_locked(row.locks, limit, now)))
        return False
    return True


def _locked(locks: int, limit: LoginLimit, now: int) -> dict[str, int]:
    seconds = min(limit.locked * 2 ** min(locks, 16), limit.max_locked)
    return {"tries": 0, "since": now, "locks": locks + 1, "locked_until": now + seconds * SECOND}
