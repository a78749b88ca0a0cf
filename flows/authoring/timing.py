"""How long a person needs on a phone: reading, pressing keys, typing words; and the fastest and longest ways. Pure.

The figures are assumptions, on the slow side: nobody was timed. Networks end a session after one to three minutes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from flows.authoring.paths import StateGraph, StateKey, Transition
from flows.model import ScreenLayout

WORDS_PER_MINUTE = 200  # read on a small screen
KEY_SECONDS = 6.0  # seconds: to find and press it, to send it, until the next screen is there
LETTER_SECONDS = 1.2  # seconds, with several presses for each
SESSION_LIMITS = (60, 120, 180)  # seconds
MAX_SCREENS_TO_SEND = 8  # to Send (S-15)
_ENOUGH = 2 * MAX_SCREENS_TO_SEND  # a walk longer than this is not looked at further


@dataclass(frozen=True, slots=True)
class PathToSend:
    """One sequence of screens to Send, of the flow that sends; `seconds` from the dial on, at the slowest."""

    screens: tuple[str, ...]
    seconds: float

    @property
    def margins(self) -> tuple[int, ...]:
        """Seconds left in each session; less than none where it does not fit."""
        return tuple(round(session - self.seconds) for session in SESSION_LIMITS)


def reading_seconds(laid: ScreenLayout, page: int) -> float:
    """Seconds to read as far as that page."""
    words = sum(len(one.text.split()) for one in laid.pages[: page + 1])
    return words * 60 / WORDS_PER_MINUTE


def screen_seconds(laid: ScreenLayout, way: Transition) -> float:
    """Seconds on a screen: to read it, to go to the page of the choice, to reply."""
    return reading_seconds(laid, way.page) + KEY_SECONDS * (way.page + 1) + LETTER_SECONDS * way.typed


def fastest_seconds(ways: StateGraph) -> dict[StateKey, float]:
    """Seconds from the dial until each spot is there, by the fastest way."""
    number = itertools.count()
    found: dict[StateKey, float] = {}
    waiting = [(0.0, next(number), key) for key in ways.begin]
    while waiting:
        seconds, _, key = heapq.heappop(waiting)
        if key in found:
            continue
        found[key] = seconds
        for way in ways.ways.get(key, ()):
            if way.to not in found:
                heapq.heappush(waiting, (seconds + screen_seconds(ways.spots[key].laid, way), next(number), way.to))
    return found


def paths_to_send(ways: StateGraph) -> list[PathToSend]:
    """Every sequence of screens from the first of the flow that sends to the first screen where Send is offered."""
    sending = {spot.laid.screen.flow for spot in ways.spots.values() if _sends(spot.laid)}
    longest: dict[tuple[str, ...], float] = {}
    for key, seconds in _entries(ways, sending):
        for screens, slow in _sequences(ways, key, seconds):
            longest[screens] = max(slow, longest.get(screens, 0.0))
    return [PathToSend(screens, seconds) for screens, seconds in longest.items()]


def _sends(laid: ScreenLayout) -> bool:
    return any(offer.choice.do == "send" for offer in laid.offers)


def _entries(ways: StateGraph, sending: set[str]) -> Iterator[tuple[StateKey, float]]:
    """Where one comes into the flow that sends, and how soon."""
    soon = fastest_seconds(ways)
    entries: dict[StateKey, float] = {}
    for key, replies in ways.ways.items():
        if ways.spots[key].laid.screen.flow in sending or key not in soon:
            continue
        for way in replies:
            if ways.spots[way.to].laid.screen.flow in sending and not way.back:
                seconds = soon[key] + screen_seconds(ways.spots[key].laid, way)
                entries[way.to] = min(seconds, entries.get(way.to, seconds))
    own = {key: 0.0 for key in ways.begin if ways.spots[key].laid.screen.flow in sending}
    yield from (entries | own).items()


def _counted(ways: StateGraph, key: StateKey) -> tuple[str, ...]:
    """Where a conversation begins is no screen on the way to Send."""
    screen = ways.spots[key].laid.screen
    return () if screen.start else (screen.id,)


def _sequences(ways: StateGraph, key: StateKey, seconds: float) -> Iterator[tuple[tuple[str, ...], float]]:
    slowest: dict[tuple[StateKey, tuple[str, ...]], float] = {}
    waiting = [(key, _counted(ways, key), seconds)]
    while waiting:
        key, screens, seconds = waiting.pop()
        if slowest.get((key, screens), -1.0) >= seconds:
            continue
        slowest[key, screens] = seconds
        laid = ways.spots[key].laid
        if _sends(laid):
            yield screens, seconds + reading_seconds(laid, 0) + KEY_SECONDS
        elif len(screens) < _ENOUGH:
            waiting += [
                (way.to, screens + _counted(ways, way.to), seconds + screen_seconds(laid, way))
                for way in ways.ways.get(key, ())
                if not way.back
            ]
