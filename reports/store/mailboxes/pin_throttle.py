"""Wrong pairs of code and PIN: each try is counted before it is compared, so guesses at the same time cost one each.

No row names a report: only who types the right pair is known to have meant one. Tries are counted for 16 bits of the
code's keyed hash, whether or not such a code exists, and for all codes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, or_, select, update

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import DAY, HOUR, MINUTE

BUCKETS: Final = 1 << 16
ALL_CODES: Final = BUCKETS  # the row that counts the wrong pairs of an hour
INVALID_CODE: Final = BUCKETS + 1  # the row for what cannot be a code: it is counted and never matters
NO_KEY: Final = b""
CLOCK_TOLERANCE: Final = MINUTE  # a transaction may have waited so long for others since it asked for the time


@dataclass(frozen=True, slots=True)
class PinLimit:
    """How many wrong pairs are allowed.

    Attributes:
        code: wrong PINs that lock one code.
        locked: for how long, in microseconds.
        number: wrong pairs of one telephone number in a day; from then on it is never told that a pair is right.
        all: wrong pairs an hour, of everybody; above it `number_then` holds in place of `number`.
        number_then: as `number`, while somebody seems to guess. Who types the right pair is let in all the same.
    """

    code: int = 5
    locked: int = DAY
    number: int = 10
    all: int = 100
    number_under_attack: int = 3


DEFAULT_LIMIT: Final = PinLimit()


@dataclass(frozen=True, slots=True)
class PinGuess:
    """One pair as it was typed.

    `bucket` is None where it can be no code; `before`: wrong pairs that came from this telephone number today.
    """

    bucket: int | None
    lookups: Sequence[bytes]
    before: int = 0


@dataclass(frozen=True, slots=True)
class PinResult:
    """`report_id`: None where nothing opens. `counted`: it was a wrong guess. `locked`: this try locked the code."""

    report_id: str | None
    counted: bool = False
    locked: bool = False


def verify_pair(database: Database, guess: PinGuess, limit: PinLimit = DEFAULT_LIMIT) -> PinResult:
    """Count the guess, then compare it. The statements are the same whatever comes of it.

    One transaction: where its commit is not certain, `DatabaseUnavailable` is raised, and nobody learns whether the
    pair was right.
    """
    m = t.mailbox.c
    with database.write() as connection:
        now = database.moment(connection)
        most = limit.number_under_attack if _guessed(connection, now) > limit.all else limit.number
        served = guess.bucket is not None and guess.before < most
        bucket = guess.bucket if served and guess.bucket is not None else INVALID_CODE
        tries = _count(database, connection, bucket, limit, now)
        right = select(m.report_id).where(m.lookup.in_(guess.lookups), m.public_key != NO_KEY)
        found = connection.execute(right).scalars().first()
        report_id = str(found) if found and served and tries is not None else None
        wrong = report_id is None and guess.bucket is not None
        c = t.code_try.c
        back = update(t.code_try).where(c.bucket == (bucket if report_id else INVALID_CODE))
        connection.execute(back.values(tries=0, locked_until=0))
        _count_all(connection, int(wrong), now)
    return PinResult(report_id, wrong, wrong and served and (tries or 0) >= limit.code)


def count_recent_failures(database: Database) -> int:
    """Return how many wrong pairs were typed within the hour that is being counted."""
    with database.read() as connection:
        return _guessed(connection, database.moment(connection))


def count_locked_codes(database: Database, limit: PinLimit = DEFAULT_LIMIT) -> int:
    """Return how many codes are locked now; which ones is not known."""
    c = t.code_try.c
    with database.read() as connection:
        now = database.moment(connection)
        locked = select(c.bucket).where(
            c.bucket < BUCKETS, c.locked_until > now, c.locked_until <= now + limit.locked + CLOCK_TOLERANCE
        )
        return len(connection.execute(locked).all())


def _guessed(connection: Connection, now: int) -> int:
    c = t.code_try.c
    query = select(c.tries).where(c.bucket == ALL_CODES, c.since > now - HOUR, c.since <= now + CLOCK_TOLERANCE)
    return connection.execute(query).scalar() or 0


def _count(database: Database, connection: Connection, bucket: int, limit: PinLimit, now: int) -> int | None:
    """Return the tries at this code, with this one; None while it is locked."""
    c = t.code_try.c
    fresh: list[dict[str, Any]] = [
        {"bucket": one, "tries": 0, "since": now, "locked_until": 0} for one in (bucket, ALL_CODES)
    ]
    connection.execute(database.insert_new(t.code_try), fresh)
    anew = or_(_is_over(c, now, DAY), c.tries >= limit.code)
    tries = case((anew, 1), else_=c.tries + 1)
    values = {
        "tries": tries,
        "since": case((anew, now), else_=c.since),
        "locked_until": case((tries >= limit.code, now + limit.locked), else_=0),
    }
    # Longer than a lock lasts: the clock was set back since.
    free = or_(c.locked_until <= now, c.locked_until > now + limit.locked + CLOCK_TOLERANCE)
    counted = update(t.code_try).where(c.bucket == bucket, free).values(values).returning(c.tries)
    return connection.execute(counted).scalar()


def _count_all(connection: Connection, wrong: int, now: int) -> None:
    c = t.code_try.c
    over = _is_over(c, now, HOUR)
    values = {"tries": case((over, wrong), else_=c.tries + wrong), "since": case((over, now), else_=c.since)}
    connection.execute(update(t.code_try).where(c.bucket == ALL_CODES).values(values))


def _is_over(columns: Any, now: int, period: int) -> ColumnElement[bool]:
    """Whether the period that is counted has ended, or begins in the future."""
    return or_(columns.since <= now - period, columns.since > now + CLOCK_TOLERANCE)
