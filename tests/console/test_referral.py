"""A referral form from a report: only the chosen parts, as a PDF with text only and as JSON of our schema."""

from __future__ import annotations

import json
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import DictionaryObject, IndirectObject
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfgen.canvas import Canvas

from console.presenters import pdf
from locales import FOLDER
from reports.store.schema import tables as t
from tests.console.running_console import HOTLINE, OTHER
from tests.console.test_safe_hours import told
from tests.house.files import ROOT
from tests.reports.schema_check import Draft202012Validator, FormatChecker, closed
from tests.support.console import Console
from tests.support.hotline_clients import rows
from tests.support.local_clock import move_to_local_time
from tests.support.staff import Page, Person, joined, pass_time
from tokaut.local_stack.settings import StackPlan

SCHEMA = json.loads((ROOT / "docs" / "contracts" / "cop-referral-1.0.schema.json").read_text(encoding="utf-8"))
NUMBER, WORDS = "+6785550101", "He said <script>alert(1)</script> see http://example.org/x ʻĀina"
CONTACT = {"allowed": True, "how": "call", "safe_hours": {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}}
CHOSEN = {"to": "Health centre", "purpose": "Medical care within 72 hours", "basis": "consent", "given_by": "carer"}
CHOSEN |= {"section.facts": "1", "section.child": "1"}
FORBIDDEN = {"/JS", "/JavaScript", "/AA", "/OpenAction", "/Annots", "/EmbeddedFiles", "/URI", "/Launch", "/AcroForm"}
FORBIDDEN |= {"/RichMedia", "/SubmitForm", "/EF", "/Names", "/XFA"}


@pytest.fixture
def path(console: Console, made: StackPlan) -> str:
    """Return the path of a report at noon in Efate, whose reporter may be called."""
    move_to_local_time(console.parts.database, "12:12")
    return told(
        console, made, CONTACT | {"msisdn": NUMBER}, narrative=WORDS, place={"name": "Port Vila", "group": None}
    )


@pytest.fixture
def ana(console: Console, path: str) -> Person:
    one = joined(console.flask, console.parts.database, "ana")
    one.log_in()
    return one


def make(one: Person, path: str, kind: str, **more: str) -> Page:
    return one.post(f"{path}/referral", {**one.get(f"{path}/referral").marks, **CHOSEN, "do": kind, **more})


def text_of(page: Page) -> str:
    reader = PdfReader(BytesIO(page.answer.get_data()))
    return " ".join(" ".join(one.extract_text() for one in reader.pages).split())


def names_in(found: Any, seen: set[int]) -> set[str]:
    """Return every key and name in the objects of a PDF."""
    if isinstance(found, IndirectObject):
        if found.idnum in seen:
            return set()
        seen.add(found.idnum)
        found = found.get_object()
    if isinstance(found, DictionaryObject):
        return set(found).union(*(names_in(value, seen) for value in found.values()))
    if isinstance(found, list):
        return set().union(*(names_in(value, seen) for value in found))
    return {str(found)} if isinstance(found, str) and str(found).startswith("/") else set()


