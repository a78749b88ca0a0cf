"""Faults and the tests that cause them, read from the marks in the tests' source."""

from __future__ import annotations

from collections.abc import Mapping

from tests.docs.rules import marks

# Faults that a run of the experiment causes repeatedly, in addition to the tests of a single moment.
BY_THE_EXPERIMENT = frozenset({"F1", "F2", "F3", "F4", "F5", "F7", "F9", "F13", "F22", "F23", "F26", "F27"})
FAULTS: Mapping[str, str] = {
    "F1": "a web process is killed before COMMIT",
    "F2": "… after COMMIT, before the answer",
    "F3": "gunicorn's master is killed",
    "F4": "a worker is killed before the call",
    "F5": "a worker is killed between the hotline's 2xx and the mark",
    "F6": "a worker is frozen for longer than its lease",
    "F7": "the clock is killed; two clocks",
    "F8": "the console is killed during an answer",
    "F9": "Valkey is killed",
    "F10": "Valkey hangs",
    "F11": "Valkey is emptied",
    "F12": "Valkey is full",
    "F13": "PostgreSQL is killed with all its processes",
    "F14": "the database is slow, or hangs",
    "F15": "the reply to COMMIT is lost",
    "F16": "no second copy at COMMIT; the wait for it is cancelled",
    "F17": "SQLite is locked by another process",
    "F18": "the disk is full under the database",
    "F19": "the spool is full or not writable, and the database unavailable",
    "F20": "the disk refuses to sync",
    "F21": "a spool entry is incomplete, or encrypted with another key",
    "F22": "a hotline is down, for a while or for days, and comes back",
    "F23": "a hotline misbehaves: accepts and drops, answers slowly, sends half a header",
    "F24": "a hotline answers with each HTTP status",
    "F25": "certificates, names and addresses of a hotline are wrong",
    "F26": "webhooks arrive twice, at the same moment, late",
    "F27": "the call drops; another number uses a session's id again",
    "F28": "clocks jump, and those of two hosts differ",
    "F29": "a hotline's key or secret is missing at the worker",
    "F30": "an upgrade during calls",
}


def table() -> str:
    """Return the page's table: fault → files of tests."""
    found = marks()
    rows = ["| | fault | shown by |", "|---|---|---|"]
    for name, what in FAULTS.items():
        files = [f"`{file}`" for file in sorted(found.get(name, ()))]
        files += ["the experiment"] if name in BY_THE_EXPERIMENT else []
        rows.append(f"| {name} | {what} | {', '.join(files) or 'no test that is marked so'} |")
    return "\n".join(rows) + "\n"
