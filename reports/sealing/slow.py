"""A slow hash for short secrets, so that somebody who holds the database and the keys still has to guess."""

from __future__ import annotations

from typing import Final

from argon2.low_level import Type, hash_secret_raw

from reports.sealing.framing import framed

# Argon2id (RFC 9106), one pass over 8 MiB: about 4 ms of CPU, once a Send and once each time that My report is opened.
_PASSES: Final = 1
_KIBIBYTES: Final = 8 * 1024
_BYTES: Final = 32


def slow_hash(salt: bytes, *parts: str) -> bytes:
    """Return 32 bytes derived from `parts`. `salt`: 16 bytes or more, secret or not."""
    return hash_secret_raw(framed(*parts), salt, _PASSES, _KIBIBYTES, 1, _BYTES, Type.ID)
