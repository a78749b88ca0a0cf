"""The timelines of docs/clocks.md as a picture: a band for each priority, a mark for each person or hotline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from html import escape

from reports.escalation import ESCALATION_TIMES
from runtime.time_units import MINUTE

LEFT, WIDE, TOP, BAND, ROW = 60, 720, 46, 122, 15  # pixels: names, band width, top margin, band height, label row
GIVEN, TOLD, LINE, PALE = "#1f6f8b", "#b5562f", "#555", "#888"
CLOSE = 30  # share of a band
Timelines = Mapping[str, list[tuple[int, str]]]


def drawn(timelines: Timelines, names: Mapping[str, str], said: Callable[[int], str]) -> str:
    """Return the picture. `names`: short names. `said`: minutes in words. Close events share one mark."""
    height = TOP + BAND * len(timelines) + 10
    bands = [
        row for n, priority in enumerate(timelines) for row in _band(n, priority, timelines[priority], names, said)
    ]
    title = "A report that nobody takes on: who is asked, and when"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDE + 60} {height}" '
            'font-family="sans-serif" font-size="12">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
            f'<text x="520" y="20" fill="{GIVEN}">● gets the report</text>',
            f'<text x="640" y="20" fill="{TOLD}">● is told that it waits</text>',
            *bands,
            "</svg>",
            "",
        ]
    )


def _band(
    number: int, priority: str, happened: list[tuple[int, str]], names: Mapping[str, str], said: Callable[[int], str]
) -> Iterator[str]:
    y = TOP + number * BAND + 28
    longest = max(minute for minute, _ in happened)
    yield f'<text x="12" y="{y + 4}" font-weight="bold">{priority}</text>'
    yield f'<line x1="{LEFT}" y1="{y}" x2="{LEFT + WIDE}" y2="{y}" stroke="{LINE}"/>'
    taken_on = LEFT + WIDE * ESCALATION_TIMES[priority].acknowledged / MINUTE / longest
    yield f'<line x1="{taken_on:.0f}" y1="{y - 16}" x2="{taken_on:.0f}" y2="{y + 6}" stroke="{LINE}"/>'
    yield f'<text x="{taken_on:.0f}" y="{y - 20}" text-anchor="middle" fill="{LINE}">to be acknowledged by now</text>'
    at: dict[int, list[str]] = defaultdict(list)
    for minute, who in happened:
        near = next((other for other in at if minute - other < longest // CLOSE), minute)
        at[near].append(who)
    for minute, everybody in at.items():
        x = LEFT + WIDE * minute / longest
        yield f'<text x="{x:.0f}" y="{y - 7}" text-anchor="middle" font-size="10" fill="{PALE}">{said(minute)}</text>'
        yield from _marks(x, y, everybody, names)


def _marks(x: float, y: int, everybody: list[str], names: Mapping[str, str]) -> Iterator[str]:
    given = [who for who in everybody if who.startswith("→")]
    yield f'<circle cx="{x:.0f}" cy="{y}" r="4" fill="{GIVEN if given else TOLD}"/>'
    for row, who in enumerate(sorted(dict.fromkeys(names[who] for who in everybody)), 1):
        colour = GIVEN if who.endswith("hotline") else TOLD
        place = f'x="{x:.0f}" y="{y + 4 + row * ROW}" text-anchor="middle" font-size="9"'
        yield f'<text {place} fill="{colour}">{who}</text>'
