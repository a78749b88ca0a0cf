"""The secret in the address of a provider that does not sign."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from gateway.messaging.model import Fields, RawRequest
from runtime.settings import Secret


class Tokens:
    """One valid token, or two while one is replaced."""

    __slots__ = ("_digests",)

    def __init__(self, valid: Secret[tuple[str, ...]]) -> None:
        self._digests = tuple(sha256(token.encode("ascii")).digest() for token in valid.reveal())

    def accept(self, token: str) -> bool:
        """Every valid token is compared, so that time tells neither which one nor how much of it was right."""
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        return sum(hmac.compare_digest(digest, valid) for valid in self._digests) > 0


class TokenAuthMixin:
    """What a channel has where the provider signs nothing: the secret in the address says so already."""

    token = True

    def __init__(self, valid: Secret[tuple[str, ...]]) -> None:
        self._tokens = Tokens(valid)

    def accepts(self, token: str) -> bool:
        return self._tokens.accept(token)

    def may_vouch(self, header: Callable[[str], str]) -> bool:
        del header
        return True

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        del wire, fields
        return True
