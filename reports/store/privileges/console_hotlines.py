"""Which console's role in PostgreSQL serves which hotline: the table `console_hotline`, which `tokaut migrate` fills.

The table is empty in an installation without operators.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from reports.countries.country import Country
from reports.store.engine.database import Database
from reports.store.privileges.operators import operator_role
from reports.store.privileges.rights import CONSOLE
from reports.store.schema.tables import console_hotline

OPERATOR_HOTLINE = "_operator"  # the `hotline` of the accounts of those who run the installation
NOT_SET = (
    "TOKAUT_OPERATORS is not set, and the database has the roles {roles}. Set it as before; `off` removes the "
    "operators. Then run: tokaut migrate"
)


class ConsoleHotline(NamedTuple):
    """A hotline, or the people of an operator, whose `country` is empty; and the role of the console that serves it."""

    hotline: str
    role: str
    country: str


def assign_hotlines(
    operators: Mapping[str, Collection[str]], countries: Iterable[Country]
) -> frozenset[ConsoleHotline]:
    """Return the rows for these operators: none without operators.

    `operators`: name → country codes in small letters. `countries`: all that the installation serves. A country of no
    operator is served by the console of the installation.
    """
    if not operators:
        return frozenset()
    role_by_country = {iso: operator_role(operator) for operator, isos in operators.items() for iso in isos}
    people = {ConsoleHotline(OPERATOR_HOTLINE, CONSOLE, "")}
    people |= {ConsoleHotline(f"{OPERATOR_HOTLINE}_{name}", operator_role(name), "") for name in operators}
    return frozenset(people).union(
        ConsoleHotline(hotline, role_by_country.get(country.iso.lower(), CONSOLE), country.iso)
        for country in countries
        for hotline in country.hotlines
    )


def load(connection: Connection) -> frozenset[ConsoleHotline]:
    """Return the rows of the table."""
    c = console_hotline.c
    return frozenset(ConsoleHotline(*row) for row in connection.execute(select(c.hotline, c.role, c.country)))


def operator_roles(rows: Iterable[ConsoleHotline]) -> tuple[str, ...]:
    """Return the roles of the operators' consoles, sorted."""
    return tuple(sorted({row.role for row in rows} - {CONSOLE}))


def replace_all(connection: Connection, rows: Collection[ConsoleHotline]) -> None:
    """Store these rows in place of those in the table. Only the owner may."""
    if load(connection) == frozenset(rows):
        return
    connection.execute(delete(console_hotline))
    if rows:
        connection.execute(insert(console_hotline), [row._asdict() for row in sorted(rows)])


def list_faults(database: Database, expected: Collection[ConsoleHotline] | None) -> list[str]:
    """Return the differences between the table and the rows that it has to have. Raises DatabaseUnavailable.

    `expected`: None if TOKAUT_OPERATORS is not set.
    """
    if database.is_sqlite:
        return []
    with database.read() as connection:
        actual = load(connection)
    if expected is None:
        return [NOT_SET.format(roles=", ".join(operator_roles(actual)))] if actual else []
    return [
        f"In the database hotline {row.hotline} {verb} {row.role}. Run: tokaut migrate"
        for verb, rows in (("does not belong to", set(expected) - actual), ("still belongs to", actual - set(expected)))
        for row in sorted(rows)
    ]


def load_own(database: Database) -> tuple[str, frozenset[ConsoleHotline]] | None:
    """Return the role of this connection, and its rows; None without operators. Raises DatabaseUnavailable."""
    if database.is_sqlite:
        return None
    with database.read() as connection:
        role = str(connection.execute(select(func.current_user())).scalar_one())
        rows = load(connection)
    return (role, frozenset(row for row in rows if row.role == role)) if rows else None


def operator_hotline(database: Database) -> str:
    """Return the `hotline` of the accounts of the people who run this console. Raises DatabaseUnavailable."""
    own = load_own(database)
    return next((row.hotline for row in own[1] if not row.country), OPERATOR_HOTLINE) if own else OPERATOR_HOTLINE
