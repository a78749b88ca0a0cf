"""Drills with a script, run by web through the flows: each makes one report, even if processes are killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from sqlalchemy import insert, update

from gateway.background import drills
from gateway.background.drills import DrillRunner
from gateway.conversation.context import TurnRequest
from gateway.sessions.report_ref import ReportRef
from reports.countries.country import shipped_countries
from reports.drills import SCRIPTS, DrillScript, script_priority, script_recipients
from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.operations import drill_runs
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from reports.store.staff.accounts import Account
from runtime.settings import Mode
from runtime.time_units import MINUTE
from tests.safeguarding.test_nothing_promised import TRAINING
from tests.support.app import App
from tests.support.staff import pass_time

pytestmark = pytest.mark.slow

HOTLINE, POLICE = "vu-pikinini", "vu-police"


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url, TRAINING)
    yield app
    app.close()


def planned(database: Database, script: str, hotline: str = HOTLINE, after: int = 0) -> str:
    """Insert a drill as a lead's form does; it is due `after` minutes from now."""
    now = database.now()
    row = {"drill_id": new_id(now), "hotline": hotline, "script": script, "actor": f"staff:{hotline}/ana"}
    at = now + after * MINUTE
    with database.write() as connection:
        connection.execute(insert(t.drill), row | {"asked_at": now, "at": at, "due_at": at})
    return str(row["drill_id"])


def of(app: App, drill_id: str) -> tuple[str | None, int | None]:
    row = next(row for row in app.rows(t.drill) if row.drill_id == drill_id)
    return row.report_id, row.due_at


def hold(app: App) -> None:
    app.parts.housekeeping.once()


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("script", [name for name, one in SCRIPTS.items() if not one.dropped_at])
def test_a_script_becomes_a_report_like_any_other(app: App, script: str) -> None:
    drill_id = planned(app.database, script)
    hold(app)
    kept = app.bodies()
    data = kept[0].data
    said = SCRIPTS[script].answers
    assert {one.data["mode"] for one in kept} == {"training"}
    assert data["narrative"] == said["narrative"] and data["narrative"].startswith("DRILL.")
    assert (data["danger"], data["category"], data["completeness"]) == (said["danger"], said["category"], "complete")
    assert (data["contact"]["allowed"], data["channel"], data["place"]["code"]) == (False, "simulator", "VU-MAP")
    country = next(one for one in app.parts.dispatcher.countries if one.iso == "VU")
    assert data["triage"]["priority"] == script_priority(SCRIPTS[script], country, HOTLINE)
    recipients = script_recipients(SCRIPTS[script], country, HOTLINE, country.hotlines)
    assert [one["hotline"] for one in data["routing"]["to"]] == [recipient.hotline for recipient in recipients]
    assert of(app, drill_id)[0] == data["report_id"]
    assert app.count(t.mailbox) == 1, "there is a code, as after any Send"


@pytest.mark.rule("S-40")
def test_a_line_that_is_cut_is_heard_two_minutes_later(app: App) -> None:
    drill_id = planned(app.database, "cut_off")
    hold(app)
    report_id, due_at = of(app, drill_id)
    assert report_id and due_at is None and not app.bodies()
    app.submit_due_within(110)
    assert not app.bodies()
    app.submit_due_within(121)
    (kept,) = app.bodies()
    assert (kept.report_id, kept.hotline, kept.data["completeness"]) == (report_id, HOTLINE, "incomplete")
    assert (kept.data["danger"], kept.data["place"]["code"], kept.data["about"]) == ("now", "VU-MAP", None)


