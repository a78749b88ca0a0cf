"""`tokaut audit`: a changed, deleted, added or moved line is found, here and by a hotline from its export only."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import time_machine
from click.testing import CliRunner, Result
from sqlalchemy import delete, insert, select, update

from reports.audit import create_signing_key, load_signing_key
from reports.store import audit_log
from reports.store.audit_log import entry_row
from reports.store.engine.database import Database
from reports.store.schema import tables as t
from runtime.time_units import DAY
from tests.docs.pages import read
from tests.retention.sample_reports import DESK, History, make, write
from tests.support.prepared import migrate
from tokaut.__main__ import main

pytestmark = pytest.mark.rule("X-24")


@dataclass
class Site:
    """An audit of eight lines: five signed, three newer than the checkpoint. The first is about DESK's report."""

    folder: Path
    database: Database
    key_id: str
    report_id: str

    def lines(self, count: int) -> None:
        now = self.database.now()
        with self.database.write() as connection:
            for n in range(count):
                connection.execute(insert(t.audit), entry_row("web", "sent", f"report-{n}", now + n))
        audit_log.chain_entries(self.database)

    def sign(self, days: float = 0) -> None:
        key = load_signing_key(self.folder / "keys")
        assert key
        assert audit_log.add_checkpoint(
            self.database, self.database.now() + round(days * DAY), key.public.key_id, key.sign
        )

    def audit(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["audit", *arguments], env={"TOKAUT_DATA": str(self.folder)})

    def export(self) -> Path:
        out = self.folder / "lines.jsonl"
        assert self.audit("export", DESK, "--out", str(out)).exit_code == 0
        return out


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    key_id = create_signing_key(tmp_path / "keys").key_id
    made = make(History(3), database.now())
    write(database, [made])
    found = Site(tmp_path, database, key_id, made.report_id)
    found.lines(4)
    found.sign()
    found.lines(3)
    yield found
    database.close()


def test_no_export_is_signed_for_a_hotline_that_nobody_knows(site: Site) -> None:
    out = site.folder / "lines.jsonl"
    result = site.audit("export", "vu-pikinni", "--out", str(out))
    assert (result.exit_code, "Did you mean vu-pikinini?" in result.output) == (1, True), result.output
    assert not out.exists()


def test_a_whole_chain_is_said_to_be_whole_and_how_far_it_is_signed(site: Site) -> None:
    result = site.audit("verify")
    assert result.exit_code == 0
    assert "The chain is whole: 8 rows; the newest signature covers them up to row 5.\n" in result.output


def test_a_new_installation_is_not_asked_for_its_key_before_a_checkpoint_is_due(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'tokaut.db'}")
    migrate(database, "demo")
    site = Site(tmp_path, database, "", "")
    assert site.audit("verify").output.strip() == "The chain is whole: 0 rows; no signature yet."
    site.lines(2)
    assert site.audit("verify").output.endswith(
        "There is no checkpoint yet: the clock makes one each day, with the key _audit.\n"
    )
    database.close()
    moved = {"TOKAUT_DATA": str(tmp_path), "TOKAUT_CLOCK_OFFSET": str(3 * 86_400)}
    assert "Is there a key? tokaut keys list" in CliRunner().invoke(main, ["audit", "verify"], env=moved).output


A = t.audit.c
HARM = {
    "changed": (update(t.audit).where(A.seq == 3).values(actor="nobody"), "Line 3 "),
    "dropped": (delete(t.audit).where(A.seq == 3), "Line 4 "),
    "added": (update(t.audit).where(A.seq == 8).values(seq=9), "Line 9 "),
    "tail cut to before the checkpoint": (delete(t.audit).where(A.seq > 3), "Lines 4 to 5 "),
    "head cut": (delete(t.audit).where(A.seq < 3), "Line 3 of the audit is the first"),
    "all gone": (delete(t.audit), "Lines 1 to 5 "),
    "checkpoint changed": (update(t.checkpoint).values(seq=4), "Checkpoint 1 is not signed"),
    "checkpoint by another key": (update(t.checkpoint).values(key_id="0" * 16), "Checkpoint 1 is not signed"),
}


@pytest.mark.parametrize("how", HARM)
def test_what_was_done_to_it_is_said(site: Site, how: str) -> None:
    harm, said = HARM[how]
    with site.database.write() as connection:
        connection.execute(harm)
    result = site.audit("verify")
    assert result.exit_code == 1
    assert said in result.output


def test_two_lines_that_changed_places_are_found(site: Site) -> None:
    with site.database.write() as connection:
        for old, new in ((3, 99), (4, 3), (99, 4)):
            connection.execute(update(t.audit).where(A.seq == old).values(seq=new))
    assert "Line 3 " in site.audit("verify").output


def rechained(site: Site, line: int = 2) -> None:
    """Change a line and compute all hashes again, as an attacker with the database could."""
    with site.database.write() as connection:
        connection.execute(update(t.audit).where(A.seq == line).values(actor="nobody"))
        connection.execute(update(t.audit).values(seq=None, prev_hash=None, hash=None))
    audit_log.chain_entries(site.database)


def test_a_chain_made_anew_is_not_the_one_that_was_signed(site: Site) -> None:
    rechained(site)
    assert "is not the one that checkpoint 1 has signed" in site.audit("verify").output
    with site.database.write() as connection:
        connection.execute(delete(t.checkpoint))
    result = site.audit("verify")
    assert result.exit_code == 0, "with the checkpoints gone too, the chain alone shows nothing"
    assert "The newest checkpoint is older than two days, or there is none" in result.output


