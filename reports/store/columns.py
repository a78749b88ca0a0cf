"""What all tables share: one schema with names for its keys, and the types of ids and times."""

from __future__ import annotations

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
