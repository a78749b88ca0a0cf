"""Notices to hotlines that receive no report content: that a report waits, its id and where to read it."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate

from reports.escalation.priorities import URGENT
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Refused, Unavailable
from workers.delivery.registry import HotlineDependencies, HotlineSetupError
from workers.network.smtp_client import MailNotAccepted, SmtpClient

EVENT_PHRASES: Mapping[str, str] = {
    "created": "waits",
    "updated": "has more",
    "message": "has a message",
}


def notice_text(parcel: DeliveryRequest) -> str:
    """Return the phrase that says what waits, such as "one urgent report waits"."""
    if parcel.type == "unread":
        return "one message waits that nobody could read"
    report = "urgent report" if parcel.priority in URGENT else "report"
    return f"one {report} {EVENT_PHRASES[parcel.type]}"


def build_mail(parcel: DeliveryRequest, means: HotlineDependencies, sender: str, to: str) -> EmailMessage:
    """Build the e-mail. Its Message-ID is the same at each attempt, so that a duplicate can be recognised."""
    message = EmailMessage()
    message["Subject"] = ("DRILL " if _is_drill(parcel, means) else "") + f"Tokaut: {notice_text(parcel)}"
    message["From"], message["To"] = sender, to
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{parcel.delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_body_lines(parcel, means)) + "\n")
    return message


def _is_drill(parcel: DeliveryRequest, means: HotlineDependencies) -> bool:
    return parcel.drill or not means.live


def _body_lines(parcel: DeliveryRequest, means: HotlineDependencies) -> list[str]:
    drill_note = ["DRILL. Not a real report."] if _is_drill(parcel, means) else []
    where_to_read = f"Read it here: {means.console_url}" if means.console_url else "Read it at your desk."
    return [
        *drill_note,
        f"{means.hotline.name}: {notice_text(parcel)}.",
        f"Report {parcel.report_id}, {parcel.priority}",
        where_to_read,
        "",
        "This mail holds nothing of the report. Do not answer it.",
    ]


def mail_client(means: HotlineDependencies) -> SmtpClient:
    """Return a client for the mail server, which must use TLS. Raises HotlineSetupError if there is none."""
    if means.mail is None:
        raise HotlineSetupError("is told by e-mail, and SMTP_URL names no mail server")
    return SmtpClient(means.mail, strict=True)


def send_mail(post: SmtpClient, parcel: DeliveryRequest, means: HotlineDependencies, to: str) -> DeliveryOutcome:
    """Send the notice by e-mail. A 4yz reply is Unavailable and is retried; a 5yz reply is Refused."""
    try:
        return Delivered(post.send(to, build_mail(parcel, means, post.server.sender, to)))
    except MailNotAccepted as error:
        if error.why == "refused":
            return Refused(error.why, error.code)
        return Unavailable(error.why, error.code)
