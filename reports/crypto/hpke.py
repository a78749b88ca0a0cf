"""Seal bodies to a hotline's public key, and answers to a reporter's mailbox key (HPKE, RFC 9180).

    wrap    suite byte 01 ‖ HPKE base mode (RFC 9180; X25519, HKDF-SHA256, AES-256-GCM) of a fresh 32-byte key, 81 bytes
            info = tokaut/wrap/1, mode, report_id, revision, hotline, key_id, each with its length before it (2 bytes)
    head    12-byte nonce ‖ AES-256-GCM under that key: what a list shows
    sealed  the same for the whole body
            AAD = tokaut/body/1, mode, report_id, revision, part, framed alike

Suite byte 02 is reserved for a post-quantum suite; any other suite byte raises DecryptError. HPKE base mode does not
authenticate the sender: the rights of the database and the audit show who wrote a row. Vectors:
tests/reports/sealing_vectors.json.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from dataclasses import dataclass, replace
from typing import Final

from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from reports.crypto.symmetric import KEY_BYTES, DecryptError, decrypt, encrypt, frame, hkdf_expand
from runtime.settings import Mode

SUITE_BYTE: Final = b"\x01"
_HPKE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
# Argon2id (RFC 9106), one pass over 8 MiB: about 4 ms of CPU, once for each Send and each time My report is opened.
_PASSES: Final = 1
_KIBIBYTES: Final = 8 * 1024
_BYTES: Final = 32
_one_at_a_time = threading.Lock()  # concurrent hashes do not fit into the CPU cache and take a third more time each


@dataclass(frozen=True, slots=True)
class SealContext:
    """The identity of a body. The body opens under exactly this context and no other. `revision` counts from 1.

    A message under My report is not a revision: it has the id `report_id/message_id` and revision 0. The sound of a
    recording has the id `report_id/recording/recording_id`, and revision 0.
    """

    mode: Mode
    report_id: str
    revision: int
    hotline: str

    @classmethod
    def of_message(cls, mode: Mode, report_id: str, message_id: str, hotline: str) -> SealContext:
        """Return the context of a message under My report."""
        return cls(mode, f"{report_id}/{message_id}", 0, hotline)

    @classmethod
    def of_recording(cls, mode: Mode, report_id: str, recording_id: str, hotline: str) -> SealContext:
        """Return the context of the sound of a recording."""
        return cls(mode, f"{report_id}/recording/{recording_id}", 0, hotline)

    def info(self, key_id: str) -> bytes:
        """Return the HPKE info for the wrapped key."""
        return frame("tokaut/wrap/1", self.mode, self.report_id, str(self.revision), self.hotline, key_id)

    def aad(self, part: str) -> bytes:
        """Return the additional authenticated data of a part, `head` or `body`."""
        return frame("tokaut/body/1", self.mode, self.report_id, str(self.revision), part)


@dataclass(frozen=True, slots=True)
class SealedBody:
    """A sealed body as the database stores it.

    Opening the head does not count as reading the words; opening the body does.
    """

    key_id: str
    wrap: bytes
    head: bytes
    sealed: bytes


class PublicKey:
    """A hotline's public key. `key_id` is the first 16 hex digits of SHA-256 of the 32 raw bytes."""

    __slots__ = ("_key", "key_id", "raw")

    def __init__(self, raw: bytes) -> None:
        try:
            self._key = X25519PublicKey.from_public_bytes(raw)
            # The exchange refuses low-order points, which would give everybody the same secret
            X25519PrivateKey.generate().exchange(self._key)
        except ValueError:
            raise DecryptError("not an X25519 public key of 32 bytes") from None
        self.raw = raw
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    def seal(self, data: bytes, info: bytes) -> bytes:
        """Return suite byte ‖ HPKE of `data`: 49 bytes longer than `data`."""
        return SUITE_BYTE + _HPKE.encrypt(data, self._key, info)


class PrivateKey:
    """A hotline's private key. It never appears in a repr or a message."""

    __slots__ = ("_key", "public")

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> PrivateKey:
        """Return a new private key."""
        return cls(X25519PrivateKey.generate())

    @classmethod
    def from_raw(cls, raw: bytes) -> PrivateKey:
        """Return the key of these 32 bytes. Raises DecryptError."""
        try:
            return cls(X25519PrivateKey.from_private_bytes(raw))
        except ValueError:
            raise DecryptError("not an X25519 private key of 32 bytes") from None

    @classmethod
    def from_pem(cls, pem: bytes) -> PrivateKey:
        """Return the key in PKCS#8 without a pass phrase, as `pem` writes it. Raises DecryptError."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise DecryptError("not a private key in PKCS#8") from None
        if not isinstance(key, X25519PrivateKey):
            raise DecryptError("the private key is not an X25519 key")
        return cls(key)

    @property
    def key_id(self) -> str:
        """Return the key id of the public key."""
        return self.public.key_id

    def raw(self) -> bytes:
        """Return the 32 bytes of the private key."""
        return self._key.private_bytes_raw()

    def pem(self) -> bytes:
        """Return the key in PKCS#8, without a pass phrase."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Open what `PublicKey.seal` returned. Raises DecryptError."""
        if sealed[:1] != SUITE_BYTE:
            raise DecryptError("this release does not know the suite")
        try:
            return _HPKE.decrypt(sealed[1:], self._key, info)
        except (InvalidTag, ValueError):
            raise DecryptError("decryption failed") from None

    def unwrap(self, wrap: bytes, info: bytes) -> bytes:
        """Return the key of a body from its wrap. Raises DecryptError."""
        key = self.open(wrap, info)
        if len(key) != KEY_BYTES:
            raise DecryptError("the wrapped bytes are not a body key")
        return key


