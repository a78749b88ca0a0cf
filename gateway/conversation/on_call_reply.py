"""Texts from an on-call phone of a hotline: `OK` and the word of our notification. Only that is handled here.

`web` stores which hotlines list the number and which word came; the scheduler checks the word. No reply is sent: a
wrong word must not be told from a right one. The next notification is sent if nobody acknowledged.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Mapping

from gateway.conversation.request import TurnRequest
from gateway.sms.idempotency import idempotency_key
from reports.countries.country import Countries
from reports.crypto import RecordCipher
from reports.store.engine.database import Database
from reports.store.sms.on_call import record_reply

# As people type it: "ok482193", "OK: 482 193."; but not "Ok 482193 thanks".
_REPLY = re.compile(r"\s*ok[\s:,.-]*([0-9]{3})\s?([0-9]{3})[\s.!]*", re.IGNORECASE | re.ASCII)


def listed(countries: Countries) -> Mapping[str, tuple[str, ...]]:
    """Return each duty officer's number, with +, and the hotlines whose card lists it."""
    hotlines_by_number: dict[str, list[str]] = defaultdict(list)
    for country in countries:
        for hotline in country.hotlines.values():
            for contact in hotline.card.duty_officer:
                if contact.startswith("+"):
                    hotlines_by_number[contact].append(hotline.id)
    return {number: tuple(hotlines) for number, hotlines in hotlines_by_number.items()}


def word_of(text: str) -> str | None:
    """Return the six digits of a reply, or None."""
    match = _REPLY.fullmatch(text)
    return match[1] + match[2] if match else None


class OnCallReply:
    """Recognise and store replies from on-call phones."""

    def __init__(self, countries: Countries, database: Database, cipher: RecordCipher) -> None:
        self._hotlines_by_number = listed(countries)
        self._database = database
        self._cipher = cipher

    def is_answer(self, request: TurnRequest) -> bool:
        """Return whether this is the reply of an on-call phone. All its other texts are handled as a reporter's."""
        return request.sender.e164 in self._hotlines_by_number and word_of(request.inbound.text) is not None

    def note(self, request: TurnRequest) -> None:
        """Store the reply. Raises DatabaseUnavailable."""
        word = word_of(request.inbound.text) or ""
        answer_id = uuid.UUID(bytes=self._cipher.mac("phone_answer", *idempotency_key(request.inbound))[:16])
        record_reply(self._database, str(answer_id), self._hotlines_by_number[request.sender.e164 or ""], word)
