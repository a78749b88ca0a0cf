"""Who asks, from where and by what: one request's side of a conversation, and what it has told so far."""

from __future__ import annotations

from msgspec import Struct

from flows.pagination import ScreenLimit
from gateway.conversation.context import RenderContext, given
from gateway.messaging.model import Inbound
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.record import Record
from gateway.submission.builder import ReportInput
from reports.countries.country import Country
from reports.narrative import UnaskedText


class TurnRequest(Struct, frozen=True):
    inbound: Inbound
    sender: SenderIdentity
    country: Country
    around: RenderContext
    limit: ScreenLimit
    practice: bool  # the simulator: never a real phone
    now: int  # unix seconds
    late: bool = False  # it waited, and meets a screen that its sender may not have seen
    spoken: str = ""  # the language chosen so far, where by SMS a conversation goes on from a new beginning
    more: bool = False  # what came goes on from words just sent: no answer is expected of it
    wrong_pairs: int = 0  # of code and PIN, from this number, today
    crowded: bool = False  # so many are answered now that what can wait has to

    @property
    def kind(self) -> str:
        return self.inbound.kind

    @property
    def code(self) -> str:
        """What was dialled, or what this country dials where the provider does not say."""
        own = (code.code for code in self.country.codes if code.channel == self.kind)
        return self.inbound.code or next(own, "")


def told(caller: TurnRequest, record: Record, flow_version: int) -> ReportInput:
    """All that a report of this conversation is made from."""
    return ReportInput(
        given=given(record.state),
        unasked=tuple(UnaskedText(one.at, one.screen, one.text) for one in record.state.unasked),
        words=record.words,
        country=caller.country,
        kind=caller.kind,
        channel="simulator" if caller.practice else caller.kind,
        language=caller.around.ground_in(record.state).language.tag,
        flow_version=flow_version,
        msisdn=caller.sender.e164 if caller.sender.valid else None,
        repeat_of=record.repeat_of,
        now=caller.now,
        media=record.media,
    )
