"""The recovery sheet of a hotline's private key: on paper, in a sealed envelope, opened once a year in a drill."""

from __future__ import annotations

import hashlib

from reports.crypto import DecryptError, PrivateKey


class SheetError(Exception):
    """One line for whoever types."""


def sheet_text(hotline: str, private: PrivateKey) -> str:
    """17 groups of 4 hex digits: the key, and in the last group a check of it."""
    digits = private.raw().hex() + _check(private.raw())
    groups = [digits[at : at + 4] for at in range(0, len(digits), 4)]
    rows = "\n".join("    " + " ".join(groups[at : at + 6]) for at in range(0, len(groups), 6))
    return (
        "\nRECOVERY SHEET: on paper only, in a sealed envelope, kept by the hotline\n"
        f"  hotline  {hotline}\n  key id   {private.key_id}\n  private key and check\n{rows}\n"
        f"  To put it back: tokaut keys restore {hotline}\n"
    )


def parse_sheet(typed: str) -> PrivateKey:
    """The groups as they stand on the sheet, blanks anywhere. Raises Misread."""
    try:
        raw = bytes.fromhex("".join(typed.split()))
        private = PrivateKey.from_raw(raw[:32])
    except (ValueError, DecryptError):
        raise SheetError("The sheet has 17 groups of 4: digits, and letters from a to f. Try again.") from None
    if raw[32:].hex() != _check(raw[:32]):
        raise SheetError("Something was typed wrong: the last group does not fit the others. Try again.")
    return private


def _check(raw: bytes) -> str:
    return hashlib.sha256(b"tokaut/sheet/1" + raw).hexdigest()[:4]
