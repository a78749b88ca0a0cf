"""The number under which something is written, where nobody remembers how far its report has come. Numbers may have
gaps; of two the higher one holds all that the lower one does, so a number that is too low would drop what it says.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.record import Begun, Record

LEAP = 64  # revisions that a walk may have left behind which nobody remembers: an earlier one, or one without Redis


def kept_as(begun: Begun) -> int:
    """Of that which was left to file itself."""
    return LEAP if begun.forgotten else max(1, begun.revision)


def sent_as(begun: Begun) -> int:
    """Of a Send by the spool: what files itself meanwhile, or an earlier walk sent, is not taken for it."""
    return max(begun.revision, 1) + (LEAP if begun.carried or begun.forgotten else 1)


def unsure(record: Record, replies: int) -> Record:
    """Walked again, up to the last of so many replies: what danger = now has left to file itself may wait in the
    database, though nobody remembers; and what is added to what was sent comes after all that was added before.
    """
    begun, said = record.begun, [one.value for one in record.state.answers if one.question == "danger"]
    if begun and begun.sent_at:
        return replace(record, begun=replace(begun, revision=max(begun.revision, _further_on(replies))))
    return replace(record, begun=replace(begun, pending=True)) if begun and "now" in said else record


def _further_on(replies: int) -> int:
    """Past every Send of a walk, and past what was added to it in fewer replies: each takes one number in the database,
    two in the spool.
    """
    return 2 * LEAP + 2 * replies
