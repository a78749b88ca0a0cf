"""An attacker on web's host has its role in PostgreSQL. No known way leads to a report's body.

The row exists: the administrator finds it in each table by the same search.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from reports.store import pending_submissions, submissions
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.rights import OWNER, WEB
from reports.store.schema.base import new_id
from reports.store.submissions import SealedCopy, Submission
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("X-10")]

BODY = b"what-was-told-and-sealed-0517"
SHAPES = [BODY, BODY.hex().encode(), base64.b64encode(BODY), BODY[8:24], BODY[8:24].hex().encode()]
BOX = f"'\\x{BODY.hex()}'::bytea"
ID = "01a211b9-f7d0-7c31-9d5e-0a6f1c2b3d4e"
ROW = f"('{ID}', 1, 'vu-pikinini', 'k', 'w', 'h', 's')"

READING = {
    "select": "SELECT sealed FROM report_body",
    "select all": "SELECT * FROM report_body",
    "table": "TABLE report_body",
    "the row as one value": "SELECT b FROM report_body b",
    "a row as json": "SELECT row_to_json(b) FROM report_body b",
    "the head alone": "SELECT head FROM report_body",
    "the wrap alone": "SELECT wrap FROM report_body",
    "a count": "SELECT count(*) FROM report_body",
    "whether it begins so": "SELECT 1 FROM report_body WHERE sealed > 'a'",
    "where it lies": "SELECT ctid FROM report_body",
    "a join": "SELECT b.sealed FROM report r JOIN report_body b USING (report_id)",
    "a subquery": "SELECT (SELECT sealed FROM report_body LIMIT 1)",
    "with": "WITH x AS (SELECT sealed FROM report_body) SELECT * FROM x",
    "for update": "SELECT sealed FROM report_body FOR UPDATE",
    "a cursor": "DECLARE c CURSOR FOR SELECT sealed FROM report_body; FETCH ALL c",
    "a prepared statement": "PREPARE p AS SELECT sealed FROM report_body; EXECUTE p",
    "explain": "EXPLAIN (ANALYZE, VERBOSE) SELECT sealed FROM report_body",
    "a sample": "SELECT sealed FROM report_body TABLESAMPLE SYSTEM (100)",
    "what files itself": "SELECT sealed FROM pending",
    "an SMS to be sent": "SELECT sealed FROM outgoing",
    "what was said by My report": "SELECT sealed FROM message",
    "whether it was numbered": "SELECT number FROM message",
    "a mailbox as one value": "SELECT m FROM mailbox m",
    "row security off": "SET row_security = off; SELECT sealed FROM report_body",
    "as xml": "SELECT query_to_xml('SELECT sealed FROM report_body', true, false, '')",
    "the table as xml": "SELECT table_to_xml('report_body', true, false, '')",
    "the database as xml": "SELECT database_to_xml(true, false, '')",
    "words for search": "SELECT * FROM ts_stat('SELECT to_tsvector(encode(sealed, ''escape'')) FROM report_body')",
}
WRITING = {
    "returning": f"INSERT INTO report_body VALUES {ROW} RETURNING *",
    "returning of what was deleted": "DELETE FROM pending RETURNING sealed",
    "with returning": "WITH x AS (DELETE FROM pending RETURNING sealed) SELECT * FROM x",
    "excluded": f"INSERT INTO report_body VALUES {ROW} ON CONFLICT (report_id, revision, recipient) "
    "DO UPDATE SET head = report_body.sealed",
    "on conflict nothing, with a target": f"INSERT INTO report_body VALUES {ROW} ON CONFLICT (report_id) DO NOTHING",
    "a copy within": f"INSERT INTO report_body SELECT '{ID}', 9, recipient, key_id, wrap, head, sealed "
    "FROM report_body",
    "a copy to where it may read": "INSERT INTO inbound SELECT origin_key, 1, origin_key, sealed FROM pending",
    "update": "UPDATE report_body SET recipient = 'mine'",
    "update from": "UPDATE inbound SET waiting = b.sealed FROM report_body b",
    "merge": "MERGE INTO inbound i USING report_body b ON true WHEN MATCHED THEN UPDATE SET waiting = b.sealed",
    "delete by its content": "DELETE FROM pending WHERE sealed > 'a'",
    "truncate": "TRUNCATE report_body",
    "the same key again": "INSERT INTO report_body SELECT report_id, 1, 'vu-pikinini', 'k', 'w', 'h', 's' FROM report",
    "a key with nothing in it": f"INSERT INTO report_body VALUES ('{ID}', 1, 'x', NULL, 'w', 'h', 's')",
    "new hands for what was said": "UPDATE message SET recipient = 'mine'",
    "a message again": "INSERT INTO message SELECT message_id, 'mine', report_id, 1, 1, key_id, wrap, sealed "
    "FROM message",
    "an answer of its own": f"INSERT INTO answer VALUES ('{ID}', '{ID}', 'vu-pikinini', 1, 's')",
    "new hands for what files itself": "UPDATE pending SET recipient = 'mine'",
}
BUILDING = {
    "a view": "CREATE VIEW peek AS SELECT * FROM report_body",
    "a temporary view": "CREATE TEMP VIEW peek AS SELECT * FROM report_body",
    "a temporary table": "CREATE TEMP TABLE peek AS SELECT * FROM report_body",
    "a table": "CREATE TABLE peek AS SELECT * FROM report_body",
    "a schema": "CREATE SCHEMA mine",
    "a function": "CREATE FUNCTION peek() RETURNS bytea LANGUAGE sql AS 'SELECT sealed FROM report_body'",
    "a function of the owner's": "CREATE FUNCTION peek() RETURNS bytea LANGUAGE sql SECURITY DEFINER AS "
    "'SELECT sealed FROM report_body'",
    "a trigger": "CREATE TRIGGER t BEFORE INSERT ON report_body EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "a rule": "CREATE RULE r AS ON INSERT TO report_body DO ALSO NOTIFY x",
    "a policy": "CREATE POLICY mine ON report_body FOR SELECT USING (true)",
    "row security off for the table": "ALTER TABLE report_body DISABLE ROW LEVEL SECURITY",
    "another owner": "ALTER TABLE report_body OWNER TO tokaut_web",
    "a foreign key": "CREATE TABLE x (i varchar REFERENCES report (report_id))",
    "an index": "CREATE INDEX i ON report_body (sealed)",
    "statistics": "CREATE STATISTICS s ON report_id, sealed FROM report_body",
    "a block of code": "DO $$ BEGIN RAISE NOTICE '%', (SELECT sealed FROM report_body LIMIT 1); END $$",
    "another language": "DO LANGUAGE plpython3u $$ 1 $$",
    "a publication": "CREATE PUBLICATION p FOR TABLE report_body",
    "a comment": "COMMENT ON TABLE report_body IS 'x'",
}
BECOMING = {
    "the clock": "SET ROLE tokaut_clock; SELECT sealed FROM report_body",
    "the owner": "SET ROLE tokaut_owner; SELECT sealed FROM report_body",
    "the console": "SET ROLE tokaut_console; SET tokaut.hotlines = 'vu-pikinini'; SELECT sealed FROM report_body",
    "the administrator": "SET SESSION AUTHORIZATION postgres; SELECT sealed FROM report_body",
    "with more rights": "GRANT SELECT ON report_body TO tokaut_web; SELECT sealed FROM report_body",
    "a member": "GRANT tokaut_clock TO tokaut_web; SET ROLE tokaut_clock; SELECT sealed FROM report_body",
    "a reader of all": "GRANT pg_read_all_data TO tokaut_web; SELECT sealed FROM report_body",
    "a new role": "CREATE ROLE mine SUPERUSER",
    "one that row security passes by": "ALTER ROLE tokaut_web BYPASSRLS",
    "a hotline": "SET tokaut.hotlines = 'vu-pikinini'; SELECT sealed FROM report_body",
}
BEYOND = {
    "a file": "SELECT pg_read_file('postgresql.conf')",
    "a file of bytes": "SELECT pg_read_binary_file('base/1/1259')",
    "a folder": "SELECT pg_ls_dir('.')",
    "the log of writes": "SELECT * FROM pg_ls_waldir()",
    "import": "SELECT lo_import('/etc/passwd')",
    "export": "SELECT lo_export(1, '/tmp/x')",
    "a large object": f"SELECT lo_from_bytea(0, {BOX})",
    "copy from a file": "COPY inbound FROM '/etc/passwd'",
    "copy to a file": "COPY report_body TO '/tmp/x'",
    "copy to a program": "COPY report_body TO PROGRAM 'cat'",
    "copy from a program": "COPY inbound FROM PROGRAM 'id'",
    "dblink": "CREATE EXTENSION dblink",
    "foreign files": "CREATE EXTENSION file_fdw",
    "pages": "CREATE EXTENSION pageinspect",
    "a foreign server": "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw",
    "a subscription": "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p",
    "a slot of changes": "SELECT pg_create_logical_replication_slot('s', 'test_decoding')",
    "a setting of the server": "ALTER SYSTEM SET archive_command = 'cat'",
    "a library": "LOAD '/tmp/x.so'",
    "a backup": "SELECT pg_backup_start('x')",
}
# Allowed to every role, and harmless: no output contains data of a row.
ALLOWED = {
    "statistics of columns": "SELECT * FROM pg_stats WHERE tablename IN ('report_body', 'pending', 'outgoing')",
    "who is at work": "SELECT query FROM pg_stat_activity",
    "what was prepared": "SELECT * FROM pg_prepared_statements",
    "the size": "SELECT pg_total_relation_size('report_body')",
    "where the file is": "SELECT pg_relation_filepath('report_body')",
    "the catalogue": "SELECT * FROM information_schema.columns WHERE table_name = 'report_body'",
    "analyze": "ANALYZE report_body",  # warns that the table was skipped
    "a block that catches": "DO $$ BEGIN PERFORM sealed FROM report_body; EXCEPTION WHEN OTHERS THEN NULL; END $$",
    "answers of staff": "SELECT sealed FROM answer",  # sealed for code and PIN
    "a mailbox's key": "SELECT sealed_key FROM mailbox",  # sealed by code and PIN
    "what is known of its own reports": "SELECT report_id, state, desk FROM report",
}
REFUSED = {**READING, **WRITING, **BUILDING, **BECOMING, **BEYOND}


@dataclass
class StolenRole:
    """The attacker's connection, with web's role; and the administrator's, which shows that the searched row exists."""

    web: psycopg.Connection[Any]
    administrator: psycopg.Connection[Any]
    dump: list[str]


