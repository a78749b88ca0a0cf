"""The open requirements of each of the 25 countries, in plain words: each is listed with its next step."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from reports.countries.country import Country, load_countries, shipped_countries
from reports.countries.language_names import LANGUAGE_NAMES
from reports.countries.law import Law
from tests.reports.sample_countries import ready
from tokaut.__main__ import main
from tokaut.checks.live_checklist import ChecklistItem, checklist, explain_country
from tokaut.screens.coverage import CatalogueCoverage

TODAY = date(2026, 11, 25)
ALL = {one.iso: one for one in load_countries(shipped_countries(), "demo")}
DRAFT = CatalogueCoverage("bi", "Bislama", "gsm7", 300, 200, 0, {}, {}, 0, (), is_signed=False, lacking=())

# Written by hand from research, not from the files: requirements that a country lacks in addition to EVERY.
EVERY = {"dialled", "card", "code", "duty"}
FIRST_NUMBER_IN_DISPUTE = {"KI", "PG", "TV", "ZM", "ET"}
NO_HELPLINE = {"KI", "MH", "FM", "NR", "PW", "TO", "TV", "CK", "ET", "SB", "WS"}
NOBODY_FOR_WHAT_WAS_CUT_OFF = {"KI", "MH", "FM", "NR", "PW", "TO", "TV", "CK", "ET"}
NO_POLICE_DESK = {"KE", "UG", "TZ", "MW", "ZM", "ZA"}
LAW_WHOLLY_UNKNOWN = {"MH", "FM", "WS", "TO", "TV", "CK", "UG", "RW", "ZM", "ZA", "ET"}
LANGUAGES_WITH_A_DRAFT = {
    "FJ": ["fj"], "KE": ["sw"], "PG": ["tpi"], "RW": ["fr", "sw"], "SB": ["pis"], "TO": ["to"], "TZ": ["sw"],
    "UG": ["sw"], "VU": ["bi", "fr"], "WS": ["sm"],
}  # fmt: skip

each = pytest.mark.parametrize("iso", sorted(ALL))


def of(country: Country, *languages: CatalogueCoverage) -> tuple[ChecklistItem, ...]:
    return checklist(country, languages, TODAY)


def keys(country: Country, *languages: CatalogueCoverage) -> set[str]:
    return {step.key for step in of(country, *languages)}


def text(iso: str) -> str:
    result = CliRunner().invoke(main, ["check", "--country", iso.lower()])
    assert result.exit_code == 0, result.output
    numbered = len(re.findall(r"(?m)^ ?\d+\. ", result.output))
    assert result.output.count("\n    Next: ") == numbered > 5
    return " ".join(result.output.split())


def test_a_withdrawn_helpline_is_not_one_that_was_never_found() -> None:
    hotlines = ALL["VU"].hotlines
    withdrawn = {**hotlines, "vu-pikinini": replace(hotlines["vu-pikinini"], withdrawn=True)}
    title = next(step.title for step in of(replace(ALL["VU"], hotlines=withdrawn)) if step.key == "helpline")
    assert "Vanuatu (Pikinini Helpline exists, its number is withdrawn)." in title


def test_there_are_25() -> None:
    assert len(ALL) == 25


@each
@pytest.mark.rule("S-31")
def test_every_thing_that_is_unmet_is_said(iso: str) -> None:
    found = keys(ALL[iso])
    assert found >= EVERY
    assert ("dispute" in found) == (iso in FIRST_NUMBER_IN_DISPUTE)
    assert ("helpline" in found) == (iso in NO_HELPLINE)
    assert ("cut_off" in found) == (iso in NOBODY_FOR_WHAT_WAS_CUT_OFF)
    assert ("missing_child" in found) == (iso in NO_POLICE_DESK)
    unknown = next((step.title for step in of(ALL[iso]) if step.key == "law"), "")
    assert (unknown.count("whether") == 4 and "what counts" in unknown) == (iso in LAW_WHOLLY_UNKNOWN)


@each
@pytest.mark.rule("S-33")
def test_the_command_says_it_to_people_with_what_to_do_next(iso: str) -> None:
    said, country = text(iso), ALL[iso]
    assert said.startswith(f"{country.name} cannot go live yet: ")
    for number in country.emergency:
        assert f"{number.word} {number.number}" in said.partition("Live mode would need more")[0]
    for hotline in country.hotlines.values():
        assert f"There is no agreement with {hotline.name} to take reports" in said
    for tag in LANGUAGES_WITH_A_DRAFT.get(iso, []):
        assert f"tokaut locales sheet {tag} --country {iso.lower()}" in said
    assert ("Two organisations have not signed the safety screens" in said) == (iso in LANGUAGES_WITH_A_DRAFT)
    untold = [tag for tag in country.languages if tag not in ("en", *LANGUAGES_WITH_A_DRAFT.get(iso, []))]
    assert all(LANGUAGE_NAMES[tag] in said for tag in country.languages if tag in untold)


@each
def test_each_step_is_two_sentences_for_people(iso: str) -> None:
    for step in of(ALL[iso], DRAFT):
        assert step.title.endswith(".") and step.title[0].isupper(), step
        assert re.match(r"(Ask|Have|Meet|Agree|Find|Translate|Fix)\b", step.action), step
        assert "  " not in step.title + step.action


@each
def test_what_live_mode_refuses_is_what_is_said_to_stop(iso: str) -> None:
    """Each fault of the check has a step, and each blocking step has a fault."""
    country = ALL[iso]
    lines = "\n".join(country.problems("live"))
    stops = {step.key: step for step in of(country) if step.is_blocking}
    said = {
        "dialled": "no verified_on", "source": "no source_date", "dispute": "", "grade": "only the grade",
        "confirmed": "has no verified_on and verified_by", "card": "the partner card lacks",
        "cut_off": "incomplete_to: it is missing", "missing_child": "no police takes missing",
    }  # fmt: skip
    assert set(stops) <= set(said)
    for key, line in said.items():
        if line and key != "grade":
            assert (line in lines) == (key in stops), (key, lines)
    known = [line for line in said.values() if line]
    assert all(any(part in line for part in known) for line in lines.splitlines())


def test_a_country_that_is_ready_has_nothing_that_stops_it() -> None:
    country = ready()
    assert country.problems("live") == []
    found = of(country, DRAFT)
    assert [step for step in found if step.is_blocking] == []
    assert {step.key for step in found} == {"code", "draft", "no_words", "law", "duty"}
    lines = list(explain_country(country, TODAY))
    assert lines[0] == "Vanuatu can go live. 4 things are worth settling."


def test_with_all_settled_nothing_is_left() -> None:
    country = ready()
    codes = tuple(replace(code, note="") for code in country.codes)
    law = Law(latest=replace(country.law.latest, possession=True, defined=True, isp=True))  # type: ignore[type-var]
    whole = replace(country, codes=codes, law=law, duty_to_report=True, duty_source="an act", languages=("bi", "en"))
    assert of(whole, replace(DRAFT, is_signed=True)) == ()


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        (
            {"conflict": True, "settle": "two lists differ"},
            "dispute",
            "do not agree about police 111. To settle: two",
        ),
        ({"verified_on": ""}, "dialled", "confirmed this number: police 111"),
        ({"source_date": ""}, "source", "how old the source is of this number: police 111"),
        ({"grade": "metadata"}, "grade", "no screen shows this number: police 111"),
        ({"withdrawn": True}, "again", "no number for police or emergency is left"),
    ],
)
def test_each_thing_that_a_number_can_lack(changes: dict[str, object], key: str, said: str) -> None:
    country = ready()
    first = replace(country.emergency[0], **changes)  # type: ignore[arg-type]
    found = of(replace(country, emergency=(first, *country.emergency[1:])))
    [step] = [step for step in found if step.key == key]
    assert said in step.title
    assert step.is_blocking == (key != "again"), "a restart must work after a number was withdrawn"


def test_other_things_that_a_country_can_lack() -> None:
    country = ready()
    card = country.hotlines["vu-police"].card
    few = replace(country.hotlines["vu-police"], card=replace(card, hours="", drill_on=""))
    [step] = [one for one in of(replace(country, hotlines={**country.hotlines, "vu-police": few})) if one.key == "card"]
    assert step.title.endswith("its partner card lacks hours and drill_on.")
    old = replace(country.hotlines["vu-police"], verified_on="2024-01-01")
    [step] = [
        one for one in of(replace(country, hotlines={**country.hotlines, "vu-police": old})) if one.key == "again"
    ]
    assert "was last confirmed on 2024-01-01" in step.title and step.action == "Have it dialled again."
    assert "off_menu" in keys(country, replace(DRAFT, lacking=("report.danger",)))
    [step] = [one for one in of(replace(country, duty_to_report=True)) if one.key == "fault"]
    assert step.is_blocking and "duty_source" in step.title


@pytest.mark.rule("S-34")
def test_a_hotline_that_nobody_has_confirmed_keeps_live_mode_from_starting() -> None:
    """It has no number to dial, and nobody would notice that it gets no report."""
    country = ready()
    silent = replace(country.hotlines["vu-police"], show=type(country.hotlines["vu-police"].show)(), verified_on="")
    found = replace(country, hotlines={**country.hotlines, "vu-police": silent})
    assert [line for line in found.problems("live") if "vu-police has no verified_on and verified_by" in line]
    assert "confirmed" in keys(found)


def test_every_language_has_a_name() -> None:
    assert {tag for country in ALL.values() for tag in country.languages} == set(LANGUAGE_NAMES)


def test_a_country_that_is_not_there_and_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "there is no country file xx.toml" in CliRunner().invoke(main, ["check", "--country", "xx"]).output
    (tmp_path / "vu.toml").write_text("schema = 1\n")
    environ = {"TOKAUT_COUNTRY_DIR": str(tmp_path)}
    result = CliRunner().invoke(main, ["check", "--country", "vu"], env=environ)
    assert result.exit_code == 1
    assert "cannot go live yet" not in result.output


@pytest.mark.rule("S-34")
def test_a_test_delivery_of_more_than_a_week_ago_is_named_before_the_first_day_and_stops_no_restart() -> None:
    country = ready()
    police = country.hotlines["vu-police"]
    for tested_on, named in (("2026-11-18", False), ("2026-11-17", True)):
        old = replace(police, card=replace(police.card, tested_on=tested_on))
        found = of(replace(country, hotlines={**country.hotlines, "vu-police": old}))
        steps = [step for step in found if step.key == "tested"]
        assert [("vu-police" in step.action, step.is_blocking) for step in steps] == ([(True, False)] if named else [])
