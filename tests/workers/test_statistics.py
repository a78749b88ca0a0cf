"""Statistics, from a submitted report to a published figure: counted once, without names, in steps of five."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert, select
from structlog.testing import capture_logs

from console.bodies import MessageSealer
from reports.countries import country
from reports.countries.country import Countries
from reports.crypto import SealContext, seal_body
from reports.json_bodies import json_bytes
from reports.store import submissions
from reports.store.audit_log import entry_row
from reports.store.mailboxes.correspondence import AnswerTarget
from reports.store.operations import quarterly_figures
from reports.store.operations.quarterly_figures import save_screen_counts
from reports.store.operations.retention import REPORT_TABLES
from reports.store.schema import tables as t
from runtime.telephony import CHANNEL_KINDS
from tests.workers.filings import ONE, Desk
from workers.jobs.statistics import StatisticsJob, StatisticsScope
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics

SECOND = 1_000_000
DAY = 86400
VU = country.load_countries(["vu"], "demo")
BEGIN = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())  # of a quarter


class Year:
    """A database with its clock in the first quarter of 2027, and methods that submit reports."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.database = desk.database
        self.clock: StatisticsJob | None = None

    def at(self, day: float) -> Year:
        self.database.offset = 0
        self.database.offset = int((BEGIN + day * DAY) * SECOND) - self.database.now()
        return self

    def file(self, count: int = 1, priority: str = "P1", **head: Any) -> list[str]:
        """Submit reports with this head; return their delivery ids."""
        made: list[str] = []
        for _ in range(count):
            one = self.desk.sealed(((ONE, "primary"),), mode="live", priority=priority)
            context = SealContext("live", one.report_id, 1, ONE)
            box = seal_body(self.desk.public[ONE], context, json_bytes({"category": "harm", **head}), b"{}")
            part = replace(one.parts[0], wrap=box.wrap, head=box.head, sealed=box.sealed)
            made += submissions.commit(self.database, replace(one, parts=(part,))).deliveries
        return made

    def counting(self, mode: str = "live", countries: Countries = VU) -> StatisticsJob:
        metrics = WorkerMetrics(CollectorRegistry())
        return StatisticsJob(self.database, KeyRing(self.desk.keys), StatisticsScope(countries, mode), metrics)

    def count(self) -> None:
        self.clock = self.clock or self.counting()
        self.clock.count()

    def take_on(self, deliveries: list[str], act: str = "accepted") -> None:
        """Acknowledge the deliveries, as a person does."""
        with self.database.write() as connection:
            rows = [entry_row("phone:x", act, one, self.database.now()) for one in deliveries]
            connection.execute(insert(t.audit), rows)

    def record_child(self, report_id: str, fields: dict[str, Any], created_at: int) -> None:
        """Record facts of the child, as staff do when they close the report."""
        sealer = MessageSealer(ONE, report_id, AnswerTarget("VU", "live", None, ()), self.desk.public[ONE], created_at)
        sealed = sealer.note("child", "", **fields)
        with self.database.write() as connection:
            connection.execute(insert(t.note), asdict(sealed) | {"actor": "staff:x/mere", "created_at": created_at})

    def delete(self, report_ids: list[str]) -> None:
        """Delete all rows of these reports, as the purge does."""
        with self.database.write() as connection:
            for table in REPORT_TABLES:
                connection.execute(table.delete().where(table.c.report_id.in_(report_ids)))

    def tally(self) -> dict[tuple[str, str], int]:
        with self.database.read() as connection:
            return {(row.sheet, row.cell): row.number for row in connection.execute(select(t.tally))}

    def figures(self) -> dict[tuple[str, str], int | None]:
        return {(one.sheet, one.cell): one.number for one in quarterly_figures.list_published(self.database)}


@pytest.fixture
def year(desk: Desk) -> Iterator[Year]:
    before = desk.database.offset
    yield Year(desk)
    desk.database.offset = before


