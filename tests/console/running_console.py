"""A console in its own process, with people who are already logged in, for tests with a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import delete, insert, update

from reports.json_bodies import json_bytes
from reports.store.engine.database import Database
from reports.store.privileges.console_hotlines import OPERATOR_HOTLINE
from reports.store.schema import tables as t
from tests.reports import sample
from tests.support.fork_server import start_python
from tests.support.hotline_clients import store_report
from tests.support.logged_in import logged_in, put_cookie
from tests.support.ports import free_port
from tests.support.wait import until
from tokaut.local_stack import preparation, startup
from tokaut.local_stack.settings import DemoFolder, StackAddresses, make_plan

HOTLINES = HOTLINE, OTHER, THIRD = ("vu-pikinini", "vu-womens-centre", "vu-police")
WHO = {"mere": "staff", "ana": "lead", "ben": "auditor", "oto": "operator", "sia": "staff", "luk": "staff"}


class RunningConsole:
    """A console in its own process."""

    def __init__(self, folder: Path) -> None:
        where = StackAddresses(1, 2, free_port())
        made = make_plan({}, DemoFolder(folder), where, (HOTLINE, OTHER, THIRD))
        made.folder.inside.mkdir(mode=0o700)
        preparation.prepare_stack(made)
        self.address, self.keys = where.console, made.folder.inside / "keys"
        self.database = Database(f"sqlite:///{made.settings['TOKAUT_DATA']}/tokaut.db")
        settings = {**made.settings, "COUNTRIES": "vu", "CONSOLE_URL": self.address}
        command = startup.process_commands(made)["console"]
        with (folder / "log").open("wb") as log:
            self.process = start_python(command, env=settings, stdout=log, stderr=log)
        self.cookies = {
            name: logged_in(self.database, name, role, OPERATOR_HOTLINE if role == "operator" else HOTLINE)
            for name, role in WHO.items()
        }
        until(self.answers, f"the console does not start: {folder / 'log'}")

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/healthz", timeout=2).ok
        except requests.RequestException:
            return False

    def report(self, data: dict[str, Any], top: bytes, priority: str = "P2") -> str:
        to = [(HOTLINE, "primary"), (OTHER, "also"), (THIRD, "fallback")]
        return store_report(self.database, self.keys, to, body=json_bytes(data), head=top, priority=priority)

    def change(self, statement: Any) -> None:
        with self.database.write() as connection:
            connection.execute(statement)

    def context(self, chromium: Any, name: str, **how: Any) -> Any:
        """Return a browser context in which this person is logged in."""
        context = chromium.chromium.new_context(reduced_motion="reduce", **how)
        if name:
            self.log_in(context, name)
        return context

    def log_in(self, context: Any, name: str) -> None:
        self.change(update(t.staff_session).values(checked_at=self.database.now()))  # valid for five minutes
        put_cookie(context, self.address, self.cookies[name])

    def down(self) -> None:
        self.database.close()
        self.process.terminate()
        self.process.wait(30)


def told(**more: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((Path(sample.__file__).parent / "example_complete.json").read_text())["data"]
    return data | {"mode": "demo"} | more


def held_by(running: RunningConsole, report_id: str, name: str, **more: Any) -> str:
    """Let this person hold a report, as the console would store it; return its id."""
    now = running.database.now()
    is_it = (t.delivery.c.report_id == report_id) & (t.delivery.c.hotline == HOTLINE)
    running.change(update(t.delivery).where(is_it).values(handling="accepted", state="delivered", delivered_at=now))
    row = {"report_id": report_id, "hotline": HOTLINE, "holder": name, "changed_at": now, "changed_by": name}
    running.change(delete(t.holding).where(t.holding.c.report_id == report_id))  # from when the report was opened
    running.change(insert(t.holding).values({**row, "follow_up_at": now + 3600 * 10**6, **more}))
    return report_id
