"""`tokaut demo`: print a first line at once, then load tokaut.demo.runner, which takes seconds."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

import click

from tokaut.local_stack.processes import STOP_SIGNALS
from tokaut.terminal import echo

LOADING = "Loading the demo; it needs some seconds."
INTERRUPTED = 130  # exit status of a command that Ctrl-C has ended, as in a shell


@click.command()
@click.option("--once", is_flag=True, help="Stop when the report has arrived; exit status 0 only if it did.")
@click.option("--login", is_flag=True, help="Print the console's login of the running demo, and stop.")
@click.option(
    "--port",
    envvar="PORT",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65000),
    help="Port of the web process; hotline and console take the next free ones.",
)
def demo(*, once: bool, login: bool, port: int) -> None:
    """Watch a report travel from a feature phone to a hotline.

    Starts everything on this machine only: Valkey, the database, web, both workers, the clock, the console, and a
    hotline that checks signatures and calls back. A scripted reporter dials in over real HTTP. Nothing leaves this
    machine, and no report is real.

    \b
    Example:  tokaut demo --once
              TOKAUT_DATA=/tmp/second PORT=9000 tokaut demo      a second one beside the first
              tokaut demo --login      while one runs: name, password and code for its console

    Without --once it keeps running, so that you can dial in yourself. Next: `tokaut check` says what a real service
    needs.
    """
    if login:
        _print_login()
        return
    try:
        with _on_stop(_exit_at_once):
            echo(LOADING)
            runner = import_module("tokaut.demo.runner")
        with _on_stop(signal.default_int_handler):
            runner.run_demo(once=once, port=port)
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None


def _print_login() -> None:
    account, settings = import_module("tokaut.demo.staff_account"), import_module("runtime.settings")
    folder = settings.load_settings(settings.CommonSettings, {**os.environ, "TOKAUT_MODE": "demo"}).data
    echo(account.login_text(folder / "demo.json"))


@contextmanager
def _on_stop(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle Ctrl-C, SIGTERM and a closed terminal alike, so that all started processes are stopped."""
    previous = {number: signal.signal(number, handler) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler_before in previous.items():
            signal.signal(number, handler_before)


def _exit_at_once(_number: int, _frame: FrameType | None) -> None:
    """Exit without an exception: a package that is being imported may catch any, and the demo would go on."""
    os._exit(INTERRUPTED)
