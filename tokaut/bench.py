"""`tokaut bench`: how fast this is here, as a ratio to a floor that is measured in the same run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from reports.country import CountryError
from reports.hardening import harden
from reports.settings import Place, SettingError, load
from tokaut import bench_machine, bench_measures
from tokaut.bench_measures import Size
from tokaut.bench_table import table
from tokaut.bench_town import BenchTown
from tokaut.bench_walks import WALK
from tokaut.caller import NotAScreen
from tokaut.demo_folder import DemoFolder, Taken
from tokaut.plain import Plain
from tokaut.processes import Died
from tokaut.valkey import NoValkey

FULL = Size(rounds=5, seconds=4, warm=1, callers=16, sends=40)
QUICK = Size(rounds=1, seconds=0.3, warm=0.1, callers=4, sends=3)


@click.command()
@click.option("--quick", is_flag=True, help="Only show that it works: the figures are worth nothing.")
def bench(*, quick: bool) -> None:
    """Measure how fast this is on this machine, beside a floor on the same server in the same run.

    Starts web, workers, Valkey and a demo hotline on this machine alone, and callers that file made-up reports. Takes
    about two minutes; the figures are good to compare with one another, and with another run only on a machine at rest.

    \b
    Example:  tokaut bench

    Next: docs/performance.md says what each figure is, and what was measured before.
    """
    harden()
    try:
        data = load(Place, os.environ).data
        figures = _figures(data / "bench", QUICK if quick else FULL)
    except (Taken, NoValkey, Died, NotAScreen, CountryError, SettingError) as error:
        raise Plain(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    written = data / "bench.json"
    written.write_text(json.dumps(figures, indent=1) + "\n")
    Console(width=None if Console().is_terminal else 110).print(table(figures))
    click.echo(f"All of it: {written}")


def _figures(folder: Path, size: Size) -> dict[str, Any]:
    about = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": bench_machine.commit(),
        "machine": bench_machine.machine(),
        "versions": bench_machine.versions(),
        "settings": asdict(size) | {"web_processes": 1, "screens_of_a_walk": len(WALK)},
    }
    with DemoFolder(folder) as inside:
        town = BenchTown(inside)
        try:
            return about | _measured(town, size)
        finally:
            town.processes.stop()


def _measured(town: BenchTown, size: Size) -> dict[str, Any]:
    town.start_web()
    found = {
        "round_trips": bench_measures.round_trips(town),
        "session_bytes": bench_measures.session_bytes(town),
        "screens": bench_measures.screens(town, size),
        "memory_mb": bench_measures.memory_mb(town),
    }
    town.start_workers()
    return found | {
        "to_hotline": bench_measures.to_hotline(town, size),
        "sending": bench_measures.sending(town, size),
    }
