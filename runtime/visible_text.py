"""Make the invisible characters of a text visible, for a terminal or a page. Pure."""

from __future__ import annotations

import re

CONTROL_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
# Characters that reorder or hide their neighbours or are drawn as nothing: controls, Default_Ignorable_Code_Point of
# Unicode and the empty Braille cell; and lone surrogates, which no page can hold.
INVISIBLE = re.compile(
    "(?:(?<![\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u27bf\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff])[\ufe0e\ufe0f]"  # allowed directly after an emoji, where they choose whether it has colours
    "|[\x80-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164"
    "\ud800-\udfff\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff])"
)


def safe_for_display(text: str) -> str:
    """Return the text as typed, without control and formatting characters.

    Control characters become their pictures; characters that would reorder or hide other words become a visible mark.
    """
    return INVISIBLE.sub(lambda match: f"[U+{ord(match[0]):04X}]", text.translate(CONTROL_PICTURES))
