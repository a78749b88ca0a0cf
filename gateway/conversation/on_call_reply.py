"""A duty phone of a hotline that answers a text of ours: `OK` and its word. Nothing but that is taken from it here.

Web writes down which hotlines list the number and which word came; whether it is the right one, the clock finds out.
No reply goes out: a wrong word must not be told from a right one, and the next text comes where nobody took it on.
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

# As thumbs and phones write it: "ok482193", "OK: 482 193.", "Ok 482193 thanks" is none.
_TAKEN = re.compile(r"\s*ok[\s:,.-]*([0-9]{3})\s?([0-9]{3})[\s.!]*", re.IGNORECASE | re.ASCII)


def listed(countries: Countries) -> Mapping[str, tuple[str, ...]]:
    """Number with + → the hotlines whose card names it as a duty officer's."""
    found: dict[str, list[str]] = defaultdict(list)
    for country in countries:
        for hotline in country.hotlines.values():
            for contact in hotline.card.duty_officer:
                if contact.startswith("+"):
                    found[contact].append(hotline.id)
    return {number: tuple(hotlines) for number, hotlines in found.items()}


def word_of(text: str) -> str | None:
    match = _TAKEN.fullmatch(text)
    return match[1] + match[2] if match else None


class OnCallReply:
    def __init__(self, countries: Countries, database: Database, cipher: RecordCipher) -> None:
        self._listed = listed(countries)
        self._database = database
        self._cipher = cipher

    def is_answer(self, caller: TurnRequest) -> bool:
        """Return whether a duty phone answers a text of ours; whatever else it sends is a conversation like any."""
        return caller.sender.e164 in self._listed and word_of(caller.inbound.text) is not None

    def note(self, caller: TurnRequest) -> None:
        """Store such an answer. Raises DatabaseUnavailable."""
        word = word_of(caller.inbound.text) or ""
        answer_id = uuid.UUID(bytes=self._cipher.mac("phone_answer", *idempotency_key(caller.inbound))[:16])
        record_reply(self._database, str(answer_id), self._listed[caller.sender.e164 or ""], word)
