"""The GSM 7-bit default alphabet (3GPP TS 23.038): septets, code units and SMS segments. Pure."""

from __future__ import annotations

import re
from typing import Literal

GSM7_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


GSM7_EXTENDED = "\f^{}\\[~]|€"  # each takes two septets


GSM7 = re.compile(f"[{re.escape(GSM7_BASIC + GSM7_EXTENDED)}]*")


GSM7_SINGLE = re.compile(f"[{re.escape(GSM7_BASIC)}]*")


_EXTENDED_CHARACTER = re.compile(f"[{re.escape(GSM7_EXTENDED)}]")


def alphabet(text: str) -> Literal["gsm7", "ucs2"]:
    """Return the alphabet that an SMS with this text needs."""
    return "gsm7" if GSM7.fullmatch(text) else "ucs2"


def septets(text: str) -> int:
    """Return the number of septets of a text whose alphabet is gsm7."""
    return len(text) + len(_EXTENDED_CHARACTER.findall(text))


def size(text: str) -> int:
    """Return the size in units of the text's own alphabet: septets, or UTF-16 code units."""
    return septets(text) if GSM7.fullmatch(text) else len(text.encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> int:
    """Return the number of SMS that the network makes of a text; a character is never divided."""
    is_gsm7 = GSM7.fullmatch(text)
    single_limit, segment_limit = (160, 153) if is_gsm7 else (70, 67)
    if size(text) <= single_limit:
        return 1
    count, used = 1, 0
    for char in text:
        units = 2 if (char in GSM7_EXTENDED if is_gsm7 else ord(char) > 0xFFFF) else 1
        if used + units > segment_limit:
            count, used = count + 1, 0
        used += units
    return count
