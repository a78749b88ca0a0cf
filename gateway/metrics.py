"""Metrics of `web`. No label holds personal data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram

from flows.pagination import segments
from runtime import metrics_files
from runtime.telephony import DeliveryReportStatus

SEGMENTS = "Parts of SMS given to a provider: what it charges for"
DELIVERY_REPORTS = "Delivery reports of providers for SMS, by outcome: delivered, failed, sent or unknown"
SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

COUNTED: Mapping[str, str] = {
    "requests_unauthenticated": "Requests without a valid token or signature",
    "requests_too_large": "Requests over the limit of their endpoint (256 KiB, signed channels 32 KiB), left unread",
    "requests_malformed": "Bytes that are not one HTTP request, answered with 400",
    "ussd_requests_unparsed": "USSD requests that could not be parsed, answered with the emergency numbers",
    "sms_unparsed": "SMS that could not be parsed, stored sealed for a person to read",
    "overflow_texts_submitted": "Texts beyond what one session carries, submitted as separate reports",
    "values_not_utf8": "Values of a request that were not UTF-8",
    "provider_events_unparsed": "End events, delivery receipts and opt-outs that could not be parsed",
    "missed_calls_ignored": "Missed calls that got no SMS: number withheld or opted out, or not one of a country file",
    "missed_calls_limited": "Missed calls that got no SMS because very many came within a minute",
    "request_errors": "Requests that failed because of a bug in Tokaut",
    "duplicate_turns": "Duplicate turns, answered with the stored reply",
    "out_of_order_turns": "Turns older than the last one, or that do not continue it",
    "sessions_unreadable": "Stored sessions and drafts that could not be opened",
    "session_key_deletions_failed": "Keys of ended sessions that could not be deleted from the disk",
    "replays_failed": "Sessions that could not be replayed from the provider's path without guessing",
    "requests_without_redis": "Requests served while Redis was unavailable",
    "sms_stored_until_redis_returns": "SMS stored until Redis is available and they can be answered",
    "sms_replies_not_stored": "SMS replies that could not be stored for the worker",
    "recordings_not_stored": "Recordings of callers whose place at the provider could not be stored",
    "reports_spooled": "Reports written to the spool",
    "spool_copies_refused": "Entries of the spool that were not copied to Redis: too many there already, or too large",
    "entry_mailboxes_made": "Mailboxes made for reports that staff entered in the console",
    "entry_codes_unreadable": "Codes of reports that staff entered, which no store key opens",
    "reports_not_stored": "Reporters who read NOT SENT",
    "incomplete_reports_not_stored": "Incomplete reports in danger that could not be scheduled",
    "cancellations_not_stored": "Cancelled or deleted drafts whose deletion could not be stored",
    "erasures_not_recorded": "Deletions and opt-outs that a restored backup would undo: the disk took no line",
    "pending_reports_not_flushed": "Pending reports that could not be submitted early; they follow in their own time",
    "delivery_receipts_unmatched": "SMS delivery receipts for no message of ours, or for one that is not known yet",
    "delivery_receipts_unknown_status": "SMS delivery receipts with a status that is not in our table",
    "tips_rate_limited": "Tip screens refused because this reporter has read very many",
    "turns_shed": 'Turns answered with "busy" under load, so that reports get through',
    "calls_not_admitted": "New calls that got the emergency numbers at once, so that calls under way are served",
    "sms_not_admitted": "SMS answered with 503 because this process was late: their provider sends them again",
    "signature_checks_shed": "Requests answered with 503 because too many waited for a signature check",
    "access_code_failures": "Wrong pairs of access code and PIN",
    "synthetic_requests": "Requests of synthetic calls, which no other figure counts",
    "answers_over_5s": "Answers that took longer than 5 s",
    "event_loop_blocked": "Blocking calls on the event loop's thread: a bug in Tokaut, all reporters wait",
}


class WebMetrics:
    """The counters of one web process, and the histogram of its answers."""

    def __init__(self, sms_channels: Iterable[str] = ()) -> None:
        """Create the metrics. Those of `sms_channels` exist from the start, so that an alert rule sees them rise."""
        self._registry = CollectorRegistry()
        self._counters = {
            name: Counter(f"tokaut_{name}", meaning, registry=self._registry) for name, meaning in COUNTED.items()
        }
        answers = Histogram(
            "tokaut_request_duration_seconds",
            "From the arrival of a request to its answer",
            ["channel", "endpoint"],
            registry=self._registry,
            buckets=SECONDS,
        )
        self._answers_at = cache(answers.labels)  # the library looks labels up under a lock, each time
        self._segments = Counter("tokaut_sms_segments", SEGMENTS, ["channel"], registry=self._registry)
        self._delivery_reports = Counter(
            "tokaut_sms_delivery_reports", DELIVERY_REPORTS, ["channel", "outcome"], registry=self._registry
        )
        for channel, outcome in product(sms_channels, ("delivered", "failed")):
            self._delivery_reports.labels(channel, outcome)

    def count(self, name: str) -> None:
        """Count one event; `name` is a key of `COUNTED`."""
        self._counters[name].inc()

    def answered(self, channel: str, endpoint: str, seconds: float) -> None:
        """Record how long an answer took, in seconds."""
        self._answers_at(channel, endpoint).observe(seconds)
        if seconds > 5:
            self.count("answers_over_5s")

    def loop_blocked(self, call: str) -> None:
        """Count a call that blocked the event loop's thread. The log names the call."""
        del call
        self.count("event_loop_blocked")

    def replied(self, channel: str, text: str) -> None:
        """Count the segments of an SMS that is sent in the answer to the provider's request."""
        self._segments.labels(channel).inc(segments(text))

    def delivery_reported(self, channel: str, status: DeliveryReportStatus) -> None:
        """Count a provider's delivery report for an SMS."""
        self._delivery_reports.labels(channel, status or "unknown").inc()

    def page(self) -> bytes:
        """Return the metrics in Prometheus' text form; with several processes, those of all of them."""
        return metrics_files.render(self._registry)
