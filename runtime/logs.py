"""Logs: JSON, one line each, to stderr; and the list of the fields and words that a line may hold.

    log = structlog.get_logger()
    log.info("delivered", delivery_id=..., hotline=..., status=200, ms=41)
    log.exception("job_failed", delivery_id=...)      # class and our frames; never the message or a local variable

Lines of libraries are reduced to the logger's name, the level and the class of the exception; below WARNING they are
dropped: one of the SDKs logs whole requests.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any, Final, TextIO

import structlog
from structlog.types import EventDict, ExcInfo, Processor

# All fields and words that a log line may hold. Many people read a log, and it is stored for 30 days: no personal data
# (S-27).
#
# A field that is not here is dropped in production and fails the test run. So is a value that does not have the
# field's shape: a phone number cannot be logged as a report_id. To log something new, add its name here.

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"_?[a-z][a-z0-9_-]{0,63}")
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}( < [A-Za-z_][A-Za-z0-9_.]{0,127}){0,4}")
_WHERE = re.compile(r"[a-z0-9_/.]+\.py:[0-9]+( > [a-z0-9_/.]+\.py:[0-9]+){0,15}")

# The shape of each field. Numbers are below a billion, so most phone numbers with their country code are refused. Those
# of the smallest networks have eight digits and would pass; no event has a field for one.
FIELDS: Final[Mapping[str, re.Pattern[str] | type[int]]] = {
    "report_id": _ID,
    "delivery_id": _ID,
    "drill_id": _ID,
    "hotline": _NAME,
    "channel": _NAME,
    "job": _NAME,  # a job of the scheduler
    "country": re.compile(r"[A-Za-z]{2}"),
    "priority": re.compile(r"P[1-4]"),
    "status": int,  # status of an HTTP response
    "class": _CLASS,  # class of an exception; "A < B": B caused A
    "by": re.compile(r"sms|ussd|unknown"),  # how a text was sent; unknown if its body does not open
    "attempt": int,
    "ms": int,
    "count": int,
    "where": _WHERE,  # file:line of our own frames, outermost first
    "field": re.compile(r"[A-Za-z_]{1,40}"),  # field of a request that could not be read, as our code spells it
    "call": re.compile(r"[a-z_]+\.[a-z_]+"),  # function of ours that may wait, as module.function
    "logger": re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}"),  # logger of a library
}
MAX_NUMBER: Final = 999_999_999

# What each event means and what to do about it; docs/logs.md is generated from it.
EVENTS: Final[Mapping[str, str]] = {
    # a process
    "started": "The process is ready.",
    "stopped": "A worker or clock process finished its current job and ended.",
    "crashed": "An unhandled exception. `class` names it, `where` the place in the code.",
    "library": "A log line of a library, reduced to the library's name and the class of the error.",
    "setting_refused": "The hotline's settings are missing or refused: it gets no reports. Run `tokaut check`.",
    "event_loop_blocked": "A call that may block (disk, database) ran on an event loop. This is a bug in Tokaut: "
    "report it.",
    "metrics_folder_unwritable": "The folder of metrics is not writable: /metrics shows one process only.",
    "metrics_file_unreadable": "A file of metrics is damaged; /metrics leaves it out. It is deleted when a process of "
    "its kind starts.",
    # web
    "webhook_refused": "Requests had a wrong address, token or signature: `count` since the last such line.",
    "webhook_unreadable": "A provider's request could not be parsed; `reason` and `field` say why.",
    "webhook_failed": "A request failed because of a bug in Tokaut; an SMS was answered with 503, so that the "
    "provider sends it again.",
    "number_withdrawn": "A number was withdrawn from the screens.",
    "country_unreadable": "A country file cannot be loaded; the version loaded before stays in use.",
    "redis_rewrite_failed": "The append-only file of Redis was not rewritten; `reason` says why.",
    "session_keys_unreadable": "The file session-keys cannot be read.",
    "session_keys_renewed_after_clock_change": "The clock was set back; the session keys are renewed by its new time.",
    "session_key_deletion_failed": "An old session key could not be deleted.",
    "report_submitted": "A report was submitted, or its Send repeated. `reason` database_unavailable: in the spool.",
    "report_entered": "A member of staff entered a report; the scheduler stores it within a second.",
    "erasure_not_recorded": "A deletion or opt-out was done, but no restored backup will know of it.",
    "entry_code_unreadable": "The access code of a report that staff entered cannot be decrypted: the reporter "
    "has no My report.",
    "erasures_applied": "Deletions and opt-outs of the journal were applied to the database again (`count`).",
    "erasures_failed": "Lines of the journal of deletions are damaged, or could not be applied (`count`): after a "
    "restore, what they deleted is back. `job_failed` says why.",
    "erasures_not_applied": "A file of the journal of deletions, or its folder, cannot be read: repair it; web tries "
    "again every minute.",
    "access_code_locked": "Too many wrong PINs were typed for one code.",
    "spool_not_drained": "Entries of the spool were not submitted, or were and cannot be deleted (`count` wait); "
    "`class` says why. See the database; for OSError, PermissionError and the like the disk of the spool.",
    "spool_copies_submitted": "Entries of another host's spool were submitted from their copies in Redis (`count`).",
    "spool_drained": "Entries of the spool were stored in the database (`count`).",
    "sender_ambiguous": "A telephone number came without + and is valid in two countries, so its sender gets no SMS. "
    "Have the provider send international numbers with +.",
    "sms_time_differs": "An SMS came more than 15 minutes before or after the time that its provider gives it; `count` "
    "is the difference in seconds. If this is so for every SMS, a clock is wrong: "
    "docs/operating/clock-jumped.md#the-clock-of-a-provider-is-wrong.",
    "sms_inbox_replayed": "SMS that were stored while Redis was unavailable were processed (`count`). Those older than "
    "ten minutes get no reply.",
    "sms_inbox_unreadable": "SMS wait that no store key opens (`count`): docs/retention.md.",
    "drill_reported": "Web submitted the report of a drill, as its invented reporter.",
    "drill_failed": "Web could not create the report of a drill, or its follow-up. It tries again in the next round.",
    # the console
    "head_unreadable": "The head of a report has a form that this version does not know: the list shows the report as "
    "one that does not open.",
    "row_failed": "A row of the list could not be made because of a bug in Tokaut; it is shown as a report that does "
    "not open. `class` names the exception, `where` the place in the code.",
    # the scheduler's synthetic calls
    "synthetic_call": "A synthetic call reached the screen that offers Send (after `count` screens).",
    "synthetic_call_failed": "A synthetic call did not reach Send; `reason` says why. The second in a row alerts.",
    # the database and the queue
    "circuit_breaker_opened": "Three calls of this process of web to Redis or the database (`reason`) failed within "
    "seconds; it makes none for `ms`.",
    "database_unavailable": "The database does not answer.",
    "queue_unavailable": "The queue in Redis does not answer; due deliveries are read from the database instead.",
    "job_refused": "A job in the queue is not one of ours, and was not run.",
    "job_failed": "A job failed because of a bug in Tokaut. `class` names the exception, `where` the place in "
    "the code.",
    # deliveries
    "delivered": "A hotline accepted a delivery.",
    "delivery_unavailable": "A hotline could not be reached; the delivery is retried.",
    "delivery_refused": "A hotline refused a delivery.",
    "delivery_undeliverable": "A delivery is not possible now; `reason` says what is missing.",
    "delivery_parked": "A delivery was given up after 14 days; a person must now deliver the report.",
    "delivery_fallback": "The report goes to the next hotline of its route.",
    "delivery_lease_lost": "The lease expired, and another worker has taken over the delivery.",
    "acknowledged": "Staff acknowledged a report.",
    "escalation_step_taken": "The next step of the escalation was taken: another person was notified.",
    "report_transferred": "Staff transferred a report to another hotline.",
    # recordings of reporters' words
    "recording_stored": "A recording of a reporter's words is stored for the hotlines of the report.",
    "recording_unavailable": "A recording could not be fetched from the provider; the fetch is retried for a day.",
    "recording_missing": "The hotlines were notified of a recording that could not be fetched; `reason` says why.",
    "recording_not_deleted": "A recording could not be deleted at the provider; the deletion is retried for 14 days.",
    # SMS
    "sms_sent": "The provider accepted an SMS, or a text by USSD (`by`).",
    "sms_failed": "An SMS, or a text by USSD (`by`), was not sent; `reason` says why.",
    "ussd_not_shown": "Texts by USSD failed or were not confirmed in time, and are sent by SMS (`count`).",
    "sms_expired": "SMS, or texts by USSD (`by`), waited too long and were dropped (`count`).",
    # the clock
    "scheduler_elected": "This process is the scheduler from now on.",
    "scheduler_standby": "Another process is the scheduler.",
    "clock_jumped": "The time of the host jumped: docs/operating/clock-jumped.md.",
    "clock_skew_detected": "The clock of a hotline's server is `count` seconds behind ours or ahead of it.",
    "leases_released": "Times that were too far ahead because a clock was wrong were corrected (`count` rows).",
    "purged": "Reports were deleted at the end of their retention (`count`).",
    "hold_ended": "A legal hold has ended.",
    "facts_changed": "Phone numbers, alert addresses or keys have changed since the last hourly check. If nobody "
    "changed them on purpose, compare the country files and TOKAUT_KEYS with your copies.",
    "statistics_counted": "The reports of a day were counted for the statistics.",
    "statistics_published": "The figures of a quarter were published and no longer change.",
    # people and keys
    "alert_sent": "A person was alerted.",
    "alert_failed": "A person could not be alerted; the alert is retried.",
    "key_missing": "A private or public key is missing on this host.",
    "key_unreadable": "A private key of a hotline cannot be used; all others are. `tokaut check` names the file.",
}

# Why an authenticated request could not be read (gateway.messaging.model.UnreadableRequest).
UNREADABLE_REASONS: Final = frozenset(
    {
        "not_json", "not_form", "not_text", "no_session", "missing_field", "unknown_event", "too_long", "two_values",
        "too_many_fields", "encoding",
    }
)  # fmt: skip

REASONS: Final = UNREADABLE_REASONS | frozenset(
    {
        # the reason for the outcome of a delivery (workers/delivery/outcomes.py)
        "delivered", "moved", "locked_out", "not_found", "conflict", "busy", "tls", "private_address", "refused",
        "gone", "too_large", "no_key", "no_body", "no_hotline", "not_sealed_to_us", "wrong_mode", "our_fault", "parked",
        "needs_person", "dns", "reset", "timeout", "closed", "not_reached", "not_kept", "no_tls", "mail_login",
        "sms_waits", "sms_failed",
        # a provider's answer to an SMS; an accepted SMS may still not reach the phone
        "accepted", "not_understood",
        # why a webhook was refused
        "token", "signature",
        # why something happened without a request
        "redis_unavailable", "database_unavailable", "queue_unavailable", "overdue", "clock_jump", "repeat", "opt_out",
        "withdrawn",
        # why a recording was not fetched or not deleted
        "not_received", "not_sound", "foreign_address", "no_channel", "not_deleted",
        # why a synthetic call failed
        "wrong_screen", "status",
        "expired", "append_only_off", "rewrite_failed", "credit", "sender_id", "bad_number", "provider", "account",
    }
)  # fmt: skip
OUR_PACKAGES: Final = frozenset({"gateway", "flows", "reports", "runtime", "workers", "tokaut", "console", "locales"})
_FRAMES, _CAUSES = 16, 4
_RENAMED: Final = {"class_": "class"}  # "class" is a reserved word


def is_allowed(field: str, value: object) -> bool:
    """Return whether a log line may hold `value` in `field`."""
    if field == "event":
        return isinstance(value, str) and value in EVENTS
    if field == "reason":
        return isinstance(value, str) and value in REASONS
    shape = FIELDS.get(field)
    if shape is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER
    return isinstance(shape, re.Pattern) and isinstance(value, str) and shape.fullmatch(value) is not None


class ForbiddenField(Exception):
    """A log line had a field or value that is not allowed. A test run stops here. Names the field, not the value."""


def configure(process: str, *, strict: bool = False, stream: TextIO | None = None, release: str | None = None) -> None:
    """Configure logging, once per process, before anything is logged.

    `strict` (for tests): raise ForbiddenField for a field or value that is not allowed.
    """
    stamp = _Stamp(process, release or version("tokaut"))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            _format_exception,
            _AllowList(strict),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_is_ours_or_warning)
    handler.setFormatter(_formatter(stamp))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    logging.raiseExceptions = False  # else a malformed log call of a library is printed with all its arguments
    logging.captureWarnings(True)


def install_hooks() -> None:
    """Log exceptions that nothing caught: in the main thread, in other threads, and while objects are deleted."""
    sys.excepthook = lambda kind, error, trace: _log_crash((kind, error, trace))
    threading.excepthook = lambda args: _log_crash((args.exc_type, args.exc_value, args.exc_traceback))
    sys.unraisablehook = lambda args: _log_crash((args.exc_type, args.exc_value, args.exc_traceback))


def reroute(names: Iterable[str]) -> None:
    """Send loggers of servers that have their own handlers (gunicorn.error, rq.worker) through this log."""
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def _log_crash(exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> None:
    kind, error, trace = exc_info
    if kind is None or issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("tokaut").critical("crashed", exc_info=(kind, error or kind(), trace))


class _AllowList:
    """Drop or refuse fields that are not allowed.

    It runs in the thread of the log call, so that a test fails at that call.
    """

    def __init__(self, strict: bool) -> None:
        self._strict = strict

    def __call__(self, _logger: object, _method: str, event_dict: EventDict) -> EventDict:
        level = event_dict.pop("level")
        fields = {_RENAMED.get(name, name): value for name, value in event_dict.items() if value is not None}
        refused = [name for name, value in fields.items() if not is_allowed(name, value)]
        if refused and self._strict:
            raise ForbiddenField(f"{', '.join(sorted(refused))}: not a field or not a word of runtime/logs.py")
        allowed: EventDict = {"level": level, "event": "unlisted"}
        allowed.update((name, value) for name, value in fields.items() if name not in refused)
        return allowed


class _Stamp:
    def __init__(self, process: str, release: str) -> None:
        self._process, self._release = process, release

    def __call__(self, _logger: object, _method: str, fields: EventDict) -> EventDict:
        timestamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        stamp_fields = {"process": self._process, "pid": os.getpid(), "release": self._release}
        return {
            "at": timestamp,
            "level": fields.pop("level", "error"),
            "event": fields.pop("event"),
            **stamp_fields,
            **fields,
        }


def _formatter(stamp: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, stamp, _to_json],
        foreign_pre_chain=[_reduce_foreign],
        use_get_message=False,
    )


def _to_json(_logger: object, _method: str, fields: EventDict) -> str:
    """Return a line of ASCII: no byte of a value can end the line or move a reader's cursor."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True, default=lambda _: "?")


