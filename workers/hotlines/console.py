"""A hotline whose staff read in the console: the report waits in the store, sealed to them, and somebody is told.

Told are those whom its card names as duty officers: e-mail addresses in their order, and phones as of the kind
sms_alert, until one of them was. That nobody could be told is no receipt: it comes back by the schedule, and the
operator hears of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from runtime.settings import from_environment
from workers.delivery import Outcome, Parcel
from workers.kinds import Means, SetUpWrongly, Tell
from workers.mail import Post
from workers.notice import mail_server, send
from workers.phones import SmsLine, duty_numbers, phones


@from_environment
class Settings(SmsLine):
    pass


def build(settings: Settings, means: Means) -> Console:
    """Raises SetUpWrongly."""
    mails = [one for one in means.hotline.card.duty_officer if "@" in one]
    tells: list[Tell] = [_mailer(mail_server(means), means, one) for one in mails]
    if duty_numbers(means):
        tells.append(means.enlist(means.hotline.id, phones(settings, means)))
    if not tells:
        raise SetUpWrongly(f"has nobody to be told among {means.on_duty} of its card")
    return Console(tells)


def _mailer(post: Post, means: Means, to: str) -> Tell:
    return lambda parcel: send(post, parcel, means, to)


class Console:
    """`tells`: ways to somebody. Each attempt takes the next: one that hangs must not hold up the others."""

    def __init__(self, tells: Sequence[Tell]) -> None:
        self._tells = tells

    @property
    def ways(self) -> int:
        return len(self._tells)

    def deliver(self, parcel: Parcel) -> Outcome:
        return self._tells[(parcel.attempt - 1) % len(self._tells)](parcel)
