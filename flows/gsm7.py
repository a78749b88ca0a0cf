"""The GSM 7-bit default alphabet (3GPP TS 23.038): septets, code units and SMS segments. Pure."""

from __future__ import annotations

import re
from typing import Literal

GSM7_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)


GSM7_EXTENDED = "\f^{}\\[~]|€"  # two septets each


GSM7 = re.compile(f"[{re.escape(GSM7_BASIC + GSM7_EXTENDED)}]*")


GSM7_SINGLE = re.compile(f"[{re.escape(GSM7_BASIC)}]*")


_TWO = re.compile(f"[{re.escape(GSM7_EXTENDED)}]")


def alphabet(text: str) -> Literal["gsm7", "ucs2"]:
    return "gsm7" if GSM7.fullmatch(text) else "ucs2"


def septets(text: str) -> int:
    """Of a text whose alphabet is gsm7."""
    return len(text) + len(_TWO.findall(text))


def size(text: str) -> int:
    """In units of the text's own alphabet: septets, or UTF-16 code units."""
    return septets(text) if GSM7.fullmatch(text) else len(text.encode("utf-16-le", "surrogatepass")) // 2


def segments(text: str) -> int:
    """How many SMS the network makes of a text; a character is never cut in two."""
    gsm = GSM7.fullmatch(text)
    alone, each = (160, 153) if gsm else (70, 67)
    if size(text) <= alone:
        return 1
    count, used = 1, 0
    for char in text:
        takes = 2 if (char in GSM7_EXTENDED if gsm else ord(char) > 0xFFFF) else 1
        if used + takes > each:
            count, used = count + 1, 0
        used += takes
    return count
