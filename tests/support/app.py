"""The web application in the process of the test: real Valkey, real SQLite, real keys, but no socket.

For tests that move the clock (time_machine) or inspect internals. No worker is started; `submit_due_within` does
the work of the scheduler.
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

from gateway import app, threads
from gateway.services import Services
from gateway.sessions import redis_client
from reports.countries.country import load_countries
from reports.crypto import SealContext, SealedBody, open_body
from reports.crypto.key_files import read_private_key
from reports.store import pending_submissions, spool
from reports.store.engine import sqlite
from reports.store.engine.database import Database
from reports.store.privileges.rights import OWNER, WEB
from reports.store.schema import tables as t
from tests.support import blocked, memoized
from tests.support.handsets import AfricasTalking, JsonUssd, SimulatedTexts
from tests.support.handsets_kannel import KannelUssd
from tests.support.long_timeouts import long_timeouts
from tests.support.prepared import prepare
from tests.support.twilio import Account
from tests.support.voice_calls import AfricasTalkingCall, Call, TwilioCall
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan

memoized.install()
NOWHERE = StackAddresses(1, 2, 3)  # no server listens there; no worker runs that could call them
VANUATU = "*111*163#"
# On a busy machine these calls take longer than a reporter would wait.
TIMEOUTS: dict[tuple[ModuleType, str], float] = {
    (redis_client, "TIMEOUT_SECONDS"): 3.0,
    (threads, "THREAD_WORK_SECONDS"): 15.0,
    (sqlite, "QUEUE_SECONDS"): 2.5,
    (sqlite, "COMMIT_SECONDS"): 2.5,
    (spool, "DISK_TIMEOUT_SECONDS"): 2.5,
}
ORIGINAL_TIMEOUTS = {place: getattr(*place) for place in TIMEOUTS}


def changed_timeouts() -> dict[str, float]:
    """Return the timeouts that differ from the product's; none may while no application is open."""
    found = {place: getattr(*place) for place in TIMEOUTS}
    return {name: now for (module, name), now in found.items() if now != ORIGINAL_TIMEOUTS[module, name]}


