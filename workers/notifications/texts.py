"""The texts of alerts and reminders. Pure.

They contain ids, the hotline, the class of failure, the action to take, the report's priority and waiting time; never
its content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from reports.countries.country import Country
from reports.countries.hotline import Hotline
from reports.countries.opening_hours import OpeningHours, hotline_hours, parse_zone
from reports.delivery import DeliveryState
from reports.escalation import Priority
from reports.store.escalation.delivery_alerts import AlertRules, DueAlert
from reports.store.escalation.steps import EscalationState
from reports.store.operations.spool_status import SpoolStatus
from runtime.time_units import SECOND
from workers.delivery.outcomes import ALERT_AT_ATTEMPT, DELIVERY_ADVICE
from workers.retry_policy import POLICIES

MAX_LISTED_REPORTS = 20  # report ids in one message
ALERT_RULES = AlertRules(
    first_after={priority: pace.notify_after for priority, pace in POLICIES.items()},
    repeat_every={priority: pace.notify_interval for priority, pace in POLICIES.items()},
    at_attempt=ALERT_AT_ATTEMPT,
)
NEXT_STEP = "Next: tokaut watch"
CALL_HOTLINE = "The hotline does not answer. Call them."
NO_HOTLINE = (
    "No hotline can take or keep it: all declined it, or no country file names them any more. Decide who gets it, and "
    "look at: tokaut deliveries show"
)
CLOCK_JUMPED = "This host's time jumped by more than a minute. Set it right; nothing is parked or purged for 24 h."
ALERT_ADVICE = {
    "not_told": "Nobody at the hotline could be notified of a report. Call them; correct the addresses in their card.",
    "facts_changed": "A number to call, an address or a key has changed. If none of you changed it, compare the "
    "country files and TOKAUT_KEYS with your copies: tokaut check; tokaut keys list",
    "spool_bad": "Reports in the spool of this host do not open, and no hotline has them. Is TOKAUT_STORE_KEY the key "
    "they were written with? docs/operating/spool.md",
    "spool_waits": "Reports have waited in the spool of this host for five minutes, and no hotline has them. Are the "
    "database and web up? docs/operating/spool.md",
    "synthetic_call": "A synthetic call to this network's address did not reach Send, twice. Dial the code; look at "
    "the certificate, the proxy and web's log: docs/operating/provider-dead.md",
    "recording_missing": "A reporter spoke in a call, and the recording was not fetched; its hotlines were notified: "
    "docs/operating/recordings.md",
    "recording_not_deleted": "A recording of a reporter could not be deleted at the provider. Delete it in the "
    "account's console: docs/operating/recordings.md",
    "pin_guessed": "Five wrong PINs for one code: it is locked for a day. Once is a mistake; often, a guesser.",
    "code_guessed": "Over 100 wrong pairs of code and PIN came within an hour. Ask the network from which numbers; see "
    "docs/operating/hoaxes.md",
}
SMS_ADVICE = {
    "credit": "The SMS account has no credit. Top it up; a reply that waits ten minutes for it is dropped.",
    "sender_id": "The SMS provider does not know our sender. Compare the short code with its account page.",
    "locked_out": "The SMS provider does not let us in. Compare the API key with its account page.",
    "account": "The SMS account may not send there (region, trial, registration, daily limit). Look into its console.",
    "not_reached": "The SMS provider took no text of the last 20 minutes, so that reporters get no replies. Call it, "
    "and look for sms_failed in the log.",
    "not_delivered": "Of the SMS of the last hour most failed by the provider's delivery reports. Text a phone of each "
    "network, and call the provider: docs/operating/provider-dead.md",
}


@dataclass(frozen=True, slots=True)
class Notification:
    """The message to one person: a mail, or one SMS of GSM-7. `subject_id`: a hotline, a channel, or "".

    Neither contains anything of a report's content.
    """

    subject: str
    text: str
    sms: str
    priority: Priority
    subject_id: str = ""
    count: int = 0  # reports


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert to the operator. `subject_id`: a hotline, a channel or "". `deliveries`: marked once it was accepted."""

    subject_id: str
    reason: str
    priority: Priority
    action: str
    reports: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    problem: str = "not delivered"

    def as_notification(self) -> Notification:
        """Return the alert as a notification."""
        return Notification(self.subject(), self.text(), self.sms(), self.priority, self.subject_id, len(self.reports))

    def sms(self) -> str:
        """Return the SMS, without the hotline's name, which could reveal a report's topic."""
        report = f" ({self.reports[0][-6:]})" if self.reports else ""
        return f"Tokaut: {self.priority}, {self._what()}{report}. {NEXT_STEP}"

    def _what(self) -> str:
        count = len(self.reports)
        return f"{count} report{'s' if count != 1 else ''} {self.problem}" if count else "needs a person"

    def subject(self) -> str:
        """Return the subject of the mail."""
        problem = self._what()
        return f"Tokaut: {self.priority}, {problem}{f', {self.subject_id}' if self.subject_id else ''}"

    def text(self) -> str:
        """Return the body of the mail."""
        lines = [
            f"Priority: {self.priority}",
            f"Who: {self.subject_id or '-'}",
            f"What: {self.reason}",
            f"To do: {self.action}",
        ]
        lines += ["", *(f"Report {report_id}" for report_id in self.reports[:MAX_LISTED_REPORTS])]
        if len(self.reports) > MAX_LISTED_REPORTS:
            lines.append(f"and {len(self.reports) - MAX_LISTED_REPORTS} more: tokaut deliveries list")
        return "\n".join(lines) + "\n"


