"""X-13: a swapped number, address or key makes an audit entry and an alert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import insert, select
from structlog.testing import capture_logs

from reports.countries.country import Country, CountryError
from reports.crypto.key_files import create_key_pair
from reports.store.audit_log import entry_row
from reports.store.schema import tables as t
from tests.reports.lands import card
from tests.reports.sample import KE, VU
from tests.workers.filings import Desk
from workers.jobs.statistics import ChangeDetectionJob, country_digest
from workers.notifications.texts import Notification

pytestmark = pytest.mark.rule("X-13")
POLICE = "vu-police"


@dataclass
class Heard:
    """The on-call people, behind a mail server that may be unavailable."""

    contacts: tuple[str, ...] = ("on-call@operator.example",)
    is_there: bool = True
    said: list[Notification] = field(default_factory=list)

    def notify(self, contacts: Sequence[str], said: Notification) -> int:
        if self.is_there:
            self.said.append(said)
        return int(self.is_there)


def another_number(country: Country) -> Country:
    first, *others = country.emergency
    return replace(country, emergency=(replace(first, number="000000"), *others))


def another_phone(country: Country) -> Country:
    police = country.hotlines[POLICE]
    changed = replace(police, show=replace(police.show, phone="1"))
    return replace(country, hotlines={**country.hotlines, POLICE: changed})


def by_place(country: Country, **numbers: str) -> Country:
    police = country.hotlines[POLICE]
    there = {place.replace("_", "-"): number for place, number in numbers.items()}
    changed = replace(police, show=replace(police.show, by_place=there))
    return replace(country, hotlines={**country.hotlines, POLICE: changed})


CHANGES = {
    "the emergency number": another_number,
    "a hotline's number": another_phone,
    "the key that was agreed on": lambda country: card(country, POLICE, key_id="0123456789abcdef"),
    "who is on duty": lambda country: card(country, POLICE, duty_officer=("desk@elsewhere.example",)),
}


def looked(desk: Desk, country: Country, *, is_there: bool = True) -> list[str]:
    return checked(desk, {country.iso: country}, is_there=is_there)


def checked(desk: Desk, countries: Mapping[str, Country | Exception], *, is_there: bool = True) -> list[str]:
    """Check the countries, some of which cannot be read, and return those of which somebody was notified."""

    def read(name: str) -> Country:
        if isinstance(country := countries[name], Exception):
            raise country
        return country

    heard = Heard(is_there=is_there)
    ChangeDetectionJob(desk.database, tuple(countries), read, desk.keys, heard).run()  # type: ignore[arg-type]  # a fake
    return [said.subject_id for said in heard.said]


def lines(desk: Desk) -> int:
    with desk.database.read() as connection:
        return len(connection.execute(select(t.audit.c.at).where(t.audit.c.act == "facts")).all())


def test_the_first_look_and_one_like_it_tell_nobody(desk: Desk) -> None:
    assert looked(desk, VU) == looked(desk, VU) == []
    assert lines(desk) == 1


def test_an_entry_of_staff_hides_no_change(desk: Desk) -> None:
    """The role of a console may write entries of its staff with any act and time."""
    looked(desk, VU)
    with desk.database.write() as connection:
        row = entry_row("staff:vu-pikinini/mere", "facts", f"VU:{country_digest(another_number(VU), desk.keys)}", 2**62)
        connection.execute(insert(t.audit), row)
    assert looked(desk, another_number(VU)) == ["VU"]


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_told_once(desk: Desk, change: str) -> None:
    looked(desk, VU)
    after = CHANGES[change](VU)
    assert looked(desk, after) == ["VU"]
    assert looked(desk, after) == []
    assert lines(desk) == 2


@pytest.mark.parametrize("fault", [CountryError(["fj.toml: hotline"]), TypeError("a bug")], ids=["file", "bug"])
def test_a_country_that_cannot_be_read_stops_no_other(desk: Desk, fault: Exception) -> None:
    assert checked(desk, {"fj": fault, "vu": VU, "ke": KE}) == []
    with capture_logs() as logs:
        assert checked(desk, {"fj": fault, "vu": another_number(VU), "ke": another_number(KE)}) == ["VU", "KE"]
    assert [entry["country"] for entry in logs if entry["event"] in ("country_unreadable", "job_failed")] == ["fj"]


def test_a_new_key_in_the_folder_is_told(desk: Desk) -> None:
    looked(desk, VU)
    create_key_pair(desk.keys, POLICE)
    assert looked(desk, VU) == ["VU"]


def test_two_places_that_exchange_their_numbers_are_a_change(desk: Desk) -> None:
    looked(desk, by_place(VU, VU_SAM="1", VU_MAP="2"))
    assert looked(desk, by_place(VU, VU_SAM="2", VU_MAP="1")) == ["VU"]


def test_a_new_date_alone_is_no_change(desk: Desk) -> None:
    looked(desk, VU)
    assert looked(desk, replace(VU, as_of="2030-01-01")) == []


def test_it_is_told_until_somebody_has_taken_it(desk: Desk) -> None:
    """A scheduler that is killed in between alerts again."""
    looked(desk, VU)
    after = another_number(VU)
    assert looked(desk, after, is_there=False) == []
    assert lines(desk) == 1
    assert looked(desk, after) == ["VU"]
    assert lines(desk) == 2
