"""What workers and the clock count. No label holds anything of a person."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

HISTOGRAM_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1200, 3600, 14400, 86400)


class WorkerMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._of_deliveries(registry)
        self._of_sms_and_people(registry)
        self._of_the_clock(registry)

    def _of_deliveries(self, registry: CollectorRegistry) -> None:
        counter, gauge = _counter(registry), _gauge(registry)
        self.attempts = counter("tokaut_delivery_attempts", "Attempts to hand over a report", ["hotline", "class"])
        self.send_to_hotline = Histogram(
            "tokaut_send_to_hotline_seconds",
            "From the commit to the receipt",
            registry=registry,
            buckets=HISTOGRAM_BUCKETS,
        )
        self.deliveries = gauge(
            "tokaut_deliveries", "Deliveries that no hotline has: due, refused, parked", ["state", "priority"]
        )
        self.breaker = gauge(
            "tokaut_breaker_open", "1 where a hotline rests after failures, or takes nothing any more", ["hotline"]
        )
        self.refused = counter("tokaut_jobs_refused", "Jobs that are not on the list")

    def _of_sms_and_people(self, registry: CollectorRegistry) -> None:
        counter, gauge = _counter(registry), _gauge(registry)
        self.sms = counter("tokaut_sms_sent", "SMS given to a provider", ["channel", "class"])
        self.segments = counter(
            "tokaut_sms_segments", "Parts of SMS given to a provider: what it charges for", ["channel"]
        )
        self.told = counter("tokaut_told", "Times a person was told", ["channel", "ok"])
        self.steps = counter(
            "tokaut_steps", "Steps of the ladder that were done, and what they came to", ["step", "came_to"]
        )
        self.overdue = gauge("tokaut_overdue", "Reports that nobody has taken on in time", ["priority"])
        self.late = gauge("tokaut_steps_late", "Steps of the ladder that nobody could be told of in time")

    def _of_the_clock(self, registry: CollectorRegistry) -> None:
        counter, gauge = _counter(registry), _gauge(registry)
        self.leader = Gauge(  # one that waits says 0 beside the one that leads
            "tokaut_clock_leader", "1 where a clock leads", registry=registry, multiprocess_mode="max"
        )
        self.tick = gauge("tokaut_clock_tick_timestamp_seconds", "When a clock that leads ticked")
        self.jumps = counter("tokaut_clock_jump", "Times the clock jumped")
        self.mended = counter("tokaut_times_mended", "Rows whose time lay too far ahead, because a clock was wrong")
        self.faults = counter("tokaut_clock_faults", "Duties that failed", ["duty"])
        self.purged = counter("tokaut_purged", "Reports deleted after their time", ["rule"])
        self.purge_ran = gauge("tokaut_purge_timestamp_seconds", "When the clock last looked for what is over")
        self.rewritten = gauge(
            "tokaut_redis_rewritten_timestamp_seconds", "When Redis was last asked to rewrite its append-only file"
        )
        self.checkpoint = gauge("tokaut_audit_checkpoint_timestamp_seconds", "When the audit was last signed")
        self.unchained = gauge("tokaut_audit_unchained_seconds", "Age of the oldest audit row not chained")


def _counter(registry: CollectorRegistry) -> partial[Counter]:
    return partial(Counter, registry=registry)


def _gauge(registry: CollectorRegistry) -> partial[Gauge]:
    """Of several processes, what whoever said it last has said."""
    return partial(Gauge, registry=registry, multiprocess_mode="mostrecent")
