import os
import pwd
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select, update

from reports.store import submissions as web
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support.prepared import migrate
from tests.workers.sample_store import ONE, TWO, SampleStore
from tests.workers.test_reporter_messages import sent_report
from tokaut.__main__ import main

REPORT = str(uuid.UUID(int=7))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    yield database
    database.close()


def put(database: Database, number: int, **values: Any) -> str:
    """Insert a row of `delivery`, an hour old, with three attempts; return its id."""
    now = database.now()
    row = {
        "delivery_id": str(uuid.UUID(int=number)),
        "report_id": REPORT,
        "hotline": "vu-one",
        "type": "created",
        "revision": number,
        "role": "primary",
        "why": "CATEGORY_FIRST",
        "priority": "P2",
        "state": "due",
        "handling": "none",
        "attempt": 3,
        "next_at": now + 300_000_000,
        "created_at": now - 3_600_000_000,
        "last_class": "unavailable",
        "last_status": 503,
    }
    with database.write() as connection:
        connection.execute(insert(t.delivery).values(row | values))
    return str(row["delivery_id"])


def run(tmp_path: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["deliveries", *words], env={"TOKAUT_DATA": str(tmp_path)})


def state_of(database: Database, delivery_id: str) -> str:
    with database.read() as connection:
        query = select(t.delivery.c.state).where(t.delivery.c.delivery_id == delivery_id)
        return str(connection.execute(query).scalar_one())


