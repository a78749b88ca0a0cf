"""Lays the rights of `rights` in PostgreSQL: grants, and which rows each role sees. Run by the owner, after migrating.

What was granted besides is taken away. All of it is one transaction: whoever is at work meanwhile notices nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import Connection

from reports.store.rights import OWNER, RIGHTS, ROLES, ROWS, Right, rights, rows_of

NOT_THE_SYSTEMS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND NOT starts_with(n.nspname, 'pg_toast')"
GRANTS = f"""
WITH all_of AS (
  SELECT n.nspname, c.relname, '' AS of_column, c.relowner, c.relacl AS acl
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {NOT_THE_SYSTEMS}
  UNION ALL
  SELECT n.nspname, c.relname, a.attname, c.relowner, a.attacl
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE {NOT_THE_SYSTEMS} AND a.attacl IS NOT NULL)
SELECT CASE nspname WHEN 'public' THEN relname ELSE nspname || '.' || relname END AS of_table,
       of_column, coalesce(r.rolname, 'PUBLIC') AS role,
       x.privilege_type || CASE WHEN x.is_grantable THEN ' to pass on' ELSE '' END AS privilege
  FROM all_of CROSS JOIN LATERAL aclexplode(acl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
 WHERE x.grantee <> relowner
"""  # noqa: S608  # our own words
POLICIES = """
SELECT tablename, policyname, md5(coalesce(qual, '') || '|' || coalesce(with_check, '')) AS meaning
  FROM pg_policies WHERE schemaname = 'public'
"""

PUBLIC = "PUBLIC"

# Once, by the database's administrator: who may log in. Large objects would let anybody fill the disk.
# The schema belongs to the owner by name: before PostgreSQL 16 a NOINHERIT owner of the database has no right in it.
ADMINISTRATION = """\
-- Roles of Tokaut, and its database. Run as the administrator of PostgreSQL; again: changes nothing.
{roles}
SELECT 'CREATE DATABASE {database} OWNER {owner} ENCODING ''UTF8'' TEMPLATE template0'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
\\connect {database}
ALTER SCHEMA public OWNER TO {owner};
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
"""
ROLE = """\
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{0}') THEN CREATE ROLE {0}; END IF;
END $$;
ALTER ROLE {0} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION NOINHERIT;
ALTER ROLE {0} SET synchronous_commit = on;
"""


def administration(database: str) -> str:
    """For psql. It sets no password: that is done with \\password, or by the account of the system (peer)."""
    roles = "".join(ROLE.format(role) for role in (OWNER, *ROLES))
    return ADMINISTRATION.format(roles=roles, owner=OWNER, database=database)


def policy_name(right: Right) -> str:
    return f"{right.role}_{right.privilege.lower()}"


def signature(right: Right, meaning: str) -> str:
    """Kept as the policy's comment: what we wanted, and what PostgreSQL understood; when either differs, it shows."""
    wanted = hashlib.sha256(repr(rows_of(right)).encode()).hexdigest()[:16]
    return f"{wanted}:{meaning}"


def lay(connection: Connection) -> None:
    """Within a transaction of the owner's; every role exists."""

    quoted = connection.dialect.identifier_preparer.quote_identifier

    def run(of_the_rights: str) -> None:
        connection.exec_driver_sql(of_the_rights)

    for table, grantee in {(row.of_table, row.role) for row in connection.exec_driver_sql(GRANTS)}:
        if table in RIGHTS:
            run(f"REVOKE ALL ON {table} FROM {grantee if grantee == PUBLIC else quoted(grantee)}")
    for table, policy, _ in connection.exec_driver_sql(POLICIES).all():
        if table in RIGHTS:
            run(f"DROP POLICY {quoted(policy)} ON {table}")
    name = connection.exec_driver_sql("SELECT quote_ident(current_database())").scalar_one()
    for statement in (*_around(name), *_tables()):
        run(statement)
    meanings = {(row.tablename, row.policyname): row.meaning for row in connection.exec_driver_sql(POLICIES)}
    for right in _limited():
        comment = signature(right, meanings[right.table, policy_name(right)])
        run(f"COMMENT ON POLICY {policy_name(right)} ON {right.table} IS '{comment}'")


def _around(database: str) -> Iterator[str]:
    """Nobody makes tables, temporary ones neither; nobody else comes in."""
    roles = ", ".join(ROLES)
    yield f"REVOKE ALL ON DATABASE {database} FROM PUBLIC, {roles}"
    yield f"GRANT CONNECT ON DATABASE {database} TO {roles}"
    yield f"REVOKE ALL ON SCHEMA public FROM PUBLIC, {roles}"
    yield f"GRANT USAGE ON SCHEMA public TO {roles}"


def _tables() -> Iterator[str]:
    for right in rights():
        columns = f" ({', '.join(right.columns)})" if right.columns else ""
        yield f"GRANT {right.privilege}{columns} ON {right.table} TO {right.role}"
    for table in ROWS:
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    yield from map(_policy, _limited())


def _limited() -> Iterator[Right]:
    return (right for right in rights() if right.table in ROWS)


def _policy(right: Right) -> str:
    there, made = rows_of(right)
    text = f"CREATE POLICY {policy_name(right)} ON {right.table} FOR {right.privilege} TO {right.role}"
    if right.privilege != "INSERT":
        text += f" USING ({there})"
    if right.privilege in ("INSERT", "UPDATE"):
        text += f" WITH CHECK ({made or there})"
    return text
