"""The referral directory of a country file: its services, their districts, and the numbers that may be shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from flows.staff_replies import check_reply
from gateway.conversation.context import CountryContext
from reports.countries.country import Country, load_country
from reports.countries.numbers import (
    mark_withdrawn,
    permitted_numbers,
    redact_withdrawn,
    withdraw,
    withdrawn_ids,
)
from reports.countries.readiness import readiness_items
from reports.countries.referral import ReferralService, service_problems
from runtime.settings import Mode
from tests.reports.sample import VU
from tests.reports.sample_countries import text_of

CLINIC = ReferralService(
    id="vu-clinic",
    name="Clinic",
    kind="health",
    places=("VU-SEE",),
    phone="000 0009",
    source="https://clinic.example",
    source_date="2026-11-01",
    grade="official",
    verified_on="2026-11-02",
    verified_by="Ministry of Health",
)


def with_services(*services: ReferralService, mode: Mode = Mode.LIVE) -> Country:
    return replace(VU, services=services, mode=mode)


def phones(country: Country, place: str | None = "VU-SEE") -> dict[str, str]:
    return {choice.id: choice.phone for choice in country.referral_choices("vu-pikinini", place)}


@pytest.mark.rule("S-31")
@pytest.mark.parametrize(
    "lack", [{"verified_on": ""}, {"verified_by": ""}, {"conflict": True}, {"verified_on": "", "verified_by": ""}]
)
def test_a_number_that_is_not_confirmed_is_shown_in_no_mode(lack: dict[str, object]) -> None:
    assert phones(with_services(CLINIC))["vu-clinic"] == "000 0009"
    for mode in Mode:
        found = with_services(replace(CLINIC, **lack), mode=mode).referral_choices("vu-pikinini", None)
        (clinic,) = [choice for choice in found if choice.id == "vu-clinic"]
        assert (clinic.phone, clinic.verified_by, clinic.verified_on) == ("", "", ""), "it can be chosen all the same"


@pytest.mark.parametrize(
    ("change", "modes"),
    [
        ({}, set(Mode)),
        ({"demo": True}, set(Mode) - {Mode.LIVE}),
        ({"withdrawn": True}, set()),
        ({"grade": "unverified"}, set()),
    ],
)
def test_who_is_in_it(change: dict[str, object], modes: set[Mode]) -> None:
    service = replace(CLINIC, **change)
    assert {mode for mode in Mode if "vu-clinic" in phones(with_services(service, mode=mode))} == modes


def test_the_other_hotlines_are_in_it_and_no_unconfirmed_number_of_them() -> None:
    found = phones(with_services())
    assert set(found) == set(VU.hotlines) - {"vu-pikinini"} and set(found.values()) == {""}


@pytest.mark.parametrize(
    ("place", "first"), [("VU-SEE", "vu-clinic"), ("VU-SAM", "vu-womens-centre"), (None, "vu-clinic")]
)
def test_services_of_the_district_come_first(place: str | None, first: str) -> None:
    choices = with_services(CLINIC).referral_choices("vu-pikinini", place)
    assert choices[0].id == first
    assert {choice.id: choice.is_here for choice in choices}["vu-clinic"] == (place != "VU-SAM")


@pytest.mark.parametrize(
    ("services", "line"),
    [
        ((CLINIC, CLINIC), "service vu-clinic: the id is used twice"),
        ((replace(CLINIC, id="vu-police"),), "service vu-police: the id is used twice"),
        ((replace(CLINIC, places=("VU-XXX",)),), "service vu-clinic: places: there is no place VU-XXX"),
        ((replace(CLINIC, source=" "),), "service vu-clinic: source: it is missing"),
    ],
)
def test_a_fault_is_named_in_every_mode(services: tuple[ReferralService, ...], line: str) -> None:
    for mode in Mode:
        problems = with_services(*services).problems(mode)
        assert [problem for problem in problems if problem.startswith(f"vu.toml: {line}")]
    assert not [problem for problem in with_services(CLINIC).problems(Mode.DEMO) if "service" in problem]


def test_a_number_is_dialled_each_year() -> None:
    country = with_services(CLINIC)
    assert not [line for line in country.overdue(date(2027, 11, 2)) if "service" in line]
    assert [line for line in country.overdue(date(2027, 11, 3)) if "service vu-clinic: its number was last" in line]


def test_readiness_lists_the_numbers_to_dial_and_no_made_up_ones() -> None:
    items = {item.name: item for item in readiness_items(with_services(replace(CLINIC, verified_on="")), [], [])}
    assert "to dial from every network: Clinic 000 0009" in items["numbers"].missing
    shipped = {item.name: item for item in readiness_items(VU, [], [])}
    assert not [line for line in shipped["numbers"].missing if "000 000" in line]


def test_a_wrong_number_is_withdrawn_at_once() -> None:
    text, services = mark_withdrawn(text_of(VU), "000 0001")
    assert services == ("Demo: Child Welfare Office, Shefa",)
    assert "demo-welfare-shefa" not in phones(load_country("vu", text, Mode.DEMO))
    marked = load_country("vu", text, Mode.DEMO)
    assert "demo-clinic-sanma" in phones(marked)
    assert "demo-welfare-shefa" not in {one.id for one in withdraw(VU, withdrawn_ids(marked)).phone_services(None)}, (
        "a running web process takes over what the file marks"
    )


@pytest.mark.rule("S-31")
def test_staff_may_tell_a_number_that_phones_show_until_it_is_withdrawn() -> None:
    words = "Call 000 0009 please."
    country = with_services(ON_PHONES)
    assert check_reply(words, permitted_numbers(country)) == ()
    assert redact_withdrawn(words, country) == words
    gone = withdraw(country, {"vu-clinic"})
    [objection] = check_reply(words, permitted_numbers(gone))
    assert objection.refused
    assert redact_withdrawn(words, gone) == "Call ... please."
    only_staff = with_services(replace(ON_PHONES, screen_name=""))
    assert check_reply(words, permitted_numbers(only_staff)), "as a shelter whose number is for staff"


ON_PHONES = replace(CLINIC, screen_name="Clinic", hours="24h")


@pytest.mark.rule("S-31")
@pytest.mark.parametrize(
    ("change", "modes"),
    [
        ({}, set(Mode)),
        ({"screen_name": ""}, set()),
        ({"verified_on": ""}, set()),
        ({"verified_by": ""}, set()),
        ({"verified_by": " "}, set()),
        ({"conflict": True}, set()),
        ({"withdrawn": True}, set()),
        ({"grade": "metadata"}, set()),
        ({"phone": ""}, set()),
        ({"demo": True}, set(Mode) - {Mode.LIVE}),
    ],
)
def test_which_services_a_phone_shows(change: dict[str, object], modes: set[Mode]) -> None:
    service = replace(ON_PHONES, **change)
    assert {mode for mode in Mode if with_services(service, mode=mode).phone_services("VU-SEE")} == modes
    facts = CountryContext.of(with_services(service, mode=Mode.LIVE)).facts
    assert facts["help_near"] == ("yes" if Mode.LIVE in modes else "no")


@pytest.mark.parametrize(("place", "shown"), [("VU-SEE", 1), ("VU-SAM", 0), (None, 1), ("nowhere", 1)])
def test_a_phone_shows_the_services_of_the_district(place: str | None, shown: int) -> None:
    assert len(with_services(ON_PHONES).phone_services(place)) == shown


@pytest.mark.parametrize("phone", ["112", "+678 555 0101", "0800 12 34 56", "000 0002"])
def test_a_number_as_people_dial_it_is_accepted(phone: str) -> None:
    assert list(service_problems([replace(ON_PHONES, phone=phone)], ["VU-SEE"], [])) == []


@pytest.mark.parametrize(
    "phone", ["", "12", "+", "555-0101", "555 0101 ext 2", "1234567890123456", "55  5", "１１２", "call us"]
)
def test_a_number_that_nobody_can_dial_is_refused(phone: str) -> None:
    [problem] = service_problems([replace(ON_PHONES, phone=phone)], ["VU-SEE"], [])
    assert problem.startswith("service vu-clinic: phone: write 3 to 15 digits")


def test_a_name_or_hours_that_no_phone_can_show_are_refused() -> None:
    wrong = replace(ON_PHONES, screen_name="Clínica", hours="every day; ask {name}")
    problems = list(service_problems([wrong], ["VU-SEE"], []))
    assert [problem.split(":")[1] for problem in problems] == [" screen_name", " hours"]
