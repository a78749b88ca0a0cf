"""Names of keys and indexes, types of ids and times, and new ids, for all tables."""

from __future__ import annotations

import uuid

from sqlalchemy import BigInteger, MetaData, String

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

ID = String(36)  # UUID, lower case
MICROSECONDS = BigInteger


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
