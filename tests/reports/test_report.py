"""The report that a hotline receives: the two examples, and every field."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reports.countries.country import load_countries
from reports.facts import EXTRA_QUESTIONS
from reports.json_bodies import envelope
from reports.report import (
    HEAD_BLOCK,
    MAX_EARLIER,
    NO_REPORT,
    GivenAnswer,
    build_report,
    derive_facts,
    report_head,
    to_json,
)
from reports.store.schema.base import new_id
from tests.reports.sample import KE, MSISDN, PATH_TO_SEND, SEND, VU, given, read, seconds, setting
from tests.reports.schema_check import body, pointed


def example(name: str) -> tuple[dict[str, Any], list[GivenAnswer]]:
    """Return an example of the documentation, and its answers in the form that the conversation passes."""
    data = read(f"example_{name}.json")["data"]
    typed = {row["ref"]: pointed(data, row["ref"]) for row in data["answers"] if "ref" in row}
    rows = [
        GivenAnswer(row["screen"], row["question"], typed.get(row.get("ref"), row.get("value")), "ref" in row, at, True)
        for row in data["answers"]
        for at in [seconds(row["at"])]
    ]
    return data, rows


@pytest.mark.parametrize("name", ["complete", "incomplete"])
def test_the_example_comes_back_from_its_answers(name: str) -> None:
    data, rows = example(name)
    made = setting(
        rows,
        live={"vu-pikinini"},
        completeness=name,
        report_id=data["report_id"],
        revision=data["revision"],
        mode="live",
        created_at=seconds(data["created_at"]),
        updated_at=seconds(data["updated_at"]),
        sent_at=seconds(data["sent_at"]) if data["sent_at"] else None,
        language=data["language"],
        msisdn=MSISDN,
        repeat_of=0,
    )
    assert body(rows, made) == data
    compact = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    assert to_json(build_report(rows, made), "vu-pikinini") == compact
    whole = read(f"example_{name}.json")
    assert json.loads(envelope(whole["type"], seconds(whole["timestamp"]), compact)) == whole


def test_a_report_with_every_skip_taken_is_valid() -> None:
    rows = given(
        ("report.danger", "no"),
        ("report.category", "other"),
        ("report.about", None),
        ("report.age", "unknown"),
        ("report.place", None),
        ("report.words", None),
        ("report.contact", "none"),
        SEND,
        *((f"more.{key}", None) for key in EXTRA_QUESTIONS),
        ("more.words", None),
    )
    found = body(rows, setting(rows))
    assert (found["about"], found["place"], found["narrative"], found["additions"]) == (None, None, None, [])
    assert (found["reporter_role"], found["child"]["age_band"], found["extras"]) == ("unknown", "unknown", {})
    assert [row["value"] for row in found["answers"]].count(None) == 3 + len(EXTRA_QUESTIONS) + 1


@pytest.mark.rule("S-20")
@pytest.mark.parametrize("band", ["0-5", "6-9", "10-12", "13-15", "16-17", "18+", "unknown"])
def test_every_age_is_taken(band: str) -> None:
    rows = given(("report.danger", "no"), ("report.category", "other"), ("report.age", band), SEND)
    found = body(rows, setting(rows))
    assert found["child"]["age_band"] == band
    assert found["routing"]["to"][0]["hotline"] == "vu-pikinini"


@pytest.mark.parametrize(
    ("choice", "about", "kind", "reason"),
    [
        ("my_child", "my_child", "missing", "MISSING"),
        ("child_i_know", "child_i_know", "missing", "MISSING"),
        ("sighting", "other", "sighting", "SIGHTING"),
        ("self_away", "me", "self_away", "MISSING"),
        (None, None, None, "MISSING"),
    ],
)
def test_who_is_missing_says_whom_it_is_about(choice: str | None, about: str | None, kind: Any, reason: str) -> None:
    rows = given(("report.danger", "no"), ("report.category", "missing"), ("report.about_missing", choice), SEND)
    found = body(rows, setting(rows))
    assert (found["about"], found["extras"].get("missing_kind")) == (about, kind)
    assert found["triage"]["reasons"] == [reason]
    assert {recipient["role"]: recipient["hotline"] for recipient in found["routing"]["to"]} == {
        "primary": "vu-pikinini",
        "also": "vu-police",
    }


@pytest.mark.parametrize(
    ("rows", "role"),
    [
        ((("report.about", "me"), ("report.age_me", "16-17")), "child"),
        ((("report.about", "me"), ("report.age_me", "18+")), "unknown"),
        ((("report.about", "me"), ("report.age_me", "unknown")), "unknown"),
        ((("report.about", "my_child"),), "family"),
        ((("report.about", "child_i_know"),), "unknown"),
        ((("report.about", "child_i_know"), ("more.role", "professional")), "professional"),
        ((("report.about", "other"), ("more.role", "community")), "community"),
        ((("report.category", "self_harm"), ("report.about", None), ("report.age", "13-15")), "unknown"),
    ],
)
def test_who_reports(rows: tuple[tuple[str, str], ...], role: str) -> None:
    answers = given(("report.danger", "no"), ("report.category", "other"), *rows, SEND)
    assert body(answers, setting(answers))["reporter_role"] == role


@pytest.mark.parametrize(
    ("country", "value", "place"),
    [
        (VU, None, None),
        (VU, "VU-SEE", {"code": "VU-SEE", "name": "Shefa", "group": None}),
        (KE, "KE-05", {"code": "KE-05", "name": "Elgeyo/Marakwet", "group": "Rift Valley"}),
        (KE, "Coast", {"code": None, "name": "Coast", "group": "Coast"}),
        (KE, "Nairobi", {"code": "KE-30", "name": "Nairobi City", "group": "Nairobi"}),
        (VU, "elsewhere", {"code": None, "name": "elsewhere", "group": None}),
    ],
)
def test_the_place(country: Any, value: str | None, place: Any) -> None:
    rows = given(("report.danger", "no"), ("report.category", "harm"), ("report.place", value), SEND)
    assert body(rows, setting(rows, country=country), next(iter(country.hotlines)))["place"] == place


def test_a_place_within_the_group_is_finer_and_skipping_it_keeps_the_group() -> None:
    before = (("report.danger", "now"), ("report.category", "harm"), ("report.place", "Coast"), SEND)
    for later, code in (("KE-28", "KE-28"), (None, None)):
        rows = given(*before, ("more.place", later))
        assert body(rows, setting(rows, country=KE), "ke-child-helpline")["place"]["code"] == code


@pytest.mark.rule("S-13")
@pytest.mark.parametrize(
    ("value", "msisdn", "completeness", "allowed"),
    [
        ("sms_07_21", MSISDN, "complete", True),
        ("call_08_16", MSISDN, "complete", True),
        ("none", MSISDN, "complete", False),
        (None, MSISDN, "complete", False),
        ("sms_07_21", None, "complete", False),
        ("sms_07_21", MSISDN, "incomplete", False),
        ("sms_99_99", MSISDN, "complete", False),
    ],
)
def test_the_number_is_there_only_with_consent(value: Any, msisdn: Any, completeness: str, allowed: bool) -> None:
    rows = given(("report.danger", "now"), ("report.category", "harm"), ("report.contact", value))
    made = setting(rows, completeness=completeness, msisdn=msisdn)
    found = body(rows, made)
    raw = to_json(build_report(rows, made), "vu-pikinini") + report_head(build_report(rows, made))
    assert found["contact"]["allowed"] is allowed
    assert ("msisdn" in found["contact"]) is (MSISDN.encode() in raw) is allowed
    assert ("NO_CONTACT" in found["triage"]["flags"]) is not allowed
    if allowed:
        assert found["contact"]["how"] == str(value).partition("_")[0]
        assert found["contact"]["safe_hours"]["tz"] == "Pacific/Efate"


def test_a_hotline_left_out_stands_in_the_report() -> None:
    rows = given(*PATH_TO_SEND, ("report.who_else", "vu-pikinini"), ("report.who_else", "vu-police"), SEND)
    found = body(rows, setting(rows), "vu-womens-centre")
    assert found["routing"]["avoid"] == ["vu-pikinini", "vu-police"]
    assert [recipient["hotline"] for recipient in found["routing"]["to"]] == ["vu-womens-centre"]
    assert "AVOID_USED" in found["triage"]["flags"]


def test_everybody_who_can_get_it_stands_in_the_report_with_a_name() -> None:
    rows = given(*PATH_TO_SEND, SEND)
    to = body(rows, setting(rows))["routing"]["to"]
    assert [(recipient["name"], recipient["role"]) for recipient in to] == [
        ("Pikinini Helpline", "primary"),
        ("Vanuatu Women's Centre", "fallback"),
        ("Vanuatu Police, not urgent", "fallback"),
    ]


def test_words_that_were_never_confirmed() -> None:
    made = setting((), completeness="incomplete", first_words="Somebody waits at the gate every day", words_only=True)
    found = body((), made)
    assert (found["danger"], found["category"], found["answers"]) == (None, None, [])
    assert found["narrative"] == "Somebody waits at the gate every day"
    assert found["triage"]["priority"] == "P3"
    assert found["triage"]["flags"] == ["INCOMPLETE", "NO_CONTACT", "WORDS_ONLY"]


def test_the_priority_once_reached_stays_in_the_next_revision() -> None:
    rows = given(*PATH_TO_SEND, SEND)
    assert body(rows, setting(rows, floor="P1", revision=7))["triage"]["priority"] == "P1"


def test_the_head_holds_what_a_list_shows_and_no_words() -> None:
    rows = given(*PATH_TO_SEND, ("report.words", "a planted sentence"), SEND)
    found = json.loads(report_head(build_report(rows, setting(rows))))
    assert found == {
        "category": "luring",
        "danger": "soon",
        "about": "me",
        "age_band": "13-15",
        "place": {"code": "VU-SEE", "name": "Shefa", "group": None},
        "reasons": ["DANGER_SOON", "LURING"],
        "channel": "ussd",
        "language": "en",
        "payment_seen": None,
        "contact": {"how": "none", "safe_hours": None},
        "earlier": [NO_REPORT] * MAX_EARLIER,
    }


def test_the_length_of_the_head_does_not_say_how_many_reports_came_before() -> None:
    rows = given(*PATH_TO_SEND, SEND)
    report, ids = build_report(rows, setting(rows)), [new_id(n) for n in range(MAX_EARLIER + 1)]
    heads = [report_head(report, ids[:n]) for n in range(len(ids) + 1)]
    assert len({len(head) for head in heads}) == 1
    assert [json.loads(head)["earlier"] for head in heads[-2:]] == [ids[:MAX_EARLIER]] * 2
    assert json.loads(heads[2])["earlier"] == [*ids[:2], *[NO_REPORT] * (MAX_EARLIER - 2)]


def test_the_length_of_the_head_does_not_say_what_was_told() -> None:
    told = (
        given(("report.danger", "no"), ("report.category", "other"), SEND),
        given(("report.danger", "now"), ("report.category", "exploitation"), ("report.age", "0-5"), SEND),
        given(*PATH_TO_SEND, ("report.place", "VU-SEE"), ("report.contact", "call_08_16"), SEND),
    )
    assert {len(report_head(build_report(rows, setting(rows)))) for rows in told} == {HEAD_BLOCK}


def test_the_head_says_how_and_when_and_never_the_number() -> None:
    rows = given(*PATH_TO_SEND, ("report.contact", "call_08_16"), SEND)
    raw = report_head(build_report(rows, setting(rows, msisdn="+6785550101")))
    hours = {"from": "08:00", "to": "16:00", "tz": "Pacific/Efate"}
    assert json.loads(raw)["contact"] == {"how": "call", "safe_hours": hours}
    assert b"678" not in raw and b"msisdn" not in raw


def test_facts_are_the_same_before_send_and_in_the_report() -> None:
    rows = given(*PATH_TO_SEND, SEND)
    before, report = derive_facts(rows), build_report(rows, setting(rows))
    assert (before.danger, before.category, before.about) == ("soon", "luring", "me")
    assert report.facts == before
    assert report.priority == "P2"


def test_the_shipped_files_make_the_same_report_each_time() -> None:
    rows = given(*PATH_TO_SEND, SEND)
    again = load_countries(["vu"], "demo").all[0]
    raw = {to_json(build_report(rows, setting(rows, country=country)), "vu-pikinini") for country in (VU, again, VU)}
    assert len(raw) == 1
