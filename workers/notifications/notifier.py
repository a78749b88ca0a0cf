"""Tells people, by e-mail or SMS, in their order until so many of them could be told.

Nothing of a report is said but its id.
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

MAIL_FIRST = ("P3", "P4")  # what wakes nobody: mail first
SendSms = Callable[[str, str], bool]  # to, words; True once a provider has taken it

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Notifier:
    """`contacts`: who is on call, in order; `text`: None where no channel sends our SMS."""

    server: MailServer | None
    contacts: Sequence[str]
    mode: str
    metrics: WorkerMetrics
    text: SendSms | None = None

    def tell(self, alert: Alert) -> bool:
        """True only when it was taken for one of those on call."""
        return self.say(self.contact_order(alert.priority), alert.said()) > 0

    def contact_order(self, priority: str) -> Sequence[str]:
        """Return the contacts in the order in which they are told of something of this priority."""
        return sorted(self.contacts, key=_is_phone) if priority in MAIL_FIRST else self.contacts

    def say(self, contacts: Sequence[str], said: Notification, most: int = 1) -> int:
        """How many were told: a mail server, or a provider of SMS, has taken it for them."""
        told = 0
        for contact in contacts:
            told += self._say(contact, said)
            if told >= most:
                break
        if not told:
            log.warning("alert_failed", hotline=said.about or None, priority=said.priority)
        return told

    def _say(self, contact: str, said: Notification) -> bool:
        way = "sms" if _is_phone(contact) else "email"
        done = self._send_text(contact, said) if _is_phone(contact) else self._send_mail(contact, said)
        self.metrics.told.labels(way, "yes" if done else "no").inc()
        if done:
            log.info("alert_sent", hotline=said.about or None, priority=said.priority, count=said.count)
        return done

    def _send_text(self, number: str, said: Notification) -> bool:
        return self.text is not None and self.text(number, self._drill + said.sms)

    def _send_mail(self, address: str, said: Notification) -> bool:
        if self.server is None:
            return False
        try:
            SmtpClient(self.server, strict=False).send(address, self._message(self.server, address, said))
        except MailNotAccepted as missing:
            log.warning("alert_failed", reason=missing.why, status=missing.code, hotline=said.about or None)
            return False
        return True

    def _message(self, server: MailServer, address: str, said: Notification) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = self._drill + said.subject
        message["From"], message["To"] = server.sender, address
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=server.host)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(said.text)
        return message

    @property
    def _drill(self) -> str:
        return "" if self.mode == "live" else "DRILL "


def _is_phone(contact: str) -> bool:
    return contact.startswith("+")
