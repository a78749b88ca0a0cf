"""Operators with a console of their own: their roles, rights and hotlines, from the settings to the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reports.countries.country import Countries, load_countries
from reports.store.database_check import WrongDatabase, refuse_other_hotlines, refuse_wrong_database
from reports.store.engine.database import Database
from reports.store.migrations import upgrade
from reports.store.privileges import console_hotlines
from reports.store.privileges.console_hotlines import ConsoleHotline, assign_hotlines, operator_hotline
from reports.store.privileges.grants import list_faults
from reports.store.privileges.operators import operator_role
from reports.store.privileges.rights import CONSOLE, OWNER, ROLES, WEB
from tests.reports.next_release import install
from tests.reports.test_rights import Site, site_at
from tests.support.postgres import Postgres

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-42")]

OPERATORS = {"pacific": ("vu", "fj"), "kenya": ("ke",)}
PACIFIC, KENYA = map(operator_role, OPERATORS)
MISSING = "There is no role tokaut_console_kenya in PostgreSQL"


def countries(*isos: str) -> Countries:
    return load_countries(isos or ("vu", "fj", "ke"), "demo")


@pytest.fixture(scope="module")
def roles(postgres: Postgres) -> None:
    """Create the roles of the operators, which belong to the whole server."""
    postgres.new_tokaut(tuple(OPERATORS))


def filled(postgres: Postgres) -> dict[str, str]:
    """Return the addresses of a database with all tables, also for the operators' roles, which have no rights yet."""
    addresses = postgres.new_filled("live")
    return addresses | {role: addresses[CONSOLE].replace(f"{CONSOLE}@", f"{role}@") for role in (PACIFIC, KENYA)}


@pytest.fixture
def site(postgres: Postgres, roles: None) -> Iterator[Site]:
    """A migrated database of an installation with two operators."""
    with site_at(filled(postgres)) as site:
        upgrade(site.database(OWNER), "live", assign_hotlines(OPERATORS, countries()))
        yield site


def test_all_is_as_it_should_be_for_every_account(site: Site) -> None:
    for account in ("web", "worker", "clock", "console", "owner"):
        assert site.faults(account, f"tokaut_{account}") == []
    for role in (PACIFIC, KENYA):
        refuse_wrong_database(site.database(role), "live", "console")
        assert site.faults("", role) == []


@pytest.mark.parametrize("account", ["web", "worker", "clock", "owner"])
def test_no_other_process_runs_under_an_operators_role(site: Site, account: str) -> None:
    assert any(f"connects to PostgreSQL as {KENYA}" in fault for fault in site.faults(account, KENYA))