class App:
    """The web application with the settings of the demo; `settings` override them.

    `parts`: its services, for tests to inspect and to break. `roles`: role → address of a PostgreSQL database with all
    tables. With `roles`, web connects as its own role, and `database` as the superuser.
    """

    def __init__(
        self, redis_url: str, settings: Mapping[str, str] | None = None, roles: Mapping[str, str] | None = None
    ) -> None:
        if roles:
            settings = {**(settings or {}), "DATABASE_URL": roles[WEB]}
        self.folder = Path(tempfile.mkdtemp(prefix="ta-"))
        names = (settings or {}).get("COUNTRIES", "vu,fj,ke").split(",")
        hotlines = [one.id for one in load_countries(names, "demo").hotlines]
        demo_plan = make_plan({}, DemoFolder(self.folder), NOWHERE, hotlines)
        merged = {**demo_plan.settings, "REDIS_URL": redis_url, **(settings or {})}
        self.plan: StackPlan = replace(demo_plan, settings=merged)
        self.plan.folder.inside.mkdir(mode=0o700)
        prepare(self.plan)
        self.keys = self.plan.folder.inside / "keys"  # the folder that contains the private keys
        if merged["TOKAUT_MODE"] != "demo":
            self.keys = self.folder / "elsewhere"
            self.keys.mkdir()
            (self.plan.folder.inside / "keys" / "private").rename(self.keys / "private")
        self._hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
        self._handlers = list(logging.getLogger().handlers)
        self._timeouts = [(module, name, getattr(module, name)) for module, name in TIMEOUTS]
        for (module, name), seconds in TIMEOUTS.items():
            setattr(module, name, seconds)
        with long_timeouts(app, self.plan.settings):
            self.flask = app.create_app(self.plan.settings)
        self.parts: Services = self.flask.extensions["tokaut"]
        self.parts.housekeeping.stop()  # a test runs a round of housekeeping itself
        for thread in threading.enumerate():
            if thread.name == "housekeeping":
                thread.join(10)
        self.http = Http(self.flask.test_client())
        self.database = self.parts.database
        if roles:
            self.database = Database(roles[OWNER].replace(f"{OWNER}@", "postgres@"))

    def close(self) -> None:
        """Close the application, restore hooks and logging, and delete the folder."""
        self.parts.close()
        if self.database is not self.parts.database:
            self.database.close()
        for module, name, seconds in self._timeouts:
            setattr(module, name, seconds)
        blocking_calls, blocked.found = blocked.found, []
        assert not blocking_calls, "on the event loop: " + blocking_calls[0]
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._hooks
        logging.getLogger().handlers = self._handlers
        logging.captureWarnings(False)
        structlog.reset_defaults()
        shutil.rmtree(self.folder)

    # Phones

    def ussd(
        self, phone: str, channel: str = "simulator", code: str = VANUATU
    ) -> AfricasTalking | KannelUssd | JsonUssd | Call:
        """Return a phone that dials `code`. On a voice channel it dials a fixed telephone number instead."""
        secrets = self.plan.secrets
        public = self.plan.settings["PUBLIC_URL"]
        if channel == "twilio_voice":
            account = Account(secrets.twilio_account, secrets.twilio)
            return TwilioCall("", phone, account=account, public=public, http=self.http)
        if channel == "africastalking_voice":
            return AfricasTalkingCall("", phone, token=secrets.africastalking, public=public, http=self.http)
        if channel == "kannel":
            return KannelUssd(f"/hooks/kannel/{secrets.kannel}/ussd", phone, code, http=self.http)
        if channel == "africastalking":
            return AfricasTalking("", secrets.africastalking, phone, code, http=self.http)
        if channel == "simulator":
            return JsonUssd("/hooks/simulator", phone, code, http=self.http)
        if channel == "ussd":
            return JsonUssd(f"/hooks/ussd/{secrets.ussd}", phone, code, http=self.http)
        raise NotImplementedError(f"no phone of tests dials by {channel}: add one to App.ussd")

    def sms(self, phone: str, code: str = "163") -> SimulatedTexts:
        """Return a phone that texts to `code`."""
        return SimulatedTexts("/hooks/simulator", phone, code, http=self.http)

    # Stored data

    def count(self, table: Table) -> int:
        """Return the number of rows of a table."""
        with self.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def rows(self, table: Table) -> list[Any]:
        """Return all rows of a table."""
        with self.database.read() as connection:
            return list(connection.execute(select(table)))

    def bodies(self, of: Collection[str] | None = None) -> list[DecryptedRevision]:
        """Return every submitted revision, decrypted for its hotline, oldest first. `of`: only these report ids."""
        query = select(t.report_body)
        with self.database.read() as connection:
            rows = list(connection.execute(query if of is None else query.where(t.report_body.c.report_id.in_(of))))
        return [self._decrypted(row, row.recipient) for row in rows]

    def messages(self, of: Collection[str]) -> list[DecryptedRevision]:
        """Return the messages of the reporters of these reports, decrypted for each hotline."""
        with self.database.read() as connection:
            rows = list(connection.execute(select(t.message).where(t.message.c.report_id.in_(of))))
        return [self._opened(row) for row in rows]

    def _opened(self, row: Any) -> DecryptedRevision:
        private_key = read_private_key(self.keys, row.recipient, row.key_id)
        mode = self.plan.settings["TOKAUT_MODE"]
        context = SealContext.of_message(mode, row.report_id, row.message_id, row.recipient)
        data = open_body(private_key, context, SealedBody(row.key_id, row.wrap, b"", row.sealed))
        return DecryptedRevision(row.report_id, 0, row.recipient, json.loads(data))

    def pending_revisions(self) -> list[DecryptedRevision]:
        """Return every revision that is scheduled for submission, decrypted."""
        return [self._decrypted(row, row.recipient) for row in self.rows(t.pending)]

    def submit_due_within(self, seconds: float) -> None:
        """Submit every revision that the scheduler would submit `seconds` from now."""
        later = Database(self.database.engine.url.render_as_string(hide_password=False), offset=seconds)
        while due := pending_submissions.list_due(later):
            for origin_key in due:
                pending_submissions.submit_due(later, origin_key)
        later.close()

    def _decrypted(self, row: Any, hotline: str) -> DecryptedRevision:
        private_key = read_private_key(self.keys, hotline, row.key_id)
        context = SealContext(self.plan.settings["TOKAUT_MODE"], row.report_id, row.revision, hotline)
        data = open_body(private_key, context, SealedBody(row.key_id, row.wrap, row.head, row.sealed))
        return DecryptedRevision(row.report_id, row.revision, hotline, json.loads(data))


@dataclass(frozen=True)
class DecryptedRevision:
    """A stored revision of a report, decrypted."""

    report_id: str
    revision: int
    hotline: str
    data: dict[str, Any]


@dataclass
class ReceivedResponse:
    """An HTTP response with the part of the interface of `requests.Response` that the handsets use."""

    status_code: int
    content: bytes
    headers: Mapping[str, str]
    encoding: str = "utf-8"

    @property
    def text(self) -> str:
        """Return the body as text."""
        return self.content.decode()

    def json(self) -> Any:
        """Return the body, parsed."""
        return json.loads(self.content)


class Http:
    """Sends requests as `requests` does, to an application in this process."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def post(
        self, url: str, data: Any = b"", timeout: float = 0, headers: Mapping[str, str] | None = None
    ) -> ReceivedResponse:
        """Post a form (a mapping) or a body. `timeout` is ignored."""
        del timeout
        form = isinstance(data, Mapping)
        body = urlencode(data).encode() if form else data.encode() if isinstance(data, str) else data
        content_type = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        return self.send("POST", url, body, {**content_type, **(headers or {})})

    def send(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> ReceivedResponse:
        """Send a request and return the response."""
        answer = self.client.open(url, method=method, data=body, headers=dict(headers or {}))
        return ReceivedResponse(answer.status_code, answer.data, answer.headers)
