"""Which console serves which hotline, and whose console counted a login attempt or stored an idempotency key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

KEYS = {"callback": "call_key", "staff_try": "bucket"}


def upgrade() -> None:
    op.create_table(
        "console_hotline",
        sa.Column("hotline", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=63), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.PrimaryKeyConstraint("hotline", name=op.f("pk_console_hotline")),
    )
    current_user = sa.text("CURRENT_USER")
    for table, key in KEYS.items():
        if op.get_context().dialect.name == "postgresql":
            column = sa.Column("console_role", sa.String(length=63), nullable=False, server_default="tokaut_console")
            op.add_column(table, column)  # the rows that exist are of the only console's role
            op.alter_column(table, "console_role", server_default=current_user)
            op.drop_constraint(op.f(f"pk_{table}"), table, type_="primary")
            op.create_primary_key(op.f(f"pk_{table}"), table, [key, "console_role"])
        else:
            column = sa.Column("console_role", sa.String(length=63), nullable=False, server_default=current_user)
            with op.batch_alter_table(table, recreate="always") as batch_op:
                batch_op.add_column(column)
                batch_op.create_primary_key(op.f(f"pk_{table}"), [key, "console_role"])
