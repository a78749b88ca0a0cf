"""A number that is asked for when its statement is carried out: the time, in one that was put together long before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam


def late(number: Callable[[], int]) -> ColumnElement[int]:
    return bindparam(None, callable_=number, type_=_Late(), unique=True)


class _Late(BigInteger):
    """Of another type than a number that is known, or SQLAlchemy would take statements of the one for the other's."""

    def coerce_compared_value(self, *_: Any) -> BigInteger:
        return BigInteger()
