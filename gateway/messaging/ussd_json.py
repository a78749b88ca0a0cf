"""The neutral USSD form in JSON: what a telco or an SMPP bridge sends, and what the simulator sends too."""

from __future__ import annotations

import json
from collections.abc import Mapping

from gateway.messaging.model import Event, Fields, HttpResponse, Inbound, ProviderEvent, Reply, UnreadableRequest

_EVENTS: Mapping[str, Event] = {"new": "new", "resume": "resume", "": "unsaid"}


def receive(channel: str, fields: Fields) -> Inbound | ProviderEvent:
    """`session` is needed; `turn`, the sender's own running number, is optional and makes repeats certain."""
    event = fields.get("event")
    session, sender, code = fields.must("session"), fields.who("phone"), fields.get("service_code")
    if event == "close":
        return ProviderEvent("ended", channel, sender=sender, code=code, session=session)
    if event not in _EVENTS:
        raise UnreadableRequest("not new, resume or close", "unknown_event", "event")
    return Inbound(
        kind="ussd",
        channel=channel,
        sender=sender,
        code=code,
        text=fields.get("text"),
        session=session,
        event=_EVENTS[event],
        id=fields.who("turn"),
        network=fields.get("network"),
    )


def answer(turn: Reply | None) -> HttpResponse:
    """`{"text": …, "continue": …}`, in ASCII."""
    said = turn or Reply("", expects_reply=False)
    body = json.dumps({"text": said.text, "continue": said.expects_reply}, separators=(",", ":"))
    return HttpResponse(200, "application/json", body.encode("ascii"))
