"""Draw small SVG charts for pages and for print: bars for one table, and columns over time. Pure.

The charts have no script and no style sheet, so pages that allow neither can show them. Each chart says in `<desc>` all
that it draws, and stands beside a table with the same numbers. A suppressed number is drawn as suppressed, never as
zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

ChartRow = tuple[str, int | None]

TEXT_COLOUR, MUTED_COLOUR, BAR_COLOUR, RULE_COLOUR, HIDDEN_COLOUR = (
    "#1d2b33",
    "#5a6b75",
    "#1f6f8b",
    "#d5dde1",
    "#b9c4ca",
)
LABEL_WIDTH, BAR_MAX_WIDTH, NUMBER_WIDTH = 256, 224, 70  # pixels: labels, longest bar, its number
ROW_HEIGHT, BAR_HEIGHT = 28, 17
COLUMN_HEIGHT, COLUMN_PITCH, FOOTER_HEIGHT, HEADER_HEIGHT = 132, 44, 40, 24
NOT_SHOWN_LABEL = "not shown"
HIDDEN_PATTERN = (
    '<defs><pattern id="{0}-held" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="6" height="6" fill="#fff"/><rect width="2" height="6" fill="{HIDDEN_COLOUR}"/></pattern></defs>'
)


def describe_rows(rows: Iterable[ChartRow]) -> str:
    """Describe the chart in words."""
    return "; ".join(f"{label}: {format_count(number)}" for label, number in rows)


def format_count(number: int | None) -> str:
    """Format a number with thousands separators; None means that it is not shown."""
    return NOT_SHOWN_LABEL if number is None else f"{number:,}"


def bar_chart(name: str, title: str, rows: Sequence[ChartRow], whole: int = 0) -> str:
    """Draw one bar for each row.

    `name`: letters, digits and dashes, unique on the page. `whole`: the number of a bar of full length; 0: the largest
    one.
    """
    longest = whole or max((number or 0 for _, number in rows), default=0) or 1
    high = ROW_HEIGHT * len(rows) + 6
    drawn = [_bar(name, at * ROW_HEIGHT + 3, row, longest) for at, row in enumerate(rows)]
    rule = f'<path d="M{LABEL_WIDTH - 0.5} 0V{high}" stroke="{RULE_COLOUR}"/>'
    return _svg(name, title, rows, (LABEL_WIDTH + BAR_MAX_WIDTH + NUMBER_WIDTH, high), [rule, *drawn])


def _bar(name: str, top: int, row: ChartRow, longest: int) -> str:
    label, number = row
    middle = top + 16
    words = f'<text x="{LABEL_WIDTH - 10}" y="{middle}" text-anchor="end" fill="{TEXT_COLOUR}">{escape(label)}</text>'
    if number is None:
        end, fill, ink = 44.0, f"url(#{name}-held)", MUTED_COLOUR
    else:
        end, fill, ink = max(2.0, BAR_MAX_WIDTH * number / longest), BAR_COLOUR, TEXT_COLOUR
    bar = f'<rect x="{LABEL_WIDTH}" y="{top + 2}" width="{end:.1f}" height="{BAR_HEIGHT}" rx="2" fill="{fill}"/>'
    return f'{words}{bar}<text x="{LABEL_WIDTH + end + 8:.1f}" y="{middle}" fill="{ink}">{format_count(number)}</text>'


def column_chart(name: str, title: str, rows: Sequence[ChartRow]) -> str:
    """Draw one column for each row, in order of time."""
    highest = max((number or 0 for _, number in rows), default=0) or 1
    wide = max(LABEL_WIDTH, COLUMN_PITCH * len(rows) + 8)
    floor = HEADER_HEIGHT + COLUMN_HEIGHT
    drawn = [_column(name, at * COLUMN_PITCH + 4, row, highest) for at, row in enumerate(rows)]
    rule = f'<path d="M0 {floor + 0.5}H{wide}" stroke="{RULE_COLOUR}"/>'
    return _svg(name, title, rows, (wide, floor + FOOTER_HEIGHT), [*drawn, rule])


def _column(name: str, left: int, row: ChartRow, highest: int) -> str:
    label, number = row
    floor, middle = HEADER_HEIGHT + COLUMN_HEIGHT, left + (COLUMN_PITCH - 8) / 2
    high = 14.0 if number is None else max(2.0, COLUMN_HEIGHT * number / highest)
    fill = f"url(#{name}-held)" if number is None else BAR_COLOUR
    bar = (
        f'<rect x="{left}" y="{floor - high:.1f}" width="{COLUMN_PITCH - 8}" height="{high:.1f}" rx="2" fill="{fill}"/>'
    )
    over = "" if number is None else f"{number:,}"
    texts = [(floor - high - 6, over, TEXT_COLOUR, 12)]
    texts += [(floor + 16 + 14 * at, part, MUTED_COLOUR, 11) for at, part in enumerate(label.split(" ", 1))]
    return bar + "".join(
        f'<text x="{middle:g}" y="{y:.1f}" text-anchor="middle" fill="{ink}" font-size="{size}">{escape(text)}</text>'
        for y, text, ink, size in texts
    )


def _svg(name: str, title: str, rows: Sequence[ChartRow], size: tuple[int, int], drawn: Iterable[str]) -> str:
    wide, high = size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" width="{wide}" height="{high}" '
            f'role="img" aria-labelledby="{name}-title {name}-desc" font-family="system-ui, sans-serif" '
            'font-size="14">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(describe_rows(rows))}</desc>',
            HIDDEN_PATTERN.format(name),
            *drawn,
            "</svg>",
        ]
    )
