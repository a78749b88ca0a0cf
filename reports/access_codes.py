"""Access code and PIN, which a reporter gets at Send: derived from keyed hashes, typed on a keypad. Pure.

A code is 7 digits and a Damm check digit, which detects every single wrong digit and every swap of neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# H. Michael Damm's quasigroup of order 10, from his thesis "Total anti-symmetrische Quasigruppen" (Marburg, 2004).
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
PAIRS: Final = ([8, 4], [4, 4, 4], [12])  # how many digits stand together in code and PIN


def derive_code(mac: bytes) -> str:
    """Return 8 digits from the first 8 bytes of a 32-byte hash. The bias of 2^64 modulo 10^7 is below one in 10^12."""
    digits = f"{int.from_bytes(mac[:8], 'big') % 10**7:07}"
    return digits + check_digit(digits)


def derive_pin(mac: bytes) -> str:
    """Return 4 digits from the next 8 bytes, so that one hash can give code and PIN."""
    return f"{int.from_bytes(mac[8:16], 'big') % 10**4:04}"


def format_code(code: str) -> str:
    """Format a code as a person copies it: 4821 9303."""
    return f"{code[:4]} {code[4:]}"


def parse_code(text: str) -> str | None:
    """Return the 8 digits of a code; None if the length or the check digit is wrong.

    Digits of any script are accepted, whatever else is around them, as in `Code 4821 9303.`
    """
    digits = _digits(text)
    return digits if len(digits) == 8 and _damm(digits) == 0 else None


def parse_pin(text: str) -> str | None:
    """Return the 4 digits of a PIN, typed as a code may be; None if it has another length."""
    digits = _digits(text)
    return digits if len(digits) == 4 else None


def split_pair(text: str) -> tuple[str, str] | None:
    """Return code and PIN of a text that has both, as the Sent screen shows them; None for any other text.

    In words with other numbers, as of a phone, the digits are grouped otherwise or are no possible code.
    """
    runs = re.findall(r"\d+", unicodedata.normalize("NFKC", text))
    digits = _digits(text)
    is_grouped = [len(run) for run in runs] in PAIRS and "+" not in unicodedata.normalize("NFKC", text)
    code = parse_code(digits[:8]) if is_grouped else None
    return (code, digits[8:]) if code else None


def check_digit(digits: str) -> str:
    """Return the check digit that follows `digits` (ASCII)."""
    return str(_damm(digits))


def _damm(digits: str) -> int:
    row = 0
    for digit in digits:
        row = _DAMM[row]["0123456789".index(digit)]
    return row


def _digits(text: str) -> str:
    """Return the digits of any script in ASCII."""
    values = (unicodedata.decimal(character, None) for character in unicodedata.normalize("NFKC", text))
    return "".join(str(value) for value in values if value is not None)
