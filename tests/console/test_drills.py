"""Drills with a script: a lead plans one, web submits it on time, staff take it, and the page shows the minutes.

On PostgreSQL each process has the rights of its own role. The time is moved for all of them at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from console import app as console_app
from console import templating
from console.views.drills import (
    SCRIPT_TITLES,
    STAGE_LIMITS,
    card_values,
    drill_row,
    minutes,
    next_occurrence,
    on_time_streak,
)
from flows.catalogues import ENGLISH_CATALOGUE
from reports.drills import MODES_WITH_DRILLS, SCRIPTS
from reports.escalation import ESCALATION_TIMES
from reports.store import outbox, pending_submissions
from reports.store.engine.database import Database
from reports.store.mailboxes import correspondence
from reports.store.operations import drill_runs
from reports.store.operations.drill_runs import Drill
from reports.store.outbox import DeliveryReceipt
from reports.store.privileges.rights import CLOCK, CONSOLE, WEB, WORKER
from reports.store.schema import tables as t
from reports.store.staff import accounts
from runtime.settings import Mode
from runtime.time_units import MINUTE, SECOND
from tests.console.conftest import someone
from tests.console.role_table import OPEN, ROWS, SYSTEMS
from tests.console.test_one_language import MADE_UP, untranslated
from tests.safeguarding.test_nothing_promised import TRAINING
from tests.support.app import App
from tests.support.console import Console
from tests.support.databases import KINDS
from tests.support.postgres import Postgres
from tests.support.staff import Page, Person, close_form, joined
from tokaut.local_stack import preparation
from tokaut.local_stack.settings import StackPlan

pytestmark = pytest.mark.slow

HOTLINE, POLICE = "vu-pikinini", "vu-police"
EFATE = ZoneInfo("Pacific/Efate")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer a made-up language in consoles that are created afterwards."""
    monkeypatch.setattr(templating, "load_page_catalogues", lambda: {"qq": MADE_UP, "en": ENGLISH_CATALOGUE})


@dataclass
class TrainingSite:
    """Web and console of one training site; `clock` and `worker` are used in place of their processes."""

    app: App
    console: Console
    clock: Database
    worker: Database

    def __post_init__(self) -> None:
        self.people = {
            name: joined(self.console.flask, self.console_database, name, role, hotline)
            for name, role, hotline in (
                ("ana", "lead", HOTLINE),
                ("mere", "staff", HOTLINE),
                ("aud", "auditor", HOTLINE),
                ("eti", "lead", POLICE),
            )
        }

    @property
    def console_database(self) -> Database:
        return self.console.parts.database

    def __getitem__(self, name: str) -> Person:
        """Return this person, logged in again if the session has expired."""
        one = self.people[name]
        if one.get("/me").status != 200:
            one.log_in()
        return one

    def plan(self, script: str, clock: str = "", who: str = "ana") -> Page:
        form = {"script": script, "when": "at" if clock else "now", "clock": clock}
        return self[who].post("/drills", form, at="/drills")

    def pass_time(self, seconds: float) -> None:
        self.console_database.offset += int(seconds * SECOND)
        for one in (self.app.database, self.clock, self.worker):
            one.offset = self.console_database.offset

    def go_on(self) -> None:
        """Do the work of all processes for some seconds."""
        self.pass_time(0)
        self.app.parts.housekeeping.once()
        for key in pending_submissions.list_due(self.clock):
            pending_submissions.submit_due(self.clock, key)
        for message, report in correspondence.list_undelivered_messages(self.clock):
            correspondence.deliver_message(self.clock, message, report)
        while leased := outbox.lease_next(self.worker, ("P1", "P2", "P3", "P4"), "here/urgent-1/boot"):
            outbox.mark_delivered(self.worker, leased, DeliveryReceipt("delivered", 200, b"s" * 32), "worker")

    def reports(self) -> list[tuple[str, str]]:
        with self.clock.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(select(t.report.c.report_id, t.report.c.mode))]

    def drills(self, name: str = "ana") -> list[Drill]:
        account = accounts.find_by_name(self.console_database, name)
        assert account
        return drill_runs.list_drills(self.console_database, account)


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingSite]:
    addresses: dict[str, str] = {}
    settings = dict(TRAINING)
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        addresses = postgres.new_filled("training")
        monkeypatch.setattr(preparation, "upgrade", lambda *_: None)
        settings["DATABASE_URL"] = addresses[WEB]
    app = App(redis_url, settings)
    keys = app.plan.folder.inside / "keys"
    (app.keys / "private").rename(keys / "private")  # after web's start; the console has another account
    app.keys = keys
    address = app.database.engine.url.render_as_string(hide_password=False)
    console = Console({**app.plan.settings, "DATABASE_URL": addresses.get(CONSOLE, address)})
    with (
        closing(Database(addresses.get(CLOCK, address), threads=2)) as clock,
        closing(Database(addresses.get(WORKER, address), threads=2)) as worker,
    ):
        yield TrainingSite(app, console, clock, worker)
    console.close()
    app.close()


