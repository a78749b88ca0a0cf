"""Charts, tile map, summary sentence and year: each describes the published figures, and nothing else."""

from __future__ import annotations

import csv
import io
import itertools
import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reports import report as report_module
from reports.countries import country
from reports.facts import CATEGORIES
from reports.statistics import aggregation, helpline_framework, svg_charts, tables
from reports.statistics.aggregation import MIN_COUNT, PublishedFigure, places_of
from reports.statistics.dictionary import dictionary_csv
from reports.statistics.examples import example_figures
from reports.statistics.summary import headline, years
from reports.statistics.tables import QuarterFigures, group_by_quarter, reports_csv, tile_layout

LANDS = country.load_countries(country.shipped_countries(), "demo").all
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def quarters(rows: list[tuple[str, str, str, int | None]]) -> list[QuarterFigures]:
    return group_by_quarter([PublishedFigure(quarter, "VU", *rest) for quarter, *rest in rows], {})


def quarter(*rows: tuple[str, str, int | None]) -> QuarterFigures:
    (one,) = quarters([("2026-Q3", *row) for row in rows])
    return one


def answered(*numbers: int | None) -> list[tuple[str, str, int | None]]:
    """Return the cells of the table, P1 in time, P1 late, P2 in time and so on."""
    cells = [f"{priority} {timing}" for priority in aggregation.ACKNOWLEDGE_WITHIN for timing in ("in time", "late")]
    return [("answered", cell, number) for cell, number in zip(cells, numbers, strict=True)]


# Charts


def test_what_is_not_shown_is_a_word_without_a_bar() -> None:
    rows = [("one", 10), ("two", None), ("three", 5)]
    for chart in (svg_charts.bar_chart("a", "A", rows), svg_charts.column_chart("a", "A", rows)):
        assert chart.count("<rect") == 2 and chart.count(">not shown</text>") == 1
        assert "two: not shown" in chart
    shares = svg_charts.share_chart("a", "A", [("P1", 9, 10), ("P2", None, None)], 90)
    assert shares.count("<rect") == 2, "the share of P1, and the whole behind it"
    assert "P1: 9 of 10 (90 %); P2: not shown. Target: 90 %" in shares


def test_the_line_of_the_target_stands_on_the_scale_of_the_shares() -> None:
    chart = svg_charts.share_chart("a", "A", [("P1", 9, 10)], 90)
    bar, target = re.search(r'width="(171\.0)"', chart), re.search(r'd="M([\d.]+) 16v18"', chart)
    assert bar and target and float(bar[1]) == float(target[1]) == 0.9 * 190


@pytest.mark.parametrize(("part", "whole", "said"), [(199, 200, "99"), (200, 200, "100"), (0, 7, "0")])
def test_a_share_is_never_rounded_up(part: int, whole: int, said: str) -> None:
    assert f"({said} %)" in svg_charts.format_share(part, whole)


def test_a_chart_by_itself_has_its_colours_and_white_paper() -> None:
    alone = svg_charts.standalone(svg_charts.bar_chart("a", "A & <B>", [("x", 1)]))
    assert "var(" not in alone and alone.count("<svg") == 1 and "A &amp; &lt;B&gt;" in alone
    assert '><rect width="100%" height="100%" fill="#ffffff"/>' in alone


def test_no_chart_is_wider_than_a_phone_but_a_map_of_many_columns() -> None:
    for one in group_by_quarter(example_figures(LANDS), {}):
        for sheet in one.shown:
            width = re.search(r'viewBox="0 0 (\d+) ', tables.chart_svg(sheet))
            assert width and int(width[1]) <= svg_charts.WIDTH, sheet.id


def test_a_long_label_has_several_lines_above_its_bar() -> None:
    label = "Asked for photos or money (grooming, blackmail)"
    chart = ElementTree.fromstring(svg_charts.bar_chart("a", "A", [(label, 7), ("short", 5)]))  # noqa: S314  # ours
    lines = [(one.text, float(one.get("y") or 0)) for one in chart.iterfind("{*}text")]
    bars = [float(one.get("y") or 0) for one in chart.iterfind("{*}rect")]
    assert [text for text, _ in lines] == ["Asked for photos or money", "(grooming, blackmail)", "7", "short", "5"]
    y = dict(lines)
    assert y["Asked for photos or money"] < y["(grooming, blackmail)"] < bars[0] < y["7"] < y["short"] < bars[1]
    assert bars[1] < int(chart.get("height") or 0)
    assert f"{label}: 7" in (chart.findtext("{*}desc") or "")


