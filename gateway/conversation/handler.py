"""One inbound, one turn: load the conversation, take one step, keep it. A repeat gets the same answer, and no step.

While Redis is away the home screen still comes, a session whose provider sends the whole path is walked again from it,
and an SMS is kept until it can be answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from flows.text import is_free_text
from gateway.conversation import load_shedding, turns
from gateway.conversation.reducer import CannotReplay, Reducer, StepResult
from gateway.conversation.request import TurnRequest
from gateway.conversation.sms import SmsConversation
from gateway.conversation.statistics import tally
from gateway.messaging.model import Inbound, ProviderEvent, Reply
from gateway.phone_numbers import SenderIdentity
from gateway.sessions.record import Draft, LastTurn, Record, pack_drafts, pack_record, unpack_drafts, unpack_record
from gateway.sessions.store import (
    BLIND_SECONDS,
    DRAFT_SECONDS,
    LEAST_SECONDS,
    SENT_SECONDS,
    SMS_SECONDS,
    USSD_SECONDS,
    LoadedRecord,
    RecordKeys,
    RedisUnavailable,
    Sessions,
)
from gateway.submission.transitions import numbered, replayed

TRIES = 3  # two answers of one caller at the same moment; the loser steps on from what the winner left


class Overloaded(Exception):
    """Something that can wait, while so many are here that it has to. The same key leads on once there is room."""


class RateLimited(Overloaded):
    """One caller alone has read so many tips that they have to wait, for ten minutes at most."""


class ConversationHandler:
    def __init__(
        self,
        sessions: Sessions,
        reducer: Reducer,
        texting: SmsConversation,
        count: Callable[[str], None],
        note_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`note_end`: called once a call has come to "Sent", or without it to its last screen."""
        self._sessions = sessions
        self._reducer = reducer
        self._texting = texting
        self._count = count
        self._note_end = note_end
        self._redis_away_at: int | None = None  # unix seconds, of the last time that this process met no Redis

    async def take(self, caller: TurnRequest) -> Reply:
        """The answer to one inbound. Raises RedisUnavailable for an SMS that cannot be answered now."""
        try:
            return await self._take(caller)
        except RedisUnavailable:
            self._count("requests_without_redis")
            self._redis_away_at = caller.now
            if caller.kind == "sms":
                raise
            return await self._without_redis(caller)
        except Overloaded as why:
            self._count("tips_rate_limited" if isinstance(why, RateLimited) else "turns_shed")
            return self._reducer.notice(caller, "home.busy")
        except CannotReplay:
            self._count("replays_failed")
            return self._reducer.notice(caller, "home.not_working")

    def busy(self, caller: TurnRequest) -> Reply:
        """Return the numbers, and that it is busy."""
        return self._reducer.notice(caller, "home.busy")

    def not_working(self, caller: TurnRequest, *, numbers: bool) -> Reply:
        """The numbers, and nothing else; none where the country is not known: another's would be wrong (S-32)."""
        return self._reducer.notice(caller, "home.not_working" if numbers else "home.not_working_anywhere")

    async def opted_out(self, notice: ProviderEvent, sender: SenderIdentity) -> None:
        """End the SMS conversation of a sender whose opt-out the provider has taken, as `00` does."""
        keys = RecordKeys(self._sessions.key("s", notice.channel, notice.code, "", sender.key))
        for _ in range(TRIES):
            try:
                loaded = await self._sessions.load(keys)
                record = self._unpack(loaded)
                if record is None:
                    return
                ended = pack_record(await self._reducer.opt_out(record))
                if await self._sessions.keep(keys, loaded.version, ended, SMS_SECONDS):
                    return
            except RedisUnavailable:
                return

    async def ended(self, notice: ProviderEvent, sender: SenderIdentity) -> None:
        """The network says that the line is gone: what waits for a drop need not wait. It may not be true yet."""
        key = self._sessions.key("s", notice.channel, notice.code, notice.session, sender.key)
        try:
            record = self._unpack(await self._sessions.load(RecordKeys(key)))
        except RedisUnavailable:
            return  # it files itself in its own time
        if record and record.report:
            await self._reducer.flush_now(record.report)

    async def _take(self, caller: TurnRequest) -> Reply:
        inbound = caller.inbound
        keys = self._keys(inbound, caller)
        key = ""
        record: Record | None = None
        lost: tuple[Record | None, Record] | None = None
        for _ in range(TRIES):
            loaded = await self._sessions.load(keys)
            record = self._unpack(loaded)
            if lost:
                await self._reducer.undo(*lost, record)
            key = key or turns.key_of(inbound, loaded.version)  # of the first load: who loses a race finds itself
            found = turns.meaning(inbound, record.last if record else None, key, caller.code)
            if record and isinstance(found, turns.Duplicate | turns.OutOfOrder):
                return await self._same(caller, record, found)
            if loaded.seen:  # an SMS that was taken before the last one: it was answered then
                return Reply("", expects_reply=True)
            if isinstance(found, turns.NextReply) and caller.kind == "ussd":  # by SMS it may ask for something else
                self._make_room(caller, record)
            drafts = unpack_drafts(loaded.drafts)
            caller = replace(caller, wrong_pairs=loaded.guessed) if loaded.guessed else caller
            moved = await self._move(caller, record, drafts, found, key)
            if not (caller.kind == "sms" and load_shedding.has_begun(record.state.screen if record else "")):
                self._make_room(caller, moved.record)
            self._slow_down(caller, loaded.read, moved.record)
            try:
                if await self._keep(caller, keys, loaded, (record, moved)):
                    if caller.kind == "ussd" and _has_ended(record, moved.record):
                        self._note_end()
                    return moved.record.answer
            except RedisUnavailable:
                return self._unkept(caller, record, moved)
            lost = record, moved.record
        if caller.kind == "sms":  # many at once: this one waits, and no word of it is lost
            raise RedisUnavailable
        if record is None:
            return self._reducer.notice(caller, "home.not_working")
        return (await self._reducer.unmoved(caller, record)).answer

    def _make_room(self, caller: TurnRequest, record: Record | None) -> None:
        """In a crowd, what is not on the way to Send; never words. Raises Crowded, and nothing of it is kept."""
        if (
            record
            and caller.crowded
            and load_shedding.can_wait(record.state.screen)
            and not is_free_text(caller.inbound.text)
        ):
            raise Overloaded

    def _slow_down(self, caller: TurnRequest, read: int, record: Record) -> None:
        """Who has read very many tips; never words. Raises Slowed, and nothing of it is kept."""
        if (
            read >= load_shedding.MOST_READ
            and load_shedding.is_to_read(record.state.screen)
            and not is_free_text(caller.inbound.text)
        ):
            raise RateLimited

    def _unkept(self, caller: TurnRequest, before: Record | None, moved: StepResult) -> Reply:
        """The step was taken and cannot be kept. Taken again without its draft it would be another report.

        Raises RedisUnavailable for an SMS: it waits, and once it is played the same report is found.
        """
        if caller.kind == "sms":
            raise RedisUnavailable
        self._count("requests_without_redis")
        self._redis_away_at = caller.now
        if caller.inbound.path:
            return moved.record.answer  # as the repeat gets it; what follows is walked again, or does not fit
        if _is_sent(moved.record) and not (before and _is_sent(before)):
            return replace(moved.record.answer, expects_reply=False)  # what follows would meet the screen before Send
        return self._reducer.notice(caller, "home.not_working")

    async def _same(self, caller: TurnRequest, record: Record, found: turns.TurnKind) -> Reply:
        """A repeat gets the same bytes; what is not understood, the screen that is open."""
        if isinstance(found, turns.Duplicate):
            self._count("duplicate_turns")
            return record.answer
        self._count("out_of_order_turns")
        return (await self._reducer.unmoved(caller, record)).answer

    async def _move(
        self, caller: TurnRequest, record: Record | None, drafts: list[Draft], found: turns.TurnKind, key: str
    ) -> StepResult:
        moved = await self._moved(caller, record, drafts, found, key)
        if moved.record.guessed:
            self._count("access_code_failures")
        return moved

    async def _moved(
        self, caller: TurnRequest, record: Record | None, drafts: list[Draft], found: turns.TurnKind, key: str
    ) -> StepResult:
        last = turns.after(found, caller.inbound, record.last if record else None, key)
        if caller.kind == "sms":
            return await self._texting.move(caller, record, drafts, last)
        if isinstance(found, turns.Replay):
            return await self._rebuild(caller, drafts, found.parts, last)
        if isinstance(found, turns.Unreplayable):
            raise CannotReplay
        if record is None or record.over or isinstance(found, turns.NewSession):
            unheard = found.unheard if isinstance(found, turns.NewSession) else ""
            remaining = await self._reducer.submit_gathered(record, drafts)
            begun = self._reducer.begin(caller, last, record, unheard=unheard)
            return StepResult(begun, remaining if len(remaining) < len(drafts) else None)
        reply = found.text if isinstance(found, turns.NextReply) else ""
        if caller.inbound.path and await self._reducer.holds_answers(caller, record, reply):
            return await self._catch_up(caller, replace(record, last=last), drafts, reply.split("*"))
        return await self._reducer.step(caller, numbered(replace(record, last=last), caller.inbound), drafts, reply)

    async def _rebuild(
        self, caller: TurnRequest, drafts: list[Draft], parts: tuple[str, ...], last: LastTurn
    ) -> StepResult:
        """Walk a whole path from home. What follows typed words may be a piece of them: all of it is kept as words."""
        return await self._through(caller, StepResult(self._reducer.begin(caller, last)), drafts, parts)

    async def _catch_up(
        self, caller: TurnRequest, record: Record, drafts: list[Draft], parts: Sequence[str]
    ) -> StepResult:
        """Walk on by several answers from what Redis kept: the call went on without Redis, which then came back.

        One reply with stars in it looks the same, and its last part could press Send on a screen that nobody saw. So
        nothing is sent, deleted or opened here unless this process met no Redis since that session was kept. Raises
        CannotReplay.
        """
        explained = self._redis_away_at is not None and self._redis_away_at >= record.at
        return await self._through(caller, StepResult(record), drafts, parts, may_act=explained)

    async def _through(
        self, caller: TurnRequest, moved: StepResult, drafts: list[Draft], parts: Sequence[str], *, may_act: bool = True
    ) -> StepResult:
        for n, part in enumerate(parts):
            rest = parts[n:]
            words = self._reducer.asks_for_words(moved.record)
            final = words or len(rest) == 1
            record = numbered(replayed(moved.record), caller.inbound) if final else moved.record
            reply = "*".join(rest) if words else part
            moved = await self._reducer.step(caller, record, drafts, reply, quiet=not final, may_act=may_act)
            if words and len(rest) > 1:
                raise CannotReplay
            if final:
                break
        return moved

    async def _without_redis(self, caller: TurnRequest) -> Reply:
        inbound = caller.inbound
        key = turns.key_of(inbound, b"")
        found = turns.meaning(inbound, None, key, caller.code)
        if not inbound.path:  # only the last reply is known: never a guess
            return self._reducer.notice(caller, "home.not_working")
        try:
            return (await self._move(caller, None, [], found, key)).record.answer
        except CannotReplay:
            return self._reducer.notice(caller, "home.not_working")

    async def _keep(
        self, caller: TurnRequest, keys: RecordKeys, loaded: LoadedRecord, step: tuple[Record | None, StepResult]
    ) -> bool:
        before, moved = step
        drafts = None if moved.drafts is None else pack_drafts(moved.drafts)
        record, seconds = moved.record, seconds_of(caller, moved.record)
        read = load_shedding.is_to_read(record.state.screen)
        counts = tally(caller.country.iso, caller.kind, before, record, caller.now)
        return await self._sessions.keep(
            keys,
            loaded.version,
            pack_record(record),
            seconds,
            drafts,
            draft_seconds=DRAFT_SECONDS[caller.kind],
            read=read,
            guessed=record.guessed,
            tally=counts,
        )

    def _unpack(self, loaded: LoadedRecord) -> Record | None:
        if loaded.session is None:
            return None
        record = unpack_record(loaded.session, self._reducer.book)
        if record is None:
            self._count("sessions_unreadable")
        return record

    def _keys(self, inbound: Inbound, caller: TurnRequest) -> RecordKeys:
        """The number is part of a session's key: ids are unique only per number with some operators."""
        who = caller.sender.key
        code = inbound.code
        seen = inbound.id if caller.kind == "sms" else ""
        draft = self._sessions.key("d", inbound.channel, code, who) if caller.sender.answerable else ""
        return RecordKeys(
            self._sessions.key("s", inbound.channel, code, inbound.session, who),
            draft,
            self._sessions.key("l:seen", inbound.channel, seen) if seen else "",
            draft and f"l:read:{draft}",
            # Who has no number is somebody else each time: nobody of them may lock out the others.
            self._sessions.key("l:guessed", who) if caller.sender.answerable else "",
        )


def seconds_of(caller: TurnRequest, record: Record) -> int:
    """How long a conversation is kept when nothing more is said: after Send, and in My report, while it can be used."""
    if caller.kind == "sms":
        return min(max(record.at + SMS_SECONDS - caller.now, LEAST_SECONDS), SMS_SECONDS)
    after = _is_sent(record) or record.state.screen.startswith("my.")
    seconds = SENT_SECONDS if after else USSD_SECONDS
    return min(seconds, BLIND_SECONDS) if caller.inbound.blind else seconds


def _has_ended(before: Record | None, after: Record) -> bool:
    """Return whether a call has come to "Sent" in this turn, or without it to its last screen."""
    was_sent = before is not None and _is_sent(before)
    return not was_sent and (_is_sent(after) or after.over)


def _is_sent(record: Record) -> bool:
    return record.report is not None and record.report.is_submitted