def row_of(page: Page) -> list[str]:
    """Return the cells of the first drill that has arrived."""
    row = page.html.partition("<tbody>")[2].partition("</tr>")[0]
    return [
        " ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t", row, re.DOTALL)
    ]


@pytest.mark.rule("S-34")
@pytest.mark.rule("S-40")
def test_a_report_arrives_at_ten_past_two(site: TrainingSite) -> None:
    page = site["ana"].get("/drills")
    assert "What will happen" in page.text and "Real people are told" in page.text
    assert "P1 · to be taken within 15 min · goes to Pikinini Helpline" in page.text
    assert site.plan("danger_now", "02:10").leads_to == "/drills"
    (drill,) = site.drills()
    local = datetime.fromtimestamp(drill.at / SECOND, EFATE)
    assert f"{local:%H:%M:%S}" == "02:10:00" and 0 < drill.at - site.console_database.now() <= 24 * 60 * MINUTE
    assert f"Danger now , {local:%Y-%m-%d} 02:10 (ana)" in site["ana"].get("/drills").text
    nothing_is_known(site, f"{local:%Y-%m-%d} 02:10")

    site.pass_time((drill.at - site.console_database.now()) / SECOND - 60)
    site.go_on()
    assert "No drill has arrived yet." in site["ana"].get("/drills").text
    site.pass_time((drill.at - site.console_database.now()) / SECOND + 2)
    site.go_on()
    (drill,) = site.drills()
    assert drill.report_id and drill.priority == "P1"
    assert site.reports() == [(drill.report_id, "training")]
    assert row_of(site["aud"].get("/drills"))[3:] == ["1 min in time", "–", "not yet", "–", "–"]

    answer(site, drill.report_id)
    cells = row_of(site["ana"].get("/drills"))
    assert cells[0] == "Danger now · P1" and cells[1].endswith("02:10") and cells[2].endswith("02:10")
    assert cells[3:] == ["1 min in time", "3 min", "7 min in time", "9 min", "20 min"]
    for_the_card = site["aud"].get("/drills").text
    assert f'drill_on = "{local:%Y-%m-%d}"' in for_the_card and "drill_minutes = 7" in for_the_card


def nothing_is_known(site: TrainingSite, hour: str) -> None:
    """Check that the plan is visible neither to staff nor to an auditor or another hotline."""
    assert site["mere"].get("/drills").status == 404
    for path in ("/", "/help", "/me"):
        page = site["mere"].get(path)
        assert "/drills" not in page.html and hour not in page.text
    for name in ("aud", "eti"):
        assert "Planned" not in site[name].get("/drills").text
        assert site.drills(name)[:1] == ([] if name == "eti" else site.drills()[:1])
    assert "Hold a drill" not in site["aud"].get("/drills").text