# The tile map


def test_layouts_name_the_places_of_their_country() -> None:
    by_iso = {land.iso: land for land in LANDS}
    for iso, layout in tables.TILE_LAYOUTS.items():
        names = [name for row in layout for name in row if name]
        assert sorted(names) == sorted(places_of(by_iso[iso])), iso
        assert len({len(row) for row in layout}) == 1, f"{iso}: rows of one length"


@pytest.mark.parametrize("land", LANDS, ids=lambda land: str(land.iso))
def test_every_place_of_every_country_has_one_tile(land: country.Country) -> None:
    for one in group_by_quarter(example_figures([land]), {})[:1]:
        sheet = one.sheet("place")
        assert sheet
        laid = [label for row in tile_layout(sheet) for label in row if label]
        assert sorted(laid) == sorted(label for label, _ in sheet.rows)
        chart = tables.chart_svg(sheet)
        assert chart.count("<rect") == len(laid)


def test_a_tile_that_is_not_shown_has_no_shade() -> None:
    rows = [("Torba", None), ("Shefa", 40), ("Sanma", 10)]
    chart = svg_charts.tile_map("a", "A", rows, [["Torba"], ["Shefa", "Sanma"]])
    assert len(re.findall(r"stroke-dasharray", chart)) == chart.count("not shown</text>") == 1
    assert svg_charts.SHADES[3] in chart and svg_charts.SHADES[0] in chart


# The summary sentence


def test_the_sentence_says_what_is_shown() -> None:
    one = quarter(
        ("total", "reports", 150),
        ("category", "harm", 52),
        ("category", "luring", 60),
        ("category", "other", 38),
        *answered(30, 5, 50, 5, 40, 5, 10, 5),
    )
    assert headline(one) == (
        "150 reports; 4 of 10 about a child who is asked for photos, money or secrets; "
        "8 of 10 acknowledged within the target time."
    )
    late_hidden = quarter(("total", "reports", 150), *answered(30, None, 50, 5, 40, 5, 10, None))
    assert headline(late_hidden) == "150 reports; 8 of 10 acknowledged within the target time."


@pytest.mark.rule("S-29")
def test_the_sentence_is_silent_about_what_is_not_shown() -> None:
    hidden = [("category", "harm", 52), ("category", "luring", None), ("category", "other", None)]
    one = quarter(("total", "reports", 150), *hidden, *answered(30, 5, 50, 5, 40, 5, None, None))
    assert headline(one) == "150 reports.", "more could be hidden than the largest that is shown"
    assert headline(quarter(("total", "reports", None))) == "Fewer than 5 reports."


def test_every_category_but_the_last_has_words_for_the_sentence() -> None:
    for category in CATEGORIES[:-1]:
        one = quarter(("total", "reports", 60), ("category", category, 60))
        assert headline(one).startswith("60 reports; all about "), category
    assert headline(quarter(("total", "reports", 60), ("category", "other", 60))) == "60 reports."


# The year


def test_a_year_is_the_sum_of_four_numbers_that_are_shown() -> None:
    names = [f"2026-Q{number}" for number in (1, 2, 3, 4)]
    rows = [(name, "total", "reports", 20 + index) for index, name in enumerate(names)]
    rows += [(name, "category", "harm", 10) for name in names]
    rows += [(name, "category", "luring", None if name == "2026-Q2" else 6) for name in names]
    rows += [(name, "left", "send", 20) for name in names]
    (year,) = years(quarters(rows))
    category = year.sheet("category")
    assert year.total == 86 and category and category.numbers == {"harm": 40, "luring": None}
    assert year.sheet("left") is None, "shares are not added up"
    assert years(quarters(rows[1:])) != [], "of four quarters, one without a total"
    assert years(quarters([row for row in rows if row[0] != "2026-Q4"])) == [], "three quarters are no year"


def test_a_year_with_a_quarter_of_fewer_than_five_is_not_called_small() -> None:
    names = [f"2026-Q{number}" for number in (1, 2, 3, 4)]
    (year,) = years(quarters([(name, "total", "reports", None if name == "2026-Q2" else 200) for name in names]))
    assert (year.total, headline(year)) == (None, "The number of reports is not shown.")


