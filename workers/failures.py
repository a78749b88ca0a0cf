"""Classes of failed requests to a hotline, a mail server or an SMS provider, for logs and metrics."""

from __future__ import annotations

from typing import Literal

# There was no answer, or an answer without details
NetworkFailure = Literal["dns", "private_address", "not_reached", "reset", "timeout", "tls", "busy", "refused"]
MailFailure = Literal[NetworkFailure, "no_tls", "mail_login"]
DeliveryFailureClass = Literal[
    MailFailure,
    "moved",
    "locked_out",
    "not_found",
    "conflict",
    "too_large",
    "gone",
    "not_kept",
    "sms_waits",
    "sms_failed",
    "no_key",
    "no_body",
    "no_hotline",
    "not_sealed_to_us",
    "wrong_mode",
    "our_fault",
]
RecordingFailure = Literal[
    NetworkFailure, "moved", "locked_out", "not_found", "too_large", "not_sound", "foreign_address", "no_key",
    "no_channel", "not_deleted", "our_fault",
]  # fmt: skip
SmsFailure = Literal[
    NetworkFailure, "credit", "sender_id", "locked_out", "account", "bad_number", "opt_out", "provider",
    "not_understood", "no_key", "wrong_mode", "our_fault", "withdrawn",
]  # fmt: skip
