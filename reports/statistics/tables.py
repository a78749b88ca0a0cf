"""Publish the figures: names of tables and cells, and each table as chart, HTML or CSV. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from reports import spreadsheet
from reports.facts import AGE_BANDS, CATEGORIES
from reports.statistics import svg_charts
from reports.statistics.aggregation import (
    ACKNOWLEDGE_WITHIN,
    COUNTED_USES,
    FUNNEL_STEPS,
    LATER,
    NOT_TOLD,
    PAYMENTS,
    TIME_STEPS,
    TOTAL,
    PublishedFigure,
)
from reports.statistics.svg_charts import ChartRow
from runtime.telephony import CHANNEL_KINDS

# In the order in which pages show them
TABLE_TITLES: Mapping[str, str] = {
    "month": "By month",
    "category": "What the reports were about",
    "place": "Where",
    "age": "Age of the child",
    "channel": "How they came in",
    "language": "In which language",
    "delivered": "How soon a hotline had them",
    "read": "How soon a person had read them",
    "answered": "Read in the time that was promised",
    "closed": "How soon they were closed",
    "payment": "Payments that were seen",
    "use": "What was used",
    "left": "Where people leave, per cent of those who saw the step",
    "sent": "How many press Send, per cent of those who began",
}
PERCENT_TABLES = ("left", "sent")
TABLE_NOTES: Mapping[str, str] = {
    "month": "Months are those of UTC.",
    "place": "Groups of places where the country has them. The question may be left open.",
    "age": "The question may be left open.",
    "answered": "P1 within 15 minutes, P2 within an hour, P3 within a day, P4 within three days, at night too.",
    "closed": "Counted two weeks after a report came.",
    "read": "A person has opened it, or has said that it was taken on. Counted two weeks after a report came.",
    "use": "Times, not people, in all calls, whether they became reports or not. Providers charge for parts of SMS.",
    "left": "In tenths, and only of 50 and more. Who goes back home has left too.",
    "sent": "In tenths, and only of 50 and more.",
    "payment": "Asked only about pictures, luring and exploitation. No card or account number is ever taken.",
}
CELL_LABELS: Mapping[str, str] = {
    "harm": "Hurt, or touched",
    "luring": "Asked for photos, money, secrets",
    "images": "Photos shared or threatened",
    "missing": "Missing, or seen again",
    "exploitation": "Forced work, sale, exploitation",
    "bullying": "Bullying, threats",
    "self_harm": "Thinks of hurting themself",
    "neglect": "No care, food or home",
    "other": "Something else, or not known",
    "not_told": "not told",
    "ussd": "Dialled a code",
    "sms": "By text message",
    "simulator": "On the phone in the browser",
    "staff": "Told to staff: by telephone or in person",
    "mobile_money": "Mobile money",
    "card_bank": "Card or bank",
    "gift_airtime": "Gift card or airtime",
    "unsure": "Not sure",
    "none": "No payment",
    "18+": "18 and over",
    "home": "First screen",
    "danger": "A report begun: is there danger?",
    "category": "What happened?",
    "place": "Where?",
    "contact": "May somebody answer?",
    "send": "Send?",
    "sent": "Sent",
    "tips_young": "Tips for young people",
    "tips_parents": "Tips for parents",
    "law": "The law",
    "my_report": "Came back to a report",
    "sms_parts": "Parts of SMS to reporters",
}
# The upper ends of steps of time, in order
TIME_STEP_ENDS = (
    "1 min",
    "10 min",
    "15 min",
    "1 h",
    "1 day",
    "3 days",
    "1 week",
    "2 weeks",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LAST_CELLS = (*CATEGORIES[-1:], LATER, NOT_TOLD)
ANSWERED_CELLS = tuple(f"{priority} {timing}" for priority in ACKNOWLEDGE_WITHIN for timing in ("in time", "late"))
FIRST_CELLS = (*CATEGORIES[:-1], *AGE_BANDS, *CHANNEL_KINDS, "simulator", *TIME_STEP_ENDS, *PAYMENTS, *ANSWERED_CELLS)
SCREEN_CELLS = (*COUNTED_USES[:2], *FUNNEL_STEPS[1:], *COUNTED_USES[2:])
ORDINALS = ("First", "Second", "Third", "Fourth")
CELL_ORDER = {cell: position for position, cell in enumerate((*FIRST_CELLS, *SCREEN_CELLS, *LAST_CELLS))}


# Names of the statistics' tables and cells, for people who have never seen a report. Pure.


def cell_label(sheet: str, cell: str, languages: Mapping[str, str]) -> str:
    """Return the name of a cell. A place is its own name. `languages`: names by tag."""
    if sheet == "language":
        return languages.get(cell, cell)
    if sheet == "month":
        year, month = cell.split("-")
        return f"{MONTHS[int(month) - 1]} {year}"
    if sheet == "age" and cell not in CELL_LABELS:
        return f"{cell} years"
    if sheet in TIME_STEPS and cell in TIME_STEP_ENDS:
        ends = [end for end, _ in TIME_STEPS[sheet]]
        position = ends.index(cell)
        return f"{ends[position - 1]} to {cell}" if position else f"up to {cell}"
    return CELL_LABELS.get(cell, cell)


@dataclass(frozen=True, slots=True)
class QuarterTable:
    """One table of one country and quarter. A number that is None is not shown."""

    country: str
    quarter: str
    name: str
    title: str
    cells: tuple[str, ...]
    rows: tuple[ChartRow, ...]

    @property
    def id(self) -> str:
        """Return an id for HTML that is unique on a page."""
        return f"{self.country}-{self.quarter}-{self.name}".lower()


@dataclass(frozen=True, slots=True)
class QuarterFigures:
    """The published figures of one country and quarter. `name`: the quarter, such as `2026-Q4`."""

    country: str
    name: str
    total: int | None
    sheets: tuple[QuarterTable, ...]

    def sheet(self, name: str) -> QuarterTable | None:
        """Return the table of this name, or None."""
        return next((sheet for sheet in self.sheets if sheet.name == name), None)

    @property
    def year(self) -> str:
        """Return the year of the quarter."""
        return self.name.partition("-Q")[0]

    @property
    def ordinal(self) -> str:
        """Return the place of the quarter in its year, from First to Fourth."""
        return ORDINALS[int(self.name.partition("-Q")[2]) - 1]

    @property
    def shown(self) -> tuple[QuarterTable, ...]:
        """Return the tables to show under the quarter.

        The months of all quarters are shown above them, and a table with a single cell says nothing.
        """
        return tuple(
            sheet for sheet in self.sheets if sheet.name == "sent" or (sheet.name != "month" and len(sheet.rows) > 1)
        )


def group_by_quarter(figures: Iterable[PublishedFigure], languages: Mapping[str, str]) -> list[QuarterFigures]:
    """Group the figures by country, the newest quarter first. `languages`: names by tag."""
    by_quarter: dict[tuple[str, str], dict[str, dict[str, int | None]]] = {}
    for figure in figures:
        by_quarter.setdefault((figure.country, figure.quarter), {}).setdefault(figure.sheet, {})[figure.cell] = (
            figure.number
        )
    newest_first = sorted(by_quarter, key=lambda key: key[1], reverse=True)
    return [_quarter(key, by_quarter[key], languages) for key in sorted(newest_first, key=lambda key: key[0])]


def _quarter(
    key: tuple[str, str], by_sheet: Mapping[str, Mapping[str, int | None]], languages: Mapping[str, str]
) -> QuarterFigures:
    total = by_sheet.get(TOTAL[0], {}).get(TOTAL[1])
    sheets = []
    for name, title in TABLE_TITLES.items():
        if cells := by_sheet.get(name):
            ordered = tuple(sorted(cells, key=lambda cell: (CELL_ORDER.get(cell, -1), cell)))
            rows = tuple((cell_label(name, cell, languages), cells[cell]) for cell in ordered)
            sheets.append(QuarterTable(*key, name, title, ordered, rows))
    return QuarterFigures(*key, total, tuple(sheets))


def month_rows(of: Sequence[QuarterFigures]) -> list[ChartRow]:
    """Return all published months of one country, oldest first. A quarter with fewer than 5 reports has none."""
    rows: list[ChartRow] = []
    for figures in sorted(of, key=lambda quarter: quarter.name):
        month_table = figures.sheet("month")
        rows += month_table.rows if month_table else ()
    return rows


def figure_html(sheet: QuarterTable) -> str:
    """Return a figure with chart, note and table. The table is collapsed on a screen; screen readers can read it."""
    note = f"<p>{escape(TABLE_NOTES[sheet.name])}</p>" if sheet.name in TABLE_NOTES else ""
    return (
        f'<figure id="{sheet.id}"><figcaption>{escape(sheet.title)}</figcaption>\n'
        f"{chart_svg(sheet)}\n{note}{table_html(sheet.title, sheet.rows)}</figure>"
    )


def chart_svg(sheet: QuarterTable) -> str:
    """Return the chart of a table as SVG."""
    if sheet.name == "month":
        return svg_charts.column_chart(sheet.id, sheet.title, sheet.rows)
    return svg_charts.bar_chart(sheet.id, sheet.title, sheet.rows, whole=100 if sheet.name in PERCENT_TABLES else 0)


def table_html(title: str, rows: Iterable[ChartRow]) -> str:
    """Return the numbers of a chart as a collapsed table, in HTML."""
    lines = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{svg_charts.format_count(number)}</td></tr>'
        for label, number in rows
    )
    return (
        f"<details><summary>The numbers as a table</summary><table><caption>{escape(title)}</caption>"
        f"<tbody>{lines}</tbody></table></details>"
    )


NOT_SHOWN = "not shown"


def reports_csv(there: Sequence[QuarterFigures]) -> str:
    """Return every cell of every table as CSV."""
    head = ("country", "quarter", "table", "cell", "words", "reports")
    rows = [
        (figures.country, figures.name, sheet.name, cell, label, _csv_number(number))
        for figures in there
        for sheet in figures.sheets
        for cell, (label, number) in zip(sheet.cells, sheet.rows, strict=True)
    ]
    totals = [
        (figures.country, figures.name, "total", "reports", "All reports", _csv_number(figures.total))
        for figures in there
    ]
    return spreadsheet.as_csv(head, sorted([*totals, *rows], key=lambda row: (row[0], row[1])))


def payments_csv(there: Sequence[QuarterFigures]) -> str:
    """Return as CSV how many reports mention each kind of payment, for coalitions of banks.

    No card number and no account number is in it.
    """
    rows = [
        (figures.country, figures.name, cell, CELL_LABELS[cell], _csv_number(number))
        for figures in there
        if (sheet := figures.sheet("payment"))
        for cell, (_, number) in zip(sheet.cells, sheet.rows, strict=True)
    ]
    return spreadsheet.as_csv(("country", "quarter", "payment", "words", "reports"), rows)


def _csv_number(number: int | None) -> str:
    return NOT_SHOWN if number is None else str(number)
