"""Leaves out what a library takes along where it finds it, and a service never uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without(name: str) -> Iterator[None]:
    """What is imported meanwhile finds no package of this name, unless it is loaded already."""
    modules: dict[str, Any] = sys.modules
    left_out = name not in modules
    if left_out:
        modules[name] = None  # `import` fails, as where it is not installed
    try:
        yield
    finally:
        if left_out:
            del modules[name]
