"""`tokaut bench` with a PostgreSQL of its own, where there are binaries: `python -m tests.support.bench [OPTION…]`."""

from __future__ import annotations

import sys

from tests.support.postgres import Postgres, binaries
from tokaut.commands.bench import bench


def main(options: list[str]) -> None:
    """Runs the bench; it ends with its own exit status."""
    if (found := binaries()) is None:
        bench(options)
    postgres = Postgres(found).start()
    try:
        bench(["--postgresql", postgres.new_database(), *options])
    finally:
        postgres.remove()


if __name__ == "__main__":
    main(sys.argv[1:])
