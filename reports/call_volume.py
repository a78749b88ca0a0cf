"""Decide whether unusually few calls come in, compared with the same hours of the last four weeks. Pure.

It uses hourly counts only. The rule, its figures and its limits are in docs/operating/provider-dead.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

SPANS: Final = (3, 6, 12, 24)  # hours; the shortest span with enough usual calls is judged
WEEKS: Final = 4
WEEK_HOURS: Final = 7 * 24
MIN_USUAL: Final = 30  # calls; fewer cannot be judged
QUIET_SHARE: Final = 10  # quiet: fewer than a tenth of the usual number
HOURS_READ: Final = WEEKS * WEEK_HOURS + max(SPANS)


@dataclass(frozen=True, slots=True)
class CallVolume:
    """The calls of one span that ends at a full hour. `hours`: its length. `usual`: calls in the same hours before."""

    hours: int
    calls: int
    usual: int

    @property
    def is_quiet(self) -> bool:
        """Return whether there were unusually few calls."""
        return self.calls * QUIET_SHARE < self.usual


def measure(counts: Mapping[int, int], until: int) -> CallVolume | None:
    """Return the calls of the shortest span that can be judged; None if too few calls are usual in each.

    `counts`: calls by hour, as hours since 1970; an hour that is missing had none. `until`: the hour that has begun.
    Usual is the second lowest of the four weeks: a campaign or a holiday in one of them, or a channel that is younger
    than three weeks, raises no alarm.
    """
    for hours in SPANS:
        usual = sorted(_sum(counts, until - week * WEEK_HOURS, hours) for week in range(1, WEEKS + 1))[1]
        if usual >= MIN_USUAL:
            return CallVolume(hours, _sum(counts, until, hours), usual)
    return None


def _sum(counts: Mapping[int, int], until: int, hours: int) -> int:
    return sum(counts.get(hour, 0) for hour in range(until - hours, until))
