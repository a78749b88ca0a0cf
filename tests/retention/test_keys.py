"""The effect of a purge on backups: they contain wrap and body until they or their key are destroyed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from reports.crypto import DecryptError, SealContext, SealedBody, open_body
from reports.crypto.key_files import KeyFileError, create_key_pair, load_private_keys
from reports.store import submissions
from reports.store.engine.database import Database
from reports.store.operations import spool_status
from reports.store.operations.maintenance import copy_database
from reports.store.operations.spool_status import SpoolStatus
from reports.store.schema import tables as t
from tests.support.prepared import migrate
from tests.workers.sample_store import ONE, WORDS, SampleStore
from tokaut.__main__ import main

pytestmark = [pytest.mark.rule("S-28")]


@dataclass
class Site:
    folder: Path
    store: SampleStore
    key_id: str

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["keys", *arguments], env={"TOKAUT_DATA": str(self.folder)})

    def backup(self) -> Path:
        copy_database(self.folder / "tokaut.db", path := self.folder / "a-backup.db", lambda *_: None)
        return path

    def opened(self, database: Path) -> bytes:
        """Decrypt the report in a database file with the keys of this folder. Raises DecryptError without its key."""
        with closing(sqlite3.connect(database)) as rows:
            query = "SELECT report_id, revision, recipient, key_id, wrap, head, sealed FROM report_body"
            report_id, revision, hotline, *box = rows.execute(query).fetchone()
        keys = load_private_keys(self.folder / "keys", [hotline])
        return open_body(keys.of(hotline, box[0]), SealContext("demo", report_id, revision, hotline), SealedBody(*box))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    database = Database(f"sqlite:///{tmp_path}/tokaut.db")
    migrate(database, "demo")
    store = SampleStore.create(database, tmp_path / "keys")
    submissions.commit(database, store.sealed())
    yield Site(tmp_path, store, store.public[ONE].key_id)
    database.close()


def test_a_backup_opens_until_the_rotated_key_is_destroyed(site: Site) -> None:
    backup = site.backup()
    assert site.run("rotate", ONE).exit_code == 0
    assert WORDS.encode() in site.opened(backup), "a rotation alone changes nothing for older backups"
    assert site.run("destroy", ONE, site.key_id, "--restarted").exit_code == 0
    with pytest.raises(DecryptError):
        site.opened(backup)
    assert WORDS.encode() in site.opened(site.folder / "tokaut.db"), "what is not purged is read as before"
    assert not any(site.key_id in path.name for path in (site.folder / "keys" / "private").rglob("*"))


def test_a_key_that_is_current_or_named_by_a_row_is_not_destroyed(site: Site) -> None:
    assert "web seals to" in site.run("destroy", ONE, site.key_id, "--restarted").output
    create_key_pair(site.folder / "keys", ONE)
    assert "still name" in site.run("destroy", ONE, site.key_id, "--restarted").output
    assert WORDS.encode() in site.opened(site.folder / "tokaut.db")


def test_rows_that_came_from_a_spool_in_the_meantime_are_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drain commits a report before the spool says that it is empty."""
    site.run("rotate", ONE)

    def drain(database: Database) -> list[SpoolStatus]:
        with database.write() as connection:
            connection.execute(update(t.report_body).values(key_id=site.key_id))
        return []

    monkeypatch.setattr(spool_status, "list_statuses", drain)
    assert "still name" in site.run("destroy", ONE, site.key_id, "--restarted").output
    assert list((site.folder / "keys" / "private").rglob(f"{site.key_id}.key"))


@pytest.mark.parametrize("key_id", ["0" * 16, "../../x", ""])
def test_what_is_no_key_of_this_folder_is_said_so(site: Site, key_id: str) -> None:
    result = site.run("destroy", ONE, key_id, "--restarted")
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit | KeyFileError)


def test_that_it_was_destroyed_is_in_the_audit(site: Site) -> None:
    site.run("rotate", ONE)
    site.run("destroy", ONE, site.key_id, "--restarted")
    assert site.store.acts(f"{ONE}/{site.key_id}") == ["key_destroyed"]
