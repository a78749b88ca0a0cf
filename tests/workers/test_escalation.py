"""Escalation by a moved clock: each step of each priority once, at its minute, and who is notified.

`→ two` is a delivery of the report; the others are notifications. Ordered by minute, then by name.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from reports.countries.hotline import Hotline
from reports.escalation import max_step_delays
from reports.store.escalation import steps
from reports.store.escalation.steps import EscalationState
from reports.store.operations import clock_skew
from reports.store.schema import tables as t
from runtime.time_units import DAY, MINUTE
from tests.workers.escalation_scenario import (
    CARDS,
    CHAIN,
    LEAD,
    OFFICER,
    ON_CALL,
    SECOND_ON_CALL,
    EscalationScenario,
    country_with_cards,
)
from tests.workers.sample_store import ONE, THREE, TWO, SampleStore
from workers.jobs import recipients
from workers.jobs.escalation import MAX_STEPS
from workers.notifications import texts
from workers.notifications.texts import Notification

NAMES = {
    f"→ {TWO}": "→ two",
    f"→ {THREE}": "→ three",
    OFFICER: "duty officer",
    LEAD: "supervisor",
    "lead@two.example": "supervisor of two",
    "lead@three.example": "supervisor of three",
    ON_CALL: "on call",
    SECOND_ON_CALL: "second on call",
    "desk@two.example": "duty officer of two",
    "desk@three.example": "duty officer of three",
}
ALL_DAY = {name: {**card, "hours": "24h"} for name, card in CARDS.items()}


def story(scenario: EscalationScenario, unit: int = 1) -> str:
    found = sorted((minute // unit, NAMES[who]) for minute, who in scenario.happened())
    minutes: dict[int, list[str]] = {}
    for minute, who in found:
        minutes.setdefault(minute, []).append(who)
    return "; ".join(f"{minute} {', '.join(who)}" for minute, who in minutes.items())


def at(store: SampleStore, hour: int, zone: int = 11) -> None:
    """Move the clock to the next time that it is this hour of the day, in Vanuatu unless `zone` says otherwise."""
    day = 24 * 60 * MINUTE
    now = store.database.now()
    there = (now + zone * 60 * MINUTE) % day
    store.database.offset += (hour * 60 * MINUTE - there) % day


@pytest.mark.rule("S-39")
def test_a_night_of_p1(store: SampleStore) -> None:
    at(store, 23)
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(91)
    assert story(scenario) == (
        "5 duty officer; "
        "15 → two; "
        "30 supervisor, supervisor of two; "
        "45 supervisor, supervisor of two; "
        "60 on call, supervisor, supervisor of two, → three; "
        "75 on call, second on call, supervisor, supervisor of three, supervisor of two; "
        "90 on call, second on call, supervisor, supervisor of three, supervisor of two"
    )


@pytest.mark.rule("S-39")
def test_a_night_of_p2(store: SampleStore) -> None:
    at(store, 23)
    store.submit(CHAIN, priority="P2")
    scenario = EscalationScenario(store)
    scenario.until(8 * 60 + 1, step=5)
    assert story(scenario) == (
        "30 duty officer; "
        "60 → two; "
        "120 supervisor, supervisor of two; "
        "240 on call, supervisor, supervisor of two, → three; "
        "360 on call, second on call, supervisor, supervisor of three, supervisor of two; "
        "480 on call, second on call, supervisor, supervisor of three, supervisor of two"
    )


@pytest.mark.rule("S-39")
def test_five_days_of_p3_in_hours(store: SampleStore) -> None:
    """Submitted at 20:00: 12 hours later is 8:00, and a step that falls into the night waits until 7:00."""
    at(store, 20)
    store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(store, country_with_cards(ALL_DAY))
    scenario.until(5 * 24 * 60, step=60)
    assert story(scenario, 60) == (
        "12 duty officer; "
        "24 → two; "
        "36 supervisor, supervisor of two; "
        "60 supervisor, supervisor of two; "
        "72 → three; "
        "83 on call; "  # 72 h end at 20:00; the on-call people are not woken for it
        "84 supervisor, supervisor of three, supervisor of two; "
        "107 on call, second on call; "
        "108 supervisor, supervisor of three, supervisor of two"
    )


@pytest.mark.rule("S-39")
def test_two_weeks_of_p4_in_hours(store: SampleStore) -> None:
    at(store, 9)
    store.submit(CHAIN, priority="P4")
    scenario = EscalationScenario(store, country_with_cards(ALL_DAY))
    scenario.until(15 * 24 * 60, step=120)
    assert story(scenario, 60) == (
        "48 duty officer; "
        "96 → two; "
        "120 supervisor, supervisor of two; "
        "168 on call, → three; "
        "288 supervisor, supervisor of three, supervisor of two; "
        "336 on call, second on call"
    )


@pytest.mark.parametrize("handling", ["accepted", "in_progress", "closed"])
def test_a_person_ends_it_for_all_desks(store: SampleStore, handling: str) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(20)
    scenario.handle(TWO, handling)
    scenario.until(300, step=40)  # a step that became due would run late, but would run
    assert story(scenario) == "5 duty officer; 15 → two"
    with store.database.read() as connection:
        assert connection.execute(select(t.step).where(t.step.c.done_at.is_(None))).first() is None


def test_two_clocks_do_each_step_once(store: SampleStore) -> None:
    store.submit(CHAIN)
    one, two = EscalationScenario(store), EscalationScenario(store)
    for minute in range(0, 91, 5):
        one.until(minute)
        two.until(minute)
    both = sorted([*one.happened(), *two.happened()])
    alone = EscalationScenario(store)
    alone.transfers, alone.notifications = [*one.transfers, *two.transfers], [*one.notifications, *two.notifications]
    assert len(both) == len(set(both))
    assert story(alone).startswith("5 duty officer; 15 → two; 30 supervisor, supervisor of two; 45 supervisor")


def test_nothing_is_said_to_be_given_that_was_not(store: SampleStore) -> None:
    """The chosen hotline got the report by a manual transfer in that moment."""
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(14)
    store.database.offset += 2 * MINUTE
    [backup] = steps.list_due(store.database, ["backup"])
    assert steps.give_to_fallback(store.database, backup, "nobody-of-the-route", "NO_ACK") is None
    with store.database.read() as connection:
        came_to = connection.execute(select(t.step.c.came_to).where(t.step.c.step == "backup")).scalar_one()
    assert came_to == "nobody"


def test_a_clock_that_was_away_does_what_it_missed_once(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(0)
    store.database.offset += 200 * MINUTE
    scenario.until(226)
    assert story(scenario).startswith(
        "200 duty officer, on call, supervisor, → three, → two; 210 on call, second on call"
    )
    assert "225 on call, second on call" in story(scenario)


def test_one_that_declines_is_asked_no_more_and_the_others_are(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(16)
    scenario.handle(ONE, "rejected")
    scenario.until(31)
    assert story(scenario) == "5 duty officer; 15 → two; 30 supervisor of two"


def test_an_incomplete_report_goes_to_no_second_hotline(store: SampleStore) -> None:
    store.submit(((ONE, "primary"),), completeness="incomplete")
    scenario = EscalationScenario(store)
    scenario.until(61)
    assert story(scenario) == "5 duty officer; 30 supervisor; 45 supervisor; 60 on call, supervisor"


@pytest.mark.rule("S-26")
def test_who_was_left_out_is_asked_at_no_step(store: SampleStore) -> None:
    """The reporter saw two hotlines and left one out; the first one's card still names it as backup."""
    store.submit(((ONE, "primary"), (THREE, "fallback")))
    scenario = EscalationScenario(store)
    scenario.until(120, step=5)
    assert {hotline for _, hotline, _ in scenario.transfers} == {THREE}
    assert "two" not in story(scenario)


