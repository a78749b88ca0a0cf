"""`tokaut demo`: print a first line at once, then load tokaut.demo.runner, which takes seconds."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import click

from tokaut.local_stack.processes import STOP_SIGNALS
from tokaut.terminal import echo

LOADING = "Loading the demo; it needs some seconds."


@click.command()
@click.option("--once", is_flag=True, help="Stop when the report has arrived; exit status 0 only if it did.")
@click.option(
    "--port",
    envvar="PORT",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65000),
    help="Port of the web process; hotline and console take the next free ones.",
)
def demo(*, once: bool, port: int) -> None:
    """Watch a report travel from a feature phone to a hotline.

    Starts everything on this machine only: Valkey, the database, web, both workers, the clock, the console, and a
    hotline that checks signatures and calls back. A scripted reporter dials in over real HTTP. Nothing leaves this
    machine, and no report is real.

    \b
    Example:  tokaut demo --once
              TOKAUT_DATA=/tmp/second PORT=9000 tokaut demo      a second one beside the first

    Without --once it keeps running, so that you can dial in yourself. Next: `tokaut check` says what a real service
    needs.
    """
    try:
        with _stoppable():
            echo(LOADING)
            import_module("tokaut.demo.runner").run_demo(once=once, port=port)
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@contextmanager
def _stoppable() -> Iterator[None]:
    """Treat SIGTERM and a closed terminal like Ctrl-C, so that all started processes are stopped."""
    previous = {number: signal.signal(number, signal.default_int_handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
