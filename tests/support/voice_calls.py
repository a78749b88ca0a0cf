"""A caller with a keypad telephone. It parses the XML of a response as strictly as the providers, and presses keys.

The providers refuse a document with an unknown verb or attribute, a verb in the wrong place, or malformed XML, and hang
up. This caller raises AssertionError. The allowed verbs and attributes follow the providers' pages; no live call was
made.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tests.support.handsets import Screen, connection
from tests.support.twilio import Account

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_TAG = re.compile(r'<(/?)([A-Za-z]+)((?: [A-Za-z]+="[^"<]*")*)(/?)>')
_TEXT = re.compile(r"(?:[^<&]|&(?:amp|lt|gt|quot|#x27);)*")
_ATTRIBUTE = re.compile(r' ([A-Za-z]+)="([^"]*)"')
_KEYS = re.compile(r"[0-9*#]+")
MAX_BYTES = 64 * 1024  # limit of a document of Twilio
MAX_SPOKEN = 4096  # characters of one <Say>


@dataclass
class Verb:
    """An element of a document."""

    name: str
    attributes: dict[str, str]
    children: list[Verb] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class Grammar:
    """The documents that a provider accepts: all and required attributes of each verb, and the verbs inside others."""

    attributes: Mapping[str, Mapping[str, str]]  # verb → attribute → pattern of its value
    required: Mapping[str, frozenset[str]]
    nested: Mapping[str, frozenset[str]]
    most_nested: int  # limit of children of one verb

    def check(self, verb: Verb, parent: str = "") -> None:
        """Raise AssertionError for an element that the provider refuses."""
        allowed = self.nested[parent] if parent else frozenset({"Response"})
        assert verb.name in allowed, f"<{verb.name}> in <{parent}>"
        for name, value in verb.attributes.items():
            pattern = self.attributes.get(verb.name, {}).get(name)
            assert pattern and re.fullmatch(pattern, value), f"{verb.name} {name}={value}"
        assert self.required.get(verb.name, frozenset()) <= verb.attributes.keys(), verb
        if parent and parent != "Response":
            assert not verb.children
        if verb.name != "Response":
            assert len(verb.children) <= self.most_nested, f"{len(verb.children)} verbs in <{verb.name}>"
        if self.nested.get(verb.name):
            assert not verb.text.strip(), f"text in <{verb.name}>"
        for child in verb.children:
            self.check(child, verb.name)


URL = r"https?://[^ ]+"
TWIML = Grammar(
    {
        "Say": {"language": "en-AU|fr-FR"},
        "Gather": {"action": URL, "method": "POST", "timeout": "[1-9][0-9]?", "numDigits": "1", "finishOnKey": "#"},
        "Redirect": {"method": "POST"},
        "Record": {
            "action": URL,
            "method": "POST",
            "maxLength": "[1-9][0-9]{0,3}",
            "timeout": "[1-9][0-9]?",
            "finishOnKey": "[0-9*#]{1,12}",
            "playBeep": "true|false",
            "trim": "trim-silence|do-not-trim",
            "recordingStatusCallback": URL,
            "recordingStatusCallbackMethod": "POST",
            "recordingStatusCallbackEvent": "(in-progress|completed|absent)( (in-progress|completed|absent))*",
        },
    },
    {"Gather": frozenset({"action"}), "Record": frozenset({"action"})},
    {
        "Response": frozenset({"Say", "Play", "Gather", "Record", "Redirect", "Hangup"}),
        "Gather": frozenset({"Say", "Play"}),
    },
    most_nested=100,
)


AFRICASTALKING = Grammar(
    {
        "Say": {"voice": "man|woman", "playBeep": "true|false"},
        "Play": {"url": URL},
        "GetDigits": {"callbackUrl": URL, "timeout": "[1-9][0-9]?", "numDigits": "[1-9]", "finishOnKey": "#"},
        "Record": {
            "callbackUrl": URL,
            "maxLength": "[1-9][0-9]{0,3}",
            "timeout": "[1-9][0-9]?",
            "finishOnKey": "[0-9*#]",
            "trimSilence": "true|false",
            "playBeep": "true|false",
        },
    },
    {"Play": frozenset({"url"}), "GetDigits": frozenset({"callbackUrl"}), "Record": frozenset({"callbackUrl"})},
    {
        "Response": frozenset({"Say", "Play", "GetDigits", "Record", "Redirect"}),
        "GetDigits": frozenset({"Say", "Play"}),
    },
    most_nested=1,  # as in the builders of its SDKs
)


def parse(document: str, grammar: Grammar) -> list[Verb]:
    """Return the verbs of a document. Raises AssertionError where the provider would refuse it."""
    assert document.startswith(HEAD), document[:60]
    root, end = _element(document, len(HEAD))
    assert end == len(document), document[end:]
    grammar.check(root)
    return root.children


def _element(document: str, at: int) -> tuple[Verb, int]:
    opening = _TAG.match(document, at)
    assert opening and not opening[1], document[at : at + 80]
    attributes = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(opening[3])}
    assert all("&" not in re.sub("&(?:amp|lt|gt|quot);", "", value) for _, value in _ATTRIBUTE.findall(opening[3]))
    verb, at = Verb(opening[2], attributes), opening.end()
    if opening[4]:
        return verb, at
    while True:
        text = _TEXT.match(document, at)
        assert text is not None
        verb.text += html.unescape(text[0])
        at = text.end()
        tag = _TAG.match(document, at)
        assert tag, document[at : at + 80]
        if tag[1]:
            assert tag[2] == verb.name and not tag[3] and not tag[4], document[at : at + 80]
            return verb, tag.end()
        child, at = _element(document, at)
        verb.children.append(child)


def as_screen(heard: str) -> str:
    """Convert spoken lines to the text of a screen: `key label`, and numbers without pauses."""
    return "\n".join(map(_shown, heard.split("\n")))


def _shown(line: str) -> str:
    line = re.sub(r"(?<=, [0-9])\. (?=[0-9], )", ", ", line)
    line = re.sub(r"(?<=[0-9]), (?=[0-9](?![0-9]))", "", line)
    line = re.sub(r"\b(Code|Kod) ([0-9]{4})([0-9]{4})\b", r"\1 \2 \3", line)
    line = re.sub(r"^([0-9*]{1,2})\. ", r"\1 ", line)
    return line[:-1] if line.endswith(".") and not re.search(r"[.?!]", line[:-1]) else line


@dataclass
class Call:
    """A call with a keypad telephone. `web`: the address that requests are sent to."""

    web: str
    phone: str
    code: str = "+6785550100"
    http: Any = field(default_factory=connection)
    recorded: Mapping[str, str] = field(default_factory=dict)  # file name → the words of the recording
    session: str = ""
    verbs: list[Verb] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # lines spoken since the last key
    played: list[str] = field(default_factory=list)  # addresses of all recordings heard
    last: tuple[str, str | None, Mapping[str, str]] = ("", None, {})
    count: int = 0
    grammar: ClassVar[Grammar]
    digits: ClassVar[str]  # name of the verb that reads keys
    action: ClassVar[str]  # its attribute with the callback address

    def dial(self) -> Screen:
        """Call, and listen until a key is expected or the call ends."""
        self.count += 1
        self.session = self._new_session()
        return self._request(self._address("call"), None)

    def type(self, reply: str) -> Screen:
        """Press the keys of a reply; if it is the label of a choice, the key of that choice."""
        keys = reply.replace(" ", "")
        return self.press(keys if _KEYS.fullmatch(keys) else self._key_of(reply))

    def press(self, keys: str) -> Screen:
        """Press keys in quick succession, then listen to the response."""
        assert keys
        screen = Screen("", False)
        while keys:
            gather = self.verbs[0] if self.verbs else None
            assert gather and gather.name == self.digits, "the call has ended, or no key is expected"
            if gather.attributes.get("numDigits") == "1":
                pressed, keys = keys[0], keys[1:]
            else:
                pressed, _, keys = keys.partition("#")
            screen = self._request(gather.attributes[self.action], pressed)
        while self.verbs and self.verbs[0].name == self.digits and not self.verbs[0].children:
            screen = self.silence()  # a second key may follow; let the time run out
        return screen

    def silence(self) -> Screen:
        """Press no key until the timeout."""
        assert self.verbs and self.verbs[0].name == self.digits
        del self.verbs[0]
        self.heard = []
        return self._go_on()

    @property
    def records(self) -> bool:
        """Return whether the provider is recording now, after the tone."""
        return bool(self.verbs) and self.verbs[0].name == "Record"

    def speak(self, source: str, key: str = "#") -> Screen:
        """Speak after the tone, and end the recording with a key. `source`: the provider's id or address of it."""
        raise NotImplementedError

    def again(self) -> Screen:
        """Send the last request again, as a provider does after a failed connection."""
        return self._request(*self.last)

    def _key_of(self, label: str) -> str:
        """Return the key of the choice with this label or the only one that ends so; else a key that is not offered."""
        lines = (line.partition(" ") for line in as_screen("\n".join(self.heard)).split("\n"))
        keys = {say.casefold(): key for key, _, say in lines if _KEYS.fullmatch(key)}
        wanted = label.casefold()
        ending = [key for say, key in keys.items() if say.endswith(wanted)]
        return keys.get(wanted) or (ending[0] if wanted and len(ending) == 1 else "8")

    def _new_session(self) -> str:
        raise NotImplementedError

    def _address(self, endpoint: str) -> str:
        raise NotImplementedError

    def _post(self, address: str, keys: str | None, more: Mapping[str, str] = {}) -> Any:
        raise NotImplementedError

    def _request(self, address: str, keys: str | None, more: Mapping[str, str] = {}) -> Screen:
        self.last = address, keys, more
        answer = self._post(address, keys, more)
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["Content-Type"].startswith("text/xml"), answer.headers["Content-Type"]
        assert len(answer.content) <= MAX_BYTES
        self.verbs = parse(answer.content.decode("utf-8"), self.grammar)
        self.heard = []
        return self._go_on()

    def _go_on(self) -> Screen:
        """Play verbs until a key is expected or the call ends; verbs inside a prompt play while it waits for keys."""
        while self.verbs:
            verb = self.verbs[0]
            if verb.name == "Record":
                return Screen(as_screen("\n".join(self.heard)), True)
            if verb.name == self.digits:
                self._listen(verb.children)
                return Screen(as_screen("\n".join(self.heard)), True)
            del self.verbs[0]
            if verb.name == "Redirect":
                return self._request(verb.text, None)
            if verb.name == "Hangup":
                self.verbs = []
            self._listen([verb])
        return Screen(as_screen("\n".join(self.heard)), False)

    def _listen(self, verbs: list[Verb]) -> None:
        for verb in verbs:
            if verb.name == "Say":
                assert 0 < len(verb.text) <= MAX_SPOKEN
                self.heard.append(verb.text)
            elif verb.name == "Play":
                address = verb.attributes.get("url") or verb.text
                assert re.fullmatch(URL, address), address
                self.played.append(address)
                self.heard.append(self.recorded[address.rpartition("/")[2]])


