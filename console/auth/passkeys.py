"""Passkeys (WebAuthn Level 3): what the browser is asked to do, and whether its answer is right.

A passkey is used with user verification (PIN, finger or face), so it counts as password and one-time code together. It
is a discoverable credential: nobody types a name, and nobody can ask which names have passkeys.

A challenge holds its own proof: when it expires and a MAC that binds it to one purpose and one browser or session. The
console stores nothing until an answer comes; then the challenge is counted by `login_throttle`, and works once.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import secrets
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from fido2 import cbor
from fido2.cose import CoseKey
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    Aaguid,
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from reports.crypto import RecordCipher
from reports.store.staff.accounts import Account
from reports.store.staff.login_throttle import LoginAttempt, LoginLimit
from reports.store.staff.passkeys import Passkey
from runtime.time_units import DAY_SECONDS, MINUTE_SECONDS, SECOND

CHALLENGE_LIFETIME = 5 * MINUTE_SECONDS
RANDOM_BYTES = 16
HEAD_BYTES = 8 + RANDOM_BYTES  # time of expiry, and random bytes
ONCE = LoginLimit(max_attempts=1, period=DAY_SECONDS, lock_time=DAY_SECONDS, max_lock_time=DAY_SECONDS)
PRODUCT = "Tokaut"
MAX_CREDENTIAL_ID = 1023  # bytes, by the standard
ALGORITHM = 3  # label in a COSE_Key
# Exceptions of the library for an unreadable answer; no part of the answer may appear on an error page.
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    RecursionError,
    OverflowError,
    struct.error,
)


class Purpose(StrEnum):
    """The one purpose of a challenge."""

    LOGIN = "login"
    CHECK = "check"
    UNLOCK = "unlock"
    ADD = "add"


class InvalidAnswer(Exception):
    """The answer of a browser is unreadable, forged, or does not belong to this challenge. It never has the input."""


@dataclass(frozen=True, slots=True)
class Site:
    """The console as browsers see it. `origin`: scheme, host and port of CONSOLE_URL; `host`: the relying party id."""

    origin: str
    host: str


def site(console_url: str | None) -> Site | None:
    """Return the site of an address; None if there is none, or if its host is an IP address: those have no passkeys."""
    parts = urlsplit(console_url or "")
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        is_default_port = parts.port in (None, {"https": 443, "http": 80}.get(parts.scheme))
        origin = f"{parts.scheme}://{host}" + ("" if is_default_port else f":{parts.port}")
        return Site(origin, host) if host and (parts.scheme == "https" or host == "localhost") else None
    return None


@dataclass(frozen=True, slots=True)
class Assertion:
    """The readable answer to a login with a passkey; nothing of it is verified yet."""

    credential_id: bytes
    user_handle: bytes | None
    challenge: bytes
    sign_count: int
    response: AuthenticationResponse


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A verified new passkey, and the challenge that it answered."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    challenge: bytes


@dataclass(frozen=True, slots=True)
class Ceremony:
    """One use of a passkey. `holder`: the browser or session that may answer; `now`: microseconds."""

    site: Site
    cipher: RecordCipher
    purpose: Purpose
    holder: bytes | str
    now: int

    def new_challenge(self) -> bytes:
        """Return a challenge for this holder and purpose."""
        head = struct.pack(">Q", self.now // SECOND + CHALLENGE_LIFETIME) + secrets.token_bytes(RANDOM_BYTES)
        return head + self.cipher.mac("passkey", self.purpose, self.holder, head)

    def is_own_challenge(self, challenge: bytes) -> bool:
        """Return whether a challenge was made for this holder and purpose, and has not expired."""
        head, proof = challenge[:HEAD_BYTES], challenge[HEAD_BYTES:]
        if len(head) != HEAD_BYTES:
            return False
        macs = self.cipher.macs("passkey", self.purpose, self.holder, head)
        is_known = any(hmac.compare_digest(mac, proof) for mac in macs)
        return is_known and struct.unpack(">Q", head[:8])[0] > self.now // SECOND

    def request_options(self, allowed: tuple[Passkey, ...] = ()) -> dict[str, Any]:
        """Return the options of an assertion by the browser, as JSON values.

        `allowed`: the account's passkeys; empty: any passkey of this site.
        """
        credentials = [_descriptor(one.credential_id) for one in allowed] or None
        server, verified = _server(self.site), UserVerificationRequirement.REQUIRED
        options, _ = server.authenticate_begin(credentials, verified, self.new_challenge())
        return {**options.public_key, "timeout": CHALLENGE_LIFETIME * 1000}

    def creation_options(self, account: Account, existing: tuple[Passkey, ...]) -> dict[str, Any]:
        """Return the options of a new passkey, as JSON values. Keys that have a passkey already are excluded."""
        options, _ = _server(self.site).register_begin(
            PublicKeyCredentialUserEntity(id=account.staff_id.encode(), name=account.name, display_name=account.name),
            [_descriptor(one.credential_id) for one in existing],
            ResidentKeyRequirement.REQUIRED,
            UserVerificationRequirement.REQUIRED,
            challenge=self.new_challenge(),
        )
        return {**options.public_key, "timeout": CHALLENGE_LIFETIME * 1000}

    def verify_assertion(self, assertion: Assertion, passkey: Passkey) -> None:
        """Verify origin, challenge, user verification, owner and signature. Raises InvalidAnswer.

        Whether the challenge was answered before, and whether the counter grew, is for the caller to check in the
        store.
        """
        is_owner = assertion.user_handle in (None, passkey.staff_id.encode())
        if not is_owner or not self.is_own_challenge(assertion.challenge):
            raise InvalidAnswer
        try:
            head = Aaguid.NONE + struct.pack(">H", len(passkey.credential_id)) + passkey.credential_id
            credential = AttestedCredentialData(head + passkey.public_key)
            _server(self.site).authenticate_complete(_state(assertion.challenge), [credential], assertion.response)
        except UNREADABLE:
            raise InvalidAnswer from None

    def verify_creation(self, text: str) -> NewCredential:
        """Verify a new passkey. Raises InvalidAnswer. Attestation is neither asked for nor looked at."""
        try:
            response = RegistrationResponse.from_dict(_json(text))
            challenge = response.response.client_data.challenge
            data = _server(self.site).register_complete(_state(challenge), response)
            credential = data.credential_data
        except UNREADABLE:
            raise InvalidAnswer from None
        if credential is None or not 0 < len(credential.credential_id) <= MAX_CREDENTIAL_ID:
            raise InvalidAnswer
        if credential.public_key.get(ALGORITHM) not in CoseKey.supported_algorithms():
            raise InvalidAnswer
        if not self.is_own_challenge(challenge):
            raise InvalidAnswer
        return NewCredential(credential.credential_id, cbor.encode(credential.public_key), data.counter, challenge)


def challenge_attempt(cipher: RecordCipher, challenge: bytes) -> LoginAttempt:
    """Return the counter of a challenge, which allows one answer."""
    return LoginAttempt(cipher.mac("tries", "challenge", challenge), ONCE)


def read_assertion(text: str) -> Assertion:
    """Read the answer of a browser. Raises InvalidAnswer."""
    try:
        response = AuthenticationResponse.from_dict(_json(text))
        data = response.response
        challenge, counter = data.client_data.challenge, data.authenticator_data.counter
        return Assertion(response.raw_id, data.user_handle, challenge, counter, response)
    except UNREADABLE:
        raise InvalidAnswer from None


def _json(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise InvalidAnswer
    return value


def _server(site: Site) -> Fido2Server:
    return Fido2Server(
        PublicKeyCredentialRpEntity(id=site.host, name=PRODUCT),
        attestation=AttestationConveyancePreference.NONE,
        verify_origin=lambda origin: origin == site.origin,
    )


def _state(challenge: bytes) -> dict[str, object]:
    """Return the state that the library requires. The challenge was already checked by its MAC."""
    return {"challenge": websafe_encode(challenge), "user_verification": UserVerificationRequirement.REQUIRED}


def _descriptor(credential_id: bytes) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=credential_id)
