"""An attacker has taken over the console of an operator. By no statement does it reach a row of another operator.

The console names the hotlines and a report of the other operator. All tables come from the table of rights, and each
has a row of both operators, so a new table is tried too.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import BigInteger, Column, Integer, LargeBinary

from reports.countries.country import load_countries
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.console_hotlines import assign_hotlines
from reports.store.privileges.operators import (
    OPERATOR_CONDITIONS,
    OPERATOR_RIGHTS,
    SHARED_TABLES,
    list_rights_with,
    operator_role,
    row_policy_with,
)
from reports.store.privileges.rights import CONSOLE, HOTLINES, OWNER, RIGHTS, ROW_POLICIES, Right
from reports.store.schema.tables import metadata
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-36"), pytest.mark.rule("A-42")]

OPERATORS = {"pacific": ("vu",), "kenya": ("ke",)}
ROLE = operator_role("pacific")
CONSOLE_RIGHTS = {right for right in list_rights_with([ROLE]) if right.role == ROLE}
TABLES = sorted({right.table for right in CONSOLE_RIGHTS} - {"alembic_version"})
OWN_TABLES = sorted(set(TABLES) - SHARED_TABLES.keys())
# Columns that say whose a row is: a row that has one of them of another operator is refused.
TELLING = ("hotline", "recipient", "giver", "taker", "country", "console_role")
# Tables of which only another column tells it.
TELLING_OF = {
    "audit": ("actor",),
    **dict.fromkeys(("passkey", "staff_session", "recovery", "lowering", "draft"), ("staff_id",)),
}
REPORT_ONLY = {"kept_away"}  # only the report tells it


@dataclass(frozen=True)
class Operator:
    """An operator, a country, two hotlines and a person of theirs, and a report."""

    name: str
    country: str
    hotline: str

    @property
    def role(self) -> str:
        return operator_role(self.name)

    def id_of(self, what: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{what}.{self.name}.example"))


A, B = Operator("pacific", "VU", "vu-pikinini"), Operator("kenya", "KE", "ke-child-helpline")


def row_of(table: str, of: Operator, salt: str = "") -> dict[str, Any]:
    """Return a row of this operator that the rules of the console accept. `salt`: for another row with other keys."""
    row = {column.name: _value(table, column, of, salt) for column in metadata.tables[table].columns}
    return row | FIXED.get(table, {})


FIXED: Mapping[str, dict[str, Any]] = {
    "pending": {"kind": "staff", "revision": 1, "role": "primary"},
    "drill": {"report_id": None},
    "draft": {"kind": "note"},
    "audit": {"seq": None, "prev_hash": None, "hash": None},
    "report": {"mode": "training"},
}


def _value(table: str, column: Column[Any], of: Operator, salt: str) -> Any:
    name, actor = column.name, f"staff:{of.hotline}/mere"
    known = dict.fromkeys(("hotline", "recipient", "giver", "desk"), of.hotline)
    known |= {"actor": actor, "made_by": actor, "taker": of.hotline if table == "handover" else actor}
    known |= {"country": of.country, "console_role": of.role}
    if not (salt and _keys(table) == [name]):
        known |= {one: of.id_of(one) for one in ("report_id", "staff_id")}
    if name in known:
        return known[name]
    digest = hashlib.sha256(f"{table} {name} {of.name} {salt}".encode()).digest()
    if isinstance(column.type, LargeBinary):
        return digest
    if isinstance(column.type, BigInteger | Integer):
        return int.from_bytes(digest[:3]) if column.primary_key else 1
    length = getattr(column.type, "length", None) or 64
    return of.id_of(f"{name}{salt}") if length == 36 else digest.hex()[:length]


def _keys(table: str) -> list[str]:
    return list(metadata.tables[table].primary_key.columns.keys())


@dataclass
class Attack:
    """The attacker's connection, under the role of operator A, and the administrator's, which sees all rows."""

    console: psycopg.Connection[Any]
    administrator: psycopg.Connection[Any]
    before: dict[str, list[Any]] = field(default_factory=dict)

    def fill(self) -> None:
        """Store one row of each operator in each table, in place of all rows there."""
        for table in TABLES:
            if table not in ("console_hotline", "made_for"):
                self.administrator.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                for of in (A, B):
                    self.insert(self.administrator, table, row_of(table, of))
        self.before = {table: self.rows_of(table, B) for table in TABLES}

    def insert(self, connection: psycopg.Connection[Any], table: str, row: Mapping[str, Any], tail: str = "") -> int:
        columns = sql.SQL(", ").join(map(sql.Identifier, row))
        marks = sql.SQL(", ").join(sql.Placeholder() * len(row))
        statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) {}").format(
            sql.Identifier(table),
            columns,
            marks,
            sql.SQL(tail),  # type: ignore[arg-type]  # our own words
        )
        return connection.execute(statement, list(row.values())).rowcount

    def rows_of(self, table: str, of: Operator) -> list[Any]:
        """Return the rows of an operator as the administrator sees them."""
        found = self.administrator.execute(sql.SQL("SELECT row_to_json(t) FROM {} t").format(sql.Identifier(table)))
        own = {text for text in row_of(table, of).values() if isinstance(text, str) and text in marks_of(of)}
        return sorted((row[0] for row in found if own & set(map(str, row[0].values()))), key=repr)

    def as_console(self, statement: sql.Composable, hotlines: str = f"{B.hotline},{A.hotline}") -> psycopg.Cursor[Any]:
        """Run a statement in a transaction that names the hotlines of both operators, and B's report."""
        self.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (hotlines,))
        self.console.execute("SELECT set_config('tokaut.report', %s, true)", (B.id_of("report_id"),))
        return self.console.execute(statement)

    def untouched(self) -> None:
        """Fail if a row of B is not as before."""
        assert {table: self.rows_of(table, B) for table in TABLES} == self.before


