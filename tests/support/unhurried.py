"""Applications beside a test wait for a busy machine's PostgreSQL as long as it takes.

What a caller's patience is worth is shown where it is meant: in tests.reports and in the experiments with real stalls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from unittest.mock import patch

from reports.store.engine.timeouts import BACKGROUND


@contextmanager
def unhurried(module: ModuleType, settings: Mapping[str, str]) -> Iterator[None]:
    """Within it `module.create_app` makes such a one."""
    if settings.get("DATABASE_URL", "").startswith("postgresql"):
        with patch.object(module, "INTERACTIVE", BACKGROUND):
            yield
    else:
        yield
