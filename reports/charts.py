"""Small charts as SVG, for pages and for paper: bars of one table, and columns along time. Pure.

No script and no style sheet: a page that allows neither shows them. Each says in `<desc>` all that it draws, and beside
each stands the same as a table; what is not shown is drawn as such, and never as nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Row = tuple[str, int | None]

INK, SOFT, BAR, RULE, HELD = "#1d2b33", "#5a6b75", "#1f6f8b", "#d5dde1", "#b9c4ca"
LEFT, WIDE, RIGHT = 256, 224, 70  # pixels: of the names, of the longest bar, of its number
STEP, BAR_HIGH = 28, 17
COLUMN_HIGH, COLUMN, FOOT, HEAD = 132, 44, 40, 24
NOT_SHOWN = "not shown"
HATCH = (
    '<defs><pattern id="{0}-held" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="6" height="6" fill="#fff"/><rect width="2" height="6" fill="{HELD}"/></pattern></defs>'
)


def said(rows: Iterable[Row]) -> str:
    """The chart in words."""
    return "; ".join(f"{label}: {figure(number)}" for label, number in rows)


def figure(number: int | None) -> str:
    return NOT_SHOWN if number is None else f"{number:,}"


def bars(name: str, title: str, rows: Sequence[Row], whole: int = 0) -> str:
    """One bar a row. `name`: of letters, digits and dashes, once on a page. `whole`: what the longest would be."""
    longest = whole or max((number or 0 for _, number in rows), default=0) or 1
    high = STEP * len(rows) + 6
    drawn = [_bar(name, at * STEP + 3, row, longest) for at, row in enumerate(rows)]
    rule = f'<path d="M{LEFT - 0.5} 0V{high}" stroke="{RULE}"/>'
    return _svg(name, title, rows, (LEFT + WIDE + RIGHT, high), [rule, *drawn])


def _bar(name: str, top: int, row: Row, longest: int) -> str:
    label, number = row
    middle = top + 16
    words = f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end" fill="{INK}">{escape(label)}</text>'
    if number is None:
        end, fill, ink = 44.0, f"url(#{name}-held)", SOFT
    else:
        end, fill, ink = max(2.0, WIDE * number / longest), BAR, INK
    bar = f'<rect x="{LEFT}" y="{top + 2}" width="{end:.1f}" height="{BAR_HIGH}" rx="2" fill="{fill}"/>'
    return f'{words}{bar}<text x="{LEFT + end + 8:.1f}" y="{middle}" fill="{ink}">{figure(number)}</text>'


def columns(name: str, title: str, rows: Sequence[Row]) -> str:
    """One column a row, in the order of time."""
    highest = max((number or 0 for _, number in rows), default=0) or 1
    wide = max(LEFT, COLUMN * len(rows) + 8)
    floor = HEAD + COLUMN_HIGH
    drawn = [_column(name, at * COLUMN + 4, row, highest) for at, row in enumerate(rows)]
    rule = f'<path d="M0 {floor + 0.5}H{wide}" stroke="{RULE}"/>'
    return _svg(name, title, rows, (wide, floor + FOOT), [*drawn, rule])


def _column(name: str, left: int, row: Row, highest: int) -> str:
    label, number = row
    floor, middle = HEAD + COLUMN_HIGH, left + (COLUMN - 8) / 2
    high = 14.0 if number is None else max(2.0, COLUMN_HIGH * number / highest)
    fill = f"url(#{name}-held)" if number is None else BAR
    bar = f'<rect x="{left}" y="{floor - high:.1f}" width="{COLUMN - 8}" height="{high:.1f}" rx="2" fill="{fill}"/>'
    over = "" if number is None else f"{number:,}"
    texts = [(floor - high - 6, over, INK, 12)]
    texts += [(floor + 16 + 14 * at, part, SOFT, 11) for at, part in enumerate(label.split(" ", 1))]
    return bar + "".join(
        f'<text x="{middle:g}" y="{y:.1f}" text-anchor="middle" fill="{ink}" font-size="{size}">{escape(text)}</text>'
        for y, text, ink, size in texts
    )


def _svg(name: str, title: str, rows: Sequence[Row], size: tuple[int, int], drawn: Iterable[str]) -> str:
    wide, high = size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
            f'role="img" aria-labelledby="{name}-title {name}-desc" font-family="system-ui, sans-serif" '
            'font-size="14">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(said(rows))}</desc>',
            HATCH.format(name),
            *drawn,
            "</svg>",
        ]
    )
