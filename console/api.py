"""`POST /hotlines/<hotline>/reports/<report_id>`: the signed callback of a hotline's system about a report.

Size, signature and age are checked first, then the body, then whether the report was delivered to this hotline. All
effects are committed in one transaction, once for each `webhook-id` and content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Blueprint, Response, request
from standardwebhooks.webhooks import Webhook

from console import bodies
from console.auth.access_control import exempt
from console.bodies import MessageSealer
from console.form_drafts import REPORT_ID
from console.services import services
from reports.case_state import HANDLING_STATES, HANDLING_TRANSITIONS, Handling
from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.json_bodies import json_bytes
from reports.store.cases import case_actions
from reports.store.cases.case_actions import (
    CaseAction,
    CaseNotFound,
    NoteKind,
    TransitionNotAllowed,
    UrgentRevisionNotReceived,
)
from reports.store.engine.database import DatabaseUnavailable
from reports.store.mailboxes.correspondence import AnswerTarget, SealedAnswer
from runtime import strict_json
from runtime.settings import CallbackSettings, load_hotline_settings
from runtime.strict_json import NumberText

FIELDS = ("report_id", "state", "reason", "message")
MAX_REASON_LENGTH = 1000  # characters; a message has limits of its own, in console.bodies
WEBHOOK = "webhook"  # the kind of hotline that shares a secret with us

log = structlog.get_logger()
MAX_BODY_BYTES = 64 * 1024
PLAIN = "text/plain; charset=utf-8"


# Strict parsing of a callback's body: one JSON object of texts.
#
# An unknown field is refused, never ignored: a misspelt `message` would be a message that no reporter reads.


@dataclass(frozen=True, slots=True)
class CallbackBody:
    """The fields of a callback. `state`: one of HANDLING_STATES."""

    report_id: str  # also in the body, so that the signature covers it
    state: str
    reason: str | None
    message: str | None


class InvalidCallback(ValueError):
    """A callback's body is invalid. The text is for the hotline's developer and contains only field names and rules."""


class InvalidCallbackJson(InvalidCallback):
    """The body is not a JSON object."""


def parse_body(body: bytes) -> CallbackBody:
    """Parse and validate a callback's body. Raises InvalidCallback."""
    try:
        pairs = strict_json.object_pairs(body.decode().removeprefix("\ufeff"))
    except (UnicodeDecodeError, strict_json.StrictJsonError):
        raise InvalidCallbackJson(
            "The body is one JSON object in UTF-8, not deep, with report_id and state, and perhaps reason and message."
        ) from None
    if problems := list(_name_problems(pairs)):
        raise InvalidCallback(" ".join(problems))
    fields = {name: value for name, value in pairs if isinstance(value, str)}
    report_id = fields.get("report_id", "").lower()
    callback = CallbackBody(report_id, fields.get("state", ""), fields.get("reason"), fields.get("message"))
    if problems := list(_value_problems(callback)):
        raise InvalidCallback(" ".join(problems))
    return callback


def _name_problems(pairs: Iterable[tuple[str, object]]) -> Iterator[str]:
    names = [name for name, _ in pairs]
    if set(names) - set(FIELDS):
        yield f"It may have {', '.join(FIELDS)}, and nothing else."
    if len(set(names)) < len(names):
        yield "No name may stand there twice."
    for name, value in pairs:
        if name in FIELDS and (isinstance(value, NumberText) or not isinstance(value, str | None)):
            yield f"{name} is a text."


def _value_problems(callback: CallbackBody) -> Iterator[str]:
    if not callback.report_id:
        yield "report_id is missing: send the id that stands in the address in the body too, so that it is signed."
    if callback.state not in HANDLING_STATES:
        yield f"state is one of {', '.join(HANDLING_STATES)}."
    if callback.state == Handling.REJECTED and not (callback.reason or "").strip():
        yield "rejected needs a reason: others get the report, and your own staff should know why."
    if callback.reason is not None and len(callback.reason) > MAX_REASON_LENGTH:
        yield f"reason has at most {MAX_REASON_LENGTH} characters."


# Signatures of the hotlines' callbacks: Standard Webhooks, with the secret that also signs deliveries to the hotline.
#
# Two secrets are valid during a rotation. The time of a signature may differ from this host's clock by five minutes
# in either direction. A clock offset for trials does not apply here, because the hotline signs by its own clock.


