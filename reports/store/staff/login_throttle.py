"""Limits on attempts to log in.

Each attempt is counted before its password is compared, so parallel guesses are counted one by one.
"""

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

IDLE_PERIOD = 48 * HOUR  # a bucket is deleted after this time without an attempt


@dataclass(frozen=True, slots=True)
class LoginLimit:
    """The limits on attempts; times in seconds.

    `max_attempts` attempts within `period` seconds are allowed. After that the bucket is locked for `lock_time`
    seconds, each further time twice as long, up to `max_lock_time`.
    """

    max_attempts: int
    period: int
    lock_time: int
    max_lock_time: int


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """An attempt as one bucket counts it. `bucket`: keyed hash of an account name, a browser or an address."""

    bucket: bytes
    limit: LoginLimit


def count_attempts(database: Database, *attempts: LoginAttempt) -> tuple[bool, ...]:
    """Count one attempt in each bucket, and return for each whether it may go on.

    False: the bucket is locked, or this attempt locks it.
    """
    now = database.now()
    with database.write() as connection:
        connection.execute(delete(s.staff_try).where(_idle(now)))
        return tuple(_count(database, connection, attempt, now) for attempt in attempts)


def reset(database: Database, buckets: Collection[bytes]) -> None:
    """Delete the buckets after the right password was given."""
    with database.write() as connection:
        connection.execute(delete(s.staff_try).where(s.staff_try.c.bucket.in_(buckets)))


def record_failure(
    database: Database, account: Account | None, attempt: LoginAttempt, *, is_shown: bool = True
) -> None:
    """Count a failed login for the owner of the account to see at the next login, and write it to the audit log.

    `attempt`: as it was counted. Its row is written again, so that the commit for an unknown name waits for the disk,
    too: the time of the answer would show that a name exists. `is_shown`: whether the owner sees it; False for a wrong
    password at the lock screen, which is counted separately.
    """
    staff_id = account.staff_id if account else ""
    with write_as(database, account.hotline if account else "") as connection:
        statement = update(s.staff).where(s.staff.c.staff_id == staff_id).values(wrong=s.staff.c.wrong + int(is_shown))
        connection.execute(statement)
        same_row = update(s.staff_try).where(s.staff_try.c.bucket == attempt.bucket)
        # By a microsecond, because SQLite does not write a row that stays the same.
        connection.execute(same_row.values(since=s.staff_try.c.since + 1))
        if account:
            audit_log.append(connection, account.actor, "login_refused", account.staff_id, database.now())


def _idle(now: int) -> ColumnElement[bool]:
    """Match buckets that nobody has used for `IDLE_PERIOD`."""
    c = s.staff_try.c
    return (c.since < now - IDLE_PERIOD) & (c.locked_until < now - IDLE_PERIOD)


def _count(database: Database, connection: Connection, attempt: LoginAttempt, now: int) -> bool:
    c, limit = s.staff_try.c, attempt.limit
    new_row = {"bucket": attempt.bucket, "tries": 0, "since": now, "locks": 0, "locked_until": 0}
    connection.execute(database.insert_or_ignore(s.staff_try).values(new_row))
    same_bucket = s.staff_try.c.bucket == attempt.bucket
    is_over = c.since < now - limit.period * SECOND
    counted = case((is_over, 1), else_=c.tries + 1)
    values = {"tries": counted, "since": case((is_over, now), else_=c.since)}
    # The update locks the row: another attempt at the same moment waits and is counted after it.
    unlocked = update(s.staff_try).where(same_bucket, c.locked_until <= now).values(values)
    if connection.execute(unlocked).rowcount == 0:
        return False
    # Two rows if a console changed its role, for example when operators were removed: the stricter one counts.
    row = connection.execute(select(c.tries, c.locks).where(same_bucket).order_by(c.tries.desc()).limit(1)).one()
    if row.tries > limit.max_attempts:
        connection.execute(update(s.staff_try).where(same_bucket).values(_locked(row.locks, limit, now)))
        return False
    return True


def _locked(locks: int, limit: LoginLimit, now: int) -> dict[str, int]:
    seconds = min(limit.lock_time * 2 ** min(locks, 16), limit.max_lock_time)
    return {"tries": 0, "since": now, "locks": locks + 1, "locked_until": now + seconds * SECOND}
