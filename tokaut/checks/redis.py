"""The checks of Redis, made as each user that this process has there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, RedisError

from runtime.redis_clients import describe_error, queue_client, session_client
from runtime.settings import CommonSettings, RedisAddress
from tokaut.checks.advisory import Advisory


def redis_faults(common: CommonSettings, *, live: bool) -> Iterator[str]:
    """Check that Redis answers each user, persists its data and evicts none.

    In live mode the user `default` is a fault.
    """
    server_info: Mapping[str, Any] | None = None
    for name, address, connect in _users(common):
        try:
            server_info = _server_info(connect, address) or server_info
        except (RedisError, OSError) as error:
            yield (
                f"Redis does not answer ({describe_error(error)}). Callers get the home screen and little else. "
                f"Start it, or correct {name}."
            )
            return
        if live and address.username in {None, "default"}:
            yield (
                f"{name} names no user, and Redis lets its user `default` do everything. Give each process a user of "
                "its own: tokaut redis acl"
            )
    if server_info is None:
        yield Advisory(
            "These users may not ask Redis whether it keeps everything. As its administrator look there: "
            "CONFIG GET maxmemory-policy must say noeviction, CONFIG GET appendonly must say yes, "
            "CONFIG GET save nothing."
        )
        return
    if server_info.get("maxmemory_policy") != "noeviction":
        yield "Redis may evict data; set maxmemory-policy noeviction there."
    if not server_info.get("aof_enabled"):
        yield "Redis keeps nothing over a restart: running calls would be cut. Set appendonly yes there."
    elif server_info.get("aof_last_bgrewrite_status", "ok") != "ok":
        yield (
            "Redis could not rewrite its append-only file, so names of conversations that are over stay in it. "
            "Look into its log: often its disk is full, or it may not start a process (vm.overcommit_memory)."
        )
    if server_info.get("rdb_saves"):
        yield Advisory(
            f"Redis has written {server_info['rdb_saves']} dumps of all that it holds. Unless a replica asked for "
            "them, "
            'switch that off: save ""'
        )


def _users(common: CommonSettings) -> Iterator[tuple[str, RedisAddress, Callable[[RedisAddress], Redis]]]:
    yield "REDIS_URL", common.session_redis, session_client
    if common.queue_redis != common.session_redis:
        yield "REDIS_QUEUE_URL", common.queue_redis, queue_client


def _server_info(connect: Callable[[RedisAddress], Redis], address: RedisAddress) -> Mapping[str, Any] | None:
    """Return the server's info; None if this user may not read it, as is right for a process."""
    with connect(address) as client:
        client.ping()
        try:
            return {**client.info("memory"), **client.info("persistence")}
        except NoPermissionError:
            return None
