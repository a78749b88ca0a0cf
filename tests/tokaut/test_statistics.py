"""`tokaut statistics`: page, tables and terminal agree, and contain only what is published."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from reports import spreadsheet
from reports.countries.country import load_countries
from reports.statistics.aggregation import places_of
from reports.statistics.svg_charts import WIDTH, bar_chart
from reports.statistics.tables import CELL_LABELS
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.support.full_disk import full_disk
from tests.support.prepared import migrate
from tokaut.__main__ import main

pytestmark = pytest.mark.slow

ROWS = [
    ("2026-Q4", "VU", "total", "reports", 41),
    ("2026-Q4", "VU", "category", "harm", 30),
    ("2026-Q4", "VU", "category", "images", None),
    ("2026-Q4", "VU", "category", "other", None),
    ("2026-Q4", "VU", "month", "2026-10", 20),
    ("2026-Q4", "VU", "month", "2026-11", 21),
    ("2026-Q4", "VU", "payment", "mobile_money", 7),
    ("2026-Q4", "VU", "payment", "not_told", 34),
    ("2026-Q4", "VU", "place", "=Shefa & <Tafea>", 21),
    ("2026-Q4", "VU", "place", "not_told", 20),
    ("2026-Q3", "VU", "total", "reports", None),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "live")
    names = ("quarter", "country", "sheet", "cell", "number")
    with database.write() as connection:
        connection.execute(insert(t.figure), [dict(zip(names, row, strict=True)) for row in ROWS])
    database.close()
    return tmp_path


def run(folder: Path, *words: str, mode: str = "live") -> Result:
    return CliRunner().invoke(main, ["statistics", *words], env={"TOKAUT_DATA": str(folder), "TOKAUT_MODE": mode})


@pytest.mark.parametrize("words", [("show",), ("export", "page"), ("export", "page", "--example")])
def test_an_unknown_country_is_refused(folder: Path, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    result = run(folder, *words, "--country", "vv")
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1), result.output
    assert "vu" in result.output
    assert not Path("page").exists()
    assert run(folder, "show", "--country", "ke").exit_code == 0


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8").removeprefix(spreadsheet.BOM))))


def test_the_terminal_says_what_is_out_and_what_is_not_shown(folder: Path) -> None:
    said = run(folder, "show").output
    assert re.findall(r"^VU .*$", said, re.MULTILINE) == ["VU 2026-Q4: 41 reports", "VU 2026-Q3: fewer than 5 reports"]
    pictures = r"Photos shared or threatened \(sexual images\) +not shown\n"
    assert re.search(rf"Hurt or touched \(physical or sexual abuse\) +30\n +{pictures}", said)
    assert "No figures yet" in run(folder, "show", "--country", "ke").output


@pytest.mark.rule("B-34")
def test_the_files_hold_the_same_and_no_formula(folder: Path) -> None:
    out = folder / "out"
    assert run(folder, "export", str(out)).exit_code == 0
    found = {(row["quarter"], row["table"], row["cell"]): row["reports"] for row in rows(out / "reports.csv")}
    assert found["2026-Q4", "category", "images"] == found["2026-Q3", "total", "reports"] == "not shown"
    assert found["2026-Q4", "place", "'=Shefa & <Tafea>"] == "21"
    assert len(found) == len(ROWS)
    assert [(row["payment"], row["reports"]) for row in rows(out / "payments.csv")] == [
        ("mobile_money", "7"),
        ("not_told", "34"),
    ]


def test_an_export_is_in_the_audit_and_an_example_is_not(folder: Path) -> None:
    run(folder, "export", str(folder / "a"), "--example")
    run(folder, "export", str(folder / "b"))
    with Database(f"sqlite:///{folder / 'tokaut.db'}").read() as connection:
        assert list(connection.execute(select(t.audit.c.act, t.audit.c.object_id))) == [
            ("exported:statistics", "figures")
        ]


def test_each_file_of_an_example_says_that_it_is_one_and_none_stays_among_real_figures(folder: Path) -> None:
    out = folder / "a"
    run(folder, "export", str(out), "--example")
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert [path.name for path in files if "EXAMPLE" not in path.read_text(encoding="utf-8")] == []
    assert {row["example"] for row in rows(out / "reports.csv")} == {"EXAMPLE: made up"}
    theirs = out / "charts" / "logo.svg"
    theirs.touch()
    assert run(folder, "export", str(out)).exit_code == 0
    left = [path for path in out.rglob("*") if path.is_file() and path != theirs]
    assert theirs.exists()
    assert not list(out.rglob(".*"))
    assert [path.name for path in left if "EXAMPLE" in path.read_text(encoding="utf-8")] == []
    assert {path.name[:10] for path in left if path.parent.name == "charts"} == {"vu-2026-q4"}


def test_made_up_figures_replace_no_real_ones(folder: Path) -> None:
    out = folder / "a"
    run(folder, "export", str(out))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    result = run(folder, "export", str(out), "--example")
    assert (result.exit_code, "has figures of real reports" in result.output) == (1, True), result.output
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_an_export_that_fails_leaves_the_last_one_whole(folder: Path) -> None:
    out = folder / "a"
    run(folder, "export", str(out), "--example")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with full_disk():
        result = run(folder, "export", str(out), "--country", "vu", "--example")
    assert (result.exit_code, "File too large" in result.output) == (1, True), result.output
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_an_example_says_on_top_that_it_is_made_up(folder: Path) -> None:
    run(folder, "export", str(folder / "a"), "--example")
    text = (folder / "a" / "index.html").read_text(encoding="utf-8")
    assert text.index("EXAMPLE. Every number on this page is made up.") < text.index("<h1>")
    run(folder, "export", str(folder / "b"))
    assert "EXAMPLE" not in (folder / "b" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("mode", ["demo", "training"])
def test_each_file_of_a_demo_or_training_says_that_it_is_one(folder: Path, mode: str) -> None:
    """A quarter of drills must not be taken for one of real reports."""
    real = folder / "real"
    run(folder, "export", str(real))
    before = (real / "index.html").read_bytes()
    with Database(f"sqlite:///{folder / 'tokaut.db'}").write() as connection:
        connection.execute(t.made_for.update().values(mode=mode))
    mark = f"{mode.upper()}. No report here is real."
    assert run(folder, "show", mode=mode).output.startswith(mark)
    assert run(folder, "export", str(folder / "a"), mode=mode).exit_code == 0
    files = [path for path in (folder / "a").rglob("*") if path.is_file()]
    assert [path.name for path in files if mode.upper() not in path.read_text(encoding="utf-8")] == []
    assert mark in (folder / "a" / "index.html").read_text(encoding="utf-8")
    assert run(folder, "export", str(real), mode=mode).exit_code == 1 and (real / "index.html").read_bytes() == before
    assert run(folder, "export", str(folder / "a"), mode=mode).exit_code == 0, "and again"


def test_the_page_stands_by_itself_and_every_chart_says_in_words_what_it_draws(folder: Path) -> None:
    run(folder, "export", str(folder / "out"))
    text = (folder / "out" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<img|<link|https?://(?!www\.w3\.org/2000/svg)|\son\w+=| style=", text)
    drawn = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]  # noqa: S314  # ours
    said = {one.findtext("{*}title"): one.findtext("{*}desc") for one in drawn}
    assert said["What the reports were about"] == (
        "Hurt or touched (physical or sexual abuse): 30; Photos shared or threatened (sexual images): not shown; "
        "Another concern, or not known: not shown"
    )
    names = [one.get("id") for chart in drawn for one in chart.iter() if one.get("id")]
    assert len(names) == len(set(names))
    assert "=Shefa &amp; &lt;Tafea&gt;" in text


def test_no_label_of_a_bar_is_cut_off(chromium: Any) -> None:
    places = [place for land in load_countries(["vu", "ke", "ng"], "demo") for place in places_of(land)]
    chart = bar_chart("all", "All", [(label, 1) for label in dict.fromkeys([*CELL_LABELS.values(), *places])])
    page = f"<!doctype html><body data-ready>{chart}"  # `open` waits for this, as on our own pages
    opened = chromium.open("http://127.0.0.1/", served=lambda route: route.fulfill(body=page, content_type="text/html"))
    measured = "words => words.map((one) => [one.textContent, one.getBBox().x + one.getBBox().width])"
    found = opened.page.locator("svg text").evaluate_all(measured)
    assert len(found) > len(CELL_LABELS)
    assert [(text, end) for text, end in found if end > WIDTH] == []
    opened.close()
