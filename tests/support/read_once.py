"""Each text of flows/ and locales/ is read once for all tests of a process: a web that is put together anew for every
test would spend most of its time on that. Reading them is pure, and nobody changes what was read.
"""

from __future__ import annotations

from functools import lru_cache

from flows import catalogues, parse


def install() -> None:
    """Harmless when called again."""
    for module in (parse, catalogues):
        if not hasattr(module.read, "cache_info"):
            module.read = lru_cache(module.read)  # type: ignore[attr-defined]