def closed(*names: str, **more: Any) -> dict[str, dict[str, Any]]:
    """Return cards in which these hotlines are closed on every day until 2050."""
    never = {"hours": "daily 08:00-17:00", "holidays": "2001-01-01..2050-12-31"}
    return {name: {**card, **(never if name in names else {}), **more} for name, card in CARDS.items()}


@pytest.mark.parametrize(
    ("shut", "priority", "given"),
    [
        ((ONE,), "P1", [(0, TWO, "CLOSED_NOW")]),
        ((ONE,), "P2", [(0, TWO, "CLOSED_NOW")]),
        ((ONE,), "P3", []),
        ((ONE, TWO), "P1", [(0, THREE, "CLOSED_NOW")]),
        ((ONE, TWO, THREE), "P1", []),
        ((TWO,), "P1", []),
    ],
)
def test_a_desk_that_is_closed_and_who_is_open(
    store: SampleStore, shut: tuple[str, ...], priority: str, given: list[tuple[int, str, str]]
) -> None:
    store.submit(CHAIN, priority=priority)
    scenario = EscalationScenario(store, country_with_cards(closed(*shut)))
    scenario.until(4)
    assert scenario.transfers == given


def test_a_desk_that_gets_the_report_late_is_reminded_too(store: SampleStore) -> None:
    store.submit(CHAIN[:1])
    scenario = EscalationScenario(store)
    scenario.until(7, delivers=False)
    assert scenario.happened() == []
    scenario.until(29)
    assert scenario.happened() == [(10, OFFICER)]


