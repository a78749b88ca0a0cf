"""Render a screen as text: choose by conditions, fill in the fields, translate, and fit it to the phone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from flows.model import (
    OPTIONAL_FIELDS,
    Choice,
    FlowBook,
    FlowState,
    OfferedChoice,
    Screen,
    ScreenContext,
    ScreenLayout,
    ScreenText,
)
from flows.pagination import (
    BACK,
    DRILL,
    DRILL_EMERGENCY,
    DRILL_END,
    LEAVE,
    MORE,
    PLACEHOLDER,
    SKIP,
    SORRY,
    Menu,
    MenuLine,
    ScreenLimit,
    ScreenPage,
    pages,
    shorter_headings,
    with_first_line,
    without_context,
)

OVERLAY_SCREEN = "home.third_wrong"
EMERGENCY_SCREEN = "report.emergency"
DANGER_SCREEN = "report.danger"
IN_DANGER = "In danger? Call {emergency}."  # a message of the home screen
MAX_WRONG_REPLIES = 3  # wrong replies in a row; then a notice with the emergency numbers covers the screen
UNLIMITED = ScreenLimit(10_000, 10_000, 0)
SHORT_SORRY = "?"  # used if "Sorry, try again." does not fit


class RenderedScreen(Struct, frozen=True):
    """A rendered page. `text`: without the channel's prefix. `page`: from 1."""

    text: str
    expects_reply: bool
    page: int
    pages: int


def render(
    book: FlowBook, state: FlowState, context: ScreenContext, limit: ScreenLimit, sorry: bool = False
) -> RenderedScreen:
    """Render the screen of a state. `sorry`: the last reply was wrong."""
    notice = overlay_of(book, state)
    layout = lay_out(notice or book.screens[state.screen], state.values, context, limit)
    page = layout.pages[0 if notice else min(state.page, len(layout.pages) - 1)]
    text = page.text
    if sorry and not notice:
        first = page is layout.pages[0] and (layout.screen.start or layout.screen.called)
        keep = context.fields.get("emergency", "") if first else ""
        signs, whole = _signs(layout.screen, context), layout.screen.words.is_field_alone
        # A voice needs no room: a sign that is not a word would not be heard, and part of a text has no recording.
        room = UNLIMITED if context.facts.get("channel") == "voice" else limit
        text = with_first_line(page, signs, room, keep=keep, whole_heading=whole)
    return RenderedScreen(text, not layout.screen.end, layout.pages.index(page) + 1, len(layout.pages))


def _signs(screen: Screen, context: ScreenContext) -> tuple[str, ...]:
    """Return what says that the last reply was wrong, the longest first.

    At the question about danger the number to call is part of it: the reply may have been "yes" in other words.
    """
    signs = (context.translate(SORRY), SHORT_SORRY)
    if screen.id != DANGER_SCREEN:
        return signs
    number = fill(IN_DANGER, context)
    return (*(f"{sign}\n{number}" for sign in signs), *signs)


def render_notice(book: FlowBook, name: str, context: ScreenContext, limit: ScreenLimit) -> RenderedScreen:
    """Render a screen that needs no session: home.not_working, home.busy, home.goodbye, report.not_sent."""
    return render(book, FlowState(name), context, limit)


def overlay_of(book: FlowBook, state: FlowState) -> Screen | None:
    """Return the notice with the emergency numbers after too many wrong replies in a row; else None."""
    return book.screens.get(OVERLAY_SCREEN) if state.wrong >= MAX_WRONG_REPLIES else None


def is_asked(screen: Screen, values: Mapping[str, str | None], context: ScreenContext) -> bool:
    """Return whether a screen is shown: its condition holds and its list is not empty. Otherwise it is skipped.

    The keys of a telephone type digits alone, so that a voice call is asked for no words.
    """
    if screen.typed and not screen.typed.secret and context.facts.get("channel") == "voice":
        return False
    return screen.when.holds(values, context.facts) and (not screen.lists or any(map(context.lists.get, screen.lists)))


