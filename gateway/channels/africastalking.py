"""Africa's Talking: USSD and its end event, SMS, delivery reports, opt-outs, missed calls.

A secret in the address authenticates each request.

It sends the whole path of a USSD session each time. It ignores the response to an SMS: the reply is sent through its
API. It repeats an SMS each minute for 12 h until it is answered with 200 (docs.africastalking.com/sms/notifications).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar

from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, ProviderEvent, Reply
from gateway.messaging.parsing import TokenAuthMixin
from runtime.settings import AfricasTalkingTokens, from_environment
from runtime.telephony import ChannelKind, DeliveryReportStatus

PLAIN = "text/plain; charset=utf-8"
XML = "application/xml; charset=utf-8"
# Refuses a call before it is answered: nobody pays (developers.africastalking.com/docs/voice/actions/reject).
REJECT = b'<?xml version="1.0" encoding="UTF-8"?><Response><Reject/></Response>'

# AbsentSubscriber is not listed: the message may still be delivered later.
STATUS: Mapping[str, DeliveryReportStatus] = {
    "Sent": "sent",
    "Submitted": "sent",
    "Buffered": "sent",
    "Success": "delivered",
    "Rejected": "failed",
    "Failed": "failed",
    "Expired": "failed",
}
OPTED_OUT = "userinblacklist"
DATES = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S")  # in UTC; both were observed


@from_environment
class Settings(AfricasTalkingTokens):
    """The tokens in the addresses that Africa's Talking calls."""


class Channel(TokenAuthMixin):
    """The Africa's Talking channel."""

    name = "africastalking"
    is_simulator = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "ussd": Endpoint("ussd"),
        "ussd-end": Endpoint("notice"),
        "sms": Endpoint("sms"),
        "delivery": Endpoint("notice"),
        "optout": Endpoint("notice"),
        "missed-call": Endpoint("notice"),
    }
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"ussd": (160, 70, 4), "sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"ussd": True, "sms": False}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tokens)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent:
        """Convert a request to an inbound message or a provider event."""
        return _RECEIVE[endpoint](fields)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled code of an unreadable request, and no link."""
        return find("serviceCode") or find("to"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return `CON …` or `END …` for USSD; an empty body elsewhere, because the provider ignores it.

        A call is refused.
        """
        if endpoint == "missed-call":
            return HttpResponse(200, XML, REJECT)
        if endpoint != "ussd":
            return HttpResponse(200, PLAIN, b"")
        reply = turn or Reply("", expects_reply=False)
        prefix = "CON " if reply.expects_reply else "END "
        return HttpResponse(200, PLAIN, (prefix + reply.text).encode("utf-8", "replace"))


def _ussd(fields: Fields) -> Inbound:
    return Inbound(
        kind="ussd",
        channel=Channel.name,
        sender=fields.identifier("phoneNumber"),
        code=fields.get("serviceCode"),
        text=fields.get("text"),
        session=fields.required("sessionId"),
        path=True,
        network=fields.get("networkCode"),
    )


def _ussd_end(fields: Fields) -> ProviderEvent:
    """Convert an end event. `input` and `lastAppResponse`, which hold the conversation, are not read."""
    return ProviderEvent(
        "ended",
        Channel.name,
        sender=fields.identifier("phoneNumber"),
        code=fields.get("serviceCode"),
        session=fields.required("sessionId"),
    )


def _sms(fields: Fields) -> Inbound:
    return Inbound(
        kind="sms",
        channel=Channel.name,
        sender=fields.identifier("from"),
        code=fields.get("to"),
        text=fields.get("text"),
        id=fields.identifier("id"),
        sent_at=_sent_at(fields.get("date")),
        network=fields.get("networkCode"),
        link=fields.get("linkId"),
    )


def _delivery(fields: Fields) -> ProviderEvent:
    return ProviderEvent(
        "delivery",
        Channel.name,
        sender=fields.identifier("phoneNumber"),
        id=fields.required("id"),
        status=STATUS.get(fields.get("status"), "unknown"),
        opted_out=fields.get("failureReason").casefold() == OPTED_OUT,
    )


def _optout(fields: Fields) -> ProviderEvent:
    return ProviderEvent("optout", Channel.name, sender=fields.required("phoneNumber"), code=fields.get("senderId"))


def _missed_call(fields: Fields) -> ProviderEvent:
    """Convert a call. Africa's Talking reports it when it arrives and when it ends, under the same session id."""
    is_theirs = fields.get("direction").casefold() != "outbound"
    return ProviderEvent(
        "missed_call",
        Channel.name,
        sender=fields.identifier("callerNumber") if is_theirs else "",
        code=fields.identifier("destinationNumber"),
        id=fields.required("sessionId"),
    )


_RECEIVE: Mapping[str, Callable[[Fields], Inbound | ProviderEvent]] = {
    "ussd": _ussd,
    "ussd-end": _ussd_end,
    "sms": _sms,
    "delivery": _delivery,
    "optout": _optout,
    "missed-call": _missed_call,
}


def _sent_at(date: str) -> int | None:
    """Return the Unix time; None if the date is missing or unreadable: the words are accepted all the same."""
    for date_format in DATES:
        try:
            return int(datetime.strptime(date, date_format).replace(tzinfo=UTC).timestamp())
        except ValueError:
            continue
    return None
