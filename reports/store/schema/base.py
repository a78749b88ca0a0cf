"""Names of keys and indexes, types of ids and times, and new ids, for all tables."""

from __future__ import annotations

import uuid
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import BigInteger, MetaData, String
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

ID = String(36)  # UUID, lower case
MICROSECONDS = BigInteger

E = TypeVar("E", bound=StrEnum)


class ClosedSet(TypeDecorator[E], Generic[E]):
    """A text column whose values are the members of a StrEnum: rows have members, the database has their text.

    A value that no member has, written by a later release, is read as the text it is.
    """

    impl = String
    cache_ok = True

    def __init__(self, members: type[E], length: int) -> None:
        super().__init__(length)
        self.members = members
        self._by_value: dict[str, E] = {str(member): member for member in members}

    def process_bind_param(self, value: E | None, dialect: Any) -> str | None:
        """Return the text of a value."""
        return None if value is None else str(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """Return the member that has this text."""
        return self._by_value.get(value, value)


def derived_id(digest: bytes) -> str:
    """Return a UUIDv8 (RFC 9562, 5.8) of the first 16 bytes of `digest`: the same digest yields the same id."""
    value = int.from_bytes(digest[:16])
    value = value & ~(0xF << 76) | 8 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))


def new_id(at: int, drawn: bytes | None = None) -> str:
    """Return a UUIDv7 (RFC 9562, 5.7), which sorts by time. `at`: microseconds.

    The other 74 bits are of `drawn`, or random if that is None.
    """
    milliseconds = at // 1000
    bits = int.from_bytes(drawn) if drawn else uuid.uuid4().int
    value = (milliseconds & (1 << 48) - 1) << 80 | bits & (1 << 80) - 1
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))
