"""`POST /hotlines/<hotline>/reports/<report_id>`: a hotline's system reports what became of a delivered report.

Size, signature and age are checked first, then the body, then whether the report was delivered to this hotline. All
effects are committed in one transaction, once for each `webhook-id`.
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
    """Register the route of the callback."""
    view = CallbackView(parts, callers)
    app.add_url_rule(
        "/hotlines/<hotline>/reports/<report_id>",
        "call_back",
        view.answer,
        methods=["POST"],
        provide_automatic_options=False,
    )


class CallbackView:
    """The view that answers signed callbacks of a hotline's own system."""

    def __init__(self, parts: ConsoleServices, callers: CallbackSignatures) -> None:
        self._services = parts
        self._signatures = callers

    def answer(self, hotline: str, report_id: str) -> Response:
        """Answer one callback. While the database is unavailable it gets 503 with Retry-After."""
        body = _body()
        if body is None:
            return Response(status=413, content_type=PLAIN)
        if not self._signatures.verify_signature(hotline, dict(request.headers), body):
            return Response("Not signed\n", 401, content_type=PLAIN)
        try:
            return self._apply(hotline, report_id.lower(), parse_body(body))
        except CaseNotFound:
            return Response("Not found\n", 404, content_type=PLAIN)
        except DatabaseUnavailable:
            return Response("Not now\n", 503, {"Retry-After": "10"}, content_type=PLAIN)
        except (InvalidCallback, TransitionNotAllowed) as error:
            return _error_response(error)

    def _apply(self, hotline: str, report_id: str, callback: CallbackBody) -> Response:
        if not REPORT_ID.fullmatch(report_id):
            raise CaseNotFound
        if callback.report_id != report_id:
            raise InvalidCallback("report_id is not the report that the address names; nothing was done.")
        idempotency_key = hashlib.sha256(f"{hotline}\0{request.headers['webhook-id']}".encode()).digest()
        target, handling, is_repeat = case_actions.look_up(self._services.database, hotline, report_id, idempotency_key)
        if is_repeat:
            return _json(200, {"state": handling, "repeat": True})
        sealer = MessageSealer(hotline, report_id, target, self._services.keys[hotline], self._services.database.now())
        reply_fields, answer = self._seal_message(sealer, callback.message)
        note_texts = {"reason": callback.reason, "answer": callback.message if answer else None}
        notes = tuple(sealer.note(kind, text) for kind, text in note_texts.items() if text)
        action = CaseAction(
            hotline, report_id, callback.state, f"staff:{hotline}/call_back", answer, notes, once=idempotency_key
        )
        return _json(200, {"state": case_actions.perform(self._services.database, action), **reply_fields})

    def _seal_message(
        self, message_sealer: MessageSealer, message: str | None
    ) -> tuple[dict[str, Any], SealedAnswer | None]:
        """Return the fields of the reply about the message, and the sealed message. Raises InvalidCallback.

        A message that only looks wrong is accepted, because a machine cannot confirm that it is meant; the reply lists
        the doubts as `remarks`.
        """
        if message is None:
            return {}, None
        check = messages.check_message(message.strip(), self._country(message_sealer.box))
        if check.refused:
            raise InvalidCallback(" ".join(f"Nothing was kept, for the message: {reason}." for reason in check.refused))
        if reason := messages.unreachable_reason(message_sealer.box):
            return {"message": reason}, None
        return {"message": "sealed for the reporter", "remarks": check.asked}, message_sealer.answer(message.strip())

    def _country(self, target: AnswerTarget) -> Country:
        country = self._services.countries.get(target.country)
        if country is None:
            raise InvalidCallback("The report's country is served here no more; send the state without a message.")
        return country


def _body() -> bytes | None:
    """Return the raw body; None if it is too large, and then it is not read to its end."""
    length = request.content_length  # None for a chunked body
    if length is not None and length > MAX_BODY_BYTES:
        return None
    raw: bytes = request.environ["wsgi.input"].read(MAX_BODY_BYTES + 1 if length is None else length)
    return raw if len(raw) <= MAX_BODY_BYTES else None


def _error_response(error: InvalidCallback | TransitionNotAllowed) -> Response:
    """Answer with an error that tells the developer of the hotline's system what to change."""
    if isinstance(error, TransitionNotAllowed):
        return _json(
            409, {"error": "That cannot follow.", "state": error.before, "allowed": HANDLING_TRANSITIONS[error.before]}
        )
    return _json(400 if isinstance(error, InvalidCallbackJson) else 422, {"error": str(error)})


def _json(status: int, content: dict[str, Any]) -> Response:
    return Response(json_bytes(content) + b"\n", status, content_type="application/json")
