"""Messages from a hotline to a reporter: checked before they are sent, then sealed to the mailbox.

Only the access code with its PIN opens a sealed message. The callback, the staff pages and the command line all use
these functions.
"""

from __future__ import annotations

from dataclasses import dataclass

from flows.staff_replies import check_reply
from reports.countries.country import Country
from reports.countries.numbers import permitted_numbers
from reports.crypto import PublicKey, SealContext, seal_answer, seal_body
from reports.json_bodies import json_bytes
from reports.store.cases.case_actions import SealedNote
from reports.store.mailboxes.correspondence import AnswerTarget, SealedAnswer
from reports.store.schema.base import new_id


@dataclass(frozen=True, slots=True)
class MessageCheck:
    """The result of a check. `refused`: reasons not to send it. `asked`: doubts that the author may overrule."""

    refused: tuple[str, ...]
    asked: tuple[str, ...]


NO_CODE = "no code was ever shown for this report, so nobody could read it"
CLOSED = "the reporter has deleted it: the mailbox is closed"


def check_message(words: str, country: Country) -> MessageCheck:
    """Check a message against the numbers that the country permits and the names of its hotlines (S-25)."""
    names = {name for hotline in country.hotlines.values() for name in (hotline.name, hotline.screen_name)}
    objections = check_reply(words, permitted_numbers(country), names)
    return MessageCheck(
        tuple(objection.why for objection in objections if objection.refused),
        tuple(objection.why for objection in objections if not objection.refused),
    )


UNREACHABLE_REASONS = {"no_code": NO_CODE, "closed": CLOSED}


def no_mailbox_reason(public_key: bytes | None) -> str:
    """Return why nobody could read an answer sealed to this key: `no_code` or `closed`; empty if the reporter can."""
    if public_key is None:
        return "no_code"
    return "" if public_key else "closed"


def unreachable_reason(box: AnswerTarget) -> str | None:
    """Return the same reason as a sentence; None if the reporter can read an answer."""
    return UNREACHABLE_REASONS.get(no_mailbox_reason(box.public_key))


def seal_reply(box: AnswerTarget, report_id: str, hotline: str, words: str, now: int) -> SealedAnswer:
    """Seal an answer to a mailbox that can be reached. Afterwards neither the hotline nor this program can open it."""
    answer_id = new_id(now)
    sealed = seal_answer(box.public_key or b"", box.mode, report_id, answer_id, words)
    return SealedAnswer(answer_id, report_id, hotline, sealed)


@dataclass(frozen=True, slots=True)
class MessageSealer:
    """Seals what a hotline writes about one report. `key`: the hotline's public key. `now`: microseconds."""

    hotline: str
    report_id: str
    box: AnswerTarget
    key: PublicKey
    now: int

    def answer(self, words: str) -> SealedAnswer:
        """Seal an answer to the reporter."""
        return seal_reply(self.box, self.report_id, self.hotline, words, self.now)

    def note(self, kind: str, text: str) -> SealedNote:
        """Seal a note to the hotline's own staff. `kind`: reason, answer or note, or the kind of a draft."""
        note_id = new_id(self.now)
        context = SealContext.of_message(self.box.mode, self.report_id, note_id, self.hotline)
        sealed_body = seal_body(self.key, context, b"", json_bytes({"kind": kind, "text": text}))
        return SealedNote(
            note_id, self.report_id, self.hotline, kind, sealed_body.key_id, sealed_body.wrap, sealed_body.sealed
        )
