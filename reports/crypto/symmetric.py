"""Symmetric encryption of the data that one process stores for itself (sessions, spool, waiting SMS), and keyed hashes.

    record  4-byte key id ‖ 16-byte salt ‖ AES-256-GCM under HKDF-Expand(subkey of the label, salt); AAD = label, name

Each record has a key of its own, so the nonce can be zero and never repeats under a key. A record is 36 bytes longer
than its data.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32  # the length of every symmetric key here, and the minimum length of our secrets
NONCE_BYTES: Final = 12
HKDF_FIRST_BLOCK: Final = b"\x01"  # the counter of HKDF-Expand
_KEY_ID: Final = 4
_SALT: Final = 16
_ZERO: Final = bytes(NONCE_BYTES)
EPOCH_BYTES: Final = 4


# The parts that all ciphers here share: the error, HKDF, HMAC, AES-GCM, and unambiguous framing of a list of parts.


class DecryptError(Exception):
    """Data cannot be opened, and trying again will not help.

    Wrong key, wrong context, changed, cut short, or unknown suite: the message names the cause, and never holds the
    data.
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
        raise DecryptError("decryption failed: another key, another context, or changed bytes") from None


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
            raise DecryptError("sealed under a key that this process does not have")
        aes = AESGCM(self._expanded(key_id, label, salt))
        return decrypt_with(aes, _ZERO, sealed, frame(label, name, width=4))

    def mac(self, label: str, *parts: bytes | str) -> bytes:
        """Return HMAC-SHA256 of the parts, each framed by its length, under the newest key's subkey for `label`."""
        return self.mac_each(label, [parts])[0]

    def mac_each(self, label: str, messages: Iterable[Sequence[bytes | str]]) -> list[bytes]:
        """Return what `mac` returns for the parts of each message."""
        mac = self._keyed(self._newest, "mac", label)
        return [mac(frame(*parts, width=4)) for parts in messages]

    def macs(self, label: str, *parts: bytes | str) -> tuple[bytes, ...]:
        """Return one MAC for each key, newest first: to find rows that were written before the key was rotated."""
        return tuple(self._keyed(key_id, "mac", label)(frame(*parts, width=4)) for key_id in self._keys)

    def mac_keys(self, label: str) -> tuple[bytes, ...]:
        """Return the keys with which `keyed_hash` makes the same hashes as `mac`, newest first.

        They are for code that has to compute these hashes and nothing more.
        """
        return tuple(self._subkey(key_id, "mac", label) for key_id in self._keys)

    def _expanded(self, key_id: bytes, label: str, salt: bytes) -> bytes:
        """Return the key of one record: HKDF-Expand (RFC 5869) of the label's subkey and the salt."""
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

    With the pepper, all phone numbers of a country can be tried in seconds.
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


# A chain of keys, one for each ten minutes. Each key is derived from the one before it, and none can be reversed.
#
# Somebody who holds the key of an epoch can derive those of all later epochs and of no earlier one. So a record
# cannot be opened any more once the keys up to its epoch are deleted. Hosts that start from copies of one key derive
# the same keys.
#
#     next key    HKDF-Expand(key, "tokaut/session-chain/1", "next")
#     record      4-byte epoch ‖ a record of RecordCipher (see the top of this file), whose key is
#                 HMAC-SHA256(HKDF-Expand(key, "tokaut/session-chain/1", "seal"), secret)

NEXT: Final = frame("tokaut/session-chain/1", "next")
SEAL: Final = frame("tokaut/session-chain/1", "seal")


def key_after(key: bytes, steps: int) -> bytes:
    """Return the key that follows `steps` epochs after this one."""
    for _ in range(steps):
        key = hkdf_expand(key, NEXT)
    return key


class KeyRatchet:
    """Seal and open records with the keys of the epoch `oldest` and later ones. `key`: the key of `oldest`.

    `secret` is mixed into each record's key: the chain alone opens nothing, and replacing the secret replaces all keys.
    """

    __slots__ = ("_secret", "_vaults", "key", "oldest")

    def __init__(self, oldest: int, key: bytes, secret: bytes) -> None:
        self.oldest = oldest
        self.key = key
        self._secret = secret
        self._vaults: dict[int, RecordCipher] = {}

    def seal(self, epoch: int, label: str, name: bytes, data: bytes) -> bytes:
        """Return `data` sealed with the key of this epoch, which is not earlier than the oldest one."""
        return epoch.to_bytes(EPOCH_BYTES, "big") + self._cipher(epoch).seal(label, name, data)

    def open(self, newest: int, label: str, name: bytes, blob: bytes) -> bytes:
        """Open a record that was sealed in an epoch up to `newest`.

        Raises:
            DecryptError: the key is deleted, lies too far ahead, or did not seal this record in this place.
        """
        epoch = int.from_bytes(blob[:EPOCH_BYTES], "big")
        if epoch < self.oldest:
            raise DecryptError("the session key of that hour is deleted")
        if epoch > newest:
            raise DecryptError("sealed with a key of a time too far in the future")
        return self._cipher(epoch).open(label, name, blob[EPOCH_BYTES:])

    def _cipher(self, epoch: int) -> RecordCipher:
        cipher = self._vaults.get(epoch)
        if cipher is None:
            key = hkdf_expand(key_after(self.key, epoch - self.oldest), SEAL)
            cipher = self._vaults[epoch] = RecordCipher([hmac.digest(key, self._secret, "sha256")])
        return cipher
