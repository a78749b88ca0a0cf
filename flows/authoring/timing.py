"""Estimate how long a person needs on a phone: reading, pressing keys, typing; the fastest and slowest paths. Pure.

The figures are assumptions on the slow side; nobody was timed. Networks end a session after one to three minutes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from flows.authoring.paths import StateGraph, StateKey, Transition
from flows.model import ScreenLayout

WORDS_PER_MINUTE = 200  # reading speed on a small screen
KEY_SECONDS = 6.0  # to find a key, press it, send it, and wait for the next screen
LETTER_SECONDS = 1.2  # for a letter, with several presses each
SESSION_LIMITS = (60, 120, 180)  # seconds
MAX_SCREENS_TO_SEND = 8  # limit of the screens before Send (S-15)
_MAX_LENGTH = 2 * MAX_SCREENS_TO_SEND  # a longer path is not followed further


@dataclass(frozen=True, slots=True)
class PathToSend:
    """A sequence of screens up to Send, in the flow that sends. `seconds`: from dialling, the slowest time."""

    screens: tuple[str, ...]
    seconds: float

    @property
    def margins(self) -> tuple[int, ...]:
        """Return the seconds that remain of each session limit; below 0 if the path takes longer."""
        return tuple(round(session - self.seconds) for session in SESSION_LIMITS)


class PathTimes:
    """The times of the paths of one combination: the fastest to each state, and the sequences up to Send."""

    def __init__(self, ways: StateGraph) -> None:
        self._ways = ways
        self._reading: dict[int, list[float]] = {}  # id of a layout, which lives as long as `ways` → seconds by page
        self.fastest = self._fastest()
        self.to_send = self._paths_to_send()

    def reading_seconds(self, laid: ScreenLayout, page: int) -> float:
        """Return the seconds to read the pages of a screen up to this one, inclusive."""
        known = self._reading.get(id(laid))
        if known is None:
            words = itertools.accumulate(len(each_page.text.split()) for each_page in laid.pages)
            known = self._reading[id(laid)] = [count * 60 / WORDS_PER_MINUTE for count in words]
        return known[min(page, len(known) - 1)]

    def screen_seconds(self, laid: ScreenLayout, way: Transition) -> float:
        """Return the seconds on a screen: to read it, to go to the page of the choice, and to reply."""
        return self.reading_seconds(laid, way.page) + KEY_SECONDS * (way.page + 1) + LETTER_SECONDS * way.typed

    def _fastest(self) -> dict[StateKey, float]:
        """Return the seconds from dialling to each state by the fastest path."""
        nodes, transitions = self._ways.nodes, self._ways.transitions
        counter = itertools.count()
        fastest: dict[StateKey, float] = {}
        waiting = [(0.0, next(counter), key) for key in self._ways.starts]
        while waiting:
            seconds, _, key = heapq.heappop(waiting)
            if key in fastest:
                continue
            fastest[key] = seconds
            laid = nodes[key].layout
            for way in transitions.get(key, ()):
                if way.to not in fastest:
                    heapq.heappush(waiting, (seconds + self.screen_seconds(laid, way), next(counter), way.to))
        return fastest

    def _paths_to_send(self) -> list[PathToSend]:
        """Return all sequences of screens before Send, each with its slowest time.

        They go from the first screen of the flow that sends to the first screen that offers Send.
        """
        sending = {spot.layout.screen.flow for spot in self._ways.nodes.values() if _sends(spot.layout)}
        longest: dict[tuple[str, ...], float] = {}
        for key, seconds in self._entries(sending):
            for screens, path_seconds in self._sequences(key, seconds):
                longest[screens] = max(path_seconds, longest.get(screens, 0.0))
        return [PathToSend(screens, seconds) for screens, seconds in longest.items()]

    def _entries(self, sending: set[str]) -> Iterator[tuple[StateKey, float]]:
        """Yield the states that enter the flow that sends, with the fastest time to each."""
        ways, arrival = self._ways, self.fastest
        entries: dict[StateKey, float] = {}
        for key, replies in ways.transitions.items():
            if ways.nodes[key].layout.screen.flow in sending or key not in arrival:
                continue
            for way in replies:
                if ways.nodes[way.to].layout.screen.flow in sending and not way.back:
                    seconds = arrival[key] + self.screen_seconds(ways.nodes[key].layout, way)
                    entries[way.to] = min(seconds, entries.get(way.to, seconds))
        at_start = {key: 0.0 for key in ways.starts if ways.nodes[key].layout.screen.flow in sending}
        yield from (entries | at_start).items()

    def _sequences(self, key: StateKey, seconds: float) -> Iterator[tuple[tuple[str, ...], float]]:
        ways = self._ways
        slowest: dict[tuple[StateKey, tuple[str, ...]], float] = {}
        waiting = [(key, _counted_screens(ways, key), seconds)]
        while waiting:
            key, screens, seconds = waiting.pop()
            if slowest.get((key, screens), -1.0) >= seconds:
                continue
            slowest[key, screens] = seconds
            laid = ways.nodes[key].layout
            if _sends(laid):
                yield screens, seconds + self.reading_seconds(laid, 0) + KEY_SECONDS
            elif len(screens) < _MAX_LENGTH:
                waiting += [
                    (way.to, screens + _counted_screens(ways, way.to), seconds + self.screen_seconds(laid, way))
                    for way in ways.transitions.get(key, ())
                    if not way.back
                ]


def _sends(laid: ScreenLayout) -> bool:
    return any(offer.choice.do == "send" for offer in laid.offers)


def _counted_screens(ways: StateGraph, key: StateKey) -> tuple[str, ...]:
    """Return the screen if it counts on the path to Send; the first screen of a session does not."""
    screen = ways.nodes[key].layout.screen
    return () if screen.start else (screen.id,)
