"""F30: an upgrade during calls: a migration, then a restart of each process. No call is dropped."""

from __future__ import annotations

import itertools
import signal
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from sqlalchemy import inspect

from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from tests.deploy.socket_web import SocketWeb
from tests.faults.conversations import MAX_ANSWER_SECONDS, TO_SEND, is_sent
from tests.reports.next_release import install
from tests.support.handsets import AfricasTalking
from tests.support.installation import Installation
from tests.support.stopwatch import Stopwatch
from tests.support.wait import until

pytestmark = pytest.mark.slow

CALLERS = 6
PAUSE = 0.5  # seconds between two calls of one reporter, so that workers can deliver all reports between restarts


class Rolling(Installation):
    """Two web processes on one socket, like tokaut-web@1 and tokaut-web@2: while one restarts the other answers."""

    webs: tuple[SocketWeb, ...] = ()

    def start(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        if name != "web":
            super().start(name, settings)
            return
        first = SocketWeb(("127.0.0.1", self.plan.where.web_port), self.environment, self.log("web"))
        self.webs = (first, first.another())
        for web in self.webs:
            web.start()

    def restart(self, name: str) -> None:
        self.kill(name, signal.SIGTERM)
        self.start(name)

    def down(self) -> None:
        for web in self.webs:
            web.remove()
        super().down()


@dataclass
class Callers:
    """Reporters who make one complete call after the other until `end`."""

    installation: Installation
    stop: threading.Event = field(default_factory=threading.Event)
    sent: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    slowest: float = 0.0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        self.threads = [threading.Thread(target=self._call_on) for _ in range(CALLERS)]
        for thread in self.threads:
            thread.start()

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def until_sent(self, more: int) -> None:
        wanted = len(self.sent) + more
        until(lambda: len(self.sent) >= wanted or bool(self.dropped), "nobody gets through", 60)

    def _call_on(self) -> None:
        while not self.stop.wait(PAUSE):
            number = f"+67857{next(self.numbers):05d}"
            try:
                self._call(number)
            except (requests.RequestException, AssertionError) as error:
                self.dropped.append(repr(error))

    def _call(self, number: str) -> None:
        with requests.Session() as http:
            http.headers["Connection"] = "close"  # like the proxy
            phone = AfricasTalking(
                self.installation.web, self.installation.token("africastalking"), number, "*111*163#", http=http
            )
            for ask in (phone.dial, *(lambda reply=reply: phone.type(reply) for reply in (*TO_SEND, "1"))):
                watch = Stopwatch()
                seen = ask()
                self.slowest = max(self.slowest, watch.seconds)
            assert is_sent(seen), seen.text
        self.sent.append(number)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def installation(request: pytest.FixtureRequest) -> Iterator[Rolling]:
    on_postgres = request.param == "PostgreSQL"
    settings = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if on_postgres else {}
    installation = Rolling(settings).up()
    yield installation
    installation.down()


def test_a_new_release_while_people_call(
    installation: Rolling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = installation.environment.get("DATABASE_URL", f"sqlite:///{installation.plan.folder.inside / 'tokaut.db'}")
    callers = Callers(installation)
    callers.start()
    try:
        callers.until_sent(5)
        install(monkeypatch, tmp_path / "next")
        database = Database(address)
        upgrade(database, "demo")
        assert inspect(database.engine).has_table("added")
        database.close()
        callers.until_sent(5)  # the running processes have the old release, the schema is the next one's
        for name in ("urgent", "standard", "clock"):
            installation.restart(name)
            callers.until_sent(5)
        for web in installation.webs:
            web.stop()
            callers.until_sent(5)
            web.start()
            web.until_started()
    finally:
        callers.end()
    assert callers.dropped == []
    assert callers.slowest < MAX_ANSWER_SECONDS
    installation.until_received(lambda _: not missing(installation, callers), "not all came", 120)
    keys = defaultdict(set)
    for line in installation.received():
        keys[line["hotline"], line["body"]["data"]["report_id"]].add(line["headers"]["webhook-id"])
    assert all(len(found) == 1 for found in keys.values())
    assert len(keys) == len(callers.sent)


def missing(installation: Installation, callers: Callers) -> set[str]:
    return set(callers.sent) - {line["body"]["data"]["contact"].get("msisdn") for line in installation.received()}
