"""`tokaut export`: a sheet for a person, with an audit line, in a file that only this account can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import insert, select

from reports.crypto import PublicKey, SealContext, seal_body
from reports.crypto.key_files import create_key_pair
from reports.json_bodies import json_bytes, message_json
from reports.store import submissions
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from tests.reports.sample import MSISDN, REPORT_ID, read
from tests.support.prepared import migrate
from tokaut.__main__ import main

pytestmark = pytest.mark.slow

ONE, TWO = "vu-pikinini", "vu-womens-centre"
LATER = "019b0000-0000-7000-8000-00000000000a"


class SampleReport:
    """A database with one report for ONE, the first of its route; TWO is a fallback that has not received it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database(f"sqlite:///{folder / 'tokaut.db'}")
        migrate(self.database, "demo")
        self.data = read("example_complete.json")["data"] | {"mode": "demo"}
        public = {name: create_key_pair(folder / "keys", name) for name in (ONE, TWO)}
        parts = tuple(self._part(name, role, public[name]) for name, role in ((ONE, "primary"), (TWO, "fallback")))
        made = submissions.Submission(
            REPORT_ID, b"o" * 32, 1, self.database.now(), "VU", "demo", "P2", "complete", parts
        )
        submissions.commit(self.database, made)
        self.public = public[ONE]

    def _part(self, name: str, role: str, public: PublicKey) -> submissions.SealedCopy:
        box = seal_body(public, SealContext("demo", REPORT_ID, 1, name), b"{}", json_bytes(self.data))
        return submissions.SealedCopy(name, role, "CATEGORY_FIRST", box.key_id, box.wrap, box.head, box.sealed)

    def say_later(self, text: str | None, **more: Any) -> None:
        data = message_json(
            report_id=REPORT_ID, message_id=LATER, mode="demo", created_at=1_795_600_000, text=text, **more
        )
        box = seal_body(self.public, SealContext.of_message("demo", REPORT_ID, LATER, ONE), b"", data)
        row = {"message_id": LATER, "recipient": ONE, "report_id": REPORT_ID, "number": 1, "created_at": 1}
        with self.database.write() as connection:
            connection.execute(insert(t.message), row | {"key_id": box.key_id, "wrap": box.wrap, "sealed": box.sealed})

    def withdraw(self) -> None:
        with self.database.write() as connection:
            connection.execute(insert(t.contact), {"report_id": REPORT_ID, "allowed": 0, "changed_at": 1})

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["export", *words], env={"TOKAUT_DATA": str(self.folder)})

    def acts(self) -> list[Any]:
        with self.database.read() as connection:
            rows = connection.execute(select(t.audit.c.act, t.audit.c.object_id).order_by(t.audit.c.audit_id))
            return [tuple(row) for row in rows if row.act.startswith("exported")]


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[SampleReport]:
    sample = SampleReport(tmp_path)
    yield sample
    sample.database.close()


@pytest.mark.parametrize("form", ["cybertipline", "cybertip_ca", "primero"])
def test_a_sheet_is_written_for_this_account_alone_and_is_in_the_audit(sample: SampleReport, form: str) -> None:
    out = sample.folder / "sheet.txt"
    result = sample.run(REPORT_ID.upper(), form, "--out", str(out))
    assert (result.exit_code, "Sent nowhere" in result.output) == (0, True)
    assert out.stat().st_mode & 0o777 == 0o600
    text = out.read_text(encoding="utf-8")
    assert sample.data["narrative"] in text
    assert text.startswith("## DRILL")
    assert sample.data["narrative"] not in result.output
    assert sample.acts() == [(f"exported:{form}", REPORT_ID)]


def test_as_a_table_for_a_spreadsheet(sample: SampleReport) -> None:
    out = sample.folder / "sheet.csv"
    assert sample.run(REPORT_ID, "primero", "--csv", "--out", str(out)).exit_code == 0
    assert '"risk_level","high"' in out.read_text(encoding="utf-8-sig")


def test_what_was_said_later_is_on_it(sample: SampleReport) -> None:
    sample.say_later("the boat came back")
    out = sample.folder / "sheet.txt"
    assert sample.run(REPORT_ID, "cybertip_ca", "--out", str(out)).exit_code == 0
    assert "## Said later by My report\n[2026-11-25T09:46:40Z, words] the boat came back" in out.read_text()


@pytest.mark.rule("S-13")
def test_a_number_that_was_taken_back_is_not(sample: SampleReport) -> None:
    kept, gone = sample.folder / "kept.txt", sample.folder / "gone.txt"
    sample.run(REPORT_ID, "cybertipline", "--out", str(kept))
    sample.withdraw()
    sample.run(REPORT_ID, "cybertipline", "--out", str(gone))
    assert [MSISDN in path.read_text() for path in (kept, gone)] == [True, False]


@pytest.mark.rule("S-13")
def test_of_two_numbers_the_one_that_was_given_last_is(sample: SampleReport) -> None:
    given = sample.data["contact"] | {"msisdn": "+6785550199"}
    sample.say_later(None, kind="contact_given", contact=given)
    out = sample.folder / "sheet.txt"
    sample.run(REPORT_ID, "cybertipline", "--out", str(out))
    assert [number in out.read_text() for number in ("+6785550199", MSISDN)] == [True, False]


def test_nothing_is_written_over_and_nothing_without_a_key(sample: SampleReport) -> None:
    out = sample.folder / "sheet.txt"
    out.write_text("mine")
    refused = sample.run(REPORT_ID, "primero", "--out", str(out))
    assert (refused.exit_code, out.read_text()) == (1, "mine")
    for path in (sample.folder / "keys" / "private" / ONE).glob("*.key"):
        path.unlink()
    closed = sample.run(REPORT_ID, "primero", "--out", str(sample.folder / "other.txt"))
    assert (closed.exit_code, "does not open" in closed.output) == (1, True)
    assert not (sample.folder / "other.txt").exists()


def test_who_was_not_given_the_report_has_no_sheet_of_it(sample: SampleReport) -> None:
    result = sample.run(REPORT_ID, "primero", "--hotline", TWO, "--out", str(sample.folder / "sheet.txt"))
    assert (result.exit_code, ONE in result.output) == (1, True)
    unknown = sample.run(LATER, "primero", "--out", str(sample.folder / "sheet.txt"))
    assert (unknown.exit_code, "There is no report" in unknown.output) == (1, True)
    assert sample.acts() == []


def test_half_a_sign_is_written_as_a_mark(sample: SampleReport) -> None:
    sample.say_later(json.loads('"half \\ud83d"'))
    out = sample.folder / "sheet.txt"
    assert sample.run(REPORT_ID, "primero", "--out", str(out)).exit_code == 0
    assert "half [U+D83D]" in out.read_text(encoding="utf-8")
