"""`tokaut check` on tips and languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

import locales
from flows import catalogues
from flows.signatures import Role, Signature, text_key, write_signature
from tokaut.checks.live_checklist import Advisory, signature_faults, wording_faults

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
@pytest.mark.parametrize(("drafts", "signed"), [(["bi"], False), ([], True)])
def test_a_language_that_lacks_a_safety_screen_is_named_with_the_screen(
    drafts: list[str], signed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = catalogues.load(locales.FOLDER)["bi"]
    said = {english: own for english, own in whole.words.items() if english != "Are you or a child in danger?"}
    changed = replace(whole, words=said, signed=frozenset(said if signed else ()))
    monkeypatch.setattr(catalogues, "load", lambda _: {"bi": changed})
    [line] = wording_faults(drafts, TODAY)
    assert line == "Bislama is on no menu: not translated yet: report.danger"
    assert not isinstance(line, Advisory)


@pytest.mark.rule("S-33")
def test_a_language_whose_safety_screens_are_not_signed_is_named_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = catalogues.load(locales.FOLDER)["bi"]
    signed = frozenset(whole.words) - {"Are you or a child in danger?"}
    monkeypatch.setattr(catalogues, "load", lambda _: {"bi": replace(whole, signed=signed)})
    [line] = wording_faults([], TODAY)
    assert isinstance(line, Advisory)
    assert line == "Bislama is on no menu: two organisations have not signed: report.danger"
    [line] = wording_faults(["bi"], TODAY)
    assert line.startswith("Bislama is offered as a draft") and line.endswith("have to sign 1 of its texts")


def test_a_file_of_signatures_without_its_language_or_from_tomorrow_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locales, "FOLDER", tmp_path)
    (tmp_path / "xx.signed.toml").write_text("", encoding="utf-8")
    (tmp_path / "bi.po").write_text("", encoding="utf-8")
    tomorrow = Signature("Organisation A", Role.LANGUAGE, date(2026, 11, 26), {text_key("bi", "a", "b"): "a"})
    (tmp_path / "bi.signed.toml").write_text(write_signature("bi", tomorrow) + "[more]\n", encoding="utf-8")
    assert len(list(signature_faults(TODAY))) == 2
    (tmp_path / "bi.signed.toml").write_text(write_signature("bi", tomorrow), encoding="utf-8")
    assert list(signature_faults(TODAY)) == [
        "locales/bi.signed.toml: Organisation A signed on 2026-11-26, a day to come",
        "locales/xx.signed.toml: there is no translation xx.po; take the file away",
    ]
