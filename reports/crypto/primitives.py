"""What boxes and vaults share: the one error, and the framing that makes a list of parts unambiguous."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32  # the length of every symmetric key here, and the least a secret of ours may have
NONCE_BYTES: Final = 12
HKDF_FIRST_BLOCK: Final = b"\x01"  # what HKDF-Expand counts with


class DecryptError(Exception):
    """It does not open and trying again will not help: wrong key, wrong context, changed, cut short, unknown suite.

    The message says which, never what was in it.
    """


def frame(*parts: bytes | str, width: int = 2) -> bytes:
    """Each part with its length before it (`width` bytes), so that no two lists of parts give the same bytes."""
    framed = b""
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        framed += len(raw).to_bytes(width, "big") + raw
    return framed


def hkdf_expand(key: bytes, info: bytes) -> bytes:
    """HKDF-Expand (RFC 5869) with SHA-256 to 32 bytes, which is its first block; `key` is random or extracted."""
    return hmac.digest(key, info + HKDF_FIRST_BLOCK, "sha256")


def hmac_function(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 under a key that is used very often: it is worked in once, and not for each message."""
    begun = hmac.new(key, digestmod="sha256")

    def mac(data: bytes) -> bytes:
        this = begun.copy()
        this.update(data)
        return this.digest()

    return mac


def encrypt(key: bytes, data: bytes, aad: bytes) -> bytes:
    """AES-256-GCM with a random nonce before it: 28 bytes longer than `data`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, aad)


def decrypt(key: bytes, blob: bytes, aad: bytes) -> bytes:
    """Raises Poison."""
    return decrypt_with(AESGCM(key), blob[:NONCE_BYTES], blob[NONCE_BYTES:], aad)


def decrypt_with(aes: AESGCM, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Raises Poison."""
    try:
        return aes.decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError):  # ValueError: a nonce cut short
        raise DecryptError("it does not open: another key, another place, or changed") from None
