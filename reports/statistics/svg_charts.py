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
    largest = whole or max((number or 0 for _, number in rows), default=0) or 1
    height = ROW_HEIGHT * len(rows) + 6
    bars = [_bar(name, index * ROW_HEIGHT + 3, row, largest) for index, row in enumerate(rows)]
    rule = f'<path d="M{LABEL_WIDTH - 0.5} 0V{height}" stroke="{RULE_COLOUR}"/>'
    return _svg(name, title, rows, (LABEL_WIDTH + BAR_MAX_WIDTH + NUMBER_WIDTH, height), [rule, *bars])


def _bar(name: str, top: int, row: ChartRow, largest: int) -> str:
    label, number = row
    y = top + 16
    words = _row_label(label, top)
    if number is None:
        width, fill, ink = 44.0, f"url(#{name}-held)", MUTED_COLOUR
    else:
        width, fill, ink = max(2.0, BAR_MAX_WIDTH * number / largest), BAR_COLOUR, TEXT_COLOUR
    bar = f'<rect x="{LABEL_WIDTH}" y="{top + 2}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2" fill="{fill}"/>'
    return f'{words}{bar}<text x="{LABEL_WIDTH + width + 8:.1f}" y="{y}" fill="{ink}">{format_count(number)}</text>'


def _row_label(label: str, top: int) -> str:
    """Return the label of a bar; a second part in brackets, such as the field's own term, is below the first."""
    short, bracket, term = label.partition(" (")
    anchor = f'<text x="{LABEL_WIDTH - 10}" text-anchor="end"'
    if not bracket:
        return f'{anchor} y="{top + 16}" fill="{TEXT_COLOUR}">{escape(label)}</text>'
    return (
        f'{anchor} y="{top + 11}" fill="{TEXT_COLOUR}">{escape(short)}</text>'
        f'{anchor} y="{top + 23}" fill="{MUTED_COLOUR}" font-size="11">({escape(term)}</text>'
    )


def column_chart(name: str, title: str, rows: Sequence[ChartRow]) -> str:
    """Draw one column for each row, in order of time."""
    largest = max((number or 0 for _, number in rows), default=0) or 1
    width = max(LABEL_WIDTH, COLUMN_PITCH * len(rows) + 8)
    base_y = HEADER_HEIGHT + COLUMN_HEIGHT
    columns = [_column(name, index * COLUMN_PITCH + 4, row, largest) for index, row in enumerate(rows)]
    rule = f'<path d="M0 {base_y + 0.5}H{width}" stroke="{RULE_COLOUR}"/>'
    return _svg(name, title, rows, (width, base_y + FOOTER_HEIGHT), [*columns, rule])


def _column(name: str, left: int, row: ChartRow, largest: int) -> str:
    label, number = row
    base_y, middle = HEADER_HEIGHT + COLUMN_HEIGHT, left + (COLUMN_PITCH - 8) / 2
    height = 14.0 if number is None else max(2.0, COLUMN_HEIGHT * number / largest)
    fill = f"url(#{name}-held)" if number is None else BAR_COLOUR
    bar = (
        f'<rect x="{left}" y="{base_y - height:.1f}" width="{COLUMN_PITCH - 8}" '
        f'height="{height:.1f}" rx="2" fill="{fill}"/>'
    )
    count = "" if number is None else f"{number:,}"
    texts = [(base_y - height - 6, count, TEXT_COLOUR, 12)]
    texts += [(base_y + 16 + 14 * index, part, MUTED_COLOUR, 11) for index, part in enumerate(label.split(" ", 1))]
    return bar + "".join(
        f'<text x="{middle:g}" y="{y:.1f}" text-anchor="middle" fill="{ink}" font-size="{size}">{escape(text)}</text>'
        for y, text, ink, size in texts
    )


def _svg(name: str, title: str, rows: Sequence[ChartRow], size: tuple[int, int], shapes: Iterable[str]) -> str:
    width, height = size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-labelledby="{name}-title {name}-desc" font-family="system-ui, sans-serif" '
            'font-size="14">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(describe_rows(rows))}</desc>',
            HIDDEN_PATTERN.format(name),
            *shapes,
            "</svg>",
        ]
    )