def seal_body(public: PublicKey, context: SealContext, head: bytes, body: bytes) -> SealedBody:
    """Seal head and body to a hotline's key; about 0.1 ms.

    Each call makes a fresh key: sealing the same body twice gives two results that have nothing in common.
    """
    key = AESGCM.generate_key(256)
    return SealedBody(
        key_id=public.key_id,
        wrap=public.seal(key, context.info(public.key_id)),
        head=encrypt(key, head, context.aad("head")),
        sealed=encrypt(key, body, context.aad("body")),
    )


def open_head(private: PrivateKey, context: SealContext, sealed_body: SealedBody) -> bytes:
    """Open the head. Raises DecryptError."""
    return decrypt(_body_key(private, context, sealed_body), sealed_body.head, context.aad("head"))


def open_body(private: PrivateKey, context: SealContext, sealed_body: SealedBody) -> bytes:
    """Open the body. Write the audit row before you call this for a person. Raises DecryptError."""
    return decrypt(_body_key(private, context, sealed_body), sealed_body.sealed, context.aad("body"))


def rewrap_body(old: PrivateKey, new: PublicKey, context: SealContext, sealed_body: SealedBody) -> SealedBody:
    """Wrap the key of a body for a new public key: 81 bytes change, and the body stays sealed. Raises DecryptError."""
    wrap = new.seal(_body_key(old, context, sealed_body), context.info(new.key_id))
    return replace(sealed_body, key_id=new.key_id, wrap=wrap)


def _body_key(private_key: PrivateKey, context: SealContext, body: SealedBody) -> bytes:
    if body.key_id != private_key.key_id:
        raise DecryptError("sealed to another key")
    return private_key.unwrap(body.wrap, context.info(body.key_id))


# Mailbox keys: hotlines seal answers to a reporter's public key; the private key opens with access code and PIN.
#
#     answer  suite byte 01 ‖ HPKE as in the wrap (see the top of this file)
#             info = tokaut/answer/1, mode, report_id, answer_id, each with its length before it (2 bytes)
#
# Codes and PINs are short. Because of the slow hash, an attacker with the database and the keys still has to guess
# them.


def slow_hash(salt: bytes, *parts: str) -> bytes:
    """Return 32 bytes derived from `parts`. `salt`: 16 bytes or more, secret or not."""
    with _one_at_a_time:
        return hash_secret_raw(frame(*parts), salt, _PASSES, _KIBIBYTES, 1, _BYTES, Type.ID)


def new_mailbox_keys(secret: bytes) -> tuple[bytes, bytes]:
    """Return a key pair for a hotline's answers: (raw public key, private key sealed under `secret`).

    `secret` comes from a slow hash of code and PIN. An attacker who has the database and the store key, but
    neither code nor PIN, has to guess both: 10^11 pairs, each with a slow hash.
    """
    pair = PrivateKey.generate()
    return pair.public.raw, encrypt(_mailbox_key(secret), pair.raw(), frame("tokaut/mailbox/1"))


def open_mailbox_key(secret: bytes, sealed: bytes) -> PrivateKey:
    """Open the private key of a mailbox. Raises DecryptError."""
    return PrivateKey.from_raw(decrypt(_mailbox_key(secret), sealed, frame("tokaut/mailbox/1")))


def seal_answer(public: bytes, mode: Mode, report_id: str, answer_id: str, words: str) -> bytes:
    """Seal an answer. `public`: the raw public key of the mailbox. Raises DecryptError if it is not a valid key."""
    return PublicKey(public).seal(words.encode(), _info(mode, report_id, answer_id))


def open_answer(private: PrivateKey, mode: Mode, report_id: str, answer_id: str, sealed: bytes) -> str:
    """Open a hotline's answer with the private key of the reporter's mailbox. Raises DecryptError."""
    return private.open(sealed, _info(mode, report_id, answer_id)).decode(errors="replace")


def _info(mode: Mode, report_id: str, answer_id: str) -> bytes:
    return frame("tokaut/answer/1", mode, report_id, answer_id)


def _mailbox_key(secret: bytes) -> bytes:
    return hkdf_expand(hmac.digest(b"tokaut/mailbox/1", secret, "sha256"), b"private key")
