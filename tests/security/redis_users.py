"""A Valkey with the users of `tokaut redis acl`, and the settings of each process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner
from redis import Redis

from runtime.settings import RedisAddress
from tests.support.redis_servers import Server
from tokaut.commands.redis import acl


class RedisWithUsers:
    """`settings_of(process)`: settings of a process. `reach(user)`: address at which a client connects as this user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.server = Server(f"aclfile {folder / 'users.acl'}")
        self.make()
        self.server.start()

    def make(self, *words: str) -> str:
        where = f"redis://127.0.0.1:{self.server.port}"
        done = CliRunner().invoke(acl, [str(self.folder), "--at", where, "--admin", *words])
        assert done.exit_code == 0, done.output
        return done.output

    def settings_of(self, process: str) -> Mapping[str, str]:
        files = {"web": {"REDIS_URL_FILE": "web", "REDIS_QUEUE_URL_FILE": "webq"}}
        told = files.get(process, {"REDIS_URL_FILE": "clock" if process == "clock" else "worker"})
        return {name: str(self.folder / f"{user}.url") for name, user in told.items()}

    def reach(self, user: str) -> RedisAddress:
        return RedisAddress((self.folder / f"{user}.url").read_text().strip())

    @contextmanager
    def asked(self) -> Iterator[Redis]:
        """Connect as the operator's own user."""
        password = (self.folder / "admin.password").read_text().strip()
        with self.server.asked("admin", password) as client:
            yield client

    def refusals(self) -> list[str]:
        """Return the commands that the server has refused, without the one INFO that RQ does not need."""
        with self.asked() as admin:
            found = [f"{one['username']}: {one['reason']} {one['object']}" for one in admin.acl_log()]
        return [one for one in found if not one.endswith("command info")]
