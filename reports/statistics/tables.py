"""Publish the figures: names of tables and cells, and each table as chart, HTML or CSV. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from reports import spreadsheet, staff_labels
from reports.case_state import CaseOutcome
from reports.facts import AGE_BANDS, CATEGORIES, CHILD_FACTS
from reports.statistics import svg_charts
from reports.statistics.aggregation import (
    ACKNOWLEDGE_WITHIN,
    COUNTED_USES,
    HELP_ANSWERS,
    HELPED,
    LATER,
    LEFT_CELLS,
    NO_OUTCOME,
    NOT_KNOWN,
    NOT_TOLD,
    PAYMENTS,
    TIME_STEPS,
    TOTAL,
    PublishedFigure,
)
from reports.statistics.svg_charts import ChartRow, ShareRow
from runtime.telephony import CHANNEL_KINDS

# In the order in which pages show them
TABLE_TITLES: Mapping[str, str] = {
    "month": "By month",
    "category": "What the reports were about",
    "place": "Where",
    "age": "Age of the child",
    "channel": "How they came in",
    "language": "In which language",
    "answered": "Acknowledged within the target time",
    "outcome": "Outcomes",
    "sex": "Sex of the child",
    "disability": "Disability of the child",
    "delivered": "Time to delivery",
    "read": "Time to acknowledgement",
    "payment": "Payments that were mentioned",
    "use": "Use of the service",
    "left": "Where people leave, per cent of those who saw the step",
    "sent": "How many press Send, per cent of those who began",
    "helped": "Did it help?",
}
PERCENT_TABLES = ("left", "sent")
SMS_TABLE, SMS_TITLE, SMS_CELL = "sms", "SMS sent (billing parts)", "sms_parts"  # a table with its own scale
TABLE_NOTES: Mapping[str, str] = {
    "month": "Months are those of UTC.",
    "category": "The last row also counts requests to be called that name no concern.",
    "channel": "The last row also counts reports of which this is not known.",
    "language": "English also counts reports of which this is not known.",
    "place": "Groups of places where the country has them. The question may be left open.",
    "age": "The question may be left open.",
    "answered": "A person at a hotline has taken the report on. The target times hold at night too. A share is shown "
    "only if both of its numbers may be shown. Not known: deleted by the reporter within two weeks.",
    "outcome": "As the hotline closed the report, two weeks after it came.",
    "sex": "As staff recorded it at closing, where they knew it. No reporter is asked.",
    "disability": "As staff recorded it at closing, where they knew it. No reporter is asked.",
    "read": "A person at a hotline has taken the report on. Counted two weeks after a report came.",
    "use": "Times, not people, in all calls, whether they became reports or not.",
    SMS_TABLE: "Providers charge for each part of an SMS.",
    "left": "In tenths, and only of 80 and more. Who goes back home has left too. In danger, who comes after where.",
    "sent": "In tenths, and only of 80 and more.",
    "helped": "As readers of closed reports answered, once for each report. They may skip the question.",
    "payment": "Asked only about pictures, luring and exploitation. No card or account number is ever taken.",
}
CELL_LABELS: Mapping[str, str] = {
    **staff_labels.ANSWERS["category"],
    **staff_labels.AGES,
    **staff_labels.CHANNELS,
    "not_told": "not told",
    "mobile_money": "Mobile money",
    "card_bank": "Card or bank",
    "gift_airtime": "Gift card or airtime",
    "unsure": "Not sure",
    "none": "No payment",
    **{outcome.value: label for outcome, label in staff_labels.OUTCOMES.items()},
    CaseOutcome.HOAX: "False report",
    **staff_labels.SEXES,
    **staff_labels.DISABILITIES,
    NOT_KNOWN: "Not known, or not recorded",
    NO_OUTCOME: "Still open, deleted, or no outcome given",
    LATER: "Later, not yet, or deleted before",
    "home": "First screen",
    "danger": "A report begun: is there danger?",
    "category": "What happened?",
    "who": "Who, and how old?",
    "place": "Where?",
    "words": "Own words, where they come before Send",
    "contact": "May somebody answer?",
    "send": "Send?",
    "sent": "Sent",
    "tips_young": "Tips for young people",
    "tips_parents": "Tips for parents",
    "law": "The law",
    "my_report": "Came back to a report",
    "sms_parts": "Parts of SMS to reporters",
    "helped_yes": "It helped",
    "helped_little": "A little",
    "helped_no": "No",
}
# The upper ends of steps of time, in order
TIME_STEP_ENDS = (
    "1 min",
    "10 min",
    "15 min",
    "1 h",
    "1 day",
    "3 days",
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LAST_CELLS = (*CATEGORIES[-1:], LATER, NO_OUTCOME, NOT_TOLD, NOT_KNOWN)
ANSWERED_CELLS = tuple(f"{priority} {timing}" for priority in ACKNOWLEDGE_WITHIN for timing in ("in time", "late"))
FIRST_CELLS = (
    *CATEGORIES[:-1],
    *AGE_BANDS,
    "staff",
    *CHANNEL_KINDS,
    "simulator",
    *TIME_STEP_ENDS,
    *PAYMENTS,
    *ANSWERED_CELLS,
)
FIRST_CELLS += tuple(HELPED + answer for answer in HELP_ANSWERS)
FIRST_CELLS += (*CaseOutcome, *(value for values in CHILD_FACTS.values() for value in values))
SCREEN_CELLS = (*COUNTED_USES[:2], *LEFT_CELLS[1:], *COUNTED_USES[2:])
TARGET_TIMES = {"P1": "15 minutes", "P2": "an hour", "P3": "a day", "P4": "three days"}
TARGET_SHARE = 90  # per cent of reports that are to be acknowledged within the target time
MAX_TILE_COLUMNS = 3
TILE_LAYOUTS: Mapping[str, list[list[str]]] = tomllib.loads(
    Path(__file__).with_name("tiles.toml").read_text(encoding="utf-8")
)
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

    def without(self, cell: str) -> QuarterTable:
        """Return the table without one cell."""
        remaining = [(name, row) for name, row in zip(self.cells, self.rows, strict=True) if name != cell]
        return replace(self, cells=tuple(name for name, _ in remaining), rows=tuple(row for _, row in remaining))

    def only(self, cell: str) -> QuarterTable:
        """Return the table of the parts of SMS, from the table of all uses."""
        rows = tuple(row for name, row in zip(self.cells, self.rows, strict=True) if name == cell)
        return replace(self, name=SMS_TABLE, title=SMS_TITLE, cells=(cell,) * len(rows), rows=rows)

    @property
    def numbers(self) -> Mapping[str, int | None]:
        """Return cell → number."""
        return {cell: number for cell, (_, number) in zip(self.cells, self.rows, strict=True)}

    @property
    def shares(self) -> tuple[ShareRow, ...]:
        """Return how many reports of each priority were acknowledged in time, of how many, where both may be shown."""
        return tuple(_in_time(self.numbers, priority) for priority in ACKNOWLEDGE_WITHIN)


@dataclass(frozen=True, slots=True)
class QuarterFigures:
    """The published figures of one country and quarter. `name`: the quarter, such as `2026-Q4`, or a year."""

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
    def is_year(self) -> bool:
        """Return whether these are the sums of a year."""
        return self.name == self.year

    @property
    def ordinal(self) -> str:
        """Return the place of the quarter in its year, from First to Fourth."""
        return ORDINALS[int(self.name.partition("-Q")[2]) - 1]

    @property
    def shown(self) -> tuple[QuarterTable, ...]:
        """Return the tables to show under the quarter.

        The months of all quarters are shown above them, and a table with a single cell says nothing. Parts of SMS are
        a table of their own, because they are many times as many as all other uses.
        """
        shown = [
            part
            for sheet in self.sheets
            for part in ((sheet.without(SMS_CELL), sheet.only(SMS_CELL)) if sheet.name == "use" else (sheet,))
        ]
        return tuple(
            sheet
            for sheet in shown
            if (sheet.name in ("sent", SMS_TABLE) and sheet.rows) or (sheet.name != "month" and len(sheet.rows) > 1)
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


def month_rows(quarters: Sequence[QuarterFigures]) -> list[ChartRow]:
    """Return all published months of one country, oldest first. A quarter with fewer than 5 reports has none."""
    rows: list[ChartRow] = []
    for figures in sorted(quarters, key=lambda quarter: quarter.name):
        month_table = figures.sheet("month")
        rows += month_table.rows if month_table else ()
    return rows


def tile_layout(sheet: QuarterTable) -> list[list[str]]:
    """Return the labels of a table of places as they stand on the tile map.

    A country without a layout of its own has its places in the order of the table. The last row has the reports without
    a place.
    """
    labels = [label for label, _ in sheet.rows]
    unknown = cell_label("place", NOT_TOLD, {})
    layout = [list(row) for row in TILE_LAYOUTS.get(sheet.country, [])]
    rest = [label for label in labels if label != unknown and not any(label in row for row in layout)]
    layout += [rest[start : start + MAX_TILE_COLUMNS] for start in range(0, len(rest), MAX_TILE_COLUMNS)]
    return [*layout, *([[unknown]] if unknown in labels else [])]


def _in_time(numbers: Mapping[str, int | None], priority: str) -> ShareRow:
    label = f"{priority}: within {TARGET_TIMES[priority]}"
    part, late = numbers.get(f"{priority} in time"), numbers.get(f"{priority} late")
    return (label, None, None) if part is None or late is None else (label, part, part + late)


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
    if sheet.name == "answered":
        return svg_charts.share_chart(sheet.id, sheet.title, sheet.shares, TARGET_SHARE)
    if sheet.name == "place" and (layout := tile_layout(sheet)):
        return svg_charts.tile_map(sheet.id, sheet.title, sheet.rows, layout)
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


def reports_csv(quarters: Sequence[QuarterFigures]) -> str:
    """Return every cell of every table as CSV."""
    head = ("country", "quarter", "table", "cell", "words", "reports")
    rows = [
        (figures.country, figures.name, sheet.name, cell, label, csv_number(number))
        for figures in quarters
        for sheet in figures.sheets
        for cell, (label, number) in zip(sheet.cells, sheet.rows, strict=True)
    ]
    totals = [
        (figures.country, figures.name, "total", "reports", "All reports", csv_number(figures.total))
        for figures in quarters
    ]
    return spreadsheet.as_csv(head, sorted([*totals, *rows], key=lambda row: (row[0], row[1])))


def payments_csv(quarters: Sequence[QuarterFigures]) -> str:
    """Return as CSV how many reports mention each kind of payment, for coalitions of banks.

    No card number and no account number is in it.
    """
    rows = [
        (figures.country, figures.name, cell, CELL_LABELS[cell], csv_number(number))
        for figures in quarters
        if (sheet := figures.sheet("payment"))
        for cell, (_, number) in zip(sheet.cells, sheet.rows, strict=True)
    ]
    return spreadsheet.as_csv(("country", "quarter", "payment", "words", "reports"), rows)


def chart_csv(sheet: QuarterTable) -> str:
    """Return the numbers of one chart as CSV."""
    rows = [(label, csv_number(number)) for label, number in sheet.rows]
    return spreadsheet.as_csv(("words", "reports"), rows)


def csv_number(number: int | None) -> str:
    """Return a number as a CSV file has it: without separators, which spreadsheets read differently by country."""
    return NOT_SHOWN if number is None else str(number)
