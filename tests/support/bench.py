"""`tokaut bench` with its own PostgreSQL, if there are binaries: `python -m tests.support.bench [OPTION…]`."""

from __future__ import annotations

import sys

from tests.support.postgres import Postgres, binaries
from tokaut.commands.bench import bench


def main(options: list[str]) -> None:
    """Run the benchmark, which exits with its own status."""
    if (folder := binaries()) is None:
        bench(options)
    postgres = Postgres(folder).start()
    try:
        bench(["--postgresql", postgres.new_database(), *options])
    finally:
        postgres.remove()


if __name__ == "__main__":
    main(sys.argv[1:])