def marks_of(of: Operator) -> set[str]:
    return {of.hotline, of.country, of.role, f"staff:{of.hotline}/mere", of.id_of("report_id"), of.id_of("staff_id")}


@pytest.fixture(scope="module")
def connections(postgres: Postgres) -> Iterator[Attack]:
    addresses = postgres.new_tokaut(tuple(OPERATORS))
    countries = load_countries(("vu", "fj", "ke"), "demo")
    owner = Database(addresses[OWNER], threads=1)
    upgrade(owner, "training", assign_hotlines(OPERATORS, countries))
    owner.close()
    as_administrator = addresses[OWNER].replace(f"{OWNER}@", "postgres@")
    with (
        psycopg.connect(addresses[ROLE]) as console,
        psycopg.connect(as_administrator, autocommit=True) as administrator,
    ):
        administrator.execute("SET synchronous_commit = off")  # rows are stored before each of many tests
        yield Attack(console, administrator)


@pytest.fixture
def attack(connections: Attack) -> Iterator[Attack]:
    connections.fill()
    yield connections
    connections.console.rollback()


def columns(table: str, privilege: str) -> list[str]:
    """Return the columns of a table that the console may use so; none without the privilege."""
    rights = [one for one in CONSOLE_RIGHTS if (one.table, one.privilege) == (table, privilege)]
    return [name for one in rights for name in one.columns or metadata.tables[table].columns.keys()]


def tables_with(privilege: str) -> list[str]:
    return [table for table in TABLES if columns(table, privilege)]


def names(of: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, of))


# What the rules say


def test_each_table_of_the_console_is_decided() -> None:
    """A table is limited by the console's own policies, by a condition of operators, or is shared for a reason."""
    for right in CONSOLE_RIGHTS:
        policy = ROW_POLICIES.get(right.table, {}).get((CONSOLE, right.privilege))
        is_limited = bool(policy and HOTLINES in policy.visible)
        decided = [is_limited or right.table in OPERATOR_CONDITIONS, right.table in SHARED_TABLES]
        assert decided.count(True) == 1, right
        if right.table in SHARED_TABLES:
            assert right.privilege == "SELECT"


def test_of_a_table_that_is_not_decided_no_console_sees_a_row() -> None:
    for role in (CONSOLE, ROLE):
        assert row_policy_with(Right("new_table", role, "SELECT"), [ROLE]).visible == "false"


def test_no_policy_of_an_operator_takes_the_hotlines_from_the_console_alone() -> None:
    for right in CONSOLE_RIGHTS:
        policy = row_policy_with(right, [ROLE])
        for rows in filter(None, policy):
            assert rows.count(HOTLINES) == rows.count(f"o.role = current_user AND o.hotline = ANY ({HOTLINES})")
        assert "console_hotline" in policy.visible or "current_user" in policy.visible or right.table in SHARED_TABLES


def test_an_operator_has_no_right_that_the_console_has_not() -> None:
    console = {right._replace(role=ROLE) for right in list_rights_with([]) if right.role == CONSOLE}
    assert {right for right in CONSOLE_RIGHTS - console if right.table not in OPERATOR_RIGHTS} == set()
    assert {right for right in console - CONSOLE_RIGHTS if right.table not in OPERATOR_RIGHTS} == set()
    assert set(OPERATOR_RIGHTS) <= set(RIGHTS)


