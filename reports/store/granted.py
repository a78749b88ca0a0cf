"""Reads back from PostgreSQL what each role may do, and says where that is not what `rights` has: no more, no less.

Whoever may log in may read the catalogue, so every process can look at the rights of all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, RowMapping

from reports.store.database import Database
from reports.store.granting import GRANTS, POLICIES, policy_name, signature
from reports.store.rights import OWNER, ROLES, ROWS, rights

AGAIN = "Run: tokaut migrate"
MAKE = "Make the roles, as the administrator of PostgreSQL: tokaut roles | psql"
TOO_MUCH = {
    "rolsuper": "is a superuser",
    "rolbypassrls": "passes by row-level security",
    "rolcreaterole": "may make roles",
    "rolcreatedb": "may make databases",
    "rolreplication": "may copy the whole server",
}
# What reaches files, programs or other servers from within.
EXTENSIONS = ("adminpack", "dblink", "file_fdw", "postgres_fdw", "plperlu", "plpython3u", "pltclu", "pageinspect")

FLAGS = f"SELECT rolname, {', '.join(TOO_MUCH)} FROM pg_roles"  # noqa: S608  # our own words
MEMBERS = """
SELECT m.rolname AS role, g.rolname AS of FROM pg_auth_members a
  JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
"""
OWNED = """
SELECT r.rolname AS role, c.relname AS what FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
UNION ALL SELECT r.rolname, p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
UNION ALL SELECT r.rolname, n.nspname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
"""
LIMITED = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND c.relrowsecurity AND c.relforcerowsecurity
"""
COMMENTS = """
SELECT c.relname, p.polname, obj_description(p.oid, 'pg_policy') AS said
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
"""
AROUND = """
SELECT r.rolname AS role, has_database_privilege(r.oid, current_database(), 'TEMP') AS temp,
       has_database_privilege(r.oid, current_database(), 'CREATE')
       OR has_schema_privilege(r.oid, 'public', 'CREATE') AS make
  FROM pg_roles r
"""
DEFINERS = """
SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def faults(database: Database, account: str) -> list[str]:
    """A sentence each: what is wrong, and what to do. Raises DatabaseUnavailable.

    `account`: web, worker, clock, owner; "" where any but the owner will do.
    """
    if database.is_sqlite:
        return []
    with database.read() as connection:
        known = {row.rolname: row._mapping for row in connection.exec_driver_sql(FLAGS)}
        if missing := [role for role in ROLES if role not in known]:
            return [f"There is no role {', '.join(missing)} in PostgreSQL. {MAKE}"]
        looks = (_account(connection, account), _roles(connection, known), _laid(connection), _ways_out(connection))
        return [line for look in looks for line in look]


def is_to_be_laid(connection: Connection) -> bool:
    """The roles are there, and their rights are not what they should be."""
    there = {row.rolname for row in connection.exec_driver_sql(FLAGS)}
    return set(ROLES) <= there and any(True for _ in _laid(connection))


def _laid(connection: Connection) -> Iterator[str]:
    """What `granting.lay` mends."""
    yield from _grants(connection)
    yield from _rows(connection)
    yield from _makers(connection)


def _account(connection: Connection, account: str) -> Iterator[str]:
    wanted = (f"tokaut_{account}",) if account else ROLES
    found = connection.exec_driver_sql("SELECT current_user").scalar_one()
    if found not in wanted:
        yield (
            f"This connects to PostgreSQL as {found}, and must as {' or '.join(wanted)}. "
            f"Let DATABASE_URL say so: postgresql://{wanted[0]}@…"
        )


def _roles(connection: Connection, known: Mapping[str, RowMapping]) -> Iterator[str]:
    for role in ROLES:
        if too_much := [words for flag, words in TOO_MUCH.items() if known[role][flag]]:
            yield f"The role {role} {' and '.join(too_much)}, and must not. {MAKE}"
    for row in connection.exec_driver_sql(MEMBERS):
        if row.role in ROLES:
            yield f"The role {row.role} is a member of {row.of}, and must not be. REVOKE {row.of} FROM {row.role}"
    for row in connection.exec_driver_sql(OWNED):
        if row.role in ROLES:
            yield f"{row.what} belongs to {row.role}. Give it to {OWNER}, or drop it."


def _grants(connection: Connection) -> Iterator[str]:
    """By role and table, so that a table without its rights is one sentence."""
    wanted = {(r.table, column, r.role, r.privilege) for r in rights() for column in r.columns or ("",)}
    found = {(row.of_table, row.of_column, row.role, row.privilege) for row in connection.exec_driver_sql(GRANTS)}
    differ: dict[tuple[str, str], list[str]] = defaultdict(list)
    for how, those in (("lacks", wanted - found), ("has besides", found - wanted)):
        for table, column, role, privilege in sorted(those):
            differ[role, table].append(f"{how} {privilege}{f' ({column})' if column else ''}")
    for (role, table), ways in sorted(differ.items()):
        yield f"The rights of {role} on {table} are not those of docs/store.md: {', '.join(ways)}. {AGAIN}"


def _rows(connection: Connection) -> Iterator[str]:
    limited = set(connection.exec_driver_sql(LIMITED).scalars())
    for table in ROWS:
        if table not in limited:
            yield f"Row-level security of {table} is not on, or not forced. {AGAIN}"
    said = {(row.relname, row.polname): row.said for row in connection.exec_driver_sql(COMMENTS)}
    found = {
        (row.tablename, row.policyname): (row.meaning, said.get((row.tablename, row.policyname)))
        for row in connection.exec_driver_sql(POLICIES)
    }
    wanted = {(right.table, policy_name(right)): right for right in rights() if right.table in ROWS}
    for table, policy in sorted(found.keys() | wanted.keys()):
        right, (meaning, comment) = wanted.get((table, policy)), found.get((table, policy), ("", ""))
        if right is None or signature(right, meaning) != comment:
            yield f"The policy {policy} of {table} is not ours, or not as we made it. {AGAIN}"


def _makers(connection: Connection) -> Iterator[str]:
    for row in connection.exec_driver_sql(AROUND):
        if row.role in ROLES and (row.temp or row.make):
            yield f"The role {row.role} may make {'tables' if row.make else 'temporary tables'}. {AGAIN}"


def _ways_out(connection: Connection) -> Iterator[str]:
    for name in connection.exec_driver_sql(DEFINERS).scalars():
        yield f"The function {name} runs with its owner's rights (SECURITY DEFINER). Drop it."
    for name in connection.exec_driver_sql("SELECT extname FROM pg_extension").scalars():
        if name in EXTENSIONS:
            yield f"The extension {name} reaches beyond the database. DROP EXTENSION {name}"
