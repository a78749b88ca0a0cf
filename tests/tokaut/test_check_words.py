"""`tokaut check` on tips and languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

import locales
from flows import catalogues
from tokaut.checks.live_checklist import Advisory, wording_faults

TODAY = date(2026, 11, 25)


def test_what_was_looked_at_lately_and_no_draft_is_good() -> None:
    assert list(wording_faults([], TODAY)) == []


def test_a_tip_that_nobody_has_looked_at_for_two_years_is_named_with_its_sources() -> None:
    found = list(wording_faults([], date(2029, 1, 1)))
    assert any("tips_young.a-body was last checked on 2026-11-25" in line and "NSPCC" in line for line in found)


def test_a_draft_that_is_offered_is_said_and_is_no_fault() -> None:
    [line] = wording_faults(["bi"], TODAY)
    assert isinstance(line, Advisory) and line.startswith("Bislama is offered as a draft")


def test_a_language_without_a_catalogue_is_a_fault() -> None:
    [line] = wording_faults(["xx"], TODAY)
    assert not isinstance(line, Advisory) and "xx" in line


@pytest.mark.rule("S-33")
@pytest.mark.parametrize(("drafts", "reviewed"), [(["bi"], ""), ([], "an organisation, 2026-11")])
def test_a_language_that_lacks_a_safety_screen_is_named_with_the_screen(
    drafts: list[str], reviewed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = catalogues.load(locales.FOLDER)["bi"]
    said = {english: own for english, own in whole.words.items() if english != "Are you or a child in danger?"}
    monkeypatch.setattr(catalogues, "load", lambda _: {"bi": replace(whole, words=said, reviewed=reviewed)})
    [line] = wording_faults(drafts, TODAY)
    assert line == "Bislama is on no menu: not translated yet: report.danger"
    assert not isinstance(line, Advisory)