@dataclass
class TwilioCall(Call):
    """A call over Twilio Voice. `public`: PUBLIC_URL, which the signature covers."""

    account: Account = field(kw_only=True)
    public: str = ""
    grammar = TWIML
    digits, action = "Gather", "action"

    def drop_call(self) -> None:
        """Hang up; Twilio reports the end of the call."""
        answer = self._send(self._address("status"), {"CallStatus": "completed", "CallDuration": "42"})
        assert answer.status_code == 204, answer.status_code

    def speak(self, source: str, key: str = "#") -> Screen:
        """Speak, and end with a key of finishOnKey. Twilio reports the file shortly after the call has continued."""
        record = self.verbs[0].attributes
        assert self.records and key in record["finishOnKey"]
        heard = self._request(record["action"], key, self._recording(source))
        self.file_ready(record, source)
        return heard

    def hang_up_while_speaking(self, source: str) -> None:
        """Hang up while speaking; Twilio stores what was recorded so far."""
        record = self.verbs[0].attributes
        self._send(record["action"], {"Digits": "hangup", "CallStatus": "completed", **self._recording(source)})
        self.drop_call()
        self.file_ready(record, source)

    def say_nothing(self) -> Screen:
        """Stay silent after the tone. Twilio stores nothing, reports "absent", and continues with the next verb."""
        record = self.verbs.pop(0).attributes
        screen = self._go_on()
        self.file_ready(record, "RE" + "0" * 32, "absent")
        return screen

    def file_ready(self, record: Mapping[str, str], source: str, status: str = "completed") -> int:
        """Post to recordingStatusCallback, without the caller's number and the URL fragment. Return the HTTP status."""
        assert status in record["recordingStatusCallbackEvent"]
        address = record["recordingStatusCallback"].partition("#")[0]
        public = self.public or self.web
        fields = {
            "AccountSid": self.account.sid,
            "CallSid": self.session,
            "RecordingSid": source,
            "RecordingStatus": status,
            "RecordingDuration": "7",
            "RecordingChannels": "1",
            "RecordingSource": "RecordVerb",
            "RecordingStartTime": "Tue, 01 Dec 2026 08:00:00 +0000",
            **self._recording(source),
        }
        answer = self.account.post(self.http, self.web + address.removeprefix(public), fields, address)
        return int(answer.status_code)

    def _recording(self, source: str) -> dict[str, str]:
        address = f"https://api.twilio.com/2010-04-01/Accounts/{self.account.sid}/Recordings/{source}"
        return {"RecordingUrl": address, "RecordingDuration": "7", "RecordingSid": source}

    def _new_session(self) -> str:
        return f"CA{self.count:08x}{id(self) & 0xFFFFFFFFFFFFFFFFFFFFFFFF:024x}"

    def _address(self, endpoint: str) -> str:
        return f"{self.public or self.web}/hooks/twilio_voice/{endpoint}"

    def _post(self, address: str, keys: str | None, more: Mapping[str, str] = {}) -> Any:
        return self._send(address, ({} if keys is None else {"Digits": keys, "msg": "Gather End"}) | dict(more))

    def _send(self, address: str, more: Mapping[str, str]) -> Any:
        fields = {
            "AccountSid": self.account.sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.session,
            "CallStatus": "in-progress",
            "Called": self.code,
            "Caller": self.phone,
            "Direction": "inbound",
            "From": self.phone,
            "FromCity": "",
            "FromCountry": "VU",
            "To": self.code,
            "ToCountry": "VU",
            **more,
        }
        public = self.public or self.web
        assert address.startswith(f"{public}/hooks/"), address
        return self.account.post(self.http, self.web + address.removeprefix(public), fields, address)


