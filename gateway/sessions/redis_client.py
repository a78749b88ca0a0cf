"""An asyncio Redis client that pipelines all commands of one event-loop turn in one write.

There is one connection for each event loop. Commands sent together are answered together, in order. A connection
without an answer for half a second is closed, and its commands are sent once more on a new one. So only idempotent
commands may be sent here. Commands that the server refuses are retried likewise: another server may be the master by
now. hiredis writes and reads RESP; redis-py finds the master through Sentinels and parses the URL of the settings.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha1
from typing import Any, Final, TypeVar

import hiredis
from redis import connection as redis_connection
from redis.exceptions import RedisError

from runtime import redis_clients
from runtime.redis_clients import TIMEOUT_SECONDS
from runtime.settings import RedisAddress

Command = tuple[bytes | str | int, ...]
T = TypeVar("T")

TRIES: Final = 2
EXTRA_SECONDS: Final = 1.0  # extra wait: of a command while the server still answers older ones, and to connect
LOOK_SECONDS: Final = 0.05  # how often a late event loop is noticed
POLL_SECONDS: Final = 0.01  # one more read before giving up; in uvloop a timer of 0 fires before pending reads
NOTHING_YET: Final = object()  # hiredis would return False, which can be an answer
MAX_SECONDS: Final = 3 * (TIMEOUT_SECONDS + EXTRA_SECONDS)  # a try, a new connection, and the second try
NO_SCRIPT: Final = "NOSCRIPT"  # the only error after which the connection is still good

_parse_url: Any = redis_connection.parse_url  # redis-py has no type for it
_pack: Any = hiredis.pack_command  # its type only allows commands of one word


class ConnectionLost(Exception):
    """The connection was closed, or no answer came in time. The commands may or may not have been executed."""


class _PendingCommands:
    """Commands that were sent together, with the number of expected answers and the deadline in loop time."""

    __slots__ = ("answers", "count", "future", "until")

    def __init__(self, count: int, future: asyncio.Future[list[Any]]) -> None:
        self.count = count
        self.until = math.inf  # until they are sent
        self.future = future
        self.answers: list[Any] = []


class Connection(asyncio.Protocol):
    """One connection to a Redis server, used from one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._reader = hiredis.Reader(notEnoughData=NOTHING_YET)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[tuple[_PendingCommands, bytes]] = []
        self._unanswered: deque[_PendingCommands] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._read_at = 0.0
        self._is_retired = False

    @property
    def is_open(self) -> bool:
        """Return whether commands can be sent."""
        return self._transport is not None

    def ask(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """Send commands together with all others of this loop turn. The future returns their answers."""
        packed = b"".join(map(_pack, commands))  # packed first, because an invalid command raises
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._transport is None:
            future.set_exception(ConnectionLost)
        elif not commands:
            future.set_result([])
        else:
            if not self._unsent:
                self._loop.call_soon(self._send)
            pending = _PendingCommands(len(commands), future)
            self._unsent.append((pending, packed))
            self._unanswered.append(pending)
        return future

    def retire(self) -> None:
        """Close the connection once all pending commands are answered."""
        self._is_retired = True
        if not self._unanswered:
            self.close()

    def close(self) -> None:
        """Close the connection. Pending commands fail with ConnectionLost."""
        transport, self._transport = self._transport, None
        if self._timer:
            self._timer.cancel()
        if transport:
            transport.abort()
        for pending in self._unanswered:
            if not pending.future.done():
                pending.future.set_exception(ConnectionLost)
        self._unanswered.clear()
        self._unsent.clear()

    def _send(self) -> None:
        """Write the queued commands. Their time starts now: the loop may have been busy since they were queued."""
        if not self._transport or not self._unsent:
            return
        deadline = self._loop.time() + TIMEOUT_SECONDS
        for pending, _ in self._unsent:
            pending.until = deadline
        self._transport.write(b"".join([packed for _, packed in self._unsent]))
        self._unsent.clear()
        if self._timer is None:
            self._timer = self._loop.call_at(deadline, self._check_timeout)

    def _check_timeout(self) -> None:
        """Close the connection if the oldest command is overdue; otherwise check again when it is due.

        The loop reads once more before closing: if the loop itself was late, the answer may already be in the socket.
        """
        self._timer = None
        if self._is_due():
            self._timer = self._loop.call_later(POLL_SECONDS, self._close_if_late)

    def _close_if_late(self) -> None:
        self._timer = None
        if self._is_due():
            self.close()

    def _is_due(self) -> bool:
        """Return whether the server has been silent for too long; otherwise set the next timer.

        Answers to older commands, and parts of this answer, do not count as silence.
        """
        if not self._unanswered or self._unanswered[0].until == math.inf:
            return False  # `_send` sets the next timer
        asked_until = self._unanswered[0].until
        deadline = min(max(asked_until, self._read_at + TIMEOUT_SECONDS), asked_until + EXTRA_SECONDS)
        if deadline <= self._loop.time():
            return True
        self._timer = self._loop.call_at(deadline, self._check_timeout)
        return False

    # Callbacks of asyncio

    def connection_made(self, transport: Any) -> None:
        """Store the transport."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail all pending commands."""
        self.close()

    def data_received(self, data: bytes) -> None:
        """Parse answers and resolve the futures that wait for them."""
        self._read_at = self._loop.time()
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not NOTHING_YET:
                self._resolve(answer)
        except Exception:  # after any error the following answers cannot be matched to commands
            self.close()
        if self._is_retired and not self._unanswered:
            self.close()

    def _resolve(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification):
            return  # not an answer to a command
        pending = self._unanswered[0]
        if pending.until == math.inf:
            raise ConnectionLost  # it was not sent yet, so this cannot be its answer
        pending.answers.append(answer)
        if len(pending.answers) == pending.count:
            self._unanswered.popleft()
            if not pending.future.done():  # the waiting task may have been cancelled
                pending.future.set_result(pending.answers)


class RedisClient:
    """Send commands to the server of the settings, from any event loop."""

    def __init__(self, address: RedisAddress, scripts: Sequence[str] = ()) -> None:
        """Create the client. `scripts`: the Lua scripts that commands made by `evalsha` run."""
        self._address = address
        self._scripts = {sha1(lua.encode(), usedforsecurity=False).hexdigest(): lua for lua in scripts}
        self._connections: dict[asyncio.AbstractEventLoop, Connection] = {}
        self._connecting: dict[asyncio.AbstractEventLoop, asyncio.Task[Connection]] = {}
        self._is_closed = False

    @staticmethod
    def evalsha(lua: str) -> Command:
        """Return the first words of a command that runs this script."""
        return ("EVALSHA", sha1(lua.encode(), usedforsecurity=False).hexdigest())  # as the server names it

    async def ask(self, *commands: Command, seconds: float = math.inf) -> list[Any]:
        """Send commands and return their answers. Raises RedisError, OSError, ConnectionLost.

        `seconds`: how long to wait at most; the time for which the event loop is late does not count.
        """
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        if seconds >= MAX_SECONDS and connection is not None and connection.is_open:
            return await self._ask(commands)
        return await _in_time(loop, self._ask(commands), seconds)

    async def _ask(self, commands: Sequence[Command]) -> list[Any]:
        for attempt in range(1, TRIES + 1):
            connection = self._connections.get(asyncio.get_running_loop())
            if connection is None or not connection.is_open:
                connection = await self._connect_once()
            try:
                answers = await connection.ask(commands)
                if _are_unknown_scripts(answers):
                    answers = await connection.ask([self._with_script(command) for command in commands])
            except ConnectionLost:
                if attempt == TRIES:
                    raise
                continue
            if not any(isinstance(answer, hiredis.ReplyError) for answer in answers):
                return answers
            self._retire(connection)
        raise RedisError("the server refuses a command")

    def _with_script(self, command: Command) -> Command:
        return ("EVAL", self._scripts[str(command[1])], *command[2:]) if command[0] == "EVALSHA" else command

    def _retire(self, connection: Connection) -> None:
        """Stop using this connection, for example after a failover, when the old master refuses writes.

        Commands already sent on it may still get good answers.
        """
        loop = asyncio.get_running_loop()
        if self._connections.get(loop) is connection:
            del self._connections[loop]
        connection.retire()

    async def _connect_once(self) -> Connection:
        """Open this event loop's connection; concurrent callers wait for the same one."""
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
            task.exception()  # asyncio logs an exception that is never retrieved; all waiting tasks may be cancelled

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> Connection:
        self._forget_closed_loops()
        connection = await _in_time(loop, self._greeted(loop), TIMEOUT_SECONDS)
        if self._is_closed:
            connection.close()
            raise ConnectionLost
        self._connections[loop] = connection
        return connection

    async def _greeted(self, loop: asyncio.AbstractEventLoop) -> Connection:
        connection = await self._open(loop)
        try:
            answers = await connection.ask(self._greeting())
        except BaseException:
            connection.close()
            raise
        if any(isinstance(answer, hiredis.ReplyError) for answer in answers):
            connection.close()
            raise RedisError("the server refuses the user or the database")
        return connection

    def _forget_closed_loops(self) -> None:
        for loop in list(self._connections):  # a copy: another thread may add its event loop meanwhile
            if loop.is_closed():
                self._connections.pop(loop, None)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> Connection:
        if self._is_closed:
            raise ConnectionLost
        url = _parse_url(self._address.url)
        if path := url.get("path"):
            return (await loop.create_unix_connection(lambda: Connection(loop), path))[1]
        host, port = url.get("host", "localhost"), url.get("port", 6379)
        if self._address.sentinels:
            host, port = await asyncio.to_thread(redis_clients.find_master, self._address, TIMEOUT_SECONDS)
        tls: dict[str, Any] = {}
        if self._address.is_tls:
            ca_file = str(self._address.ca_file) if self._address.ca_file else None
            context = await asyncio.to_thread(ssl.create_default_context, cafile=ca_file)  # it reads files
            tls = {"ssl": context, "server_hostname": host}
        return (await loop.create_connection(lambda: Connection(loop), host, port, **tls))[1]

    def _greeting(self) -> tuple[Command, ...]:
        address = self._address
        commands: list[Command] = []
        if address.password is not None:
            commands.append(("AUTH", *((address.username,) if address.username else ()), address.password))
        if database := _parse_url(address.url).get("db", 0):
            commands.append(("SELECT", database))
        return (*commands, ("PING",))

    async def disconnect(self) -> None:
        """Close the running event loop's connection before the loop ends."""
        if connection := self._connections.pop(asyncio.get_running_loop(), None):
            connection.close()
            await asyncio.sleep(0)  # the loop closes the socket in its next turn

    def close(self) -> None:
        """Close all connections, each on its own event loop if that still runs.

        The client cannot be used afterwards.
        """
        self._is_closed = True
        for loop, connection in list(self._connections.items()):
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(connection.close)
        self._connections.clear()


async def _in_time(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return the coroutine's result, if it returns within so many seconds in which the event loop was not late itself.

    A process that has just started, or has too many requests, is late: Redis has answered long before the loop looks.
    At most `EXTRA_SECONDS` longer. Raises TimeoutError.
    """
    task = loop.create_task(coroutine)
    remaining, end = seconds, loop.time() + seconds + EXTRA_SECONDS
    try:
        while not task.done() and remaining > 0 and (began := loop.time()) < end:
            await asyncio.wait({task}, timeout=min(remaining, LOOK_SECONDS))
            remaining -= min(loop.time() - began, LOOK_SECONDS)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        task.cancel()


def _are_unknown_scripts(answers: Sequence[Any]) -> bool:
    """Return whether there are errors and all are unknown scripts, as after a restart or a flush of the server."""
    errors = [str(answer) for answer in answers if isinstance(answer, hiredis.ReplyError)]
    return bool(errors) and all(error.startswith(NO_SCRIPT) for error in errors)
