"""What a hotline writes to a reporter: looked at before anybody may send it, then sealed so that only code and PIN open
it. One way for the call-back, for staff's pages and for the command line.
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
    """`refused`: why it cannot be sent so. `asked`: what may be right and looks wrong; whoever writes may mean it."""

    refused: tuple[str, ...]
    asked: tuple[str, ...]


NO_CODE = "no code was ever shown for this report, so nobody could read it"
CLOSED = "the reporter has deleted it: the mailbox is closed"


def check_message(words: str, country: Country) -> MessageCheck:
    names = {name for one in country.hotlines.values() for name in (one.name, one.screen_name)}
    found = check_reply(words, permitted_numbers(country), names)
    return MessageCheck(
        tuple(one.why for one in found if one.refused),
        tuple(one.why for one in found if not one.refused),
    )


UNREACHABLE_REASONS = {"no_code": NO_CODE, "closed": CLOSED}


def no_mailbox_reason(public_key: bytes | None) -> str:
    """Why nobody could read an answer that is sealed to this mailbox key: no_code, closed; empty where somebody can."""
    if public_key is None:
        return "no_code"
    return "" if public_key else "closed"


def unreachable_reason(box: AnswerTarget) -> str | None:
    """The same as a sentence; None where somebody can."""
    return UNREACHABLE_REASONS.get(no_mailbox_reason(box.public_key))


def seal_reply(box: AnswerTarget, report_id: str, hotline: str, words: str, now: int) -> SealedAnswer:
    """For a box that can be reached. Once sealed, neither the hotline nor this program reads it again."""
    answer_id = new_id(now)
    sealed = seal_answer(box.public_key or b"", box.mode, report_id, answer_id, words)
    return SealedAnswer(answer_id, report_id, hotline, sealed)


@dataclass(frozen=True, slots=True)
class MessageSealer:
    """A hotline that writes about one report; `key` is its own public one. `now` in microseconds."""

    hotline: str
    report_id: str
    box: AnswerTarget
    key: PublicKey
    now: int

    def answer(self, words: str) -> SealedAnswer:
        return seal_reply(self.box, self.report_id, self.hotline, words, self.now)

    def note(self, kind: str, text: str) -> SealedNote:
        """For the hotline's own staff, sealed to them. `kind`: reason, answer, note."""
        note_id = new_id(self.now)
        context = SealContext.of_message(self.box.mode, self.report_id, note_id, self.hotline)
        box = seal_body(self.key, context, b"", json_bytes({"kind": kind, "text": text}))
        return SealedNote(note_id, self.report_id, self.hotline, kind, box.key_id, box.wrap, box.sealed)
