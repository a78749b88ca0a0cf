"""Estimate how long a person needs on a phone: reading, pressing keys, typing; the fastest and slowest paths. Pure.

The figures are cautious assumptions, not measurements. Networks end a session after one to three minutes.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from flows.authoring.paths import StateGraph, StateKey, Transition
from flows.model import ScreenLayout

WORDS_PER_MINUTE = 200  # reading speed on a small screen
KEY_SECONDS = 6.0  # time to find a key, press it, send it, and wait for the next screen
LETTER_SECONDS = 1.2  # time for a letter, with several presses each
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

    def __init__(self, graph: StateGraph) -> None:
        self._graph = graph
        self._reading: dict[int, list[float]] = {}  # id of a layout, which lives as long as the graph → seconds by page
        self.fastest = self._fastest()
        self.to_send = self._paths_to_send()

    def reading_seconds(self, layout: ScreenLayout, page: int) -> float:
        """Return the seconds to read the pages of a screen up to this one, inclusive."""
        seconds_by_page = self._reading.get(id(layout))
        if seconds_by_page is None:
            words = itertools.accumulate(len(each_page.text.split()) for each_page in layout.pages)
            seconds_by_page = self._reading[id(layout)] = [count * 60 / WORDS_PER_MINUTE for count in words]
        return seconds_by_page[min(page, len(seconds_by_page) - 1)]

    def screen_seconds(self, layout: ScreenLayout, transition: Transition) -> float:
        """Return the seconds on a screen: to read it, to go to the page of the choice, and to reply."""
        return (
            self.reading_seconds(layout, transition.page)
            + KEY_SECONDS * (transition.page + 1)
            + LETTER_SECONDS * transition.typed
        )

    def _fastest(self) -> dict[StateKey, float]:
        """Return the seconds from dialling to each state by the fastest path."""
        nodes, transitions = self._graph.nodes, self._graph.transitions
        counter = itertools.count()
        fastest: dict[StateKey, float] = {}
        waiting = [(0.0, next(counter), key) for key in self._graph.starts]
        while waiting:
            seconds, _, key = heapq.heappop(waiting)
            if key in fastest:
                continue
            fastest[key] = seconds
            layout = nodes[key].layout
            for transition in transitions.get(key, ()):
                if transition.to not in fastest:
                    heapq.heappush(
                        waiting, (seconds + self.screen_seconds(layout, transition), next(counter), transition.to)
                    )
        return fastest

    def _paths_to_send(self) -> list[PathToSend]:
        """Return all sequences of screens before Send, each with its slowest time.

        They go from the first screen of the flow that sends to the first screen that offers Send.
        """
        sending = {node.layout.screen.flow for node in self._graph.nodes.values() if _sends(node.layout)}
        longest: dict[tuple[str, ...], float] = {}
        for key, seconds in self._entries(sending):
            for screens, path_seconds in self._sequences(key, seconds):
                longest[screens] = max(path_seconds, longest.get(screens, 0.0))
        return [PathToSend(screens, seconds) for screens, seconds in longest.items()]

    def _entries(self, sending: set[str]) -> Iterator[tuple[StateKey, float]]:
        """Yield the states that enter the flow that sends, with the fastest time to each."""
        graph, arrival = self._graph, self.fastest
        entries: dict[StateKey, float] = {}
        for key, replies in graph.transitions.items():
            if graph.nodes[key].layout.screen.flow in sending or key not in arrival:
                continue
            for transition in replies:
                if graph.nodes[transition.to].layout.screen.flow in sending and not transition.back:
                    seconds = arrival[key] + self.screen_seconds(graph.nodes[key].layout, transition)
                    entries[transition.to] = min(seconds, entries.get(transition.to, seconds))
        at_start = {key: 0.0 for key in graph.starts if graph.nodes[key].layout.screen.flow in sending}
        yield from (entries | at_start).items()

    def _sequences(self, key: StateKey, seconds: float) -> Iterator[tuple[tuple[str, ...], float]]:
        graph = self._graph
        slowest: dict[tuple[StateKey, tuple[str, ...]], float] = {}
        waiting = [(key, _counted_screens(graph, key), seconds)]
        while waiting:
            key, screens, seconds = waiting.pop()
            if slowest.get((key, screens), -1.0) >= seconds:
                continue
            slowest[key, screens] = seconds
            layout = graph.nodes[key].layout
            if _sends(layout):
                yield screens, seconds + self.reading_seconds(layout, 0) + KEY_SECONDS
            elif len(screens) < _MAX_LENGTH:
                waiting += [
                    (
                        transition.to,
                        screens + _counted_screens(graph, transition.to),
                        seconds + self.screen_seconds(layout, transition),
                    )
                    for transition in graph.transitions.get(key, ())
                    if not transition.back
                ]


def _sends(layout: ScreenLayout) -> bool:
    return any(offer.choice.do == "send" for offer in layout.offers)


def _counted_screens(graph: StateGraph, key: StateKey) -> tuple[str, ...]:
    """Return the screen if it counts on the path to Send; the first screen of a session does not."""
    screen = graph.nodes[key].layout.screen
    return () if screen.start else (screen.id,)
