"""A WebAuthn security key in software. Tests can make it report a false counter, user or origin."""

from __future__ import annotations

import json
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def data(of: str) -> bytes:
    return urlsafe_b64decode(of + "=" * (-len(of) % 4))


@dataclass
class SecurityKey:
    """One security key with one passkey. `counts`: False for a model whose signature counter stays 0."""

    origin: str
    host: str
    counts: bool = True
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    user: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: dict[str, Any]) -> str:
        """Return the JSON response to the creation options of a server."""
        self.user = data(options["user"]["id"])
        point = self.private.public_key().public_numbers()
        public_key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        attested = bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id + cbor.encode(public_key)
        attestation = {"fmt": "none", "attStmt": {}, "authData": self._data(self.flags | ATTESTED) + attested}
        return self._answer(
            {
                "clientDataJSON": text(self._client("webauthn.create", options["challenge"])),
                "attestationObject": text(cbor.encode(attestation)),
            }
        )

    def sign(self, options: dict[str, Any], **wrong: str) -> str:
        """Return the JSON response to the request options of a server. `wrong`: parts that replace the correct ones."""
        client, signed = self._client("webauthn.get", options["challenge"]), self._data(self.flags)
        signature = self.private.sign(signed + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        right = {"clientDataJSON": client, "authenticatorData": signed, "signature": signature, "userHandle": self.user}
        return self._answer({**{name: text(part) for name, part in right.items()}, **wrong})

    def _data(self, flags: int) -> bytes:
        self.counter += self.counts
        return sha256(self.host.encode()).digest() + struct.pack(">BI", flags, self.counter)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict[str, str]) -> str:
        found = text(self.credential_id)
        return json.dumps({"id": found, "rawId": found, "type": "public-key", "response": response})
