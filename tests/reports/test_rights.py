"""The rights of each PostgreSQL role: granted by the owner's migration, checked at each start, and no more."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from reports.store.database_check import WrongDatabase, refuse_wrong_database
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.grants import list_faults, policy_signature
from reports.store.privileges.rights import CLOCK, CONSOLE, OWNER, ROLES, WEB, WORKER, Right, list_rights
from reports.store.schema.tables import metadata
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-42")]


@pytest.mark.parametrize(
    ("table", "privilege", "kept"),
    [
        ("report", "SELECT", "00735821ccff9342"),
        ("answer", "INSERT", "e7696a5593f964c3"),
        ("delivery", "UPDATE", "3de671c79c31c775"),
    ],
)
def test_a_policy_is_known_again_by_a_database_of_the_release_before(table: str, privilege: str, kept: str) -> None:
    """The policy's comment has this hash. With another one, no process would start before a migration."""
    assert policy_signature(Right(table, CONSOLE, privilege, ()), "as read") == f"{kept}:as read"


@dataclass
class Site:
    """A database as an operator sets it up, with a connection for each role, and the administrator's."""

    addresses: dict[str, str]
    administrator: psycopg.Connection
    opened: list[Database] = field(default_factory=list)

    def database(self, role: str) -> Database:
        self.opened.append(Database(self.addresses[role], threads=1))
        return self.opened[-1]

    def faults(self, account: str = "web", role: str = WEB) -> list[str]:
        return list_faults(self.database(role), account)

    def run(self, sql: str) -> None:
        self.administrator.execute(sql)  # type: ignore[call-overload]  # our own words


@pytest.fixture
def site(postgres: Postgres) -> Iterator[Site]:
    """A copy of a migrated database, with the same rights."""
    with site_at(postgres.new_filled("live")) as site:
        yield site


@pytest.fixture
def migrated(postgres: Postgres) -> Iterator[Site]:
    with site_at(postgres.new_tokaut()) as site:
        upgrade(site.database(OWNER), "live")
        yield site


