"""The console's five cookies. `__Host-`: no other host can set them, and without TLS they work only on localhost.

__Host-tokaut           the session; deleted when the browser closes
__Host-tokaut-browser   who has logged in in this browser: a lock on their name does not apply here
__Host-tokaut-language  the language of the pages
__Host-tokaut-alarm     whether urgent reports may sound, or show a notification without content, in this browser
__Host-tokaut-keys      `off` if single keys do nothing in this browser
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
KEYS = "__Host-tokaut-keys"
MAX_AGE_SECONDS = 400 * 24 * 3600  # the longest that browsers accept
MAX_PROOFS = 12  # the number of people who can share one browser
PROOF_LENGTH = 22  # characters


def new_session() -> str:
    """Return a new session token."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """Return the hash by which a session is stored."""
    return hashlib.sha256(token.encode()).digest()


def read(request: Request, name: str) -> str:
    """Return the value of a cookie; empty if it is missing or sent twice, because then one of the two is not ours."""
    pairs = [pair.strip().partition("=") for pair in request.headers.get("Cookie", "").split(";")]
    values = [value for key, _, value in pairs if key == name]
    return values[0][:1024] if len(values) == 1 else ""


def set_cookie(response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set a cookie for `seconds`, or until the browser closes."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="Strict")


def delete_cookie(response: Response, name: str) -> None:
    """Let the browser delete a cookie that `set_cookie` has set."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="Strict")


@dataclass(frozen=True, slots=True)
class Browser:
    """The browser cookie. `nonce`: random id of the browser; `proofs`: a MAC for each person who logged in there."""

    nonce: str
    proofs: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: Request) -> Browser:
        """Read the browser cookie of a request, or create a new one."""
        nonce, *proofs = read(request, BROWSER).split(".")
        return cls(nonce, tuple(proofs[:MAX_PROOFS])) if len(nonce) == 22 else cls(secrets.token_urlsafe(16))

    def knows(self, cipher: RecordCipher, name: str) -> bool:
        """Return whether the person with this name has logged in in this browser."""
        expected_proofs = [_proof(mac) for mac in cipher.macs("browser", self.nonce, name)]
        return any(
            hmac.compare_digest(expected, proof)
            for expected in expected_proofs
            for proof in self.proofs
            if proof.isascii()
        )

    def having(self, cipher: RecordCipher, name: str) -> Browser:
        """Return the cookie after a login of this person. Only the latest MAX_PROOFS people stay in it."""
        proof = _proof(cipher.mac("browser", self.nonce, name))
        return Browser(self.nonce, (proof, *(earlier for earlier in self.proofs if earlier != proof))[:MAX_PROOFS])

    def set_on(self, response: Response) -> None:
        """Set the cookie on a response."""
        set_cookie(response, BROWSER, ".".join((self.nonce, *self.proofs)), seconds=MAX_AGE_SECONDS)


def _proof(mac: bytes) -> str:
    return urlsafe_b64encode(mac).decode()[:PROOF_LENGTH]
