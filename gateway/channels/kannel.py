"""Kannel: SMS by POST or GET with the reply in the response, delivery reports, and USSD over SMPP.

It repeats a request that is not answered with 200 or 202 as often as its own `http-request-retry` says, with the same
id (%I). USSD is carried in SMPP fields beside the text, which Kannel calls meta-data: raw bytes in requests, decimals
in responses. This was tested with the SMPP server of the tests, never with a network. docs/connect-kannel.md has the
details.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, InboundEvent, ProviderEvent, Reply
from gateway.messaging.parsing import TokenAuthMixin, bytes_of
from runtime.settings import Secret, env, from_environment, parsers
from runtime.telephony import ChannelKind, DeliveryReportStatus

PLAIN = "text/plain; charset=UTF-8"  # without a type Kannel treats it as data, without a charset as Latin-1
VALID_MINUTES = "10"  # a delayed reply must not arrive at night
UCS2 = "2"  # value of X-Kannel-Coding; with 0 characters outside GSM-7 are sent as "?"

BOTH = frozenset({"GET", "POST"})
HEADERS: Mapping[str, str] = {
    "x-kannel-from": "from",
    "x-kannel-to": "to",
    "x-kannel-time": "time",
    "x-kannel-smsc": "smsc",
    "x-kannel-coding": "coding",
    "x-kannel-meta-data": "meta",
    "content-type": "type",
}

# One bit of dlr-mask. 4 and 8 only mean that a system on the way has accepted the message.
STATUS: Mapping[str, DeliveryReportStatus] = {"1": "delivered", "2": "failed", "4": "sent", "8": "sent", "16": "failed"}

# SMPP 3.4, 5.3.2.44: operations of the network. Any other one in a session answers a request of ours.
OPERATION, SESSION = "ussd_service_op", "its_session_info"  # the names in kannel.conf
STARTS = frozenset({0, 1})  # PSSD and PSSR indication
REQUEST, RESPONSE = 2, 17  # USSR request: a reply is expected; PSSR response: the session ends
NOTIFIED = 19  # USSN confirm: a phone has shown a text of workers/senders/kannel.py; nobody has dialled
ENDED = 1  # the lowest bit of the session info


@from_environment
class Settings:
    """The tokens in the addresses that Kannel calls."""

    tokens: Secret[tuple[str, ...]] = env(
        "KANNEL_TOKEN",
        parsers.tokens,
        secret=True,
        live=parsers.refuse_demo_secret,
        make=parsers.MAKE_KEY_HINT,
        meaning="in the addresses that Kannel calls; two while one is replaced",
    )


class Channel(TokenAuthMixin):
    """The Kannel channel."""

    name = "kannel"
    is_simulator = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "sms": Endpoint("sms", reads="text", methods=BOTH, headers=HEADERS),
        "ussd": Endpoint("ussd", reads="text", methods=BOTH, headers=HEADERS),
        "dlr": Endpoint("notice", methods=BOTH),
    }
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"ussd": (160, 70, 4), "sms": (160, 70, 0)}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"ussd": True, "sms": True}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tokens)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent | HttpResponse:
        """Convert a request to an inbound message or a provider event."""
        if endpoint == "dlr":
            return _delivery(fields)
        return _ussd(fields) if endpoint == "ussd" else _sms(fields)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled code and the session info of an unreadable request."""
        return find("to"), _link(_numbers(find("meta")))

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the reply. An empty body means no reply, if kannel.conf has `omit-empty`."""
        if turn is None or not turn.text:
            return HttpResponse(200, PLAIN, b"")
        headers = {"X-Kannel-Coding": UCS2} if turn.ucs2 else {}
        headers |= {"X-Kannel-Meta-Data": _meta(turn)} if endpoint == "ussd" else {"X-Kannel-Validity": VALID_MINUTES}
        return HttpResponse(200, PLAIN, turn.text.encode("utf-8", "replace"), headers)


def _sms(fields: Fields) -> Inbound:
    return Inbound(
        kind="sms",
        channel=Channel.name,
        sender=fields.identifier("from"),
        code=fields.get("to"),
        text=_text(fields),
        id=fields.identifier("id"),
        sent_at=_sent_at(fields),
        network=fields.get("smsc"),
    )


def _ussd(fields: Fields) -> Inbound | ProviderEvent | HttpResponse:
    """Convert a USSD request. A network's confirmation gets an empty answer, because any text would be shown.

    The session byte, and the operation that starts a session, distinguish the sessions of one number. So the number is
    required: without it only that byte would distinguish reporters, and the next one with the same byte would see an
    earlier reporter's session.
    """
    meta = _numbers(fields.get("meta"))
    operation, info = meta.get(OPERATION), meta.get(SESSION)
    if operation == NOTIFIED:
        return HttpResponse(200, PLAIN, b"")
    sender, code, text = fields.required("from"), fields.get("to"), _text(fields)
    session = "-" if info is None else str(info >> 8)
    if info is not None and info & ENDED and operation not in STARTS:
        return ProviderEvent("ended", Channel.name, sender=sender, code=code, session=session)
    event: InboundEvent = "unsaid" if operation is None else "new" if operation in STARTS else "resume"
    return Inbound(
        kind="ussd",
        channel=Channel.name,
        sender=sender,
        code=code,
        text=text,
        session=session,
        event=event,
        id=fields.identifier("id"),
        network=fields.get("smsc"),
        blind=operation is None and info is None,
        link=_link(meta),
    )


def _delivery(fields: Fields) -> ProviderEvent:
    """Convert a delivery report. A POST has its fields in the address, and an empty body.

    The id is ours, so that the report is also recognised if Kannel's response to our request was lost.
    """
    report_fields = fields if fields.values else replace(fields, values=fields.query)
    message_id = report_fields.required("id")
    status = STATUS.get(report_fields.get("type"), "unknown")
    return ProviderEvent("delivery", Channel.name, id=message_id, status=status, ours=message_id)


def _link(meta: Mapping[str, int]) -> str:
    """Return the session info, which the reply must repeat; "" if the network sends none."""
    return str(meta[SESSION]) if SESSION in meta else ""


def _meta(turn: Reply) -> str:
    """Return the meta-data of a reply: the session info as received, with its last bit set if the session is over."""
    meta_fields = [f"{OPERATION}={REQUEST if turn.expects_reply else RESPONSE}"]
    if turn.link:
        meta_fields.append(f"{SESSION}={int(turn.link) & ~ENDED | (not turn.expects_reply)}")
    return "?smpp?" + "&".join(meta_fields)


def _numbers(meta: str) -> Mapping[str, int]:
    """Parse `?smpp?ussd_service_op=%01&its_session_info=%12%00`: the bytes of each field, percent-encoded.

    For a vendor's own tags Kannel writes decimals instead: `1` and `4608`. No operation has a byte that looks like a
    digit.
    """
    _, _, pairs = meta.removeprefix("?").partition("?")
    split_pairs = (pair.partition("=") for pair in pairs.split("&") if "=" in pair)
    raw = {name: unquote_to_bytes(value.replace("+", " ")) for name, _, value in split_pairs}
    if raw.get(OPERATION, b"").isdigit():
        return {name: int(value) for name, value in raw.items() if value.isdigit() and len(value) <= 10}
    return {name: int.from_bytes(value, "big") for name, value in raw.items() if 0 < len(value) <= 4}


def _text(fields: Fields) -> str:
    """Return the text. Coding 2 without `mo-recode` in kannel.conf is UTF-16; a part may end within an emoji."""
    text = fields.get("text")
    charset = (fields.get("charset") or fields.get("type")).upper()
    if fields.get("coding") != UCS2 or "UTF-8" in charset:
        return text
    try:
        return bytes_of(text, recoded=bool(fields.recoded)).decode("utf-16-be", "surrogatepass")
    except UnicodeError:
        return text  # as received


def _sent_at(fields: Fields) -> int | None:
    """Return the Unix time by Kannel's clock, or None.

    A missing or unreadable time is no reason to refuse words.
    """
    timestamp = fields.get("ts")
    if timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12:
        return int(timestamp)
    try:
        return int(datetime.strptime(fields.get("time"), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None
