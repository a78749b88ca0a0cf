"""One-time codes of an authenticator (RFC 6238): the second thing that everybody needs to log in."""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass

import pyotp
import segno

from reports.crypto import RecordCipher

STEP_SECONDS = 30  # seconds
SECRET_BYTES = 20
ISSUER = "Tokaut"
QUIET_ZONE = 4  # units of white around a QR code
STEP_OFFSETS = (0, -1, 1)  # steps: a phone's clock may be off


def derive_secret(cipher: RecordCipher, invitation: str, browser: str) -> bytes:
    """The secret that goes with an invitation in one browser: it is the same however often the page is opened there,
    and kept nowhere. In another browser it is another one: who saw the link on its way learns no codes by it."""
    return cipher.mac("one-time codes", invitation, browser)[:SECRET_BYTES]


def seal_secret(cipher: RecordCipher, staff_id: str, secret: bytes) -> bytes:
    return cipher.seal("one-time codes", staff_id.encode(), secret)


def open_secret(cipher: RecordCipher, staff_id: str, blob: bytes) -> bytes:
    """Raises Poison."""
    return cipher.open("one-time codes", staff_id.encode(), blob)


def matching_step(secret: bytes, code: str, now: float) -> int | None:
    """The step that this code belongs to; None where it is none of now, just before or just after."""
    totp = pyotp.TOTP(_letters(secret))
    wanted = "".join(code.split())
    found = None
    for shift in STEP_OFFSETS:
        moment = int(now) + shift * STEP_SECONDS
        if hmac.compare_digest(totp.at(moment).encode(), wanted.encode()) and found is None:
            found = moment // STEP_SECONDS
    return found


def manual_entry_key(secret: bytes) -> str:
    """For who cannot take the picture: letters and digits in groups of four."""
    letters = _letters(secret)
    return " ".join(letters[at : at + 4] for at in range(0, len(letters), 4))


@dataclass(frozen=True, slots=True)
class QrCode:
    """A QR code: `path` for an SVG whose side is `side` units; what it draws is dark on light."""

    side: int
    path: str


def qr_code(secret: bytes, name: str, hotline: str) -> QrCode:
    """For an authenticator to take."""
    address = pyotp.TOTP(_letters(secret)).provisioning_uri(name=f"{name} ({hotline})", issuer_name=ISSUER)
    rows = tuple(segno.make(address, error="m", micro=False).matrix)
    dark = (
        f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z" for y, row in enumerate(rows) for x, one in enumerate(row) if one
    )
    return QrCode(len(rows) + 2 * QUIET_ZONE, "".join(dark))


def _letters(secret: bytes) -> str:
    return b32encode(secret).decode().rstrip("=")
