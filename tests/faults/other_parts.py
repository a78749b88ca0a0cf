"""Run the parts of `make faults` that are pytest files or programs: crowd, attacks, overload, rows, fuzz.

Crowd, attacks and overload measure time, so each runs alone. In `rows`, tests that share an installation run in one
process; they mostly wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque

from tests.faults.progress_view import Row
from tokaut.local_stack.parent_death import die_with_parent

CROWD = "tests/faults/test_crowd.py"
ATTACKS = "tests/faults/test_attacks.py"
OVERLOAD = "tests/faults/test_overload.py"
TABLE_ROW = "| "  # a row of a table begins with it
PYTEST = ["pytest", "-q", "-m", "faults", "-p", "no:cacheprovider"]
COMMANDS = {
    "crowd": [*PYTEST, CROWD],
    "attacks": [*PYTEST, "-s", ATTACKS],
    "overload": [*PYTEST, "-s", OVERLOAD],
    "rows": [*PYTEST, "-n", "4", "--dist", "loadgroup", "--ignore", CROWD, "--ignore", ATTACKS, "--ignore", OVERLOAD],
    "fuzz": ["tests.faults.fuzz"],
}
TAIL_LINES = 40  # printed after a failure
NO_TESTS = 5  # pytest's exit status if no test was selected


def run_pytest_part(name: str, row: Row) -> tuple[bool, str]:
    """Run a part. Return whether it failed, and its output. It reads LONG from the environment."""
    command = [sys.executable, "-m", *COMMANDS[name]]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    lines: deque[str] = deque(maxlen=TAIL_LINES)
    measured = []
    with subprocess.Popen(
        die_with_parent(command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.rstrip())
            if lines[-1].startswith(TABLE_ROW):
                measured.append(lines[-1])
            row.say(lines[-1][-90:], 0.5)
    failed = process.returncode not in (0, NO_TESTS)
    said = "\n".join(lines) if failed else lines[-1] if lines else "nothing to do"
    return failed, "\n".join([f"{name}: {said}", *measured])
