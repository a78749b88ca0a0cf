"""Grants and row-level security in PostgreSQL: apply those of `rights`, and check that they are in force.

The owner applies them after a migration. Other grants are revoked. Everything is one transaction, so running processes
are not affected. Anybody who may log in may read the catalogue, so every process can check the rights of all roles.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from sqlalchemy import Connection, RowMapping

from reports.store.engine.database import Database
from reports.store.privileges import console_hotlines
from reports.store.privileges.operators import (
    list_rights_with,
    operator_role,
    row_policy_with,
    tables_with_policies,
)
from reports.store.privileges.rights import CONSOLE, OWNER, RIGHTS, ROLES, ExpectedAccount, Right

NOT_SYSTEM_SCHEMA = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT starts_with(n.nspname, 'pg_toast')"
GRANTS_QUERY = f"""
WITH all_of AS (
  SELECT n.nspname, c.relname, '' AS of_column, c.relowner, c.relacl AS acl
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {NOT_SYSTEM_SCHEMA}
  UNION ALL
  SELECT n.nspname, c.relname, a.attname, c.relowner, a.attacl
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE {NOT_SYSTEM_SCHEMA} AND a.attacl IS NOT NULL)
SELECT CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END AS of_table,
       of_column, coalesce(r.rolname, 'PUBLIC') AS role,
       x.privilege_type || CASE WHEN x.is_grantable THEN ' to pass on' ELSE '' END AS privilege
  FROM all_of CROSS JOIN LATERAL aclexplode(acl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
 WHERE x.grantee <> relowner
"""  # noqa: S608  # no input from outside
POLICIES_QUERY = """
SELECT tablename, policyname, md5(coalesce(qual, '') || '|' || coalesce(with_check, '')) AS meaning
  FROM pg_policies WHERE schemaname = 'public'
"""

PUBLIC = "PUBLIC"

# Run once by the administrator of the database. Functions for large objects would let any role fill the disk.
# The schema is given to the owner by name: before PostgreSQL 16 a NOINHERIT owner of the database has no right in it.
# So are tables that somebody else made: `tokaut migrate` as another role once did, and the owner could not use them.
ROLES_SCRIPT = """\
-- Roles of Tokaut, and its database. Run as the administrator of PostgreSQL; again: changes nothing.
{roles}
SELECT 'CREATE DATABASE {database} OWNER {owner} ENCODING ''UTF8'' TEMPLATE template0'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
\\connect {database}
ALTER SCHEMA public OWNER TO {owner};
SELECT format('ALTER TABLE public.%I OWNER TO {owner}', tablename) FROM pg_tables
 WHERE schemaname = 'public' AND tableowner <> '{owner}' \\gexec
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
"""
ROLE_SCRIPT = """\
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{0}') THEN CREATE ROLE {0}; END IF;
END $$;
ALTER ROLE {0} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
ALTER ROLE {0} SET synchronous_commit = on;
"""


# So that the console of one operator does not take the connections of all other processes.
OPERATOR_LIMIT = "ALTER ROLE {0} CONNECTION LIMIT 40;\n"


def roles_script(database: str, operators: Collection[str] = ()) -> str:
    r"""Return the SQL that creates the roles and the database, for psql. `operators`: names of operators.

    It sets no password: use \password, or the account of the operating system (peer).
    """
    roles = "".join(ROLE_SCRIPT.format(role) for role in (OWNER, *ROLES))
    for role in map(operator_role, operators):
        roles += ROLE_SCRIPT.format(role) + OPERATOR_LIMIT.format(role)
    return ROLES_SCRIPT.format(roles=roles, owner=OWNER, database=database)


def policy_name(right: Right) -> str:
    """Return the name of the policy for a right."""
    return f"{right.role}_{right.privilege.lower()}"


def policy_signature(right: Right, meaning: str, operators: Collection[str] = ()) -> str:
    """Return the comment of a policy: a hash of what we expect, and one of what PostgreSQL understood.

    If either changes, the check finds it. The text that is hashed is written out: databases keep its hash, and renaming
    a class must not make their policies look outdated. `operators`: roles of the operators' consoles.
    """
    policy = row_policy_with(right, operators)
    text = f"Rows(there={policy.visible!r}, made={policy.writable!r})"
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{expected}:{meaning}"


def apply(connection: Connection) -> None:
    """Apply all grants and policies in the owner's open transaction. Every role must exist."""
    operators = _operator_roles(connection)
    quoted = connection.dialect.identifier_preparer.quote_identifier

    def run(sql: str) -> None:
        connection.exec_driver_sql(sql)

    for table, grantee in {(row.of_table, row.role) for row in connection.exec_driver_sql(GRANTS_QUERY)}:
        if table in RIGHTS:
            run(f"REVOKE ALL ON {table} FROM {grantee if grantee == PUBLIC else quoted(grantee)}")
    for table, policy, _ in connection.exec_driver_sql(POLICIES_QUERY).all():
        if table in RIGHTS:
            run(f"DROP POLICY {quoted(policy)} ON {table}")
    name = connection.exec_driver_sql("SELECT quote_ident(current_database())").scalar_one()
    former = [quoted(role) for role in connection.exec_driver_sql(FORMER_OPERATORS_QUERY).scalars()]
    for statement in (*_database_statements(name, operators, former), *_table_statements(operators)):
        run(statement)
    for table in set(connection.exec_driver_sql(ROW_SECURITY_QUERY).scalars()) & RIGHTS.keys():
        if table not in tables_with_policies(operators):  # the installation had operators before
            run(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY")
    meanings = {(row.tablename, row.policyname): row.meaning for row in connection.exec_driver_sql(POLICIES_QUERY)}
    for right in _row_limited_rights(operators):
        comment = policy_signature(right, meanings[right.table, policy_name(right)], operators)
        run(f"COMMENT ON POLICY {policy_name(right)} ON {right.table} IS '{comment}'")


def _operator_roles(connection: Connection) -> tuple[str, ...]:
    return console_hotlines.operator_roles(console_hotlines.load(connection))


def _database_statements(database: str, operators: Collection[str], former: Collection[str]) -> Iterator[str]:
    """Yield the SQL by which no role may create tables, not even temporary ones, and no other role may connect.

    `former`: roles of operators that this database has no more.
    """
    roles, revoked = ", ".join((*ROLES, *operators)), ", ".join(("PUBLIC", *ROLES, *operators, *former))
    yield f"REVOKE ALL ON DATABASE {database} FROM {revoked}"
    yield f"GRANT CONNECT ON DATABASE {database} TO {roles}"
    yield f"REVOKE ALL ON SCHEMA public FROM {revoked}"
    yield f"GRANT USAGE ON SCHEMA public TO {roles}"


def _table_statements(operators: Collection[str]) -> Iterator[str]:
    for right in list_rights_with(operators):
        columns = f" ({', '.join(right.columns)})" if right.columns else ""
        yield f"GRANT {right.privilege}{columns} ON {right.table} TO {right.role}"
    secured_tables = tables_with_policies(operators)
    for table in secured_tables:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    yield from (_policy_statement(right, operators) for right in _row_limited_rights(operators))


def _row_limited_rights(operators: Collection[str]) -> Iterator[Right]:
    """Yield the rights on tables with row-level security."""
    secured_tables = tables_with_policies(operators)
    return (right for right in list_rights_with(operators) if right.table in secured_tables)


def _policy_statement(right: Right, operators: Collection[str]) -> str:
    existing, new_rows = row_policy_with(right, operators)
    text = f"CREATE POLICY {policy_name(right)} ON {right.table} FOR {right.privilege} TO {right.role}"
    if right.privilege != "INSERT":
        text += f" USING ({existing})"
    if right.privilege in ("INSERT", "UPDATE"):
        text += f" WITH CHECK ({new_rows or existing})"
    return text


# Check of the privileges in force: exactly those of `rights`

RUN_MIGRATE = "Run: tokaut migrate"
CREATE_ROLES = "Make the roles, as the administrator of PostgreSQL: tokaut roles | psql"
EXCESSIVE_FLAGS = {
    "rolsuper": "is a superuser",
    "rolbypassrls": "passes by row-level security",
    "rolcreaterole": "may make roles",
    "rolcreatedb": "may make databases",
    "rolreplication": "may copy the whole server",
}
# Extensions that reach files, programs or other servers from inside the database.
UNSAFE_EXTENSIONS = (
    "adminpack",
    "dblink",
    "file_fdw",
    "postgres_fdw",
    "plperlu",
    "plpython3u",
    "pltclu",
    "pageinspect",
)

FLAGS_QUERY = f"SELECT rolname, {', '.join(EXCESSIVE_FLAGS)} FROM pg_roles"  # noqa: S608  # no input from outside
MEMBERS_QUERY = """
SELECT m.rolname AS role, g.rolname AS of FROM pg_auth_members a
  JOIN pg_roles m ON m.oid = a.member JOIN pg_roles g ON g.oid = a.roleid
"""
OWNERS_QUERY = """
SELECT r.rolname AS role, c.relname AS what FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
UNION ALL SELECT r.rolname, p.proname FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
UNION ALL SELECT r.rolname, n.nspname FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner
"""
ROW_SECURITY_QUERY = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'public' AND c.relrowsecurity AND c.relforcerowsecurity
"""
COMMENTS_QUERY = """
SELECT c.relname, p.polname, obj_description(p.oid, 'pg_policy') AS said
  FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
"""
CREATE_PRIVILEGES_QUERY = """
SELECT r.rolname AS role, has_database_privilege(r.oid, current_database(), 'TEMP') AS temp,
       has_database_privilege(r.oid, current_database(), 'CREATE')
       OR has_schema_privilege(r.oid, 'public', 'CREATE') AS make
  FROM pg_roles r
"""
FORMER_OPERATORS_QUERY = f"""
SELECT rolname FROM pg_roles WHERE starts_with(rolname, '{CONSOLE}_')
   AND rolname NOT IN (SELECT role FROM console_hotline)
"""  # noqa: S608  # no input from outside
DEFINERS_QUERY = """
SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


def list_faults(database: Database, account: ExpectedAccount, *, is_known_schema: bool = True) -> list[str]:
    """Return the faults and their remedies, one sentence each. Raises DatabaseUnavailable.

    SQLite has no rights to check.
    """
    if database.is_sqlite:
        return []
    with database.read() as connection:
        operators = _operator_roles(connection)
        roles_by_name = {row.rolname: row._mapping for row in connection.exec_driver_sql(FLAGS_QUERY)}
        if missing := [role for role in (*ROLES, *operators) if role not in roles_by_name]:
            return [_missing_roles_fault(missing)]
        checks = (
            _account_faults(connection, account, operators),
            _role_faults(connection, roles_by_name, (*ROLES, *operators)),
            _repairable_faults(connection, operators) if is_known_schema else (),
            _escape_faults(connection),
        )
        return [fault for faults in checks for fault in faults]


def missing_roles_fault(connection: Connection, roles: Collection[str]) -> str:
    """Return a sentence that names those of the roles that PostgreSQL does not have; "" if it has all."""
    existing = {row.rolname for row in connection.exec_driver_sql(FLAGS_QUERY)}
    missing = [role for role in roles if role not in existing]
    return _missing_roles_fault(missing) if missing else ""


def _missing_roles_fault(missing: Collection[str]) -> str:
    return f"There is no role {', '.join(missing)} in PostgreSQL. {CREATE_ROLES}"


def is_outdated(connection: Connection) -> bool:
    """Return whether the roles exist and their rights are not the expected ones."""
    operators = _operator_roles(connection)
    existing = {row.rolname for row in connection.exec_driver_sql(FLAGS_QUERY)}
    return {*ROLES, *operators} <= existing and any(True for _ in _repairable_faults(connection, operators))


def _repairable_faults(connection: Connection, operators: Collection[str]) -> Iterator[str]:
    """Yield the faults that `apply` repairs."""
    yield from _grant_faults(connection, operators)
    yield from _row_policy_faults(connection, operators)
    yield from _create_privilege_faults(connection, (*ROLES, *operators))


def _account_faults(connection: Connection, account: ExpectedAccount, operators: Collection[str]) -> Iterator[str]:
    expected = (f"tokaut_{account}",) if account else ROLES
    if account in ("", "console"):
        expected = (*expected, *operators)
    if fault := account_fault(connection, expected):
        yield fault


def account_fault(connection: Connection, expected: Sequence[str]) -> str:
    """Return a sentence if this connection has another role than one of the expected; else ""."""
    actual = connection.exec_driver_sql("SELECT current_user").scalar_one()
    if actual in expected:
        return ""
    return (
        f"This connects to PostgreSQL as {actual}, and must as {' or '.join(expected)}. "
        f"Let DATABASE_URL say so: postgresql://{expected[0]}@…"
    )


def _role_faults(
    connection: Connection, roles_by_name: Mapping[str, RowMapping], roles: Collection[str]
) -> Iterator[str]:
    for role in roles:
        if excess := [phrase for flag, phrase in EXCESSIVE_FLAGS.items() if roles_by_name[role][flag]]:
            yield f"The role {role} {' and '.join(excess)}, and must not. {CREATE_ROLES}"
    for row in connection.exec_driver_sql(MEMBERS_QUERY):
        if row.role in roles:
            yield f"The role {row.role} is a member of {row.of}, and must not be. REVOKE {row.of} FROM {row.role}"
    for row in connection.exec_driver_sql(OWNERS_QUERY):
        if row.role in roles:
            yield f"{row.what} belongs to {row.role}. Give it to {OWNER}, or drop it."


def _grant_faults(connection: Connection, operators: Collection[str]) -> Iterator[str]:
    """Yield differences by role and table, so that a table without its grants is one sentence."""
    expected = {
        (right.table, column, right.role, right.privilege)
        for right in list_rights_with(operators)
        for column in right.columns or ("",)
    }
    actual = {
        (row.of_table, row.of_column, row.role, row.privilege) for row in connection.exec_driver_sql(GRANTS_QUERY)
    }
    by_role_and_table: dict[tuple[str, str], list[str]] = defaultdict(list)
    for verb, rights in (("lacks", expected - actual), ("has besides", actual - expected)):
        for table, column, role, privilege in sorted(rights):
            by_role_and_table[role, table].append(f"{verb} {privilege}{f' ({column})' if column else ''}")
    for (role, table), differences in sorted(by_role_and_table.items()):
        yield (
            f"The rights of {role} on {table} are not those of docs/reference/database.md: {', '.join(differences)}. "
            f"{RUN_MIGRATE}"
        )


def _row_policy_faults(connection: Connection, operators: Collection[str]) -> Iterator[str]:
    secured_tables = set(connection.exec_driver_sql(ROW_SECURITY_QUERY).scalars())
    for table in tables_with_policies(operators):
        if table not in secured_tables:
            yield f"Row-level security of {table} is not on, or not forced. {RUN_MIGRATE}"
    comments = {(row.relname, row.polname): row.said for row in connection.exec_driver_sql(COMMENTS_QUERY)}
    actual = {
        (row.tablename, row.policyname): (row.meaning, comments.get((row.tablename, row.policyname)))
        for row in connection.exec_driver_sql(POLICIES_QUERY)
    }
    expected = {(right.table, policy_name(right)): right for right in _row_limited_rights(operators)}
    for table, policy in sorted(actual.keys() | expected.keys()):
        right, (meaning, comment) = expected.get((table, policy)), actual.get((table, policy), ("", ""))
        if right is None or policy_signature(right, meaning, operators) != comment:
            yield f"The policy {policy} of {table} is not ours, or not as we made it. {RUN_MIGRATE}"


def _create_privilege_faults(connection: Connection, roles: Collection[str]) -> Iterator[str]:
    for row in connection.exec_driver_sql(CREATE_PRIVILEGES_QUERY):
        if row.role in roles and (row.temp or row.make):
            yield f"The role {row.role} may make {'tables' if row.make else 'temporary tables'}. {RUN_MIGRATE}"


def _escape_faults(connection: Connection) -> Iterator[str]:
    for name in connection.exec_driver_sql(DEFINERS_QUERY).scalars():
        yield f"The function {name} runs with its owner's rights (SECURITY DEFINER). Drop it."
    for name in connection.exec_driver_sql("SELECT extname FROM pg_extension").scalars():
        if name in UNSAFE_EXTENSIONS:
            yield f"The extension {name} reaches beyond the database. DROP EXTENSION {name}"
