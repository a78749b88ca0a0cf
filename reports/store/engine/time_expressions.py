"""Time in SQL: a bind parameter for "now" in cached statements, and whether a moment is due.

A moment further ahead than its own period counts as due, too: see reports/time_limits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, literal, or_

from reports.time_limits import CLOCK_SLACK


def deferred_number(number: Callable[[], int]) -> ColumnElement[int]:
    """Return a bind parameter whose value `number()` is evaluated when the statement is executed."""
    return bindparam(None, callable_=number, type_=_DeferredInteger(), unique=True)


class _DeferredInteger(BigInteger):
    """A separate type, so that SQLAlchemy's cache does not confuse deferred parameters with fixed values."""

    def coerce_compared_value(self, *_: Any) -> BigInteger:
        return BigInteger()


def is_due(at: ColumnElement[int], now: ColumnElement[int], longest: Any) -> ColumnElement[bool]:
    """Return whether `at` is due. `longest`: its period in microseconds, a number or an expression."""
    return or_(at <= now, is_too_far(at, now, longest))


def is_ahead(at: ColumnElement[int], now: ColumnElement[int], longest: Any) -> ColumnElement[bool]:
    """Return whether `at` is in the future, as while a lease holds; False if it is too far ahead (`is_too_far`)."""
    return and_(at > now, at <= now + longest + CLOCK_SLACK)


def is_too_far(at: ColumnElement[int], now: ColumnElement[int], longest: Any) -> ColumnElement[bool]:
    """Return whether `at` is further ahead than any correct clock can have set it."""
    is_far: ColumnElement[bool] = at > now + longest + CLOCK_SLACK
    return is_far


def period_by_column(periods: Mapping[Any, int], by: ColumnElement[str]) -> ColumnElement[int]:
    """Return the period of a row by its column `by`. An unknown value gets the longest period."""
    known_periods = {name: literal(period, BigInteger) for name, period in periods.items()}
    return case(known_periods, value=by, else_=literal(max(periods.values()), BigInteger))
