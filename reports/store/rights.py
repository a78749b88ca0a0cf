"""Who may do what in PostgreSQL: the one table of it. SQL, docs/store.md, `tokaut check` and the tests come from here.

`web` faces strangers, so it can write what it must never read. `clock` may all that `worker` may: the operator's
commands run with the clock's settings. Take a right away one release after the code that needed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

OWNER = "tokaut_owner"  # migrates, and runs nothing
WEB, WORKER, CLOCK, CONSOLE = ROLES = ("tokaut_web", "tokaut_worker", "tokaut_clock", "tokaut_console")

VERSION = "alembic_version"  # Alembic's own table
ROW_OF_AUDIT = "(audit_id, at, actor, act, object_id)"  # its place in the chain is the clock's alone
BREAKER = "SELECT; INSERT; UPDATE (failures, open_until, opened_times, dead_since)"
ASK = "INSERT; SELECT (caller_key)"
ATTEMPT = "state, attempt, next_at, lease_until, lease_by, last_class"

# table → role → "PRIVILEGE (columns); PRIVILEGE"; without columns: the whole row
RIGHTS: Mapping[str, Mapping[str, str]] = {
    "report": {
        WEB: "INSERT; SELECT (report_id, origin_key, created_at, country, priority, completeness, revision, state, "
        "desk); UPDATE (origin_key, delete_asked_at)",
        WORKER: "SELECT (report_id, mode, closed_at); UPDATE (state, desk, changed_at, closed_at)",
        CLOCK: "SELECT; INSERT; UPDATE (revision, priority, completeness, state, desk, changed_at, closed_at); DELETE",
        CONSOLE: "SELECT; UPDATE (state, desk, changed_at, closed_at)",
    },
    "report_body": {
        WEB: "INSERT",
        WORKER: "SELECT",
        CLOCK: "SELECT; INSERT; UPDATE (key_id, wrap); DELETE",
        CONSOLE: "SELECT",
    },
    "route": {
        WEB: "INSERT; SELECT (report_id, revision, hotline)",
        WORKER: "SELECT (report_id, revision, hotline)",
        CLOCK: "SELECT; INSERT; DELETE",
        CONSOLE: "SELECT",
    },
    "delivery": {
        WEB: "INSERT; SELECT (priority, state, created_at)",
        WORKER: f"SELECT; UPDATE ({ATTEMPT}, last_status, sent_sha256, delivered_at, told_at, priority)",
        CLOCK: f"SELECT; INSERT; UPDATE ({ATTEMPT}, last_status, sent_sha256, delivered_at, told_at, priority, "
        "created_at, handling); DELETE",
        CONSOLE: "SELECT; UPDATE (handling)",
    },
    "pending": {
        WEB: "INSERT; SELECT (origin_key, report_id, revision, kind, due_at); UPDATE (due_at); DELETE",
        CLOCK: "SELECT; UPDATE (key_id, wrap); DELETE",
    },
    "inbound": {
        WEB: "INSERT; SELECT (inbound_key, seen_at, waiting); UPDATE (waiting)",
        CLOCK: "SELECT (seen_at, waiting); DELETE",
    },
    "outgoing": {
        WEB: "INSERT; SELECT (id, provider_id, status); UPDATE (status)",
        WORKER: f"SELECT; INSERT; UPDATE ({ATTEMPT}, provider_id)",
        CLOCK: f"SELECT; INSERT; UPDATE ({ATTEMPT}, expires_at, provider_id, key_id, wrap); DELETE",
    },
    # whoever reads the words could say that a person has a report, but for the phone it takes
    "page": {WORKER: "SELECT; INSERT", CLOCK: "SELECT; INSERT; DELETE"},
    "phone_answer": {WEB: "INSERT", CLOCK: "SELECT; UPDATE (wrong); DELETE"},
    "step": {
        WEB: "SELECT (report_id, priority, step, due_at)",  # whether anybody has read it in time
        CLOCK: "SELECT; INSERT; UPDATE (not_before, done_at, came_to); DELETE",
        CONSOLE: "SELECT",
    },
    "mailbox": {
        # the private key is sealed under code and PIN
        WEB: "INSERT; SELECT (report_id, lookup, public_key, sealed_key); UPDATE (lookup, public_key, sealed_key)",
        CLOCK: "SELECT (report_id, public_key); DELETE",
        CONSOLE: "SELECT (report_id, public_key)",
    },
    "code_try": {
        WEB: "INSERT; SELECT; UPDATE (tries, since, locked_until)",
        CLOCK: "SELECT",
    },
    "answer": {
        WEB: "SELECT (answer_id, report_id, created_at, sealed)",  # to nobody but code and PIN
        CLOCK: "INSERT; SELECT (answer_id, report_id, created_at); DELETE",
        CONSOLE: "INSERT",
    },
    "callback": {CONSOLE: "INSERT; SELECT (call_key)", CLOCK: "SELECT (at); DELETE"},
    "note": {CONSOLE: "SELECT; INSERT", CLOCK: "SELECT; UPDATE (key_id, wrap); DELETE"},
    # no other account needs to know what somebody has not said yet
    "draft": {CONSOLE: "SELECT; INSERT; DELETE", CLOCK: "SELECT (report_id, saved_at); DELETE"},
    "nudge": {CLOCK: "SELECT; INSERT; UPDATE (due_at, sent_at); DELETE"},
    "message": {
        WEB: "INSERT",
        WORKER: "SELECT",
        CLOCK: "SELECT; UPDATE (number, key_id, wrap); DELETE",
        CONSOLE: "SELECT",
    },
    "contact": {
        WEB: "INSERT; SELECT (report_id); UPDATE (allowed, changed_at)",
        WORKER: "SELECT (report_id, allowed, changed_at)",
        CLOCK: "SELECT (report_id, allowed, changed_at); DELETE",
        CONSOLE: "SELECT (report_id, allowed, changed_at)",
    },
    "audit": {
        WEB: f"INSERT {ROW_OF_AUDIT}",
        WORKER: f"INSERT {ROW_OF_AUDIT}",
        CLOCK: f"SELECT; INSERT {ROW_OF_AUDIT}; UPDATE (seq, prev_hash, hash); DELETE",
        CONSOLE: f"SELECT; INSERT {ROW_OF_AUDIT}",
    },
    "hold": {CLOCK: "SELECT; INSERT; UPDATE (placed_by, reason, reference, placed_at, until); DELETE"},
    "purged": {CLOCK: "SELECT; INSERT", CONSOLE: "SELECT (report_id, rule)"},
    "receipt": {CLOCK: "SELECT; INSERT; DELETE", CONSOLE: "SELECT (report_id, hotline)"},
    "checkpoint": {CLOCK: "SELECT; INSERT; DELETE", CONSOLE: "SELECT"},
    "lease": {
        WEB: "SELECT; INSERT; UPDATE (holder, until)",
        CLOCK: "SELECT; INSERT; UPDATE (holder, until)",
    },
    # Accounts are the console's alone: nobody else could say who may read.
    "staff": {CONSOLE: "SELECT; INSERT; UPDATE (role, password, totp, totp_step, wrong, ended_at)"},
    "staff_session": {CONSOLE: "SELECT; INSERT; UPDATE (session_hash, seen_at, checked_at); DELETE"},
    **{table: {CONSOLE: "SELECT; INSERT; DELETE"} for table in ("invitation", "recovery", "raising", "lowering")},
    "holding": {
        CONSOLE: "SELECT; INSERT (report_id, hotline); UPDATE (holder, handed_by, outcome, hoax_by, read_at, "
        "changed_at, changed_by)",
        CLOCK: "SELECT (report_id, hotline, handed_by); UPDATE (holder, handed_by, outcome, hoax_by, changed_at, "
        "changed_by); DELETE",
    },
    # the console asks, the clock does it: nobody who only reads can make a delivery
    "handover": {
        CONSOLE: "SELECT; INSERT (report_id, giver, taker, actor, asked_at); UPDATE (taker, actor, asked_at, outcome)",
        CLOCK: "SELECT; UPDATE (outcome); DELETE",
    },
    "kept_away": {CONSOLE: "SELECT; INSERT; DELETE", CLOCK: "SELECT (report_id); DELETE"},
    # the console asks, web is the reporter
    "drill": {
        WEB: "SELECT (drill_id, hotline, script, at, due_at, report_id); UPDATE (due_at, report_id)",
        CLOCK: "SELECT (drill_id, at, report_id); DELETE",
        CONSOLE: "SELECT; INSERT (drill_id, hotline, script, actor, asked_at, at, due_at); DELETE",
    },
    "staff_try": {CONSOLE: "SELECT; INSERT; UPDATE (tries, since, locks, locked_until); DELETE"},
    "hotline_state": {WORKER: BREAKER, CLOCK: BREAKER, CONSOLE: "SELECT"},
    "optout": dict.fromkeys((WORKER, CLOCK), ASK) | {WEB: f"{ASK}; DELETE"},
    "optout_key": {WEB: "INSERT", CLOCK: "SELECT; UPDATE (key_id, wrap)"},
    # counters, of which nobody but the clock sees those that may not be shown
    "tally": {CLOCK: "SELECT; INSERT; UPDATE (number); DELETE"},
    "tallied": {CLOCK: "SELECT; INSERT; UPDATE (until, settled)"},
    "screen_tally": {WEB: "INSERT", CLOCK: "SELECT; DELETE"},
    "figure": {CLOCK: "SELECT; INSERT", CONSOLE: "SELECT"},
    "host": {WEB: "SELECT; INSERT; UPDATE (seen_at, spool_entries, spool_seconds, spool_bad)", CLOCK: "SELECT"},
    "key_check": {WEB: "SELECT; INSERT"},
    "made_for": dict.fromkeys(ROLES, "SELECT"),
    VERSION: dict.fromkeys(ROLES, "SELECT"),
}

# Which rows of those, for roles that do not see all. The console says for whom it asks, in each transaction:
# SET LOCAL tokaut.hotlines = 'a,b'. Unset or empty: no rows. And of one report, to whom else it was given.
HOTLINES = "string_to_array(current_setting('tokaut.hotlines', true), ',')"
ONE_REPORT = "current_setting('tokaut.report', true)"
GIVEN = f"EXISTS (SELECT FROM delivery d WHERE d.report_id = {{0}}.report_id AND d.hotline = ANY ({HOTLINES}))"
OWN_STAFF = f"starts_with(actor, 'staff:') AND split_part(substr(actor, 7), '/', 1) = ANY ({HOTLINES})"
NOT_STAFF = "NOT starts_with(actor, 'staff:')"
ABOUT_THEIRS = (
    f"EXISTS (SELECT FROM delivery d WHERE d.hotline = ANY ({HOTLINES}) AND object_id IN (d.delivery_id, d.report_id))"
)
ALL = "true"
# Three years of the audit, but where all is training; by the database's own clock, which no setting moves.
OLD_ENOUGH = (
    "at < (extract(epoch from clock_timestamp() - interval '1095 days') * 1000000)::bigint "
    "OR EXISTS (SELECT FROM made_for WHERE mode <> 'live')"
)

# A wrap is not a right: a body is for its recipient once a delivery to it exists, and not before.
GIVEN_TO_IT = "EXISTS (SELECT FROM delivery d WHERE d.report_id = {0}.report_id AND d.hotline = {0}.{1})"
OWN_HANDOVER = f"giver = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('handover', 'giver')}"
OWN_DRILL = f"hotline = ANY ({HOTLINES})"
A_NEW_ONE = (  # only where nothing is real
    "starts_with(actor, 'staff:' || hotline || '/') AND EXISTS (SELECT FROM made_for WHERE mode = 'training')"
)
BY_GIVER = "starts_with(actor, 'staff:' || giver || '/')"  # it is their name that the audit will have


class Rows(NamedTuple):
    """`there`: which rows it sees; `made`: which rows it may make of them."""

    there: str
    made: str = ""


ROWS: Mapping[str, Mapping[tuple[str, str], Rows]] = {
    "report": dict.fromkeys([(CONSOLE, "SELECT"), (CONSOLE, "UPDATE")], Rows(GIVEN.format("report"))),
    "report_body": {
        (CONSOLE, "SELECT"): Rows(f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('report_body', 'recipient')}")
    },
    "route": {
        (CONSOLE, "SELECT"): Rows(
            f"hotline = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('route', 'hotline')} "
            f"OR report_id = {ONE_REPORT} AND {GIVEN.format('route')}"  # to whom it can be handed over
        )
    },
    "delivery": {
        (CONSOLE, "SELECT"): Rows(f"hotline = ANY ({HOTLINES}) OR report_id = {ONE_REPORT}"),
        (CONSOLE, "UPDATE"): Rows(f"hotline = ANY ({HOTLINES})"),
    },
    "step": {(CONSOLE, "SELECT"): Rows(GIVEN.format("step"))},
    "receipt": {(CONSOLE, "SELECT"): Rows(f"hotline = ANY ({HOTLINES})")},
    "purged": {
        (CONSOLE, "SELECT"): Rows(
            f"EXISTS (SELECT FROM receipt r WHERE r.report_id = purged.report_id AND r.hotline = ANY ({HOTLINES}))"
        )
    },
    "answer": {(CONSOLE, "INSERT"): Rows(f"hotline = ANY ({HOTLINES}) AND {GIVEN.format('answer')}")},
    "note": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT")],
        Rows(f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('note', 'recipient')}"),
    ),
    "draft": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "DELETE")],
        Rows(f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('draft', 'recipient')}"),
    ),
    "mailbox": {(CONSOLE, "SELECT"): Rows(GIVEN.format("mailbox"))},
    "message": {
        (CONSOLE, "SELECT"): Rows(f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('message', 'recipient')}")
    },
    "contact": {(CONSOLE, "SELECT"): Rows(GIVEN.format("contact"))},
    "holding": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "UPDATE")],
        Rows(f"hotline = ANY ({HOTLINES}) AND {GIVEN_TO_IT.format('holding', 'hotline')}"),
    ),
    "handover": {
        (CONSOLE, "SELECT"): Rows(OWN_HANDOVER),
        **dict.fromkeys(
            [(CONSOLE, "INSERT"), (CONSOLE, "UPDATE")], Rows(OWN_HANDOVER, f"{OWN_HANDOVER} AND {BY_GIVER}")
        ),
    },
    "kept_away": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "DELETE")], Rows(GIVEN.format("kept_away"))
    ),
    "drill": {
        (CONSOLE, "SELECT"): Rows(OWN_DRILL),
        (CONSOLE, "INSERT"): Rows(OWN_DRILL, f"{OWN_DRILL} AND {A_NEW_ONE}"),
        (CONSOLE, "DELETE"): Rows(f"{OWN_DRILL} AND report_id IS NULL"),
    },
    "audit": {
        (CLOCK, "UPDATE"): Rows("seq IS NULL", "seq IS NOT NULL"),  # what is chained is never touched again
        (CLOCK, "DELETE"): Rows(f"seq IS NOT NULL AND ({OLD_ENOUGH})"),
        (CONSOLE, "SELECT"): Rows(f"{OWN_STAFF} OR {NOT_STAFF} AND {ABOUT_THEIRS}"),
        (CONSOLE, "INSERT"): Rows(OWN_STAFF),
    },
    # Web sees whether a clock leads. It cannot take that lease: whoever holds it stops all that is sent.
    "lease": {(WEB, "SELECT"): Rows(ALL)}
    | {(WEB, privilege): Rows("name = 'replay'") for privilege in ("INSERT", "UPDATE")},
}


class Right(NamedTuple):
    table: str
    role: str
    privilege: str
    columns: tuple[str, ...] = ()  # none: all


def rights() -> Iterator[Right]:
    for table, by_role in RIGHTS.items():
        for role, text in by_role.items():
            for privilege, columns in re.findall(r"([A-Z]+)(?: \(([^)]*)\))?(?:; |$)", text):
                yield Right(table, role, privilege, tuple(columns.split(", ")) if columns else ())


def rows_of(right: Right) -> Rows:
    return ROWS[right.table].get((right.role, right.privilege), Rows(ALL))
