"""`make contracts`: run schemathesis for longer than in the tests, with a new seed each time unless SEED is set."""

from __future__ import annotations

import os
import secrets
import sys

from tests.contracts.running import Running


def main() -> int:
    seed = os.environ.get("SEED") or str(secrets.randbelow(10**6))
    examples = os.environ.get("EXAMPLES") or "300"
    running = Running()
    try:
        done = [running.schemathesis(name, "--seed", seed, "--max-examples", examples) for name in ("console", "web")]
    finally:
        running.installation.down()
    for one in done:
        sys.stdout.write(f"{one.stdout}\n{one.stderr}\n")
    return max(one.returncode for one in done)


if __name__ == "__main__":
    sys.exit(main())
