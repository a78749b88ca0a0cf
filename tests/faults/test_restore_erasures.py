"""A restored backup brings back nothing that a reporter deleted, and keeps each STOP and each withdrawn consent."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.faults.conversations import TO_SEND, is_sent, new_phone_number, of, say, walk
from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.test_restore import STOPPED, tokaut
from tests.support.handsets import AfricasTalkingTexts
from tests.support.postgres import Postgres, binaries
from tests.support.wait import until

pytestmark = [pytest.mark.slow, pytest.mark.rule("S-09"), pytest.mark.rule("S-28"), pytest.mark.rule("S-35")]

WORDS = "It happens on the way home every day"
HALF_AN_HOUR = 31 * 60


class Reporter:
    """A phone that sent a report by USSD and agreed to be texted."""

    def __init__(self, installation: FaultyInstallation) -> None:
        self.installation = installation
        self.number = new_phone_number()
        phone = installation.ussd_phone("africastalking", self.number)
        walk(phone, TO_SEND)
        seen = say(phone, "1")
        assert is_sent(seen)
        found = re.search(r"Code (\d{4}) (\d{4}),?\s+PIN (\d{4})", seen.text)
        assert found
        self.code, self.pin = found[1] + found[2], found[3]
        installation.until_received(lambda _: bool(of(installation, self.number)), "the report never came", 40)
        self.report_id = of(installation, self.number)[0]["data"]["report_id"]

    def my_report(self, *labels: str) -> str:
        """Open My report and choose by the labels shown; return the last screen."""
        phone = self.installation.ussd_phone("africastalking", new_phone_number())
        seen = walk(phone, ("3", self.code, self.pin))
        for label in labels:
            found = re.search(rf"(?m)^(\d) {label}", seen.text)
            assert found, seen.text
            seen = say(phone, found[1])
        return seen.text


def texts(installation: FaultyInstallation) -> AfricasTalkingTexts:
    phone = installation.sms_phone("africastalking", new_phone_number())
    assert isinstance(phone, AfricasTalkingTexts)
    return phone


def opted_out(installation: FaultyInstallation) -> set[object]:
    return {row[0] for row in installation.ask("SELECT caller_key FROM optout")}


def stop_all(installation: FaultyInstallation) -> None:
    for name in STOPPED:
        installation.kill(name, signal.SIGTERM)


def applied(installation: FaultyInstallation) -> int:
    """Return how often web has applied its journal."""
    return installation.log("web").read_text().count("erasures_applied")


def back_up(installation: FaultyInstallation) -> Callable[[], None]:
    """Make a backup as docs/operating/restore.md says; return a function that restores it."""
    medium = installation.folder / "medium"
    if installation.postgres is None:
        tokaut(installation, "backup", str(medium))
        assert list((medium / "erasures").glob("*.jsonl")), "the journal was not copied beside the backup"
        (copy,) = medium.glob("*.db")
        return lambda: tokaut(installation, "restore", str(copy)) and None
    server, name = installation.postgres, installation.environment["DATABASE_URL"].rpartition("/")[2]
    asking = ["--host=127.0.0.1", f"--port={server.port}", "--username=postgres"]
    run([*server.tool("pg_dump"), *asking, "--format=custom", f"--file={medium}", name])

    def restore() -> None:
        run([*server.tool("psql"), *asking, "--quiet", f"--command=DROP DATABASE {name} WITH (FORCE)"])
        run([*server.tool("psql"), *asking, "--quiet", f"--command=CREATE DATABASE {name}"])
        run([*server.tool("pg_restore"), *asking, "--exit-on-error", f"--dbname={name}", str(medium)])

    return restore


def run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def installation(request: pytest.FixtureRequest) -> Iterator[FaultyInstallation]:
    if request.param == "PostgreSQL" and binaries() is None:
        pytest.skip("no PostgreSQL binaries: `make setup` brings them")
    found = binaries() if request.param == "PostgreSQL" else None
    installation = FaultyInstallation(web_processes=1, postgres=Postgres(found).start() if found else None).up()
    yield installation
    installation.down()


@pytest.fixture
def restored(installation: FaultyInstallation) -> Iterator[tuple[FaultyInstallation, Reporter, Reporter]]:
    """Delete, opt out and withdraw, restore an older backup, and start web.

    Yields the installation, the reporter who deleted the report, and the one who withdrew contact.
    """
    deletes, withdraws = Reporter(installation), Reporter(installation)
    drafts, stops, starts = texts(installation), texts(installation), texts(installation)
    drafts.text(WORDS)
    starts.text("STOP")
    until(
        lambda: installation.count("pending") == 1 and len(opted_out(installation)) == 1,
        "the draft and the STOP were not stored",
    )
    installation.until_finished()
    restore = back_up(installation)

    drafts.text("00")
    stops.text("STOP")
    starts.text("START")
    assert deletes.my_report("Delete", "Delete").startswith("Being deleted here.")
    withdraws.my_report("Contact", "No")
    until(lambda: installation.count("pending") == 0, "the draft was not deleted")
    stop_all(installation)
    before = opted_out(installation)
    assert len(before) == 1
    restore()
    tokaut(installation, "migrate")
    assert installation.count("pending") == 1
    assert opted_out(installation) != before
    had = applied(installation)
    installation.start("web")
    installation.until_web_answers()
    until(lambda: applied(installation) > had, "web did not apply its journal")
    assert opted_out(installation) == before, "STOP was forgotten, or START"
    yield installation, deletes, withdraws


def test_a_restored_backup_revives_nothing_that_was_deleted(
    restored: tuple[FaultyInstallation, Reporter, Reporter],
) -> None:
    installation, deletes, withdraws = restored
    assert installation.count("pending") == 0, "the deleted draft is back"
    assert installation.ask(f"SELECT allowed FROM contact WHERE report_id = '{withdraws.report_id}'") == [(0,)]
    assert "Code or PIN is not right" in deletes.my_report()

    had = len(installation.received())
    installation.offset = HALF_AN_HOUR  # by then a draft is submitted without Send
    for name in ("clock", "standard", "urgent"):
        installation.start(name)
    until(
        lambda: not installation.count(f"report WHERE report_id = '{deletes.report_id}'"),
        "it was not deleted again",
        60,
    )
    installation.until_finished()
    kinds = {(line["body"]["data"]["report_id"], line["body"]["type"]) for line in installation.received()[had:]}
    assert kinds == {(deletes.report_id, "report.message"), (withdraws.report_id, "report.message")}
    known = {deletes.report_id, withdraws.report_id}
    assert {line["body"]["data"]["report_id"] for line in installation.received()} == known
