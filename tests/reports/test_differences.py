"""X-27 and S-29: all exports of two years together reveal no number under 5.

Random reports of three countries go through the real tables and the real rule. The attacker downloads all figures
each fortnight, subtracts within each table, and solves all published sums as exact linear equations.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import pytest

from reports import facts
from reports.case_state import CaseOutcome
from reports.countries.country import load_countries
from reports.escalation import ESCALATION_TIMES
from reports.statistics import aggregation
from reports.statistics.aggregation import (
    MIN_COUNT,
    ReportOutcome,
    VisibleCells,
    quarter_end,
    quarter_figures,
    quarter_of,
    quarter_start,
    table_layout,
    visible_total,
)
from runtime.time_units import DAY, HOUR, MINUTE

pytestmark = [pytest.mark.rule("S-29"), pytest.mark.rule("X-27")]

SAMPLE_COUNTRIES = load_countries(["vu", "ke", "fj"], "live")
QUARTERS = [f"{year}-Q{number}" for year in (2027, 2028) for number in (1, 2, 3, 4)]
CHANNELS = ("ussd", "sms")
NONE = Fraction(0)
Cell = tuple[str, str, str, str]  # quarter, country, table, cell


def reports(chance: random.Random, size: int) -> list[tuple[str, int, dict[str, Any], ReportOutcome]]:
    """Return random reports (country, time, head, outcome); some countries have many, some hardly any."""
    made = []
    for at, country in enumerate(SAMPLE_COUNTRIES):
        for _ in range(size // (1 + 4 * at)):
            when = chance.randrange(quarter_start(QUARTERS[0]), quarter_end(QUARTERS[-1]))
            place = chance.choice(country.places)
            head: dict[str, Any] = {
                "category": chance.choices(facts.CATEGORIES, (30, 12, 5, 3, 2, 2, 1, 1, 4))[0],
                "place": {"code": place.code} if chance.random() < 0.7 else None,
                "age_band": chance.choice((*facts.AGE_BANDS, "")),
                "channel": chance.choice(CHANNELS),
                "language": "en",
                "payment_seen": chance.choices((*aggregation.PAYMENTS, ""), (2, 1, 1, 1, 3, 20))[0],
            }
            read = round(chance.lognormvariate(0, 2) * HOUR)
            how = chance.choices((*CaseOutcome, None), (9, 6, 3, 2, 2, 1, 5))[0]
            outcome = ReportOutcome(chance.choice(("P1", "P2", "P3", "P4")), read // 60, read, how)
            made.append((country.iso, when, head, outcome))
    return made


def counted(made: Iterable[tuple[str, int, dict[str, Any], ReportOutcome]]) -> dict[Cell, int]:
    """Return the true count of every cell."""
    cells: Counter[Cell] = Counter()
    countries = {country.iso: country for country in SAMPLE_COUNTRIES}
    for iso, when, head, outcome in made:
        for table, cell in (*aggregation.report_cells(head, countries[iso], when), *aggregation.outcome_cells(outcome)):
            cells[quarter_of(when), iso, table, cell] += 1
    return cells


def exported(truth: Mapping[Cell, int], until: int) -> dict[Cell, int | None]:
    """Return all figures published at a time."""
    out: dict[Cell, int | None] = {}
    for country in SAMPLE_COUNTRIES:
        for quarter in QUARTERS:
            if until < quarter_end(quarter) + aggregation.SETTLED_AFTER:
                continue
            sheets: dict[str, dict[str, int]] = {}
            for (of, iso, table, cell), count in truth.items():
                if (of, iso) == (quarter, country.iso):
                    sheets.setdefault(table, {})[cell] = count
            for table, cell, number in quarter_figures(sheets, table_layout(country, quarter, ["en"], CHANNELS)):
                out[quarter, country.iso, table, cell] = number
    return out


def attack(kept: Mapping[Cell, int | None]) -> list[str]:
    """Return what can be derived: a hidden cell fixed by the sums, or hidden cells with a sum under 5."""
    found = []
    tables: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in kept:
        tables.setdefault(cell[:3], []).append(cell)
    for (quarter, iso, table), cells in tables.items():
        if table == "total":
            continue
        total = kept[quarter, iso, *aggregation.TOTAL]
        hidden = [cell for cell in cells if kept[cell] is None]
        if hidden and total is not None:
            left = total - sum(kept[cell] or 0 for cell in cells)
            if len(hidden) == 1 or left < MIN_COUNT:
                found.append(f"{quarter} {iso} {table}: {len(hidden)} hidden add up to {left}")
    found += [
        f"{cell}: {number} is shown" for cell, number in kept.items() if number is not None and number < MIN_COUNT
    ]
    return found + _solved(kept)


def _solved(kept: Mapping[Cell, int | None]) -> list[str]:
    """Solve the sums of all months, tables and quarters together, with the hidden cells as unknowns."""
    unknown = [cell for cell, number in kept.items() if number is None]
    place = {cell: at for at, cell in enumerate(unknown)}
    rows: list[tuple[dict[int, Fraction], Fraction]] = []
    totals = {cell for cell in kept if cell[2] == "total"}
    for quarter, iso, _, _ in totals:
        for table in {cell[2] for cell in kept if cell[:2] == (quarter, iso)} - {"total"}:
            row: dict[int, Fraction] = {}
            right = NONE
            for cell in (*(c for c in kept if c[:3] == (quarter, iso, table)), (quarter, iso, *aggregation.TOTAL)):
                sign = -1 if cell[2] == "total" else 1
                number = kept[cell]
                if number is None:
                    row[place[cell]] = row.get(place[cell], NONE) + sign
                else:
                    right -= sign * number
            rows.append((row, right))
    return [f"{unknown[at]} is {value}" for at, value in _fixed(rows).items()]


def _fixed(rows: list[tuple[dict[int, Fraction], Fraction]]) -> dict[int, Fraction]:
    """Return the unknowns with a single solution, by reducing the rows to echelon form."""
    done: list[tuple[int, dict[int, Fraction], Fraction]] = []
    for first, sum_of_it in rows:
        row, right = first, sum_of_it
        for pivot, other, known in done:
            if factor := row.get(pivot):
                row, right = _minus(row, other, factor), right - factor * known
        if row:
            pivot, factor = next(iter(row.items()))
            unit, value = {at: part / factor for at, part in row.items()}, right / factor
            done = [(p, _minus(o, unit, o.get(pivot, NONE)), k - o.get(pivot, NONE) * value) for p, o, k in done]
            done.append((pivot, unit, value))
    return {pivot: right for pivot, row, right in done if len(row) == 1}


def _minus(one: dict[int, Fraction], other: dict[int, Fraction], factor: Fraction) -> dict[int, Fraction]:
    left = {at: one.get(at, NONE) - factor * other.get(at, NONE) for at in one.keys() | other.keys()}
    return {at: value for at, value in left.items() if value}


def _all_exports(truth: Mapping[Cell, int]) -> dict[Cell, int | None]:
    """Return all figures seen in fortnightly downloads. Fails if a published number ever changes."""
    kept: dict[Cell, int | None] = {}
    for at in range(quarter_start(QUARTERS[0]), quarter_end(QUARTERS[-1]) + 30 * DAY, 14 * DAY):
        for cell, number in exported(truth, at).items():
            assert kept.setdefault(cell, number) == number
    return kept


def test_no_two_tables_count_the_same_reports_in_a_cell() -> None:
    """Otherwise one table shows what the other hides: its equation has one hidden cell less than the rule requires."""
    minutes = (None, 1, 12, 50, 600, 2 * 1440, 5 * 1440)
    times = [None if each is None else each * MINUTE for each in minutes]
    one_of_each = [
        ReportOutcome(priority, delivered, read, outcome)
        for priority in ESCALATION_TIMES
        for delivered, read in itertools.product(times, times)
        if read is None or (delivered is not None and delivered <= read)
        for outcome in ((*CaseOutcome, None) if read is not None else (None,))
    ]
    reports_of: dict[tuple[str, str], set[int]] = {}
    for number, outcome in enumerate(one_of_each):
        for cell in aggregation.outcome_cells(outcome):
            reports_of.setdefault(cell, set()).add(number)
    pairs = [
        (one, other)
        for one, other in itertools.combinations(reports_of, 2)
        if one[0] != other[0] and reports_of[one] == reports_of[other]
    ]
    assert pairs == []


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("size", [150, 900])
def test_nothing_is_found_in_two_years_of_exports(seed: int, size: int) -> None:
    kept = _all_exports(counted(reports(random.Random(seed), size)))
    assert attack(kept) == []
    assert any(number for number in kept.values()) and None in kept.values()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_attack_finds_what_a_naive_rule_leaves(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(cells: Mapping[str, int]) -> VisibleCells:
        return {name: visible_total(count) for name, count in cells.items()}

    monkeypatch.setattr(aggregation, "visible_cells", naive)
    assert attack(_all_exports(counted(reports(random.Random(seed), 900))))
