"""Faults of pages: words that one screen does not hold, numbers and keys that are missing, labels alike. Pure.

A language outside GSM-7 has 70 units a page: there long words may go on to the next page, and nothing else may.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from flows.authoring.findings import Finding, finding_at
from flows.authoring.paths import NOON, Combination, StateGraph, StateNode
from flows.gsm7 import alphabet, size
from flows.model import Answer, FlowBook, FlowState, Screen, ScreenContext, ScreenLayout, ScreenText, Variant
from flows.pagination import ScreenPage, fits
from flows.renderer import lay_out, leave_label, zero_label
from flows.text import MORE, fold

MANY_CHOICES = 9  # choices: so many may fill two pages


def page_faults(book: FlowBook, ways: StateGraph, where: Combination) -> tuple[int, list[Finding]]:
    """How many pages were looked at, and what is wrong with them, in the language of `where`."""
    pages = 0
    found: list[Finding] = []
    for view in ways.views.values():
        world = view.context_for(where, where.longest)
        for state in (view.state, *_others(book, where, view, world)):
            shown = world if state is view.state else replace(view, state=state).context_for(where, where.longest)
            laid = lay_out(view.laid.screen, state.values, shown, where.limit)
            pages += len(laid.pages)
            found += _of(book, where, laid, state, shown)
    return pages, found


def _others(book: FlowBook, where: Combination, view: StateNode, world: ScreenContext) -> Iterator[FlowState]:
    """The same screen after each other answer that fills its list: each group of places has its own."""
    for name in view.laid.screen.lists:
        if len(asked := where.depends.get(name, frozenset())) != 1:
            continue
        for screen in book.screens.values():
            if screen.question in asked:
                for option in next(filter(None, map(world.lists.get, screen.lists)), ()):
                    answer = Answer(screen.id, str(screen.question), option.value, typed=False, at=NOON)
                    state = replace(view.state, answers=(answer,), trail=((screen.id, 0),))
                    if any(map(where.context_for(state).lists.get, view.laid.screen.lists)):
                        yield state


def _of(
    book: FlowBook, where: Combination, laid: ScreenLayout, state: FlowState, world: ScreenContext
) -> Iterator[Finding]:
    screen = laid.screen
    for page in laid.pages:
        if not fits(page.text, where.limit):
            yield finding_at(book, screen, f"a page of {size(page.text)} does not fit the phone; say less")
    yield from _too_long(book, where, laid, state, world)
    yield from _keys(book, laid, world)
    yield from _alike(book, where, laid, world)


def _too_long(
    book: FlowBook, where: Combination, laid: ScreenLayout, state: FlowState, world: ScreenContext
) -> Iterator[Finding]:
    screen, pages = laid.screen, laid.pages
    is_gsm = all(alphabet(page.text) == "gsm7" for page in pages)
    for page in pages:
        for line in page.lines:
            if line.say not in laid.offers[line.choice].say:
                choice = laid.offers[line.choice].choice
                message = f"a choice is cut to {line.say!r}; give it a shorter label"
                said = next((one for one in choice.say.variants if one.when.holds(state.values, world.facts)), None)
                yield _at_words(book, where, screen, said, message)
    if (
        is_gsm
        and len(pages) > 1
        and not screen.lists
        and len(screen.choices) < MANY_CHOICES
        and not _is_cut(screen, pages)
    ):
        yield finding_at(
            book, screen, f"its {len(laid.offers)} choices go on to page 2; say less above them, or shorten labels"
        )
    if is_gsm and _is_cut(screen, pages):
        message = "its words do not fit on one page; say less, or add a shorter form as `fits_first:`"
        said = next(one for one in screen.words.variants if one.when.holds(state.values, world.facts))
        yield _at_words(book, where, screen, said, message)


def _is_cut(screen: Screen, pages: Sequence[ScreenPage]) -> bool:
    """Whether the words go on to a second page, and not the choices alone."""
    no_lines = not screen.choices and not screen.lists
    return len(pages) > 1 and (no_lines or any(not page.lines for page in pages[:-1]))


def _at_words(book: FlowBook, where: Combination, screen: Screen, said: Variant | None, message: str) -> Finding:
    """Where the translation stands, if there is one; else where the flow says it."""
    if said and (source := where.translation_source(said.says[-1])):
        return Finding(source[0], source[1], 1, screen.id, message)
    return finding_at(book, screen, message, said.at if said else (0, 0))


def _keys(book: FlowBook, laid: ScreenLayout, world: ScreenContext) -> Iterator[Finding]:
    """The number to call, and the keys that are the same everywhere: where they have to be seen."""
    screen, first = laid.screen, laid.pages[0].text
    if screen.start and world.fields["emergency"] not in first:
        yield finding_at(book, screen, "the emergency number is not on its first page (S-01); begin with {emergency}")
    if screen.end:
        return
    key = "00 " if screen.start else "0 "
    for page in laid.pages:
        if not any(line.startswith(key) for line in page.text.split("\n")):
            yield finding_at(book, screen, f"`{key.strip()}` is not on each of its pages; say less")


def _alike(book: FlowBook, where: Combination, laid: ScreenLayout, world: ScreenContext) -> Iterator[Finding]:
    """Whoever types a label in place of its number is understood."""
    screen = laid.screen
    labels = {"00": (leave_label(screen, world),), "0": (zero_label(screen, world),), "98": (world.translate(MORE),)}
    known: dict[str, str] = {fold(say[0]): key for key, say in labels.items() if say[0] and not screen.end}
    for number, offer in enumerate(laid.offers):
        for say in {fold(one) for one in offer.say}:
            other = known.setdefault(say, offer.key or f"list {number}")
            if other != (offer.key or f"list {number}"):
                message = f"{say!r} means two things on this screen; change one of them"
                source = next(filter(None, map(where.translation_source, _said(offer.choice.say))), None)
                if source:
                    yield Finding(source[0], source[1], 1, screen.id, message)
                else:
                    yield finding_at(book, screen, message, offer.choice.at)


def _said(text: ScreenText) -> Iterator[str]:
    for variant in text.variants:
        yield from variant.says