@contextmanager
def site_at(addresses: dict[str, str]) -> Iterator[Site]:
    as_administrator = addresses[OWNER].replace(f"{OWNER}@", "postgres@")
    with psycopg.connect(as_administrator, autocommit=True) as administrator:
        site = Site(addresses, administrator)
        yield site
        for role in ROLES:
            site.run(f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS; ALTER ROLE {role} RESET ALL")
        for database in site.opened:
            database.close()


def test_after_a_migration_all_is_as_it_should_be(migrated: Site) -> None:
    for account in ("web", "worker", "clock", "console", "owner"):
        assert migrated.faults(account, f"tokaut_{account}") == []
    refuse_wrong_database(migrated.database(WEB), "live", "web")


def test_migrating_and_making_the_roles_again_changes_nothing(site: Site, postgres: Postgres) -> None:
    def row() -> object:
        return site.administrator.execute("SELECT oid, xmin::text FROM pg_class WHERE relname = 'report'").fetchone()

    before = row()
    upgrade(site.database(OWNER), "live")
    postgres.new_tokaut()
    assert row() == before
    assert site.faults() == []


def test_a_role_that_may_not_read_the_version_of_the_schema_is_named(site: Site) -> None:
    """Without that right a process cannot see whether a later release made the grants: it must not start."""
    site.run(f"REVOKE SELECT ON alembic_version FROM {WEB}")
    with pytest.raises(WrongDatabase, match="The rights of tokaut_web on alembic_version are not those"):
        refuse_wrong_database(site.database(WEB), "live", "web")


def test_the_table_names_every_table_and_only_columns_there_are() -> None:
    named = {right.table for right in list_rights()}
    assert named == {*metadata.tables, "alembic_version"}
    for right in list_rights():
        if right.table in metadata.tables:
            assert set(right.columns) <= {column.name for column in metadata.tables[right.table].columns}, right


def may(role: str) -> set[tuple[str, str, str]]:
    """Return (table, privilege, column) for each column."""
    return {
        (right.table, right.privilege, column)
        for right in list_rights()
        if right.role == role and right.table in metadata.tables
        for column in right.columns or metadata.tables[right.table].columns.keys()
    }


def test_the_clock_may_all_that_a_worker_may() -> None:
    assert may(WORKER) <= may(CLOCK)


@pytest.mark.rule("X-10")
def test_web_may_read_nothing_that_is_sealed() -> None:
    """Except data that code and PIN open, and data sealed to web itself: queued SMS, and codes issued by staff."""
    sealed = {"wrap", "head", "sealed", "sealed_key"}
    read = {(table, column) for table, what, column in may(WEB) if what == "SELECT" and column in sealed}
    assert read == {("answer", "sealed"), ("mailbox", "sealed_key"), ("entry_code", "sealed")}


TAMPERED = [
    ("GRANT SELECT ON report_body TO tokaut_web", "tokaut_web on report_body .*has besides SELECT"),
    ("GRANT SELECT (sealed) ON report_body TO tokaut_web", r"has besides SELECT \(sealed\)"),
    ("GRANT SELECT ON report_body TO PUBLIC", "PUBLIC on report_body"),
    ("GRANT INSERT ON report_body TO tokaut_web WITH GRANT OPTION", "INSERT to pass on"),
    ("GRANT TRUNCATE ON report TO tokaut_clock", "has besides TRUNCATE"),
    ("REVOKE INSERT ON report_body FROM tokaut_web", "tokaut_web on report_body .*lacks INSERT"),
    ("REVOKE SELECT (desk) ON report FROM tokaut_web", r"lacks SELECT \(desk\)"),
    ("CREATE VIEW peek AS SELECT * FROM report_body; GRANT SELECT ON peek TO tokaut_web", "tokaut_web on peek"),
    ("CREATE SCHEMA aside; CREATE TABLE aside.x (a int); GRANT SELECT ON aside.x TO tokaut_web", "on aside.x"),
    ("CREATE FUNCTION peek() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'", "The function peek runs"),
    ("ALTER TABLE report NO FORCE ROW LEVEL SECURITY", "Row-level security of report is not"),
    ("ALTER TABLE delivery DISABLE ROW LEVEL SECURITY", "Row-level security of delivery is not"),
    ("ALTER POLICY tokaut_console_select ON report USING (true)", "The policy tokaut_console_select of report"),
    ("DROP POLICY tokaut_console_select ON report_body", "The policy tokaut_console_select of report_body"),
    ("CREATE POLICY more ON report_body FOR SELECT TO tokaut_console USING (true)", "The policy more of report_body"),
    ("ALTER TABLE lease OWNER TO tokaut_web", "lease belongs to tokaut_web"),
    ("GRANT CREATE ON SCHEMA public TO tokaut_web", "The role tokaut_web may make tables"),
    (
        "DO $$ BEGIN EXECUTE 'GRANT TEMP ON DATABASE ' || current_database() || ' TO tokaut_web'; END $$",
        "temporary tables",
    ),
    ("ALTER ROLE tokaut_web SUPERUSER", "tokaut_web is a superuser"),
    ("ALTER ROLE tokaut_console BYPASSRLS", "tokaut_console passes by row-level security"),
]


@pytest.mark.product(parts=2)
@pytest.mark.parametrize(("done", "said"), TAMPERED)
def test_what_was_changed_is_said_and_live_does_not_start(site: Site, done: str, said: str) -> None:
    site.run(done)
    with pytest.raises(WrongDatabase, match=said):
        refuse_wrong_database(site.database(WEB), "live", "web")


@pytest.mark.product(parts=2)
@pytest.mark.parametrize("done", [done for done, _ in TAMPERED if not done.startswith(("CREATE", "ALTER ROLE"))])
def test_migrating_again_mends_what_is_ours(site: Site, done: str) -> None:
    site.run(done)
    site.run(f"ALTER TABLE lease OWNER TO {OWNER}")
    upgrade(site.database(OWNER), "live")
    assert site.faults() == []


def test_a_member_of_another_role_is_said(site: Site) -> None:
    site.run("GRANT pg_read_all_data TO tokaut_web")
    assert any("is a member of pg_read_all_data" in line for line in site.faults())
    site.run("REVOKE pg_read_all_data FROM tokaut_web")
    assert site.faults() == []


@pytest.mark.parametrize(("account", "role"), [("web", CLOCK), ("clock", WEB), ("worker", CLOCK), ("", OWNER)])
def test_a_process_that_comes_as_another_is_refused(site: Site, account: str, role: str) -> None:
    with pytest.raises(WrongDatabase, match=f"connects to PostgreSQL as {role}"):
        refuse_wrong_database(site.database(role), "live", account)


def test_a_database_without_the_roles_is_refused_in_live(site: Site) -> None:
    site.run("ALTER ROLE tokaut_console RENAME TO away")
    try:
        with pytest.raises(WrongDatabase, match="There is no role tokaut_console"):
            refuse_wrong_database(site.database(WEB), "live", "web")
    finally:
        site.run("ALTER ROLE away RENAME TO tokaut_console")


def test_what_is_not_durable_is_refused_in_live(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reports.store.engine.postgresql.SETTINGS", {"fsync": "off"})
    with pytest.raises(WrongDatabase, match="fsync = on"):
        refuse_wrong_database(site.database(WEB), "live", "web")


def test_the_settings_of_the_role_do_not_take_durability_away(site: Site) -> None:
    site.run(
        "ALTER ROLE tokaut_web SET synchronous_commit = off; ALTER ROLE tokaut_web SET client_min_messages = error"
    )
    assert site.database(WEB).durability_faults() == []


def test_a_copy_is_the_administrators_to_take_and_keeps_the_rights(
    site: Site, postgres: Postgres, tmp_path: Path
) -> None:
    """No account of Tokaut may make a copy; after a restore, the owner's migration has little to change."""

    def run(tool: str, *words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*postgres.tool(tool), *words], capture_output=True, check=False)

    def administrators(address: str) -> str:
        return address.replace(f"{OWNER}@", "postgres@")

    copy = str(tmp_path / "copy")
    refused = run("pg_dump", "--format=custom", f"--file={copy}", site.addresses[OWNER])
    assert b"row-level security" in refused.stderr
    new = postgres.new_tokaut()
    assert run("pg_dump", "--format=custom", f"--file={copy}", administrators(site.addresses[OWNER])).returncode == 0
    back = run("pg_restore", "--exit-on-error", "--dbname", administrators(new[OWNER]), copy)
    assert back.returncode == 0, back.stderr
    site.addresses = new
    assert {line.partition(" may make ")[2] for line in site.faults()} == {"temporary tables. Run: tokaut migrate"}
    upgrade(site.database(OWNER), "live")
    assert site.faults() == []
