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
from tests.reports.sample import KE, VU
from tests.reports.sample_countries import card
from tests.workers.sample_store import SampleStore
from workers.jobs.statistics import ChangeDetectionJob, country_digest
from workers.notifications.texts import Notification

pytestmark = pytest.mark.rule("X-13")
POLICE = "vu-police"


@dataclass
class FakeNotifier:
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


def changes_in(store: SampleStore, country: Country, *, is_there: bool = True) -> list[str]:
    return changes_in_all(store, {country.iso: country}, is_there=is_there)


def changes_in_all(
    store: SampleStore, countries: Mapping[str, Country | Exception], *, is_there: bool = True
) -> list[str]:
    """Check the countries, some of which cannot be read, and return those of which somebody was notified."""

    def read(name: str) -> Country:
        if isinstance(country := countries[name], Exception):
            raise country
        return country

    notifier = FakeNotifier(is_there=is_there)
    ChangeDetectionJob(store.database, tuple(countries), read, store.keys, notifier).run()  # type: ignore[arg-type]  # a fake
    return [said.subject_id for said in notifier.said]


def audit_lines(store: SampleStore) -> int:
    with store.database.read() as connection:
        return len(connection.execute(select(t.audit.c.at).where(t.audit.c.act == "facts")).all())


def test_the_first_look_and_one_like_it_tell_nobody(store: SampleStore) -> None:
    assert changes_in(store, VU) == changes_in(store, VU) == []
    assert audit_lines(store) == 1


def test_an_entry_of_staff_hides_no_change(store: SampleStore) -> None:
    """The role of a console may write entries of its staff with any act and time."""
    changes_in(store, VU)
    with store.database.write() as connection:
        row = entry_row(
            "staff:vu-pikinini/mere", "facts", f"VU:{country_digest(another_number(VU), store.keys)}", 2**62
        )
        connection.execute(insert(t.audit), row)
    assert changes_in(store, another_number(VU)) == ["VU"]


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_told_once(store: SampleStore, change: str) -> None:
    changes_in(store, VU)
    after = CHANGES[change](VU)
    assert changes_in(store, after) == ["VU"]
    assert changes_in(store, after) == []
    assert audit_lines(store) == 2


@pytest.mark.parametrize("fault", [CountryError(["fj.toml: hotline"]), TypeError("a bug")], ids=["file", "bug"])
def test_a_country_that_cannot_be_read_stops_no_other(store: SampleStore, fault: Exception) -> None:
    assert changes_in_all(store, {"fj": fault, "vu": VU, "ke": KE}) == []
    with capture_logs() as logs:
        assert changes_in_all(store, {"fj": fault, "vu": another_number(VU), "ke": another_number(KE)}) == ["VU", "KE"]
    assert [entry["country"] for entry in logs if entry["event"] in ("country_unreadable", "job_failed")] == ["fj"]


def test_a_new_key_in_the_folder_is_told(store: SampleStore) -> None:
    changes_in(store, VU)
    create_key_pair(store.keys, POLICE)
    assert changes_in(store, VU) == ["VU"]


def test_two_places_that_exchange_their_numbers_are_a_change(store: SampleStore) -> None:
    changes_in(store, by_place(VU, VU_SAM="1", VU_MAP="2"))
    assert changes_in(store, by_place(VU, VU_SAM="2", VU_MAP="1")) == ["VU"]


def test_a_new_date_alone_is_no_change(store: SampleStore) -> None:
    changes_in(store, VU)
    assert changes_in(store, replace(VU, as_of="2030-01-01")) == []


def test_it_is_told_until_somebody_has_taken_it(store: SampleStore) -> None:
    """A scheduler that is killed in between alerts again."""
    changes_in(store, VU)
    after = another_number(VU)
    assert changes_in(store, after, is_there=False) == []
    assert audit_lines(store) == 1
    assert changes_in(store, after) == ["VU"]
    assert audit_lines(store) == 2