def lay_out(
    screen: Screen, values: Mapping[str, str | None], context: ScreenContext, limit: ScreenLimit
) -> ScreenLayout:
    """Lay out a screen: with the longest texts that fit on one page, or else the shortest texts on several pages."""
    common = context.common
    questions = common.screens.get(screen.id) if common else None
    if common is None or questions is None:
        return _lay_out_uncached(screen, values, context, limit)
    key = screen.id, limit, tuple([values.get(name) in allowed for name, sets in questions for allowed in sets])
    layout = common.layouts.get(key)
    if layout is None:
        answers = {name: values.get(name) for name, _ in questions}
        layout = common.layouts[key] = _lay_out_uncached(screen, answers, common.context, limit)
    return layout


def _lay_out_uncached(
    screen: Screen, values: Mapping[str, str | None], context: ScreenContext, limit: ScreenLimit
) -> ScreenLayout:
    offers = offered_choices(screen, values, context)
    words = fill_all(screen.words, values, context)
    foot = fill_all(screen.foot, values, context)
    beside = fill_all(screen.beside, values, context)
    skip = skip_lines(screen, values, context)
    levels = max(len(words), len(foot), len(beside), len(skip), *[len(offer.say) for offer in offers], 1)
    base = _menu(screen, context)
    listed = sum(not offer.key for offer in offers) if screen.lists else len(offers)
    for drill, level in product(_drill_marks(screen, context), range(levels)):
        heading = _at_level(words, level)
        lines = tuple([MenuLine(offer.key, _at_level(offer.say, level), index) for index, offer in enumerate(offers)])
        above = "" if any(line in heading for line in beside) else _at_level(beside, level)
        shown = {"above": above, "lines": lines[:listed], "tail": lines[listed:], "foot": _at_level(foot, level)}
        below = (*((_at_level(skip, level),) if skip else ()), *base.below)
        menu = replace(base, heading=heading, below=below, **shown)
        if len(laid_pages := pages(_with_drill_mark(menu, drill), limit)) == 1:
            break
    if len(laid_pages) > 1 and (screen.end or screen.id == OVERLAY_SCREEN):  # nobody can ask for its second page
        laid_pages = _on_one_page(menu, drill, limit) or laid_pages
    elif drill and not screen.words.is_field_alone and _has_moved(laid_pages, pages(menu, limit)):
        # the mark must not move a choice to another page
        laid_pages = _shortened(menu, drill, limit) or laid_pages
    return ScreenLayout(screen, offers, laid_pages)


def _drill_marks(screen: Screen, context: ScreenContext) -> tuple[str, ...]:
    """Return the marks of a training screen, the longest first; outside training one that is empty."""
    if context.facts.get("drill") != "yes":
        return ("",)
    marks = (DRILL_EMERGENCY,) if screen.id == EMERGENCY_SCREEN else (DRILL_END, DRILL) if screen.end else (DRILL,)
    return tuple(f"{context.translate(mark)} " for mark in marks)


def _with_drill_mark(menu: Menu, drill: str) -> Menu:
    """Put the drill mark at the beginning of a training screen."""
    return replace(menu, above=drill + menu.above) if menu.above else replace(menu, heading=drill + menu.heading)


def _on_one_page(menu: Menu, drill: str, limit: ScreenLimit) -> tuple[ScreenPage, ...]:
    """Return one page without some sentences that have no number, the last left out first; () if none fits."""
    for heading in filter(None, shorter_headings(menu.heading)):
        if len(laid_pages := pages(_with_drill_mark(replace(menu, heading=heading), drill), limit)) == 1:
            return laid_pages
    return ()


def _shortened(menu: Menu, drill: str, limit: ScreenLimit) -> tuple[ScreenPage, ...]:
    """Return the pages of a training screen whose mark does not fit; () if its numbers leave no room for the mark.

    Sentences without a number are left out, the last first, until no choice is on another page than without the mark;
    then the second line of the foot.
    """
    base = pages(menu, limit)
    for foot in dict.fromkeys((menu.foot, menu.foot.partition("\n")[0])):
        for heading in shorter_headings(f"{menu.above}\n{menu.heading}".strip()):
            marked = replace(menu, above="", heading=f"{drill}{heading}".strip(), foot=foot)
            if not _has_moved(laid_pages := pages(marked, limit), base):
                return laid_pages
    return ()


