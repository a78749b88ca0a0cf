"""The system status: its numbers are those of the database, and it shows no report."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from sqlalchemy import insert, update

from reports.call_volume import CallVolume
from reports.escalation import StepName
from reports.store.engine.database import Database
from reports.store.operations import spool_status
from reports.store.operations.call_hours import QuietChannel, replace_quiet
from reports.store.operations.maintenance import MARKER_NAME
from reports.store.operations.spool_status import SpoolStatus
from reports.store.operations.synthetic_calls import save_results
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.support.console import Console
from tests.support.hotline_clients import store_report
from tests.support.staff import Person, joined
from tokaut.local_stack.settings import StackPlan

MINUTE = 60_000_000
HOUR = 60 * MINUTE


@pytest.fixture
def operator(console: Console) -> Person:
    one = joined(console.flask, console.parts.database, "oto", "operator", "_operator")
    one.log_in()
    return one


def table(html: str, after: str) -> Mapping[str, list[str]]:
    """Return first cell → other cells of a table's rows."""
    part = html.partition(f"<h2>{after}</h2>")[2].partition("</table>")[0]
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">(.*?)</th>(.*?)</tr>", part)
    return {
        name.partition(" <strong")[0]: [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", cells)]
        for name, cells in rows
    }


def test_the_first_page_of_an_operator_leads_there(operator: Person) -> None:
    assert operator.get("/").leads_to == "/operator"


def test_what_is_not_delivered_is_counted_by_priority_and_by_hotline(
    made: StackPlan, database: Database, operator: Person
) -> None:
    keys = made.folder.inside / "keys"
    first = store_report(database, keys, [(HOTLINE, "primary"), (OTHER, "also")], priority="P1")
    store_report(database, keys, [(OTHER, "primary")], priority="P3")
    d = t.delivery.c
    with database.write() as connection:
        earlier = {"created_at": d.created_at - 2 * HOUR - 5 * MINUTE}
        connection.execute(update(t.delivery).where(d.report_id == first).values(earlier))
        connection.execute(update(t.delivery).where(d.report_id == first, d.hotline == HOTLINE).values(state="refused"))
    page = operator.get("/operator")
    assert page.status == 200
    found = table(page.html, "Not delivered yet")
    assert found["P1"][:3] == ["2", "2 h 05 min", "1"]
    assert found["P2"][:3] == ["0", "–", "0"]
    assert found["P3"][:3] == ["1", "0 min", "0"]
    lines = {row[2] for row in table(page.html, "Hotlines").values()}
    assert lines == {"0", "1", "2"}, "one waits at the first, two at the second, none at the others"
    assert first not in page.html and "made up" not in page.html


def test_what_nobody_took_on_in_time_and_late_steps(made: StackPlan, database: Database, operator: Person) -> None:
    report = store_report(database, made.folder.inside / "keys", [(HOTLINE, "primary")], priority="P1")
    assert table(operator.get("/operator").html, "Not delivered yet")["P1"][3] == "0"
    row = {"report_id": report, "priority": "P1", "round": 0, "not_before": 0, "due_at": database.now() - HOUR}
    with database.write() as connection:
        for step in (StepName.OVERDUE, StepName.HOTLINE):
            connection.execute(insert(t.step), {**row, "step": step})
    page = operator.get("/operator")
    assert table(page.html, "Not delivered yet")["P1"][3] == "1"
    assert "Overdue escalations 1" in page.text


def test_texts_that_a_provider_accepts_and_that_do_not_arrive(database: Database, operator: Person) -> None:
    """On-call is told of it, too; the page says what to do."""
    said, now = "kannel: SMS do not arrive. Of the last hour 5 failed", database.now()
    row = {"channel": "kannel", "mode": "demo", "key_id": "k", "wrap": b"w", "sealed": b"s", "priority": 1}
    row |= {"state": "sent", "attempt": 1, "next_at": now, "expires_at": now + 10 * MINUTE, "created_at": now}
    for number in range(5):
        assert said not in operator.get("/operator").text
        with database.write() as connection:
            connection.execute(insert(t.outgoing), {**row, "id": f"{number}" * 36, "status": "failed"})
    page = operator.get("/operator").text
    assert said in page and "call the provider: docs/operating/provider-dead.md" in page
    with database.write() as connection:
        connection.execute(update(t.outgoing).values(created_at=now - 2 * HOUR, expires_at=now - HOUR))
    assert said not in operator.get("/operator").text


def test_the_way_to_each_hotline(database: Database, operator: Person, console: Console) -> None:
    now = database.now()
    states = [(HOTLINE, 0, 0, now - HOUR), (OTHER, 7, now + HOUR, None), (THIRD, 2, 0, None), ("no-longer", 9, 0, None)]
    names = ("hotline", "failures", "open_until", "dead_since")
    with database.write() as connection:
        for state in states:
            connection.execute(insert(t.hotline_state), {**dict(zip(names, state, strict=True)), "opened_times": 0})
    page = operator.get("/operator")
    found = sorted(cells[0].split(" 2")[0] for cells in table(page.html, "Hotlines").values())
    rest = len(console.parts.keys) - 3
    assert found == sorted(["Disabled since", "Paused until", "fails", *["no failure"] * rest])
    assert "no-longer" not in page.html


def test_spool_backup_and_keys(made: StackPlan, operator: Person, console: Console) -> None:
    before = operator.get("/operator").text
    assert "In the spool of this host not known here" in before and "Last backup needs you never" in before
    spool = console.parts.settings.data / "spool"
    spool.mkdir()
    for name in ("a.box", "b.box", "c.part"):
        (spool / name).touch()
    (made.folder.inside / MARKER_NAME).touch()
    page = operator.get("/operator")
    assert "In the spool of this host needs you 2" in page.text and "Last backup 0 min ago" in page.text
    keys = table(page.html, "Keys")
    assert len(keys) == len(console.parts.keys) and {cells[1] for cells in keys.values()} == {"0"}


def test_a_host_that_is_away_needs_the_operator(database: Database, operator: Person) -> None:
    database.offset -= 7 * MINUTE + 30_000_000
    spool_status.save_status(database, SpoolStatus("vu-web-2/web", 3, 20, 0))
    database.offset = 0
    spool_status.save_status(database, SpoolStatus("vu-web-1/web", 0, 0, 0))
    page = operator.get("/operator")
    assert table(page.html, "Hosts") == {"vu-web-1/web": ["0 min ago", "0"], "vu-web-2/web": ["7 min ago", "3"]}
    assert "vu-web-2/web: not seen for 7 min. Its disk may hold reports" in page.text


def test_a_host_whose_web_has_no_redis_needs_the_operator(database: Database, operator: Person) -> None:
    for host, seconds in (("vu-web-1", 30), ("vu-web-2", 100)):
        database.offset = -seconds * 1_000_000
        spool_status.save_status(database, SpoolStatus(f"{host}/web", 0, 0, 0, redis_down=True))
    database.offset = 0
    page = operator.get("/operator").text
    said = r"vu-web-1/web: could not use Redis 3\d s ago\. While it runs, calls over Africa's Talking continue"
    assert re.search(said, page), "it may have ended since: then nobody knows"
    assert "vu-web-2/web: not seen for 10" in page and "vu-web-2/web: could not use" not in page


def test_synthetic_calls_of_each_network(database: Database, operator: Person) -> None:
    assert (
        "None are made: the setting TOKAUT_SYNTHETIC_CALLS of the process clock names no address."
        in operator.get("/operator").text
    )
    good, bad = ("africastalking", "*111*163#"), ("ussd", "*1#")
    for minutes, reason in ((100, ""), (50, "tls"), (0, "timeout")):
        database.offset = -minutes * MINUTE
        save_results(database, {good: "", bad: reason})
    page = operator.get("/operator")
    assert table(page.html, "Synthetic calls") == {
        "africastalking *111*163#": ["0 min ago", "no failure"],
        "ussd *1#": ["1 h 40 min ago", "has failed for 50 min"],
    }
    assert "ussd *1#: synthetic calls do not come to Send. Dial the code" in page.text
    database.offset = -3 * HOUR
    save_results(database, {good: ""})
    database.offset = 0
    page = operator.get("/operator")
    assert table(page.html, "Synthetic calls") == {"africastalking *111*163#": ["3 h ago", "no call since"]}
    assert "africastalking *111*163#: no synthetic call has been made for 180 min." in page.text


def test_channels_with_unusually_few_calls(database: Database, operator: Person) -> None:
    assert "No channel has unusually few calls." in operator.get("/operator").text
    replace_quiet(database, [QuietChannel("VU", "kannel", 14 * HOUR, CallVolume(6, 1, 45))])
    page = operator.get("/operator")
    assert table(page.html, "Calls") == {"VU kannel": ["6", "1970-01-01 14:00 UTC", "1", "45"]}
    assert "VU kannel: unusually few calls. Dial the code" in page.text
