"""The neutral USSD form in JSON, used by a telco, an SMPP bridge or the simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.messaging.model import Fields, HttpResponse, Inbound, InboundEvent, ProviderEvent, Reply, UnreadableRequest

_EVENTS: Mapping[str, InboundEvent] = {"new": "new", "resume": "resume", "": "unsaid"}


def receive(channel: str, fields: Fields) -> Inbound | ProviderEvent:
    """Convert a request to an inbound message or the end of a session. Raises UnreadableRequest.

    `session` is required. `turn`, the sender's own running number, is optional; with it repeats are always recognised.
    """
    event = fields.get("event")
    session, sender, code = fields.required("session"), fields.identifier("phone"), fields.get("service_code")
    if event == "close":
        return ProviderEvent("ended", channel, sender=sender, code=code, session=session)
    if event not in _EVENTS:
        raise UnreadableRequest("must be new, resume or close", "unknown_event", "event")
    return Inbound(
        kind="ussd",
        channel=channel,
        sender=sender,
        code=code,
        text=fields.get("text"),
        session=session,
        event=_EVENTS[event],
        id=fields.identifier("turn"),
        network=fields.get("network"),
    )


def answer(turn: Reply | None) -> HttpResponse:
    """Return `{"text": …, "continue": …}`, in ASCII."""
    reply = turn or Reply("", expects_reply=False)
    body = json.dumps({"text": reply.text, "continue": reply.expects_reply}, separators=(",", ":"))
    return HttpResponse(200, "application/json", body.encode("ascii"))