def _has_moved(laid_pages: tuple[ScreenPage, ...], base: tuple[ScreenPage, ...]) -> bool:
    """Return whether a choice is on another page than without the mark."""
    return [len(page.lines) for page in laid_pages] != [len(page.lines) for page in base]


def offered_choices(
    screen: Screen, values: Mapping[str, str | None], context: ScreenContext
) -> tuple[OfferedChoice, ...]:
    """Return the choices whose condition holds, those from data first."""
    listed = next(filter(None, (context.lists.get(name, ()) for name in screen.lists)), ())
    offers = [OfferedChoice("", (option.say,), Choice("", ScreenText(), option.value)) for option in listed]
    for choice in screen.choices:
        if choice.when.holds(values, context.facts) and (says := fill_all(choice.say, values, context)) != ("",):
            offers.append(OfferedChoice(choice.key, says, choice))
    return tuple(offers)


def fill_all(text: ScreenText, values: Mapping[str, str | None], context: ScreenContext) -> tuple[str, ...]:
    """Return the filled texts of the variant that holds, without empty ones; ("",) if none remains."""
    if not text.variants:
        return ("",)
    says = [words for say in text.says(values, context.facts) if (words := fill(say, context))]
    return tuple(says) or ("",)


def fill(say: str, context: ScreenContext) -> str:
    """Translate a text and fill in the fields. A line with an optional field that is absent is left out.

    A translation with other fields than the English text is not used: a number might be missing. A text without a
    translation gets English fields ("Call police 111", not "Call polis 111"); fields alone are no English sentence.
    """
    words = without_context(context.translate(say)) if say else ""
    say = without_context(say)
    if words != say and set(PLACEHOLDER.findall(words)) != set(PLACEHOLDER.findall(say)):
        words = say
    if "{" not in words:
        return words
    is_english = words == say and context.english and PLACEHOLDER.sub("", words).strip()
    fields = {**context.fields, **context.english} if is_english else context.fields
    lines = (_fill_line(line, fields) for line in words.split("\n"))
    return "\n".join(line for line in lines if line is not None)


def _fill_line(line: str, fields: Mapping[str, str]) -> str | None:
    for name in PLACEHOLDER.findall(line):
        if name in OPTIONAL_FIELDS and not fields.get(name):
            return None
    return PLACEHOLDER.sub(lambda match: fields[match[1]], line)


def _at_level(says: tuple[str, ...], level: int) -> str:
    return says[min(level, len(says) - 1)]


def _menu(screen: Screen, context: ScreenContext) -> Menu:
    """Return the parts of the menu that do not depend on the length of its texts."""
    leave = "" if screen.end else f"00 {leave_label(screen, context)}"
    return Menu(
        heading="",
        renumber=bool(screen.lists),
        below=_below(screen, leave, context),
        more="" if screen.end else f"98 {context.translate(MORE)}",
        leave="" if screen.start else leave,
    )


def _below(screen: Screen, leave: str, context: ScreenContext) -> tuple[str, ...]:
    """Return the last line of the choices. A first screen has no Back, and always the line to leave."""
    if screen.end:
        return ()
    return (leave if screen.start else f"0 {zero_label(screen, context)}",)


def skip_lines(screen: Screen, values: Mapping[str, str | None], context: ScreenContext) -> tuple[str, ...]:
    """Return the line about skipping typed input, from the longest to the shortest; () if there is none."""
    if screen.typed is None or screen.typed.skip is None:
        return ()
    lines = fill_all(screen.typed.skip_line, values, context)
    return lines if lines != ("",) else (f"{screen.typed.skip} = {context.translate(SKIP)}",)


def leave_label(screen: Screen, context: ScreenContext) -> str:
    """Return the label of `00`."""
    return _label(screen.leave, LEAVE, context)


def zero_label(screen: Screen, context: ScreenContext) -> str:
    """Return the label of `0`; empty on a first screen, where there is no way back."""
    return "" if screen.start else _label(screen.zero.say if screen.zero else ScreenText(), BACK, context)


def _label(text: ScreenText, otherwise: str, context: ScreenContext) -> str:
    return fill_all(text, {}, context)[0] or context.translate(otherwise)
