"""X-13: a number, an address or a key that was exchanged is a line of the audit, and somebody hears of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import select

from reports.country import Countries, Country
from reports.keyfolder import new_pair
from reports.store import tables as t
from tests.reports.lands import card
from tests.reports.sample import VU
from tests.workers.filings import Desk
from workers.alerts import Alert
from workers.swaps import Swaps

pytestmark = pytest.mark.rule("X-13")
POLICE = "vu-police"


@dataclass
class Heard:
    alerts: list[Alert] = field(default_factory=list)

    def add(self, alert: Alert) -> None:
        self.alerts.append(alert)


def another_number(country: Country) -> Country:
    first, *others = country.emergency
    return replace(country, emergency=(replace(first, number="000000"), *others))


def another_phone(country: Country) -> Country:
    police = country.hotlines[POLICE]
    changed = replace(police, show=replace(police.show, phone="1"))
    return replace(country, hotlines={**country.hotlines, POLICE: changed})


CHANGES = {
    "the emergency number": another_number,
    "a hotline's number": another_phone,
    "the key that was agreed on": lambda country: card(country, POLICE, key_id="0123456789abcdef"),
    "who is on duty": lambda country: card(country, POLICE, duty_officer=("desk@elsewhere.example",)),
}


def looked(desk: Desk, country: Country) -> list[Alert]:
    heard = Heard()
    Swaps(desk.database, Countries((country,)), desk.keys, heard).look()  # type: ignore[arg-type]
    return heard.alerts


def lines(desk: Desk) -> int:
    with desk.database.read() as connection:
        return len(connection.execute(select(t.audit.c.at).where(t.audit.c.act == "facts")).all())


def test_the_first_look_and_one_like_it_tell_nobody(desk: Desk) -> None:
    assert looked(desk, VU) == looked(desk, VU) == []
    assert lines(desk) == 1


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_told_once(desk: Desk, change: str) -> None:
    looked(desk, VU)
    after = CHANGES[change](VU)
    [told] = looked(desk, after)
    assert (told.about, told.why) == ("VU", "facts_changed")
    assert looked(desk, after) == []
    assert lines(desk) == 2


def test_a_new_key_in_the_folder_is_told(desk: Desk) -> None:
    looked(desk, VU)
    new_pair(desk.keys, POLICE)
    assert [one.about for one in looked(desk, VU)] == ["VU"]


def test_a_new_date_alone_is_no_change(desk: Desk) -> None:
    looked(desk, VU)
    assert looked(desk, replace(VU, as_of="2030-01-01")) == []
