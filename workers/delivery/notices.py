"""What a hotline is told that gets no words by the wire: that one waits, its id, where to read it."""

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
    if parcel.type == "unread":
        return "one message waits that nobody could read"
    report = "urgent report" if parcel.priority in URGENT else "report"
    return f"one {report} {EVENT_PHRASES[parcel.type]}"


def build_mail(parcel: DeliveryRequest, means: HotlineDependencies, sender: str, to: str) -> EmailMessage:
    """The same Message-ID at each attempt: a mail that came twice can be known for one."""
    message = EmailMessage()
    message["Subject"] = ("DRILL " if _is_drill(parcel, means) else "") + f"Tokaut: {notice_text(parcel)}"
    message["From"], message["To"] = sender, to
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{parcel.delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_lines(parcel, means)) + "\n")
    return message


def _is_drill(parcel: DeliveryRequest, means: HotlineDependencies) -> bool:
    return parcel.drill or not means.live


def _lines(parcel: DeliveryRequest, means: HotlineDependencies) -> list[str]:
    drill = ["DRILL. Not a real report."] if _is_drill(parcel, means) else []
    read = f"Read it here: {means.console_url}" if means.console_url else "Read it at your desk."
    return [
        *drill,
        f"{means.hotline.name}: {notice_text(parcel)}.",
        f"Report {parcel.report_id}, {parcel.priority}",
        read,
        "",
        "This mail holds nothing of the report. Do not answer it.",
    ]


def mail_client(means: HotlineDependencies) -> SmtpClient:
    """The mail server by which hotlines are told: TLS or nothing. Raises SetUpWrongly."""
    if means.mail is None:
        raise HotlineSetupError("is told by e-mail, and SMTP_URL names no mail server")
    return SmtpClient(means.mail, strict=True)


def send_mail(post: SmtpClient, parcel: DeliveryRequest, means: HotlineDependencies, to: str) -> DeliveryOutcome:
    """4yz: again by the schedule. 5yz: theirs or ours to mend."""
    try:
        return Delivered(post.send(to, build_mail(parcel, means, post.server.sender, to)))
    except MailNotAccepted as missing:
        if missing.why == "refused":
            return Refused(missing.why, missing.code)
        return Unavailable(missing.why, missing.code)