def test_a_quarter_comes_out_two_weeks_after_it_is_over(year: Year) -> None:
    year.at(3).file(12, category="harm", place={"code": "VU-SEE"}, age_band="10-12", channel="ussd", language="en")
    year.at(40).file(20, category="luring", channel="sms", language="en", payment_seen="mobile_money")
    year.at(80).file(3, category="images")
    for day in (81, 90.5, 103):
        year.at(day).count()
        assert year.figures() == {}
    year.at(104.1).count()
    found = year.figures()
    assert found["total", "reports"] == 35
    assert [found["month", f"2027-0{n}"] for n in (1, 2, 3)] == [12, None, None]
    assert (found["category", "harm"], found["category", "luring"], found["category", "images"]) == (12, None, None)
    assert found["place", "Shefa"] == 12
    assert year.tally() == {}


def test_cells_grow_by_five_reports_or_more_at_a_time(year: Year) -> None:
    """Two copies of the database, a day apart, must not show which report was added in between."""
    seen = [0]
    for day in range(1, 30):
        year.at(day).file(1)
        year.at(day + 0.5).count()
        if (there := year.tally().get(("category", "harm"), 0)) != seen[-1]:
            seen.append(there)
    assert seen == [0, 5, 10, 15, 20]
    year.at(105).count()
    assert year.figures()["total", "reports"] == 29


def test_fewer_than_five_in_a_quarter_leave_no_counter_of_what_they_say(year: Year) -> None:
    year.at(3).file(4, category="self_harm")
    year.at(95).count()
    assert {sheet for sheet, _ in year.tally()} <= {"delivered", "read", "outcome", "answered"}
    year.at(105).count()
    assert year.figures() == {("total", "reports"): None}


def test_a_quarter_without_a_report_looks_like_one_with_fewer_than_five(year: Year) -> None:
    """Also where nobody called: else a quarter that is missing says that there was no report."""
    year.at(3).file(30)
    year.at(105).count()
    year.at(285).count()
    assert year.figures()["total", "reports"] is None
    published = quarterly_figures.list_published(year.database)
    assert sorted({one.quarter for one in published}) == ["2027-Q1", "2027-Q2"], "the third one ended two days ago"
    year.count()
    assert quarterly_figures.list_published(year.database) == published


def test_outcomes_are_counted_as_reports_were_closed_last(year: Year) -> None:
    year.at(3).file(12)
    with year.database.read() as connection:
        deliveries = list(connection.execute(select(t.delivery.c.report_id, t.delivery.c.delivery_id).distinct()))
    reports = {one.report_id: one.delivery_id for one in deliveries}
    ids = list(reports)
    acts = [(one, "closed:helped") for one in ids[:6]] + [(one, "closed:hoax") for one in ids[6:11]]
    acts += [(ids[0], "close_undone"), (reports[ids[1]], "in_progress"), (ids[1], "closed:none_came")]
    with year.database.write() as connection:
        for seconds, (object_id, act) in enumerate(acts):
            row = entry_row("staff:vu-pikinini/mere", act, object_id, year.database.now() + seconds)
            connection.execute(insert(t.audit), row)
    year.at(91).count()
    found = {cell: number for (sheet, cell), number in year.tally().items() if sheet == "outcome"}
    assert found == {"helped": 4, "none_came": 1, "hoax": 5, "no outcome": 2}


def test_no_table_has_more_reports_than_the_total(year: Year) -> None:
    """Reports that were not counted yet can be deleted by their reporters after their outcome was known."""
    year.at(3).file(30)
    with year.database.read() as connection:
        newest = list(connection.execute(select(t.report.c.report_id).order_by(t.report.c.created_at)).scalars())[25:]
    year.at(20).count()
    year.delete(newest)
    year.at(91).count()
    sums: Counter[str] = Counter()
    for (sheet, _), number in year.tally().items():
        sums[sheet] += number
    assert {*sums.values()} == {25}


def test_a_report_that_is_never_counted_is_in_no_table(year: Year) -> None:
    """Five reports wait for more; one of them is deleted, and the other four are too few to count."""
    year.at(3).file(30)
    with year.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id).order_by(t.report.c.created_at)).scalars())
    with year.at(4).database.write() as connection:
        closed = [*[(one, "closed:helped") for one in ids[10:]], *[(one, "closed:hoax") for one in ids[:10]]]
        connection.execute(
            insert(t.audit), [entry_row("staff:x/mere", act, one, year.database.now()) for one, act in closed]
        )
    year.at(20).count()
    year.delete(ids[-1:])
    year.at(95).file(12)
    for day in (96, 104.1):
        year.at(day).count()
    found = year.figures()
    assert (found["total", "reports"], found["outcome", "helped"]) == (25, 15)
    year.at(105).count()
    assert year.tally()["category", "harm"] == 7, "the next quarter is counted"


