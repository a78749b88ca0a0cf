"""Faults of ways: dead ends, circles, too many screens to Send, what is never shown. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from flows.authoring.findings import Finding, finding_at
from flows.authoring.paths import NOON, StateGraph, StateKey, StateNode
from flows.authoring.timing import MAX_SCREENS_TO_SEND, paths_to_send
from flows.engine import step
from flows.model import FlowBook, Screen

# What has to be answered before an effect: without it, it could not be done.
REQUIRED_BEFORE_EFFECT = {"send": ("danger", "category")}


def path_faults(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    for lost in ways.lost:
        screen = book.screens[lost.screen]
        yield finding_at(
            book, screen, f"the reply {lost.reply!r} leads nowhere ({lost.why}); give its `go:` a way without `when:`"
        )
    yield from _each_spot(book, ways)
    yield from _each_screen(book, ways)
    yield from _circles(book, ways)
    yield from _too_long(book, ways)


def unreached(book: FlowBook, shown: Collection[str], offered: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """What no country, language and channel ever showed."""
    for screen in book.screens.values():
        if screen.id not in shown:
            yield finding_at(
                book, screen, "nobody ever sees it: its `when:`, or that of the way to it, never holds; mend that"
            )
            continue
        for choice in screen.choices:
            if (screen.id, choice.key) not in offered:
                yield finding_at(
                    book, screen, f"choice {choice.key} is never offered; mend its `when:` or remove it", choice.at
                )


def _each_spot(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
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


def _each_screen(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    """What the engine does with the keys of every screen, and with too much typed."""
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


def _circles(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    """Spots from which no forward way comes to an end, to a place to begin, or to where nothing is asked."""
    onward = {key: [way.to for way in replies if not way.back] for key, replies in ways.ways.items()}
    out = {key for key, spot in ways.spots.items() if _is_exit(spot.laid.screen) or not onward[key]}
    before: dict[StateKey, list[StateKey]] = {}
    for key, targets in onward.items():
        for target in targets:
            before.setdefault(target, []).append(key)
    waiting = list(out)
    while waiting:
        for key in before.get(waiting.pop(), ()):
            if key not in out:
                out.add(key)
                waiting.append(key)
    for screen in {ways.spots[key].state.screen for key in ways.spots.keys() - out}:
        yield finding_at(
            book, book.screens[screen], "after some answers one walks in a circle from here; lead it to an `end: true`"
        )


def _is_exit(screen: Screen) -> bool:
    return screen.end or screen.start


def _too_long(book: FlowBook, ways: StateGraph) -> Iterator[Finding]:
    longest: dict[str, tuple[str, ...]] = {}
    for one in paths_to_send(ways):
        last = one.screens[-1]
        longest[last] = max(one.screens, longest.get(last, ()), key=len)
    for last, screens in longest.items():
        if len(screens) > MAX_SCREENS_TO_SEND:
            walked = " ".join(name.partition(".")[2] for name in screens)
            message = (
                f"{len(screens)} screens to Send, at most {MAX_SCREENS_TO_SEND} (S-15); ask less before it: {walked}"
            )
            yield replace(finding_at(book, book.screens[last], message))
