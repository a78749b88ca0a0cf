"""Check the pages: texts that do not fit, missing numbers and keys, and labels that are alike. Pure.

A language outside GSM-7 has 70 units a page: there a long text may continue on the next page, and nothing else may.
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

MANY_CHOICES = 9  # so many choices may fill two pages


def page_faults(book: FlowBook, ways: StateGraph, where: Combination) -> tuple[int, list[Finding]]:
    """Return how many pages were checked, and their faults, in the language of `where`."""
    pages = 0
    findings: list[Finding] = []
    for view in ways.views.values():
        world = view.context_for(where, where.longest)
        for state in (view.state, *_other_states(book, where, view, world)):
            context = world if state is view.state else replace(view, state=state).context_for(where, where.longest)
            laid = lay_out(view.laid.screen, state.values, context, where.limit)
            pages += len(laid.pages)
            findings += _layout_faults(book, where, laid, state, context)
    return pages, findings


def _other_states(book: FlowBook, where: Combination, view: StateNode, world: ScreenContext) -> Iterator[FlowState]:
    """Yield the same screen after each other answer that fills its list: each group of places has its own list."""
    for name in view.laid.screen.lists:
        if len(questions := where.depends.get(name, frozenset())) != 1:
            continue
        for screen in book.screens.values():
            if screen.question in questions:
                for option in next(filter(None, map(world.lists.get, screen.lists)), ()):
                    answer = Answer(screen.id, str(screen.question), option.value, typed=False, at=NOON)
                    state = replace(view.state, answers=(answer,), trail=((screen.id, 0),))
                    if any(map(where.context_for(state).lists.get, view.laid.screen.lists)):
                        yield state


def _layout_faults(
    book: FlowBook, where: Combination, laid: ScreenLayout, state: FlowState, world: ScreenContext
) -> Iterator[Finding]:
    screen = laid.screen
    for page in laid.pages:
        if not fits(page.text, where.limit):
            yield finding_at(book, screen, f"a page of {size(page.text)} does not fit the phone; say less")
    yield from _too_long(book, where, laid, state, world)
    yield from _key_faults(book, laid, world)
    yield from _equal_labels(book, where, laid, world)


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
                active_variant = next(
                    (each for each in choice.say.variants if each.when.holds(state.values, world.facts)), None
                )
                yield _finding_at_text(book, where, screen, active_variant, message)
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
        active_variant = next(each for each in screen.words.variants if each.when.holds(state.values, world.facts))
        yield _finding_at_text(book, where, screen, active_variant, message)


def _is_cut(screen: Screen, pages: Sequence[ScreenPage]) -> bool:
    """Return whether the text continues on a second page, and not the choices alone."""
    no_lines = not screen.choices and not screen.lists
    return len(pages) > 1 and (no_lines or any(not page.lines for page in pages[:-1]))


def _finding_at_text(
    book: FlowBook, where: Combination, screen: Screen, active_variant: Variant | None, message: str
) -> Finding:
    """Return a finding at the translation of a text if there is one, or else at the text in the flow."""
    if active_variant and (source := where.translation_source(active_variant.says[-1])):
        return Finding(source[0], source[1], 1, screen.id, message)
    return finding_at(book, screen, message, active_variant.at if active_variant else (0, 0))


def _key_faults(book: FlowBook, laid: ScreenLayout, world: ScreenContext) -> Iterator[Finding]:
    """Check that the emergency number and the common keys are on the pages that need them."""
    screen, first = laid.screen, laid.pages[0].text
    if screen.start and world.fields["emergency"] not in first:
        yield finding_at(book, screen, "the emergency number is not on its first page (S-01); begin with {emergency}")
    if screen.end:
        return
    key = "00 " if screen.start else "0 "
    for page in laid.pages:
        if not any(line.startswith(key) for line in page.text.split("\n")):
            yield finding_at(book, screen, f"`{key.strip()}` is not on each of its pages; say less")


def _equal_labels(book: FlowBook, where: Combination, laid: ScreenLayout, world: ScreenContext) -> Iterator[Finding]:
    """Check that each label is unique, because a reporter may type it instead of its number."""
    screen = laid.screen
    labels = {"00": (leave_label(screen, world),), "0": (zero_label(screen, world),), "98": (world.translate(MORE),)}
    known: dict[str, str] = {fold(say[0]): key for key, say in labels.items() if say[0] and not screen.end}
    for number, offer in enumerate(laid.offers):
        for say in {fold(label) for label in offer.say}:
            other = known.setdefault(say, offer.key or f"list {number}")
            if other != (offer.key or f"list {number}"):
                message = f"{say!r} means two things on this screen; change one of them"
                source = next(filter(None, map(where.translation_source, _all_texts(offer.choice.say))), None)
                if source:
                    yield Finding(source[0], source[1], 1, screen.id, message)
                else:
                    yield finding_at(book, screen, message, offer.choice.at)


def _all_texts(text: ScreenText) -> Iterator[str]:
    for variant in text.variants:
        yield from variant.says
