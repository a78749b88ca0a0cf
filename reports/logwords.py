"""All that a log line may say. A log is read by many and kept for 30 days, so it holds nothing of a person (S-27).

A field that is not here is dropped in production and fails the test run. A value that does not have the field's shape
is dropped too: a phone number cannot travel as a report_id. To log something new, add its word here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"_?[a-z][a-z0-9_-]{0,63}")
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}( < [A-Za-z_][A-Za-z0-9_.]{0,127}){0,4}")
_WHERE = re.compile(r"[a-z_/.]+\.py:[0-9]+( > [a-z_/.]+\.py:[0-9]+){0,15}")

# The shape of each field that a caller may give. Numbers are at most a billion: no phone number of ours is so short.
FIELDS: Final[Mapping[str, re.Pattern[str] | type[int]]] = {
    "report_id": _ID,
    "delivery_id": _ID,
    "drill_id": _ID,
    "hotline": _NAME,
    "channel": _NAME,
    "country": re.compile(r"[A-Za-z]{2}"),
    "priority": re.compile(r"P[1-4]"),
    "status": int,  # of an HTTP answer
    "class": _CLASS,  # of an exception; "A < B": A came of B
    "attempt": int,
    "ms": int,
    "count": int,
    "where": _WHERE,  # file:line of our own frames, outermost first
    "field": re.compile(r"[A-Za-z_]{1,40}"),  # of a request that could not be read: its name as our code spells it
    "logger": re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}"),  # of another library
}
LARGEST: Final = 999_999_999

EVENTS: Final = frozenset(
    {
        # a process
        "started", "stopping", "stopped", "crashed", "library", "setting_refused", "figures_apart",
        # web: what came in
        "webhook_refused", "webhook_unreadable", "webhook_failed", "webhook_busy", "unread_kept", "loop_silenced",
        "number_withdrawn", "country_unreadable",
        # sessions
        "redis_away", "redis_back", "redis_not_rewritten", "session_unreadable",
        "session_lost_race", "session_rebuilt", "walk_unfit",
        "session_keys_unreadable", "session_keys_shifted", "session_keys_not_deleted",
        # filing
        "report_filed", "report_repeated", "report_added_to", "report_deleted", "report_not_sent", "mailbox_locked",
        "database_away", "database_back", "spooled", "spool_drained", "spool_full", "spool_bad",
        # the queue
        "queue_away", "queue_back", "job_refused", "job_failed",
        # deliveries
        "delivered", "delivery_unavailable", "delivery_refused", "delivery_poison", "delivery_parked",
        "delivery_fallback", "delivery_lease_lost", "hotline_open", "hotline_closed", "hotline_dead", "hotline_revived",
        "acknowledged", "step_given", "handed_on",
        # SMS
        "sms_sent", "sms_failed", "sms_expired", "sms_opted_out",
        # the clock
        "clock_leads", "clock_waits", "clock_jumped", "clock_differs",
        "rescued", "words_filed", "update_filed", "swept", "purged",
        "hold_ended", "inbound_played", "drill_held", "drill_failed", "facts_changed", "statistics_counted",
        "statistics_out",
        # people and keys
        "told", "telling_failed", "key_missing", "key_made", "rewrapped", "rewrap_unreadable",
    }
)  # fmt: skip

# Why an authenticated request could not be read (gateway.message.Unreadable).
UNREADABLE: Final = frozenset(
    {
        "not_json", "not_form", "not_text", "no_session", "missing_field", "unknown_event", "too_long", "two_values",
        "too_many_fields", "encoding",
    }
)  # fmt: skip

REASONS: Final = UNREADABLE | frozenset(
    {
        # why a delivery came out as it did (workers/delivery.py)
        "delivered", "moved", "locked_out", "not_found", "conflict", "busy", "tls", "private_address", "refused",
        "gone", "too_large", "no_key", "no_body", "no_hotline", "not_sealed_to_us", "wrong_mode", "our_fault", "parked",
        "needs_person", "dns", "reset", "timeout", "half_head", "no_route", "closed", "not_reached", "not_kept",
        "no_tls", "mail_login", "sms_waits", "sms_failed",
        # why a webhook was turned away or not understood
        "token", "signature", "loopback", "method", "size", "encoding", "doubled", "missing_field", "depth", "fields",
        # why something was done without asking
        "redis_away", "database_away", "queue_away", "disk_full", "not_writable", "torn", "poison", "unknown_key",
        "lease_lost", "overdue", "clock_jump", "repeat", "autoresponder", "opt_out", "withdrawn", "expired", "signal",
        "append_only_off", "rewrite_failed", "credit", "sender_id", "bad_number", "provider", "account",
    }
)  # fmt: skip


def fits(field: str, value: object) -> bool:
    """Whether `value` may stand in `field`."""
    if field == "event":
        return isinstance(value, str) and value in EVENTS
    if field == "reason":
        return isinstance(value, str) and value in REASONS
    shape = FIELDS.get(field)
    if shape is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    return isinstance(shape, re.Pattern) and isinstance(value, str) and shape.fullmatch(value) is not None
