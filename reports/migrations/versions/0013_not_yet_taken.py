"""Who handed a report to a colleague who has not said yet that they have it"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("holding", sa.Column("handed_by", sa.String(length=24), nullable=True))
    op.execute("UPDATE holding SET handed_by = '' WHERE holder = ''")  # to whoever comes next; by whom is in the audit
