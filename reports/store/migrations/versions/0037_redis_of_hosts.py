"""Whether web of a host could use Redis when it wrote its row: the console's operator page has no Redis to ask."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("host", Column("redis_down", Integer, nullable=False, server_default="0"))