def test_no_letter_runs_over_the_edge_of_the_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts without spaces, as people write on a phone."""
    right_ends: list[float] = []
    drawn: list[str] = []

    def draw(self: Canvas, x: float, _: float, line: str) -> None:
        right_ends.append(x + pdfmetrics.stringWidth(line, pdf.FONT, pdf.SIZE))
        drawn.append(line)

    monkeypatch.setattr(Canvas, "drawString", draw)
    long = "0123456789" * 40
    pdf.document("T", [], [("Purpose", f"see {long}"), ("W" * 40, "x")], "F")
    assert max(right_ends) <= pdf.WIDTH - pdf.MARGIN
    assert long in "".join(drawn) and "".join(drawn).count("W") == 40


def test_the_pdf_has_the_chosen_parts_and_nothing_that_acts(ana: Person, path: str) -> None:
    answer = make(ana, path, "pdf", **{"section.words": "1"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    text = text_of(answer)
    for part in ("Referral form", "Health centre", "Medical care within 72 hours", "A parent or carer", "Port Vila"):
        assert part in text
    assert "He said <script>alert(1)</script> see hxxp://example.org/x ʻĀina" in text
    assert "A demo: no report here is real." in text
    assert "Not passed on Answers to further questions; How the reporter may be contacted" in text
    assert NUMBER not in text and "0101" not in text and "08:00" not in text
    reader = PdfReader(BytesIO(answer.answer.get_data()))
    assert names_in(reader.trailer, set()) & FORBIDDEN == set() and reader.attachments == {}
    assert all(name not in answer.answer.get_data() for name in (b"/JavaScript", b"/URI", b"/Annot", b"/EmbeddedFile"))


def test_no_part_says_what_another_part_that_does_not_go_says(ana: Person, path: str) -> None:
    form = {"section.facts": "", "section.child": "", "section.answers": "1"}
    text = text_of(make(ana, path, "pdf", **form))
    assert "Answers to further questions" in text
    assert [one for one in ("Port Vila", "13-15", "08:00", "8am", "P2", "He said") if one in text] == []


def test_the_check_of_a_pdf_can_fail() -> None:
    """A planted link is found."""
    buffer = BytesIO()
    canvas = Canvas(buffer)
    canvas.linkURL("https://example.org", (0, 0, 9, 9))
    canvas.showPage()
    canvas.save()
    assert names_in(PdfReader(buffer).trailer, set()) & FORBIDDEN == {"/Annots", "/URI"}


def test_the_json_is_of_the_schema_and_has_no_more(ana: Person, path: str) -> None:
    some = json.loads(make(ana, path, "json").answer.get_data())
    assert (some["report_id"], some["mode"]) == (path.rpartition("/")[2], "training")
    everything = {f"section.{name}": "1" for name in ("words", "answers", "contact")}
    whole = json.loads(make(ana, path, "json", **everything).answer.get_data())
    for one in (some, whole):
        Draft202012Validator(closed(SCHEMA), format_checker=FormatChecker()).validate(one)
    assert set(some["sections"]) == {"facts", "child"} and some["withheld"] == ["words", "answers", "contact"]
    assert WORDS not in json.dumps(some, ensure_ascii=False) and whole["sections"]["words"]["narrative"] == WORDS
    assert NUMBER not in json.dumps([some, whole])
    assert (whole["to"], whole["consent"]) == ("Health centre", {"basis": "consent", "given_by": "carer"})


@pytest.mark.rule("S-13")
def test_the_number_goes_only_if_chosen_and_only_in_the_safe_hours(console: Console, ana: Person, path: str) -> None:
    page = make(ana, path, "json", number="1")
    assert json.loads(page.answer.get_data())["sections"]["contact"]["msisdn"] == NUMBER
    assert NUMBER in text_of(make(ana, path, "pdf", number="1"))
    acts = [one.act for one in rows(console.parts.database, t.audit)]
    assert [act for act in acts if act.startswith("referral")] == ["referral:json:number", "referral:pdf:number"]
    assert "number_shown" not in acts, "that says outside the safe hours"
    pass_time(console.parts.database, 4.5 * 3600)
    ana.log_in()
    late = make(ana, path, "json", number="1")
    assert late.status == 400 and "The number is not given outside the safe hours" in late.text
    assert sum(one.act.startswith("referral") for one in rows(console.parts.database, t.audit)) == 2


@pytest.mark.rule("S-23")
def test_each_one_is_recorded_before_it_is_made(console: Console, ana: Person, path: str) -> None:
    report_id = path.rpartition("/")[2]
    make(ana, path, "pdf")
    make(ana, path, "json")
    acts = [one for one in rows(console.parts.database, t.audit) if one.act.startswith("referral")]
    assert [(one.actor, one.act, one.object_id) for one in acts] == [
        (f"staff:{HOTLINE}/ana", "referral:pdf", report_id),
        (f"staff:{HOTLINE}/ana", "referral:json", report_id),
    ]
    shown = ana.get(path).text
    assert shown.count("Referral form made for Health centre. Purpose: Medical care within 72 hours") == 2


def test_it_asks_who_you_are_and_other_hotlines_get_nothing(console: Console, ana: Person, path: str) -> None:
    oto = joined(console.flask, console.parts.database, "oto", hotline="vu-police")
    oto.log_in()
    assert oto.get(f"{path}/referral").status == 404
    assert oto.post(f"{path}/referral", CHOSEN | {"do": "pdf"}, at="/me").status == 404
    pass_time(console.parts.database, 6 * 60)
    assert ana.get(f"{path}/referral").leads_to == f"/check?then={path}/referral"
    answer = ana.post(f"{path}/referral", CHOSEN | {"do": "pdf"}, at="/me")
    assert answer.leads_to == f"/check?then={path}/referral"
    assert [one.act for one in rows(console.parts.database, t.audit) if one.act.startswith("referral")] == []


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"to": " "}, "Enter the service that gets this referral."),
        ({"purpose": ""}, "Enter what the service is asked to do."),
        ({"basis": "because"}, "Choose on what basis you refer."),
        ({"given_by": ""}, "Choose who gave the consent."),
        ({"section.facts": "", "section.child": ""}, "Choose at least one part of the report."),
    ],
)
def test_what_is_missing_is_said(
    console: Console, ana: Person, path: str, wrong: dict[str, str], sentence: str
) -> None:
    page = make(ana, path, "pdf", **wrong)
    assert page.status == 400 and sentence in page.text
    assert [one.act for one in rows(console.parts.database, t.audit) if one.act.startswith("referral")] == []


@pytest.mark.rule("S-26")
@pytest.mark.parametrize("typed", [None, "VU-POLICE", "the  {name}, Vila", "{name}"])
def test_no_form_is_made_for_a_hotline_that_the_reporter_left_out(
    console: Console, made: StackPlan, ana: Person, typed: str | None
) -> None:
    country = console.parts.countries.country_of_hotline(HOTLINE)
    assert country
    path = told(console, made, CONTACT, routing={"recipients": [], "avoid": ["vu-police"]})
    name = country.hotlines["vu-police"].name
    if typed is None:
        offered = ana.get(f"{path}/referral").html.partition("<datalist")[2].partition("</datalist>")[0]
        assert unescape(offered).count("<option") == 1 and country.hotlines[OTHER].name in unescape(offered)
        return
    page = make(ana, path, "json", to=typed.replace("{name}", name))
    assert page.status == 400 and "The reporter left this hotline out" in page.text
    assert [one.act for one in rows(console.parts.database, t.audit) if one.act.startswith("referral")] == []


def test_the_font_has_all_letters_of_our_languages() -> None:
    lacking = {}
    for folder in (FOLDER, ROOT / "console" / "locales"):
        for file in sorted(Path(folder).glob("*.po")):
            letters = set(file.read_text(encoding="utf-8"))
            lacking[file.name] = {letter for letter in letters if pdf.drawable(letter) == pdf.REPLACEMENT}
    assert {name: found for name, found in lacking.items() if found} == {}
    assert pdf.drawable("देव\t✓") == "\ufffd\ufffd\ufffd ✓", "a letter that the font lacks is not left out silently"


def test_a_long_text_goes_on_on_further_pages() -> None:
    lines = [("Their own words", f"Sentence {number}. " * 40) for number in range(20)]
    reader = PdfReader(BytesIO(pdf.document("Form", ["Note"], lines, "Foot")))
    text = " ".join(" ".join(one.extract_text() for one in reader.pages).split())
    assert len(reader.pages) > 3
    assert {number: text.count(f"Sentence {number}.") for number in range(20)} == dict.fromkeys(range(20), 40)
    assert all("Foot" in one.extract_text() for one in reader.pages)


def test_what_was_chosen_is_still_there_after_the_repeated_check_of_the_login(
    console: Console, ana: Person, path: str
) -> None:
    page = ana.get(f"{path}/referral")
    drafted = {"draft_of": path.rpartition("/")[2], "draft_kind": "referral"}
    pass_time(console.parts.database, 6 * 60)
    asked = ana.post(f"{path}/referral", {**page.marks, **CHOSEN, **drafted, "section.words": "1", "do": "pdf"})
    assert asked.leads_to == f"/check?then={path}/referral"
    right = {"password": ana.password, "code": ana.code(), "then": f"{path}/referral"}
    assert ana.post("/check", right, at="/check").leads_to == f"{path}/referral"
    back = ana.get(f"{path}/referral").html
    assert 'name="draft_kind" value="referral"' in back and CHOSEN["to"] in back and CHOSEN["purpose"] in back
    assert 'name="basis" value="consent" checked' in back and 'name="section.words" value="1" checked' in back
    assert make(ana, path, "pdf").status == 200
    assert CHOSEN["purpose"] not in ana.get(f"{path}/referral").html, "what was made is no draft any more"
