"""Africa's Talking Voice: calls by the keys of a telephone. Authenticated by a secret in the address.

One key answers a menu at once. After `0` and `9` a moment is left for the second key of `00` and `98`; the first key is
part of the address to which the second key is sent. A silence needs no request: the answer holds the screen several
times, and the provider goes on to the next action when no key comes. The last request of a call, to any of the
addresses, has isActive=0; nothing reads its answer.

<GetDigits> takes one nested action. So of several recordings only the last one can be interrupted by a key.

The request after a <Record> has the address of the caller's recording, and so has the last request of a call. It is
passed on to the scheduler, which fetches only from the address that the operator has set.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from gateway.messaging import speech
from gateway.messaging.model import (
    Endpoint,
    Fields,
    HttpResponse,
    Inbound,
    ProviderEvent,
    RecordedWords,
    Reply,
    UnreadableRequest,
)
from gateway.messaging.parsing import TokenAuthMixin
from gateway.messaging.speech import Recording, Recordings
from runtime.settings import AfricasTalkingTokens, from_environment, parsers
from runtime.telephony import ChannelKind

XML = "text/xml; charset=utf-8"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
TYPED_SECONDS = 8  # to type a code, if `#` does not end it
# Languages that <Say> speaks, of those in locales/: its voices, man and woman, are English
# (developers.africastalking.com/docs/voice/actions).
VOICES = frozenset({"en"})
ACTIVE, ENDED = "1", "0"  # isActive
MAX_ADDRESS_CHARS = 500  # characters of a recording's address


@from_environment
class Settings(AfricasTalkingTokens):
    """The tokens in the addresses, and the address from which the provider plays recordings."""

    public_url: str = parsers.public_url_field()
    prompts: Path | None = parsers.prompts_folder_field()
    recordings: str | None = parsers.recordings_url_field()


class Channel(TokenAuthMixin):
    """The Africa's Talking Voice channel."""

    name = "africastalking_voice"
    is_simulator = False
    endpoints: ClassVar[Mapping[str, Endpoint]] = {"call": Endpoint("voice"), "keys": Endpoint("voice")}
    limits: ClassVar[Mapping[ChannelKind, tuple[int, int, int]]] = {"voice": speech.LIMIT}
    replies_in_answer: ClassVar[Mapping[ChannelKind, bool]] = {"voice": True}

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.tokens)
        # The newest token, so that calls that began before a token was replaced move to the new one.
        self._keys = f"{settings.public_url}/hooks/{self.name}/{settings.tokens.reveal()[0]}/keys"
        self._public_url = settings.public_url
        self._recordings = Recordings.load(settings.prompts)
        self.can_record = settings.recordings is not None

    def can_say(self, language: str, texts: Iterable[str]) -> bool:
        """Return whether the provider has a voice of this language, or every recording that these texts need."""
        return language in VOICES or speech.covers(self._recordings, language, texts)

    def receive(self, endpoint: str, fields: Fields) -> Inbound | ProviderEvent | HttpResponse:
        """Convert a request to a reply, the end of a call, or the answer that waits for a second key."""
        active, expected = fields.get("isActive"), speech.recorded(fields.query)
        source = fields.get("recordingUrl")[:MAX_ADDRESS_CHARS]
        words = RecordedWords(expected, source) if source or expected else None
        if active == ENDED:
            return ProviderEvent(
                "ended",
                self.name,
                kind="voice",
                sender=fields.identifier("callerNumber"),
                code=fields.get("destinationNumber"),
                session=fields.required("sessionId"),
                recorded=words if source else None,
            )
        if active != ACTIVE:
            raise UnreadableRequest("must be 0 or 1", "unknown_event", "isActive")
        if endpoint == "call":
            return self._inbound(fields, "", is_new=True)
        if expected:
            return self._inbound(fields, speech.AFTER_RECORDING, recorded=words)
        pressed = speech.pressed(fields.get("dtmfDigits"), fields.query)
        if pressed.waits_for_more:
            return self._second_key(pressed.keys, speech.turn(fields.query))
        return self._inbound(fields, pressed.keys)

    def code_and_link(self, find: Callable[[str], str]) -> tuple[str, str]:
        """Return the dialled number of an unreadable request, and no link."""
        return find("destinationNumber"), ""

    def answer(self, endpoint: str, turn: Reply | None) -> HttpResponse:
        """Return the screen: spoken, and spoken again after each silence; then the call ends politely."""
        del endpoint
        if turn is None:
            return _response("")
        turn_id = speech.new_turn_id()
        if turn.recording:
            return self._record(turn, turn_id)
        parts = self._spoken(turn)
        if not turn.expects_reply:
            return _response("".join(parts) * speech.last_plays(turn.text))
        if turn.is_typed:
            keys = f'callbackUrl="{self._keys}{speech.query(turn=turn_id, typed="1")}" timeout="{TYPED_SECONDS}"'
        else:
            address = f'callbackUrl="{self._keys}{speech.query(turn=turn_id)}"'
            keys = f'{address} timeout="{speech.SILENCE_SECONDS}" numDigits="1"'
        digits = f'<GetDigits {keys} finishOnKey="#">{"".join(parts[-1:])}</GetDigits>'
        return _response(("".join(parts[:-1]) + digits) * speech.PLAYS + self._redirect(turn=turn_id, silent="1"))

    def _record(self, turn: Reply, turn_id: str) -> HttpResponse:
        """Return the actions that record the caller after the tone, to the end. `#` ends it, and so does a hangup."""
        address = f"{self._keys}{speech.query(turn=turn_id, recorded=turn.recording)}"
        record = (
            f'<Record callbackUrl="{address}" maxLength="{turn.max_seconds}" finishOnKey="#" '
            f'timeout="{speech.SPEECH_PAUSE_SECONDS}" trimSilence="false" playBeep="true"/>'
        )
        spoken = "".join(self._spoken(replace(turn, text=speech.without_keys(turn.text))))
        return _response(f"{spoken}{record}")

    def _inbound(
        self, fields: Fields, text: str, *, is_new: bool = False, recorded: RecordedWords | None = None
    ) -> Inbound:
        return Inbound(
            kind="voice",
            channel=self.name,
            sender=fields.identifier("callerNumber"),
            code=fields.get("destinationNumber"),
            text=text,
            session=fields.required("sessionId"),
            event="new" if is_new else "resume",
            id="" if is_new else speech.turn(fields.query, text),
            repeats=text == speech.REPEAT,
            recorded=recorded,
        )

    def _second_key(self, first_key: str, turn_id: str) -> HttpResponse:
        """Return the actions that wait for a second key, and send the first key alone if none comes."""
        query = {"turn": turn_id, "first": first_key}
        keys = f'callbackUrl="{self._keys}{speech.query(**query)}" timeout="{speech.SECOND_KEY_SECONDS}" numDigits="1"'
        return _response(f'<GetDigits {keys} finishOnKey="#"/>{self._redirect(**query)}')

    def _redirect(self, **query: str) -> str:
        return f"<Redirect>{self._keys}{speech.query(**query)}</Redirect>"

    def _spoken(self, reply: Reply) -> list[str]:
        parts = speech.utter(reply.text, reply.language, self._recordings, has_voice=reply.language in VOICES)
        return [
            f'<Play url="{self._public_url}/prompts/{part.path}"/>'
            if isinstance(part, Recording)
            else f'<Say voice="woman">{html.escape(part.text, quote=False)}</Say>'
            for part in parts
        ]


def _response(actions: str) -> HttpResponse:
    return HttpResponse(200, XML, f"{HEAD}<Response>{actions}</Response>".encode("utf-8", "replace"))
