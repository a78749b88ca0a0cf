"""Fails a test whose statement joins, in an inner SELECT, a table that a SELECT further out has too.

The inner one then speaks of any row and not of the outer one's: SQLAlchemy correlates a subquery with the SELECT next
to it alone, and says nothing. So reports went on to no hotline that had been given another one before.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.sql.compiler import SQLCompiler


def install() -> None:
    """For all that is compiled in this process; harmless when called again."""
    set_up = SQLCompiler._setup_select_stack
    if getattr(set_up, "watched", False):
        return

    def watched(self: SQLCompiler, select: Any, state: Any, entry: Any, *more: Any) -> Any:
        around = entry["correlate_froms"]
        froms = set_up(self, select, state, entry, *more)
        again = around.intersection(froms)
        if len(froms) > 1 and again and select._auto_correlate:  # one alone is meant to be asked by itself
            raise AssertionError(f"{', '.join(map(str, again))}: in this SELECT and in one around it:\n{select}")
        return froms

    watched.watched = True  # type: ignore[attr-defined]
    SQLCompiler._setup_select_stack = watched  # type: ignore[method-assign]
