"""Load each flow, country and catalogue once in a test process: hundreds of applications use the same files.

The loaded objects are immutable. Countries are cached by their text, so a test can write its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import locales
from flows import catalogues, loader
from reports.countries import country

T = TypeVar("T")


def install() -> None:
    """Install the caches for the rest of this process."""
    country.load_country = cache(country.load_country)
    loader.load = _once(loader.load, loader.FOLDER)
    catalogues.load = _once(catalogues.load, locales.FOLDER)


def _once(load: Callable[..., T], shipped: object) -> Callable[..., T]:
    """Return `load` with a cache for the shipped folder."""
    cached = cache(lambda: load(shipped))
    return lambda folder=shipped: cached() if folder == shipped else load(folder)