def test_a_list_that_is_cut_says_so(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tokaut.commands.deliveries.MAX_LISTED", 2)
    for number in (1, 2):
        put(database, number)
    assert len(run(tmp_path, "list").output.splitlines()) == 2
    put(database, 3)
    lines = run(tmp_path, "list").output.splitlines()
    assert lines[2:] == ["There are more: only the 2 most urgent and oldest are listed."]


def test_the_list_shows_what_waits_and_why(tmp_path: Path, database: Database) -> None:
    due = put(database, 1)
    parked = put(database, 2, state="parked", priority="P1", told_at=database.now())
    put(database, 3, state="delivered")
    first, second = run(tmp_path, "list").output.splitlines()
    assert first.startswith(f"{parked}  P1  parked")
    assert "a person was alerted" in first
    assert second.startswith(f"{due}  P2  due")
    assert "60 min old, 3 tries, last unavailable 503, next in 4 min" in second


def test_the_list_can_be_of_one_state(tmp_path: Path, database: Database) -> None:
    put(database, 1)
    delivered = put(database, 2, state="delivered")
    assert run(tmp_path, "list", "--state", "delivered").output.startswith(delivered)
    assert "None in this state." in run(tmp_path, "list", "--state", "refused").output


def test_a_parked_one_is_sent_again(tmp_path: Path, database: Database) -> None:
    parked = put(database, 1, state="parked")
    assert run(tmp_path, "retry", parked).exit_code == 0
    assert state_of(database, parked) == "due"


def pause(database: Database, **values: Any) -> None:
    row = {"hotline": "vu-one", "failures": 5, "open_until": 0, "opened_times": 1, "dead_since": None}
    with database.write() as connection:
        connection.execute(insert(t.hotline_state).values(row | values))


def test_a_retry_says_how_long_a_paused_hotline_is_left_alone(tmp_path: Path, database: Database) -> None:
    pause(database, open_until=database.now() + 599_000_000)
    waits = run(tmp_path, "retry", put(database, 1)).output
    assert "paused, so it goes out in 9 min at the earliest" in waits
    assert "it goes out within seconds" in run(tmp_path, "retry", put(database, 2, priority="P1")).output


def test_a_retry_at_a_hotline_that_is_gone_is_not_done(tmp_path: Path, database: Database) -> None:
    pause(database, dead_since=database.now())
    refused = put(database, 1, state="refused", last_class="gone", last_status=410)
    result = run(tmp_path, "retry", refused)
    assert (result.exit_code, "tokaut hotline revive vu-one" in result.output) == (1, True)
    assert state_of(database, refused) == "refused"


def test_an_order_is_in_the_audit_with_the_account(tmp_path: Path, database: Database) -> None:
    run(tmp_path, "park", put(database, 1))
    with database.read() as connection:
        row = connection.execute(select(t.audit.c.actor, t.audit.c.act)).one()
    assert tuple(row) == (f"operator:{os.environ.get('LOGNAME') or pwd.getpwuid(os.getuid()).pw_name}", "parked")


def test_what_is_not_possible_is_said_and_the_rest_is_done(tmp_path: Path, database: Database) -> None:
    delivered, due = put(database, 1, state="delivered"), put(database, 2)
    result = run(tmp_path, "park", delivered, str(uuid.UUID(int=99)), due)
    assert result.exit_code == 1
    assert "it is delivered" in result.output
    assert "there is no such delivery" in result.output
    assert state_of(database, due) == "parked"


def test_the_last_one_alive_of_a_report_is_not_cancelled(tmp_path: Path, database: Database) -> None:
    one = put(database, 1)
    assert run(tmp_path, "cancel", "--reason", "double", one).exit_code == 1
    put(database, 2)
    assert run(tmp_path, "cancel", "--reason", "double", one).exit_code == 0
    assert state_of(database, one) == "cancelled"


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    result = run(tmp_path, "list")
    assert result.exit_code == 1
    assert "There is no database " in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    environ = {"TOKAUT_DATA": str(tmp_path), "DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    result = CliRunner().invoke(main, ["deliveries", "list"], env=environ)
    assert result.exit_code == 1
    assert len(list(filter(None, result.output.splitlines()))) == 1


def test_the_way_of_a_report_is_seen_and_it_goes_to_another_hotline(tmp_path: Path, database: Database) -> None:
    store = SampleStore.create(database, tmp_path / "keys")
    report_id, given = sent_report(store)
    order = run(tmp_path, "handover", report_id, "--from", ONE, "--to", TWO)
    assert order.exit_code == 0, order.output
    shown = run(tmp_path, "show", report_id.upper())
    assert shown.exit_code == 0, shown.output
    assert f"report {report_id}  VU  P2  complete  queued, {TWO}" in shown.output
    assert f"route   {ONE} (primary, CATEGORY), {TWO} (fallback, CATEGORY)" in shown.output
    assert f"new report, revision 1, to {ONE}  primary, CATEGORY  cancelled, rejected" in shown.output
    assert f"new report, revision 1, to {TWO}  fallback, HANDED_ON  due, 0 tries, next in 0 s" in shown.output
    assert f"handed_on  new report, revision 1, to {ONE}" in shown.output
    again = run(tmp_path, "handover", report_id, "--from", ONE, "--to", TWO)
    assert (again.exit_code, again.output.startswith(f"Nothing was done: {ONE} was not given this report")) == (1, True)
    assert given not in again.output
    gone = run(tmp_path, "show", "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e")
    assert (gone.exit_code, "There is no report" in gone.output) == (1, True)


def test_the_path_of_a_report_has_the_tries_and_what_a_hotline_does_with_it(tmp_path: Path, database: Database) -> None:
    report_id, _ = sent_report(SampleStore.create(database, tmp_path / "keys"))
    tried = {"attempt": 6, "last_class": "not_reached", "next_at": database.now() + 300_000_000}
    with database.write() as connection:
        connection.execute(update(t.delivery).values(tried))
    assert "due, 6 tries, last not_reached, next in 4 min\n" in run(tmp_path, "show", report_id).output
    with database.write() as connection:
        connection.execute(update(t.delivery).values(state="delivered"))
    assert "delivered, nobody has acknowledged it\n" in run(tmp_path, "show", report_id).output


def test_a_report_is_found_by_its_first_or_last_digits_or_its_reference(tmp_path: Path, database: Database) -> None:
    store = SampleStore.create(database, tmp_path / "keys")
    report_id, _ = sent_report(store)
    end = report_id[-6:]
    for words in ([report_id[:13]], [end], [end[:3].upper(), end[3:].upper()]):
        assert f"report {report_id} " in run(tmp_path, "show", *words).output, words
    assert "%%%% is no report id." in run(tmp_path, "show", "%%%%").output
    assert "at least four" in run(tmp_path, "show", end[:3]).output, "too few digits for one report"
    other = report_id[:-1] + ("0" if report_id[-1] != "0" else "1")
    with database.write() as connection:
        row = connection.execute(select(t.report).where(t.report.c.report_id == report_id)).mappings().one()
        connection.execute(insert(t.report).values({**row, "report_id": other, "origin_key": bytes(32)}))
    both = run(tmp_path, "show", report_id[:8])
    assert (both.exit_code, report_id in both.output, other in both.output) == (1, True, True)


def test_of_no_delivery_it_says_only_what_it_knows(tmp_path: Path, database: Database) -> None:
    """One that was cancelled has reached nobody."""
    put(database, 1, state="cancelled")
    assert run(tmp_path, "list").output == "None is due, refused or parked.\n"


def test_an_id_may_be_typed_in_capitals(tmp_path: Path, database: Database) -> None:
    delivery_id = put(database, 0xABCDEF)
    assert run(tmp_path, "park", delivery_id.upper()).exit_code == 0
    assert state_of(database, delivery_id) == "parked"


def test_a_transfer_of_a_report_that_is_not_there_blames_no_hotline(tmp_path: Path, database: Database) -> None:
    result = run(tmp_path, "handover", "46a337", "--from", "vu-one", "--to", "vu-two")
    assert (result.exit_code, result.output) == (
        1,
        "Nothing was done: there is no report 46a337; `tokaut deliveries show` finds the whole id by digits.\n",
    )


def test_the_times_of_a_path_name_their_zone(tmp_path: Path, database: Database) -> None:
    submission = SampleStore.create(database, tmp_path / "keys").sealed()
    web.commit(database, submission)
    path = run(tmp_path, "show", submission.report_id).output
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  new report", path, re.MULTILINE), path
