"""Limits on wrong pairs of access code and PIN.

Each guess is counted before it is compared, so parallel guesses are counted one by one. No row names a report: only a
right pair shows which report was meant. Guesses are counted by 16 bits of the code's keyed hash, whether or not such a
code exists, and for all codes together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, or_, select, update

from reports.store.engine.database import Database
from reports.store.mailboxes.correspondence import NO_KEY
from reports.store.schema import tables as t
from runtime.time_units import DAY, HOUR, MINUTE

BUCKETS: Final = 1 << 16
ALL_CODES: Final = BUCKETS  # the row that counts all wrong pairs of an hour
INVALID_CODE: Final = BUCKETS + 1  # the row for inputs that cannot be a code; its count has no effect
CLOCK_TOLERANCE: Final = MINUTE  # a transaction may have waited this long for locks after it read the time


@dataclass(frozen=True, slots=True)
class PinLimit:
    """The limits on wrong pairs.

    Attributes:
        per_code: wrong PINs that lock one code.
        lock_time: for how long the code is locked, in microseconds.
        per_number: wrong pairs of one telephone number in a day; after that even the right pair is refused to it.
        in_total: wrong pairs of all numbers in an hour; above it `per_number_under_attack` applies instead of
            `per_number`, because guessing is likely.
        per_number_under_attack: the stricter limit for one number. Below it the right pair is still accepted.
    """

    per_code: int = 5
    lock_time: int = DAY
    per_number: int = 10
    in_total: int = 100
    per_number_under_attack: int = 3


DEFAULT_LIMIT: Final = PinLimit()


@dataclass(frozen=True, slots=True)
class PinGuess:
    """One pair as it was typed.

    `bucket`: from the code's keyed hash; None if it cannot be a code. `lookups`: hashes of the pair, one for each store
    key. `wrong_pairs_today`: wrong pairs that came from this telephone number today.
    """

    bucket: int | None
    lookups: Sequence[bytes]
    wrong_pairs_today: int = 0


@dataclass(frozen=True, slots=True)
class PinResult:
    """The outcome of a guess.

    `report_id`: None if the pair opens nothing. `is_counted`: it was a wrong guess. `is_locked`: this guess locked the
    code.
    """

    report_id: str | None
    is_counted: bool = False
    is_locked: bool = False


def verify_pair(database: Database, guess: PinGuess, limit: PinLimit = DEFAULT_LIMIT) -> PinResult:
    """Count the guess, then compare it. The same statements are executed for every outcome.

    It is one transaction: if its commit is not certain, `DatabaseUnavailable` is raised, and nobody learns whether the
    pair was right.
    """
    m = t.mailbox.c
    with database.write() as connection:
        now = database.moment(connection)
        max_wrong = (
            limit.per_number_under_attack if _wrong_pairs(connection, now) > limit.in_total else limit.per_number
        )
        is_allowed = guess.bucket is not None and guess.wrong_pairs_today < max_wrong
        bucket = guess.bucket if is_allowed and guess.bucket is not None else INVALID_CODE
        tries = _count(database, connection, bucket, limit, now)
        lookup_query = select(m.report_id).where(m.lookup.in_(guess.lookups), m.public_key != NO_KEY)
        match = connection.execute(lookup_query).scalars().first()
        report_id = str(match) if match and is_allowed and tries is not None else None
        is_wrong = report_id is None and guess.bucket is not None
        c = t.code_try.c
        reset_query = update(t.code_try).where(c.bucket == (bucket if report_id else INVALID_CODE))
        connection.execute(reset_query.values(tries=0, locked_until=0))
        _count_all(connection, int(is_wrong), now)
    return PinResult(report_id, is_wrong, is_wrong and is_allowed and (tries or 0) >= limit.per_code)


def count_recent_failures(database: Database) -> int:
    """Return the number of wrong pairs in the current hour of counting."""
    with database.read() as connection:
        return _wrong_pairs(connection, database.moment(connection))


def count_locked_codes(database: Database, limit: PinLimit = DEFAULT_LIMIT) -> int:
    """Return how many codes are locked now; it is not known which."""
    c = t.code_try.c
    with database.read() as connection:
        now = database.moment(connection)
        locked = select(c.bucket).where(
            c.bucket < BUCKETS, c.locked_until > now, c.locked_until <= now + limit.lock_time + CLOCK_TOLERANCE
        )
        return len(connection.execute(locked).all())


def _wrong_pairs(connection: Connection, now: int) -> int:
    c = t.code_try.c
    query = select(c.tries).where(c.bucket == ALL_CODES, c.since > now - HOUR, c.since <= now + CLOCK_TOLERANCE)
    return connection.execute(query).scalar() or 0


def _count(database: Database, connection: Connection, bucket: int, limit: PinLimit, now: int) -> int | None:
    """Count a guess at this code, and return the number of guesses including it; None while the code is locked."""
    c = t.code_try.c
    new_rows: list[dict[str, Any]] = [
        {"bucket": row_number, "tries": 0, "since": now, "locked_until": 0} for row_number in (bucket, ALL_CODES)
    ]
    connection.execute(database.insert_or_ignore(t.code_try), new_rows)
    restarts = or_(_is_over(c, now, DAY), c.tries >= limit.per_code)
    tries = case((restarts, 1), else_=c.tries + 1)
    values = {
        "tries": tries,
        "since": case((restarts, now), else_=c.since),
        "locked_until": case((tries >= limit.per_code, now + limit.lock_time), else_=0),
    }
    # A lock that ends later than any lock lasts was set before the clock was set back: it does not count.
    is_unlocked = or_(c.locked_until <= now, c.locked_until > now + limit.lock_time + CLOCK_TOLERANCE)
    counted = update(t.code_try).where(c.bucket == bucket, is_unlocked).values(values).returning(c.tries)
    return connection.execute(counted).scalar()


def _count_all(connection: Connection, wrong_guesses: int, now: int) -> None:
    c = t.code_try.c
    is_over = _is_over(c, now, HOUR)
    values = {
        "tries": case((is_over, wrong_guesses), else_=c.tries + wrong_guesses),
        "since": case((is_over, now), else_=c.since),
    }
    connection.execute(update(t.code_try).where(c.bucket == ALL_CODES).values(values))


def _is_over(columns: Any, now: int, period: int) -> ColumnElement[bool]:
    """Match rows whose counting period, in microseconds, has ended or begins in the future."""
    return or_(columns.since <= now - period, columns.since > now + CLOCK_TOLERANCE)
