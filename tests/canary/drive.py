"""Whole reports over each channel, with everything that is planted in them."""

from __future__ import annotations

import re

from tests.canary.planted import PLACE, SENTENCE, Planted
from tests.support.handsets import AfricasTalking, Neutral, SimulatedTexts, Texts
from tests.support.handsets_kannel import KannelTexts, KannelUssd
from tests.support.town import Town
from tests.support.wait import until

TO_SEND = ("Report", "Soon", "Asks photos, money", "Me", "13-15", PLACE, "SMS 8am-4pm")
TO_SEND_SMS = (*TO_SEND[:-1], SENTENCE, TO_SEND[-1])  # by SMS the words come before Send
IN_DANGER = ("Report", "Now", "Go on", "Asks photos, money", PLACE)


def walk(phone: AfricasTalking | KannelUssd | Neutral, *replies: str) -> str:
    screen = phone.dial().text
    for reply in replies:
        screen = phone.type(reply).text
    return screen


def report(phone: AfricasTalking | KannelUssd | Neutral, planted: Planted, name: str) -> tuple[str, str]:
    """A whole report with words after Send and a link among them; code and PIN."""
    sent = walk(phone, *TO_SEND, "Send")
    code, pin = code_and_pin(sent, planted, name)
    add_words(phone, f"{SENTENCE} http://{name}.example/?q=1")
    return code, pin


def add_words(phone: AfricasTalking | KannelUssd | Neutral, words: str) -> None:
    """After Send; the questions are skipped, and at the end there are more words."""
    phone.type("Add your words")
    phone.type(words)
    for _ in range(20):
        if not phone.type("Skip").expects_reply or "Done" in phone.again().text:
            break
        if "own words" in phone.again().text or "want to add" in phone.again().text:
            phone.type(SENTENCE)
    phone.type("Done")


def code_and_pin(screen: str, planted: Planted, name: str) -> tuple[str, str]:
    found = re.search(r"Code (\d{4}) (\d{4})[\n,] ?PIN (\d{4})", screen)
    assert found, screen
    code, pin = found[1] + found[2], found[3]
    planted.add(f"code {name}", code)
    planted.add(f"code with its blank {name}", f"{found[1]} {found[2]}")
    planted.add(f"PIN {name}", pin)
    return code, pin


def my_report(phone: AfricasTalking | KannelUssd | Neutral, code: str, pin: str) -> None:
    """Wrong, then right."""
    wrong = f"{(int(pin) + 1) % 10000:04}"
    assert "not right" in walk(phone, "My report", code, wrong)
    assert "Pikinini Helpline" in walk(phone, "My report", code, pin)


def report_by_sms(phone: Texts | KannelTexts | SimulatedTexts, planted: Planted, name: str) -> None:
    """Words first, then the whole report, then a code."""
    texted(phone, SENTENCE)
    texted(phone, "1")
    for reply in (*TO_SEND_SMS[1:], "Send"):
        texted(phone, reply)
    code_and_pin(texted(phone, "2"), planted, name)
    texted(phone, "Done")


def texted(phone: Texts | KannelTexts | SimulatedTexts, words: str) -> str:
    had = len(phone.replies())
    phone.text(words)
    until(lambda: len(phone.replies()) > had, f"no reply to {words!r} after {phone.replies()[-1:]}", 30)
    return phone.replies()[-1]


def end_event(town: Town, phone: AfricasTalking) -> None:
    """The provider's, which holds the whole conversation."""
    form = {
        "sessionId": phone.session,
        "phoneNumber": phone.phone,
        "serviceCode": phone.code,
        "networkCode": "99999",
        "status": "Failed",
        "input": "*".join(phone.path),
        "lastAppResponse": phone.again().text + SENTENCE,
        "errorMessage": SENTENCE,
    }
    answer = phone.http.post(f"{town.web}/hooks/africastalking/{phone.token}/ussd-end", data=form, timeout=10)
    assert (answer.status_code, answer.text) == (200, "")