def test_a_desk_that_has_handed_the_report_back_is_not_looked_for_again(store: SampleStore) -> None:
    store.submit(CHAIN[:1])
    scenario = EscalationScenario(store)
    scenario.until(0)
    scenario.handle(ONE, "rejected")
    scenario.until(29)
    assert scenario.happened() == []
    with store.database.read() as connection:
        assert connection.execute(select(func.max(t.step.c.round)).where(t.step.c.step == "desk")).scalar() == 0


def test_what_is_urgent_goes_to_the_backup_that_is_awake(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store, country_with_cards(closed(TWO)))
    scenario.until(16)
    assert scenario.transfers == [(15, THREE, "NO_ACK")]


def test_p1_rings_a_closed_desk_all_the_same(store: SampleStore) -> None:
    at(store, 2)
    store.submit(CHAIN)
    scenario = EscalationScenario(store, country_with_cards(closed(ONE, TWO, THREE)))
    scenario.until(5)
    assert story(scenario) == "5 duty officer"


@pytest.mark.parametrize(("zone", "told"), [("Pacific/Port_Moresby", 12 * 60), ("Pacific/Bougainville", 23 * 60)])
def test_the_night_is_the_desks_own(store: SampleStore, zone: str, told: int) -> None:
    """Submitted at 07:00 in Port Moresby: twelve hours later it is 19:00 there, and 20:00 in Bougainville."""
    at(store, 7, zone=10)
    store.submit(CHAIN, priority="P3")
    cards = {name: {**card, "time_zone": zone} for name, card in CARDS.items()}
    scenario = EscalationScenario(store, country_with_cards(cards))
    scenario.until(26 * 60, step=30)
    assert [minute for minute, who in scenario.happened() if who == OFFICER] == [told]


def test_what_can_wait_waits_for_the_desk_to_open(store: SampleStore) -> None:
    at(store, 15)
    store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(
        store, country_with_cards({**CARDS, ONE: {**CARDS[ONE], "hours": "daily 08:00-16:30"}})
    )
    scenario.until(18 * 60, step=30)
    assert story(scenario, 60) == "17 duty officer", "due at 3 in the morning, and it opens at 8"


def test_a_countrys_own_times(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store, country_with_cards(clocks={"P1": {"desk": 2, "backup": 4, "acknowledged": 4}}))
    scenario.until(16)
    assert story(scenario) == "2 duty officer; 4 → two"