ENDED = {"isActive": "0", "durationInSeconds": "42", "currencyCode": "KES", "amount": "1.20"}


@dataclass
class AfricasTalkingCall(Call):
    """A call over Africa's Talking Voice. `public`: PUBLIC_URL, the start of all callback addresses."""

    token: str = field(kw_only=True)
    public: str = ""
    grammar = AFRICASTALKING
    digits, action = "GetDigits", "callbackUrl"

    def drop_call(self) -> None:
        """Hang up; the provider sends a last request and ignores its response."""
        assert self._send(self._address("call"), ENDED).status_code == 200

    def speak(self, source: str, key: str = "#") -> Screen:
        """Speak, and end the recording with the key of finishOnKey."""
        record = self.verbs[0].attributes
        assert self.records and key == record["finishOnKey"]
        return self._request(record["callbackUrl"], None, {"recordingUrl": source, "dtmfDigits": ""})

    def hang_up_while_speaking(self, source: str) -> None:
        """Hang up while speaking; the last request of the call goes to the recording's callback, with the recording."""
        address = self.verbs[0].attributes["callbackUrl"]
        assert self._send(address, {**ENDED, "recordingUrl": source}).status_code == 200

    def say_nothing(self) -> Screen:
        """Stay silent; the request has an empty recording address."""
        return self.speak("")

    def _new_session(self) -> str:
        return f"ATVId_{self.count:08x}{id(self):024x}"

    def _address(self, endpoint: str) -> str:
        return f"{self.public or self.web}/hooks/africastalking_voice/{self.token}/{endpoint}"

    def _post(self, address: str, keys: str | None, more: Mapping[str, str] = {}) -> Any:
        return self._send(address, ({} if keys is None else {"dtmfDigits": keys}) | dict(more))

    def _send(self, address: str, more: Mapping[str, str]) -> Any:
        fields = {
            "isActive": "1",
            "sessionId": self.session,
            "direction": "Inbound",
            "callerNumber": self.phone,
            "destinationNumber": self.code,
            "callerCountryCode": "678",
            **more,
        }
        public = self.public or self.web
        assert address.startswith(f"{public}/hooks/"), address
        return self.http.post(self.web + address.removeprefix(public), data=fields, timeout=20)
