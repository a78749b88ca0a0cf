"""By which replies that wait for the same phone are found: they are sent in order. Earlier rows have none."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, LargeBinary

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outgoing", Column("phone_key", LargeBinary(32)))
    op.create_index(op.f("ix_outgoing_phone_key"), "outgoing", ["phone_key", "created_at"])