def answer(site: TrainingSite, report_id: str) -> None:
    """Open the report after 3 minutes, take it after 7, answer after 9, close after 20; each half a minute earlier."""
    path = f"/reports/{report_id}"

    def later(minutes: int) -> None:
        arrived = site.drills()[0].moments["arrived"]
        site.pass_time((arrived + minutes * MINUTE - site.console_database.now()) / SECOND - 30)

    mere = site["mere"]
    later(3)
    page = mere.get(path).text
    assert "DRILL. I cannot go home tonight." in page and "· DRILL ·" in page and "· DEMO ·" not in page
    later(7)
    assert mere.post(f"{path}/take", at=path).status == 303
    later(9)
    written = mere.post(f"{path}/message", {"words": "We have read it. We are here.", "do": "send"}, at=path)
    assert written.status == 303, written.text
    later(20)
    assert mere.post(f"{path}/close", close_form(), at=path).status == 303


def test_nobody_takes_it_on(site: TrainingSite) -> None:
    assert site.plan("cut_off").leads_to == "/drills"
    site.go_on()
    assert "The drill has begun. Its report is not here yet." in site["ana"].get("/drills").text
    site.pass_time(125)
    site.go_on()
    site.pass_time(15 * 60 + 5)
    page = site["ana"].get("/drills")
    assert row_of(page)[0] == "Danger now, and the call drops · P1"
    assert row_of(page)[3:] == ["1 min in time", "–", "late", "–", "–"]
    assert "drill_on" not in page.text and "Nobody took the last P1 drill" in page.text
    assert site["ana"].post(f"/drills/{site.drills()[0].drill_id}/off", at="/drills").status == 400


def test_what_is_written_later_comes_to_the_desk(site: TrainingSite) -> None:
    site.plan("writes_more")
    site.go_on()
    site.pass_time(10 * 60 + 5)
    site.go_on()
    report_id = site.drills()[0].report_id
    page = site["mere"].get(f"/reports/{report_id}").text
    assert SCRIPTS["writes_more"].answers["narrative"] in page
    assert SCRIPTS["writes_more"].more and SCRIPTS["writes_more"].more.words in page


def test_it_is_called_off(site: TrainingSite) -> None:
    site.plan("missing", "02:10")
    (drill,) = site.drills()
    off = f"/drills/{drill.drill_id}/off"
    assert site["eti"].post(off, at="/drills").status == 400
    assert site["mere"].post(off, at="/me").status == site["aud"].post(off, at="/drills").status == 404
    again = site.plan("missing", "03:10")
    assert again.status == 400 and "A drill is planned already." in again.text
    assert site["ana"].post(off, at="/drills").leads_to == "/drills"
    assert site.drills() == []
    site.pass_time(25 * 3600)
    site.go_on()
    assert site.reports() == []
    acts = site["ana"].get("/audit").text
    assert "ana planned a drill." in acts and "ana cancelled a drill." in acts


def test_one_that_web_missed_says_so_and_can_be_taken_from_the_list(site: TrainingSite) -> None:
    site.plan("danger_now")
    site.pass_time(61 * 60)
    site.go_on()
    page = site["ana"].get("/drills")
    assert "The drill did not start" in page.text and site.reports() == []
    assert site.plan("no_contact").leads_to == "/drills", "it keeps no other one away"
    missed = next(one for one in site.drills() if one.was_missed)
    assert site["ana"].post(f"/drills/{missed.drill_id}/off", at="/drills").leads_to == "/drills"
    site.plan("danger_now")
    site.pass_time(8 * 24 * 3600)
    drill_runs.delete_missed(site.clock)
    assert site.drills() == []


@pytest.mark.rule("S-26")
def test_who_is_kept_out_of_its_report_finds_no_row(site: TrainingSite) -> None:
    site.plan("danger_now")
    site.go_on()
    (drill,) = site.drills()
    ben, _ = (joined(site.console.flask, site.console_database, name, "lead", HOTLINE) for name in ("ben", "cora"))
    ben.log_in()
    with site.console_database.read() as connection:
        staff_id = connection.execute(select(t.staff.c.staff_id).where(t.staff.c.name == "ben")).scalar_one()
    path = f"/reports/{drill.report_id}"
    assert site["ana"].post(f"{path}/away", {"who": staff_id}, at=path).status == 303
    assert "No drill has arrived yet." in ben.get("/drills").text


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"script": "danger_now", "when": "at", "clock": ""}, "Choose a time"),
        ({"script": "danger_now", "when": "at", "clock": "24:10"}, "Choose a time"),
        ({"script": "danger_now", "when": "at", "clock": "2:10"}, "Choose a time"),
        ({"script": "of_nobody", "when": "now"}, ""),
        ({"when": "now"}, ""),
    ],
)
def test_what_cannot_be_planned(site: TrainingSite, form: dict[str, str], says: str) -> None:
    page = site["ana"].post("/drills", form, at="/drills")
    assert page.status == 400 and says in page.text
    assert site.drills() == []


