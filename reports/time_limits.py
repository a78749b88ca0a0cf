"""The longest time that each kind of row may lie ahead of now, in microseconds. Pure.

A row that lies further ahead was written while the clock was wrong, or the clock has been set back since. Such a row is
due now: otherwise it would wait for as long as the clock was wrong. docs/operating/clock-jumped.md lists every column
that holds a time, and what a jump does to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from reports.escalation import PendingKind, Priority
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

# Largest difference between two readings of one clock while NTP corrects it without a jump
CLOCK_SLACK = 2 * SECOND
CLOCK_JUMP = MINUTE  # a clock that differs by more is reported to a person
LEASES: Mapping[str, int] = {"clock": 13 * SECOND, "replay": 30 * SECOND}  # name of the lease → its longest time
# Until the next attempt to deliver, by priority: the longest delay of workers/retry_policy.py with its jitter, or the
# longest Retry-After that is obeyed.
DELIVERY_ATTEMPT: Mapping[Priority, int] = {
    Priority.P1: 66 * SECOND,
    Priority.P2: HOUR,
    Priority.P3: 72 * MINUTE,
    Priority.P4: 144 * MINUTE,
}
# Upper limit for `due_at` of a pending revision by its kind, not the delay; the delays are in
# gateway/submission/submitter.py.
PENDING_REVISION: Mapping[PendingKind, int] = {
    PendingKind.RESCUE: 10 * MINUTE,
    PendingKind.UNCONFIRMED_TEXT: 30 * MINUTE,
    PendingKind.UPDATE: 2 * MINUTE,
    PendingKind.UNREAD: 0,
    PendingKind.STAFF: 0,
}
SMS_ATTEMPT = 66 * SECOND  # until an SMS is tried again
SMS_LIFETIME = 10 * MINUTE  # until an SMS that was not sent expires
HOTLINE_PAUSE = 10 * MINUTE  # until a hotline that failed is tried again
STEP_CLAIM = 5 * MINUTE  # how long an urgent step of the escalation is claimed or postponed
USSD_REPORT = 3 * MINUTE  # until an SMS replaces a USSD for which no delivery report came
ANSWER_NOTICE = 3 * DAY  # until the safe hours of a reporter, with a day between two texts