def shape(administrator: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    """Return the rights, policies and row-level security of the database."""
    queries = {
        "grants": "SELECT relname, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1",
        "policies": "SELECT tablename, policyname, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2",
        "comments": "SELECT polrelid::regclass::text, polname, obj_description(oid, 'pg_policy') FROM pg_policy "
        "ORDER BY 1, 2",
        "row security": "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1",
        "database": "SELECT array_agg(a::text ORDER BY a::text) FROM pg_database, unnest(datacl) a "
        "WHERE datname = current_database()",
    }
    return {name: administrator.execute(query).fetchall() for name, query in queries.items()}


def test_without_operators_all_is_as_before_them(postgres: Postgres, roles: None) -> None:
    with site_at(filled(postgres)) as site:
        upgrade(site.database(OWNER), "live")
        before = shape(site.administrator)
        assert {role for row in before["policies"] for role in row[2]} <= set(ROLES)
        assert "console_hotline" not in repr(before["policies"])
        upgrade(site.database(OWNER), "live", assign_hotlines({}, countries()))
        assert shape(site.administrator) == before
        upgrade(site.database(OWNER), "live", assign_hotlines(OPERATORS, countries()))
        assert shape(site.administrator) != before
        upgrade(site.database(OWNER), "live", ())
        assert shape(site.administrator) == before
        with pytest.raises(psycopg.OperationalError, match="CONNECT"):
            psycopg.connect(site.addresses[KENYA]).close()


def test_the_other_roles_keep_their_rights_with_operators(postgres: Postgres, roles: None) -> None:
    with site_at(filled(postgres)) as site:
        before = shape(site.administrator)["policies"]
        upgrade(site.database(OWNER), "live", assign_hotlines(OPERATORS, countries()))
        after = shape(site.administrator)["policies"]
    of_consoles = [row for row in before if row[2] == [CONSOLE]]
    assert [row for row in before if row not in of_consoles and row not in after] == []


def test_the_roles_must_exist_before_anything_is_stored(postgres: Postgres) -> None:
    with site_at(postgres.new_tokaut()) as site:
        with pytest.raises(WrongDatabase, match="There is no role tokaut_console_island in PostgreSQL"):
            upgrade(site.database(OWNER), "live", assign_hotlines({"island": ("vu",)}, countries()))
        upgrade(site.database(OWNER), "live")
        assert site.faults() == []


def test_a_role_that_is_gone_is_named_and_no_process_starts(site: Site) -> None:
    site.run(f"ALTER ROLE {KENYA} RENAME TO away")
    try:
        with pytest.raises(WrongDatabase, match=f"{MISSING}.*tokaut roles"):
            refuse_wrong_database(site.database(WEB), "live", "web")
    finally:
        site.run(f"ALTER ROLE away RENAME TO {KENYA}")


TAMPERED = [
    (f"GRANT SELECT ON report_body TO {KENYA} WITH GRANT OPTION", f"{KENYA} on report_body .*to pass on"),
    (f"GRANT UPDATE ON console_hotline TO {KENYA}", f"{KENYA} on console_hotline .*has besides UPDATE"),
    (f"REVOKE SELECT ON report FROM {KENYA}", f"{KENYA} on report .*lacks SELECT"),
    (f"ALTER POLICY {KENYA}_select ON report USING (true)", f"The policy {KENYA}_select of report"),
    (f"DROP POLICY {KENYA}_select ON staff", f"The policy {KENYA}_select of staff"),
    ("ALTER TABLE staff NO FORCE ROW LEVEL SECURITY", "Row-level security of staff is not"),
    (f"ALTER ROLE {KENYA} BYPASSRLS", f"{KENYA} passes by row-level security"),
    (f"GRANT {PACIFIC} TO {KENYA}", f"{KENYA} is a member of {PACIFIC}"),
    (f"ALTER TABLE console_hotline OWNER TO {KENYA}", f"console_hotline belongs to {KENYA}"),
    (f"GRANT CREATE ON SCHEMA public TO {KENYA}", f"{KENYA} may make tables"),
]


@pytest.mark.parametrize(("done", "said"), TAMPERED)
def test_what_was_changed_is_said(site: Site, done: str, said: str) -> None:
    site.run(done)
    try:
        with pytest.raises(WrongDatabase, match=said):
            refuse_wrong_database(site.database(WEB), "live", "web")
    finally:
        site.run(f"ALTER ROLE {KENYA} NOBYPASSRLS; REVOKE {PACIFIC} FROM {KENYA}")
        site.run(f"ALTER TABLE console_hotline OWNER TO {OWNER}")


def test_migrating_again_mends_the_rights_of_operators(site: Site) -> None:
    for done, _ in TAMPERED:
        if not done.startswith(("ALTER ROLE", "ALTER TABLE console", f"GRANT {PACIFIC}")):
            site.run(done)
    upgrade(site.database(OWNER), "live")
    assert site.faults() == []


# Which console serves which hotline


def test_a_hotline_that_is_new_in_a_country_file_needs_a_migration(postgres: Postgres, roles: None) -> None:
    rows = assign_hotlines(OPERATORS, countries())
    old = {row for row in rows if row.hotline != "fj-online-safety"}
    with site_at(filled(postgres)) as site:
        upgrade(site.database(OWNER), "live", old)
        said = f"In the database hotline fj-online-safety does not belong to {PACIFIC}. Run: tokaut migrate"
        assert console_hotlines.list_faults(site.database(WEB), rows) == [said]
        with pytest.raises(WrongDatabase, match="fj-online-safety"):
            refuse_other_hotlines(site.database(PACIFIC), countries("fj"))
        upgrade(site.database(OWNER), "live", rows)
        assert console_hotlines.list_faults(site.database(WEB), rows) == []
        assert site.faults() == []
        refuse_other_hotlines(site.database(PACIFIC), countries("fj"))


def test_a_country_moves_to_another_operator(site: Site) -> None:
    moved = assign_hotlines({"pacific": ("vu",), "kenya": ("ke", "fj")}, countries())
    faults = console_hotlines.list_faults(site.database(WEB), moved)
    assert f"In the database hotline fj-police-cid still belongs to {PACIFIC}. Run: tokaut migrate" in faults
    upgrade(site.database(OWNER), "live", moved)
    refuse_other_hotlines(site.database(KENYA), countries("fj", "ke"))


def test_operators_are_not_forgotten_by_a_setting_that_is_missing(site: Site) -> None:
    upgrade(site.database(OWNER), "live", None)
    said = console_hotlines.list_faults(site.database(WEB), None)
    assert said == [console_hotlines.NOT_SET.format(roles=f"{KENYA}, {PACIFIC}")]


@pytest.mark.parametrize(
    ("role", "isos", "said"),
    [
        (PACIFIC, ("vu", "fj"), ""),
        (PACIFIC, ("vu",), ""),
        (KENYA, ("ke",), ""),
        (PACIFIC, ("vu", "ke"), f"COUNTRIES names ke, and {PACIFIC} serves fj, vu. Let COUNTRIES name no other."),
        (CONSOLE, ("ke",), f"COUNTRIES names ke, and {CONSOLE} serves no country. Let COUNTRIES name no other."),
    ],
)
def test_a_console_serves_the_countries_of_its_operator_alone(
    site: Site, role: str, isos: tuple[str, ...], said: str
) -> None:
    if not said:
        refuse_other_hotlines(site.database(role), countries(*isos))
        return
    with pytest.raises(WrongDatabase) as refused:
        refuse_other_hotlines(site.database(role), countries(*isos))
    assert str(refused.value) == said


def test_a_country_of_no_operator_stays_with_the_console_of_the_installation() -> None:
    rows = assign_hotlines({"kenya": ("ke",)}, countries("vu", "ke"))
    assert {row.role for row in rows if row.country == "VU"} == {CONSOLE}
    assert {row.hotline for row in rows if row.role == KENYA} == {"ke-child-helpline", "_operator_kenya"}
    assert ConsoleHotline("_operator", CONSOLE, "") in rows
    assert assign_hotlines({}, countries()) == frozenset()


def test_the_people_of_each_operator_have_a_hotline_of_their_own(site: Site) -> None:
    found = {role: operator_hotline(site.database(role)) for role in (CONSOLE, PACIFIC, KENYA)}
    assert found == {CONSOLE: "_operator", PACIFIC: "_operator_pacific", KENYA: "_operator_kenya"}


def test_another_mode_gives_no_hotline_to_another_console(site: Site) -> None:
    """A wrong TOKAUT_MODE was refused only after the rows of the live database had gone to other consoles."""
    before = site.administrator.execute("SELECT * FROM console_hotline ORDER BY 1, 2").fetchall()
    swapped = assign_hotlines({"pacific": ("ke",), "kenya": ("vu", "fj")}, countries())
    for hotlines in (swapped, ()):
        with pytest.raises(WrongDatabase, match="was made for live mode"):
            upgrade(site.database(OWNER), "training", hotlines)
    assert site.administrator.execute("SELECT * FROM console_hotline ORDER BY 1, 2").fetchall() == before


def test_on_the_schema_of_a_later_release_no_hotline_moves(site: Site, tmp_path: Path) -> None:
    """This release cannot write the policies of a later one: a new operator would have none."""
    with pytest.MonkeyPatch.context() as patched:
        install(patched, tmp_path / "next")
        upgrade(site.database(OWNER), "live")
    upgrade(site.database(OWNER), "live", assign_hotlines(OPERATORS, countries()))
    with pytest.raises(WrongDatabase, match="schema of a later release"):
        upgrade(site.database(OWNER), "live", ())


def test_an_operators_console_cannot_take_all_connections(site: Site) -> None:
    limits = site.administrator.execute("SELECT rolname, rolconnlimit FROM pg_roles WHERE rolname LIKE 'tokaut_%'")
    assert dict(limits.fetchall())[KENYA] == 40


def test_sqlite_has_no_operators(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/tokaut.db", threads=1)
    refuse_other_hotlines(database, countries())
    assert operator_hotline(database) == "_operator"
    assert console_hotlines.list_faults(database, assign_hotlines(OPERATORS, countries())) == []
    assert list_faults(database, "console") == []
    database.close()


def test_the_names_of_roles_are_those_of_the_sql() -> None:
    assert {PACIFIC, KENYA}.isdisjoint(ROLES)
