"""Sheets for forms of other organisations: each field in its row, nothing guessed, no formula for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest

from reports.exports import (
    CONCERNS,
    SHEETS,
    case_fields,
    case_note,
    plain_text_report,
    referral_sheet,
    sheet_csv,
    sheet_text,
)
from reports.json_bodies import without_contact
from reports.report import ROWS
from reports.spreadsheet import BOM, with_column
from reports.triage import FLAG_LABELS, REASON_LABELS, RULE_TABLE, UNMATCHED
from tests.reports.sample import MSISDN, PATH_TO_SEND, SEND, given, read, setting
from tests.reports.schema_check import body

FORMS = sorted(SHEETS)
# Labels of the CyberTipline that are outdated legal terms, read from the only table that may contain them.
[MATERIAL] = {row["ncmec"] for row in ROWS if row["category"] == "images" and "ncmec" in row}
[TRAVELLER] = {row["ncmec"] for row in ROWS if "traveller" in row.get("when", {}) and "ncmec" in row}
OLD = (MATERIAL, TRAVELLER)
NOT_AGREED = "Non-Consensual Distribution of Intimate Images"


def data_of(name: str = "complete") -> dict[str, Any]:
    found: dict[str, Any] = read(f"example_{name}.json")["data"]
    return found


def rows_of(form: str, data: dict[str, Any], added: str = "") -> dict[str, str]:
    return dict(referral_sheet(form, data, added))


@pytest.mark.parametrize("form", FORMS)
def test_every_word_and_every_answer_is_on_the_sheet(form: str) -> None:
    data = data_of()
    text = sheet_text(referral_sheet(form, data))
    said = [data["narrative"], data["additions"][0]["text"], data["report_id"], "Shefa", "13-15", *data["extras"]]
    assert [one for one in said if one not in text] == []


@pytest.mark.parametrize(
    ("form", "field", "value"),
    [
        ("cybertipline", "incidentSummary.incidentType", "Online Enticement of Children for Sexual Acts"),
        ("cybertipline", "incidentSummary.reportAnnotations", ""),
        ("cybertipline", "incidentSummary.escalateToHighPriority", ""),
        ("cybertipline", "incidentSummary.platform", "facebook"),
        ("cybertipline", "internetDetails.nonInternetIncident.incidentAddress.country", "VU"),
        ("cybertipline", "reporter.reportingPerson.phone", MSISDN),
        ("cybertip_ca", "Type of report", "Luring a Child"),
        ("cybertip_ca", "Are threats made?", "no"),
        ("cybertip_ca", "Is a meeting planned?", ""),
        ("primero", "risk_level", "high"),
        ("primero", "protection_concerns", "sexually_exploited"),
        ("primero", "other_agency_id", "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"),
        ("primero", "telephone_current", f"sms to {MSISDN}, only from 08:00 to 16:00 (Pacific/Efate)"),
    ],
)
def test_each_field_has_its_row(form: str, field: str, value: str) -> None:
    assert rows_of(form, data_of())[field] == value


def test_what_is_urgent_says_why_and_what_has_no_type_stays_empty() -> None:
    rows = rows_of("cybertipline", data_of("incomplete"))
    assert rows["incidentSummary.escalateToHighPriority"] == "DANGER_NOW, HARM"
    assert rows["incidentSummary.incidentType"] == ""
    assert rows_of("cybertip_ca", data_of("incomplete"))["Type of report"] == ""
    assert "INCOMPLETE: nobody pressed Send." in rows["additionalInfo"]
    assert "## incidentSummary.incidentType\n-\n" in sheet_text(referral_sheet("cybertipline", data_of("incomplete")))


@pytest.mark.rule("S-13")
@pytest.mark.parametrize("form", FORMS)
def test_a_number_that_was_not_allowed_or_was_withdrawn_is_on_no_sheet(form: str) -> None:
    withdrawn = json.loads(without_contact(json.dumps(data_of()).encode()))
    for data in (data_of("incomplete"), withdrawn):
        assert MSISDN not in sheet_csv(referral_sheet(form, data))
        assert "not to be contacted" in sheet_text(referral_sheet(form, data))


@pytest.mark.rule("S-40")
@pytest.mark.parametrize("form", FORMS)
def test_a_drill_says_so_first(form: str) -> None:
    data = data_of() | {"mode": "training"}
    assert referral_sheet(form, data)[0] == ("DRILL", "DRILL. Not a real report.")
    assert plain_text_report(data).startswith("DRILL")
    assert "DRILL" not in sheet_text(referral_sheet(form, data_of()))


@pytest.mark.rule("X-17")
@pytest.mark.parametrize("begin", ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1"])
@pytest.mark.parametrize("form", FORMS)
def test_no_cell_is_a_formula(form: str, begin: str) -> None:
    data = data_of() | {"narrative": begin, "extras": {"where_online": begin, "platform": begin}}
    text = sheet_csv(referral_sheet(form, data, added=begin))
    assert text.startswith(BOM)
    cells = [cell for row in csv.reader(io.StringIO(text.removeprefix(BOM), newline="")) for cell in row]
    assert cells[:2] == ["field", "value"]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r", "\n")] == []
    assert any(begin.strip() in cell for cell in cells)


@pytest.mark.rule("X-17")
@pytest.mark.parametrize("begin", ["a;=1+1;b", 'a;"=1+1;b', "a; @b", "a\n=1+1", "a\n\n+1", "a\t-1", ";;＝1"])
@pytest.mark.parametrize("form", FORMS)
def test_no_cell_is_a_formula_where_a_semicolon_separates(form: str, begin: str) -> None:
    """Spreadsheets in French and other languages open the file so; quotes within a cell mean nothing then."""
    data = data_of() | {"narrative": begin, "extras": {"where_online": begin, "platform": begin}}
    text = sheet_csv(referral_sheet(form, data, added=begin)).removeprefix(BOM)
    for line in text.splitlines():
        assert [cell for cell in re.split("[;\t]", line) if cell.strip(' "')[:1] in set("=+-@＝＋－＠")] == []
    assert with_column(BOM + text, "more", "x").count("'") == text.count("'"), "nothing is marked twice"


def test_nothing_that_a_screen_obeys_is_written() -> None:
    data = data_of() | {"narrative": "one\x1b[2Jtwo\nthree\r\x07"}
    text = sheet_text(referral_sheet("cybertipline", data))
    assert "one\u241b[2Jtwo\nthree\u240d\u2407" in text
    assert not set(text) & {chr(code) for code in range(0x20) if code != 0x0A}


def test_what_was_said_later_has_a_row() -> None:
    assert rows_of("cybertip_ca", data_of(), "[later] a boat")["Said later by My report"] == "[later] a boat"


@pytest.mark.rule("S-18")
def test_the_old_legal_label_is_on_the_one_sheet_that_takes_no_other() -> None:
    rows = given(("report.danger", "no"), ("report.category", "images"), SEND)
    data = body(rows, setting(rows))
    (label,) = {row["ncmec"] for row in ROWS if row["category"] == "images" and "ncmec" in row}
    assert [form for form in FORMS if label in sheet_text(referral_sheet(form, data))] == ["cybertipline"]


# Category and answers → the type's row for the CyberTipline, Cybertip.ca and Primero; "" means none.
TYPES: list[tuple[str, dict[str, str], str, str, str]] = [
    ("harm", {}, "", "", ""),
    ("harm", {"harm_kind": "hurt"}, "", "", "physically_or_mentally_abused"),
    ("harm", {"harm_kind": "touch"}, "Child Sexual Molestation", "", "physically_or_mentally_abused"),
    ("harm", {"harm_kind": "both"}, "Child Sexual Molestation", "", "physically_or_mentally_abused"),
    ("luring", {}, "Online Enticement of Children for Sexual Acts", "Luring a Child", "sexually_exploited"),
    ("images", {}, MATERIAL, "Child Sexual Abuse Material", "sexually_exploited"),
    ("images", {"image_who": "me"}, MATERIAL, NOT_AGREED, "sexually_exploited"),
    ("images", {"image_who": "known"}, MATERIAL, NOT_AGREED, "sexually_exploited"),
    ("images", {"image_who": "not_known"}, MATERIAL, "Child Sexual Abuse Material", "sexually_exploited"),
    ("missing", {}, "", "", ""),
    ("exploitation", {}, "", "", "trafficked_smuggled"),
    ("exploitation", {"exploit_kind": "work"}, "", "", "worst_forms_of_child_labor"),
    ("exploitation", {"exploit_kind": "marriage"}, "", "", ""),
    ("exploitation", {"exploit_kind": "sale", "traveller": "yes"}, "", "", "trafficked_smuggled"),
    ("exploitation", {"exploit_kind": "sexual"}, "Child Sex Trafficking", "", "sexually_exploited"),
    ("exploitation", {"exploit_kind": "sexual", "traveller": "yes"}, TRAVELLER, "", "sexually_exploited"),
    ("bullying", {}, "", "", "physically_or_mentally_abused"),
    ("self_harm", {}, "", "", "mentally_distressed"),
    ("neglect", {}, "", "", ""),
    ("other", {}, "", "", "other"),
]
ROW = {
    "cybertipline": "incidentSummary.incidentType",
    "cybertip_ca": "Type of report",
    "primero": "protection_concerns",
}


def told(category: str, extras: dict[str, str]) -> dict[str, Any]:
    more = [(f"more.{key}", value) for key, value in extras.items()]
    rows = given(("report.danger", "no"), ("report.category", category), SEND, *more)
    return body(rows, setting(rows))


@pytest.mark.parametrize(("category", "extras", "ncmec", "ca", "primero"), TYPES)
def test_what_another_body_has_no_type_for_stays_empty(
    category: str, extras: dict[str, str], ncmec: str, ca: str, primero: str
) -> None:
    data = told(category, extras)
    for form, wanted in (("cybertipline", ncmec), ("cybertip_ca", ca), ("primero", primero)):
        rows = referral_sheet(form, data)
        assert dict(rows).get(ROW[form], "") == wanted, form
        if ROW[form] in dict(rows):
            assert f"## {ROW[form]}\n{wanted or '-'}\n" in sheet_text(rows)
            assert [ROW[form], wanted] in list(csv.reader(io.StringIO(sheet_csv(rows).removeprefix(BOM), newline="")))


@pytest.mark.rule("S-18")
@pytest.mark.parametrize(("category", "extras"), [row[:2] for row in TYPES])
def test_an_old_legal_term_is_on_no_sheet_but_the_one_that_takes_no_other(
    category: str, extras: dict[str, str]
) -> None:
    """Nor in a Primero case, which has the same account."""
    data = told(category, extras)
    said = {form: sheet_text(referral_sheet(form, data)) + sheet_csv(referral_sheet(form, data)) for form in FORMS}
    said["a case"] = str(case_fields(data)) + str(case_note("created", data["created_at"], data, "k"))
    holding = {form for form, text in said.items() if any(old in text for old in OLD)}
    named = (data["crosswalk"]["ncmec"] or {}).get("type")
    assert holding == ({"cybertipline"} if named in OLD else set())


def test_each_concern_of_the_crosswalk_is_mapped_or_has_none_on_purpose() -> None:
    named = {one for row in ROWS for one in row.get("primero", ())}
    assert named - set(CONCERNS) == {"child_marriage", "neglect"}
    assert set(CONCERNS) <= named


def test_what_is_not_known_overwrites_nothing_in_primero() -> None:
    rows = given(*PATH_TO_SEND[:2], SEND)
    found = case_fields(body(rows, setting(rows)))
    assert {"address_current", "telephone_current", "urgent_protection_concern"} & set(found) == set()
    assert found["name_first"] == "DRILL"


def test_every_reason_and_flag_has_its_sentence() -> None:
    assert set(REASON_LABELS) == {rule.reason for rule in (*RULE_TABLE, UNMATCHED)}
    assert all(sentence.endswith((".", "read.")) for sentence in (*REASON_LABELS.values(), *FLAG_LABELS.values()))
