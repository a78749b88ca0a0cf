"""Derive access codes from a secret of the session, and replace the values from which older codes were derived.

With `report.origin_key` and the store key anybody could compute code and PIN. Each origin key is replaced by a random
one, so codes shown before open nothing any more. Their mailboxes are deleted, with the answers that only they opened.
"""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("report", "pending"):
        _forget_origins(sa.table(name, sa.column("origin_key")))
    op.execute("DELETE FROM answer")
    op.drop_table("mailbox")
    op.create_table(
        "mailbox",
        sa.Column("report_id", sa.String(length=36), nullable=False),
        sa.Column("lookup", sa.LargeBinary(length=32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_key", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_mailbox")),
    )
    op.create_index(op.f("ix_mailbox_lookup"), "mailbox", ["lookup"])
    op.create_table(
        "code_try",
        sa.Column("bucket", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name=op.f("pk_code_try")),
    )


def _forget_origins(table: sa.TableClause) -> None:
    """Replace the keys by random ones. Rows that share a key share the new one, so that they stay one report."""
    connection = op.get_bind()
    for (old,) in connection.execute(sa.select(table.c.origin_key).distinct()).all():
        new = sa.update(table).where(table.c.origin_key == old).values(origin_key=os.urandom(32))
        connection.execute(new)
