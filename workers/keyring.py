"""The private keys that this process may open with, read when they are first needed.

A key that is missing stops one hotline's reports and nobody else's; they go out once the file is back, with no restart.
"""

from __future__ import annotations

from pathlib import Path

from reports.keyfolder import KeyFault, PrivateKeys, load_private
from reports.sealing import Poison, Private


class KeyRing:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, PrivateKeys] = {}

    def of(self, hotline: str, key_id: str) -> Private:
        """Raises Poison where the key is not here, or lies open to others."""
        try:
            return self._loaded[hotline].of(hotline, key_id)
        except (KeyError, Poison):
            self._load(hotline)
        return self._loaded[hotline].of(hotline, key_id)

    def _load(self, hotline: str) -> None:
        try:
            self._loaded[hotline] = load_private(self._folder, [hotline])
        except KeyFault as fault:
            raise Poison(str(fault)) from None
