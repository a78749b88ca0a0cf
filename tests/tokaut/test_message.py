"""`tokaut message put`: from a hotline's words to the phone that asks for them, and back to the hotline."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from standardwebhooks.webhooks import Webhook

from reports.store.schema import tables as t
from tests.safeguarding.call_paths import PHONE, TO_SENT, dial_path, number, send_texts
from tests.support.app import App
from tests.support.installation import Installation
from tokaut.__main__ import main

pytestmark = pytest.mark.slow

WORDS = "We have read it. You did well to tell."
CODE = re.compile(r"Code (\d{4} \d{4}),?\s+PIN (\d{4})")


@pytest.fixture
def app(redis_url: str) -> Iterator[App]:
    app = App(redis_url)
    yield app
    app.close()


def put(app: App, report_id: str, words: str | bytes, *more: str) -> Result:
    return CliRunner().invoke(main, ["message", "put", report_id, *more], input=words, env=dict(app.plan.settings))


def sent(app: App) -> tuple[str, str, str]:
    """Send a report, and return (code, PIN, report id)."""
    found = CODE.search(dial_path(app.ussd(PHONE), *TO_SENT)[-1])
    assert found
    return found[1], found[2], str(app.rows(t.report)[0].report_id)


def test_it_says_whose_words_they_are_and_keeps_who_put_them(app: App) -> None:
    _, _, report_id = sent(app)
    done = put(app, report_id.upper(), WORDS)
    assert (done.exit_code, "The message from vu-pikinini" in done.output) == (0, True)
    assert WORDS not in done.output
    [row] = app.rows(t.answer)
    assert (row.report_id, row.hotline) == (report_id, "vu-pikinini")
    acts = {(one.actor.split(":")[0], one.act) for one in app.rows(t.audit) if one.object_id == report_id}
    assert acts == {("web", "sent"), ("operator", "answered")}


REFUSED = {
    "a link": ("See www.example.org", (), "link"),
    "a number": ("Call 555 0101", (), "Only checked helpline numbers"),
    "a picture": ("Send us a photo", (), "pictures"),
    "a picture, anyway": ("Send us a photo", ("--anyway",), "pictures"),
    "too long": (WORDS * 5, (), "one screen"),
    "no words": ("", (), "The message is empty"),
    "a promise": ("Help is coming.", (), "Is this meant?"),
    "not UTF-8": (b"\xff\xfe", (), "not UTF-8"),
    "words of another hotline": (WORDS, ("--from", "vu-police"), "Only who was given the report"),
}


@pytest.mark.rule("S-25")
@pytest.mark.parametrize(("words", "more", "why"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_not_put(app: App, words: str | bytes, more: tuple[str, ...], why: str) -> None:
    _, _, report_id = sent(app)
    done = put(app, report_id, words, *more)
    assert (done.exit_code, why in done.output) == (1, True), done.output
    assert app.count(t.answer) == 0


@pytest.mark.rule("S-25")
def test_what_is_asked_about_is_put_when_it_is_meant(app: App) -> None:
    code, pin, report_id = sent(app)
    assert put(app, report_id, "Help is coming.", "--anyway").exit_code == 0
    assert dial_path(app.ussd(number(9)), "My report", code, pin, "1")[-1].startswith("Help is coming.")


def test_without_a_code_nobody_could_read_it(app: App) -> None:
    phone = app.sms(PHONE)
    send_texts(phone, "hi", *TO_SENT[:-2], "My own words for it", "No", "Send")
    [row] = app.rows(t.report)
    done = put(app, row.report_id, WORDS)
    assert (done.exit_code, "No code was ever shown" in done.output) == (1, True)


def test_a_report_that_is_not_there(app: App) -> None:
    done = put(app, "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e", WORDS)
    assert (done.exit_code, "There is no report" in done.output) == (1, True)


@pytest.mark.rule("S-35")
def test_a_report_its_answer_and_the_words_that_come_back_on_real_parts() -> None:
    """Report, message, reading on another phone, reply: the hotline gets the reply once, signed."""
    installation = Installation().up()
    try:
        found = CODE.search(dial_path(installation.ussd_phone("africastalking", PHONE), *TO_SENT)[-1])
        assert found
        installation.until_received(lambda lines: len(lines) == 1, "the report never came")
        [report] = installation.received()
        report_id = report["body"]["data"]["report_id"]
        command = [sys.executable, "-m", "tokaut", "message", "put", report_id]
        done = subprocess.run(
            command, input=WORDS.encode(), env=installation.environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        phone = installation.ussd_phone("ussd", number(31))
        screens = dial_path(phone, "My report", *found.groups(), "1", "1", "On Monday in the morning")
        assert screens[4].startswith(WORDS)
        assert screens[6].startswith("Added. It goes to staff.")
        phone.again()
        installation.until_received(lambda lines: len(lines) == 2, "the words never came")
        [_, line] = installation.received()
        Webhook(installation.plan.secrets.hotlines["vu-pikinini"]).verify(line["raw"], line["headers"])
        assert line["hotline"] == "vu-pikinini"
        assert line["headers"]["webhook-id"] != report["headers"]["webhook-id"]
        assert line["body"]["type"] == "report.message"
        assert (line["body"]["data"]["report_id"], line["body"]["data"]["kind"]) == (report_id, "words")
        assert line["body"]["data"]["text"] == "On Monday in the morning"
        assert dial_path(installation.ussd_phone("kannel", number(32)), "My report", *found.groups(), "1")[
            4
        ].startswith(WORDS)
        assert len(installation.received()) == 2
    finally:
        installation.down()
