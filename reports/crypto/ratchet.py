"""A chain of keys, one for each ten minutes. Each key is derived from the one before it, and none can be reversed.

Somebody who holds the key of an epoch can derive those of all later epochs and of no earlier one. So a record cannot be
opened any more once the keys up to its epoch are deleted. Hosts that start from copies of one key derive the same keys.

    next key    HKDF-Expand(key, "tokaut/session-chain/1", "next")
    record      4-byte epoch ‖ a record of RecordCipher (see symmetric.py), whose key is
                HMAC-SHA256(HKDF-Expand(key, "tokaut/session-chain/1", "seal"), secret)
"""

from __future__ import annotations

import hmac
from typing import Final

from reports.crypto.primitives import DecryptError, frame, hkdf_expand
from reports.crypto.symmetric import RecordCipher

EPOCH_BYTES: Final = 4
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
            raise DecryptError("the key of its time is deleted")
        if epoch > newest:
            raise DecryptError("sealed in a time that is too far ahead")
        return self._cipher(epoch).open(label, name, blob[EPOCH_BYTES:])

    def _cipher(self, epoch: int) -> RecordCipher:
        cipher = self._vaults.get(epoch)
        if cipher is None:
            key = hkdf_expand(key_after(self.key, epoch - self.oldest), SEAL)
            cipher = self._vaults[epoch] = RecordCipher([hmac.digest(key, self._secret, "sha256")])
        return cipher
