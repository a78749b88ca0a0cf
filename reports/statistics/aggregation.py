"""Statistics of reports: their tables and cells, when a report is counted, and which cells are hidden. Pure.

Every report of a quarter is in exactly one cell of each table. The last cell of a table is the least specific one and
is hidden first. Times are microseconds; quarters and months are those of UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reports.case_state import CaseOutcome
from reports.countries.country import Country
from reports.escalation import ESCALATION_TIMES, Priority
from reports.facts import AGE_BANDS, CATEGORIES, CHILD_FACTS
from runtime.time_units import DAY, HOUR, MINUTE, SECOND

MIN_COUNT = 5
MIN_SHARE_TOTAL = 80  # of fewer, a share of 0 or 100 per cent leaves fewer than five possible numbers
VisibleCells = Mapping[str, int | None]  # None: suppressed
# How long after a report its outcome is counted. A quarter is published once that of its last report is counted.
SETTLED_AFTER = 14 * DAY

PAYMENTS = ("mobile_money", "card_bank", "gift_airtime", "unsure", "none")
NOT_TOLD = "not_told"
MAX_CODE_CHARS = 32
NOT_KNOWN = "not_known"  # staff recorded no fact of the child; or the report was deleted before its outcome was counted
TOTAL = ("total", "reports")

# The time in which staff must acknowledge a report
ACKNOWLEDGE_WITHIN = {priority: clock.acknowledged for priority, clock in ESCALATION_TIMES.items()}
TIME_STEPS: Mapping[str, tuple[tuple[str, int], ...]] = {
    "delivered": (("1 min", MINUTE), ("10 min", 10 * MINUTE), ("1 h", HOUR), ("1 day", DAY)),
    "read": (("15 min", 15 * MINUTE), ("1 h", HOUR), ("1 day", DAY), ("3 days", 3 * DAY)),
}
LATER = "later or not yet"
NO_OUTCOME = "no outcome"  # not closed two weeks after the report, deleted before, or closed without an outcome
FUNNEL_STEPS = ("danger", "category", "place", "contact", "send")  # steps to Send that every reporter is shown
# Screens that follow from an answer are not counted. Who leaves there went on from one step and never saw the next.
BETWEEN_STEPS: Mapping[str, tuple[str, str]] = {"who": ("category", "place"), "words": ("place", "contact")}
LEFT_CELLS = ("danger", "category", "who", "place", "words", "contact", "send")  # in the order of a call
COUNTED_USES = ("home", "danger", "tips_young", "tips_parents", "law", "my_report", "sms_parts")
HELPED = "helped_"  # before each answer to "Did it help?"
HELP_ANSWERS = ("yes", "little", "no")
CONTINUED_SUFFIX = "+"  # suffix of a step that the reporter went on from

Cells = Mapping[str, int]
Figure = tuple[str, str, int | None]  # table, cell, and the number; None: suppressed


# Suppress small counts: no number under 5 is shown, nor can be computed from the others. Pure.
#
# A table is one total and the cells that add up to it, each report in one cell. Nothing else is ever added up: no two
# tables are crossed, no two count the same reports in a cell, no sum runs over countries or quarters, and a published
# figure of a quarter never changes. So all published figures together give one equation for each table, and the rule
# below makes each of these equations useless for finding a hidden cell.
#
# The cell that is hidden beside the small ones is chosen by its place in the table and not by its size. Even somebody
# who knows the rule is left with five or more possible values for each hidden cell: tests/reports/test_suppression.py
# tries all small tables.


def visible_total(total: int) -> int | None:
    """Return the total, or None if it is under 5."""
    return total if total >= MIN_COUNT else None


def visible_cells(cells: Mapping[str, int]) -> VisibleCells:
    """Return the cells of one table, in its order, with None for the small ones and for the last of the others.

    One more cell is hidden even if two small ones hide each other: two that add up to 8 would both be 4. Further cells
    are hidden until all hidden ones add up to 10: with less, somebody who knows this rule could work them out.
    """
    if sum(cells.values()) < MIN_COUNT:
        return dict.fromkeys(cells)
    hidden = {name for name, count in cells.items() if count < MIN_COUNT}
    if hidden:
        for name in reversed([name for name in cells if name not in hidden]):
            hidden.add(name)
            if sum(cells[cell] for cell in hidden) >= 2 * MIN_COUNT:
                break
    return {name: None if name in hidden else count for name, count in cells.items()}


def rounded_share(part: int, whole: int) -> int | None:
    """Return the share in per cent, rounded to a multiple of 10; None if `whole` is too small for that."""
    return round(10 * part / whole) * 10 if whole >= MIN_SHARE_TOTAL else None


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """The outcome of one report.

    `delivered`, `read`: how long it took until the report was delivered and acknowledged, in microseconds; None: not
    yet. `outcome`: how it was closed last; None: it is open, or was closed without an outcome.
    """

    priority: Priority
    delivered: int | None
    read: int | None
    outcome: CaseOutcome | None = None


@dataclass(frozen=True, slots=True)
class CountBatch:
    """A decision to count the oldest `count` reports now. Afterwards no report up to the time `until` waits."""

    count: int
    until: int


def quarter_of(at: int) -> str:
    """Return the quarter of a time, such as `2026-Q4`."""
    day = datetime.fromtimestamp(at // SECOND, UTC)
    return f"{day.year}-Q{(day.month + 2) // 3}"


def quarter_of_day(day: str) -> str:
    """Return the quarter of an ISO date."""
    return f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}"


def month_of(at: int) -> str:
    """Return the month of a time, such as `2026-11`."""
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m")


def quarter_start(quarter: str) -> int:
    """Return the first moment of a quarter."""
    year, number = _parts(quarter)
    return int(datetime(year, 3 * number - 2, 1, tzinfo=UTC).timestamp()) * SECOND


def quarter_end(quarter: str) -> int:
    """Return the first moment after a quarter."""
    year, number = _parts(quarter)
    return quarter_start(f"{year}-Q{number + 1}" if number < 4 else f"{year + 1}-Q1")


def months_of(quarter: str) -> list[str]:
    """Return the three months of a quarter."""
    year, number = _parts(quarter)
    return [f"{year}-{month:02}" for month in range(3 * number - 2, 3 * number + 1)]


def _parts(quarter: str) -> tuple[int, int]:
    year, number = quarter.split("-Q")
    return int(year), int(number)


def next_batch(filed: Sequence[int], now: int, min_count: int = MIN_COUNT) -> CountBatch | None:
    """Choose the reports to count now; None: there is nothing to do now.

    `filed`: when each report that is not counted yet was first stored, in order. `min_count`: to count at once.

    Cells grow by five reports or more at a time, never by one: otherwise somebody with yesterday's and today's database
    could match each report with the cells that it was added to. So the newest reports wait until more have come, or
    until the quarter is over. Fewer than five in a whole quarter are never counted; they could not be shown either.
    """
    if not filed:
        return None
    quarter_end_at = quarter_end(quarter_of(filed[0]))
    count = sum(filed_at < quarter_end_at for filed_at in filed)
    if now >= quarter_end_at:
        return CountBatch(count if count >= min_count else 0, quarter_end_at - 1)
    countable = count - min_count if min_count > 1 else count
    while 0 < countable < count and filed[countable] == filed[countable - 1]:
        countable += 1
    return CountBatch(countable, filed[countable - 1]) if countable >= min_count else None


def report_cells(head: Mapping[str, Any], country: Country, filed: int) -> Iterator[tuple[str, str]]:
    """Yield (table, cell) for one report, from its head: what report lists show, and no words of the reporter."""
    yield "month", month_of(filed)
    category = head.get("category")
    yield "category", category if category in CATEGORIES else CATEGORIES[-1]  # a request to be called is no category
    yield "place", _place(head.get("place"), country)
    for sheet, field in (("age", "age_band"), ("channel", "channel"), ("language", "language")):
        yield sheet, _code(head.get(field)) or NOT_TOLD
    yield "payment", _code(head.get("payment_seen")) or NOT_TOLD


def _code(value: object) -> str:
    """Return a code of a head; "" for a value that is none, which no column could hold."""
    return value if isinstance(value, str) and len(value) <= MAX_CODE_CHARS and value.isprintable() else ""


def _place(place: object, country: Country) -> str:
    """Return the group of the place if the country has groups, else the place.

    A name that is in no list, such as typed words, never becomes a cell.
    """
    fields = place if isinstance(place, Mapping) else {}
    code = _code(fields.get("code"))
    known_place = country.place(code) if code else None
    name = (known_place.group or known_place.name) if known_place else fields.get("group")
    return name if name in places_of(country) else NOT_TOLD


def places_of(country: Country) -> tuple[str, ...]:
    """Return the cells of the table of places: the groups of the country, or its places if it has no groups."""
    return country.groups() or tuple(place.name for place in country.places)


def table_layout(
    country: Country, quarter: str, languages: Sequence[str], channels: Sequence[str]
) -> dict[str, list[str]]:
    """Return the tables and their cells.

    They depend on no report: a row that appeared with its first report would reveal that report. A cell that is nearly
    always empty would cost another cell, which is hidden with it; so unknown values share a last cell that is not.
    """
    return {
        "month": months_of(quarter),
        "category": list(CATEGORIES),
        "place": [*places_of(country), NOT_TOLD],
        "age": [*AGE_BANDS, NOT_TOLD],
        "channel": list(channels),
        "language": list(languages),
        "payment": [*PAYMENTS, NOT_TOLD],
        **{name: [*(step for step, _ in steps), LATER] for name, steps in TIME_STEPS.items()},
        "outcome": [*CaseOutcome, NO_OUTCOME],
        **{name: [*values, NOT_KNOWN] for name, values in CHILD_FACTS.items()},
        "answered": [
            *(f"{priority} {timing}" for timing in ("in time", "late") for priority in ACKNOWLEDGE_WITHIN),
            NOT_KNOWN,
        ],
    }


def outcome_cells(outcome: ReportOutcome) -> Iterator[tuple[str, str]]:
    """Yield (table, cell) for one report: the times of its stages, its outcome, whether it was acknowledged in time."""
    for name, steps in TIME_STEPS.items():
        yield name, _step(getattr(outcome, name), steps)
    yield "outcome", outcome.outcome or NO_OUTCOME
    in_time = outcome.read is not None and outcome.read <= ACKNOWLEDGE_WITHIN[outcome.priority]
    yield "answered", f"{outcome.priority} {'in time' if in_time else 'late'}"


def child_cells(recorded: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (table, cell) for each fact of a child that staff recorded at closing."""
    yield from ((name, recorded[name]) for name, values in CHILD_FACTS.items() if recorded.get(name) in values)


