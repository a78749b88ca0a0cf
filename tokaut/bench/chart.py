"""The figures of `tokaut bench` as a chart: screens a second, next to the baseline and to other software."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

# Multiples of the Flask baseline on gunicorn's threads, measured on a similar machine: state in Redis, one process, 16
# callers. They do far less: no sealing, no handling of duplicates, no report.
OTHERS = (
    ("express + ussd-menu-builder", 4.5),
    ("raw WSGI on granian", 4.3),
    ("mobilex on uvicorn", 3.0),
    ("Flask floor on granian", 1.8),
    ("anysd", 0.6),
)
LEFT, WIDE, HIGH, GAP = 230, 560, 22, 8  # pixels: width of the names and of the longest bar, height of a bar, gap
OURS, FLOOR, OTHER = "#1f6f8b", "#8fb8c4", "#d9d4c7"


def draw_chart(figures: dict[str, Any]) -> str:
    """Return the chart as SVG."""
    bars = list(_bars(figures["screens"]))
    longest = max(length for _, length, _, _ in bars)
    height = len(bars) * (HIGH + GAP) + 60
    rows = [_row(number, bar, WIDE / longest) for number, bar in enumerate(bars)]
    about = f"{figures['machine']['cpu']}, {figures['machine']['cores']} cores, commit {figures['commit']}"
    title = "Screens a second of one process, as a multiple of a bare Flask view on gunicorn's threads"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 130} {height}" '
            'font-family="sans-serif" font-size="13">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
            *rows,
            f'<text x="8" y="{height - 10}" fill="#666">{escape(about)}; pale: measured before, on its like</text>',
            "</svg>",
            "",
        ]
    )


def _bars(screens: dict[str, Any]) -> Iterator[tuple[str, float, str, str]]:
    """Yield the name, length, colour and caption of each bar."""
    floor = screens["floor"]["per_second"]
    for name, label, colour in (
        ("web", "Tokaut", OURS),
        ("floor", "Flask floor on gunicorn's threads", FLOOR),
    ):
        rate = screens[name]["per_second"]
        yield label, rate / floor, colour, f"{rate / floor:.2f} ({rate:.0f} a second)"
    for label, multiple in OTHERS:
        yield label, multiple, OTHER, f"{multiple:g}"


def _row(number: int, bar: tuple[str, float, str, str], scale: float) -> str:
    label, length, colour, caption = bar
    top = 36 + number * (HIGH + GAP)
    middle = top + 16
    return (
        f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end">{escape(label)}</text>'
        f'<rect x="{LEFT}" y="{top}" width="{length * scale:.0f}" height="{HIGH}" fill="{colour}"/>'
        f'<text x="{LEFT + length * scale + 6:.0f}" y="{middle}">{escape(caption)}</text>'
    )
