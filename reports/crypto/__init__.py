"""Encryption: reports and answers can be read only by the hotline or reporter they are sealed to.

No other package uses cryptography.
"""

from reports.crypto.hpke import (
    PrivateKey,
    PublicKey,
    SealContext,
    SealedBody,
    new_mailbox_keys,
    open_answer,
    open_body,
    open_head,
    open_mailbox_key,
    rewrap_body,
    seal_answer,
    seal_body,
    slow_hash,
)
from reports.crypto.signing import SigningKey, VerifyKey
from reports.crypto.symmetric import DecryptError, KeyRatchet, PhonePepper, RecordCipher, key_after, keyed_hash

__all__ = [
    "DecryptError",
    "KeyRatchet",
    "PhonePepper",
    "PrivateKey",
    "PublicKey",
    "RecordCipher",
    "SealContext",
    "SealedBody",
    "SigningKey",
    "VerifyKey",
    "key_after",
    "keyed_hash",
    "new_mailbox_keys",
    "open_answer",
    "open_body",
    "open_head",
    "open_mailbox_key",
    "rewrap_body",
    "seal_answer",
    "seal_body",
    "slow_hash",
]
