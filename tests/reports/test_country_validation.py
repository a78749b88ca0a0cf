"""The faults that exclude a country from a mode, by name, and what must be renewed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from reports.countries.country import Country, ServiceCode, Voice
from reports.countries.hotline import Hotline, HotlineDisplay
from runtime.settings import Mode
from runtime.telephony import ChannelKind
from tests.reports.sample import COUNTRIES, KE, VU
from tests.reports.sample_countries import card, ready, with_helpline


def with_emergency(number: str, word: str = "police") -> Country:
    """Return Vanuatu with another first emergency number."""
    return replace(VU, emergency=(replace(VU.emergency[0], number=number, word=word), *VU.emergency[1:]))


def with_places(**changes: str) -> Country:
    """Return Vanuatu with another first place."""
    return replace(VU, places=(replace(VU.places[0], **changes), *VU.places[1:]))


def with_code(channel: ChannelKind, code: str) -> Country:
    """Return Vanuatu with another first service code."""
    return replace(VU, codes=(ServiceCode(channel=channel, code=code), *VU.codes[1:]))


def _two_helplines(**changes: Any) -> dict[str, Hotline]:
    """Return a helpline of Kenya for older children, and one whose card has these changes."""
    older = card(KE, "ke-child-helpline", ages=("10-12", "13-15", "16-17")).hotlines["ke-child-helpline"]
    other = replace(older, id="ke-other", screen_name="Other", card=replace(older.card, **changes))
    return {older.id: older, other.id: other}


@pytest.mark.rule("S-32")
@pytest.mark.parametrize(
    ("country", "line"),
    [
        (replace(VU, emergency=()), "emergency: there is no emergency number"),
        (replace(VU, duty_to_report=True), "duty_source: it is missing"),
        (replace(VU, incomplete_to="vu-choir"), "incomplete_to: there is no hotline vu-choir"),
        (with_helpline(screen_name="The Pikinini Helpline"), "hotline vu-pikinini: screen_name has 21 characters"),
        (with_helpline(screen_name=""), "hotline vu-pikinini: screen_name has 0 characters"),
        (with_helpline(screen_name="Pikinini ☎"), "hotline vu-pikinini: screen_name has a letter"),
        (
            with_emergency("I11"),
            "emergency.1.number: 'I11' is not a number that a phone can dial; write 2 to",
        ),
        (with_emergency("1 1 1 "), "emergency.1.number: '1 1 1 ' is not a number"),
        (with_emergency("١١١"), "emergency.1.number: '١١١' is not a number"),  # digits that few phones show
        (with_helpline(show=HotlineDisplay(phone="16E")), "hotline vu-pikinini: show: '16E' is not a number"),
        (with_helpline(show=HotlineDisplay(sms="163--4")), "hotline vu-pikinini: show: '163--4' is not a number"),
        (
            with_helpline(show=HotlineDisplay(phone="163", by_place={"VU-SAM": "36 22O"})),
            "hotline vu-pikinini: show: '36 22O' is not a number",
        ),
        (card(VU, "vu-police", backup="vu-choir"), "hotline vu-police: card.backup: there is no hotline vu-choir"),
        (card(VU, "vu-police", hours="office"), "hotline vu-police: card.hours: 'office' is not a valid opening time"),
        (
            card(VU, "vu-police", time_zone="Efate"),
            "hotline vu-police: card.time_zone: 'Efate' is not a valid time zone",
        ),
        (card(VU, "vu-police", holidays="Easter"), "hotline vu-police: card.holidays: 'Easter' is not a valid holiday"),
        (card(VU, "vu-police", rota={"nights": ("a@b.example",)}), "hotline vu-police: card.rota: 'nights' is no"),
        (
            card(VU, "vu-police", rota={"24h": ("a@b.example",)}),
            "hotline vu-police: card.rota: a@b.example is not a duty officer; name it in duty_officer too.",
        ),
        (
            card(VU, "vu-police", answers_within={"P1": 20}),
            "hotline vu-police: card.answers_within: P1 in 20 min is later than 15; agree on less.",
        ),
        (
            replace(VU, clocks={"P1": {"desk": 6}}),
            "clocks.P1.desk: 6 min is longer than 5; for P1 and P2 a country may only be quicker.",
        ),
        (
            replace(VU, codes=tuple(replace(code, network_initiated=True) for code in VU.codes)),
            "code.2.network_initiated: 163 is of the channel sms; only a code of the channel ussd can have it.",
        ),
        (
            replace(
                VU, voice=Voice(recordings=True), codes=tuple(code for code in VU.codes if code.channel != "voice")
            ),
            "voice.recordings: no [[code]] is of the channel voice; add the number that is called.",
        ),
        (
            replace(VU, places=(replace(VU.places[0], time_zone="UTC"), *VU.places[1:])),
            "place: time_zone: two differ by more than 7 hours",
        ),
        (card(KE, "ke-child-helpline", categories=("harm",)), "no hotline takes luring; add one"),
        (card(KE, "ke-child-helpline", ages=("13-15", "16-17")), "no hotline takes harm at ages 0-5, 6-9, 10-12; add"),
        (
            replace(KE, hotlines=_two_helplines(ages=("0-5", "6-9"), places=("KE-28",))),
            "no hotline takes harm at ages 0-5, 6-9 in KE-13, KE-15",
        ),
        (
            with_emergency("111", "Police"),
            "emergency.1.word: 'Police' is not one of police, emergency, ambulance, fire",
        ),
        (
            replace(VU, emergency=VU.emergency[1:]),
            "emergency: no word is police or emergency; the first screen needs one of these numbers.",
        ),
        (
            card(VU, "vu-police", places=("VU-SAN", "all")),
            "hotline vu-police: card.places: there is no place VU-SAN; use codes of this file.",
        ),
        (
            with_helpline(show=HotlineDisplay(phone="163", by_place={"VU-SAN": "36222"})),
            "hotline vu-pikinini: show.by_place: there is no place VU-SAN; use codes of this file.",
        ),
        (
            with_helpline(screen_name="Vanuatu Police"),
            "hotline vu-police: screen_name: another hotline has the same; no reporter could tell them apart.",
        ),
        (with_places(code="VU-PAM"), "place.2.code: VU-PAM stands twice"),
        (with_places(label="Penama"), "place.2.label: Penama stands twice"),
        (
            replace(with_places(group="North"), place_before_send="group"),
            "place.2.group: it is missing; places are chosen by group, and nobody could choose VU-PAM.",
        ),
        *(
            (with_code(channel, code), f"code.1.code: {code!r} is no code of the channel {channel}; write it as ")
            for channel, code in (
                ("ussd", "*111*l63#"),
                ("ussd", "111163"),
                ("ussd", "*111*163"),
                ("ussd", "#"),
                ("sms", "16O"),
                ("sms", "*163#"),
                ("voice", "+"),
            )
        ),
        (card(KE, "ke-child-helpline", places=("KE-28",)), "no hotline takes harm in KE-13, KE-15"),
    ],
)
def test_a_fault_of_the_content_is_named_in_every_mode(country: Country, line: str) -> None:
    for mode in Mode:
        assert [p for p in country.problems(mode) if p.startswith(f"{country.file}: {line}")]


@pytest.mark.rule("S-31")
def test_live_names_every_number_that_nobody_has_confirmed() -> None:
    for country in COUNTRIES:
        found = "\n".join(country.problems("live"))
        for number in country.emergency:
            assert f"{country.file}: emergency {number.number} " in found
        for hotline in country.hotlines.values():
            assert f"{country.file}: hotline {hotline.id}: the number {hotline.show.phone} has no " in found
            assert f"{country.file}: hotline {hotline.id}: the partner card lacks " in found


def test_live_needs_police_for_a_missing_child_and_a_hotline_for_what_was_cut_off() -> None:
    assert [p for p in KE.problems("live") if p.startswith("ke.toml: no police takes missing")]
    assert [p for p in replace(VU, incomplete_to="").problems("live") if p.startswith("vu.toml: incomplete_to")]
    gone = replace(VU, emergency=(replace(VU.emergency[0], withdrawn=True),))
    assert "vu.toml: emergency: no number for police or emergency is left; the first screen needs one." in gone.overdue(
        date(2026, 11, 25)
    )
    assert not [p for p in gone.problems("live") if "is left" in p], "a restart must work when it was withdrawn"


@pytest.mark.rule("S-34")
def test_a_country_that_is_ready_goes_live_and_each_field_of_a_card_is_needed() -> None:
    country = ready()
    assert country.problems("live") == []
    assert country.fields()["helpline_line"] == VU.fields()["helpline_line"]
    assert country.hotlines["vu-pikinini"].agreed()
    assert set(VU.hotlines["vu-pikinini"].card.missing()) == set(NEEDED) - {"categories", "ages", "places"}
    for field in NEEDED:
        kind = type(getattr(country.hotlines["vu-pikinini"].card, field))
        blank: list[Any] = [" "] if kind is str and not field.endswith(("_date", "_on", "_until")) else []
        blank += [(" ",)] if field in ("languages", "duty_officer", "supervisor") else []
        for empty in (kind(), *blank):
            without = card(country, "vu-pikinini", **{field: empty})
            assert not without.hotlines["vu-pikinini"].agreed()
            assert [p for p in without.problems("live") if re.search(rf"card lacks .*\b{field}\b", p)], field


# Fields of the partner card (docs/safeguarding.md) that live mode needs; `delivery` is outside the card.
NEEDED = (
    "organisation", "mandate", "agreement_date", "agreement_until", "categories", "ages", "places", "languages",
    "hours", "time_zone", "holidays", "answers_within", "key_id", "tested_on", "duty_officer", "backup", "supervisor",
    "fallback", "duty_law", "without_name", "incomplete", "contact_policy", "police", "retention", "data_law",
    "vetting", "training", "supervision", "conflict_of_interest", "complaints", "incident_notice", "keeps_keys",
    "media", "drill_on", "drill_minutes", "verified_by", "verified_on",
)  # fmt: skip


@pytest.mark.rule("S-34")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"agreement_until": "2028-10-02"}, "agreement_until: it is more than 24 months after it was signed"),
        ({"agreement_until": "2026-09-30"}, "agreement_until: it ends before it begins"),
        ({"answers_within": {"P1": 16, "P2": 60, "P3": 1440, "P4": 4320}}, "answers_within: P1 in 16 min is later"),
        ({"answers_within": {"P1": 15, "P2": 60, "P3": 1440, "P4": 4321}}, "answers_within: P4 in 4321 min is later"),
        ({"duty_officer": ("Duty desk",)}, "duty_officer: 'Duty desk' is neither a mailbox nor a number with +"),
        ({"supervisor": ("5550101",)}, "supervisor: '5550101' is neither a mailbox nor a number with +"),
        ({"drills_to": ("Trainer",)}, "drills_to: 'Trainer' is neither a mailbox nor a number with +"),
        *(
            ({"duty_officer": (address,)}, f"duty_officer: {address!r} is neither a mailbox nor a number with +")
            for address in ("a@[b", "a@b.", "@b", "a@", "<a@b>", "a..b@c", '"@b', "a@b;", "(a@b", "josé@x.org", "a@.b")
        ),
        ({"backup": "vu-pikinini"}, "backup: it names itself"),
        ({"fallback": "vu-pikinini"}, "fallback: it names itself"),
        ({"fallback": "vu-choir"}, "fallback: there is no hotline vu-choir"),
    ],
)
def test_what_a_card_cannot_have_meant(changes: dict[str, Any], said: str) -> None:
    country = card(ready(), "vu-pikinini", **changes)
    [line] = country.problems("live")
    assert line.startswith(f"vu.toml: hotline vu-pikinini: card.{said}")


@pytest.mark.rule("S-34")
@pytest.mark.parametrize(
    "changes", [{"agreement_until": "2028-10-01"}, {"drill_minutes": 400}, {"drill_on": "2020-01-01"}]
)
def test_what_a_passing_day_or_a_bad_drill_tells_stops_no_restart(changes: dict[str, Any]) -> None:
    assert card(ready(), "vu-pikinini", **changes).problems("live") == []


@pytest.mark.rule("S-34")
def test_a_drill_that_waited_longer_than_was_agreed_is_told_until_there_is_a_better_one() -> None:
    today = date(2026, 11, 25)
    assert card(ready(), "vu-pikinini", drill_minutes=15).overdue(today) == []
    assert card(ready(), "vu-pikinini", drill_minutes=16).overdue(today) == [
        "vu.toml: hotline vu-pikinini: its last drill waited 16 min, agreed are 15; hold another one."
    ]


def test_answer_times_are_agreed_for_all_four_priorities() -> None:
    country = card(ready(), "vu-police", answers_within={"P1": 15})
    assert country.problems("live") == [
        "vu.toml: hotline vu-police: the partner card lacks answers_within; agree on them and fill in."
    ]


@pytest.mark.rule("S-31")
def test_a_number_for_danger_is_dialled_each_year() -> None:
    [number] = ready().emergency[:1]
    assert number.overdue(date(2027, 11, 1)) == []
    assert number.overdue(date(2027, 11, 2)) == [
        "emergency 111: it was last confirmed on 2026-11-01; have it dialled again."
    ]
    assert replace(number, withdrawn=True).overdue(date(2027, 11, 2)) == []


@pytest.mark.rule("S-31")
@pytest.mark.parametrize(
    ("country", "lines"),
    [
        (card(ready(), "vu-police", holidays="2026-04-03..2026-04-06, 07-30"), ["its last holiday was 2026-04-06"]),
        (card(ready(), "vu-police", holidays="2026-04-03, 2026-11-25"), []),
        (card(ready(), "vu-police", holidays="07-30, 12-25"), []),
        (card(ready(), "vu-police", drill_on="2062-11-01"), ["card.drill_on: 2062-11-01 is a day to come"]),
        (card(ready(), "vu-police", verified_on="2026-11-26"), []),  # east of us it is tomorrow
        (card(ready(), "vu-police", agreement_date="2026-12-01"), ["card.agreement_date: 2026-12-01 is a day to come"]),
    ],
)
def test_a_date_that_cannot_be_right_today_is_named(country: Country, lines: list[str]) -> None:
    """A year mistyped as 2062 meant that nobody was asked to dial the number again."""
    found = country.overdue(date(2026, 11, 25))
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(f"vu.toml: hotline vu-police: {start}")
    assert country.problems("live") == []


@pytest.mark.rule("S-31")
def test_numbers_that_were_confirmed_on_a_day_to_come_are_named() -> None:
    typed: dict[str, Any] = {"verified_on": "2062-11-01"}
    country = replace(ready(), emergency=(replace(ready().emergency[0], **typed),))
    hotlines = {"vu-police": replace(country.hotlines["vu-police"], **typed)}
    services = (replace(VU.services[0], **typed),)
    assert replace(country, hotlines=hotlines, services=services).overdue(date(2026, 11, 25)) == [
        f"vu.toml: {entry}: verified_on: 2062-11-01 is a day to come; enter the day on which it was done."
        for entry in ("emergency 111", "hotline vu-police", f"service {VU.services[0].id}")
    ]


@pytest.mark.rule("S-31")
@pytest.mark.parametrize(
    ("today", "lines"),
    [
        (date(2026, 11, 24), 0),
        (date(2027, 1, 30), 0),
        (date(2027, 1, 31), 3),
        (date(2027, 11, 1), 3),
        (date(2027, 11, 2), 12),
        (date(2028, 10, 2), 15),
    ],
)
def test_a_date_that_passes_is_told_and_hides_nothing(today: date, lines: int) -> None:
    country = ready()
    assert len(country.overdue(today)) == lines
    assert country.problems("live") == []
    assert VU.overdue(today) == []
