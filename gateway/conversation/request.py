"""One request's context: sender, country, channel and time; and the input of a report from its session."""

from __future__ import annotations

from msgspec import Struct

from flows.pagination import ScreenLimit
from gateway.conversation.context import RenderContext, report_answers
from gateway.messaging.model import Inbound
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.record import Record
from gateway.submission.builder import ReportInput
from reports.countries.country import Country
from reports.narrative import UnaskedText


class TurnRequest(Struct, frozen=True):
    """One inbound message with its sender, its country and the limits of its channel."""

    inbound: Inbound
    sender: SenderIdentity
    country: Country
    render_context: RenderContext
    limit: ScreenLimit
    is_simulator: bool  # from the simulator, never from a real phone
    now: int  # Unix seconds
    late: bool = False  # it was queued; the current screen may be one that its sender has not seen
    spoken: str = ""  # tag of the language chosen so far, for an SMS session that begins anew
    more: bool = False  # it continues the words just sent, and need not be an answer
    wrong_pairs: int = 0  # wrong pairs of code and PIN from this number today
    crowded: bool = False  # the process is overloaded: optional screens are refused

    @property
    def kind(self) -> str:
        """Return "ussd" or "sms"."""
        return self.inbound.kind

    @property
    def code(self) -> str:
        """Return the dialled service code, or this country's own if the provider does not name it."""
        own_codes = (code.code for code in self.country.codes if code.channel == self.kind)
        return self.inbound.code or next(own_codes, "")


def report_input(request: TurnRequest, record: Record, flow_version: int) -> ReportInput:
    """Return the input from which the report of this session is built."""
    return ReportInput(
        given=report_answers(record.state),
        unasked=tuple(
            UnaskedText(unprompted.at, unprompted.screen, unprompted.text) for unprompted in record.state.unasked
        ),
        words=record.words,
        country=request.country,
        kind=request.kind,
        channel="simulator" if request.is_simulator else request.kind,
        language=request.render_context.country_context(record.state).language.tag,
        flow_version=flow_version,
        msisdn=request.sender.e164 if request.sender.valid else None,
        repeat_of=record.repeat_of,
        now=request.now,
        media=record.media,
    )
