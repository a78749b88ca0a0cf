"""The dashboards of Grafana: `python -m tests.docs.generated` writes them to docs/operating.

A panel is a row here; its position and all other fields that Grafana needs are computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 8, 8  # of a panel; the grid has 24 units per row
LEADS = (
    "and on (instance) (tokaut_scheduler_leader == 1 "
    "and on (instance) time() - tokaut_scheduler_tick_timestamp_seconds < 60)"
)


@dataclass(frozen=True)
class Panel:
    """`lines`: legend → expression. `limit`: red from this value on. `kind`: Grafana's type of panel."""

    title: str
    lines: Mapping[str, str]
    unit: str = "short"
    limit: float | None = None
    kind: str = "timeseries"
    text: str = ""


def quantiles(histogram: str) -> Mapping[str, str]:
    buckets = f"sum by (le) (rate({histogram}_bucket[5m]))"
    return {name: f"histogram_quantile({q}, {buckets})" for name, q in (("median", "0.5"), ("p99", "0.99"))}


OPERATOR = (
    Panel(
        "Requests a second, by channel",
        {"{{channel}}": "sum by (channel) (rate(tokaut_request_duration_seconds_count[5m]))"},
        "reqps",
        text="Screens, SMS and notices of the providers. None for a day: a connection may be dead.",
    ),
    Panel(
        "Time of an answer", quantiles("tokaut_request_duration_seconds"), "s", 5, text="Networks end a session at 5 s."
    ),
    Panel(
        "Answers that were late, and calls refused",
        {
            "over 5 s": "sum(increase(tokaut_answers_over_5s_total[5m]))",
            "busy screens": "sum(increase(tokaut_turns_shed_total[5m]))",
            "calls not admitted": "sum(increase(tokaut_calls_not_admitted_total[5m]))",
            "SMS not admitted": "sum(increase(tokaut_sms_not_admitted_total[5m]))",
        },
        limit=1,
    ),
    Panel(
        "Oldest report that no hotline has",
        {"{{priority}}": "max by (priority) (tokaut_oldest_undelivered_seconds)"},
        "s",
        60,
        text="UrgentReportNotDelivered fires at 60 s for P1 and at 20 min for P2.",
    ),
    Panel(
        "Deliveries without a receipt",
        {"{{state}}": f"sum by (state) (tokaut_undelivered_deliveries {LEADS})"},
        text="refused and parked wait for a person: tokaut deliveries list",
    ),
    Panel("From Send to the hotline's receipt", quantiles("tokaut_delivery_latency_seconds"), "s", 60),
    Panel(
        "Delivery attempts a second, by outcome",
        {"{{class}}": "sum by (class) (rate(tokaut_delivery_attempts_total[5m]))"},
        "ops",
    ),
    Panel(
        "Reports that wait for people",
        {
            "not acknowledged in time, {{priority}}": f"sum by (priority) (tokaut_reports_overdue {LEADS})",
            "follow-up overdue, {{priority}}": f"sum by (priority) (tokaut_follow_ups_overdue {LEADS})",
            "nobody could be alerted": f"sum(tokaut_escalation_steps_late {LEADS})",
        },
        limit=1,
    ),
    Panel(
        "SMS and texts by USSD a second, by outcome",
        {"{{channel}} {{by}} {{class}}": "sum by (channel, by, class) (rate(tokaut_sms_sent_total[5m]))"},
        "ops",
    ),
    Panel(
        "Spool: entries",
        {
            "{{instance}}": "max by (instance) (tokaut_spool_entries)",
            "unreadable, {{instance}}": "max by (instance) (tokaut_spool_unreadable_entries)",
        },
        limit=1,
        text="Reports that wait on this host's disk for the database.",
    ),
    Panel("Spool: oldest entry", {"{{instance}}": "max by (instance) (tokaut_spool_oldest_seconds)"}, "s", 300),
    Panel(
        "Not stored, and not read",
        {
            "told NOT SENT": "sum(increase(tokaut_reports_not_stored_total[5m]))",
            "SMS nobody could read": "sum(increase(tokaut_sms_unparsed_total[5m]))",
            "USSD nobody could read": "sum(increase(tokaut_ussd_requests_unparsed_total[5m]))",
        },
        limit=1,
    ),
    Panel(
        "Scheduler: seconds since it last ran",
        {"the leader": "time() - max(tokaut_scheduler_tick_timestamp_seconds)"},
        "s",
        60,
        text="Nobody retries, submits incomplete reports or alerts people without it.",
    ),
    Panel(
        "Faults of Tokaut",
        {
            "requests": "sum(increase(tokaut_request_errors_total[1h]))",
            "scheduler jobs": "sum(increase(tokaut_scheduler_job_failures_total[1h]))",
            "event loop blocked": "sum(increase(tokaut_event_loop_blocked_total[1h]))",
        },
        limit=1,
    ),
    Panel(
        "What is up",
        {
            "web, {{instance}}": 'up{job="tokaut"}',
            "database, {{instance}}": "min by (instance) (tokaut_database_up)",
            "Redis, {{instance}}": "min by (instance) (tokaut_redis_up)",
        },
        text="1 is up.",
    ),
    Panel("Free disk", {"{{instance}}": "min by (instance) (tokaut_disk_free_bytes)"}, "bytes"),
    Panel("Age of the backup", {"{{instance}}": "max by (instance) (tokaut_backup_age_seconds)"}, "s", 3600),
    Panel(
        "Guessed secrets and codes, an hour",
        {
            "secrets": "sum(increase(tokaut_requests_unauthenticated_total[1h]))",
            "access codes": "sum(increase(tokaut_access_code_failures_total[1h]))",
        },
        limit=100,
    ),
)

