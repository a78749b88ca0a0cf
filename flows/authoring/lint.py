"""Lint the flows: each fault with its place in a file and what to do about it. Pure.

The parser checks what a flow file says; this checks what people would meet in each country, language and channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from flows.authoring import page_checks, path_checks
from flows.authoring.findings import Finding
from flows.authoring.paths import Combination, StateGraph, explore
from flows.authoring.timing import PathToSend, fastest_seconds, paths_to_send, screen_seconds
from flows.dependencies import dependencies_of
from flows.model import FlowBook


@dataclass(slots=True)
class LintReport:
    """The result of the lint.

    `findings`: by place and message, with all combinations that have it. `pages`: how many were laid out and measured.
    `sequences`: each path to Send by USSD with its slowest time in seconds. `seconds_to_screen`: the fastest time until
    a screen has been read.
    """

    findings: dict[Finding, list[str]] = field(default_factory=dict)
    lines: int = 0
    screens: int = 0
    pages: int = 0
    spots: int = 0
    replies: int = 0
    sequences: dict[tuple[str, ...], PathToSend] = field(default_factory=dict)
    seconds_to_screen: dict[str, float] = field(default_factory=dict)


class Linter:
    """Checks one country and channel at a time, English first: the paths are the same in all languages.

    `whole`: all countries and channels are checked, so that screens which never appeared are reported.
    """

    def __init__(self, book: FlowBook, *, whole: bool) -> None:
        self._book = book
        self._dependencies = dependencies_of(book)
        self._whole = whole
        self._shown: set[str] = set()
        self._offered: set[tuple[str, str]] = set()
        self.report = LintReport()

    def take(self, first: Combination, others: Iterable[Combination] = ()) -> None:
        """Check one country and channel. `others`: the same in other languages."""
        ways = explore(self._book, self._dependencies, first)
        self._note(path_checks.path_faults(self._book, ways), first)
        self._count(ways)
        for where in (first, *others):
            pages, found = page_checks.page_faults(self._book, ways, where)
            self._note(found, where)
            self.report.lines += 1
            self.report.screens += len(ways.views)
            self.report.pages += pages
        if first.channel == "ussd":
            self._time(ways)

    def end(self) -> LintReport:
        """Return the report, with the screens and choices that never appeared."""
        if self._whole:
            for finding in path_checks.unreached(self._book, self._shown, self._offered):
                self.report.findings.setdefault(finding, []).append("everywhere")
        return self.report

    def _note(self, found: Iterable[Finding], where: Combination) -> None:
        for finding in found:
            combinations = self.report.findings.setdefault(finding, [])
            if str(where) not in combinations:
                combinations.append(str(where))

    def _count(self, ways: StateGraph) -> None:
        self.report.spots += len(ways.spots)
        self.report.replies += sum(map(len, ways.ways.values()))
        for view in ways.views.values():
            self._shown.add(view.state.screen)
            self._offered.update((view.state.screen, offer.choice.key) for offer in view.laid.offers)

    def _time(self, ways: StateGraph) -> None:
        known = self.report.sequences
        for path in paths_to_send(ways):
            known_path = known.get(path.screens)
            known[path.screens] = replace(path, seconds=max(path.seconds, known_path.seconds)) if known_path else path
        for screen, seconds in _soonest(ways):
            self.report.seconds_to_screen[screen] = max(seconds, self.report.seconds_to_screen.get(screen, 0.0))


def _soonest(ways: StateGraph) -> Iterator[tuple[str, float]]:
    """Yield each screen with the fastest time until it can be answered, in seconds."""
    best: dict[str, float] = {}
    for key, seconds in fastest_seconds(ways).items():
        spot, replies = ways.spots[key], ways.ways.get(key, ())
        answered_after = seconds + min((screen_seconds(spot.laid, way) for way in replies if not way.back), default=0.0)
        best[spot.state.screen] = min(answered_after, best.get(spot.state.screen, answered_after))
    yield from best.items()
