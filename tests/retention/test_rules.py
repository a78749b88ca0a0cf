"""The database purges the reports that the rules name, and never one that a hotline must still receive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest
from sqlalchemy import select

from reports.countries.country import retention_policy
from reports.retention import LOCAL_KINDS, RetentionPeriods, RetentionPolicy
from reports.store.engine.database import Database
from reports.store.operations import retention
from reports.store.operations.retention import Purge
from reports.store.schema import tables as t
from tests.reports.sample import VU
from tests.retention.rules import rule_for
from tests.retention.sample_reports import (
    CONSOLE,
    DESK,
    History,
    Recipient,
    SampleReport,
    make,
    random_history,
    write,
)
from tests.support import databases
from workers.delivery.registry import hotline_kinds

pytestmark = [pytest.mark.rule("S-28")]

USUAL = RetentionPolicy(here={CONSOLE: 365})
KENYA = RetentionPolicy(
    {"KE": RetentionPeriods(closed_days=180, silent_days=390, law="made up for this test")}, {CONSOLE: 30}
)
DUE = (Recipient(state="due"),)
HANDED_BACK = Recipient(CONSOLE, handling="rejected")

# History in days before now · the rule by which it is purged now; None: it stays
CASES = {
    "closed 90 days ago": (History(200, closed=90), "closed"),
    "closed a moment less ago": (History(200, closed=89.999), None),
    "closed, and the reporter has written since": (History(200, closed=100, said=89), None),
    "closed, and the reporter wrote long ago": (History(200, closed=100, said=91), "closed"),
    "closed and reopened": (History(399, changed=95), None),
    "nobody closed it in 400 days": (History(400), "silent"),
    "nobody closed it in 399 days": (History(399), None),
    "nobody closed it, and it was accepted late": (History(500, changed=399), None),
    "nobody closed it, and it was answered late": (History(500, changed=450, answered=399), None),
    "nobody closed it, and the reporter wrote late": (History(500, changed=450, said=399), None),
    "closed, read here": (History(400, closed=364, recipients=(Recipient(CONSOLE),)), None),
    "closed, read here, a year ago": (History(400, closed=365, recipients=(Recipient(CONSOLE),)), "here"),
    "closed, handed back by who reads here": (History(400, closed=90, recipients=(Recipient(), HANDED_BACK)), "closed"),
    "closed, read here and elsewhere": (History(400, closed=91, recipients=(Recipient(), Recipient(CONSOLE))), None),
    "training": (History(7, mode="training"), "rehearsed"),
    "demo, closed": (History(7, closed=1, mode="demo"), "rehearsed"),
    "training, six days": (History(6.9, mode="training"), None),
    "due": (History(500, closed=450, recipients=(Recipient(), Recipient("vu-police", "due"))), None),
    "refused": (History(500, closed=450, recipients=(Recipient(), Recipient("vu-police", "refused"))), None),
    "parked": (History(500, closed=450, recipients=(Recipient(), Recipient("vu-police", "parked"))), None),
    "parked in training": (History(500, mode="training", recipients=(Recipient(state="parked"),)), None),
    "cancelled beside one that arrived": (
        History(500, closed=90, recipients=(Recipient(), Recipient("vu-police", "cancelled"))),
        "closed",
    ),
    "needs a person": (History(500, state="needs_person", recipients=(Recipient(handling="rejected"),)), None),
    "needs a person, given to nobody": (History(500, state="needs_person", recipients=()), None),
    "still queued": (History(500, state="queued", recipients=DUE), None),
    "words that wait to be numbered": (History(500, closed=450, said=449, unnumbered=True), None),
    "a revision that has yet to file itself": (History(500, closed=450, pending=True), None),
    "held": (History(500, closed=450, held=1), None),
    "held until yesterday": (History(500, closed=450, held=-1), "closed"),
}  # fmt: skip


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("name", CASES)
def test_each_rule_by_itself(name: str, database: Database) -> None:
    case, rule = CASES[name]
    now = retention.purge_time(database)
    made = make(case, now)
    write(database, [made])
    assert rule_for(made.facts, USUAL, now) == rule
    assert Purge(database, USUAL, now, "clock").list_purgeable() == ([(made.report_id, rule)] if rule else [])


Anything = tuple[Database, int, list[SampleReport]]


@pytest.fixture(scope="module", params=databases.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=[1, 2])
def anything(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anything]:
    """Many reports of all ages and states; tests must not purge them."""
    random, database = (
        Random(request.param),
        databases.migrated_database(kind, request, tmp_path_factory.mktemp("anything")),
    )
    now = retention.purge_time(database)
    made = [make(random_history(random), now) for _ in range(1_500)]
    write(database, made)
    yield database, now, made
    database.close()


@pytest.mark.parametrize(
    "policy",
    [USUAL, KENYA, RetentionPolicy(), RetentionPolicy(elsewhere=frozenset({DESK}))],
    ids=["usual", "by a law", "nobody reads here", "in no file any more"],
)
def test_sql_and_the_pure_rules_agree_on_anything(policy: RetentionPolicy, anything: Anything) -> None:
    database, now, made = anything
    expected = {one.report_id: rule for one in made if (rule := rule_for(one.facts, policy, now))}
    found = dict(Purge(database, policy, now, "clock").list_purgeable(10_000))
    assert found == expected
    assert {*expected.values()} >= {"closed", "silent", "rehearsed"}
    assert sum(Purge(database, policy, now, "clock").count_purgeable().values()) == len(expected)


def test_the_only_copy_stays_though_its_hotline_left_the_country_file(database: Database) -> None:
    """While a country is switched off, no file names the kind of its hotlines; their only copies must stay."""
    now = retention.purge_time(database)
    gone = make(History(400, closed=300, recipients=(Recipient(CONSOLE), Recipient(DESK))), now)
    a_year = make(History(400, closed=366, recipients=(Recipient(CONSOLE),)), now)
    write(database, [gone, a_year])
    purge = Purge(database, retention_policy([replace(VU, hotlines={DESK: VU.hotlines["vu-police"]})]), now, "clock")
    assert purge.list_purgeable() == [(a_year.report_id, "here")]
    purge.step()
    purge.purge_copies()
    with database.read() as connection:
        assert connection.execute(select(t.report_body.c.recipient)).scalars().all() == [CONSOLE]


@pytest.mark.parametrize("state", ["due", "refused", "parked", "needs_person", "queued"])
def test_with_no_period_at_all_what_waits_stays(state: str, database: Database) -> None:
    """I6: the invariant alone; no retention period protects the row."""
    now = retention.purge_time(database) + 4000 * 86_400 * 1_000_000
    recipients = (Recipient(state=state),) if state in ("due", "refused", "parked") else ()
    report = make(History(1, closed=1, state=state if not recipients else "closed", recipients=recipients), now)
    write(database, [report, make(History(4000, closed=3000), now)])
    Purge(database, RetentionPolicy(here={DESK: 1}), now, "clock").step()
    with database.read() as connection:
        assert connection.execute(select(t.report.c.report_id)).scalars().all() == [report.report_id]


def test_each_kind_of_hotline_reads_here_or_has_a_copy_of_its_own() -> None:
    """A new kind of hotline must be in one of the sets: the only copy is stored while staff need it."""
    has_its_own = {"webhook", "primero"}
    assert LOCAL_KINDS | has_its_own == set(hotline_kinds())
