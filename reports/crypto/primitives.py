"""The parts that all ciphers here share: the error, HKDF, HMAC, AES-GCM, and unambiguous framing of a list of parts."""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32  # the length of every symmetric key here, and the minimum length of our secrets
NONCE_BYTES: Final = 12
HKDF_FIRST_BLOCK: Final = b"\x01"  # the counter of HKDF-Expand


class DecryptError(Exception):
    """Data cannot be opened, and trying again will not help.

    Wrong key, wrong context, changed, cut short, or unknown suite: the message says which, and never holds the data.
    """


def frame(*parts: bytes | str, width: int = 2) -> bytes:
    """Return the parts, each with its length before it (`width` bytes): no two lists of parts give the same bytes."""
    framed = b""
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        framed += len(raw).to_bytes(width, "big") + raw
    return framed


def hkdf_expand(key: bytes, info: bytes) -> bytes:
    """Return HKDF-Expand (RFC 5869) with SHA-256 to 32 bytes, its first block. `key` is random or extracted."""
    return hmac.digest(key, info + HKDF_FIRST_BLOCK, "sha256")


def hmac_function(key: bytes) -> Callable[[bytes], bytes]:
    """Return a function that computes HMAC-SHA256 under a key that is used very often.

    The key is processed once and not for each message.
    """
    keyed = hmac.new(key, digestmod="sha256")

    def mac(data: bytes) -> bytes:
        copy = keyed.copy()
        copy.update(data)
        return copy.digest()

    return mac


def encrypt(key: bytes, data: bytes, aad: bytes) -> bytes:
    """Return a random nonce ‖ AES-256-GCM of `data`: 28 bytes longer than `data`."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, aad)


def decrypt(key: bytes, blob: bytes, aad: bytes) -> bytes:
    """Open what `encrypt` returned. Raises DecryptError."""
    return decrypt_with(AESGCM(key), blob[:NONCE_BYTES], blob[NONCE_BYTES:], aad)


def decrypt_with(aes: AESGCM, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    """Open with AES-GCM and this nonce. Raises DecryptError."""
    try:
        return aes.decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError):  # ValueError: the nonce is cut short
        raise DecryptError("it does not open: another key, another place, or changed") from None
