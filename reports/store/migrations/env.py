"""Alembic's environment script: run the migrations on the connection that `upgrade` has opened."""

from __future__ import annotations

from alembic import context

from reports.store.schema.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
    transactional_ddl=True,  # on SQLite too: a half-applied migration would block the next attempt
)
with context.begin_transaction():
    context.run_migrations()
