"""S-27 for each kind of hotline: the reporter's words and contact are in no mail, text, log or file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.canary import drive, places
from tests.canary.planted import ANSWER, PLACE, PLACE_CODE, SENTENCE, WORDS, Planted
from tests.canary.test_canary import all_but, hits
from tests.support.wait import until
from tests.workers.fake_http_server import Answer
from tests.workers.installation_of_kinds import DESK, DRILLS, KINDS, SMS_TAKEN, InstallationOfKinds, Kind
from tokaut.__main__ import main

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-27")]

SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|SMTP_URL")
NUMBER = "+67855501{:02}"


@dataclass
class Run:
    installation: InstallationOfKinds
    planted: Planted
    temporary: Path
    exports: list[Path]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder, temporary = tmp_path_factory.mktemp("kinds"), tmp_path_factory.mktemp("temporary")
    installation = InstallationOfKinds(folder)
    shipped = (folder / "vu.toml").read_text(encoding="utf-8")
    (folder / "vu.toml").write_text(shipped.replace("Shefa", PLACE).replace("VU-SEE", PLACE_CODE), encoding="utf-8")
    installation.installation.plan.settings["TMPDIR"] = str(temporary)  # type: ignore[index]  # a dict of its own
    try:
        installation.up()
        first_fail(installation)
        made = Run(installation, planted(installation), temporary, [])
        for n, kind in enumerate(KINDS.values()):
            played(made, kind, NUMBER.format(41 + n), tmp_path_factory)
        until(
            lambda: all(installation.has(kind, "updated") for kind in KINDS.values()),
            "the words never came",
            seconds=240,
        )
        yield made
    finally:
        installation.down()


def planted(installation: InstallationOfKinds) -> Planted:
    made = Planted(pids=installation.installation.numbers_of_processes)
    for n, word in enumerate((SENTENCE, *WORDS)):
        made.add(f"words {n}", word)
    for name, text in (("place", PLACE), ("place's code", PLACE_CODE), ("answer", ANSWER)):
        made.add(name, text)
    for n in range(len(KINDS)):
        number = NUMBER.format(41 + n)
        made.add(f"number {number}", number.removeprefix("+"))
        made.add(f"local number {number}", number.removeprefix("+678"))
    for name, value in installation.installation.environment.items():
        if SECRET.search(name) and not name.endswith("_FILE"):
            made.add(f"secret {name}", value)
    assert {"secret HOTLINE_VU_PRIMERO_PASSWORD", "secret SMTP_URL"} <= made.texts.keys()
    return made


def first_fail(installation: InstallationOfKinds) -> None:
    """Let the first deliveries fail with answers that repeat the words and contain others."""
    repeats = Answer(500, {"X-Said": "Lukaotem"}, f"{SENTENCE} {ANSWER}".encode())
    installation.webhook.answer(repeats, Answer(201, body=ANSWER.encode()))
    installation.aggregator.answer(Answer(503, body=SENTENCE.encode()), SMS_TAKEN)
    installation.primero.state.cues = [(500, {"X-Said": "Lukaotem"})]
    installation.mail.rcpt = [f"450 {ANSWER}"]


def played(run: Run, kind: Kind, number: str, folders: pytest.TempPathFactory) -> None:
    """Send a whole report with a number, let staff answer, and export a sheet."""
    installation = run.installation
    phone = installation.installation.ussd_phone("ussd", number)
    sent = drive.walk(phone, "Report", "Soon", kind.label, "Me", "13-15", PLACE, "SMS 8am-4pm", "Send")
    code, pin = drive.code_and_pin(sent, run.planted, kind.delivery)
    drive.add_words(phone, SENTENCE)
    until(lambda: bool(installation.reports(kind)), f"nothing is due for {kind.hotline}", seconds=20)
    [report_id] = installation.reports(kind)
    put = CliRunner().invoke(
        main,
        ["message", "put", report_id, "--anyway"],
        env=dict(installation.installation.environment),
        input=f"{ANSWER}.",
    )
    assert put.exit_code == 0, put.output
    assert drive.walk(installation.installation.ussd_phone("ussd", number), "My report", code, pin, "1").startswith(
        ANSWER
    )
    out = folders.mktemp("sheets") / f"{kind.delivery}.csv"
    made = CliRunner().invoke(
        main,
        ["export", report_id, "cybertip_ca", "--csv", "--out", str(out)],
        env=dict(installation.installation.environment),
    )
    assert made.exit_code == 0, made.output
    assert hits([("what export says", made.output.encode())], run.planted.patterns()) == []
    run.exports.append(out)


@pytest.mark.rule("S-13")
def test_mails_and_texts_hold_nothing(run: Run) -> None:
    mails = [(f"mail to {to}", mail.as_bytes()) for to, mail in run.installation.mail.mails]
    texts = [(f"text to {to}", text.encode()) for to, text in run.installation.texts()]
    assert {to for to, _ in run.installation.mail.mails} >= {DESK, DRILLS} and texts
    assert hits(mails + texts, run.planted.patterns()) == []


def test_what_is_asked_of_a_provider_names_no_reporter(run: Run) -> None:
    asked = [(taken.head, taken.body) for taken in run.installation.aggregator.requests]
    assert hits(asked, run.planted.patterns()) == []


def test_logs_pages_queue_files_and_processes_hold_nothing(run: Run) -> None:
    installation, patterns = run.installation.installation, run.planted.patterns()
    for found in (
        places.logs(installation),
        places.in_redis(installation),
        places.files(installation, run.temporary),
        places.proc(installation),
    ):
        assert hits(found, patterns) == []
    pages = [
        (place, re.sub(rb" [0-9.e+-]+$", b"", held, flags=re.MULTILINE)) for place, held in places.pages(installation)
    ]
    assert hits(pages, patterns) == []
    assert hits(places.environments(installation), run.planted.patterns(all_but("secret"))) == []
    assert hits(places.open_files(installation), patterns) == []


def test_whoever_is_given_the_words_has_them(run: Run) -> None:
    """Control: the search finds them, and each sheet has the data that a person must copy."""
    mine = run.planted.patterns(lambda name: name == "words 1")
    assert hits([("webhook", taken.body) for taken in run.installation.webhook.requests], mine)
    assert hits([("primero", repr(run.installation.primero.state.cases).encode())], mine)
    assert len(run.exports) == len(KINDS)
    for sheet in run.exports:
        assert hits([(sheet.name, sheet.read_bytes())], run.planted.patterns(lambda name: name.startswith("number")))
        assert sheet.stat().st_mode & 0o777 == 0o600