def test_who_writes_more_does_so_by_my_report(app: App) -> None:
    drill_id = planned(app.database, "writes_more")
    hold(app)
    report_id, due_at = of(app, drill_id)
    at = next(row.at for row in app.rows(t.drill))
    assert due_at == at + 10 * MINUTE
    pass_time(app.database, 9 * 60)
    hold(app)
    assert app.count(t.message) == 0
    pass_time(app.database, 61)
    hold(app)
    assert {row.report_id for row in app.rows(t.message)} == {report_id}
    assert of(app, drill_id) == (report_id, None)
    assert (app.count(t.report), app.count(t.pending)) == (1, 0), "nothing was told a second time"
    assert [row.act for row in app.rows(t.audit)].count("words") == 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_whoever_is_killed_in_between_has_told_it_once(app: App, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after submitting the report and before recording it; then again with the later message."""
    noted, failing = drill_runs.mark_done, [True]

    def killed(*values: object) -> None:
        if failing:
            raise DatabaseUnavailable("killed")
        noted(*values)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(drill_runs, "mark_done", killed)
    drill_id = planned(app.database, script)
    for _ in range(3):
        hold(app)
    failing.clear()
    hold(app)
    report_id, due_at = of(app, drill_id)
    assert report_id
    if due_at:
        failing.append(True)
        pass_time(app.database, 10 * 60 + 1)
        for _ in range(2):
            hold(app)
        failing.clear()
        hold(app)
        assert len({row.message_id for row in app.rows(t.message)}) == 1
    app.submit_due_within(3600)
    assert {(row.report_id, row.revision) for row in app.rows(t.report)} == {(report_id, 1)}
    created = [row.hotline for row in app.rows(t.delivery) if row.type == "created"]
    assert len(created) == len(set(created)) and HOTLINE in created


def test_a_line_that_is_cut_is_noted_late_and_heard_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies before recording the drill; meanwhile the report is submitted as incomplete."""
    planned(app.database, "cut_off")
    with monkeypatch.context() as killed:
        killed.setattr(drill_runs, "mark_done", lambda *_: None)
        hold(app)
        app.submit_due_within(121)
        hold(app)
    assert app.count(t.pending) == 0
    hold(app)
    app.submit_due_within(600)
    assert [(row.hotline, row.type, row.revision) for row in app.rows(t.delivery)] == [(HOTLINE, "created", 1)]
    assert [row.due_at for row in app.rows(t.drill)] == [None]


@pytest.mark.parametrize("script", ["danger_now", "cut_off"])
def test_what_was_filed_and_not_noted_for_an_hour_is_not_missed(
    app: App, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drill_id = planned(app.database, script)
    with monkeypatch.context() as killed:
        killed.setattr(drill_runs, "mark_done", lambda *_: None)
        hold(app)
    app.submit_due_within(121)
    pass_time(app.database, 3601)
    hold(app)
    ana = Account("1", "ana", HOTLINE, "lead", "", b"", 0, 0, 0, None)
    (drill,) = drill_runs.list_drills(app.database, ana)
    (report,) = app.rows(t.report)
    assert (drill.report_id, drill.was_missed, drill.priority) == (report.report_id, False, "P1")
    assert not drill_runs.cancel(app.database, ana, drill_id)
    pass_time(app.database, 7 * 86_400)
    assert drill_runs.delete_missed(app.database) == 0, "it goes with its report"


def test_what_was_begun_and_never_filed_is_missed_and_goes(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(app.database, "danger_now")
    monkeypatch.setattr(DrillRunner, "_play_script", lambda *_: None)
    hold(app)
    ana = Account("1", "ana", HOTLINE, "lead", "", b"", 0, 0, 0, None)
    assert [one.was_missed for one in drill_runs.list_drills(app.database, ana)] == [False]
    pass_time(app.database, 3601)
    assert [one.was_missed for one in drill_runs.list_drills(app.database, ana)] == [True]
    pass_time(app.database, 7 * 86_400)
    assert drill_runs.delete_missed(app.database) == 1


def test_one_that_fails_holds_up_no_other(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = planned(app.database, "missing", after=-2), planned(app.database, "danger_now", after=-1)
    tell = DrillRunner._play_script

    def told(self: DrillRunner, caller: TurnRequest, said: Mapping[str, str], script: DrillScript) -> ReportRef | None:
        if said["category"] == "missing":
            raise LookupError("a script that does not come to its end")
        return tell(self, caller, said, script)

    monkeypatch.setattr(DrillRunner, "_play_script", told)
    hold(app)
    assert of(app, good)[1] is None and app.count(t.report) == 1
    (line,) = [one.getMessage() for one in caplog.records if "drill_failed" in one.getMessage()]
    assert bad in line and "LookupError" in line


def test_two_processes_at_once_tell_it_once(app: App) -> None:
    """A lease decides which process runs drills; if it fails, the report id prevents a second report."""
    drill_id = planned(app.database, "danger_now")
    (one,) = drill_runs.list_due(app.database)
    hold(app)
    before = of(app, drill_id)
    with app.database.write() as connection:  # the state that the slower process still sees
        connection.execute(update(t.drill).values(due_at=one.due_at, report_id=None))
    hold(app)
    assert of(app, drill_id) == before and app.count(t.report) == 1


def test_it_is_held_at_its_time_and_not_an_hour_later(app: App) -> None:
    later, missed = planned(app.database, "danger_now", after=5), planned(app.database, "no_contact", after=-61)
    hold(app)
    assert app.count(t.report) == 0
    pass_time(app.database, 5 * 60 + 1)
    hold(app)
    assert of(app, later)[0] and of(app, missed)[0] is None
    assert app.count(t.report) == 1


def test_what_no_release_knows_stops_no_other_drill(app: App) -> None:
    for script, hotline in (("of_an_earlier_release", HOTLINE), ("danger_now", "zz-nobody")):
        planned(app.database, script, hotline)
    known = planned(app.database, "danger_now")
    hold(app)
    assert of(app, known)[0] and app.count(t.report) == 1


def test_a_demo_holds_drills_and_live_mode_none(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(drills, "MODES_WITH_DRILLS", set(Mode) - set(drills.MODES_WITH_DRILLS))
        other = App(redis_url)
    planned(other.database, "danger_now")
    hold(other)
    assert other.count(t.report) == 0
    other.close()
    assert Mode.LIVE not in drills.MODES_WITH_DRILLS
    demo = App(redis_url)
    planned(demo.database, "danger_now")
    hold(demo)
    assert [row.mode for row in demo.rows(t.report)] == [Mode.DEMO]
    demo.close()


def test_every_script_comes_to_its_end_in_every_country(redis_url: str) -> None:
    countries = ",".join(shipped_countries())
    app = App(redis_url, {**TRAINING, "COUNTRIES": countries})
    wanted = 0
    for country in app.parts.dispatcher.countries:
        for name, script in SCRIPTS.items():
            for hotline in country.hotlines:
                recipients = script_recipients(script, country, hotline, country.hotlines)
                if any(recipient.hotline == hotline and recipient.role != "fallback" for recipient in recipients):
                    planned(app.database, name, hotline)
                    wanted += 1
    hold(app)
    app.submit_due_within(200)
    held = {row.report_id: row for row in app.rows(t.drill)}
    assert None not in held and len(held) == wanted > 100
    given = {(row.report_id, row.hotline) for row in app.rows(t.delivery)}
    assert {(report_id, row.hotline) for report_id, row in held.items()} <= given
    app.close()
