"""Strict parsing of a callback's body: one JSON object of texts.

An unknown field is refused, never ignored: a misspelt `message` would be a message that no reporter reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reports.case_state import HANDLING_STATES
from runtime import strict_json

FIELDS = ("report_id", "state", "reason", "message")
MAX_REASON_LENGTH = 1000  # characters; a message has limits of its own, in console.bodies.messages


@dataclass(frozen=True, slots=True)
class CallbackBody:
    """The fields of a callback. `state`: one of HANDLING_STATES."""

    report_id: str  # also in the body, so that the signature covers it
    state: str
    reason: str | None
    message: str | None


class InvalidCallback(ValueError):
    """The body is refused. The text is for the hotline's developer and contains only field names and rules."""


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
        if name in FIELDS and not isinstance(value, str | None):
            yield f"{name} is a text."


def _value_problems(callback: CallbackBody) -> Iterator[str]:
    if not callback.report_id:
        yield "report_id is missing: send the id that stands in the address in the body too, so that it is signed."
    if callback.state not in HANDLING_STATES:
        yield f"state is one of {', '.join(HANDLING_STATES)}."
    if callback.state == "rejected" and not (callback.reason or "").strip():
        yield "rejected needs a reason: others get the report, and your own staff should know why."
    if callback.reason is not None and len(callback.reason) > MAX_REASON_LENGTH:
        yield f"reason has at most {MAX_REASON_LENGTH} characters."
