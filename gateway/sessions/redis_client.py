"""An asyncio client for Redis that sends what many callers ask in one turn of the event loop in one write.

One connection for each event loop. Commands that are asked together are answered together, in order. A connection
that gave no answer for half a second is closed; what waited on it is asked once more on a new one, so only commands
that may be carried out twice are asked here. So is what the server refuses: another may lead by now. RESP is written
and read by hiredis; redis-py finds the server's address behind Sentinels, and reads the address in the settings.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha1
from typing import Any, Final

import hiredis
from redis import connection as redis_connection
from redis.exceptions import RedisError

from runtime import redis_clients
from runtime.redis_clients import TIMEOUT_SECONDS
from runtime.settings import RedisAddress

Command = tuple[bytes | str | int, ...]

TRIES: Final = 2
MOST_SECONDS: Final = 1.0  # that a question may wait beyond its time while the server answers older ones
POLL_SECONDS: Final = 0.01  # one more read before giving up; in uvloop a timer of 0 fires before pending reads
NOTHING_YET: Final = object()  # hiredis returns False for it otherwise, which can be an answer
NO_SCRIPT: Final = "NOSCRIPT"  # the one error that says nothing against the server

_parse_url: Any = redis_connection.parse_url  # the library gives it no types
_pack: Any = hiredis.pack_command  # its type knows commands of one word only


class ConnectionLost(Exception):
    """The connection was closed, or had no answer in time. Whether the commands were carried out is not known."""


class _PendingCommands:
    """Commands that were sent together: how many answers they get, and by when."""

    __slots__ = ("answers", "count", "future", "until")

    def __init__(self, count: int, future: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.until = math.inf  # while they are not sent
        self.future = future
        self.answers: list[Any] = []


class Connection(asyncio.Protocol):
    """One connection to a server."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = hiredis.Reader(notEnoughData=NOTHING_YET)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[tuple[_PendingCommands, bytes]] = []
        self._waiting: deque[_PendingCommands] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._read_at = 0.0
        self._is_retired = False

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands with whatever else is asked in this turn of the loop; the future gets their answers."""
        packed = b"".join(map(_pack, commands))  # before anything is queued: it raises where a command is wrong
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(ConnectionLost)
        elif not commands:
            future.set_result([])
        else:
            if not self._unsent:
                self._loop.call_soon(self._send)
            asked = _PendingCommands(len(commands), future)
            self._unsent.append((asked, packed))
            self._waiting.append(asked)
        return future

    def retire(self) -> None:
        """Close the connection once all that wait on it have their answers."""
        self._is_retired = True
        if not self._waiting:
            self.close()

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
        """Write what was asked. Its time begins now: the loop may have been busy with others since."""
        if not self._transport or not self._unsent:
            return
        until = self._loop.time() + TIMEOUT_SECONDS
        for asked, _ in self._unsent:
            asked.until = until
        self._transport.write(b"".join([packed for _, packed in self._unsent]))
        self._unsent.clear()
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._look)

    def _look(self) -> None:
        """Close the connection if the oldest question had no answer in time; otherwise look again when it is due.

        The loop reads once more before: where the loop itself was late, the answer may be there.
        """
        self._timer = None
        if self._is_due():
            self._timer = self._loop.call_later(POLL_SECONDS, self._close_if_late)

    def _close_if_late(self) -> None:
        self._timer = None
        if self._is_due():
            self.close()

    def _is_due(self) -> bool:
        """Return whether the server has said nothing for so long that it is given up; otherwise set the next timer.

        What it has said is answers to older questions, or a part of this answer.
        """
        if not self._waiting or self._waiting[0].until == math.inf:
            return False  # `_send` sets the next timer
        asked_until = self._waiting[0].until
        until = min(max(asked_until, self._read_at + TIMEOUT_SECONDS), asked_until + MOST_SECONDS)
        if until <= self._loop.time():
            return True
        self._timer = self._loop.call_at(until, self._look)
        return False

    # asyncio calls these

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.close()

    def data_received(self, data: bytes) -> None:
        self._read_at = self._loop.time()
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not NOTHING_YET:
                self._take(answer)
        except Exception:  # whatever it is, the answers that follow cannot be told apart any more
            self.close()
        if self._is_retired and not self._waiting:
            self.close()

    def _take(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification):
            return  # nobody asked
        asked = self._waiting[0]
        if asked.until == math.inf:
            raise ConnectionLost  # it was not even sent: this answers nothing that we asked
        asked.answers.append(answer)
        if len(asked.answers) == asked.count:
            self._waiting.popleft()
            if not asked.future.done():  # whoever asked may be gone
                asked.future.set_result(asked.answers)


class RedisClient:
    """Ask the server that the settings name, from any event loop."""

    def __init__(self, reach: RedisAddress, scripts: Sequence[str] = ()) -> None:
        """`scripts`: the Lua that commands made by `evalsha` run."""
        self._reach = reach
        self._scripts = {sha1(lua.encode(), usedforsecurity=False).hexdigest(): lua for lua in scripts}
        self._connections: dict[asyncio.AbstractEventLoop, Connection] = {}
        self._connecting: dict[asyncio.AbstractEventLoop, asyncio.Task[Connection]] = {}
        self._is_closed = False

    @staticmethod
    def evalsha(lua: str) -> Command:
        """Return how a command begins that runs this script."""
        return ("EVALSHA", sha1(lua.encode(), usedforsecurity=False).hexdigest())  # as the server counts it

    async def ask(self, *commands: Command) -> list[Any]:
        """Return the answers to commands. Raises RedisError, OSError, ConnectionLost."""
        for attempt in range(1, TRIES + 1):
            connection = self._connections.get(asyncio.get_running_loop())
            if connection is None or not connection.is_open:
                connection = await self._connect_once()
            try:
                answers = await connection.ask(commands)
                if _are_unknown_scripts(answers):
                    answers = await connection.ask([self._whole(one) for one in commands])
            except ConnectionLost:
                if attempt == TRIES:
                    raise
                continue
            if not any(isinstance(one, hiredis.ReplyError) for one in answers):
                return answers
            self._retire(connection)
        raise RedisError("the server refuses a command")

    def _whole(self, command: Command) -> Command:
        return ("EVAL", self._scripts[str(command[1])], *command[2:]) if command[0] == "EVALSHA" else command

    def _retire(self, connection: Connection) -> None:
        """Ask nothing more of this server, as after a change of masters, where the old one refuses to write.

        Whoever has asked it already may still get a good answer.
        """
        loop = asyncio.get_running_loop()
        if self._connections.get(loop) is connection:
            del self._connections[loop]
        connection.retire()

    async def _connect_once(self) -> Connection:
        """Open this event loop's connection; whoever asks meanwhile waits for the same one."""
        loop = asyncio.get_running_loop()
        task = self._connecting.get(loop)
        if task is None:
            task = loop.create_task(self._connect(loop))
            self._connecting[loop] = task
            task.add_done_callback(partial(self._connected, loop))
        return await asyncio.shield(task)

    def _connected(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Connection]) -> None:
        self._connecting.pop(loop, None)
        if not task.cancelled():
            task.exception()  # asyncio logs one that nobody asks for, and all who did may be gone

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        self._forget_closed_loops()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            connection = await self._open(loop)
            try:
                answers = await connection.ask(self._greeting())
            except BaseException:
                connection.close()
                raise
        if any(isinstance(one, hiredis.ReplyError) for one in answers):
            connection.close()
            raise RedisError("the server refuses the user or the database")
        if self._is_closed:
            connection.close()
            raise ConnectionLost
        self._connections[loop] = connection
        return connection

    def _forget_closed_loops(self) -> None:
        for one in list(self._connections):  # another thread's event loop may add its own meanwhile
            if one.is_closed():
                self._connections.pop(one, None)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Connection:
        if self._is_closed:
            raise ConnectionLost
        given = _parse_url(self._reach.url)
        if path := given.get("path"):
            return (await loop.create_unix_connection(lambda: Connection(loop), path))[1]
        host, port = given.get("host", "localhost"), given.get("port", 6379)
        if self._reach.sentinels:
            host, port = await asyncio.to_thread(redis_clients.find_master, self._reach, TIMEOUT_SECONDS)
        tls: dict[str, Any] = {}
        if self._reach.is_tls:
            ca_file = str(self._reach.ca_file) if self._reach.ca_file else None
            context = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)  # it reads files
            tls = {"ssl": context, "server_hostname": host}
        return (await loop.create_connection(lambda: Connection(loop), host, port, **tls))[1]

    def _greeting(self) -> tuple[Command, ...]:
        reach = self._reach
        commands: list[Command] = []
        if reach.password is not None:
            commands.append(("AUTH", *((reach.username,) if reach.username else ()), reach.password))
        if database := _parse_url(reach.url).get("db", 0):
            commands.append(("SELECT", database))
        return (*commands, ("PING",))

    async def disconnect(self) -> None:
        """Close the running event loop's connection: the loop is about to end."""
        if connection := self._connections.pop(asyncio.get_running_loop(), None):
            connection.close()
            await asyncio.sleep(0)  # the loop closes the socket in its next turn

    def close(self) -> None:
        """Close this client's connections, each on its own event loop where that still runs. Nothing is asked after."""
        self._is_closed = True
        for loop, connection in list(self._connections.items()):
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(connection.close)
        self._connections.clear()


def _are_unknown_scripts(answers: Sequence[Any]) -> bool:
    """Return whether the server was started again, or its scripts were flushed, and nothing else is wrong."""
    wrong = [str(one) for one in answers if isinstance(one, hiredis.ReplyError)]
    return bool(wrong) and all(one.startswith(NO_SCRIPT) for one in wrong)
