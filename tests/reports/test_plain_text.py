"""A reporter's text as lines without invisible characters."""

from __future__ import annotations

import pytest

from runtime.visible_text import safe_for_display

# Default_Ignorable_Code_Point of Unicode 16 (DerivedCoreProperties), and the empty Braille cell.
DRAWN_AS_NOTHING = (
    *(0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
)


def test_what_is_drawn_as_nothing_is_marked() -> None:
    for code in DRAWN_AS_NOTHING:
        assert safe_for_display(f"a{chr(code)}b") == f"a[U+{code:04X}]b"


@pytest.mark.parametrize("text", ["\u2764\ufe0f", "\u2600\ufe0e", "\U0001f441\ufe0f ok", "é ម 한글 \u3042"])
def test_a_picture_and_its_colours_are_as_typed(text: str) -> None:
    assert safe_for_display(text) == text


@pytest.mark.parametrize("before", ["", "a", " ", "\U0001f600\ufe0f"])
def test_another_selector_is_marked(before: str) -> None:
    assert safe_for_display(f"{before}\ufe0f") == f"{before}[U+FE0F]"
