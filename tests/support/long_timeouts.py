"""Give applications in tests long timeouts for PostgreSQL, because the machine may be busy.

The short timeouts have their own tests, in tests.reports and in the experiments with real stalls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from unittest.mock import patch

from reports.store.engine.timeouts import BACKGROUND


@contextmanager
def long_timeouts(module: ModuleType, settings: Mapping[str, str]) -> Iterator[None]:
    """Let `module.create_app` create an application with long timeouts for the duration of the context."""
    if settings.get("DATABASE_URL", "").startswith("postgresql"):
        with patch.object(module, "INTERACTIVE", BACKGROUND):
            yield
    else:
        yield
