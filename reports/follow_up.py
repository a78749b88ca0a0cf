"""Follow-up dates: when staff have to look at an acknowledged report again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reports.escalation import ESCALATION_TIMES, Priority
from runtime.time_units import DAY, HOUR

# From the acknowledgement, unless a person chooses another date (decision 85); microseconds.
DEFAULT_FOLLOW_UPS: Final[Mapping[Priority, int]] = {
    Priority.P1: 4 * HOUR,
    Priority.P2: DAY,
    Priority.P3: 3 * DAY,
    Priority.P4: 7 * DAY,
}
MAX_FOLLOW_UP: Final = 366 * DAY  # a date further ahead is refused as a typing error


def grace(priority: Priority) -> int:
    """Return for how long a due follow-up concerns its holder alone, in microseconds; then it concerns all colleagues.

    It is the time in which a person must acknowledge a new report of this priority.
    """
    return ESCALATION_TIMES[priority].acknowledged
