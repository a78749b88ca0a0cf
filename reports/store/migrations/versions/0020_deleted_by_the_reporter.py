"""When a reporter asked to delete a report: the scheduler purges it as soon as its deliveries have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("report", sa.Column("delete_asked_at", sa.BigInteger(), nullable=True))
    op.create_index("ix_report_delete_asked_at", "report", ["delete_asked_at"])
    # Reporters who deleted theirs before were told that it was gone.
    op.execute(
        "UPDATE report SET delete_asked_at = "
        "(SELECT max(a.at) FROM audit a WHERE a.object_id = report.report_id AND a.act = 'delete_asked')"
    )
