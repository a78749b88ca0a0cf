"""Commands say why PostgreSQL was not reached, with server, database and role, and never with the password."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from reports.store.engine.database import Database, DatabaseUnavailable
from reports.store.privileges.rights import CLOCK, WEB, WORKER
from tests.support.postgres import Postgres
from tests.tokaut.test_check import good
from tokaut.__main__ import main
from tokaut.commands import watch

PASSWORD = "not-to-be-shown"
NOWHERE = {
    f"postgresql://tokaut_clock:{PASSWORD}@127.0.0.1:1/tokaut": "nothing listens at 127.0.0.1:1; start it, or correct",
    f"postgresql://tokaut_clock:{PASSWORD}@db.invalid/tokaut": "there is no host db.invalid:5432; correct DATABASE_URL",
    f"postgresql://tokaut_clock:{PASSWORD}@/tokaut?host=/none": "its socket is not at /none; start it, or correct",
    f"postgresql://tokaut_clock:{PASSWORD}@/tokaut?host=127.0.0.1:1&host=127.0.0.2:2": (
        "nothing listens at 127.0.0.1:1 or 127.0.0.2:2; start it"
    ),
}


def said(command: str, folder: Path, address: str) -> str:
    """Return what a command prints with this address of the database, on one line."""
    result = CliRunner().invoke(main, command.split(), env=good(folder) | {"DATABASE_URL": address})
    assert result.exit_code == 1 and PASSWORD not in result.output
    return " ".join(result.output.split())


@pytest.mark.parametrize("address", NOWHERE)
@pytest.mark.parametrize("command", ["check", "watch --once", "migrate"])
def test_a_server_that_is_not_there(
    command: str, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert f"The database does not answer ({NOWHERE[address]}" in said(command, tmp_path, address)


def test_watch_says_it_while_it_looks() -> None:
    address, reason = next(iter(NOWHERE.items()))
    with closing(Database(address, threads=1)) as database:
        console = Console(record=True, width=200)
        console.print(next(watch._looks(database, console, lambda: watch.NOTHING_KNOWN)))
    assert f"The database does not answer ({reason}" in console.export_text()


@pytest.mark.slow
def test_a_server_that_refuses(postgres: Postgres, tmp_path: Path) -> None:
    address = postgres.new_tokaut()[CLOCK]
    server, database = f"127.0.0.1:{postgres.port}", address.rpartition("/")[2]
    postgres.admit(f"host {database} {WORKER} 127.0.0.1/32 scram-sha-256")
    postgres.admit(f"host {database} {WEB} 127.0.0.1/32 reject")
    for there, reason in (
        (f"tokaut_clok@{server}/{database}", "it has no role tokaut_clok; correct DATABASE_URL, or: tokaut roles"),
        (f"{CLOCK}@{server}/none", "it has no database none; correct DATABASE_URL"),
        (f"{WORKER}:{PASSWORD}@{server}/{database}", f"it refuses the password or account of {WORKER}"),
        (f"{WORKER}@{server}/{database}", f"it refuses the password or account of {WORKER}"),
        (f"{WEB}@{server}/{database}", f"it does not let {WEB} into {database} from here"),
    ):
        assert f"The database does not answer ({reason}" in said("check", tmp_path, f"postgresql://{there}"), there


def test_a_log_gets_no_more_than_the_class_of_the_error() -> None:
    with (
        closing(Database(next(iter(NOWHERE)), threads=1)) as database,
        pytest.raises(DatabaseUnavailable) as refused,
        database.read(),
    ):
        pass
    assert (str(refused.value), refused.value.cause, refused.value.args) == (
        "OperationalError",
        "OperationalError",
        ("OperationalError",),
    )
