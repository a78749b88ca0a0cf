"""The private keys that this process may use, loaded when they are first needed.

A missing or damaged key delays only the reports sealed to it; they are delivered once the file is back, without a
restart.
"""

from __future__ import annotations

from pathlib import Path

import structlog

from reports.crypto import DecryptError, PrivateKey
from reports.crypto.key_files import KeyFileError, PrivateKeySet, load_private_keys

log = structlog.get_logger()


class KeyRing:
    """Loads and caches the private keys of hotlines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loaded: dict[str, PrivateKeySet] = {}

    def of(self, hotline: str, key_id: str) -> PrivateKey:
        """Return the key. Raises DecryptError if its file is missing, damaged, or other accounts may read it."""
        if hotline not in self._loaded:
            self._load(hotline)
        return self._loaded[hotline].of(hotline, key_id)

    def _load(self, hotline: str) -> None:
        try:
            self._loaded[hotline] = load_private_keys(self._folder, [hotline])
        except KeyFileError as error:
            raise DecryptError(str(error)) from None
        if self._loaded[hotline].faults:
            log.error("key_unreadable", hotline=hotline)