def signed_over(site: Site) -> None:
    """Change the end of the chain on a day without entries, so that the clock's next checkpoint signs it."""
    site.sign(days=1)
    rechained(site, line=7)
    site.sign(days=2)


def test_a_later_checkpoint_of_the_same_line_does_not_hide_the_first(site: Site) -> None:
    signed_over(site)
    result = site.audit("verify")
    assert result.exit_code == 1
    assert "Checkpoints 2 and 3 have signed line 8, and not the same one." in result.output


def test_a_checkpoint_that_is_missing_among_others_is_seen(site: Site) -> None:
    site.sign(days=1)
    site.sign(days=2)
    with site.database.write() as connection:
        connection.execute(delete(t.checkpoint).where(t.checkpoint.c.number == 2))
    assert "Checkpoint 2 is missing." in site.audit("verify").output


def test_one_checkpoint_a_day(site: Site) -> None:
    key = load_signing_key(site.folder / "keys")
    assert key
    now = site.database.now()
    assert audit_log.add_checkpoint(site.database, now + DAY // 2, key.public.key_id, key.sign) is None
    assert audit_log.add_checkpoint(site.database, now + DAY, key.public.key_id, key.sign)


def test_a_day_after_a_checkpoint_from_a_time_ahead_the_next_is_made(site: Site) -> None:
    """The clock was a year ahead for more than a day; nothing would be signed for a year."""
    site.sign(days=366)
    site.lines(1)
    site.sign(days=1)
    assert [checkpoint.number for checkpoint in audit_log.list_checkpoints(site.database)] == [1, 2, 3]
    assert "The chain is whole: 9 rows; the newest signature covers them up to row 9" in site.audit("verify").output


def test_a_signing_key_made_after_one_from_a_time_ahead_signs(site: Site) -> None:
    with time_machine.travel(time.time() + 366 * 86_400):
        create_signing_key(site.folder / "keys")
    key_id = create_signing_key(site.folder / "keys").key_id
    signer = load_signing_key(site.folder / "keys")
    assert signer is not None and signer.public.key_id == key_id


def test_after_a_key_was_rotated_what_the_older_one_signed_still_holds(site: Site) -> None:
    assert CliRunner().invoke(main, ["keys", "rotate", "_audit"], env={"TOKAUT_DATA": str(site.folder)}).exit_code == 0
    site.sign(days=1)
    assert "covers them up to row 8" in site.audit("verify").output


def test_lines_that_are_purged_leave_a_chain_that_begins_at_a_checkpoint(site: Site) -> None:
    site.database.offset = 8 * DAY  # a demo deletes entries after a week
    assert audit_log.purge_old_entries(site.database, site.database.now()) == 5
    assert audit_log.purge_old_entries(site.database, site.database.now()) == 0
    moved = {"TOKAUT_DATA": str(site.folder), "TOKAUT_CLOCK_OFFSET": str(8 * 86_400)}
    result = CliRunner().invoke(main, ["audit", "verify"], env=moved)
    assert "The chain is whole: 3 rows" in result.output
    with site.database.read() as connection:
        assert connection.execute(select(A.seq).order_by(A.seq)).scalars().all() == [6, 7, 8]


def test_an_export_holds_a_hotlines_lines_and_of_the_others_a_digest(site: Site) -> None:
    text = site.export().read_text()
    found = [json.loads(line) for line in text.splitlines()]
    assert [one["line"]["object_id"] for one in found if "line" in one] == [site.report_id]
    assert sum("digest" in one for one in found) == 7
    assert "report-1" not in text


def verify_file(site: Site, path: Path) -> str:
    return site.audit("verify", "--file", str(path), "--key", site.key_id).output


def recipe(site: Site, path: Path) -> str:
    """Run the program of docs/audit.md as a hotline's developer would; return its output."""
    (program,) = re.findall(r"```python\n(.*?)```", read("docs/audit.md"), re.DOTALL)
    (site.folder / "recipe.py").write_text(program)
    command = [sys.executable, str(site.folder / "recipe.py"), str(path), site.key_id]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("verified", [verify_file, recipe])
def test_a_hotline_verifies_it_without_us(site: Site, verified: Callable[[Site, Path], str]) -> None:
    path = site.export()
    assert "whole: 8 rows; the newest signature covers them up to row 5" in verified(site, path)
    whole = path.read_text()
    for old, new in (('"web"', '"wed"'), (site.key_id, "0" * 16), ('"seq":2,', '"seq":3,')):
        path.write_text(whole.replace(old, new, 1))
        assert "whole" not in verified(site, path), old
    path.write_text("".join(line for line in whole.splitlines(keepends=True) if '"seq":4,' not in line))
    assert "whole" not in verified(site, path)


def test_a_file_signed_by_another_key_than_the_one_that_was_told_is_refused(site: Site) -> None:
    path = site.export()
    assert "not signed by a key of ours" in site.audit("verify", "--file", str(path), "--key", "0" * 16).output
    path.write_text("no json\n")
    assert "is not an export of the audit" in site.audit("verify", "--file", str(path)).output


@pytest.mark.parametrize(
    ("verified", "said"), [(verify_file, "have signed line 8"), (recipe, "line 8 was signed twice")]
)
def test_a_hotline_sees_what_was_signed_over(site: Site, verified: Callable[[Site, Path], str], said: str) -> None:
    signed_over(site)
    assert said in verified(site, site.export())
