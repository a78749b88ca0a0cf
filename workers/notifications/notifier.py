"""Notify people by e-mail or SMS, in their order, until enough of them have been reached.

A notification contains nothing of a report but its id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import structlog

from workers.metrics import WorkerMetrics
from workers.network.smtp_client import MailNotAccepted, MailServer, SmtpClient
from workers.notifications.texts import Alert, Notification

MAIL_FIRST = ("P3", "P4")  # these wake nobody: mail is tried first
SendSms = Callable[[str, str], bool]  # (number, text); True once a provider has accepted it

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notifier:
    """Notifies the on-call contacts.

    `contacts`: in their order. `text`: sends an SMS; None if no channel can.
    """

    server: MailServer | None
    contacts: Sequence[str]
    mode: str
    metrics: WorkerMetrics
    text: SendSms | None = None

    def tell(self, alert: Alert) -> bool:
        """Send an alert. Returns True only if it was accepted for one of the contacts."""
        return self.say(self.contact_order(alert.priority), alert.said()) > 0

    def contact_order(self, priority: str) -> Sequence[str]:
        """Return the contacts in the order in which they are notified of something of this priority."""
        return sorted(self.contacts, key=_is_phone) if priority in MAIL_FIRST else self.contacts

    def say(self, contacts: Sequence[str], said: Notification, most: int = 1) -> int:
        """Notify contacts until `most` were reached.

        Returns how many were: a mail server or an SMS provider accepted the message for them.
        """
        notified = 0
        for contact in contacts:
            notified += self._notify(contact, said)
            if notified >= most:
                break
        if not notified:
            log.warning("alert_failed", hotline=said.about or None, priority=said.priority)
        return notified

    def _notify(self, contact: str, notification: Notification) -> bool:
        medium = "sms" if _is_phone(contact) else "email"
        is_sent = (
            self._send_text(contact, notification) if _is_phone(contact) else self._send_mail(contact, notification)
        )
        self.metrics.told.labels(medium, "yes" if is_sent else "no").inc()
        if is_sent:
            log.info(
                "alert_sent",
                hotline=notification.about or None,
                priority=notification.priority,
                count=notification.count,
            )
        return is_sent

    def _send_text(self, number: str, notification: Notification) -> bool:
        return self.text is not None and self.text(number, self._drill + notification.sms)

    def _send_mail(self, address: str, notification: Notification) -> bool:
        if self.server is None:
            return False
        try:
            SmtpClient(self.server, strict=False).send(address, self._message(self.server, address, notification))
        except MailNotAccepted as error:
            log.warning("alert_failed", reason=error.why, status=error.code, hotline=notification.about or None)
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
        return "" if self.mode == "live" else "DRILL "


def _is_phone(contact: str) -> bool:
    return contact.startswith("+")
