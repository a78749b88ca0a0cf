"""Reports that staff enter: who takes them on, and the access code until web has made the mailbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pending", sa.Column("taker", sa.String(length=80), nullable=True))
    op.add_column("pending", sa.Column("code", sa.LargeBinary(), nullable=True))
    op.create_table(
        "entry_key",
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("public_key", name=op.f("pk_entry_key")),
    )
    op.create_table(
        "entry_code",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("held_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_entry_code")),
    )
