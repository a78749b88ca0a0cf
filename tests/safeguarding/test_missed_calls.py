"""A missed call asks the question of "call me", by one SMS; it is no consent, and nothing calls back automatically."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.conversation import dispatcher
from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import SENDER_KEY, read_private_key
from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, number
from tests.safeguarding.outages import redis_unavailable
from tests.safeguarding.test_contact_requests import ASKED, PLACED, TOPIC, requests
from tests.support.app import App, ReceivedResponse
from tests.support.handsets_twilio import TwilioTexts
from tests.support.twilio import Account

pytestmark = pytest.mark.slow

CALLED = "+6785550000"
SHIPPED = Path("reports/countries/vu.toml")


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> Iterator[App]:
    country = SHIPPED.read_text(encoding="utf-8").replace(
        "[[code]]", f'[call_back]\nmissed_call_numbers = ["{CALLED}"]\n\n[[code]]', 1
    )
    (tmp_path / "vu.toml").write_text(country, encoding="utf-8")
    app = App(redis_url, {"TOKAUT_COUNTRY_DIR": str(tmp_path)})
    yield app
    app.close()


def ring(app: App, phone: str = PHONE, call: str = "ATVId_1", **more: str) -> ReceivedResponse:
    form = {"sessionId": call, "isActive": "1", "direction": "Inbound", "destinationNumber": CALLED}
    path = f"/hooks/africastalking/{app.plan.secrets.africastalking}/missed-call"
    answer = app.http.post(path, data={**form, "callerNumber": phone, **more})
    assert (answer.status_code, b"<Reject/>" in answer.content) == (200, True)
    return answer


def text(app: App, words: str, phone: str = PHONE, id_: str = "m1") -> None:
    path = f"/hooks/africastalking/{app.plan.secrets.africastalking}/sms"
    assert app.http.post(path, data={"from": phone, "to": "163", "text": words, "id": id_}).status_code == 200


def sent(app: App) -> list[tuple[str, str]]:
    """Return number and text of each SMS, in order."""
    found = []
    for row in sorted(app.rows(t.outgoing), key=lambda row: row.created_at):
        context = SealContext("demo", row.id, 1, SENDER_KEY)  # type: ignore[arg-type]
        key = read_private_key(app.keys, SENDER_KEY, row.key_id)
        body = json.loads(open_body(key, context, SealedBody(row.key_id, row.wrap, b"", row.sealed)))
        found.append((body["to"], body["text"]))
    return found


@pytest.mark.rule("S-13")
@pytest.mark.rule("S-22")
def test_a_missed_call_gets_one_question_and_only_its_answer_makes_an_item(app: App) -> None:
    ring(app)
    ring(app, isActive="0")  # the provider also posts the end of the same call
    ring(app, call="ATVId_2")  # a second call soon after gets no second SMS
    [(to, words)] = sent(app)
    assert to == PHONE and words.startswith(ASKED) and not TOPIC.search(words)
    assert app.count(t.report) == app.count(t.pending) == 0
    text(app, "2")
    assert sent(app)[-1] == (PHONE, PLACED)
    [kept] = requests(app)
    assert kept.data["contact"]["msisdn"] == PHONE and kept.data["channel"] == "sms"


def test_a_call_by_twilio_continues_in_its_texts(app: App) -> None:
    made = app.plan.settings
    account = Account(made["TWILIO_ACCOUNT_SID"], made["TWILIO_AUTH_TOKEN"])
    call = {"AccountSid": account.sid, "CallSid": "CA" + "0" * 32, "CallStatus": "ringing", "From": PHONE, "To": CALLED}
    path = "/hooks/twilio/missed-call"
    for _ in range(2):
        answer = account.post(app.http, path, call, f"{made['PUBLIC_URL']}{path}")
        assert (answer.status_code, b"<Reject" in answer.content) == (200, True)
    forged = app.http.post(path, data=call, headers={"X-Twilio-Signature": "A" * 27 + "="})
    assert forged.status_code == 403
    assert len(sent(app)) == 1
    phone = TwilioTexts("", account, PHONE, "163", public=made["PUBLIC_URL"], http=app.http)  # type: ignore[arg-type]
    phone.text("2")
    assert phone.received == [PLACED] and len(requests(app)) == 1


@pytest.mark.rule("S-03")
@pytest.mark.rule("S-09")
def test_who_is_not_to_be_texted_gets_nothing(app: App) -> None:
    text(app, "STOP")
    ring(app)
    ring(app, phone="anonymous", call="2")
    ring(app, phone="", call="3")
    ring(app, phone=number(1), call="4", destinationNumber="+6785550009")  # not a number of a country file
    ring(app, phone=number(2), call="5", direction="Outbound")
    assert sent(app) == []


def test_a_flood_is_limited_and_counted_and_never_rings_through(app: App) -> None:
    for n in range(dispatcher.MISSED_CALLS_A_MINUTE + 3):
        ring(app, phone=number(n), call=f"c{n}")
    assert len(sent(app)) == dispatcher.MISSED_CALLS_A_MINUTE
    assert b"tokaut_missed_calls_limited_total 3.0" in app.http.send("GET", "/metrics").content


def test_a_call_while_redis_is_away_is_refused_and_texted_nothing_late(app: App) -> None:
    with redis_unavailable(app):
        ring(app)
    app.parts.housekeeping.once()
    assert sent(app) == []


TO_WORDS = ("hello", "Report", "Soon", "Asks photos, money", "Me", "13-15", "Torba")
MISSING = ("hello", "Report", "Soon", "Missing child", "My child", "13-15", "Torba")


@pytest.mark.rule("S-11")
@pytest.mark.parametrize("how", ["ring", "call me"])
@pytest.mark.parametrize("before", [TO_WORDS, MISSING], ids=["words", "missing"])
def test_back_after_a_missed_call_at_the_words_takes_no_other_answer_away(
    app: App, before: tuple[str, ...], how: str
) -> None:
    asked = _texts(app, *before)
    if how == "ring":
        ring(app)
    else:  # there it is an answer in words
        _texts(app, how)
    assert _texts(app, "0") == asked
    _texts(app, "He waits at school every day", "No", "Send")
    data = next(body.data for body in app.bodies() if body.data["completeness"] == "complete")
    questions = [answer["question"] for answer in data["answers"]]
    assert data["place"] and data["child"]["age_band"] == "13-15"
    assert data["narrative"] == "He waits at school every day"
    assert len(questions) == len(set(questions)) + (how == "call me")


def _texts(app: App, *words: str) -> str:
    """Text the words, and return the last answer."""
    for each in words:
        text(app, each, id_=f"m{len(sent(app))}-{each[:9]}")
    return sent(app)[-1][1]
