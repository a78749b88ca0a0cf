"""The console's four cookies. `__Host-`: no other host can set them, and without TLS they go to this machine alone.

__Host-tokaut          the session; gone with the browser
__Host-tokaut-browser  where people have logged in before: a lock on their name does not hold here
__Host-tokaut-language the language of the pages
__Host-tokaut-alarm    whether urgent reports may sound, or show a notification without content, in this browser
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from flask import Request, Response

from reports.crypto import RecordCipher

SESSION, BROWSER, LANGUAGE = "__Host-tokaut", "__Host-tokaut-browser", "__Host-tokaut-language"
ALARM = "__Host-tokaut-alarm"
MAX_AGE_SECONDS = 400 * 24 * 3600  # the longest that browsers keep one
MAX_PROOFS = 12  # at one browser of a shared desk
PROOF_LENGTH = 22  # characters


def new_session() -> str:
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def read(request: Request, name: str) -> str:
    """The raw header is looked through: a second cookie of the name is no cookie of ours."""
    pairs = [one.strip().partition("=") for one in request.headers.get("Cookie", "").split(";")]
    found = [value for key, _, value in pairs if key == name]
    return found[0][:1024] if len(found) == 1 else ""


def set_cookie(response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="Strict")


def delete_cookie(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")


@dataclass(frozen=True, slots=True)
class Browser:
    """`nonce`: its own; `proofs`: one for each person who has logged in there."""

    nonce: str
    proofs: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Request) -> Browser:
        """A new one where it has none."""
        nonce, *proofs = read(request, BROWSER).split(".")
        return cls(nonce, tuple(proofs[:MAX_PROOFS])) if len(nonce) == 22 else cls(secrets.token_urlsafe(16))

    def knows(self, cipher: RecordCipher, name: str) -> bool:
        wanted = [_proof(mac) for mac in cipher.macs("browser", self.nonce, name)]
        return any(hmac.compare_digest(one, proof) for one in wanted for proof in self.proofs if proof.isascii())

    def having(self, cipher: RecordCipher, name: str) -> Browser:
        """After somebody has logged in there; the last ones stay."""
        proof = _proof(cipher.mac("browser", self.nonce, name))
        return Browser(self.nonce, (proof, *(one for one in self.proofs if one != proof))[:MAX_PROOFS])

    def keep(self, response: Response) -> None:
        set_cookie(response, BROWSER, ".".join((self.nonce, *self.proofs)), seconds=MAX_AGE_SECONDS)


def _proof(mac: bytes) -> str:
    return urlsafe_b64encode(mac).decode()[:PROOF_LENGTH]
