"""The number under which something is written, where nobody remembers how far its report has come. Numbers may have
gaps; of two the higher one holds all that the lower one does, so a number that is too low would drop what it says.
"""

from __future__ import annotations

from msgspec.structs import replace

from gateway.messaging.model import Inbound
from gateway.sessions.record import Record, ReportRef

LEAP = 64  # revisions that a walk may have left behind which nobody remembers: an earlier one, or one without Redis
ADDITION = 2  # that one may take: in the database, and then in the spool


def kept_as(begun: ReportRef) -> int:
    """Of that which was left to file itself."""
    return LEAP if begun.forgotten else max(1, begun.revision)


def sent_as(begun: ReportRef) -> int:
    """Of a Send by the spool: what files itself meanwhile, or an earlier walk sent, is not taken for it."""
    return max(begun.revision, 1) + (LEAP if begun.carried or begun.forgotten else 1)


def unsent(begun: ReportRef) -> ReportRef:
    """What was just said was not kept, or is kept late: what comes next has the higher number. A Send is not taken for
    a repeat.
    """
    if begun.sent_at:
        return replace(begun, revision=begun.revision + ADDITION)
    return replace(begun, revision=sent_as(begun), unsent=True)


def unsure(record: Record) -> Record:
    """Walked again: what danger = now has left to file itself may wait in the database, though nobody remembers."""
    said = any(one.question == "danger" and one.value == "now" for one in record.state.answers)
    if record.begun is None or record.begun.sent_at or not said:  # what was sent has taken its place
        return record
    return replace(record, begun=replace(record.begun, pending=True))


def numbered(record: Record, inbound: Inbound) -> Record:
    """Where all replies come each time, what is added to what was sent is numbered by how many there are: whether Redis
    remembers it or it is walked again, later words have the higher number, and one past every Send.
    """
    begun = record.begun
    if begun is None or not begun.sent_at or not inbound.path:
        return record
    return replace(record, begun=replace(begun, revision=max(begun.revision, _added_after(inbound.text.count("*")))))


def _added_after(replies: int) -> int:
    """A reply takes one number in the database, two in the spool, one more where its report was filed meanwhile."""
    return 2 * LEAP + 4 * replies
