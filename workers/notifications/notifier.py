"""Notify people by e-mail or SMS, in their order, until enough of them have been reached.

A notification contains nothing of a report but its id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import structlog

from reports.escalation import STANDARD, Priority
from reports.store.engine.database import DatabaseUnavailable
from runtime.settings import Mode
from workers.metrics import WorkerMetrics
from workers.network.smtp_client import MailNotAccepted, MailServer, SmtpClient
from workers.notifications.texts import Alert, Notification

MAIL_FIRST = STANDARD  # these can wait until people read their mail, so mail is tried first
SendSms = Callable[[str, str], bool]  # (number, text); True once a provider has accepted it

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notifier:
    """Notifies the on-call contacts, and by `notify` any others: duty officers and supervisors of a hotline.

    `contacts`: the on-call contacts, in their order. `text`: sends an SMS; None if no channel can.
    """

    server: MailServer | None
    contacts: Sequence[str]
    mode: Mode
    metrics: WorkerMetrics
    text: SendSms | None = None

    def notify_on_call(self, alert: Alert) -> bool:
        """Send an alert. Returns True only if it was accepted for one of the on-call contacts."""
        return self.notify(self.contact_order(alert.priority), alert.as_notification()) > 0

    def contact_order(self, priority: Priority) -> Sequence[str]:
        """Return the on-call contacts in the order in which they are notified of something of this priority."""
        return sorted(self.contacts, key=_is_phone) if priority in MAIL_FIRST else self.contacts

    def notify(self, contacts: Sequence[str], notification: Notification, at_most: int = 1) -> int:
        """Notify contacts until `at_most` were reached.

        Returns how many were reached: a mail server or an SMS provider accepted the message for them.
        """
        notified = 0
        for contact in contacts:
            notified += self._notify_contact(contact, notification)
            if notified >= at_most:
                break
        if not notified:
            log.warning("alert_failed", hotline=notification.subject_id or None, priority=notification.priority)
        return notified

    def _notify_contact(self, contact: str, notification: Notification) -> bool:
        medium = "sms" if _is_phone(contact) else "email"
        is_sent = self._try_send(contact, notification)
        self.metrics.alerts_sent.labels(medium, "yes" if is_sent else "no").inc()
        if is_sent:
            log.info(
                "alert_sent",
                hotline=notification.subject_id or None,
                priority=notification.priority,
                count=notification.count,
            )
        return is_sent

    def _try_send(self, contact: str, notification: Notification) -> bool:
        """Send a notification; return whether it was accepted. One that fails, for whatever reason, stops no other."""
        send = self._send_text if _is_phone(contact) else self._send_mail
        try:
            return send(contact, notification)
        except DatabaseUnavailable:  # only an SMS needs it; the next contact may have mail
            log.warning("database_unavailable")
        except Exception:
            log.exception("job_failed", hotline=notification.subject_id or None)
        return False

    def _send_text(self, number: str, notification: Notification) -> bool:
        return self.text is not None and self.text(number, self._drill + notification.sms)

    def _send_mail(self, address: str, notification: Notification) -> bool:
        if self.server is None:
            return False
        try:
            SmtpClient(self.server, strict=False).send(address, self._message(self.server, address, notification))
        except MailNotAccepted as error:
            log.warning("alert_failed", reason=error.reason, status=error.code, hotline=notification.subject_id or None)
            return False
        return True

    def _message(self, server: MailServer, address: str, notification: Notification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = self._drill + notification.subject
        message["From"], message["To"] = server.sender, address
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=server.host)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(notification.text)
        return message

    @property
    def _drill(self) -> str:
        return "" if self.mode == Mode.LIVE else "DRILL "


def _is_phone(contact: str) -> bool:
    return contact.startswith("+")
