"""Commands to Redis that go out together and come back together, for threads that ask at each screen.

The library's own ways around a command (its pool, its pipeline, its scripts) cost a process more than Redis does. What
stays its own: connections, time limits, one more try, TLS and Sentinels.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Any

import hiredis
from redis import Redis
from redis.exceptions import NoScriptError

from gateway.steps import Command, Commands

_pack: Any = hiredis.pack_command  # its types know commands of one word only


def packed(commands: Commands) -> bytes:
    """As they go over the line (RESP)."""
    return b"".join(map(_pack, commands))


class RoundTrip:
    """Connections are taken from the pool and not given back: there are as many as threads have asked at once."""

    def __init__(self, redis: Redis) -> None:
        self.pool = redis.connection_pool
        self._idle: list[Any] = []
        self._scripts: dict[bytes | str | int, str] = {}

    def script(self, lua: str) -> Command:
        """How a command begins that runs it: known to the server by its hash, sent whole where it is not yet."""
        name = sha1(lua.encode(), usedforsecurity=False).hexdigest()  # as the server counts it
        self._scripts[name] = lua
        return ("EVALSHA", name)

    def ask(self, *commands: Command) -> list[Any]:
        """Their answers. All of them are sent twice where no answer came. Raises RedisError, OSError."""
        try:
            return self._ask(commands)
        except NoScriptError:
            return self._ask(tuple(map(self._whole, commands)))

    def _whole(self, command: Command) -> Command:
        return ("EVAL", self._scripts[command[1]], *command[2:]) if command[0] == "EVALSHA" else command

    def _ask(self, commands: Commands) -> list[Any]:
        data = packed(commands)
        connection = self._connection()
        try:
            if not connection.is_connected:
                connection.connect()  # asks the Sentinels anew; a command by itself goes to whoever was there
            answers: list[Any] = connection.retry.call_with_retry(
                lambda: _once(connection, data, len(commands)), lambda _: connection.disconnect()
            )
            return answers
        except BaseException:
            connection.disconnect()  # answers may still be on their way
            raise
        finally:
            self._idle.append(connection)

    def _connection(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self.pool.get_connection()


def _once(connection: Any, data: bytes, answers: int) -> list[Any]:
    connection.send_packed_command([data])
    return [connection.read_response() for _ in range(answers)]
