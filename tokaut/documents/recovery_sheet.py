"""The recovery sheet of a hotline's private key: on paper, in a sealed envelope, opened once a year in a drill."""

from __future__ import annotations

import hashlib

from reports.crypto import DecryptError, PrivateKey
from runtime.operator_error import OperatorError


class SheetError(OperatorError):
    """The typed text is not a valid sheet. The message is one line for the person who typed it."""


def sheet_text(hotline: str, private: PrivateKey) -> str:
    """Return the sheet. It has 17 groups of 4 hex digits: the key, and a checksum in the last group."""
    digits = private.raw().hex() + _checksum(private.raw())
    groups = [digits[start : start + 4] for start in range(0, len(digits), 4)]
    rows = "\n".join("    " + " ".join(groups[start : start + 6]) for start in range(0, len(groups), 6))
    return (
        "\nRECOVERY SHEET: on paper only, in a sealed envelope, kept by the hotline\n"
        f"  hotline  {hotline}\n  key id   {private.key_id}\n  private key and check\n{rows}\n"
        f"  To put it back: tokaut keys restore {hotline}\n"
    )


def parse_sheet(typed: str) -> PrivateKey:
    """Return the key from the typed groups of a sheet. Spaces may be anywhere. Raises SheetError."""
    try:
        raw = bytes.fromhex("".join(typed.split()))
        private = PrivateKey.from_raw(raw[:32])
    except (ValueError, DecryptError):
        raise SheetError("The sheet has 17 groups of 4: digits, and letters from a to f. Try again.") from None
    if raw[32:].hex() != _checksum(raw[:32]):
        raise SheetError("Something was typed wrong: the last group does not fit the others. Try again.")
    return private


def _checksum(raw: bytes) -> str:
    return hashlib.sha256(b"tokaut/sheet/1" + raw).hexdigest()[:4]
