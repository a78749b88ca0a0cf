"""Check the paths: dead ends, endless loops, too many screens before Send, and screens that never appear. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from flows.authoring.findings import Finding, finding_at
from flows.authoring.paths import NOON, StateGraph, StateKey, StateNode
from flows.authoring.timing import MAX_SCREENS_TO_SEND, paths_to_send
from flows.engine import step
from flows.model import FlowBook, Screen

# The questions that must be answered before an effect, which needs the answers.
REQUIRED_BEFORE_EFFECT = {"send": ("danger", "category")}


def path_faults(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    """Yield the faults of the paths of one combination."""
    for unhandled in ways.lost:
        screen = book.screens[unhandled.screen]
        yield finding_at(
            book,
            screen,
            f"the reply {unhandled.reply!r} leads nowhere ({unhandled.why}); give its `go:` a way without `when:`",
        )
    yield from _state_faults(book, ways)
    yield from _screen_faults(book, ways)
    yield from _endless_loops(book, ways)
    yield from _too_long(book, ways)


def unreached(book: FlowBook, shown: Collection[str], offered: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Yield the screens and choices that no country, language and channel has shown."""
    for screen in book.screens.values():
        if screen.id not in shown:
            yield finding_at(
                book, screen, "nobody ever sees it: its `when:`, or that of the way to it, never holds; fix that"
            )
            continue
        for choice in screen.choices:
            if (screen.id, choice.key) not in offered:
                yield finding_at(
                    book, screen, f"choice {choice.key} is never offered; fix its `when:` or remove it", choice.at
                )


def _state_faults(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    for spot in ways.spots.values():
        screen = spot.laid.screen
        if screen.choices and not spot.laid.offers and not screen.end:
            yield finding_at(
                book, screen, "a dead end: none of its choices holds after some answers; let one hold always"
            )
        for offer in spot.laid.offers:
            missing = [
                name for name in REQUIRED_BEFORE_EFFECT.get(offer.choice.do or "", ()) if name not in spot.state.values
            ]
            if missing:
                yield finding_at(
                    book,
                    screen,
                    f"{missing[0]!r} may be unanswered here; ask it on every way before this",
                    offer.choice.at,
                )
        if screen.zero and any(way.reply == "0" and way.to == spot.key for way in ways.ways[spot.key]):
            yield finding_at(
                book, screen, "`0` leads to the screen itself: no way back; lead its `zero:` elsewhere", screen.zero.at
            )


def _screen_faults(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    """Check the keys that each screen has, and the limits of typed text."""
    for name, spot in {spot.state.screen: spot for spot in ways.spots.values()}.items():
        screen = book.screens[name]
        if not _leaves(book, ways, spot):
            yield finding_at(book, screen, "`00` does not leave; give no choice that key")
        if screen.typed and screen.typed.secret and not screen.typed.limit:
            yield finding_at(book, screen, "a secret may be typed without a limit; add `limit:` to its `type:`")
        if screen.typed and not screen.typed.secret and not screen.typed.skip:
            yield finding_at(book, screen, "words are asked and there is no way past; add `skip: 1` to its `type:`")


def _leaves(book: FlowBook, ways: StateGraph, spot: StateNode) -> bool:
    limit = ways.where.limit
    return step(book, spot.state, "00", lambda _: spot.context_for(ways.where), limit=limit, now=NOON).left


def _endless_loops(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    """Find states from which no forward path leads to an end, a beginning or a state without replies."""
    onward = {key: [way.to for way in replies if not way.back] for key, replies in ways.ways.items()}
    with_exit = {key for key, spot in ways.spots.items() if _is_exit(spot.laid.screen) or not onward[key]}
    predecessors: dict[StateKey, list[StateKey]] = {}
    for key, targets in onward.items():
        for target in targets:
            predecessors.setdefault(target, []).append(key)
    waiting = list(with_exit)
    while waiting:
        for key in predecessors.get(waiting.pop(), ()):
            if key not in with_exit:
                with_exit.add(key)
                waiting.append(key)
    for screen in {ways.spots[key].state.screen for key in ways.spots.keys() - with_exit}:
        yield finding_at(
            book, book.screens[screen], "after some answers one walks in a circle from here; lead it to an `end: true`"
        )


def _is_exit(screen: Screen) -> bool:
    return screen.end or screen.start


def _too_long(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    longest: dict[str, tuple[str, ...]] = {}
    for path in paths_to_send(ways):
        last = path.screens[-1]
        longest[last] = max(path.screens, longest.get(last, ()), key=len)
    for last, screens in longest.items():
        if len(screens) > MAX_SCREENS_TO_SEND:
            steps = " ".join(name.partition(".")[2] for name in screens)
            message = (
                f"{len(screens)} screens to Send, at most {MAX_SCREENS_TO_SEND} (S-15); ask less before it: {steps}"
            )
            yield replace(finding_at(book, book.screens[last], message))
