"""Fail a test if an inner SELECT joins a table that an outer SELECT contains too.

The inner SELECT then refers to any row of that table instead of the outer row: SQLAlchemy correlates a subquery only
with the SELECT directly around it, without a warning. This bug once withheld reports from every hotline that had
received another one before.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.compiler import SQLCompiler


def install() -> None:
    """Check every statement compiled in this process; calling it again has no effect."""
    set_up = SQLCompiler._setup_select_stack
    if getattr(set_up, "watched", False):
        return

    def watched(self: SQLCompiler, select: Any, state: Any, entry: Any, *more: Any) -> Any:
        outer_tables = entry["correlate_froms"]
        tables = set_up(self, select, state, entry, *more)
        shadowed = outer_tables.intersection(tables)
        if len(tables) > 1 and shadowed and select._auto_correlate:  # a single table is meant to be queried by itself
            raise AssertionError(f"{', '.join(map(str, shadowed))}: in this SELECT and in one around it:\n{select}")
        return tables

    watched.watched = True  # type: ignore[attr-defined]
    SQLCompiler._setup_select_stack = watched  # type: ignore[method-assign]
