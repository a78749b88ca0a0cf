"""Twilio Voice: calls by the keys of a telephone. Requests are signed; the answer is the next screen, as TwiML.

One key answers a menu at once. After `0` and `9` a moment is left for the second key of `00` and `98`; the first key is
part of the address to which Twilio sends the second key, and so is signed. A silence needs no request: the answer holds
the screen several times, and Twilio goes on to the next when no key comes.

After a recording Twilio sends its address twice: in the request that goes on with the call, and to the endpoint
`recording`, also when the caller has hung up. Only the recording's id is taken from it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from gateway.messaging import speech
from gateway.messaging.model import Endpoint, Fields, HttpResponse, Inbound, ProviderEvent, RecordedWords, Reply
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

MAX_BYTES = 32 * 1024
TYPED_SECONDS = 5  # after the last digit of a code, if `#` does not end it

# Languages that <Say> speaks, of those in locales/ (twilio.com/docs/voice/twiml/say, attribute `language`).
VOICES: Mapping[str, str] = {"en": "en-AU", "fr": "fr-FR"}
HUNG_UP = "hangup"  # value of Digits if the caller hung up during a recording
RECORDING_FIELDS = frozenset({"CallSid", "RecordingSid", "RecordingStatus"})
_SHAPES: Shapes = {
    **CALL_SHAPES,
    "Digits": (re.compile(r"[0-9*#]{0,40}"), re.compile(HUNG_UP)),
    "RecordingSid": (re.compile(r"RE[0-9a-f]{32}"),),
    "RecordingStatus": (re.compile(r"[a-z-]{1,20}"),),
}
_RECORDING_ADDRESS = re.compile(r"https://[a-z0-9.-]+/2010-04-01/Accounts/(AC[0-9a-f]{32})/Recordings/(RE[0-9a-f]{32})")


@from_environment
class Settings(TwilioAccount):
    """The Twilio account, the address that its signatures cover, and the recordings that it plays from there."""

    prompts: Path | None = parsers.prompts_folder_field()


class Channel(SignedByTwilio):
    """The Twilio Voice channel."""

    name = "twilio_voice"
    is_simulator = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {
        "call": Endpoint("voice", max_bytes=MAX_BYTES),
        "keys": Endpoint("voice", max_bytes=MAX_BYTES),
        "status": Endpoint("notice", max_bytes=MAX_BYTES),
        "recording": Endpoint("notice", max_bytes=MAX_BYTES),
    }
    needed = dict.fromkeys(("call", "keys", "status"), CALL_FIELDS) | {"recording": RECORDING_FIELDS}
    can_record = True
    shapes = _SHAPES
    other_names = frozenset({"msg"})  # "Gather End"
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"voice": speech.LIMIT}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"voice": True}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._public_url = settings.public_url
        self._recordings = Recordings.load(settings.prompts)

    def can_say(self, language: str, texts: Iterable[str]) -> bool:
        """Return whether Twilio has a voice of this language, or every recording that these texts need."""
        return language in VOICES or speech.covers(self._recordings, language, texts)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent | HttpResponse:
        """Convert a request to a reply, the end of a call, or the answer that waits for a second key."""
        if endpoint == "status":
            return self._event(fields)
        if endpoint == "recording":
            return self._recorded(fields)
        if endpoint == "call":
            return self._inbound(fields, "", is_new=True)
        if expected := speech.recorded(fields.query):
            return self._after_recording(fields, expected)
        pressed = speech.pressed(fields.get("Digits"), fields.query)
        if pressed.waits_for_more:
            return self._second_key(pressed.keys, speech.turn(fields.query))
        return self._inbound(fields, pressed.keys)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled number of an unreadable request, and no link."""
        return find("To"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the screen as TwiML: spoken, and spoken again after each silence; then the call ends politely."""
        if endpoint in ("status", "recording"):
            return HttpResponse(204, TWIML, b"")
        reply = turn or Reply("", expects_reply=False)
        turn_id = speech.new_turn_id()
        if reply.recording:
            return self._record(reply, turn_id)
        spoken = self._spoken(reply)
        if not reply.expects_reply:
            return _response(f"{spoken * speech.last_plays(reply.text)}<Hangup/>")
        if reply.is_typed:
            keys = f'action="{self._address(turn=turn_id, typed="1")}" timeout="{TYPED_SECONDS}"'
        else:
            keys = f'action="{self._address(turn=turn_id)}" timeout="{speech.SILENCE_SECONDS}" numDigits="1"'
        gather = f'<Gather {keys} method="POST" finishOnKey="#">{spoken}</Gather>'
        return _response(gather * speech.PLAYS + self._redirect(turn=turn_id, silent="1"))

    def _record(self, reply: Reply, turn_id: str) -> HttpResponse:
        """Return TwiML that records the caller after the tone. Any key ends it, and so do a silence and a hangup.

        Nothing is cut from its ends. Without any speech Twilio makes no recording and goes on to the next verb.
        """
        after = {"turn": turn_id, "recorded": reply.recording}
        report = self._hook("recording", id=reply.recording)
        record = (
            f'<Record action="{self._address(**after)}" method="POST" maxLength="{reply.max_seconds}" '
            f'timeout="{speech.SPEECH_PAUSE_SECONDS}" finishOnKey="1234567890*#" playBeep="true" trim="do-not-trim" '
            f'recordingStatusCallback="{report}#rc=5&amp;rp=all" recordingStatusCallbackMethod="POST" '
            'recordingStatusCallbackEvent="completed absent"/>'
        )
        spoken = self._spoken(replace(reply, text=speech.without_keys(reply.text)))
        return _response(f"{spoken}{record}{self._redirect(**after)}")

    def _after_recording(self, fields: Fields, expected: str) -> Inbound | ProviderEvent | HttpResponse:
        """Convert the request after a recording: `0` and `00` keep their meaning, and anything else goes on."""
        address = _RECORDING_ADDRESS.fullmatch(fields.get("RecordingUrl"))
        words = RecordedWords(expected, address[2] if address and address[1] == self._account else "")
        key = fields.get("Digits")
        if key == HUNG_UP:
            return ProviderEvent("recorded", self.name, recorded=words)
        if key == "0":
            return self._second_key(key, speech.turn(fields.query))  # the endpoint `recording` gets the address as well
        return self._inbound(fields, speech.AFTER_RECORDING, recorded=words)

    def _recorded(self, fields: Fields) -> ProviderEvent | HttpResponse:
        expected = "".join(fields.query.get("id", ()))
        status = fields.get("RecordingStatus")
        if status not in ("completed", "absent") or not speech.RECORDING_ID.fullmatch(expected):
            return self.answer("recording", None)
        source = fields.required("RecordingSid") if status == "completed" else ""
        return ProviderEvent("recorded", self.name, recorded=RecordedWords(expected, source))

    def _inbound(
        self, fields: Fields, text: str, *, is_new: bool = False, recorded: RecordedWords | None = None
    ) -> Inbound:
        return Inbound(
            kind="voice",
            channel=self.name,
            sender=caller(fields),
            code=fields.identifier("To"),
            text=text,
            session=fields.required("CallSid"),
            event="new" if is_new else "resume",
            id="" if is_new else speech.turn(fields.query, text),
            repeats=text == speech.REPEAT,
            recorded=recorded,
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

    def _second_key(self, first_key: str, turn_id: str) -> HttpResponse:
        """Return TwiML that waits for a second key, and sends the first key alone if none comes."""
        query = {"turn": turn_id, "first": first_key}
        keys = f'action="{self._address(**query)}" timeout="{speech.SECOND_KEY_SECONDS}" numDigits="1"'
        return _response(f'<Gather {keys} method="POST" finishOnKey="#"/>{self._redirect(**query)}')

    def _redirect(self, **query: str) -> str:
        return f'<Redirect method="POST">{self._address(**query)}</Redirect>'

    def _address(self, **query: str) -> str:
        """Return the address of the next request; nothing in it needs escaping."""
        return self._hook("keys", **query)

    def _hook(self, endpoint: str, **query: str) -> str:
        return f"{self._public_url}/hooks/{self.name}/{endpoint}" + speech.query(**query)

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
