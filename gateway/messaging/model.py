"""What comes in and what goes out, whichever channel it came by. Adapters translate to and from these, no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from msgspec import Struct, field

Kind = Literal["ussd", "sms"]
# unsaid: the network names no operation, so the text has to tell
Event = Literal["new", "resume", "unsaid"]
Word = Literal["", "stop", "start", "help"]
# form: the body, or the query of a GET. json: one object. text: the query, the door's headers, and the body as it is,
# which becomes the field "text".
Reads = Literal["form", "json", "text"]

LONGEST_NAME = 128  # characters of a field that says who: a number, a session id, a message id


class UnreadableRequest(Exception):
    """Authenticated, and not to be understood. The message says which rule failed, never what came in.

    `reason` is for the log, one of UNREADABLE in runtime/log_fields.py; `field` is the name of the request's field.
    """

    def __init__(self, rule: str, reason: str, field: str | None = None) -> None:
        super().__init__(f"{field}: {rule}" if field else rule)
        self.reason = reason
        self.field = field


class RawRequest(Struct, frozen=True):
    """One request as it came, before anybody has read it: what a signature is over."""

    method: str
    target: str  # path and query, percent-encoding and order as received
    header: Callable[[str], str]  # by its name in any case; "" where there is none
    body: bytes


class Fields(Struct, frozen=True):
    """The text fields of one body or query, as `gateway.messaging.parsing` read them. Nothing is trimmed."""

    values: Mapping[str, tuple[str, ...]]  # each key's different values, in the order they came
    recoded: int = 0  # how many values were not UTF-8
    no_text: frozenset[str] = frozenset()  # keys of JSON that hold a list, an object, true or false
    query: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of the address, beside a form in the body

    def __contains__(self, name: str) -> bool:
        return name in self.values or name in self.no_text

    def get(self, name: str) -> str:
        """Different values of one key are all kept, joined by a line feed: words are never thrown away."""
        if name in self.no_text:
            raise UnreadableRequest("no text", "not_text", name)
        return "\n".join(self.values.get(name, ()))

    def who(self, name: str) -> str:
        """A field that says who or which: two different values cannot both be right."""
        value = self.get(name)
        if len(self.values.get(name, ())) > 1:
            raise UnreadableRequest("two different values", "two_values", name)
        if len(value) > LONGEST_NAME:
            raise UnreadableRequest(f"longer than {LONGEST_NAME} characters", "too_long", name)
        return value

    def must(self, name: str) -> str:
        """As `who`, where nothing can be done without it."""
        value = self.who(name)
        if not value:
            raise UnreadableRequest("missing", "no_session" if name == "session" else "missing_field", name)
        return value


class Inbound(Struct, frozen=True):
    """One thing a person typed or sent, authenticated, as the provider gave it: nothing trimmed or corrected."""

    kind: Kind
    channel: str  # the adapter's file name
    sender: str  # as it came, at most 128 characters; may be no number at all
    code: str  # service code (*111#) or short code dialled; "" when the provider did not say
    text: str  # the reply; where `path` is true, all replies of the session so far, joined by "*"
    session: str = ""  # the provider's USSD session id; "" for an SMS
    event: Event = "resume"  # a provider that sends paths says only "resume": the path tells
    path: bool = False  # the provider sends the whole path each time (Africa's Talking)
    id: str = ""  # the provider's message id (SMS), or its number of the turn (USSD); "" when there is none
    sent_at: int | None = None  # the provider's own time, unix seconds; says only how stale a message is
    word: Word = ""  # a carrier's word, where the provider says that this is one, in whatever language
    media: tuple[tuple[str, str], ...] = ()  # content type and address of what came beside the words; never fetched
    network: str = ""
    blind: bool = False  # nothing tells a dial from a reply, so that a session must end soon
    link: str = ""  # what the provider wants back with a reply (Africa's Talking linkId, Kannel's session info)


class ProviderEvent(Struct, frozen=True):
    """Something a provider tells beside the conversation: a session ended, an SMS was delivered, a person opted out."""

    what: Literal["ended", "delivery", "optout"]
    channel: str
    sender: str = ""
    code: str = ""
    session: str = ""
    id: str = ""  # of the SMS that a delivery report is about
    status: str = ""  # normalised: sent, delivered, failed, unknown
    ours: str = ""  # our own id of that SMS, where the provider gives it back
    opted_out: bool = False  # it failed because the person wants none


class Reply(Struct, frozen=True):
    """The answer to one inbound. `text` has no prefix of any channel; "" by SMS means: no reply."""

    text: str
    expects_reply: bool
    ucs2: bool = False  # holds a character that is not in GSM-7
    link: str = ""  # of the inbound that it answers


class HttpResponse(Struct, frozen=True):
    """What the web server sends back to the provider."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)  # what the provider reads beside the body


class Endpoint(Struct, frozen=True):
    """One address of a channel: /hooks/<channel>[/<token>][/<name>]; the name may be ""."""

    opens: Kind | Literal["notice"]  # what an unreadable body at this door means: SAFE, UNREAD or only a counter
    reads: Reads = "form"
    methods: frozenset[str] = frozenset({"POST"})
    most_bytes: int = 256 * 1024  # of a body; the longest SMS there is, percent-encoded as UTF-16, has 234,090
    headers: Mapping[str, str] = field(default_factory=dict)  # at a door that reads "text": header → field


class Channel(Protocol):
    """A provider's way in. One file a channel; the file's name is the channel's name.

    Each file has `Settings`, filled from the environment, and `Channel`, made from them: `Channel(settings)`.
    """

    name: str
    practice: bool  # for demo and training only: never in live mode, and only for callers on this machine
    token: bool  # its addresses carry a secret; else it signs, or is for this machine alone
    doors: Mapping[str, Endpoint]
    limits: Mapping[Kind, tuple[int, int, int]]  # septets, UCS-2 units, prefix septets of one screen
    replies_in_answer: Mapping[Kind, bool]  # false: the reply is sent through the provider's API

    def accepts(self, token: str) -> bool:
        """Whether the secret in the address is ours; constant time."""
        ...

    def may_vouch(self, header: Callable[[str], str]) -> bool:
        """Return whether the head can be the provider's. It is asked before the body is read, and costs little."""
        ...

    def verify_signature(self, wire: RawRequest, fields: Fields) -> bool:
        """Whether the provider's own signature is right. True where the secret in the address has said so already."""
        ...

    def receive(self, door: str, fields: Fields) -> Inbound | ProviderEvent:
        """Raises Unreadable where a field that says who is missing or doubled."""
        ...

    def line(self, said: Callable[[str], str]) -> tuple[str, str]:
        """Of a request that nobody can read: what was dialled, and what the provider wants back with the answer.

        `said` looks for a field by its name, wherever it stands; "" where it does not.
        """
        ...

    def answer(self, door: str, turn: Reply | None) -> HttpResponse:
        """`turn` is None where nothing is to be said."""
        ...
