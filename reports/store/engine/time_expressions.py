"""A number that is asked for when its statement is carried out: the time, in one that was put together long before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, literal, or_

from reports.escalation.time_limits import CLOCK_SLACK


def deferred_number(number: Callable[[], int]) -> ColumnElement[int]:
    return bindparam(None, callable_=number, type_=_DeferredInteger(), unique=True)


class _DeferredInteger(BigInteger):
    """Of another type than a number that is known, or SQLAlchemy would take statements of the one for the other's."""

    def coerce_compared_value(self, *_: Any) -> BigInteger:
        return BigInteger()


# Whether a moment has come, in SQL. One further ahead than its own period has come, too: see
# reports/escalation/time_limits.py.


def is_due(at: ColumnElement[int], now: ColumnElement[int], longest: Any) -> ColumnElement[bool]:
    """Return whether `at` has come. `longest`: microseconds, a number or an expression."""
    return or_(at <= now, is_too_far(at, now, longest))


def is_ahead(at: ColumnElement[int], now: ColumnElement[int], longest: Any) -> ColumnElement[bool]:
    """Return whether `at` has still to come: a lease holds, a hotline rests."""
    return and_(at > now, at <= now + longest + CLOCK_SLACK)


def is_too_far(at: ColumnElement[int], now: ColumnElement[int], longest: Any) -> ColumnElement[bool]:
    """Return whether `at` lies further ahead than any correct clock can have set it."""
    far: ColumnElement[bool] = at > now + longest + CLOCK_SLACK
    return far


def period_by_column(periods: Mapping[str, int], by: ColumnElement[str]) -> ColumnElement[int]:
    """Return the period of a row by one of its columns. An unknown value has the longest of all."""
    known = {name: literal(period, BigInteger) for name, period in periods.items()}
    return case(known, value=by, else_=literal(max(periods.values()), BigInteger))
