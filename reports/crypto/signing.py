"""Signatures (Ed25519, RFC 8032) for the checkpoints of the audit."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reports.crypto.symmetric import DecryptError


class VerifyKey:
    """The public key. `key_id` is the first 16 hex digits of SHA-256 of the 32 raw bytes."""

    __slots__ = ("_key", "key_id", "raw")

    def __init__(self, raw: bytes) -> None:
        try:
            self._key = Ed25519PublicKey.from_public_bytes(raw)
        except ValueError:
            raise DecryptError("not an Ed25519 public key of 32 bytes") from None
        self.raw = raw
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    def holds(self, signature: bytes, data: bytes) -> bool:
        """Return whether this key's private key signed `data`."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private key. It never appears in a repr or a message."""

    __slots__ = ("_key", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = VerifyKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """Return the key in PKCS#8 without a pass phrase, as `pem` writes it. Raises DecryptError."""
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise DecryptError("not a private key in PKCS#8") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise DecryptError("the private key is not an Ed25519 key")
        return cls(key)

    def pem(self) -> bytes:
        """Return the key in PKCS#8, without a pass phrase."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`."""
        return self._key.sign(data)
