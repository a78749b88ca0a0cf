"""Tells a person of the operator, by e-mail, the addresses in their order until a server has taken it for one.

Nothing of a report is said but its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import structlog

from workers.alerts import Alert
from workers.mail import MailServer, NotTaken, Post
from workers.metrics import Metrics

log = structlog.get_logger()


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
            Post(server, strict=False).send(address, self._message(server, address, alert))
        except NotTaken as missing:
            self.metrics.told.labels("email", "no").inc()
            log.warning("telling_failed", reason=missing.why, status=missing.code, hotline=alert.about or None)
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
