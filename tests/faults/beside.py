"""What else is part of `make faults` and has its own way to run: crowd, attacks, overload, the rows of the table of
faults, fuzz.

The crowd asks how fast all is and so runs alone, and so do the attacks and overload, which print what was measured. Of
the rows those of one city stay with one process; most of what the four do is wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque

from tests.faults.view import Row
from tokaut.local_stack.parent_death import die_with_parent

CROWD = "tests/faults/test_crowd.py"
ATTACKS = "tests/faults/test_attacks.py"
OVERLOAD = "tests/faults/test_overload.py"
MEASURED = "| "  # what a line of the attacks' table begins with
PYTEST = ["pytest", "-q", "-m", "faults", "-p", "no:cacheprovider"]
COMMANDS = {
    "crowd": [*PYTEST, CROWD],
    "attacks": [*PYTEST, "-s", ATTACKS],
    "overload": [*PYTEST, "-s", OVERLOAD],
    "rows": [*PYTEST, "-n", "4", "--dist", "loadgroup", "--ignore", CROWD, "--ignore", ATTACKS, "--ignore", OVERLOAD],
    "fuzz": ["tests.faults.fuzz"],
}
LAST = 40  # lines, where it fails
NOTHING = 5  # pytest's word for: no test is marked so


def beside(name: str, row: Row) -> tuple[bool, str]:
    """Whether it failed, and what to print. LONG reaches it by the environment."""
    command = [sys.executable, "-m", *COMMANDS[name]]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    lines: deque[str] = deque(maxlen=LAST)
    measured = []
    with subprocess.Popen(
        die_with_parent(command), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.rstrip())
            if lines[-1].startswith(MEASURED):
                measured.append(lines[-1])
            row.say(lines[-1][-90:], 0.5)
    failed = process.returncode not in (0, NOTHING)
    said = "\n".join(lines) if failed else lines[-1] if lines else "nothing to do"
    return failed, "\n".join([f"{name}: {said}", *measured])
