"""A primary, a replica and three Sentinels, all with users and passwords as in docs/operating.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from click.testing import CliRunner
from redis import Redis
from redis.exceptions import RedisError

from tests.support.redis_servers import Server
from tests.support.wait import until
from tokaut.commands.redis import acl

NAME = "tokaut"
PASSWORD = "what-the-sentinels-ask-for"


def _on_loopback(role: str, *lines: str, sentinel: bool = False) -> Server:
    return Server(*lines, sentinel=sentinel)


class SentinelCluster:
    """The servers. `primary`: the server that was primary at the start, also after a failover.

    `make` returns a server for its role (primary, replica, sentinel-1 to 3) and its configuration. `authority`: the
    certificate that clients trust if these servers have TLS.
    """

    def __init__(self, folder: Path, make: Callable[..., Server] = _on_loopback, authority: Path | None = None) -> None:
        self.folder = folder
        self._make = make
        self._authority = authority
        words = [str(folder), "--at", f"{'rediss' if authority else 'redis'}://{NAME}", "--admin", "--sentinel"]
        result = CliRunner().invoke(acl, words)
        assert result.exit_code == 0, result.output
        follows = ("masteruser replica", f"masterauth {self._secret('replica.password')}")
        self.primary = self._server("primary", *follows)
        of_primary = f"{self.primary.address} {self.primary.port}"
        self.replica = self._server("replica", *follows, f"replicaof {of_primary}")
        self.sentinels = [self._sentinel(f"sentinel-{number}", of_primary) for number in (1, 2, 3)]

    def start(self) -> SentinelCluster:
        """Start all servers, and wait until the Sentinels know one another."""
        for server in (self.primary, self.replica, *self.sentinels):
            server.start()
        for sentinel in self.sentinels:
            until(lambda one=sentinel: self._knows_all(one), "the Sentinels do not find one another", seconds=30)
        return self

    def remove(self) -> None:
        """Remove all servers."""
        for server in (*self.sentinels, self.replica, self.primary):
            server.remove()

    def settings_for(self, process: str) -> Mapping[str, str]:
        """Return the settings of one of our processes that lead it to the Sentinels."""
        files = {"web": {"REDIS_URL_FILE": "web", "REDIS_QUEUE_URL_FILE": "webq"}}
        users = files.get(process, {"REDIS_URL_FILE": "clock" if process == "clock" else "worker"})
        return {
            **{name: str(self.folder / f"{user}.url") for name, user in users.items()},
            "REDIS_SENTINELS": ",".join(f"{one.address}:{one.port}" for one in self.sentinels),
            "REDIS_MASTER": NAME,
            "REDIS_SENTINEL_PASSWORD": PASSWORD,
            **({"REDIS_CA_FILE": str(self._authority)} if self._authority else {}),
        }

    def promoted(self) -> bool:
        """Return whether all Sentinels now regard the replica as the primary."""
        return all(self.follows(one, self.replica) for one in self.sentinels)

    def follows(self, sentinel: Server, server: Server) -> bool:
        """Return whether a Sentinel regards this server as the primary."""
        state = self._state(sentinel)
        return (state["ip"], state["port"]) == (server.address, server.port)

    def is_copied(self) -> bool:
        """Return whether the replica has all writes of the primary; the others would be lost with the primary."""
        offset = self.admin(self.primary).info("replication")["master_repl_offset"]
        return bool(self.admin(self.replica).info("replication")["slave_repl_offset"] >= offset)

    def admin(self, server: Server) -> Redis:
        """Open a client as the user admin."""
        password = self._secret("admin.password")
        return Redis(
            server.address,
            server.port,
            username="admin",
            password=password,
            decode_responses=True,
            socket_timeout=5,
            **server.client_options(),
        )

    def _server(self, role: str, *lines: str) -> Server:
        return self._make(role, f"aclfile {self.folder / 'users.acl'}", *lines)

    def _sentinel(self, role: str, of_primary: str) -> Server:
        return self._make(
            role,
            f"requirepass {PASSWORD}",
            f"sentinel sentinel-pass {PASSWORD}",
            f"sentinel monitor {NAME} {of_primary} 2",
            f"sentinel auth-user {NAME} sentinel",
            f"sentinel auth-pass {NAME} {self._secret('sentinel.password')}",
            f"sentinel down-after-milliseconds {NAME} 1000",
            f"sentinel failover-timeout {NAME} 5000",
            sentinel=True,
        )

    def _knows_all(self, sentinel: Server) -> bool:
        state_seen = self._state(sentinel)
        return (state_seen["num-slaves"], state_seen["num-other-sentinels"], state_seen["flags"]) == (1, 2, "master")

    def _state(self, sentinel: Server) -> Mapping[str, object]:
        with Redis(
            sentinel.address,
            sentinel.port,
            password=PASSWORD,
            decode_responses=True,
            socket_timeout=5,
            **sentinel.client_options(),
        ) as client:
            try:
                state: Mapping[str, object] = client.sentinel_masters()[NAME]
            except RedisError:
                state = {"ip": "", "port": 0, "num-slaves": 0, "num-other-sentinels": 0, "flags": ""}
        return state

    def _secret(self, name: str) -> str:
        return (self.folder / name).read_text().strip()
