"""Alembic's way in: it takes the connection that `upgrade` opened, and knows no address of its own."""

from __future__ import annotations

from alembic import context

from reports.store.schema.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
    transactional_ddl=True,  # on SQLite too: half a step would stand in the way of the next try
)
with context.begin_transaction():
    context.run_migrations()