@pytest.mark.rule("S-39")
def test_a_dead_number_is_tried_again_and_the_operator_hears_of_it(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.unreachable = {OFFICER}
    scenario.until(8)
    assert story(scenario) == ""
    assert [(alert.subject_id, alert.reason) for alert in scenario.operator_alerts] == [(ONE, "not_told")] * 4
    scenario.unreachable.clear()
    scenario.until(9)
    assert story(scenario) == "9 duty officer"


@pytest.mark.rule("S-39")
def test_the_first_on_call_cannot_be_reached_and_the_second_is(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.unreachable = {ON_CALL, LEAD, "lead@two.example", "lead@three.example"}
    scenario.until(60, step=5)
    assert "60 second on call" in story(scenario)


def test_a_desk_that_has_not_got_it_is_not_asked_to_open(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(6, delivers=False)
    assert story(scenario) == ""


def test_the_words_of_an_alert(store: SampleStore) -> None:
    at(store, 10)
    store.submit(CHAIN)
    [report] = store.reports()
    scenario = EscalationScenario(store)
    scenario.until(60, step=5)
    said = {one.who: one.said for one in scenario.notifications}
    end = report.report_id[-6:]
    assert said[OFFICER].sms == f"Report {end}, P1, waits since 10:00. Please look at your reports."
    assert said[LEAD].text.startswith(said[OFFICER].sms)
    assert said[ON_CALL].sms == (f"Report {end}, P1, waits since 10:00. Nobody has taken it on. Next: tokaut watch")
    assert "Given to: vu-pikinini (delivered), vu-womens-centre (delivered)" in said[ON_CALL].text
    assert all(len(one.sms) <= 154 for one in said.values()), "with DRILL before it, one SMS"


def test_a_step_that_is_taken_on_meanwhile_tells_nobody(store: SampleStore) -> None:
    """A person acknowledges it between the query and the claim of the step."""
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(4)
    store.database.offset += MINUTE
    [due] = [one for one in steps.list_due(store.database) if one.step == "desk"]
    scenario.handle(ONE, "accepted")
    scenario.escalation._notify(due)
    assert story(scenario) == ""


def test_the_figures_of_a_monitor(store: SampleStore) -> None:
    store.submit(CHAIN)
    store.submit(CHAIN, priority="P2")
    scenario = EscalationScenario(store)
    scenario.unreachable = {OFFICER, "desk@two.example"}
    scenario.until(16)
    scenario.escalation.set_metrics()
    figures = scenario.metrics
    assert [figures.overdue.labels(priority)._value.get() for priority in ("P1", "P2", "P3")] == [1, 0, 0]
    assert figures.late._value.get() == 1, "the duty officer of the P1, whom nobody reaches"
    assert figures.steps.labels("backup", "given")._value.get() == 1
    scenario.handle(ONE, "accepted")
    scenario.handle(TWO, "accepted")
    scenario.escalation.set_metrics()
    assert (figures.overdue.labels("P1")._value.get(), figures.late._value.get()) == (0, 0)


def test_those_who_cannot_be_told_keep_nobody_from_being_told(store: SampleStore) -> None:
    scenario = EscalationScenario(store)
    scenario.unreachable = {OFFICER}
    for _ in range(51):
        store.submit(CHAIN)
    scenario.until(30, 5)
    scenario.escalation.escalate()
    assert len([who for _, who in scenario.happened() if who == LEAD]) == 51


def test_a_day_ahead_for_a_moment_silences_no_night(store: SampleStore) -> None:
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(4)
    scenario.unreachable = {OFFICER, LEAD}
    store.database.offset += DAY
    scenario.escalation.escalate()
    store.submit(CHAIN)
    scenario.escalation.escalate()
    store.database.offset -= DAY
    scenario.unreachable = set()
    began = len(scenario.notifications)
    clock_skew.repair_times(store.database, max_step_delays(()))
    scenario.until(31)
    told = {(one.who, one.said.sms[:13]) for one in scenario.notifications[began:]}  # "Report 02e4f1"
    assert {who for who, _ in told} >= {OFFICER, LEAD}
    assert len([one for who, one in told if who == OFFICER]) == 2, "of both reports"
    assert clock_skew.repair_times(store.database, max_step_delays(())) == 0


def test_what_can_wait_for_a_morning_is_not_mended(store: SampleStore) -> None:
    at(store, 20)
    store.submit(CHAIN, priority="P3")
    scenario = EscalationScenario(
        store, country_with_cards({name: {**card, "hours": "mon 15:00-16:00"} for name, card in CARDS.items()})
    )
    scenario.until(13 * 60, 60)
    assert clock_skew.repair_times(store.database, max_step_delays(())) == 0
    assert scenario.notifications == []


def test_a_host_whose_time_is_wrong_puts_nothing_off(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.database.is_sqlite:
        pytest.skip("there the host's clock is the database's")
    store.submit(CHAIN)
    scenario = EscalationScenario(store)
    scenario.until(29)
    right = store.database.now
    monkeypatch.setattr(store.database, "now", lambda: right() + DAY)
    scenario.unreachable = {LEAD, "lead@two.example"}
    store.database.offset += MINUTE
    scenario.escalation.escalate()
    scenario.unreachable = set()
    for minutes, times in ((1, 1), (14, 2)):
        store.database.offset += minutes * MINUTE
        scenario.escalation.escalate()
        assert [one.who for one in scenario.notifications].count(LEAD) == times


def test_one_report_that_cannot_be_told_of_silences_no_other(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        store.submit(CHAIN)
    first, second = (row.report_id for row in store.reports())
    scenario, say = EscalationScenario(store), texts.hotline_reminder

    def broken() -> Notification:
        raise ValueError

    def fails(waiting: EscalationState, *rest: Any) -> Notification:
        return say(waiting, *rest) if waiting.report_id == second else broken()

    monkeypatch.setattr(texts, "hotline_reminder", fails)
    scenario.until(5)
    assert [one.said.sms[7:13] for one in scenario.notifications] == [second[-6:]]
    assert first != second


def test_a_hotline_that_cannot_be_reminded_keeps_no_other_from_its_reminder(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit(((ONE, "primary"), (TWO, "also")))
    scenario, real = EscalationScenario(store), texts.hotline_reminder

    def fails(waiting: EscalationState, hotline: Hotline, *rest: Any) -> Notification:
        if hotline.id == ONE:
            raise ValueError
        return real(waiting, hotline, *rest)

    monkeypatch.setattr(texts, "hotline_reminder", fails)
    scenario.until(6)
    assert {one.who for one in scenario.notifications} == {"desk@two.example"}


def test_a_hotline_that_could_not_be_reminded_is_reminded_later_and_the_others_once(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit(((ONE, "primary"), (TWO, "also")))
    scenario, real, broken = EscalationScenario(store), texts.hotline_reminder, [True]

    def fails(waiting: EscalationState, hotline: Hotline, *rest: Any) -> Notification:
        if hotline.id == ONE and broken:
            raise ValueError
        return real(waiting, hotline, *rest)

    monkeypatch.setattr(texts, "hotline_reminder", fails)
    scenario.until(8)
    broken.clear()
    scenario.until(12)
    assert story(scenario) == "5 duty officer of two; 9 duty officer"


def test_reports_that_cannot_be_given_on_keep_no_other_from_its_next_hotline(
    store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MAX_STEPS):
        store.submit(CHAIN)
    broken = {row.report_id for row in store.reports()}
    store.submit(CHAIN)
    scenario, give = EscalationScenario(store), recipients.next_hotline

    def fails(step: str, waiting: EscalationState, *rest: Any) -> tuple[str, str]:
        if waiting.report_id in broken:
            raise ValueError
        return give(step, waiting, *rest)

    monkeypatch.setattr(recipients, "next_hotline", fails)
    store.database.offset += 15 * MINUTE
    with capture_logs() as said:
        looks = [scenario.escalation.escalate() for _ in range(4)]
    assert looks == [True, True, True, False], "three steps of each: as long as there may be more"
    assert len([one for one in said if one["event"] == "job_failed"]) == 2 * MAX_STEPS
    assert [hotline for _, hotline, _ in scenario.transfers] == [TWO]
    monkeypatch.setattr(recipients, "next_hotline", give)
    store.database.offset += MINUTE
    while scenario.escalation.escalate():
        pass
    assert len(scenario.transfers) == MAX_STEPS + 1, "what could not be done is tried again"
