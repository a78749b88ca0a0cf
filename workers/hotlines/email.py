"""A hotline that is told by e-mail that a report waits, and reads it elsewhere. The mail holds no words of it.

A server's 250 to the whole mail is the receipt; that somebody read it is not said by it. TLS or nothing.
"""

from __future__ import annotations

from reports.countries.mode_separation import DRILL_NAME_HINT, is_drill_name
from runtime.settings import env, from_environment, parsers
from workers.delivery import Outcome, Parcel
from workers.kinds import Means, SetUpWrongly
from workers.mail import Post
from workers.notice import mail_server, send


@from_environment
class Settings:
    to: str = env(
        "TO",
        parsers.matching(
            r"[!-+\--:=?A-~]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", "one address, such as desk@hotline.example"
        ),
        meaning="e-mail address at which this hotline is told that a report waits",
    )


def build(settings: Settings, means: Means) -> Email:
    """Raises SetUpWrongly."""
    server = mail_server(means)
    if means.live and is_drill_name(settings.to):
        raise SetUpWrongly("has a mailbox of drills in HOTLINE_<ID>_TO; no report of the live service goes there")
    if not means.live and not is_drill_name(settings.to):
        raise SetUpWrongly(
            f"has no mailbox of drills in HOTLINE_<ID>_TO; outside live mode use one with {DRILL_NAME_HINT}"
        )
    return Email(settings.to, server, means)


class Email:
    def __init__(self, to: str, post: Post, means: Means) -> None:
        self._to = to
        self._post = post
        self._means = means

    def deliver(self, parcel: Parcel) -> Outcome:
        return send(self._post, parcel, self._means, self._to)
