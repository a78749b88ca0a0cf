"""Which steps need nothing but Redis, so that one thread may take them for many callers. Pure.

In doubt a step is not quick: then it only costs a thread. One that were taken for quick and waited for the database
would let everybody wait.
"""

from __future__ import annotations

from collections.abc import Sequence

from flows.model import Book, Screen, State
from flows.words import is_words
from gateway.message import Inbound
from gateway.record import Begun, Draft, Record
from gateway.turns import Meaning, Rebuild

MOST_CHARACTERS = 500  # of a reply, or of a whole path; longer ones may have to be filed apart


def acting(book: Book) -> frozenset[str]:
    """Screens where a reply may cause something: a report, a mailbox, a deletion."""
    return frozenset(name for name, screen in book.screens.items() if _acts(screen))


def is_quick(
    inbound: Inbound, record: Record | None, drafts: Sequence[Draft], found: Meaning, acting: frozenset[str]
) -> bool:
    """Whether this step files nothing, deletes nothing, opens nothing and reads nothing but the conversation."""
    if inbound.kind == "sms" or isinstance(found, Rebuild) or _may_be_words(inbound):
        return False
    if record is None or record.over:
        return not any(one.is_sent for one in drafts)  # the home screen; answers gathered after Send are filed with it
    state = record.state
    return (
        state.screen not in acting
        and not (record.words or record.opened or record.media)
        and _has_choices_alone(state)
        and state.values.get("danger") != "now"
        and (record.begun is None or _is_new(record.begun))
        and all(_is_new(one.begun) and not (one.words or one.state.has_words) for one in drafts)
    )


def _acts(screen: Screen) -> bool:
    zero = screen.zero.do if screen.zero else None
    return bool(screen.do or zero or any(choice.do for choice in screen.choices))


def _has_choices_alone(state: State) -> bool:
    """No words, of which there may be so many that some have to be filed apart."""
    return not state.unasked and not any(answer.typed for answer in state.answers)


def _may_be_words(inbound: Inbound) -> bool:
    return len(inbound.text) > MOST_CHARACTERS or is_words(inbound.text) or bool(inbound.media)


def _is_new(begun: Begun) -> bool:
    """Nothing of it is written down anywhere."""
    return not (begun.pending or begun.sent_at or begun.unsent or begun.revision)
