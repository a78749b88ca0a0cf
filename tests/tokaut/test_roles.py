"""The roles of PostgreSQL as an operator makes them: SQL for the administrator, then `tokaut migrate`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges.rights import OWNER, ROLES, WEB
from tests.support.postgres import Postgres
from tokaut.__main__ import main
from tokaut.checks.installation import common_settings, database_faults

SECRETS = {"TOKAUT_MODE": "training", "COUNTRIES": "vu"}


def run(*words: str, **settings: str) -> Result:
    return CliRunner(env={**SECRETS, **settings}).invoke(main, list(words))


def test_the_sql_names_the_roles_and_the_database_and_no_password() -> None:
    told = run("roles", "--database", "training")
    assert told.exit_code == 0
    for role in (OWNER, *ROLES):
        assert f"ALTER ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS" in told.output
    assert "CREATE DATABASE training OWNER tokaut_owner ENCODING ''UTF8''" in told.output
    assert "PASSWORD" not in told.output.upper().replace("NO PASSWORD", "")


@pytest.mark.parametrize("name", ["Tokaut", "a b", "x;DROP", "x'", ""])
def test_a_name_that_would_need_quoting_is_refused(name: str) -> None:
    assert run("roles", "--database", name).exit_code == 2


@pytest.mark.slow
@pytest.mark.rule("A-42")
def test_from_the_roles_to_a_database_that_all_may_use(postgres: Postgres, tmp_path: Path) -> None:
    addresses = postgres.new_tokaut()
    data = str(tmp_path)
    done = run("migrate", DATABASE_URL=addresses[OWNER], TOKAUT_DATA=data)
    assert (done.exit_code, done.output) == (0, "The database has the schema of this release.\n")
    for role in ROLES:
        common = common_settings({**SECRETS, "DATABASE_URL": addresses[role], "TOKAUT_DATA": data})
        assert list(database_faults(common, "training")) == []


@pytest.mark.slow
@pytest.mark.parametrize("role", ["postgres", WEB])
def test_migrating_as_another_says_so_and_makes_nothing(postgres: Postgres, role: str, tmp_path: Path) -> None:
    addresses = postgres.new_tokaut()
    address = addresses[OWNER].replace(OWNER, role)
    done = run("migrate", DATABASE_URL=address, TOKAUT_DATA=str(tmp_path))
    assert (done.exit_code, done.output) == (
        1,
        f"This connects to PostgreSQL as {role}, and must as tokaut_owner. Let DATABASE_URL say so: "
        "postgresql://tokaut_owner@…\n",
    )
    done = run("migrate", DATABASE_URL=addresses[OWNER], TOKAUT_DATA=str(tmp_path))
    assert (done.exit_code, done.output) == (0, "The database has the schema of this release.\n")


@pytest.mark.slow
def test_roles_again_gives_the_owner_tables_that_another_made(postgres: Postgres, tmp_path: Path) -> None:
    """As `tokaut migrate` under the administrator made them: the owner could not even read the schema's version."""
    addresses = postgres.new_tokaut()
    with closing(Database(addresses[OWNER].replace(OWNER, "postgres"), threads=1)) as administrator:
        upgrade(administrator, "training")
    settings = {"DATABASE_URL": addresses[OWNER], "TOKAUT_DATA": str(tmp_path)}
    refused = run("migrate", **settings)
    assert refused.exit_code == 1 and "has to run `tokaut roles` again" in refused.output
    postgres.apply_roles(addresses[OWNER].rpartition("/")[2])
    done = run("migrate", **settings)
    assert (done.exit_code, done.output) == (0, "The database has the schema of this release.\n")


OPERATORS = {"TOKAUT_OPERATORS": "pacific=vu kenya=ke", "COUNTRIES": "vu,ke"}


def test_the_sql_has_the_roles_of_operators() -> None:
    told = run("roles", **OPERATORS)
    assert told.exit_code == 0
    for name in ("pacific", "kenya"):
        assert f"ALTER ROLE tokaut_console_{name} LOGIN NOSUPERUSER NOBYPASSRLS" in told.output
    assert run("roles").output == run("roles", TOKAUT_OPERATORS="off").output


@pytest.mark.slow
@pytest.mark.rule("A-42")
def test_an_installation_with_operators_from_the_roles_to_the_check(postgres: Postgres, tmp_path: Path) -> None:
    addresses = postgres.new_tokaut(("pacific", "kenya"))
    settings = {**OPERATORS, "DATABASE_URL": addresses[OWNER], "TOKAUT_DATA": str(tmp_path)}

    def faults(role: str, **more: str) -> list[str]:
        common = common_settings({**SECRETS, **settings, "DATABASE_URL": addresses[role], **more})
        return list(database_faults(common, "training"))

    assert run("migrate", **settings).output == "The database has the schema of this release.\n"
    for role in (*ROLES, "tokaut_console_pacific", "tokaut_console_kenya"):
        assert faults(role) == []
    assert faults(WEB, TOKAUT_OPERATORS="pacific=vu,ke") == [
        "In the database hotline ke-child-helpline does not belong to tokaut_console_pacific. Run: tokaut migrate",
        "In the database hotline _operator_kenya still belongs to tokaut_console_kenya. Run: tokaut migrate",
        "In the database hotline ke-child-helpline still belongs to tokaut_console_kenya. Run: tokaut migrate",
    ]
    forgotten = {name: value for name, value in settings.items() if name != "TOKAUT_OPERATORS"}
    done = run("migrate", **forgotten)
    assert done.exit_code == 1
    assert "TOKAUT_OPERATORS is not set, and the database has the roles tokaut_console_kenya" in done.output
    assert faults("tokaut_console_kenya") == []
    assert run("migrate", **{**settings, "TOKAUT_OPERATORS": "off"}).exit_code == 0
    assert faults(WEB, TOKAUT_OPERATORS="off") == []
    assert "does not answer" in faults("tokaut_console_kenya", TOKAUT_OPERATORS="off")[0]


@pytest.mark.slow
def test_a_role_of_an_operator_that_is_missing_is_named(postgres: Postgres, tmp_path: Path) -> None:
    addresses = postgres.new_tokaut()
    settings = {"DATABASE_URL": addresses[OWNER], "TOKAUT_DATA": str(tmp_path), "COUNTRIES": "vu,ke"}
    done = run("migrate", **settings, TOKAUT_OPERATORS="island=vu")
    assert done.exit_code == 1
    assert "There is no role tokaut_console_island in PostgreSQL" in done.output


def test_sqlite_has_no_roles_for_operators(tmp_path: Path) -> None:
    done = run("migrate", **OPERATORS, TOKAUT_DATA=str(tmp_path))
    assert done.exit_code == 1
    assert done.output.startswith("TOKAUT_OPERATORS is set, and SQLite has no roles; set DATABASE_URL")
