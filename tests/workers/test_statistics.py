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
from tests.workers.sample_store import ONE, SampleStore
from workers.jobs.statistics import StatisticsJob, StatisticsScope
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics

SECOND = 1_000_000
DAY = 86400
VU = country.load_countries(["vu"], "demo")
BEGIN = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())  # of a quarter


class StatisticsHarness:
    """A database with its clock in the first quarter of 2027, and methods that submit reports."""

    def __init__(self, store: SampleStore) -> None:
        self.store = store
        self.database = store.database
        self.clock: StatisticsJob | None = None

    def at(self, day: float) -> StatisticsHarness:
        self.database.offset = 0
        self.database.offset = int((BEGIN + day * DAY) * SECOND) - self.database.now()
        return self

    def submit(self, count: int = 1, priority: str = "P1", **head: Any) -> list[str]:
        """Submit reports with this head; return their delivery ids."""
        made: list[str] = []
        for _ in range(count):
            one = self.store.sealed(((ONE, "primary"),), mode="live", priority=priority)
            context = SealContext("live", one.report_id, 1, ONE)
            box = seal_body(self.store.public[ONE], context, json_bytes({"category": "harm", **head}), b"{}")
            part = replace(one.parts[0], wrap=box.wrap, head=box.head, sealed=box.sealed)
            made += submissions.commit(self.database, replace(one, parts=(part,))).deliveries
        return made

    def counting(self, mode: str = "live", countries: Countries = VU) -> StatisticsJob:
        metrics = WorkerMetrics(CollectorRegistry())
        return StatisticsJob(self.database, KeyRing(self.store.keys), StatisticsScope(countries, mode), metrics)

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
        sealer = MessageSealer(ONE, report_id, AnswerTarget("VU", "live", None, ()), self.store.public[ONE], created_at)
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
def statistics(store: SampleStore) -> Iterator[StatisticsHarness]:
    before = store.database.offset
    yield StatisticsHarness(store)
    store.database.offset = before


