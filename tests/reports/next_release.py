"""A fictional next release: one more migration, which only adds, so that old processes keep running."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config

from reports.store import database_check, migrations

NEXT = "9001"
STEP = """
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{before}"


def upgrade():
    op.add_column("report", sa.Column("added", sa.String(20), nullable=True))
    op.create_table("added", sa.Column("name", sa.String(20), primary_key=True))
    {more}
"""


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "") -> None:
    """Make this process belong to that release from now on."""
    head = database_check.newest_migration()
    folder.mkdir(exist_ok=True)
    (folder / "step.py").write_text(STEP.format(revision=NEXT, before=head, more=more))
    config = Config()
    config.set_main_option("script_location", str(migrations.FOLDER))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{migrations.FOLDER / 'versions'}\n{folder}")
    monkeypatch.setattr(migrations, "_config", lambda: config)
    monkeypatch.setattr(database_check, "newest_migration", lambda: NEXT)
