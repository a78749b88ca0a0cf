"""The private keys that this process may open with, read when they are first needed.

A key that is missing stops one hotline's reports and nobody else's; they go out once the file is back, with no restart.
"""

from __future__ import annotations

from pathlib import Path

from reports.crypto import DecryptError, PrivateKey
from reports.crypto.key_files import KeyFileError, PrivateKeySet, load_private_keys


class KeyRing:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, PrivateKeySet] = {}

    def of(self, hotline: str, key_id: str) -> PrivateKey:
        """Raises Poison where the key is not here, or lies open to others."""
        try:
            return self._loaded[hotline].of(hotline, key_id)
        except (KeyError, DecryptError):
            self._load(hotline)
        return self._loaded[hotline].of(hotline, key_id)

    def _load(self, hotline: str) -> None:
        try:
            self._loaded[hotline] = load_private_keys(self._folder, [hotline])
        except KeyFileError as fault:
            raise DecryptError(str(fault)) from None
