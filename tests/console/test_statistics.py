"""The published statistics, for leads and auditors, and as downloadable tables."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import insert, select

from console.views import statistics
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support.console import Console
from tests.support.staff import Person, joined, pass_time

HOTLINE = "vu-pikinini"
OUT = (
    ("VU", "2026-Q3", "total", "reports", 61),
    ("VU", "2026-Q3", "month", "2026-07", 20),
    ("VU", "2026-Q3", "month", "2026-08", 21),
    ("VU", "2026-Q3", "month", "2026-09", 20),
    ("VU", "2026-Q3", "category", "luring", 41),
    ("VU", "2026-Q3", "category", "harm", None),
    ("VU", "2026-Q3", "category", "other", None),
    ("VU", "2026-Q3", "place", "=1+1", 30),
    ("VU", "2026-Q3", "place", "<b>Shefa</b>", 31),
    ("VU", "2026-Q3", "payment", "card_bank", 31),
    ("VU", "2026-Q3", "payment", "none", 30),
    ("KE", "2026-Q3", "total", "reports", 777),
    ("KE", "2026-Q3", "category", "luring", 777),
)


@pytest.fixture
def figures(database: Database) -> None:
    names = ("country", "quarter", "sheet", "cell", "number")
    with database.write() as connection:
        connection.execute(insert(t.figure), [dict(zip(names, row, strict=True)) for row in OUT])


def someone(console: Console, role: str) -> Person:
    one = joined(console.flask, console.parts.database, role, role, HOTLINE)
    one.log_in()
    return one


@pytest.mark.parametrize("role", ["lead", "auditor"])
def test_they_see_the_quarters_of_their_country_alone(console: Console, figures: None, role: str) -> None:
    page = someone(console, role).get("/statistics")
    assert page.status == 200
    assert "Third quarter of 2026: 61 reports" in page.text
    assert "Asked for photos or money (grooming, blackmail) 41" in page.text, "as a table, beside the chart"
    assert "Hurt or touched (physical or sexual abuse) not shown" in page.text
    assert "777" not in page.html.replace(page.token, "") and "Kenya" not in page.text
    assert page.html.count("<svg") == page.html.count("<desc") == 4, "months, what about, where, payments"
    assert "61 reports; 6 of 10 about a child who is asked" in page.text


def test_words_of_a_figure_are_text_in_the_chart_too(console: Console, figures: None) -> None:
    page = someone(console, "lead").get("/statistics")
    assert "<b>" not in page.html
    assert page.html.count("&lt;b&gt;Shefa&lt;/b&gt;") >= 3, "in the picture, in its description, in the table"


def test_a_demo_in_which_nothing_is_out_shows_an_example_and_says_so(console: Console) -> None:
    lead = someone(console, "lead")
    page = lead.get("/statistics")
    assert "EXAMPLE. Every number on this page is made up." in page.text and page.html.count("<svg") > 20
    given = lead.post("/statistics/export", {"table": "reports"}, at="/statistics")
    assert given.headers["Content-Disposition"] == 'attachment; filename="example-statistics-reports.csv"'


def test_elsewhere_the_page_says_that_nothing_is_out(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MODES_WITH_EXAMPLE", ())
    page = someone(console, "lead").get("/statistics")
    assert "No quarter is published yet." in page.text and "<svg" not in page.html and "EXAMPLE" not in page.html


def test_true_figures_are_never_mixed_with_the_example(console: Console, figures: None) -> None:
    page = someone(console, "lead").get("/statistics")
    assert "EXAMPLE" not in page.html and "2025" not in page.text


def test_a_chart_is_downloaded_as_a_picture_and_as_numbers(console: Console, figures: None) -> None:
    lead = someone(console, "lead")
    picture = lead.post("/statistics/export", {"chart": "vu-2026-q3-category.svg"}, at="/statistics")
    assert picture.headers["Content-Disposition"] == 'attachment; filename="demo-vu-2026-q3-category.svg"'
    assert picture.headers["Content-Type"].startswith("image/svg+xml")
    assert picture.html.startswith("<svg ") and "var(" not in picture.html and ">not shown</text>" in picture.html
    numbers = lead.post("/statistics/export", {"chart": "vu-2026-q3-category.csv"}, at="/statistics")
    assert '"Asked for photos or money (grooming, blackmail)","41"' in numbers.html
    for wrong in ("ke-2026-q3-category.csv", "vu-2026-q3-category.png", "vu-2026-q3-category", ".svg"):
        assert lead.post("/statistics/export", {"chart": wrong}, at="/statistics").status == 400, wrong
    assert len(exports(console.parts.database)) == 2


def test_the_terms_of_child_helplines_and_what_has_none(console: Console, figures: None) -> None:
    lead = someone(console, "lead")
    given = lead.post("/statistics/export", {"table": "child-helpline"}, at="/statistics")
    rows = list(csv.DictReader(io.StringIO(given.html.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))))
    found = {row["tokaut_category"]: (row["reason_for_contact"], row["kind"], row["reports"]) for row in rows}
    assert found["luring"] == ("Violence", "Online sexual exploitation", "41")
    assert found["other"] == ("not mapped", "", "not shown")
    assert (
        "Reports without a term in Child Helpline International's data framework: not shown."
        in lead.get("/statistics").text
    )


@pytest.mark.rule("A-34")
def test_tables_go_out_after_a_re_check_alone_and_stand_in_the_audit(console: Console, figures: None) -> None:
    lead = someone(console, "lead")
    pass_time(console.parts.database, 6 * 60)
    refused = lead.post("/statistics/export", {"table": "reports"}, at="/statistics")
    assert refused.leads_to == "/check?then=/statistics" and exports(console.parts.database) == []
    form = {"then": "/statistics", "password": lead.password, "code": lead.code()}
    assert lead.post("/check", form, at="/check").leads_to == "/statistics"
    given = lead.post("/statistics/export", {"table": "reports"}, at="/statistics")
    assert given.status == 200
    assert given.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert given.headers["Content-Disposition"] == 'attachment; filename="demo-statistics-reports.csv"'
    assert exports(console.parts.database) == [f"staff:{HOTLINE}/lead"]
    cells = list(csv.reader(io.StringIO(given.html.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))))
    assert ["VU", "2026-Q3", "category", "luring", "Asked for photos or money (grooming, blackmail)", "41"] in cells
    assert ["VU", "2026-Q3", "category", "harm", "Hurt or touched (physical or sexual abuse)", "not shown"] in cells
    assert ["VU", "2026-Q3", "place", "'=1+1", "'=1+1", "30"] in cells, "no cell is a formula"
    assert {row[0] for row in cells[1:]} == {"VU"}


def test_payments_have_a_table_of_their_own(console: Console, figures: None) -> None:
    given = someone(console, "auditor").post("/statistics/export", {"table": "payments"}, at="/statistics")
    assert '"VU","2026-Q3","card_bank","Card or bank","31"' in given.html and "luring" not in given.html


def test_a_table_that_there_is_not(console: Console, figures: None) -> None:
    assert someone(console, "lead").post("/statistics/export", {"table": "report"}, at="/statistics").status == 400
    assert exports(console.parts.database) == []


def exports(database: Database) -> list[str]:
    a = t.audit.c
    with database.read() as connection:
        query = select(a.actor).where(a.act == "exported:statistics", a.object_id == "figures")
        return list(connection.execute(query).scalars())
