"""Read each flow, country and catalogue once in a test process: hundreds of applications are made from the same files.

What is read is immutable. A country is known by its text, so a test that writes one of its own gets that.
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
    """For the rest of this process."""
    country.load_country = cache(country.load_country)
    loader.load = _once(loader.load, loader.FOLDER)
    catalogues.load = _once(catalogues.load, locales.FOLDER)


def _once(load: Callable[..., T], shipped: object) -> Callable[..., T]:
    """Return `load`, which reads the shipped folder once."""
    known = cache(lambda: load(shipped))
    return lambda folder=shipped: known() if folder == shipped else load(folder)
