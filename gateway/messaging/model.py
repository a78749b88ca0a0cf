"""Messages that enter and leave the gateway, the same for every channel. Channels only translate to and from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Protocol

from msgspec import Struct, field

from runtime.telephony import ChannelKind, DeliveryReportStatus

# unsaid: the network names no operation, so it must be inferred from the text
InboundEvent = Literal["new", "resume", "unsaid"]
CarrierWord = Literal["stop", "start", "help", "call"]  # call: a missed call, which means "call me"
ProviderEventKind = Literal["ended", "delivery", "optout", "missed_call", "recorded"]
# form: the body, or the query of a GET. json: one object. text: the query, the endpoint's headers, and the unparsed
# body, which becomes the field "text".
Reads = Literal["form", "json", "text"]

MAX_IDENTIFIER_CHARS = 128  # characters of an identifying field: a number, a session id, a message id


class UnreadableRequest(Exception):
    """An authenticated request that cannot be parsed.

    The message names the rule that failed, never the request's content.

    `reason` is for the log: one of UNREADABLE_REASONS in runtime/logs.py. `field` is the name of the request's
    field.
    """

    def __init__(self, rule: str, reason: str, field: str | None = None) -> None:
        super().__init__(f"{field}: {rule}" if field else rule)
        self.reason = reason
        self.field = field


class RawRequest(Struct, frozen=True):
    """One request before it is parsed; a signature is computed over it."""

    method: str
    target: str  # path and query, percent-encoding and order as received
    headers: Mapping[str, str]  # by name in lower case
    body: bytes


class Fields(Struct, frozen=True):
    """The text fields of one body or query, as parsed by `gateway.messaging.parsing`. Nothing is trimmed."""

    values: Mapping[str, tuple[str, ...]]  # each key's different values, in order of arrival
    recoded: int = 0  # how many values were not UTF-8
    no_text: frozenset[str] = frozenset()  # keys of JSON that hold a list, an object, true or false
    # The fields of the address, in addition to a form's body.
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values or name in self.no_text

    def get(self, name: str) -> str:
        """Return a field's value; "" if it is absent. Raises UnreadableRequest if JSON holds no text there.

        Different values of one key are joined by a line feed: words are never dropped.
        """
        if name in self.no_text:
            raise UnreadableRequest("no text", "not_text", name)
        return "\n".join(self.values.get(name, ()))

    def identifier(self, name: str) -> str:
        """Return an identifying field. Raises UnreadableRequest for two different values: not both can be right."""
        value = self.get(name)
        if len(self.values.get(name, ())) > 1:
            raise UnreadableRequest("two different values", "two_values", name)
        if len(value) > MAX_IDENTIFIER_CHARS:
            raise UnreadableRequest(f"longer than {MAX_IDENTIFIER_CHARS} characters", "too_long", name)
        return value

    def required(self, name: str) -> str:
        """Return a required identifying field. Raises UnreadableRequest if it is missing."""
        value = self.identifier(name)
        if not value:
            raise UnreadableRequest("missing", "no_session" if name == "session" else "missing_field", name)
        return value


class RecordedWords(Struct, frozen=True):
    """A recording that the provider of a call has made.

    `expected`: the id under which it was asked for; "" if the provider names none. `source`: the provider's name of the
    recording, or its address there; "" if nothing was recorded. It is never fetched here.
    """

    expected: str
    source: str


class Inbound(Struct, frozen=True):
    """One message of a reporter, authenticated, as the provider passed it on: nothing trimmed or corrected."""

    kind: ChannelKind
    channel: str  # the adapter's file name
    sender: str  # as received, at most 128 characters; may not be a number
    code: str  # service code (*111#) or short code dialled; "" if the provider does not name it
    text: str  # the reply; if `path` is true, all replies of the session so far, joined by "*"
    session: str = ""  # the provider's USSD session id; "" for an SMS
    event: InboundEvent = "resume"  # providers that send paths send only "resume"; the path shows the start
    path: bool = False  # the provider sends the whole path each time (Africa's Talking)
    id: str = ""  # the provider's message id (SMS), its number of the turn (USSD), our id of the last answer (voice)
    sent_at: int | None = None  # the provider's own time, Unix seconds; its clock may be wrong
    repeats: bool = False  # the caller asks to hear the last screen again
    word: CarrierWord | Literal[""] = ""  # a carrier's word in any language, if the provider recognised one
    media: tuple[tuple[str, str], ...] = ()  # content type and address of each attachment; never downloaded
    network: str = ""
    blind: bool = False  # a dial looks the same as a reply, so the session must expire soon
    link: str = ""  # must be returned to the provider with a reply (Africa's Talking linkId, Kannel's session info)
    synthetic: bool = False  # a test call of our own, proved by a key: it is not submitted, stored or counted
    recorded: RecordedWords | None = None  # the spoken words, if the call goes on after a recording


class ProviderEvent(Struct, frozen=True):
    """A provider's notice outside the conversation.

    A session ended, an SMS was delivered, a person opted out, a missed call came, or words were
    recorded.
    """

    what: ProviderEventKind
    channel: str
    sender: str = ""
    code: str = ""
    session: str = ""
    id: str = ""  # id of the SMS of a delivery report, or of the call
    status: DeliveryReportStatus = ""
    ours: str = ""  # our own id of that SMS, if the provider returns it
    opted_out: bool = False  # delivery failed because the number has opted out
    kind: ChannelKind = "ussd"  # the kind of the ended session
    recorded: RecordedWords | None = None


class Reply(Struct, frozen=True):
    """The answer to one inbound message. `text` has no channel prefix; "" by SMS means: no reply."""

    text: str
    expects_reply: bool
    ucs2: bool = False  # contains a character outside GSM-7
    language: str = ""  # language of the text; only for a channel that speaks
    is_typed: bool = False  # the screen takes several digits; only for a channel that speaks
    link: str = ""  # `link` of the inbound message that it answers
    recording: str = ""  # id under which to record the caller after this screen; only for a channel that speaks
    max_seconds: int = 0  # maximum length of that recording


class HttpResponse(Struct, frozen=True):
    """The response of the web server to the provider."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)  # headers that the provider reads


