"""Faults of Twilio's requests with words, numbers and an address of a picture."""

from __future__ import annotations

from tests.canary.planted import PICTURE, SENTENCE
from tests.support.handsets_twilio import TwilioTexts
from tests.support.town import Town
from tests.support.twilio import Account
from tests.support.wait import until

PHONE = "+6785550113"


def phone_of(town: Town) -> TwilioTexts:
    phone = town.sms_phone("twilio", PHONE)
    assert isinstance(phone, TwilioTexts)
    return phone


def pictures_and_forgeries(town: Town) -> None:
    phone = phone_of(town)
    where = f"https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/{PICTURE}"
    phone.text(SENTENCE, NumMedia="1", MediaContentType0="image/png", MediaUrl0=where)
    phone.account = Account(town.account.sid, "a token of somebody else")
    phone.write(SENTENCE)
    assert phone.post().status_code == 403


def one_waits(town: Town) -> None:
    """While Redis is away. The API will fail first, and take it then."""
    town.twilio.fail_next = [(500, 20500)]
    phone_of(town).text(SENTENCE)


def until_answered(town: Town) -> None:
    until(lambda: bool(town.twilio.to(PHONE)), "what waited over Twilio was never answered", 90)
    [message] = town.twilio.sent
    assert town.twilio.report(message, "failed", ErrorCode="21610").status_code == 204