class CallbackSignatures:
    """Verifies callbacks. `secrets`: by hotline id; one or two valid secrets for each."""

    def __init__(self, secrets: Mapping[str, tuple[str, ...]]) -> None:
        self._signers = {
            hotline: [Webhook(secret) for secret in valid_secrets] for hotline, valid_secrets in secrets.items()
        }

    def verify_signature(self, hotline: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether this hotline signed the body within five minutes of now. Call this before reading the body."""
        return any(_verified(signer, headers, body) for signer in self._signers.get(hotline, ()))


def load_signatures(environ: Mapping[str, str], listed: Iterable[Hotline]) -> CallbackSignatures:
    """Load the secrets of all webhook hotlines. A hotline with wrong settings cannot call back; the others can.

    Unknown names of settings are not refused here but by the worker, which reads all of them.
    """
    hotlines = [hotline.id for hotline in listed if hotline.delivery == WEBHOOK]
    hotline_settings = load_hotline_settings(environ, dict.fromkeys(hotlines, CallbackSettings))
    for hotline in sorted(set(hotlines) - set(hotline_settings.filled)):
        log.warning("setting_refused", hotline=hotline)
    return CallbackSignatures(
        {hotline: settings.secret.reveal() for hotline, settings in hotline_settings.filled.items()}
    )


def _verified(signer: Webhook, headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether one signature is valid. For bad headers the library raises ValueError and other errors."""
    try:
        signer.verify(body, dict(headers), json_parse=False)
    except Exception:  # any error means an invalid signature
        return False
    return True


def blueprint(signatures: CallbackSignatures) -> Blueprint:
    """Return the blueprint with the route of the callback."""
    bp = Blueprint("api", __name__)

    @bp.post("/hotlines/<hotline>/reports/<report_id>", provide_automatic_options=False)
    @exempt("the hotline signs each callback")
    def call_back(hotline: str, report_id: str) -> Response:
        """Answer one callback. While the database is unavailable it gets 503 with Retry-After."""
        body = _body()
        if body is None:
            return Response(status=413, content_type=PLAIN)
        if not signatures.verify_signature(hotline, dict(request.headers), body):
            return Response("Not signed\n", 401, content_type=PLAIN)
        try:
            return _apply(hotline, report_id.lower(), parse_body(body))
        except CaseNotFound:
            return Response("Not found\n", 404, content_type=PLAIN)
        except DatabaseUnavailable:
            return Response("Not now\n", 503, {"Retry-After": "10"}, content_type=PLAIN)
        except (InvalidCallback, TransitionNotAllowed) as error:
            return _error_response(error)

    return bp


def _apply(hotline: str, report_id: str, callback: CallbackBody) -> Response:
    if not REPORT_ID.fullmatch(report_id):
        raise CaseNotFound
    if callback.report_id != report_id:
        raise InvalidCallback("report_id is not the report that the address names; nothing was done.")
    idempotency_key = _idempotency_key(hotline, request.headers["webhook-id"], callback)
    target, handling, is_repeat = case_actions.look_up(services.database, hotline, report_id, idempotency_key)
    if is_repeat:
        return json_response(200, {"state": handling, "repeat": True})
    sealer = MessageSealer(hotline, report_id, target, services.keys[hotline], services.database.now())
    reply_fields, answer = _seal_message(sealer, callback.message)
    note_texts: dict[NoteKind, str | None] = {"reason": callback.reason, "answer": callback.message if answer else None}
    note_ids = {"answer": answer.answer_id if answer else ""}
    notes = tuple(sealer.note(kind, text, note_ids.get(kind, "")) for kind, text in note_texts.items() if text)
    action = CaseAction(
        hotline,
        report_id,
        Handling(callback.state),
        f"staff:{hotline}/call_back",
        answer,
        notes,
        idempotency_key=idempotency_key,
        by_callback=True,
    )
    return json_response(200, {"state": case_actions.perform(services.database, action), **reply_fields})


def _idempotency_key(hotline: str, webhook_id: str, callback: CallbackBody) -> bytes:
    """Return a key of the id and the content: words that come under a used id are new words, and no repeat.

    It is a keyed hash, because the content may be a sentence that can be guessed.
    """
    content = (callback.report_id, callback.state, callback.reason or "", callback.message or "")
    return services.cipher.mac("callback", hotline, webhook_id, *content)


def _seal_message(message_sealer: MessageSealer, message: str | None) -> tuple[dict[str, Any], SealedAnswer | None]:
    """Return the fields of the reply about the message, and the sealed message. Raises InvalidCallback.

    A message that only looks wrong is accepted, because a machine cannot confirm that it is meant; the reply lists
    the doubts as `remarks`.
    """
    if message is None:
        return {}, None
    check = bodies.check_message(message.strip(), _country(message_sealer.target))
    if check.refusals:
        raise InvalidCallback(" ".join(["Nothing was saved.", *(refusal.why for refusal in check.refusals)]))
    if reason := bodies.unreachable_reason(message_sealer.target):
        return {"message": reason}, None
    return {
        "message": "sealed for the reporter",
        "remarks": [remark.why for remark in (*check.doubts, *check.hints)],
    }, message_sealer.answer(message.strip())


def _country(target: AnswerTarget) -> Country:
    country = services.countries.get(target.country)
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
    if isinstance(error, UrgentRevisionNotReceived):
        text = "The report has become more urgent, and that revision is on its way to you. Read it, then answer."
        return json_response(409, {"error": text, "state": error.before, "allowed": [Handling.REJECTED]})
    if isinstance(error, TransitionNotAllowed):
        return json_response(
            409, {"error": "That cannot follow.", "state": error.before, "allowed": HANDLING_TRANSITIONS[error.before]}
        )
    return json_response(400 if isinstance(error, InvalidCallbackJson) else 422, {"error": str(error)})


def json_response(status: int, content: dict[str, Any]) -> Response:
    """Return a response with this content as JSON."""
    return Response(json_bytes(content) + b"\n", status, content_type="application/json")
