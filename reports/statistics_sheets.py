"""The figures that are out, in the order in which people read them, and each as a chart with its table. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from reports import charts
from reports.charts import Row
from reports.statistics import AGES, CATEGORIES, IN_TIME, LATER, NOT_TOLD, PAYMENTS, TOTAL, USES, WAY, PublishedFigure
from reports.statistics_words import BY, NOTES, PER_CENT, TABLES, cell_said

LAST = (*CATEGORIES[-1:], LATER, NOT_TOLD)
ANSWERED = tuple(f"{priority} {how}" for priority in IN_TIME for how in ("in time", "late"))
FIRST = (*CATEGORIES[:-1], *AGES, "ussd", "sms", "simulator", *BY, *PAYMENTS, *ANSWERED)
STEPS_SHOWN = (*USES[:2], *WAY[1:], *USES[2:])
ORDINALS = ("First", "Second", "Third", "Fourth")
ORDER = {cell: at for at, cell in enumerate((*FIRST, *STEPS_SHOWN, *LAST))}


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table of one country and quarter. A number that is None is not shown."""

    country: str
    quarter: str
    name: str
    title: str
    cells: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def id(self) -> str:
        return f"{self.country}-{self.quarter}-{self.name}".lower()


@dataclass(frozen=True, slots=True)
class Quarter:
    country: str
    name: str
    total: int | None
    sheets: tuple[Sheet, ...]

    def sheet(self, name: str) -> Sheet | None:
        return next((one for one in self.sheets if one.name == name), None)

    @property
    def year(self) -> str:
        return self.name.partition("-Q")[0]

    @property
    def ordinal(self) -> str:
        return ORDINALS[int(self.name.partition("-Q")[2]) - 1]

    @property
    def shown(self) -> tuple[Sheet, ...]:
        """What stands under the quarter: the months stand above all of them, and one cell alone says nothing."""
        return tuple(one for one in self.sheets if one.name == "sent" or (one.name != "month" and len(one.rows) > 1))


def quarters(figures: Iterable[PublishedFigure], languages: Mapping[str, str]) -> list[Quarter]:
    """By country, the newest first. `languages`: their names by tag."""
    found: dict[tuple[str, str], dict[str, dict[str, int | None]]] = {}
    for one in figures:
        found.setdefault((one.country, one.quarter), {}).setdefault(one.sheet, {})[one.cell] = one.number
    newest = sorted(found, key=lambda key: key[1], reverse=True)
    return [_quarter(key, found[key], languages) for key in sorted(newest, key=lambda key: key[0])]


def _quarter(
    key: tuple[str, str], by_sheet: Mapping[str, Mapping[str, int | None]], languages: Mapping[str, str]
) -> Quarter:
    total = by_sheet.get(TOTAL[0], {}).get(TOTAL[1])
    sheets = []
    for name, title in TABLES.items():
        if cells := by_sheet.get(name):
            ordered = tuple(sorted(cells, key=lambda cell: (ORDER.get(cell, -1), cell)))
            rows = tuple((cell_said(name, cell, languages), cells[cell]) for cell in ordered)
            sheets.append(Sheet(*key, name, title, ordered, rows))
    return Quarter(*key, total, tuple(sheets))


def months(of: Sequence[Quarter]) -> list[Row]:
    """All months of one country that are out, the oldest first; those of a quarter under 5 too, which shows none."""
    rows: list[Row] = []
    for one in sorted(of, key=lambda quarter: quarter.name):
        there = one.sheet("month")
        rows += there.rows if there else ()
    return rows


def figure(sheet: Sheet) -> str:
    """Chart, note and table; the table is folded away on a screen and read out like any other."""
    note = f"<p>{escape(NOTES[sheet.name])}</p>" if sheet.name in NOTES else ""
    return (
        f'<figure id="{sheet.id}"><figcaption>{escape(sheet.title)}</figcaption>\n'
        f"{drawn(sheet)}\n{note}{table(sheet.title, sheet.rows)}</figure>"
    )


def drawn(sheet: Sheet) -> str:
    """Its chart."""
    if sheet.name == "month":
        return charts.columns(sheet.id, sheet.title, sheet.rows)
    return charts.bars(sheet.id, sheet.title, sheet.rows, whole=100 if sheet.name in PER_CENT else 0)


def table(title: str, rows: Iterable[Row]) -> str:
    lines = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td>{charts.figure(number)}</td></tr>' for label, number in rows
    )
    return (
        f"<details><summary>The numbers as a table</summary><table><caption>{escape(title)}</caption>"
        f"<tbody>{lines}</tbody></table></details>"
    )
