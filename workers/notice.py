"""What a hotline is told that gets no words by the wire: that one waits, its id, where to read it."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate

from reports.escalation.priorities import URGENT
from workers.delivery import Delivered, Outcome, Parcel, Refused, Unavailable
from workers.kinds import Means, SetUpWrongly
from workers.mail import NotTaken, Post

WAITS: Mapping[str, str] = {
    "created": "waits",
    "updated": "has more",
    "message": "has a message",
}


def what(parcel: Parcel) -> str:
    if parcel.type == "unread":
        return "one message waits that nobody could read"
    report = "urgent report" if parcel.priority in URGENT else "report"
    return f"one {report} {WAITS[parcel.type]}"


def mail(parcel: Parcel, means: Means, sender: str, to: str) -> EmailMessage:
    """The same Message-ID at each attempt: a mail that came twice can be known for one."""
    message = EmailMessage()
    message["Subject"] = ("DRILL " if _is_drill(parcel, means) else "") + f"Tokaut: {what(parcel)}"
    message["From"], message["To"] = sender, to
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{parcel.delivery_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_lines(parcel, means)) + "\n")
    return message


def _is_drill(parcel: Parcel, means: Means) -> bool:
    return parcel.drill or not means.live


def _lines(parcel: Parcel, means: Means) -> list[str]:
    drill = ["DRILL. Not a real report."] if _is_drill(parcel, means) else []
    read = f"Read it here: {means.console_url}" if means.console_url else "Read it at your desk."
    return [
        *drill,
        f"{means.hotline.name}: {what(parcel)}.",
        f"Report {parcel.report_id}, {parcel.priority}",
        read,
        "",
        "This mail holds nothing of the report. Do not answer it.",
    ]


def mail_server(means: Means) -> Post:
    """The mail server by which hotlines are told: TLS or nothing. Raises SetUpWrongly."""
    if means.mail is None:
        raise SetUpWrongly("is told by e-mail, and SMTP_URL names no mail server")
    return Post(means.mail, strict=True)


def send(post: Post, parcel: Parcel, means: Means, to: str) -> Outcome:
    """4yz: again by the schedule. 5yz: theirs or ours to mend."""
    try:
        return Delivered(post.send(to, mail(parcel, means, post.server.sender, to)))
    except NotTaken as missing:
        if missing.why == "refused":
            return Refused(missing.why, missing.code)
        return Unavailable(missing.why, missing.code)
