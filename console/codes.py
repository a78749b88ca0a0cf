"""One-time codes of an authenticator (RFC 6238): the second thing that everybody needs to log in."""

from __future__ import annotations

import hmac
from base64 import b32encode
from dataclasses import dataclass

import pyotp
import segno

from reports.crypto import RecordCipher

STEP = 30  # seconds
SECRET_BYTES = 20
ISSUER = "Tokaut"
QUIET = 4  # units of white around a QR code
EARLIER_OR_LATER = (0, -1, 1)  # steps: a phone's clock may be off


def drawn_for(cipher: RecordCipher, invitation: str, browser: str) -> bytes:
    """The secret that goes with an invitation in one browser: it is the same however often the page is opened there,
    and kept nowhere. In another browser it is another one: who saw the link on its way learns no codes by it."""
    return cipher.mac("one-time codes", invitation, browser)[:SECRET_BYTES]


def sealed(cipher: RecordCipher, staff_id: str, secret: bytes) -> bytes:
    return cipher.seal("one-time codes", staff_id.encode(), secret)


def opened(cipher: RecordCipher, staff_id: str, blob: bytes) -> bytes:
    """Raises Poison."""
    return cipher.open("one-time codes", staff_id.encode(), blob)


def step_of(secret: bytes, code: str, now: float) -> int | None:
    """The step that this code belongs to; None where it is none of now, just before or just after."""
    totp = pyotp.TOTP(_letters(secret))
    wanted = "".join(code.split())
    found = None
    for shift in EARLIER_OR_LATER:
        moment = int(now) + shift * STEP
        if hmac.compare_digest(totp.at(moment).encode(), wanted.encode()) and found is None:
            found = moment // STEP
    return found


def to_type(secret: bytes) -> str:
    """For who cannot take the picture: letters and digits in groups of four."""
    letters = _letters(secret)
    return " ".join(letters[at : at + 4] for at in range(0, len(letters), 4))


@dataclass(frozen=True, slots=True)
class Picture:
    """A QR code: `path` for an SVG whose side is `side` units; what it draws is dark on light."""

    side: int
    path: str


def picture(secret: bytes, name: str, hotline: str) -> Picture:
    """For an authenticator to take."""
    address = pyotp.TOTP(_letters(secret)).provisioning_uri(name=f"{name} ({hotline})", issuer_name=ISSUER)
    rows = tuple(segno.make(address, error="m", micro=False).matrix)
    dark = (f"M{x + QUIET} {y + QUIET}h1v1h-1z" for y, row in enumerate(rows) for x, one in enumerate(row) if one)
    return Picture(len(rows) + 2 * QUIET, "".join(dark))


def _letters(secret: bytes) -> str:
    return b32encode(secret).decode().rstrip("=")
