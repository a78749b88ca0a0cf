"""Whole reports over each channel, with all planted texts."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import requests

from tests.canary.planted import PLACE, SENTENCE, SPOKEN, Planted
from tests.support.handsets import AfricasTalking, AfricasTalkingTexts, JsonUssd, SimulatedTexts
from tests.support.handsets_kannel import KannelTexts, KannelUssd
from tests.support.installation import Installation
from tests.support.recordings import MP3
from tests.support.wait import until

TO_SEND = ("Report", "Soon", "Asks photos, money", "Me", "13-15", PLACE, "SMS 8am-4pm")
TO_SEND_SMS = (*TO_SEND[:-1], SENTENCE, TO_SEND[-1])  # by SMS the words come before Send
IN_DANGER = ("Report", "Now", "Go on", "Asks photos, money", PLACE)


def walk(phone: AfricasTalking | KannelUssd | JsonUssd, *replies: str) -> str:
    screen = phone.dial().text
    for reply in replies:
        screen = phone.type(reply).text
    return screen


def report(phone: AfricasTalking | KannelUssd | JsonUssd, planted: Planted, name: str) -> tuple[str, str]:
    """Send a whole report, with words after Send and a link among them; return code and PIN."""
    sent = walk(phone, *TO_SEND, "Send")
    code, pin = code_and_pin(sent, planted, name)
    add_words(phone, f"{SENTENCE} http://{name}.example/?q=1")
    return code, pin


def add_words(phone: AfricasTalking | KannelUssd | JsonUssd, words: str) -> None:
    """Type words after Send, skip the questions, and type more words at the end."""
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


def my_report(phone: AfricasTalking | KannelUssd | JsonUssd, code: str, pin: str) -> None:
    """Open My report with a wrong PIN, then with the right one until the report is delivered."""
    wrong = f"{(int(pin) + 1) % 10000:04}"
    assert "not right" in walk(phone, "My report", code, wrong)
    until(lambda: "Pikinini Helpline" in walk(phone, "My report", code, pin), "the report was not delivered", 60)


def report_by_sms(phone: AfricasTalkingTexts | KannelTexts | SimulatedTexts, planted: Planted, name: str) -> None:
    """Send words first, then the whole report, then ask for the code."""
    texted(phone, SENTENCE)
    texted(phone, "1")
    for reply in (*TO_SEND_SMS[1:], "Send"):
        texted(phone, reply)
    code_and_pin(texted(phone, "2"), planted, name)
    texted(phone, "Done")


def report_by_voice(installation: Installation, channel: str, phone: str, planted: Planted) -> None:
    """Send a report by telephone keys, and two recordings: a complete one, and one ended by a hangup."""
    names = [f"Vexolimbra{channel[0]}{n}" for n in (1, 2)]
    for n, name in enumerate(names):
        call: Any = installation.ussd_phone(channel, phone)
        code_and_pin(walk(call, *TO_SEND, "Send"), planted, f"{channel} {n}")
        for reply in ("Add more", "Add your words", "Begin"):
            call.type(reply)
        source = recorded(installation, channel, name)
        planted.add(f"recording {channel} {n}", source)
        if n == 0:
            call.speak(source)
            call.drop_call()
        else:
            call.hang_up_while_speaking(source)


def recorded(installation: Installation, channel: str, name: str) -> str:
    """Store a recording at the provider with the planted text, and return the provider's name for it."""
    sound = MP3 + f"{SPOKEN} {name}".encode()
    if channel == "twilio_voice":
        source = f"RE{hashlib.sha256(name.encode()).hexdigest()[:32]}"
        installation.twilio.twilio(source, sound=sound)
        return source
    installation.twilio.africastalking(name, sound=sound)
    return f"{installation.twilio.url}/recordings/{name}.mp3"


def calls_me(installation: Installation, phone: str, ringing: str, called: str) -> None:
    """Send "call me" and its answer by SMS, and make a missed call."""
    text = installation.sms_phone("africastalking", phone)
    assert "May we call?" in texted(text, "call me")
    texted(text, "Call 7am-9pm")
    form = {"sessionId": "ATVId_canary", "isActive": "1", "direction": "Inbound", "destinationNumber": called}
    path = f"{installation.web}/hooks/africastalking/{installation.token('africastalking')}/missed-call"
    assert requests.post(path, data={**form, "callerNumber": ringing}, timeout=20).status_code == 200


def texted(phone: AfricasTalkingTexts | KannelTexts | SimulatedTexts, words: str) -> str:
    had = len(phone.replies())
    phone.text(words)
    until(lambda: len(phone.replies()) > had, f"no reply to {words!r} after {phone.replies()[-1:]}", 30)
    return phone.replies()[-1]


def end_event(installation: Installation, phone: AfricasTalking) -> None:
    """Post the provider's end event, which contains the whole conversation."""
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
    answer = phone.http.post(f"{installation.web}/hooks/africastalking/{phone.token}/ussd-end", data=form, timeout=10)
    assert (answer.status_code, answer.text) == (200, "")
