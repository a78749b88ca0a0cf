"""The experiment: simulated reporters call until "Sent" while processes are killed; then both records are compared."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import clock_jumps, invariants, kills
from tests.faults.callers import Plan
from tests.faults.clock_jumps import ClockJumper
from tests.faults.differing_answers import opened_circuits
from tests.faults.faulty_installation import FaultyInstallation
from tests.faults.json_lines import JsonLinesFile, LineCounter, lines
from tests.faults.kill_triggers import KillTriggers
from tests.faults.kills import Killer
from tests.faults.open_work import OpenWork
from tests.faults.verdict import Verdict, compare_records
from tests.support.moved_clocks import ABSENT, LIBRARY
from tests.support.ports import free_port
from tests.support.postgres import Postgres, binaries
from tokaut.local_stack.parent_death import die_with_parent

TICK = 0.02
CHECK_SECONDS = 1.0
IDLE_SECONDS = 1.5  # without due work; all work that is left is scheduled for later
MAX_WAIT = 90  # seconds for due work
LONGEST = 31 * 3600  # seconds: longer than every delay
RECOVERY_SECONDS = 90  # real time after which no row may be scheduled beyond its period: a killed clock has restarted
MAX_MOVES = 15  # each one to after all scheduled work: a delivery that fails several times is scheduled several times
CHECKOUT = Path(__file__).parents[2]
RESULTS = CHECKOUT / "var" / "faults"


@dataclass(frozen=True)
class Size:
    """Size of a run.

    `kills`: of each process; those of PostgreSQL go to web on SQLite. `patience`: seconds in which due work may finish,
    before time is moved on. `jumps`: number of clock jumps; with them time is not moved on, and all must arrive in real
    time.
    """

    reports: int
    at_a_time: int
    kills: Mapping[str, int]
    hotline_away: float
    patience: float
    jumps: int = 0

    def counts(self, database: str) -> dict[str, int]:
        """Return the number of kills of each process on this database."""
        counts = dict(self.kills)
        if database == "sqlite":
            counts["web workers"] += counts.pop("postgres")
        return counts


def _kills(*counts: int) -> dict[str, int]:
    return dict(zip((target for target, _, _ in kills.TARGETS), counts, strict=True))


# Kills of: web's worker processes, gunicorn's master, urgent, standard, clock, Valkey, the hotline, PostgreSQL.
SIZES = {
    "small": Size(200, 16, _kills(2, 2, 2, 1, 1, 2, 1, 1), 3, 5),
    "short": Size(2_000, 64, _kills(3, 2, 3, 2, 3, 3, 1, 3), 20, 30),
    "full": Size(10_000, 64, _kills(8, 6, 7, 6, 6, 9, 1, 7), 20, 120),
    "jumps": Size(150, 12, _kills(2, 1, 2, 1, 1, 1, 1, 1), 3, 900, jumps=6),
    "storm": Size(12_000, 64, _kills(24, 12, 16, 16, 14, 16, 4, 12), 20, 60),  # without a pause: about ten minutes
}


class ExperimentFailed(Exception):
    """Raised if the experiment itself failed: its verdict would mean nothing."""


def finish_texts(work: OpenWork) -> None:
    """Wait for a while until reporters have received the due SMS."""
    end = time.monotonic() + IDLE_SECONDS
    while work.count("outgoing WHERE state = 'due'") and time.monotonic() < end:
        time.sleep(TICK)


def finish(work: OpenWork, seconds: float, look: Callable[[], None]) -> None:
    """Wait until no row is due and the spool is empty; move time on to work that is scheduled later.

    `seconds`: how long due work may take before time is moved. `look` is called repeatedly. Raises ExperimentFailed.
    """
    _until_idle(work, seconds, look)
    for _ in range(MAX_MOVES):
        left = work.unfinished() | {"pending": work.count("pending")}
        if not any(left.values()):
            return
        if work.offset + work.seconds_until_last_due() > LONGEST:
            raise ExperimentFailed(f"something waits for longer than {LONGEST} s: {left}; see {RESULTS}")
        work.move_time(work.seconds_until_last_due())
        _until_idle(work, MAX_WAIT, look)
    raise ExperimentFailed(f"not finished after all: {left}; see {RESULTS}")


def _until_idle(work: OpenWork, at_most: float, look: Callable[[], None]) -> None:
    """Wait until no work has been due for a while."""
    end, still = time.monotonic() + at_most, time.monotonic()
    while time.monotonic() < min(end, still + IDLE_SECONDS):
        if work.work_due_now():
            still = time.monotonic()
        look()
        time.sleep(0.25)


@dataclass(frozen=True)
class RunProgress:
    """Values for a progress display."""

    sent: int
    arrived: int
    killed: int
    doing: str


@dataclass
class Run:
    """One run, made and executed in one thread, with which the processes end. `database`: sqlite or postgresql."""

    form: Size
    seed: int = 1
    database: str = "sqlite"
    mutant: str = ""
    watch: Callable[[RunProgress], None] = field(default=lambda now: None)

    def __post_init__(self) -> None:
        if self.form.jumps and LIBRARY is None:
            raise ExperimentFailed(ABSENT)
        self._texts_port = free_port()
        settings = {"AFRICASTALKING_URL": f"http://127.0.0.1:{self._texts_port}"}
        self.installation = FaultyInstallation(
            mutant=self.mutant,
            seed=self.seed,
            settings=settings,
            postgres=self._postgres(),
            moves_clocks=bool(self.form.jumps),
        )
        self.folder = self.installation.folder
        self._arrived = LineCounter(self.folder / "every.jsonl")
        self._doing, self._sent, self._killed = "starting", 0, 0
        self._checked_at = time.monotonic()

    def _postgres(self) -> Postgres | None:
        if self.database == "sqlite":
            return None
        if (found := binaries()) is None:
            raise ExperimentFailed("there are no PostgreSQL binaries: `make setup` brings them")
        return Postgres(found).start()

    def go(self) -> Verdict:
        """Return the verdict, or raise ExperimentFailed. If the verdict is bad, copy records and logs to var/faults."""
        is_good = False
        try:
            self._report_progress()
            self.installation.up()
            self._let_call()
            if self.form.jumps:
                self._finish_in_real_time()
            else:
                self._doing = "finishing"
                finish(self.installation, self.form.patience, self._report_progress)
            verdict = self._compare_records()
            is_good = not verdict.bad
        finally:
            if not is_good:
                self._keep()
            self.installation.down()
        return verdict

    # The three phases

    def _let_call(self) -> None:
        self._doing = "calling"
        ledger = JsonLinesFile(self.folder / "kills.jsonl")
        counts = self.form.counts(self.database)
        planned = kills.plan(self.seed, self.form.reports, counts, self.form.hotline_away)
        killer = Killer(self.installation, planned, ledger)
        jumper = ClockJumper(
            self.installation, clock_jumps.plan(self.seed, self.form.reports, self.form.jumps), killer, ledger
        )
        aims = KillTriggers(self.installation, killer)
        callers = self._start_callers()
        assert callers.stdout
        aims.start(callers.stdout)
        try:
            while aims.gave_up is None or not killer.finished or not jumper.finished:
                killer.look(aims.sent, over=aims.gave_up is not None)
                jumper.look(aims.sent, over=aims.gave_up is not None)
                self._sent, self._killed = aims.sent, len(killer.done)
                self._report_progress()
                if callers.poll() is not None:
                    raise ExperimentFailed(f"the callers ended with {callers.returncode}; see {RESULTS}")
                self._check_processes()
                time.sleep(TICK)
            finish_texts(self.installation)
        finally:
            callers.kill()
            callers.wait()
            aims.stop()
            callers.stdout.close()
            ledger.close()
        if aims.gave_up:
            raise ExperimentFailed(f"{aims.gave_up} callers never came to Sent; see {RESULTS}")

    def _check_processes(self) -> None:
        """Raise ExperimentFailed if a process has ended that was not killed."""
        if time.monotonic() < self._checked_at + CHECK_SECONDS:
            return
        self._checked_at = time.monotonic()
        for name, process in list(self.installation.processes.items()):
            if process.poll() not in (None, -signal.SIGKILL):
                raise ExperimentFailed(f"{name} ended by itself with {process.returncode}; see {RESULTS}")

    def _start_callers(self) -> subprocess.Popen[bytes]:
        installation, form = self.installation, self.form
        ledger = str(self.folder / "callers.jsonl")
        plan = Plan(
            installation.web, installation.secrets(), self._texts_port, form.reports, form.at_a_time, self.seed, ledger
        )
        with installation.log("callers").open("ab") as log:
            command = [sys.executable, "-m", "tests.faults.callers", plan.written()]
            return subprocess.Popen(
                die_with_parent(command), stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )

    def _finish_in_real_time(self) -> None:
        """Wait until everything sent has arrived and no words wait. Rows due later stay scheduled."""
        self._doing = "finishing in real time"
        end, far_since = time.monotonic() + self.form.patience, 0.0
        while left := {name: count for name, count in self._at_hand_in_real_time().items() if count}:
            now = time.monotonic()
            far_since = (far_since or now) if left.get("beyond its period") else 0.0
            if now > end or (far_since and now - far_since > RECOVERY_SECONDS):
                return  # the verdict names the missing reports
            self._report_progress()
            time.sleep(0.25)

    def _at_hand_in_real_time(self) -> dict[str, int]:
        rows = self.installation.overdue_rows()
        left = self.installation.unfinished() | {"words": self.installation.count("pending WHERE kind = 'update'")}
        return left | {"beyond its period": len(rows)}

    def _compare_records(self) -> Verdict:
        self._doing = "judging"
        callers = lines(self.folder / "callers.jsonl")
        faults = [line["why"] for line in callers if line["event"] == "fault"]
        if faults:
            raise ExperimentFailed(f"{len(faults)} callers failed, the first with {faults[0]}")
        marked = [
            str(row[0]) for row in self.installation.ask("SELECT delivery_id FROM delivery WHERE state = 'delivered'")
        ]
        arrived, killed = lines(self.folder / "every.jsonl"), lines(self.folder / "kills.jsonl")
        broken = [
            *invariants.violations(self.installation),
            *map(str, self.installation.overdue_rows() if self.form.jumps else ()),
        ]
        anew = bool(self.form.jumps)
        opened = opened_circuits(self.folder / "web.log")
        return compare_records(
            callers,
            arrived,
            [*killed, *opened],
            marked,
            moved_at=self.installation.moved_at,
            broken=broken,
            begins_anew=anew,
        )

    # Progress and records

    def _report_progress(self) -> None:
        self.watch(RunProgress(self._sent, self._arrived.look(), self._killed, self._doing))

    def _keep(self) -> None:
        """Copy records and logs out of the folder that will be deleted."""
        place = RESULTS / f"{self.mutant or 'product'}-{self.database}-seed-{self.seed}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for path in (*self.folder.glob("*.jsonl"), *self.folder.glob("*.log")):
            shutil.copy(path, place)
