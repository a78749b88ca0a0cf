"""Faults of Twilio's requests with words, numbers and an address of a picture."""

from __future__ import annotations

from tests.canary.planted import PICTURE, SENTENCE
from tests.support.handsets_twilio import TwilioTexts
from tests.support.installation import Installation
from tests.support.twilio import Account
from tests.support.wait import until

PHONE = "+6785550113"


def phone_of(installation: Installation) -> TwilioTexts:
    phone = installation.sms_phone("twilio", PHONE)
    assert isinstance(phone, TwilioTexts)
    return phone


def pictures_and_forgeries(installation: Installation) -> None:
    phone = phone_of(installation)
    where = f"https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/{PICTURE}"
    phone.text(SENTENCE, NumMedia="1", MediaContentType0="image/png", MediaUrl0=where)
    phone.account = Account(installation.account.sid, "a token of somebody else")
    phone.write(SENTENCE)
    assert phone.post().status_code == 403


def one_waits(installation: Installation) -> None:
    """Send an SMS while Redis is unavailable. The API fails at first, then accepts the reply."""
    installation.twilio.fail_next = [(500, 20500)]
    phone_of(installation).text(SENTENCE)


def until_answered(installation: Installation) -> None:
    until(lambda: bool(installation.twilio.to(PHONE)), "what waited over Twilio was never answered", 90)
    [message] = installation.twilio.sent
    assert installation.twilio.report(message, "failed", ErrorCode="21610").status_code == 204