OF_HOTLINE = 'tokaut_delivery_attempts_total{hotline=~"$hotline"}'
ACCEPTED = 'tokaut_delivery_attempts_total{hotline=~"$hotline",class="delivered"}'
FAILED = 'tokaut_delivery_attempts_total{hotline=~"$hotline",class!="delivered"}'
HOTLINE = (
    Panel(
        "Attempts a second, by outcome",
        {"{{hotline}} {{class}}": f"sum by (hotline, class) (rate({OF_HOTLINE}[5m]))"},
        "ops",
        text="docs/reference/alerts.md says what each class means and what to do.",
    ),
    Panel(
        "Share of attempts that were accepted",
        {"{{hotline}}": f"sum by (hotline) (increase({ACCEPTED}[1h])) / sum by (hotline) (increase({OF_HOTLINE}[1h]))"},
        "percentunit",
    ),
    Panel(
        "Paused after failures",
        {"{{hotline}}": f'max by (hotline) (tokaut_circuit_breaker_open{{hotline=~"$hotline"}} {LEADS})'},
        limit=1,
        kind="state-timeline",
        text="1: five attempts or more in a row have failed. Call the hotline.",
    ),
    Panel(
        "Accepted in the time shown",
        {"{{hotline}}": f"sum by (hotline) (increase({ACCEPTED}[$__range]))"},
        kind="bargauge",
    ),
    Panel(
        "Failed attempts in the time shown, by class",
        {"{{hotline}} {{class}}": f"sum by (hotline, class) (increase({FAILED}[$__range]))"},
        kind="bargauge",
        limit=1,
    ),
    Panel(
        "From Send to the receipt, all hotlines",
        quantiles("tokaut_delivery_latency_seconds"),
        "s",
        60,
        text="Latency is not measured for each hotline.",
    ),
)


def _panel(number: int, one: Panel) -> dict[str, Any]:
    row, column = divmod(number, 24 // WIDTH)
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if one.limit is not None:
        steps.append({"color": "red", "value": one.limit})
    targets = [
        {"refId": chr(ord("A") + place), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
        for place, (legend, expression) in enumerate(one.lines.items())
    ]
    return {
        "id": number + 1,
        "type": one.kind,
        "title": one.title,
        "description": one.text,
        "datasource": SOURCE,
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": row * HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": one.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {},
        "targets": targets,
    }


def _variables(with_hotline: bool) -> Iterator[dict[str, Any]]:
    yield {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    if with_hotline:
        query = "label_values(tokaut_delivery_attempts_total, hotline)"
        yield {
            "name": "hotline",
            "label": "Hotline",
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": "hotline"},
            "definition": query,
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "current": {"text": ["All"], "value": ["$__all"]},
        }


def _dashboard(uid: str, title: str, panels: Sequence[Panel], with_hotline: bool) -> dict[str, Any]:
    return {
        "uid": uid,
        "title": title,
        "tags": ["tokaut"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": list(_variables(with_hotline))},
        "annotations": {"list": []},
        "panels": [_panel(number, one) for number, one in enumerate(panels)],
    }


DASHBOARDS: Mapping[str, Any] = {
    "grafana-operator.json": _dashboard("tokaut-operator", "Tokaut: operator", OPERATOR, with_hotline=False),
    "grafana-hotline.json": _dashboard("tokaut-hotline", "Tokaut: deliveries to hotlines", HOTLINE, with_hotline=True),
}


def files() -> Mapping[str, str]:
    """Return path → text of each file."""
    return {f"docs/operating/{name}": json.dumps(one, indent=1) + "\n" for name, one in DASHBOARDS.items()}