def _reduce_foreign(_logger: object, _method: str, fields: EventDict) -> EventDict:
    """Reduce a line of a library."""
    record: logging.LogRecord = fields["_record"]
    allowed: EventDict = {"_record": record, "_from_structlog": False, "event": "library"}
    allowed["level"] = record.levelname.lower()
    if is_allowed("logger", record.name):
        allowed["logger"] = record.name
    if record.exc_info and record.exc_info[1]:
        allowed["class"] = _classes(record.exc_info[1])
    return allowed


def _is_ours_or_warning(record: logging.LogRecord) -> bool:
    return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def _format_exception(_logger: object, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = fields.pop("exc_info", None)
    error = _error_of(info) if info else None
    if error is not None:
        fields["class"] = _classes(error)
        fields["where"] = " > ".join(_frames(error.__traceback__)) or None
    return fields


def _error_of(info: bool | BaseException | ExcInfo) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    return info[1] if isinstance(info, tuple) else sys.exception()


def _classes(error: BaseException) -> str:
    """Return the classes of an exception and its causes: "DatabaseUnavailable < OperationalError"."""
    names: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(names) <= _CAUSES:
        names.append(type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return " < ".join(names)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    """Yield our own innermost frames, as file:line below the project's folder."""
    own_frames = [(frame, line) for frame, line in walk_tb(trace) if _package(frame) in OUR_PACKAGES]
    for frame, line in own_frames[-_FRAMES:]:
        path_parts = frame.f_code.co_filename.split("/")
        package = _package(frame)
        depth = max((i for i, part in enumerate(path_parts) if part == package), default=len(path_parts) - 1)
        yield f"{'/'.join(path_parts[depth:])}:{line}"


def _package(frame: FrameType) -> str:
    """Return the package of a frame, from the module's spec: a module started with -m is named __main__."""
    module_spec: ModuleSpec | None = frame.f_globals.get("__spec__")
    name = module_spec.name if module_spec else frame.f_globals.get("__name__", "")
    return str(name).partition(".")[0]
