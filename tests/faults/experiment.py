"""The experiment: callers walk to "Sent" while everything is killed; then both ledgers are compared."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import after, jumps, kills
from tests.faults.aims import Aims
from tests.faults.callers import Plan
from tests.faults.city import City
from tests.faults.jumps import Jumper
from tests.faults.kills import Killer
from tests.faults.ledger import Counted, Ledger, lines
from tests.faults.verdict import Verdict, judge
from tests.support.moved_clocks import ABSENT, LIBRARY
from tests.support.ports import free_port
from tests.support.postgres import Postgres, binaries
from tokaut.local_stack.parent_death import die_with_parent

TICK = 0.02
STILL = 1.5  # seconds without anything at hand: what is left waits for a later time
AT_MOST = 90  # seconds for what is at hand
LONGEST = 31 * 3600  # seconds: past every delay that there is
MENDED = 90  # seconds of real time within which no row may lie beyond its own period: a killed clock is up again
MOVES = 15  # of the time, each past what waits then: one that a hotline fails a few times waits a few times
CHECKOUT = Path(__file__).parents[2]
KEPT = CHECKOUT / "var" / "faults"


@dataclass(frozen=True)
class Form:
    """`kills`: how often each is killed; PostgreSQL's go to web where there is none.

    `patience`: how long what is at hand may come in its own time, before that is moved on. With `jumps` the clocks of
    processes are moved as often, and time is not moved on afterwards: all has to come in real time.
    """

    reports: int
    at_a_time: int
    kills: Mapping[str, int]
    hotline_away: float
    patience: float
    jumps: int = 0

    def counts(self, database: str) -> dict[str, int]:
        counts = dict(self.kills)
        if database == "sqlite":
            counts["web workers"] += counts.pop("postgres")
        return counts


def _kills(*counts: int) -> dict[str, int]:
    return dict(zip((target for target, _, _ in kills.TARGETS), counts, strict=True))


# Kills of: web's processes, gunicorn's master, urgent, standard, clock, Valkey, the hotline, PostgreSQL.
FORMS = {
    "small": Form(200, 16, _kills(2, 2, 2, 1, 1, 2, 1, 1), 3, 5),
    "short": Form(2_000, 64, _kills(3, 2, 3, 2, 3, 3, 1, 3), 20, 30),
    "full": Form(10_000, 64, _kills(8, 6, 7, 6, 6, 9, 1, 7), 20, 120),
    "jumps": Form(150, 12, _kills(2, 1, 2, 1, 1, 1, 1, 1), 3, 900, jumps=6),
    "storm": Form(12_000, 64, _kills(24, 12, 16, 16, 14, 16, 4, 12), 20, 60),  # everything at once: some ten minutes
}


class CannotSay(Exception):
    """The experiment itself went wrong; its verdict would mean nothing."""


@dataclass(frozen=True)
class Now:
    """For whoever watches."""

    sent: int
    arrived: int
    killed: int
    doing: str


@dataclass
class Run:
    """Made and run in one thread: the processes end with it. `database`: sqlite or postgresql."""

    form: Form
    seed: int = 1
    database: str = "sqlite"
    mutant: str = ""
    watch: Callable[[Now], None] = field(default=lambda now: None)

    def __post_init__(self) -> None:
        if self.form.jumps and LIBRARY is None:
            raise CannotSay(ABSENT)
        self._texts_port = free_port()
        settings = {"AFRICASTALKING_URL": f"http://127.0.0.1:{self._texts_port}"}
        self.city = City(
            mutant=self.mutant,
            seed=self.seed,
            settings=settings,
            postgres=self._postgres(),
            moves_clocks=bool(self.form.jumps),
        )
        self.folder = self.city.folder
        self._arrived = Counted(self.folder / "every.jsonl")
        self._doing, self._sent, self._killed = "starting", 0, 0

    def _postgres(self) -> Postgres | None:
        if self.database == "sqlite":
            return None
        if (found := binaries()) is None:
            raise CannotSay("there are no PostgreSQL binaries: `make setup` brings them")
        return Postgres(found).start()

    def go(self) -> Verdict:
        """Raises CannotSay. Ledgers and logs are kept in var/faults where the verdict is bad."""
        is_good = False
        try:
            self._tell()
            self.city.up()
            self._let_call()
            finish = self._finish_in_real_time if self.form.jumps else self._finish
            finish()
            verdict = self._judge()
            is_good = not verdict.bad
        finally:
            if not is_good:
                self._keep()
            self.city.down()
        return verdict

    # The three parts

    def _let_call(self) -> None:
        self._doing = "calling"
        ledger = Ledger(self.folder / "kills.jsonl")
        counts = self.form.counts(self.database)
        planned = kills.plan(self.seed, self.form.reports, counts, self.form.hotline_away)
        killer = Killer(self.city, planned, ledger)
        jumper = Jumper(self.city, jumps.plan(self.seed, self.form.reports, self.form.jumps), killer, ledger)
        aims = Aims(self.city, killer)
        callers = self._start_callers()
        assert callers.stdout
        aims.start(callers.stdout)
        try:
            while aims.gave_up is None or not killer.finished or not jumper.finished:
                killer.look(aims.sent, over=aims.gave_up is not None)
                jumper.look(aims.sent, over=aims.gave_up is not None)
                self._sent, self._killed = aims.sent, len(killer.done)
                self._tell()
                if callers.poll() is not None:
                    raise CannotSay(f"the callers ended with {callers.returncode}; see {KEPT}")
                time.sleep(TICK)
            self._finish_texts()
        finally:
            callers.kill()
            callers.wait()
            aims.stop()
            callers.stdout.close()
            ledger.close()
        if aims.gave_up:
            raise CannotSay(f"{aims.gave_up} callers never came to Sent; see {KEPT}")

    def _start_callers(self) -> subprocess.Popen[bytes]:
        city, form = self.city, self.form
        ledger = str(self.folder / "callers.jsonl")
        plan = Plan(city.web, city.secrets(), self._texts_port, form.reports, form.at_a_time, self.seed, ledger)
        with city.log("callers").open("ab") as log:
            command = [sys.executable, "-m", "tests.faults.callers", plan.written()]
            return subprocess.Popen(
                die_with_parent(command), stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )

    def _finish_texts(self) -> None:
        """What is still to be texted to callers finds somebody there, for a while."""
        end = time.monotonic() + STILL
        while self.city.count("outgoing WHERE state = 'due'") and time.monotonic() < end:
            time.sleep(TICK)

    def _finish(self) -> None:
        """Until no row is due and the spool is empty; what waits for a later time gets its time."""
        self._doing = "finishing"
        self._wait(self.form.patience)
        for _ in range(MOVES):
            left = self.city.unfinished() | {"pending": self.city.count("pending")}
            if not any(left.values()):
                return
            if self.city.offset + self.city.lies_ahead() > LONGEST:
                raise CannotSay(f"something waits for longer than {LONGEST} s: {left}; see {KEPT}")
            self.city.move_time(self.city.lies_ahead())
            self._wait(AT_MOST)
        raise CannotSay(f"not finished after all: {left}; see {KEPT}")

    def _finish_in_real_time(self) -> None:
        """Until all that was sent has come and no words wait: rows that file themselves later stay in their time."""
        self._doing = "finishing in real time"
        end, far_since = time.monotonic() + self.form.patience, 0.0
        while left := {name: count for name, count in self._at_hand_in_real_time().items() if count}:
            now = time.monotonic()
            far_since = (far_since or now) if left.get("beyond its period") else 0.0
            if now > end or (far_since and now - far_since > MENDED):
                return  # the verdict says what is missing
            self._tell()
            time.sleep(0.25)

    def _at_hand_in_real_time(self) -> dict[str, int]:
        rows = self.city.beyond_their_period()
        left = self.city.unfinished() | {"words": self.city.count("pending WHERE kind = 'update'")}
        return left | {"beyond its period": len(rows)}

    def _wait(self, at_most: float) -> None:
        """Until nothing has been at hand for a while."""
        end, still = time.monotonic() + at_most, time.monotonic()
        while time.monotonic() < min(end, still + STILL):
            if self.city.at_hand():
                still = time.monotonic()
            self._tell()
            time.sleep(0.25)

    def _judge(self) -> Verdict:
        self._doing = "judging"
        callers = lines(self.folder / "callers.jsonl")
        faults = [line["why"] for line in callers if line["event"] == "fault"]
        if faults:
            raise CannotSay(f"{len(faults)} callers failed, the first with {faults[0]}")
        marked = [str(row[0]) for row in self.city.ask("SELECT delivery_id FROM delivery WHERE state = 'delivered'")]
        arrived, killed = lines(self.folder / "every.jsonl"), lines(self.folder / "kills.jsonl")
        broken = [*after.broken(self.city), *map(str, self.city.beyond_their_period() if self.form.jumps else ())]
        anew = bool(self.form.jumps)
        return judge(callers, arrived, killed, marked, moved_at=self.city.moved_at, broken=broken, begins_anew=anew)

    # Beside it

    def _tell(self) -> None:
        self.watch(Now(self._sent, self._arrived.look(), self._killed, self._doing))

    def _keep(self) -> None:
        """Ledgers and logs out of the folder that will be deleted."""
        place = KEPT / f"{self.mutant or 'product'}-{self.database}-seed-{self.seed}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for path in (*self.folder.glob("*.jsonl"), *self.folder.glob("*.log")):
            shutil.copy(path, place)
