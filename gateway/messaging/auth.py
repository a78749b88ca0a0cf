"""Authenticate a provider that does not sign its requests, by a secret in the address."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from gateway.messaging.model import Fields, RawRequest
from runtime.settings import Secret


class Tokens:
    """The valid tokens of a channel: one, or two while one is replaced."""

    __slots__ = ("_digests",)

    def __init__(self, valid: Secret[tuple[str, ...]]) -> None:
        self._digests = tuple(sha256(token.encode("ascii")).digest() for token in valid.reveal())

    def accept(self, token: str) -> bool:
        """Return whether a token is valid, in constant time.

        It is compared with every valid token, so that the time reveals neither which one matched nor how much of it.
        """
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


class TokenAuthMixin:
    """Authentication methods of a channel whose provider signs nothing."""

    token = True

    def __init__(self, valid: Secret[tuple[str, ...]]) -> None:
        self._tokens = Tokens(valid)

    def accepts(self, token: str) -> bool:
        """Return whether the secret in the address is valid."""
        return self._tokens.accept(token)

    def may_be_genuine(self, header: Callable[[str], str]) -> bool:
        """Return True: the secret in the address was checked already."""
        del header
        return True

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Return True: there is no signature, and the secret in the address was checked already."""
        del wire, fields
        return True
