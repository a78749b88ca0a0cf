"""Handle one inbound message as one turn: load the session, take one step, save it, count it.

A duplicate turn gets the same answer and takes no step. While Redis is unavailable the home screen is still shown, a
session whose provider sends the whole path is replayed from that path, and an SMS is stored until it can be answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import lru_cache

from msgspec.structs import replace

from flows.model import FlowState
from flows.pagination import is_free_text, segments
from gateway.conversation import turns
from gateway.conversation.context import RenderContext, TurnRequest
from gateway.conversation.reducer import CannotReplay, Reducer, StepResult
from gateway.conversation.sms import NO_REPLY, SmsConversation
from gateway.messaging.model import CarrierWord, Inbound, ProviderEvent, Reply
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.phone_history import NewMemory
from gateway.sessions.record import (
    Draft,
    LastTurn,
    Record,
    has_just_ended,
    in_danger,
    is_sent,
    pack_drafts,
    pack_record,
    unpack_drafts,
    unpack_record,
)
from gateway.sessions.store import (
    BLIND_SECONDS,
    DRAFT_SECONDS,
    MIN_SECONDS,
    NOTHING,
    SENT_SECONDS,
    SMS_SECONDS,
    USSD_SECONDS,
    FunnelCounts,
    LoadedRecord,
    RecordKeys,
    RedisUnavailable,
    Sessions,
)
from gateway.submission.transitions import numbered, replayed
from gateway.threads import mark_in_danger
from runtime.telephony import ChannelKind

CALLS = "calls"  # calls of an hour, by channel; stored under their own key and not in the statistics
ON = "+"  # suffix of a step that a reporter went on from
SMS = "sms_parts"
STEPS: Mapping[str, str] = {
    "home.home": "home",
    "home.home_sms": "home",
    "report.danger": "danger",
    "report.category": "category",
    "report.place": "place",
    "report.place_me": "place",
    "report.place_seen": "place",
    "report.contact": "contact",
    "report.send": "send",
    "report.who_else": "send",  # counted as that step: a count of its own would show that somebody was left out
    "report.nobody": "send",
    "report.sent": "sent",
    "report.sent_missing": "sent",
    "report.sent_menu": "sent",
    "report.sent_sms": "sent",
    "tips_young.who": "tips_young",
    "tips_young.who_sms": "tips_young",
    "tips_parents.menu": "tips_parents",
    "law.known": "law",
    "law.unknown": "law",
    "my.state": "my_report",
}
TRIES = 3  # one reporter may send two messages at once; the loser of the race continues from the winner's session


# Count the steps of a session for the statistics: which was shown, and whether the reporter went on from it. Pure.
#
# Only steps that every reporter sees, whatever the answers, are counted. Otherwise, on a day with one reporter, a
# count of one would reveal an answer. A count names only the step and the country that was dialled.


def tally(request: TurnRequest, before: Record | None, after: Record) -> FunnelCounts:
    """Return what one turn adds to the statistics, and to the calls that began in this hour."""
    country, now = request.country.iso, request.now
    counts = {f"{country} {name}": number for name, number in _names_to_count(request.inbound.kind, before, after)}
    if before is None or before.has_ended:
        counts[f"{country} {calls_of(now // 3600 % 24, request.inbound.channel)}"] = 1
    return FunnelCounts(day_of(now), counts)


def calls_of(hour: int, channel: str) -> str:
    """Return the name of the count of the calls that began in an hour of the day, in UTC, by a channel."""
    return f"{CALLS} {hour:02} {channel}"


def day_of(now: int) -> str:
    """Return the UTC date of a Unix time, in ISO format."""
    return _day(now // 86400)


@lru_cache(maxsize=2)  # called at each screen
def _day(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days)).isoformat()


def _names_to_count(kind: ChannelKind, record_before: Record | None, record_after: Record) -> Iterator[tuple[str, int]]:
    """Yield each name to count and its number. A screen shown again counts once: a typing error is no second visit."""
    old_screen, new_screen = (
        record_before.state.screen if record_before and not record_before.has_ended else "",
        record_after.state.screen,
    )
    old_step, new_step = STEPS.get(old_screen), STEPS.get(new_screen)
    if new_step and new_step != old_step and (new_step == "sent" or not record_after.has_ended):
        yield new_step, 1
    if old_step and new_step != old_step and not record_after.has_ended and not new_screen.startswith("home."):
        yield old_step + ON, 1
    if kind == "sms" and record_after.answer.text:
        yield SMS, segments(record_after.answer.text)


# Which screens may be refused: while too many requests are under way, or to one reporter who reads very many.

ALWAYS_SERVED = frozenset({"home", "report", "more", "contact_request"})  # flows
TO_READ = ("tips", "law")  # prefixes of the flows that only inform
MAX_SCREENS_READ = 60  # tips and law screens in 10 minutes by one reporter: more than a person reads


def can_wait(screen: str) -> bool:
    """Return whether a screen may be refused under load.

    Never refused: the way to Send, what a child in danger needs, and words after Send.
    """
    return screen.partition(".")[0] not in ALWAYS_SERVED


def is_to_read(screen: str) -> bool:
    """Return whether a screen is a tip or the law: the only ones that are rate limited (S-36)."""
    return screen.startswith(TO_READ)


class Overloaded(Exception):
    """Raised for a screen that can wait while the process is overloaded. Nothing is saved, and a call ends.

    By SMS the same reply works once there is room.
    """

    def __init__(self, state: FlowState) -> None:
        """Create the error of a session in this state, whose language the notice has."""
        super().__init__()
        self.state = state


class RateLimited(Overloaded):
    """Raised for a reporter who has read so many tips that they must wait, for ten minutes at most."""


class ConversationHandler:
    """Turn one inbound message into one reply, and save the session."""

    def __init__(
        self,
        sessions: Sessions,
        reducer: Reducer,
        texting: SmsConversation,
        count: Callable[[str], None],
        note_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Create the handler. `note_end`: called when a call reaches "Sent", or its last screen without it."""
        self._sessions = sessions
        self._reducer = reducer
        self._sms = texting
        self._count = count
        self._note_end = note_end
        self._redis_unavailable_at: int | None = None  # Unix time at which this process last found Redis unavailable

    async def take(self, request: TurnRequest) -> Reply:
        """Return the answer to one inbound message. Raises RedisUnavailable for an SMS if Redis is unavailable."""
        try:
            return await self._take(request)
        except RedisUnavailable:
            self._count("requests_without_redis")
            self._redis_unavailable_at = request.now
            if request.inbound.kind == "sms":
                raise
            return await self._without_redis(request)
        except Overloaded as error:
            self._count("tips_rate_limited" if isinstance(error, RateLimited) else "turns_shed")
            return self._reducer.notice(request, "home.busy", error.state)
        except CannotReplay as error:
            self._count("replays_failed")
            return self._reducer.notice(request, "home.not_working", error.state)

    def busy(self, request: TurnRequest) -> Reply:
        """Return the emergency numbers, with the notice that the service is busy."""
        return self._reducer.notice(request, "home.busy")

    def not_working(self, request: TurnRequest, *, numbers: bool) -> Reply:
        """Return the emergency numbers and nothing else.

        `numbers`: False if the country is not known; another country's numbers would be wrong (S-32).
        """
        return self._reducer.notice(request, "home.not_working" if numbers else "home.not_working_anywhere")

    def carrier_word(self, inbound: Inbound, iso: str, render_context: RenderContext, now: int) -> CarrierWord | None:
        """Return which carrier's word an SMS to this country is. `now`: Unix seconds."""
        return self._sms.carrier_word(inbound, iso, render_context, now)

    async def current_screen(self, request: TurnRequest) -> str:
        """Return the id of the session's current screen; "" if there is no session or Redis is unavailable."""
        try:
            record = self._unpack(await self._sessions.load(self._keys(request.inbound, request.sender)))
        except RedisUnavailable:
            return ""
        return record.state.screen if record and not record.has_ended else ""

    async def ended(self, notice: ProviderEvent, sender: SenderIdentity) -> str:
        """Submit a scheduled report at once after the network reported the end of the call.

        The network's notice may be wrong; the report is then only submitted earlier. Returns the id of the last
        recording of this call, "" if there was none.
        """
        key = self._sessions.key("s", notice.channel, notice.code, notice.session, sender.key)
        try:
            record = self._unpack(await self._sessions.load(RecordKeys(key)))
        except RedisUnavailable:
            return ""  # the scheduler submits the report when it is due
        if record and record.report:
            await self._reducer.make_due_now(record.report)
        return record.last_recording if record else ""

    async def _take(self, request: TurnRequest) -> Reply:
        inbound = request.inbound
        keys = self._keys(inbound, request.sender)
        key = ""
        record: Record | None = None
        lost_race: tuple[Record | None, Record] | None = None
        for _ in range(TRIES):
            loaded = await self._sessions.load(keys)
            record = self._unpack(loaded)
            if lost_race:
                await self._reducer.undo(*lost_race, record)
            # The key is made from the first load, so that it is the same after a lost race.
            key = key or turns.key_of(inbound, loaded.version)
            last = record.last if record else None
            kind = turns.classify(inbound, last, key, inbound.code or request.own_code)
            if record and isinstance(kind, turns.Duplicate | turns.OutOfOrder):
                await self._renew(request, keys, loaded, record)
                return await self._repeated_answer(request, record, kind)
            if loaded.is_known:  # a repeat of an SMS before the last turn: it was answered then
                return NO_REPLY
            turn = turns.after(kind, inbound, last, key)
            if isinstance(kind, turns.NextReply) and inbound.kind != "sms":  # an SMS may ask for another screen
                self._shed_load(request, record)
            drafts = unpack_drafts(loaded.drafts) if loaded.drafts else []
            request = replace(request, wrong_pairs=loaded.wrong_pairs) if loaded.wrong_pairs else request
            result = await self._step(request, record, drafts, kind, turn)
            if not result.is_silent:  # a STOP: it shows no screen, and its effects must be saved
                # by SMS a turn in My report has taken effect by now, so it is not refused
                if not (inbound.kind == "sms" and record and record.state.screen.startswith("my.")):
                    self._shed_load(request, result.record)
                self._rate_limit(request, loaded.reads, result.record)
            try:
                if await self._save(request, keys, loaded, (record, result)):
                    if inbound.kind != "sms" and not inbound.synthetic and has_just_ended(record, result.record):
                        self._note_end()
                    return NO_REPLY if result.is_silent else result.record.answer
            except RedisUnavailable:
                return self._unsaved_answer(request, record, result)
            lost_race = record, result.record
        if request.inbound.kind == "sms":  # too many concurrent messages: store this one in the inbox
            raise RedisUnavailable
        if record is None:
            return self._reducer.notice(request, "home.not_working")
        return (await self._reducer.without_code(request, record)).answer

    def _shed_load(self, request: TurnRequest, record: Record | None) -> None:
        """Raise Overloaded for a screen off the way to Send while the process is overloaded, but never for free text.

        A refused turn is not saved.
        """
        if (
            record
            and request.is_overloaded
            and can_wait(record.state.screen)
            and not is_free_text(request.inbound.text)
        ):
            raise Overloaded(record.state)

    def _rate_limit(self, request: TurnRequest, read_count: int, record: Record) -> None:
        """Raise RateLimited for a reporter who has read very many tips, but never for free text.

        A refused turn is not saved.
        """
        if (
            read_count >= MAX_SCREENS_READ
            and is_to_read(record.state.screen)
            and not is_free_text(request.inbound.text)
        ):
            raise RateLimited(record.state)

    def _unsaved_answer(self, request: TurnRequest, record_before: Record | None, result: StepResult) -> Reply:
        """Return the answer to a turn that was taken and could not be saved.

        The turn is not taken again: without its draft it would begin another report. Raises RedisUnavailable for an
        SMS: it is stored, and its replay finds the same report.
        """
        if request.inbound.kind == "sms":
            raise RedisUnavailable
        self._count("requests_without_redis")
        self._redis_unavailable_at = request.now
        if request.inbound.path:
            # A repeat gets the same answer; the next request is replayed from its path, or refused.
            return result.record.answer
        if is_sent(result.record) and not (record_before and is_sent(record_before)):
            # End the call: the next reply would be taken at the screen before Send.
            return replace(result.record.answer, expects_reply=False)
        return self._reducer.notice(request, "home.not_working", result.record.state)

    async def _renew(self, request: TurnRequest, keys: RecordKeys, loaded: LoadedRecord, record: Record) -> None:
        """Store the session for longer if the caller asks to hear its screen again."""
        if request.inbound.repeats:
            with suppress(RedisUnavailable):
                await self._sessions.save(keys, loaded.version, pack_record(record), seconds_of(request, record))

    async def _repeated_answer(self, request: TurnRequest, record: Record, kind: turns.TurnKind) -> Reply:
        """Return the last answer again for a duplicate turn; the current screen for one out of order."""
        if isinstance(kind, turns.Duplicate):
            self._count("duplicate_turns")
            return record.answer
        self._count("out_of_order_turns")
        return (await self._reducer.without_code(request, record)).answer

    async def _step(
        self, request: TurnRequest, record: Record | None, drafts: list[Draft], kind: turns.TurnKind, turn: LastTurn
    ) -> StepResult:
        result = await self._dispatch(request, record, drafts, kind, turn)
        if result.record.has_wrong_pair:
            self._count("access_code_failures")
        return result

    async def _dispatch(
        self, request: TurnRequest, record: Record | None, drafts: list[Draft], kind: turns.TurnKind, turn: LastTurn
    ) -> StepResult:
        if request.inbound.kind == "sms":
            return await self._sms.take(request, record, drafts, turn)
        if isinstance(kind, turns.Replay):
            return await self._replay(request, drafts, kind.parts, turn)
        if isinstance(kind, turns.Unreplayable):
            raise CannotReplay
        if record is None or record.has_ended or isinstance(kind, turns.NewSession):
            early_words = kind.early_reply if isinstance(kind, turns.NewSession) else ""
            remaining = await self._reducer.make_gathered_due(record, drafts)
            started = self._reducer.begin(request, turn, record, early_words=early_words)
            return StepResult(started, remaining if len(remaining) < len(drafts) else None)
        reply = kind.text if isinstance(kind, turns.NextReply) else ""
        if _repeats_recording(request.inbound, record, reply):
            return StepResult(replace(record, last=turn), accepted=False)
        if request.inbound.path and "*" in reply and self._may_be_several(record, reply):
            raise CannotReplay(record.state)  # words may have been sent already, without a record in the session
        if request.inbound.path and await self._reducer.holds_answers(request, record, reply):
            return await self._catch_up(request, replace(record, last=turn), drafts, reply.split("*"))
        return await self._reducer.step(request, numbered(replace(record, last=turn), request.inbound), drafts, reply)

    async def _replay(
        self, request: TurnRequest, drafts: list[Draft], parts: tuple[str, ...], last_turn: LastTurn
    ) -> StepResult:
        """Replay a whole path from the home screen.

        The parts after typed words may belong to those words, which may contain `*`; all of them are kept as words.
        """
        return await self._replay_parts(request, StepResult(self._reducer.begin(request, last_turn)), drafts, parts)

    async def _catch_up(
        self, request: TurnRequest, record: Record, drafts: list[Draft], parts: Sequence[str]
    ) -> StepResult:
        """Take several replies at once from the session in Redis: the call went on without Redis, which is back now.

        One reply that contains `*` looks the same, and its last part could press Send on a screen that nobody saw. So
        nothing is sent, deleted or opened here unless this process found Redis unavailable since the session was saved.
        Raises CannotReplay.
        """
        may_act = self._was_redis_unavailable_since(record)
        return await self._replay_parts(request, StepResult(record), drafts, parts, may_act=may_act)

    def _may_be_several(self, record: Record, reply: str) -> bool:
        """Return whether a reply with `*` may be several, of which the first was sent and not saved as such.

        Otherwise it is taken as words that contain `*`, although another process may have had no Redis: words may then
        come twice, but none is lost.
        """
        has_words = any(map(str.isalpha, reply))
        return self._reducer.sends_words(record) and (self._was_redis_unavailable_since(record) or not has_words)

    def _was_redis_unavailable_since(self, record: Record) -> bool:
        """Return whether this process found Redis unavailable since the session was saved."""
        return self._redis_unavailable_at is not None and self._redis_unavailable_at >= record.at

    async def _replay_parts(
        self,
        request: TurnRequest,
        result: StepResult,
        drafts: list[Draft],
        parts: Sequence[str],
        *,
        may_act: bool = True,
    ) -> StepResult:
        for n, part in enumerate(parts):
            remaining_parts = parts[n:]
            takes_words = self._reducer.asks_for_words(result.record, part)
            if takes_words and self._reducer.sends_words(result.record):  # they may have been sent already
                raise CannotReplay(result.record.state)
            is_last = takes_words or len(remaining_parts) == 1
            record = numbered(replayed(result.record, request.inbound), request.inbound) if is_last else result.record
            reply = "*".join(remaining_parts) if takes_words else part
            result = await self._reducer.step(request, record, drafts, reply, quiet=not is_last, may_act=may_act)
            if takes_words and len(remaining_parts) > 1:
                raise CannotReplay(result.record.state)
            if is_last:
                break
        return result

    async def _without_redis(self, request: TurnRequest) -> Reply:
        inbound = request.inbound
        key = turns.key_of(inbound, b"")
        kind = turns.classify(inbound, None, key, inbound.code or request.own_code)
        if not inbound.path:  # only the last reply is known, and the path is never guessed
            return self._reducer.notice(request, "home.not_working")
        try:
            return (await self._step(request, None, [], kind, turns.after(kind, inbound, None, key))).record.answer
        except CannotReplay as error:
            return self._reducer.notice(request, "home.not_working", error.state)

    async def _save(
        self, request: TurnRequest, keys: RecordKeys, loaded: LoadedRecord, transition: tuple[Record | None, StepResult]
    ) -> bool:
        record_before, result = transition
        drafts = None if result.drafts is None else pack_drafts(result.drafts)
        record = result.record
        written_at = record.written_at if result.is_silent else max(record.written_at, request.written_at)
        is_read = is_to_read(record.state.screen) and not result.is_silent
        counts = NOTHING if request.inbound.synthetic or result.is_silent else tally(request, record_before, record)
        seconds = seconds_of(request, record)
        return await self._sessions.save(
            keys,
            loaded.version,
            pack_record(replace(record, written_at=written_at)),
            seconds,
            drafts,
            draft_seconds=DRAFT_SECONDS[request.inbound.kind],
            read=is_read,
            guessed=record.has_wrong_pair,
            tally=counts,
            memory=_memory(request, record),
        )

    def _unpack(self, loaded: LoadedRecord) -> Record | None:
        """Return the record of a session; note it if the reporter is in danger."""
        if loaded.session is None:
            return None
        record = unpack_record(loaded.session, self._reducer.book)
        if record is None:
            self._count("sessions_unreadable")
        elif in_danger(record):
            mark_in_danger()
        return record

    def _keys(self, inbound: Inbound, sender: SenderIdentity) -> RecordKeys:
        """Return the Redis keys of this session.

        The telephone number is part of a session's key: with some operators session ids are unique only per number.
        """
        channel, code = inbound.channel, inbound.code
        if inbound.synthetic:  # never a caller's session, even with the same number and session id
            return RecordKeys(self._sessions.key("s", "synthetic", channel, code, inbound.session))
        kinds: dict[str, tuple[str, ...]] = {"session": ("s", channel, code, inbound.session, sender.key)}
        if sender.e164 is not None:  # senders without a number are different people: they share no draft and no limit
            kinds |= {"draft": ("d", channel, code, sender.key), "guessed": ("l:guessed", sender.key)}
        if inbound.kind == "sms" and inbound.id:
            kinds["seen"] = ("l:seen", channel, inbound.id)
        keys = dict(zip(kinds, self._sessions.keys(*kinds.values()), strict=True))
        return RecordKeys(**keys, read=f"l:read:{keys['draft']}" if "draft" in keys else "")


