"""A whole installation on PostgreSQL with a role for each process: nothing is refused from webhook to hotline.

The tests read PostgreSQL's log: it would show a missing right even if reporter and hotline noticed nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from reports.store.privileges.rights import CLOCK, OWNER, WEB, WORKER
from tests.support.africastalking_api import AfricasTalkingApi
from tests.support.installation import Installation
from tests.support.postgres import Postgres, binaries
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-42")]

ROLE_OF = {"urgent": WORKER, "standard": WORKER, "clock": CLOCK, "web": WEB}
TO_SEND = ("1", "2", "7", "1", "4", "4", "2")  # soon, bullying, me, 13-15, Shefa, SMS; the next screen is Send
DANGER_NOW = ("1", "1", "1", "1")
MISSING = re.compile(r".*(?:permission denied|row-level security).*")


class InRoles(Installation):
    """An installation with one role for each process. `addresses`: role → DATABASE_URL."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        super().__init__({"DATABASE_URL": addresses[OWNER]})
        self.addresses = addresses

    def start(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        own = {"DATABASE_URL": self.addresses[ROLE_OF[name]]} if name in ROLE_OF else {}
        super().start(name, {**own, **(settings or {})})

    def command_line(self, *words: str, unless: str = "") -> str:
        """Run a command as the operator, with the scheduler's settings. `unless`: a text of an allowed refusal."""
        settings = {**self.environment, "DATABASE_URL": self.addresses[CLOCK]}
        done = subprocess.run(
            [sys.executable, "-m", "tokaut", *words], env=settings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or (unless and unless in done.stderr), done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of its own, because its log is read."""
    found = binaries()
    if found is None:
        pytest.skip("no PostgreSQL binaries")
    server = Postgres(found).start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def installation(server: Postgres) -> Iterator[InRoles]:
    installation = InRoles(server.new_tokaut()).up()
    yield installation
    installation.down()


@pytest.fixture(autouse=True)
def nobody_is_refused(server: Postgres, installation: InRoles) -> Iterator[None]:
    yield
    log = (server.folder / "log").read_text(encoding="utf-8", errors="replace")
    assert MISSING.findall(log) == []
    for name in ROLE_OF:
        assert '"event":"crashed"' not in installation.log(name).read_text(encoding="utf-8").replace(" ", "")


def test_a_right_that_is_missing_would_be_seen(postgres: Postgres) -> None:
    with psycopg.connect(postgres.new_tokaut()[WEB]) as web, pytest.raises(psycopg.errors.InsufficientPrivilege):
        web.execute("CREATE TABLE mine ()")
    assert MISSING.findall((postgres.folder / "log").read_text(encoding="utf-8"))


def bodies(installation: InRoles, number: str) -> list[dict[str, Any]]:
    every = [line["body"] for line in installation.received()]
    ids = {body["data"]["report_id"] for body in every if body["data"]["contact"].get("msisdn") == number}
    return [body for body in every if body["data"]["report_id"] in ids]


def walked(installation: InRoles, number: str, *replies: str, channel: str = "ussd") -> tuple[Any, Any]:
    phone = installation.ussd_phone(channel, number)
    seen = phone.dial()
    for reply in replies:
        seen = phone.type(reply)
    return phone, seen


def test_a_report_by_ussd_words_after_it_and_its_state(installation: InRoles) -> None:
    phone, seen = walked(installation, "+6785550301", *TO_SEND, "1")
    assert seen.text.startswith("Sent to Pikinini Helpline.\nAnswers: dial, 3 My report\nCode ")
    code, pin = re.findall(r"(?:Code|PIN) ([\d ]+)", seen.text)
    assert phone.again() == seen
    phone.type("1")
    phone.type("the blue boat")
    phone.drop_call()
    installation.until_received(
        lambda _: len(bodies(installation, "+6785550301")) >= 2, "the report and its words never came", 60
    )
    assert {body["type"] for body in bodies(installation, "+6785550301")} == {"report.created", "report.updated"}
    _, wrong = walked(
        installation, "+6785550301", "3", code.replace(" ", ""), "0000" if pin.strip() != "0000" else "1111"
    )
    assert "not right" in wrong.text
    _, state = walked(installation, "+6785550301", "3", code.replace(" ", ""), pin.strip())
    assert "not right" not in state.text


def test_a_report_by_sms_its_replies_and_what_became_of_them(installation: InRoles) -> None:
    phone = installation.sms_phone("africastalking", "+6785550302")
    for n, words in enumerate(("REPORT", "2", "7", "1", "4", "4", "0"), start=1):
        phone.text(words)
        until(lambda n=n: len(phone.replies()) >= n, f"no reply to {words}", 30)
    assert_delivery_reports_are_kept(installation, installation.provider)


def assert_delivery_reports_are_kept(installation: InRoles, provider: AfricasTalkingApi) -> None:
    with psycopg.connect(installation.addresses[CLOCK]) as connection:
        row = connection.execute("SELECT provider_id FROM outgoing WHERE state = 'sent' LIMIT 1").fetchone()
    assert row is not None
    form = {"id": row[0], "status": "Success", "phoneNumber": "+6785550302", "networkCode": "99999"}
    door = f"{installation.web}/hooks/africastalking/{installation.token('africastalking')}"
    assert requests.post(f"{door}/delivery", data=form, timeout=10).status_code == 200
    assert requests.post(f"{door}/optout", data={"senderId": "163", "phoneNumber": "+6785550302"}, timeout=10).ok
    with psycopg.connect(installation.addresses[CLOCK], autocommit=True) as connection:
        query = "SELECT status FROM outgoing WHERE provider_id = %s"
        until(lambda: connection.execute(query, (row[0],)).fetchone() == ("delivered",), "the status is not kept")
        stands = "SELECT (SELECT count(caller_key) FROM optout), (SELECT count(*) FROM optout_key)"
        assert connection.execute(stands).fetchone() == (1, 1), "the clock can ask who told STOP"


def test_who_drops_the_line_in_danger_is_heard(installation: InRoles) -> None:
    walked(installation, "+6785550303", *DANGER_NOW)
    before = len(installation.received())
    installation.kill("clock")
    installation.start("clock", {"TOKAUT_CLOCK_OFFSET": "200"})
    installation.until_received(lambda got: len(got) > before, "the rescue never came", 60)
    assert installation.received()[-1]["body"]["data"]["completeness"] == "incomplete"


def test_a_hotline_that_is_down_its_fallback_and_the_operator(installation: InRoles) -> None:
    installation.kill("hotline")
    walked(installation, "+6785550304", *TO_SEND, "1")
    with psycopg.connect(installation.addresses[CLOCK], autocommit=True) as connection:
        failed = "SELECT count(*) FROM delivery WHERE state = 'due' AND last_class IS NOT NULL"
        until(lambda: (connection.execute(failed).fetchone() or (0,))[0] > 0, "no attempt failed")
        assert "due" in installation.command_line("deliveries", "list")
        installation.start("hotline")
        installation.until_hotline_answers()  # the third retry would be minutes later
        for row in connection.execute("SELECT delivery_id FROM delivery WHERE state = 'due'").fetchall():
            installation.command_line("deliveries", "retry", row[0], unless="it is delivered")  # delivered meanwhile
    installation.until_received(lambda _: bool(bodies(installation, "+6785550304")), "what waited never came", 120)


def test_the_operator_rotates_a_key_and_walks_the_audit(installation: InRoles) -> None:
    walked(installation, "+6785550305", *TO_SEND, "1")
    installation.until_received(lambda _: bool(bodies(installation, "+6785550305")), "the report never came", 60)
    installation.command_line("keys", "rotate", "vu-pikinini")
    with psycopg.connect(installation.addresses[CLOCK], autocommit=True) as connection:
        unchained = "SELECT count(*) FROM audit WHERE seq IS NULL"
        until(lambda: connection.execute(unchained).fetchone() == (0,), "the audit is not chained")
    installation.command_line("audit", "verify")


def test_what_is_added_while_the_database_is_away_comes_by_the_spool(installation: InRoles, server: Postgres) -> None:
    phone = installation.ussd_phone("ussd", "+6785550306")
    phone.dial()
    for reply in TO_SEND:
        phone.type(reply)
    server.stop()
    assert phone.type("1").text.startswith("Sent to Pikinini Helpline.")
    spool = Path(installation.environment["TOKAUT_DATA"]) / "spool"
    assert len(list(spool.glob("*.box"))) == 1
    server.start()
    until(lambda: not list(spool.glob("*.box")), "the spool is not drained", 90)
    installation.until_received(lambda _: bool(bodies(installation, "+6785550306")), "the report never came", 60)
