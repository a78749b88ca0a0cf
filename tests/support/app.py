"""The web process inside the test's own process: real Valkey, real SQLite, real keys, no socket between.

For stories that move the clock (time_machine) or look inside. Workers are not started; `pass_time` does what the clock
would do by then.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import structlog
from sqlalchemy import Table, func, select

from gateway import app
from gateway.services import Services
from gateway.sessions import redis_client
from reports.countries.country import load_countries
from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import read_private_key
from reports.store import pending_submissions, spool
from reports.store.engine import sqlite
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support import blocked
from tests.support.handsets import AfricasTalking, Neutral, SimulatedTexts
from tests.support.handsets_kannel import KannelUssd
from tests.support.prepared import prepare
from tests.support.unhurried import unhurried
from tokaut.local_stack.folder import DemoFolder
from tokaut.local_stack.settings import StackAddresses, StackPlan, make_plan

NOWHERE = StackAddresses(1, 2, 3)  # nobody is called: no worker runs
VANUATU = "*111*163#"
# A busy machine is slower than what a reporter would wait for.
TIMEOUTS: dict[tuple[ModuleType, str], float] = {
    (redis_client, "TIMEOUT_SECONDS"): 3.0,
    (sqlite, "COMMIT_SECONDS"): 2.5,
    (spool, "DISK_TIMEOUT_SECONDS"): 2.5,
}


class App:
    """`settings` are laid over the demo's. `parts` are web's own, to break and to look at."""

    def __init__(self, redis_url: str, settings: Mapping[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ta-"))
        names = (settings or {}).get("COUNTRIES", "vu,fj,ke").split(",")
        hotlines = [one.id for one in load_countries(names, "demo").hotlines]
        made = make_plan({}, DemoFolder(self.folder), NOWHERE, hotlines)
        given = {**made.settings, "REDIS_URL": redis_url, **(settings or {})}
        self.plan: StackPlan = replace(made, settings=given)
        self.plan.folder.inside.mkdir(mode=0o700)
        prepare(self.plan)
        self.keys = self.plan.folder.inside / "keys"  # with the private halves
        if given["TOKAUT_MODE"] != "demo":
            self.keys = self.folder / "elsewhere"
            self.keys.mkdir()
            (self.plan.folder.inside / "keys" / "private").rename(self.keys / "private")
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._handlers = list(logging.getLogger().handlers)
        self._timeouts = [(module, name, getattr(module, name)) for module, name in TIMEOUTS]
        for (module, name), seconds in TIMEOUTS.items():
            setattr(module, name, seconds)
        with unhurried(app, self.plan.settings):
            self.flask = app.create_app(self.plan.settings)
        self.parts: Services = self.flask.extensions["tokaut"]
        self.parts.housekeeping.stop()  # a test does a round when it wants one
        for thread in threading.enumerate():
            if thread.name == "housekeeping":
                thread.join(10)
        self.http = Http(self.flask.test_client())
        self.database = self.parts.database

    def close(self) -> None:
        self.parts.close()
        for module, name, seconds in self._timeouts:
            setattr(module, name, seconds)
        waited, blocked.found = blocked.found, []
        assert not waited, "on the event loop: " + waited[0]
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        logging.getLogger().handlers = self._handlers
        logging.captureWarnings(False)
        structlog.reset_defaults()
        shutil.rmtree(self.folder)

    # Phones

    def ussd(
        self, phone: str, channel: str = "simulator", code: str = VANUATU
    ) -> AfricasTalking | KannelUssd | Neutral:
        secrets = self.plan.secrets
        if channel == "kannel":
            return KannelUssd(f"/hooks/kannel/{secrets.kannel}/ussd", phone, code, http=self.http)
        if channel == "africastalking":
            return AfricasTalking("", secrets.africastalking, phone, code, http=self.http)
        door = "/hooks/simulator" if channel == "simulator" else f"/hooks/ussd/{secrets.ussd}"
        return Neutral(door, phone, code, http=self.http)

    def sms(self, phone: str, code: str = "163") -> SimulatedTexts:
        return SimulatedTexts("/hooks/simulator", phone, code, http=self.http)

    # What was kept

    def count(self, table: Table) -> int:
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def rows(self, table: Table) -> list[Any]:
        with self.database.read() as connection:
            return list(connection.execute(select(table)))

    def bodies(self, of: Collection[str] | None = None) -> list[Kept]:
        """Every revision that is filed, as its hotline reads it, oldest first; `of` these reports alone."""
        query = select(t.report_body)
        with self.database.read() as connection:
            rows = list(connection.execute(query if of is None else query.where(t.report_body.c.report_id.in_(of))))
        return [self._opened(row, row.recipient) for row in rows]

    def waiting(self) -> list[Kept]:
        """Every revision that will file itself."""
        return [self._opened(row, row.recipient) for row in self.rows(t.pending)]

    def pass_time(self, seconds: float) -> None:
        """As if the clock had looked so many seconds from now."""
        later = Database(self.database.engine.url.render_as_string(hide_password=False), offset=seconds)
        while ripe := pending_submissions.list_due(later):
            for origin_key in ripe:
                pending_submissions.submit_due(later, origin_key)
        later.close()

    def _opened(self, row: Any, hotline: str) -> Kept:
        private = read_private_key(self.keys, hotline, row.key_id)
        context = SealContext(self.plan.settings["TOKAUT_MODE"], row.report_id, row.revision, hotline)
        data = open_body(private, context, SealedBody(row.key_id, row.wrap, row.head, row.sealed))
        return Kept(row.report_id, row.revision, hotline, json.loads(data))


@dataclass(frozen=True)
class Kept:
    report_id: str
    revision: int
    hotline: str
    data: dict[str, Any]


@dataclass
class Said:
    """One answer, with as much of `requests.Response` as the handsets need."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    encoding: str = "utf-8"

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


class Http:
    """Posts as `requests` does, to the application beside it."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def post(self, url: str, data: Any = b"", timeout: float = 0, headers: Mapping[str, str] | None = None) -> Said:
        del timeout
        form = isinstance(data, Mapping)
        body = urlencode(data).encode() if form else data.encode() if isinstance(data, str) else data
        kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        return self.send("POST", url, body, {**kind, **(headers or {})})

    def send(self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Said:
        answer = self.client.open(url, method=method, data=body, headers=dict(headers or {}))
        return Said(answer.status_code, answer.data, answer.headers)
