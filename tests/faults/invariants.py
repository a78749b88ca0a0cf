"""Check the invariants that can be read from the database after a run."""

from __future__ import annotations

import subprocess
import sys
import time

from tests.faults.open_work import OpenWork

VIOLATIONS = {
    "I3: one walk, two reports": "(SELECT origin_key FROM report GROUP BY origin_key HAVING count(*) > 1) twice",
    "I7: delivery that is due still": "delivery WHERE state = 'due'",
    "I7: delivery given up, and nobody told": "delivery WHERE state IN ('refused', 'parked') AND told_at IS NULL",
    "I8: report without a row in the audit": (
        "report WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.object_id = report.report_id)"
    ),
}


def violations(installation: OpenWork) -> list[str]:
    """Return a line for each invariant that does not hold."""
    counts = {what: installation.count(rows) for what, rows in VIOLATIONS.items()}
    minute_ago = (time.time_ns() // 1000) - 60_000_000
    counts["I8: audit row older than a minute and not in the chain"] = installation.count(
        f"audit WHERE seq IS NULL AND at < {minute_ago}"
    )
    found = [f"{what}: {count}" for what, count in counts.items() if count]
    done = subprocess.run(
        [sys.executable, "-m", "tokaut", "audit", "verify"],
        env=dict(installation.environment),
        capture_output=True,
        text=True,
        check=False,
    )
    return found + ([f"I8: {done.stdout}{done.stderr}".strip()] if done.returncode else [])
