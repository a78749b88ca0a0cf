"""The kind primero: what becomes a case or a note; nothing arrives twice, or counts as received without a receipt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import CollectorRegistry

from reports.countries.country import SHIPPED_FOLDER
from reports.exports import CONCERNS as OURS
from reports.exports import WITHOUT_CODE
from reports.json_bodies import NO_CONTACT, envelope, json_bytes, message_json, unread_json
from reports.store.operations import delivery_actions
from runtime.settings import Mode, Secret
from tests.kit.samples import IDS, complete, incomplete
from tests.reports.sample import MSISDN, NOW, read
from tests.reports.sample import REPORT_ID as SAMPLE
from tests.tokaut.test_export import ONE, SampleReport
from tests.workers.primero import CONCERNS, PASSWORD, USER, PrimeroServer
from tokaut.__main__ import main
from workers.delivery.outcomes import Delivered, DeliveryOutcome, DeliveryRequest, Refused, Unavailable, Undeliverable
from workers.delivery.registry import HotlineDependencies
from workers.hotlines import primero
from workers.hotlines.primero import PrimeroConnector
from workers.jobs.deliver import DeliveryRunner
from workers.keyring import KeyRing
from workers.metrics import WorkerMetrics
from workers.network.allowlist import parse_target
from workers.network.http_client import HttpClient, HttpTimeouts

pytestmark = pytest.mark.slow

LIMITS = HttpTimeouts(resolve=2, connect=2, read=1, total=2, drain=0.5)
REPORT = IDS[0]


@pytest.fixture
def server() -> Iterator[PrimeroServer]:
    with PrimeroServer() as running:
        yield running


def hotline(server: PrimeroServer, password: str = PASSWORD, max_seconds: float = 15) -> PrimeroConnector:
    target = parse_target(server.url, [server.host_port], live=False)
    return PrimeroConnector(target, USER, password, HttpClient(limits=LIMITS), max_seconds)


def delivery_request(body: bytes, key: str = IDS[7], attempt: int = 1) -> DeliveryRequest:
    kind = json.loads(body)["type"].removeprefix("report.")
    return DeliveryRequest(key, kind, "vu-pikinini", body, attempt, "P2")


def created(**changes: Any) -> bytes:
    data = json.loads(complete())["data"] | {"revision": 1} | changes
    return envelope("report.created", NOW, json_bytes(data))


def said(kind: str, text: str | None = None, contact: Any = None, *, without_code: bool = False) -> bytes:
    more = {"kind": kind, "text": text, "contact": contact, "without_code": without_code}
    data = message_json(report_id=REPORT, message_id=IDS[8], mode="live", created_at=NOW, **more)
    return envelope("report.message", NOW, data)


def outcome(server: PrimeroServer, body: bytes, key: str = IDS[7]) -> DeliveryOutcome:
    return hotline(server).deliver(delivery_request(body, key))


def methods(server: PrimeroServer) -> list[str]:
    return [method for method, _, _ in server.state.requests]


def test_a_report_becomes_a_case_with_one_note_that_says_all(server: PrimeroServer) -> None:
    assert outcome(server, created(mode="live")) == Delivered(204)
    case = server.state.cases[REPORT]
    assert {name: value for name, value in case.items() if name != "notes_section"} == {
        "module_id": "primeromodule-cp",
        "other_agency_id": REPORT,
        "other_agency_name": "Tokaut",
        "registration_date": "2026-11-25",
        "risk_level": "medium",
        "protection_concerns": ["physically_or_mentally_abused"],
        "address_current": "Shefa, VU",
        "telephone_current": f"sms to {MSISDN}, only from 08:00 to 16:00 (Pacific/Efate)",
    }
    [note] = server.state.notes(REPORT)
    assert (note["unique_id"], note["note_subject"]) == (IDS[7], "Report P3, revision 1")
    assert "They write to me each evening. I want it to stop." in note["note_text"]
    assert methods(server) == ["POST", "GET"]


@pytest.mark.rule("S-40")
def test_a_drill_is_marked_where_a_list_shows_it(server: PrimeroServer) -> None:
    assert outcome(server, incomplete()) == Delivered(204)
    case = server.state.cases[IDS[1]]
    assert case["name_first"] == "DRILL"
    assert case["risk_level"] == "high"
    assert server.state.notes(IDS[1])[0]["note_subject"].startswith("DRILL ")


@pytest.mark.rule("S-13")
def test_without_consent_there_is_no_number_in_any_request(server: PrimeroServer) -> None:
    outcome(server, created(contact=NO_CONTACT))
    assert MSISDN not in json.dumps(server.state.requests)
    assert "telephone_current" not in server.state.cases[REPORT]


def test_words_that_nobody_could_read_become_a_case_too(server: PrimeroServer) -> None:
    data = unread_json(
        report_id=REPORT, mode="live", country="VU", channel="sms", received_at=NOW, content_type="x/y", body=b"\xff"
    )
    assert outcome(server, envelope("report.unread", NOW, data)) == Delivered(204)
    assert "/w==" in server.state.notes(REPORT)[0]["note_text"]
    assert server.state.cases[REPORT]["risk_level"] == "high"


@pytest.mark.parametrize("cue", ["lose", "half"])
def test_an_answer_that_was_lost_makes_no_second_case_and_no_second_note(server: PrimeroServer, cue: str) -> None:
    server.state.cues = [cue]
    assert outcome(server, created()) == Unavailable("reset")
    assert outcome(server, created()) == Delivered(200)
    assert outcome(server, created()) == Delivered(200)
    assert len(server.state.cases) == len(server.state.notes(REPORT)) == 1


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_line_that_breaks_at_any_call_loses_nothing_and_doubles_nothing(server: PrimeroServer, at: int) -> None:
    outcome(server, created())
    server.state.cues = ["well"] * (at - 1) + ["lose"]
    update = envelope("report.updated", NOW, json_bytes(json.loads(complete())["data"]))
    outcome(server, update, IDS[8])
    assert isinstance(outcome(server, update, IDS[8]), Delivered)
    assert [note["unique_id"] for note in server.state.notes(REPORT)] == [IDS[7], IDS[8]]


def test_an_update_adds_a_note_and_leaves_to_staff_what_is_theirs(server: PrimeroServer) -> None:
    outcome(server, created(mode="live"))
    server.state.cases[REPORT] |= {"address_current": "with an aunt", "risk_level": "high"}
    update = envelope("report.updated", NOW, json_bytes(json.loads(complete())["data"] | {"mode": "live"}))
    assert outcome(server, update, IDS[8]) == Delivered(200)
    case = server.state.cases[REPORT]
    assert (case["address_current"], case["risk_level"]) == ("with an aunt", "high")
    assert len(server.state.notes(REPORT)) == 2


def test_a_risk_that_rose_rises_there(server: PrimeroServer) -> None:
    outcome(server, created())
    data = json.loads(complete())["data"]
    raised = data | {"triage": data["triage"] | {"priority": "P1"}}
    outcome(server, envelope("report.updated", NOW, json_bytes(raised)), IDS[8])
    assert server.state.cases[REPORT]["risk_level"] == "high"
    assert server.state.cases[REPORT]["urgent_protection_concern"] == "true"


def test_an_update_that_overtook_its_report_makes_the_case_and_the_report_adds_its_note(server: PrimeroServer) -> None:
    assert outcome(server, complete(), IDS[8]) == Delivered(204)
    assert outcome(server, created()) == Delivered(200)
    assert [note["unique_id"] for note in server.state.notes(REPORT)] == [IDS[8], IDS[7]]


@pytest.mark.parametrize("cue", ["cut", "late"])
def test_a_case_that_is_not_read_whole_is_not_written_over(server: PrimeroServer, cue: str) -> None:
    outcome(server, created())
    case = server.state.cases[REPORT]
    case |= {"name_first": "Found by staff", "risk_level": "high", "telephone_current": "found by staff"}
    before = dict(case)
    server.state.cues = [cue]
    assert outcome(server, complete(), IDS[8]) == Unavailable("reset")
    assert server.state.cases[REPORT] == before
    assert outcome(server, complete(), IDS[8]) == Delivered(200)
    assert {**server.state.cases[REPORT], "notes_section": before["notes_section"]} == before


def test_a_number_goes_though_the_case_was_first_cut_off(server: PrimeroServer) -> None:
    outcome(server, created())
    server.state.cues = ["cut"]
    assert outcome(server, said("contact_withdrawn", contact=NO_CONTACT), IDS[8]) == Unavailable("reset")
    assert outcome(server, said("contact_withdrawn", contact=NO_CONTACT), IDS[8]) == Delivered(200)
    assert MSISDN not in json.dumps(server.state.cases)


def test_a_receipt_may_come_over_a_slow_line(server: PrimeroServer) -> None:
    server.state.cues = ["well", "late"]
    target = parse_target(server.url, [server.host_port], live=False)
    connector = PrimeroConnector(target, USER, PASSWORD, HttpClient(limits=primero.TIMEOUTS))
    assert connector.deliver(delivery_request(created())) == Delivered(204)
    assert primero.TIMEOUTS.drain >= primero.TIMEOUTS.total


def test_a_message_is_a_note_and_waits_for_its_case(server: PrimeroServer) -> None:
    assert outcome(server, said("words", "The boat came back."), IDS[8]) == Unavailable("not_found", 404)
    outcome(server, created())
    assert outcome(server, said("words", "The boat came back."), IDS[8]) == Delivered(200)
    note = server.state.notes(REPORT)[1]
    assert (note["note_subject"], note["note_text"]) == ("Said by the reporter: words", "The boat came back.")


def test_words_without_code_say_so(server: PrimeroServer) -> None:
    outcome(server, created())
    outcome(server, said("words", "All is well.", without_code=True), IDS[8])
    assert server.state.notes(REPORT)[1]["note_text"] == f"{WITHOUT_CODE}\nAll is well."


@pytest.mark.rule("S-13")
def test_a_number_that_is_taken_back_goes_and_one_that_staff_found_stays(server: PrimeroServer) -> None:
    outcome(server, created())
    assert outcome(server, said("contact_withdrawn", contact=NO_CONTACT), IDS[8]) == Delivered(200)
    assert server.state.cases[REPORT]["telephone_current"] is None
    assert MSISDN not in json.dumps(server.state.cases)
    assert "Contact: taken back" in server.state.notes(REPORT)[0]["note_text"]
    assert "They write to me each evening." in server.state.notes(REPORT)[0]["note_text"]
    server.state.cases[REPORT]["telephone_current"] = "5550199, the aunt"
    outcome(server, said("contact_withdrawn", contact=NO_CONTACT), IDS[9])
    assert server.state.cases[REPORT]["telephone_current"] == "5550199, the aunt"


def test_a_number_that_is_given_later_comes_with_its_hours(server: PrimeroServer) -> None:
    outcome(server, created(contact=NO_CONTACT))
    outcome(server, said("contact_given", contact=json.loads(complete())["data"]["contact"]), IDS[8])
    assert server.state.cases[REPORT]["telephone_current"].startswith(f"sms to {MSISDN}, only from 08:00")
    assert MSISDN in server.state.notes(REPORT)[1]["note_text"]


@pytest.mark.rule("S-13")
def test_of_two_numbers_of_ours_the_one_that_was_given_last_stands(server: PrimeroServer) -> None:
    """Its safe hours too: outside them another person may have the phone."""
    outcome(server, created())
    given = json.loads(complete())["data"]["contact"] | {"msisdn": "+6785550199"}
    outcome(server, said("contact_given", contact=given), IDS[8])
    assert server.state.cases[REPORT]["telephone_current"].startswith("sms to +6785550199, only from 08:00")


@pytest.mark.rule("S-13")
def test_an_asking_to_delete_is_said_in_words_and_takes_the_number_back(server: PrimeroServer) -> None:
    outcome(server, created())
    assert outcome(server, said("delete_asked", contact=NO_CONTACT), IDS[8]) == Delivered(200)
    assert "asks you to delete your copy" in server.state.notes(REPORT)[1]["note_text"]
    assert server.state.cases[REPORT]["telephone_current"] is None
    assert MSISDN not in json.dumps(server.state.cases)


def test_what_this_primero_has_no_value_for_is_left_out_and_stands_in_the_note(server: PrimeroServer) -> None:
    server.state.checks["protection_concerns"] = lambda value: value in (None, ["of_their_own"])
    server.state.checks["risk_level"] = lambda value: value is None
    assert outcome(server, created()) == Delivered(204)
    case = server.state.cases[REPORT]
    assert not {"protection_concerns", "risk_level"} & set(case)
    assert "Priority P3" in server.state.notes(REPORT)[0]["note_text"]
    assert methods(server) == ["POST", "POST", "GET"]


def test_a_note_that_it_does_not_take_is_a_refusal(server: PrimeroServer) -> None:
    server.state.checks["notes_section"] = lambda _: False
    assert outcome(server, created()) == Refused("refused", 422)
    assert server.state.cases == {}
    assert methods(server) == ["POST"]


def test_a_role_without_the_form_drops_the_words_and_that_is_no_receipt(server: PrimeroServer) -> None:
    server.state.may_write.remove("notes_section")
    assert outcome(server, created()) == Unavailable("not_kept", 204)
    server.state.may_write.add("notes_section")
    assert outcome(server, created()) == Delivered(200)
    assert len(server.state.cases) == len(server.state.notes(REPORT)) == 1


def test_a_role_that_may_not_read_proves_nothing(server: PrimeroServer) -> None:
    server.state.may_read = False
    assert outcome(server, created()) == Unavailable("locked_out", 403)


@pytest.mark.parametrize(
    ("cue", "expected"),
    [
        ((401, {}), Unavailable("locked_out", 401)),
        ((403, {}), Unavailable("locked_out", 403)),
        ((302, {"Location": "/elsewhere"}), Unavailable("moved", 302)),
        ((404, {}), Unavailable("not_found", 404)),
        ((413, {}), Refused("too_large", 413, is_final=True)),
        ((422, {}), Refused("refused", 422)),
        ((429, {"Retry-After": "30"}), Unavailable("busy", 429, 30)),
        ((500, {}), Unavailable("busy", 500)),
        ((503, {"Retry-After": "60"}), Unavailable("busy", 503, 60)),
        ("hang", Unavailable("timeout")),
        ("lose", Unavailable("reset")),
        ("half", Unavailable("reset")),
    ],
    ids=str,
)
def test_each_fault_has_its_class(server: PrimeroServer, cue: Any, expected: DeliveryOutcome) -> None:
    server.state.cues = [cue]
    assert outcome(server, created()) == expected


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_yes_that_kept_nothing_is_no_receipt(server: PrimeroServer, status: int) -> None:
    server.state.cues = [(status, {})]
    assert outcome(server, created()) == Unavailable("not_found", 404)
    assert outcome(server, created()) == Delivered(204)


def test_a_conflict_over_a_case_that_is_not_shown_to_us_is_no_receipt(server: PrimeroServer) -> None:
    server.state.cues = [(409, {})]
    assert outcome(server, created()) == Unavailable("not_found", 404)


def test_a_wrong_password_is_told_and_writes_nothing(server: PrimeroServer) -> None:
    assert hotline(server, "wrong").deliver(delivery_request(created())) == Unavailable("locked_out", 401)
    assert server.state.cases == {}


def test_a_slow_primero_gets_no_further_call_in_this_attempt(server: PrimeroServer) -> None:
    assert hotline(server, max_seconds=-1).deliver(delivery_request(created())) == Unavailable("timeout")
    assert server.state.requests == []


def test_what_it_answers_beside_json_is_read_as_nothing(server: PrimeroServer) -> None:
    assert primero._json(primero.ClientResponse(200, {}, b"[" * 100_000)) == {}


def test_it_is_built_from_its_settings(server: PrimeroServer) -> None:
    settings = primero.Settings(
        url=server.url, user=USER, password=Secret(PASSWORD), private=(server.host_port,), ca_file=None
    )
    built = primero.build(settings, HotlineDependencies(Mode.TRAINING, hotline=None))  # type: ignore[arg-type]  # it asks for none
    assert built.deliver(delivery_request(created())) == Delivered(204)
    assert not isinstance(built.deliver(delivery_request(created())), Undeliverable)


def test_every_concern_that_we_name_is_in_the_list_that_primero_ships() -> None:
    assert set(OURS.values()) <= CONCERNS
    assert read("example_complete.json")["data"]["crosswalk"]["primero"] == ["sexual_exploitation"]


def test_the_real_worker_hands_a_sealed_report_over_and_a_lost_answer_doubles_nothing(
    server: PrimeroServer, tmp_path: Path
) -> None:
    sample = SampleReport(tmp_path)
    worker = DeliveryRunner(
        database=sample.database,
        keys=KeyRing(tmp_path / "keys"),
        hotlines={ONE: hotline(server)},
        mode="demo",
        holder="here/urgent/1",
        actor="worker",
        metrics=WorkerMetrics(CollectorRegistry()),
    )
    [delivery] = [row.delivery_id for row in delivery_actions.list_deliveries(sample.database)]
    server.state.cues = ["lose"]
    assert worker.deliver(delivery)
    delivery_actions.retry(sample.database, delivery, "operator")
    assert worker.deliver(delivery)
    [row] = delivery_actions.list_deliveries(sample.database, ("delivered",))
    assert (row.delivery_id, row.attempt) == (delivery, 2)
    [note] = server.state.notes(SAMPLE)
    assert (note["unique_id"], sample.data["narrative"] in note["note_text"]) == (delivery, True)
    sample.database.close()


def test_the_operators_trial_takes_it_as_a_hotline_of_its_kind(server: PrimeroServer, tmp_path: Path) -> None:
    shipped = (SHIPPED_FOLDER / "vu.toml").read_text(encoding="utf-8")
    (tmp_path / "vu.toml").write_text(shipped.replace('delivery = "webhook"', 'delivery = "primero"'), encoding="utf-8")
    environ = {
        "TOKAUT_DATA": str(tmp_path),
        "TOKAUT_COUNTRY_DIR": str(tmp_path),
        "COUNTRIES": "vu",
        "CHANNELS": "simulator",
        "HOTLINE_VU_PIKININI_URL": server.url,
        "HOTLINE_VU_PIKININI_USER": USER,
        "HOTLINE_VU_PIKININI_PASSWORD": PASSWORD,
        "HOTLINE_VU_PIKININI_PRIVATE": server.host_port,
    }
    result = CliRunner().invoke(main, ["hotline", "test", ONE], env=environ)
    assert (result.exit_code, "2 of 2 as expected" in result.output) == (0, True), result.output
    [case] = server.state.cases.values()
    assert (case["name_first"], len(case["notes_section"])) == ("DRILL", 1)