# Reading


@pytest.mark.parametrize("table", tables_with("SELECT"))
def test_only_own_rows_are_read(attack: Attack, table: str) -> None:
    query = sql.SQL("SELECT {} FROM {}").format(names(columns(table, "SELECT")), sql.Identifier(table))
    found = attack.as_console(query).fetchall()
    if table in SHARED_TABLES:
        return
    assert len(found) == 1, "its own row is there"
    assert not {repr(value) for row in found for value in row} & {repr(mark) for mark in marks_of(B)}


@pytest.mark.parametrize("table", [table for table in tables_with("SELECT") if table not in SHARED_TABLES])
def test_nothing_is_read_of_another_that_is_named_alone(attack: Attack, table: str) -> None:
    """A console reads accounts before it knows a hotline, so rows of staff do not depend on the hotlines named."""
    query = sql.SQL("SELECT {} FROM {}").format(names(columns(table, "SELECT")), sql.Identifier(table))
    found = attack.as_console(query, B.hotline).fetchall()
    is_limited_by_name = (CONSOLE, "SELECT") in ROW_POLICIES.get(table, {})
    assert len(found) == (0 if is_limited_by_name else 1)


@pytest.mark.parametrize("where", ["count(*)", "max(ctid::text)", "max(hotline)"])
def test_neither_counts_nor_places_tell_of_another(attack: Attack, where: str) -> None:
    query = sql.SQL("SELECT {} FROM delivery WHERE hotline = {}").format(sql.SQL(where), B.hotline)  # type: ignore[arg-type]
    assert attack.as_console(query).fetchone() in ((0,), (None,))


def test_a_report_of_both_shows_nothing_of_the_other(attack: Attack) -> None:
    """Routes never cross a country. If one did, each operator would see its own part only."""
    for table in ("route", "delivery", "report_body"):
        attack.insert(attack.administrator, table, row_of(table, B, "x") | {"report_id": A.id_of("report_id")})
    attack.console.execute("SELECT set_config('tokaut.report', %s, true)", (A.id_of("report_id"),))
    attack.console.execute("SELECT set_config('tokaut.hotlines', %s, true)", (f"{A.hotline},{B.hotline}",))
    for query in ("SELECT hotline FROM route", "SELECT hotline FROM delivery", "SELECT recipient FROM report_body"):
        assert attack.console.execute(query).fetchall() == [(A.hotline,)]  # type: ignore[call-overload]


def test_no_line_of_the_audit_that_another_wrote_is_read(attack: Attack) -> None:
    """Not even one that says that a report was shown to a person here, which a hotline reads of the operator."""
    about = f"{A.id_of('report_id')}/{A.id_of('staff_id')}"
    row = row_of("audit", B, "x") | {"act": "shown_to", "object_id": about}
    attack.insert(attack.administrator, "audit", row)
    query = sql.SQL("SELECT object_id FROM audit WHERE act = 'shown_to'")
    assert attack.as_console(query).fetchall() == []
    attack.administrator.execute("UPDATE audit SET actor = 'staff:_operator_pacific/oto' WHERE act = 'shown_to'")
    assert attack.as_console(query).fetchall() == [(about,)]


# Changing and deleting


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in tables_with("UPDATE") for column in columns(table, "UPDATE")]
)
def test_only_own_rows_are_changed(attack: Attack, table: str, column: str) -> None:
    value = row_of(table, A, "changed")[column]
    for tail in ("", "returning"):
        statement = sql.SQL("UPDATE {} SET {} = {}").format(sql.Identifier(table), sql.Identifier(column), value)
        if tail:
            statement += sql.SQL(" RETURNING {}").format(sql.Identifier(column))
        try:
            with attack.console.transaction():
                assert attack.as_console(statement).rowcount <= 1
        except psycopg.errors.InsufficientPrivilege:  # the value or RETURNING needs more than the console may
            continue
    attack.untouched()


@pytest.mark.parametrize("table", tables_with("UPDATE"))
def test_no_own_row_is_given_to_another(attack: Attack, table: str) -> None:
    for column in (*TELLING, *TELLING_OF.get(table, ())):
        if column in columns(table, "UPDATE"):
            value = row_of(table, B)[column]
            statement = sql.SQL("UPDATE {} SET {} = {}").format(sql.Identifier(table), sql.Identifier(column), value)
            with pytest.raises(psycopg.errors.InsufficientPrivilege), attack.console.transaction():
                attack.as_console(statement)
    attack.untouched()


