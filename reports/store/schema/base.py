"""What all tables share: one schema with names for its keys, and the types of ids and times."""

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


# The ids of what the store keeps.


def new_id(at: int, drawn: bytes | None = None) -> str:
    """UUIDv7 (RFC 9562, 5.7): sorts by time; 74 bits of `drawn`, else random ones from the system."""
    milliseconds = at // 1000
    bits = int.from_bytes(drawn) if drawn else uuid.uuid4().int
    value = (milliseconds & (1 << 48) - 1) << 80 | bits & (1 << 80) - 1
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))
