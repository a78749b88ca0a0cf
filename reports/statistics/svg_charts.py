"""Draw small SVG charts for pages, slides and print: bars, shares with a target, columns of months, a tile map. Pure.

The charts have no script and no style sheet, so pages that allow neither can show them. Their colours are CSS variables
with a default: a page sets others for its dark mode, and `standalone` writes the defaults into a file of its own. Each
chart has a full description in `<desc>`, and stands beside a table with the same numbers. A number that is not shown
has no bar, so no length can be read from it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape

ChartRow = tuple[str, int | None]
ShareRow = tuple[str, int | None, int | None]  # label, part, whole; None: not shown

INK, MUTED, BAR, RULE, TARGET = (
    "var(--chart-ink, #1d2b33)",
    "var(--chart-muted, #55656e)",
    "var(--chart-bar, #1f6f8b)",
    "var(--chart-rule, #d5dde1)",
    "var(--chart-target, #8a3c12)",
)
PAPER = "var(--chart-paper, #ffffff)"
SHADES = tuple(
    f"var(--chart-shade-{number}, {colour})"
    for number, colour in enumerate(("#e3eff3", "#b7d6e0", "#84b8ca", "#4d95ae"), start=1)
)
SHADE_INK = "var(--chart-shade-ink, #10222a)"
VARIABLE = re.compile(r"var\(--[a-z0-9-]+, (#[0-9a-f]{6})\)")
WIDTH = 340  # pixels: a chart is as wide as the column of a phone, and is never scaled down there
NUMBER_WIDTH = 92  # width of the numbers to the right of the longest bar
ROW_HEIGHT, LABEL_BASELINE, BAR_TOP, BAR_HEIGHT = 38, 14, 19, 12
LINE_HEIGHT = 16  # height of each further line of a label
MAX_LINE_LETTERS = 40  # in a wide font these fit in the width of the chart
MAX_COLUMNS = 12
COLUMN_HEIGHT, FOOTER_HEIGHT, HEADER_HEIGHT = 120, 36, 20
TILE_WIDTH, TILE_HEIGHT, TILE_GAP = 104, 46, 6
NOT_SHOWN_LABEL = "not shown"
LONG_TILE_NAME, MAX_TILE_NAME_CHARS = 14, 22  # letters that fit in 12 pixels, and in 10


def describe_rows(rows: Iterable[ChartRow]) -> str:
    """Describe the chart in words."""
    return "; ".join(f"{label}: {format_count(number)}" for label, number in rows)


def format_count(number: int | None) -> str:
    """Format a number with thousands separators; None means that it is not shown."""
    return NOT_SHOWN_LABEL if number is None else f"{number:,}"


def format_share(part: int | None, whole: int | None) -> str:
    """Format a share as `36 of 40 (90 %)`; None means that it is not shown."""
    return NOT_SHOWN_LABEL if part is None or not whole else f"{part:,} of {whole:,} ({percent(part, whole)} %)"


def percent(part: int, whole: int) -> int:
    """Return the share in per cent, rounded down: 99.6 per cent is not 100."""
    return 100 * part // whole


def standalone(chart: str, mark: str = "") -> str:
    """Return the chart as a file of its own, on white paper and without CSS variables, which slides cannot read.

    `mark`: a word across the chart.
    """
    head, _, rest = chart.partition(">")
    if mark:
        place = 'x="50%" y="50%" dominant-baseline="middle" text-anchor="middle" font-size="44" font-weight="bold"'
        drawn = f'<text {place} fill="#b3261e" fill-opacity="0.35">{escape(mark)}</text>\n</svg>'
        rest = rest.removesuffix("</svg>") + drawn
    return VARIABLE.sub(r"\1", f'{head}><rect width="100%" height="100%" fill="{PAPER}"/>{rest}\n')


def bar_chart(name: str, title: str, rows: Sequence[ChartRow], whole: int = 0) -> str:
    """Draw one bar for each row, with its label above it.

    `name`: letters, digits and dashes, unique on the page. `whole`: the number of a bar of full length; 0: the largest
    one.
    """
    largest = whole or max((number or 0 for _, number in rows), default=0) or 1
    shapes, top = [], 0
    for label, number in rows:
        *upper_lines, last_line = _label_lines(label)
        for line in upper_lines:
            shapes.append(_text(0, top + LABEL_BASELINE, line))
            top += LINE_HEIGHT
        length = None if number is None else max(2.0, (WIDTH - NUMBER_WIDTH) * number / largest)
        shapes.append(_row(top, last_line, length, format_count(number)))
        top += ROW_HEIGHT
    return _svg(name, title, describe_rows(rows), (WIDTH, top), shapes)


def _label_lines(label: str) -> list[str]:
    """Return the lines of a label. If it is too long for one, a term in brackets is below the words that it names."""
    if len(label) <= MAX_LINE_LETTERS:
        return [label]
    return [line for part in label.replace(" (", "\n(").splitlines() for line in textwrap.wrap(part, MAX_LINE_LETTERS)]


def _row(top: int, label: str, length: float | None, number: str) -> str:
    words = _text(0, top + LABEL_BASELINE, label)
    y = top + BAR_TOP + BAR_HEIGHT - 1
    if length is None:
        return words + _text(0, y, number, ink=MUTED, size=13)
    bar = f'<rect y="{top + BAR_TOP}" width="{length:.1f}" height="{BAR_HEIGHT}" rx="2" fill="{BAR}"/>'
    return words + bar + _text(length + 7, y, number, size=13)


def share_chart(name: str, title: str, rows: Sequence[ShareRow], target: int) -> str:
    """Draw the share of each row on a scale from 0 to 100 per cent, with a line at the target, in per cent."""
    full = WIDTH - 150
    shapes = []
    for index, (label, part, whole) in enumerate(rows):
        length = None if part is None or not whole else max(2.0, full * part / whole)
        top = index * ROW_HEIGHT
        if length is not None:
            shapes.append(f'<rect y="{top + BAR_TOP}" width="{full}" height="{BAR_HEIGHT}" rx="2" fill="{RULE}"/>')
        shapes.append(_share_row(top, label, length, format_share(part, whole)))
        if length is not None:
            x = full * target / 100
            shapes.append(
                f'<path d="M{x:g} {top + BAR_TOP - 3}v{BAR_HEIGHT + 6}" stroke="{TARGET}" stroke-width="2.5"/>'
            )
    foot = ROW_HEIGHT * len(rows)
    shapes.append(f'<path d="M1 {foot + 4}v12" stroke="{TARGET}" stroke-width="2.5"/>')
    shapes.append(_text(8, foot + 14, f"Target: {target} %", ink=MUTED, size=12))
    description = "; ".join(f"{label}: {format_share(part, whole)}" for label, part, whole in rows)
    return _svg(name, title, f"{description}. Target: {target} %", (WIDTH, foot + 22), shapes)


def _share_row(top: int, label: str, length: float | None, number: str) -> str:
    words, y = _text(0, top + LABEL_BASELINE, label), top + BAR_TOP + BAR_HEIGHT - 1
    if length is None:
        return words + _text(0, y, number, ink=MUTED, size=13)
    bar = f'<rect y="{top + BAR_TOP}" width="{length:.1f}" height="{BAR_HEIGHT}" rx="2" fill="{BAR}"/>'
    return words + bar + _text(WIDTH - 142, y, number, size=13)


def column_chart(name: str, title: str, rows: Sequence[ChartRow]) -> str:
    """Draw one column for each of the last twelve rows, in order of time. Labels are `Jul 2026`."""
    last_rows = rows[-MAX_COLUMNS:]
    largest = max((number or 0 for _, number in last_rows), default=0) or 1
    pitch = WIDTH / MAX_COLUMNS
    base_y = HEADER_HEIGHT + COLUMN_HEIGHT
    shapes, year_before = [], ""
    for index, (label, number) in enumerate(last_rows):
        month, _, year = label.partition(" ")
        shapes.append(_column(index * pitch, pitch, number, largest))
        shapes.append(_text(index * pitch + pitch / 2, base_y + 15, month, ink=MUTED, size=11, anchor="middle"))
        if year != year_before:
            shapes.append(_text(index * pitch + 2, base_y + 30, year, ink=MUTED, size=11))
        year_before = year
    rule = f'<path d="M0 {base_y + 0.5}H{WIDTH}" stroke="{RULE}"/>'
    return _svg(name, title, describe_rows(last_rows), (WIDTH, base_y + FOOTER_HEIGHT), [*shapes, rule])


def _column(left: float, pitch: float, number: int | None, largest: int) -> str:
    base_y, middle = HEADER_HEIGHT + COLUMN_HEIGHT, left + pitch / 2
    if number is None:
        turned = f' transform="rotate(-90 {middle + 4:.1f} {base_y - 6})"'
        return _text(middle + 4, base_y - 6, NOT_SHOWN_LABEL, ink=MUTED, size=12, more=turned)
    height = max(2.0, COLUMN_HEIGHT * number / largest)
    bar = (
        f'<rect x="{left + 2:.1f}" y="{base_y - height:.1f}" width="{pitch - 4:.1f}" height="{height:.1f}" rx="2" '
        f'fill="{BAR}"/>'
    )
    return bar + _text(middle, base_y - height - 5, f"{number:,}", size=11, anchor="middle")


def tile_map(name: str, title: str, rows: Sequence[ChartRow], layout: Sequence[Sequence[str]]) -> str:
    """Draw one tile of the same size for each place, where `layout` puts it: rows of labels, "" for an empty field.

    A small island has as much room as a large province. The shade has four steps, by the share of the largest number.
    """
    numbers: Mapping[str, int | None] = dict(rows)
    largest = max((number or 0 for number in numbers.values()), default=0) or 1
    shapes = [
        _tile(column * (TILE_WIDTH + TILE_GAP), line * (TILE_HEIGHT + TILE_GAP), label, numbers[label], largest)
        for line, labels in enumerate(layout)
        for column, label in enumerate(labels)
        if label in numbers
    ]
    width = max((len(labels) for labels in layout), default=1) * (TILE_WIDTH + TILE_GAP) - TILE_GAP
    return _svg(name, title, describe_rows(rows), (max(WIDTH, width), len(layout) * (TILE_HEIGHT + TILE_GAP)), shapes)


def _tile(x: int, y: int, label: str, number: int | None, largest: int) -> str:
    size = 12 if len(label) <= LONG_TILE_NAME else 10
    name = label if len(label) <= MAX_TILE_NAME_CHARS else f"{label[: MAX_TILE_NAME_CHARS - 1]}…"
    if number is None:
        fill, ink, edge = PAPER, MUTED, f' stroke="{MUTED}" stroke-dasharray="4 3"'
    else:
        fill, ink, edge = SHADES[min(3, 4 * number // (largest + 1))], SHADE_INK, ""
    field = f'x="{x + 1}" y="{y + 1}" width="{TILE_WIDTH - 2}" height="{TILE_HEIGHT - 2}"'
    tile = f'<rect {field} rx="4" fill="{fill}"{edge}/>'
    middle = x + TILE_WIDTH / 2
    words = _text(middle, y + 19, name, ink=ink, size=size, anchor="middle")
    count_size = 15 if number is not None else 12
    return tile + words + _text(middle, y + 37, format_count(number), ink=ink, size=count_size, anchor="middle")


def _text(
    x: float, y: float, words: str, *, ink: str = INK, size: int = 14, anchor: str = "start", more: str = ""
) -> str:
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    sized = "" if size == 14 else f' font-size="{size}"'  # the size of the whole chart
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}"{placed}{sized}{more}>{escape(words)}</text>'


def _svg(name: str, title: str, description: str, size: tuple[int, int], shapes: Iterable[str]) -> str:
    width, height = size
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-labelledby="{name}-title {name}-desc" font-family="system-ui, sans-serif" '
            'font-size="14">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(description)}</desc>',
            *shapes,
            "</svg>",
        ]
    )
