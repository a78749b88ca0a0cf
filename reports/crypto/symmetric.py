"""Symmetric encryption of the data that one process stores for itself (sessions, spool, waiting SMS), and keyed hashes.

    record  4-byte key id ‖ 16-byte salt ‖ AES-256-GCM under HKDF-Expand(subkey of the label, salt); AAD = label, name

Each record has a key of its own, so the nonce can be zero and never repeats under a key. A record is 36 bytes longer
than its data.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reports.crypto.primitives import (
    HKDF_FIRST_BLOCK,
    KEY_BYTES,
    NONCE_BYTES,
    DecryptError,
    decrypt_with,
    frame,
    hkdf_expand,
    hmac_function,
)

_KEY_ID: Final = 4
_SALT: Final = 16
_ZERO: Final = bytes(NONCE_BYTES)


def keyed_hash(key: bytes, *parts: bytes | str) -> bytes:
    """Return 32 bytes: HMAC-SHA256 of the parts, each framed by its length. `key`: one of `RecordCipher.mac_keys`."""
    return hmac.digest(key, frame(*parts, width=4), "sha256")


class RecordCipher:
    """Seal and open records. Keys are newest first, each of 32 bytes or more.

    The newest key seals; a record opens under any of the keys.
    """

    __slots__ = ("_keys", "_macs", "_newest")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < KEY_BYTES for key in keys):
            raise ValueError(f"a vault needs keys of {KEY_BYTES} bytes or more")
        self._keys = {hmac.digest(key, b"tokaut/key-id/1", "sha256")[:_KEY_ID]: key for key in keys}
        self._newest = next(iter(self._keys))
        self._macs: dict[tuple[bytes, str, str], Callable[[bytes], bytes]] = {}

    def seal(self, label: str, name: bytes, data: bytes) -> bytes:
        """Seal `data`.

        `name`: the record's own name (its Redis key, file or row), so that no record can stand in for another.
        """
        salt = os.urandom(_SALT)
        aes = AESGCM(self._expanded(self._newest, label, salt))
        return self._newest + salt + aes.encrypt(_ZERO, data, frame(label, name, width=4))

    def open(self, label: str, name: bytes, blob: bytes) -> bytes:
        """Open a record. Raises DecryptError."""
        key_id, salt, sealed = blob[:_KEY_ID], blob[_KEY_ID : _KEY_ID + _SALT], blob[_KEY_ID + _SALT :]
        if key_id not in self._keys:
            raise DecryptError("sealed under a key that is not here")
        aes = AESGCM(self._expanded(key_id, label, salt))
        return decrypt_with(aes, _ZERO, sealed, frame(label, name, width=4))

    def mac(self, label: str, *parts: bytes | str) -> bytes:
        """Return HMAC-SHA256 of the parts, each framed by its length, under the newest key's subkey for `label`."""
        return self._mac(self._newest, label, parts)

    def macs(self, label: str, *parts: bytes | str) -> tuple[bytes, ...]:
        """Return one MAC for each key, newest first: to find rows that were written before the key was rotated."""
        return tuple(self._mac(key_id, label, parts) for key_id in self._keys)

    def mac_keys(self, label: str) -> tuple[bytes, ...]:
        """Return the keys with which `keyed_hash` makes the same hashes as `mac`, newest first.

        They are for code that has to compute these hashes and nothing more.
        """
        return tuple(self._subkey(key_id, "mac", label) for key_id in self._keys)

    def _mac(self, key_id: bytes, label: str, parts: Sequence[bytes | str]) -> bytes:
        return self._keyed(key_id, "mac", label)(frame(*parts, width=4))

    def _expanded(self, key_id: bytes, label: str, salt: bytes) -> bytes:
        """HKDF-Expand (RFC 5869) of the label's subkey."""
        return self._keyed(key_id, "seal", label)(salt + HKDF_FIRST_BLOCK)

    def _keyed(self, key_id: bytes, purpose: str, label: str) -> Callable[[bytes], bytes]:
        cache_key = (key_id, purpose, label)
        if cache_key not in self._macs:
            self._macs[cache_key] = hmac_function(self._subkey(*cache_key))
        return self._macs[cache_key]

    def _subkey(self, key_id: bytes, purpose: str, label: str) -> bytes:
        extracted = hmac.digest(b"tokaut/vault/1", self._keys[key_id], "sha256")  # HKDF-Extract (RFC 5869)
        return hkdf_expand(extracted, frame(purpose, label))


class PhonePepper:
    """This month's and last month's random pepper.

    Somebody who holds a pepper can try all phone numbers of a country in seconds.
    """

    __slots__ = ("_peppers",)

    def __init__(self, peppers: Sequence[bytes]) -> None:
        if not peppers or any(len(pepper) < KEY_BYTES for pepper in peppers):
            raise ValueError(f"a pepper has {KEY_BYTES} bytes or more")
        self._peppers = tuple(peppers)

    def pseudonym(self, e164: str) -> bytes:
        """Return 32 bytes that represent a number until next month, for limits and the order of a reporter's SMS."""
        return self.pseudonyms(e164)[0]

    def pseudonyms(self, e164: str) -> tuple[bytes, ...]:
        """Return this month's pseudonym and, if there is a pepper for it, last month's."""
        return tuple(hmac.digest(pepper, frame("tokaut/caller/1", e164), "sha256") for pepper in self._peppers)
