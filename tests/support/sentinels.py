"""A primary, a replica and three Sentinels, all with users and passwords as in docs/operating.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner
from redis import Redis
from redis.exceptions import RedisError

from tests.support.redis_servers import Server
from tests.support.wait import until
from tokaut.commands.redis import acl

NAME = "tokaut"
PASSWORD = "what-the-sentinels-ask-for"


class Watched:
    """The servers. `primary`: the first primary, also after a failover."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        words = [str(folder), "--at", f"redis://{NAME}", "--admin", "--sentinel"]
        result = CliRunner().invoke(acl, words)
        assert result.exit_code == 0, result.output
        follows = ("masteruser replica", f"masterauth {self._secret('replica.password')}")
        self.primary = self._server(*follows)
        self.replica = self._server(*follows, f"replicaof 127.0.0.1 {self.primary.port}")
        self.sentinels = [self._sentinel() for _ in range(3)]

    def start(self) -> Watched:
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

    def told(self, process: str) -> Mapping[str, str]:
        """Return the settings of a process of ours."""
        files = {"web": {"REDIS_URL_FILE": "web", "REDIS_QUEUE_URL_FILE": "webq"}}
        users = files.get(process, {"REDIS_URL_FILE": "clock" if process == "clock" else "worker"})
        return {
            **{name: str(self.folder / f"{user}.url") for name, user in users.items()},
            "REDIS_SENTINELS": ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels),
            "REDIS_MASTER": NAME,
            "REDIS_SENTINEL_PASSWORD": PASSWORD,
        }

    def promoted(self) -> bool:
        """Return whether all Sentinels take the replica for the primary now."""
        return all(self._state(one)["port"] == self.replica.port for one in self.sentinels)

    def is_copied(self) -> bool:
        """Return whether the replica has everything that the primary has; the rest is lost if the primary is."""
        offset = self.admin(self.primary).info("replication")["master_repl_offset"]
        return bool(self.admin(self.replica).info("replication")["slave_repl_offset"] >= offset)

    def admin(self, server: Server) -> Redis:
        """Open a client as admin."""
        return Redis(port=server.port, username="admin", password=self._secret("admin.password"), decode_responses=True)

    def _server(self, *lines: str) -> Server:
        return Server(f"aclfile {self.folder / 'users.acl'}", *lines)

    def _sentinel(self) -> Server:
        return Server(
            f"requirepass {PASSWORD}",
            f"sentinel sentinel-pass {PASSWORD}",
            f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 2",
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
        with Redis(port=sentinel.port, password=PASSWORD, decode_responses=True) as client:
            try:
                state: Mapping[str, object] = client.sentinel_masters()[NAME]
            except RedisError:
                state = {"port": 0, "num-slaves": 0, "num-other-sentinels": 0, "flags": ""}
        return state

    def _secret(self, name: str) -> str:
        return (self.folder / name).read_text().strip()
