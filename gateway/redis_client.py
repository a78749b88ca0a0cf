"""An asyncio client for Redis that sends what many callers ask in one turn of the event loop in one write.

One connection for each event loop. Commands that are asked together are answered together, in order. A connection
that gave no answer for half a second is closed; what waited on it is asked once more on a new one, so only commands
that may be carried out twice are asked here. RESP is written and read by hiredis; redis-py finds the server's address
behind Sentinels, and reads the address in the settings.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha1
from typing import Any, Final
from weakref import WeakKeyDictionary

import hiredis
from redis import connection as redis_connection
from redis.exceptions import RedisError

from reports import connections
from reports.connections import SECONDS
from reports.settings import Reach

Command = tuple[bytes | str | int, ...]

TRIES: Final = 2
NOTHING_YET: Final = object()  # hiredis returns False for it otherwise, which can be an answer
NO_SCRIPT: Final = "NOSCRIPT"  # the one error that says nothing against the server

_parse_url: Any = redis_connection.parse_url  # the library gives it no types
_pack: Any = hiredis.pack_command  # its type knows commands of one word only


class ConnectionLost(Exception):
    """The connection was closed, or had no answer in time. Whether the commands were carried out is not known."""


class _Asked:
    """Commands that were sent together: how many answers they get, and by when."""

    __slots__ = ("answers", "count", "future", "until")

    def __init__(self, count: int, until: float, future: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.until = until
        self.future = future
        self.answers: list[Any] = []


class Connection(asyncio.Protocol):
    """One connection to a server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = hiredis.Reader(notEnoughData=NOTHING_YET)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        self._waiting: deque[_Asked] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands with whatever else is asked in this turn of the loop; the future gets their answers."""
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(ConnectionLost)
            return future
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.extend(map(_pack, commands))
        asked = _Asked(len(commands), self._loop.time() + SECONDS, future)
        self._waiting.append(asked)
        if self._timer is None:
            self._timer = self._loop.call_at(asked.until, self._look)
        return future

    def close(self) -> None:
        """Close the connection; whoever waits for an answer gets ConnectionLost."""
        transport, self._transport = self._transport, None
        if self._timer:
            self._timer.cancel()
        if transport:
            transport.abort()
        for asked in self._waiting:
            if not asked.future.done():
                asked.future.set_exception(ConnectionLost)
        self._waiting.clear()
        self._unsent.clear()

    def _send(self) -> None:
        if self._transport and self._unsent:
            self._transport.write(b"".join(self._unsent))
            self._unsent.clear()

    def _look(self) -> None:
        """Close the connection if the oldest question had no answer in time; otherwise look again when it is due.

        One more turn of the loop comes first: where the loop itself was late, the answer may be there.
        """
        self._timer = None
        if not self._waiting:
            return
        until = self._waiting[0].until
        if until > self._loop.time():
            self._timer = self._loop.call_at(until, self._look)
        else:
            self._timer = self._loop.call_later(0, self._close_if_late, self._waiting[0])

    def _close_if_late(self, asked: _Asked) -> None:
        self._timer = None
        if self._waiting and self._waiting[0] is asked:
            self.close()
        else:
            self._look()

    # asyncio calls these

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()

    def data_received(self, data: bytes) -> None:
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not NOTHING_YET:
                self._take(answer)
        except Exception:  # whatever it is, the answers that follow cannot be told apart any more
            self.close()

    def _take(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification):
            return  # nobody asked
        asked = self._waiting[0]
        asked.answers.append(answer)
        if len(asked.answers) == asked.count:
            self._waiting.popleft()
            if not asked.future.done():  # whoever asked may be gone
                asked.future.set_result(asked.answers)


class RedisClient:
    """Ask the server that the settings name, from any event loop."""

    def __init__(self, reach: Reach, scripts: Sequence[str] = ()) -> None:
        """`scripts`: the Lua that commands made by `evalsha` run."""
        self._reach = reach
        self._scripts = {sha1(lua.encode(), usedforsecurity=False).hexdigest(): lua for lua in scripts}
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, Connection] = WeakKeyDictionary()
        self._connecting: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Connection]] = WeakKeyDictionary()

    @staticmethod
    def evalsha(lua: str) -> Command:
        """Return how a command begins that runs this script."""
        return ("EVALSHA", sha1(lua.encode(), usedforsecurity=False).hexdigest())  # as the server counts it

    async def ask(self, *commands: Command) -> list[Any]:
        """Return the answers to commands. Raises RedisError, OSError, ConnectionLost."""
        for attempt in range(1, TRIES + 1):
            try:
                answers = await (await self._connection()).ask(commands)
            except ConnectionLost:
                if attempt == TRIES:
                    raise
                continue
            if any(isinstance(one, hiredis.ReplyError) for one in answers):
                return await self._without_errors(commands, answers)
            return answers
        raise ConnectionLost

    async def _without_errors(self, commands: Sequence[Command], answers: list[Any]) -> list[Any]:
        """Send scripts whole that the server does not know: it was started again, or its scripts were flushed."""
        wrong = [str(one) for one in answers if isinstance(one, hiredis.ReplyError)]
        if not all(one.startswith(NO_SCRIPT) for one in wrong):
            raise RedisError("the server refuses a command")
        found = await (await self._connection()).ask(tuple(map(self._whole, commands)))
        if any(isinstance(one, hiredis.ReplyError) for one in found):
            raise RedisError("the server refuses a command")
        return found

    def _whole(self, command: Command) -> Command:
        return ("EVAL", self._scripts[str(command[1])], *command[2:]) if command[0] == "EVALSHA" else command

    async def _connection(self) -> Connection:
        """Return this event loop's connection; whoever asks while it is being opened waits for the same one."""
        loop = asyncio.get_running_loop()
        found = self._connections.get(loop)
        if found and found.is_open:
            return found
        task = self._connecting.get(loop)
        if task is None:
            task = loop.create_task(self._connect(loop))
            self._connecting[loop] = task
            task.add_done_callback(lambda _: self._connecting.pop(loop, None))
        return await asyncio.shield(task)

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        async with asyncio.timeout(SECONDS):
            connection = await self._open(loop)
            try:
                answers = await connection.ask(self._greeting())
            except BaseException:
                connection.close()
                raise
        if any(isinstance(one, hiredis.ReplyError) for one in answers):
            connection.close()
            raise RedisError("the server refuses the user or the database")
        self._connections[loop] = connection
        return connection

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Connection:
        given = _parse_url(self._reach.url)
        if path := given.get("path"):
            return (await loop.create_unix_connection(lambda: Connection(loop), path))[1]
        host, port = given.get("host", "localhost"), given.get("port", 6379)
        if self._reach.sentinels:
            host, port = await asyncio.to_thread(connections.master_of, self._reach, SECONDS)
        tls: dict[str, Any] = {}
        if self._reach.is_tls:
            ca_file = str(self._reach.ca_file) if self._reach.ca_file else None
            tls = {"ssl": ssl.create_default_context(cafile=ca_file), "server_hostname": host}
        return (await loop.create_connection(lambda: Connection(loop), host, port, **tls))[1]

    def _greeting(self) -> tuple[Command, ...]:
        reach = self._reach
        commands: list[Command] = []
        if reach.password is not None:
            commands.append(("AUTH", *((reach.username,) if reach.username else ()), reach.password))
        if database := _parse_url(reach.url).get("db", 0):
            commands.append(("SELECT", database))
        return (*commands, ("PING",))

    def close(self) -> None:
        """Close this client's connections, each on its own event loop where that still runs."""
        for loop, connection in list(self._connections.items()):
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(connection.close)
