"""The values of placeholders, and the numbers that a mode may show."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from reports.countries.country import Country
from reports.countries.hotline import PartnerCard
from runtime.settings import Mode
from tests.reports.sample import FJ, KE, VU
from tests.reports.sample_countries import VERIFIED, with_helpline


def test_the_words_of_vanuatu() -> None:
    assert VU.fields() == {
        "emergency": "police 111",
        "emergency_number": "111",
        "emergency_sms": "",
        "helpline_sms": "",
        "ussd": "*111*163#",
        "language_word": "Language / Lanwis",
        "incomplete_name": "Pikinini Helpline",
        "helpline": "helpline 163",
        "helpline_name": "Pikinini Helpline",
        "helpline_number": "163",
        "helpline_named": "Pikinini Helpline 163",
        "helpline_free": "Pikinini Helpline 163, free",
        "helpline_line": "Pikinini Helpline 163, free, day and night",
        "now": "helpline 163",
        "law_specific": "Sexual pictures of children are against the law here.",
        "law_computer": "The law is about phones too.",
        "law_possession": "By 2014 it was against the law to keep them.",
    }


def test_the_words_of_fiji_and_kenya() -> None:
    assert (FJ.fields()["emergency"], FJ.fields()["helpline_line"], FJ.fields()["language_word"]) == (
        "emergency 911",
        "Child Helpline 1325, free, day and night",
        "Language",
    )
    assert (KE.fields()["emergency"], KE.fields()["helpline_named"], KE.fields()["language_word"]) == (
        "emergency 999",
        "Child Helpline 116",
        "Language / Lugha",
    )


@pytest.mark.rule("S-32")
def test_a_missing_helpline_stays_missing() -> None:
    others = {name: hotline for name, hotline in VU.hotlines.items() if name != "vu-pikinini"}
    alone = replace(VU, hotlines=others, incomplete_to="")
    assert alone.helpline() is None
    words = alone.fields()
    for key in ("helpline", "helpline_named", "helpline_free", "helpline_line", "now"):
        assert words[key] == "police 111"
    assert (words["helpline_name"], words["incomplete_name"]) == ("", "")


@pytest.mark.rule("S-32")
def test_a_code_to_dial_is_shown_only_if_every_network_has_it() -> None:
    """A text came by one network, and its screen named the code of another."""
    codes = [replace(VU.codes[0], network=network) for network in ("Digicel", "Vodafone")]
    assert replace(VU, codes=tuple(codes)).fields()["ussd"] == "*111*163#"
    two = replace(VU, codes=(codes[0], replace(codes[1], code="*163#")))
    assert (two.fields()["ussd"], two.ussd_codes) == ("", ("*111*163#", "*163#"))


def texting(**changes: Any) -> Country:
    """Return Vanuatu with a helpline that accepts texts."""
    return with_helpline(**{"show": replace(VU.hotlines["vu-pikinini"].show, sms="6163"), **changes})


def whom_to_text(country: Country) -> tuple[str, str]:
    words = country.fields()
    return words["emergency_sms"], words["helpline_sms"]


@pytest.mark.rule("S-32")
def test_whom_to_text_is_an_emergency_number_first_and_then_the_helpline() -> None:
    police = tuple(replace(number, takes_sms=number.number == "111") for number in VU.emergency)
    assert whom_to_text(VU) == ("", "")
    assert whom_to_text(texting()) == ("helpline 6163", "6163")
    assert whom_to_text(replace(texting(), emergency=police)) == ("police 111", "")


@pytest.mark.rule("S-32")
@pytest.mark.parametrize(
    "country",
    [
        texting(withdrawn=True),
        texting(grade="unverified"),
        texting(card=PartnerCard(takes_sms=False)),
        replace(texting(), mode="live"),
        replace(VU, emergency=tuple(replace(number, takes_sms=True, withdrawn=True) for number in VU.emergency)),
    ],
    ids=["withdrawn", "unverified", "its card says no", "live, and nobody has dialled it", "the police's withdrawn"],
)
def test_nobody_is_told_to_text_a_number_that_may_not_be_shown(country: Country) -> None:
    assert whom_to_text(country) == ("", "")


@pytest.mark.rule("S-31")
@pytest.mark.parametrize("takes", [None, True, False])
def test_live_mode_names_a_number_to_text_only_if_the_hotline_says_that_it_reads_texts(takes: bool | None) -> None:
    """Somebody had dialled the helpline, and the screen for danger named a number for texts that nobody had tried."""
    dialled = texting(card=PartnerCard(takes_sms=takes), **VERIFIED)
    assert whom_to_text(replace(dialled, mode="live")) == (("helpline 6163", "6163") if takes else ("", ""))
    asked = "vu.toml: hotline vu-pikinini: card.takes_sms is missing; text 6163 and say who answers."
    assert (asked in dialled.overdue(date(2026, 11, 25))) is (takes is None)


@pytest.mark.rule("S-32")
def test_free_and_day_and_night_are_said_only_where_they_are_known() -> None:
    show = VU.hotlines["vu-pikinini"].show
    said = {
        with_helpline(show=replace(show, toll_free=free, hours=hours)).fields()["helpline_line"]
        for free, hours in ((True, "24h"), (True, ""), (False, "24h"), (False, "mon-fri 08:00-16:30"))
    }
    assert said == {
        "Pikinini Helpline 163, free, day and night",
        "Pikinini Helpline 163, free",
        "Pikinini Helpline 163, day and night",
        "Pikinini Helpline 163",
    }
    assert with_helpline(show=replace(show, hours="")).fields()["now"] == "police 111"


@pytest.mark.rule("S-31")
@pytest.mark.parametrize(
    ("changes", "demo", "live"),
    [
        ({}, True, False),
        (VERIFIED, True, True),
        ({**VERIFIED, "verified_by": ""}, True, False),
        ({**VERIFIED, "verified_by": " "}, True, False),
        ({**VERIFIED, "verified_on": ""}, True, False),
        ({**VERIFIED, "source": ""}, True, False),
        ({**VERIFIED, "source_date": ""}, True, False),
        ({**VERIFIED, "conflict": True}, True, False),
        ({**VERIFIED, "grade": "official"}, True, True),
        ({**VERIFIED, "grade": "metadata"}, False, False),
        ({**VERIFIED, "grade": "unverified"}, False, False),
        ({**VERIFIED, "withdrawn": True}, False, False),
    ],
)
def test_which_numbers_a_mode_may_show(changes: dict[str, Any], demo: bool, live: bool) -> None:
    modes = ((Mode.DEMO, demo), (Mode.TRAINING, demo), (Mode.LIVE, live))
    for mode, may in modes:
        number = replace(VU.emergency[0], **changes)
        country = replace(with_helpline(**changes), mode=mode, emergency=(number, *VU.emergency[1:]))
        assert ("111" in country.fields()["emergency"]) is may
        assert ("163" in country.fields()["helpline"]) is may


@pytest.mark.rule("S-32")
def test_with_the_first_number_withdrawn_no_ambulance_stands_in_for_police() -> None:
    gone = replace(VU.emergency[0], withdrawn=True)
    assert replace(VU, emergency=(gone, *VU.emergency[1:])).fields()["emergency"] == "police"
    ambulance_first = (VU.emergency[1], gone)
    assert replace(VU, emergency=ambulance_first).fields()["emergency"] == "police"
    gone = replace(FJ.emergency[0], withdrawn=True)
    assert replace(FJ, emergency=(gone, *FJ.emergency[1:])).fields()["emergency"] == "police 917"
