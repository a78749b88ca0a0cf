"""Tells a person of the operator, by e-mail, the addresses in their order until a server has taken it for one.

Nothing of a report is said but its id. The only SMTP of the project.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from workers.alerts import Alert
from workers.metrics import Metrics

SECONDS = 10

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """smtps://user:password@host:465 or smtp://…:587 (STARTTLS where offered); `?from=` names the sender."""

    host: str
    port: int
    tls: bool
    user: str | None
    password: str | None
    sender: str


def read_mail_server(address: str) -> MailServer:
    parts = urlsplit(address)
    tls = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    host = parts.hostname or "localhost"
    named = parse_qs(parts.query).get("from", [""])[0]
    sender = named or (user if user and "@" in user else f"tokaut@{host}")
    password = unquote(parts.password) if parts.password else None
    return MailServer(host, parts.port or (465 if tls else 587), tls, user, password, sender)


@dataclass(frozen=True, slots=True)
class Teller:
    """`contacts`: addresses in order; numbers among them are left to the SMS senders of a later release."""

    server: MailServer | None
    contacts: Sequence[str]
    mode: str
    metrics: Metrics

    def tell(self, alert: Alert) -> bool:
        """True only when a server has accepted it for one of them."""
        addresses = [contact for contact in self.contacts if "@" in contact]
        if self.server is None or not addresses:
            log.warning("telling_failed", hotline=alert.about or None, priority=alert.priority)
            return False
        return any(self._send(self.server, address, alert) for address in addresses)

    def _send(self, server: MailServer, address: str, alert: Alert) -> bool:
        try:
            _hand_over(server, address, self._message(server, address, alert))
        except (smtplib.SMTPException, OSError) as error:
            self.metrics.told.labels("email", "no").inc()
            log.warning("telling_failed", **{"class": type(error).__name__}, hotline=alert.about or None)
            return False
        self.metrics.told.labels("email", "yes").inc()
        log.info("told", hotline=alert.about or None, priority=alert.priority, count=len(alert.reports))
        return True

    def _message(self, server: MailServer, address: str, alert: Alert) -> EmailMessage:
        message = EmailMessage()
        drill = "" if self.mode == "live" else "DRILL "
        message["Subject"] = drill + alert.subject()
        message["From"], message["To"] = server.sender, address
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=server.host)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(alert.text())
        return message


def _hand_over(server: MailServer, address: str, message: EmailMessage) -> None:
    context = ssl.create_default_context()
    ours = server.sender.rpartition("@")[2]  # else it would look up this host's own name, which may take long
    if server.tls:
        line: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, ours, timeout=SECONDS, context=context)
    else:
        line = smtplib.SMTP(server.host, server.port, ours, timeout=SECONDS)
    with line:
        line.ehlo()
        secured = server.tls
        if not secured and line.has_extn("starttls"):
            line.starttls(context=context)
            line.ehlo()
            secured = True
        if server.user and server.password:
            if not secured:
                raise smtplib.SMTPNotSupportedError("no TLS, and so no password")
            line.login(server.user, server.password)
        line.send_message(message, server.sender, [address])
