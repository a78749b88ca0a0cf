"""Pass messages from any channel to the conversation, and return the replies."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar
from urllib.parse import unquote_to_bytes

import structlog
from msgspec.structs import replace

from flows.catalogues import ENGLISH_CATALOGUE, Catalogue
from flows.dependencies import inputs_of, screens_reading
from flows.model import FlowBook, LayoutCache
from flows.pagination import ScreenLimit, alphabet
from gateway.conversation.contact_requests import ContactRequests
from gateway.conversation.context import ROUTED, CountryContext, RenderContext, TurnRequest, new_layout_cache
from gateway.conversation.handler import ConversationHandler
from gateway.conversation.recordings import SpokenWords
from gateway.conversation.sms import DutyPhoneReply
from gateway.conversation.spoken_texts import spoken_texts
from gateway.conversation.turns import STALE, is_stale
from gateway.messaging.model import Channel, Inbound, ProviderEvent, RecordedWords, Reply, VoiceChannel
from gateway.messaging.speech import NOT_RECORDED
from gateway.phone_numbers import SenderIdentity, normalise
from gateway.sessions import store
from gateway.sms import EarlyReceipts, OptOuts, SmsInbox, SmsOutbox, idempotency_key
from gateway.submission.builder import NotStored, UnparsedStore
from gateway.submission.submitter import NotSent
from gateway.threads import BlockingPool
from reports.countries.country import Countries, Country, normalize_code
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.sms.messages import record_delivery_report
from runtime import tracing
from runtime.logs import MAX_NUMBER
from runtime.telephony import CALL_KINDS, CHANNEL_KINDS, ChannelKind
from runtime.time_units import DAY_SECONDS, SECOND

T = TypeVar("T")

log = structlog.get_logger()

MISSED_CALLS_A_MINUTE = 30  # answered by SMS by one process: each SMS costs, and callers' numbers can be forged
MAX_DELAY = 7 * DAY_SECONDS
NOTHING_SAID = Reply("", expects_reply=True)
TEXT_KINDS: tuple[ChannelKind, ...] = tuple(kind for kind in CHANNEL_KINDS if kind != "voice")


class Dispatcher:
    """Route inbound messages and provider events of all channels to the conversation, the inbox and the stores."""

    def __init__(
        self,
        *,
        countries: Countries,
        languages: Mapping[str, Sequence[Catalogue]],  # offered in each country, by ISO code
        voices: Mapping[str, VoiceChannel],  # the channels that speak, by name
        conversation: ConversationHandler,
        book: FlowBook,
        live: frozenset[str],
        drill: bool,
        database: Database,
        optouts: OptOuts,
        contact_requests: ContactRequests,
        replies: SmsOutbox,
        inbox: SmsInbox,
        unread: UnparsedStore,
        duty_phone_reply: DutyPhoneReply,
        blocking: BlockingPool,
        spoken_words: SpokenWords,
        count: Callable[[str], None],
    ) -> None:
        self._spoken_words = spoken_words
        self._conversation = conversation
        self._screen_inputs = {name: inputs_of(screen) for name, screen in book.screens.items()}
        self._routed = screens_reading(book, ROUTED)
        self._live = live
        self._drill = drill
        self._languages = languages
        self._voices = voices
        self._book = book
        self.renew(countries)
        self._database = database
        self._optouts = optouts
        self._contact_requests = contact_requests
        self._replies = replies
        self._inbox = inbox
        self._unread = unread
        self._duty_phone_reply = duty_phone_reply
        self._blocking = blocking
        self._count = count
        self._early_receipts = EarlyReceipts()
        self._missed_calls = MissedCallLimit()

    def renew(self, countries: Countries) -> None:
        """Replace the country data after a reload; numbers may have been withdrawn."""
        contexts = {
            (country.iso, voice): self._contexts_of(country, voice)
            for country in countries
            for voice in ("", *self._voices)
        }
        layouts = {
            (iso, kind, voice): self._common_layouts(by_language, kind)
            for (iso, voice), by_language in contexts.items()
            for kind in (("voice",) if voice else TEXT_KINDS)
        }
        # Assigned together, so that no request fills the new caches with the numbers from before the reload.
        self._country_data, self.countries = (contexts, layouts), countries

    def _contexts_of(self, country: Country, voice: str) -> dict[str, CountryContext]:
        """Return the contexts of a country by language; for a voice channel only of languages that it can speak.

        A text that is read out by a voice of another language is not understood. English can always be spoken.
        """
        languages = self._languages[country.iso]
        if not voice:
            return _contexts(country, languages)
        channel = self._voices[voice]
        spoken = [
            catalogue
            for catalogue, context in zip(languages, _contexts(country, languages).values(), strict=True)
            if channel.can_say(catalogue.tag, spoken_texts(self._book, context))
        ]
        return _contexts(country, spoken or [ENGLISH_CATALOGUE])

    def _records(self, channel: str) -> bool:
        return channel in self._voices and self._voices[channel].can_record

    async def take(self, channel: Channel, inbound: Inbound) -> Reply:
        """Handle an inbound message and return the reply.

        The reply is empty if the worker sends it later, if the sender cannot be answered, or if the text came from a
        hotline's duty phone. Raises NotStored if the message could not be stored.
        """
        if inbound.recorded is not None and not await self._is_recorded(inbound.channel, inbound.recorded):
            inbound = replace(inbound, text=NOT_RECORDED)
        turn = await self._take(channel, inbound)
        return _addressed(turn, inbound.link)

    async def _take(self, channel: Channel, inbound: Inbound) -> Reply:
        request = self._request(channel, inbound)
        tracing.annotate(country=request.country.iso)
        if request.sender.ambiguous:
            log.warning("sender_ambiguous", channel=inbound.channel, country=request.country.iso)
        if inbound.sent_at is not None and abs(request.now - inbound.sent_at) > STALE:
            difference = min(abs(request.now - inbound.sent_at), MAX_NUMBER)
            log.warning("sms_time_differs", channel=inbound.channel, count=difference)
        if inbound.kind in CALL_KINDS:
            return await self._conversation.take(request)
        if not request.sender.answerable:
            self._count("sms_unparsed")
            words = inbound.text.encode("utf-8", "surrogatepass")
            channel_and_country = inbound.channel, request.country
            await self._store(self._unread.store, *channel_and_country, words, "", idempotency_key(inbound))
            return NOTHING_SAID
        try:
            if self._duty_phone_reply.is_answer(request):
                await self._blocking.run(self._duty_phone_reply.note, request)
                return NOTHING_SAID
            request = await self._after_alert(request)
            return await self._reply(channel, request, await self._conversation.take(request))
        except store.RedisUnavailable:
            return await self._store(self._queue, inbound, request)
        except (DatabaseUnavailable, NotSent):
            self._count("sms_replies_not_stored")
            raise NotStored from None

    async def _after_alert(self, request: TurnRequest) -> TurnRequest:
        """Return the request, marked if it is of a phone that gets alerts and may be the answer to one.

        It may be an automatic reply: words are delivered only with Send, and no screen says otherwise.
        """
        with suppress(DatabaseUnavailable):  # then it is handled as any other text
            if self._duty_phone_reply.is_listed(request) and await self._blocking.run(
                self._duty_phone_reply.was_alerted, request
            ):
                render_context = request.render_context.with_values(session_facts={"rescue": "no"}, layout_caches={})
                return replace(request, after_alert=True, render_context=render_context)
        return request

    async def current_screen(self, channel: Channel, inbound: Inbound) -> str:
        """Return the id of the screen at which the session of an inbound message is; "" if there is none."""
        return await self._conversation.current_screen(self._request(channel, inbound))

    async def replay(self, channel: Channel, inbound: Inbound, seen_at: int, *, with_reply: bool) -> None:
        """Handle an SMS from the inbox, and queue its reply unless it comes too late for one.

        Words that come too late for a reply and that the conversation cannot take go to staff. `seen_at`: when the SMS
        came, in microseconds. Raises RedisUnavailable, DatabaseUnavailable, NotSent, NotStored.
        """
        written_at = _written_at(inbound, seen_at // SECOND)
        request = replace(self._request(channel, inbound), written_at=written_at, late=True, is_answered=with_reply)
        if with_reply:  # else no screen would say that words are delivered only with Send
            request = await self._after_alert(request)
        try:
            turn = await self._conversation.take(request)
        except (store.RedisUnavailable, DatabaseUnavailable):
            raise
        except Exception as error:
            if with_reply:
                raise
            if not isinstance(error, NotSent):  # a fault of ours must not keep words from staff for ever
                log.exception("job_failed", job="sms_inbox")
            await self.store_for_staff(inbound, seen_at)
            return
        if with_reply:
            await self._send(request, turn)

    async def store_for_staff(self, inbound: Inbound, seen_at: int) -> None:
        """Store the words of an SMS from the inbox for staff, as a text that could not be read. Raises NotStored.

        For words that the conversation cannot take, as of a channel that is switched off. `seen_at`: when the SMS came,
        in microseconds. STOP withdraws requests to be called instead.
        """
        country = self.country(inbound.kind, inbound.code, inbound.sender)
        sender = normalise(inbound.sender, country.iso)
        render_context = self.render_context(
            country, inbound.kind, contactable=sender.valid, words_before_send=_waits_for_words(country, inbound)
        )
        came_at = seen_at // SECOND
        if self._conversation.carrier_word(inbound, country.iso, render_context, came_at) == "stop":
            phone_and_turn = country.iso, sender.key, idempotency_key(inbound)
            await self._store(self._contact_requests.withdraw, *phone_and_turn, _written_at(inbound, came_at))
            return
        words = inbound.text.encode("utf-8", "surrogatepass")
        store_words = partial(self._unread.store, seen_at=seen_at)
        await self._store(store_words, inbound.channel, country, words, "", idempotency_key(inbound))

    async def _is_recorded(self, channel: str, words: RecordedWords) -> bool:
        """Return whether there is a recording whose place is stored: only then the caller hears that staff get it."""
        try:
            await self._recorded(channel, words)
        except NotStored:
            return False
        return bool(words.source)

    async def _recorded(self, channel: str, words: RecordedWords) -> None:
        """Store where a recording is. Raises NotStored."""
        try:
            await self._store(self._spoken_words.arrive, channel, words)
        except NotStored:
            self._count("recordings_not_stored")
            raise

    async def note(self, channel: Channel, notice: ProviderEvent) -> None:
        """Handle a provider event: a session ended, a delivery report, an opt-out, a recording.

        An opt-out is handled as the text STOP. Raises NotStored if an opt-out or the place of a recording could not be
        stored. Everything else in an event is optional, so a failure to store it is ignored.
        """
        if notice.what == "recorded" and notice.recorded is not None:
            await self._recorded(notice.channel, notice.recorded)
            return
        if notice.what == "optout":
            stop = Inbound("sms", notice.channel, sender=notice.sender, code=notice.code, text="STOP", word="stop")
            if self._request(channel, stop).sender.answerable:  # nobody texts a name
                await self.take(channel, stop)
            return
        country = self.country(notice.kind if notice.what == "ended" else "sms", notice.code, notice.sender)
        sender = normalise(notice.sender, country.iso)
        if notice.opted_out and sender.answerable:
            # The STOP may be older than the last report, so contact for reports stays allowed.
            now = int(time.time())
            await self._store(self._opt_out, sender)
            await self._store(self._contact_requests.withdraw, country.iso, sender.key, (notice.channel, str(now)), now)
        with suppress(DatabaseUnavailable):
            if notice.what == "ended":
                last_recording = await self._conversation.ended(notice, sender)
                if notice.recorded is not None and (expected := notice.recorded.expected or last_recording):
                    await self._recorded(notice.channel, replace(notice.recorded, expected=expected))
            else:
                await self._blocking.run(self._note_delivery, notice)

    async def missed_call(self, channel: Channel, notice: ProviderEvent) -> None:
        """Text the question of "call me" to a person who rang a number that a country file names.

        Each call gets one SMS; a number that has opted out gets none, and nobody does while very many ring. Raises
        nothing: a provider that had to post a call again would answer it meanwhile, and the caller would pay.
        """
        country = self.countries.by_missed_call(notice.code)
        sender = normalise(notice.sender, country.iso if country else self.countries.all[0].iso)
        if country is None or not sender.valid:
            self._count("missed_calls_ignored")
            return
        if not self._missed_calls.admits():
            self._count("missed_calls_limited")
            return
        sms_codes = [code.code for code in country.codes if code.channel == "sms"]
        is_same_number = normalize_code(notice.code) in map(normalize_code, sms_codes)
        code = notice.code if is_same_number else next(iter(sms_codes), "")
        inbound = Inbound(
            "sms", notice.channel, sender=notice.sender, code=code, text="", id=f"call {notice.id}", word="call"
        )
        request = self._request(channel, inbound)
        with suppress(DatabaseUnavailable, NotSent, store.RedisUnavailable):
            if await self._blocking.run(self._optouts.has, sender.key):
                self._count("missed_calls_ignored")
                return
            await self._send(request, await self._conversation.take(request))

    def retry_early_receipts(self) -> None:
        """Apply delivery reports that arrived before their message was stored. Raises DatabaseUnavailable."""
        self._early_receipts.try_again(lambda id_, status: record_delivery_report(self._database, id_, status))

    def retry_withdrawals(self) -> None:
        """Withdraw requests for which STOP came while the database was unavailable. Raises DatabaseUnavailable."""
        self._contact_requests.retry()

    def _opt_out(self, sender: SenderIdentity) -> None:
        try:
            self._optouts.add(sender.key)
        except DatabaseUnavailable:
            raise NotStored from None

    def _opt_in(self, sender: SenderIdentity) -> None:
        try:
            self._optouts.take_back(sender.key)
        except DatabaseUnavailable:
            raise NotStored from None

    def _note_delivery(self, notice: ProviderEvent) -> None:
        if notice.status == "unknown":
            self._count("delivery_receipts_unknown_status")
        if not record_delivery_report(self._database, notice.id, notice.status, notice.ours):
            self._count("delivery_receipts_unmatched")
            self._early_receipts.add(notice.id, notice.status)

    async def store_unparsed(self, channel: str, country: Country, raw: bytes, content_type: str) -> None:
        """Store an SMS request that could not be read, for staff. Raises NotStored."""
        self._count("sms_unparsed")
        await self._store(self._unread.store, channel, country, raw, content_type)

    async def _store(self, function: Callable[..., T], *args: object) -> T:
        """Call a function, in a thread, that stores words or an opt-out.

        Raises NotStored if it fails, or if the request ran out of time.
        """
        try:
            return await self._blocking.run(function, *args)
        except DatabaseUnavailable:
            raise NotStored from None

    def not_working(self, channel: Channel, kind: ChannelKind, raw: bytes) -> Reply:
        """Return the emergency numbers for a request of a call that could not be read.

        The numbers are those of the country whose service code occurs in `raw`; without one, none are shown unless
        there is only one country.
        """
        code = dialled(self.countries, kind, raw)
        request = self._request(channel, Inbound(kind, channel.name, sender="", code=code, text=""))
        is_country_known = code or len(self.countries.all) == 1
        return _addressed(self._conversation.not_working(request, numbers=bool(is_country_known)))

    def busy(self, channel: Channel, inbound: Inbound) -> Reply:
        """Return the emergency numbers for a call that is refused under load."""
        return _addressed(self._conversation.busy(self._request(channel, inbound)), inbound.link)

    def country(self, kind: ChannelKind, code: str, caller: str = "") -> Country:
        """Return the country of a service or short code; for an unknown one that of the number, else the first."""
        known = self.countries.by_known_code(kind, code)
        if known is None and not caller.startswith("+"):
            caller = normalise(caller, self.countries.all[0].iso).e164 or ""
        return known or self.countries.by_service_code(kind, code, caller)

    def _request(self, channel: Channel, inbound: Inbound) -> TurnRequest:
        country = self.country(inbound.kind, inbound.code, inbound.sender)
        sender = normalise(inbound.sender, country.iso)
        words_before_send = _waits_for_words(country, inbound)
        render_context = self.render_context(
            country,
            inbound.kind,
            contactable=sender.valid,
            words_before_send=words_before_send,
            voice=channel.name if channel.name in self._voices else "",
            recordings=country.voice.recordings and self._records(channel.name),
        )
        limit = ScreenLimit(*channel.limits[inbound.kind])
        now = int(time.time())
        return TurnRequest(
            *(inbound, sender, country, render_context, limit, channel.is_simulator, now, _written_at(inbound, now)),
            is_overloaded=self._blocking.is_overloaded,
        )

    def render_context(
        self,
        country: Country,
        kind: ChannelKind,
        *,
        contactable: bool,
        words_before_send: bool,
        voice: str = "",
        recordings: bool = False,
    ) -> RenderContext:
        """Return what the screens of a reporter in this country may show. `voice`: the channel that speaks them."""
        contexts, layouts = self._country_data
        return RenderContext(
            contexts[country.iso, voice],
            kind,
            contactable,
            self._live,
            self._drill,
            words_before_send,
            recordings,
            route_screens=self._routed,
            layout_caches=layouts[country.iso, kind, voice],
        )

    def _common_layouts(self, contexts: Mapping[str, CountryContext], kind: ChannelKind) -> dict[str, LayoutCache]:
        return {
            tag: new_layout_cache(context, kind, drill=self._drill, inputs_by_screen=self._screen_inputs)
            for tag, context in contexts.items()
        }

    async def _reply(self, channel: Channel, request: TurnRequest, turn: Reply) -> Reply:
        if channel.replies_in_answer["sms"]:
            return turn
        await self._send(request, turn)
        return NOTHING_SAID

    async def _send(self, request: TurnRequest, turn: Reply) -> None:
        """Queue a reply for the SMS worker. Raises DatabaseUnavailable."""
        if turn.text and (to := request.sender.e164):
            key = self._optouts.key(request.sender.key)
            await self._blocking.run(self._replies.send, request.inbound, to, turn.text, key)

    def _queue(self, inbound: Inbound, request: TurnRequest) -> Reply:
        iso, sender = request.country.iso, request.sender
        carrier_word = self._conversation.carrier_word(inbound, iso, request.render_context, request.now)
        if carrier_word == "stop":  # at once: otherwise staff might call or text this number meanwhile
            self._opt_out(sender)
            self._contact_requests.withdraw(iso, sender.key, idempotency_key(inbound), request.written_at)
        try:
            is_new = self._inbox.store(inbound, sender.key)
        except DatabaseUnavailable:
            raise NotStored from None
        if carrier_word == "start" and is_new:  # at once, and once: neither replay nor repeat may undo a later STOP
            self._opt_in(sender)
        self._count("sms_stored_until_redis_returns")
        return NOTHING_SAID


class MissedCallLimit:
    """Limit how many missed calls are answered within a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answered_at: deque[float] = deque(maxlen=MISSED_CALLS_A_MINUTE)

    def admits(self) -> bool:
        """Return whether one more may be answered now, and count it if so."""
        now = self._clock()
        if len(self._answered_at) == MISSED_CALLS_A_MINUTE and now - self._answered_at[0] < 60:
            return False
        self._answered_at.append(now)
        return True