def missing_host_alert(status: SpoolStatus) -> Alert:
    """Return the alert of a missing host: P1 if it may hold reports that no hotline has."""
    contents = f"It may hold {status.may_hold}." if status.may_hold else "Its spool was empty."
    minutes = status.unseen // 60
    advice = f"Nothing was heard of this host for {minutes} min. {contents} Start it: docs/operating/host-gone.md"
    return Alert(status.host, "host_away", Priority.P1 if status.may_hold else Priority.P2, advice)


def group_alerts(rows: Iterable[DueAlert]) -> list[Alert]:
    """Group alerts by hotline and class, the most urgent first: one unavailable hotline is one task."""
    grouped: dict[tuple[str, str], list[DueAlert]] = defaultdict(list)
    for row in rows:
        why = row.state if row.state == DeliveryState.PARKED else row.last_class.split(" ")[0] or "not_tried"
        grouped[row.hotline, why].append(row)
    alerts = [
        Alert(
            hotline,
            why,
            min(row.priority for row in group),
            DELIVERY_ADVICE.get(why, CALL_HOTLINE),
            tuple(dict.fromkeys(row.report_id for row in group)),
            tuple(row.delivery_id for row in group),
        )
        for (hotline, why), group in grouped.items()
    ]
    return sorted(alerts, key=lambda alert: alert.priority)


SAME_DAY = timedelta(hours=12)  # for a longer wait the text also gives the day


def hotline_reminder(state: EscalationState, hotline: Hotline, country: Country, now: int) -> Notification:
    """Return the reminder for a hotline's staff, in the hotline's local time."""
    line = f"{_waits_since(state, hotline_hours(hotline.card, country.time_zone), now)}. Please look at your reports."
    return Notification(
        f"Tokaut: one report waits, {state.priority}",
        f"{line}\n\nReport {state.report_id}\n\nThis mail holds nothing of the report. Do not answer it.\n",
        line,
        state.priority,
        hotline.id,
        1,
    )


def operator_reminder(state: EscalationState, country: Country | None, now: int) -> Notification:
    """Return the reminder for the operator. The SMS names no hotline: the name could reveal a topic."""
    zone = OpeningHours(parse_zone(country.time_zone if country else "UTC"))
    line = f"{_waits_since(state, zone, now)}. Nobody has taken it on."
    recipients = ", ".join(
        f"{recipient.hotline} ({recipient.handling if recipient.handling != 'none' else recipient.state})"
        for recipient in state.recipients
    )
    return Notification(
        f"Tokaut: {state.priority}, 1 report not taken on",
        f"{line}\n\nReport {state.report_id}\nGiven to: {recipients}\nTo do: Call them.\n{NEXT_STEP}\n",
        f"{line} {NEXT_STEP}",
        state.priority,
        "",
        1,
    )


def _waits_since(state: EscalationState, hours: OpeningHours, now: int) -> str:
    since = hours.local(state.since)
    long_ago = timedelta(seconds=(now - state.since) // SECOND) >= SAME_DAY
    time = f"{since:%d %b %H:%M}" if long_ago else f"{since:%H:%M}"
    return f"Report {state.report_id[-6:]}, {state.priority}, waits since {time}"
