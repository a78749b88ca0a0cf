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

Command = tuple[bytes | str | int, ...]
_pack: Any = hiredis.pack_command  # its types know commands of one word only


class RoundTrip:
    """Connections are taken from the pool and not given back: there are as many as threads have asked at once."""

    def __init__(self, redis: Redis) -> None:
        self._pool = redis.connection_pool
        self._idle: list[Any] = []

    def ask(self, *commands: Command) -> list[Any]:
        """Their answers. All of them are sent twice where no answer came. Raises RedisError, OSError."""
        packed = b"".join(map(_pack, commands))
        connection = self._connection()
        try:
            if not connection.is_connected:
                connection.connect()  # asks the Sentinels anew; a command by itself goes to whoever was there
            answers: list[Any] = connection.retry.call_with_retry(
                lambda: _once(connection, packed, len(commands)), lambda _: connection.disconnect()
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
            return self._pool.get_connection()


class Script:
    """Lua on the server, known there by its hash; sent whole where it is not yet."""

    def __init__(self, trip: RoundTrip, lua: str) -> None:
        self._trip = trip
        self._lua = lua
        self._hash = sha1(lua.encode(), usedforsecurity=False).hexdigest()  # as the server counts it

    def __call__(self, *keys_and_arguments: bytes | str | int, keys: int) -> Any:
        try:
            return self._trip.ask(("EVALSHA", self._hash, keys, *keys_and_arguments))[0]
        except NoScriptError:
            return self._trip.ask(("EVAL", self._lua, keys, *keys_and_arguments))[0]


def _once(connection: Any, packed: bytes, answers: int) -> list[Any]:
    connection.send_packed_command([packed])
    return [connection.read_response() for _ in range(answers)]