@pytest.mark.rule("S-29")
@pytest.mark.rule("X-27")
def test_a_year_says_nothing_that_the_quarters_do_not() -> None:
    """Quarters that look the same give the same year, so a year reveals nothing about a hidden number."""
    said: dict[object, object] = {}
    for first, second in itertools.product(itertools.product((0, 3, 6, 14), repeat=3), repeat=2):
        figures = []
        for number, counts in enumerate((first, second, first, second), start=1):
            cells = dict(zip(("harm", "luring", "other"), counts, strict=True))
            shown = list(aggregation.quarter_figures({"month": cells, "category": cells}, {"category": list(cells)}))
            figures += [PublishedFigure(f"2026-Q{number}", "VU", *one) for one in shown]
        public = tuple(figures)
        yearly = [(year.total, *(sheet.rows for sheet in year.sheets)) for year in years(group_by_quarter(figures, {}))]
        assert said.setdefault(public, yearly) == yearly


@pytest.mark.rule("S-29")
def test_a_year_that_was_counted_by_itself_would_give_a_hidden_number_away() -> None:
    """The rule that decision 88 rejects: subtract three published quarters from the year."""
    counts = [20, 20, 20, 3]
    shown = [aggregation.visible_total(count) for count in counts]
    counted_year = aggregation.visible_total(sum(counts))
    assert counted_year is not None and shown == [20, 20, 20, None]
    assert counted_year - sum(number or 0 for number in shown) == 3 < MIN_COUNT


# Other terms, and the meaning of the columns


def test_the_terms_of_child_helplines_are_those_of_a_single_report() -> None:
    of_reports = {row["category"]: row["chi"] for row in report_module.ROWS if "when" not in row and "chi" in row}
    assert {category: ": ".join(names) for category, names in helpline_framework.REASONS.items()} == of_reports
    data = tomllib.loads(Path(helpline_framework.__file__).with_suffix(".toml").read_text("utf-8"))
    assert "not confirmed" in data["version"]


def test_what_has_no_term_is_counted_and_shown() -> None:
    one = quarter(("total", "reports", 50), ("category", "harm", 31), ("category", "other", 19))
    rows = list(csv.DictReader(io.StringIO(helpline_framework.framework_csv([one]).removeprefix(BOM))))
    assert [(row["reason_for_contact"], row["reports"]) for row in rows] == [("Violence", "31"), ("not mapped", "19")]
    assert helpline_framework.not_mapped(one) == 19
    child = quarter(("total", "reports", 50), ("sex", "girl", 31), ("sex", "not_known", None), ("disability", "x", 9))
    rows = list(csv.DictReader(io.StringIO(helpline_framework.framework_csv([child]).removeprefix(BOM))))
    terms = [(row["reason_for_contact"], row["kind"], row["reports"]) for row in rows]
    assert terms == [("Gender", "Girl", "31"), ("Gender", "Unknown", "not shown")]
    hidden = quarter(("total", "reports", 50), ("category", "harm", None), ("category", "other", None))
    assert helpline_framework.not_mapped(hidden) is None


def test_a_number_of_a_csv_file_has_no_separators() -> None:
    """A spreadsheet takes 1,234 for one and a bit where the comma is the decimal sign."""
    one = quarter(
        ("total", "reports", 1234), ("category", "harm", 1234), ("payment", "none", 1234), ("sex", "girl", 1234)
    )
    for text in (reports_csv([one]), tables.payments_csv([one]), helpline_framework.framework_csv([one])):
        assert {row["reports"] for row in csv.DictReader(io.StringIO(text.removeprefix(BOM)))} == {"1234"}


def test_every_column_and_every_table_is_in_the_dictionary() -> None:
    figures = group_by_quarter(example_figures(LANDS[:1]), {})
    known = {(row["of"], row["name"]) for row in csv.DictReader(io.StringIO(dictionary_csv().removeprefix(BOM)))}
    for text in (reports_csv(figures), tables.payments_csv(figures), helpline_framework.framework_csv(figures)):
        assert {("column", name) for name in next(csv.reader(io.StringIO(text.removeprefix(BOM))))} <= known
    used = {row["table"] for row in csv.DictReader(io.StringIO(reports_csv(figures).removeprefix(BOM)))}
    assert {("table", name) for name in used - {"total"}} <= known


def test_an_example_is_the_same_each_time_and_goes_through_the_rule() -> None:
    assert example_figures(LANDS[:1]) == example_figures(LANDS[:1])
    assert all(one.number is None or one.number >= MIN_COUNT or one.sheet == "left" for one in example_figures(LANDS))
