"""`tokaut readiness`: each requirement of each country with what is missing and its source; it can be printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports.countries import country
from reports.countries.readiness import READINESS_NAMES, STATUS_LABELS, ReadinessItem, readiness_items
from tokaut.__main__ import main
from tokaut.commands.readiness import country_sheets


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["readiness", *words])


def of(iso: str, *changes: tuple[str, str], drafts: tuple[str, ...] = ()) -> dict[str, ReadinessItem]:
    text = (country.SHIPPED_FOLDER / f"{iso}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return {one.name: one for one in readiness_items(country.load_country(iso, text, "demo"), ["en"], drafts)}


def test_every_country_has_every_pillar_and_what_is_not_there_says_what_is_missing() -> None:
    found = country_sheets()
    assert len(found) == len(list(country.SHIPPED_FOLDER.glob("*.toml")))
    for _, stand in found:
        assert tuple(one.name for one in stand) == READINESS_NAMES
        assert [one.name for one in stand if one.status != "there" and not one.missing] == []
        assert {one.status for one in stand} <= set(STATUS_LABELS)


def test_nothing_shipped_is_said_to_be_ready() -> None:
    """Nobody has dialled a number and no office has agreed, so no program may say that a country is ready."""
    ready = {(land.iso, one.name) for land, stand in country_sheets() for one in stand if one.status == "there"}
    assert {name for _, name in ready} <= {"languages"}


@pytest.mark.parametrize(
    ("iso", "name", "short"),
    [
        ("vu", "law", "4 of 5, 1 not known"),
        ("vu", "hotline", "Pikinini Helpline 163"),
        ("ck", "hotline", "none found"),
        ("et", "hotline", "its number not found"),
        ("ke", "police", "none found"),
        ("ki", "numbers", "0 of 4, one in dispute"),
    ],
)
def test_the_short_form_says_the_fact(iso: str, name: str, short: str) -> None:
    assert of(iso)[name].summary == short


def test_what_is_not_known_of_the_law_is_to_be_found_out_and_never_a_no() -> None:
    law = of("vu", ("isp = false", ""))["law"]
    assert "phone and internet companies have to report them: not known" in law.found
    assert "to find out: whether phone and internet companies have to report them" in law.missing


def test_a_number_that_was_dialled_counts() -> None:
    dialled = ('verified_on = ""', 'verified_on = "2026-11-02"'), ('verified_by = ""', 'verified_by = "A Ministry"')
    numbers = of("vu", *dialled)["numbers"]
    assert (numbers.status, numbers.summary) == ("there", "6 of 6")


def test_the_page_stands_by_itself_and_links_only_within(tmp_path: Path) -> None:
    out = tmp_path / "all.html"
    assert run("--out", str(out)).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert not re.search(r"<script|<img|<link|src=|\son\w+=| style=", text)
    assert {href for href in re.findall(r'href="([^"]*)"', text) if not href.startswith("#")} == set()
    assert set(re.findall(r'href="#([^"]*)"', text)) <= set(re.findall(r'id="([^"]*)"', text))


def test_the_old_term_of_titles_of_laws_stands_in_addresses_alone(tmp_path: Path) -> None:
    out = tmp_path / "all.html"
    run("--out", str(out))
    assert "porn" not in re.sub(r"https?://[^<\s]+", "", out.read_text(encoding="utf-8")).lower()


def test_the_terminal_says_it_for_one_and_names_a_country_that_is_not_there() -> None:
    assert "A helpline for children     Pikinini Helpline 163" in run("--country", "vu").output
    assert "there is no country file xx.toml" in run("--country", "xx").output
