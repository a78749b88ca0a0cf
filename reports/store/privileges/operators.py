"""Row policies of an installation with operators: each console's role sees and writes only rows of its own hotlines.

An operator is an organisation that runs a console of its own for some of the countries. With operators, the policies of
all consoles' roles read the table `console_hotline`, which only the owner writes. So a console that names the hotlines
of another operator gets none of their rows. Without operators none of this applies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from reports.store.privileges.rights import (
    ALL_ROWS,
    CONSOLE,
    HOTLINES,
    NOT_STAFF,
    OWN_STAFF,
    RIGHTS,
    ROW_POLICIES,
    VERSION,
    Right,
    RowPolicy,
    list_rights,
    parse_rights,
    row_policy_of,
)

# PostgreSQL evaluates each of these once for a statement, not for each row.
OWN_HOTLINES = "ARRAY(SELECT o.hotline FROM console_hotline o WHERE o.role = current_user)"
OWN_COUNTRIES = "ARRAY(SELECT o.country FROM console_hotline o WHERE o.role = current_user)"
NAMED_OWN_HOTLINES = f"{OWN_HOTLINES.removesuffix(')')} AND o.hotline = ANY ({HOTLINES}))"
OF_OWN_HOTLINE = f"hotline = ANY ({OWN_HOTLINES})"
OF_OWN_COUNTRY = f"country = ANY ({OWN_COUNTRIES})"
OF_OWN_ACCOUNT = f"EXISTS (SELECT FROM staff s WHERE s.staff_id = {{0}}.staff_id AND s.hotline = ANY ({OWN_HOTLINES}))"
OF_OWN_CONSOLE = "console_role = current_user"
NO_ROWS = "false"

# Table → what its rows must fulfil for every use by a console's role, beside the console's policies. In those policies
# HOTLINES stands for NAMED_OWN_HOTLINES.
OPERATOR_CONDITIONS: Mapping[str, str] = {
    "delivery": OF_OWN_HOTLINE,  # whatever report `tokaut.report` names
    "route": OF_OWN_HOTLINE,
    "handover": f"taker = ANY ({OWN_HOTLINES})",
    "audit": f"({NOT_STAFF} OR {OWN_STAFF.replace(HOTLINES, OWN_HOTLINES)})",  # nobody writes a line that another reads
    "draft": OF_OWN_ACCOUNT.format("draft"),  # nobody takes the key of another's draft
    "pending": OF_OWN_COUNTRY,  # no report is counted in another country's statistics
    "staff": OF_OWN_HOTLINE,
    "invitation": OF_OWN_HOTLINE,
    "raising": OF_OWN_HOTLINE,
    **{table: OF_OWN_ACCOUNT.format(table) for table in ("passkey", "staff_session", "recovery", "lowering")},
    "staff_try": OF_OWN_CONSOLE,
    "callback": OF_OWN_CONSOLE,
    "hotline_state": OF_OWN_HOTLINE,
    "figure": OF_OWN_COUNTRY,
    "quiet_channel": OF_OWN_COUNTRY,
}
# Tables of which each console sees all rows, and what they hold. It may write none of them.
SHARED_TABLES: Mapping[str, str] = {
    "entry_key": "the public key of web, to which every console encrypts access codes",
    "checkpoint": "when the audit was last signed; only `tokaut_console` sees the other columns",
    "host": "the shared hosts, and how many entries are in the spool of each",
    "outgoing": "when an SMS was made, for which channel, and whether it arrived; no number and no text",
    "synthetic_call": "whether the shared service codes can be called",
    "console_hotline": "which console serves which hotline; every process checks the rights of all roles by it",
    "made_for": "the mode of the installation",
    VERSION: "the version of the schema",
}
# Table → right of an operator's role where it has fewer than `tokaut_console`.
OPERATOR_RIGHTS: Mapping[str, str] = {"checkpoint": "SELECT (at)"}


def operator_role(operator: str) -> str:
    """Return the role of PostgreSQL under which the console of an operator runs."""
    return f"{CONSOLE}_{operator}"


def list_rights_with(operators: Collection[str]) -> Iterator[Right]:
    """Yield all rights, also those of the roles of these operators."""
    yield from list_rights()
    for table, by_role in RIGHTS.items():
        if text := OPERATOR_RIGHTS.get(table, by_role.get(CONSOLE, "")):
            for role in operators:
                yield from parse_rights(table, role, text)


def tables_with_policies(operators: Collection[str]) -> tuple[str, ...]:
    """Return the tables with row-level security in an installation with the roles of these operators."""
    of_consoles = (table for table, by_role in RIGHTS.items() if CONSOLE in by_role and table not in SHARED_TABLES)
    return tuple(dict.fromkeys((*ROW_POLICIES, *(of_consoles if operators else ()))))


def row_policy_with(right: Right, operators: Collection[str]) -> RowPolicy:
    """Return the row policy for a right in an installation with the roles of these operators.

    Of a table for which nothing is decided, no console sees a row.
    """
    if not operators or right.role not in (CONSOLE, *operators) or right.table in SHARED_TABLES:
        return row_policy_of(right)
    visible, writable = row_policy_of(right._replace(role=CONSOLE))
    condition = OPERATOR_CONDITIONS.get(right.table, "")
    return RowPolicy(_limited(visible, condition), writable and _limited(writable, condition))


def _limited(rows: str, condition: str) -> str:
    if rows == ALL_ROWS:
        return condition or NO_ROWS
    rows = rows.replace(HOTLINES, NAMED_OWN_HOTLINES)
    return f"({rows}) AND {condition}" if condition else rows
