"""Statistics, from a filed report to a figure that is out: counted once, by nobody's name, five at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from reports import country
from reports.bodies import json_bytes
from reports.country import Countries
from reports.sealing import Context, seal
from reports.store import figures, filing
from reports.store import tables as t
from tests.workers.filings import ONE, Desk
from workers.counting import Counted, Counting
from workers.keyring import KeyRing
from workers.metrics import Metrics

SECOND = 1_000_000
DAY = 86400
VU = country.load_all(["vu"], "demo")
BEGIN = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp())  # of a quarter


class Year:
    """A database whose clock is set to days of the first quarter of 2027, and a hand that files."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.database = desk.database

    def at(self, day: float) -> Year:
        self.database.offset = 0
        self.database.offset = int((BEGIN + day * DAY) * SECOND) - self.database.now()
        return self

    def file(self, count: int = 1, priority: str = "P1", **head: Any) -> list[str]:
        """Deliveries of reports with this head."""
        made: list[str] = []
        for _ in range(count):
            one = self.desk.sealed(((ONE, "primary"),), mode="live", priority=priority)
            context = Context("live", one.report_id, 1, ONE)
            box = seal(self.desk.public[ONE], context, json_bytes({"category": "harm", **head}), b"{}")
            part = replace(one.parts[0], wrap=box.wrap, head=box.head, sealed=box.sealed)
            made += filing.file(self.database, replace(one, parts=(part,))).deliveries
        return made

    def count(self, mode: str = "live", countries: Countries = VU) -> None:
        metrics = Metrics(CollectorRegistry())
        Counting(self.database, KeyRing(self.desk.keys), Counted(countries, mode), metrics).count()

    def tally(self) -> dict[tuple[str, str], int]:
        with self.database.read() as connection:
            return {(row.sheet, row.cell): row.number for row in connection.execute(select(t.tally))}

    def figures(self) -> dict[tuple[str, str], int | None]:
        return {(one.sheet, one.cell): one.number for one in figures.out(self.database)}


@pytest.fixture
def year(desk: Desk) -> Iterator[Year]:
    before = desk.database.offset
    yield Year(desk)
    desk.database.offset = before


def test_a_quarter_comes_out_two_weeks_after_it_is_over(year: Year) -> None:
    year.at(3).file(12, category="harm", place={"code": "VU-SEE"}, age_band="10-12", channel="ussd", language="en")
    year.at(40).file(20, category="luring", channel="sms", language="en", payment_seen="mobile_money")
    year.at(80).file(3, category="images")
    for day in (81, 90.5, 103):
        year.at(day).count()
        assert year.figures() == {}
    year.at(104.1).count()
    found = year.figures()
    assert found["total", "reports"] == 35
    assert [found["month", f"2027-0{n}"] for n in (1, 2, 3)] == [12, None, None]
    assert (found["category", "harm"], found["category", "luring"], found["category", "images"]) == (12, None, None)
    assert found["place", "Shefa"] == 12
    assert year.tally() == {}