def _step(duration: int | None, steps: tuple[tuple[str, int], ...]) -> str:
    return next((name for name, limit in steps if duration is not None and duration <= limit), LATER)


def quarter_figures(counted: Mapping[str, Cells], tables: Mapping[str, Sequence[str]]) -> Iterator[Figure]:
    """Yield the figures of a quarter that may be shown.

    Reports that are in no cell of a table, or in a cell that the table no longer has, are counted in its last cell.
    """
    total = sum(counted.get("month", {}).values())
    yield (*TOTAL, visible_total(total))
    for table, names in tables.items():
        table_counts = counted.get(table, {})
        cells = {name: table_counts.get(name, 0) for name in names}
        cells[names[-1]] += total - sum(cells.values())
        if total >= MIN_COUNT:
            yield from ((table, name, count) for name, count in visible_cells(cells).items())


def screen_figures(counts: Cells) -> Iterator[Figure]:
    """Yield how often each part of the service was used, and the share of people who left at each step before Send.

    Shares are rounded to 10 per cent of the people who saw the step. These are not tables: nothing adds up to a total.
    Whether it helped is one; its total is not shown.
    The number of people who have sent is given as a share only: the number itself would reveal how many reports came
    without Send.
    """
    if not counts:
        return
    yield from (("use", name, visible_total(counts.get(name, 0))) for name in COUNTED_USES)
    for cell in LEFT_CELLS:
        yield "left", cell, left_share(counts, cell)
    helped = {HELPED + answer: counts.get(HELPED + answer, 0) for answer in HELP_ANSWERS}
    if sum(helped.values()) >= MIN_COUNT:
        yield from (("helped", cell, number) for cell, number in visible_cells(helped).items())
    starters = counts.get(FUNNEL_STEPS[0], 0)
    yield "sent", "sent", rounded_share(min(starters, counts.get("sent", 0)), starters)


def left_share(counts: Cells, cell: str) -> int | None:
    """Return the share of people who left at a step, or on the screens between two steps; None if it is not shown."""
    if cell not in BETWEEN_STEPS:
        came, went_on = counts.get(cell, 0), counts.get(cell + CONTINUED_SUFFIX, 0)
    else:
        step_before, step_after = BETWEEN_STEPS[cell]
        came, went_on = counts.get(step_before + CONTINUED_SUFFIX, 0), counts.get(step_after, 0)
        if step_after == "contact":  # not asked if the network hides the number: then Send follows at once
            went_on += max(0, counts.get("send", 0) - counts.get("contact" + CONTINUED_SUFFIX, 0))
    return rounded_share(max(0, came - went_on), came)


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One number of one quarter. `sheet`: its table; `number`: None if it is suppressed."""

    quarter: str
    country: str
    sheet: str
    cell: str
    number: int | None
