"""A caller on the keys of a telephone: reads the XML of an answer as strictly as the providers, and presses keys.

The providers refuse a document with an unknown verb or attribute, a verb in the wrong place, or XML that is not well
formed, and hang up. So does this caller, by an AssertionError. Which verbs and attributes there are follows the
providers' pages; no live call was made.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.support.handsets import Seen
from tests.support.twilio import Account

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_TAG = re.compile(r'<(/?)([A-Za-z]+)((?: [A-Za-z]+="[^"<]*")*)(/?)>')
_TEXT = re.compile(r"(?:[^<&]|&(?:amp|lt|gt|quot|#x27);)*")
_ATTRIBUTE = re.compile(r' ([A-Za-z]+)="([^"]*)"')
_KEYS = re.compile(r"[0-9*#]+")
MOST_BYTES = 64 * 1024  # of a document of Twilio's
MOST_SPOKEN = 4096  # characters of one <Say>


@dataclass
class Verb:
    """An element of a document."""

    name: str
    attributes: dict[str, str]
    children: list[Verb] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class Grammar:
    """What a provider accepts: the attributes of each verb, those it must have, and the verbs inside another."""

    attributes: Mapping[str, Mapping[str, str]]  # verb → attribute → pattern of its value
    required: Mapping[str, frozenset[str]]
    nested: Mapping[str, frozenset[str]]
    most_nested: int  # of one verb

    def check(self, verb: Verb, parent: str = "") -> None:
        """Fail for what the provider refuses."""
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
    },
    {"Gather": frozenset({"action"})},
    {
        "Response": frozenset({"Say", "Play", "Gather", "Redirect", "Hangup"}),
        "Gather": frozenset({"Say", "Play"}),
    },
    most_nested=100,
)


def parse(document: str, grammar: Grammar) -> list[Verb]:
    """Return the verbs of a document. Fails as the provider does."""
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
    """Return spoken lines as a display shows them: a key and its label, numbers without pauses."""
    return "\n".join(map(_shown, heard.split("\n")))


def _shown(line: str) -> str:
    line = re.sub(r"(?<=[0-9]), (?=[0-9](?![0-9]))", "", line)
    line = re.sub(r"\b(Code|Kod) ([0-9]{4})([0-9]{4})\b", r"\1 \2 \3", line)
    line = re.sub(r"^([0-9*]{1,2})\. ", r"\1 ", line)
    return line[:-1] if line.endswith(".") and not re.search(r"[.?!]", line[:-1]) else line


@dataclass
class TwilioCall:
    """A call over Twilio Voice. `public`: PUBLIC_URL, which the signature covers; `web`: where requests really go."""

    web: str
    account: Account
    phone: str
    code: str = "+6785550100"
    public: str = ""
    http: Any = field(default_factory=requests.Session)
    recorded: Mapping[str, str] = field(default_factory=dict)  # file's name → what it says
    session: str = ""
    verbs: list[Verb] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # spoken since the last key
    voices: list[str] = field(default_factory=list)  # languages of the voices heard
    played: list[str] = field(default_factory=list)  # addresses of recordings heard
    last: tuple[str, dict[str, str]] = ("", {})
    count: int = 0
    wrap: Callable[[str], str] = as_screen

    def dial(self) -> Seen:
        """Call, and listen until a key is expected or the call ends."""
        self.count += 1
        self.session = f"CA{self.count:08x}{id(self) & 0xFFFFFFFFFFFFFFFFFFFFFFFF:024x}"
        return self._request(self._address("call"), {})

    def type(self, reply: str) -> Seen:
        """Press the keys of a reply: those of a choice if it is the label of one."""
        if not _KEYS.fullmatch(reply):
            reply = self._key_of(reply)
        return self.press(reply)

    def press(self, keys: str) -> Seen:
        """Press keys in quick succession, then wait for what is said."""
        seen = None
        while keys:
            gather = self.verbs[0] if self.verbs else None
            assert gather and gather.name == "Gather", "the call has ended, or no key is expected"
            if gather.attributes.get("numDigits") == "1":
                pressed, keys = keys[0], keys[1:]
            else:
                pressed, _, keys = keys.partition("#")
            seen = self._request(gather.attributes["action"], {"Digits": pressed, "msg": "Gather End"})
        while self.verbs and not self.verbs[0].children and self.verbs[0].name == "Gather":
            seen = self.silence()  # a second key was waited for
        assert seen is not None
        return seen

    def silence(self) -> Seen:
        """Press no key until the time is over."""
        assert self.verbs and self.verbs[0].name == "Gather"
        del self.verbs[0]
        self.heard = []
        return self._go_on()

    def again(self) -> Seen:
        """Send the last request again, as Twilio does if the connection fails."""
        return self._request(*self.last)

    def line_gone(self) -> None:
        """Hang up: Twilio reports the end of the call."""
        fields = self._fields() | {"CallStatus": "completed", "CallDuration": "42"}
        answer = self._post(self._address("status"), fields)
        assert answer.status_code == 204, answer.status_code

    def _key_of(self, label: str) -> str:
        lines = (line.partition(" ") for line in self.wrap("\n".join(self.heard)).split("\n"))
        return next((key for key, _, say in lines if say == label and _KEYS.fullmatch(key)), "8")

    def _address(self, endpoint: str) -> str:
        return f"{self.public or self.web}/hooks/twilio_voice/{endpoint}"

    def _fields(self) -> dict[str, str]:
        return {
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
        }

    def _post(self, address: str, fields: Mapping[str, str]) -> Any:
        public = self.public or self.web
        assert address.startswith(f"{public}/hooks/"), address
        return self.account.post(self.http, self.web + address.removeprefix(public), fields, address)

    def _request(self, address: str, more: dict[str, str]) -> Seen:
        self.last = address, more
        answer = self._post(address, self._fields() | more)
        assert answer.status_code == 200, answer.status_code
        assert answer.headers["Content-Type"].startswith("text/xml"), answer.headers["Content-Type"]
        assert len(answer.content) <= MOST_BYTES
        self.verbs = parse(answer.content.decode("utf-8"), TWIML)
        self.heard = []
        return self._go_on()

    def _go_on(self) -> Seen:
        """Listen until a key is expected, or the call ends. What is nested is heard while keys are expected."""
        while self.verbs:
            verb = self.verbs[0]
            if verb.name == "Gather":
                self._listen(verb.children)
                return Seen(self.wrap("\n".join(self.heard)), True)
            del self.verbs[0]
            if verb.name == "Redirect":
                return self._request(verb.text, {})
            if verb.name == "Hangup":
                self.verbs = []
            self._listen([verb])
        return Seen(self.wrap("\n".join(self.heard)), False)

    def _listen(self, verbs: list[Verb]) -> None:
        for verb in verbs:
            if verb.name == "Say":
                assert 0 < len(verb.text) <= MOST_SPOKEN
                self.voices.append(verb.attributes.get("language", ""))
                self.heard.append(verb.text)
            elif verb.name == "Play":
                assert re.fullmatch(URL, verb.text), verb.text
                self.played.append(verb.text)
                self.heard.append(self.recorded[verb.text.rpartition("/")[2]])
