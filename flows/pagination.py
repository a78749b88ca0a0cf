"""Fit texts to phone screens: septets (3GPP TS 23.038), UTF-16 units, and pages that break only between choices.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from flows.gsm7 import GSM7, GSM7_SINGLE, septets, size

MAX_CHOICES_PER_PAGE = 9  # one key press each if the numbers start again on each page


class ScreenLimit(Struct, frozen=True):
    """How much one screen holds.

    `prefix`: characters that the channel puts before the text ("CON "); 0 by SMS.
    """

    septets: int = 160
    units: int = 70
    prefix: int = 4


class MenuLine(Struct, frozen=True):
    """A line with a choice. `choice`: the index of the screen's choice."""

    key: str
    say: str
    choice: int = 0


class Menu(Struct, frozen=True):
    """A screen before it is divided into pages."""

    heading: str
    lines: tuple[MenuLine, ...] = ()
    tail: tuple[MenuLine, ...] = ()  # repeated on each page
    renumber: bool = False  # numbers start at 1 on each page
    below: tuple[str, ...] = ()  # "1 = skip", "0 Back"
    more: str = "98 More"
    leave: str = ""  # last line, on each page where it fits
    foot: str = ""  # below everything else, on page 1
    above: str = ""  # the first line of each page, never shortened


class ScreenPage(Struct, frozen=True):
    """One page. `bare`: the text without the line to leave. `menu`: the menu that was divided."""

    text: str
    bare: str
    lines: tuple[MenuLine, ...] = ()
    more: bool = False
    heading: str = ""  # the part of the heading on this page
    menu: Menu | None = None


def with_first_line(page: ScreenPage, signs: tuple[str, ...], limit: ScreenLimit, *, keep: str = "") -> str:
    """Return the page with one of `signs` as its first line, with as much of both as fits.

    The signs are ordered by preference, the longest first. To make room the line to leave is removed first, then the
    foot, then the end of the heading. The choices, Back, More and the line above stay. A heading keeps its first line
    if that contains `keep`.
    """
    menu = page.menu or Menu(page.heading)
    lean = replace(menu, foot="")
    candidates = [page.text, page.bare, _join(page.heading, page.lines, lean, more=page.more)]
    candidates += [_join(part, page.lines, lean, more=page.more) for part in _shorter_headings(page.heading, keep)]
    fitting = (
        text for sign in signs for text in (f"{sign}\n{candidate}" for candidate in candidates) if fits(text, limit)
    )
    return next(fitting, page.text)


def _shorter_headings(heading: str, keep: str) -> Iterator[str]:
    """Yield ever shorter headings: without the last lines, then the last sentences, then the first line."""
    lines = heading.split("\n")
    for count in range(len(lines) - 1, 0, -1):
        yield "\n".join(lines[:count])
    first = lines[0]
    if keep and keep in first:
        return
    sentences = re.split(r"(?<=[.?!]) ", first)
    for count in range(len(sentences) - 1, 0, -1):
        yield " ".join(sentences[:count])
    yield ""


def fits(text: str, limit: ScreenLimit) -> bool:
    """Return whether a text fits on one screen."""
    least = len(text) + limit.prefix  # each character takes at least one
    if least > max(limit.septets, limit.units):
        return False
    if GSM7_SINGLE.fullmatch(text):
        return least <= limit.septets
    if GSM7.fullmatch(text):
        return septets(text) + limit.prefix <= limit.septets
    return size(text) + limit.prefix <= limit.units


def pages(menu: Menu, limit: ScreenLimit) -> tuple[ScreenPage, ...]:
    """Divide a menu into pages that fit.

    Breaks are between choices; a heading too long for one page breaks between words.
    """
    if menu.foot and not fits(_join(menu.heading, (), menu, more=True), limit):
        menu = replace(menu, heading=f"{menu.heading}\n{menu.foot}", foot="")
    return tuple(_paginate(menu, limit))


def _paginate(menu: Menu, limit: ScreenLimit) -> Iterator[ScreenPage]:
    heading, rest = menu.heading, menu.lines
    while True:
        page = _fullest_page(menu, heading, rest, limit)
        if page is None and heading:
            part, heading = _split_heading(menu, heading, limit)
            yield _page(menu, part, (), limit, more=True)
        else:
            page = page or _page(menu, heading, (_shorten_choice(menu, rest[0], limit),), limit, more=len(rest) > 1)
            rest = rest[max(1, len(page.lines) - len(menu.tail)) :]
            yield page
            if not rest:
                return
        if menu.foot:
            menu = replace(menu, foot="")


def _fullest_page(menu: Menu, heading: str, rest: tuple[MenuLine, ...], limit: ScreenLimit) -> ScreenPage | None:
    """Return a page with as many lines as fit; None if not even the first one fits."""
    most = min(len(rest), MAX_CHOICES_PER_PAGE - len(menu.tail)) if menu.renumber else len(rest)
    for count in range(most, 0 if rest else -1, -1):
        lines = _numbered(menu, rest[:count])
        bare = _join(heading, lines, menu, more=count < len(rest))
        if fits(bare, limit):
            return _page(menu, heading, lines, limit, more=count < len(rest), bare=bare)
    return None


def _numbered(menu: Menu, lines: tuple[MenuLine, ...]) -> tuple[MenuLine, ...]:
    if not menu.renumber:
        return lines + menu.tail
    return tuple(MenuLine(str(number), line.say, line.choice) for number, line in enumerate(lines + menu.tail, 1))


def _join(heading: str, lines: tuple[MenuLine, ...], menu: Menu, *, more: bool, leave: str = "") -> str:
    says = [f"{line.key} {line.say}" for line in lines]
    parts = [menu.above, heading, *says, menu.more if more else "", *menu.below, leave, menu.foot]
    return "\n".join(filter(None, parts))


def _page(
    menu: Menu, heading: str, lines: tuple[MenuLine, ...], limit: ScreenLimit, *, more: bool, bare: str = ""
) -> ScreenPage:
    bare = bare or _join(heading, lines, menu, more=more)
    full = _join(heading, lines, menu, more=more, leave=menu.leave) if menu.leave else bare
    return ScreenPage(full if full is bare or fits(full, limit) else bare, bare, lines, more, heading, menu)


def _split_heading(menu: Menu, heading: str, limit: ScreenLimit) -> tuple[str, str]:
    """Divide a heading at the last blank where the first part fits, or else within a word.

    If possible not before a digit, so that a number stays beside its service.
    """
    blanks = [match.start() for match in re.finditer(r"\s", heading)][::-1]
    blanks.sort(key=lambda blank: heading[blank + 1 : blank + 2].isdigit())
    for cut in [*blanks, *range(len(heading) - 1, 1, -1)]:
        if cut and fits(_join(heading[:cut], (), menu, more=True), limit):
            return heading[:cut], heading[cut:].lstrip()
    return heading[:1], heading[1:]


def _shorten_choice(menu: Menu, line: MenuLine, limit: ScreenLimit) -> MenuLine:
    """Shorten a choice that fills more than one page. This is the last resort."""
    while len(line.say) > 1 and not fits(_join("", (line,), menu, more=True), limit):
        line = replace(line, say=line.say[:-1])
    return replace(line, key="1") if menu.renumber else line
