"""What the list shows of each report: the reporter's permissions and the open work. No words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, update

from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_on_postgresql import SAMPLE
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.local_clock import move_to_local_time
from tests.support.staff import Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

HOURS = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
TEXT = "text allowed now, until 16:00 (Pacific/Efate)"
WORDS: str = json.loads(SAMPLE.read_text())["data"]["narrative"]
MINUTE = 60
NIGHT = {"from": "19:30", "to": "06:00", "tz": "Pacific/Efate"}


def at_noon(console: Console) -> Person:
    """Return mere, logged in at 12:12 in Efate."""
    mere = joined(console.flask, console.parts.database, "mere")
    move_to_local_time(console.parts.database, "12:12")
    mere.log_in()
    return mere


class SampleReport:
    """One report of priority P2 for two hotlines; `head`: of its first revision."""

    def __init__(self, console: Console, made: StackPlan, head: dict[str, Any] | None) -> None:
        self.database, self.keys = console.parts.database, made.folder.inside / "keys"
        where = [(HOTLINE, "primary"), (OTHER, "also")]
        sealed = json.dumps({"category": "luring", **(head or {})}).encode()
        self.id = store_report(self.database, self.keys, where, body=SAMPLE.read_bytes(), head=sealed)

    def is_now(self, table: Any, **values: object) -> None:
        with self.database.write() as connection:
            connection.execute(update(table).where(table.c.report_id == self.id).values(values))

    def revised(self, head: dict[str, Any]) -> None:
        public = load_public_keys(self.keys, [HOTLINE])[HOTLINE]
        box = seal_body(
            public, SealContext("demo", self.id, 2, HOTLINE), json.dumps(head).encode(), SAMPLE.read_bytes()
        )
        row = {"report_id": self.id, "revision": 2, "recipient": HOTLINE, "key_id": box.key_id, "wrap": box.wrap}
        now = self.database.now()
        sent = {"delivery_id": new_id(now), "report_id": self.id, "hotline": HOTLINE, "type": "updated", "revision": 2}
        sent |= {"role": "primary", "why": "CATEGORY_FIRST", "priority": "P2", "state": "due", "handling": "none"}
        with self.database.write() as connection:
            connection.execute(insert(t.report_body), row | {"head": box.head, "sealed": box.sealed})
            connection.execute(insert(t.delivery), sent | {"attempt": 0, "next_at": now, "created_at": now})


@pytest.mark.rule("S-03")
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"how": "sms", "safe_hours": HOURS}, TEXT),
        ({"how": "call", "safe_hours": HOURS}, "call allowed now, until 16:00 (Pacific/Efate)"),
        ({"how": "call", "safe_hours": NIGHT}, "do NOT call now; from 19:30 (Pacific/Efate), in 7 h 18 min"),
        ({"how": "sms", "safe_hours": NIGHT}, "do NOT text now; from 19:30 (Pacific/Efate), in 7 h 18 min"),
        ({"how": "none", "safe_hours": None}, "no contact, message only"),
        ({"how": "sms", "safe_hours": None}, "no contact, message only"),
        ({"how": "carrier pigeon", "safe_hours": HOURS}, "no contact, message only"),
        (None, "contact: see the report"),
    ],
)
@pytest.mark.rule("S-24")
def test_what_was_allowed(console: Console, made: StackPlan, said: dict[str, Any] | None, shown: str) -> None:
    """An older version's head has no contact. No list shows the number or the words."""
    mere = at_noon(console)
    SampleReport(console, made, {"contact": said} if said else {})
    page = mere.get("/").text
    assert shown in page
    assert "+678" not in page and WORDS not in page


@pytest.mark.rule("S-03")
def test_what_was_said_last_holds(console: Console, made: StackPlan) -> None:
    """The answer was changed by walking the path again, and by My report."""
    mere = at_noon(console)
    one = SampleReport(console, made, {"contact": {"how": "sms", "safe_hours": HOURS}})
    assert TEXT in mere.get("/").text
    one.revised({"category": "luring", "contact": {"how": "none", "safe_hours": None}})
    assert TEXT not in mere.get("/").text and "no contact" in mere.get("/").text
    with console.parts.database.write() as connection:
        connection.execute(insert(t.contact), {"report_id": one.id, "allowed": 1, "changed_at": 1})
    assert "contact: see the report" in mere.get("/").text
    one.is_now(t.contact, allowed=0)
    assert "no contact" in mere.get("/").text


def test_each_clock_that_runs_and_no_other(console: Console, made: StackPlan, mere: Person) -> None:
    """P2: delivered within 20 minutes, taken by a person within an hour."""
    one = SampleReport(console, made, None)
    pass_time(console.parts.database, MINUTE + 5)
    page = mere.get("/").text
    assert "Take within 58 min Not taken yet" in page
    report = mere.get(f"/reports/{one.id}").text
    assert "Must reach a hotline within 18 min" in report and "Must reach" not in page, "it is not the staff's"
    pass_time(console.parts.database, 24 * MINUTE)
    mere.post("/locked", {"password": mere.password}, at="/locked")
    assert "OVERDUE by 5 min: it has reached no hotline" in mere.get(f"/reports/{one.id}").text
    assert "Take within 34 min" in mere.get("/").text and "OVERDUE" not in mere.get("/").text
    one.is_now(t.report, state="delivered")
    assert "it has reached no hotline" not in mere.get(f"/reports/{one.id}").text
    one.is_now(t.report, state="in_progress")
    page = mere.get("/").text
    assert "another hotline has it" in page and "Take within" not in page and "OVERDUE" not in page
    mere.post(f"/reports/{one.id}/take", at=f"/reports/{one.id}")
    page = mere.get("/").text
    assert "Taken by: mere" in page and "Take within" not in page and "another hotline" not in page
