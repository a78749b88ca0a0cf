"""The focus ring contrasts with every background, in light and dark (WCAG 2.2, 1.4.11: 3 to 1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parents[2] / "console" / "static" / "console.css").read_text(encoding="utf-8")
LIGHT, DARK = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[:2]
LEAST = 3


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#d9822b", "#f6f5f1") == pytest.approx(2.68, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "card"])
def test_the_ring_is_seen_on_every_ground(scheme: str, ground: str) -> None:
    known = colours(LIGHT) | (colours(DARK) if scheme == "dark" else {})
    rings = set(re.findall(r"outline: 3px solid ([^;]+);", CSS))
    assert rings
    for ring in rings:
        name = re.fullmatch(r"var\(--([\w-]+)\)", ring)
        assert contrast(known[name[1]] if name else ring, known[ground]) >= LEAST, (ring, ground, scheme)
