"""Two operators with a console each on one database: staff of the one work, and nothing of the other is there."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.background.entry_codes import EntryMailboxes
from reports.countries.country import load_countries
from reports.crypto import RecordCipher, SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.store import pending_submissions, submissions
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.console_hotlines import assign_hotlines
from reports.store.privileges.operators import operator_role
from reports.store.privileges.rights import CLOCK, CONSOLE, OWNER, WEB
from reports.store.schema.base import new_id
from reports.store.submissions import SealedCopy, Submission
from runtime.settings import Mode
from tests.console.test_entry import form_of
from tests.console.test_operator import table
from tests.house.files import ROOT
from tests.support.console import Console
from tests.support.postgres import Postgres
from tests.support.prepared import prepare
from tests.support.staff import HERE, Person, close_form, joined
from tokaut.__main__ import main
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-36"), pytest.mark.rule("A-42")]

OPERATORS = {"pacific": ("vu",), "kenya": ("ke",)}
HOTLINES = {"pacific": "vu-pikinini", "kenya": "ke-child-helpline"}
SAMPLE = ROOT / "docs" / "hotline-kit" / "samples" / "report-complete.json"
NARRATIVE = json.loads(SAMPLE.read_text())["data"]["narrative"]
COUNTRIES = "vu,fj,ke"


@dataclass
class Shared:
    """A database of two operators. `consoles`: name of the operator → its console."""

    plan: StackPlan
    addresses: Mapping[str, str]
    consoles: Mapping[str, Console]

    def person(self, operator: str, name: str, role: str = "lead", hotline: str = "") -> Person:
        console = self.consoles[operator]
        one = joined(console.flask, console.parts.database, name, role, hotline or HOTLINES[operator])
        one.log_in()
        return one

    def report(self, operator: str, priority: str = "P2") -> str:
        """Store a report for the hotline of an operator, as web does."""
        hotline = HOTLINES[operator]
        with closing(Database(self.addresses[WEB], threads=1)) as web:
            now = web.now()
            report_id = new_id(now)
            body = json.dumps({**json.loads(SAMPLE.read_text())["data"], "report_id": report_id}).encode()
            public = load_public_keys(self.plan.folder.inside / "keys", [hotline])[hotline]
            box = seal_body(public, SealContext("demo", report_id, 1, hotline), b"{}", body)
            part = SealedCopy(hotline, "primary", "CATEGORY_FIRST", box.key_id, box.wrap, box.head, box.sealed)
            country = OPERATORS[operator][0].upper()
            submissions.commit(
                web,
                Submission(report_id, report_id.encode()[:32], 1, now, country, "demo", priority, "complete", (part,)),
            )
        return report_id


def settings_of(plan: StackPlan, addresses: Mapping[str, str], operator: str, **more: str) -> dict[str, str]:
    own = {"COUNTRIES": ",".join(OPERATORS[operator]), "DATABASE_URL": addresses[operator_role(operator)]}
    return {**plan.settings, "CONSOLE_URL": HERE, **own, **more}


def own_keys(plan: StackPlan, operator: str) -> Path:
    """Create the key folder of an operator: all public keys, and the private keys of its own hotlines."""
    everybodys, own = plan.folder.inside / "keys", plan.folder.inside / f"keys-{operator}"
    countries = load_countries(OPERATORS[operator], "demo")
    shutil.copytree(everybodys / "public", own / "public")
    for hotline in countries.hotlines:
        shutil.copytree(everybodys / "private" / hotline.id, own / "private" / hotline.id)
    return own


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Shared]:
    countries = load_countries(COUNTRIES.split(","), "demo")
    plan = make_plan(
        {},
        DemoFolder(tmp_path_factory.mktemp("shared")),
        StackAddresses(1, 2, 3),
        [hotline.id for hotline in countries.hotlines],
    )
    plan.folder.inside.mkdir(mode=0o700)
    prepare(plan)
    addresses = postgres.new_tokaut(tuple(OPERATORS))
    with closing(Database(addresses[OWNER], threads=1)) as owner:
        upgrade(owner, "demo", assign_hotlines(OPERATORS, countries))
    with ExitStack() as stack:
        consoles = {}
        for name in OPERATORS:
            consoles[name] = Console(settings_of(plan, addresses, name, TOKAUT_KEYS=str(own_keys(plan, name))))
            stack.callback(consoles[name].close)
        yield Shared(plan, addresses, consoles)


def test_staff_work_under_the_role_of_their_operator(shared: Shared) -> None:
    own, other = shared.report("pacific"), shared.report("kenya")
    ana, mere = shared.person("pacific", "ana"), shared.person("pacific", "mere", "staff")
    wanja = shared.person("kenya", "wanja")
    assert own in mere.get("/").html and other not in mere.get("/").html
    assert NARRATIVE in mere.get(f"/reports/{own}").text
    path = f"/reports/{own}"
    for act, form in (
        ("take", {}),
        ("note", {"words": "Called the aunt"}),
        ("pass", {"to": "ana"}),
        ("close", close_form()),
    ):
        page = mere.post(f"{path}/{act}", {**form, **mere.get(path).marks})
        assert page.status == 303, (act, page.text)
    assert ana.get("/people").status == ana.get("/board").status == ana.get("/statistics").status == 200
    assert "mere took the report." in ana.get("/audit").text
    assert other in wanja.get("/").html and own not in wanja.get("/").html
    assert "mere" not in wanja.get("/audit").text and "mere" not in wanja.get("/people").text


def test_a_report_of_another_operator_is_not_there(shared: Shared) -> None:
    other, own = shared.report("kenya"), shared.report("pacific")
    nia = shared.person("pacific", "nia")
    assert nia.get(f"/reports/{own}").status == 200
    for path in (f"/reports/{other}", f"/reports/{other}/export"):
        assert nia.get(path).status == 404
    assert nia.post(f"/reports/{other}/take", at="/me").status == 404


def test_staff_enter_a_report_under_the_role_of_their_operator(shared: Shared) -> None:
    web, clock = (Database(shared.addresses[role], threads=1) for role in (WEB, CLOCK))
    mailboxes = EntryMailboxes(web, RecordCipher([b"k" * 32]), Mode.DEMO, lambda _: None)
    ruth, lani = shared.person("pacific", "ruth"), shared.person("kenya", "lani")
    mailboxes.make()
    before = set(re.findall('id="row-([^"]*)"', ruth.get("/").html))
    assert 'class="digits"' in ruth.post("/enter", form_of(ruth) | {"taker": "me"}).html
    for origin_key in pending_submissions.list_due(clock):
        pending_submissions.submit_due(clock, origin_key)
    [report_id] = set(re.findall('id="row-([^"]*)"', ruth.get("/").html)) - before
    assert "Taken by: ruth" in ruth.get(f"/reports/{report_id}").text
    assert lani.get(f"/reports/{report_id}").status == 404
    for one in (web, clock):
        one.close()


def test_accounts_and_sessions_belong_to_one_console(shared: Shared) -> None:
    luk = shared.person("pacific", "luk")
    elsewhere = Person(shared.consoles["kenya"].flask, shared.consoles["kenya"].parts.database, "luk")
    elsewhere.secret, elsewhere.step = luk.secret, luk.step
    assert elsewhere.log_in().status == 403
    assert luk.get("/").status == 200, "the attempt was counted at the other console"


def test_a_name_that_another_operator_has_is_taken_at_the_end_of_the_invitation(shared: Shared) -> None:
    shared.person("pacific", "ben")
    otieno = shared.person("kenya", "otieno")
    link = otieno.post("/people/invite", {"name": "ben", "role": "staff"}, at="/people").invitation
    assert link, "the console cannot see the other account"
    guest = Person(shared.consoles["kenya"].flask, shared.consoles["kenya"].parts.database, "ben")
    assert "This name is in use. Ask who invited you" in guest.join(link).text


def test_the_people_of_an_operator_see_the_state_of_their_own_hotlines(shared: Shared) -> None:
    one = shared.person("kenya", "oto", "operator", "_operator_kenya")
    before = counts(one)
    for operator, priority in (("pacific", "P1"), ("kenya", "P1"), ("kenya", "P3")):
        shared.report(operator, priority)
    assert [now - then for now, then in zip(counts(one), before, strict=True)] == [1, 0, 1, 0]
    assert "vu-pikinini" not in one.get("/operator").html


def counts(person: Person) -> list[int]:
    """Return the reports that are not delivered yet, by priority."""
    page = person.get("/operator")
    assert page.status == 200
    found = table(page.html, "Not delivered yet")
    return [int(found[priority][0]) for priority in ("P1", "P2", "P3", "P4")]


def test_the_commands_for_staff_work_for_each_operator(shared: Shared) -> None:
    def run(operator: str, *words: str) -> str:
        settings = settings_of(shared.plan, shared.addresses, operator)
        done = CliRunner(env=settings).invoke(main, ["staff", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "/join#" in run("kenya", "invite", "achieng", "--hotline", "ke-child-helpline")
    assert "/join#" in run("kenya", "invite", "juma", "--role", "operator")
    shared.person("kenya", "amina", "operator", "_operator_kenya")
    assert "amina" in run("kenya", "list", "_operator")
    assert run("pacific", "list", "_operator") == "Nobody.\n"
    assert "no access any more" in run("kenya", "end", "amina")


@pytest.mark.parametrize(
    ("role", "isos", "said"),
    [
        ("tokaut_console_pacific", "vu,ke", "COUNTRIES names ke, and tokaut_console_pacific serves vu."),
        (CONSOLE, "ke", "COUNTRIES names ke, and tokaut_console serves fj."),
        (CLOCK, "vu", "COUNTRIES names vu, and tokaut_clock serves no country."),
    ],
)
def test_a_console_that_names_a_country_of_another_does_not_start(
    shared: Shared, role: str, isos: str, said: str
) -> None:
    settings = settings_of(shared.plan, shared.addresses, "pacific", COUNTRIES=isos)
    with pytest.raises(SystemExit) as stopped:
        Console({**settings, "DATABASE_URL": shared.addresses[role]})
    assert str(stopped.value).startswith(said) and "\n" not in str(stopped.value)


def test_a_console_of_the_installation_serves_the_countries_of_no_operator(shared: Shared) -> None:
    settings = settings_of(shared.plan, shared.addresses, "pacific", COUNTRIES="fj")
    console = Console({**settings, "DATABASE_URL": shared.addresses[CONSOLE]})
    try:
        one = joined(console.flask, console.parts.database, "seru", "lead", "fj-child-helpline")
        assert one.log_in().leads_to == "/"
    finally:
        console.close()
