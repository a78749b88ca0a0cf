"""The scheduler's job that finds channels with unusually few calls, and what it stores and shows."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import delete, insert, select

from reports.call_volume import WEEK_HOURS, CallVolume
from reports.countries.country import load_countries
from reports.store.operations import call_hours
from reports.store.operations.call_hours import QuietChannel
from reports.store.schema import tables as t
from runtime.time_units import HOUR, MINUTE
from tests.workers.sample_store import SampleStore
from workers.clock.jobs import CALL_HOURS_KEPT, ClockJobs
from workers.metrics import BREAKER, QUIET, SYNTHETIC, WorkerMetrics, is_current_label

VU, FJ = ("VU", "africastalking"), ("FJ", "ussd")


class CallVolumeHarness:
    """The scheduler's jobs, at 10 minutes past an hour."""

    def __init__(self, store: SampleStore) -> None:
        self.database = store.database
        self.registry = CollectorRegistry()
        parts: Any = Mock()
        self.jobs = ClockJobs(
            database=store.database,
            delivery_runner=parts,
            duty_phone_notifier=parts,
            job_queue=parts,
            metrics=WorkerMetrics(self.registry),
        )
        self.database.offset += 10 * MINUTE - self.database.now() % HOUR

    @property
    def hour(self) -> int:
        return self.database.now() // HOUR

    def calls(self, line: tuple[str, str], number: int, hours: range) -> None:
        """Store calls as web does. `hours`: hours before the current one."""
        call_hours.save_hours(self.database, {(*line, self.hour - hour): number for hour in hours})

    def weeks(self, line: tuple[str, str], number: int) -> None:
        for week in range(1, 5):
            self.calls(line, number, range(week * WEEK_HOURS - 48, week * WEEK_HOURS + 25))

    def quiet(self, line: tuple[str, str]) -> float | None:
        labels = dict(zip(("country", "channel"), line, strict=True))
        return self.registry.get_sample_value("tokaut_calls_unusually_few", labels)


@pytest.fixture
def clock(store: SampleStore) -> CallVolumeHarness:
    return CallVolumeHarness(store)


def test_a_channel_that_falls_silent_is_told_of_until_it_is_back(clock: CallVolumeHarness) -> None:
    for line in (VU, FJ):
        clock.weeks(line, 12)
        clock.calls(line, 11, range(1, 25))
    clock.jobs.call_volume()
    assert (clock.quiet(VU), clock.quiet(FJ), call_hours.list_quiet(clock.database)) == (0, 0, [])
    for _ in range(3):
        clock.database.offset += HOUR
        clock.calls(FJ, 13, range(1, 2))
        clock.jobs.call_volume()
    until = clock.hour * HOUR
    [found] = call_hours.list_quiet(clock.database)
    assert found == QuietChannel("VU", "africastalking", until, CallVolume(3, 0, 36))
    assert (clock.quiet(VU), clock.quiet(FJ)) == (1, 0)
    assert found.fault().startswith("Unusually quiet: VU africastalking had 0 calls in the 3 h until ")
    assert found.fault().endswith(" UTC; usual are 36. Dial the code. docs/operating/provider-dead.md")
    clock.database.offset += HOUR
    clock.calls(VU, 9, range(1, 2))
    clock.jobs.call_volume()
    assert (clock.quiet(VU), call_hours.list_quiet(clock.database)) == (0, [])


def test_an_hour_counts_once_web_has_stored_it(clock: CallVolumeHarness) -> None:
    """Two minutes after the hour, web may not have stored its calls yet."""
    clock.weeks(VU, 12)
    clock.calls(VU, 12, range(1, 25))
    clock.database.offset += 52 * MINUTE  # two minutes past the next hour
    clock.jobs.call_volume()
    assert call_hours.list_quiet(clock.database) == []


def test_a_stored_hour_is_not_changed_and_an_old_one_is_deleted(clock: CallVolumeHarness) -> None:
    clock.calls(VU, 5, range(1, 2))
    clock.calls(VU, 7, range(1, 2))
    clock.calls(VU, 9, range(CALL_HOURS_KEPT - 1, CALL_HOURS_KEPT + 3))
    assert call_hours.delete_old(clock.database, clock.hour - CALL_HOURS_KEPT) == 2
    assert call_hours.delete_old(clock.database, clock.hour - CALL_HOURS_KEPT) == 0
    with clock.database.read() as connection:
        assert sorted(connection.execute(select(t.call_hour.c.number)).scalars()) == [5, 9, 9]


def test_a_channel_that_is_not_used_any_more_is_not_called_quiet_for_ever(clock: CallVolumeHarness) -> None:
    clock.weeks(VU, 12)
    clock.calls(VU, 0, range(1, 25))
    clock.jobs.call_volume()
    assert clock.quiet(VU) == 1
    with clock.database.write() as connection:
        connection.execute(delete(t.call_hour))  # as a month later
    clock.jobs.call_volume()
    assert clock.quiet(VU) == 0


def test_a_country_that_is_switched_off_has_no_metric_and_no_alert(clock: CallVolumeHarness) -> None:
    clock.jobs._countries = load_countries(["fj"], "demo")
    for line in (VU, FJ):
        clock.weeks(line, 12)
    clock.jobs.call_volume()
    assert (clock.quiet(VU), clock.quiet(FJ)) == (None, 1)
    assert [one.country for one in call_hours.list_quiet(clock.database)] == ["FJ"]


def test_the_breaker_of_a_hotline_that_has_left_has_no_metric(clock: CallVolumeHarness) -> None:
    clock.jobs._countries = load_countries(["fj"], "demo")
    hotlines = ["vu-police", next(iter(clock.jobs._countries.names))]
    with clock.database.write() as connection:
        rows = [{"hotline": hotline, "failures": 9, "open_until": 0, "opened_times": 1} for hotline in hotlines]
        connection.execute(insert(t.hotline_state), rows)
    clock.jobs.undelivered()
    shown = [clock.registry.get_sample_value(BREAKER, {"hotline": hotline}) for hotline in hotlines]
    assert shown == [None, 1]


@pytest.mark.parametrize(
    ("metric", "labels", "is_current"),
    [
        (QUIET, {"country": "VU", "channel": "africastalking"}, False),
        (BREAKER, {"hotline": "vu-police"}, True),
        (BREAKER, {"hotline": "vu-gone"}, False),
        (BREAKER, {"desk": "vu-police"}, False),
        (SYNTHETIC, {"channel": "africastalking", "code": "*1#"}, True),
        (SYNTHETIC, {"channel": "africastalking"}, False),
        (SYNTHETIC, {"channel": "africastalking", "code": "*2#"}, False),
        ("tokaut_reports_overdue", {"priority": "P1"}, True),
        ("tokaut_scheduler_tick_timestamp_seconds", {}, True),
    ],
)
def test_a_gauge_continues_after_a_restart_only_if_its_label_does(
    metric: str, labels: dict[str, str], *, is_current: bool
) -> None:
    networks = {("africastalking", "*1#")}
    assert is_current_label(metric, labels, hotlines={"vu-police"}, networks=networks) is is_current
