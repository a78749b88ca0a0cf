"""Measure whether staff at their lists delay a reporter's screens: `python -m tests.console.load [OPTION…]`.

Web answers a fixed rate of screens, alternately alone and beside a console where staff of three hotlines look at the
list of all open reports, some through a filter. All processes are real, on one machine; only the people are simulated.
On PostgreSQL each process has its own role. The table is printed, and all figures are written to var/console_load.json.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import click
from sqlalchemy import text

from reports.crypto.key_files import load_public_keys
from reports.store.engine.database import Database
from tests.console import load_staff
from tests.house.files import ROOT
from tests.support.installation import Installation
from tests.support.logged_in import logged_in
from tests.support.many_reports import insert_many_reports
from tests.support.postgres import OWNER, Postgres, binaries
from tokaut.bench import load_client, machine
from tokaut.bench.load_client import SCENARIO, SENDING_SCENARIO
from tokaut.local_stack import preparation

HOTLINES = ("vu-pikinini", "vu-womens-centre", "vu-police")
FILTERS = ("", "", "", "", "", "", "", "category=luring", "category=missing", "place=tanna")  # for ten people in turn
WALKS = {"screens": SCENARIO, "screens_with_send": SENDING_SCENARIO}
GOAL_RATIO, GOAL_LIST = 1.1, 200  # of web's p95; milliseconds of a list's p95
TOGETHER = 20  # list requests per second during the warm-up
PARTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """`seconds`: of each series. `rate`: screens per second of all reporters together."""

    staff: int
    reports: int
    rate: int
    rounds: int
    seconds: float
    callers: int = 16
    warm: float = 1


class LoadTestSite:
    """Web and console with prepared reports and people. `roles`: PostgreSQL's addresses by role."""

    def __init__(self, size: Size, roles: Mapping[str, str]) -> None:
        self.size, self._roles = size, roles
        self.installation = Installation({"DATABASE_URL": roles[OWNER]} if roles else {})
        self.installation.start("valkey")
        preparation.prepare_stack(self.installation.plan)
        self.installation.start("web", self._as("tokaut_web"))
        self.installation.until_web_answers()
        self.installation.start_console(self._as("tokaut_console"))
        keys = load_public_keys(self.installation.plan.folder.inside / "keys", HOTLINES)
        database = self._database()
        insert_many_reports(database, HOTLINES, keys, size.reports)
        self._people = [_person(database, number) for number in range(size.staff)]
        if roles:
            with database.write() as connection:
                connection.execute(text("ANALYZE"))  # PostgreSQL does this by itself within a minute
        database.close()
        self.callers("screens")  # warm-up, not measured
        _run("tests.console.load_staff", asdict(self._order(size.staff / TOGETHER, size.staff / TOGETHER)))

    def _order(self, every: float, seconds: float) -> load_staff.Order:
        return load_staff.Order(self.installation.plan.where.console_port, every, seconds, self._people)

    def _as(self, role: str) -> dict[str, str]:
        return {"DATABASE_URL": self._roles[role]} if self._roles else {}

    def _database(self) -> Database:
        """Open the database with all rights, which neither web nor console has."""
        if self._roles:
            return Database(self._roles[OWNER].replace(f"{OWNER}@", "postgres@"))
        return Database(f"sqlite:///{self.installation.environment['TOKAUT_DATA']}/tokaut.db")

    def callers(self, walk: str) -> Figures:
        address = f"/hooks/africastalking/{self.installation.token('africastalking')}/ussd"
        shows = [(step.reply, step.expected_text) for step in WALKS[walk]]
        size, port = self.size, self.installation.plan.where.web_port
        order = load_client.LoadOrder(port, address, shows, size.callers, size.seconds, size.warm, size.rate)
        found: Figures = _run("tokaut.bench.load_client", asdict(order))
        assert found["screens"] and not found["wrong"], found
        return found

    @contextmanager
    def staff(self, found: Figures) -> Iterator[None]:
        """Poll the lists as staff do during the block; `found` is filled at its end."""
        order = self._order(polled_every(), self.size.seconds + self.size.warm)
        running = machine.processes_with(self.installation.plan.where.console_listener)
        before = machine.cpu_seconds(running)
        command = machine.python_command("tests.console.load_staff")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
            assert process.stdin
            process.stdin.write(json.dumps(asdict(order)))
            process.stdin.close()
            yield
            assert process.stdout
            found |= json.loads(process.stdout.read())
        assert not found["wrong"], f"{found['wrong']} of the answers were no list"
        after = machine.cpu_seconds(running)
        found["cpu"] = None if before is None or after is None else after - before


def _person(database: Database, number: int) -> tuple[str, str]:
    """Return a person's session cookie and the address that the page polls. Three of five are at the first hotline."""
    hotline = HOTLINES[max(0, number % 5 - 2)]
    return logged_in(database, f"staff{number}", "staff", hotline), f"/rows?{FILTERS[number % len(FILTERS)]}"


