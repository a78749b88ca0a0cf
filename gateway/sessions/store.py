"""Sessions in Redis: sealed, short-lived, and updated by one compare-and-set script, so that no step is taken twice.

A key is an HMAC: Redis never sees a telephone number. A value is an 8-byte version, then the sealed session. Each write
draws a new version; `save` writes only over the version that was loaded, and otherwise returns the stored value. A
screen takes two round trips: one to load, one to save.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct
from redis.exceptions import RedisError

from gateway.circuit_breaker import CircuitBreaker
from gateway.sessions import keys as session_keys
from gateway.sessions.keys import SessionKeys
from gateway.sessions.phone_history import SLOTS, NewMemory, PhoneHistory, SentReport, pack_sent, unpack_sent
from gateway.sessions.redis_client import Command, ConnectionLost, RedisClient
from reports.crypto import DecryptError, RecordCipher
from reports.statistics.aggregation import HELPED, quarter_of
from runtime import redis_clients
from runtime.deadline import request_time
from runtime.settings import Mode, RedisAddress
from runtime.telephony import ChannelKind
from runtime.time_units import SECOND

USSD_SECONDS = 15 * 60
SENT_SECONDS = 3 * 60  # after Send and in My report: no network keeps a session open longer
OPENED_SECONDS = 5 * 60  # by SMS, where no call ends: then My report is closed until code and PIN come again
BLIND_SECONDS = 60  # if a dial looks the same as a reply, the next call could continue this session
MIN_SECONDS = 60
SMS_SECONDS = 30 * 60  # after a pause this long any SMS gets the home screen
# How long a draft may be continued; its key exists at least that long.
DRAFT_SECONDS: Mapping[ChannelKind, int] = {"ussd": 15 * 60, "voice": 15 * 60, "sms": session_keys.MIN_SECONDS}
READ_SECONDS = 10 * 60
GUESSED_SECONDS = 24 * 3600
COUNTED_DAY_SECONDS = 9 * 86400  # the day itself and one more week, in case the database is unavailable
SAVE_SECONDS = 0.3  # after a request's time for threads: the session must be saved even if no thread was free
MIN_REDIS_SECONDS = 0.2  # minimum: a late event loop may notice late that the request's time is over
ENOUGH_SECONDS = 1.1  # for both tries of a command; in less, a Redis that works may not answer
SEEN_SECONDS = 25 * 3600  # Africa's Talking sends an unanswered SMS again for 12 h

# KEYS: session, draft, seen, read, guessed, day.
# ARGV: 1 the version that was loaded; 2 the new value; 3 its lifetime; 4 the draft ("" leaves it, "-" deletes it);
# 5 its lifetime; 6 the lifetime of the mark "seen" (0: not an SMS); 7 that of the counter of screens read (0: none was
# read); 8 that of the counter of wrong pairs of code and PIN (0: none came); 9 that of the day's counts; then pairs of
# a count's name and the number to add. Lifetimes are in milliseconds.
# Errors of the day's counts are ignored: a screen must not fail for them.
# Run twice (a retry after a lost answer), it finds its own version and returns what it wrote.
SAVE = """
local there = redis.call('GET', KEYS[1])
if (there and string.sub(there, 1, 8) or '') ~= ARGV[1] then return there end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
if ARGV[4] == '-' then redis.call('DEL', KEYS[2])
elseif ARGV[4] ~= '' then redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5]) end
if ARGV[6] ~= '0' then redis.call('SET', KEYS[3], '1', 'PX', ARGV[6]) end
if ARGV[7] ~= '0' and redis.call('INCR', KEYS[4]) == 1 then redis.call('PEXPIRE', KEYS[4], ARGV[7]) end
if ARGV[8] ~= '0' and redis.call('INCR', KEYS[5]) == 1 then redis.call('PEXPIRE', KEYS[5], ARGV[8]) end
for i = 10, #ARGV, 2 do redis.pcall('HINCRBY', KEYS[6], ARGV[i], ARGV[i + 1]) end
if #ARGV > 9 then redis.pcall('PEXPIRE', KEYS[6], ARGV[9]) end
return ARGV[2]
"""

# Counts a report once. Returns how many reports of its phone were counted in the last day, and its own number: one
# more than the highest of these, so that the numbers of a day differ. KEYS: a hash of reports; a value is the time, how
# many reports came before it, and its number. ARGV: the report, the time, the seconds of a day, the most reports that
# are counted.
COUNT = """
local before, last = 0, -1
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at, counted, number = string.match(all[i + 1], '^(%d+) (%d+) (%d+)$')
  if all[i] == ARGV[1] then return {tonumber(counted), tonumber(number)} end
  if tonumber(at) + ARGV[3] > tonumber(ARGV[2]) then
    before = before + 1
    last = math.max(last, tonumber(number))
  else redis.call('HDEL', KEYS[1], all[i]) end