def test_an_outcome_later_than_two_weeks_is_none(year: Year) -> None:
    """Also of a report that was counted much later: all reports of a quarter must be judged after the same time."""
    year.at(3).file(12)
    with year.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id)).scalars())
    for day, of in ((10, ids[:6]), (30, ids[6:])):
        with year.at(day).database.write() as connection:
            rows = [entry_row("staff:vu-pikinini/mere", "closed:helped", one, year.database.now()) for one in of]
            connection.execute(insert(t.audit), rows)
    year.at(91).count()
    assert {cell: number for (sheet, cell), number in year.tally().items() if sheet == "outcome"} == {
        "helped": 6,
        "no outcome": 6,
    }


def test_an_entry_of_staff_submits_no_report(year: Year) -> None:
    """The role of a console may write entries of its staff with any act and time."""
    year.at(3).file(10)
    with year.database.write() as connection:
        for report_id in list(connection.execute(select(t.report.c.report_id)).scalars()):
            connection.execute(insert(t.audit), entry_row("staff:vu-pikinini/mere", "sent", report_id, 1))
    assert len(quarterly_figures.list_submitted(year.database, 1, year.database.now())) == 10


def test_two_clocks_count_nothing_twice(year: Year) -> None:
    year.at(3).file(30)
    year.at(5)
    slow = year.counting()
    there = quarterly_figures.list_submitted(year.database, 0, year.database.now())
    year.count()
    slow._count(VU.all[0], 0, there, year.database.now())  # it read the rows before the other job counted
    assert year.tally()["category", "harm"] == 25
    year.at(105).count()
    year.count()
    assert year.figures()["total", "reports"] == 30


