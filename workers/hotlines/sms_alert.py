"""A hotline that is told by SMS to its duty phones that a report waits. No text holds a word of it.

A provider's taking it is the receipt. `OK` and the word of the text, from a number of the hotline's card, says that a
person has it; until then the next number is texted in its turn (workers/pager.py).
"""

from __future__ import annotations

from runtime.settings import from_environment
from workers.delivery import Outcome, Parcel
from workers.kinds import Means, Tell
from workers.phones import SmsLine, phones


@from_environment
class Settings(SmsLine):
    pass


def build(settings: Settings, means: Means) -> SmsAlert:
    """Raises SetUpWrongly."""
    return SmsAlert(means.enlist(means.hotline.id, phones(settings, means)))


class SmsAlert:
    def __init__(self, page: Tell) -> None:
        self._page = page

    def deliver(self, parcel: Parcel) -> Outcome:
        return self._page(parcel)