end
if before < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%s %d %d', ARGV[2], before, last + 1))
  redis.call('PEXPIRE', KEYS[1], ARGV[3] * 1000)
end
return {before, last + 1}
"""
COUNT_SECONDS = 24 * 3600
MAX_COUNTED = 1000  # reports of one phone

# Marks that a report's reader was asked "Did it help?", and returns 1 if this request is the one that asks. KEYS: the
# mark. ARGV: "asked" and random digits of this request, the mark's lifetime in milliseconds.
ASK = """
local there = redis.call('GET', KEYS[1])
if not there then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return (not there or there == ARGV[1]) and 1 or 0
"""

# Counts an answer to "Did it help?" once for each report. KEYS: the mark that it was asked, the counts of the quarter.
# ARGV: the count's name, the counts' lifetime in milliseconds.
HELP = """
if string.sub(redis.call('GET', KEYS[1]) or '', 1, 5) ~= 'asked' then return 0 end
redis.call('SET', KEYS[1], 'answered', 'KEEPTTL')
redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
"""
ASKED_SECONDS = 400 * 86400  # longer than a closed report is kept, unless its reporter writes again
HELP_SECONDS = 120 * 86400  # the quarter and some more weeks, in case the database is unavailable


class RedisUnavailable(Exception):
    """Redis did not answer, or refused to write."""


class RecordKeys(Struct, frozen=True):
    """The Redis keys of one session. Optional ones are "".

    `read`: the counter of optional screens this reporter has read lately. `guessed`: the counter of wrong pairs of code
    and PIN.
    """

    session: str
    draft: str = ""
    seen: str = ""
    read: str = ""
    guessed: str = ""


class LoadedRecord(Struct, frozen=True):
    """The stored values of one session, or None.

    `version`: the one that `save` must find. `is_known`: this SMS was handled before.
    """

    version: bytes
    session: bytes | None
    drafts: bytes | None
    is_known: bool
    reads: int = 0
    wrong_pairs: int = 0


class FunnelCounts(Struct, frozen=True):
    """Counts of one turn for the statistics. `day`: the date in UTC; `counts`: "country name" → number to add."""

    day: str
    counts: Mapping[str, int]


NOTHING = FunnelCounts("", {})


class Sessions:
    """Load and save sessions. After repeated failures Redis is not called for a few seconds."""

    def __init__(
        self,
        address: RedisAddress,
        cipher: RecordCipher,
        keys: SessionKeys,
        count: Callable[[str], None] = lambda name: None,
        *,
        mode: Mode = Mode.DEMO,
    ) -> None:
        """Create the store.

        `cipher`: makes the Redis keys. `keys`: seal sessions. `count`: counts sessions and drafts that do not open.
        """
        self._client = RedisClient(address, (SAVE, COUNT, ASK, HELP))
        self._redis = redis_clients.session_client(address)  # the blocking client, for use in threads
        self._cipher = cipher
        self._keys = keys
        self._save_script = RedisClient.evalsha(SAVE)
        self._count_script = RedisClient.evalsha(COUNT)
        self._ask_script = RedisClient.evalsha(ASK)
        self._help_script = RedisClient.evalsha(HELP)
        self._count = count
        self._label = f"session {mode}"  # so that a drill's session cannot continue in live mode
        self._breaker = CircuitBreaker("redis_unavailable", failures=3, window=10, pause=5)

    def key(self, kind: str, *parts: str) -> str:
        """Return an opaque key: the kind ("s", "d", "l:seen" or "l:…") and an HMAC of the parts."""
        return self.keys((kind, *parts))[0]

    def keys(self, *kinds: tuple[str, ...]) -> list[str]:
        """Return the key, as `key` does, of each tuple of a kind and its parts."""
        macs = self._cipher.mac_each(self._label, kinds)
        return [f"{kind}:{mac.hex()}" for (kind, *_), mac in zip(kinds, macs, strict=True)]

    async def load(self, keys: RecordKeys) -> LoadedRecord:
        """Load session, drafts and counters in one round trip. Raises RedisUnavailable."""
        names = [name for name in (keys.session, keys.draft, keys.seen, keys.read, keys.guessed) if name]
        answers = await self._ask(*[("GET", name) for name in names])
        values = dict(zip(names, answers, strict=True))
        session = values[keys.session]
        return LoadedRecord(
            version=session[:8] if session else b"",
            session=self._open(keys.session, session[8:] if session else None),
            drafts=self._open(keys.draft, values.get(keys.draft)),
            is_known=values.get(keys.seen) is not None,
            reads=int(values.get(keys.read) or 0),
            wrong_pairs=int(values.get(keys.guessed) or 0),
        )

    async def save(
        self,
        keys: RecordKeys,
        version: bytes,
        session: bytes,
        seconds: int,
        drafts: bytes | None = None,
        *,
        draft_seconds: int = DRAFT_SECONDS["ussd"],
        read: bool = False,
        guessed: bool = False,
        tally: FunnelCounts = NOTHING,
        memory: NewMemory | None = None,
    ) -> bool:
        """Save the session if its version is still `version`; return False after a lost race. Raises RedisUnavailable.

        `drafts`: None leaves them, b"" deletes them. `seconds`, `draft_seconds`: lifetimes. `read`: count one more
        screen that was read. `guessed`: count one more wrong pair of code and PIN. `tally`: counts for the statistics.
        `memory`: a report that was sent in this turn, to be remembered whether or not the race is lost.
        """
        sealed_session = os.urandom(8) + self._seal(keys.session, session)
        draft: bytes | str = ""
        if drafts is not None and keys.draft:
            draft = self._seal(keys.draft, drafts) if drafts else "-"
        day = _day_key(tally.day) if tally.counts else keys.session
        record_keys = (keys.session, keys.draft, keys.seen, keys.read, keys.guessed)
        names = [*(name or keys.session for name in record_keys), day]
        lifetimes, seen_lifetime = (seconds * 1000, draft_seconds * 1000), SEEN_SECONDS * 1000 if keys.seen else 0
        counted = (
            READ_SECONDS * 1000 if read and keys.read else 0,
            GUESSED_SECONDS * 1000 if guessed and keys.guessed else 0,
        )
        arguments = (version, sealed_session, lifetimes[0], draft, lifetimes[1], seen_lifetime, *counted)
        counts = (part for pair in tally.counts.items() for part in pair)
        command = (*self._save_script, len(names), *names, *arguments, COUNTED_DAY_SECONDS * 1000, *counts)
        answers = await self._ask(command, *self._remember(memory))
        return bool(answers[0] == sealed_session)

    async def count_report(self, sender_key: str, origin_key: bytes, now: int) -> PhoneHistory | None:
        """Count a report and return what this sender sent before it in 24 hours; None if Redis is unavailable.

        `sender_key`: the sender's key. `origin_key`: the report's; a report that is counted again gets the same number.
        `now`: Unix seconds. The number of reports, and which they are, is shown to staff only.
        """
        keys = self._slot_keys(sender_key)
        counted, report = self._counted(sender_key, origin_key)
        count = (*self._count_script, 1, counted, report, now, COUNT_SECONDS, MAX_COUNTED)
        try:
            (before, number), *blobs = await self._ask(count, *[("GET", key) for key in keys])
        except RedisUnavailable:
            return None
        return PhoneHistory(int(before), int(number), self._open_all_sent(keys, blobs))

    async def uncount_report(self, sender_key: str, origin_key: bytes) -> None:
        """Count a report no more that was not sent. Without Redis it stays counted."""
        with suppress(RedisUnavailable):
            await self._ask(("HDEL", *self._counted(sender_key, origin_key)))

    def _counted(self, sender_key: str, origin_key: bytes) -> tuple[str, bytes]:
        return self.key("l:count", sender_key), self._cipher.mac(self._label, "counted", origin_key)

    async def last_sent(self, sender_key: str, not_before: int) -> SentReport | None:
        """Return the last report of a sender; None if none is remembered that was sent at `not_before` or later.

        `sender_key`: the sender's key. `not_before`: Unix seconds. Raises RedisUnavailable.
        """
        recent = [report for report in await self._sent(*self._slot_keys(sender_key)) if report.sent_at >= not_before]
        return max(recent, key=lambda report: report.sent_at, default=None)

    async def remember_contact(self, sender_key: str, report_id: str, now: int) -> None:
        """Remember for a day for which report this sender last allowed contact under My report.

        `now`: Unix seconds. Raises RedisUnavailable.
        """
        key = self._contact_key(sender_key)
        await self._ask(self._set_sent(key, SentReport(report_id, (), with_number=True, sent_at=now)))

    async def reports_allowing_contact(self, sender_key: str, until: int) -> tuple[str, ...]:
        """Return the ids of a sender's remembered reports for which contact was allowed by `until`.

        `until`: Unix seconds. Raises RedisUnavailable.
        """
        reports = await self._sent(self._contact_key(sender_key), *self._slot_keys(sender_key))
        ids = [report.report_id for report in reports if report.with_number and report.sent_at <= until]
        return tuple(dict.fromkeys(ids))

    async def _sent(self, *keys: str) -> tuple[SentReport, ...]:
        return self._open_all_sent(keys, await self._ask(*[("GET", key) for key in keys]))

    async def ask_if_it_helped(self, report_id: str) -> bool:
        """Return whether to ask the reader of a closed report if it helped: once for each report.

        False if Redis is unavailable: the question is optional.
        """
        mark = self.key("l:helped", report_id)
        # Random, and not the turn's key: that one depends on the code and PIN just typed.
        value = f"asked {os.urandom(8).hex()}"
        try:
            return bool((await self._ask((*self._ask_script, 1, mark, value, ASKED_SECONDS * 1000)))[0])
        except RedisUnavailable:
            return False

    async def count_help(self, report_id: str, now: int, country: str, answer: str) -> None:
        """Count an answer, once for each report. `now`: Unix seconds. Without Redis it is not counted."""
        mark, counts = self.key("l:helped", report_id), _help_key(quarter_of(now * SECOND))
        with suppress(RedisUnavailable):
            await self._ask((*self._help_script, 2, mark, counts, f"{country} {HELPED}{answer}", HELP_SECONDS * 1000))

    def _remember(self, memory: NewMemory | None) -> tuple[Command, ...]:
        if memory is None:
            return ()
        return (self._set_sent(self._slot_key(memory.sender, memory.slot), memory.report),)

    def _set_sent(self, key: str, report: SentReport) -> Command:
        # The keys of sessions are deleted within the hour, so they cannot seal this.
        sealed = self._cipher.seal("sent report", key.encode(), pack_sent(report))
        return ("SET", key, sealed, "PX", COUNT_SECONDS * 1000)

    def _contact_key(self, sender_key: str) -> str:
        return self.key("l:contact", sender_key)

    def _slot_key(self, sender_key: str, slot: int) -> str:
        return self.key("l:sent", sender_key, str(slot))

    def _slot_keys(self, sender_key: str) -> list[str]:
        return self.keys(*[("l:sent", sender_key, str(slot)) for slot in range(SLOTS)])

    def _open_all_sent(self, keys: Sequence[str], blobs: Sequence[bytes | None]) -> tuple[SentReport, ...]:
        opened = (self._open_sent(key, blob) for key, blob in zip(keys, blobs, strict=True))
        return tuple(report for report in opened if report)

    def _open_sent(self, key: str, blob: bytes | None) -> SentReport | None:
        try:
            return unpack_sent(self._cipher.open("sent report", key.encode(), blob)) if blob else None
        except DecryptError:
            return None

    async def _ask(self, *commands: Command) -> list[Any]:
        """Send commands and return their answers. Raises RedisUnavailable."""
        seconds = seconds_for_redis()
        if self._breaker.is_open:
            raise RedisUnavailable
        try:
            return await self._client.ask(*commands, seconds=seconds)
        except (RedisError, OSError, ConnectionLost):
            if seconds >= ENOUGH_SECONDS:
                self._breaker.failed()
            raise RedisUnavailable from None

    async def disconnect(self) -> None:
        """Close the running event loop's connection before the loop ends."""
        await self._client.disconnect()

    # For threads

    def counted(self, day: str) -> dict[str, int]:
        """Return the statistics of one UTC date, as number by "country name". Raises RedisUnavailable."""
        return self._counts(_day_key(day))

    def forget(self, day: str) -> None:
        """Delete the statistics of one UTC date. Raises RedisUnavailable."""
        self._delete(_day_key(day))

    def helped(self, quarter: str) -> dict[str, int]:
        """Return the answers to "Did it help?" of one quarter, as number by "country name". Raises RedisUnavailable."""
        return self._counts(_help_key(quarter))

    def forget_help(self, quarter: str) -> None:
        """Delete the answers of one quarter. Raises RedisUnavailable."""
        self._delete(_help_key(quarter))

    def _counts(self, key: str) -> dict[str, int]:
        try:
            counts: Any = self._redis.hgetall(key)
        except (RedisError, OSError):
            raise RedisUnavailable from None
        return {name.decode(): int(number) for name, number in counts.items()}

    def _delete(self, key: str) -> None:
        try:
            self._redis.delete(key)
        except (RedisError, OSError):
            raise RedisUnavailable from None

    def is_up(self) -> bool:
        """Return whether Redis answers now and the circuit breaker is closed."""
        try:
            return not self._breaker.is_open and bool(self._redis.ping())
        except (RedisError, OSError):
            return False

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._redis.close()

    def _seal(self, key: str, value: bytes) -> bytes:
        return self._keys.seal("session", key.encode(), value)

    def _open(self, key: str, blob: bytes | None) -> bytes | None:
        """Return the opened value; None if there is none or it does not open.

        A reporter whose session does not open begins anew; the loss is counted for the operator.
        """
        if blob is None:
            return None
        try:
            return self._keys.open("session", key.encode(), blob)
        except DecryptError:
            self._count("sessions_unreadable")
            return None


def seconds_for_redis() -> float:
    """Return how many seconds the current request may still wait for Redis; infinite outside of a request."""
    request = request_time.get()
    return math.inf if request is None else max(request.ends_at + SAVE_SECONDS - time.monotonic(), MIN_REDIS_SECONDS)


def _day_key(day: str) -> str:
    return f"l:day:{day}"


def _help_key(quarter: str) -> str:
    """Return the key of a quarter's answers. A day's would show the answer of the only reader of that day."""
    return f"l:help:{quarter}"