def test_a_quarter_comes_out_two_weeks_after_it_is_over(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(
        12, category="harm", place={"code": "VU-SEE"}, age_band="10-12", channel="ussd", language="en"
    )
    statistics.at(40).submit(20, category="luring", channel="sms", language="en", payment_seen="mobile_money")
    statistics.at(80).submit(3, category="images")
    for day in (81, 90.5, 103):
        statistics.at(day).count()
        assert statistics.figures() == {}
    statistics.at(104.1).count()
    found = statistics.figures()
    assert found["total", "reports"] == 35
    assert [found["month", f"2027-0{n}"] for n in (1, 2, 3)] == [12, None, None]
    assert (found["category", "harm"], found["category", "luring"], found["category", "images"]) == (12, None, None)
    assert found["place", "Shefa"] == 12
    assert statistics.tally() == {}


def test_cells_grow_by_five_reports_or_more_at_a_time(statistics: StatisticsHarness) -> None:
    """Two copies of the database, a day apart, must not show which report was added in between."""
    seen = [0]
    for day in range(1, 30):
        statistics.at(day).submit(1)
        statistics.at(day + 0.5).count()
        if (there := statistics.tally().get(("category", "harm"), 0)) != seen[-1]:
            seen.append(there)
    assert seen == [0, 5, 10, 15, 20]
    statistics.at(105).count()
    assert statistics.figures()["total", "reports"] == 29


def test_fewer_than_five_in_a_quarter_leave_no_counter_of_what_they_say(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(4, category="self_harm")
    statistics.at(95).count()
    assert {sheet for sheet, _ in statistics.tally()} <= {"delivered", "read", "outcome", "answered"}
    statistics.at(105).count()
    assert statistics.figures() == {("total", "reports"): None}


def test_a_quarter_without_a_report_looks_like_one_with_fewer_than_five(statistics: StatisticsHarness) -> None:
    """Also where nobody called: else a quarter that is missing says that there was no report."""
    statistics.at(3).submit(30)
    statistics.at(105).count()
    statistics.at(285).count()
    assert statistics.figures()["total", "reports"] is None
    published = quarterly_figures.list_published(statistics.database)
    assert sorted({one.quarter for one in published}) == ["2027-Q1", "2027-Q2"], "the third one ended two days ago"
    statistics.count()
    assert quarterly_figures.list_published(statistics.database) == published


def test_outcomes_are_counted_as_reports_were_closed_last(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(12)
    with statistics.database.read() as connection:
        deliveries = list(connection.execute(select(t.delivery.c.report_id, t.delivery.c.delivery_id).distinct()))
    reports = {one.report_id: one.delivery_id for one in deliveries}
    ids = list(reports)
    acts = [(one, "closed:helped") for one in ids[:6]] + [(one, "closed:hoax") for one in ids[6:11]]
    acts += [(ids[0], "close_undone"), (reports[ids[1]], "in_progress"), (ids[1], "closed:none_came")]
    with statistics.database.write() as connection:
        for seconds, (object_id, act) in enumerate(acts):
            row = entry_row("staff:vu-pikinini/mere", act, object_id, statistics.database.now() + seconds)
            connection.execute(insert(t.audit), row)
    statistics.at(91).count()
    found = {cell: number for (sheet, cell), number in statistics.tally().items() if sheet == "outcome"}
    assert found == {"helped": 4, "none_came": 1, "hoax": 5, "no outcome": 2}


def test_no_table_has_more_reports_than_the_total(statistics: StatisticsHarness) -> None:
    """Reports that were not counted yet can be deleted by their reporters after their outcome was known."""
    statistics.at(3).submit(30)
    with statistics.database.read() as connection:
        newest = list(connection.execute(select(t.report.c.report_id).order_by(t.report.c.created_at)).scalars())[25:]
    statistics.at(20).count()
    statistics.delete(newest)
    statistics.at(91).count()
    sums: Counter[str] = Counter()
    for (sheet, _), number in statistics.tally().items():
        sums[sheet] += number
    assert {*sums.values()} == {25}


def test_a_report_that_is_never_counted_is_in_no_table(statistics: StatisticsHarness) -> None:
    """Five reports wait for more; one of them is deleted, and the other four are too few to count."""
    statistics.at(3).submit(30)
    with statistics.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id).order_by(t.report.c.created_at)).scalars())
    with statistics.at(4).database.write() as connection:
        closed = [*[(one, "closed:helped") for one in ids[10:]], *[(one, "closed:hoax") for one in ids[:10]]]
        connection.execute(
            insert(t.audit), [entry_row("staff:x/mere", act, one, statistics.database.now()) for one, act in closed]
        )
    statistics.at(20).count()
    statistics.delete(ids[-1:])
    statistics.at(95).submit(12)
    for day in (96, 104.1):
        statistics.at(day).count()
    found = statistics.figures()
    assert (found["total", "reports"], found["outcome", "helped"]) == (25, 15)
    statistics.at(105).count()
    assert statistics.tally()["category", "harm"] == 7, "the next quarter is counted"


def test_an_outcome_later_than_two_weeks_is_none(statistics: StatisticsHarness) -> None:
    """Also of a report that was counted much later: all reports of a quarter must be judged after the same time."""
    statistics.at(3).submit(12)
    with statistics.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id)).scalars())
    for day, of in ((10, ids[:6]), (30, ids[6:])):
        with statistics.at(day).database.write() as connection:
            rows = [entry_row("staff:vu-pikinini/mere", "closed:helped", one, statistics.database.now()) for one in of]
            connection.execute(insert(t.audit), rows)
    statistics.at(91).count()
    assert {cell: number for (sheet, cell), number in statistics.tally().items() if sheet == "outcome"} == {
        "helped": 6,
        "no outcome": 6,
    }