def test_a_hotline_holds_only_what_comes_to_it_at_once(site: TrainingSite) -> None:
    """A missing child goes to the police at once; they get the other scripts only as a fallback."""
    page = site["eti"].get("/drills")
    assert re.findall(r'name="script" value="(\w+)"', page.html) == ["missing"]
    assert site.plan("danger_now", who="eti").status == 400
    assert site.plan("missing", who="eti").leads_to == "/drills"
    site.go_on()
    (drill,) = site.drills("eti")
    assert drill.priority == "P2" and site.drills() == []
    path = f"/reports/{drill.report_id}"
    assert site["mere"].post(f"{path}/take", at=path).status == 303
    cells = row_of(site["eti"].get("/drills"))
    assert cells[5] == "not yet · taken by Pikinini Helpline"


def test_every_page_of_training_has_a_row(site: TrainingSite) -> None:
    there = {
        f"{method} {rule}"
        for rule in site.console.flask.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert there == {*ROWS, *OPEN, *SYSTEMS}


def test_in_live_mode_there_is_no_such_page(made: StackPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Console({**made.settings, "COUNTRIES": "vu"})) as demo:
        assert "/drills" in {str(rule) for rule in demo.flask.url_map.iter_rules()}
    monkeypatch.setattr(console_app, "MODES_WITH_DRILLS", set(Mode) - set(MODES_WITH_DRILLS))
    with closing(Console({**made.settings, "COUNTRIES": "vu"})) as other:
        assert not any(str(rule).startswith("/drills") for rule in other.flask.url_map.iter_rules())
    assert Mode.LIVE not in MODES_WITH_DRILLS


def test_in_live_mode_no_page_leads_to_it(made: StackPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    attach = templating.attach
    monkeypatch.setattr(
        templating, "attach", lambda flask, mode, *rest, **named: attach(flask, Mode.LIVE, *rest, **named)
    )
    with closing(Console({**made.settings, "COUNTRIES": "vu"})) as console:
        page = someone(console, "ana").get("/")
        assert "/audit" in page.html and "/drills" not in page.html


def test_every_script_has_a_name() -> None:
    assert set(SCRIPT_TITLES) == set(SCRIPTS)


@pytest.mark.parametrize(
    ("now", "clock", "then"),
    [
        ("2026-11-27 01:00", "02:10", "2026-11-27 02:10"),
        ("2026-11-27 02:10", "02:10", "2026-11-28 02:10"),
        ("2026-11-27 23:59", "00:00", "2026-11-28 00:00"),
        ("2026-12-31 12:00", "02:10", "2027-01-01 02:10"),
    ],
)
def test_the_next_time_that_it_is_so_late(now: str, clock: str, then: str) -> None:
    for zone in (EFATE, ZoneInfo("Africa/Nairobi"), ZoneInfo("Pacific/Auckland")):
        moment = datetime.fromisoformat(now).replace(tzinfo=zone)
        found = next_occurrence(clock, zone, int(moment.timestamp()) * SECOND)
        assert found and f"{datetime.fromtimestamp(found / SECOND, zone):%Y-%m-%d %H:%M}" == then


@pytest.mark.parametrize("priority", ESCALATION_TIMES)
@pytest.mark.parametrize("name", STAGE_LIMITS)
def test_in_time_is_what_the_clocks_say(priority: str, name: str) -> None:
    clock = ESCALATION_TIMES[priority]
    limit = getattr(clock, STAGE_LIMITS[name])

    def verdict(after: int | None, now: int) -> str:
        moments = {"arrived": 0} | ({} if after is None else {name: after})
        cells = drill_row(
            Drill("x", "danger_now", "staff:x/y", 0, "r", priority=priority, moments=moments), clock, now
        ).cells
        return cells[["delivered", "opened", "taken"].index(name)].verdict

    assert [verdict(limit, limit), verdict(limit + 1, limit + 1)] == ["in time", "late"]
    assert [verdict(None, limit), verdict(None, limit + 1)] == ["not yet", "late"]


@pytest.mark.parametrize(
    ("taken", "in_a_row_"),  # minutes, newest first; None: not taken yet, and late
    [([], 0), ([1, 15], 2), ([1, 16, 2], 1), ([16, 1], 0), ([None, 1], 0)],
)
def test_how_many_were_taken_on_in_time_in_a_row(taken: list[int | None], in_a_row_: int) -> None:
    lines = []
    for after in taken:
        moments = {"arrived": 0} | ({"taken": after * MINUTE} if after else {})
        drill = Drill("x", "danger_now", "staff:x/y", 0, "r", priority="P1", moments=moments)
        lines.append(drill_row(drill, ESCALATION_TIMES["P1"], 99 * MINUTE))
    assert on_time_streak(lines) == in_a_row_
    waits = drill_row(
        Drill("x", "missing", "staff:x/y", 0, "r", priority="P1", moments={"arrived": 0}), ESCALATION_TIMES["P1"], 1
    )
    assert on_time_streak([waits, *lines]) == in_a_row_


@pytest.mark.parametrize(
    ("drills", "said"),  # priority, and minutes until it was taken; newest first, 20 minutes after the last one arrived
    [
        ([("P1", 7), ("P1", 3)], 7),
        ([("P1", None), ("P1", 3)], None),
        ([("P3", None), ("P1", 16)], 16),
        ([("P3", 1)], None),
        ([], None),
    ],
)
def test_a_card_is_told_of_the_last_p1(drills: list[tuple[str, int | None]], said: int | None) -> None:
    lines = []
    for priority, after in drills:
        moments = {"arrived": 0} | ({"taken": after * MINUTE} if after else {})
        drill = Drill("x", "danger_now", "staff:x/y", 0, "r", priority=priority, moments=moments)
        lines.append(drill_row(drill, ESCALATION_TIMES[priority], 20 * MINUTE))
    assert card_values(lines, EFATE) == (("1970-01-01", said) if said else None)
    waits = drill_row(
        Drill("x", "missing", "staff:x/y", 0, "r", priority="P1", moments={"arrived": 0}), ESCALATION_TIMES["P1"], 1
    )
    assert card_values([waits, *lines], EFATE) == card_values(lines, EFATE)


def test_its_words_are_in_the_language_of_the_page(made_up: None, site: TrainingSite) -> None:
    def english(page: Page) -> list[str]:
        return [one for one in untranslated(page) if not re.fullmatch(r"[\W\d]*\b(ana|aud)\W*", one)]  # names and times

    def look(name: str = "ana") -> Page:
        return site[name].get("/drills", Accept_Language="qq")

    def refused(script: str, when: str) -> Page:
        form = {"script": script, "when": when}
        return site["ana"].post("/drills", form, at="/drills", Accept_Language="qq")

    for page in (look(), refused("danger_now", "at")):
        assert english(page) == []
    site.plan("danger_now", "02:10")
    for page in (look(), refused("missing", "now")):
        assert english(page) == []
    site.pass_time((site.drills()[0].at - site.console_database.now()) / SECOND + 2)
    site.go_on()
    assert site.drills()[0].priority and english(look()) == english(look("aud")) == []
    arrived = site.drills()[0]
    assert site["mere"].post(f"/reports/{arrived.report_id}/take", at="/me").status == 303
    assert "drill_on" in look().text and english(look()) == english(look("aud")) == []
    site.plan("missing")
    site.pass_time(61 * 60)
    assert site.drills()[0].was_missed and english(look()) == []


@pytest.mark.parametrize(("seconds", "said"), [(0, 1), (1, 1), (60, 1), (61, 2), (420, 7), (421, 8)])
def test_a_minute_that_has_begun_counts(seconds: int, said: int) -> None:
    assert minutes(5, 5 + seconds * SECOND) == said
