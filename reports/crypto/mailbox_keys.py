"""Mailbox keys: hotlines seal answers to a reporter's public key; the private key opens with access code and PIN.

    answer  suite byte 01 ‖ HPKE as in the wrap of hpke.py
            info = tokaut/answer/1, mode, report_id, answer_id, each with its length before it (2 bytes)

Codes and PINs are short. A slow hash makes sure that somebody with the database and the keys still has to guess them.
"""

from __future__ import annotations

import hmac
from typing import Final

from argon2.low_level import Type, hash_secret_raw

from reports.crypto.hpke import PrivateKey, PublicKey
from reports.crypto.primitives import decrypt, encrypt, frame, hkdf_expand

# Argon2id (RFC 9106), one pass over 8 MiB: about 4 ms of CPU, once for each Send and each time My report is opened.
_PASSES: Final = 1
_KIBIBYTES: Final = 8 * 1024
_BYTES: Final = 32


def slow_hash(salt: bytes, *parts: str) -> bytes:
    """Return 32 bytes derived from `parts`. `salt`: 16 bytes or more, secret or not."""
    return hash_secret_raw(frame(*parts), salt, _PASSES, _KIBIBYTES, 1, _BYTES, Type.ID)


def new_mailbox_keys(secret: bytes) -> tuple[bytes, bytes]:
    """Return a key pair for a hotline's answers: (raw public key, private key sealed under `secret`).

    `secret` comes from a slow hash of code and PIN. Somebody who has the database and the store key, but neither code
    nor PIN, has to guess both: 10^11 pairs, each with a slow hash.
    """
    pair = PrivateKey.generate()
    return pair.public.raw, encrypt(_mailbox_key(secret), pair.raw(), frame("tokaut/mailbox/1"))


def open_mailbox_key(secret: bytes, sealed: bytes) -> PrivateKey:
    """Open the private key of a mailbox. Raises DecryptError."""
    return PrivateKey.from_raw(decrypt(_mailbox_key(secret), sealed, frame("tokaut/mailbox/1")))


def seal_answer(public: bytes, mode: str, report_id: str, answer_id: str, words: str) -> bytes:
    """Seal an answer. `public`: the raw public key of the mailbox. Raises DecryptError if it is not a valid key."""
    return PublicKey(public).seal(words.encode(), _info(mode, report_id, answer_id))


def open_answer(private: PrivateKey, mode: str, report_id: str, answer_id: str, sealed: bytes) -> str:
    """Open an answer. Raises DecryptError."""
    return private.open(sealed, _info(mode, report_id, answer_id)).decode(errors="replace")


def _info(mode: str, report_id: str, answer_id: str) -> bytes:
    return frame("tokaut/answer/1", mode, report_id, answer_id)


def _mailbox_key(secret: bytes) -> bytes:
    return hkdf_expand(hmac.digest(b"tokaut/mailbox/1", secret, "sha256"), b"private key")