@pytest.mark.parametrize("table", tables_with("DELETE"))
def test_only_own_rows_are_deleted(attack: Attack, table: str) -> None:
    with attack.console.transaction():
        assert attack.as_console(sql.SQL("DELETE FROM {}").format(sql.Identifier(table))).rowcount == 1
    attack.untouched()


# Inserting: keys that exist are no sign of another's rows, because the row is refused first


def writable(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in columns(table, "INSERT")}


@pytest.mark.parametrize("table", tables_with("INSERT"))
def test_an_own_row_is_inserted(attack: Attack, table: str) -> None:
    """The refusals have other causes than a wrong row."""
    attack.administrator.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    attack.as_console(sql.SQL("SELECT 1"))
    assert attack.insert(attack.console, table, writable(table, row_of(table, A))) == 1


@pytest.mark.parametrize("tail", ["", "ON CONFLICT DO NOTHING"])
@pytest.mark.parametrize("salt", ["", "new"])
@pytest.mark.parametrize("table", tables_with("INSERT"))
def test_a_row_of_another_is_refused_whether_it_exists_or_not(attack: Attack, table: str, salt: str, tail: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"), attack.console.transaction():
        attack.as_console(sql.SQL("SELECT 1"))
        attack.insert(attack.console, table, writable(table, row_of(table, B, salt)), tail)
    attack.untouched()


INSERTED = [
    (table, column)
    for table in tables_with("INSERT")
    for column in (*TELLING, *TELLING_OF.get(table, ()), *(("report_id",) if table in REPORT_ONLY else ()))
    if column in columns(table, "INSERT")
]


def test_each_table_has_a_column_that_tells_whose_a_row_is() -> None:
    assert {table for table, _ in INSERTED} == set(tables_with("INSERT"))


@pytest.mark.parametrize(("table", "column"), INSERTED)
def test_an_own_row_that_names_another_is_refused(attack: Attack, table: str, column: str) -> None:
    row = row_of(table, A, "new") | {column: row_of(table, B)[column]}
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"), attack.console.transaction():
        attack.as_console(sql.SQL("SELECT 1"))
        attack.insert(attack.console, table, writable(table, row))
    attack.untouched()


def test_the_name_of_an_account_is_the_one_thing_that_shows(attack: Attack) -> None:
    """Names are one list for the whole installation, as the threat model says."""
    row = row_of("staff", A, "new") | {"name": row_of("staff", B)["name"]}
    with pytest.raises(psycopg.errors.UniqueViolation), attack.console.transaction():
        attack.as_console(sql.SQL("SELECT 1"))
        attack.insert(attack.console, "staff", row)


# Other ways


@pytest.mark.parametrize(
    "way",
    [
        f"SET ROLE {CONSOLE}",
        f"SET ROLE {B.role}",
        f"SET SESSION AUTHORIZATION {B.role}",
        "SET row_security = off; SELECT * FROM staff",
        "UPDATE console_hotline SET role = current_user",
        "DELETE FROM console_hotline",
        f"INSERT INTO console_hotline VALUES ('ke-other', '{ROLE}', 'KE')",
        "ALTER TABLE staff DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON staff USING (true)",
        "CREATE FUNCTION peek(text) RETURNS bool LANGUAGE sql AS 'SELECT true'",
        "CREATE TEMP TABLE console_hotline (hotline text, role text, country text)",
        "CREATE SCHEMA mine",
        f"GRANT {B.role} TO {ROLE}",
        f"ALTER ROLE {ROLE} BYPASSRLS",
        "SELECT seq, hash FROM checkpoint",
        "TRUNCATE staff_try",
        "COPY staff TO PROGRAM 'cat'",
    ],
)
def test_a_way_around_is_refused(attack: Attack, way: str) -> None:
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject)):
        attack.console.execute(way)  # type: ignore[call-overload]  # our own words


def test_another_table_of_the_same_name_is_not_taken(attack: Attack) -> None:
    """The policies name tables by their identity, so a search path changes nothing."""
    attack.console.execute("SET LOCAL search_path = pg_catalog")
    assert attack.as_console(sql.SQL("SELECT hotline FROM public.staff")).fetchall() == [(A.hotline,)]


def test_statistics_of_the_server_show_no_value(attack: Attack) -> None:
    attack.administrator.execute("ANALYZE")
    shown = attack.console.execute("SELECT * FROM pg_stats WHERE schemaname = 'public'").fetchall()
    assert not [mark for mark in marks_of(B) - {B.role, B.country, B.hotline} if mark in repr(shown)]
    limited = {row[1] for row in shown} & set(OWN_TABLES)
    assert limited == set()
