"""Typed text on the console's pages is shown as text and has no effect.

A page with hostile words has the same tags and attributes as with plain words.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from sqlalchemy import insert, select

from console.presenters.report import inert_text
from console.views.case_actions import NO_REASON
from reports import json_bodies
from reports.crypto import SealContext, seal_body
from reports.crypto.key_files import load_public_keys
from reports.exports import SHEETS, referral_sheet, sheet_csv
from reports.spreadsheet import BOM
from reports.store.schema import tables as t
from reports.store.schema.base import new_id
from runtime.visible_text import safe_for_display
from tests.console.hostile import PLAIN, STRINGS, PageStructure, body, head
from tests.console.running_console import HOTLINE, OTHER, THIRD
from tests.support.console import Console
from tests.support.hotline_clients import in_process_hotline, store_report
from tests.support.logged_in import logged_in
from tests.support.staff import HERE, Page, Person
from tokaut.local_stack import preparation, startup
from tokaut.local_stack.settings import DemoFolder, StackAddresses, StackPlan, make_plan

pytestmark = pytest.mark.slow

NAMED = ("Vanuatu", "Pikinini Helpline", "Vanuatu Women's Centre", "Vanuatu Police, not urgent")
BY_ROLE = {"lead": HOTLINE, "auditor": HOTLINE, "operator": "_operator"}
PAGES = {
    "lead": (
        "/",
        "/rows",
        "/?tab=closed",
        "/people",
        "/replies",
        "/audit",
        "/board",
        "/me",
        "/statistics",
        "/readiness",
        "/help",
        "/check",
        "/enter",
    ),
    "auditor": ("/audit", "/statistics", "/readiness", "/me"),
    "operator": ("/operator", "/readiness", "/me", "/help"),
}
ENTRY_FIELDS = ("once", "danger", "category", "words", "number", "more.images.where_online", "place", "begun")
QUERIES = ("tab", "priority", "category", "place", "page", "more")
FORMULA = "=+-@\t\r\n＝＋－＠"
NUMBERS = count()  # each name can be used once
by_each = pytest.mark.parametrize("words", STRINGS.values(), ids=STRINGS.keys())


class SharedConsole:
    """A console, three people, and the reports that a test stores."""

    def __init__(self, made: StackPlan, settings: dict[str, str]) -> None:
        self.keys = made.folder.inside / "keys"
        self.console = Console({**made.settings, "COUNTRIES": "vu", **settings})
        self.database = self.console.parts.database
        self.people = {role: self.someone(f"{role}{next(NUMBERS)}", role) for role in BY_ROLE}
        self.lead = self.people["lead"]

    def someone(self, name: str, role: str = "staff") -> Person:
        person = Person(self.console.flask, self.database, name)
        token = logged_in(self.database, name, role, BY_ROLE.get(role, HOTLINE))
        person.client.set_cookie("__Host-tokaut", token, domain=HERE.partition("//")[2], secure=True)
        return person

    def report(self, words: str) -> str:
        """Store a report with these words in each text and in a message by My report; return its id."""
        to = [(HOTLINE, "primary"), (OTHER, "also"), (THIRD, "fallback")]
        id_ = store_report(self.database, self.keys, to, body=json_bodies.json_bytes(body(words)), head=head(words))
        now = self.database.now()
        message_id = new_id(now)
        said = json_bodies.message_json(
            report_id=id_, message_id=message_id, mode="demo", created_at=now // 1_000_000, text=words
        )
        box = seal_body(
            load_public_keys(self.keys, [HOTLINE])[HOTLINE],
            SealContext.of_message("demo", id_, message_id, HOTLINE),
            b"",
            said,
        )
        row = {"message_id": message_id, "recipient": HOTLINE, "report_id": id_, "number": 1, "created_at": now}
        with self.database.write() as connection:
            connection.execute(insert(t.message), row | {"key_id": box.key_id, "wrap": box.wrap, "sealed": box.sealed})
        return id_

    def close(self) -> None:
        self.console.close()


@pytest.fixture(scope="module")
def plan_of_it(tmp_path_factory: pytest.TempPathFactory) -> StackPlan:
    found = make_plan(
        {}, DemoFolder(tmp_path_factory.mktemp("hostile")), StackAddresses(1, 2, 3), (HOTLINE, OTHER, THIRD)
    )
    found.folder.inside.mkdir(mode=0o700)
    preparation.prepare_stack(found)
    return found


@pytest.fixture(scope="module")
def shared(plan_of_it: StackPlan) -> Iterator[SharedConsole]:
    one = SharedConsole(plan_of_it, {})
    yield one
    one.close()


@pytest.fixture(scope="module")
def plain(shared: SharedConsole) -> str:
    """Return a report with plain words, for comparison."""
    return shared.report(PLAIN)


def structure(page: Page) -> PageStructure:
    found = PageStructure(page.html)
    assert [one for one in found.addresses if not one.startswith(("/", "#")) or one.startswith("//")] == []
    return found


def same(page: Page, other: Page) -> None:
    assert (page.status, page.leads_to == "") == (other.status, other.leads_to == "")
    assert structure(page).tags == structure(other).tags
    assert set(page.headers.keys()) == set(other.headers.keys())


@pytest.mark.rule("B-24")
@pytest.mark.rule("B-32")
@pytest.mark.rule("B-33")
@pytest.mark.rule("B-37")
@pytest.mark.rule("X-16")
@by_each
def test_in_a_report(shared: SharedConsole, words: str) -> None:
    id_ = shared.report(words)
    page = shared.lead.get(f"/reports/{id_}")
    same(page, shared.lead.get(f"/reports/{shared.report(PLAIN)}"))
    text = structure(page).text
    assert text.count(inert_text(words)) >= 8, "in each of its places, whole"
    exported = shared.lead.get(f"/reports/{id_}/export")
    assert exported.headers["Content-Type"].startswith("application/json")
    assert json.loads(exported.html)["report"]["narrative"] == json.loads(json_bodies.json_bytes(words))
    assert exported.headers["Content-Disposition"] == f'attachment; filename="report-{id_}.json"'


@by_each
def test_on_the_list(shared: SharedConsole, plain: str, words: str) -> None:
    shared.report(words)
    found = shared.lead.get("/rows").html.split('<li class="report')
    lines = [PageStructure(one.partition("</li>")[0]) for one in found[1:]]
    assert len({tuple(one.tags) for one in lines}) == 1, "each line has the tags of the others"
    assert len(lines) > 1


@pytest.mark.product(parts=3)
@by_each
def test_what_staff_write(shared: SharedConsole, words: str) -> None:
    """A checked message, a note, a reason, a name to invite, a password, an entered report, a referral."""
    ids = [shared.report(PLAIN) for _ in range(2)]
    for act, field, more in (
        ("message", "words", {"do": "look"}),
        ("note", "words", {}),
        ("hand-over", "to", {"reason": "x"}),
        ("decline", "reason", {"sure": "1"}),
    ):
        answers = []
        for id_, said in zip(ids, (words, PLAIN), strict=True):
            at = f"/reports/{id_}"
            done = shared.lead.post(f"{at}/{act}", {field: said.encode("utf-8", "replace").decode(), **more}, at=at)
            answers.append(done if done.status == 200 else shared.lead.get(at))
            assert done.status in (200, 303, 400) and not done.leads_to.startswith(("//", "http"))
        if act != "message":  # the check of a message has a line for each finding
            same(*answers)
        else:
            assert set(structure(answers[0]).tags) <= set(structure(answers[1]).tags) | REMARKS
    for path, at, form in (
        ("/people/invite", "/people", {"name": words, "role": words}),
        ("/me/password", "/me", {"password": words, "again": "another"}),
        ("/enter", "/enter", dict.fromkeys(ENTRY_FIELDS, words)),
        (f"/reports/{ids[0]}/referral", f"/reports/{ids[0]}/referral", {"to": words, "purpose": words}),
    ):
        clean = {name: one.encode("utf-8", "replace").decode() for name, one in form.items()}
        more = {"do": "pdf"} if path.endswith("/referral") else {}
        other = dict.fromkeys(form, "plain")
        same(shared.lead.post(path, clean | more, at=at), shared.lead.post(path, other | more, at=at))


@by_each
def test_where_somebody_shows_who_they_are(shared: SharedConsole, words: str) -> None:
    clean = words.encode("utf-8", "replace").decode()
    one = shared.someone(f"one{next(NUMBERS)}")
    form = {"password": clean, "code": clean, "then": clean}
    same(one.post("/check", form, at="/check"), one.post("/check", dict.fromkeys(form, PLAIN), at="/check"))
    stranger = Person(shared.console.flask, shared.database, "nobody")
    form = {"name": clean, "password": clean, "code": clean}
    same(stranger.post("/login", form, at="/login"), stranger.post("/login", dict.fromkeys(form, PLAIN), at="/login"))


REMARKS = {
    ("p", "class", "role"),
    ("label", "class"),
    ("input", "type", "name", "value"),
}


@pytest.mark.product(parts=5)
@pytest.mark.parametrize("path", ["/", "/rows", "/check", "/login", "/help"])
@by_each
def test_in_an_address(shared: SharedConsole, plain: str, path: str, words: str) -> None:
    """The list repeats its query in the form and in the addresses of its other pages."""
    names = ("then",) if path == "/check" else QUERIES
    person = Person(shared.console.flask, shared.database, "nobody") if path == "/login" else shared.lead
    page, other = (
        person.get(f"{path}?" + "&".join(f"{name}={quote_plus(said, errors='replace')}" for name in names))
        for said in (f"no place {words}", f"no place {PLAIN}")
    )
    same(page, other)
    assert page.status == 200


def test_where_the_list_goes_on(shared: SharedConsole, plain: str) -> None:
    """These addresses repeat the query, and contain no parameter that was typed into a field."""
    asked = "&".join(f"{name}={quote_plus('x&tab=mine&page=7')}" for name in ("tab", "category", "place"))
    addresses = [one for one in structure(shared.lead.get(f"/?page=1&{asked}")).addresses if "page=" in one]
    assert addresses and all(one.count("page=") == 1 and one.count("tab=") == 1 for one in addresses)


@pytest.mark.rule("B-35")
@by_each
def test_in_what_a_browser_says_of_itself(shared: SharedConsole, words: str) -> None:
    said = words.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace").decode("latin-1")
    for name in ("User_Agent", "Accept_Language", "Referer"):
        same(shared.lead.get("/me", **{name: said}), shared.lead.get("/me"))


def named(plan_of_it: StackPlan, folder: Path, words: str) -> SharedConsole:
    """Return a console whose country file has such words as the name of the country and of its hotlines."""
    text = (Path(startup.__file__).parents[2] / "reports" / "countries" / "vu.toml").read_text()
    for name in NAMED:
        text = text.replace(f'\nname = "{name}"\n', f"\nname = {json.dumps(words, ensure_ascii=False)}\n", 1)
    (folder / "vu.toml").write_text(text)
    assert text.count(json.dumps(words, ensure_ascii=False)) == 4
    return SharedConsole(plan_of_it, {"TOKAUT_COUNTRY_DIR": str(folder)})


def test_names_of_a_country_s_file(plan_of_it: StackPlan, tmp_path: Path) -> None:
    """Check all pages of all roles with these names."""
    pages = []
    for number, words in enumerate((PLAIN, STRINGS["a script and a picture"] + STRINGS["out of an attribute"])):
        folder = tmp_path / str(number)
        folder.mkdir()
        shared = named(plan_of_it, folder, words)
        paths = {**PAGES, "lead": (f"/reports/{shared.report(PLAIN)}", *PAGES["lead"])}
        pages.append([shared.people[role].get(path) for role, several in paths.items() for path in several])
        assert any(words in structure(one).text for one in pages[-1])
        shared.close()
    for one, other in zip(*pages, strict=True):
        assert one.status == other.status == 200
        assert set(structure(one).tags) == set(
            structure(other).tags
        )  # each console has more people than the one before


@pytest.mark.rule("B-34")
@pytest.mark.parametrize("form", sorted(SHEETS))
@by_each
def test_in_a_table_for_another_body(form: str, words: str) -> None:
    rows = list(csv.reader(io.StringIO(sheet_csv(referral_sheet(form, body(words), words)).removeprefix(BOM))))
    cells = [cell for row in rows for cell in row]
    assert [one for one in cells if one.startswith(tuple(FORMULA))] == []
    without_marks = safe_for_display(words).replace("'", "")  # an apostrophe marks what would be a formula
    assert any(without_marks in one.replace("'", "") for one in cells)


@pytest.mark.rule("B-34")
@by_each
def test_in_the_tables_of_statistics(shared: SharedConsole, words: str) -> None:
    if "\ud83d" in words:
        pytest.skip("no such text is in a database")
    f = t.figure
    rows = [("VU", "2026-Q3", "total", "reports", 60), ("VU", "2026-Q3", "place", words[:60], 30)]
    with shared.database.write() as connection:
        connection.execute(f.delete())
        names = ("country", "quarter", "sheet", "cell", "number")
        connection.execute(insert(f), [dict(zip(names, row, strict=True)) for row in rows])
    page = shared.lead.get("/statistics")
    assert page.status == 200 and {one for one, *_ in structure(page).tags} & {"script", "img", "iframe", "base"} == {
        "script"
    }
    for table in ("reports", "payments"):
        given = shared.lead.post("/statistics/export", {"table": table}, at="/statistics")
        cells = [cell for row in csv.reader(io.StringIO(given.html.removeprefix(BOM))) for cell in row]
        assert cells and [one for one in cells if one.startswith(tuple(FORMULA))] == []


def test_what_a_hotline_s_own_system_says(shared: SharedConsole, plan_of_it: StackPlan) -> None:
    """The reason of a callback is among the notes."""
    hotline_client = in_process_hotline(HOTLINE, plan_of_it.secrets.hotlines[HOTLINE], shared.console.http)
    words = STRINGS["a script and a picture"]
    id_ = shared.report(PLAIN)
    assert hotline_client.call(id_, "rejected", reason=words).status_code == 200
    page = shared.lead.get(f"/reports/{id_}")
    assert words in structure(page).text and "<img" not in page.html


def test_no_word_of_it_is_in_the_audit(shared: SharedConsole) -> None:
    """The audit contains no words from these acts or from earlier tests."""
    words = STRINGS["a script and a picture"]
    at = f"/reports/{shared.report(words)}"
    for act, form in (("note", {"words": words}), ("decline", {"reason": words, "sure": "1"})):
        assert shared.lead.post(f"{at}/{act}", form, at=at).status in (200, 303)
    with shared.database.read() as connection:
        said = [f"{row.actor} {row.act} {row.object_id}" for row in connection.execute(select(t.audit))]
    assert said and not [one for one in said if "<" in one or "alert" in one or NO_REASON in one]
