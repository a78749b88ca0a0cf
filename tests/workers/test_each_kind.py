"""Each kind of hotline with all processes real: reported on the phone, received by its server, answered, read."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from tests.support.wait import until
from tests.workers.fake_http_server import Answer
from tests.workers.installation_of_kinds import FIRST, KINDS, SMS_TAKEN, InstallationOfKinds, Kind
from tokaut.__main__ import main

pytestmark = pytest.mark.slow

CODE = re.compile(r"Code (\d{4}) (\d{4})\s+PIN (\d{4})")
ANSWER = "We have read it. Thank you for writing. You can write again here."
TEXT = re.compile(r"DRILL [0-9a-f]{6}, P1, waits\. Please look at your reports\. You have it\? Answer OK (\d{6})")
EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstallationOfKinds]:
    made = InstallationOfKinds(tmp_path_factory.mktemp("kinds"))
    try:
        made.up()
        made.installation.start_console()
        yield made
    finally:
        made.down()


def file(installation: InstallationOfKinds, kind: Kind, phone: str = "+6785550111") -> tuple[str, str]:
    """Report a child in danger now; return access code and PIN."""
    handset = installation.installation.ussd_phone("ussd", phone)
    screen = handset.dial().text
    for reply in ("Report", "Now", "Go on", kind.label, "Shefa", "Me", "No"):
        screen = handset.type(reply).text
    assert screen.startswith(f"Send to {kind.screen} without your number?"), screen
    found = CODE.search(handset.type("Send").text)
    assert found
    return found[1] + found[2], found[3]


def my_report(installation: InstallationOfKinds, code: str, pin: str, *more: str) -> str:
    handset = installation.installation.ussd_phone("ussd", "+6785550112")
    handset.dial()
    screen = ""
    for reply in ("My report", code, pin, *more):
        screen = handset.type(reply).text
    return screen


@EACH
def test_a_report_is_received_answered_and_the_answer_read_on_the_phone(
    installation: InstallationOfKinds, kind: Kind
) -> None:
    code, pin = file(installation, kind)
    until(lambda: bool(installation.got(kind.delivery)), f"{kind.hotline} was told of nothing", seconds=40)
    [report_id] = installation.reports(kind)
    assert report_id.endswith(installation.got(kind.delivery)[0])
    until(lambda: my_report(installation, code, pin).startswith(f"{kind.screen} has it."), "no receipt", seconds=20)
    put = CliRunner().invoke(
        main, ["message", "put", report_id], env=dict(installation.installation.environment), input=ANSWER
    )
    assert put.exit_code == 0, put.output
    assert "1 Messages (1)" in my_report(installation, code, pin)
    assert my_report(installation, code, pin, "1").startswith(ANSWER)


def test_a_call_back_is_the_acknowledgement_and_the_answer_of_a_server(installation: InstallationOfKinds) -> None:
    kind = KINDS["webhook"]
    code, pin = file(installation, kind)
    until(lambda: my_report(installation, code, pin).startswith(f"{kind.screen} has it."), "no receipt", seconds=40)
    hotline_client, report_id = installation.installation.hotline_client(kind.hotline), installation.reports(kind)[-1]
    assert hotline_client.call(report_id, "accepted", message=ANSWER).status_code == 200
    assert my_report(installation, code, pin).startswith(f"Read by {kind.screen}.")
    assert my_report(installation, code, pin, "1").startswith(ANSWER)
    assert hotline_client.call(report_id, "closed").status_code == 200
    assert my_report(installation, code, pin).startswith(f"Closed by {kind.screen}.")


def test_ok_and_the_word_of_a_text_is_the_acknowledgement(installation: InstallationOfKinds) -> None:
    kind = KINDS["sms_alert"]
    code, pin = file(installation, kind)
    [report_id] = installation.reports(kind)[-1:]
    until(
        lambda: any(text[6:12] == report_id[-6:] for _, text in installation.texts()), "not of this report", seconds=40
    )
    [(to, text)] = [one for one in installation.texts() if one[1][6:12] == report_id[-6:]]
    word = TEXT.fullmatch(text)
    assert word and to == FIRST
    installation.installation.sms_phone("africastalking", FIRST).text(f"OK {word[1]}")
    until(
        lambda: my_report(installation, code, pin).startswith(f"Read by {kind.screen}."),
        "it is not taken on",
        seconds=40,
    )


# Each server's faults in turn; then it works. Every report is P1 and is retried after 5 s.
REFUSES = Answer(422, body=b"no")
HALF, SILENT = Answer(how="half_head"), Answer(how="never")
FAULTS: dict[str, set[str]] = {
    "webhook": {"tls", "refused", "reset", "timeout"},
    "email": {"tls", "busy", "refused", "reset", "timeout"},
    "sms_alert": {"sms_waits", "sms_failed"},
    "primero": {"tls", "refused", "not_found", "reset", "timeout"},
    "console": {"tls"},
}
FEW = 4


@pytest.fixture(scope="module")
def stormy(installation: InstallationOfKinds) -> InstallationOfKinds:
    """Every server shows an expired certificate, then its typical faults; then it works."""
    for name in KINDS:
        installation.certificates.show("old", installation.tls[name])
    for kind in KINDS.values():
        file(installation, kind, "+6785550113")
    for kind in KINDS.values():
        met(installation, kind, "sms_waits" if kind.delivery == "sms_alert" else "tls")
    installation.primero.state.cues = [(204, {}), "well"]  # accepts a case that it never stored
    installation.certificates.show("good", installation.tls["primero"])
    met(installation, KINDS["primero"], "not_found")  # it looked for the case that should exist
    installation.webhook.answer(REFUSES, HALF, Answer(how="nonsense"), SILENT, Answer())
    installation.aggregator.answer(Answer(400), Answer(503), SILENT, Answer(201, body=b"thanks"), SMS_TAKEN)
    installation.primero.state.checks["protection_concerns"] = lambda _: (
        False
    )  # 422 for a value that is missing in its list
    installation.primero.state.cues = [(422, {}), "half", "hang", "lose"]
    installation.mail.rcpt = [
        "450 4.2.0 greylisted, come back",
        "550 5.1.1 nobody here",
        "250 OK",
        "421 too many of you",
    ]
    installation.mail.data = ["554 5.7.1 looks like spam", "hang", "fall", "251 what is this"]
    for name in KINDS:
        installation.certificates.show("good", installation.tls[name])
    for _ in range(FEW):
        for kind in KINDS.values():
            file(installation, kind, "+6785550114")
    until(lambda: not any(map(installation.due, KINDS.values())), "not all was received", seconds=180)
    return installation


def met(installation: InstallationOfKinds, kind: Kind, why: str) -> None:
    until(lambda: why in installation.why_not(kind), f"no {why} at {kind.hotline}", seconds=40)


@EACH
def test_with_faults_each_report_is_received_after_all_and_none_twice(stormy: InstallationOfKinds, kind: Kind) -> None:
    reports = stormy.reports(kind)
    if kind.delivery == "primero":
        assert any("protection_concerns" not in case for case in stormy.primero.state.cases.values())
    got = stormy.got(kind.delivery)
    assert {one[-6:] for one in got} == {one[-6:] for one in reports}
    if kind.delivery == "webhook":  # a request may be repeated with the same key
        keys = {(taken.headers["webhook-id"], taken.data["data"]["report_id"]) for taken in stormy.webhook.requests}
        assert len(keys) == len(reports)
    elif kind.delivery != "sms_alert":  # after a text with unknown outcome, the next phone gets one
        assert len(got) == len(reports), "told twice"


@EACH
def test_each_fault_was_met(stormy: InstallationOfKinds, kind: Kind) -> None:
    seen = stormy.why_not(kind)
    if kind.delivery == "email":  # both kinds use this mail server
        seen |= stormy.why_not(KINDS["console"])
    assert FAULTS[kind.delivery] <= seen
