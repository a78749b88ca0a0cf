"""Texts the duty phones of a hotline, one after another, until a provider has taken it and somebody has answered.

A text says that one waits, the end of its id, and a word of six digits; `OK <word>` from a listed number says that a
person has it. The id is no proof: it stands in mails and logs. The word is made for one text and stands nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from reports.crypto.key_files import KeyFileError
from reports.escalation.policy import ESCALATION_TIMES
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.sms import on_call
from reports.store.sms.on_call import OnCallPage, PagedDelivery
from runtime.time_units import SECOND
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Unavailable, Undeliverable
from workers.delivery.registry import Notify, OnCallPhones
from workers.sms.dispatcher import SmsDispatcher
from workers.sms.notices import SmsRoute, seal_sms

# Without an answer by then, the next number is texted: when the clocks of a report turn to the same desk again.
ANSWER_TIMEOUTS: Mapping[str, int] = {priority: clock.desk for priority, clock in ESCALATION_TIMES.items()}
RECENT = 60 * SECOND
PAGE_PHRASES: Mapping[str, str] = {
    "created": "waits",
    "updated": "has more",
    "message": "has a message",
    "unread": "waits and nobody could read it",
    "risen": "is more urgent now",
}

log = structlog.get_logger()


def page_text(kind: str, report_id: str, priority: str, word: str, *, drill: bool) -> str:
    """At most one SMS of GSM-7, and not a word about what a report is about."""
    said = f"{report_id[-6:]}, {priority}, {PAGE_PHRASES[kind]}. Please open your desk. You have it? Answer OK {word}"
    return f"DRILL {said}" if drill else said


@dataclass(slots=True)
class OnCallPager:
    database: Database
    texter: SmsDispatcher
    keys: Path
    mode: str
    draw: Callable[[], int] = field(default=lambda: secrets.randbelow(1_000_000))
    contact_order: Callable[[str], Sequence[str]] = field(
        default=lambda _: ()
    )  # hotline → who is on duty first just now
    registered_phones: dict[str, OnCallPhones] = field(default_factory=dict)

    def register_phones(self, hotline: str, phones: OnCallPhones) -> Notify:
        """How a parcel is told to these phones."""
        self.registered_phones[hotline] = phones
        return self.page

    def page(self, parcel: DeliveryRequest) -> DeliveryOutcome:
        """One text at most. What a provider has taken is a receipt; the next attempt texts the next number."""
        try:
            pages = on_call.list_pages(self.database, parcel.delivery_id)
            if not pages or pages[-1].state not in ("due", "sent") or pages[-1].status == "failed":
                self._text(_about(parcel, len(pages)))
                pages = on_call.list_pages(self.database, parcel.delivery_id)
        except KeyFileError:
            return Undeliverable("no_key")
        except DatabaseUnavailable:
            log.warning("database_unavailable")
            return Unavailable("sms_waits")
        return _outcome(pages[-1])

    def go_on(self) -> None:
        """The next number, each once, where nobody answers in time or the text did not arrive; and whoever has answered
        by an older text than how urgent it is. Raises DatabaseUnavailable.
        """
        for about in on_call.list_unanswered(self.database, ANSWER_TIMEOUTS):
            phones = self.registered_phones.get(about.hotline)
            if phones is not None and about.count < len(phones.numbers):
                self._text(about)
        for about, rank in on_call.list_superseded(self.database):
            if about.hotline in self.registered_phones:
                self._text(about, rank)

    def again(self, report_id: str, hotline: str) -> bool:
        """A text more, to the next number, from the first one on again. True: a provider has taken one just now.

        None while the last one still waits for its provider, or all of them went out at once later. Raises
        DatabaseUnavailable.
        """
        about = on_call.find_unacknowledged(self.database, report_id, hotline)
        if about is None:
            return False
        try:
            waits = [page.state for page in on_call.list_pages(self.database, about.delivery_id)][-1:] == ["due"]
            if not waits and not on_call.was_paged_within(self.database, about.delivery_id, RECENT):
                self._text(about)
        except KeyFileError:
            log.error("key_missing")
        pages = on_call.list_pages(self.database, about.delivery_id)
        return bool(pages) and pages[-1].state == "sent"

    def _text(self, about: PagedDelivery, to_whom: int | None = None) -> None:
        """`to_whom`: the how-manieth; the next one by itself."""
        phones = self.registered_phones[about.hotline]
        word = f"{self.draw():06d}"
        said = page_text(about.type, about.report_id, about.priority, word, drill=self.mode != "live")
        numbers = [one for one in self.contact_order(about.hotline) if one in phones.numbers] or phones.numbers
        turn = about.count if to_whom is None else to_whom
        to, line = numbers[turn % len(numbers)], SmsRoute(phones.channel, phones.sender)
        sms = seal_sms(self.database, self.keys, line, to, said=said, mode=self.mode)
        if on_call.add_page(self.database, sms, about, word):
            self.texter.send(sms.id)


def _about(parcel: DeliveryRequest, count: int) -> PagedDelivery:
    return PagedDelivery(parcel.delivery_id, parcel.report_id, parcel.hotline, parcel.type, parcel.priority, count)


def _outcome(page: OnCallPage) -> DeliveryOutcome:
    if page.state == "sent":
        return Delivered()
    return Unavailable("sms_waits" if page.state == "due" else "sms_failed")
