"""What workers and the clock count. No label holds anything of a person."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1200, 3600, 14400, 86400)

LAST: dict[str, Any] = {"multiprocess_mode": "mostrecent"}  # of several processes, whoever said it last


class Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.attempts = Counter(
            "tokaut_delivery_attempts",
            "Attempts to hand over a report",
            ["hotline", "class"],
            registry=registry,
        )
        self.send_to_hotline = Histogram(
            "tokaut_send_to_hotline_seconds", "From the commit to the receipt", registry=registry, buckets=SECONDS
        )
        self.sms = Counter("tokaut_sms_sent", "SMS given to a provider", ["channel", "class"], registry=registry)
        self.segments = Counter(
            "tokaut_sms_segments",
            "Parts of SMS given to a provider: what it charges for",
            ["channel"],
            registry=registry,
        )
        self.told = Counter("tokaut_told", "Times a person was told", ["channel", "ok"], registry=registry)
        self.steps = Counter(
            "tokaut_steps",
            "Steps of the ladder that were done, and what they came to",
            ["step", "came_to"],
            registry=registry,
        )
        self.overdue = Gauge(
            "tokaut_overdue", "Reports that nobody has taken on in time", ["priority"], registry=registry, **LAST
        )
        self.late = Gauge(
            "tokaut_steps_late", "Steps of the ladder that nobody could be told of in time", registry=registry, **LAST
        )
        self.refused = Counter("tokaut_jobs_refused", "Jobs that are not on the list", registry=registry)
        self.leader = Gauge("tokaut_clock_leader", "1 on the clock that leads", registry=registry, **LAST)
        self.tick = Gauge("tokaut_clock_tick_timestamp_seconds", "When the clock ticked", registry=registry, **LAST)
        self.jumps = Counter("tokaut_clock_jump", "Times the clock jumped", registry=registry)
        self.faults = Counter("tokaut_clock_faults", "Duties that failed", ["duty"], registry=registry)
        self.purged = Counter("tokaut_purged", "Reports deleted after their time", ["rule"], registry=registry)
        self.purge_ran = Gauge(
            "tokaut_purge_timestamp_seconds", "When the clock last looked for what is over", registry=registry, **LAST
        )
        self.checkpoint = Gauge(
            "tokaut_audit_checkpoint_timestamp_seconds", "When the audit was last signed", registry=registry, **LAST
        )
        self.unchained = Gauge(
            "tokaut_audit_unchained_seconds", "Age of the oldest audit row not chained", registry=registry, **LAST
        )
