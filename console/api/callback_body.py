"""The body of a call-back, read strictly: one object of three texts. What is not understood is refused, never guessed:
a name that is typed wrongly would be a message that no reporter reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from reports.case_state import HANDLING_STATES
from runtime import strict_json

FIELDS = ("report_id", "state", "reason", "message")
MAX_REASON_LENGTH = 1000  # characters of a reason; what a message may have, its own check says


@dataclass(frozen=True, slots=True)
class CallbackBody:
    report_id: str  # in the body, so that the signature names the report as well
    state: str
    reason: str | None
    message: str | None


class InvalidCallback(ValueError):
    """A line for the hotline's developer, about names and rules alone."""


class InvalidCallbackJson(InvalidCallback):
    pass


def parse_body(body: bytes) -> CallbackBody:
    """Raises NotUnderstood."""
    try:
        found = strict_json.object_pairs(body.decode().removeprefix("\ufeff"))
    except (UnicodeDecodeError, strict_json.StrictJsonError):
        raise InvalidCallbackJson(
            "The body is one JSON object in UTF-8, not deep, with report_id and state, and perhaps reason and message."
        ) from None
    if lines := list(_wrong_names(found)):
        raise InvalidCallback(" ".join(lines))
    fields = {name: value for name, value in found if isinstance(value, str)}
    report_id = fields.get("report_id", "").lower()
    said = CallbackBody(report_id, fields.get("state", ""), fields.get("reason"), fields.get("message"))
    if lines := list(_wrong_values(said)):
        raise InvalidCallback(" ".join(lines))
    return said


def _wrong_names(found: Iterable[tuple[str, object]]) -> Iterator[str]:
    names = [name for name, _ in found]
    if set(names) - set(FIELDS):
        yield f"It may have {', '.join(FIELDS)}, and nothing else."
    if len(set(names)) < len(names):
        yield "No name may stand there twice."
    for name, value in found:
        if name in FIELDS and not isinstance(value, str | None):
            yield f"{name} is a text."


def _wrong_values(said: CallbackBody) -> Iterator[str]:
    if not said.report_id:
        yield "report_id is missing: send the id that stands in the address in the body too, so that it is signed."
    if said.state not in HANDLING_STATES:
        yield f"state is one of {', '.join(HANDLING_STATES)}."
    if said.state == "rejected" and not (said.reason or "").strip():
        yield "rejected needs a reason: others get the report, and your own staff should know why."
    if said.reason is not None and len(said.reason) > MAX_REASON_LENGTH:
        yield f"reason has at most {MAX_REASON_LENGTH} characters."
