"""The privileges of each role in PostgreSQL. The SQL, the documentation, `tokaut check` and the tests use this table.

`web` is reachable from outside, so it can write what it must never read. `clock` has every right of `worker`: the
operator's commands run with the settings of `clock`. Revoke a right one release after the code that needed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

OWNER = "tokaut_owner"  # migrates the schema; no process runs as it
WEB, WORKER, CLOCK, CONSOLE = ROLES = ("tokaut_web", "tokaut_worker", "tokaut_clock", "tokaut_console")

ProcessAccount = Literal["web", "worker", "clock", "console"]  # without the prefix of its role
ExpectedAccount = ProcessAccount | Literal["owner", ""]  # empty: any but the owner

VERSION = "alembic_version"  # Alembic's own table
AUDIT_COLUMNS = "(audit_id, at, actor, act, object_id)"  # only the scheduler writes the columns of the chain
BREAKER_ACCESS = "SELECT; INSERT; UPDATE (failures, open_until, opened_times, dead_since)"
OPT_OUT_ACCESS = "INSERT; SELECT (caller_key, at)"
HOST_ACCESS = "SELECT; INSERT; UPDATE (seen_at, spool_entries, spool_seconds, spool_bad, redis_down)"
ATTEMPT_COLUMNS = "state, attempt, next_at, lease_until, lease_by, last_class"

# Table → role → "PRIVILEGE (columns); PRIVILEGE"; without columns: the whole row.
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
        WORKER: f"SELECT; UPDATE ({ATTEMPT_COLUMNS}, last_status, sent_sha256, delivered_at, told_at, priority)",
        CLOCK: f"SELECT; INSERT; UPDATE ({ATTEMPT_COLUMNS}, last_status, sent_sha256, delivered_at, told_at, priority, "
        "created_at, handling); DELETE",
        CONSOLE: "SELECT; UPDATE (handling)",
    },
    "pending": {
        WEB: "INSERT; SELECT (origin_key, report_id, revision, kind, due_at); UPDATE (due_at); DELETE",
        CLOCK: "SELECT; UPDATE (key_id, wrap); DELETE",
        # Reports that staff enter; the scheduler stores them. Nobody may take one whose account has ended.
        CONSOLE: "INSERT; SELECT (kind, recipient, taker); UPDATE (taker)",
    },
    "entry_key": {WEB: "SELECT; INSERT; UPDATE (made_at)", CONSOLE: "SELECT"},
    # Opens with web's store key only; the row is deleted when the mailbox is made.
    "entry_code": {WEB: "SELECT (report_id, sealed, held_at); DELETE", CLOCK: "SELECT (report_id); INSERT; DELETE"},
    "inbound": {
        WEB: "INSERT; SELECT (inbound_key, seen_at, waiting); UPDATE (waiting)",
        CLOCK: "SELECT (seen_at, waiting); DELETE",
    },
    "outgoing": {
        WEB: "INSERT; SELECT (id, provider_id, status); UPDATE (status)",
        WORKER: f"SELECT; INSERT; UPDATE ({ATTEMPT_COLUMNS}, provider_id, phone_key)",
        CLOCK: f"SELECT; INSERT; UPDATE ({ATTEMPT_COLUMNS}, expires_at, provider_id, phone_key, key_id, wrap); DELETE",
        CONSOLE: "SELECT (channel, status, created_at, expires_at)",  # whether SMS arrive; no number, no text
    },
    # A role that reads these words could acknowledge reports, if it also had the phone that sends them.
    "page": {WEB: "SELECT (hotline, created_at)", WORKER: "SELECT; INSERT", CLOCK: "SELECT; INSERT; DELETE"},
    "phone_answer": {WEB: "INSERT", CLOCK: "SELECT; UPDATE (wrong); DELETE"},
    "step": {
        WEB: "SELECT (report_id, priority, step, due_at)",  # whether a report was acknowledged in time
        CLOCK: "SELECT; INSERT; UPDATE (not_before, done_at, came_to); DELETE",
        CONSOLE: "SELECT",
    },
    "mailbox": {
        # The private key is sealed under access code and PIN.
        WEB: "INSERT; SELECT (report_id, lookup, public_key, sealed_key); UPDATE (lookup, public_key, sealed_key)",
        CLOCK: "SELECT (report_id, public_key); DELETE",
        CONSOLE: "SELECT (report_id, public_key)",
    },
    "code_try": {
        WEB: "INSERT; SELECT; UPDATE (tries, since, locked_until)",
        CLOCK: "SELECT",
    },
    "answer": {
        WEB: "SELECT (answer_id, report_id, created_at, sealed)",  # opens with access code and PIN only
        CLOCK: "INSERT; SELECT (answer_id, report_id, created_at); DELETE",
        CONSOLE: "INSERT",
    },
    "callback": {CONSOLE: "INSERT; SELECT (call_key)", CLOCK: "SELECT (at); DELETE"},
    "note": {CONSOLE: "SELECT; INSERT", CLOCK: "SELECT; UPDATE (key_id, wrap); DELETE"},
    # No other role needs to read drafts.
    "draft": {CONSOLE: "SELECT; INSERT; DELETE", CLOCK: "SELECT (report_id, saved_at); DELETE"},
    "presence": {
        CONSOLE: "SELECT; INSERT; UPDATE (seen_at); DELETE",
        CLOCK: "SELECT (report_id, seen_at); DELETE",
    },
    "nudge": {CLOCK: "SELECT; INSERT; UPDATE (due_at, sent_at, ussd_id); DELETE", CONSOLE: "SELECT"},
    "message": {
        WEB: "INSERT",
        WORKER: "SELECT",
        CLOCK: "SELECT; INSERT; UPDATE (number, key_id, wrap); DELETE",
        CONSOLE: "SELECT",
    },
    # Web writes the place of a recording, sealed to the scheduler, and cannot read it again. It deletes a call's id.
    "recording": {
        WEB: "INSERT; SELECT (recording_id, report_id, state); UPDATE (state, key_id, wrap, sealed)",
        CLOCK: "SELECT; INSERT; "
        "UPDATE (state, next_at, attempt, key_id, wrap, sealed, last_class, told_at, stored_at); DELETE",
    },
    "recording_copy": {
        WORKER: "SELECT",
        CLOCK: "SELECT; INSERT; UPDATE (key_id, wrap); DELETE",
        CONSOLE: "SELECT",
    },
    "contact": {
        WEB: "INSERT; SELECT (report_id, allowed, changed_at); UPDATE (allowed, changed_at)",
        WORKER: "SELECT (report_id, allowed, changed_at)",
        CLOCK: "SELECT (report_id, allowed, changed_at); DELETE",
        CONSOLE: "SELECT (report_id, allowed, changed_at)",
    },
    "audit": {
        WEB: f"INSERT {AUDIT_COLUMNS}",
        WORKER: f"INSERT {AUDIT_COLUMNS}",
        CLOCK: f"SELECT; INSERT {AUDIT_COLUMNS}; UPDATE (seq, prev_hash, hash); DELETE",
        CONSOLE: f"SELECT; INSERT {AUDIT_COLUMNS}",
    },
    "hold": {CLOCK: "SELECT; INSERT; UPDATE (placed_by, reason, reference, placed_at, until); DELETE"},
    "purged": {WEB: "SELECT (report_id)", CLOCK: "SELECT; INSERT", CONSOLE: "SELECT (report_id, rule)"},
    "receipt": {CLOCK: "SELECT; INSERT; DELETE", CONSOLE: "SELECT (report_id, hotline)"},
    "checkpoint": {CLOCK: "SELECT; INSERT; DELETE", CONSOLE: "SELECT"},
    "lease": {
        WEB: "SELECT; INSERT; UPDATE (holder, until)",
        CLOCK: "SELECT; INSERT; UPDATE (holder, until)",
    },
    # Only the console uses accounts, so that no other role decides who reads reports.
    "staff": {CONSOLE: "SELECT; INSERT; UPDATE (role, password, totp, totp_step, wrong, ended_at)"},
    "passkey": {CONSOLE: "SELECT; INSERT; UPDATE (sign_count, used_at); DELETE"},
    "staff_session": {CONSOLE: "SELECT; INSERT; UPDATE (session_hash, seen_at, checked_at); DELETE"},
    **{table: {CONSOLE: "SELECT; INSERT; DELETE"} for table in ("invitation", "recovery", "raising", "lowering")},
    # The words of a signed reply must not change.
    "own_reply": {
        CONSOLE: "SELECT; INSERT (reply_id, language, hotline, text, written_by, written_at); UPDATE (signed_by, "
        "signed_at, withdrawn_by, withdrawn_at)"
    },
    "holding": {
        CONSOLE: "SELECT; INSERT (report_id, hotline); UPDATE (holder, handed_by, outcome, hoax_by, read_at, "
        "changed_at, changed_by, hoax_at, closed_from, follow_up_at, follow_up_by)",
        CLOCK: "SELECT (report_id, hotline, handed_by, follow_up_at); INSERT (report_id, hotline, holder, read_at, "
        "changed_at, changed_by, follow_up_at); UPDATE (holder, handed_by, outcome, hoax_by, "
        "changed_at, changed_by, hoax_at, closed_from, follow_up_at, follow_up_by); DELETE",
    },
    # The console requests a transfer and the scheduler carries it out: the console cannot create deliveries.
    "handover": {
        CONSOLE: "SELECT; INSERT (report_id, giver, taker, actor, asked_at); UPDATE (taker, actor, asked_at, outcome)",
        CLOCK: "SELECT; UPDATE (outcome); DELETE",
    },
    "kept_away": {CONSOLE: "SELECT; INSERT; DELETE", CLOCK: "SELECT (report_id); DELETE"},
    # The console requests a drill, and web plays the reporter.
    "drill": {
        WEB: "SELECT (drill_id, hotline, script, at, due_at, report_id); UPDATE (due_at, report_id)",
        CLOCK: "SELECT (drill_id, at, report_id); DELETE",
        CONSOLE: "SELECT; INSERT (drill_id, hotline, script, actor, asked_at, at, due_at); DELETE",
    },
    # Which console serves which hotline. Only the owner writes it; every process checks the rights of all roles by it.
    "console_hotline": dict.fromkeys(ROLES, "SELECT"),
    "staff_try": {CONSOLE: "SELECT; INSERT; UPDATE (tries, since, locks, locked_until); DELETE"},
    "hotline_state": {WORKER: BREAKER_ACCESS, CLOCK: BREAKER_ACCESS, CONSOLE: "SELECT"},
    "optout": dict.fromkeys((WORKER, CLOCK), OPT_OUT_ACCESS) | {WEB: f"{OPT_OUT_ACCESS}; DELETE"},
    "optout_key": {WEB: "INSERT", CLOCK: "SELECT; UPDATE (key_id, wrap)"},
    # Only the scheduler sees the counts that are suppressed in statistics.
    "tally": {CLOCK: "SELECT; INSERT; UPDATE (number); DELETE"},
    "tallied": {CLOCK: "SELECT; INSERT; UPDATE (until, settled)"},
    "screen_tally": {WEB: "INSERT", CLOCK: "SELECT; DELETE"},
    "figure": {CLOCK: "SELECT; INSERT", CONSOLE: "SELECT"},
    "host": dict.fromkeys((WEB, WORKER), HOST_ACCESS) | {CLOCK: f"{HOST_ACCESS}; DELETE", CONSOLE: "SELECT"},
    "tombstone": {
        WEB: "SELECT; INSERT; UPDATE (up_to, with_sends, at)",
        CLOCK: "SELECT (at); DELETE",
    },
    "synthetic_call": {
        CLOCK: "SELECT; INSERT; UPDATE (called_at, reached_at, failing_since, reason); DELETE",
        CONSOLE: "SELECT",
    },
    # Web writes counts and need not read them; the console sees only unusual ones.
    "call_hour": {WEB: "INSERT", CLOCK: "SELECT; DELETE"},
    "quiet_channel": {CLOCK: "SELECT; INSERT; DELETE", CONSOLE: "SELECT"},
    "key_check": {WEB: "SELECT; INSERT"},
    "made_for": dict.fromkeys(ROLES, "SELECT"),
    VERSION: dict.fromkeys(ROLES, "SELECT"),
}

# Row policies, for roles that do not see all rows. The console names its hotlines in each transaction:
# SET LOCAL tokaut.hotlines = 'a,b'. Unset or empty: no rows. `tokaut.report` names one report whose deliveries to other
# hotlines it may see.
HOTLINES = "string_to_array(current_setting('tokaut.hotlines', true), ',')"
ONE_REPORT = "current_setting('tokaut.report', true)"
REPORT_GIVEN = f"EXISTS (SELECT FROM delivery d WHERE d.report_id = {{0}}.report_id AND d.hotline = ANY ({HOTLINES}))"
OWN_STAFF = f"starts_with(actor, 'staff:') AND split_part(substr(actor, 7), '/', 1) = ANY ({HOTLINES})"
NOT_STAFF = "NOT starts_with(actor, 'staff:')"
ABOUT_OWN_DELIVERIES = (
    f"EXISTS (SELECT FROM delivery d WHERE d.hotline = ANY ({HOTLINES}) AND object_id IN (d.delivery_id, d.report_id))"
)
# Also if the operator ended an account and so did it.
SHOWN_TO_OWN_STAFF = (
    f"act = 'shown_to' AND EXISTS (SELECT FROM staff s WHERE s.hotline = ANY ({HOTLINES}) "
    "AND s.staff_id = substr(object_id, 38))"
)
NOT_WEB = "right(name, 4) <> '/web'"
ALL_ROWS = "true"
# Audit entries are kept for three years, except in training; by the database's own clock, which no setting moves.
OLD_ENOUGH = (
    "at < (extract(epoch from clock_timestamp() - interval '1095 days') * 1000000)::bigint "
    "OR EXISTS (SELECT FROM made_for WHERE mode <> 'live')"
)

# A sealed body alone gives no right: its recipient may read it once a delivery to the recipient exists.
GIVEN_TO_RECIPIENT = "EXISTS (SELECT FROM delivery d WHERE d.report_id = {0}.report_id AND d.hotline = {0}.{1})"
OWN_HANDOVER = f"giver = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('handover', 'giver')}"
OWN_DRILL = f"hotline = ANY ({HOTLINES})"
NEW_DRILL = (  # never in live mode
    "starts_with(actor, 'staff:' || hotline || '/') AND EXISTS (SELECT FROM made_for WHERE mode <> 'live')"
)
# Sealed to its own hotline, in the name of its own staff. That it is a new report is checked by the scheduler.
NEW_ENTRY = (
    f"kind = 'staff' AND revision = 1 AND role = 'primary' AND recipient = ANY ({HOTLINES}) "
    "AND (taker IS NULL OR starts_with(taker, 'staff:' || recipient || '/'))"
)
OWN_ENTRY = f"kind = 'staff' AND recipient = ANY ({HOTLINES})"
BY_GIVER = "starts_with(actor, 'staff:' || giver || '/')"  # the audit entry will name this actor


class RowPolicy(NamedTuple):
    """The rows of a table that a role may use. `visible`: rows it sees. `writable`: rows it may write, if different."""

    visible: str
    writable: str = ""


ROW_POLICIES: Mapping[str, Mapping[tuple[str, str], RowPolicy]] = {
    "report": dict.fromkeys([(CONSOLE, "SELECT"), (CONSOLE, "UPDATE")], RowPolicy(REPORT_GIVEN.format("report"))),
    "report_body": {
        (CONSOLE, "SELECT"): RowPolicy(
            f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('report_body', 'recipient')}"
        )
    },
    "route": {
        (CONSOLE, "SELECT"): RowPolicy(
            f"hotline = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('route', 'hotline')} "
            f"OR report_id = {ONE_REPORT} AND {REPORT_GIVEN.format('route')}"  # hotlines that it can be transferred to
        )
    },
    "delivery": {
        (CONSOLE, "SELECT"): RowPolicy(f"hotline = ANY ({HOTLINES}) OR report_id = {ONE_REPORT}"),
        (CONSOLE, "UPDATE"): RowPolicy(f"hotline = ANY ({HOTLINES})"),
    },
    "step": {(CONSOLE, "SELECT"): RowPolicy(REPORT_GIVEN.format("step"))},
    "receipt": {(CONSOLE, "SELECT"): RowPolicy(f"hotline = ANY ({HOTLINES})")},
    "purged": {
        (CONSOLE, "SELECT"): RowPolicy(
            f"EXISTS (SELECT FROM receipt r WHERE r.report_id = purged.report_id AND r.hotline = ANY ({HOTLINES}))"
        )
    },
    "answer": {(CONSOLE, "INSERT"): RowPolicy(f"hotline = ANY ({HOTLINES}) AND {REPORT_GIVEN.format('answer')}")},
    "note": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT")],
        RowPolicy(f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('note', 'recipient')}"),
    ),
    "draft": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "DELETE")],
        # Three kinds belong to no report: they are stored under the id of their writer. Each is compared by itself,
        # because PostgreSQL changes a list when a copy is restored, and the check would find another policy.
        RowPolicy(
            f"recipient = ANY ({HOTLINES}) AND (kind = 'entry' OR kind = 'handover' OR kind = 'replies' "
            f"OR {GIVEN_TO_RECIPIENT.format('draft', 'recipient')})"
        ),
    ),
    "presence": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "UPDATE"), (CONSOLE, "DELETE")],
        RowPolicy(f"hotline = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('presence', 'hotline')}"),
    ),
    "pending": {
        (CONSOLE, "INSERT"): RowPolicy(NEW_ENTRY),
        (CONSOLE, "SELECT"): RowPolicy(OWN_ENTRY),
        (CONSOLE, "UPDATE"): RowPolicy(OWN_ENTRY, f"{OWN_ENTRY} AND taker IS NULL"),
    },
    "mailbox": {(CONSOLE, "SELECT"): RowPolicy(REPORT_GIVEN.format("mailbox"))},
    "message": {
        (CONSOLE, "SELECT"): RowPolicy(
            f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('message', 'recipient')}"
        )
    },
    "recording_copy": {
        (CONSOLE, "SELECT"): RowPolicy(
            f"recipient = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('recording_copy', 'recipient')}"
        )
    },
    "contact": {(CONSOLE, "SELECT"): RowPolicy(REPORT_GIVEN.format("contact"))},
    "nudge": {(CONSOLE, "SELECT"): RowPolicy(REPORT_GIVEN.format("nudge"))},
    "holding": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "UPDATE")],
        RowPolicy(f"hotline = ANY ({HOTLINES}) AND {GIVEN_TO_RECIPIENT.format('holding', 'hotline')}"),
    ),
    "handover": {
        (CONSOLE, "SELECT"): RowPolicy(OWN_HANDOVER),
        **dict.fromkeys(
            [(CONSOLE, "INSERT"), (CONSOLE, "UPDATE")], RowPolicy(OWN_HANDOVER, f"{OWN_HANDOVER} AND {BY_GIVER}")
        ),
    },
    "own_reply": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "UPDATE")], RowPolicy(f"hotline = ANY ({HOTLINES})")
    ),
    "kept_away": dict.fromkeys(
        [(CONSOLE, "SELECT"), (CONSOLE, "INSERT"), (CONSOLE, "DELETE")], RowPolicy(REPORT_GIVEN.format("kept_away"))
    ),
    "drill": {
        (CONSOLE, "SELECT"): RowPolicy(OWN_DRILL),
        (CONSOLE, "INSERT"): RowPolicy(OWN_DRILL, f"{OWN_DRILL} AND {NEW_DRILL}"),
        (CONSOLE, "DELETE"): RowPolicy(f"{OWN_DRILL} AND report_id IS NULL"),
    },
    "audit": {
        (WEB, "INSERT"): RowPolicy("actor = 'web'"),
        (WORKER, "INSERT"): RowPolicy("actor = 'worker'"),
        (CLOCK, "UPDATE"): RowPolicy("seq IS NULL", "seq IS NOT NULL"),  # a chained entry is never changed
        (CLOCK, "DELETE"): RowPolicy(f"seq IS NOT NULL AND ({OLD_ENOUGH})"),
        (CONSOLE, "SELECT"): RowPolicy(
            f"{OWN_STAFF} OR {NOT_STAFF} AND {ABOUT_OWN_DELIVERIES} OR {SHOWN_TO_OWN_STAFF}"
        ),
        (CONSOLE, "INSERT"): RowPolicy(OWN_STAFF),
    },
    # A worker writes only its own row: web's row has the state of the spool.
    "host": {(WORKER, privilege): RowPolicy(NOT_WEB) for privilege in ("INSERT", "UPDATE")},
    # Web sees whether a scheduler holds the lease. It cannot take that lease: it could stop all deliveries.
    "lease": {(WEB, "SELECT"): RowPolicy(ALL_ROWS)}
    | {(WEB, privilege): RowPolicy("name = 'replay'") for privilege in ("INSERT", "UPDATE")},
}


class Right(NamedTuple):
    """A privilege of a role on a table."""

    table: str
    role: str
    privilege: str
    columns: tuple[str, ...] = ()  # empty: all


def list_rights() -> Iterator[Right]:
    """Yield the rights of `RIGHTS`, one for each privilege."""
    for table, by_role in RIGHTS.items():
        for role, text in by_role.items():
            yield from parse_rights(table, role, text)


def parse_rights(table: str, role: str, text: str) -> Iterator[Right]:
    """Yield the rights of a text of `RIGHTS`, one for each privilege."""
    for privilege, columns in re.findall(r"([A-Z]+)(?: \(([^)]*)\))?(?:; |$)", text):
        yield Right(table, role, privilege, tuple(columns.split(", ")) if columns else ())


def row_policy_of(right: Right) -> RowPolicy:
    """Return the row policy for a right; all rows if none is set."""
    return ROW_POLICIES.get(right.table, {}).get((right.role, right.privilege), RowPolicy(ALL_ROWS))
