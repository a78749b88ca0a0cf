"""The commands of docs/operating/postgresql.md, run on each PostgreSQL available here, up to a delivered report.

`sudo -u postgres` is a script that becomes the administrator of the test's own server; each role logs in by password.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from reports.store.privileges.rights import CLOCK, CONSOLE, OWNER, ROLES, WEB, WORKER
from runtime.time_units import DAY_SECONDS
from tests.docs.pages import read
from tests.support.installation import Installation
from tests.support.postgres import Postgres, releases

pytestmark = [pytest.mark.slow, pytest.mark.rule("A-42")]

SUDO = """#!/bin/sh
[ "$1 $2" = "-u postgres" ] || exit 64
shift 2
PGHOST={folder} PGPORT={port} PGUSER=postgres exec "$@"
"""
PASSWORD = "a-password-of-the-tests"
ROLE_OF = {"urgent": WORKER, "standard": WORKER, "clock": CLOCK, "web": WEB, "console": CONSOLE}
PAGE = "docs/operating/postgresql.md"
RESTORE = "docs/operating/restore.md"


class Operator:
    """An operator who types the commands of the page, with only the settings that it names."""

    def __init__(self, server: Postgres, folder: Path) -> None:
        self.server, self.folder = server, folder
        programs = folder / "bin"
        programs.mkdir()
        (programs / "sudo").write_text(SUDO.format(folder=server.folder, port=server.port))
        (programs / "sudo").chmod(0o755)
        before = [str(programs), str(Path(server.tool("psql")[0]).parent), str(Path(sys.executable).parent)]
        self.path = os.pathsep.join([*before, os.environ["PATH"]])
        self.blocks = re.findall(r"^```\n(.*?)^```$", read(PAGE), re.DOTALL | re.MULTILINE)

    def types(self, line: str, *, answers: str = "", settings: Mapping[str, str] | None = None) -> str:
        """Return the output. `answers` is typed at a prompt. A failing command fails the test."""
        done = subprocess.run(
            ["sh", "-ec", line],
            input=answers,
            env={"PATH": self.path, **(settings or {})},
            cwd=self.folder,
            text=True,
            capture_output=True,
            check=False,
            start_new_session=True,  # without a terminal, psql reads the password from stdin
        )
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def sets_up(self) -> None:
        """Follow *Once*: the roles, their passwords, the line of pg_hba.conf, a file for each address."""
        roles, allowed, address, _ = self.blocks
        for line in roles.splitlines():
            self.types(line, answers=f"{PASSWORD}\n" * 2 if "\\password" in line else "")
        self.server.admit(allowed.strip())
        for role in (OWNER, *ROLES):
            file = self.file(role)
            own = address.strip().replace("tokaut_web", role).replace("<password>", PASSWORD)
            file.write_text(own.replace(":5432", f":{self.server.port}"))
            file.chmod(0o400)

    def file(self, role: str) -> Path:
        return self.folder / role

    def migrates(self, settings: Mapping[str, str]) -> str:
        line = self.blocks[3].strip().replace("/etc/tokaut/postgresql/owner", str(self.file(OWNER)))
        return self.types(line, settings=settings)


class PageInstallation(Installation):
    """An installation in which each process reads the address of its own role from a file."""

    def __init__(self, operator: Operator) -> None:
        super().__init__({"DATABASE_URL_FILE": str(operator.file(OWNER))})
        self.operator = operator

    def start(self, name: str, settings: Mapping[str, str] | None = None) -> None:
        own = {"DATABASE_URL_FILE": str(self.operator.file(ROLE_OF[name]))} if name in ROLE_OF else {}
        super().start(name, {**own, **(settings or {})})

    def of(self, role: str) -> dict[str, str]:
        return {**self.environment, "DATABASE_URL_FILE": str(self.operator.file(role))}


@pytest.fixture(params=list(releases()))
def operator(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Operator]:
    found = releases()[request.param]
    if found is None:
        pytest.skip(f"no PostgreSQL of {request.param} is installed here")
    server = Postgres(found).start()
    yield Operator(server, tmp_path)
    server.remove()


def test_what_the_page_says_brings_a_report_to_its_hotline(operator: Operator) -> None:
    operator.sets_up()
    installation = PageInstallation(operator)
    try:
        assert operator.migrates(installation.environment) == "The database has the schema of this release.\n"
        installation.up()
        installation.start_console()
        phone = installation.ussd_phone("ussd")
        seen = phone.dial()
        for reply in ("1", "2", "7", "1", "4", "4", "2", "1"):
            seen = phone.type(reply)
        assert seen.text.startswith("Sent to Pikinini Helpline.")
        installation.until_received(lambda got: len(got) == 1, "the report did not come", 60)
        invited = operator.types("tokaut staff invite mere --hotline vu-pikinini", settings=installation.of(CONSOLE))
        assert "/join#" in invited
        assert re.findall(r".*permission denied.*", (operator.server.folder / "log").read_text(encoding="utf-8")) == []
        assert "database: good" in operator.types("tokaut check || true", settings=installation.of(CLOCK))
    finally:
        installation.down()


def test_a_dump_is_restored_and_old_dumps_are_deleted_as_its_page_says(postgres: Postgres, tmp_path: Path) -> None:
    """All or nothing: half a database would have the newest schema, and no unique indexes."""
    operator, medium, old = Operator(postgres, tmp_path), tmp_path / "medium", tmp_path / "medium/live-1.dump"
    hosts = [tmp_path / "tokaut-web", tmp_path / "tokaut-worker"]
    for folder in (medium, *hosts):
        folder.mkdir()
    old.touch()
    os.utime(old, (0, time.time() - 37 * DAY_SECONDS))
    owner = postgres.new_filled("training")[OWNER]
    name = urlsplit(owner).path.removeprefix("/")
    new_name = postgres._new_name()  # the fixture drops it
    dump, restore = re.findall(
        r"^```\n(sudo -u postgres pg_dump.*?|tokaut roles.*?)^```$", read(RESTORE), re.DOTALL | re.M
    )
    dump = dump.replace("/mnt/backup", str(medium)).replace("/var/lib", str(tmp_path))
    with pytest.raises(AssertionError, match="no_database"):
        operator.types(dump.replace(" tokaut &&", " no_database &&"))
    assert [list(folder.iterdir()) for folder in hosts] == [[], []], "a backup that failed must not look like a new one"
    for part in medium.glob("live-2*"):
        part.unlink()
    operator.types(dump.replace(" tokaut &&", f" {name} &&"))
    assert [[path.name for path in folder.iterdir()] for folder in hosts] == [["last-backup"]] * 2
    [file] = medium.iterdir()
    operator.types(restore.replace("<file>", str(file)).replace("tokaut_new", new_name))
    settings = {"DATABASE_URL": owner.replace(name, new_name), "TOKAUT_MODE": "training"}
    said = operator.types("tokaut migrate", settings={**settings, "TOKAUT_DATA": str(tmp_path / "data")})
    assert said == "The database has the schema of this release.\n"


def test_a_role_without_the_right_is_named_with_what_it_may_not(operator: Operator) -> None:
    operator.sets_up()
    settings = {"TOKAUT_MODE": "demo", "TOKAUT_DATA": str(operator.folder / "data")}
    operator.types("sudo -u postgres psql tokaut -c 'ALTER SCHEMA public OWNER TO postgres'")
    said = operator.types(f"DATABASE_URL_FILE={operator.file(OWNER)} tokaut migrate 2>&1 || true", settings=settings)
    assert "PostgreSQL refused tokaut_owner: permission denied for schema public" in said
    assert "`tokaut roles` again" in said
    operator.types(operator.blocks[0].splitlines()[0])
    operator.migrates(settings)
    said = operator.types(
        f"DATABASE_URL_FILE={operator.file(WORKER)} tokaut staff list vu-pikinini 2>&1 || true", settings=settings
    )
    assert "PostgreSQL refused tokaut_worker: permission denied for table staff." in said
    assert "needs the DATABASE_URL of tokaut_console" in said
    with psycopg.connect(operator.file(OWNER).read_text()) as owner:
        found = owner.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'public'").fetchone()
        assert found == ("tokaut_owner",)