@pytest.fixture(scope="module")
def stolen_role(postgres: Postgres) -> Iterator[StolenRole]:
    addresses = postgres.new_tokaut()
    owner = Database(addresses[OWNER], threads=1)
    upgrade(owner, "live")
    owner.close()
    fill(addresses[WEB])
    as_administrator = addresses[OWNER].replace(f"{OWNER}@", "postgres@")
    with (
        psycopg.connect(addresses[WEB], autocommit=True) as web,
        psycopg.connect(as_administrator, autocommit=True) as administrator,
    ):
        administrator.execute("ANALYZE")
        yield StolenRole(web, administrator, [*postgres.tool("pg_dump"), addresses[WEB]])


def fill(address: str) -> None:
    """Store a report and a pending one, as web does."""
    database = Database(address, threads=1)
    part = SealedCopy("vu-pikinini", "primary", "CATEGORY", "k" * 16, BODY, BODY, BODY)
    for n in range(2):
        now = database.now()
        report = Submission(new_id(now), bytes([n]) * 32, 1, now, "VU", "live", "P1", "complete", (part,))
        if n:
            pending_submissions.schedule_pending(database, report, "rescue", now + 10**9)
        else:
            submissions.commit(database, report)
    database.close()


def all_that_comes(connection: psycopg.Connection[Any], statements: str) -> tuple[bytes, bool]:
    """Return (all output of the server, including errors and notices; whether it refused)."""
    seen: list[str] = []

    def hear(notice: psycopg.errors.Diagnostic) -> None:
        seen.append(f"{notice.message_primary} {notice.message_detail} {notice.context}")

    connection.add_notice_handler(hear)
    refused = False
    try:
        with connection.transaction(force_rollback=True):
            cursor = connection.execute(sql.SQL(statements))  # type: ignore[arg-type]  # trusted SQL from this file
            while True:
                if cursor.description:
                    seen += [repr(row) for row in cursor]
                if not cursor.nextset():
                    break
    except psycopg.Error as error:
        refused = True
        d = error.diag
        seen.append(f"{error} {d.message_detail} {d.message_hint} {d.context} {d.column_name} {d.constraint_name}")
    finally:
        connection.remove_notice_handler(hear)
    return "\n".join(seen).encode(), refused


