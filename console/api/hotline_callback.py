"""`POST /hotlines/<hotline>/reports/<report_id>`: what a hotline's own system says about a report that it was given.

Signature, size and age first; then the body; then the report, which has to be its own. All that follows happens
together or not at all, once for each `webhook-id`.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from flask import Flask, Response, request

from console.api.auth import CallbackSignatures
from console.api.callback_body import CallbackBody, InvalidCallback, InvalidCallbackJson, parse_body
from console.bodies import messages
from console.bodies.messages import MessageSealer
from console.services import ConsoleServices
from reports.case_state import HANDLING_TRANSITIONS
from reports.countries.country import Country
from reports.json_bodies import json_bytes
from reports.store.cases import case_actions
from reports.store.cases.case_actions import CaseAction, CaseNotFound, TransitionNotAllowed
from reports.store.engine.database import DatabaseUnavailable
from reports.store.mailboxes.correspondence import AnswerTarget, SealedAnswer

MAX_BODY_BYTES = 64 * 1024
REPORT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PLAIN = "text/plain; charset=utf-8"


def attach(app: Flask, parts: ConsoleServices, callers: CallbackSignatures) -> None:
    door = CallbackView(parts, callers)
    app.add_url_rule(
        "/hotlines/<hotline>/reports/<report_id>",
        "call_back",
        door.answer,
        methods=["POST"],
        provide_automatic_options=False,
    )


class CallbackView:
    def __init__(self, parts: ConsoleServices, callers: CallbackSignatures) -> None:
        self._parts = parts
        self._callers = callers

    def answer(self, hotline: str, report_id: str) -> Response:
        body = _body()
        if body is None:
            return Response(status=413, content_type=PLAIN)
        if not self._callers.verify_signature(hotline, dict(request.headers), body):
            return Response("Not signed\n", 401, content_type=PLAIN)
        try:
            return self._take(hotline, report_id.lower(), parse_body(body))
        except CaseNotFound:
            return Response("Not found\n", 404, content_type=PLAIN)
        except DatabaseUnavailable:
            return Response("Not now\n", 503, {"Retry-After": "10"}, content_type=PLAIN)
        except (InvalidCallback, TransitionNotAllowed) as why:
            return _refused(why)

    def _take(self, hotline: str, report_id: str, said: CallbackBody) -> Response:
        if not REPORT_ID.fullmatch(report_id):
            raise CaseNotFound
        if said.report_id != report_id:
            raise InvalidCallback("report_id is not the report that the address names; nothing was done.")
        key = hashlib.sha256(f"{hotline}\0{request.headers['webhook-id']}".encode()).digest()
        box, handling, has_come = case_actions.look_up(self._parts.database, hotline, report_id, key)
        if has_come:
            return _json(200, {"state": handling, "repeat": True})
        writing = MessageSealer(hotline, report_id, box, self._parts.keys[hotline], self._parts.database.now())
        told, answer = self._written(writing, said.message)
        kept = {"reason": said.reason, "answer": said.message if answer else None}
        notes = tuple(writing.note(kind, text) for kind, text in kept.items() if text)
        step = CaseAction(hotline, report_id, said.state, f"staff:{hotline}/call_back", answer, notes, once=key)
        return _json(200, {"state": case_actions.perform(self._parts.database, step), **told})

    def _written(
        self, message_sealer: MessageSealer, message: str | None
    ) -> tuple[dict[str, Any], SealedAnswer | None]:
        """What the hotline is told about its message, and the message sealed. Raises NotUnderstood.

        What may be right and looks wrong goes: a machine cannot be asked whether it is meant. It is told.
        """
        if message is None:
            return {}, None
        found = messages.check_message(message.strip(), self._country(message_sealer.box))
        if found.refused:
            raise InvalidCallback(" ".join(f"Nothing was kept, for the message: {why}." for why in found.refused))
        if why := messages.unreachable_reason(message_sealer.box):
            return {"message": why}, None
        return {"message": "sealed for the reporter", "remarks": found.asked}, message_sealer.answer(message.strip())

    def _country(self, box: AnswerTarget) -> Country:
        found = self._parts.countries.get(box.country)
        if found is None:
            raise InvalidCallback("The report's country is served here no more; send the state without a message.")
        return found


def _body() -> bytes | None:
    """The raw body; None where it is too large, and then it is not read to its end."""
    told = request.content_length  # none: it came in chunks
    if told is not None and told > MAX_BODY_BYTES:
        return None
    raw: bytes = request.environ["wsgi.input"].read(MAX_BODY_BYTES + 1 if told is None else told)
    return raw if len(raw) <= MAX_BODY_BYTES else None


def _refused(why: InvalidCallback | TransitionNotAllowed) -> Response:
    """So that whoever builds the hotline's system sees what to do otherwise."""
    if isinstance(why, TransitionNotAllowed):
        return _json(
            409, {"error": "That cannot follow.", "state": why.before, "allowed": HANDLING_TRANSITIONS[why.before]}
        )
    return _json(400 if isinstance(why, InvalidCallbackJson) else 422, {"error": str(why)})


def _json(status: int, what: dict[str, Any]) -> Response:
    return Response(json_bytes(what) + b"\n", status, content_type="application/json")