@pytest.mark.parametrize("fault", ["it stops", "another scheduler counts"])
def test_a_quarter_comes_out_only_when_all_its_reports_are_counted(
    year: Year, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    year.at(3).file(30)
    save_screen_counts(year.database, "2027-01-03", {("VU", "home"): 100})  # so the quarter is open
    job = year.at(105).counting()
    if fault == "it stops":
        job._stopping.set()
    else:
        monkeypatch.setattr(quarterly_figures, "add_counts", lambda *_: False)
    job.count()
    assert year.figures() == {}
    monkeypatch.undo()
    year.count()
    assert year.figures()["total", "reports"] == 30


def test_a_clock_that_runs_ahead_publishes_nothing(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter that came out too early could never be completed. The earlier of two clocks counts."""
    year.at(3).file(30)
    ahead = year.database.now() + 200 * DAY * SECOND
    monkeypatch.setattr(year.database, "now", lambda: ahead)
    year.count()
    monkeypatch.undo()
    assert bool(year.figures()) == year.database.is_sqlite, "it has only one clock; the check for jumps protects it"


def test_what_is_filed_between_two_readings_is_counted_in_the_next(year: Year) -> None:
    year.at(3).file(10)
    year.at(4).count()
    year.file(10)
    year.count()
    assert year.tally()["month", "2027-01"] == 5  # the others may still be in a transaction, and are counted next time
    year.at(5).count()
    assert year.tally()["month", "2027-01"] == 15


def test_what_became_of_them_is_counted_two_weeks_later(year: Year) -> None:
    quick = year.at(3).file(10, priority="P2")
    late = year.file(10, priority="P2")
    for seconds, ids in ((600, quick), (7200, late)):
        year.at(3 + seconds / DAY).take_on(ids)
    year.at(16).count()
    assert ("answered", "P2 in time") not in year.tally()
    year.at(18).count()
    found = {cell: count for (sheet, cell), count in year.tally().items() if sheet in ("answered", "read")}
    assert found == {"P2 in time": 10, "P2 late": 5, "15 min": 10, "1 day": 5}, "five are not counted yet"


def test_a_report_that_was_rejected_is_not_acknowledged(year: Year) -> None:
    year.at(3).take_on(year.file(10), "rejected")
    year.at(91).count()
    found = {(sheet, cell) for sheet, cell in year.tally() if sheet in ("answered", "read")}
    assert found == {("answered", "P1 late"), ("read", "later or not yet")}


def test_a_report_deleted_before_its_outcome_was_counted_is_not_late(year: Year) -> None:
    year.at(3)
    year.take_on(year.file(20, priority="P4"))
    with year.database.read() as connection:
        oldest = list(connection.execute(select(t.report.c.report_id)).scalars())[:12]
    for priority in ("P1", "P2", "P3"):
        year.take_on(year.file(12, priority=priority)[:6])
    year.at(5).count()
    year.delete(oldest)
    year.at(105).count()
    found = year.figures()
    cells = ("P1 late", "P2 late", "P3 late", "P4 in time", "P4 late", "not_known")
    assert [found["answered", cell] for cell in cells] == [6, 6, 6, 8, None, None]


def test_what_staff_recorded_of_children_is_counted_once_when_the_quarter_comes_out(year: Year) -> None:
    year.at(3).file(30)
    with year.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id)).scalars())
    recorded = [(one, {"sex": "girl"}) for one in ids[:12]] + [(one, {"sex": "boy"}) for one in ids[12:18]]
    recorded += [(ids[0], {"sex": "boy", "disability": "disability"}), (ids[1], {"disability": "no_disability"})]
    recorded += [(one, {"sex": "a word", "disability": ["x"]}) for one in ids[18:20]]
    for seconds, (report_id, fields) in enumerate(recorded):
        year.record_child(report_id, fields, seconds)
    for day in (20, 90.5):
        year.at(day).count()
        assert {sheet for sheet, _ in year.tally()}.isdisjoint(("sex", "disability")), "no counter grows by one child"
    year.at(104.1).count()
    found = year.figures()
    sexes = [found["sex", cell] for cell in ("girl", "boy", "another", "not_known")]
    assert sexes == [11, 7, None, None], "the later note counts; another is none, so the last cell is hidden with it"
    assert [found["disability", cell] for cell in ("disability", "no_disability", "not_known")] == [None] * 3
    with year.database.read() as connection:
        assert list(connection.execute(select(t.note))) == [], "and nothing of it stays"


def test_what_staff_record_of_a_child_too_late_is_deleted_uncounted(year: Year) -> None:
    year.at(3).file(30)
    with year.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id)).scalars())
    year.at(105).count()
    year.at(120).file(30)
    for report_id in ids[:20]:
        year.record_child(report_id, {"sex": "girl"}, 1)
    year.at(196).count()
    found = {one.cell: one.number for one in quarterly_figures.list_published(year.database) if one.sheet == "sex"}
    assert found["girl"] is None, "of both quarters"
    with year.database.read() as connection:
        assert list(connection.execute(select(t.note))) == []


def test_reports_that_staff_entered_are_counted_and_have_a_channel_where_a_hotline_reads_here(year: Year) -> None:
    (vu,) = VU.all
    read_here = {name: replace(hotline, delivery="console") for name, hotline in vu.hotlines.items()}
    year.clock = year.counting(countries=Countries((replace(vu, hotlines=read_here),)))
    year.at(3).file(12, channel="ussd")
    year.file(20, channel="staff")
    a = t.audit
    with year.database.write() as connection:
        ids = list(connection.execute(select(a.c.audit_id).where(a.c.act == "sent").limit(20)).scalars())
        connection.execute(a.update().where(a.c.audit_id.in_(ids)).values(act="entry_stored"))
    year.at(104.1).count()
    found = year.figures()
    assert found["total", "reports"] == 32
    assert {cell for sheet, cell in found if sheet == "channel"} == {"staff", *CHANNEL_KINDS}


@pytest.mark.parametrize(
    ("head", "cell"),
    [
        ({"place": {"code": "VU-SEE", "name": "Shefa", "group": None}}, "Shefa"),
        ({"place": {"code": None, "name": "the blue boat", "group": None}}, "not_told"),
        ({"place": {"code": None, "name": "the blue boat", "group": "the blue boat"}}, "not_told"),
        ({"place": None}, "not_told"),
    ],
)
def test_no_typed_word_is_ever_a_cell(year: Year, head: dict[str, Any], cell: str) -> None:
    year.at(3).file(10, **head)
    year.at(5).count()
    assert [name for sheet, name in year.tally() if sheet == "place"] == [cell]


def test_a_report_whose_key_is_away_is_counted_without_what_it_says(year: Year) -> None:
    year.at(3).file(10, category="images")
    shutil.rmtree(year.desk.keys)
    year.at(5).count()
    assert year.tally() == {**year.tally(), ("month", "2027-01"): 5, ("category", "other"): 5}


def test_no_counter_holds_an_id_or_a_time(year: Year) -> None:
    year.at(3).file(20)
    year.at(5).count()
    year.at(105).count()
    with year.database.read() as connection:
        for table in (t.tally, t.tallied, t.figure, t.screen_tally):
            assert not [column.name for column in table.columns if column.name.endswith(("_id", "_at"))]
            kept = [str(value) for row in connection.execute(select(table)) for value in row]
            ids = list(connection.execute(select(t.report.c.report_id)).scalars())
            assert not [one for one in kept for report_id in ids if report_id in one]


def test_what_web_has_shown_comes_out_with_the_quarter_and_is_then_gone(year: Year) -> None:
    shown = {"danger": 80, "danger+": 41, "category": 41, "tips_young": 4, "home": 100, "sent": 27}
    for day in ("2027-01-03", "2027-03-31"):
        save_screen_counts(year.database, day, {("VU", what): number for what, number in shown.items()})
    save_screen_counts(year.database, "2027-01-03", {("VU", "home"): 900})  # the same day again
    save_screen_counts(year.database, "2027-03-31", {("VU", "helped_yes"): 20, ("VU", "helped_no"): 12})
    year.at(105).count()
    found = year.figures()
    assert (found["use", "home"], found["use", "danger"], found["use", "law"]) == (200, 160, None)
    assert (found["use", "tips_young"], found["left", "danger"], found["left", "category"]) == (8, 50, 100)
    assert (found["left", "place"], found["sent", "sent"]) == (None, 30)
    assert [found["helped", f"helped_{answer}"] for answer in ("yes", "little", "no")] == [20, None, None]
    assert (found["left", "who"], found["left", "words"]) == (None, None)
    assert (found["total", "reports"], ("category", "harm") in found) == (None, False)
    with year.database.read() as connection:
        assert list(connection.execute(select(t.screen_tally))) == []


def test_drills_wait_for_nobody_and_are_counted_before_they_are_deleted(year: Year) -> None:
    clock = year.at(3).counting("training")
    year.file(3)
    year.at(5)
    clock.count()
    assert year.tally()["category", "harm"] == 3
    year.at(9.5)
    clock.count()
    assert year.tally()["answered", "P1 late"] == 3


@pytest.mark.parametrize(
    "head",
    [
        {"place": "Port Vila"},
        {"place": {"code": ["VU-SEE"]}},
        {"age_band": ["6-9"]},
        {"age_band": 7},
        {"language": "en\x00"},
        {"channel": {"a": 1}},
        {"category": ["harm"]},
        {"payment_seen": "x" * 5000},
    ],
)
def test_a_malformed_head_counts_as_a_report_that_says_nothing(year: Year, head: dict[str, Any]) -> None:
    year.at(1).file(6)
    year.file(1, **head)
    year.file(6)
    year.at(95).count()
    counted = year.tally()
    assert sum(number for (sheet, _), number in counted.items() if sheet == "category") == 13
    assert sum(number for (sheet, _), number in counted.items() if sheet == "age") == 13


def test_a_country_that_cannot_be_counted_stops_no_other(year: Year, monkeypatch: pytest.MonkeyPatch) -> None:
    year.at(1).file(12)
    job = year.counting(countries=country.load_countries(["fj", "vu"], "demo"))
    real = StatisticsJob._count

    def count(job: StatisticsJob, counted: country.Country, *arguments: Any) -> None:
        if counted.iso == "FJ":
            raise ValueError("a file that this program does not expect")
        real(job, counted, *arguments)

    monkeypatch.setattr(StatisticsJob, "_count", count)
    year.at(95)
    with capture_logs() as logs:
        job.count()
    assert year.tally()["category", "harm"] == 12
    assert [(log["event"], log["country"]) for log in logs if log["event"] == "job_failed"] == [("job_failed", "FJ")]
    assert job._metrics.faults.labels("statistics")._value.get() == 1
