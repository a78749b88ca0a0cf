"""Twilio Voice: calls by the keys of a telephone. Requests are signed; the answer is the next screen, as TwiML.

One key answers a menu at once. After `0` and `9` a moment is left for the second key of `00` and `98`; what was pressed
so far stands in the address to which Twilio sends the second key, and so under its signature. A silence needs no
request: the answer holds the screen several times, and Twilio goes on to the next when no key comes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import ClassVar

from gateway.messaging import speech
from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, ProviderEvent, Reply
from gateway.messaging.speech import Recording, Recordings
from gateway.messaging.twilio_requests import (
    CALL_FIELDS,
    CALL_SHAPES,
    HEAD,
    TWIML,
    Shapes,
    SignedByTwilio,
    caller,
    has_ended,
)
from runtime.settings import TwilioAccount, from_environment, parsers
from runtime.telephony import ChannelKind

MOST_BYTES = 32 * 1024
TYPED_SECONDS = 5  # after the last digit of a code, if `#` does not end it

# Languages that <Say> speaks, of those in locales/ (twilio.com/docs/voice/twiml/say, attribute `language`).
VOICES: Mapping[str, str] = {"en": "en-AU", "fr": "fr-FR"}
_SHAPES: Shapes = {**CALL_SHAPES, "Digits": (re.compile(r"[0-9*#]{0,40}"),)}


@from_environment
class Settings(TwilioAccount):
    """The Twilio account, the address that its signatures cover, and the recordings that it plays from there."""

    prompts: Path | None = parsers.prompts_folder_field()


class Channel(SignedByTwilio):
    """The Twilio Voice channel."""

    name = "twilio_voice"
    is_simulator = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "call": Endpoint("voice", most_bytes=MOST_BYTES),
        "keys": Endpoint("voice", most_bytes=MOST_BYTES),
        "status": Endpoint("notice", most_bytes=MOST_BYTES),
    }
    needed = dict.fromkeys(("call", "keys", "status"), CALL_FIELDS)
    shapes = _SHAPES
    other_names = frozenset({"msg"})  # "Gather End"
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"voice": speech.LIMIT}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"voice": True}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._public_url = settings.public_url
        self._recordings = Recordings.load(settings.prompts)

    def can_say(self, language: str, texts: Collection[str]) -> bool:
        """Return whether Twilio has a voice of this language, or every recording that these texts need is there."""
        return language in VOICES or speech.covers(self._recordings, language, texts)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent | HttpResponse:
        """Convert a request to a reply, the end of a call, or the answer that waits for a second key."""
        if endpoint == "status":
            return self._event(fields)
        if endpoint == "call":
            return self._inbound(fields, "", is_new=True)
        pressed = speech.pressed(fields.get("Digits"), fields.query)
        if pressed.waits_for_more:
            return self._second_key(pressed.keys)
        return self._inbound(fields, pressed.keys)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled number of an unreadable request, and no link."""
        return find("To"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the screen as TwiML: spoken, and spoken again after each silence; then the call ends politely."""
        if endpoint == "status":
            return HttpResponse(204, TWIML, b"")
        reply = turn or Reply("", expects_reply=False)
        spoken = self._spoken(reply)
        if not reply.expects_reply:
            return _response(f"{spoken}<Hangup/>")
        if reply.is_typed:
            keys = f'action="{self._address(typed="1")}" timeout="{TYPED_SECONDS}"'
        else:
            keys = f'action="{self._address()}" timeout="{speech.SILENCE_SECONDS}" numDigits="1"'
        gather = f'<Gather {keys} method="POST" finishOnKey="#">{spoken}</Gather>'
        return _response(gather * speech.PLAYS + self._redirect(silent="1"))

    def _inbound(self, fields: Fields, text: str, *, is_new: bool = False) -> Inbound:
        return Inbound(
            kind="voice",
            channel=self.name,
            sender=caller(fields),
            code=fields.identifier("To"),
            text=text,
            session=fields.required("CallSid"),
            event="new" if is_new else "resume",
            repeats=text == speech.REPEAT,
        )

    def _event(self, fields: Fields) -> ProviderEvent | HttpResponse:
        if not has_ended(fields):
            return self.answer("status", None)
        return ProviderEvent(
            "ended",
            self.name,
            kind="voice",
            sender=caller(fields),
            code=fields.identifier("To"),
            session=fields.required("CallSid"),
        )

    def _second_key(self, first: str) -> HttpResponse:
        """Return TwiML that waits for a second key, and sends the first one alone if none comes."""
        keys = f'action="{self._address(first=first)}" timeout="{speech.SECOND_KEY_SECONDS}" numDigits="1"'
        return _response(f'<Gather {keys} method="POST" finishOnKey="#"/>{self._redirect(first=first)}')

    def _redirect(self, **query: str) -> str:
        return f'<Redirect method="POST">{self._address(**query)}</Redirect>'

    def _address(self, **query: str) -> str:
        """Return the address of the next request; nothing in it needs escaping."""
        return f"{self._public_url}/hooks/{self.name}/keys" + speech.query(**query)

    def _spoken(self, reply: Reply) -> str:
        voice = VOICES.get(reply.language)
        parts = speech.utter(reply.text, reply.language, self._recordings, has_voice=voice is not None)
        return "".join(
            f"<Play>{self._public_url}/prompts/{part.path}</Play>"
            if isinstance(part, Recording)
            else f'<Say language="{voice or VOICES["en"]}">{html.escape(part.text, quote=False)}</Say>'
            for part in parts
        )


def _response(verbs: str) -> HttpResponse:
    return HttpResponse(200, TWIML, f"{HEAD}<Response>{verbs}</Response>".encode("utf-8", "replace"))
