"""`tokaut bench`: the speed on this machine, as a ratio to a bare Flask view that is measured in the same run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from gateway.threads import THREADS
from runtime.hardening import harden
from runtime.settings import InstallationSettings, load_settings
from tokaut.bench import delivery_measurements, machine, measurements
from tokaut.bench.environment import BenchEnvironment
from tokaut.bench.load_client import SCENARIO, SENDING_SCENARIO
from tokaut.bench.measurements import BenchSize
from tokaut.bench.table import draw_chart, figures_table
from tokaut.local_stack.settings import DemoFolder
from tokaut.terminal import echo

Measurement = tuple[str, Callable[[dict[str, Any]], Any]]  # a name, and the function that returns its figures

FULL = BenchSize(rounds=5, seconds=4, warm=1, callers=16, sends=40, urgent=20, stored=100_000)
QUICK = BenchSize(rounds=1, seconds=0.5, warm=0.1, callers=4, sends=3, urgent=1, stored=1_000)


@click.command()
@click.option("--postgresql", metavar="ADDRESS", help="Also commit reports to this empty PostgreSQL database.")
@click.option(
    "--draw", type=click.Path(dir_okay=False, path_type=Path), help="Also draw the figures, as an SVG picture."
)
@click.option(
    "--beside",
    metavar="CHECKOUT",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Also measure web of another checkout, in turn with this one. Run `make setup` there first.",
)
@click.option("--quick", is_flag=True, help="Only a smoke test: the figures are not meaningful.")
def bench(*, postgresql: str | None, draw: Path | None, beside: Path | None, quick: bool) -> None:
    """Measure the speed on this machine, next to a bare Flask view in the same run.

    Starts web, workers, Valkey and a demo hotline on this machine only, and simulated callers who send made-up reports.
    It takes eight minutes at most. Compare the figures with one another, and with another run only if the machine is
    otherwise idle.

    \b
    Example:  tokaut bench

    Next: docs/performance.md explains each figure, and has earlier measurements.
    """
    harden()
    try:
        data = load_settings(InstallationSettings, os.environ).data
        figures = _figures(data / "bench", QUICK if quick else FULL, postgresql, beside)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    written = data / "bench.json"
    written.write_text(json.dumps(figures, indent=1) + "\n")
    if draw:
        draw.write_text(draw_chart(figures))
    Console(width=None if Console().is_terminal else 110).print(figures_table(figures))
    echo(f"All of it: {written}")


def _figures(folder: Path, size: BenchSize, postgresql: str | None, beside: Path | None) -> dict[str, Any]:
    about: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.current_commit(),
        "machine": machine.describe_machine(),
        "versions": machine.versions(),
        "settings": asdict(size) | {"web_processes": 1, "threads": THREADS, "screens_of_a_walk": len(SCENARIO)},
    }
    figures = _run_in_environment(folder, None, lambda environment: _all_measurements(environment, size), beside)
    figures |= _run_in_environment(folder, None, lambda environment: _beside_many_reports(environment, size))
    figures |= _run_in_environment(folder, None, lambda environment: _to_a_far_hotline(environment, size))
    figures["sending_postgresql"] = None
    if postgresql:
        figures |= _run_in_environment(
            folder, {"DATABASE_URL": postgresql}, lambda environment: _on_postgresql(environment, size)
        )
    return about | figures


def _run_in_environment(
    folder: Path,
    settings: dict[str, str] | None,
    list_measurements: Callable[[BenchEnvironment], Iterator[Measurement]],
    beside: Path | None = None,
) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with DemoFolder(folder) as demo_folder, Console(stderr=True).status("…") as status:
        environment = BenchEnvironment(demo_folder, settings, beside)
        try:
            for name, measure in list_measurements(environment):
                status.update(f"{name.replace('_', ' ')} …")
                figures[name] = measure(figures)
        finally:
            environment.processes.stop()
    return figures


def _all_measurements(environment: BenchEnvironment, size: BenchSize) -> Iterator[Measurement]:
    """Yield the measurements in order. Each gets the figures of those before it."""
    environment.start_web()
    yield "start_seconds", lambda _: environment.startup_seconds
    yield "round_trips", lambda _: measurements.round_trips(environment)
    yield "session_bytes", lambda _: measurements.session_bytes(environment)
    yield "screens", lambda _: measurements.screens(environment, size)
    yield (
        "half_load",
        lambda figures: measurements.half_load(environment, size, figures["screens"]["web"]["per_second"]),
    )
    yield "memory_mb", lambda _: measurements.memory_mb(environment, size)
    environment.start_workers()
    yield "to_hotline", lambda _: delivery_measurements.to_hotline(environment, size)
    yield "sending", lambda _: measurements.sending(environment, size)
    yield (
        "half_load_sending",
        lambda figures: measurements.half_load(
            environment, size, figures["sending"]["per_second"], SENDING_SCENARIO, goal=50
        ),
    )
    yield "limits", lambda _: delivery_measurements.limits(environment, size)
    yield "report_cost", lambda _: delivery_measurements.report_cost(environment, size)
    yield "deliveries_one", lambda _: delivery_measurements.deliveries(environment, size)
    yield "primary_down", lambda _: delivery_measurements.primary_down(environment, size)
    environment.start_second_workers()
    yield "deliveries_two", lambda _: delivery_measurements.deliveries(environment, size)


def _beside_many_reports(environment: BenchEnvironment, size: BenchSize) -> Iterator[Measurement]:
    environment.start_web()
    yield "stored_reports_mb", lambda _: measurements.stored_reports_mb(environment, size)


def _to_a_far_hotline(environment: BenchEnvironment, size: BenchSize) -> Iterator[Measurement]:
    environment.start_web()
    environment.start_workers(far=True)
    yield "deliveries_far", lambda _: delivery_measurements.deliveries(environment, size)


def _on_postgresql(environment: BenchEnvironment, size: BenchSize) -> Iterator[Measurement]:
    environment.start_web()
    environment.start_workers()
    yield "sending_postgresql", lambda _: measurements.sending(environment, size)
