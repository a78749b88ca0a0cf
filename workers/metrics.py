"""Metrics of the workers and of the scheduler. No label holds personal data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

QUIET = "tokaut_calls_unusually_few"
BREAKER = "tokaut_circuit_breaker_open"
SYNTHETIC = "tokaut_synthetic_call_timestamp_seconds"
HISTOGRAM_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1200, 3600, 14400, 86400)


class WorkerMetrics:
    """The metrics of one worker or scheduler process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._of_deliveries(registry)
        self._of_sms_and_people(registry)
        self._of_the_clock(registry)

    def _of_deliveries(self, registry: CollectorRegistry) -> None:
        counter, gauge = _counter(registry), _gauge(registry)
        self.attempts = counter("tokaut_delivery_attempts", "Attempts to deliver to a hotline", ["hotline", "class"])
        self.send_to_hotline = Histogram(
            "tokaut_delivery_latency_seconds",
            "From the commit of a delivery to the receipt of the hotline",
            registry=registry,
            buckets=HISTOGRAM_BUCKETS,
        )
        self.deliveries = gauge(
            "tokaut_undelivered_deliveries", "Deliveries without a receipt: due, refused, parked", ["state", "priority"]
        )
        self.breaker = gauge(
            BREAKER,
            "1 while deliveries to a hotline pause after failures, or it accepts nothing any more",
            ["hotline"],
        )
        self.refused = counter("tokaut_jobs_refused", "Jobs in the queue that are not ours, and were not run")

    def _of_sms_and_people(self, registry: CollectorRegistry) -> None:
        counter, gauge = _counter(registry), _gauge(registry)
        self.sms = counter(
            "tokaut_sms_sent",
            "Attempts to give a provider a text, `by` sms or by network-initiated ussd (unknown: it did not open)",
            ["channel", "class", "by"],
        )
        self.segments = counter(
            "tokaut_sms_segments", "Parts of SMS given to a provider: what it charges for", ["channel"]
        )
        self.recordings = counter(
            "tokaut_recordings", "Steps of recordings of callers, by channel and outcome", ["channel", "outcome"]
        )
        self.alerts_sent = counter("tokaut_alerts_sent", "Alerts sent to a person, by channel", ["channel", "ok"])
        self.steps = counter(
            "tokaut_escalation_steps", "Escalation steps taken, and their outcome", ["step", "outcome"]
        )
        self.overdue = gauge("tokaut_reports_overdue", "Reports that no hotline acknowledged in time", ["priority"])
        self.follow_ups = gauge(
            "tokaut_follow_ups_overdue",
            "Acknowledged reports that nobody looked at again in time, after the grace period",
            ["priority"],
        )
        self.late = gauge("tokaut_escalation_steps_late", "Escalation steps of which nobody could be alerted in time")

    def _of_the_clock(self, registry: CollectorRegistry) -> None:
        counter, gauge = _counter(registry), _gauge(registry)
        self.leader = Gauge(  # 0 for a standby beside the leader
            "tokaut_scheduler_leader",
            "1 in the process that is the scheduler",
            registry=registry,
            multiprocess_mode="max",
        )
        self.tick = gauge("tokaut_scheduler_tick_timestamp_seconds", "When the scheduler last ran")
        self.jumps = counter("tokaut_clock_jumps", "Times the clock of this host jumped")
        self.repaired = counter("tokaut_times_repaired", "Rows whose time was too far ahead because a clock was wrong")
        self.faults = counter("tokaut_scheduler_job_failures", "Scheduler jobs that failed", ["name"])
        self.purged = counter("tokaut_reports_purged", "Reports deleted at the end of their retention", ["rule"])
        self.purge_ran = gauge("tokaut_purge_timestamp_seconds", "When the scheduler last looked for reports to purge")
        self.rewritten = gauge(
            "tokaut_redis_rewritten_timestamp_seconds", "When Redis was last asked to rewrite its append-only file"
        )
        self.checkpoint = gauge("tokaut_audit_checkpoint_timestamp_seconds", "When the audit chain was last signed")
        self.missing_hosts = gauge("tokaut_hosts_away", "Processes of hosts that have not been seen for five minutes")
        self.synthetic_ok = gauge(
            SYNTHETIC,
            "When a synthetic call last came to Send, by the address's channel and the dialled code",
            ["channel", "code"],
        )
        self.quiet = gauge(
            QUIET,
            "1 while a channel of a country has less than a tenth of its usual calls",
            ["country", "channel"],
        )
        self.unchained = gauge("tokaut_audit_unchained_seconds", "Age of the oldest audit row not chained")


def is_current_label(
    metric: str, labels: Mapping[str, str], *, hotlines: Collection[str], networks: Collection[tuple[str, str]]
) -> bool:
    """Return whether the value of an earlier process is kept; this one cannot delete it later.

    One whose labels have other names, as after an upgrade, is not kept.
    `hotlines`: the ids in all country files. `networks`: channel and code of each synthetic call.
    """
    if metric == QUIET:  # the scheduler sets it again within a minute, for the channels that are in use
        return False
    if metric == BREAKER:
        return labels.get("hotline") in hotlines
    return metric != SYNTHETIC or (labels.get("channel"), labels.get("code")) in networks


def _counter(registry: CollectorRegistry) -> partial[Counter]:
    return partial(Counter, registry=registry)


def _gauge(registry: CollectorRegistry) -> partial[Gauge]:
    """Return a factory of gauges that show the last value set by any process."""
    return partial(Gauge, registry=registry, multiprocess_mode="mostrecent")
