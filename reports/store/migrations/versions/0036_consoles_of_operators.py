"""Which console serves which hotline, and whose console counted a login attempt or stored an idempotency key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

CURRENT_USER = sa.func.current_user()
KEYS = {"callback": "call_key", "staff_try": "bucket"}
OTHER_COLUMNS = {"callback": ("at",), "staff_try": ("tries", "since", "locks", "locked_until")}


def upgrade() -> None:
    op.create_table(
        "console_hotline",
        sa.Column("hotline", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=63), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.PrimaryKeyConstraint("hotline", name=op.f("pk_console_hotline")),
    )
    for table in KEYS:
        if op.get_context().dialect.name == "postgresql":
            _add_to_key(table)
        else:
            _make_again(table)


def _add_to_key(table: str) -> None:
    column = sa.Column("console_role", sa.String(length=63), nullable=False, server_default="tokaut_console")
    op.add_column(table, column)  # the rows that exist are of the only console's role
    op.alter_column(table, "console_role", server_default=CURRENT_USER)
    op.drop_constraint(op.f(f"pk_{table}"), table, type_="primary")
    op.create_primary_key(op.f(f"pk_{table}"), table, [KEYS[table], "console_role"])


def _make_again(table: str) -> None:
    """Create the table with the new key, and copy the rows: SQLite cannot change a key."""
    key, others = KEYS[table], OTHER_COLUMNS[table]
    op.rename_table(table, "former")
    op.create_table(
        table,
        sa.Column(key, sa.LargeBinary(length=32), nullable=False),
        sa.Column("console_role", sa.String(length=63), server_default=CURRENT_USER, nullable=False),
        *(
            sa.Column(name, sa.Integer() if name in ("tries", "locks") else sa.BigInteger(), nullable=False)
            for name in others
        ),
        sa.PrimaryKeyConstraint(key, "console_role", name=op.f(f"pk_{table}")),
    )
    names = [key, *others]
    former, made = (sa.table(name, *map(sa.column, names)) for name in ("former", table))
    op.execute(made.insert().from_select(names, sa.select(former)))
    op.drop_table("former")
