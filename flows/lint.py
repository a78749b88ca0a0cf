"""What an author is told of flows that parse: each fault with its place in a file, and what to do about it. Pure.

`check` sees what a flow says; this sees what people would meet, in each country, language and channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from flows import pagelint, waylint
from flows.finding import Finding
from flows.model import Book
from flows.timing import ToSend, fastest, takes, to_send
from flows.uses import uses
from flows.walking import walk
from flows.ways import Ways, Where


@dataclass(slots=True)
class Report:
    """`findings`: by where they are and what they say, with all places where that was met. `pages`: laid out and
    measured. `sequences`: every way to Send on USSD, with the seconds that it takes at the slowest."""

    findings: dict[Finding, list[str]] = field(default_factory=dict)
    lines: int = 0
    screens: int = 0
    pages: int = 0
    spots: int = 0
    replies: int = 0
    sequences: dict[tuple[str, ...], ToSend] = field(default_factory=dict)
    soonest: dict[str, float] = field(default_factory=dict)  # seconds until a screen has been read, at the fastest


class Lint:
    """Fed with the lines of one country and channel at a time, English first: the ways are the same in all languages.

    `whole`: all countries and channels are fed, so that what never came is never shown.
    """

    def __init__(self, book: Book, *, whole: bool) -> None:
        self._book = book
        self._uses = uses(book)
        self._whole = whole
        self._shown: set[str] = set()
        self._offered: set[tuple[str, str]] = set()
        self.report = Report()

    def take(self, first: Where, others: Iterable[Where] = ()) -> None:
        ways = walk(self._book, self._uses, first)
        self._note(waylint.faults(self._book, ways), first)
        self._count(ways)
        for where in (first, *others):
            pages, found = pagelint.faults(self._book, ways, where)
            self._note(found, where)
            self.report.lines += 1
            self.report.screens += len(ways.views)
            self.report.pages += pages
        if first.channel == "ussd":
            self._time(ways)

    def end(self) -> Report:
        if self._whole:
            for found in waylint.never(self._book, self._shown, self._offered):
                self.report.findings.setdefault(found, []).append("everywhere")
        return self.report

    def _note(self, found: Iterable[Finding], where: Where) -> None:
        for one in found:
            there = self.report.findings.setdefault(one, [])
            if str(where) not in there:
                there.append(str(where))

    def _count(self, ways: Ways) -> None:
        self.report.spots += len(ways.spots)
        self.report.replies += sum(map(len, ways.ways.values()))
        for view in ways.views.values():
            self._shown.add(view.state.screen)
            self._offered.update((view.state.screen, offer.choice.key) for offer in view.laid.offers)

    def _time(self, ways: Ways) -> None:
        known = self.report.sequences
        for one in to_send(ways):
            there = known.get(one.screens)
            known[one.screens] = replace(one, seconds=max(one.seconds, there.seconds)) if there else one
        for screen, seconds in _soonest(ways):
            self.report.soonest[screen] = max(seconds, self.report.soonest.get(screen, 0.0))


def _soonest(ways: Ways) -> Iterator[tuple[str, float]]:
    """Each screen once: until it can be answered by who takes the fastest way there."""
    best: dict[str, float] = {}
    for key, seconds in fastest(ways).items():
        spot, replies = ways.spots[key], ways.ways.get(key, ())
        done = seconds + min((takes(spot.laid, way) for way in replies if not way.back), default=0.0)
        best[spot.state.screen] = min(done, best.get(spot.state.screen, done))
    yield from best.items()
