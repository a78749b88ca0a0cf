"""The formats that Kannel sends and accepts, on which other tests rely."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from gateway.channels.kannel import Channel, Settings
from gateway.messaging import parsing
from gateway.messaging.model import Inbound, Reply
from runtime.settings import Mode, load_settings
from tests.kannel.application import Application, Call
from tests.kannel.application import Reply as HttpReply
from tests.kannel.conftest import BY_GET, SOON
from tests.support import kannel as kannel_support
from tests.support.kannel import Kannel
from tests.support.wait import until
from tests.support.wire import raw_request
from workers.senders.kannel import Sender
from workers.senders.kannel import Settings as SenderSettings
from workers.sms.dispatcher import Accepted, DoNotRetry, RetryLater, SmsMessage

pytestmark = pytest.mark.slow

TOKEN = "kX3v9QmT-b_27LwZp0RfYc"
CHANNEL = Channel(load_settings(Settings, {"KANNEL_TOKEN": TOKEN}))
PHONE, CODE = "6785550141", "163"
RAW = {"mo-recode = true\n": "", 'alt-charset = "UTF-8"\n': ""}
WAYS = {"post": {}, "get": BY_GET, "post, not recoded": RAW, "get, not recoded": BY_GET | RAW}
LONG = "in the long night of the ninth month " * 5  # two parts


def read(call: Call) -> Inbound:
    """Parse a call as our endpoint does."""
    sent = raw_request(call.body, call.headers, method=call.method, target=call.target)
    read = CHANNEL.receive("sms", parsing.read(CHANNEL.endpoints["sms"], sent))
    assert isinstance(read, Inbound)
    return read


def spoken(turn: Reply) -> HttpReply:
    """Return a reply as our endpoint does."""
    answer = CHANNEL.answer("sms", turn)
    return HttpReply(answer.status, answer.body.decode(), {"Content-Type": answer.content_type, **answer.headers})


@pytest.mark.parametrize("changes", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(
    ("payload", "words"),
    [("text  Report  flood é ", " Report  flood é "), ("ucs2 " + quote("Tēnā 😀".encode("utf-16-be")), "Tēnā 😀")],
    ids=["GSM-7", "UCS-2"],
)
def test_an_sms_comes_in(application: Application, changes: dict[str, str], payload: str, words: str) -> None:
    with Kannel(web=application.url, token=TOKEN, changes=changes) as kannel, kannel.phone(PHONE, CODE, payload):
        until(lambda: bool(application.calls), "no call")
        [call] = application.calls
        assert call.path == f"/hooks/kannel/{TOKEN}/sms"
        found = read(call)
        assert (found.sender, found.code, found.text, found.network) == (PHONE, CODE, words, "OPERATOR")
        assert found.sent_at is not None
        if "get-url" not in str(changes):
            assert PHONE not in call.target, "nothing of a person stands in the address"


def test_a_plus_before_the_number_stays(application: Application) -> None:
    with Kannel(web=application.url, token=TOKEN) as kannel, kannel.phone(f"+{PHONE}", CODE, "text hi"):
        until(lambda: bool(application.calls), "no call")
        assert read(application.calls[0]).sender == f"+{PHONE}"


def test_a_long_sms_comes_in_whole(application: Application) -> None:
    """Bearerbox waits for all its parts."""
    halves = [LONG[:100], LONG[100:]]
    parts = [f"udh %05%00%03%2A%02%0{n} {quote(half, safe='')}" for n, half in enumerate(halves, 1)]
    with Kannel(web=application.url, token=TOKEN) as kannel:
        for received, part in enumerate(parts, 1):
            with kannel.phone(PHONE, CODE, part):
                until(lambda received=received: f"SMS: received {received}" in kannel.status(), "a part is lost")
        until(lambda: bool(application.calls), "no call")
        assert [read(call).text for call in application.calls] == [LONG]


@pytest.mark.parametrize(
    ("words", "coding"),
    [
        ("In danger? Call 111.\n1 Report\n\n  2 Law é € {}", "text"),
        ("Tēnā\n1 Report 😀", "ucs-2"),
        ("ça", "ucs-2"),
    ],
)
def test_a_reply_goes_out(application: Application, words: str, coding: str) -> None:
    application.then = spoken(Reply(words, expects_reply=True, ucs2=coding == "ucs-2"))
    with Kannel(web=application.url, token=TOKEN) as kannel, kannel.phone(PHONE, CODE, "text hi") as phone:
        [part] = phone.until_received(1)
        until(lambda: phone.texts() == [words], f"{phone.texts()}")
        assert (part.sender, part.to, part.coding) == (CODE, PHONE, coding)


def test_no_reply_is_no_sms(application: Application) -> None:
    application.replies = [spoken(Reply("", expects_reply=True)), spoken(Reply("second", expects_reply=True))]
    with Kannel(web=application.url, token=TOKEN) as kannel, kannel.phone(PHONE, CODE, "text a", "text b") as phone:
        phone.until_received(1)
        assert phone.texts() == ["second"]


@pytest.mark.parametrize(("words", "coding"), [("word " * 34 + "end", "data"), ("mālō " * 20 + "end", "ucs-2")])
def test_a_long_reply_goes_out_in_parts(application: Application, words: str, coding: str) -> None:
    application.then = spoken(Reply(words, expects_reply=True, ucs2=coding == "ucs-2"))
    with Kannel(web=application.url, token=TOKEN) as kannel, kannel.phone(PHONE, CODE, "text hi") as phone:
        parts = phone.until_received(2)
        assert [(part.udh[:3], part.udh[4:]) for part in parts] == [(b"\x05\0\x03", b"\2\1"), (b"\x05\0\x03", b"\2\2")]
        raw = "".join(part.text for part in parts).encode()
        assert raw.decode("utf-16-be" if coding == "ucs-2" else "ascii") == words


@pytest.mark.parametrize("status", [503, 500, 404, 204, 302])
def test_all_but_200_is_tried_again_under_the_same_id(application: Application, status: int) -> None:
    application.replies = [HttpReply(status), HttpReply(status)]
    application.then = spoken(Reply("at last", expects_reply=True))
    with Kannel(web=application.url, token=TOKEN, changes=SOON) as kannel:
        with kannel.phone(PHONE, CODE, "text hi") as phone:
            phone.until_received(1)
            assert phone.texts() == ["at last"]
        assert len({read(call).id for call in application.calls}) == 1
        assert len(application.calls) == 3


# sendsms


PASSWORD = "sendsms-of-a-test"


def sender(kannel: Kannel, application: Application, password: str = PASSWORD) -> Sender:
    given = {
        "KANNEL_SENDSMS_URL": kannel.sendsms,
        "KANNEL_SENDSMS_USER": "tokaut",
        "KANNEL_SENDSMS_PASSWORD": password,
        "KANNEL_DLR_URL": f"{application.url}/hooks/kannel/{TOKEN}/dlr",
    }
    return Sender(load_settings(SenderSettings, given), Mode.DEMO)


@pytest.mark.parametrize("words", ["Sent.\nCode 4821 9303 é €", "Tēnā 😀", "word " * 34 + "end"])
def test_sendsms(application: Application, words: str) -> None:
    with Kannel(web=application.url, token=TOKEN) as kannel, kannel.phone(PHONE, CODE, "text hi") as phone:
        assert sender(kannel, application).send(SmsMessage(f"+{PHONE}", CODE, words, id="m-1")) == Accepted("m-1")
        until(lambda: "".join(phone.texts()) == words, f"{phone.texts()}")
        assert {(part.sender, part.to) for part in phone.parts()} == {(CODE, f"+{PHONE}")}
        until(lambda: len(reports(application)) >= 2, "no delivery report")
        assert sorted(call.query["type"] for call in reports(application)) == ["1", "8"]
        notices = [
            CHANNEL.receive(
                "dlr", parsing.read(CHANNEL.endpoints["dlr"], raw_request(method="GET", target=call.target))
            )
            for call in reports(application)
        ]
        assert {(notice.id, notice.status) for notice in notices} == {("m-1", "sent"), ("m-1", "delivered")}


def reports(application: Application) -> list[Call]:
    return [call for call in application.calls if call.path.endswith("/dlr")]


def test_sendsms_without_a_line_to_the_operator(application: Application) -> None:
    with Kannel(web=application.url, token=TOKEN) as kannel:
        waits = SmsMessage(f"+{PHONE}", CODE, "it waited", id="m-1")
        assert sender(kannel, application).send(waits) == Accepted("m-1")
        kannel.kill("smsbox")
        kannel.kill("bearerbox")
        kannel.start("bearerbox")
        kannel.start("smsbox")
        with kannel.phone(PHONE, CODE, "text hi") as phone:
            until(lambda: "it waited" in phone.texts(), "what waited is lost", 40)


def test_sendsms_refused(application: Application) -> None:
    with Kannel(web=application.url, token=TOKEN) as kannel:
        text = SmsMessage(f"+{PHONE}", CODE, "hello", id="m-1")
        assert sender(kannel, application, "wrong").send(text) == RetryLater("locked_out")
        assert sender(kannel, application).send(SmsMessage(f"+{PHONE}", "", "hello")) == DoNotRetry("sender_id")
        kannel.kill("bearerbox")
        until(lambda: sender(kannel, application).send(text) != Accepted("m-1"), "accepted by nobody", 20)
        assert isinstance(sender(kannel, application).send(text), RetryLater)


def test_sendsms_to_a_number_that_no_connection_takes(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kannel refuses it with the status of a wrong password."""
    monkeypatch.setattr(kannel_support, "FAKE_SMSC", f'{kannel_support.FAKE_SMSC}denied-prefix = "+678"\n')
    with Kannel(web=application.url, token=TOKEN) as kannel, kannel.phone(PHONE, CODE, "text hi"):
        until(lambda: kannel.received() != [], "not connected")
        text = SmsMessage(f"+{PHONE}", CODE, "hello", id="m-1")
        assert sender(kannel, application).send(text) == DoNotRetry("bad_number")


@pytest.mark.rule("S-27")
def test_what_kannel_writes_down(application: Application) -> None:
    application.then = spoken(Reply("Lukaotem the canoe", expects_reply=True))
    with Kannel(web=application.url, token=TOKEN) as kannel:
        with kannel.phone(PHONE, CODE, "text Zorrovik at the jetty") as phone:
            phone.until_received(1)
        sender(kannel, application).send(SmsMessage(f"+{PHONE}", CODE, "Quillomba", id="m-1"))
        until(lambda: any(b"OPERATOR" in held for held in kannel.written().values()), "the log says nothing at all")
        logs = {name: held for name, held in kannel.written().items() if not name.startswith(("store/", "dlr/"))}
        assert logs
        for word in (b"Lukaotem", b"Zorrovik", b"Quillomba", PHONE.encode()):
            assert [name for name, held in logs.items() if word in held] == []
        waiting = b"".join(held for name, held in kannel.written().items() if name.startswith("store/"))
        assert b"Quillomba" in waiting, "what waits lies there in plain text, as the guide says"
