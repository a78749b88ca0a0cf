"""Mark an answer notice that was sent by network-initiated USSD, so that the SMS in its place is sent once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("nudge", sa.Column("ussd_id", sa.String(length=36), nullable=True))
