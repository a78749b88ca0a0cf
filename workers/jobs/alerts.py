"""Send each due alert once, from a separate thread, so that a slow mail server delays no other job."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from reports.escalation import PRIORITIES, Priority
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.escalation import delivery_alerts
from reports.store.mailboxes import pin_throttle
from reports.store.operations import spool_status
from reports.store.operations.spool_status import SpoolStatus
from reports.store.row_isolation import process_each
from reports.store.sms import provider_faults
from reports.time_limits import SMS_LIFETIME
from runtime.time_units import DAY, HOUR, MINUTE, SECOND
from workers.notifications.notifier import Notifier
from workers.notifications.texts import (
    ALERT_ADVICE,
    ALERT_RULES,
    NO_HOTLINE,
    SMS_ADVICE,
    Alert,
    group_alerts,
    missing_host_alert,
)
from workers.retry_policy import POLICIES
from workers.sms import dispatcher
from workers.thread_pool import BackgroundPool

SILENT_AFTER = 20 * MINUTE  # an SMS that no provider takes expires after ten minutes
RETRY_SECONDS = 60  # after a round in which nobody could be notified
# After a start or a database outage, every host counts as missing until it has reported again.
MIN_MISSING_SECONDS = 75  # processes of release 0.1 report once a minute
# Class of a provider's fault → priority, if it is not P2. An alert of P3 goes by mail first: a text about texts that do
# not arrive might not arrive either.
SMS_PRIORITIES: Mapping[str, Priority] = {"not_delivered": Priority.P3}

log = structlog.get_logger()


class AlertSender:
    """Sends alerts to the operator's on-call contacts.

    Alerts that have no row to mark are remembered in memory; after a restart they are sent once more. `hotlines`: those
    of the country files.
    """

    def __init__(
        self,
        database: Database,
        notifier: Notifier,
        hotlines: Collection[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._notifier = notifier
        self._hotlines = hotlines
        self._monotonic = monotonic
        self._pool = BackgroundPool(1)
        self._not_before = 0.0
        self._alerted_at: dict[tuple[str, str], float] = {}
        self._waiting: list[Alert] = []
        self._unseen_since: dict[str, float] = {}
        self._unroutable_since: dict[str, float] = {}
        self._sms_alerts_at: dict[tuple[str, str], float] = {}  # (channel, class) → when an alert was last tried

    def add(self, alert: Alert) -> None:
        """Queue an alert of a single event; it stays queued until somebody was notified."""
        self._waiting.append(alert)

    def add_hourly(self, alert: Alert) -> None:
        """Queue an alert of a state that lasts, at most once an hour unless it is more urgent now."""
        if alert not in self._waiting and self._is_due(alert.reason, _subject(alert.subject_id, alert.priority), HOUR):
            self.add(alert)

    def send_due(self) -> None:
        """Start sending the due alerts. A failed one is due again after a minute."""
        if self._pool.is_busy or self._monotonic() < self._not_before:
            return
        alerts = [
            *self._waiting,
            *group_alerts(delivery_alerts.list_due(self._database, ALERT_RULES)),
            *self._unroutable_alerts(),
        ]
        alerts += [*self._pin_alerts(), *self._sms_alerts(), *self._host_alerts()]
        if alerts:
            alerts.sort(key=lambda alert: alert.priority)  # a mail server that hangs takes 20 s for each
            self._pool.do(lambda: self._send_all(alerts))

    def _send_all(self, alerts: list[Alert]) -> None:
        try:
            process_each("alert", alerts, self._send, on_fault=lambda _: self._postpone())
        except DatabaseUnavailable:
            log.warning("database_unavailable")

    def _send(self, alert: Alert) -> None:
        if not self._notifier.notify_on_call(alert):
            self._postpone()
            return
        if alert in self._waiting:
            self._waiting.remove(alert)
        if alert.deliveries:
            delivery_alerts.mark_alerted(self._database, alert.deliveries)
        else:
            names = alert.reports or (alert.subject_id,)
            covered = [priority for priority in PRIORITIES if priority >= alert.priority]
            subjects = [*names, *(_subject(name, priority) for name in names for priority in covered)]
            self._alerted_at.update(((alert.reason, subject), self._monotonic()) for subject in subjects)

    def _postpone(self) -> None:
        self._not_before = self._monotonic() + RETRY_SECONDS

    def _unroutable_alerts(self) -> list[Alert]:
        """Return the due alerts of reports that no hotline can have or keep: one for each priority."""
        due: dict[Priority, list[str]] = {}
        now = self._monotonic()
        rows = {_subject(*row): row for row in delivery_alerts.list_unroutable(self._database, self._hotlines)}
        self._unroutable_since = {subject: self._unroutable_since.get(subject, now) for subject in rows}
        for subject, (report_id, priority) in rows.items():
            is_new = now - self._unroutable_since[subject] < DAY / SECOND
            if self._is_due("needs_person", subject, POLICIES[priority].notify_interval if is_new else DAY):
                due.setdefault(priority, []).append(report_id)
        return [
            Alert("", "needs_person", priority, NO_HOTLINE, tuple(reports), problem="without a hotline")
            for priority, reports in due.items()
        ]

    def _pin_alerts(self) -> list[Alert]:
        """Return the due alerts if many pairs of code and PIN were tried, or PINs are locked.

        The cause may be guessing or a forgotten PIN. Which report was meant is not known.
        """
        alerts = []
        if pin_throttle.count_recent_failures(self._database) > pin_throttle.DEFAULT_LIMIT.in_total and self._is_due(
            "code_guessed", "", HOUR
        ):
            alerts.append(Alert("", "code_guessed", Priority.P2, ALERT_ADVICE["code_guessed"], problem="guessed at"))
        if pin_throttle.count_locked_codes(self._database) and self._is_due("pin_guessed", "", DAY):
            alerts.append(Alert("", "pin_guessed", Priority.P3, ALERT_ADVICE["pin_guessed"], problem="locked"))
        return alerts

    def _host_alerts(self) -> list[Alert]:
        """Return the due alerts of missing hosts, and of spooled reports that no hotline has."""
        statuses = spool_status.list_statuses(self._database)
        alerts = [
            Alert(status.host, why, Priority.P1, ALERT_ADVICE[why])
            for status in statuses
            for why, is_so in (("spool_bad", status.bad), ("spool_waits", status.is_late and not status.is_missing))
            if is_so
        ]
        alerts += [missing_host_alert(status) for status in self._missing_hosts(statuses)]
        return [alert for alert in alerts if self._is_due(alert.reason, alert.subject_id, HOUR)]

    def _missing_hosts(self, statuses: Sequence[SpoolStatus]) -> list[SpoolStatus]:
        """Return the hosts that this process has missed for longer than a host needs to report."""
        now = self._monotonic()
        missing = [status for status in statuses if status.is_missing]
        self._unseen_since = {status.host: self._unseen_since.get(status.host, now) for status in missing}
        return [status for status in missing if now - self._unseen_since[status.host] >= MIN_MISSING_SECONDS]

    def _sms_alerts(self) -> list[Alert]:
        """Return the due alerts of SMS providers that fail, accept no text, or deliver none."""
        rows = provider_faults.list_failures(self._database, dispatcher.OPERATOR_FAULTS, self._database.now() - HOUR)
        silent = provider_faults.list_silent_channels(self._database, self._database.now() - SILENT_AFTER)
        rows += [(channel, "not_reached") for channel in silent]
        undelivered = provider_faults.list_undelivered(self._database, self._database.now() - HOUR)
        rows += [(texts.channel, "not_delivered") for texts in undelivered]
        due = [row for row in rows if self._is_due(row[1], row[0], HOUR) and self._is_sms_alert_over(row)]
        self._sms_alerts_at.update((row, self._monotonic()) for row in due)
        return [Alert(channel, why, SMS_PRIORITIES.get(why, Priority.P2), SMS_ADVICE[why]) for channel, why in due]

    def _is_sms_alert_over(self, row: tuple[str, str]) -> bool:
        """Return whether no SMS of an earlier alert still waits: when the provider is back, all of them are sent."""
        now = self._monotonic()
        return now - self._sms_alerts_at.get(row, -math.inf) >= SMS_LIFETIME / SECOND

    def _is_due(self, why: str, subject: str, interval: int) -> bool:
        alerted_at = self._alerted_at.get((why, subject))
        return alerted_at is None or self._monotonic() - alerted_at >= interval / SECOND

    def finish(self) -> None:
        """Wait until the alerts in progress are sent."""
        self._pool.finish()


def _subject(name: str, priority: Priority) -> str:
    """Return the name under which an alert of a report or hotline is remembered: a more urgent one is sent anew."""
    return f"{name} {priority}"