class Endpoint(Struct, frozen=True):
    """One address of a channel: /hooks/<channel>[/<token>][/<name>]; the name may be ""."""

    # Decides how an unreadable body is handled: "ussd" and "voice" show or speak a notice, "sms" is stored for staff,
    # "notice" is counted.
    kind: ChannelKind | Literal["notice"]
    reads: Reads = "form"
    methods: frozenset[str] = frozenset({"POST"})
    max_bytes: int = 256 * 1024  # limit of a body; the longest possible SMS, percent-encoded as UTF-16, has 234,090
    headers: Mapping[str, str] = field(default_factory=dict)  # of a "text" endpoint: header in lower case → field

    @property
    def call_kind(self) -> ChannelKind:
        """Return the kind of the codes that are dialled to reach this endpoint."""
        return "voice" if self.kind == "voice" else "ussd"


class Channel(Protocol):
    """A provider's interface. Each channel is one file; the file's name is the channel's name.

    Each file has `Settings`, filled from the environment, and `Channel`, made from them: `Channel(settings)`.
    """

    name: str
    is_simulator: bool  # for demo and training only: never in live mode, and only for clients on this machine
    token: bool  # its addresses contain a secret; else requests are signed, or come from this machine only
    endpoints: Mapping[str, Endpoint]
    limits: Mapping[ChannelKind, tuple[int, int, int]]  # septets, UCS-2 units, prefix septets of one screen
    replies_in_answer: Mapping[ChannelKind, bool]  # False: the reply is sent through the provider's API

    def accepts(self, token: str) -> bool:
        """Return whether the secret in the address is valid, in constant time."""
        ...

    def may_be_genuine(self, headers: Mapping[str, str]) -> bool:
        """Return whether the headers can be the provider's. Called before the body is read; must be cheap."""
        ...

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Return whether the provider's signature is valid.

        True if the secret in the address has authenticated the request already.
        """
        ...

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent | HttpResponse:
        """Convert a request to a message; or return the answer to a request that holds none yet.

        Raises UnreadableRequest if an identifying field is missing or has two values.
        """
        ...

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled code and the provider's link of an unreadable request.

        `find` looks up a field by name anywhere in the request; "" if absent.
        """
        ...

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Convert a reply to the response; None for no reply."""
        ...


class VoiceChannel(Channel, Protocol):
    """A channel that speaks its screens and takes the keys of a telephone."""

    can_record: bool  # the provider records, and its recordings can be fetched

    def can_say(self, language: str, texts: Iterable[str]) -> bool:
        """Return whether it can speak all these texts in this language."""
        ...