def polled_every() -> float:
    """Return the polling interval of the page's script, in seconds."""
    found = re.search(r"const POLL = (\d+) \* 1000;", (ROOT / "console/static/console.js").read_text())
    assert found, "console.js says otherwise how often it looks"
    return float(found[1])


def _run(module: str, order: Mapping[str, Any]) -> Any:
    command = machine.python_command(module)
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def measure(size: Size, roles: Mapping[str, str]) -> Figures:
    site = LoadTestSite(size, roles)
    try:
        rounds = [_round(site) for _ in range(size.rounds)]
    finally:
        site.installation.down()
    found: Figures = {walk: _compared([one[walk] for one in rounds]) for walk in WALKS}
    looks = [one[walk]["staff"] for one in rounds for walk in WALKS]
    return found | {"lists": _lists(looks), "rounds": rounds}


def _round(site: LoadTestSite) -> Figures:
    found: Figures = {}
    for walk in WALKS:
        alone, staff = site.callers(walk), Figures()
        with site.staff(staff):
            beside = site.callers(walk)
        found[walk] = {"alone": alone, "beside": beside, "staff": staff}
    return found


def _compared(rounds: Sequence[Figures]) -> Figures:
    found: Figures = {
        name: {part: round(median(one[name][part] for one in rounds), 2) for part in PARTS}
        for name in ("alone", "beside")
    }
    ratio = median(one["beside"]["p95"] / one["alone"]["p95"] for one in rounds)
    return found | {"ratio_p95": round(ratio, 3), "goal": GOAL_RATIO}


def _lists(looks: Sequence[Figures]) -> Figures:
    """Return the figures of all list requests, and of the filtered ones alone."""
    took = [(address, one) for each in looks for address, several in each["took"].items() for one in several]
    spent = [one["cpu"] for one in looks]
    return {
        "all": _parts([one for _, one in took]),
        "filtered": _parts([one for address, one in took if "=" in address]),
        "cpu_ms": round(sum(spent) * 1000 / len(took), 2) if took and None not in spent else None,
        "goal_p95": GOAL_LIST,
    }


def _parts(took: Sequence[float]) -> Figures:
    ordered = sorted(took)
    if not ordered:
        return {"looks": 0, **dict.fromkeys(PARTS)}
    at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * part))] for name, part in PARTS.items()}
    return {"looks": len(ordered), **at}


def lines(figures: Figures) -> Iterator[str]:
    """Yield the figures as text."""
    for kind, found in figures["databases"].items():
        for walk in WALKS:
            one, name = found[walk], f"{kind}, {walk.replace('_', ' ')}"
            for how in ("alone", "beside"):
                yield f"{name}, {how}: p50 {one[how]['p50']}, p95 {one[how]['p95']}, p99 {one[how]['p99']} ms"
            yield f"{name}, ratio of p95: {one['ratio_p95']} (goal {one['goal']})"
        lists = found["lists"]
        for name in ("all", "filtered"):
            one = lists[name]
            yield f"{kind}, lists, {name}: p50 {one['p50']}, p95 {one['p95']}, p99 {one['p99']} ms of {one['looks']}"
        yield f"{kind}, lists: goal of p95 {lists['goal_p95']} ms; CPU time of a list {lists['cpu_ms']} ms"


@click.command()
@click.option("--staff", default=50)
@click.option("--reports", default=10_000)
@click.option("--rate", default=100, help="Screens a second on web.")
@click.option("--rounds", default=3)
@click.option("--seconds", default=30.0, help="Of each series; there are four in a round.")
@click.option("--database", "kind", type=click.Choice(["sqlite", "postgresql", "both"]), default="both")
def load(*, kind: str, **size: Any) -> None:
    """Print p50, p95 and p99 of web alone, of web beside the console, and of the lists."""
    figures: Figures = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.current_commit(),
        "machine": machine.describe_machine(),
        "versions": machine.versions(),
        "settings": asdict(Size(**size)) | {"polled_every": polled_every()},
        "databases": {},
    }
    if kind in ("sqlite", "both"):
        figures["databases"]["sqlite"] = measure(Size(**size), {})
    if kind in ("postgresql", "both"):
        found = binaries()
        if found is None:
            sys.exit("no PostgreSQL binaries: `make setup` brings them, or set TEST_PG_BIN to a folder with initdb")
        postgres = Postgres(found).start()
        try:
            figures["databases"]["postgresql"] = measure(Size(**size), postgres.new_tokaut())
        finally:
            postgres.remove()
    for line in lines(figures):
        click.echo(line)
    written = Path("var") / "console_load.json"
    written.parent.mkdir(exist_ok=True)
    written.write_text(json.dumps(figures, indent=1) + "\n")
    click.echo(f"All of it: {written}")


if __name__ == "__main__":
    load()