def test_an_entry_of_staff_submits_no_report(statistics: StatisticsHarness) -> None:
    """The role of a console may write entries of its staff with any act and time."""
    statistics.at(3).submit(10)
    with statistics.database.write() as connection:
        for report_id in list(connection.execute(select(t.report.c.report_id)).scalars()):
            connection.execute(insert(t.audit), entry_row("staff:vu-pikinini/mere", "sent", report_id, 1))
    assert len(quarterly_figures.list_submitted(statistics.database, 1, statistics.database.now())) == 10


def test_two_clocks_count_nothing_twice(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(30)
    statistics.at(5)
    slow = statistics.counting()
    there = quarterly_figures.list_submitted(statistics.database, 0, statistics.database.now())
    statistics.count()
    slow._count(VU.all[0], 0, there, statistics.database.now())  # it read the rows before the other job counted
    assert statistics.tally()["category", "harm"] == 25
    statistics.at(105).count()
    statistics.count()
    assert statistics.figures()["total", "reports"] == 30


@pytest.mark.parametrize("fault", ["it stops", "another scheduler counts"])
def test_a_quarter_comes_out_only_when_all_its_reports_are_counted(
    statistics: StatisticsHarness, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    statistics.at(3).submit(30)
    save_screen_counts(statistics.database, "2027-01-03", {("VU", "home"): 100})  # so the quarter is open
    job = statistics.at(105).counting()
    if fault == "it stops":
        job._stopping.set()
    else:
        monkeypatch.setattr(quarterly_figures, "add_counts", lambda *_: False)
    job.count()
    assert statistics.figures() == {}
    monkeypatch.undo()
    statistics.count()
    assert statistics.figures()["total", "reports"] == 30


def test_a_clock_that_runs_ahead_publishes_nothing(
    statistics: StatisticsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quarter that came out too early could never be completed. The earlier of two clocks counts."""
    statistics.at(3).submit(30)
    ahead = statistics.database.now() + 200 * DAY * SECOND
    monkeypatch.setattr(statistics.database, "now", lambda: ahead)
    statistics.count()
    monkeypatch.undo()
    assert bool(statistics.figures()) == statistics.database.is_sqlite, (
        "it has only one clock; the check for jumps protects it"
    )


def test_what_is_filed_between_two_readings_is_counted_in_the_next(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(10)
    statistics.at(4).count()
    statistics.submit(10)
    statistics.count()
    assert (
        statistics.tally()["month", "2027-01"] == 5
    )  # the others may still be in a transaction, and are counted next time
    statistics.at(5).count()
    assert statistics.tally()["month", "2027-01"] == 15


def test_what_became_of_them_is_counted_two_weeks_later(statistics: StatisticsHarness) -> None:
    quick = statistics.at(3).submit(10, priority="P2")
    late = statistics.submit(10, priority="P2")
    for seconds, ids in ((600, quick), (7200, late)):
        statistics.at(3 + seconds / DAY).take_on(ids)
    statistics.at(16).count()
    assert ("answered", "P2 in time") not in statistics.tally()
    statistics.at(18).count()
    found = {cell: count for (sheet, cell), count in statistics.tally().items() if sheet in ("answered", "read")}
    assert found == {"P2 in time": 10, "P2 late": 5, "15 min": 10, "1 day": 5}, "five are not counted yet"


def test_a_report_that_was_rejected_is_not_acknowledged(statistics: StatisticsHarness) -> None:
    statistics.at(3).take_on(statistics.submit(10), "rejected")
    statistics.at(91).count()
    found = {(sheet, cell) for sheet, cell in statistics.tally() if sheet in ("answered", "read")}
    assert found == {("answered", "P1 late"), ("read", "later or not yet")}


def test_a_report_whose_closing_was_undone_is_not_acknowledged(statistics: StatisticsHarness) -> None:
    """Somebody closed it by mistake, before anybody had taken it."""
    deliveries = statistics.at(3).submit(10)
    statistics.take_on(deliveries, "closed")
    statistics.at(3 + 300 / DAY).take_on(deliveries, "none")
    statistics.at(91).count()
    found = {(sheet, cell) for sheet, cell in statistics.tally() if sheet in ("answered", "read")}
    assert found == {("answered", "P1 late"), ("read", "later or not yet")}


def test_a_report_deleted_before_its_outcome_was_counted_is_not_late(statistics: StatisticsHarness) -> None:
    statistics.at(3)
    statistics.take_on(statistics.submit(20, priority="P4"))
    with statistics.database.read() as connection:
        oldest = list(connection.execute(select(t.report.c.report_id)).scalars())[:12]
    for priority in ("P1", "P2", "P3"):
        statistics.take_on(statistics.submit(12, priority=priority)[:6])
    statistics.at(5).count()
    statistics.delete(oldest)
    statistics.at(105).count()
    found = statistics.figures()
    cells = ("P1 late", "P2 late", "P3 late", "P4 in time", "P4 late", "not_known")
    assert [found["answered", cell] for cell in cells] == [6, 6, 6, 8, None, None]


def test_what_staff_recorded_of_children_is_counted_once_when_the_quarter_comes_out(
    statistics: StatisticsHarness,
) -> None:
    statistics.at(3).submit(30)
    with statistics.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id)).scalars())
    recorded = [(one, {"sex": "girl"}) for one in ids[:12]] + [(one, {"sex": "boy"}) for one in ids[12:18]]
    recorded += [(ids[0], {"sex": "boy", "disability": "disability"}), (ids[1], {"disability": "no_disability"})]
    recorded += [(one, {"sex": "a word", "disability": ["x"]}) for one in ids[18:20]]
    for seconds, (report_id, fields) in enumerate(recorded):
        statistics.record_child(report_id, fields, seconds)
    for day in (20, 90.5):
        statistics.at(day).count()
        assert {sheet for sheet, _ in statistics.tally()}.isdisjoint(("sex", "disability")), (
            "no counter grows by one child"
        )
    statistics.at(104.1).count()
    found = statistics.figures()
    sexes = [found["sex", cell] for cell in ("girl", "boy", "another", "not_known")]
    assert sexes == [11, 7, None, None], "the later note counts; another is none, so the last cell is hidden with it"
    assert [found["disability", cell] for cell in ("disability", "no_disability", "not_known")] == [None] * 3
    with statistics.database.read() as connection:
        assert list(connection.execute(select(t.note))) == [], "and nothing of it stays"


def test_what_staff_record_of_a_child_too_late_is_deleted_uncounted(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(30)
    with statistics.database.read() as connection:
        ids = list(connection.execute(select(t.report.c.report_id)).scalars())
    statistics.at(105).count()
    statistics.at(120).submit(30)
    for report_id in ids[:20]:
        statistics.record_child(report_id, {"sex": "girl"}, 1)
    statistics.at(196).count()
    found = {
        one.cell: one.number for one in quarterly_figures.list_published(statistics.database) if one.sheet == "sex"
    }
    assert found["girl"] is None, "of both quarters"
    with statistics.database.read() as connection:
        assert list(connection.execute(select(t.note))) == []


def test_reports_that_staff_entered_are_counted_and_have_a_channel_where_a_hotline_reads_here(
    statistics: StatisticsHarness,
) -> None:
    (vu,) = VU.all
    read_here = {name: replace(hotline, delivery="console") for name, hotline in vu.hotlines.items()}
    statistics.clock = statistics.counting(countries=Countries((replace(vu, hotlines=read_here),)))
    statistics.at(3).submit(12, channel="ussd")
    statistics.submit(20, channel="staff")
    a = t.audit
    with statistics.database.write() as connection:
        ids = list(connection.execute(select(a.c.audit_id).where(a.c.act == "sent").limit(20)).scalars())
        connection.execute(a.update().where(a.c.audit_id.in_(ids)).values(act="entry_stored"))
    statistics.at(104.1).count()
    found = statistics.figures()
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
def test_no_typed_word_is_ever_a_cell(statistics: StatisticsHarness, head: dict[str, Any], cell: str) -> None:
    statistics.at(3).submit(10, **head)
    statistics.at(5).count()
    assert [name for sheet, name in statistics.tally() if sheet == "place"] == [cell]


def test_a_report_whose_key_is_away_is_counted_without_what_it_says(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(10, category="images")
    shutil.rmtree(statistics.store.keys)
    statistics.at(5).count()
    assert statistics.tally() == {**statistics.tally(), ("month", "2027-01"): 5, ("category", "other"): 5}


def test_no_counter_holds_an_id_or_a_time(statistics: StatisticsHarness) -> None:
    statistics.at(3).submit(20)
    statistics.at(5).count()
    statistics.at(105).count()
    with statistics.database.read() as connection:
        for table in (t.tally, t.tallied, t.figure, t.screen_tally):
            assert not [column.name for column in table.columns if column.name.endswith(("_id", "_at"))]
            kept = [str(value) for row in connection.execute(select(table)) for value in row]
            ids = list(connection.execute(select(t.report.c.report_id)).scalars())
            assert not [one for one in kept for report_id in ids if report_id in one]


def test_what_web_has_shown_comes_out_with_the_quarter_and_is_then_gone(statistics: StatisticsHarness) -> None:
    shown = {"danger": 80, "danger+": 41, "category": 41, "tips_young": 4, "home": 100, "sent": 27}
    for day in ("2027-01-03", "2027-03-31"):
        save_screen_counts(statistics.database, day, {("VU", what): number for what, number in shown.items()})
    save_screen_counts(statistics.database, "2027-01-03", {("VU", "home"): 900})  # the same day again
    save_screen_counts(statistics.database, "2027-03-31", {("VU", "helped_yes"): 20, ("VU", "helped_no"): 12})
    statistics.at(105).count()
    found = statistics.figures()
    assert (found["use", "home"], found["use", "danger"], found["use", "law"]) == (200, 160, None)
    assert (found["use", "tips_young"], found["left", "danger"], found["left", "category"]) == (8, 50, 100)
    assert (found["left", "place"], found["sent", "sent"]) == (None, 30)
    assert [found["helped", f"helped_{answer}"] for answer in ("yes", "little", "no")] == [20, None, None]
    assert (found["left", "who"], found["left", "words"]) == (None, None)
    assert (found["total", "reports"], ("category", "harm") in found) == (None, False)
    with statistics.database.read() as connection:
        assert list(connection.execute(select(t.screen_tally))) == []


def test_drills_wait_for_nobody_and_are_counted_before_they_are_deleted(statistics: StatisticsHarness) -> None:
    clock = statistics.at(3).counting("training")
    statistics.submit(3)
    statistics.at(5)
    clock.count()
    assert statistics.tally()["category", "harm"] == 3
    statistics.at(9.5)
    clock.count()
    assert statistics.tally()["answered", "P1 late"] == 3


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
def test_a_malformed_head_counts_as_a_report_that_says_nothing(
    statistics: StatisticsHarness, head: dict[str, Any]
) -> None:
    statistics.at(1).submit(6)
    statistics.submit(1, **head)
    statistics.submit(6)
    statistics.at(95).count()
    counted = statistics.tally()
    assert sum(number for (sheet, _), number in counted.items() if sheet == "category") == 13
    assert sum(number for (sheet, _), number in counted.items() if sheet == "age") == 13


def test_a_country_that_cannot_be_counted_stops_no_other(
    statistics: StatisticsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    statistics.at(1).submit(12)
    job = statistics.counting(countries=country.load_countries(["fj", "vu"], "demo"))
    real = StatisticsJob._count

    def count(job: StatisticsJob, counted: country.Country, *arguments: Any) -> None:
        if counted.iso == "FJ":
            raise ValueError("a file that this program does not expect")
        real(job, counted, *arguments)

    monkeypatch.setattr(StatisticsJob, "_count", count)
    statistics.at(95)
    with capture_logs() as logs:
        job.count()
    assert statistics.tally()["category", "harm"] == 12
    assert [(log["event"], log["country"]) for log in logs if log["event"] == "job_failed"] == [("job_failed", "FJ")]
    assert job._metrics.faults.labels("statistics")._value.get() == 1
