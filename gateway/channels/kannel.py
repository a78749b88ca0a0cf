"""Kannel: SMS by POST or GET with the reply in the answer, delivery reports, and USSD over SMPP.

It repeats what is not answered with 200 or 202 as often as its own `http-request-retry` says, with the same id (%I).
USSD rides in SMPP fields beside the text, which Kannel gives as its meta-data: raw bytes inwards, decimals outwards.
That was tried against an SMPP server of the tests, never against a network. docs/connect-kannel.md has the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from gateway.messaging.auth import TokenAuthMixin
from gateway.messaging.model import Endpoint, Event, Fields, HttpResponse, Inbound, Kind, ProviderEvent, Reply
from gateway.messaging.parsing import bytes_of
from runtime.settings import Secret, env, from_environment, parsers

PLAIN = "text/plain; charset=UTF-8"  # without a type Kannel takes it for data, without a charset for Latin-1
VALID_MINUTES = "10"  # a reply that was held back must not arrive at night
UCS2 = "2"  # of X-Kannel-Coding; with 0 what is not in GSM-7 leaves as "?"

BOTH = frozenset({"GET", "POST"})
HEADERS: Mapping[str, str] = {
    "X-Kannel-From": "from",
    "X-Kannel-To": "to",
    "X-Kannel-Time": "time",
    "X-Kannel-SMSC": "smsc",
    "X-Kannel-Coding": "coding",
    "X-Kannel-Meta-Data": "meta",
    "Content-Type": "type",
}

# One bit of dlr-mask. 4 and 8 say no more than that somebody on the way has it.
STATUS: Mapping[str, str] = {"1": "delivered", "2": "failed", "4": "sent", "8": "sent", "16": "failed"}

# SMPP 3.4, 5.3.2.44: what the network sends. All else of a session is the answer to a request of ours.
OPERATION, SESSION = "ussd_service_op", "its_session_info"  # as kannel.conf names them
STARTS = frozenset({0, 1})  # PSSD and PSSR indication
REQUEST, RESPONSE = 2, 17  # USSR request: an answer is awaited; PSSR response: the session ends
ENDED = 1  # the lowest bit of the session info


@from_environment
class Settings:
    tokens: Secret[tuple[str, ...]] = env(
        "KANNEL_TOKEN",
        parsers.tokens,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="in the addresses that Kannel calls; two while one is replaced",
    )


class Channel(TokenAuthMixin):
    name = "kannel"
    practice = False
    doors: ClassVar[Mapping[str, Endpoint]] = {
        "sms": Endpoint("sms", reads="text", methods=BOTH, headers=HEADERS),
        "ussd": Endpoint("ussd", reads="text", methods=BOTH, headers=HEADERS),
        "dlr": Endpoint("notice", methods=BOTH),
    }
    limits: ClassVar[Mapping[Kind, tuple[int, int, int]]] = {"ussd": (160, 70, 4), "sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[Kind, bool]] = {"ussd": True, "sms": True}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tokens)

    def receive(self, door: str, fields: Fields) -> Inbound | ProviderEvent:
        if door == "dlr":
            return _delivery(fields)
        return _ussd(fields) if door == "ussd" else _sms(fields)

    def line(self, said: Callable[[str], str]) -> tuple[str, str]:
        return said("to"), _link(_numbers(said("meta")))

    def answer(self, door: str, turn: Reply | None) -> HttpResponse:
        """An empty body is no reply, where kannel.conf has `omit-empty`."""
        if turn is None or not turn.text:
            return HttpResponse(200, PLAIN, b"")
        told = {"X-Kannel-Coding": UCS2} if turn.ucs2 else {}
        told |= {"X-Kannel-Meta-Data": _meta(turn)} if door == "ussd" else {"X-Kannel-Validity": VALID_MINUTES}
        return HttpResponse(200, PLAIN, turn.text.encode("utf-8", "replace"), told)


def _sms(fields: Fields) -> Inbound:
    return Inbound(
        kind="sms",
        channel=Channel.name,
        sender=fields.who("from"),
        code=fields.get("to"),
        text=_text(fields),
        id=fields.who("id"),
        sent_at=_sent_at(fields),
        network=fields.get("smsc"),
    )


def _ussd(fields: Fields) -> Inbound | ProviderEvent:
    """One session of a number is told from its next by the session's byte, and by what starts one. Without a number
    that byte would be all that tells one caller from another, and the next with the same one would see their report.
    """
    meta = _numbers(fields.get("meta"))
    operation, info = meta.get(OPERATION), meta.get(SESSION)
    sender, code, text = fields.must("from"), fields.get("to"), _text(fields)
    session = "-" if info is None else str(info >> 8)
    if info is not None and info & ENDED and operation not in STARTS:
        return ProviderEvent("ended", Channel.name, sender=sender, code=code, session=session)
    event: Event = "unsaid" if operation is None else "new" if operation in STARTS else "resume"
    return Inbound(
        kind="ussd",
        channel=Channel.name,
        sender=sender,
        code=code,
        text=text,
        session=session,
        event=event,
        id=fields.who("id"),
        network=fields.get("smsc"),
        blind=operation is None and info is None,
        link=_link(meta),
    )


def _delivery(fields: Fields) -> ProviderEvent:
    """Posted, it says the same in its address, and nothing in its body."""
    told = fields if fields.values else replace(fields, values=fields.query)
    return ProviderEvent("delivery", Channel.name, id=told.must("id"), status=STATUS.get(told.get("type"), "unknown"))


def _link(meta: Mapping[str, int]) -> str:
    """The session info, to be given back; "" where the network has none."""
    return str(meta[SESSION]) if SESSION in meta else ""


def _meta(turn: Reply) -> str:
    """The session info goes back as it came, with its last bit where the session is over."""
    told = [f"{OPERATION}={REQUEST if turn.expects_reply else RESPONSE}"]
    if turn.link:
        told.append(f"{SESSION}={int(turn.link) & ~ENDED | (not turn.expects_reply)}")
    return "?smpp?" + "&".join(told)


def _numbers(meta: str) -> Mapping[str, int]:
    """`?smpp?ussd_service_op=%01&its_session_info=%12%00`: the bytes of a field, escaped as in an address.

    Under a vendor's own tags Kannel writes the same in decimals: `1` and `4608`. No operation is a byte that reads so.
    """
    _, _, pairs = meta.removeprefix("?").partition("?")
    split = (pair.partition("=") for pair in pairs.split("&") if "=" in pair)
    raw = {name: unquote_to_bytes(value.replace("+", " ")) for name, _, value in split}
    if raw.get(OPERATION, b"").isdigit():
        return {name: int(value) for name, value in raw.items() if value.isdigit() and len(value) <= 10}
    return {name: int.from_bytes(value, "big") for name, value in raw.items() if 0 < len(value) <= 4}


def _text(fields: Fields) -> str:
    """Coding 2 without `mo-recode` is UTF-16: read as anything else it would be nobody's words."""
    text = fields.get("text")
    charset = (fields.get("charset") or fields.get("type")).upper()
    if fields.get("coding") != UCS2 or "UTF-8" in charset:
        return text
    try:
        return bytes_of(text, recoded=bool(fields.recoded)).decode("utf-16-be")
    except UnicodeError:
        return text  # as it came


def _sent_at(fields: Fields) -> int | None:
    """Unix seconds, by Kannel's own clock; None for one that is missing or odd, which is no reason to refuse words."""
    stamp = fields.get("ts")
    if stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12:
        return int(stamp)
    try:
        return int(datetime.strptime(fields.get("time"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