def _memory(request: TurnRequest, record: Record) -> NewMemory | None:
    """Return the report that was sent in this turn, to be remembered; None if there is none, or its phone is unknown.

    Without Redis its phone's reports were not counted, and nothing is remembered.
    """
    number = record.repeat_of if record.number is None else record.number
    if record.just_sent is None or number is None or not request.sender.answerable:
        return None
    return NewMemory(request.sender.key, number, record.just_sent)


def seconds_of(request: TurnRequest, record: Record) -> int:
    """Return for how many seconds a session is stored after its last turn.

    After Send and in My report it is stored only as long as a network keeps a session open, and while somebody speaks
    for as long as that may take besides.
    """
    if request.inbound.kind == "sms":
        return min(max(record.at + SMS_SECONDS - request.now, MIN_SECONDS), SMS_SECONDS)
    is_after_send = is_sent(record) or record.state.screen.startswith("my.")
    seconds = SENT_SECONDS + record.answer.max_seconds if is_after_send else USSD_SECONDS
    return min(seconds, BLIND_SECONDS) if request.inbound.blind else seconds


def _repeats_recording(inbound: Inbound, record: Record, reply: str) -> bool:
    """Return whether a request of a call repeats the one before or after a recording: then it gets the same answer.

    During a recording only the keys `0` and `00` have a meaning.
    """
    under_way, after = record.answer.recording, inbound.recorded
    if after is not None:
        return after.expected != under_way
    return bool(under_way) and reply not in ("0", "00")
