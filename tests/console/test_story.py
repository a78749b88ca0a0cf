"""Real processes and real HTTP: a report by USSD, its hotline's callbacks, and what the reporter reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import update

from reports.store.engine.database import Database
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from tests.kit.samples import KIT
from tests.support.hotline_clients import first_delivery, rows
from tests.support.installation import Installation
from tests.support.wait import until

pytestmark = pytest.mark.slow

HOTLINE = "vu-pikinini"
WORDS = "We have read it. We are here at 4, too."
CODE = re.compile(r"Code (\d{4} \d{4})\s+PIN (\d{4})")
WALK = ("Report", "Now", "Go on", "Asks photos, money", "Shefa", "Me", "No", "Send")


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    installation = Installation()
    try:
        installation.up()
        installation.start_console()
        yield installation
    finally:
        installation.down()


@pytest.fixture
def database(installation: Installation) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{installation.plan.folder.inside}/tokaut.db")) as database:
        yield database


def ids(installation: Installation) -> set[str]:
    return {one["body"]["data"]["report_id"] for one in installation.received()}


def send(installation: Installation, number: str) -> tuple[str, str]:
    phone = installation.ussd_phone("ussd", number)
    shown = phone.dial()
    for reply in WALK:
        shown = phone.type(reply)
    found = CODE.search(shown.text)
    assert found, shown.text
    return found[1], found[2]


def filed(installation: Installation, number: str) -> tuple[str, str, str]:
    """Send a report, and return (report_id, code, PIN) once the hotline has it."""
    before = ids(installation)
    code, pin = send(installation, number)
    until(lambda: len(ids(installation) - before) == 1, "it did not come to the hotline")
    return *(ids(installation) - before), code, pin


def my_report(installation: Installation, code: str, pin: str, *more: str) -> str:
    phone = installation.ussd_phone("ussd", "+6785550199")
    shown = phone.dial()
    for reply in ("My report", code, pin, *more):
        shown = phone.type(reply)
    return shown.text


def test_what_the_hotline_calls_back_is_read_on_the_phone(installation: Installation) -> None:
    report, code, pin = filed(installation, "+6785550101")
    until(lambda: my_report(installation, code, pin).startswith("Pikinini Helpline has it."), "it has no receipt")
    hotline_client = installation.hotline_client(HOTLINE)
    assert hotline_client.call(report, "accepted", message=WORDS).json()["message"] == "sealed for the reporter"
    shown = my_report(installation, code, pin)
    assert shown.startswith("Read by Pikinini Helpline.")
    assert "1 Messages (1)" in shown
    assert my_report(installation, code, pin, "1").startswith(WORDS)
    assert hotline_client.call(report, "in_progress").status_code == 200
    assert my_report(installation, code, pin).startswith("Being looked at by Pikinini Helpline.")
    assert hotline_client.call(report, "closed", reason="helped").status_code == 200
    assert my_report(installation, code, pin).startswith("Closed by Pikinini Helpline. Did it help?")
    assert my_report(installation, code, pin).startswith("Closed by Pikinini Helpline. You can write more.")


def test_what_the_reporter_writes_back_comes_to_the_hotline(installation: Installation) -> None:
    """Both directions are sealed: the hotline's words with code and PIN, the reporter's for the hotline."""
    report, code, pin = filed(installation, "+6785550102")
    assert installation.hotline_client(HOTLINE).call(report, "accepted", message=WORDS).status_code == 200
    my_report(installation, code, pin, "2", "Yes, at 4 then. lukaotem")
    installation.until_received(
        lambda found: any(
            one["body"]["type"] == "report.message" and one["body"]["data"]["text"] == "Yes, at 4 then. lukaotem"
            for one in found
        ),
        "what was written back did not come",
    )
    kept = b"".join(path.read_bytes() for path in installation.plan.folder.inside.glob("tokaut.db*"))
    assert WORDS.encode() not in kept
    assert b"lukaotem" not in kept
    logs = b"".join(installation.log(name).read_bytes() for name in installation.processes)
    assert b'"delivered"' in logs  # the logs are not empty
    for word in (
        WORDS.encode(),
        b"lukaotem",
        code.encode(),
        b"luring",
        installation.hotline_client(HOTLINE).secret.encode(),
    ):
        assert word not in logs


def test_a_call_back_that_overtakes_the_receipt_is_one(installation: Installation, database: Database) -> None:
    """The hotline's answer to the delivery was lost; its callback comes before the next attempt."""
    report, code, pin = filed(installation, "+6785550103")
    until(lambda: first_delivery(database, report, HOTLINE).state == "delivered", "it was not delivered")
    mine = t.delivery.c.report_id == report
    later = database.now() + 3600 * 1_000_000
    with database.write() as connection:
        connection.execute(update(t.delivery).where(mine).values(state="due", next_at=later, delivered_at=None))
    assert installation.hotline_client(HOTLINE).call(report, "closed").status_code == 200
    until(lambda: first_delivery(database, report, HOTLINE).state == "delivered", "the clock did not count it")
    assert first_delivery(database, report, HOTLINE).delivered_at
    assert my_report(installation, code, pin).startswith("Closed by Pikinini Helpline.")


def test_whoever_hands_it_back_sees_others_get_it(installation: Installation, database: Database) -> None:
    report, code, pin = filed(installation, "+6785550104")
    assert installation.hotline_client(HOTLINE).call(report, "rejected", reason="not ours").status_code == 200

    def others() -> set[tuple[str, str]]:
        found = rows(database, t.delivery)
        return {(one.why, one.state) for one in found if one.report_id == report and one.hotline != HOTLINE}

    until(lambda: ("DECLINED", "delivered") in others(), "it did not come to the next one", seconds=30)
    assert "Pikinini Helpline has it" not in my_report(installation, code, pin)


@pytest.mark.parametrize("answered", [False, True])
def test_a_console_killed_in_mid_call_does_it_once_or_not_at_all(
    installation: Installation, database: Database, answered: bool
) -> None:
    """The hotline's system repeats the callback with the same id until it gets an answer."""
    report, code, pin = filed(installation, "+6785550105" if answered else "+6785550106")
    hotline_client, key = installation.hotline_client(HOTLINE), new_id(database.now())
    if answered:  # the case in which the answer was lost
        assert hotline_client.call(report, "accepted", key, message=WORDS).status_code == 200
    installation.kill_console()
    installation.start_console()
    assert hotline_client.call(report, "accepted", key, message=WORDS).status_code == 200
    assert [row.report_id for row in rows(database, t.answer)].count(report) == 1
    assert my_report(installation, code, pin).startswith("Read by Pikinini Helpline.")


def test_the_script_of_the_kit_calls_back(installation: Installation) -> None:
    report, code, pin = filed(installation, "+6785550107")
    hotline_client = installation.hotline_client(HOTLINE)
    script = [sys.executable, str(KIT / "call_back.py"), f"{hotline_client.base}/hotlines/{HOTLINE}", report]
    for state, words, said in (("accepted", WORDS, "200"), ("accepted", "see www.example.org", "422")):
        done = subprocess.run(
            [*script, state],
            input=words,
            env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": hotline_client.secret},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.startswith(said), done.stdout + done.stderr[-600:]
    assert my_report(installation, code, pin, "1").startswith(WORDS)