def found(came: bytes) -> Sequence[bytes]:
    return [shape for shape in SHAPES if shape in came]


@pytest.mark.parametrize("way", REFUSED)
def test_a_way_is_refused_and_shows_nothing(stolen_role: StolenRole, way: str) -> None:
    came, refused = all_that_comes(stolen_role.web, REFUSED[way])
    assert refused, came
    if way != "a large object":  # that statement contains the body
        assert not found(came)


@pytest.mark.parametrize("way", ALLOWED)
def test_a_way_that_all_have_shows_nothing(stolen_role: StolenRole, way: str) -> None:
    came, refused = all_that_comes(stolen_role.web, ALLOWED[way])
    assert not refused, came
    assert not found(came)


@pytest.mark.parametrize("table", ["report_body", "pending"])
def test_copy_out_is_refused(stolen_role: StolenRole, table: str) -> None:
    out = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
    refused = pytest.raises(psycopg.errors.InsufficientPrivilege)
    with refused, stolen_role.web.cursor() as cursor, cursor.copy(out) as copy:
        assert not found(b"".join(bytes(block) for block in copy))


def test_what_pg_dump_takes_holds_nothing(stolen_role: StolenRole) -> None:
    done = subprocess.run(stolen_role.dump, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"permission denied" in done.stderr
    assert not found(done.stdout + done.stderr)


def test_web_itself_may_write_a_body(stolen_role: StolenRole) -> None:
    """The refusals have other causes than a missing connection or table."""
    came, refused = all_that_comes(stolen_role.web, f"INSERT INTO report_body VALUES {ROW}")
    assert not refused, came


@pytest.mark.parametrize("way", ["select", "the row as one value", "what files itself", "a join", "a cursor"])
def test_the_administrator_finds_it_by_the_same_search(stolen_role: StolenRole, way: str) -> None:
    came, refused = all_that_comes(stolen_role.administrator, REFUSED[way])
    assert not refused
    assert found(came)
