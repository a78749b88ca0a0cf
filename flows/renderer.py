"""A screen as words: what holds now, filled and translated, fitted to the phone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from flows.model import Choice, FlowBook, FlowState, OfferedChoice, Screen, ScreenContext, ScreenLayout, ScreenText
from flows.pagination import Menu, MenuLine, ScreenLimit, ScreenPage, pages, with_first_line
from flows.text import BACK, DRILL, LEAVE, MORE, PLACEHOLDER, SKIP, SORRY, without_context
from flows.vocabulary import OPTIONAL_FIELDS

OVERLAY_SCREEN = "home.third_wrong"
MAX_WRONG_REPLIES = 3  # wrong replies in a row
SHORT_SORRY = "?"  # in place of "Sorry, try again." where even that finds no room


class RenderedScreen(Struct, frozen=True):
    """`text` has no prefix of any channel. Pages count from 1."""

    text: str
    expects_reply: bool
    page: int
    pages: int


def render(
    book: FlowBook, state: FlowState, world: ScreenContext, limit: ScreenLimit, sorry: bool = False
) -> RenderedScreen:
    covered = overlay_of(book, state)
    laid = lay_out(covered or book.screens[state.screen], state.values, world, limit)
    page = laid.pages[0 if covered else min(state.page, len(laid.pages) - 1)]
    text = page.text
    if sorry and not covered:
        first = page is laid.pages[0] and (laid.screen.start or laid.screen.called)
        keep = world.fields.get("emergency", "") if first else ""
        text = with_first_line(page, (world.translate(SORRY), SHORT_SORRY), limit, keep=keep)
    return RenderedScreen(text, not laid.screen.end, laid.pages.index(page) + 1, len(laid.pages))


def render_notice(book: FlowBook, name: str, world: ScreenContext, limit: ScreenLimit) -> RenderedScreen:
    """A screen that needs no conversation: home.not_working, home.busy, home.goodbye, report.not_sent."""
    return render(book, FlowState(name), world, limit)


def overlay_of(book: FlowBook, state: FlowState) -> Screen | None:
    """The notice with the numbers, after too many wrong replies in a row."""
    return book.screens.get(OVERLAY_SCREEN) if state.wrong >= MAX_WRONG_REPLIES else None


def is_asked(screen: Screen, values: Mapping[str, str | None], world: ScreenContext) -> bool:
    """Whether a screen is shown at all, or passed over."""
    return screen.when.holds(values, world.facts) and (not screen.lists or any(map(world.lists.get, screen.lists)))


def lay_out(screen: Screen, values: Mapping[str, str | None], world: ScreenContext, limit: ScreenLimit) -> ScreenLayout:
    """The longest words that fit on one page; where none do, the shortest on several."""
    common = world.common
    if common is None or screen.id not in common.screens:
        return _laid_out(screen, values, world, limit)
    laid = common.laid.get((screen.id, limit))
    if laid is None:
        laid = common.laid[screen.id, limit] = _laid_out(screen, {}, common.world, limit)
    return laid


def _laid_out(
    screen: Screen, values: Mapping[str, str | None], world: ScreenContext, limit: ScreenLimit
) -> ScreenLayout:
    offers = offered_choices(screen, values, world)
    words = fill_all(screen.words, values, world)
    foot = fill_all(screen.foot, values, world)
    beside = fill_all(screen.beside, values, world)
    most = max(len(words), len(foot), len(beside), *[len(offer.say) for offer in offers], 1)
    drill = f"{world.translate(DRILL)} " if world.facts.get("drill") == "yes" else ""
    whole = _menu(screen, world)
    listed = sum(not offer.key for offer in offers) if screen.lists else len(offers)
    for level in range(most):
        heading = _at(words, level)
        lines = tuple([MenuLine(offer.key, _at(offer.say, level), index) for index, offer in enumerate(offers)])
        above = "" if any(one in heading for one in beside) else _at(beside, level)
        shown = {"above": above, "lines": lines[:listed], "tail": lines[listed:], "foot": _at(foot, level)}
        menu = replace(whole, heading=heading, **shown)
        if len(cut := pages(_drilled(menu, drill), limit)) == 1:
            break
    if drill and _moved(cut, pages(menu, limit)):  # no choice is pushed away for it
        cut = pages(replace(menu, above="", heading=f"{drill.strip()}\n{above}".strip()), limit)
    return ScreenLayout(screen, offers, cut)


def _drilled(menu: Menu, drill: str) -> Menu:
    """A training screen begins with its mark."""
    return replace(menu, above=drill + menu.above) if menu.above else replace(menu, heading=drill + menu.heading)


def _moved(cut: tuple[ScreenPage, ...], whole: tuple[ScreenPage, ...]) -> bool:
    """Return whether a choice stands on another page than it would."""
    return [len(page.lines) for page in cut] != [len(page.lines) for page in whole]


def offered_choices(
    screen: Screen, values: Mapping[str, str | None], world: ScreenContext
) -> tuple[OfferedChoice, ...]:
    listed = next(filter(None, (world.lists.get(name, ()) for name in screen.lists)), ())
    offers = [OfferedChoice("", (option.say,), Choice("", ScreenText(), option.value)) for option in listed]
    for choice in screen.choices:
        if choice.when.holds(values, world.facts) and (says := fill_all(choice.say, values, world)) != ("",):
            offers.append(OfferedChoice(choice.key, says, choice))
    return tuple(offers)


def fill_all(text: ScreenText, values: Mapping[str, str | None], world: ScreenContext) -> tuple[str, ...]:
    """The texts of the variant that holds; those that are empty for want of a field are left out."""
    if not text.variants:
        return ("",)
    says = [words for say in text.says(values, world.facts) if (words := fill(say, world))]
    return tuple(says) or ("",)


def fill(say: str, world: ScreenContext) -> str:
    """Translated, with the fields in. A line is left out where a field that may be absent is.

    A translation with other fields than the English has is none: a number might be missing.
    """
    words = without_context(world.translate(say)) if say else ""
    say = without_context(say)
    if words != say and set(PLACEHOLDER.findall(words)) != set(PLACEHOLDER.findall(say)):
        words = say
    if "{" not in words:
        return words
    lines = (_fill_line(line, world.fields) for line in words.split("\n"))
    return "\n".join(line for line in lines if line is not None)


def _fill_line(line: str, fields: Mapping[str, str]) -> str | None:
    for name in PLACEHOLDER.findall(line):
        if name in OPTIONAL_FIELDS and not fields.get(name):
            return None
    return PLACEHOLDER.sub(lambda found: fields[found[1]], line)


def _at(says: tuple[str, ...], level: int) -> str:
    return says[min(level, len(says) - 1)]


def _menu(screen: Screen, world: ScreenContext) -> Menu:
    """What it says however long its words are."""
    leave = "" if screen.end else f"00 {leave_label(screen, world)}"
    return Menu(
        heading="",
        renumber=bool(screen.lists),
        below=_below(screen, leave, world),
        more=f"98 {world.translate(MORE)}",
        leave="" if screen.start else leave,
    )


def _below(screen: Screen, leave: str, world: ScreenContext) -> tuple[str, ...]:
    """Where a conversation begins there is no way back, and the line to leave is always there."""
    if screen.end:
        return ()
    skip = (f"{screen.typed.skip} = {world.translate(SKIP)}",) if screen.typed and screen.typed.skip else ()
    return (*skip, leave if screen.start else f"0 {zero_label(screen, world)}")


def leave_label(screen: Screen, world: ScreenContext) -> str:
    return _own(screen.leave, LEAVE, world)


def zero_label(screen: Screen, world: ScreenContext) -> str:
    """ "" where a conversation begins: there is nothing to go back to."""
    return "" if screen.start else _own(screen.zero.say if screen.zero else ScreenText(), BACK, world)


def _own(text: ScreenText, otherwise: str, world: ScreenContext) -> str:
    return fill_all(text, {}, world)[0] or world.translate(otherwise)
