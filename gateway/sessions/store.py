"""Conversations in Redis: sealed, short-lived, and moved on by one script, so that nobody takes a step twice.

A key is an HMAC: Redis never sees a number. A value is an 8-byte version, then the sealed conversation. The version is
drawn anew with each write; `keep` writes only over the version that was loaded, and otherwise tells what is there.
Two round trips a screen: one to load, one to keep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from redis.exceptions import RedisError

from gateway.sessions import keys as session_keys
from gateway.sessions.circuit_breaker import CircuitBreaker
from gateway.sessions.keys import SessionKeys
from gateway.sessions.redis_client import Command, ConnectionLost, RedisClient
from reports.crypto import DecryptError, RecordCipher
from runtime import redis_clients
from runtime.settings import RedisAddress

USSD_SECONDS = 15 * 60
SENT_SECONDS = 3 * 60  # after Send and in My report: no network lets a session wait longer
BLIND_SECONDS = 60  # where nothing tells a dial from a reply, the next caller could meet this session
LEAST_SECONDS = 60
SMS_SECONDS = 30 * 60  # after that any SMS gets the home screen
DRAFT_SECONDS = {
    "ussd": 15 * 60,
    "sms": session_keys.LEAST_SECONDS,
}  # while it may be carried on, and its key is surely there
READ_SECONDS = 10 * 60
GUESSED_SECONDS = 24 * 3600
COUNTED_DAY_SECONDS = 9 * 86400  # a week that the database may be away, and the day itself
SEEN_SECONDS = 25 * 3600  # Africa's Talking sends an unanswered SMS again for 12 h

# KEYS: session, draft, seen, read, guessed, day. ARGV: version that was read, new value, its milliseconds,
# draft ("" leaves it, "-" deletes it), its milliseconds, seen for so many milliseconds (0: not an SMS), count what is
# read for so many milliseconds (0: nothing was), count a wrong pair of code and PIN for so many milliseconds (0: none
# came), keep the day's counts so many milliseconds; then what is added to them, name after name with its number. A
# server that refuses to count refuses nobody a screen.
# Run twice (a retry after a lost answer), it finds its own version and gives back what it wrote.
KEEP = """
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

COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1] * 1000) end
return n
"""
COUNT_SECONDS = 24 * 3600


class RedisUnavailable(Exception):
    """Redis did not answer, or would not write."""


class RecordKeys(Struct, frozen=True):
    """Where one conversation is kept. The others are empty where there is nothing of the kind.

    `read`: how many screens this caller has read lately that can wait. `guessed`: wrong pairs of code and PIN.
    """

    session: str
    draft: str = ""
    seen: str = ""
    read: str = ""
    guessed: str = ""


class LoadedRecord(Struct, frozen=True):
    """What was found, as it was kept, or None; `version` is what `keep` must find."""

    version: bytes
    session: bytes | None
    drafts: bytes | None
    seen: bool
    read: int = 0
    guessed: int = 0


class FunnelCounts(Struct, frozen=True):
    """Of one turn. `day`: of UTC; `counts`: what is added, by country and name."""

    day: str
    counts: Mapping[str, int]


NOTHING = FunnelCounts("", {})


class Sessions:
    def __init__(
        self,
        reach: RedisAddress,
        cipher: RecordCipher,
        keys: SessionKeys,
        on_lost: Callable[[str], None] = lambda reason: None,
        *,
        mode: str = "demo",
    ) -> None:
        """`vault` makes the names of records, `keys` seal what they hold."""
        self._client = RedisClient(reach, (KEEP, COUNT))
        self._redis = redis_clients.session_client(reach)  # for threads
        self._cipher = cipher
        self._keys = keys
        self._keep = RedisClient.evalsha(KEEP)
        self._count = RedisClient.evalsha(COUNT)
        self._on_lost = on_lost
        self._label = f"session {mode}"  # so that no conversation of a drill goes on in the live service
        self._breaker = CircuitBreaker(failures=3, window=10, rest=5)

    def key(self, kind: str, *parts: str) -> str:
        """A key that tells nothing: kind "s", "d" or "l:seen" and an HMAC of the parts."""
        return f"{kind}:{self._cipher.mac(self._label, kind, *parts).hex()}"

    async def load(self, keys: RecordKeys) -> LoadedRecord:
        """Session, drafts and whether this SMS was seen, in one round trip. Raises RedisUnavailable."""
        wanted = [name for name in (keys.session, keys.draft, keys.seen, keys.read, keys.guessed) if name]
        answers = await self._ask(*[("GET", name) for name in wanted])
        found = dict(zip(wanted, answers, strict=True))
        session = found[keys.session]
        return LoadedRecord(
            version=session[:8] if session else b"",
            session=self._open(keys.session, session[8:] if session else None),
            drafts=self._open(keys.draft, found.get(keys.draft)),
            seen=found.get(keys.seen) is not None,
            read=int(found.get(keys.read) or 0),
            guessed=int(found.get(keys.guessed) or 0),
        )

    async def keep(
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
    ) -> bool:
        """Write over `version` only; false where another was faster. `drafts`: None leaves them, b"" deletes them.

        `read`: count one more screen that was read. `guessed`: one more wrong pair of code and PIN. `tally`: what is
        counted for the statistics.
        """
        value = os.urandom(8) + self._seal(keys.session, session)
        draft: bytes | str = ""
        if drafts is not None and keys.draft:
            draft = self._seal(keys.draft, drafts) if drafts else "-"
        day = _day_key(tally.day) if tally.counts else keys.session
        own = (keys.session, keys.draft, keys.seen, keys.read, keys.guessed)
        names = [*(name or keys.session for name in own), day]
        lasts, seen = (seconds * 1000, draft_seconds * 1000), SEEN_SECONDS * 1000 if keys.seen else 0
        counted = (
            READ_SECONDS * 1000 if read and keys.read else 0,
            GUESSED_SECONDS * 1000 if guessed and keys.guessed else 0,
        )
        said = (version, value, lasts[0], draft, lasts[1], seen, *counted)
        counts = (part for pair in tally.counts.items() for part in pair)
        written = await self._ask((*self._keep, len(names), *names, *said, COUNTED_DAY_SECONDS * 1000, *counts))
        return bool(written[0] == value)

    async def count_report(self, who: str) -> int | None:
        """Reports from this caller in the last 24 hours before this one; None while Redis is away. For staff only."""
        key = self.key("l:count", who)
        try:
            return int((await self._ask((*self._count, 1, key, COUNT_SECONDS)))[0]) - 1
        except RedisUnavailable:
            return None

    async def _ask(self, *commands: Command) -> list[Any]:
        """Return their answers. Raises RedisUnavailable."""
        if self._breaker.is_open:
            raise RedisUnavailable
        try:
            return await self._client.ask(*commands)
        except (RedisError, OSError, ConnectionLost):
            self._breaker.failed()
            raise RedisUnavailable from None

    async def disconnect(self) -> None:
        """Close the running event loop's connection: the loop is about to end."""
        await self._client.disconnect()

    # In a thread

    def counted(self, day: str) -> dict[str, int]:
        """What was counted on a day. Raises RedisUnavailable."""
        try:
            found: Any = self._redis.hgetall(_day_key(day))
        except (RedisError, OSError):
            raise RedisUnavailable from None
        return {name.decode(): int(number) for name, number in found.items()}

    def forget(self, day: str) -> None:
        """Raises RedisUnavailable."""
        try:
            self._redis.delete(_day_key(day))
        except (RedisError, OSError):
            raise RedisUnavailable from None

    def answers(self) -> bool:
        """Return whether Redis answers now, and callers are not kept from it after its last failures."""
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
        """None where nothing was kept, or it was not ours: the caller begins anew, and the operator sees it."""
        if blob is None:
            return None
        try:
            return self._keys.open("session", key.encode(), blob)
        except DecryptError:
            self._on_lost("lost")
            return None


def _day_key(day: str) -> str:
    return f"l:day:{day}"