def _contexts(country: Country, languages: Sequence[Catalogue]) -> dict[str, CountryContext]:
    return {catalogue.tag: CountryContext.of(country, catalogue, languages) for catalogue in languages}


def _written_at(inbound: Inbound, came_at: int) -> int:
    """Return when a message was sent, in Unix seconds.

    A provider's clock counts only if it is long ago by it; longer than any network keeps an SMS, that clock is wrong.
    """
    sent_at = inbound.sent_at
    if sent_at is not None and is_stale(sent_at, came_at) and came_at - sent_at <= MAX_DELAY:
        return sent_at
    return came_at


def _waits_for_words(country: Country, inbound: Inbound) -> bool:
    """Return whether the network of this call keeps a session open while the reporter types.

    Only a service code with `words_before_send` in the country file does; other networks may end the session before
    Send.
    """
    waiting_codes = [
        code for code in country.codes if code.words_before_send and code.channel == inbound.kind == "ussd"
    ]
    return any(normalize_code(code.code) == normalize_code(inbound.code) for code in waiting_codes)


def _addressed(turn: Reply, link: str = "") -> Reply:
    """Return the reply with its alphabet and the provider's link, which the conversation does not set."""
    return replace(turn, ucs2=alphabet(turn.text) == "ucs2", link=link)


def dialled(countries: Countries, kind: ChannelKind, raw: bytes) -> str:
    """Return the service code that occurs in a request body, plain or percent-encoded.

    Returns "" if none does, or codes of several countries. `*133#` does not occur in `*384*133#`.
    """
    text = unquote_to_bytes(raw)
    countries_by_code = {
        code.code: country.iso
        for country in countries
        for code in country.codes
        if code.channel == kind and re.search(rb"(?<![0-9*])" + re.escape(code.code.encode()) + rb"(?![0-9])", text)
    }
    return next(iter(countries_by_code)) if len(set(countries_by_code.values())) == 1 else ""
