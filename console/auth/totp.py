"""One-time codes of an authenticator (RFC 6238), the second factor of every login."""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass

import pyotp
import segno

from reports.crypto import RecordCipher

STEP_SECONDS = 30
SECRET_BYTES = 20
ISSUER = "Tokaut"
QUIET_ZONE = 4  # white modules around a QR code
STEP_OFFSETS = (0, -1, 1)  # accepted steps: a phone's clock may be off


def derive_secret(cipher: RecordCipher, invitation: str, browser: str) -> bytes:
    """Derive the secret of an invitation in one browser: the same each time its page is opened there, stored nowhere.

    Another browser gets another secret, so that the link alone reveals no codes to somebody who intercepted it.
    """
    return cipher.mac("one-time codes", invitation, browser)[:SECRET_BYTES]


def seal_secret(cipher: RecordCipher, staff_id: str, secret: bytes) -> bytes:
    """Seal a secret for storage."""
    return cipher.seal("one-time codes", staff_id.encode(), secret)


def open_secret(cipher: RecordCipher, staff_id: str, blob: bytes) -> bytes:
    """Open a stored secret. Raises DecryptError."""
    return cipher.open("one-time codes", staff_id.encode(), blob)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """Return the time step of a code; None if it is not the current, previous or next one. `now`: Unix seconds."""
    totp = pyotp.TOTP(_letters(secret))
    typed = "".join(code.split())
    matched_step = None
    for offset in STEP_OFFSETS:
        moment = int(now) + offset * STEP_SECONDS
        if hmac.compare_digest(totp.at(moment).encode(), typed.encode()) and matched_step is None:
            matched_step = moment // STEP_SECONDS
    return matched_step


def manual_entry_key(secret: bytes) -> str:
    """Return the secret for typing instead of scanning: letters and digits in groups of four."""
    letters = _letters(secret)
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR code as an SVG of `side` × `side` units. `path`: draws its dark modules."""

    side: int
    path: str


def qr_code(secret: bytes, name: str, hotline: str) -> QrCode:
    """Return the QR code that an authenticator scans."""
    address = pyotp.TOTP(_letters(secret)).provisioning_uri(name=f"{name} ({hotline})", issuer_name=ISSUER)
    rows = tuple(segno.make(address, error="m", micro=False).matrix)
    modules = (
        f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return QrCode(len(rows) + 2 * QUIET_ZONE, "".join(modules))


def _letters(secret: bytes) -> str:
    return b32encode(secret).decode().rstrip("=")
