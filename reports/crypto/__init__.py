"""Encryption: reports and answers can be read only by the hotline or reporter they are sealed to.

No other package uses cryptography.
"""

from reports.crypto.hpke import (
    PrivateKey,
    PublicKey,
    SealContext,
    SealedBody,
    open_body,
    open_head,
    rewrap_body,
    seal_body,
)
from reports.crypto.mailbox_keys import new_mailbox_keys, open_answer, open_mailbox_key, seal_answer, slow_hash
from reports.crypto.primitives import DecryptError
from reports.crypto.ratchet import KeyRatchet, key_after
from reports.crypto.signing import SigningKey, VerifyKey
from reports.crypto.symmetric import PhonePepper, RecordCipher, keyed_hash

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
